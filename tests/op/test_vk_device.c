// test_vk_device.c - which device is opened, what is said when none can be, and several devices in one process.
#include "runtime/base/thread.h"
#include "runtime/vk/device_private.h"
#include "tests/op/vk.h"

static void set(struct daub_candidate *c, uint32_t index, const char *name, daub_device_kind kind, bool usable)
{
    memset(c, 0, sizeof(*c));
    c->info.index = index;
    c->info.kind = kind;
    c->info.usable = usable;
    snprintf(c->info.name, sizeof(c->info.name), "%s", name);
    if (!usable)
        snprintf(c->info.reason, sizeof(c->info.reason), "not usable: no queue for compute");
}

static void test_choice(void)
{
    struct daub_candidate list[5];
    uint32_t index = 99;
    set(&list[0], 0, "llvmpipe (LLVM 15)", DAUB_DEVICE_CPU, true);
    set(&list[1], 1, "Intel UHD", DAUB_DEVICE_INTEGRATED, true);
    set(&list[2], 2, "AMD Radeon RX 9999", DAUB_DEVICE_DISCRETE, false);
    set(&list[3], 3, "AMD Radeon RX 7900", DAUB_DEVICE_DISCRETE, true);
    set(&list[4], 4, "NVIDIA RTX 4090", DAUB_DEVICE_DISCRETE, true);
    daub_candidates_mark(list, 5);
    REQUIRE(list[3].info.chosen && strstr(list[3].info.reason, "chosen: a discrete GPU, the best kind here"));
    REQUIRE(!list[4].info.chosen && strstr(list[4].info.reason, "device 3, which comes first"));
    REQUIRE(strstr(list[1].info.reason, ": a discrete GPU comes before an integrated GPU"));
    REQUIRE(strstr(list[0].info.reason, "usable, not chosen"));
    REQUIRE_TEXT(list[2].info.reason, "not usable: no queue for compute");

    REQUIRE_OK(daub_choose(list, 5, NULL, &index));
    REQUIRE(index == 3);
    REQUIRE_OK(daub_choose(list, 5, "", &index));
    REQUIRE(index == 3);
    REQUIRE_OK(daub_choose(list, 5, "0", &index));
    REQUIRE(index == 0);
    REQUIRE_OK(daub_choose(list, 5, "rAdEoN rx 79", &index));
    REQUIRE(index == 3);
    REQUIRE_OK(daub_choose(list, 5, "4090", &index)); // no index, but part of a name
    REQUIRE(index == 4);
    REQUIRE_STATUS(daub_choose(list, 5, "radeon", &index), DAUB_ERROR_INVALID_ARG,
                   "'radeon' is 2 devices, give the number: 2 AMD Radeon RX 9999; 3 AMD Radeon RX 7900");
    REQUIRE_STATUS(daub_choose(list, 5, "2", &index), DAUB_ERROR_NO_DEVICE,
                   "AMD Radeon RX 9999) is not usable: no queue");
    REQUIRE_STATUS(daub_choose(list, 5, "voodoo", &index), DAUB_ERROR_NO_DEVICE,
                   "named 'voodoo'; there is: 0 llvmpipe");
    REQUIRE_STATUS(daub_choose(list, 0, NULL, &index), DAUB_ERROR_NO_DEVICE, "no Vulkan device");
    REQUIRE_STATUS(daub_choose(&list[2], 1, NULL, &index), DAUB_ERROR_NO_DEVICE, "no Vulkan device is usable");
    REQUIRE(index == 4);
}

static void test_list(void)
{
    daub_device_info info[16], got;
    uint32_t count = 0, n_chosen = 0, chosen = 0;
    daub_device *dev = NULL;
    REQUIRE_OK(daub_vk_device_list(NULL, NULL, 0, &count));
    REQUIRE(count > 0 && count <= 16);
    const daub_device_params params = { .struct_size = sizeof(params), .debug = "nocache", .device = "" };
    REQUIRE_OK(daub_vk_device_list(&params, info, 16, &count));
    for (uint32_t i = 0; i < count; i++) {
        printf("%u: %s, %s, %s\n", info[i].index, info[i].name, info[i].driver, info[i].reason);
        REQUIRE(info[i].index == i && info[i].name[0] && info[i].reason[0]);
        if (info[i].chosen) {
            chosen = i;
            n_chosen++;
        }
    }
    REQUIRE(n_chosen == 1);
    REQUIRE_OK(daub_vk_device_create(&params, &dev));
    daub_vk_device_info(dev, &got);
    REQUIRE(got.index == chosen && got.chosen && got.memory > 0);
    REQUIRE_TEXT(got.name, info[chosen].name);

    REQUIRE(daub_device_children(dev) == 0);
    daub_device_retain(dev);
    REQUIRE(daub_device_children(dev) == 1);
    daub_device_release(dev);
    daub_vk_device_destroy(&dev);
    daub_vk_device_destroy(&dev);

    const daub_device_params bad[] = {
        { .struct_size = sizeof(params), .device = "no such device" },
        { .struct_size = sizeof(params), .debug = "validte" },
        { .struct_size = sizeof(params), .caps = "api=1.0" },
        { .struct_size = sizeof(params), .caps = "-nothing" },
    };
    REQUIRE_STATUS(daub_vk_device_create(&bad[0], &dev), DAUB_ERROR_NO_DEVICE, "no such device");
    REQUIRE_STATUS(daub_vk_device_create(&bad[1], &dev), DAUB_ERROR_INVALID_ARG, "validte");
    REQUIRE_STATUS(daub_vk_device_create(&bad[2], &dev), DAUB_ERROR_INVALID_ARG, "1.0");
    REQUIRE_STATUS(daub_vk_device_create(&bad[3], &dev), DAUB_ERROR_INVALID_ARG, "nothing");
    REQUIRE(!dev);
    REQUIRE_OK(daub_vk_device_list(&bad[0], info, 16, &count)); // the list is told, and marks none
    for (uint32_t i = 0; i < count; i++)
        REQUIRE(!info[i].chosen);
}

// ---- threads -----------------------------------------------------------------------------------------------------

enum { N = 256, SUBMISSIONS = 100, THREADS = 4 };

struct worker {
    daub_device *dev; // shared, or NULL: one of its own
    const char *caps;
    uint32_t add;
    daub_thread thread;
};

// Adds `add` SUBMISSIONS times to a buffer of its own, waiting only now and then.
static void work_on(daub_device *dev, uint32_t add)
{
    struct daub_buffer *x, *y;
    struct daub_cmd *cmd;
    const struct probe_params push = { .n = N, .add = add };
    static const uint32_t zeros[4 * N];
    uint32_t got[4 * N];
    uint64_t ticket = 0, last = 0;
    REQUIRE_OK(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, sizeof(zeros), "x", &x));
    REQUIRE_OK(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, sizeof(zeros), "y", &y));
    REQUIRE_OK(daub_upload(dev, vk_whole(x), zeros));
    REQUIRE_OK(daub_cmd_create(dev, "worker", &cmd));
    struct daub_dispatch d = vk_probe(&push, vk_whole(x), vk_whole(y), 1, 1);
    REQUIRE_OK(daub_cmd_dispatch(cmd, &d));
    REQUIRE_OK(daub_cmd_copy(cmd, vk_whole(x), vk_whole(y)));
    REQUIRE_OK(daub_cmd_end(cmd));
    for (uint32_t i = 0; i < SUBMISSIONS; i++) {
        bool done = false;
        REQUIRE_OK(daub_submit(dev, cmd, &ticket));
        REQUIRE(ticket > last);
        last = ticket;
        if (i % 10 == 9)
            REQUIRE_OK(daub_wait(dev, ticket, UINT64_MAX, &done));
        else if (i % 10 == 4)
            REQUIRE_OK(daub_wait(dev, ticket, 0, &done)); // whether it is done or not
    }
    REQUIRE_OK(daub_download(dev, vk_whole(x), got));
    for (uint32_t i = 0; i < 4 * N; i++)
        REQUIRE(got[i] == SUBMISSIONS * add);
    daub_cmd_destroy(dev, &cmd);
    daub_buffer_destroy(dev, &x);
    daub_buffer_destroy(dev, &y);
}

static void run_worker(void *arg)
{
    struct worker *w = arg;
    daub_device *dev = w->dev ? w->dev : vk_open(w->caps);
    work_on(dev, w->add);
    if (!w->dev)
        vk_close(dev);
}

static void run_workers(daub_device *dev, const char *caps)
{
    struct worker workers[THREADS];
    memset(workers, 0, sizeof(workers));
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i].dev = dev;
        workers[i].caps = caps;
        workers[i].add = i + 1;
        REQUIRE_OK(daub_thread_start(&workers[i].thread, run_worker, &workers[i], "worker"));
    }
    for (uint32_t i = 0; i < THREADS; i++)
        daub_thread_join(&workers[i].thread);
}

static void prepare_many(daub_device *dev)
{
    struct daub_dispatch dispatches[24];
    const struct probe_params push = { .n = 1, .add = 1 };
    const struct daub_range none = { 0 };
    for (uint32_t i = 0; i < 24; i++)
        dispatches[i] = vk_probe(&push, none, none, 100 + i / 2, 1); // each twice
    const uint32_t before = daub_kernels_made(dev);
    REQUIRE_OK(daub_kernels_prepare(dev, dispatches, 24));
    REQUIRE(daub_kernels_made(dev) == before + 12);
    REQUIRE_OK(daub_kernels_prepare(dev, dispatches, 24));
    REQUIRE(daub_kernels_made(dev) == before + 12);
    dispatches[7].kernel = DAUB_KERNEL_COUNT;
    REQUIRE_STATUS(daub_kernels_prepare(dev, dispatches, 24), DAUB_ERROR_INVALID_ARG, "no kernel has number");
}

// Host time of queueing, and of queueing and waiting, an empty-handed dispatch.
static void print_overhead(daub_device *dev)
{
    enum { COUNT = 500 };
    struct daub_buffer *x, *y;
    struct daub_cmd *cmd;
    const struct probe_params push = { .n = 1, .add = 1 };
    uint64_t ticket = 0;
    REQUIRE_OK(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, 64, "x", &x));
    REQUIRE_OK(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, 64, "y", &y));
    REQUIRE_OK(daub_cmd_create(dev, "one", &cmd));
    struct daub_dispatch d = vk_probe(&push, vk_whole(x), vk_whole(y), 1, 1);
    REQUIRE_OK(daub_cmd_dispatch(cmd, &d));
    REQUIRE_OK(daub_cmd_end(cmd));
    REQUIRE_OK(daub_submit_and_wait(dev, cmd));
    const uint64_t t0 = daub_now_ns();
    for (int i = 0; i < COUNT; i++)
        REQUIRE_OK(daub_submit(dev, cmd, &ticket));
    const uint64_t t1 = daub_now_ns();
    REQUIRE_OK(daub_wait(dev, ticket, UINT64_MAX, NULL));
    for (int i = 0; i < COUNT; i++)
        REQUIRE_OK(daub_submit_and_wait(dev, cmd));
    const uint64_t t2 = daub_now_ns();
    printf("submit %.1f us, submit and wait %.1f us\n", (double)(t1 - t0) * 1e-3 / COUNT,
           (double)(t2 - t1) * 1e-3 / COUNT);
    daub_cmd_destroy(dev, &cmd);
    daub_buffer_destroy(dev, &x);
    daub_buffer_destroy(dev, &y);
}

int main(void)
{
    static const char *const masks[] = { "", "-timeline,-uma" };
    test_choice();
    test_list();
    for (int i = 0; i < 2; i++) {
        daub_device *dev = vk_open(masks[i]);
        run_workers(dev, NULL); // four threads on one device
        prepare_many(dev);
        vk_close(dev);
        run_workers(NULL, masks[i]); // a device each
        const daub_device_params plain = { .struct_size = sizeof(plain), .debug = "nocache", .caps = masks[i] };
        REQUIRE_OK(daub_vk_device_create(&plain, &dev));
        print_overhead(dev);
        daub_vk_device_destroy(&dev);
    }
    return 0;
}

// test_vk_memory.c - ranges of memory blocks: none overlaps another, all comes back, and the budget holds.
#include "tests/op/vk.h"

enum { SLOTS = 60, ROUNDS = 600 };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

// Buffers made and destroyed in random order; each holds its own word until it goes.
static void test_churn(daub_device *dev)
{
    struct daub_buffer *bufs[SLOTS] = { 0 };
    uint32_t state = 1, n_live = 0;
    const uint64_t before = daub_device_memory_used(dev);
    uint64_t live = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const uint32_t i = next_random(&state) % SLOTS;
        if (bufs[i]) {
            const uint64_t size = daub_buffer_size(bufs[i]);
            uint32_t ends[2];
            REQUIRE_OK(daub_download(dev, (struct daub_range) { bufs[i], 0, 4 }, &ends[0]));
            REQUIRE_OK(daub_download(dev, (struct daub_range) { bufs[i], size - 4, 4 }, &ends[1]));
            REQUIRE(ends[0] == 0xa0000000u + i && ends[1] == 0xa0000000u + i);
            live -= size;
            n_live--;
            daub_buffer_destroy(dev, &bufs[i]);
            REQUIRE(!bufs[i]);
        } else {
            const bool large = next_random(&state) % 8 == 0;
            const uint64_t size = 4 * (uint64_t)(1 + next_random(&state) % (large ? 2000000 : 3000));
            REQUIRE_OK(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, size, "churn", &bufs[i]));
            REQUIRE_OK(daub_fill(dev, vk_whole(bufs[i]), 0xa0000000u + i));
            live += size;
            n_live++;
        }
        const uint64_t used = daub_device_memory_used(dev) - before;
        REQUIRE(used >= live && used <= live + n_live * 1024); // alignment is all that is lost
    }
    for (uint32_t i = 0; i < SLOTS; i++)
        daub_buffer_destroy(dev, &bufs[i]);
    REQUIRE(daub_device_memory_used(dev) == before);
    REQUIRE(daub_device_memory_peak(dev) > before);
    daub_device_memory_reset_peak(dev);
    REQUIRE(daub_device_memory_peak(dev) == before);
}

static void test_budget(void)
{
    daub_device *dev = vk_open("memory=40M");
    struct daub_buffer *one = NULL, *two = NULL, *host = NULL;
    const uint64_t before = daub_device_memory_used(dev); // what the device has for itself
    REQUIRE(before < 64 << 10 && daub_device_memory_limit(dev) == 40u << 20);
    REQUIRE(daub_device_caps(dev)->max_memory == 40u << 20);
    REQUIRE_OK(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, 30u << 20, "first", &one));
    REQUIRE_STATUS(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, 20u << 20, "second one", &two), DAUB_ERROR_NO_GPU_MEMORY,
                   "second one: 20.0 MiB wanted, 30.0 MiB used, 40.0 MiB allowed");
    REQUIRE(!two);
    REQUIRE_OK(daub_buffer_create(dev, DAUB_MEMORY_HOST, 4096, "small", &host));
    REQUIRE(daub_buffer_map(host));
    daub_buffer_destroy(dev, &one);
    REQUIRE_OK(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, 20u << 20, "second one", &two));
    daub_buffer_destroy(dev, &two);
    daub_buffer_destroy(dev, &two);
    daub_buffer_destroy(dev, &host);
    REQUIRE(daub_device_memory_used(dev) == before);
    REQUIRE_STATUS(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, 0, "empty", &one), DAUB_ERROR_INVALID_ARG, "empty");
    vk_close(dev);

    dev = vk_open("alloc=16M");
    REQUIRE_STATUS(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, 17u << 20, "wide", &one), DAUB_ERROR_NO_GPU_MEMORY,
                   "one allocation may have");
    REQUIRE_OK(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, 16u << 20, "just fits", &one));
    daub_buffer_destroy(dev, &one);
    vk_close(dev);

    // params.max_memory is the budget where no mask lowers it
    const daub_device_params params = {
        .struct_size = sizeof(params), .caps = "", .debug = "nocache", .max_memory = 1u << 20
    };
    REQUIRE_OK(daub_vk_device_create(&params, &dev));
    REQUIRE_STATUS(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, 2u << 20, "x", &one), DAUB_ERROR_NO_GPU_MEMORY,
                   "1.0 MiB allowed");
    vk_close(dev);
}

// The host's allocator is asked for everything and gets everything back; each refusal is a status.
struct counting {
    size_t live, calls, fail_at; // fail_at 0: never
};

static void *counting_alloc(void *user, size_t size)
{
    struct counting *c = user;
    c->calls++;
    if (c->fail_at && c->calls >= c->fail_at)
        return NULL;
    c->live++;
    return malloc(size);
}

static void counting_free(void *user, void *ptr)
{
    struct counting *c = user;
    if (ptr)
        c->live--;
    free(ptr);
}

static daub_status record_some(daub_device *dev)
{
    struct daub_buffer *a = NULL, *b = NULL;
    struct daub_cmd *cmd = NULL;
    const struct probe_params push = { .n = 4, .add = 1 };
    daub_status status = daub_buffer_create(dev, DAUB_MEMORY_DEVICE, 64, "a", &a);
    if (status == DAUB_OK)
        status = daub_buffer_create(dev, DAUB_MEMORY_DEVICE, 64, "b", &b);
    if (status == DAUB_OK)
        status = daub_cmd_create(dev, "some", &cmd);
    if (status == DAUB_OK && daub_device_caps(dev)->timestamps)
        status = daub_cmd_profile(cmd);
    for (int i = 0; i < 3 && status == DAUB_OK; i++) {
        struct daub_dispatch d = vk_probe(&push, vk_whole(a), vk_whole(b), 2, 1);
        if (daub_device_caps(dev)->texel) {
            d.kernel = DAUB_KERNEL_probe_texel_u;
            d.bind[0].kind = DAUB_BIND_TEXEL_UINT4;
        }
        status = daub_kernels_prepare(dev, &d, 1);
        if (status == DAUB_OK)
            status = daub_cmd_dispatch(cmd, &d);
    }
    if (status == DAUB_OK)
        status = daub_cmd_end(cmd);
    if (status == DAUB_OK)
        status = daub_submit_and_wait(dev, cmd);
    daub_cmd_destroy(dev, &cmd);
    daub_buffer_destroy(dev, &a);
    daub_buffer_destroy(dev, &b);
    return status;
}

static void test_failing_host(void)
{
    struct counting counting = { 0 };
    const daub_device_params params = {
        .struct_size = sizeof(params),
        .caps = "-uma",
        .debug = "nocache",
        .allocator = { counting_alloc, counting_free, &counting },
    };
    uint32_t n_failed = 0;
    for (size_t fail_at = 1; fail_at < 500; fail_at++) {
        daub_device *dev = NULL;
        counting = (struct counting) { .fail_at = fail_at };
        daub_status status = daub_vk_device_create(&params, &dev);
        if (status == DAUB_OK) {
            status = record_some(dev);
            daub_vk_device_destroy(&dev);
        }
        REQUIRE(!dev && counting.live == 0);
        if (status == DAUB_OK) {
            REQUIRE(n_failed > 10); // the first run that nothing was refused in
            return;
        }
        n_failed++;
        REQUIRE(daub_last_error()[0] != '\0');
    }
    TEST_FAIL("no run succeeded");
}

int main(void)
{
    daub_device *dev = vk_open("");
    test_churn(dev);
    vk_close(dev);
    dev = vk_open("-uma,-timeline");
    struct daub_buffer *first = NULL; // makes the staging ring, which stays
    REQUIRE_OK(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, 4, "first", &first));
    uint32_t word = 1;
    REQUIRE_OK(daub_upload(dev, vk_whole(first), &word));
    REQUIRE_OK(daub_upload(dev, vk_whole(first), &word));
    REQUIRE_OK(daub_download(dev, vk_whole(first), &word));
    test_churn(dev);
    daub_buffer_destroy(dev, &first);
    vk_close(dev);
    test_budget();
    test_failing_host();
    return 0;
}

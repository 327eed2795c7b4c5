// test_vk.c - devices, transfers, dispatches, hazards and times, under every mask that changes how they are done. The
// validation layer with synchronisation validation watches all of it.
#include "tests/op/vk.h"

enum { N = 3000 }; // vectors; no multiple of the workgroup

static void fill_random(uint32_t *words, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++)
        words[i] = (uint32_t)(i * 2654435761u) ^ (seed * 40503u);
}

static struct daub_buffer *make(daub_device *dev, uint64_t size, const char *name)
{
    struct daub_buffer *buf = NULL;
    REQUIRE_OK(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, size, name, &buf));
    REQUIRE(daub_buffer_size(buf) == size);
    REQUIRE((daub_buffer_map(buf) != NULL) == daub_device_caps(dev)->uma);
    return buf;
}

// Larger than the staging ring, at an odd place, with untouched bytes on both sides.
static void test_transfers(daub_device *dev)
{
    const uint64_t size = (37u << 20) + 12, at = 1028, total = size + 4096;
    struct daub_buffer *buf = make(dev, total, "transfers");
    uint32_t *sent = malloc(size), *got = malloc(total);
    REQUIRE(sent && got);
    fill_random(sent, size / 4, 1);
    REQUIRE_OK(daub_fill(dev, vk_whole(buf), 0xabcd1234));
    REQUIRE_OK(daub_upload(dev, (struct daub_range) { buf, at, size }, sent));
    REQUIRE_OK(daub_download(dev, vk_whole(buf), got));
    for (uint64_t i = 0; i < at / 4; i++)
        REQUIRE(got[i] == 0xabcd1234);
    REQUIRE(memcmp(got + at / 4, sent, size) == 0);
    for (uint64_t i = (at + size) / 4; i < total / 4; i++)
        REQUIRE(got[i] == 0xabcd1234);

    REQUIRE_OK(daub_fill(dev, (struct daub_range) { buf, 8, 16 }, 7));
    REQUIRE_OK(daub_download(dev, (struct daub_range) { buf, 4, 24 }, got));
    REQUIRE(got[0] == 0xabcd1234 && got[1] == 7 && got[4] == 7 && got[5] == 0xabcd1234);

    uint8_t bytes[3] = { 1, 2, 3 }, back[3];
    REQUIRE_OK(daub_upload(dev, (struct daub_range) { buf, 5, 3 }, bytes));
    REQUIRE_OK(daub_download(dev, (struct daub_range) { buf, 5, 3 }, back));
    REQUIRE(memcmp(bytes, back, 3) == 0);

    REQUIRE_STATUS(daub_upload(dev, (struct daub_range) { buf, total - 4, 8 }, sent), DAUB_ERROR_INVALID_ARG,
                   "transfers");
    REQUIRE_STATUS(daub_fill(dev, (struct daub_range) { buf, 2, 8 }, 0), DAUB_ERROR_INVALID_ARG, "multiples of 4");
    free(sent);
    free(got);
    daub_buffer_destroy(dev, &buf);
}

struct pieces {
    uint64_t granule, next, size;
    uint32_t n;
};

static void write_piece(void *user, void *ptr, uint64_t offset, uint64_t size)
{
    struct pieces *p = user;
    REQUIRE(offset == p->next);
    REQUIRE(size % p->granule == 0 || offset + size == p->size);
    for (uint64_t i = 0; i < size; i++)
        ((uint8_t *)ptr)[i] = (uint8_t)((offset + i) * 31 >> 3);
    p->next += size;
    p->n++;
}

// Pieces are whole granules, also when one granule is larger than the ring.
static void test_upload_with(daub_device *dev)
{
    static const uint64_t granules[] = { 48, 1000000, 17u << 20 };
    const uint64_t size = (35u << 20) + 5;
    struct daub_buffer *buf = make(dev, size, "pieces");
    uint8_t *got = malloc(size);
    REQUIRE(got);
    for (int i = 0; i < 3; i++) {
        struct pieces p = { .granule = granules[i], .size = size };
        REQUIRE_OK(daub_fill(dev, (struct daub_range) { buf, 0, size / 4 * 4 }, 0));
        REQUIRE_OK(daub_upload_with(dev, vk_whole(buf), granules[i], write_piece, &p));
        REQUIRE(p.next == size && (p.n == 1) == daub_device_caps(dev)->uma);
        REQUIRE_OK(daub_download(dev, vk_whole(buf), got));
        for (uint64_t k = 0; k < size; k++)
            REQUIRE(got[k] == (uint8_t)(k * 31 >> 3));
    }
    free(got);
    daub_buffer_destroy(dev, &buf);
}

static uint32_t probe_value(uint32_t x, uint32_t mul, uint32_t add, uint32_t spin)
{
    for (uint32_t i = 0; i < spin; i++)
        x = x * mul + add;
    return x;
}

static void require_probe(daub_device *dev, struct daub_range dst, const uint32_t *src, uint32_t mul, uint32_t add,
                          uint32_t spin)
{
    static uint32_t got[4 * N];
    REQUIRE(dst.size == sizeof(got));
    REQUIRE_OK(daub_download(dev, dst, got));
    for (uint32_t i = 0; i < 4 * N; i++)
        if (got[i] != probe_value(src[i], mul, add, spin))
            TEST_FAIL("word %u is %u, wanted %u", i, got[i], probe_value(src[i], mul, add, spin));
}

// Load paths, specialisation, unbound bindings, offsets inside a buffer, and the same cmd submitted again.
static void test_dispatch(daub_device *dev)
{
    const struct daub_caps *caps = daub_device_caps(dev);
    const uint64_t size = 16 * N, gap = 16 * caps->buffer_align;
    const uint64_t step = (size + gap + caps->buffer_align - 1) / caps->buffer_align * caps->buffer_align;
    struct daub_buffer *buf = make(dev, 4 * step, "dispatch");
    const struct daub_range src = { buf, gap, size }, one = { buf, step, size }, two = { buf, 2 * step, size },
                            three = { buf, 3 * step, size };
    static uint32_t words[4 * N];
    static float floats[4 * N];
    const struct probe_params push = { .n = N, .add = 5 };
    fill_random(words, 4 * N, 2);

    struct daub_cmd *cmd;
    REQUIRE_OK(daub_cmd_create(dev, "dispatch", &cmd));
    struct daub_dispatch d = vk_probe(&push, src, one, 3, 2);
    REQUIRE_OK(daub_cmd_dispatch(cmd, &d));
    REQUIRE(daub_cmd_barrier_count(cmd) == 0);
    d = vk_probe(&push, src, two, 7, 1);
    if (caps->texel) {
        d.kernel = DAUB_KERNEL_probe_texel_u;
        d.bind[0].kind = DAUB_BIND_TEXEL_UINT4;
    }
    REQUIRE_OK(daub_cmd_dispatch(cmd, &d));
    d.groups[1] = 0;
    REQUIRE_OK(daub_cmd_dispatch(cmd, &d));
    REQUIRE(daub_cmd_barrier_count(cmd) == 0);
    REQUIRE_OK(daub_cmd_copy(cmd, three, two));
    REQUIRE(daub_cmd_barrier_count(cmd) == 1);
    REQUIRE_OK(daub_cmd_end(cmd));
    REQUIRE(daub_cmd_dispatch_count(cmd) == 2);
    REQUIRE_STATUS(daub_cmd_dispatch(cmd, &d), DAUB_ERROR_INVALID_ARG, "has ended");

    for (uint32_t run = 0; run < 3; run++) {
        words[run] += 17;
        REQUIRE_OK(daub_upload(dev, src, words));
        REQUIRE_OK(daub_submit_and_wait(dev, cmd));
        require_probe(dev, one, words, 3, 5, 2);
        require_probe(dev, two, words, 7, 5, 1);
        require_probe(dev, three, words, 7, 5, 1);
    }
    daub_cmd_destroy(dev, &cmd);
    REQUIRE(!cmd);

    if (caps->texel) {
        for (uint32_t i = 0; i < 4 * N; i++)
            floats[i] = (float)i * 0.25f;
        REQUIRE_OK(daub_upload(dev, src, floats));
        REQUIRE_OK(daub_cmd_create(dev, "floats", &cmd));
        d = vk_probe(&push, src, one, 2, 1);
        d.kernel = DAUB_KERNEL_probe_texel_f;
        d.bind[0].kind = DAUB_BIND_TEXEL_FLOAT4;
        REQUIRE_OK(daub_cmd_dispatch(cmd, &d));
        REQUIRE_OK(daub_cmd_end(cmd));
        REQUIRE_OK(daub_submit_and_wait(dev, cmd));
        static float got[4 * N];
        REQUIRE_OK(daub_download(dev, one, got));
        for (uint32_t i = 0; i < 4 * N; i++)
            REQUIRE(got[i] == floats[i] * 2.0f + 5.0f);
        daub_cmd_destroy(dev, &cmd);
    }
    daub_buffer_destroy(dev, &buf);
}

// A chain x -> y -> x ... that is wrong if one barrier is missing, and counts of barriers that are wrong if one is too
// many.
static void test_hazards(daub_device *dev)
{
    const uint64_t size = 16 * N;
    struct daub_buffer *x = make(dev, size, "x"), *y = make(dev, size, "y"), *z = make(dev, size, "z");
    const struct probe_params push = { .n = N, .add = 1 };
    static uint32_t words[4 * N];
    struct daub_cmd *cmd;
    struct daub_dispatch d;
    fill_random(words, 4 * N, 3);

    // chain of 20, each reading what the last wrote
    REQUIRE_OK(daub_upload(dev, vk_whole(x), words));
    REQUIRE_OK(daub_cmd_create(dev, "chain", &cmd));
    for (int i = 0; i < 20; i++) {
        d = vk_probe(&push, vk_whole(i % 2 ? y : x), vk_whole(i % 2 ? x : y), 3, 1);
        REQUIRE_OK(daub_cmd_dispatch(cmd, &d));
    }
    REQUIRE_OK(daub_cmd_end(cmd));
    REQUIRE(daub_cmd_barrier_count(cmd) == 19);
    uint64_t ticket = 0;
    for (int i = 0; i < 5; i++)
        REQUIRE_OK(daub_submit(dev, cmd, &ticket)); // queued ahead, none waited for
    REQUIRE_OK(daub_wait(dev, ticket, UINT64_MAX, NULL));
    require_probe(dev, vk_whole(x), words, 3, 1, 100);
    daub_cmd_destroy(dev, &cmd);

    REQUIRE_OK(daub_cmd_create(dev, "counts", &cmd));
    d = vk_probe(&push, vk_whole(x), vk_whole(y), 3, 1);
    REQUIRE_OK(daub_cmd_dispatch(cmd, &d)); // reads x, writes y
    d = vk_probe(&push, vk_whole(x), vk_whole(z), 3, 1);
    REQUIRE_OK(daub_cmd_dispatch(cmd, &d)); // reads x, writes z: both may run at once
    REQUIRE(daub_cmd_barrier_count(cmd) == 0);
    d = vk_probe(&push, vk_whole(y), vk_whole(x), 3, 1);
    REQUIRE_OK(daub_cmd_dispatch(cmd, &d)); // write after read of x, read after write of y
    REQUIRE(daub_cmd_barrier_count(cmd) == 1);
    d = vk_probe(&push, vk_whole(y), vk_whole(z), 3, 1);
    REQUIRE_OK(daub_cmd_dispatch(cmd, &d)); // z was written before that barrier
    REQUIRE(daub_cmd_barrier_count(cmd) == 1);
    REQUIRE_OK(daub_cmd_dispatch(cmd, &d)); // write after write of z
    REQUIRE(daub_cmd_barrier_count(cmd) == 2);
    REQUIRE_OK(daub_cmd_fill(cmd, vk_whole(y), 9)); // write after read
    REQUIRE(daub_cmd_barrier_count(cmd) == 3);
    REQUIRE_OK(daub_cmd_end(cmd));
    REQUIRE_OK(daub_submit_and_wait(dev, cmd));
    daub_cmd_destroy(dev, &cmd);

    // two halves of one buffer do not meet
    const uint64_t half = size / 2 / 256 * 256;
    const struct probe_params few = { .n = (uint32_t)(half / 16), .add = 1 };
    REQUIRE_OK(daub_cmd_create(dev, "halves", &cmd));
    for (uint64_t i = 0; i < 2; i++) {
        d = vk_probe(&few, (struct daub_range) { x, 0, half }, (struct daub_range) { y, i * half, half }, 3, 1);
        REQUIRE_OK(daub_cmd_dispatch(cmd, &d));
    }
    REQUIRE(daub_cmd_barrier_count(cmd) == 0);
    REQUIRE_OK(daub_cmd_end(cmd));
    REQUIRE_OK(daub_submit_and_wait(dev, cmd));
    daub_cmd_destroy(dev, &cmd);

    // more writes of independent ranges than there are slots for unused bindings
    const uint32_t align = daub_device_caps(dev)->buffer_align;
    const struct probe_params tiny = { .n = 1, .add = 1 };
    REQUIRE_OK(daub_cmd_create(dev, "many", &cmd));
    for (uint32_t i = 0; i < 150 && (i + 1) * align <= size; i++) {
        d = vk_probe(&tiny, (struct daub_range) { x, 0, 16 }, (struct daub_range) { y, (uint64_t)i * align, 16 }, 3, 1);
        REQUIRE_OK(daub_cmd_dispatch(cmd, &d));
    }
    REQUIRE(daub_cmd_barrier_count(cmd) <= 1);
    REQUIRE_OK(daub_cmd_end(cmd));
    REQUIRE_OK(daub_submit_and_wait(dev, cmd));
    daub_cmd_destroy(dev, &cmd);
    daub_buffer_destroy(dev, &x);
    daub_buffer_destroy(dev, &y);
    daub_buffer_destroy(dev, &z);
}

static daub_status record_one(daub_device *dev, const struct daub_dispatch *d)
{
    struct daub_cmd *cmd;
    REQUIRE_OK(daub_cmd_create(dev, "one", &cmd));
    const daub_status status = daub_cmd_dispatch(cmd, d);
    if (status != DAUB_OK) { // the first error stays
        static char first[2048];
        snprintf(first, sizeof(first), "%s", daub_last_error());
        uint64_t ticket;
        REQUIRE_STATUS(daub_cmd_end(cmd), status, first);
        REQUIRE_STATUS(daub_submit(dev, cmd, &ticket), status, first);
    }
    daub_cmd_destroy(dev, &cmd);
    return status;
}

static void test_refusals(daub_device *dev)
{
    const struct daub_caps *caps = daub_device_caps(dev);
    const bool reachable = caps->max_range <= 256u << 20; // a larger range is not worth its memory
    const uint64_t range = reachable ? caps->max_range : 1u << 20;
    struct daub_buffer *buf = make(dev, range + 4096, "large");
    const struct probe_params push = { .n = 1, .add = 1 };
    const struct daub_range low = { buf, 0, 64 }, high = { buf, 4096, 64 };
    struct daub_dispatch d;

    d = vk_probe(&push, (struct daub_range) { buf, 8, 64 }, high, 1, 1);
    REQUIRE_STATUS(record_one(dev, &d), DAUB_ERROR_UNSUPPORTED, "is not a multiple of");
    d = vk_probe(&push, low, (struct daub_range) { buf, 4096, range }, 1, 1);
    REQUIRE_OK(record_one(dev, &d));
    if (reachable) {
        d = vk_probe(&push, low, (struct daub_range) { buf, 512, range + 16 }, 1, 1);
        REQUIRE_STATUS(record_one(dev, &d), DAUB_ERROR_UNSUPPORTED, "a range may have");
    }
    d = vk_probe(&push, low, (struct daub_range) { buf, 4096, range + 16 }, 1, 1);
    REQUIRE_STATUS(record_one(dev, &d), DAUB_ERROR_INVALID_ARG, "not inside large");
    d = vk_probe(&push, low, high, 1, 1);
    d.groups[0] = caps->max_groups[0];
    if (caps->max_groups[0] < UINT32_MAX) {
        d.groups[0]++;
        REQUIRE_STATUS(record_one(dev, &d), DAUB_ERROR_UNSUPPORTED, "workgroups");
    }
    d = vk_probe(&push, low, high, 1, 1);
    d.push_size = DAUB_MAX_PUSH + 4;
    REQUIRE_STATUS(record_one(dev, &d), DAUB_ERROR_INVALID_ARG, "push constants");
    d = vk_probe(&push, low, high, 1, 1);
    d.kernel = DAUB_KERNEL_probe_texel_u;
    d.bind[0].kind = DAUB_BIND_TEXEL_UINT4;
    if (caps->texel) {
        d.bind[0].range.size = 60;
        REQUIRE_STATUS(record_one(dev, &d), DAUB_ERROR_INVALID_ARG, "texels");
        const uint64_t most = caps->max_texel_elements * 16;
        if (most < range) {
            d.bind[0].range.size = most + 16;
            REQUIRE_STATUS(record_one(dev, &d), DAUB_ERROR_UNSUPPORTED, "a texel buffer may have");
        } else if (reachable) {
            d.bind[0].range = (struct daub_range) { buf, 0, range + 16 };
            REQUIRE_STATUS(record_one(dev, &d), DAUB_ERROR_UNSUPPORTED, "a range may have");
        }
    } else {
        REQUIRE_STATUS(record_one(dev, &d), DAUB_ERROR_UNSUPPORTED, "texel buffers");
    }
    struct daub_cmd *cmd;
    REQUIRE_OK(daub_cmd_create(dev, "copies", &cmd));
    REQUIRE_STATUS(daub_cmd_copy(cmd, (struct daub_range) { buf, 0, 64 }, (struct daub_range) { buf, 32, 64 }),
                   DAUB_ERROR_INVALID_ARG, "overlap");
    daub_cmd_destroy(dev, &cmd);
    REQUIRE_STATUS(daub_wait(dev, UINT64_MAX, 0, NULL), DAUB_ERROR_INVALID_ARG, "never submitted");
    daub_buffer_destroy(dev, &buf);
}

static void test_times(daub_device *dev, bool verbose)
{
    const struct daub_caps *caps = daub_device_caps(dev);
    struct daub_buffer *x = make(dev, 16 * N, "x"), *y = make(dev, 16 * N, "y");
    const struct probe_params push = { .n = N, .add = 1 };
    struct daub_cmd *cmd;
    struct daub_cmd_time rows[600];
    uint32_t count = 0;
    REQUIRE_OK(daub_cmd_create(dev, "times", &cmd));
    REQUIRE_STATUS(daub_cmd_times(cmd, rows, 600, &count), DAUB_ERROR_INVALID_ARG, "without profiling");
    if (!caps->timestamps) {
        REQUIRE_STATUS(daub_cmd_profile(cmd), DAUB_ERROR_UNSUPPORTED, "timestamps");
        daub_cmd_destroy(dev, &cmd);
    } else {
        REQUIRE_OK(daub_cmd_profile(cmd));
        for (uint32_t i = 0; i < 300; i++) { // more than one query pool holds
            char name[16];
            snprintf(name, sizeof(name), "node %u", i);
            struct daub_dispatch d = vk_probe(&push, vk_whole(x), vk_whole(y), 3, i == 200 ? 3000 : 1);
            d.name = name;
            d.flop = 2.0 * i;
            REQUIRE_OK(daub_cmd_dispatch(cmd, &d));
        }
        REQUIRE(daub_cmd_barrier_count(cmd) == 299);
        REQUIRE_OK(daub_cmd_end(cmd));
        for (int run = 0; run < 2; run++) {
            REQUIRE_OK(daub_submit_and_wait(dev, cmd));
            REQUIRE_OK(daub_cmd_times(cmd, rows, 600, &count));
            REQUIRE(count == 300);
            double rest = 0.0;
            for (uint32_t i = 0; i < count; i++)
                rest += i == 200 ? 0.0 : rows[i].seconds / 299.0;
            for (uint32_t i = 1; i < count; i++) // one after the other
                REQUIRE(rows[i].begin >= rows[i - 1].begin + 0.999 * rows[i - 1].seconds);
            REQUIRE_TEXT(rows[0].name, "node 0");
            REQUIRE_TEXT(rows[299].name, "node 299");
            REQUIRE(rows[299].flop == 598.0 && rows[299].bytes == 32 * N);
            if (verbose)
                printf("  dispatch %.1f us, the long one %.1f us\n", rest * 1e6, rows[200].seconds * 1e6);
            REQUIRE(rows[200].seconds > 3.0 * rest);
        }
        daub_cmd_destroy(dev, &cmd);
    }
    daub_buffer_destroy(dev, &x);
    daub_buffer_destroy(dev, &y);
}

static void test_mask(const char *caps, bool verbose)
{
    daub_device *dev = vk_open(caps);
    const struct daub_caps *c = daub_device_caps(dev);
    printf("%-40s %s: timeline %d sync2 %d uma %d texel %d range %llu MiB\n", caps, c->name, c->timeline, c->sync2,
           c->uma, c->texel, (unsigned long long)(c->max_range >> 20));
    REQUIRE(c->buffer_align >= 16 && (c->buffer_align & (c->buffer_align - 1)) == 0);
    REQUIRE(!strstr(caps, "-timeline") || !c->timeline);
    REQUIRE(!strstr(caps, "-sync2") || !c->sync2);
    REQUIRE(!strstr(caps, "-uma") || !c->uma);
    REQUIRE(!strstr(caps, "-texel") || !c->texel);
    REQUIRE(!strstr(caps, "range=16M") || c->max_range == 16u << 20);
    if (strstr(caps, "api=1.1"))
        REQUIRE((c->api_version >> 12 & 0x3ff) == 1 && !c->timeline && !c->sync2);
    const uint64_t before = daub_device_memory_used(dev);
    test_dispatch(dev);
    test_hazards(dev);
    test_refusals(dev);
    test_times(dev, verbose);
    test_transfers(dev);
    test_upload_with(dev);
    // What is left is the staging ring, where there is one.
    REQUIRE((daub_device_memory_used(dev) == before) == c->uma);
    REQUIRE(daub_device_memory_peak(dev) > daub_device_memory_used(dev));
    REQUIRE(daub_kernels_made(dev) > 0);
    vk_close(dev);
}

int main(int argc, char **argv)
{
    static const char *const masks[] = {
        "", "-timeline", "-sync2", "-uma", "-texel", "range=16M", "api=1.1", "-timeline,-sync2,-uma,range=16M,api=1.1",
    };
    const bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
        test_mask(masks[i], verbose);
    return 0;
}

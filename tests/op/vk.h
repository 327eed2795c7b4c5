// vk.h - what the tests of the Vulkan layer share: a device under validation, and the probe kernel.
#ifndef DAUB_TESTS_OP_VK_H
#define DAUB_TESTS_OP_VK_H
#include "runtime/vk/kernel.h"
#include "shaders/params/probe.h"
#include "tests/test.h"

static inline void vk_print_log(void *user, daub_log_level level, const char *message)
{
    (void)user;
    fprintf(stderr, "log %d: %s\n", (int)level, message);
}

// A device under a mask, with validation and without a cache on disk.
static inline daub_device *vk_open(const char *caps)
{
    daub_device *dev;
    const daub_device_params params = {
        .struct_size = sizeof(params),
        .caps = caps,
        .debug = "validate,nocache",
        .log = vk_print_log,
    };
    REQUIRE_OK(daub_vk_device_create(&params, &dev));
    return dev;
}

// Nothing may be left on the device, and validation must have been silent.
static inline void vk_close(daub_device *dev)
{
    REQUIRE(daub_device_validation_errors(dev) == 0);
    daub_vk_device_destroy(&dev);
    REQUIRE(!dev);
}

static inline struct daub_range vk_whole(struct daub_buffer *buf)
{
    return (struct daub_range) { .buf = buf, .size = daub_buffer_size(buf) };
}

// dst = src * mul + add, `spin` times, on 4-word vectors. push must live until the dispatch is recorded.
static inline struct daub_dispatch vk_probe(const struct probe_params *push, struct daub_range src,
                                            struct daub_range dst, uint32_t mul, uint32_t spin)
{
    return (struct daub_dispatch) {
        .kernel = DAUB_KERNEL_probe_ssbo,
        .name = "probe",
        .op = "probe",
        .n_specs = 3,
        .specs = { { SPEC_LOCAL_X, 64 }, { SPEC_PROBE_MUL, mul }, { SPEC_PROBE_SPIN, spin } },
        .n_bindings = 3,
        .bind = { { .range = src, .access = DAUB_READ },
                  { .range = dst, .access = DAUB_WRITE },
                  { .access = DAUB_WRITE } },
        .push = push,
        .push_size = sizeof(*push),
        .groups = { (push->n + 63) / 64, 1, 1 },
    };
}

#endif

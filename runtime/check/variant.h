// variant.h - one device as several: each kind of kernel that it can run is had by words of DAUB_CAPS.
#ifndef DAUB_CHECK_VARIANT_H
#define DAUB_CHECK_VARIANT_H
#include "runtime/vk/device.h"

// Which kernels are chosen, as far as it is the capabilities that choose.
struct daub_kernel_choice {
    bool lane, winograd, shuffle, texel;
    uint32_t rows; // of GEMM tiles: 12, 16 or 0: by the shape
};

struct daub_variant {
    const char *words; // "": what the device takes of itself
    const char *ops;   // that have other kernels then
    bool both;         // kernels of another kind, to be checked in both precisions
    bool thorough;     // two words whose kernels others have met for the most part
};

struct daub_variants { // those met so far
    struct daub_kernel_choice seen[16];
    uint32_t n_seen, next;
};

// Opens the device as its next variant, in an order that is the same each time; *variant NULL: there is no other that would choose other
// kernels than one before. Errors: those of daub_device_create.
daub_status daub_variants_next(struct daub_variants *variants, const daub_device_params *params, bool thorough,
                               const struct daub_variant **variant, daub_device **out);
// How many may still come, of those that are not thorough.
uint32_t daub_variants_left(const struct daub_variants *variants);
// Opens one of them again.
daub_status daub_variant_open(const struct daub_variant *variant, const daub_device_params *params, daub_device **out);

#endif

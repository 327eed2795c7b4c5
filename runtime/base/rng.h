// rng.h - the normal draws of torch, bit by bit where the algorithm is integer.
//
// torch CPU: MT19937 seeded with the low 32 bits; randn of fewer than 16 elements draws pairs in double and caches
// the second of a pair in the generator; from 16 on it fills with 24-bit uniforms and transforms blocks of 16, the last
// 16 redone when the size is no multiple of 16 (aten/src/ATen/native/cpu/DistributionTemplates.h, normal_fill).
// CUDA style: Philox4x32-10, counter (call, 0, i, 0), key = 64-bit seed; element i takes outputs 0 and 1.
#ifndef DAUB_BASE_RNG_H
#define DAUB_BASE_RNG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct daub_mt19937 {
    uint32_t state[624];
    uint32_t next;
    bool has_cached; // second half of a double pair
    double cached;
};

enum daub_rng_kind { DAUB_RNG_KIND_TORCH_CPU, DAUB_RNG_KIND_PHILOX };

struct daub_rng {
    enum daub_rng_kind kind;
    uint64_t seed;
    uint32_t calls; // Philox: randn calls since seeding
    struct daub_mt19937 mt;
};

void daub_rng_seed(struct daub_rng *rng, enum daub_rng_kind kind, uint64_t seed);
// One call of torch.randn(n): the split into calls matters to both generators.
void daub_rng_randn(struct daub_rng *rng, float *out, size_t n);

// Of the torch CPU generator only (the reference's own tests need them).
uint32_t daub_mt19937_u32(struct daub_mt19937 *mt);
void daub_rng_randn_f64(struct daub_rng *rng, double *out, size_t n);
void daub_rng_randn_f16(struct daub_rng *rng, float *out, size_t n); // values rounded to half
void daub_rng_rand(struct daub_rng *rng, float *out, size_t n);      // uniform [0,1), 24 bits

void daub_philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif

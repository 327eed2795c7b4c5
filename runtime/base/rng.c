// rng.c - MT19937 (Matsumoto and Nishimura 1998, doi:10.1145/272991.272995) and Philox4x32-10 (Salmon et al. 2011,
// doi:10.1145/2063384.2063405) with torch's ways from bits to normal values, by Box and Muller 1958.
//
// Philox agrees with torch on a GPU while n is at most the number of threads torch launches there, which covers latents
// of pictures up to about 1024x1024.
#include "runtime/base/rng.h"
#include "runtime/base/half.h"

#include <math.h>

enum { MT_SIZE = 624, MT_SHIFT = 397, BLOCK = 16 };

static const double two_pi = 6.283185307179586476925286766559;

static void mt_seed(struct daub_mt19937 *mt, uint32_t seed)
{
    mt->state[0] = seed;
    for (uint32_t i = 1; i < MT_SIZE; i++)
        mt->state[i] = 1812433253u * (mt->state[i - 1] ^ (mt->state[i - 1] >> 30)) + i;
    mt->next = MT_SIZE;
    mt->has_cached = false;
    mt->cached = 0;
}

static void mt_twist(struct daub_mt19937 *mt)
{
    uint32_t *const s = mt->state;
    for (uint32_t i = 0; i < MT_SIZE; i++) {
        const uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % MT_SIZE] & 0x7fffffffu);
        s[i] = s[(i + MT_SHIFT) % MT_SIZE] ^ (y >> 1) ^ ((y & 1u) ? 0x9908b0dfu : 0u);
    }
    mt->next = 0;
}

uint32_t daub_mt19937_u32(struct daub_mt19937 *mt)
{
    if (mt->next >= MT_SIZE)
        mt_twist(mt);
    uint32_t y = mt->state[mt->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

// [0,1) with 24 bits.
static float uniform24(struct daub_mt19937 *mt)
{
    return (float)(daub_mt19937_u32(mt) & 0xffffffu) * 0x1p-24f;
}

// [0,1) with 53 bits; the first output is the high half.
static double uniform53(struct daub_mt19937 *mt)
{
    const uint64_t high = daub_mt19937_u32(mt);
    const uint64_t low = daub_mt19937_u32(mt);
    return (double)(((high << 32) | low) & 0x1fffffffffffffu) * 0x1p-53;
}

// One value of a Box-Muller pair; the other waits in the generator for the next call, whatever its type.
static double normal_single(struct daub_mt19937 *mt)
{
    if (mt->has_cached) {
        mt->has_cached = false;
        return mt->cached;
    }
    const double u1 = uniform53(mt);
    const double u2 = uniform53(mt);
    const double radius = sqrt(-2.0 * log1p(-u2));
    mt->cached = radius * sin(two_pi * u1);
    mt->has_cached = true;
    return radius * cos(two_pi * u1);
}

// The logarithm, sine and cosine of single precision that torch's AVX2 path has, to the last bit: the polynomials of
// Moshier's Cephes library (logf.c, sinf.c; 1989), with a fused multiply-add wherever torch's compiler fused. The C
// library's own are as good, but differ in the last bit, and a sum over a latent shows it.

// fmaf(... fmaf(c[0], x, c[1]) ..., x, c[n-1])
static float polynomial(const float *c, uint32_t n, float x)
{
    float y = c[0];
    for (uint32_t i = 1; i < n; i++)
        y = fmaf(y, x, c[i]);
    return y;
}

// x in [2^-24, 1].
static float log_f32(float x)
{
    static const float c[] = {
        7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,  -1.2420140846e-1f, 1.4249322787e-1f,
        -1.6668057665e-1f, 2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f,
    };
    // x = 2^exponent (1 + m) with 1 + m in [sqrt(1/2), sqrt(2)).
    int exponent;
    float m = frexpf(x, &exponent);
    if (m < 0.707106781186547524f) {
        exponent--;
        m = m - 1.0f + m;
    } else {
        m = m - 1.0f;
    }
    const float e = (float)exponent;
    const float z = m * m;
    // log(2) is 0.693359375 - 2.12194440e-4: the first part has few bits, so its product with e is exact.
    float y = polynomial(c, sizeof(c) / sizeof(c[0]), m) * m;
    y = fmaf(y, z, e * -2.12194440e-4f);
    y = fmaf(-z, 0.5f, y);
    return fmaf(e, 0.693359375f, m + y);
}

// x in [0, 2 pi].
static void sincos_f32(float x, float *sine, float *cosine)
{
    static const float c_cos[] = { 2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f };
    static const float c_sin[] = { -1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f };
    // The octant, made even; then x minus that many pi/4, which is given in three parts.
    const uint32_t octant = ((uint32_t)(x * 1.27323954473516f) + 1u) & ~1u;
    const float n = (float)octant;
    x = fmaf(n, -0.78515625f, x);
    x = fmaf(n, -2.4187564849853515625e-4f, x);
    x = fmaf(n, -3.77489497744594108e-8f, x);
    const float z = x * x;
    float c = polynomial(c_cos, 3, z) * z;
    c = fmaf(c, z, -(z * 0.5f)) + 1.0f;
    const float s = fmaf(polynomial(c_sin, 3, z) * z, x, x);
    const bool swap = (octant & 2u) != 0;
    const float abs_sine = swap ? c : s;
    const float abs_cosine = swap ? s : c;
    *sine = (octant & 4u) ? -abs_sine : abs_sine;
    *cosine = ((octant + 2u) & 4u) ? -abs_cosine : abs_cosine;
}

// Uniforms d[0..15] in place to normals: pair j is made of 1 - d[j] (never 0, as the logarithm needs) and d[j+8].
static void normal_block_f32(float *d)
{
    for (uint32_t j = 0; j < BLOCK / 2; j++) {
        const float radius = sqrtf(-2.0f * log_f32(1.0f - d[j]));
        float sine;
        float cosine;
        sincos_f32((float)two_pi * d[j + 8], &sine, &cosine);
        d[j] = radius * cosine;
        d[j + 8] = radius * sine;
    }
}

static void normal_block_f64(double *d)
{
    for (uint32_t j = 0; j < BLOCK / 2; j++) {
        const double radius = sqrt(-2.0 * log(1.0 - d[j]));
        const double theta = two_pi * d[j + 8];
        d[j] = radius * cos(theta);
        d[j + 8] = radius * sin(theta);
    }
}

static void fill_block(struct daub_mt19937 *mt, float *d)
{
    for (uint32_t j = 0; j < BLOCK; j++)
        d[j] = uniform24(mt);
}

static void mt_randn(struct daub_mt19937 *mt, float *out, size_t n)
{
    if (n < BLOCK) {
        for (size_t i = 0; i < n; i++)
            out[i] = (float)normal_single(mt);
        return;
    }
    // All uniforms come first, so the order of draws does not depend on the blocks.
    for (size_t i = 0; i < n; i++)
        out[i] = uniform24(mt);
    for (size_t i = 0; i + BLOCK <= n; i += BLOCK)
        normal_block_f32(out + i);
    if (n % BLOCK != 0) {
        fill_block(mt, out + n - BLOCK);
        normal_block_f32(out + n - BLOCK);
    }
}

static void philox_randn(struct daub_rng *rng, float *out, size_t n)
{
    const uint32_t key[2] = { (uint32_t)rng->seed, (uint32_t)(rng->seed >> 32) };
    for (size_t i = 0; i < n; i++) {
        const uint32_t counter[4] = { rng->calls, 0, (uint32_t)i, (uint32_t)((uint64_t)i >> 32) };
        uint32_t g[4];
        daub_philox4x32_10(counter, key, g);
        // (0,1]: half a step above zero, so that the logarithm is finite.
        const float u = (float)g[0] * 0x1p-32f + 0x1p-33f;
        const float v = (float)g[1] * (float)(0x1p-32 * two_pi) + (float)(0x1p-33 * two_pi);
        out[i] = sqrtf(-2.0f * logf(u)) * sinf(v);
    }
    rng->calls++;
}

void daub_rng_seed(struct daub_rng *rng, enum daub_rng_kind kind, uint64_t seed)
{
    rng->kind = kind;
    rng->seed = seed;
    rng->calls = 0;
    mt_seed(&rng->mt, (uint32_t)seed);
}

void daub_rng_randn(struct daub_rng *rng, float *out, size_t n)
{
    if (rng->kind == DAUB_RNG_KIND_PHILOX)
        philox_randn(rng, out, n);
    else
        mt_randn(&rng->mt, out, n);
}

void daub_rng_randn_f64(struct daub_rng *rng, double *out, size_t n)
{
    struct daub_mt19937 *const mt = &rng->mt;
    if (n < BLOCK) {
        for (size_t i = 0; i < n; i++)
            out[i] = normal_single(mt);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = uniform53(mt);
    for (size_t i = 0; i + BLOCK <= n; i += BLOCK)
        normal_block_f64(out + i);
    if (n % BLOCK != 0) {
        for (size_t i = n - BLOCK; i < n; i++)
            out[i] = uniform53(mt);
        normal_block_f64(out + n - BLOCK);
    }
}

void daub_rng_randn_f16(struct daub_rng *rng, float *out, size_t n)
{
    struct daub_mt19937 *const mt = &rng->mt;
    if (n < BLOCK) {
        for (size_t i = 0; i < n; i++)
            out[i] = daub_half_to_float(daub_half_from_float((float)normal_single(mt)));
        return;
    }
    // Unlike fp32, each block draws its own uniforms just before it is transformed, the ragged last one included.
    size_t start = 0;
    while (start < n) {
        float *const d = start + BLOCK <= n ? out + start : out + n - BLOCK;
        fill_block(mt, d);
        normal_block_f32(d);
        for (uint32_t j = 0; j < BLOCK; j++)
            d[j] = daub_half_to_float(daub_half_from_float(d[j]));
        start += BLOCK;
    }
}

void daub_rng_rand(struct daub_rng *rng, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = uniform24(&rng->mt);
}

void daub_philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c[4] = { counter[0], counter[1], counter[2], counter[3] };
    uint32_t k[2] = { key[0], key[1] };
    for (uint32_t round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)0xd2511f53u * c[0];
        const uint64_t b = (uint64_t)0xcd9e8d57u * c[2];
        const uint32_t next[4] = {
            (uint32_t)(b >> 32) ^ c[1] ^ k[0],
            (uint32_t)b,
            (uint32_t)(a >> 32) ^ c[3] ^ k[1],
            (uint32_t)a,
        };
        for (uint32_t i = 0; i < 4; i++)
            c[i] = next[i];
        k[0] += 0x9e3779b9u; // the golden ratio
        k[1] += 0xbb67ae85u; // sqrt(3) - 1
    }
    for (uint32_t i = 0; i < 4; i++)
        out[i] = c[i];
}

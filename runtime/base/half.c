// half.c - binary16 and bfloat16 in integer arithmetic without branches, so that the loops over arrays vectorise.
#include "runtime/base/half.h"

#include <stdbool.h>
#include <string.h>

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

// a where the condition holds, else b. By masks and not by ?:, of which compilers make a branch round the other case's
// floating-point operation; then the loop does not vectorise.
static uint32_t pick(bool condition, uint32_t a, uint32_t b)
{
    const uint32_t mask = 0u - (uint32_t)condition;
    return (a & mask) | (b & ~mask);
}

// All cases are computed and one is picked: no branch depends on the data.
static uint16_t half_from(float value)
{
    const uint32_t bits = bits_of(value);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t a = bits & 0x7fffffffu;
    // Normal: rebias the exponent from 127 to 15 and round away the low 13 bits, ties to even. A carry out of the
    // mantissa moves into the exponent as it should; 65520 and up become infinity by it.
    const uint32_t normal = (a - (112u << 23) + 0xfffu + ((a >> 13) & 1u)) >> 13;
    // Denormal, below 2^-14: the last place of 0.5 to 1 is 2^-24, that of a half denormal, so the addition rounds.
    const uint32_t denormal = bits_of(float_of(a) + 0.5f) - 0x3f000000u;
    // A NaN keeps the top of its payload and becomes quiet.
    const uint32_t nan = 0x7e00u | ((a >> 13) & 0x3ffu);
    uint32_t half = pick(a < (113u << 23), denormal, normal);
    half = pick(a >= (143u << 23), 0x7c00u, half); // 2^16 and up, infinity among it
    half = pick(a > 0x7f800000u, nan, half);
    return (uint16_t)(sign | half);
}

static float half_to(uint16_t half)
{
    const uint32_t sign = (half & 0x8000u) << 16;
    const uint32_t a = half & 0x7fffu;
    // Rebias the exponent from 15 to 127; infinity and NaN go from 31 to 255, twice as far.
    const uint32_t rebias = pick(a >= 0x7c00u, 224u << 23, 112u << 23);
    const uint32_t normal = (a << 13) + rebias;
    const uint32_t denormal = bits_of((float)(int32_t)a * 0x1p-24f); // exact: at most 10 bits
    return float_of(sign | pick(a < 0x400u, denormal, normal));
}

uint16_t daub_half_from_float(float value)
{
    return half_from(value);
}

float daub_half_to_float(uint16_t half)
{
    return half_to(half);
}

uint16_t daub_bf16_from_float(float value)
{
    const uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((bits >> 16) | 0x40u);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float daub_bf16_to_float(uint16_t bf16)
{
    return float_of((uint32_t)bf16 << 16);
}

void daub_half_from_floats(uint16_t *restrict out, const float *restrict in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = half_from(in[i]);
}

void daub_half_to_floats(float *restrict out, const uint16_t *restrict in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = half_to(in[i]);
}

// test_half.c - binary16 and bfloat16 over every value of theirs, every rounding edge, and floats in between.
// link: base
#include "runtime/base/half.h"
#include "tests/test.h"

#include <time.h>

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

static bool is_nan_half(uint16_t half)
{
    return (half & 0x7fff) > 0x7c00;
}

// By the definition of the format, IEEE 754-2008 section 3.4, in double.
static double half_value(uint16_t half)
{
    const double sign = half & 0x8000 ? -1.0 : 1.0;
    const int exponent = (half >> 10) & 31;
    const int mantissa = half & 0x3ff;
    if (exponent == 31)
        return mantissa ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0)
        return sign * ldexp(mantissa, -24);
    return sign * ldexp(1024 + mantissa, exponent - 25);
}

// Rounds by the C library: the value in units of the last place, rint, and back.
static double round_to_half(double x)
{
    if (x == 0 || isinf(x))
        return x;
    int exponent;
    frexp(x, &exponent); // |x| in [2^(exponent-1), 2^exponent)
    const int place = exponent - 1 > -14 ? exponent - 11 : -24;
    const double rounded = ldexp(rint(ldexp(x, -place)), place);
    return fabs(rounded) >= 65536.0 ? copysign((double)INFINITY, x) : rounded;
}

static void every_half_becomes_its_float_and_back(void)
{
    for (uint32_t i = 0; i < 65536; i++) {
        const uint16_t half = (uint16_t)i;
        const float got = daub_half_to_float(half);
        if (is_nan_half(half)) {
            REQUIRE(isnan(got));
            REQUIRE(is_nan_half(daub_half_from_float(got)));
            REQUIRE((daub_half_from_float(got) & 0x8000) == (half & 0x8000));
            continue;
        }
        REQUIRE((double)got == half_value(half));
        REQUIRE((bits_of(got) >> 31) == (i >> 15)); // -0 stays -0
        REQUIRE(daub_half_from_float(got) == half);
    }
}

static void require_half(float x)
{
    const uint16_t half = daub_half_from_float(x);
    const double got = half_value(half);
    const double want = round_to_half((double)x);
    if (got != want || (half >> 15) != (bits_of(x) >> 31))
        TEST_FAIL("%a became %04x = %a, wanted %a", (double)x, half, got, want);
}

// Between neighbours: the middle goes to the even one, a hair to either side to the nearer.
static void rounding_edges(void)
{
    for (uint32_t i = 0; i < 0x7c00; i++) {
        const uint16_t low = (uint16_t)i;
        // The neighbour of the largest half is 65536, which is infinity.
        const double high = i + 1 == 0x7c00 ? 65536.0 : half_value((uint16_t)(i + 1));
        const float middle = (float)((half_value(low) + high) / 2);
        const uint16_t even = (uint16_t)(i + (i & 1));
        REQUIRE(daub_half_from_float(middle) == even);
        REQUIRE(daub_half_from_float(-middle) == (even | 0x8000));
        REQUIRE(daub_half_from_float(nextafterf(middle, 0)) == low);
        REQUIRE(daub_half_from_float(nextafterf(middle, INFINITY)) == (uint16_t)(i + 1));
    }
}

static void floats_in_between(void)
{
    REQUIRE(daub_half_from_float(65519.996f) == 0x7bff);
    REQUIRE(daub_half_from_float(65520.0f) == 0x7c00);
    REQUIRE(daub_half_from_float(3.4e38f) == 0x7c00);
    REQUIRE(daub_half_from_float(-INFINITY) == 0xfc00);
    REQUIRE(daub_half_from_float(1e-45f) == 0);
    REQUIRE(daub_half_from_float(-1e-45f) == 0x8000);
    // A NaN whose payload lies in the bits that are cut off must not become infinity.
    REQUIRE(is_nan_half(daub_half_from_float(float_of(0x7f800001))));
    REQUIRE(is_nan_half(daub_half_from_float(float_of(0xff801fff))));
    for (uint64_t bits = 0; bits < 0x100000000u; bits += 9973) { // a prime, so that all low bits vary
        const float x = float_of((uint32_t)bits);
        if (isnan(x))
            REQUIRE(is_nan_half(daub_half_from_float(x)));
        else
            require_half(x);
    }
}

static void arrays_equal_single_values(void)
{
    enum { N = 65536, PAD = 32 };
    static uint16_t halves[N];
    static float floats[N + PAD];
    static uint16_t back[N + PAD];
    for (uint32_t i = 0; i < N; i++)
        halves[i] = (uint16_t)i;
    daub_half_to_floats(floats, halves, N);
    daub_half_from_floats(back, floats, N);
    for (uint32_t i = 0; i < N; i++) {
        REQUIRE(bits_of(floats[i]) == bits_of(daub_half_to_float(halves[i])));
        REQUIRE(back[i] == daub_half_from_float(floats[i]));
    }
    // Every small length, from an odd place on, with nothing written behind it.
    for (uint32_t n = 0; n < PAD; n++) {
        memset(floats, 0xa5, sizeof(floats));
        memset(back, 0xa5, sizeof(back));
        daub_half_to_floats(floats + 1, halves + 0x3bff, n);
        daub_half_from_floats(back + 1, floats + 1, n);
        for (uint32_t i = 0; i < n; i++)
            REQUIRE(back[1 + i] == halves[0x3bff + i]);
        REQUIRE(bits_of(floats[0]) == 0xa5a5a5a5 && bits_of(floats[1 + n]) == 0xa5a5a5a5);
        REQUIRE(back[0] == 0xa5a5 && back[1 + n] == 0xa5a5);
    }
}

static void bfloat16(void)
{
    for (uint32_t i = 0; i < 65536; i++) {
        const uint16_t b = (uint16_t)i;
        const float x = daub_bf16_to_float(b);
        REQUIRE(bits_of(x) == i << 16);
        if ((i & 0x7fff) > 0x7f80) {
            REQUIRE(isnan(x) && isnan(daub_bf16_to_float(daub_bf16_from_float(x))));
            continue;
        }
        REQUIRE(daub_bf16_from_float(x) == b);
        if ((i & 0x7fff) == 0x7f80)
            continue;
        // The upper neighbour in magnitude is the next code, infinity behind the largest.
        REQUIRE(daub_bf16_from_float(float_of((i << 16) | 0x7fff)) == b);
        REQUIRE(daub_bf16_from_float(float_of((i << 16) | 0x8000)) == (uint16_t)(i + (i & 1)));
        REQUIRE(daub_bf16_from_float(float_of((i << 16) | 0x8001)) == (uint16_t)(i + 1));
    }
    REQUIRE(isnan(daub_bf16_to_float(daub_bf16_from_float(float_of(0x7f800001)))));
}

static double seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

// --bench: million values a second, both ways.
static void bench(void)
{
    enum { N = 1 << 16, TIMES = 2000 };
    static float floats[N];
    static uint16_t halves[N];
    for (uint32_t i = 0; i < N; i++)
        halves[i] = (uint16_t)(i & 0x7bff);
    const double start = seconds();
    for (uint32_t i = 0; i < TIMES; i++)
        daub_half_to_floats(floats, halves, N);
    const double middle = seconds();
    for (uint32_t i = 0; i < TIMES; i++)
        daub_half_from_floats(halves, floats, N);
    const double end = seconds();
    printf("half to float %.0f M/s, float to half %.0f M/s\n", N * 1e-6 * TIMES / (middle - start),
           N * 1e-6 * TIMES / (end - middle));
}

int main(int argc, char **argv)
{
    every_half_becomes_its_float_and_back();
    rounding_edges();
    floats_in_between();
    arrays_equal_single_values();
    bfloat16();
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        bench();
    return 0;
}

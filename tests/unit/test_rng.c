// test_rng.c - known answers of torch's generators, computed by torch on a CPU, and the published vectors.
// link: base
#include "runtime/base/rng.h"
#include "tests/test.h"

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

#define REQUIRE_BITS(got, want)                                                                \
    do {                                                                                       \
        const uint32_t got_bits_ = bits_of(got);                                               \
        if (got_bits_ != (want))                                                               \
            TEST_FAIL("%s is %08x, wanted %08x", #got, (unsigned)got_bits_, (unsigned)(want)); \
    } while (0)

static struct daub_rng torch_cpu(uint64_t seed)
{
    struct daub_rng rng;
    daub_rng_seed(&rng, DAUB_RNG_KIND_TORCH_CPU, seed);
    return rng;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void mt19937_is_the_published_generator(void)
{
    static const uint32_t seed_42[8] = { 1608637542u, 3421126067u, 4083286876u, 787846414u,
                                         3143890026u, 3348747335u, 2571218620u, 2563451924u };
    struct daub_rng rng = torch_cpu(42);
    for (uint32_t i = 0; i < 8; i++)
        REQUIRE(daub_mt19937_u32(&rng.mt) == seed_42[i]);
    // The C++ standard, [rand.predef]: the 10000th output with the default seed 5489.
    rng = torch_cpu(5489);
    for (uint32_t i = 1; i < 10000; i++)
        daub_mt19937_u32(&rng.mt);
    REQUIRE(daub_mt19937_u32(&rng.mt) == 4123659995u);
}

static void only_the_low_half_of_a_seed_counts(void)
{
    struct daub_rng a = torch_cpu(5);
    struct daub_rng b = torch_cpu(4294967301u); // 2^32 + 5
    for (uint32_t i = 0; i < 700; i++)
        REQUIRE(daub_mt19937_u32(&a.mt) == daub_mt19937_u32(&b.mt));
}

static void fewer_than_16_come_in_pairs(void)
{
    struct daub_rng rng = torch_cpu(42);
    float x[3];
    daub_rng_randn(&rng, x, 3);
    REQUIRE_NEAR(x[0], float_of(0x3eac62ae), 1e-7);
    REQUIRE_NEAR(x[1], float_of(0x3e03e69d), 1e-7);
    REQUIRE_NEAR(x[2], float_of(0x3e7016e7), 1e-7);
    // The second of the pair that x[2] began is still there, in double.
    double d;
    daub_rng_randn_f64(&rng, &d, 1);
    REQUIRE_NEAR(d, 0x1.d7b8d7b0a7c22p-3, 1e-15);
    REQUIRE(!rng.mt.has_cached);
}

static void sixteen_and_more_come_in_blocks(void)
{
    static const uint32_t n17[17] = { 0x3ff6a529, 0xbe236d85, 0xbefeaae4, 0x3ee111d8, 0xbf4214e2, 0x3f8a0650,
                                      0x3f4d0144, 0x3fd71e93, 0x3eb63345, 0x3fa5f12f, 0x3f1c4788, 0x3faad8b0,
                                      0xbe6d2eed, 0x3d2b0c00, 0xbe80ce7a, 0x3f5c1fb0, 0xbe9e9482 };
    struct daub_rng rng = torch_cpu(42);
    float x[17];
    daub_rng_randn(&rng, x, 17);
    for (uint32_t i = 0; i < 17; i++)
        REQUIRE_BITS(x[i], n17[i]);
}

// Calls of both kinds one after another from one generator, among them odd ones that leave half a pair behind.
static void calls_follow_one_another(void)
{
    static const struct {
        uint32_t n, first, last;
        bool blocks; // else the C library's double functions have a say in the last bit
    } calls[] = {
        { 256, 0x3ff6a529, 0x3e63cae4, true }, { 256, 0xbf2f7bb9, 0x3f0499e7, true },
        { 3, 0x3d115d74, 0xbe3f6a31, false },  { 4, 0x3c8e0c3a, 0x3f782110, false },
        { 15, 0xbf47eafc, 0xbe908709, false }, { 16, 0x3f6c2fb9, 0x3c8abd5c, true },
        { 7, 0xbf5ea86d, 0xbf156660, false },  { 252, 0xbf97cd6d, 0xbf82eb6c, true },
    };
    struct daub_rng rng = torch_cpu(42);
    float x[256];
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        daub_rng_randn(&rng, x, calls[i].n);
        REQUIRE_NEAR(x[0], float_of(calls[i].first), 1e-6);
        REQUIRE_NEAR(x[calls[i].n - 1], float_of(calls[i].last), 1e-6);
        if (calls[i].blocks) {
            REQUIRE_BITS(x[0], calls[i].first);
            REQUIRE_BITS(x[calls[i].n - 1], calls[i].last);
        }
    }
}

// Sums over randn(1,4,64,64) in double: one wrong last bit in 16384 values shows.
static void a_latent_is_equal_to_the_last_bit(void)
{
    static float x[4 * 64 * 64];
    static const struct {
        uint64_t seed;
        double sum;
    } cases[] = { { 7, 0x1.54a3ae0a39000p+6 }, { 123456789, -0x1.b4cb2dfce4200p+5 } };
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct daub_rng rng = torch_cpu(cases[c].seed);
        daub_rng_randn(&rng, x, sizeof(x) / sizeof(x[0]));
        double sum = 0;
        for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++)
            sum += (double)x[i];
        REQUIRE_NEAR(sum, cases[c].sum, 1e-10);
    }
}

static void doubles_and_halves_have_ways_of_their_own(void)
{
    struct daub_rng rng = torch_cpu(42);
    double d[40];
    daub_rng_randn_f64(&rng, d, 40);
    REQUIRE_NEAR(d[0], 0x1.32bee22ccb503p-2, 1e-14);
    REQUIRE_NEAR(d[8], 0x1.63479875eff86p-3, 1e-14);
    REQUIRE_NEAR(d[31], 0x1.d4512d1e9f117p-2, 1e-14);
    REQUIRE_NEAR(d[32], -0x1.fda3aac3af6cdp+0, 1e-14);
    REQUIRE_NEAR(d[39], -0x1.269c1093a606dp-8, 1e-14);

    rng = torch_cpu(42);
    float h[40];
    daub_rng_randn_f16(&rng, h, 40);
    REQUIRE(h[0] == 0x1.ed4p+0f);   // 3fb5
    REQUIRE(h[8] == -0x1.81p-1f);   // ba04
    REQUIRE(h[23] == 0x1.ae4p+0f);  // 3eb9
    REQUIRE(h[24] == -0x1.628p+0f); // bd8a
    REQUIRE(h[31] == -0x1.8c8p-1f); // ba32
    REQUIRE(h[39] == -0x1.f38p-2f); // b7ce
}

static void uniforms_have_24_bits(void)
{
    struct daub_rng rng = torch_cpu(42);
    float x[4];
    daub_rng_rand(&rng, x, 4);
    REQUIRE_BITS(x[0], 0x3f61dc66);
    REQUIRE_BITS(x[1], 0x3f6a3db3);
    REQUIRE_BITS(x[2], 0x3ec406b8);
    REQUIRE_BITS(x[3], 0x3f75950e);
}

static void philox_has_the_published_answers(void)
{
    // The known-answer vectors that came with Salmon et al. 2011.
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } vectors[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
          { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
          { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        uint32_t out[4];
        daub_philox4x32_10(vectors[i].counter, vectors[i].key, out);
        REQUIRE(memcmp(out, vectors[i].out, sizeof(out)) == 0);
    }
}

static void cuda_draws_count_calls(void)
{
    static const struct {
        uint64_t seed;
        uint32_t call;
        double at[4]; // elements 0, 1, 2, 1023
    } cases[] = {
        { 42, 0, { 0.1940188705921173, 2.161374092102051, -0.1720506101846695, 2.056206226348877 } },
        { 42, 1, { 0.13913755118846893, -0.10821584612131119, -0.7174220085144043, 0.38016581535339355 } },
        { 42, 5, { 1.4639568328857422, -0.32384082674980164, 0.773964524269104, 0.47377005219459534 } },
        { INT64_MAX, 1, { -2.6019914150238037, 1.3708515167236328, 1.3348987102508545, -0.16802185773849487 } },
    };
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct daub_rng rng;
        float x[1024];
        daub_rng_seed(&rng, DAUB_RNG_KIND_PHILOX, cases[c].seed);
        for (uint32_t call = 0; call <= cases[c].call; call++)
            daub_rng_randn(&rng, x, 1024);
        REQUIRE(rng.calls == cases[c].call + 1);
        for (uint32_t i = 0; i < 4; i++)
            REQUIRE_NEAR(x[i < 3 ? i : 1023], cases[c].at[i], 2e-6);
    }
}

// Mean, variance and fourth moment of a million values: a wrong branch of the sine would pass no single known answer's
// neighbourhood but this.
static void moments_are_a_unit_normals(void)
{
    enum { N = 1 << 20 };
    float *const x = malloc(N * sizeof(*x));
    REQUIRE(x);
    for (uint32_t kind = 0; kind < 2; kind++) {
        struct daub_rng rng;
        daub_rng_seed(&rng, kind == 0 ? DAUB_RNG_KIND_TORCH_CPU : DAUB_RNG_KIND_PHILOX, 2024);
        daub_rng_randn(&rng, x, N);
        double m1 = 0;
        double m2 = 0;
        double m4 = 0;
        for (size_t i = 0; i < N; i++) {
            const double v = (double)x[i];
            m1 += v / N;
            m2 += v * v / N;
            m4 += v * v * v * v / N;
        }
        // Five standard deviations: 1, sqrt(2) and sqrt(96) over sqrt(N).
        REQUIRE_NEAR(m1, 0, 5.0 / 1024);
        REQUIRE_NEAR(m2, 1, 7.1 / 1024);
        REQUIRE_NEAR(m4, 3, 49.0 / 1024);
    }
    free(x);
}

int main(void)
{
    mt19937_is_the_published_generator();
    only_the_low_half_of_a_seed_counts();
    fewer_than_16_come_in_pairs();
    sixteen_and_more_come_in_blocks();
    calls_follow_one_another();
    a_latent_is_equal_to_the_last_bit();
    doubles_and_halves_have_ways_of_their_own();
    uniforms_have_24_bits();
    philox_has_the_published_answers();
    cuda_draws_count_calls();
    moments_are_a_unit_normals();
    return 0;
}

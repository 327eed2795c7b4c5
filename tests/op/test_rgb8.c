// test_rgb8.c - pixels, bit for bit.
#include "tests/op/harness.h"

struct rgb8_case {
    uint32_t n, h, w;
    float scale;
};

static uint32_t byte(float x)
{
    const float unit = fminf(fmaxf(x * 0.5f + 0.5f, 0.0f), 1.0f) * 255.0f;
    return (uint32_t)nearbyintf(unit); // ties to even, as the C library starts
}

static void check(struct op_run *run, const void *user)
{
    const struct rgb8_case *t = user;
    struct daub_tensor *x = op_input_scaled(run, "x", DAUB_STAGE_STEP, (struct daub_shape) { t->n, t->h, t->w, 3 }, 1,
                                            t->scale, 0.1f);
    struct daub_tensor *y = daub_to_rgb8(run->net, x);
    op_execute(run, y);

    double *want = op_plain(run, y);
    float *got = malloc((size_t)t->n * t->h * t->w * sizeof(float));
    REQUIRE(got);
    const uint32_t pixels = t->h * t->w;
    for (uint32_t n = 0; n < t->n; n++) {
        for (uint32_t i = 0; i < pixels; i++) {
            const float *rgb = op_values(run, x) + (size_t)n * 3 * pixels + i;
            const uint32_t pixel = 0xff000000u | byte(rgb[2 * pixels]) << 16 | byte(rgb[pixels]) << 8 | byte(rgb[0]);
            const uint32_t stored = op_result_u32(run)[n * pixels + i];
            if (stored != pixel)
                TEST_FAIL("pixel %u of %u: %08x, wanted %08x for %.9g %.9g %.9g", i, n, stored, pixel, (double)rgb[0],
                          (double)rgb[pixels], (double)rgb[2 * pixels]);
            want[n * pixels + i] = pixel & 0xffffffu; // op_compare takes floats, which hold 24 bits
            got[n * pixels + i] = (float)(stored & 0xffffffu);
        }
    }
    memcpy((float *)(uintptr_t)op_result(run), got, (size_t)t->n * pixels * sizeof(float));
    free(got);
    op_compare(run, y, want, 1);
}

int main(int argc, char **argv)
{
    // clang-format off
    static const struct rgb8_case cases[] = {
        { 1,   1,   1, 0.5f },
        { 2,   9,   7, 1.0f }, // a third is clipped
        { 1, 100, 100, 0.4f },
        { 2, 512, 520, 0.5f }, // 17 MB in fp32
    };
    // clang-format on
    return op_main(argc, argv, "rgb8", cases, sizeof(cases) / sizeof(cases[0]), sizeof(cases[0]), check);
}

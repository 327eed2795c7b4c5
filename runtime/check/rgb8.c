// rgb8.c - pixels, bit for bit.
#include "runtime/check/trial.h"

#include <math.h>

struct rgb8_case {
    uint32_t n, h, w;
    float scale;
};

static uint32_t byte(float x)
{
    const float unit = fminf(fmaxf(x * 0.5f + 0.5f, 0.0f), 1.0f) * 255.0f;
    return (uint32_t)nearbyintf(unit); // ties to even, as the C library starts
}

static daub_status check(struct daub_trial *trial, const void *user)
{
    const struct rgb8_case *t = user;
    struct daub_tensor *x = daub_trial_input_scaled(trial, "x", DAUB_STAGE_STEP,
                                                    (struct daub_shape) { t->n, t->h, t->w, 3 }, 1, t->scale, 0.1f);
    struct daub_tensor *y = daub_to_rgb8(trial->net, x);
    TRY(daub_trial_execute(trial, y));

    const uint32_t pixels = t->h * t->w;
    uint32_t *want = daub_trial_alloc(trial, (size_t)t->n * pixels, sizeof(*want));
    if (!want)
        return DAUB_ERROR_NO_HOST_MEMORY;
    for (uint32_t n = 0; n < t->n; n++)
        for (uint32_t i = 0; i < pixels; i++) {
            const float *rgb = daub_trial_values(trial, x) + (size_t)n * 3 * pixels + i;
            want[n * pixels + i] = 0xff000000u | byte(rgb[2 * pixels]) << 16 | byte(rgb[pixels]) << 8 | byte(rgb[0]);
        }
    return daub_trial_compare_words(trial, daub_trial_result_u32(trial), want, (size_t)t->n * pixels);
}

// clang-format off
static const struct rgb8_case cases[] = {
    { 1,   1,   1, 0.5f },
    { 2,   9,   7, 1.0f }, // a third is clipped
    { 1, 100, 100, 0.4f },
    { 2, 512, 520, 0.5f }, // 17 MB in fp32
};
// clang-format on

const struct daub_check daub_check_of_rgb8 = {
    .op = "rgb8",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
};

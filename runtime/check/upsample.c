// upsample.c - nearest upsampling, to both parities.
#include "runtime/check/trial.h"

struct upsample_case {
    struct daub_shape shape;
    uint32_t heads, less_h, less_w;
};

static daub_status check(struct daub_trial *trial, const void *user)
{
    const struct upsample_case *t = user;
    const struct daub_shape s = t->shape;
    const uint32_t out_h = 2 * s.h - t->less_h, out_w = 2 * s.w - t->less_w;
    struct daub_tensor *x = daub_trial_input(trial, "x", DAUB_STAGE_STEP, s, t->heads);
    struct daub_tensor *y = daub_upsample_nearest(trial->net, x, out_h, out_w);
    TRY(daub_trial_execute(trial, y));

    double *want = daub_trial_want(trial);
    for (uint32_t plane = 0; plane < s.n * s.c; plane++)
        for (uint32_t i = 0; i < out_h; i++)
            for (uint32_t j = 0; j < out_w; j++)
                want[((size_t)plane * out_h + i) * out_w + j] = daub_trial_values(
                    trial, x)[((size_t)plane * s.h + i / 2) * s.w + j / 2];
    return daub_trial_compare_exact(trial, y, want);
}

// clang-format off
static const struct upsample_case cases[] = {
    { { 1,   1,  1,  1 }, 1, 0, 0 },
    { { 1,   1,  1,  8 }, 1, 1, 1 },
    { { 2,   5,  7, 20 }, 1, 0, 0 },
    { { 3,   5,  7, 10 }, 2, 1, 0 },
    { { 2,   6,  3, 33 }, 1, 0, 1 },
    { { 1,  16, 16, 64 }, 1, 1, 1 },
    { { 2, 101, 97, 64 }, 1, 1, 0 }, // the result has 20 MB in fp32, cut inside the first picture
};
// clang-format on

const struct daub_check daub_check_of_upsample = {
    .op = "upsample",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
};

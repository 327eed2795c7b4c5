// geglu.c - GEGLU against a double reference with the C library's erf.
#include "runtime/check/trial.h"

#include <math.h>

struct geglu_case {
    struct daub_shape shape; // of the result
};

static daub_status check(struct daub_trial *trial, const void *user)
{
    const struct geglu_case *t = user;
    struct daub_shape shape = t->shape;
    shape.c *= 2;
    struct daub_tensor *x = daub_trial_input_scaled(trial, "x", DAUB_STAGE_STEP, shape, 1, 2.0f, 0.0f);
    struct daub_tensor *y = daub_geglu(trial->net, x);
    TRY(daub_trial_execute(trial, y));

    double *want = daub_trial_want(trial);
    const float *v = daub_trial_values(trial, x);
    const size_t half = (size_t)t->shape.c * t->shape.h * t->shape.w;
    for (uint32_t n = 0; n < t->shape.n; n++) {
        for (size_t i = 0; i < half; i++) {
            const double value = v[2 * n * half + i], gate = v[(2 * n + 1) * half + i];
            want[n * half + i] = value * 0.5 * gate * erfc(-gate / sqrt(2.0));
        }
    }
    return daub_trial_compare(trial, y, want, 1);
}

// clang-format off
static const struct geglu_case cases[] = {
    { { 1, 1,     1,    1 } },
    { { 2, 1,    65,   64 } },
    { { 1, 1,     9,    3 } }, // every way in which the gates can start inside a word
    { { 2, 1,     7,   12 } },
    { { 1, 2,     5,   21 } },
    { { 1, 1,     6,   14 } },
    { { 3, 1,     5,   39 } },
    { { 1, 1,     3,   81 } },
    { { 1, 1,     4,   90 } },
    { { 1, 1,  4100,  640 } }, // x has 21 MB in fp32
};
// clang-format on

const struct daub_check daub_check_of_geglu = {
    .op = "geglu",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
};

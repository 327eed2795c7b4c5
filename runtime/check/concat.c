// concat.c - the stored concatenation, and that an aligned one is a pair.
#include "runtime/check/trial.h"

struct concat_case {
    uint32_t n, h, w, a, b;
};

static daub_status check(struct daub_trial *trial, const void *user)
{
    const struct concat_case *t = user;
    struct daub_tensor *a = daub_trial_input(trial, "a", DAUB_STAGE_STEP,
                                             (struct daub_shape) { t->n, t->h, t->w, t->a }, 1);
    struct daub_tensor *b = daub_trial_input(trial, "b", DAUB_STAGE_STEP,
                                             (struct daub_shape) { t->n, t->h, t->w, t->b }, 1);
    struct daub_tensor *y = daub_concat(trial->net, a, b);
    if ((y->kind == DAUB_TENSOR_PAIR) != (t->a % 8 == 0))
        daub_trial_wrong(trial, "widths of %u and %u %s stored", t->a, t->b, t->a % 8 == 0 ? "are" : "are not");
    if (y->kind == DAUB_TENSOR_PAIR) { // has no bytes of its own to read back
        if (y->pair[0] != a || y->pair[1] != b || y->shape.c != t->a + t->b)
            daub_trial_wrong(trial, "the pair is not of its sources");
        y = daub_act(trial->net, b, DAUB_ACT_NONE);
    }
    TRY(daub_trial_execute(trial, y));

    double *want = daub_trial_want(trial);
    const bool pair = t->a % 8 == 0;
    const uint32_t pixels = t->h * t->w, from_a = pair ? 0 : t->a;
    for (uint32_t n = 0; n < t->n; n++)
        for (uint32_t c = 0; c < from_a + t->b; c++)
            for (uint32_t i = 0; i < pixels; i++)
                want[(size_t)(n * (from_a + t->b) + c) * pixels + i] =
                    c < from_a ? daub_trial_values(trial, a)[(size_t)(n * t->a + c) * pixels + i]
                               : daub_trial_values(trial, b)[(size_t)(n * t->b + c - from_a) * pixels + i];
    return daub_trial_compare_exact(trial, y, want);
}

// clang-format off
static const struct concat_case cases[] = {
    { 1,  1,   1,   1,  1 },
    { 2,  3,   5,   4,  4 },
    { 1,  2,   3,   3, 16 }, // each width mod 8
    { 2,  5,   1,  13, 20 },
    { 1,  7,   2,  34,  7 },
    { 1,  1,   9,   6, 40 },
    { 3,  3,   3,  15, 15 },
    { 1,  4,   4,  23,  1 },
    { 1,  4,   5,  16, 12 },
    { 2, 99, 101, 124, 92 }, // 17 MB in fp32
};
// clang-format on

const struct daub_check daub_check_of_concat = {
    .op = "concat",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
};

// finite.c - the look for infinities and NaN: found where there is one, and only there.
#include "runtime/check/trial.h"

#include <math.h>

struct finite_case {
    struct daub_shape shape;
    bool bad;
    uint32_t at; // which value (NCHW) of x is
    float value;
    uint32_t counter; // what the counter holds; 0: there is none
};

static daub_status check(struct daub_trial *trial, const void *user)
{
    const struct finite_case *t = user;
    struct daub_tensor *x = daub_trial_input(trial, "x", DAUB_STAGE_STEP, t->shape, 1);
    if (t->bad)
        daub_trial_set(trial, x, t->at, t->value);
    const struct daub_shape four = { 1, 1, 1, 4 };
    struct daub_tensor *flags = daub_trial_input_u32(
        trial, "flags", DAUB_STAGE_STEP, four, (const uint32_t[]) { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX });
    struct daub_tensor *counter = NULL;
    if (t->counter)
        counter = daub_trial_input_u32(trial, "counter", DAUB_STAGE_PICTURE, four,
                                       (const uint32_t[]) { t->counter, 0, 0, 0 });
    daub_check_finite(trial->net, x, flags, counter);
    TRY(daub_trial_execute(trial, flags));
    const uint32_t want[] = { !t->bad ? UINT32_MAX : t->counter ? t->counter : 1, UINT32_MAX, UINT32_MAX, UINT32_MAX };
    return daub_trial_compare_words(trial, daub_trial_result_u32(trial), want, 4);
}

static const struct finite_case cases[] = {
    { { 1, 1, 1, 1 }, false, 0, 0.0f, 0 },
    { { 1, 1, 1, 1 }, true, 0, INFINITY, 0 },
    { { 2, 7, 5, 12 }, false, 0, 0.0f, 3 },
    { { 2, 7, 5, 12 }, true, 2 * 7 * 5 * 12 - 1, NAN, 3 }, // the last one
    { { 2, 7, 5, 12 }, true, 17, -INFINITY, 0 },
    { { 1, 300, 300, 8 }, false, 0, 0.0f, 2 },       // more than are looked at
    { { 1, 300, 300, 8 }, true, 1002, INFINITY, 2 }, // every second one is
};

const struct daub_check daub_check_of_finite = {
    .op = "finite",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
};

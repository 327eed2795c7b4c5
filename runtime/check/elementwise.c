// elementwise.c - activations, sums, rows of channels and scaling with conversion, against the C library in double.
#include "runtime/check/trial.h"

#include "runtime/graph/net_private.h"

#include <math.h>

enum kind { ACT, ADD, ROWS_IMAGE, ROWS_FIRST, ROWS_COUNTER, SCALE };

struct elementwise_case {
    struct daub_shape shape;
    uint32_t heads;
    enum kind kind;
    enum daub_act act;
    uint32_t step;   // ROWS_COUNTER: what the counter holds, 1 + the call's index
    bool other_type; // SCALE: into the type that the net does not have
    float mul, add;
};

enum { COUNTER_ROWS = 5 };

static double act(enum daub_act kind, double x)
{
    switch (kind) {
    case DAUB_ACT_SILU:
        return x / (1.0 + exp(-x));
    case DAUB_ACT_GELU:
        return 0.5 * x * erfc(-x / sqrt(2.0));
    case DAUB_ACT_QUICK_GELU:
        return x / (1.0 + exp(-1.702 * x));
    default:
        return x;
    }
}

static uint32_t rows_of(const struct elementwise_case *t)
{
    return t->kind == ROWS_COUNTER ? COUNTER_ROWS : t->kind == ROWS_IMAGE ? t->shape.n : 1;
}

static struct daub_tensor *build(struct daub_trial *trial, const struct elementwise_case *t, struct daub_tensor *x,
                                 struct daub_tensor **b)
{
    const enum daub_dtype other = trial->dtype == DAUB_F16 ? DAUB_F32 : DAUB_F16;
    const struct daub_shape row = { rows_of(t), 1, 1, t->shape.c };
    switch (t->kind) {
    case ACT:
        return daub_act(trial->net, x, t->act);
    case ADD:
        *b = daub_trial_input(trial, "b", DAUB_STAGE_STEP, t->shape, t->heads);
        return daub_add(trial->net, x, *b);
    case ROWS_COUNTER:
        // the harness fills in the inputs that it made, so it makes the counter
        trial->net->counter = daub_trial_input_u32(trial, "counter", DAUB_STAGE_PICTURE,
                                                   (struct daub_shape) { 1, 1, 1, 4 },
                                                   (const uint32_t[]) { t->step, 0, 0, 0 });
        *b = daub_trial_input(trial, "rows", DAUB_STAGE_TIME, row, t->heads);
        return daub_add_channels(trial->net, x, *b);
    case ROWS_IMAGE:
    case ROWS_FIRST:
        *b = daub_trial_input(trial, "rows", DAUB_STAGE_PICTURE, row, t->heads);
        return daub_add_channels(trial->net, x, *b);
    default:
        return daub_scale(trial->net, x, t->mul, t->add, t->other_type ? other : trial->dtype);
    }
}

static daub_status check(struct daub_trial *trial, const void *user)
{
    const struct elementwise_case *t = user;
    struct daub_tensor *x = daub_trial_input_scaled(trial, "x", DAUB_STAGE_STEP, t->shape, t->heads, 2.0f, 0.0f),
                       *b = NULL;
    struct daub_tensor *y = build(trial, t, x, &b);
    TRY(daub_trial_execute(trial, y));

    double *want = daub_trial_want(trial);
    const size_t pixels = (size_t)t->shape.h * t->shape.w;
    for (uint32_t n = 0; n < t->shape.n; n++) {
        for (uint32_t c = 0; c < t->shape.c; c++) {
            const uint32_t row = t->kind == ROWS_COUNTER ? t->step - 1 : t->kind == ROWS_IMAGE ? n : 0;
            for (size_t i = 0; i < pixels; i++) {
                const size_t at = (n * (size_t)t->shape.c + c) * pixels + i;
                double v = daub_trial_values(trial, x)[at];
                if (t->kind == ACT)
                    v = act(t->act, v);
                else if (t->kind == ADD)
                    v += daub_trial_values(trial, b)[at];
                else if (t->kind == SCALE)
                    v = v * t->mul + t->add;
                else
                    v += daub_trial_values(trial, b)[row * t->shape.c + c];
                want[at] = v;
            }
        }
    }
    return daub_trial_compare(trial, y, want, 1);
}

// clang-format off
static const struct elementwise_case cases[] = {
    { { 1,   1,   1,    1 }, 1, ACT, DAUB_ACT_SILU, 0, false, 0, 0 },
    { { 2,   5,   7,   20 }, 1, ACT, DAUB_ACT_GELU, 0, false, 0, 0 },
    { { 1,   3,   5,   30 }, 3, ACT, DAUB_ACT_QUICK_GELU, 0, false, 0, 0 },
    { { 1,   2,   2,   12 }, 1, ACT, DAUB_ACT_NONE, 0, false, 0, 0 },
    { { 2,   9,   4,  320 }, 1, ADD, DAUB_ACT_NONE, 0, false, 0, 0 },
    { { 3,   1,  11,   15 }, 3, ADD, DAUB_ACT_NONE, 0, false, 0, 0 },
    { { 3,   4,   5,   33 }, 1, ROWS_IMAGE, DAUB_ACT_NONE, 0, false, 0, 0 },
    { { 3,   4,   5,   33 }, 1, ROWS_FIRST, DAUB_ACT_NONE, 0, false, 0, 0 },
    { { 2,   4,   5,   24 }, 1, ROWS_COUNTER, DAUB_ACT_NONE, 1, false, 0, 0 },
    { { 2,   3,   7,   20 }, 1, ROWS_COUNTER, DAUB_ACT_NONE, COUNTER_ROWS, false, 0, 0 },
    { { 2,   4,   5,    4 }, 1, SCALE, DAUB_ACT_NONE, 0, true, 0.18215f, 0.25f }, // padding under `add`
    { { 1,   7,   3,   21 }, 3, SCALE, DAUB_ACT_NONE, 0, false, -3.0f, 1.5f },
    { { 2,   9,   9,  100 }, 1, SCALE, DAUB_ACT_NONE, 0, true, 1.0f, 0.0f },
    { { 2, 130, 131,  132 }, 1, ADD, DAUB_ACT_NONE, 0, false, 0, 0 }, // 18 MB in fp32
    { { 2, 130, 131,  132 }, 1, ROWS_IMAGE, DAUB_ACT_NONE, 0, false, 0, 0 },
    { { 1, 260, 131,  132 }, 1, SCALE, DAUB_ACT_NONE, 0, true, 2.0f, 1.0f },
};
// clang-format on

const struct daub_check daub_check_of_elementwise = {
    .op = "elementwise",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
};

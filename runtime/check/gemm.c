// gemm.c - linear layers with everything that is fused into them, against a scalar reference.
#include "runtime/check/trial.h"

#include "runtime/graph/net_private.h" // the counter is an input of the test

#include <math.h>

enum rows_mode { NO_ROWS, ROWS_FIRST, ROWS_IMAGE, ROWS_COUNTER };

struct gemm_case {
    uint32_t n, tokens, c0, c1, in_heads, out, out_heads; // c1 > 0: a pair
    bool bias;
    enum rows_mode rows;
    enum daub_act act;
    bool geglu, residual;
    float scale;   // of the weight
    uint32_t part; // not 0: the part-th of three layers of x that are one GEMM
};

static double act(enum daub_act kind, double x)
{
    switch (kind) {
    case DAUB_ACT_SILU:
        return x / (1.0 + exp(-x));
    case DAUB_ACT_GELU:
        return 0.5 * x * erfc(-x * sqrt(0.5));
    case DAUB_ACT_QUICK_GELU:
        return x / (1.0 + exp(-1.702 * x));
    case DAUB_ACT_NONE:
        break;
    }
    return x;
}

struct data {
    const float *x[2], *w, *bias, *rows, *residual;
};

// Column `o` of the product at pixel m of picture n.
static double product(const struct gemm_case *c, const struct data *d, uint32_t n, uint32_t m, uint32_t o)
{
    const uint32_t k = c->c0 + c->c1;
    const float *w = d->w + (size_t)o * k;
    double sum = d->bias ? (double)d->bias[o] : 0.0;
    for (uint32_t i = 0; i < c->c0; i++)
        sum += (double)d->x[0][((size_t)n * c->c0 + i) * c->tokens + m] * (double)w[i];
    for (uint32_t i = 0; i < c->c1; i++)
        sum += (double)d->x[1][((size_t)n * c->c1 + i) * c->tokens + m] * (double)w[c->c0 + i];
    return sum;
}

static void reference(const struct gemm_case *c, const struct data *d, double *want)
{
    const uint32_t out = c->geglu ? c->out / 2 : c->out;
    for (uint32_t n = 0; n < c->n; n++)
        for (uint32_t o = 0; o < out; o++)
            for (uint32_t m = 0; m < c->tokens; m++) {
                const size_t at = ((size_t)n * out + o) * c->tokens + m;
                double y = product(c, d, n, m, o);
                // the counter stands at 3, so row 2
                if (c->rows != NO_ROWS)
                    y += (double)d->rows[(c->rows == ROWS_COUNTER ? 2
                                          : c->rows == ROWS_IMAGE ? n
                                                                  : 0) *
                                             (size_t)out +
                                         o];
                y = act(c->act, y);
                if (c->geglu)
                    y *= act(DAUB_ACT_GELU, product(c, d, n, m, out + o));
                want[at] = y + (c->residual ? (double)d->residual[at] : 0.0);
            }
}

static daub_status check(struct daub_trial *trial, const void *user)
{
    const struct gemm_case *c = user;
    const uint32_t k = c->c0 + c->c1, result = c->geglu ? c->out / 2 : c->out;
    struct data d = { 0 };
    struct daub_tensor *x = daub_trial_input(trial, "x", DAUB_STAGE_STEP,
                                             (struct daub_shape) { c->n, 1, c->tokens, c->c0 }, c->in_heads);
    d.x[0] = daub_trial_values(trial, x);
    if (c->c1 > 0) {
        struct daub_tensor *second = daub_trial_input(trial, "x1", DAUB_STAGE_STEP,
                                                      (struct daub_shape) { c->n, 1, c->tokens, c->c1 }, 1);
        d.x[1] = daub_trial_values(trial, second);
        x = daub_net_pair(trial->net, x, second);
    }
    static const char *const names[3][2] = { { "weight", "bias" }, { "weight1", "bias1" }, { "weight2", "bias2" } };
    const uint32_t own = c->part ? c->part - 1 : 0;
    struct daub_tensor *w[3], *bias[3], *results[3];
    for (uint32_t i = 0; i < (c->part ? 3 : 1); i++) {
        w[i] = daub_trial_weight(trial, names[i][0], 2, (uint32_t[]) { c->out, k }, c->scale, 0.0f);
        bias[i] = c->bias ? daub_trial_weight(trial, names[i][1], 1, &c->out, 0.5f, 0.1f) : NULL;
    }
    d.w = daub_trial_values(trial, w[own]);
    d.bias = c->bias ? daub_trial_values(trial, bias[own]) : NULL;

    if (c->part)
        daub_linear_parts(trial->net, x, w, c->bias ? bias : NULL, 3, c->out_heads, results);
    else
        results[0] = daub_linear(trial->net, x, w[0], bias[0], c->out_heads);
    struct daub_tensor *y = results[own];
    if (c->rows != NO_ROWS) {
        const uint32_t n = c->rows == ROWS_COUNTER ? 5 : c->rows == ROWS_IMAGE ? c->n : 1;
        struct daub_tensor *rows = daub_trial_input(trial, "rows",
                                                    c->rows == ROWS_COUNTER ? DAUB_STAGE_TIME : DAUB_STAGE_STEP,
                                                    (struct daub_shape) { n, 1, 1, c->out }, 1);
        if (c->rows == ROWS_COUNTER)
            trial->net->counter = daub_trial_input_u32(trial, "counter", DAUB_STAGE_PICTURE,
                                                       (struct daub_shape) { 1, 1, 1, 4 },
                                                       (const uint32_t[]) { 3, 0, 0, 0 });
        d.rows = daub_trial_values(trial, rows);
        y = daub_add_channels(trial->net, y, rows);
    }
    if (c->act != DAUB_ACT_NONE)
        y = daub_act(trial->net, y, c->act);
    if (c->geglu)
        y = daub_geglu(trial->net, y);
    if (c->residual) {
        struct daub_tensor *r = daub_trial_input(trial, "residual", DAUB_STAGE_STEP,
                                                 (struct daub_shape) { c->n, 1, c->tokens, result }, c->out_heads);
        d.residual = daub_trial_values(trial, r);
        y = daub_add(trial->net, r, y);
    }
    TRY(daub_trial_execute(trial, y));
    double *want = daub_trial_want(trial);
    if (!daub_trial_knows(trial))
        reference(c, &d, want);
    return daub_trial_compare(trial, y, want, k);
}

// clang-format off
static const struct gemm_case cases[] = {
    // n tokens  c0  c1 ih   out oh  bias   rows          act               geglu  resid  scale
    { 1,   1,    8,  0, 1,    8, 1, false, NO_ROWS,      DAUB_ACT_NONE,       false, false, 0.3f, 0 },
    { 1,   1,    3,  0, 1,    5, 1, true,  NO_ROWS,      DAUB_ACT_NONE,       false, false, 0.3f, 0 },
    { 2,   1,  320,  0, 1, 1280, 1, true,  NO_ROWS,      DAUB_ACT_SILU,       false, false, 0.05f, 0 }, // time embedding
    { 1,  50,   37,  0, 1,  130, 1, true,  NO_ROWS,      DAUB_ACT_GELU,       false, false, 0.2f, 0 },
    { 2,  77,   64,  0, 1,   96, 1, true,  NO_ROWS,      DAUB_ACT_QUICK_GELU, false, true,  0.2f, 0 },
    { 2,  77,   64,  0, 1,   40, 8, false, NO_ROWS,      DAUB_ACT_NONE,       false, false, 0.2f, 0 }, // heads of 5
    { 1,  65,   80,  0, 1,  320, 8, true,  NO_ROWS,      DAUB_ACT_NONE,       false, false, 0.1f, 0 }, // heads of 40
    { 1,  33,   60,  0, 6,   30, 10, true, NO_ROWS,      DAUB_ACT_NONE,       false, true,  0.1f, 0 }, // 10 in, 3 out
    { 2,  19,   24,  0, 6,   64, 1, true,  NO_ROWS,      DAUB_ACT_NONE,       false, true,  0.2f, 0 }, // heads of 4
    { 1,  45,   12,  0, 2,   18, 3, true,  NO_ROWS,      DAUB_ACT_NONE,       false, false, 0.2f, 0 }, // 6 in, 6 out
    { 3,  37,   40, 24, 1,   72, 1, true,  NO_ROWS,      DAUB_ACT_NONE,       false, true,  0.2f, 0 }, // a pair
    { 2,  40,    8,  5, 1,  200, 1, true,  NO_ROWS,      DAUB_ACT_SILU,       false, false, 0.3f, 0 },
    { 3,  11,   16,  0, 1,   20, 1, true,  ROWS_IMAGE,   DAUB_ACT_NONE,       false, false, 0.3f, 0 },
    { 3,  11,   16,  0, 1,   20, 1, true,  ROWS_FIRST,   DAUB_ACT_SILU,       false, true,  0.3f, 0 },
    { 2,  13,   16,  0, 1,  136, 1, true,  ROWS_COUNTER, DAUB_ACT_NONE,       false, true,  0.3f, 0 },
    { 2,  31,   32,  0, 1,  256, 1, true,  NO_ROWS,      DAUB_ACT_NONE,       true,  false, 0.2f, 0 },
    { 1,  70,   48,  0, 1,  100, 1, true,  NO_ROWS,      DAUB_ACT_NONE,       true,  true,  0.2f, 0 }, // 50 and 50
    { 1,   2,   20,  0, 1,   12, 1, false, NO_ROWS,      DAUB_ACT_NONE,       true,  false, 0.4f, 0 },
    { 1,  20,  320,  0, 1, 2560, 1, true,  NO_ROWS,      DAUB_ACT_NONE,       true,  false, 0.05f, 0 },
    { 1, 100,  128,  0, 1,    4, 1, true,  NO_ROWS,      DAUB_ACT_NONE,       false, false, 0.1f, 0 }, // narrow
    { 2, 143,   16, 16, 1,    7, 1, true,  ROWS_IMAGE,   DAUB_ACT_GELU,       false, true,  0.2f, 0 },
    { 1,  64,  320,  0, 1,  448, 1, true,  NO_ROWS,      DAUB_ACT_NONE,       false, false, 0.05f, 0 }, // 7 panels
    { 1,   3, 2048,  0, 1, 4096, 1, true,  NO_ROWS,      DAUB_ACT_NONE,       false, false, 0.02f, 0 }, // weight > 16 MiB
    { 1,   5, 1536,  0, 1, 2840, 1, true,  NO_ROWS,      DAUB_ACT_NONE,       true,  false, 0.02f, 0 },
    { 2, 540000, 8,  0, 1,    8, 1, true,  ROWS_IMAGE,   DAUB_ACT_NONE,       false, true,  0.3f, 0 }, // pixels > 16 MiB
    { 1, 180000, 24, 8, 1,    8, 1, true,  NO_ROWS,      DAUB_ACT_SILU,       false, true,  0.3f, 0 },
    { 2,  37,   40,  0, 1,  320, 8, false, NO_ROWS,      DAUB_ACT_NONE,       false, false, 0.2f, 1 }, // q, k, v
    { 2,  37,   40,  0, 1,  320, 8, true,  NO_ROWS,      DAUB_ACT_NONE,       false, false, 0.2f, 2 },
    { 1,   9,   24,  0, 1,   56, 8, true,  NO_ROWS,      DAUB_ACT_NONE,       false, false, 0.2f, 3 }, // heads of 7 in 8
    { 2,  13,   24,  0, 1,   72, 3, true,  NO_ROWS,      DAUB_ACT_NONE,       false, false, 0.2f, 3 }, // no whole panels
    { 1, 30000,  8,  0, 1,   64, 1, true,  NO_ROWS,      DAUB_ACT_NONE,       false, false, 0.3f, 3 }, // results > 16 MiB
};
// clang-format on

const struct daub_check daub_check_of_gemm = {
    .op = "gemm",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
    .usual = 0x2814e6b6,
    .brief = 1u << 1 | 1u << 10 | 1u << 15 | 1u << 19,
};

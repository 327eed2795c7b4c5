// conv2d.c - convolutions with what is fused before and after them, against a scalar reference.
#include "runtime/check/trial.h"

#include <math.h>

struct conv_case {
    uint32_t n, h, w, c0, c1, out; // c1 > 0: a pair
    uint32_t kernel_h, kernel_w;
    struct daub_conv conv;
    uint32_t up_h, up_w; // > 0: x is upsampled to this first
    bool bias, rows, silu, residual, f32;
    float scale;
};

struct data {
    const float *x[2], *w, *bias, *rows, *residual;
};

// Tap sum for output (n, o, y, x); the input is h by w after upsampling by `shift`.
static double sum_at(const struct conv_case *c, const struct data *d, uint32_t n, uint32_t o, uint32_t y, uint32_t x)
{
    const uint32_t stride = c->conv.stride ? c->conv.stride : 1, shift = c->up_h > 0;
    const int64_t h = shift ? c->up_h : c->h, w = shift ? c->up_w : c->w;
    const uint32_t channels[2] = { c->c0, c->c1 };
    double sum = d->bias ? (double)d->bias[o] : 0.0;
    for (uint32_t ky = 0; ky < c->kernel_h; ky++)
        for (uint32_t kx = 0; kx < c->kernel_w; kx++) {
            const int64_t sy = (int64_t)(y * stride + ky) - c->conv.pad_top;
            const int64_t sx = (int64_t)(x * stride + kx) - c->conv.pad_left;
            if (sy < 0 || sx < 0 || sy >= h || sx >= w)
                continue;
            const size_t pixel = (size_t)(sy >> shift) * c->w + (size_t)(sx >> shift);
            size_t at = (size_t)o * (c->c0 + c->c1);
            for (uint32_t source = 0; source < 2; source++)
                for (uint32_t i = 0; i < channels[source]; i++, at++)
                    sum += (double)d->x[source][((size_t)n * channels[source] + i) * c->h * c->w + pixel] *
                           (double)d->w[(at * c->kernel_h + ky) * c->kernel_w + kx];
        }
    return sum;
}

static void reference(const struct conv_case *c, const struct data *d, struct daub_shape out, double *want)
{
    for (uint32_t n = 0; n < out.n; n++)
        for (uint32_t o = 0; o < out.c; o++)
            for (uint32_t y = 0; y < out.h; y++)
                for (uint32_t x = 0; x < out.w; x++) {
                    const size_t at = (((size_t)n * out.c + o) * out.h + y) * out.w + x;
                    double v = sum_at(c, d, n, o, y, x) + (c->rows ? (double)d->rows[n * out.c + o] : 0.0);
                    v = c->silu ? v / (1.0 + exp(-v)) : v;
                    want[at] = v + (c->residual ? (double)d->residual[at] : 0.0);
                }
}

static daub_status check(struct daub_trial *trial, const void *user)
{
    const struct conv_case *c = user;
    struct data d = { 0 };
    struct daub_tensor *x = daub_trial_input(trial, "x", DAUB_STAGE_STEP,
                                             (struct daub_shape) { c->n, c->h, c->w, c->c0 }, 1);
    d.x[0] = daub_trial_values(trial, x);
    if (c->c1 > 0) {
        struct daub_tensor *second = daub_trial_input(trial, "x1", DAUB_STAGE_STEP,
                                                      (struct daub_shape) { c->n, c->h, c->w, c->c1 }, 1);
        d.x[1] = daub_trial_values(trial, second);
        x = daub_net_pair(trial->net, x, second);
    }
    if (c->up_h > 0)
        x = daub_upsample_nearest(trial->net, x, c->up_h, c->up_w);
    const uint32_t dims[] = { c->out, c->c0 + c->c1, c->kernel_h, c->kernel_w };
    struct daub_tensor *w = daub_trial_weight(trial, "weight", 4, dims, c->scale, 0.0f);
    struct daub_tensor *bias = c->bias ? daub_trial_weight(trial, "bias", 1, &c->out, 0.5f, 0.1f) : NULL;
    d.w = daub_trial_values(trial, w);
    d.bias = bias ? daub_trial_values(trial, bias) : NULL;

    struct daub_tensor *y = (c->f32 ? daub_conv2d_f32 : daub_conv2d)(trial->net, x, w, bias, c->conv);
    if (c->rows) {
        struct daub_tensor *rows = daub_trial_input(trial, "rows", DAUB_STAGE_STEP,
                                                    (struct daub_shape) { c->n, 1, 1, c->out }, 1);
        d.rows = daub_trial_values(trial, rows);
        y = daub_add_channels(trial->net, y, rows);
    }
    if (c->silu)
        y = daub_act(trial->net, y, DAUB_ACT_SILU);
    if (c->residual) {
        struct daub_tensor *r = daub_trial_input(trial, "residual", DAUB_STAGE_STEP, y->shape, 1);
        d.residual = daub_trial_values(trial, r);
        y = daub_add(trial->net, y, r);
    }
    if (c->f32 && y->dtype != DAUB_F32)
        daub_trial_wrong(trial, "the result is not fp32");
    TRY(daub_trial_execute(trial, y));
    double *want = daub_trial_want(trial);
    if (!daub_trial_knows(trial))
        reference(c, &d, y->shape, want);
    return daub_trial_compare(trial, y, want, dims[1] * dims[2] * dims[3]);
}

#define PAD1          \
    {                 \
        1, 1, 1, 1, 1 \
    }
#define DOWN          \
    {                 \
        2, 1, 1, 1, 1 \
    }
#define DOWN_END      \
    {                 \
        2, 0, 0, 1, 1 \
    } // the VAE encoder's

// clang-format off
static const struct conv_case cases[] = {
    // n   h   w   c0  c1  out kh kw conv       up      bias   rows   silu   resid  f32    scale
    { 1,   1,  1,   8,  0,   8, 3, 3, PAD1,      0,  0,  false, false, false, false, false, 0.3f },
    { 1,   5,  7,   4,  0,  36, 3, 3, PAD1,      0,  0,  true,  false, false, false, false, 0.3f }, // conv_in
    { 2,   9, 11,  40,  0,  64, 3, 3, PAD1,      0,  0,  true,  true,  false, false, false, 0.1f },
    { 3,   8,  8,  32,  0, 128, 3, 3, PAD1,      0,  0,  true,  false, false, true,  false, 0.1f },
    { 2,  12, 10,  24, 16,  96, 3, 3, PAD1,      0,  0,  true,  true,  true,  true,  false, 0.1f },
    { 2,   6,  5,  16, 11,  20, 1, 1, { 0 },     0,  0,  true,  false, false, true,  false, 0.3f },
    { 2,   9,  8,  24,  0,  24, 3, 3, DOWN,      0,  0,  true,  false, false, false, false, 0.1f },
    { 1,   8,  9,  13,  0,  30, 3, 3, DOWN_END,  0,  0,  true,  false, false, false, false, 0.2f },
    { 1,   7,  5,  16,  0,  16, 1, 1, { .stride = 2 }, 0, 0, true, false, false, false, false, 0.3f },
    { 2,   4,  5,  24,  0,  40, 3, 3, PAD1,      8, 10,  true,  false, false, false, false, 0.1f },
    { 2,   4,  5,  24,  0,  40, 3, 3, PAD1,      7,  9,  true,  false, false, true,  false, 0.1f }, // odd sizes
    { 3,   3,  5,  36,  0,  72, 3, 3, PAD1,      6, 10,  true,  true,  true,  true,  false, 0.1f },
    { 1,  90, 88,  96,  0,  96, 3, 3, PAD1,    180, 176, true, false, false, false, false, 0.03f },
    { 1,   3,  3,   8,  0,   8, 1, 1, { 0 },     6,  5,  true,  false, false, false, false, 0.3f },
    { 1,   6,  6,   8,  0,  16, 5, 3, { 1, 0, 2, 3, 1 }, 0, 0, true, false, false, false, false, 0.2f },
    { 1,  12,  9,   8,  0,   8, 7, 7, { 3, 3, 3, 2, 3 }, 0, 0, false, false, true, false, false, 0.2f },
    { 1,   9,  9,  64,  0,   4, 3, 3, PAD1,      0,  0,  true,  false, false, false, true,  0.1f }, // conv_out
    { 2,  21, 23,  32,  0,   3, 3, 3, PAD1,      0,  0,  true,  false, false, false, true,  0.1f },
    { 1,   3,  5,  16,  0,  72, 3, 3, PAD1,      0,  0,  true,  false, false, false, true,  0.1f },
    { 1,   2,  2,   8,  0,  80, 3, 3, PAD1,      0,  0,  true,  false, false, false, true,  0.1f }, // 4 pixels
    { 1,   8, 10, 320,  0, 320, 3, 3, PAD1,      0,  0,  true,  true,  false, false, false, 0.02f },
    { 1,   2,  3, 1024, 0, 512, 3, 3, PAD1,      0,  0,  true,  false, false, false, false, 0.01f }, // weight > 16 MiB
    // more than 16 MiB of input, of a pair, of the result
    { 1, 260, 256, 64,  0,   2, 3, 3, PAD1,      0,  0,  true,  false, false, true,  false, 0.1f },
    { 2, 220, 320, 32,  8,   3, 3, 3, DOWN,      0,  0,  true,  true,  false, false, false, 0.1f },
    { 1, 128, 130,  1,  0,  64, 3, 3, PAD1,    256, 259, false, false, false, false, false, 0.2f },
};
// clang-format on

const struct daub_check daub_check_of_conv2d = {
    .op = "conv2d",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
    .usual = 0x178efb,
    .brief = 1u << 3 | 1u << 9 | 1u << 10 | 1u << 16,
};

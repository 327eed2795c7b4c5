// group_norm.c - group normalisation against a two-pass double reference.
#include "runtime/check/trial.h"

#include <math.h>
#include <string.h>

struct group_norm_case {
    struct daub_shape shape;
    uint32_t second; // channels of a second source beside shape.c; 0: not a pair
    uint32_t groups;
    float mean;
    bool silu;
    uint32_t given; // pixels of a larger map, whose statistics are given; 0: x's own
};

static const float eps = 1e-5f;

// Channel c of picture n: from the one source or the other.
static const float *channel(struct daub_trial *trial, const struct group_norm_case *t, struct daub_tensor *const x[2],
                            uint32_t n, uint32_t c)
{
    const uint32_t pixels = t->shape.h * t->shape.w;
    if (c < t->shape.c)
        return daub_trial_values(trial, x[0]) + (size_t)(n * t->shape.c + c) * pixels;
    return daub_trial_values(trial, x[1]) + (size_t)(n * t->second + c - t->shape.c) * pixels;
}

// Means and sums of squares of a map of which x could be a part, as words of 8 channels, and as doubles.
static struct daub_tensor *some_stats(struct daub_trial *trial, const struct group_norm_case *t, double *means,
                                      double *squares)
{
    const uint32_t channels = t->shape.c + t->second, words = (channels + 7) / 8;
    uint32_t *stored = daub_trial_alloc(trial, (size_t)t->shape.n * words * 16, sizeof(*stored));
    if (!stored)
        return NULL;
    for (uint32_t i = 0; i < t->shape.n * channels; i++) {
        const float mean = t->mean + 0.25f * (float)(i % 7),
                    square = (float)t->given * (0.5f + 0.125f * (float)(i % 5));
        const uint32_t c = i % channels, at = (i / channels * words + c / 8) * 16 + c % 8;
        memcpy(stored + at, &mean, sizeof(mean));
        memcpy(stored + at + 8, &square, sizeof(square));
        means[i] = (double)mean;
        squares[i] = (double)square;
    }
    return daub_trial_input_u32(trial, "statistics", DAUB_STAGE_STEP,
                                (struct daub_shape) { t->shape.n, 1, 1, 16 * words }, stored);
}

// The same with statistics that are given: x's own do not matter.
static daub_status check_given(struct daub_trial *trial, const struct group_norm_case *t)
{
    const uint32_t channels = t->shape.c, pixels = t->shape.h * t->shape.w, group_channels = channels / t->groups;
    struct daub_tensor *x = daub_trial_input_scaled(trial, "x", DAUB_STAGE_STEP, t->shape, 1, 1.0f, t->mean + 1.0f);
    struct daub_tensor *gamma = daub_trial_weight(trial, "weight", 1, &channels, 0.5f, 1.0f);
    struct daub_tensor *beta = daub_trial_weight(trial, "bias", 1, &channels, 0.5f, 0.0f);
    double *means = daub_trial_alloc(trial, (size_t)t->shape.n * channels, sizeof(double));
    double *squares = daub_trial_alloc(trial, (size_t)t->shape.n * channels, sizeof(double));
    if (!means || !squares)
        return DAUB_ERROR_NO_HOST_MEMORY;
    struct daub_tensor *stats = some_stats(trial, t, means, squares);
    if (!stats)
        return DAUB_ERROR_NO_HOST_MEMORY;
    struct daub_tensor *y = daub_group_norm_given(trial->net, x, gamma, beta, stats, t->given, t->groups, eps);
    if (t->silu)
        y = daub_act(trial->net, y, DAUB_ACT_SILU);
    TRY(daub_trial_execute(trial, y));

    double *want = daub_trial_want(trial);
    for (uint32_t i = 0; i < t->shape.n * channels; i++) {
        const uint32_t first = i / group_channels * group_channels; // of i's group
        double mean = 0.0, var = 0.0;
        for (uint32_t c = first; c < first + group_channels; c++)
            mean += means[c] / group_channels;
        for (uint32_t c = first; c < first + group_channels; c++)
            var += (squares[c] / t->given + pow(means[c] - mean, 2.0)) / group_channels;
        const double a = daub_trial_values(trial, gamma)[i % channels] / sqrt(var + (double)eps);
        for (uint32_t k = 0; k < pixels; k++) {
            const size_t at = (size_t)i * pixels + k;
            const double v = (daub_trial_values(trial, x)[at] - mean) * a +
                             daub_trial_values(trial, beta)[i % channels];
            want[at] = t->silu ? v / (1.0 + exp(-v)) : v;
        }
    }
    return daub_trial_compare(trial, y, want, 1);
}

static daub_status check(struct daub_trial *trial, const void *user)
{
    const struct group_norm_case *t = user;
    if (t->given) {
        return check_given(trial, t);
    }
    const uint32_t channels = t->shape.c + t->second, pixels = t->shape.h * t->shape.w;
    struct daub_tensor *x[2], *both;
    both = x[0] = daub_trial_input_scaled(trial, "x", DAUB_STAGE_STEP, t->shape, 1, 1.0f, t->mean);
    if (t->second) {
        struct daub_shape shape = t->shape;
        shape.c = t->second;
        x[1] = daub_trial_input_scaled(trial, "skip", DAUB_STAGE_STEP, shape, 1, 2.0f, -t->mean);
        both = daub_net_pair(trial->net, x[0], x[1]);
    }
    struct daub_tensor *gamma = daub_trial_weight(trial, "weight", 1, &channels, 0.5f, 1.0f);
    struct daub_tensor *beta = daub_trial_weight(trial, "bias", 1, &channels, 0.5f, 0.0f);
    struct daub_tensor *y = daub_group_norm(trial->net, both, gamma, beta, t->groups, eps);
    if (t->silu)
        y = daub_act(trial->net, y, DAUB_ACT_SILU);
    TRY(daub_trial_execute(trial, y));

    double *want = daub_trial_want(trial);
    const uint32_t group_channels = channels / t->groups;
    const double count = (double)group_channels * pixels;
    for (uint32_t n = 0; n < t->shape.n; n++) {
        for (uint32_t g = 0; g < t->groups; g++) {
            double mean = 0.0, var = 0.0;
            for (uint32_t c = g * group_channels; c < (g + 1) * group_channels; c++)
                for (uint32_t i = 0; i < pixels; i++)
                    mean += channel(trial, t, x, n, c)[i] / count;
            for (uint32_t c = g * group_channels; c < (g + 1) * group_channels; c++)
                for (uint32_t i = 0; i < pixels; i++)
                    var += pow(channel(trial, t, x, n, c)[i] - mean, 2.0) / count;
            for (uint32_t c = g * group_channels; c < (g + 1) * group_channels; c++) {
                const double a = daub_trial_values(trial, gamma)[c] / sqrt(var + (double)eps),
                             b = daub_trial_values(trial, beta)[c];
                for (uint32_t i = 0; i < pixels; i++) {
                    const double v = (channel(trial, t, x, n, c)[i] - mean) * a + b;
                    want[(size_t)(n * channels + c) * pixels + i] = t->silu ? v / (1.0 + exp(-v)) : v;
                }
            }
        }
    }
    return daub_trial_compare(trial, y, want, 1);
}

// clang-format off
static const struct group_norm_case cases[] = {
    { { 1,   1,   1,   32 },   0, 32,   0.0f, false, 0 }, // one value a group: var = 0
    { { 2,  16,  12,  320 },   0, 32,   0.0f, true,  0 }, // groups of 10: they straddle words
    { { 1,   7,   5,   96 },   0, 32,   0.5f, true,  0 }, // nothing divides a chunk
    { { 3,   3,   1,    5 },   0,  5,   0.0f, false, 0 }, // padding
    { { 1,   9,   9,   20 },   0,  2,   0.0f, true,  0 },
    { { 1,  24,  24,  128 },   0, 32, 300.0f, false, 0 }, // |mean| >> deviation
    { { 1,  70,  70,  128 },   0, 32, 300.0f, false, 0 }, // the same, more than 4096 pixels
    { { 1,  71,  63,  320 },   0, 32,  -3.0f, true,  0 },
    { { 2,   5,   3,  960 },   0, 32,   1.0f, true,  0 }, // groups of 30 in slabs of 4
    { { 1,   4,   4, 1280 }, 640, 32,   0.0f, true,  0 },
    { { 1,   3,   5,  130 },   0, 10,   9.0f, true,  0 }, // groups of 13, a slab of 8 and one of 2
    { { 1,  33,  31,   12 },   0,  1, -80.0f, false, 0 }, // one group of all
    { { 2,   6,   5,   40 },  20, 12,   0.0f, true,  0 }, // a pair whose groups of 5 straddle the border
    { { 2,   8,   8,   64 },  32, 32,   4.0f, false, 0 },
    { { 2, 240, 200,   64 },   8,  8,   0.0f, true,  0 }, // 24 MB in fp32: more than one range under range=16M
    { { 1,   6,   9,   96 },   0, 32,   0.0f, true,    400 }, // a part of a larger map
    { { 2,   3,   5,   20 },   0,  2,   2.0f, false,    15 }, // groups of 10, padding
    { { 1,  70,  70,  128 },   0, 32, 100.0f, true, 100000 },
};
// clang-format on

const struct daub_check daub_check_of_group_norm = {
    .op = "group_norm",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
    .brief = 1u << 1 | 1u << 5 | 1u << 12 | 1u << 15,
};

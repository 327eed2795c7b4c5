// layer_norm.c - layer normalisation against a two-pass double reference.
#include "runtime/check/trial.h"

#include <math.h>

struct layer_norm_case {
    uint32_t n, tokens, channels;
    float mean;
};

static daub_status check(struct daub_trial *trial, const void *user)
{
    const struct layer_norm_case *t = user;
    const uint32_t channels = t->channels;
    const struct daub_shape shape = { t->n, 1, t->tokens, channels };
    const float eps = 1e-5f;
    struct daub_tensor *x = daub_trial_input_scaled(trial, "x", DAUB_STAGE_STEP, shape, 1, 1.5f, t->mean);
    struct daub_tensor *gamma = daub_trial_weight(trial, "weight", 1, &channels, 0.5f, 1.0f);
    struct daub_tensor *beta = daub_trial_weight(trial, "bias", 1, &channels, 0.5f, 0.0f);
    struct daub_tensor *y = daub_layer_norm(trial->net, x, gamma, beta, eps);
    TRY(daub_trial_execute(trial, y));

    double *want = daub_trial_want(trial);
    for (uint32_t n = 0; n < t->n; n++) {
        for (uint32_t i = 0; i < t->tokens; i++) {
            const size_t at = (size_t)n * channels * t->tokens + i; // NCHW
            const float *v = daub_trial_values(trial, x) + at;
            double mean = 0.0, var = 0.0;
            for (uint32_t c = 0; c < channels; c++)
                mean += v[(size_t)c * t->tokens] / (double)channels;
            for (uint32_t c = 0; c < channels; c++)
                var += pow(v[(size_t)c * t->tokens] - mean, 2.0) / channels;
            for (uint32_t c = 0; c < channels; c++)
                want[at + (size_t)c * t->tokens] = (v[(size_t)c * t->tokens] - mean) / sqrt(var + (double)eps) *
                                                       daub_trial_values(trial, gamma)[c] +
                                                   daub_trial_values(trial, beta)[c];
        }
    }
    return daub_trial_compare(trial, y, want, 1);
}

// clang-format off
static const struct layer_norm_case cases[] = {
    { 1,     1,    1,   0.0f }, // var = 0
    { 1,     1,    3,   0.0f },
    { 2,    77,  768,   0.0f },
    { 3,    67,   20,   0.0f }, // padding
    { 1,   129, 1284,   0.0f },
    { 1,    50,  320, 300.0f }, // |mean| >> deviation
    { 1,    50,   36, -90.0f },
    { 1, 70000,   80,   0.0f }, // 22 MB in fp32; more rows than a grid's first dimension may have
};
// clang-format on

const struct daub_check daub_check_of_layer_norm = {
    .op = "layer_norm",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
    .brief = 1u << 3 | 1u << 4,
};

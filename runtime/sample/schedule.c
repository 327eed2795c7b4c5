// schedule.c - from betas to the cumulative signal level, and which time steps are visited.
#include "runtime/sample/schedule.h"

#include <math.h>

// Entry i of n evenly spaced floats from start to end, counted from the nearer end and rounded once, as torch.linspace
// does.
static float even_f32(float start, float end, uint32_t n, uint32_t i)
{
    if (n == 1)
        return start;
    const float step = (end - start) / (float)(n - 1);
    return i < n / 2 ? fmaf(step, (float)i, start) : fmaf(-step, (float)(n - 1 - i), end);
}

// Nichol and Dhariwal 2021, arXiv:2102.09672, eq. 17 with s = 0.008; the betas are capped at 0.999.
static double cosine_beta(uint32_t i, uint32_t n)
{
    const double half_pi = 1.5707963267948966;
    const double from = cos(((double)i / n + 0.008) / 1.008 * half_pi);
    const double to = cos(((double)(i + 1) / n + 0.008) / 1.008 * half_pi);
    return fmin(1.0 - to * to / (from * from), 0.999);
}

static float beta_at(const struct daub_sampler_config *c, uint32_t i)
{
    const uint32_t n = c->num_train_timesteps;
    if (c->trained_betas)
        return c->trained_betas[i];
    switch (c->beta_schedule) {
    case DAUB_BETA_LINEAR:
        return even_f32((float)c->beta_start, (float)c->beta_end, n, i);
    case DAUB_BETA_SCALED_LINEAR: {
        const float root = even_f32((float)sqrt(c->beta_start), (float)sqrt(c->beta_end), n, i);
        return root * root;
    }
    case DAUB_BETA_SQUAREDCOS_CAP_V2:
        return (float)cosine_beta(i, n);
    }
    return 0.0f;
}

// Lin et al. 2023, arXiv:2305.08891, algorithm 1: sqrt(abar) is shifted so that its last value is 0 and stretched so
// that its first stays. In floats and over the betas, as the reference goes, so that the small values round alike.
static void rescale_to_zero_snr(double *abar, uint32_t n)
{
    const float first = sqrtf((float)abar[0]), last = sqrtf((float)abar[n - 1]);
    const float stretch = first / (first - last);
    double product = 1.0;
    float before = 1.0f;
    for (uint32_t i = 0; i < n; i++) {
        const float root = (sqrtf((float)abar[i]) - last) * stretch;
        const float level = root * root;
        const float beta = 1.0f - level / before;
        before = level;
        product *= (double)(1.0f - beta);
        abar[i] = (double)(float)product;
    }
}

daub_status daub_alphas_cumprod(const struct daub_sampler_config *config, double *out)
{
    const uint32_t n = config->num_train_timesteps;
    double product = 1.0;
    for (uint32_t i = 0; i < n; i++) {
        const float beta = beta_at(config, i);
        if (!(beta >= 0.0f && beta < 1.0f))
            return daub_fail(DAUB_ERROR_INVALID_ARG, "beta %u of the noise schedule is %g, wanted 0 up to below 1", i,
                             (double)beta);
        product *= (double)(1.0f - beta);
        out[i] = (double)(float)product;
    }
    if (!(out[n - 1] > 0.0) || !(out[0] < 1.0))
        return daub_fail(
            DAUB_ERROR_INVALID_ARG,
            "the noise schedule leaves a signal level of %g at its start and %g at its end, wanted below 1 and "
            "above 0",
            out[0], out[n - 1]);
    if (config->rescale_betas_zero_snr)
        rescale_to_zero_snr(out, n);
    return DAUB_OK;
}

// How many time steps are left when those with a half log-SNR log(alpha / sigma) below lambda_min_clipped are cut off.
static uint32_t last_timestep(const struct daub_sampling *s)
{
    uint32_t n = s->config->num_train_timesteps;
    while (n > 0) {
        const double abar = s->alphas_cumprod[n - 1];
        if (0.5 * log(abar / (1.0 - abar)) >= s->config->lambda_min_clipped)
            break;
        n--;
    }
    return n;
}

daub_status daub_timesteps(const struct daub_sampling *s, enum daub_points points, double **out, uint32_t *n_out)
{
    const struct daub_sampler_config *c = s->config;
    const bool intervals = points == DAUB_POINTS_INTERVALS;
    const uint32_t n_train = c->num_train_timesteps;
    const uint32_t end = intervals ? last_timestep(s) : n_train;
    const uint32_t n_points = s->n_steps + (intervals ? 1 : 0);
    const double even = n_points > 1 ? (double)(end - 1) / (n_points - 1) : 0.0;
    const double stride = (double)end - (double)n_train / s->n_steps -
                          (double)end; // -1000 / n, rounded as numpy.arange does
    uint32_t n = s->n_steps;
    double *t = daub_arena_alloc(s->arena, n * sizeof(*t));
    if (!t)
        return daub_no_memory("the time steps");

    for (uint32_t i = 0; i < n; i++) {
        const uint32_t from_low = n_points - 1 - i;
        switch (c->timestep_spacing) {
        case DAUB_SPACING_LINSPACE:
            t[i] = from_low + 1 == n_points && n_points > 1 ? end - 1 : even * from_low;
            t[i] = points == DAUB_POINTS_N_FRACTION ? (double)(float)t[i] : rint(t[i]);
            break;
        case DAUB_SPACING_LEADING:
            t[i] = (double)(end / n_points * from_low + c->steps_offset);
            break;
        case DAUB_SPACING_TRAILING:
            t[i] = rint(end + i * stride) - 1.0;
            if (end < n_train && i > 0 && t[i] < 0.0)
                n = i;
            break;
        }
        if (i < n && !(t[i] >= 0.0 && t[i] < n_train))
            return daub_fail(
                DAUB_ERROR_INVALID_ARG,
                "%u steps with steps_offset %u lead to time step %g of a schedule of 0 to %u: use fewer steps",
                s->n_steps, c->steps_offset, t[i], n_train - 1);
    }
    *out = t;
    *n_out = n;
    return DAUB_OK;
}

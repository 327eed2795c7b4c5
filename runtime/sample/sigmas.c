// sigmas.c - noise levels between the ends: at the time steps, or after Karras, evenly in log, by the beta
// distribution, Lu.
#include "runtime/sample/schedule.h"

#include <math.h>

struct table { // of the training schedule, in floats as the reference keeps them
    float *sigma, *log_sigma;
    uint32_t n;
};

static daub_status make_table(const struct daub_sampling *s, struct table *out)
{
    const uint32_t n = s->config->num_train_timesteps;
    float *sigma = daub_arena_alloc(s->arena, 2 * n * sizeof(*sigma));
    if (!sigma)
        return daub_no_memory("the noise levels");
    for (uint32_t i = 0; i < n; i++) {
        float abar = (float)s->alphas_cumprod[i];
        if (i + 1 == n && s->config->rescale_betas_zero_snr)
            abar = 0x1p-24f; // 0 would be an infinite sigma; fp16's least value is the reference's stand-in
        sigma[i] = sqrtf((1.0f - abar) / abar);
        sigma[n + i] = logf(sigma[i]);
    }
    *out = (struct table) { .sigma = sigma, .log_sigma = sigma + n, .n = n };
    return DAUB_OK;
}

static double at_timestep(const struct table *table, double t)
{
    const uint32_t low = (uint32_t)fmin(floor(t), table->n - 1);
    const uint32_t high = low + 1 < table->n ? low + 1 : low;
    const double from = table->sigma[low], to = table->sigma[high];
    return from + (to - from) * (t - low);
}

// The inverse, with log(sigma) read linearly between whole time steps.
static double timestep_of(const struct table *table, double sigma)
{
    const double log_sigma = log(fmax(sigma, 1e-10));
    uint32_t low = 0;
    while (low + 2 < table->n && table->log_sigma[low + 1] <= log_sigma)
        low++;
    const double from = table->log_sigma[low], to = table->log_sigma[low + 1];
    const double part = fmin(fmax((from - log_sigma) / (from - to), 0.0), 1.0);
    return (1.0 - part) * low + part * (low + 1);
}

daub_status daub_timestep_of_sigma(const struct daub_sampling *s, uint32_t n, const double *sigmas, double *out)
{
    struct table table;
    TRY(make_table(s, &table));
    for (uint32_t i = 0; i < n; i++)
        out[i] = timestep_of(&table, sigmas[i]);
    return DAUB_OK;
}

// I_x(a, a) for x of 0..0.5 by its power series, DLMF 8.17.7 with 15.8.1.
static double incomplete_beta(double x, double a)
{
    const double complete = tgamma(a) * tgamma(a) / tgamma(2.0 * a);
    double term = 1.0, sum = 1.0;
    for (int k = 0; term > 1e-17 * sum; k++) {
        term *= (2.0 * a + k) / (a + 1.0 + k) * x;
        sum += term;
    }
    return pow(x * (1.0 - x), a) / (a * complete) * sum;
}

struct daub_level daub_level_of(double ratio)
{
    const double alpha = 1.0 / hypot(ratio, 1.0);
    return (struct daub_level) { .alpha = alpha, .sigma = ratio * alpha, .lambda = -log(ratio) };
}

double daub_beta_quantile(double p, double a)
{
    if (p > 0.5)
        return 1.0 - daub_beta_quantile(1.0 - p, a);
    double low = 0.0, high = 0.5;
    for (int i = 0; i < 100; i++) {
        const double middle = 0.5 * (low + high);
        if (incomplete_beta(middle, a) < p)
            low = middle;
        else
            high = middle;
    }
    return p > 0.0 ? high : 0.0;
}

// Level i of n from `most` down to `least`.
static double spaced(enum daub_sigma_spacing spacing, double most, double least, uint32_t n, uint32_t i)
{
    const double part = n > 1 ? (double)i / (n - 1) : 0.0;
    switch (spacing) {
    case DAUB_SIGMAS_KARRAS: { // Karras et al. 2022, arXiv:2206.00364, eq. 5 with rho = 7
        const double from = pow(most, 1.0 / 7.0), to = pow(least, 1.0 / 7.0);
        return pow(from + part * (to - from), 7.0);
    }
    case DAUB_SIGMAS_EXPONENTIAL:
    case DAUB_SIGMAS_LU: // even in lambda = -log sigma: Lu et al. 2022, arXiv:2206.00927, section 3.4
        return exp(log(most) + part * (log(least) - log(most)));
    case DAUB_SIGMAS_BETA: // Lee et al. 2024, arXiv:2407.12173: quantiles of Beta(0.6, 0.6)
        return least + daub_beta_quantile(1.0 - part, 0.6) * (most - least);
    case DAUB_SIGMAS_DEFAULT:
        break;
    }
    return most;
}

// The levels at the time steps; with log_linear interpolation n + 1 of them, even in log over the whole schedule.
static uint32_t default_levels(const struct daub_sampling *s, const struct table *table, struct daub_ladder *out)
{
    if (!s->config->interpolation_log_linear) {
        for (uint32_t i = 0; i < out->n; i++)
            out->sigmas[i] = at_timestep(table, out->timesteps[i]);
        return out->n;
    }
    const double most = log((double)table->sigma[table->n - 1]), least = log((double)table->sigma[0]);
    for (uint32_t i = 0; i <= out->n; i++)
        out->sigmas[i] = exp(most + (least - most) * i / out->n);
    return out->n + 1;
}

static void lay_out(const struct daub_sampling *s, const struct daub_ladder_rule *rule, const struct table *table,
                    double most, double least, struct daub_ladder *out)
{
    const struct daub_sampler_config *c = s->config;
    const bool rounds = c->sigma_spacing == DAUB_SIGMAS_KARRAS || c->sigma_spacing == DAUB_SIGMAS_LU;
    const bool cut = !rounds || (rule->cut_for_cosine && c->beta_schedule == DAUB_BETA_SQUAREDCOS_CAP_V2);
    if (c->sigma_spacing != DAUB_SIGMAS_LU) { // which asks the table only
        most = c->sigma_max > 0.0 ? c->sigma_max : most;
        least = c->sigma_min > 0.0 ? c->sigma_min : least;
    }
    out->n = s->n_steps; // whatever was cut off the time steps: the levels span the ends anew
    for (uint32_t i = 0; i < out->n; i++) {
        const double sigma = spaced(c->sigma_spacing, most, least, out->n, i);
        const double t = timestep_of(table, sigma);
        out->sigmas[i] = sigma;
        out->timesteps[i] = !rule->whole_timesteps ? (double)(float)t : cut ? floor(t) : rint(t);
    }
}

daub_status daub_ladder(struct daub_sampling *s, const struct daub_ladder_rule *rule, struct daub_ladder *out)
{
    const struct daub_sampler_config *c = s->config;
    struct table table;
    struct daub_ladder ladder = { 0 };
    TRY(make_table(s, &table));
    TRY(daub_timesteps(s, rule->points, &ladder.timesteps, &ladder.n));
    ladder.sigmas = daub_arena_alloc(s->arena, (s->n_steps + 2) * sizeof(*ladder.sigmas));
    if (!ladder.sigmas)
        return daub_no_memory("the noise levels");

    const double least = table.sigma[0], most = table.sigma[table.n - 1];
    uint32_t n = default_levels(s, &table, &ladder);
    if (c->sigma_spacing != DAUB_SIGMAS_DEFAULT) {
        if (rule->ends_from_all)
            lay_out(s, rule, &table, most, least, &ladder);
        else
            lay_out(s, rule, &table, ladder.sigmas[0], ladder.sigmas[n - 1], &ladder);
        n = ladder.n;
    }
    for (uint32_t i = 0; i < n; i++) {
        ladder.sigmas[i] = (double)(float)ladder.sigmas[i];
        if (i > 0 && !(ladder.sigmas[i] < ladder.sigmas[i - 1]))
            return daub_fail(DAUB_ERROR_INVALID_ARG,
                             "%u steps are too many: step %u would not lower the noise level %g", s->n_steps, i,
                             ladder.sigmas[i]);
    }
    if (c->timestep_continuous && c->prediction_type == DAUB_PREDICTION_V)
        for (uint32_t i = 0; i < ladder.n; i++)
            ladder.timesteps[i] = (double)(0.25f * logf((float)ladder.sigmas[i]));

    const bool repeats = rule->ends_at_last && c->sigma_spacing != DAUB_SIGMAS_DEFAULT;
    ladder.sigmas[n] = !c->final_sigma_min ? 0.0 : repeats ? ladder.sigmas[n - 1] : least;
    ladder.n_sigmas = n + 1;
    daub_report_sigmas(s, ladder.sigmas, ladder.n_sigmas);
    *out = ladder;
    return DAUB_OK;
}

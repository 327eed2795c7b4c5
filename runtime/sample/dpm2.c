// dpm2.c - DPM-Solver-2 in sigma: the slope is taken at the geometric middle of a step, two model calls a step.
// Karras et al. 2022, arXiv:2206.00364, algorithm 2, with the middle of Lu et al. 2022, arXiv:2206.00927, section 3.2. The state
// is x0 + sigma * noise; 2n - 1 model calls for n steps.
#include "runtime/sample/schedule.h"

#include <math.h>

// d = (x - x0) / sigma, from the last model call
static daub_status slope(struct daub_sampling *s, daub_vec d, daub_vec x, double sigma)
{
    const double alpha = 1.0 / hypot(sigma, 1.0);
    const struct daub_weights x0 = daub_x0_weights(s->config->prediction_type, alpha, sigma * alpha);
    return LINCOMB(s, d, { (1.0 - x0.x * alpha) / sigma, x }, { -x0.out / sigma, DAUB_VEC_OUTPUT });
}

// As the reference lists them: the first level once, every other twice, the last three times.
static daub_status report(struct daub_sampling *s, const struct daub_ladder *l)
{
    double *sigmas = daub_arena_alloc(s->arena, (2 * l->n + 2) * sizeof(*sigmas));
    if (!sigmas)
        return daub_no_memory("the noise levels");
    for (uint32_t i = 0; i < 2 * l->n + 2; i++)
        sigmas[i] = l->sigmas[i / 2 + i % 2 < l->n ? i / 2 + i % 2 : l->n];
    daub_report_sigmas(s, sigmas, 2 * l->n + 2);
    return DAUB_OK;
}

static daub_status dpm2(struct daub_sampling *s)
{
    const struct daub_ladder_rule rule = { .points = DAUB_POINTS_N_FRACTION };
    const daub_vec x = s->x, d = daub_vec_new(s), middle = daub_vec_new(s);
    struct daub_ladder l;
    TRY(daub_ladder(s, &rule, &l));
    TRY(report(s, &l));
    const bool leading = s->config->timestep_spacing == DAUB_SPACING_LEADING;
    TRY(daub_start(s, leading ? hypot(l.sigmas[0], 1.0) : l.sigmas[0]));

    for (uint32_t i = s->first; i < l.n; i++) {
        const double sigma = l.sigmas[i], next = l.sigmas[i + 1], between = sqrt(sigma * next);
        double t = l.timesteps[i];
        if (s->config->sigma_spacing == DAUB_SIGMAS_KARRAS)
            t = nearbyint(t); // as the reference, for these levels alone

        daub_at_level(s, 1.0, sigma);
        TRY(daub_model_call(s, x, 1.0 / hypot(sigma, 1.0), t));
        TRY(slope(s, d, x, sigma));
        if (i + 1 == l.n) {
            TRY(LINCOMB(s, x, { 1.0, x }, { next - sigma, d }));
            TRY(daub_step_end(s, x));
            break; // at sigma 0 there is no middle
        }
        TRY(LINCOMB(s, middle, { 1.0, x }, { between - sigma, d }));
        TRY(daub_substep_end(s, middle));

        TRY(daub_timestep_of_sigma(s, 1, &between, &t));
        daub_at_level(s, 1.0, between);
        TRY(daub_model_call(s, middle, 1.0 / hypot(between, 1.0), t));
        TRY(slope(s, d, middle, between));
        TRY(LINCOMB(s, x, { 1.0, x }, { next - sigma, d }));
        TRY(daub_step_end(s, x));
    }
    return DAUB_OK;
}

static void defaults(struct daub_sampler_config *c)
{
    c->beta_start = 0.00085;
    c->beta_end = 0.012;
}

const struct daub_sampler_desc daub_sampler_dpm2 = {
    .name = "dpm2",
    .label = "DPM2",
    .aliases = "KDPM2DiscreteScheduler,dpm_2,k_dpm_2,sample_dpm_2",
    .description = "second order, two model calls a step; Karras et al. 2022, arXiv:2206.00364, algorithm 2",
    .order = 2,
    .spacings = 1u << DAUB_SIGMAS_KARRAS | 1u << DAUB_SIGMAS_EXPONENTIAL | 1u << DAUB_SIGMAS_BETA,
    .defaults = defaults,
    .run = dpm2,
};

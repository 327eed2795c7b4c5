// heun.c - Heun's second-order method: an Euler step, then again with the mean of the slopes at both ends.
// Karras et al. 2022, arXiv:2206.00364, algorithm 1. The state is x0 + sigma * noise; 2n - 1 model calls for n steps.
#include "runtime/sample/schedule.h"

#include <math.h>

// d = (x - x0) / sigma, from the last model call
static daub_status slope(struct daub_sampling *s, daub_vec d, daub_vec x, double sigma)
{
    // daub_predict_x0 reads a state of unit variance, alpha times ours.
    const struct daub_sampler_config *c = s->config;
    const double alpha = 1.0 / hypot(sigma, 1.0);
    const struct daub_weights x0 = daub_x0_weights(c->prediction_type, alpha, sigma * alpha);
    TRY(LINCOMB(s, d, { x0.x * alpha, x }, { x0.out, DAUB_VEC_OUTPUT }));
    if (c->clip_sample)
        TRY(daub_clamp(s, d, -c->clip_sample_range, c->clip_sample_range));
    return LINCOMB(s, d, { 1.0 / sigma, x }, { -1.0 / sigma, d });
}

// As the reference lists them: every level but the first and the last twice, once a model call.
static daub_status report(struct daub_sampling *s, const struct daub_ladder *l)
{
    double *sigmas = daub_arena_alloc(s->arena, 2 * l->n * sizeof(*sigmas));
    if (!sigmas)
        return daub_no_memory("the noise levels");
    for (uint32_t i = 0; i < 2 * l->n; i++)
        sigmas[i] = l->sigmas[(i + 1) / 2];
    daub_report_sigmas(s, sigmas, 2 * l->n);
    return DAUB_OK;
}

static daub_status heun(struct daub_sampling *s)
{
    const struct daub_ladder_rule rule = { .points = DAUB_POINTS_N_FRACTION };
    const daub_vec x = s->x, d = daub_vec_new(s), ahead = daub_vec_new(s), d_ahead = daub_vec_new(s);
    struct daub_ladder l;
    TRY(daub_ladder(s, &rule, &l));
    TRY(report(s, &l));
    const bool leading = s->config->timestep_spacing == DAUB_SPACING_LEADING;
    TRY(daub_start(s, leading ? hypot(l.sigmas[0], 1.0) : l.sigmas[0]));

    for (uint32_t i = s->first; i < l.n; i++) {
        const double sigma = l.sigmas[i], next = l.sigmas[i + 1], dt = next - sigma;

        daub_at_level(s, 1.0, sigma);
        TRY(daub_model_call(s, x, 1.0 / hypot(sigma, 1.0), l.timesteps[i]));
        TRY(slope(s, d, x, sigma));
        if (i + 1 == l.n) {
            TRY(LINCOMB(s, x, { 1.0, x }, { dt, d }));
            TRY(daub_step_end(s, x));
            break; // at sigma 0 there is no slope to correct with
        }
        TRY(LINCOMB(s, ahead, { 1.0, x }, { dt, d }));
        TRY(daub_substep_end(s, ahead));

        daub_at_level(s, 1.0, next);
        TRY(daub_model_call(s, ahead, 1.0 / hypot(next, 1.0), l.timesteps[i + 1]));
        TRY(slope(s, d_ahead, ahead, next));
        TRY(LINCOMB(s, x, { 1.0, x }, { 0.5 * dt, d }, { 0.5 * dt, d_ahead }));
        TRY(daub_step_end(s, x));
    }
    return DAUB_OK;
}

static void defaults(struct daub_sampler_config *c)
{
    c->beta_start = 0.00085;
    c->beta_end = 0.012;
}

const struct daub_sampler_desc daub_sampler_heun = {
    .name = "heun",
    .label = "Heun",
    .aliases = "HeunDiscreteScheduler,k_heun,sample_heun",
    .description = "second order, two model calls a step; Karras et al. 2022, arXiv:2206.00364, algorithm 1",
    .order = 2,
    .options = DAUB_TAKES_CLIPPING,
    .spacings = 1u << DAUB_SIGMAS_KARRAS | 1u << DAUB_SIGMAS_EXPONENTIAL | 1u << DAUB_SIGMAS_BETA,
    .defaults = defaults,
    .run = heun,
};

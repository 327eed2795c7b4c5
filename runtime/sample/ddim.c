// ddim.c - x0 and the noise direction from one prediction, recombined at the next level; eta adds DDPM's noise back.
// Song et al. 2021, arXiv:2010.02502, eq. 12 and 16.
#include "runtime/sample/schedule.h"

#include <math.h>

static daub_status ddim(struct daub_sampling *s)
{
    const struct daub_sampler_config *c = s->config;
    const double *alphas_cumprod = s->alphas_cumprod;
    const double stride = c->num_train_timesteps / s->n_steps; // whole: the reference's step back, whatever the spacing
    const daub_vec x = s->x, x0 = daub_vec_new(s);
    double *t;
    uint32_t n;
    TRY(daub_timesteps(s, DAUB_POINTS_N, &t, &n));
    TRY(daub_start(s, 1.0));

    for (uint32_t i = s->first; i < n; i++) {
        const double t_prev = t[i] - stride;
        const double abar = alphas_cumprod[(uint32_t)t[i]];
        const double abar_last = c->set_alpha_to_one ? 1.0 : alphas_cumprod[0];
        const double abar_prev = t_prev >= 0.0 ? alphas_cumprod[(uint32_t)t_prev] : abar_last;
        const double variance = (1.0 - abar_prev) / (1.0 - abar) * (1.0 - abar / abar_prev);
        const double deviation = c->eta * sqrt(daub_positive(variance));
        const double direction = sqrt(daub_positive(1.0 - abar_prev - deviation * deviation));
        const struct daub_weights eps = daub_eps_weights(c->prediction_type, sqrt(abar), sqrt(1.0 - abar));

        daub_at_level(s, sqrt(abar), sqrt(1.0 - abar));
        TRY(daub_model_call(s, x, 1.0, t[i]));
        TRY(daub_predict_x0(s, x0, x, sqrt(abar), sqrt(1.0 - abar)));
        const struct daub_term from_x0 = { sqrt(abar_prev), x0 };
        const struct daub_term from_x = { direction * eps.x, x };
        const struct daub_term from_output = { direction * eps.out, DAUB_VEC_OUTPUT };
        if (c->eta > 0.0)
            TRY(LINCOMB(s, x, from_x0, from_x, from_output, { deviation, daub_noise(s) }));
        else
            TRY(LINCOMB(s, x, from_x0, from_x, from_output));
        TRY(daub_step_end(s, x));
    }
    return DAUB_OK;
}

static void defaults(struct daub_sampler_config *c)
{
    c->clip_sample = true;
    c->set_alpha_to_one = true;
    c->timestep_spacing = DAUB_SPACING_LEADING;
}

static daub_status parse(const struct daub_json *json, struct daub_sampler_config *c)
{
    return daub_json_bool(json, "set_alpha_to_one", &c->set_alpha_to_one);
}

const struct daub_sampler_desc daub_sampler_ddim = {
    .name = "ddim",
    .eta = true,
    .label = "DDIM",
    .aliases = "DDIMScheduler",
    .description = "deterministic unless eta is set; Song et al. 2021, arXiv:2010.02502",
    .order = 1,
    .options = DAUB_TAKES_ZERO_SNR | DAUB_TAKES_CLIPPING | DAUB_TAKES_THRESHOLDING,
    .defaults = defaults,
    .parse = parse,
    .run = ddim,
};

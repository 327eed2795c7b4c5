// lcm.c - multistep consistency sampling: jump to x0, noise it to the next level, for 1 to about 8 steps.
// Luo et al. 2023, arXiv:2310.04378, algorithm 3; the boundary condition's weights of eq. 3 are those of Song et al.
// 2023, arXiv:2303.01469, appendix C, with sigma_data = 0.5.
#include "runtime/sample/schedule.h"

#include <math.h>

// The time steps a consistency model was distilled at, original_inference_steps of them, thinned out to n.
static daub_status timesteps(const struct daub_sampling *s, double **out)
{
    const struct daub_sampler_config *c = s->config;
    const uint32_t n_original = c->original_inference_steps;
    if (n_original < 1 || n_original > c->num_train_timesteps)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "original_inference_steps is %u, wanted 1..%u", n_original,
                         c->num_train_timesteps);
    if (s->n_steps > n_original)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%u steps are too many for LCM: the model was distilled at %u",
                         s->n_steps, n_original);
    double *t = daub_arena_alloc(s->arena, s->n_steps * sizeof(*t));
    if (!t)
        return daub_no_memory("the time steps");
    const uint32_t stride = c->num_train_timesteps / n_original;
    const double every = (double)n_original / s->n_steps;
    for (uint32_t i = 0; i < s->n_steps; i++)
        t[i] = (double)((n_original - (uint32_t)(i * every)) * stride - 1);
    *out = t;
    return DAUB_OK;
}

static daub_status lcm(struct daub_sampling *s)
{
    const double sigma_data = 0.5;
    const daub_vec x = s->x, x0 = daub_vec_new(s);
    double *t = NULL;
    TRY(timesteps(s, &t));
    TRY(daub_start(s, 1.0));

    for (uint32_t i = s->first; i < s->n_steps; i++) {
        const bool last = i + 1 == s->n_steps;
        const double abar = s->alphas_cumprod[(uint32_t)t[i]];
        const double abar_next = last ? 1.0 : s->alphas_cumprod[(uint32_t)t[i + 1]];
        const double scaled = t[i] * s->config->timestep_scaling;
        const double c_skip = sigma_data * sigma_data / (scaled * scaled + sigma_data * sigma_data);
        const double c_out = scaled / hypot(scaled, sigma_data);

        daub_at_level(s, sqrt(abar), sqrt(1.0 - abar));
        TRY(daub_model_call(s, x, 1.0, t[i]));
        TRY(daub_predict_x0(s, x0, x, sqrt(abar), sqrt(1.0 - abar)));
        const struct daub_term from_x0 = { sqrt(abar_next) * c_out, x0 };
        const struct daub_term from_x = { sqrt(abar_next) * c_skip, x };
        if (last)
            TRY(LINCOMB(s, x, from_x0, from_x));
        else
            TRY(LINCOMB(s, x, from_x0, from_x, { sqrt(1.0 - abar_next), daub_noise(s) }));
        TRY(daub_step_end(s, x));
    }
    return DAUB_OK;
}

static void defaults(struct daub_sampler_config *c)
{
    c->beta_start = 0.00085;
    c->beta_end = 0.012;
    c->beta_schedule = DAUB_BETA_SCALED_LINEAR;
    c->timestep_spacing = DAUB_SPACING_LEADING;
}

static daub_status parse(const struct daub_json *json, struct daub_sampler_config *c)
{
    TRY(daub_json_u32(json, "original_inference_steps", 1, c->num_train_timesteps, &c->original_inference_steps));
    return daub_json_f64(json, "timestep_scaling", &c->timestep_scaling);
}

const struct daub_sampler_desc daub_sampler_lcm = {
    .name = "lcm",
    .label = "LCM",
    .aliases = "LCMScheduler,sample_lcm",
    .description = "for latent consistency models, 1 to 8 steps; Luo et al. 2023, arXiv:2310.04378",
    .order = 1,
    .stochastic = true,
    .options = DAUB_TAKES_ZERO_SNR | DAUB_TAKES_CLIPPING | DAUB_TAKES_THRESHOLDING,
    .defaults = defaults,
    .parse = parse,
    .run = lcm,
};

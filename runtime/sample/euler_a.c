// euler_a.c - ancestral Euler: a step down to below the next level, then as much noise as lifts it there.
// The noise is that of a DDPM step in sigma: Song et al. 2021, arXiv:2011.13456, appendix B and F; named by
// k-diffusion. The state is x0 + sigma * noise.
#include "runtime/sample/schedule.h"

#include <math.h>

static daub_status euler_a(struct daub_sampling *s)
{
    const struct daub_ladder_rule rule = { .points = DAUB_POINTS_N_FRACTION };
    const daub_vec x = s->x;
    struct daub_ladder l;
    TRY(daub_ladder(s, &rule, &l));
    const bool leading = s->config->timestep_spacing == DAUB_SPACING_LEADING;
    TRY(daub_start(s, leading ? hypot(l.sigmas[0], 1.0) : l.sigmas[0]));

    for (uint32_t i = s->first; i < l.n; i++) {
        const double sigma = l.sigmas[i], next = l.sigmas[i + 1];
        const double alpha = 1.0 / hypot(sigma, 1.0);
        const struct daub_weights x0 = daub_x0_weights(s->config->prediction_type, alpha, sigma * alpha);
        const double ratio = next / sigma;
        const double up = next * sqrt(1.0 - ratio * ratio); // up^2 + down^2 = next^2
        const double keep = ratio * ratio;                  // down / sigma

        daub_at_level(s, 1.0, sigma);
        TRY(daub_model_call(s, x, alpha, l.timesteps[i]));
        TRY(LINCOMB(s, x, { keep + (1.0 - keep) * x0.x * alpha, x }, { (1.0 - keep) * x0.out, DAUB_VEC_OUTPUT },
                    { up, daub_noise(s) }));
        TRY(daub_step_end(s, x));
    }
    return DAUB_OK;
}

const struct daub_sampler_desc daub_sampler_euler_a = {
    .name = "euler_a",
    .label = "Euler a",
    .aliases = "EulerAncestralDiscreteScheduler,euler_ancestral,k_euler_a,k_euler_ancestral,sample_euler_ancestral",
    .description = "Euler steps with fresh noise after each; Song et al. 2021, arXiv:2011.13456, appendix F",
    .order = 1,
    .stochastic = true,
    .options = DAUB_TAKES_ZERO_SNR,
    .run = euler_a,
};

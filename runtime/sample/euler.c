// euler.c - Euler steps along dx/dsigma = (x - x0) / sigma, optionally with churn.
// Karras et al. 2022, arXiv:2206.00364, algorithm 2 without its correction. The state is x0 + sigma * noise. As the
// reference does, and the paper does not, churn stirs the state after the model has seen it.
#include "runtime/sample/config.h"
#include "runtime/sample/schedule.h"

#include <math.h>

static daub_status euler(struct daub_sampling *s)
{
    const struct daub_sampler_config *c = s->config;
    const struct daub_ladder_rule rule = { .points = DAUB_POINTS_N_FRACTION };
    const daub_vec x = s->x;
    struct daub_ladder l;
    TRY(daub_ladder(s, &rule, &l));
    const double most_churn = fmin(c->s_churn / (l.n_sigmas - 1), sqrt(2.0) - 1.0);
    const bool leading = c->timestep_spacing == DAUB_SPACING_LEADING;
    TRY(daub_start(s, leading ? hypot(l.sigmas[0], 1.0) : l.sigmas[0]));

    for (uint32_t i = s->first; i < l.n; i++) {
        const double sigma = l.sigmas[i], next = l.sigmas[i + 1];
        const double alpha = 1.0 / hypot(sigma, 1.0);
        const double gamma = sigma >= c->s_tmin && sigma <= c->s_tmax ? most_churn : 0.0;
        const double hat = sigma * (1.0 + gamma);

        daub_at_level(s, 1.0, sigma);
        TRY(daub_model_call(s, x, alpha, l.timesteps[i]));
        if (gamma > 0.0)
            TRY(LINCOMB(s, x, { 1.0, x }, { c->s_noise * sqrt(hat * hat - sigma * sigma), daub_noise(s) }));
        // x + (next - hat) d with d = (x - x0) / hat is x0 and x mixed as hat falls to next.
        const double noise = c->prediction_type == DAUB_PREDICTION_EPSILON ? hat * alpha : sigma * alpha;
        const struct daub_weights x0 = daub_x0_weights(c->prediction_type, alpha, noise);
        const double keep = next / hat;
        TRY(LINCOMB(s, x, { keep + (1.0 - keep) * x0.x * alpha, x }, { (1.0 - keep) * x0.out, DAUB_VEC_OUTPUT }));
        TRY(daub_step_end(s, x));
    }
    return DAUB_OK;
}

static daub_status parse(const struct daub_json *json, struct daub_sampler_config *c)
{
    static const struct daub_word interpolations[] = { { "linear", false }, { "log_linear", true }, { 0 } };
    static const struct daub_word timestep_types[] = { { "discrete", false }, { "continuous", true }, { 0 } };
    TRY(daub_config_flag(json, "interpolation_type", interpolations, &c->interpolation_log_linear));
    return daub_config_flag(json, "timestep_type", timestep_types, &c->timestep_continuous);
}

const struct daub_sampler_desc daub_sampler_euler = {
    .name = "euler",
    .label = "Euler",
    .aliases = "EulerDiscreteScheduler,k_euler,sample_euler",
    .description = "Euler steps in sigma; Karras et al. 2022, arXiv:2206.00364, algorithm 2 without correction",
    .order = 1,
    .options = DAUB_TAKES_ZERO_SNR | DAUB_TAKES_FINAL_SIGMA,
    .spacings = 1u << DAUB_SIGMAS_KARRAS | 1u << DAUB_SIGMAS_EXPONENTIAL | 1u << DAUB_SIGMAS_BETA,
    .parse = parse,
    .run = euler,
};

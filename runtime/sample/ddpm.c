// ddpm.c - ancestral sampling: x0 from the prediction, then a draw from q(x_prev | x, x0).
// Ho et al. 2020, arXiv:2006.11239, algorithm 2 in the form of eq. 7, over any falling subset of the time steps.
#include "runtime/sample/config.h"
#include "runtime/sample/schedule.h"

#include <math.h>

// Standard deviation of the draw. fixed_large_log is fixed_large: the reference takes the root of its logarithm, no
// number.
static double deviation(enum daub_variance type, double posterior, double beta)
{
    switch (type) {
    case DAUB_VARIANCE_FIXED_SMALL:
    case DAUB_VARIANCE_FIXED_SMALL_LOG:
        return sqrt(fmax(posterior, 1e-20));
    case DAUB_VARIANCE_FIXED_LARGE:
    case DAUB_VARIANCE_FIXED_LARGE_LOG:
        break;
    }
    return sqrt(beta);
}

static daub_status ddpm(struct daub_sampling *s)
{
    const daub_vec x = s->x, x0 = daub_vec_new(s);
    double *t;
    uint32_t n;
    TRY(daub_timesteps(s, DAUB_POINTS_N, &t, &n));
    TRY(daub_start(s, 1.0));

    for (uint32_t i = s->first; i < n; i++) {
        const double abar = s->alphas_cumprod[(uint32_t)t[i]];
        const double abar_prev = i + 1 < n ? s->alphas_cumprod[(uint32_t)t[i + 1]] : 1.0;
        const double alpha = abar / abar_prev, beta = 1.0 - alpha;
        const double posterior = (1.0 - abar_prev) / (1.0 - abar) * beta;

        daub_at_level(s, sqrt(abar), sqrt(1.0 - abar));
        TRY(daub_model_call(s, x, 1.0, t[i]));
        TRY(daub_predict_x0(s, x0, x, sqrt(abar), sqrt(1.0 - abar)));
        const struct daub_term from_x0 = { sqrt(abar_prev) * beta / (1.0 - abar), x0 };
        const struct daub_term from_x = { sqrt(alpha) * (1.0 - abar_prev) / (1.0 - abar), x };
        if (t[i] > 0.0)
            TRY(LINCOMB(s, x, from_x0, from_x,
                        { deviation(s->config->variance_type, posterior, beta), daub_noise(s) }));
        else
            TRY(LINCOMB(s, x, from_x0, from_x));
        TRY(daub_step_end(s, x));
    }
    return DAUB_OK;
}

static void defaults(struct daub_sampler_config *c)
{
    c->clip_sample = true;
    c->timestep_spacing = DAUB_SPACING_LEADING;
}

static daub_status parse(const struct daub_json *json, struct daub_sampler_config *c)
{
    static const struct daub_word words[] = {
        { "fixed_small", DAUB_VARIANCE_FIXED_SMALL },
        { "fixed_small_log", DAUB_VARIANCE_FIXED_SMALL_LOG },
        { "fixed_large", DAUB_VARIANCE_FIXED_LARGE },
        { "fixed_large_log", DAUB_VARIANCE_FIXED_LARGE_LOG },
        { 0 },
    };
    int variance = (int)c->variance_type;
    TRY(daub_config_word(json, "variance_type", words, &variance));
    c->variance_type = (enum daub_variance)variance;
    return DAUB_OK;
}

const struct daub_sampler_desc daub_sampler_ddpm = {
    .name = "ddpm",
    .label = "DDPM",
    .aliases = "DDPMScheduler",
    .description = "ancestral sampling, for many steps; Ho et al. 2020, arXiv:2006.11239",
    .order = 1,
    .stochastic = true,
    .options = DAUB_TAKES_ZERO_SNR | DAUB_TAKES_CLIPPING | DAUB_TAKES_THRESHOLDING,
    .defaults = defaults,
    .parse = parse,
    .run = ddpm,
};

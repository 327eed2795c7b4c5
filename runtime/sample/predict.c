// predict.c - what the network's output says about x0 and the noise, whatever it was trained to predict.
//
// The state is x = alpha * x0 + sigma * eps with alpha^2 + sigma^2 = 1, and v = alpha * eps - sigma * x0
// (Salimans and Ho 2022, arXiv:2202.00512, appendix D).
#include "runtime/sample/schedule.h"

struct daub_weights daub_x0_weights(enum daub_prediction prediction, double alpha, double sigma)
{
    switch (prediction) {
    case DAUB_PREDICTION_EPSILON:
        return (struct daub_weights) { .x = 1.0 / alpha, .out = -sigma / alpha };
    case DAUB_PREDICTION_V:
        return (struct daub_weights) { .x = alpha, .out = -sigma };
    case DAUB_PREDICTION_SAMPLE:
        break;
    }
    return (struct daub_weights) { .out = 1.0 };
}

struct daub_weights daub_eps_weights(enum daub_prediction prediction, double alpha, double sigma)
{
    switch (prediction) {
    case DAUB_PREDICTION_SAMPLE:
        return (struct daub_weights) { .x = 1.0 / sigma, .out = -alpha / sigma };
    case DAUB_PREDICTION_V:
        return (struct daub_weights) { .x = sigma, .out = alpha };
    case DAUB_PREDICTION_EPSILON:
        break;
    }
    return (struct daub_weights) { .out = 1.0 };
}

daub_status daub_predict_x0(struct daub_sampling *s, daub_vec x0, daub_vec x, double alpha, double sigma)
{
    const struct daub_sampler_config *c = s->config;
    const struct daub_weights w = daub_x0_weights(c->prediction_type, alpha, sigma);
    TRY(LINCOMB(s, x0, { w.x, x }, { w.out, DAUB_VEC_OUTPUT }));
    if (c->thresholding)
        return daub_threshold(s, x0, c->dynamic_thresholding_ratio, c->sample_max_value);
    if (c->clip_sample)
        return daub_clamp(s, x0, -c->clip_sample_range, c->clip_sample_range);
    return DAUB_OK;
}

double daub_positive(double value)
{
    return value > 0.0 ? value : 0.0;
}

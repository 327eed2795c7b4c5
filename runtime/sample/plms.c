// plms.c - pseudo numerical methods: the slopes of Runge-Kutta and Adams-Bashforth, with DDIM's exact transfer as the
// step. Liu et al. 2022, arXiv:2202.09778: eq. 11 (transfer), 13 (pseudo Runge-Kutta), 12 (pseudo linear multistep).
//
// The full method starts with three Runge-Kutta steps of four model calls each. With skip_prk_steps, as Stable
// Diffusion ships, lower multistep orders start it, and the first step is taken twice: once by Euler, then with the
// mean of both slopes.
#include "runtime/sample/schedule.h"

#include <math.h>
#include <string.h>

enum { PRK_STEPS = 3, MOST_SLOPES = 4 };

struct pndm {
    const double *t; // falling
    uint32_t n;
    double stride;                // training steps a step, whole
    daub_vec slopes[MOST_SLOPES]; // predictions, newest first
    uint32_t n_slopes;
};

static double level(const struct daub_sampling *s, double t)
{
    const double last = s->config->set_alpha_to_one ? 1.0 : s->alphas_cumprod[0];
    return t >= 0.0 ? s->alphas_cumprod[(uint32_t)t] : last;
}

static void at_time(struct daub_sampling *s, double t)
{
    daub_at_level(s, sqrt(level(s, t)), sqrt(1.0 - level(s, t)));
}

// vec[out] = the transfer of the state x from t to t_prev along the slope given as n weighted predictions.
static daub_status transfer(struct daub_sampling *s, daub_vec out, daub_vec x, double t, double t_prev, uint32_t n,
                            const struct daub_term *slope)
{
    if (t >= s->config->num_train_timesteps)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%u steps lead to time step %g of a schedule of 0 to %u", s->n_steps,
                         t, s->config->num_train_timesteps - 1);
    const double abar = level(s, t), abar_prev = level(s, t_prev);
    // Slopes are predictions as the network makes them: v becomes noise only here, with the state that is moved.
    const struct daub_weights eps = daub_eps_weights(s->config->prediction_type, sqrt(abar), sqrt(1.0 - abar));
    const double along = (abar - abar_prev) / (abar * sqrt(1.0 - abar_prev) + sqrt(abar * (1.0 - abar) * abar_prev));
    struct daub_term terms[MOST_SLOPES + 2] = { { sqrt(abar_prev / abar) + along * eps.x, x } };
    for (uint32_t i = 0; i < n; i++)
        terms[i + 1] = (struct daub_term) { along * eps.out * slope[i].weight, slope[i].vec };
    return daub_lincomb(s, out, n + 1, terms);
}

// The prediction of the last model call becomes the newest slope.
static daub_status keep_slope(struct daub_sampling *s, struct pndm *p)
{
    const daub_vec oldest = p->slopes[MOST_SLOPES - 1];
    memmove(p->slopes + 1, p->slopes, (MOST_SLOPES - 1) * sizeof(oldest));
    p->slopes[0] = oldest;
    p->n_slopes += p->n_slopes < MOST_SLOPES;
    return LINCOMB(s, oldest, { 1.0, DAUB_VEC_OUTPUT });
}

// Step i by pseudo Runge-Kutta: slopes at the start, twice in the middle, at the end; 1 : 2 : 2 : 1. The step spans
// 2 * (stride / 2), which for an odd stride is one short of it, and stages sit at time steps of their own.
static daub_status prk_step(struct daub_sampling *s, struct pndm *p, uint32_t i, daub_vec stage, daub_vec mean)
{
    const daub_vec x = s->x;
    const double half = floor(p->stride / 2.0);
    const double start = p->t[i], end = p->t[i + 1], middle = end + half;
    const struct daub_term output = { 1.0, DAUB_VEC_OUTPUT };

    at_time(s, start);
    TRY(daub_model_call(s, x, 1.0, start));
    TRY(keep_slope(s, p));
    TRY(LINCOMB(s, mean, { 1.0 / 6.0, DAUB_VEC_OUTPUT }));
    TRY(transfer(s, stage, x, start, start - half, 1, &output));
    TRY(daub_substep_end(s, stage));

    at_time(s, middle);
    TRY(daub_model_call(s, stage, 1.0, middle));
    TRY(LINCOMB(s, mean, { 1.0, mean }, { 1.0 / 3.0, DAUB_VEC_OUTPUT }));
    TRY(transfer(s, stage, x, start, middle, 1, &output));
    TRY(daub_substep_end(s, stage));

    at_time(s, middle);
    TRY(daub_model_call(s, stage, 1.0, middle));
    TRY(LINCOMB(s, mean, { 1.0, mean }, { 1.0 / 3.0, DAUB_VEC_OUTPUT }));
    TRY(transfer(s, stage, x, start, middle - half, 1, &output));
    TRY(daub_substep_end(s, stage));

    at_time(s, end);
    TRY(daub_model_call(s, stage, 1.0, end));
    const struct daub_term slope[] = { { 1.0, mean }, { 1.0 / 6.0, DAUB_VEC_OUTPUT } };
    TRY(transfer(s, x, x, start, end, 2, slope));
    return daub_step_end(s, x);
}

// A step from t by the Adams-Bashforth formula for as many slopes as there are, up to four.
static daub_status plms_step(struct daub_sampling *s, struct pndm *p, double t)
{
    static const double adams_bashforth[MOST_SLOPES][MOST_SLOPES] = {
        { 1.0 },
        { 3.0 / 2.0, -1.0 / 2.0 },
        { 23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0 },
        { 55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0 },
    };
    at_time(s, t);
    TRY(daub_model_call(s, s->x, 1.0, t));
    TRY(keep_slope(s, p));
    struct daub_term slope[MOST_SLOPES];
    for (uint32_t i = 0; i < p->n_slopes; i++)
        slope[i] = (struct daub_term) { adams_bashforth[p->n_slopes - 1][i], p->slopes[i] };
    TRY(transfer(s, s->x, s->x, t, t - p->stride, p->n_slopes, slope));
    return daub_step_end(s, s->x);
}

// The first step without Runge-Kutta, from t: there by Euler, a look at t_next, and again from the start with both slopes.
static daub_status first_step(struct daub_sampling *s, struct pndm *p, double t, double t_next, daub_vec ahead)
{
    const daub_vec x = s->x;
    const struct daub_term output = { 1.0, DAUB_VEC_OUTPUT };
    at_time(s, t);
    TRY(daub_model_call(s, x, 1.0, t));
    TRY(keep_slope(s, p));
    TRY(transfer(s, ahead, x, t, t - p->stride, 1, &output));
    TRY(daub_substep_end(s, ahead));

    at_time(s, t_next);
    TRY(daub_model_call(s, ahead, 1.0, t_next));
    const struct daub_term slope[] = { { 0.5, DAUB_VEC_OUTPUT }, { 0.5, p->slopes[0] } };
    TRY(transfer(s, x, x, t_next + p->stride, t_next, 2, slope));
    return daub_step_end(s, x);
}

// The j-th model call's time step without Runge-Kutta: the second is visited twice. The reference leaves calls out, not steps, when it
// begins in the middle, and starts with a first step there too: beyond it, states are a step noisier than they are taken for.
static double visited(const struct pndm *p, uint32_t j)
{
    return p->t[j > 1 ? j - 1 : j];
}

static daub_status plms(struct daub_sampling *s)
{
    const struct daub_sampler_config *c = s->config;
    struct pndm p = { .stride = c->num_train_timesteps / s->n_steps };
    const daub_vec ahead = daub_vec_new(s);
    for (uint32_t i = 0; i < MOST_SLOPES; i++)
        p.slopes[i] = daub_vec_new(s);
    if (c->prediction_type == DAUB_PREDICTION_SAMPLE)
        return daub_fail(DAUB_ERROR_UNSUPPORTED,
                         "the sampler plms has no prediction_type sample, only epsilon and v_prediction");
    if (!c->skip_prk_steps && s->first > 0)
        return daub_fail(DAUB_ERROR_UNSUPPORTED,
                         "the sampler plms with Runge-Kutta steps cannot begin in the middle of its %u steps: it takes "
                         "strength 1",
                         s->n_steps);
    if (!c->skip_prk_steps && s->n_steps <= PRK_STEPS)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "%u steps are too few for plms with Runge-Kutta steps: it takes 4 or more", s->n_steps);
    double *t;
    TRY(daub_timesteps(s, DAUB_POINTS_N, &t, &p.n));
    p.t = t;
    TRY(daub_start(s, 1.0));

    if (c->skip_prk_steps) {
        if (p.n == 1)
            return plms_step(s, &p, t[0]);
        TRY(first_step(s, &p, visited(&p, s->first), visited(&p, s->first + 1), ahead));
        for (uint32_t j = s->first + 2; j <= p.n; j++)
            TRY(plms_step(s, &p, visited(&p, j)));
        return DAUB_OK;
    }
    const daub_vec mean = daub_vec_new(s);
    for (uint32_t i = 0; i < PRK_STEPS; i++)
        TRY(prk_step(s, &p, i, ahead, mean));
    for (uint32_t i = PRK_STEPS; i < p.n; i++)
        TRY(plms_step(s, &p, t[i]));
    return DAUB_OK;
}

static void defaults(struct daub_sampler_config *c)
{
    c->timestep_spacing = DAUB_SPACING_LEADING;
}

static daub_status parse(const struct daub_json *json, struct daub_sampler_config *c)
{
    TRY(daub_json_bool(json, "set_alpha_to_one", &c->set_alpha_to_one));
    return daub_json_bool(json, "skip_prk_steps", &c->skip_prk_steps);
}

const struct daub_sampler_desc daub_sampler_plms = {
    .name = "plms",
    .label = "PLMS",
    .aliases = "PNDMScheduler,pndm",
    .description = "multistep along DDIM's transfer, second order proven; Liu et al. 2022, arXiv:2202.09778",
    .order = 2,
    .defaults = defaults,
    .parse = parse,
    .run = plms,
};

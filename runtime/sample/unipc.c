// unipc.c - a multistep predictor, and a corrector that reuses the model call of the next step.
// Zhao et al. 2023, arXiv:2302.04867, algorithms 5 to 8 (UniP and UniC, in x0 or in the noise), eq. 9 for the weights.
//
// With lambda = log(alpha / sigma) and a step over h from s to t, both are, for predictions m of x0,
//
//     x_t = sigma_t / sigma_s * x_s - alpha_t * (e^-h - 1) * m0 - alpha_t * B(-h) * sum_k rho_k * (m_k - m0) / r_k
//
// over earlier predictions m_k at lambda_s + r_k h; the corrector adds the prediction at t itself, with r = 1. For
// predictions of the noise alpha and sigma change places and h its sign.
#include "runtime/sample/config.h"
#include "runtime/sample/schedule.h"

#include <math.h>

enum { MOST_ORDER = 3 };

struct history {
    daub_vec m[MOST_ORDER + 1];           // predictions, newest first; one more than the order, for the corrector
    struct daub_level at[MOST_ORDER + 1]; // where they were made
};

// Solves the n x n system a x = b by elimination; the answer replaces b. Row i of a holds the i-th powers of distinct
// nodes (Vandermonde), so no pivot vanishes.
static void solve(uint32_t n, double a[MOST_ORDER][MOST_ORDER], double b[MOST_ORDER])
{
    for (uint32_t k = 0; k < n; k++)
        for (uint32_t i = k + 1; i < n; i++) {
            const double factor = a[i][k] / a[k][k];
            for (uint32_t j = k; j < n; j++)
                a[i][j] -= factor * a[k][j];
            b[i] -= factor * b[k];
        }
    for (uint32_t i = n; i-- > 0;) {
        for (uint32_t j = i + 1; j < n; j++)
            b[i] -= a[i][j] * b[j];
        b[i] /= a[i][i];
    }
}

// rho of eq. 9: sum_k rho_k r_k^(i-1) = i! phi_(i+1)(h) / B(h), i of 1..n, with B(h) = h (bh1) or e^h - 1 (bh2).
// h is negative in x0.
static void rhos(uint32_t n, const double r[MOST_ORDER], double h, double b_h, double out[MOST_ORDER])
{
    double matrix[MOST_ORDER][MOST_ORDER];
    double phi = expm1(h) / h - 1.0, factorial = 1.0; // h phi_(i+1), i!
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < n; k++)
            matrix[i][k] = pow(r[k], i);
        out[i] = phi * factorial / b_h;
        factorial *= i + 2;
        phi = phi / h - 1.0 / factorial;
    }
    solve(n, matrix, out);
}

// vec[x] = the step of the given order from the state `from` at at[0] to `to`, over the predictions m[0], m[1], ...
// made at at[0], at[1], ... `corrector` is the prediction at `to`, or DAUB_VEC_OUTPUT for the predictor, which has
// none.
static daub_status step(struct daub_sampling *s, daub_vec x, daub_vec from, const daub_vec *m,
                        const struct daub_level *at, struct daub_level to, uint32_t order, daub_vec corrector)
{
    const struct daub_sampler_config *c = s->config;
    const bool corrects = corrector != DAUB_VEC_OUTPUT;
    const double h = to.lambda - at[0].lambda;
    const double hh = c->predict_x0 ? -h : h;
    const double scale = c->predict_x0 ? to.alpha : to.sigma;
    const double b_h = c->solver_type == DAUB_SOLVER_BH1 ? hh : expm1(hh);
    double r[MOST_ORDER], rho[MOST_ORDER] = { 0 };
    for (uint32_t k = 1; k < order; k++)
        r[k - 1] = (at[k].lambda - at[0].lambda) / h;
    r[order - 1] = 1.0;

    // The lowest predictor and corrector take 1/2, which the paper shows to keep the order.
    if (corrects && order > 1)
        rhos(order, r, hh, b_h, rho);
    else if (corrects || order == 2)
        rho[0] = 0.5;
    else if (order > 2)
        rhos(order - 1, r, hh, b_h, rho);

    double on_m0 = -scale * expm1(hh);
    struct daub_term terms[MOST_ORDER + 2] = { { c->predict_x0 ? to.sigma / at[0].sigma : to.alpha / at[0].alpha,
                                                 from } };
    uint32_t n = 1;
    for (uint32_t k = 1; k < order; k++) {
        const double weight = -scale * b_h * rho[k - 1] / r[k - 1];
        on_m0 -= weight;
        terms[n++] = (struct daub_term) { weight, m[k] };
    }
    if (corrects) {
        const double weight = -scale * b_h * rho[order - 1];
        on_m0 -= weight;
        terms[n++] = (struct daub_term) { weight, corrector };
    }
    terms[n++] = (struct daub_term) { on_m0, m[0] };
    return daub_lincomb(s, x, n, terms);
}

// vec[m] = what is extrapolated: x0, or the noise
static daub_status predict(struct daub_sampling *s, daub_vec m, daub_vec x, struct daub_level at)
{
    if (s->config->predict_x0)
        return daub_predict_x0(s, m, x, at.alpha, at.sigma);
    const struct daub_weights eps = daub_eps_weights(s->config->prediction_type, at.alpha, at.sigma);
    return LINCOMB(s, m, { eps.x, x }, { eps.out, DAUB_VEC_OUTPUT });
}

static bool corrected(const struct daub_sampling *s, uint32_t i)
{
    const struct daub_sampler_config *c = s->config;
    if (i == s->first)
        return false;
    for (uint32_t k = 0; k < c->n_disable_corrector; k++)
        if (c->disable_corrector[k] == i - 1)
            return false;
    return true;
}

static daub_status unipc(struct daub_sampling *s)
{
    const struct daub_sampler_config *c = s->config;
    const struct daub_ladder_rule rule = {
        .points = DAUB_POINTS_INTERVALS,
        .ends_from_all = true,
        .whole_timesteps = true,
        .ends_at_last = true,
    };
    daub_vec x = s->x, last = daub_vec_new(s); // the predicted state, and the corrected one it was predicted from
    struct history p = { 0 };
    for (uint32_t k = 0; k <= MOST_ORDER; k++)
        p.m[k] = daub_vec_new(s);
    if (c->solver_order < 1 || c->solver_order > MOST_ORDER)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "solver_order is %u, wanted 1..3", c->solver_order);
    if (!c->predict_x0 && !c->final_sigma_min)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "UniPC in the noise (predict_x0 false) cannot end at noise level 0: it needs "
                         "final_sigmas_type \"sigma_min\"");
    struct daub_ladder l;
    TRY(daub_ladder(s, &rule, &l));
    TRY(daub_start(s, 1.0));

    uint32_t order = 1;
    for (uint32_t i = s->first; i < l.n; i++) {
        const struct daub_level here = daub_level_of(l.sigmas[i]), to = daub_level_of(l.sigmas[i + 1]);
        const daub_vec m = p.m[MOST_ORDER];
        daub_at_level(s, here.alpha, here.sigma);
        TRY(daub_model_call(s, x, 1.0, l.timesteps[i]));
        TRY(predict(s, m, x, here));
        if (corrected(s, i)) // the step that led here, again, now that the prediction here is known
            TRY(step(s, x, last, p.m, p.at, here, order, m));

        for (uint32_t k = MOST_ORDER; k > 0; k--) {
            p.m[k] = p.m[k - 1];
            p.at[k] = p.at[k - 1];
        }
        p.m[0] = m;
        p.at[0] = here;

        const uint32_t known = i + 1 - s->first;
        order = known < c->solver_order ? known : c->solver_order;
        if (c->lower_order_final && l.n - i < order)
            order = l.n - i;
        if (!(l.sigmas[i + 1] > 0.0 && l.sigmas[i + 1] < l.sigmas[i]))
            order = 1; // h is infinite or 0: no other prediction has a place on its scale
        const daub_vec swap = last;
        last = x;
        x = swap;
        TRY(step(s, x, last, p.m, p.at, to, order, DAUB_VEC_OUTPUT));
        TRY(daub_step_end(s, x));
    }
    return DAUB_OK;
}

static void defaults(struct daub_sampler_config *c)
{
    c->solver_type = DAUB_SOLVER_BH2;
}

static daub_status parse(const struct daub_json *json, struct daub_sampler_config *c)
{
    static const struct daub_word words[] = {
        // DPM-Solver's stand for the default
        { "bh1", DAUB_SOLVER_BH1 },  { "bh2", DAUB_SOLVER_BH2 },    { "midpoint", DAUB_SOLVER_BH2 },
        { "heun", DAUB_SOLVER_BH2 }, { "logrho", DAUB_SOLVER_BH2 }, { 0 },
    };
    int solver_type = (int)c->solver_type;
    TRY(daub_json_u32(json, "solver_order", 1, MOST_ORDER, &c->solver_order));
    TRY(daub_config_word(json, "solver_type", words, &solver_type));
    TRY(daub_json_bool(json, "predict_x0", &c->predict_x0));
    TRY(daub_json_bool(json, "lower_order_final", &c->lower_order_final));
    TRY(daub_json_u32_list(json, "disable_corrector", 0, DAUB_MAX_TRAIN_STEPS, c->disable_corrector, DAUB_MAX_DISABLED,
                           &c->n_disable_corrector));
    TRY(daub_config_refuse(json, "use_flow_sigmas"));
    if (daub_json_has(json, "solver_p"))
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: solver_p, a predictor of another class, is not supported",
                         json->name);
    c->solver_type = (enum daub_solver_type)solver_type;
    return DAUB_OK;
}

const struct daub_sampler_desc daub_sampler_unipc = {
    .name = "unipc",
    .label = "UniPC",
    .aliases = "UniPCMultistepScheduler,uni_pc,uni_pc_bh2",
    .description = "predictor-corrector, one model call a step; Zhao et al. 2023, arXiv:2302.04867",
    .order = 2,
    .options = DAUB_TAKES_ZERO_SNR | DAUB_TAKES_THRESHOLDING | DAUB_TAKES_FINAL_SIGMA,
    .spacings = 1u << DAUB_SIGMAS_KARRAS | 1u << DAUB_SIGMAS_EXPONENTIAL | 1u << DAUB_SIGMAS_BETA,
    .defaults = defaults,
    .parse = parse,
    .run = unipc,
};

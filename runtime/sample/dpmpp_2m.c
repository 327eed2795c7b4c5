// dpmpp_2m.c - DPM-Solver++ and DPM-Solver, multistep, of order 1 to 3, as ODE and as SDE solvers.
// Lu et al. 2022, arXiv:2211.01095 (++: in x0; algorithm 2, and its SDE form) and arXiv:2206.00927 (in the noise).
//
// With alpha^2 + sigma^2 = 1 and lambda = log(alpha / sigma), one step from s to t over h = lambda_t - lambda_s is
//
//     x_t = keep * x_s + w0 * D0 + w1 * D1 + w2 * D2 (+ fresh noise)
//
// where D0 is the prediction m at s, and D1, D2 are its first and second derivative by lambda, times h and h^2, taken
// from backward differences of the last predictions.
#include "runtime/sample/config.h"
#include "runtime/sample/schedule.h"

#include <cjson/cJSON.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST_ORDER = 3, FEW_STEPS = 15 }; // below 15 steps the reference ends with lower orders

struct step_weights {
    double keep, d[MOST_ORDER], noise;
};

static bool is_sde(enum daub_algorithm algorithm)
{
    return algorithm == DAUB_ALGORITHM_SDE_DPMSOLVERPP || algorithm == DAUB_ALGORITHM_SDE_DPMSOLVER;
}

static bool in_x0(enum daub_algorithm algorithm) // what is extrapolated; false: the noise
{
    return algorithm == DAUB_ALGORITHM_DPMSOLVERPP || algorithm == DAUB_ALGORITHM_SDE_DPMSOLVERPP;
}

// The exact integrals of exp(lambda) times 1, lambda and lambda^2 / 2 over the step; at infinite h (t without noise)
// only the first exists, and only order 1 is asked for. `midpoint` takes half the first integral instead of the second.
static struct step_weights weights(enum daub_algorithm algorithm, bool midpoint, uint32_t order, struct daub_level from,
                                   struct daub_level to)
{
    const double h = to.lambda - from.lambda;
    struct step_weights w = { 0 };
    double whole = 0.0, first = 0.0, second = 0.0;
    switch (algorithm) {
    case DAUB_ALGORITHM_DPMSOLVERPP:
        w.keep = to.sigma / from.sigma;
        whole = -to.alpha * expm1(-h);
        first = to.alpha * (expm1(-h) / h + 1.0);
        second = -to.alpha * ((expm1(-h) + h) / (h * h) - 0.5);
        break;
    case DAUB_ALGORITHM_DPMSOLVER:
        w.keep = to.alpha / from.alpha;
        whole = -to.sigma * expm1(h);
        first = -to.sigma * (expm1(h) / h - 1.0);
        second = -to.sigma * ((expm1(h) - h) / (h * h) - 0.5);
        break;
    case DAUB_ALGORITHM_SDE_DPMSOLVERPP:
        w.keep = to.sigma / from.sigma * exp(-h);
        whole = -to.alpha * expm1(-2.0 * h);
        first = to.alpha * (expm1(-2.0 * h) / (2.0 * h) + 1.0);
        second = -to.alpha * ((expm1(-2.0 * h) + 2.0 * h) / (4.0 * h * h) + 0.5);
        w.noise = to.sigma * sqrt(-expm1(-2.0 * h));
        break;
    case DAUB_ALGORITHM_SDE_DPMSOLVER:
        w.keep = to.alpha / from.alpha;
        whole = -2.0 * to.sigma * expm1(h);
        first = -2.0 * to.sigma * (expm1(h) / h - 1.0);
        w.noise = to.sigma * sqrt(expm1(2.0 * h));
        break;
    }
    w.d[0] = whole;
    if (order == 2)
        w.d[1] = midpoint ? 0.5 * whole : first;
    if (order == 3) {
        w.d[1] = first;
        w.d[2] = second;
    }
    return w;
}

// The step's weights on the predictions m[0] (newest), m[1], m[2] instead of on D0, D1, D2.
static void on_predictions(const struct step_weights *w, uint32_t order, const struct daub_level *at,
                           struct daub_level to, double out[3])
{
    const double h = to.lambda - at[0].lambda;
    out[0] = w->d[0];
    out[1] = out[2] = 0.0;
    if (order == 1)
        return;
    // First differences a = (m0 - m1) / r0 and b = (m1 - m2) / r1.
    const double r0 = (at[0].lambda - at[1].lambda) / h;
    double a = w->d[1], b = 0.0, r1 = 1.0;
    if (order == 3) { // D1 = a + (a - b) r0 / (r0 + r1), D2 = (a - b) / (r0 + r1)
        r1 = (at[1].lambda - at[2].lambda) / h;
        const double bend = (w->d[1] * r0 + w->d[2]) / (r0 + r1);
        a += bend;
        b -= bend;
    }
    out[0] += a / r0;
    out[1] = b / r1 - a / r0;
    out[2] = -b / r1;
}

// vec[m] = what the solver extrapolates: x0, or the noise
static daub_status predict(struct daub_sampling *s, daub_vec m, daub_vec x, struct daub_level at)
{
    const struct daub_sampler_config *c = s->config;
    if (in_x0(c->algorithm_type))
        return daub_predict_x0(s, m, x, at.alpha, at.sigma);
    if (c->thresholding) {
        TRY(daub_predict_x0(s, m, x, at.alpha, at.sigma));
        return LINCOMB(s, m, { 1.0 / at.sigma, x }, { -at.alpha / at.sigma, m });
    }
    const struct daub_weights eps = daub_eps_weights(c->prediction_type, at.alpha, at.sigma);
    return LINCOMB(s, m, { eps.x, x }, { eps.out, DAUB_VEC_OUTPUT });
}

static daub_status check(const struct daub_sampler_config *c)
{
    if (c->solver_order < 1 || c->solver_order > MOST_ORDER)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "solver_order is %u, wanted 1..3", c->solver_order);
    if (!in_x0(c->algorithm_type) && !c->final_sigma_min)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "DPM-Solver without ++ cannot end at noise level 0: it needs "
                                                 "final_sigmas_type \"sigma_min\"");
    return DAUB_OK;
}

// Orders build up with the predictions at hand, and fall again where an extrapolation would overshoot the end.
static uint32_t order_of(const struct daub_sampling *s, const struct daub_ladder *l, uint32_t i)
{
    const struct daub_sampler_config *c = s->config;
    const uint32_t known = i + 1 - s->first;
    const uint32_t order = known < c->solver_order ? known : c->solver_order;
    const bool few = c->lower_order_final && l->n < FEW_STEPS;
    if (i + 1 == l->n && (few || c->euler_at_final || !c->final_sigma_min || !(l->sigmas[i + 1] < l->sigmas[i])))
        return 1;
    if (i + 2 == l->n && few && order > 2)
        return 2;
    return order;
}

static daub_status dpmpp_2m(struct daub_sampling *s)
{
    const struct daub_sampler_config *c = s->config;
    const struct daub_ladder_rule rule = {
        .points = DAUB_POINTS_INTERVALS,
        .ends_from_all = true,
        .whole_timesteps = true,
        .cut_for_cosine = true,
    };
    const bool sde = is_sde(c->algorithm_type);
    const bool midpoint = c->solver_type != DAUB_SOLVER_HEUN;
    const daub_vec x = s->x;
    daub_vec m[MOST_ORDER] = { daub_vec_new(s), daub_vec_new(s), daub_vec_new(s) }; // predictions, newest first
    struct daub_level at[MOST_ORDER] = { 0 };                                       // where they were made
    struct daub_ladder l;
    TRY(check(c));
    TRY(daub_ladder(s, &rule, &l));
    TRY(daub_start(s, 1.0));

    for (uint32_t i = s->first; i < l.n; i++) {
        const struct daub_level to = daub_level_of(l.sigmas[i + 1]);
        const daub_vec oldest = m[2];
        m[2] = m[1];
        m[1] = m[0];
        m[0] = oldest;
        at[2] = at[1];
        at[1] = at[0];
        at[0] = daub_level_of(l.sigmas[i]);

        daub_at_level(s, at[0].alpha, at[0].sigma);
        TRY(daub_model_call(s, x, 1.0, l.timesteps[i]));
        TRY(predict(s, m[0], x, at[0]));

        double on_m[MOST_ORDER];
        const uint32_t order = order_of(s, &l, i);
        if (order == 3 && c->algorithm_type == DAUB_ALGORITHM_SDE_DPMSOLVER)
            return daub_fail(DAUB_ERROR_UNSUPPORTED, "algorithm_type sde-dpmsolver has no order 3, only 1 and 2");
        const struct step_weights w = weights(c->algorithm_type, midpoint, order, at[0], to);
        on_predictions(&w, order, at, to, on_m);
        TRY(LINCOMB(s, x, { w.keep, x }, { on_m[0], m[0] }, { on_m[1], m[1] }, { on_m[2], m[2] },
                    { w.noise, sde ? daub_noise(s) : x }));
        TRY(daub_step_end(s, x));
    }
    return DAUB_OK;
}

// A number, or what stands for minus infinity: Python's writer puts a bare word that is no JSON, others a text.
static daub_status read_lambda_min(const struct daub_json *json, double *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json->root, "lambda_min_clipped");
    const char *text = cJSON_IsString(item) ? item->valuestring : "";
    if (strcmp(text, "-inf") == 0 || strcmp(text, "-Infinity") == 0 ||
        (cJSON_IsNumber(item) && item->valuedouble < -DBL_MAX)) {
        *out = -INFINITY;
        return DAUB_OK;
    }
    return daub_json_f64(json, "lambda_min_clipped", out);
}

extern const struct daub_sampler_desc daub_sampler_dpmpp_2m_sde;

static daub_status parse(const struct daub_json *json, struct daub_sampler_config *c)
{
    static const struct daub_word algorithms[] = {
        // DEIS's stands for the default
        { "dpmsolver++", DAUB_ALGORITHM_DPMSOLVERPP },
        { "dpmsolver", DAUB_ALGORITHM_DPMSOLVER },
        { "sde-dpmsolver++", DAUB_ALGORITHM_SDE_DPMSOLVERPP },
        { "sde-dpmsolver", DAUB_ALGORITHM_SDE_DPMSOLVER },
        { "deis", DAUB_ALGORITHM_DPMSOLVERPP },
        { 0 },
    };
    static const struct daub_word types[] = {
        // DEIS's and UniPC's stand for the default
        { "midpoint", DAUB_SOLVER_MIDPOINT }, { "heun", DAUB_SOLVER_HEUN },    { "logrho", DAUB_SOLVER_MIDPOINT },
        { "bh1", DAUB_SOLVER_MIDPOINT },      { "bh2", DAUB_SOLVER_MIDPOINT }, { 0 },
    };
    int algorithm = (int)c->algorithm_type, solver_type = (int)c->solver_type;
    const char *variance = NULL;
    TRY(daub_json_u32(json, "solver_order", 1, MOST_ORDER, &c->solver_order));
    TRY(daub_config_word(json, "algorithm_type", algorithms, &algorithm));
    TRY(daub_config_word(json, "solver_type", types, &solver_type));
    TRY(daub_json_bool(json, "lower_order_final", &c->lower_order_final));
    TRY(daub_json_bool(json, "euler_at_final", &c->euler_at_final));
    TRY(read_lambda_min(json, &c->lambda_min_clipped));
    TRY(daub_config_refuse(json, "use_flow_sigmas"));
    TRY(daub_json_text(json, "variance_type", &variance));
    if (variance && strncmp(variance, "learned", 7) == 0)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: variance_type \"%s\" is not supported", json->name, variance);
    c->algorithm_type = (enum daub_algorithm)algorithm;
    c->solver_type = (enum daub_solver_type)solver_type;
    if (is_sde(c->algorithm_type))
        c->sampler = &daub_sampler_dpmpp_2m_sde; // the class's other face; the file decides
    return DAUB_OK;
}

// Asked for by name, the SDE stays one whatever the file's algorithm_type.
static daub_status parse_sde(const struct daub_json *json, struct daub_sampler_config *c)
{
    TRY(parse(json, c));
    if (c->algorithm_type == DAUB_ALGORITHM_DPMSOLVERPP)
        c->algorithm_type = DAUB_ALGORITHM_SDE_DPMSOLVERPP;
    if (c->algorithm_type == DAUB_ALGORITHM_DPMSOLVER)
        c->algorithm_type = DAUB_ALGORITHM_SDE_DPMSOLVER;
    c->sampler = &daub_sampler_dpmpp_2m_sde;
    return DAUB_OK;
}

static void defaults_sde(struct daub_sampler_config *c)
{
    c->algorithm_type = DAUB_ALGORITHM_SDE_DPMSOLVERPP;
}

enum {
    OPTIONS = DAUB_TAKES_ZERO_SNR | DAUB_TAKES_THRESHOLDING | DAUB_TAKES_FINAL_SIGMA,
    SPACINGS = 1u << DAUB_SIGMAS_KARRAS | 1u << DAUB_SIGMAS_EXPONENTIAL | 1u << DAUB_SIGMAS_BETA | 1u << DAUB_SIGMAS_LU,
};

const struct daub_sampler_desc daub_sampler_dpmpp_2m = {
    .name = "dpmpp_2m",
    .label = "DPM++ 2M",
    .aliases = "DPMSolverMultistepScheduler,dpm++2m,k_dpmpp_2m,sample_dpmpp_2m,dpmsolver++",
    .description = "second order from one model call a step; Lu et al. 2022, arXiv:2211.01095, algorithm 2",
    .order = 2,
    .options = OPTIONS,
    .spacings = SPACINGS,
    .parse = parse,
    .run = dpmpp_2m,
};

const struct daub_sampler_desc daub_sampler_dpmpp_2m_sde = {
    .name = "dpmpp_2m_sde",
    .label = "DPM++ 2M SDE",
    .aliases = "dpm++2m_sde,k_dpmpp_2m_sde,sample_dpmpp_2m_sde,sde-dpmsolver++",
    .description = "DPM++ 2M with fresh noise each step; Lu et al. 2022, arXiv:2211.01095, SDE-DPM-Solver++(2M)",
    .order = 1,
    .stochastic = true,
    .options = OPTIONS,
    .spacings = SPACINGS,
    .defaults = defaults_sde,
    .parse = parse_sde,
    .run = dpmpp_2m,
};

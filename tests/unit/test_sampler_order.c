// test_sampler_order.c - each sampler converges at the order its paper claims, to the exact answer of a Gaussian.
// link: base sample
//
// If the data are N(0, s^2), the best prediction of the noise in x = alpha x0 + sigma eps is sigma x / v with
// v = alpha^2 s^2 + sigma^2, and the probability-flow ODE takes x from level to level in proportion to sqrt(v). A
// stochastic sampler is linear in its draws then: run on as many values as there are draws, value j being 1 in draw j
// only, it shows the gain of each, and the variance of its result is the sum of their squares. It should be s^2.
//
// The noise schedule is gentle: sigma from 0.3 to about 2.5, so that few steps are in the range where the order shows.
// Runs end at its first level, not at 0: the landing has an error of its own that no number of steps lessens. Leading
// time steps make all steps equally long in time, which the multistep formulas of plms take for granted.
#include "harness_program.h"
#include "tests/test.h"

enum { N_TRAIN = 4000, MOST_DRAWS = 512 };

struct gaussian {
    const double *abar;
    double deviation; // s
};

// Between whole time steps log(sigma) runs straight, as samplers take it that tell the network a fraction.
static double level_at(const double *abar, double t)
{
    REQUIRE(t >= 0.0 && t <= N_TRAIN - 1);
    const uint32_t low = (uint32_t)t, high = low + 1 < N_TRAIN ? low + 1 : low;
    if (t == floor(t))
        return abar[low];
    const double from = log((1.0 - abar[low]) / abar[low]), to = log((1.0 - abar[high]) / abar[high]);
    return 1.0 / (1.0 + exp(from + (to - from) * (t - low)));
}

static double variance_at(const struct gaussian *g, double abar)
{
    return abar * g->deviation * g->deviation + 1.0 - abar;
}

static void model(void *user, uint32_t call, double timestep, const float *in, float *out, size_t n)
{
    const struct gaussian *g = user;
    const double abar = level_at(g->abar, timestep);
    (void)call;
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(sqrt(1.0 - abar) / variance_at(g, abar) * (double)in[i]);
}

struct method {
    const char *name;
    void (*configure)(struct daub_sampler_config *config);
    uint32_t few; // steps; compared with twice as many
    double least, most;
    bool variance; // compare the variance of the result, not the result
    bool sigma_state;
};

// Relative error after n steps: of the result of a single start value, or of the variance over all draws.
static double error_of(const struct method *m, double deviation, uint32_t n)
{
    static float betas[N_TRAIN];
    static double abar[N_TRAIN];
    for (uint32_t i = 0; i < N_TRAIN; i++)
        betas[i] = i == 0 ? (m->variance ? 1e-5f : 0.08f) : 2e-4f + 5e-4f * (float)i / N_TRAIN;
    const struct daub_sampler_config schedule = { .num_train_timesteps = N_TRAIN, .trained_betas = betas };
    REQUIRE_OK(daub_alphas_cumprod(&schedule, abar));

    const struct daub_sampler_desc *sampler;
    struct daub_sampler_config config;
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_program program;
    REQUIRE(arena);
    REQUIRE_OK(daub_sampler_find(m->name, &sampler, NULL));
    daub_sampler_config_defaults(sampler, &config);
    config.num_train_timesteps = N_TRAIN;
    config.trained_betas = betas;
    config.timestep_spacing = DAUB_SPACING_LEADING;
    config.set_alpha_to_one = false;
    config.final_sigma_min = true;
    config.clip_sample = false;
    if (m->configure)
        m->configure(&config);
    REQUIRE_OK(daub_program_record(&config, n, arena, &program));
    REQUIRE(program.n_noises <= MOST_DRAWS);

    static float noise[MOST_DRAWS * MOST_DRAWS];
    float result[MOST_DRAWS];
    const size_t width = m->variance ? program.n_noises : 1;
    memset(noise, 0, sizeof(noise));
    for (uint32_t j = 0; j < program.n_noises; j++)
        if (m->variance || j == 0)
            noise[j * width + (m->variance ? j : 0)] = 1.0f;
    struct gaussian g = { .abar = abar, .deviation = deviation };
    program_interpret(
        &(struct program_run) { .program = &program, .n = width, .noise = noise, .model = model, .user = &g }, result);

    const double first = level_at(abar, program.calls[0].timestep);
    const double begin = m->sigma_state ? 1.0 / sqrt(first) : 1.0; // the state in its own scale, from the VP one
    double error;
    if (m->variance) {
        double variance = 0.0;
        for (size_t j = 0; j < width; j++)
            variance += (double)result[j] * (double)result[j];
        const double last = m->sigma_state ? variance_at(&g, abar[0]) / abar[0] : variance_at(&g, abar[0]);
        error = fabs(variance / last - 1.0);
    } else {
        const double last = abar[0];
        const double end = m->sigma_state ? 1.0 / sqrt(last) : 1.0;
        const double exact = program.init_noise_sigma / begin * sqrt(variance_at(&g, last) / variance_at(&g, first)) *
                             end;
        error = fabs((double)result[0] / exact - 1.0);
    }
    daub_arena_destroy(&arena);
    return error;
}

// Over three data sets, because an error may cross zero on one of them.
static double error_after(const struct method *m, uint32_t n)
{
    return hypot(hypot(error_of(m, 0.3, n), error_of(m, 0.5, n)), error_of(m, 0.7, n));
}

static void order_1(struct daub_sampler_config *c)
{
    c->solver_order = 1;
}

static void order_3(struct daub_sampler_config *c)
{
    c->solver_order = 3;
    c->lower_order_final = false;
}

static void heun_type(struct daub_sampler_config *c)
{
    c->solver_type = DAUB_SOLVER_HEUN;
}

static void in_noise(struct daub_sampler_config *c)
{
    c->algorithm_type = DAUB_ALGORITHM_DPMSOLVER;
    c->predict_x0 = false;
    c->lower_order_final = false;
}

static void predictor_only(struct daub_sampler_config *c)
{
    c->lower_order_final = false;
    c->n_disable_corrector = DAUB_MAX_DISABLED;
    for (uint32_t i = 0; i < DAUB_MAX_DISABLED; i++)
        c->disable_corrector[i] = i;
}

static void full_unipc(struct daub_sampler_config *c)
{
    c->lower_order_final = false;
}

static void bh1(struct daub_sampler_config *c)
{
    c->lower_order_final = false;
    c->solver_type = DAUB_SOLVER_BH1;
}

static void runge_kutta(struct daub_sampler_config *c)
{
    c->skip_prk_steps = false;
}

static void linear_multistep(struct daub_sampler_config *c)
{
    c->skip_prk_steps = true;
}

static void full_eta(struct daub_sampler_config *c)
{
    c->eta = 1.0;
}

int main(void)
{
    // Orders 3 stay below it: the first step is of order 1, and its error, as h^2, rules in the end. The corrector
    // lifts UniPC of order 2 to 3 and of order 1 to 2; with the last step's order kept low, as by default, it is 2
    // again.
    static const struct method methods[] = {
        { .name = "euler", .few = 40, .least = 0.8, .most = 1.2, .sigma_state = true },
        { .name = "heun", .few = 30, .least = 1.7, .most = 2.3, .sigma_state = true },
        { .name = "dpm2", .few = 30, .least = 1.7, .most = 2.3, .sigma_state = true },
        { .name = "ddim", .few = 40, .least = 0.8, .most = 1.2 },
        { .name = "dpmpp_2m", .configure = order_1, .few = 40, .least = 0.8, .most = 1.2 },
        { .name = "dpmpp_2m", .few = 30, .least = 1.7, .most = 2.3 },
        { .name = "dpmpp_2m", .configure = heun_type, .few = 30, .least = 1.7, .most = 2.3 },
        { .name = "dpmpp_2m", .configure = in_noise, .few = 30, .least = 1.7, .most = 2.3 },
        { .name = "dpmpp_2m", .configure = order_3, .few = 30, .least = 2.15, .most = 3.3 },
        { .name = "unipc", .few = 30, .least = 1.7, .most = 2.7 },
        { .name = "unipc", .configure = order_1, .few = 30, .least = 1.7, .most = 2.3 },
        { .name = "unipc", .configure = predictor_only, .few = 30, .least = 1.7, .most = 2.3 },
        { .name = "unipc", .configure = full_unipc, .few = 30, .least = 2.4, .most = 3.3 },
        { .name = "unipc", .configure = bh1, .few = 30, .least = 2.4, .most = 3.3 },
        { .name = "unipc", .configure = in_noise, .few = 30, .least = 2.4, .most = 3.3 },
        { .name = "plms", .configure = linear_multistep, .few = 30, .least = 2.7, .most = 3.7 },
        { .name = "plms", .configure = runge_kutta, .few = 30, .least = 2.7, .most = 3.7 },
        { .name = "ddpm", .few = 200, .least = 0.7, .most = 1.2, .variance = true },
        { .name = "ddim", .configure = full_eta, .few = 200, .least = 0.7, .most = 1.2, .variance = true },
        { .name = "euler_a", .few = 200, .least = 0.7, .most = 1.2, .variance = true, .sigma_state = true },
        { .name = "dpmpp_2m_sde", .few = 200, .least = 0.7, .most = 2.3, .variance = true },
    };
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        const struct method *m = &methods[i];
        const double few = error_after(m, m->few), many = error_after(m, 2 * m->few);
        const double order = log2(few / many);
        printf("%-14s %3u steps %.2g, twice as many %.2g: order %.2f\n", m->name, m->few, few, many, order);
        REQUIRE_IN(order, m->least, m->most);
        const struct daub_sampler_desc *sampler;
        REQUIRE_OK(daub_sampler_find(m->name, &sampler, NULL));
        if (!m->configure)
            REQUIRE(order > sampler->order - 0.35);
    }
    return 0;
}

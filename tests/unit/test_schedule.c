// test_schedule.c - noise schedules, time steps, layouts of noise levels, and the public forward process.
// link: base sample
#include "harness_program.h"
#include "runtime/base/rng.h"
#include "runtime/sample/schedule.h"
#include "tests/test.h"

// Cumulative signal levels of the reference (diffusers 0.40): SD's schedule, with zero terminal SNR, the cosine one.
static const double abar_sd_last = 0.00466009509;
static const double abar_sd_500 = 0.276332468;
static const double abar_zsnr_500 = 0.241018534;
static const double abar_cos_500 = 0.492285043;

static void test_alphas(void)
{
    static double abar[1000];
    struct daub_sampler_config c = { .num_train_timesteps = 1000, .beta_start = 0.00085, .beta_end = 0.012 };
    c.beta_schedule = DAUB_BETA_SCALED_LINEAR;
    REQUIRE_OK(daub_alphas_cumprod(&c, abar));
    REQUIRE_NEAR(abar[0], 1.0 - 0.00085, 6e-8);
    REQUIRE_NEAR(abar[999], abar_sd_last, 1e-9);
    REQUIRE_NEAR(abar[500], abar_sd_500, 1e-7);

    c.rescale_betas_zero_snr = true;
    REQUIRE_OK(daub_alphas_cumprod(&c, abar));
    REQUIRE_NEAR(abar[0], 1.0 - 0.00085, 6e-8); // the first stays
    REQUIRE(abar[999] == 0.0);
    REQUIRE_NEAR(abar[500], abar_zsnr_500, 2e-7);

    c = (struct daub_sampler_config) { .num_train_timesteps = 1000, .beta_schedule = DAUB_BETA_SQUAREDCOS_CAP_V2 };
    REQUIRE_OK(daub_alphas_cumprod(&c, abar));
    REQUIRE_NEAR(abar[500], abar_cos_500, 1e-7);
    REQUIRE_NEAR(abar[999] / abar[998], 0.001, 1e-7); // the cap

    const float betas[3] = { 0.5f, 0.25f, 0.0f };
    c = (struct daub_sampler_config) { .num_train_timesteps = 3, .trained_betas = betas };
    REQUIRE_OK(daub_alphas_cumprod(&c, abar));
    REQUIRE(abar[0] == 0.5 && abar[1] == 0.375 && abar[2] == 0.375);
    const float wrong[1] = { 1.0f };
    c = (struct daub_sampler_config) { .num_train_timesteps = 1, .trained_betas = wrong };
    REQUIRE_STATUS(daub_alphas_cumprod(&c, abar), DAUB_ERROR_INVALID_ARG, "beta 0");
    c.trained_betas = &(const float) { NAN };
    REQUIRE_STATUS(daub_alphas_cumprod(&c, abar), DAUB_ERROR_INVALID_ARG, "beta 0");
    c.trained_betas = &(const float) { 0.0f };
    REQUIRE_STATUS(daub_alphas_cumprod(&c, abar), DAUB_ERROR_INVALID_ARG, "signal level");
}

static void timesteps(const char *sampler, enum daub_spacing spacing, uint32_t offset, uint32_t n, const double *want)
{
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_sampler_config c = stable_diffusion(sampler);
    struct daub_program p;
    REQUIRE(arena);
    c.timestep_spacing = spacing;
    c.steps_offset = offset;
    REQUIRE_OK(daub_program_record(&c, n, arena, &p));
    REQUIRE(p.n_calls == n);
    for (uint32_t i = 0; i < n; i++)
        REQUIRE_NEAR(p.timesteps[i], want[i], 1e-4);
    daub_arena_destroy(&arena);
}

static void test_timesteps(void)
{
    timesteps("ddim", DAUB_SPACING_LEADING, 1, 4, (double[]) { 751, 501, 251, 1 });
    timesteps("ddim", DAUB_SPACING_TRAILING, 0, 4, (double[]) { 999, 749, 499, 249 });
    timesteps("ddim", DAUB_SPACING_LINSPACE, 0, 3, (double[]) { 999, 500, 0 }); // 499.5 goes to the even
    timesteps("ddim", DAUB_SPACING_LINSPACE, 0, 1, (double[]) { 0 });
    timesteps("euler", DAUB_SPACING_LINSPACE, 0, 3, (double[]) { 999, 499.5, 0 });
    timesteps("euler", DAUB_SPACING_TRAILING, 0, 3, (double[]) { 999, 666, 332 });
    timesteps("dpmpp_2m", DAUB_SPACING_LINSPACE, 0, 4, (double[]) { 999, 749, 500, 250 });
    timesteps("dpmpp_2m", DAUB_SPACING_LEADING, 1, 4, (double[]) { 801, 601, 401, 201 });
    timesteps("unipc", DAUB_SPACING_TRAILING, 0, 4, (double[]) { 999, 749, 499, 249 });
    timesteps("lcm", DAUB_SPACING_LEADING, 0, 4, (double[]) { 999, 759, 499, 259 });

    // The whole schedule, as DDPM was made for.
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_sampler_config c = stable_diffusion("ddpm");
    struct daub_program p;
    REQUIRE(arena);
    REQUIRE_OK(daub_program_record(&c, 1000, arena, &p));
    for (uint32_t i = 0; i < 1000; i++)
        REQUIRE(p.timesteps[i] == 999 - i);
    REQUIRE(p.n_noises == 1000); // the start, and one a step but the last

    c.steps_offset = 1;
    REQUIRE_STATUS(daub_program_record(&c, 1000, arena, &p), DAUB_ERROR_INVALID_ARG, "time step 1000");
    c = stable_diffusion("dpmpp_2m");
    c.timestep_spacing = DAUB_SPACING_LEADING;
    REQUIRE_STATUS(daub_program_record(&c, 1000, arena, &p), DAUB_ERROR_INVALID_ARG, "too many");

    // Levels with log(alpha / sigma) below the clip are left out, and a trailing layout gets shorter by them.
    c = stable_diffusion("dpmpp_2m");
    c.beta_schedule = DAUB_BETA_SQUAREDCOS_CAP_V2;
    c.lambda_min_clipped = -5.1;
    REQUIRE_OK(daub_program_record(&c, 10, arena, &p));
    REQUIRE_IN(p.timesteps[0], 980, 997);
    REQUIRE(p.sigmas[0] < exp(5.1) && p.n_steps == 10);
    c.lambda_min_clipped = 0.0;
    c.timestep_spacing = DAUB_SPACING_TRAILING;
    REQUIRE_OK(daub_program_record(&c, 10, arena, &p));
    REQUIRE(p.n_steps == 5 && p.sigmas[0] <= 1.0);
    daub_arena_destroy(&arena);
}

static void test_layouts(void)
{
    // scipy.stats.beta.ppf(p, 0.6, 0.6)
    REQUIRE_NEAR(daub_beta_quantile(0.001, 0.6), 1.855873851745199e-05, 1e-18);
    REQUIRE_NEAR(daub_beta_quantile(0.1, 0.6), 0.03958440558878085, 1e-15);
    REQUIRE_NEAR(daub_beta_quantile(0.25, 0.6), 0.175680378652695, 1e-14);
    REQUIRE_NEAR(daub_beta_quantile(0.4, 0.6), 0.3627009907532143, 1e-14);
    REQUIRE_NEAR(daub_beta_quantile(0.75, 0.6), 0.824319621347305, 1e-14);
    REQUIRE_NEAR(daub_beta_quantile(0.99, 0.6), 0.9991387611784571, 1e-14);
    REQUIRE(daub_beta_quantile(0.0, 0.6) == 0.0 && daub_beta_quantile(1.0, 0.6) == 1.0);
    REQUIRE_NEAR(daub_beta_quantile(0.5, 0.6), 0.5, 1e-15);

    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_program p;
    REQUIRE(arena);
    static const enum daub_sigma_spacing spacings[] = { DAUB_SIGMAS_KARRAS, DAUB_SIGMAS_EXPONENTIAL, DAUB_SIGMAS_BETA,
                                                        DAUB_SIGMAS_LU };
    for (size_t i = 0; i < sizeof(spacings) / sizeof(spacings[0]); i++) {
        struct daub_sampler_config c = stable_diffusion("dpmpp_2m");
        c.sigma_spacing = spacings[i];
        REQUIRE_OK(daub_program_record(&c, 9, arena, &p));
        REQUIRE(p.n_sigmas == 10 && p.sigmas[9] == 0.0);
        REQUIRE_NEAR(p.sigmas[0], 14.6146, 1e-4); // both ends of SD's training schedule
        REQUIRE_NEAR(p.sigmas[8], 0.0292, 1e-4);
        REQUIRE(p.timesteps[8] == 0.0);
        for (uint32_t k = 1; k < p.n_sigmas; k++)
            REQUIRE(p.sigmas[k] < p.sigmas[k - 1]);
        if (spacings[i] == DAUB_SIGMAS_KARRAS) // the middle of the seventh roots
            REQUIRE_NEAR(p.sigmas[4], pow(0.5 * (pow(14.6146, 1.0 / 7.0) + pow(0.0292, 1.0 / 7.0)), 7.0), 1e-3);
        if (spacings[i] == DAUB_SIGMAS_EXPONENTIAL || spacings[i] == DAUB_SIGMAS_LU)
            REQUIRE_NEAR(p.sigmas[4], sqrt(14.6146 * 0.0292), 1e-3);
        if (spacings[i] == DAUB_SIGMAS_BETA)
            REQUIRE_NEAR(p.sigmas[4], 0.5 * (14.6146 + 0.0292), 1e-3);
    }

    struct daub_sampler_config c = stable_diffusion("euler");
    c.sigma_spacing = DAUB_SIGMAS_KARRAS;
    c.sigma_min = 0.1;
    c.sigma_max = 10.0;
    c.final_sigma_min = true;
    REQUIRE_OK(daub_program_record(&c, 5, arena, &p));
    REQUIRE_NEAR(p.sigmas[0], 10.0, 1e-5);
    REQUIRE_NEAR(p.sigmas[4], 0.1, 1e-6);
    REQUIRE_NEAR(p.sigmas[5], 0.0292, 1e-4);
    REQUIRE_NEAR(p.init_noise_sigma, 10.0, 1e-5);
    c.sigma_min = 10.0;
    REQUIRE_STATUS(daub_program_record(&c, 5, arena, &p), DAUB_ERROR_INVALID_ARG, "sigma_min 10");

    c = stable_diffusion("euler");
    c.interpolation_log_linear = true;
    REQUIRE_OK(daub_program_record(&c, 5, arena, &p));
    REQUIRE(p.n_sigmas == 7); // as in the reference, whose last step ends at the least level, and 0 stays unused
    REQUIRE_NEAR(p.sigmas[5], 0.0292, 1e-4);

    c = stable_diffusion("euler");
    c.timestep_continuous = true;
    c.prediction_type = DAUB_PREDICTION_V;
    REQUIRE_OK(daub_program_record(&c, 5, arena, &p));
    REQUIRE_NEAR(p.timesteps[0], 0.25 * log(14.6146), 1e-5);

    c = stable_diffusion("euler_a");
    c.rescale_betas_zero_snr = true;
    c.prediction_type = DAUB_PREDICTION_V;
    c.timestep_spacing = DAUB_SPACING_TRAILING;
    REQUIRE_OK(daub_program_record(&c, 5, arena, &p));
    REQUIRE_NEAR(p.sigmas[0], 4096.0, 1e-3); // 2^-24 of signal
    daub_arena_destroy(&arena);
}

static void test_forward_process(void)
{
    enum { N = 64 };
    double abar = 0.0;
    REQUIRE_OK(daub_alpha_bar(DAUB_NOISE_SCALED_LINEAR, 999, &abar));
    REQUIRE_NEAR(abar, abar_sd_last, 1e-9);
    REQUIRE_OK(daub_alpha_bar(DAUB_NOISE_LINEAR, 0, &abar));
    REQUIRE_NEAR(abar, 0.9999, 6e-8);
    REQUIRE_OK(daub_alpha_bar(DAUB_NOISE_COSINE, 500, &abar));
    REQUIRE_NEAR(abar, abar_cos_500, 1e-7);
    REQUIRE_STATUS(daub_alpha_bar(DAUB_NOISE_COSINE, 1000, &abar), DAUB_ERROR_INVALID_ARG, "1000");
    REQUIRE_STATUS(daub_alpha_bar((daub_noise_schedule)7, 0, &abar), DAUB_ERROR_INVALID_ARG, "7");
    REQUIRE_STATUS(daub_alpha_bar(DAUB_NOISE_COSINE, 0, NULL), DAUB_ERROR_INVALID_ARG, "NULL");

    float x0[N], xt[N], noise[N];
    struct daub_rng rng;
    for (int i = 0; i < N; i++)
        x0[i] = (float)i / N - 0.5f;
    daub_rng_seed(&rng, DAUB_RNG_KIND_TORCH_CPU, 7);
    daub_rng_randn(&rng, noise, N);
    REQUIRE_OK(daub_add_noise(DAUB_NOISE_COSINE, 500, 7, x0, xt, N));
    for (int i = 0; i < N; i++)
        REQUIRE_NEAR(xt[i], sqrt(abar) * (double)x0[i] + sqrt(1.0 - abar) * (double)noise[i], 1e-6);
    REQUIRE_OK(daub_add_noise(DAUB_NOISE_COSINE, -1, 7, x0, xt, N));
    REQUIRE(memcmp(x0, xt, sizeof(x0)) == 0);
    float same[N];
    memcpy(same, x0, sizeof(same));
    REQUIRE_OK(daub_add_noise(DAUB_NOISE_LINEAR, 100, 7, x0, xt, N));
    REQUIRE_OK(daub_add_noise(DAUB_NOISE_LINEAR, 100, 7, same, same, N)); // in place
    REQUIRE(memcmp(same, xt, sizeof(same)) == 0);
    REQUIRE_OK(daub_add_noise(DAUB_NOISE_LINEAR, 100, 7, x0, xt, 0));
    REQUIRE_STATUS(daub_add_noise(DAUB_NOISE_LINEAR, 1000, 7, x0, xt, N), DAUB_ERROR_INVALID_ARG, "-1..999");
    REQUIRE_STATUS(daub_add_noise(DAUB_NOISE_LINEAR, -2, 7, x0, xt, N), DAUB_ERROR_INVALID_ARG, "-1..999");
    REQUIRE_STATUS(daub_add_noise(DAUB_NOISE_LINEAR, 1, 7, NULL, xt, N), DAUB_ERROR_INVALID_ARG, "x0 is NULL");
    REQUIRE_STATUS(daub_add_noise(DAUB_NOISE_LINEAR, 1, 7, x0, NULL, N), DAUB_ERROR_INVALID_ARG, "xt is NULL");
}

int main(void)
{
    test_alphas();
    test_timesteps();
    test_layouts();
    test_forward_process();
    return 0;
}

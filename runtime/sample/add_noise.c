// add_noise.c - the forward process in public: how much signal is left at a time step, and a noised copy of a picture.
#include "runtime/base/rng.h"
#include "runtime/sample/sample.h"

#include <math.h>

enum { TRAIN_STEPS = 1000 };

daub_status daub_alpha_bar(daub_noise_schedule schedule, uint32_t t, double *out)
{
    struct daub_sampler_config config = { .num_train_timesteps = TRAIN_STEPS };
    double alphas_cumprod[TRAIN_STEPS];
    switch (schedule) {
    case DAUB_NOISE_SCALED_LINEAR:
        config.beta_schedule = DAUB_BETA_SCALED_LINEAR;
        config.beta_start = 0.00085;
        config.beta_end = 0.012;
        break;
    case DAUB_NOISE_LINEAR:
        config.beta_schedule = DAUB_BETA_LINEAR;
        config.beta_start = 0.0001;
        config.beta_end = 0.02;
        break;
    case DAUB_NOISE_COSINE:
        config.beta_schedule = DAUB_BETA_SQUAREDCOS_CAP_V2;
        break;
    default:
        return daub_fail(DAUB_ERROR_INVALID_ARG, "noise schedule %d is none of daub_noise_schedule", (int)schedule);
    }
    if (!out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_alpha_bar: out is NULL");
    if (t >= TRAIN_STEPS)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "time step %u is outside 0..%d", t, TRAIN_STEPS - 1);
    TRY(daub_alphas_cumprod(&config, alphas_cumprod));
    *out = alphas_cumprod[t];
    return DAUB_OK;
}

// In floats, as the reference. x0 and xt may be the same.
daub_status daub_add_noise(daub_noise_schedule schedule, int32_t t, uint64_t seed, const float *x0, float *xt, size_t n)
{
    double abar = 1.0;
    if (!x0 || !xt)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_add_noise: %s is NULL", x0 ? "xt" : "x0");
    if (t < -1 || t >= TRAIN_STEPS)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "time step %d is outside -1..%d", t, TRAIN_STEPS - 1);
    TRY(daub_alpha_bar(schedule, t < 0 ? 0 : (uint32_t)t, &abar));
    float *noise = daub_alloc_array(NULL, n ? n : 1, sizeof(*noise));
    if (!noise)
        return daub_no_memory("the noise");
    if (t < 0)
        abar = 1.0;
    else {
        struct daub_rng rng;
        daub_rng_seed(&rng, DAUB_RNG_KIND_TORCH_CPU, seed);
        daub_rng_randn(&rng, noise, n);
    }
    const float signal = sqrtf((float)abar), spread = sqrtf(1.0f - (float)abar);
    for (size_t i = 0; i < n; i++)
        xt[i] = signal * x0[i] + spread * noise[i];
    daub_free(NULL, noise);
    return DAUB_OK;
}

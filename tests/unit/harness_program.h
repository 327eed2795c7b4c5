// harness_program.h - runs a daub_program on the host in fp32, as the step kernel does on the device.
#ifndef DAUB_TESTS_UNIT_HARNESS_PROGRAM_H
#define DAUB_TESTS_UNIT_HARNESS_PROGRAM_H
#include "runtime/sample/sample.h"
#include "tests/test.h"

struct program_run {
    const struct daub_program *program;
    size_t n;           // values of a state: one picture
    const float *noise; // [n_noises + n_given][n], the start noise first
    // The network: `in` is scaled already. `out` holds what the last call left there.
    void (*model)(void *user, uint32_t call, double timestep, const float *in, float *out, size_t n);
    void *user;
    // After each call with its state, and once before the first with call UINT32_MAX and what the first call reads. May
    // be NULL.
    void (*state)(void *user, uint32_t call, const float *state, size_t n);
};

// The final latent into `result`, n values. Vectors start as NaN, so that reading one before it is written shows.
// Writing to the model's output, to noise or outside the program's storage fails the test.
void program_interpret(const struct program_run *run, float *result);

// The toy network of the oracle's group sched: a x + b sin(2 x + 0.005 t + 0.7 channel), (a, b) by prediction type.
struct toy {
    enum daub_prediction prediction;
    size_t pixels; // values of a channel
};
void toy_model(const struct toy *toy, double timestep, const float *in, float *out, size_t n);

// A sampler's defaults under Stable Diffusion's noise schedule. Here, because not every test that has the harness links samplers.
static inline struct daub_sampler_config stable_diffusion(const char *sampler_name)
{
    const struct daub_sampler_desc *sampler;
    struct daub_sampler_config c;
    REQUIRE_OK(daub_sampler_find(sampler_name, &sampler, NULL));
    daub_sampler_config_defaults(sampler, &c);
    c.beta_start = 0.00085;
    c.beta_end = 0.012;
    c.beta_schedule = DAUB_BETA_SCALED_LINEAR;
    return c;
}

// |got - want| / |want|; infinite where a value is none.
double relative_l2(const float *got, const float *want, size_t n);

#endif

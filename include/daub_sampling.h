// daub_sampling.h - samplers, schedules and the forward process by name. A part of daub.h, whose rules hold.
#ifndef DAUB_SAMPLING_H
#define DAUB_SAMPLING_H
#include "daub_base.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- samplers --------------------------------------------------------------------------------------------------

// Names, as text: k-diffusion's spellings for samplers ("euler_a", "dpmpp_2m") and for schedules ("karras"). Text and not
// an enum, because the list grows; unknown names fail with the near ones in the sentence. Other systems' spellings
// ("Euler a", "DPM++ 2M Karras", "DPMSolverMultistepScheduler") are understood.
typedef struct daub_sampler_info {
    uint32_t struct_size;
    const char *name;        // "dpmpp_2m"
    const char *label;       // "DPM++ 2M"
    const char *aliases;     // comma separated
    const char *description; // one line, with the paper
    uint32_t order;          // convergence order claimed
    bool stochastic;         // draws noise between steps
} daub_sampler_info;

// How a schedule spaces the noise levels between the ends.
typedef struct daub_schedule_info {
    uint32_t struct_size;
    const char *name;        // "karras"
    const char *label;       // "Karras", A1111's
    const char *description; // one line, with the paper
} daub_schedule_info;

// How many there are.
DAUB_API uint32_t daub_sampler_count(void);
DAUB_API uint32_t daub_schedule_count(void);
// Static strings. Errors: INVALID_ARG when there is no such index.
DAUB_API daub_status daub_sampler_get_info(uint32_t index, daub_sampler_info *out);
// Static strings; index 0 is the sampler's own spacing. Errors: INVALID_ARG when there is no such index.
DAUB_API daub_status daub_schedule_get_info(uint32_t index, daub_schedule_info *out);

// ---- the forward process -----------------------------------------------------------------------------------------

// How beta grows over the 1000 time steps.
typedef enum daub_noise_schedule {
    DAUB_NOISE_SCALED_LINEAR = 0, // Stable Diffusion's: sqrt(beta) linear, 0.00085 to 0.012
    DAUB_NOISE_LINEAR = 1,        // Ho et al. 2020: beta linear, 1e-4 to 0.02
    DAUB_NOISE_COSINE = 2,        // Nichol and Dhariwal 2021, arXiv:2102.09672, eq. 17
} daub_noise_schedule;

// q(x_t | x_0) = N(sqrt(abar_t) x_0, (1 - abar_t) I): mixes n values of x0 (pictures: -1..1) with unit normal noise from
// `seed` (torch's CPU generator, one draw of n). t is 0..999; t = -1 copies. Needs no device.
// Errors: INVALID_ARG (t out of range, NULL pointers).
DAUB_API daub_status daub_add_noise(daub_noise_schedule schedule, int32_t t, uint64_t seed, const float *x0, float *xt,
                                    size_t n);
// The cumulative product abar_t of (1 - beta), t of 0..999.
DAUB_API daub_status daub_alpha_bar(daub_noise_schedule schedule, uint32_t t, double *out);

#ifdef __cplusplus
}
#endif
#endif

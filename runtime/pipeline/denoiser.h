// denoiser.h - what denoiser.c and denoiser_inputs.c share.
#ifndef DAUB_PIPELINE_DENOISER_H
#define DAUB_PIPELINE_DENOISER_H
#include "runtime/pipeline/engine.h"

struct daub_denoiser {
    struct daub_denoise_shape shape;
    struct daub_exec *exec;
    struct daub_tensor *x, *time, *text, *vecs, *noise, *table, *counter, *flags;
};

// Parts of the prompt, each with rows of its own.
uint32_t daub_denoise_parts(const struct daub_denoise_params *params);
// Whether a call reads other texts than the call before it; and those of a call, into engine->denoiser.
bool daub_denoise_text_changes(const struct daub_denoise_params *params, uint32_t call);
daub_status daub_denoiser_write_text(struct daub_engine *engine, const struct daub_denoise_params *params,
                                     uint32_t call);
// All that the network and the sampler read of a picture, into engine->denoiser: as it begins, or as params->resume has it.
daub_status daub_denoiser_write_inputs(struct daub_engine *engine, const struct daub_denoise_params *params);

#endif

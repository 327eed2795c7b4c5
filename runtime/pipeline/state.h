// state.h - a sampler between two model calls, kept on the host so that a picture can go on where its device was lost.
//
// Bytes: a header, the network's next input (once, whether or not the next call has guidance), and all vectors of the program, as they lie on the device. What else the next call reads
// (weights, embeddings, noise, the given pictures) is made again from the request.
#ifndef DAUB_PIPELINE_STATE_H
#define DAUB_PIPELINE_STATE_H
#include "runtime/pipeline/engine.h"

struct daub_state_keep {
    const struct daub_host *host;
    uint32_t every; // steps; 0: nothing is kept
    uint8_t *data;  // the newest whole one, NULL before the first; the caller frees it with host
    size_t size;
    uint32_t step; // steps that it has behind it
};

// Whether the state after this call is wanted.
bool daub_state_wanted(const struct daub_denoise_params *params, uint32_t call);
// Reads the state after `call`, whose end was waited for and nothing submitted since, into params->keep. On failure the older one stays.
daub_status daub_state_read(const struct daub_engine *engine, const struct daub_denoise_params *params, uint32_t call,
                            struct daub_exec *exec, const struct daub_tensor *x, const struct daub_tensor *vecs);
// The other way; the counter is the caller's.
daub_status daub_state_write(const struct daub_engine *engine, const struct daub_denoise_params *params,
                             struct daub_exec *exec, const struct daub_tensor *x, const struct daub_tensor *vecs);
// Whether a state is whole and of a picture with these params (of which the program, the size and the guidance are looked at): *call is the
// model call it goes on with, up to n_calls, and *step the steps behind it. Errors: INVALID_ARG, NO_HOST_MEMORY.
daub_status daub_state_check(const struct daub_engine *engine, const struct daub_denoise_params *params,
                             const void *state, size_t size, uint32_t *call, uint32_t *step);

#endif

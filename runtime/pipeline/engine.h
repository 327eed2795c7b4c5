// engine.h - a model on a device: description, tokenizer, packed weights, and the executors of the last picture, which
// serve the next one of the same size at once.
#ifndef DAUB_PIPELINE_ENGINE_H
#define DAUB_PIPELINE_ENGINE_H
#include "models/clip_tokenizer.h"
#include "models/family.h"
#include "runtime/io/weights.h"
#include "runtime/op/exec.h"

#include <stdatomic.h>

struct daub_engine {
    daub_device *dev;
    const struct daub_host *host;
    struct daub_arena *arena; // what desc points at
    struct daub_checkpoint *ckpt;
    struct daub_model_desc desc;
    struct daub_tokenizer *tokenizer; // NULL without a text encoder
    struct daub_weights *weights[DAUB_COMPONENT_COUNT];
    enum daub_dtype dtype;
    uint32_t max_tokens; // length of the text encoder's input

    struct daub_text *text; // made on first use; see below
    struct daub_denoiser *denoiser;
    struct daub_decoder *decoder;
    uint64_t weights_ns,
        first_step_ns; // when the denoiser's weights were last bound, and when its last run's first step began
    _Atomic uint64_t arenas,
        packed; // device bytes of the executors and of the weights; read by others while a job runs
};

struct daub_need {           // what a picture takes of the device
    uint64_t arena, weights; // bytes of activations at the widest phase, of all weights together
};

// Opens, describes and checks the checkpoint; weights are packed on first use. Errors: as daub_model_load.
daub_status daub_engine_create(daub_device *dev, const char *path, const daub_model_params *params,
                               struct daub_engine **out);
void daub_engine_destroy(struct daub_engine **engine);
// Description only, without a device.
daub_status daub_engine_describe(const struct daub_host *host, const char *path, const daub_model_params *params,
                                 struct daub_checkpoint **ckpt, struct daub_arena **arena,
                                 struct daub_model_desc *desc);
// The default model's folder into `out`. Errors: IO naming the places that were looked at.
daub_status daub_default_model_path(const struct daub_host *host, char *out, size_t size);

// Drops the executors (memory of activations), not the weights. False if there was none.
bool daub_engine_trim(struct daub_engine *engine);
// Brings `arenas` and `packed` up to date; by whoever uses the engine, after making an executor.
void daub_engine_account(struct daub_engine *engine);
// Plans a net (and destroys it, also on failure) and adds what it needs. Errors: the net's own.
daub_status daub_need_add(const struct daub_engine *engine, struct daub_net *net, bool nofuse, struct daub_need *need);

// ---- text ------------------------------------------------------------------------------------------------------------

// Token ids [n, max_tokens] through the text encoder's first `layers` layers and the final norm, as fp32 [n, max_tokens, hidden_size].
daub_status daub_text_encode(struct daub_engine *engine, const uint32_t *ids, uint32_t n, uint32_t layers, bool profile,
                             float *out);
daub_status daub_text_estimate(const struct daub_engine *engine, uint32_t n, uint32_t layers, struct daub_need *need);
// The graph alone, as built: for counting. The caller destroys it; the same for the two below.
daub_status daub_text_net(const struct daub_engine *engine, uint32_t n, uint32_t layers, struct daub_net **out);
struct daub_exec *daub_text_exec(const struct daub_engine *engine); // NULL before the first run, and after a trim
void daub_text_destroy(struct daub_engine *engine);

// ---- denoising -------------------------------------------------------------------------------------------------------

struct daub_denoise_shape { // what decides the graph; equal shapes reuse it
    uint32_t batch, h, w;   // latent
    uint32_t tokens;        // of the prompt embeddings; 0 without text
    uint32_t n_calls, n_vecs, n_noises, n_thresholds, table_words;
    float guidance_scale, guidance_rescale; // scale 1: no guidance
    bool profile, nofuse;
};

// Called after every model call with the program's index of it. False cancels.
typedef bool (*daub_call_fn)(void *user, uint32_t call);

struct daub_denoise_params {
    const struct daub_program *program;
    uint32_t batch, h, w;
    float guidance_scale, guidance_rescale;
    const float *text, *negative; // [tokens, cross_attention_dim] each; negative NULL without guidance
    uint32_t tokens;
    const float *noise; // [n_noises][batch, C, h, w] unit normal
    bool profile, nofuse;
    daub_call_fn on_call; // may be NULL
    bool lockstep;        // on_call reads vectors: no call is submitted before the last one's on_call has returned
    void *user;
};

// Builds what daub_denoise would build on its first call for this shape, so that times can be told apart. Optional.
daub_status daub_denoise_prepare(struct daub_engine *engine, const struct daub_denoise_params *params);
// Runs the whole program. Errors: CANCELLED, DEVICE_LOST, NO_GPU_MEMORY.
daub_status daub_denoise(struct daub_engine *engine, const struct daub_denoise_params *params);
// One of the program's vectors as fp32 [batch, C, h, w].
daub_status daub_denoiser_read(struct daub_engine *engine, daub_vec vec, float *out);
daub_status daub_denoiser_estimate(const struct daub_engine *engine, const struct daub_denoise_params *params,
                                   struct daub_need *need);
daub_status daub_denoiser_net(const struct daub_engine *engine, const struct daub_denoise_params *params,
                              struct daub_net **out);
struct daub_exec *daub_denoiser_exec(const struct daub_engine *engine); // NULL before the first run, and after a trim
void daub_denoiser_destroy(struct daub_engine *engine);

// ---- decoding --------------------------------------------------------------------------------------------------------

// Latents as they leave the sampler, fp32 [batch, C, h, w], to pixels: rgb8 [batch, H, W, 4] bytes (A = 255), and, if `image` is not
// NULL, fp32 [batch, 3, H, W] in about -1..1. Models without a VAE: the latents are the picture.
daub_status daub_decode(struct daub_engine *engine, uint32_t batch, uint32_t h, uint32_t w, const float *latents,
                        bool profile, uint8_t *rgb8, float *image);
daub_status daub_decoder_estimate(const struct daub_engine *engine, uint32_t batch, uint32_t h, uint32_t w,
                                  struct daub_need *need);
daub_status daub_decoder_net(const struct daub_engine *engine, uint32_t batch, uint32_t h, uint32_t w,
                             struct daub_net **out);
struct daub_exec *daub_decoder_exec(const struct daub_engine *engine);
void daub_decoder_destroy(struct daub_engine *engine);

// Pixels a latent covers: 8 for SD, 1 without a VAE.
uint32_t daub_latent_scale(const struct daub_model_desc *desc);

#endif

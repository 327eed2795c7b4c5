// engine.h - a model on a device: description, tokenizer, packed weights, and the executors of the last picture, which
// serve the next one of the same size at once.
#ifndef DAUB_PIPELINE_ENGINE_H
#define DAUB_PIPELINE_ENGINE_H
#include "models/clip_tokenizer.h"
#include "models/family.h"
#include "runtime/base/limits.h"
#include "runtime/io/weight_stream.h"
#include "runtime/vk/io.h"

#include <stdatomic.h>

struct daub_engine {
    daub_device *dev;
    const struct daub_host *host;
    struct daub_arena *arena; // what desc points at
    struct daub_checkpoint *ckpt;
    struct daub_model_desc desc;
    struct daub_tokenizer *tokenizer; // NULL without a text encoder
    struct daub_weights *weights[DAUB_COMPONENT_COUNT];
    struct daub_weight_stream *stream; // of the U-Net's
    enum daub_dtype
        dtype; // of the network at hand: `precision`, or fp32 where that was not enough; who runs it may look
    enum daub_dtype precision; // that the model was loaded with, and every picture is planned in, from any thread
    bool watch;                // executors made now look at every node's result
    uint32_t
        nonfinite; // of the last run of denoiser or decoder: 0, or 1 + the model call whose result held an infinity or a NaN
    uint32_t max_tokens; // length of the text encoder's input

    struct daub_text *text; // made on first use; see below
    struct daub_denoiser *denoiser;
    struct daub_denoiser
        *other_denoiser;    // of a picture with calls with and without guidance: the one whose turn it is not
    uint64_t denoise_arena; // bytes of activations of the last run, at the most
    struct daub_encoder *encoder;
    struct daub_decoder *decoder;
    uint64_t text_made_ns; // time that went into making text executors: plan, pipelines, weights
    uint64_t weights_ns,
        first_step_ns;          // when the denoiser's weights were last bound, and when its last run's first step began
    struct daub_embeds *embeds; // of the last prompts that were encoded
    struct daub_encodings *encodings; // of the last pictures that were

    enum daub_component phase; // of a small engine, once it has entered one
    bool entered;
    struct daub_buffer *activations; // of whichever executor runs: they take turns
    const struct daub_exec *tenant;  // whose turn it is
    bool fine;                       // executors are for slices of a few milliseconds
    bool small;                      // a phase, and a stage of the U-Net, releases what the last one left
    bool streams;                    // small, and the weights of the U-Net's step take turns

    _Atomic uint64_t arenas; // bytes of `activations`; read by others while a job runs
};

// Bytes of a limit that are left alone: a buffer takes up to 1 KiB more than its size, for the driver's sake, and there are some ten.
enum { DAUB_MEMORY_RESERVE = 32 << 10 };

// Device memory of one network: what daub_estimate is made from.
struct daub_need {
    uint64_t arena;    // bytes of activations
    uint64_t weights;  // packed: the network's component as it is now and what it would gain
    uint64_t turn;     // packed: the largest set that a small engine holds at once
    uint64_t stream;   // of them, what the step's weights may take, where they are streamed
    uint64_t transfer; // the largest single upload or download
    uint64_t slots;    // staging memory of the stream
    uint64_t host;     // bytes of host memory for activations
    uint32_t bands;    // that a map is cut into, at the most; 0: all runs as one graph
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

// Device bytes of packed weights. From any thread.
uint64_t daub_engine_packed(const struct daub_engine *engine);
// Drops the executors and their memory of activations, not the weights. False if there was none.
bool daub_engine_trim(struct daub_engine *engine);
// Makes room for activations of exactly `size` bytes, so that a picture's phases need not make place for one another.
daub_status daub_engine_reserve(struct daub_engine *engine, uint64_t size);
// A phase begins: a small engine that was in another one gives all its device memory back.
void daub_engine_enter(struct daub_engine *engine, enum daub_component c);
// An executor on the engine's weights and activations; if those must grow, the engine's other executors go. Owns the
// net, also on failure. Errors: as daub_exec_create.
daub_status daub_engine_exec(struct daub_engine *engine, enum daub_component c, struct daub_net *net, bool profile,
                             bool nofuse, struct daub_exec **out);
// The executor is about to be written to: clears what another one left in its place.
daub_status daub_engine_use(struct daub_engine *engine, struct daub_exec *exec);
// Small for the next picture, or not. A small engine's first phase gives back what is on the device. stream: NULL, or the bytes that
// the weights of the U-Net's step may take; small then.
void daub_engine_set_small(struct daub_engine *engine, bool small, const uint64_t *stream);
// Plans a net (and destroys it, also on failure). room: NULL, or how the step's weights are streamed. Errors: the net's own.
struct daub_stream_room {
    uint64_t bytes; // of device memory for the phase in all
    bool thrifty;   // nobody said how many: at most half of the weights
    bool driven;    // through a staging ring of the job's own
};
daub_status daub_need_of(const struct daub_engine *engine, enum daub_component c, struct daub_net *net, bool nofuse,
                         const struct daub_stream_room *room, struct daub_need *need);
// The same of two that run in turns, and share what weights they want packed alike. other: NULL, or such a one, which goes too. In need,
// `stream` is the first one's.
daub_status daub_need_of_two(const struct daub_engine *engine, enum daub_component c, struct daub_net *net,
                             struct daub_net *other, bool nofuse, const struct daub_stream_room *room,
                             struct daub_need *need);
// stream.c: the same of the turns of a planned net's step that is streamed, where need knows the rest.
daub_status daub_stream_need(const struct daub_engine *engine, struct daub_net *net,
                             const struct daub_stream_room *room, struct daub_need *need);
// What goes through the staging ring at once, where there is one, of a planned net.
uint64_t daub_largest_transfer(const struct daub_net *net);

// ---- text ------------------------------------------------------------------------------------------------------------

// Token ids [n, max_tokens] through the text encoder's first `layers` layers and the final norm, as fp32 [n, max_tokens, hidden_size];
// two rows at a time. The last answer is kept: asked again, and without `profile`, nothing is run.
daub_status daub_text_encode(struct daub_engine *engine, const uint32_t *ids, uint32_t n, uint32_t layers, bool profile,
                             float *out);
uint32_t daub_text_rows(uint32_t n); // that run at once
// Whether the text encoder's weights are given back when the embeddings are there, in every memory mode: a CPU device's memory is the
// host's, and packing them again (0.25 GB of SD 1.5) takes a tenth of a second.
bool daub_text_leaves(const struct daub_engine *engine, bool profile);
daub_status daub_text_estimate(const struct daub_engine *engine, uint32_t n, uint32_t layers, struct daub_need *need);
// The graph alone, as built: for counting. The caller destroys it; the same for the two below.
daub_status daub_text_net(const struct daub_engine *engine, uint32_t n, uint32_t layers, struct daub_net **out);
struct daub_exec *daub_text_exec(const struct daub_engine *engine); // NULL before the first run, and after a trim
void daub_text_destroy(struct daub_engine *engine);

// ---- denoising -------------------------------------------------------------------------------------------------------

struct daub_denoise_shape {                                        // what decides the graph; equal shapes reuse it
    uint32_t batch, h, w;                                          // latent
    uint32_t tokens, negative_tokens;                              // of the prompts' embeddings; 0 without them
    uint32_t n_parts;                                              // of the prompt: rows with it a picture
    float weights[DAUB_MAX_PROMPT_PARTS];                          // of them
    uint32_t n_calls, n_vecs, n_noises, n_thresholds, table_words; // n_noises: with the vectors that are given
    float guidance_scale, guidance_rescale;                        // scale 1: no guidance
    uint32_t profile, nofuse;                                      // of 4 bytes each: shapes are compared as bytes
};

// Called after every model call with the program's index of it. False cancels.
typedef bool (*daub_call_fn)(void *user, uint32_t call);

// Which embeddings the rows of the batch read, where that is more than a prompt and a negative one.
struct daub_prompt_schedules {
    uint32_t n_parts;                     // of the prompt: each has rows of its own
    float weights[DAUB_MAX_PROMPT_PARTS]; // u + scale * sum of weight (c - u); one part's is part of the scale instead
    uint32_t n_steps;
    const uint32_t *of_step; // [n_steps][1 + n_parts] texts: the negative one's, then each part's
};

struct daub_denoise_params {
    const struct daub_program *program;
    uint32_t batch, h, w;
    float guidance_scale, guidance_rescale;
    const float *text,
        *negative; // [tokens, cross_attention_dim], [negative_tokens, ...]; negative NULL without guidance
    uint32_t tokens, negative_tokens;
    const struct daub_prompt_schedules *schedules; // NULL: text and negative at every step
    // Of schedules, one after the other: n_negative of the negative prompt's, then the prompt's. text and negative only say that they are
    // there.
    const float *texts;
    uint32_t n_negative;
    const float
        *noise; // [n_noises][batch, C, h, w] unit normal, then the program's given vectors, [n_given][batch, C, h, w]
    const float *condition; // [C_in - C, h, w], what the U-Net reads beside the latents; NULL: nothing
    bool profile, nofuse;
    bool (*on_start)(
        void *user);      // before the first call, when the program's prologue has run; false cancels; may be NULL
    daub_call_fn on_call; // may be NULL
    bool lockstep;        // on_call reads vectors: no call is submitted before the last one's on_call has returned
    void *user;
    struct daub_state_keep *keep; // NULL: no states are kept; see state.h
    const void *resume;           // a checked state, or NULL: from the beginning
    size_t resume_size;
    uint32_t first_call; // resume's
    uint32_t n_calls;    // the call to stop before; 0: all run
    // Calls guided_first to guided_end - 1 have guidance, the others run with `text` alone. Both 0: all have it, where there is `negative`.
    uint32_t guided_first, guided_end;
};

// Builds what daub_denoise would build on its first call for this shape, so that times can be told apart. Optional.
daub_status daub_denoise_prepare(struct daub_engine *engine, const struct daub_denoise_params *params);
// Runs the whole program. Errors: CANCELLED, DEVICE_LOST, NO_GPU_MEMORY.
daub_status daub_denoise(struct daub_engine *engine, const struct daub_denoise_params *params);
// One of the program's vectors as fp32 [batch, C, h, w].
daub_status daub_denoiser_read(struct daub_engine *engine, daub_vec vec, float *out);
// Replaces the state that a call left, and with it what the next call reads. Within on_call in lockstep.
daub_status daub_denoiser_write_state(struct daub_engine *engine, const struct daub_program *program, uint32_t call,
                                      const float *latents);
daub_status daub_denoiser_estimate(const struct daub_engine *engine, const struct daub_denoise_params *params,
                                   const struct daub_stream_room *room, struct daub_need *need);
daub_status daub_denoiser_net(const struct daub_engine *engine, const struct daub_denoise_params *params,
                              struct daub_net **out);
// Gives the stream what the device has left beside the activations as engine->dtype makes them, where it was planned for others.
daub_status daub_denoiser_restream(struct daub_engine *engine, const struct daub_denoise_params *params);
struct daub_exec *daub_denoiser_exec(const struct daub_engine *engine); // NULL before the first run, and after a trim
void daub_denoiser_destroy(struct daub_engine *engine);

// ---- encoding --------------------------------------------------------------------------------------------------------

struct daub_encode_params {
    uint32_t h, w; // of the picture
    bool profile;
    const float *image; // fp32 [3, h, w] in -1..1
    const float *noise; // unit normal, of the latent's shape
};

// A picture to a draw from its latents' distribution, mean + deviation * noise, scaled as the U-Net takes it: fp32 [C, h / scale, w / scale].
// Only with a VAE. What the encoder said of the last two pictures is kept: asked again, and without `profile`, nothing is run.
daub_status daub_encode(struct daub_engine *engine, const struct daub_encode_params *params, float *latents);
daub_status daub_encoder_estimate(const struct daub_engine *engine, uint32_t h, uint32_t w, struct daub_need *need);
daub_status daub_encoder_net(const struct daub_engine *engine, uint32_t h, uint32_t w, struct daub_net **out);
struct daub_exec *daub_encoder_exec(const struct daub_engine *engine); // NULL before the first run, and after a trim
void daub_encoder_destroy(struct daub_engine *engine);
void daub_encodings_forget(struct daub_engine *engine);

// ---- decoding --------------------------------------------------------------------------------------------------------

struct daub_bands { // the decoder's wide end on some rows at a time
    bool on;
    uint32_t rows;  // of the latents a band; 0: as many as `arena` allows
    uint64_t arena; // bytes of activations that may be taken
};

struct daub_decode_params {
    uint32_t batch, h, w; // latent
    struct daub_bands bands;
    bool profile;
    const float *latents;               // as they leave the sampler, fp32 [batch, C, h, w]
    const struct daub_picture *picture; // on the device, filled too; batch is 1 then. buf NULL, or NULL: none
};

// Latents to pixels: rgb8 [batch, H, W, 4] bytes (A = 255), and, if `image` is not NULL, fp32 [batch, 3, H, W] in about -1..1. Models
// without a VAE: the latents are the picture, and bands mean nothing. *arena: bytes of activations.
daub_status daub_decode(struct daub_engine *engine, const struct daub_decode_params *params, uint8_t *rgb8,
                        float *image, uint64_t *arena);
// In bands, the need is that of the smallest ones where no other fits.
daub_status daub_decoder_estimate(const struct daub_engine *engine, const struct daub_decode_params *params,
                                  struct daub_need *need);
// decoder_bands.c and decoder_cut.c: the same two where params->bands.on, with a VAE.
daub_status daub_bands_decode(struct daub_engine *engine, const struct daub_decode_params *params, uint8_t *rgb8,
                              float *image, uint64_t *arena);
daub_status daub_bands_estimate(const struct daub_engine *engine, const struct daub_decode_params *params,
                                struct daub_need *need);
// The graph of the whole decoder.
daub_status daub_decoder_net(const struct daub_engine *engine, uint32_t batch, uint32_t h, uint32_t w,
                             struct daub_net **out);
// Pixels `first` to `first + n` of a finished decoder's tensors (rgb8: as bytes, image: as it left the decoder) into the picture, the
// first of them at pixel `at`. Nothing to do without a picture.
daub_status daub_picture_put(const struct daub_engine *engine, const struct daub_decode_params *params,
                             const struct daub_exec *exec, const struct daub_tensor *rgb8,
                             const struct daub_tensor *image, uint32_t first, uint32_t n, uint32_t at);
struct daub_exec *daub_decoder_exec(const struct daub_engine *engine); // NULL before a run, and after one in bands
void daub_decoder_destroy(struct daub_engine *engine);
// A decoder beside the denoiser, with activations of its own, for previews. Destroy it before the engine enters another phase.
struct daub_decoder;
daub_status daub_side_decoder_create(struct daub_engine *engine, uint32_t batch, uint32_t h, uint32_t w,
                                     struct daub_decoder **out);
daub_status daub_side_decode(const struct daub_decoder *decoder, const float *latents, uint8_t *rgb8);
void daub_side_decoder_destroy(struct daub_engine *engine, struct daub_decoder **decoder);

// ---- what fp16 cannot hold -------------------------------------------------------------------------------------------

// repair.c: as daub_denoise and daub_decode, but where an infinity or a NaN came out in fp16 the layer that made it goes into result,
// and the network runs again in fp32. engine->dtype is fp32 then until daub_repair_end. Errors: as theirs, NO_GPU_MEMORY when fp32 does
// not fit, UNSUPPORTED when the picture was resumed from a state in fp16.
daub_status daub_denoise_repaired(struct daub_engine *engine, const struct daub_denoise_params *params,
                                  daub_result *result);
daub_status daub_decode_repaired(struct daub_engine *engine, const struct daub_decode_params *params, uint8_t *rgb8,
                                 float *image, uint64_t *arena, daub_result *result);
// Gives fp32 weights and executors back, if there are any.
void daub_repair_end(struct daub_engine *engine);

// Pixels a latent covers: 8 for SD, 1 without a VAE.
uint32_t daub_latent_scale(const struct daub_model_desc *desc);

#endif

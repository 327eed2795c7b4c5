// pipeline.h - one picture from a request: prompt -> tokens -> embeddings -> denoising -> pixels.
#ifndef DAUB_PIPELINE_PIPELINE_H
#define DAUB_PIPELINE_PIPELINE_H
#include "models/prompt.h"
#include "runtime/base/rng.h"
#include "runtime/pipeline/state.h"
#include "runtime/vk/pace.h"

// A text of a request's prompts: windows of the text encoder, then the last one's last vector again, then empty windows, so that it has
// as many as the longest of its prompt.
struct daub_prompt_text {
    struct daub_prompt_chunks chunks; // the empty ones too
    uint32_t n_own;                   // of them
    // Of the schedule that it belongs to: texts from this one on, and entries with this text.
    uint32_t n_following, n_entries;
};

// The texts that a request's prompts come to, of n_chunks windows each, the negative prompt's of n_negative_chunks.
struct daub_prompts {
    uint32_t n_texts, n_negative; // the negative prompt's texts come first; n_texts 0: embeddings, or no text
    uint32_t n_chunks, n_negative_chunks;
    struct daub_prompt_text *texts;
    daub_prompt_padding padding; // that changed something, or OFF
    uint32_t n_tokens;           // of the prompt's longest text
    uint32_t n_cut;              // of the prompt, where emphasis is off
    uint32_t n_negative_cut;
    const char *cut; // where the prompt is; NULL: nowhere
};

// A request with every default resolved and every string owned; made by daub_request_create.
struct daub_request {
    const struct daub_host *host;
    struct daub_arena *arena;
    char *prompt, *negative; // NULL for models without text
    uint32_t width, height, n_steps, batch;
    float guidance_scale, guidance_rescale;
    double guidance_start, guidance_end; // fractions of the steps
    uint32_t guided_first, guided_end;   // the program's calls for that: see daub_denoise_params
    bool guided;                         // the network also runs without the prompt
    daub_emphasis emphasis;
    struct daub_prompts prompts;
    struct daub_prompt_schedules schedules; // of their texts; of_step NULL without them
    uint32_t layers, negative_layers;       // of the text encoder that run: clip skip
    uint32_t clip_skip;
    uint64_t seed;
    daub_rng_source rng;
    struct daub_sampler_config sampler;
    char sampler_name[32], schedule_name[32];
    struct daub_program program;

    // What the picture begins with, given.c.
    uint8_t *init;   // RGB [height, width, 3]; NULL: noise alone
    uint8_t *mask;   // [height, width], 0 keeps and 255 paints; NULL: all is painted
    double strength; // 0 without init
    struct daub_program_start start;
    bool conditioned; // the U-Net reads mask and masked picture beside the latents
    bool paste;       // what the mask keeps has the init picture's bytes

    // precomputed embeddings, [tokens, cross_attention_dim] each; NULL: from the prompts
    float *embeds, *negative_embeds;
    uint32_t embed_tokens, negative_embed_tokens;

    struct daub_picture picture; // where the result goes on the device too; buf NULL: nowhere, or not yet
    uint64_t picture_size;       // bytes of it

    bool text_only;          // made by daub_request_create_text
    bool small;              // weights and activations of one phase at a time
    bool streams;            // small, and the weights of the U-Net's step take turns
    uint64_t stream;         // bytes that they may take, once daub_request_check_memory knows; 0: as few as will do
    struct daub_bands bands; // of the VAE: as asked for, or as daub_request_check_memory finds that memory wants them
    bool whole;              // the VAE never decodes in bands
    uint64_t activations;    // bytes of the widest phase's, once daub_request_check_memory knows; 0 before
    bool profile, nofuse;
    bool driven; // by daub_job_advance

    uint32_t keep_state_every; // steps; 0: never
    void *resume;              // a state that was checked, or NULL
    size_t resume_size;
    uint32_t first_call, first_step; // resume's

    float *latents;            // [batch, C, h, w] instead of the first draw; NULL: the generator's
    bool keep_floats;          // the float picture is wanted
    struct daub_host host_log; // for messages about this picture: the host with its log
    daub_preview_kind preview;
    uint32_t preview_every; // steps; 0: no previews
};

// Checks params against the model and resolves them. Errors: INVALID_ARG with the thing, the value and the limit; IO, BAD_FILE
// (prompt_embeds_path); NO_HOST_MEMORY.
daub_status daub_request_create(const struct daub_engine *engine, const daub_generate_params *params,
                                struct daub_request **out);
// The same for the prompts alone: what else a picture of this model would need may be missing.
daub_status daub_request_create_text(const struct daub_engine *engine, const daub_generate_params *params,
                                     struct daub_request **out);
// With embeddings that come when the run begins: embeds and negative_embeds (where guidance is on) are room for them.
daub_status daub_request_create_for(const struct daub_engine *engine, const daub_generate_params *params,
                                    uint32_t embed_tokens, uint32_t negative_embed_tokens, struct daub_request **out);
void daub_request_destroy(struct daub_request **request);
// Replaces the sampler's configuration and records its program again (the reference's own configurations).
daub_status daub_request_set_sampler(struct daub_request *request, const struct daub_sampler_config *config);

// Takes the prompts, which were copied, into a request whose program is recorded. Errors: INVALID_ARG, BAD_FILE (a tokenizer with more
// words than the text encoder).
daub_status daub_request_take_prompts(const struct daub_engine *engine, const daub_generate_params *params,
                                      struct daub_request *request);
float daub_request_scale(const struct daub_request *request); // of guidance, with the weight of a prompt in one part
// What calls first .. end - 1 of the program take, in rows of the network's batch that they run: a call with guidance has more of them.
double daub_request_work(const struct daub_request *request, uint32_t first, uint32_t end);
uint32_t daub_prompts_to_encode(const struct daub_request *request); // windows
// Tokens that the network reads of the prompt and of the negative prompt, which has none without guidance.
uint32_t daub_request_tokens(const struct daub_engine *engine, const struct daub_request *request);
uint32_t daub_request_negative_tokens(const struct daub_engine *engine, const struct daub_request *request);

// Takes params' init, mask and strength into a request whose size and steps are known. Errors: INVALID_ARG, UNSUPPORTED.
daub_status daub_request_take_pictures(const struct daub_engine *engine, const daub_generate_params *params,
                                       struct daub_request *request);
// Whether the init picture's latent is read, as it is or under noise.
bool daub_request_encodes_init(const struct daub_request *request);
// The init picture as fp32 [3, H, W] in -1..1; `without_masked`: 0 where it is to be painted.
void daub_given_image(const struct daub_request *request, bool without_masked, float *out);
// The mask as fp32 [H / scale, W / scale], 0 or 1: at 128 and above it paints; a latent takes its upper left pixel's, as the reference.
void daub_given_mask(const struct daub_request *request, uint32_t scale, float *out);
// Into pixels [batch, H, W, 4] and image fp32 [batch, 3, H, W], NULL where there are none: the init picture as far as the mask keeps it.
void daub_paste(const struct daub_request *request, uint8_t *rgb8, float *image);
// The same for the request's picture on the device.
daub_status daub_picture_paste(const struct daub_engine *engine, const struct daub_request *request);

struct daub_run_hooks {
    bool (*on_progress)(void *user, const daub_progress *progress); // false cancels
    daub_call_fn on_call;                                           // after each model call; may read vectors
    // Draw j of the noise, fp32 [batch, C, h, w], instead of the generator's; NULL: from the seed. Draws are counted as the reference
    // makes them: encoding the init picture, the start noise, encoding the masked picture (both encodings are of one
    // picture, [1, C, h, w]), then the sampler's.
    const float *(*noise)(void *user, uint32_t draw);
    float *image;       // NULL, or room for fp32 [batch, 3, H, W] in -1..1
    float *latents;     // NULL, or room for fp32 [batch, C, h, w] as the sampler left them
    float *text_states; // NULL, or room for [tokens, width] of the negative prompt (with guidance) and of the prompt
    void (*on_preview)(void *user, const daub_preview *preview); // where request->preview_every says so
    bool (*on_step)(void *user, daub_step *step);                // after each step; false cancels
    void *user;
    struct daub_state_keep *keep; // NULL, or takes the newest state; its `every` is the request's
};

// The state that params name into a request that is complete otherwise. Errors: INVALID_ARG.
daub_status daub_request_take_state(const struct daub_engine *engine, const daub_generate_params *params,
                                    struct daub_request *request);

// between.c: what a host may see and do between two model calls.
struct daub_between;
struct daub_step { // the public daub_step
    struct daub_between *between;
    daub_step_info info;
    uint32_t call;
};
// *out stays NULL where the hooks and the request want nothing of it. Its parts are on the host but for a VAE's previews.
daub_status daub_between_create(struct daub_engine *engine, const struct daub_request *request,
                                const struct daub_run_hooks *hooks, struct daub_between **out);
void daub_between_destroy(struct daub_between **between);
daub_status daub_between_start(struct daub_between *between);                // before the first call
daub_status daub_between_calls(struct daub_between *between, uint32_t call); // after each one
daub_status daub_between_read(const struct daub_step *step, float *out);
daub_status daub_between_write(const struct daub_step *step, const float *latents);
// Latents [channels, n] to pixels [n, 3] by a map that is known.
void daub_linear_pixels(const struct daub_linear_preview *map, const float *latents, uint32_t channels, size_t n,
                        uint8_t *rgb8);

// Runs a request at the thread's pace, or one of its own; `rgb8` gets [batch, H, W, 4] bytes, and may be NULL where there is a picture on the
// device. `result` is filled as far as the run came. Not thread safe: one at a time an engine.
daub_status daub_run(struct daub_engine *engine, const struct daub_request *request, const struct daub_run_hooks *hooks,
                     uint8_t *rgb8, daub_result *result);

// Latents [C, h, w] of the request's size, as a sampler leaves them, through the VAE at a pace of its own: rgb8 gets [H, W, 4] bytes.
// What fp16 cannot hold is repeated in fp32. Not thread safe: one at a time an engine.
daub_status daub_decode_given(struct daub_engine *engine, const struct daub_request *request, const float *latents,
                              uint8_t *rgb8);

// Device memory of each phase and at the peak, by planning every network; nothing is allocated on the device. What other
// models and programs use is not in it, what this model holds already is.
daub_status daub_request_estimate(const struct daub_engine *engine, const struct daub_request *request,
                                  daub_memory_estimate *out);
// Refuses now what would not fit: NO_GPU_MEMORY with the estimate's numbers.
daub_status daub_request_check_memory(const struct daub_engine *engine, struct daub_request *request);

// The request's prompts through the text encoder: [tokens, hidden_size] of each text, the negative one's first, which stay as they are
// without guidance. `result` gets what was used of the prompt.
daub_status daub_encode_prompts(struct daub_engine *engine, const struct daub_request *r, daub_result *result,
                                float *out);
// Windows of the texts before text i, in that memory.
size_t daub_windows_before(const struct daub_prompts *prompts, uint32_t i);
// embeds.c: the embeddings of the request's prompts, which is guided, into a file. Errors: IO, UNSUPPORTED (no text encoder).
daub_status daub_write_embeds(struct daub_engine *engine, const struct daub_request *request, const char *path);
// The same into memory of the host's allocator, tokens[0] rows of text.hidden_size and tokens[1] of the negative prompt's, which may be
// NULL.
daub_status daub_encode_embeds(struct daub_engine *engine, const struct daub_request *request, float **prompt,
                               float **negative, uint32_t tokens[2]);

#endif

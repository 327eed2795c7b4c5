// daub.h - text-to-image with latent diffusion models on any Vulkan 1.1 GPU.
//
//     daub_device *dev;
//     daub_model  *model;
//     daub_image   image = { 0 };
//
//     daub_device_create(NULL, &dev);
//     daub_model_load(dev, "sd15.safetensors", NULL, &model);
//     daub_generate(model, daub_generate_params(.prompt = "a red fox in snow"), &image);
//     daub_image_free(&image);
//     daub_model_destroy(&model);
//     daub_device_destroy(&dev);
//
// It includes daub_base.h (status, log, files), daub_model.h (devices, models) and daub_sampling.h; what makes pictures is here. Rules that
// hold for all of them:
//
// - A call returns DAUB_OK or a negative daub_status, and on failure leaves its out-parameters untouched.
//   daub_last_error() has the sentence for a person.
// - "create", "load" and "take" hand you something to destroy; "get" lends.
// - A destroy function takes the address of your pointer, sets it to NULL, and does nothing when it is NULL
//   already. Destroying a parent (device, model) that still has children (models, jobs) is refused: the call
//   returns DAUB_ERROR_INVALID_ARG and the pointer stays valid.
// - A params struct need live only until the call returns; so must its strings. NULL params mean all defaults.
// - Zero is "default" in every field of every params struct. Set struct_size, or use the macro of the same name.
//   Fields are only ever appended: a smaller struct (an older header) is read as if padded with zeros; a larger
//   one is accepted only if what this library does not know is zero.
// - Files and prompts are checked as hostile input: docs/limits.md has how large they may be.
// - A struct that a call fills has struct_size too, which you set before the call: the library writes no more bytes
//   than that, and none that it does not know. Structs it hands to your callbacks have the size that it knows.
//   daub_allocator, daub_source, daub_files, daub_image, daub_floats, daub_state and daub_phase_memory have none:
//   they never change.
// - Callbacks of a job run on the job's thread, those of a load on the caller's. They must not destroy the object that
//   calls them, nor wait for a job of the same model.
// - Objects may move between threads; one object serves one thread at a time unless its comment says otherwise.
// - The library never aborts, exits, prints or throws, keeps no global state that an object could notice, and
//   opens no network connection.
#ifndef DAUB_H
#define DAUB_H
#include "daub_base.h"
#include "daub_model.h"
#include "daub_sampling.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- generating ------------------------------------------------------------------------------------------------

// Which generator noise is drawn with: the same seed gives the pictures of PyTorch on that device.
typedef enum daub_rng_source {
    DAUB_RNG_DEFAULT = 0, // torch-cpu
    DAUB_RNG_TORCH_CPU = 1,
    DAUB_RNG_CUDA = 2, // Philox, as torch draws on an NVIDIA GPU
} daub_rng_source;

// How prompts are read.
typedef enum daub_emphasis {
    DAUB_EMPHASIS_DEFAULT = 0, // webui
    // As stable-diffusion-webui (A1111; editing as before its version 1.6). (word) weighs 1.1, (word:1.3) 1.3, [word] 1/1.1; brackets nest,
    // and a backslash before one makes it a letter. Weights multiply the text encoder's result, whose mean is restored ("Original"). A
    // prompt of any length is cut into chunks of the model's window (75 tokens for Stable Diffusion), behind a comma where one is among
    // the last 20; BREAK ends a chunk. At most 48 chunks. Where the prompts have other numbers of them: daub_prompt_padding.
    // [a:b:0.5] is a, and after that part of the steps (after that step, from 1 on) b; [a|b] takes turns step by step; both in at most 64
    // texts. "a :1.2 AND b :0.5" in the prompt guides to both, by these weights, each with a row of its own in the network's batch (at
    // most 8). Steps are those of the sampler that run; the first is step 0 here, as there, and a text holds to the end of its step.
    // What is no such grammar is text.
    DAUB_EMPHASIS_WEBUI = 1,
    DAUB_EMPHASIS_OFF = 2, // every character is text, as diffusers reads them: what exceeds the model's window is cut
} daub_emphasis;

// What the shorter of the prompt and the negative prompt gets where they are of other numbers of chunks. It changes the picture.
typedef enum daub_prompt_padding {
    DAUB_PADDING_DEFAULT = 0, // off
    DAUB_PADDING_OFF = 1,     // nothing: the network reads each prompt with the chunks that it has, as A1111 by default
    DAUB_PADDING_EMPTY = 2,   // empty chunks: A1111's option pad_cond_uncond, "Pad conds"
    // The last vector of its embeddings again and again; and of a longer negative prompt only the beginning is read: what A1111 did
    // before its version 1.6 for DDIM and PLMS, and does with pad_cond_uncond_v0, "Pad conds v0".
    DAUB_PADDING_LAST = 3,
} daub_prompt_padding;

// What stays on the device between the phases of a picture.
typedef enum daub_memory_mode {
    DAUB_MEMORY_MODE_DEFAULT = 0, // resident
    // Packed weights stay on the device: the next picture starts at once. On a CPU device the text encoder leaves when the embeddings are
    // there, and is packed again for the next prompt.
    DAUB_MEMORY_MODE_RESIDENT = 1,
    // One network at a time: text encoder, U-Net and VAE are packed when their phase begins and released when the next one
    // does. Same pictures.
    DAUB_MEMORY_MODE_SMALL = 2,
    // As small, and of the U-Net's weights only some stay on the device; the others are packed again for every step, from the model's
    // file or the weight cache, each part while the part before it runs. What stays is what daub_device_params.max_memory has room
    // for, or half of the weights where it is 0. Same pictures. Stable Diffusion 1.5 at 512x512 draws in 0.91 GB so, in 0.55 GB
    // without bands (vae_rows), and in 0.25 GB at the least; a step takes longer by what packing (about 0.5 s a GB on two cores)
    // outlasts the work on the device.
    DAUB_MEMORY_MODE_STREAM = 3,
} daub_memory_mode;

// What a job is doing.
typedef enum daub_phase {
    DAUB_PHASE_PREPARE = 0, // graphs planned, kernels compiled
    DAUB_PHASE_TEXT = 1,
    DAUB_PHASE_ENCODE = 2, // the init picture through the VAE
    DAUB_PHASE_DENOISE = 3,
    DAUB_PHASE_DECODE = 4,
    DAUB_PHASE_DONE = 5,
} daub_phase;

// How far a job is.
typedef struct daub_progress {
    uint32_t struct_size;
    daub_phase phase;
    uint32_t step, n_steps; // denoising steps finished, in all; fewer than asked for where strength leaves some out
    double seconds;         // since the job began
    double seconds_left;    // estimate; negative while unknown
} daub_progress;

// Pixels. `pixels` has width * height * channels bytes, rows top down, no padding, sRGB. channels is 1 (grey), 2 (grey and alpha),
// 3 (RGB) or 4 (RGBA); pictures that daub draws have 3.
typedef struct daub_image {
    uint32_t width, height, channels;
    uint8_t *pixels;
    daub_allocator allocator; // what frees pixels; not looked at where a picture is only read
} daub_image;

DAUB_API void daub_image_free(daub_image *image); // sets all to zero; NULL and zeroed images are fine

// Reads a picture from a file, or from wherever else one lies: PNG, JPEG, BMP, TGA, PGM or PPM, with as many channels as
// it has, 16 bits a channel as their upper 8. At most 1 GB of file, 16384 pixels a side and 2^28 in all. The caller frees
// it, and its memory is of malloc. Errors: IO, BAD_FILE (what it is not, or where it is damaged), NO_HOST_MEMORY.
DAUB_API daub_status daub_image_read(const char *path, daub_image *out);
DAUB_API daub_status daub_image_read_source(const daub_source *source, daub_image *out);

// Values of the shape dims[0..n_dims-1], the last dimension innermost.
typedef struct daub_floats {
    uint32_t n_dims, dims[4];
    float *values;
    daub_allocator allocator; // what frees values
} daub_floats;

DAUB_API void daub_floats_free(daub_floats *floats); // sets all to zero; NULL and zeroed ones are fine

// How previews are made.
typedef enum daub_preview_kind {
    DAUB_PREVIEW_DEFAULT = 0, // linear
    // A pixel a latent, by a linear map from its channels: some microseconds. Known for Stable Diffusion's VAEs, for
    // the default model's, for models without a VAE, and where daub.json has "latent_rgb" (see
    // daub_model_info.linear_preview).
    DAUB_PREVIEW_LINEAR = 1,
    // Decoded: full size, at the price of the decoding, with the VAE's weights and activations beside the U-Net's while
    // it runs, which daub_estimate counts.
    DAUB_PREVIEW_VAE = 2,
} daub_preview_kind;

// What the network takes the finished picture for, after some step. Lent to the callback.
typedef struct daub_preview {
    uint32_t struct_size;
    uint32_t step, n_steps; // steps finished, in all
    uint32_t width, height; // of these pixels
    const uint8_t *pixels;  // [height, width, 3], sRGB
} daub_preview;

// A step that has ended, lent to on_step: its latents may be read and changed before the next one begins.
typedef struct daub_step daub_step;

// One picture to make. Zero is "default" in every field, so name only what you need and new fields cost you nothing.
typedef struct daub_generate_params {
    uint32_t struct_size; // sizeof(daub_generate_params); the macro below sets it

    const char *prompt;          // UTF-8, up to 1 MiB; required by models with a text encoder, refused by those without
    const char *negative_prompt; // UTF-8, up to 1 MiB; default ""
    daub_emphasis emphasis;      // how both are read; default DAUB_EMPHASIS_WEBUI
    daub_prompt_padding padding; // default DAUB_PADDING_OFF; embeddings are read as they are

    uint32_t width, height; // pixels, multiples of daub_model_info.size_multiple, up to 16384; default: the model's
    uint32_t n_steps;       // denoising steps, 1..1000; default: the model's
    float guidance_scale;   // classifier-free guidance, 1..1000; 1 = off, half the work; default: the model's
    float guidance_rescale; // 0..1, Lin et al. 2023, arXiv:2305.08891, eq. 16; default 0 = off
    // The steps that have guidance, as fractions of all n_steps from the noisy end, 0 <= start < end <= 1: step i, from 0, has it where
    // int(start * n_steps) <= i < int(end * n_steps), as in diffusers' guiders; the others run with the prompt alone, in half the time.
    // Guidance hurts at high noise and does little at low noise: Kynkäänniemi et al. 2024, arXiv:2404.07724. Steps that an init
    // picture leaves out count. Default: 0 and 1, all of them (an end of 0 is 1).
    double guidance_start, guidance_end;
    uint64_t seed; // of the noise; default 0, so a run repeats unless you vary it
    daub_rng_source rng;

    const char *sampler;  // default: the model's
    const char *schedule; // "default", "karras", "exponential", "beta", "lu"; default: the sampler's own spacing
    double eta;           // DDIM's stochasticity, 0..1; default 0. Of other samplers it changes nothing, which a warning says
    uint32_t clip_skip;   // A1111's counting: 0 and 1 = last layer, 2 = the one before it

    // Precomputed text embeddings instead of prompts: a safetensors file with "prompt_embeds" and, when guidance is on,
    // "negative_prompt_embeds", each [1, 1..4096 tokens, width of the text encoder] (daub_encode_text writes one). Each is read with as
    // many tokens as it has.
    const char *prompt_embeds_path;
    const daub_source *prompt_embeds_source; // such a file from elsewhere, read before the call returns
    // Or as they are: [n_embed_tokens, text_width] floats, and when guidance is on [n_negative_embed_tokens, text_width] negative ones.
    // Copied by the call.
    const float *prompt_embeds, *negative_prompt_embeds;
    uint32_t n_embed_tokens;          // 1..4096
    uint32_t n_negative_embed_tokens; // 1..4096; 0: as many

    // Start noise instead of the seed's first draw, unit normal, [latent_channels, h, w] floats of daub_model_info;
    // draws of later steps begin with the seed's first. Copied by the call.
    const float *latents;

    bool keep_floats; // for daub_job_take_floats

    // Messages about this picture (a prompt that was cut); NULL: they go to the device's log.
    daub_log_fn log;
    void *log_user;
    daub_log_level log_level; // 0: warnings and errors

    // A picture to begin with instead of noise alone (img2img), of this picture's width and height, which default to its own; alpha is
    // left out. The call copies it. 0 < strength <= 1 is how much of it is drawn anew: n_steps * strength steps run, cut to a whole
    // number, from as much noise as that step begins with. Default 0.8, with a mask 1. Without init it must be 0.
    const daub_image *init;
    double strength;
    // What of init is painted (inpainting), of the same size: white is, black is not. Colours count as their grey, alpha is left out.
    // A pixel whose grey is 0 keeps init's bytes exactly; between 0 and 255 both are mixed by it. The networks see a yes or no: 128 and
    // above is painted, and a latent goes by its upper left pixel. Any model paints; one that reads mask and picture (9
    // channels) was trained to, and takes no params without both.
    const daub_image *mask;

    // Called on the job's thread after every step and at each change of phase. Return false to cancel: the job then ends
    // with DAUB_ERROR_CANCELLED. It must not wait for a job of the same model.
    bool (*on_progress)(void *user, const daub_progress *progress);
    // Called with a picture of what is becoming of the latents after every preview_every-th step and the last one;
    // preview_every 0: every step. NULL: no previews.
    void (*on_preview)(void *user, const daub_preview *preview);
    uint32_t preview_every; // 0..1000
    daub_preview_kind preview;
    // Called after every step, before the next one begins, which then waits for it. Return false to cancel, see
    // on_progress. Where the network must run again in fp32 (daub_result.n_repeated_in_f32), all three begin anew with the first step.
    bool (*on_step)(void *user, daub_step *step);
    void *user; // of all of these

    daub_memory_mode memory; // of the device

    // Images, buffers and semaphores of a program that has its own Vulkan, for results and inputs: see daub_vulkan.h. NULL: none.
    const struct daub_vulkan_io *vulkan;

    // Rows of the latents (8 rows of pixels each with Stable Diffusion) that the VAE decodes at a time, 1..16384. Fewer take less
    // memory of the device, more of the host, and longer; the picture is the same to 1/255. Default: all of them, or where the
    // device's memory is too small for that, as many as it has room for. DAUB_VAE_WHOLE: all of them or NO_GPU_MEMORY.
    uint32_t vae_rows;
    // In bytes, what bands may take of the device (daub_result.vae_memory of another picture), so that they are cut as there and give the same
    // bytes. Not with vae_rows. Default: what there is.
    uint64_t vae_memory;

    // The sampler's state is kept on the host after every keep_state_every-th step (1..1000; 0: never), for daub_job_take_state. Some
    // latents' bytes and a wait for the device each time.
    uint32_t keep_state_every;
    // Goes on from a state, which the call copies, instead of from noise. The other params must be those of the job it was taken from; size,
    // precision, guidance, sampler and steps are checked, and with all of them the same the picture has the same bytes as if
    // nothing had happened, on the same kind of device.
    const void *resume_state;
    size_t resume_size;

    // The device gets nothing of this job but what daub_job_advance submits. Refused by daub_generate. Default: the job's own thread submits.
    bool host_driven;
} daub_generate_params;

#define DAUB_VAE_WHOLE UINT32_MAX

#define daub_generate_params(...) (&(daub_generate_params) { .struct_size = sizeof(daub_generate_params), __VA_ARGS__ })

// ---- styles ------------------------------------------------------------------------------------------------------

// A preset over daub_generate_params. Fields that it leaves alone are 0 or NULL. A model whose own guidance is off stays as it is.
typedef struct daub_style_info {
    uint32_t struct_size;
    const char *name;                    // "strict"
    const char *description;             // one line
    double guidance_factor;              // guidance_scale - 1 is the model's own times this
    float guidance_rescale;              // with guidance
    double guidance_start, guidance_end; // with guidance
    double steps_factor;                 // n_steps is the model's own times this, rounded
    const char *sampler, *schedule;      // NULL: the model's; the schedule only where no sampler is given
} daub_style_info;

// How many there are.
DAUB_API uint32_t daub_style_count(void);
// Static strings. Errors: INVALID_ARG when there is no such index.
DAUB_API daub_status daub_style_get_info(uint32_t index, daub_style_info *out);
// Sets what the style sets in those fields of params that are at their default, for this model; what is given stays, and what shall be 0
// against the style's will is set afterwards. model NULL: only looks whether there is such a style. Errors: INVALID_ARG (an
// unknown name, with the near ones; a model without prompts).
DAUB_API daub_status daub_style_apply(const daub_model *model, const char *style, daub_generate_params *params);

// ---- jobs ----------------------------------------------------------------------------------------------------

// What a generation really used, every default resolved, and what it cost.
typedef struct daub_result {
    uint32_t struct_size;
    uint32_t width, height, n_steps, clip_skip;
    float guidance_scale, guidance_rescale;
    double guidance_start, guidance_end; // 0 and 1: every step had guidance, or none
    uint64_t seed;
    daub_rng_source rng;
    char sampler[32];
    char schedule[32];
    daub_emphasis emphasis;
    uint32_t n_tokens,
        n_tokens_cut; // of the prompt (its longest text): used, and left out where emphasis is off and the model's window full
    uint32_t n_chunks,
        n_negative_chunks;       // windows of the text encoder that each prompt takes; 0 where embeddings were given
    daub_prompt_padding padding; // EMPTY or LAST where it changed something, else OFF
    char prompt_cut[256];        // the beginning of what was left out
    double strength;             // 0 without init
    bool masked;                 // there was a mask
    uint64_t vae_memory; // that memory left for bands of the VAE, bytes; 0: it decoded whole, or in bands of vae_rows
    uint32_t n_model_calls;
    double prepare_seconds, text_seconds, encode_seconds, denoise_seconds, decode_seconds;
    double first_step_seconds; // of denoise_seconds
    uint64_t arena_size;       // bytes of activations at the peak
    uint64_t memory_peak;      // bytes of device memory at the peak
    // Seconds from the job's beginning until the denoiser's weights were on the device, and until its first step began.
    double weights_at_seconds, first_step_at_seconds;
    // Where fp16 was not enough: the first layer whose values left its range (65504) or were no numbers, "unet mid_block.resnets.0.conv1",
    // and how many networks (the U-Net, the VAE's decoder) ran again in fp32 for that; "" and 0 where all was finite. A model whose every
    // picture needs it is faster loaded with DAUB_PRECISION_F32, where nothing can run again and such values stay in the picture.
    char nonfinite_layer[128];
    uint32_t n_repeated_in_f32;
} daub_result;

// Starts a generation and returns at once. Jobs of one model run in the order they were submitted; a host_driven one that nobody
// advances holds up those behind it.
// Errors: INVALID_ARG (a size that is no multiple, an unknown sampler, invalid UTF-8), NO_GPU_MEMORY (found out now, not
// half-way through), IO and BAD_FILE (prompt_embeds_path), UNSUPPORTED (a linear preview of an unknown VAE).
DAUB_API daub_status daub_job_submit(daub_model *model, const daub_generate_params *params, daub_job **out);

// Waits up to timeout_ns (UINT64_MAX: without limit) for the job to end. *done is false on a timeout, and the status
// DAUB_OK. Once it is true the status returned is the job's own. `done` may be NULL.
DAUB_API daub_status daub_job_wait(daub_job *job, uint64_t timeout_ns, bool *done);
// From any thread. Takes effect within a slice: nothing of the job is submitted any more, and its thread ends when what it waits for has
// finished, of which there is never more than 0.3 s on CPU devices and 0.1 s on others (of a host_driven job: what its host has
// submitted), as predicted. At once while it waits for others. Not before the end of one kernel's compilation (up to 0.7 s on lavapipe).
DAUB_API void daub_job_cancel(daub_job *job);
// As on_progress had it last. Errors: INVALID_ARG.
DAUB_API daub_status daub_job_get_progress(const daub_job *job, daub_progress *out);
// Of a job that ended well: each hands something over, once. Errors: INVALID_ARG when it has not ended well, or was
// taken.
DAUB_API daub_status daub_job_take_image(daub_job *job, daub_image *out);
// [latent_channels, h, w], as the sampler left them and before the VAE's scaling; the picture itself without a VAE.
DAUB_API daub_status daub_job_take_latents(daub_job *job, daub_floats *out);
// The picture as the VAE gave it, [3, height, width] in about -1..1, not clamped: a byte is round(127.5 v + 127.5).
// Wants keep_floats in the params.
DAUB_API daub_status daub_job_take_floats(daub_job *job, daub_floats *out);
// Errors: INVALID_ARG when it has not ended well.
DAUB_API daub_status daub_job_get_result(const daub_job *job, daub_result *out);

// A picture between two steps: opaque bytes, which another device, process or machine with this version of daub can go on from.
typedef struct daub_state {
    void *data;
    size_t size;
    uint32_t step;            // steps behind it
    daub_allocator allocator; // what frees data
} daub_state;

// The newest state of a job that has ended, well or not: after DAUB_ERROR_DEVICE_LOST a new device and model can go on from it. Hands it
// over, once. Errors: INVALID_ARG while the job runs, or when no state was kept.
DAUB_API daub_status daub_job_take_state(daub_job *job, daub_state *out);
DAUB_API void daub_state_free(daub_state *state); // sets all to zero; NULL and zeroed ones are fine

DAUB_API void daub_job_destroy(daub_job **job); // cancels and waits if it still runs

// Submit, wait, take and destroy in one call. `result` of the second may be NULL.
DAUB_API daub_status daub_generate(daub_model *model, const daub_generate_params *params, daub_image *out);
DAUB_API daub_status daub_generate_with_result(daub_model *model, const daub_generate_params *params, daub_image *out,
                                               daub_result *result);

// ---- between steps ---------------------------------------------------------------------------------------------

// Where a picture is after a step.
typedef struct daub_step_info {
    uint32_t struct_size;
    uint32_t step, n_steps;           // steps finished, in all
    double timestep;                  // what the network was told in the step's last call, 0..1000
    uint32_t channels, height, width; // of the latents
    // Latents hold x0 + noise_level * noise (samplers of k-diffusion's kind), or where scaled is true the same divided
    // by sqrt(1 + noise_level^2).
    double noise_level;
    bool scaled;
} daub_step_info;

// These three only within on_step, on its thread. Of a host_driven job, reading and writing go on when the host advances it: a hook that
// keeps the thread that does from doing so waits for ever. Errors: INVALID_ARG.
DAUB_API daub_status daub_step_get_info(const daub_step *step, daub_step_info *out);
// The latents that the next step begins with, or after the last step the result's: [channels, height, width] floats
// into `out`. Errors: DEVICE_LOST, NO_HOST_MEMORY.
DAUB_API daub_status daub_step_read(daub_step *step, float *out);
// Replaces them. What a multistep sampler remembers of earlier steps stays as it was. Writing what was read changes no
// byte of the picture. Errors: INVALID_ARG (a value that is not finite), DEVICE_LOST, NO_HOST_MEMORY.
DAUB_API daub_status daub_step_write(daub_step *step, const float *latents);
// ---- inside a frame ------------------------------------------------------------------------------------------------
//
// A renderer that shares the device with daub decides when daub's work goes out, and how much of it:
//
//     daub_job_submit(model, daub_generate_params(.prompt = "a red fox", .host_driven = true), &job);
//     every frame:
//         draw and submit the frame;
//         daub_job_advance(job, 4000, &advance);       // 4 ms of the GPU's time at most
//         if (advance.done) daub_job_take_image(job, &image);
//
// All of a host_driven job's work for the device, uploads of weights included, is submitted inside daub_job_advance, on its caller's
// thread. What the host's processor has to do (planning graphs, making pipelines, packing weights, recording) is done by a thread of
// the job that submits nothing, and does not hold up the caller: daub_job_advance says `idle` meanwhile. That takes longest before
// the first picture of a size; submit a job of the same size during a loading screen and advance it with a large budget, and
// later ones begin at once. CPU drivers also compile each kernel when it first runs, inside the slice it is in.
//
// Predictions are by flops and bytes at first, at rates that slow devices reach, and by what slices were measured to take, as they are.
// Dispatches are cut so that one takes about 1 ms (2 ms on CPU devices) at the rates known when the job began; a picture has
// the same bytes whatever the budgets were.

// What a call of daub_job_advance did, and how things stand after it.
typedef struct daub_advance {
    uint32_t struct_size;
    bool done; // the job has ended: daub_job_wait has its status, daub_job_take_image the picture
    bool busy; // there is more to submit, and no room: earlier slices have not finished, or the budget is used
    bool idle; // there was nothing (more) to submit: the job works on the host, or waits for its turn or the device
    double submitted_us; // predicted time of what this call submitted
    double in_flight_us; // predicted time of all that had not finished when the call returned, this slice included
    double finished_us;  // measured time of the newest slice that finished since the last call; 0: none
    double finished_predicted_us; // what was predicted of the same one
} daub_advance;

#define daub_advance(...) (&(daub_advance) { .struct_size = sizeof(daub_advance), __VA_ARGS__ })

// Submits the next slice of a host_driven job: as much as keeps all of it that is in flight within budget_us microseconds of the
// device's time in 99 of 100 slices. A dispatch longer than that goes out alone when nothing else is in flight. Does not wait for the
// device; may wait 0.2 ms for the job's thread. UINT64_MAX: all there is. 0 only looks. From one thread at a time, any. `out` may be
// NULL; it needs its struct_size. Returns DAUB_OK while the job runs, then its status. Errors: INVALID_ARG (not host_driven),
// DEVICE_LOST.
DAUB_API daub_status daub_job_advance(daub_job *job, uint64_t budget_us, daub_advance *out);

// ---- memory ----------------------------------------------------------------------------------------------------

// Bytes of device memory in one phase of a picture.
typedef struct daub_phase_memory {
    uint64_t weights; // packed, of every network that the device holds during this phase; with the slots of mode stream
    uint64_t activations; // of the network that runs in it
    uint64_t arena; // held for activations: this phase's in modes small and stream, the widest phase's in resident mode
    uint64_t staging; // for transfers, where the host cannot reach the device's memory
    uint64_t total;   // weights, arena and staging
} daub_phase_memory;

// What a picture will take, by phase.
typedef struct daub_memory_estimate {
    uint32_t struct_size;
    daub_memory_mode mode; // of the params, the default resolved
    uint32_t width, height;
    // text is zero where no prompt is encoded, encode where no picture is
    daub_phase_memory text, encode, denoise, decode;
    uint64_t peak;  // bytes of device memory at the picture's widest phase
    uint64_t host;  // bytes of host memory for noise, latents, embeddings, pixels, and bands
    uint64_t limit; // bytes of device memory that may be used now, by others on the device too
    uint32_t bands; // that layers of the VAE decode in, at the most; 0: it decodes whole
    bool fits;      // now: daub_job_submit would not refuse it with NO_GPU_MEMORY
} daub_memory_estimate;

#define daub_memory_estimate(...) (&(daub_memory_estimate) { .struct_size = sizeof(daub_memory_estimate), __VA_ARGS__ })

// What a picture of these params will take, before anything is allocated for it: the networks are planned, no weight is
// read, no prompt is needed. What the model holds from earlier pictures counts, what others hold does not. `out` needs its
// struct_size. Errors: as daub_job_submit, save for NO_GPU_MEMORY.
DAUB_API daub_status daub_estimate(daub_model *model, const daub_generate_params *params, daub_memory_estimate *out);

// Writes the text embeddings of params' prompt, negative_prompt, emphasis and clip_skip as a safetensors file with
// "prompt_embeds" and "negative_prompt_embeds", fp32 [1, tokens, width]. The file is replaced whole or not at all.
// Errors: IO, UNSUPPORTED (a model without text), INVALID_ARG (editing, alternation or AND, which have no single one), and as
// daub_job_submit.
DAUB_API daub_status daub_encode_text(daub_model *model, const daub_generate_params *params, const char *path);
// The same as [tokens, width] floats, for prompt_embeds and negative_prompt_embeds; `negative` may be NULL.
DAUB_API daub_status daub_encode_text_floats(daub_model *model, const daub_generate_params *params, daub_floats *prompt,
                                             daub_floats *negative);

// The picture that latents stand for: [latent_channels, h, w] floats of params' width and height (of init, or the model's), as
// daub_job_take_latents hands them over and daub_step_read reads them. Through the VAE in [height, width] pixels, or where
// params' preview is DAUB_PREVIEW_LINEAR by the linear map in [h, w]. Of params these, memory, vae_rows and log count. Waits for
// its turn at the model. The pixels of a job's own latents are those of its image, where no mask kept any. The caller frees it.
// Errors: INVALID_ARG (a value that is not finite), UNSUPPORTED (a linear map of an unknown VAE), and as daub_job_submit.
DAUB_API daub_status daub_decode_latents(daub_model *model, const daub_generate_params *params, const float *latents,
                                         daub_image *out);

#ifdef __cplusplus
}
#endif
#endif

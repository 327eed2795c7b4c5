// daub_model.h - devices, models, and the limits of this build. A part of daub.h, whose rules hold.
#ifndef DAUB_MODEL_H
#define DAUB_MODEL_H
#include "daub_base.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- devices ---------------------------------------------------------------------------------------------------

typedef struct daub_device daub_device; // one GPU: queue, memory, compiled kernels. Thread safe.
typedef struct daub_model daub_model;   // weights and networks on a device; read-only once loaded. Thread safe.
typedef struct daub_job daub_job;       // one generation in flight. Thread safe.

// How a GPU is opened.
typedef struct daub_device_params {
    uint32_t struct_size;
    // Which GPU: an index as daub_device_list counts ("0"), or part of its name in any case ("radeon"). NULL: discrete
    // before integrated before virtual before CPU. The environment's DAUB_DEVICE is the default of the default.
    const char *device;
    // Bytes of device memory that this device may allocate, staging memory of the host's included; 0, or more than there is: what
    // the driver's budget leaves. Kept to the byte: a picture that needs more is refused before anything is done for it.
    uint64_t max_memory;
    const char *cache_dir;    // folder for compiled pipelines; NULL: the user's cache folder; "": no cache
    const char *debug;        // words as in the environment's DAUB_DEBUG, which is used when this is NULL
    const char *caps;         // words as in the environment's DAUB_CAPS, which is used when this is NULL
    daub_allocator allocator; // for host memory of this device and all made from it
    daub_log_fn log;
    void *log_user;
    daub_log_level log_level; // 0: warnings and errors
} daub_device_params;

#define daub_device_params(...) (&(daub_device_params) { .struct_size = sizeof(daub_device_params), __VA_ARGS__ })

// Opens a GPU. Errors: NO_DEVICE, INVALID_ARG (an unknown word in debug or caps), NO_HOST_MEMORY, NO_GPU_MEMORY.
DAUB_API daub_status daub_device_create(const daub_device_params *params, daub_device **out);
// Errors: INVALID_ARG while models made from it exist.
DAUB_API daub_status daub_device_destroy(daub_device **dev);

// VkPhysicalDeviceType's values.
typedef enum daub_device_kind {
    DAUB_DEVICE_OTHER = 0,
    DAUB_DEVICE_INTEGRATED = 1,
    DAUB_DEVICE_DISCRETE = 2,
    DAUB_DEVICE_VIRTUAL = 3,
    DAUB_DEVICE_CPU = 4,
} daub_device_kind;

// A GPU, and whether and why it would be opened.
typedef struct daub_device_info {
    uint32_t struct_size;
    uint32_t index; // for daub_device_params.device
    char name[256];
    char driver[512]; // name and version
    daub_device_kind kind;
    uint32_t api_version; // VK_MAKE_API_VERSION form
    uint64_t memory;      // bytes in the device-local heap
    uint64_t memory_free; // bytes of it free now; 0 if the driver does not say
    bool usable;          // meets the minimum
    bool chosen;          // what device = NULL opens
    char reason[256];     // why usable or not, why chosen or not
} daub_device_info;

// Lists every Vulkan device. Writes up to `capacity` entries (info may be NULL when it is 0) and the full count to *count.
// info[0].struct_size is that of every entry: sizeof(daub_device_info), their distance.
// Errors: NO_DEVICE when there is no Vulkan loader; zero devices is not an error here.
DAUB_API daub_status daub_device_list(const daub_device_params *params, daub_device_info *info, uint32_t capacity,
                                      uint32_t *count);
// The same of an open device; memory_free is that of the moment when it was opened. Errors: INVALID_ARG.
DAUB_API daub_status daub_device_get_info(const daub_device *dev, daub_device_info *out);

// ---- models ----------------------------------------------------------------------------------------------------

// Of weights and activations.
typedef enum daub_precision {
    DAUB_PRECISION_DEFAULT = 0, // f16
    DAUB_PRECISION_F16 = 1,     // weights and activations stored as fp16, every sum in fp32
    DAUB_PRECISION_F32 = 2,     // all in fp32: the reference path
} daub_precision;

// Where a model comes from, beside its path, and how it lies on the device.
typedef struct daub_model_params {
    uint32_t struct_size;
    daub_precision precision;
    // Folder in diffusers layout whose config.json files describe a single file that is too small or too odd to tell.
    // Of `files`, where that is set.
    const char *config_from;
    // A VAE in place of the model's own, decoder and encoder: a folder in diffusers layout with a vae/, or of an AutoencoderKL itself, or a
    // .safetensors file of one (LDM's names, also with first_stage_model. before them in a whole model's file; or diffusers', with a
    // config.json beside it or config_from's). Its latents are the model's: a file that does not say its scaling_factor has the model's. Of `files`,
    // where that is set. NULL: the model's own.
    const char *vae;
    const daub_source *vae_source; // or from here: a .safetensors file, read as long as `source` is
    // Folder where packed weights are kept, about as many bytes as the model's file has, so that later loads copy them instead
    // of packing; NULL or "": none. A changed model, another version of daub or a damaged file there is noticed, and written anew.
    const char *weight_cache;
    uint64_t weight_cache_limit; // bytes that all files there may have together, oldest use removed first; 0: 16 GB
    // The model is this .safetensors file; the load's path is NULL. It is read until the model is destroyed: in memory
    // weights are packed from where they lie, by callback through a buffer of 16 MiB (one tensor, where that is not
    // cut).
    const daub_source *source;
    // The load's path, and those below it, are of these. They are read until the model is destroyed. No weight_cache
    // with either, as nothing would tell that they had changed.
    const daub_files *files;
} daub_model_params;

#define daub_model_params(...) (&(daub_model_params) { .struct_size = sizeof(daub_model_params), __VA_ARGS__ })

// Loads a checkpoint: a folder in diffusers layout (with .fp16. variants and sharded indexes), or one .safetensors file in
// the original LDM layout. path NULL: the default model that comes with daub.
// Errors: IO, BAD_FILE (all missing, unused and misshapen tensors are named), UNSUPPORTED, NO_HOST_MEMORY, NO_GPU_MEMORY.
DAUB_API daub_status daub_model_load(daub_device *dev, const char *path, const daub_model_params *params,
                                     daub_model **out);
// Errors: INVALID_ARG while jobs made from it exist.
DAUB_API daub_status daub_model_destroy(daub_model **model);

// What a model is, and what it draws if it is not told otherwise.
typedef struct daub_model_info {
    uint32_t struct_size;
    char family[32];        // "sd1", "sd2", "ddpm"
    bool text;              // draws from a prompt; false: unconditional
    uint32_t width, height; // default picture size, pixels
    uint32_t size_multiple; // width and height must be multiples of it
    // Latents are [latent_channels, height / latent_scale, width / latent_scale].
    uint32_t latent_channels, latent_scale;
    uint32_t text_width; // values a token of prompt embeddings; 0 without text
    bool linear_preview; // whether DAUB_PREVIEW_LINEAR is known for its VAE
    uint32_t n_steps;    // defaults used where daub_generate_params has 0
    float guidance_scale;
    char sampler[32];
    char schedule[32];
    uint32_t
        max_tokens; // of a prompt that fits the text encoder's window; more is cut where emphasis is off, and else makes more chunks
    uint64_t n_parameters;
    uint64_t weights_size; // bytes on the device
    char path[1024];
    char vae[1024];      // path of the VAE in place of the model's own; "" where there is none
    char evidence[1024]; // what decided the family and prediction type, one sentence
} daub_model_info;

// Errors: INVALID_ARG.
DAUB_API daub_status daub_model_get_info(const daub_model *model, daub_model_info *out);

// What a file or folder is, without a GPU: fills `out` (weights_size 0) as daub_model_load would, or fails as it would.
DAUB_API daub_status daub_model_inspect(const char *path, const daub_model_params *params, daub_model_info *out);

// ---- limits ----------------------------------------------------------------------------------------------------

// What this build refuses to go beyond, whatever the device. Of a device: daub_device_info; of a picture:
// daub_estimate.
typedef struct daub_limits {
    uint32_t struct_size;
    uint32_t max_size; // pixels of a side
    uint32_t max_steps;
    float max_guidance_scale;
    uint64_t max_prompt_size;   // bytes
    uint32_t max_prompt_chunks; // each of daub_model_info.max_tokens tokens
    uint32_t max_embed_tokens;  // of precomputed embeddings
    uint64_t max_header_size;   // bytes of a .safetensors file's header
    uint32_t max_tensors;       // in such a file
    uint32_t max_tensor_name;   // bytes
    uint64_t max_json_size;     // bytes of a config file
    uint32_t max_json_nesting;
    uint64_t max_parameters_size; // bytes of the text that a picture carries
    uint64_t max_batch_size;      // bytes of the daub command's --batch-file
    uint32_t max_batch_lines;     // pictures' lines in it
} daub_limits;

// Errors: INVALID_ARG.
DAUB_API daub_status daub_get_limits(daub_limits *out);

#ifdef __cplusplus
}
#endif
#endif

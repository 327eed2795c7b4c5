"""daub.h and daub_parameters.h for ctypes. Made by make_abi.py from include/; do not edit, run that."""
from ctypes import CFUNCTYPE, POINTER, Structure, c_bool, c_char, c_char_p, c_double, c_float, c_int, c_int32
from ctypes import c_size_t, c_uint8, c_uint32, c_uint64, c_void_p

UINT32_MAX = 0xFFFFFFFF
DAUB_VERSION_MAJOR = 0
DAUB_VERSION_MINOR = 1
DAUB_VERSION_PATCH = 0
DAUB_VAE_WHOLE = UINT32_MAX
VERSION = "%d.%d.%d" % (DAUB_VERSION_MAJOR, DAUB_VERSION_MINOR, DAUB_VERSION_PATCH)
# enum daub_status
DAUB_OK = 0
DAUB_ERROR_INVALID_ARG = -1
DAUB_ERROR_NO_HOST_MEMORY = -2
DAUB_ERROR_NO_GPU_MEMORY = -3
DAUB_ERROR_NO_DEVICE = -4
DAUB_ERROR_DEVICE_LOST = -5
DAUB_ERROR_IO = -6
DAUB_ERROR_BAD_FILE = -7
DAUB_ERROR_UNSUPPORTED = -8
DAUB_ERROR_CANCELLED = -9
# enum daub_log_level
DAUB_LOG_NONE = 0
DAUB_LOG_ERROR = 1
DAUB_LOG_WARNING = 2
DAUB_LOG_INFO = 3
DAUB_LOG_DEBUG = 4
# enum daub_device_kind
DAUB_DEVICE_OTHER = 0
DAUB_DEVICE_INTEGRATED = 1
DAUB_DEVICE_DISCRETE = 2
DAUB_DEVICE_VIRTUAL = 3
DAUB_DEVICE_CPU = 4
# enum daub_precision
DAUB_PRECISION_DEFAULT = 0
DAUB_PRECISION_F16 = 1
DAUB_PRECISION_F32 = 2
# enum daub_noise_schedule
DAUB_NOISE_SCALED_LINEAR = 0
DAUB_NOISE_LINEAR = 1
DAUB_NOISE_COSINE = 2
# enum daub_rng_source
DAUB_RNG_DEFAULT = 0
DAUB_RNG_TORCH_CPU = 1
DAUB_RNG_CUDA = 2
# enum daub_emphasis
DAUB_EMPHASIS_DEFAULT = 0
DAUB_EMPHASIS_WEBUI = 1
DAUB_EMPHASIS_OFF = 2
# enum daub_prompt_padding
DAUB_PADDING_DEFAULT = 0
DAUB_PADDING_OFF = 1
DAUB_PADDING_EMPTY = 2
DAUB_PADDING_LAST = 3
# enum daub_memory_mode
DAUB_MEMORY_MODE_DEFAULT = 0
DAUB_MEMORY_MODE_RESIDENT = 1
DAUB_MEMORY_MODE_SMALL = 2
DAUB_MEMORY_MODE_STREAM = 3
# enum daub_phase
DAUB_PHASE_PREPARE = 0
DAUB_PHASE_TEXT = 1
DAUB_PHASE_ENCODE = 2
DAUB_PHASE_DENOISE = 3
DAUB_PHASE_DECODE = 4
DAUB_PHASE_DONE = 5
# enum daub_preview_kind
DAUB_PREVIEW_DEFAULT = 0
DAUB_PREVIEW_LINEAR = 1
DAUB_PREVIEW_VAE = 2

daub_log_fn = CFUNCTYPE(None, c_void_p, c_int, c_char_p)

class daub_allocator(Structure):
    _fields_ = [
        ("alloc", CFUNCTYPE(c_void_p, c_void_p, c_size_t)),
        ("free", CFUNCTYPE(None, c_void_p, c_void_p)),
        ("user", c_void_p),
    ]

class daub_source(Structure):
    _fields_ = [
        ("path", c_char_p),
        ("data", c_void_p),
        ("read", CFUNCTYPE(c_bool, c_void_p, c_uint64, c_void_p, c_size_t)),
        ("user", c_void_p),
        ("size", c_uint64),
        ("name", c_char_p),
    ]

class daub_files(Structure):
    _fields_ = [
        ("stat", CFUNCTYPE(c_bool, c_void_p, c_char_p, POINTER(c_uint64))),
        ("read", CFUNCTYPE(c_bool, c_void_p, c_char_p, c_uint64, c_void_p, c_size_t)),
        ("map", CFUNCTYPE(c_void_p, c_void_p, c_char_p)),
        ("user", c_void_p),
    ]

class daub_device_params(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("device", c_char_p),
        ("max_memory", c_uint64),
        ("cache_dir", c_char_p),
        ("debug", c_char_p),
        ("caps", c_char_p),
        ("allocator", daub_allocator),
        ("log", daub_log_fn),
        ("log_user", c_void_p),
        ("log_level", c_int),
    ]

class daub_device_info(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("index", c_uint32),
        ("name", c_char * 256),
        ("driver", c_char * 512),
        ("kind", c_int),
        ("api_version", c_uint32),
        ("memory", c_uint64),
        ("memory_free", c_uint64),
        ("usable", c_bool),
        ("chosen", c_bool),
        ("reason", c_char * 256),
    ]

class daub_model_params(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("precision", c_int),
        ("config_from", c_char_p),
        ("vae", c_char_p),
        ("vae_source", POINTER(daub_source)),
        ("weight_cache", c_char_p),
        ("weight_cache_limit", c_uint64),
        ("source", POINTER(daub_source)),
        ("files", POINTER(daub_files)),
    ]

class daub_model_info(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("family", c_char * 32),
        ("text", c_bool),
        ("width", c_uint32),
        ("height", c_uint32),
        ("size_multiple", c_uint32),
        ("latent_channels", c_uint32),
        ("latent_scale", c_uint32),
        ("text_width", c_uint32),
        ("linear_preview", c_bool),
        ("n_steps", c_uint32),
        ("guidance_scale", c_float),
        ("sampler", c_char * 32),
        ("schedule", c_char * 32),
        ("max_tokens", c_uint32),
        ("n_parameters", c_uint64),
        ("weights_size", c_uint64),
        ("path", c_char * 1024),
        ("vae", c_char * 1024),
        ("evidence", c_char * 1024),
    ]

class daub_limits(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("max_size", c_uint32),
        ("max_steps", c_uint32),
        ("max_guidance_scale", c_float),
        ("max_prompt_size", c_uint64),
        ("max_prompt_chunks", c_uint32),
        ("max_embed_tokens", c_uint32),
        ("max_header_size", c_uint64),
        ("max_tensors", c_uint32),
        ("max_tensor_name", c_uint32),
        ("max_json_size", c_uint64),
        ("max_json_nesting", c_uint32),
        ("max_parameters_size", c_uint64),
        ("max_batch_size", c_uint64),
        ("max_batch_lines", c_uint32),
    ]

class daub_sampler_info(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("name", c_char_p),
        ("label", c_char_p),
        ("aliases", c_char_p),
        ("description", c_char_p),
        ("order", c_uint32),
        ("stochastic", c_bool),
    ]

class daub_schedule_info(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("name", c_char_p),
        ("label", c_char_p),
        ("description", c_char_p),
    ]

class daub_progress(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("phase", c_int),
        ("step", c_uint32),
        ("n_steps", c_uint32),
        ("seconds", c_double),
        ("seconds_left", c_double),
    ]

class daub_image(Structure):
    _fields_ = [
        ("width", c_uint32),
        ("height", c_uint32),
        ("channels", c_uint32),
        ("pixels", POINTER(c_uint8)),
        ("allocator", daub_allocator),
    ]

class daub_floats(Structure):
    _fields_ = [
        ("n_dims", c_uint32),
        ("dims", c_uint32 * 4),
        ("values", POINTER(c_float)),
        ("allocator", daub_allocator),
    ]

class daub_preview(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("step", c_uint32),
        ("n_steps", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("pixels", POINTER(c_uint8)),
    ]

class daub_generate_params(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("prompt", c_char_p),
        ("negative_prompt", c_char_p),
        ("emphasis", c_int),
        ("padding", c_int),
        ("width", c_uint32),
        ("height", c_uint32),
        ("n_steps", c_uint32),
        ("guidance_scale", c_float),
        ("guidance_rescale", c_float),
        ("guidance_start", c_double),
        ("guidance_end", c_double),
        ("seed", c_uint64),
        ("rng", c_int),
        ("sampler", c_char_p),
        ("schedule", c_char_p),
        ("eta", c_double),
        ("clip_skip", c_uint32),
        ("prompt_embeds_path", c_char_p),
        ("prompt_embeds_source", POINTER(daub_source)),
        ("prompt_embeds", POINTER(c_float)),
        ("negative_prompt_embeds", POINTER(c_float)),
        ("n_embed_tokens", c_uint32),
        ("n_negative_embed_tokens", c_uint32),
        ("latents", POINTER(c_float)),
        ("keep_floats", c_bool),
        ("log", daub_log_fn),
        ("log_user", c_void_p),
        ("log_level", c_int),
        ("init", POINTER(daub_image)),
        ("strength", c_double),
        ("mask", POINTER(daub_image)),
        ("on_progress", CFUNCTYPE(c_bool, c_void_p, POINTER(daub_progress))),
        ("on_preview", CFUNCTYPE(None, c_void_p, POINTER(daub_preview))),
        ("preview_every", c_uint32),
        ("preview", c_int),
        ("on_step", CFUNCTYPE(c_bool, c_void_p, c_void_p)),
        ("user", c_void_p),
        ("memory", c_int),
        ("vulkan", c_void_p),
        ("vae_rows", c_uint32),
        ("vae_memory", c_uint64),
        ("keep_state_every", c_uint32),
        ("resume_state", c_void_p),
        ("resume_size", c_size_t),
        ("host_driven", c_bool),
    ]

class daub_style_info(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("name", c_char_p),
        ("description", c_char_p),
        ("guidance_factor", c_double),
        ("guidance_rescale", c_float),
        ("guidance_start", c_double),
        ("guidance_end", c_double),
        ("steps_factor", c_double),
        ("sampler", c_char_p),
        ("schedule", c_char_p),
    ]

class daub_result(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("n_steps", c_uint32),
        ("clip_skip", c_uint32),
        ("guidance_scale", c_float),
        ("guidance_rescale", c_float),
        ("guidance_start", c_double),
        ("guidance_end", c_double),
        ("seed", c_uint64),
        ("rng", c_int),
        ("sampler", c_char * 32),
        ("schedule", c_char * 32),
        ("emphasis", c_int),
        ("n_tokens", c_uint32),
        ("n_tokens_cut", c_uint32),
        ("n_chunks", c_uint32),
        ("n_negative_chunks", c_uint32),
        ("padding", c_int),
        ("prompt_cut", c_char * 256),
        ("strength", c_double),
        ("masked", c_bool),
        ("vae_memory", c_uint64),
        ("n_model_calls", c_uint32),
        ("prepare_seconds", c_double),
        ("text_seconds", c_double),
        ("encode_seconds", c_double),
        ("denoise_seconds", c_double),
        ("decode_seconds", c_double),
        ("first_step_seconds", c_double),
        ("arena_size", c_uint64),
        ("memory_peak", c_uint64),
        ("weights_at_seconds", c_double),
        ("first_step_at_seconds", c_double),
        ("nonfinite_layer", c_char * 128),
        ("n_repeated_in_f32", c_uint32),
    ]

class daub_state(Structure):
    _fields_ = [
        ("data", c_void_p),
        ("size", c_size_t),
        ("step", c_uint32),
        ("allocator", daub_allocator),
    ]

class daub_step_info(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("step", c_uint32),
        ("n_steps", c_uint32),
        ("timestep", c_double),
        ("channels", c_uint32),
        ("height", c_uint32),
        ("width", c_uint32),
        ("noise_level", c_double),
        ("scaled", c_bool),
    ]

class daub_advance(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("done", c_bool),
        ("busy", c_bool),
        ("idle", c_bool),
        ("submitted_us", c_double),
        ("in_flight_us", c_double),
        ("finished_us", c_double),
        ("finished_predicted_us", c_double),
    ]

class daub_phase_memory(Structure):
    _fields_ = [
        ("weights", c_uint64),
        ("activations", c_uint64),
        ("arena", c_uint64),
        ("staging", c_uint64),
        ("total", c_uint64),
    ]

class daub_memory_estimate(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("mode", c_int),
        ("width", c_uint32),
        ("height", c_uint32),
        ("text", daub_phase_memory),
        ("encode", daub_phase_memory),
        ("denoise", daub_phase_memory),
        ("decode", daub_phase_memory),
        ("peak", c_uint64),
        ("host", c_uint64),
        ("limit", c_uint64),
        ("bands", c_uint32),
        ("fits", c_bool),
    ]

class daub_parameters(Structure):
    _fields_ = [
        ("struct_size", c_uint32),
        ("owned", c_void_p),
        ("prompt", c_char_p),
        ("negative_prompt", c_char_p),
        ("sampler", c_char_p),
        ("schedule", c_char_p),
        ("width", c_uint32),
        ("height", c_uint32),
        ("n_steps", c_uint32),
        ("clip_skip", c_uint32),
        ("guidance_scale", c_float),
        ("guidance_rescale", c_float),
        ("guidance_start", c_double),
        ("guidance_end", c_double),
        ("seed", c_uint64),
        ("has_seed", c_bool),
        ("rng", c_int),
        ("emphasis", c_int),
        ("padding", c_int),
        ("eta", c_double),
        ("strength", c_double),
        ("precision", c_int),
        ("vae_rows", c_uint32),
        ("vae_memory", c_uint64),
        ("model", c_char_p),
        ("model_hash", c_char_p),
        ("parts_hash", c_char_p),
        ("vae", c_char_p),
        ("vae_hash", c_char_p),
        ("config", c_char_p),
        ("config_hash", c_char_p),
        ("style", c_char_p),
        ("init", c_char_p),
        ("init_hash", c_char_p),
        ("mask", c_char_p),
        ("mask_hash", c_char_p),
        ("prompt_embeds", c_char_p),
        ("prompt_embeds_hash", c_char_p),
        ("jpeg_quality", c_uint32),
        ("software", c_char_p),
        ("left_out", c_char_p),
    ]

// limits.h - how large what comes from outside may be: files, prompts, requests. Every reader takes its limits from here; docs/limits.md
// lists them for users, and tests/unit/test_limits.c tries each at, below and above.
#ifndef DAUB_BASE_LIMITS_H
#define DAUB_BASE_LIMITS_H

// What a person asks for. include/daub.h names these too.
enum {
    DAUB_MAX_SIZE = 16384,         // pixels of a picture's width and height, and rows of a band of the VAE
    DAUB_MAX_STEPS = 1000,         // denoising steps
    DAUB_MAX_GUIDANCE = 1000,      // classifier-free guidance
    DAUB_MAX_PROMPT = 1 << 20,     // bytes of UTF-8 of a prompt; a text encoder sees some 75 words of it
    DAUB_MAX_EMBED_TOKENS = 4096,  // rows of precomputed prompt embeddings
    DAUB_MAX_PROMPT_CHUNKS = 48,   // of a prompt: windows of the text encoder, 75 tokens each for CLIP
    DAUB_MAX_PROMPT_NESTING = 256, // brackets that are open at a place of it
    DAUB_MAX_PROMPT_PARTS = 8,     // that AND joins; each is a row of the network's batch
    DAUB_MAX_PROMPT_TEXTS = 64,    // different ones that editing and alternation make of it
    DAUB_MAX_EMPHASIS = 1000,      // of a weight, either way
    DAUB_MAX_PICTURE = 1 << 30,    // bytes of a picture's file; its sides are up to DAUB_MAX_SIZE
    DAUB_MAX_PIXELS = 1 << 28,     // of it: 1 GiB as RGBA, which a file of a few bytes can claim
};

// What a picture's file says about how it was made: stable-diffusion-webui's "parameters" text.
enum {
    DAUB_MAX_INFOTEXT = 4 << 20,     // bytes: two prompts and what follows them
    DAUB_MAX_INFOTEXT_FIELDS = 1024, // of its last line; webui with extensions writes some 50
};

// A file of prompts, of the command.
enum {
    DAUB_MAX_BATCH = 64 << 20,     // bytes
    DAUB_MAX_BATCH_LINES = 100000, // that are drawn
};

// JSON files. cJSON needs some 80 bytes a value, whatever it is, and recurses once a level.
enum {
    DAUB_JSON_MAX_SIZE = 64 << 20,  // bytes; CLIP's vocab.json has 1 MB
    DAUB_JSON_MAX_VALUES = 1 << 21, // numbers, texts, lists, objects ... of a file
    DAUB_JSON_MAX_STRING = 1 << 20, // bytes of a text or key as the file writes it
    DAUB_JSON_MAX_NESTING = 64,     // lists and objects in one another; configs have 3 or 4
};

// Safetensors files, and folders of them. Products of dimensions and data_offsets are checked below 2^63.
enum {
    DAUB_ST_MAX_HEADER = 100 << 20, // bytes, as the format's own limit
    DAUB_ST_MAX_TENSORS = 100000,   // and entries of __metadata__
    DAUB_ST_MAX_NAME = 1024,        // bytes of a tensor's name
    DAUB_ST_MAX_DIMS = 8,           // of which networks use up to 4
    DAUB_MAX_SHARDS = 1024,         // files of a component
};

// Tokenizers.
enum {
    DAUB_MAX_MERGES = 64 << 20,     // bytes of merges.txt; CLIP's has 0.5 MB
    DAUB_MAX_MERGE_RULES = 1 << 20, // its lines; CLIP's has 48,895
    DAUB_MAX_TOKEN_IDS = 1 << 20,   // words of a vocabulary, and ids + 1; CLIP has 49,408
    DAUB_MAX_TOKEN = 1024,          // bytes of a word that merges.txt names
    DAUB_MAX_TEXT_WINDOW =
        1 << 16, // tokens of a text encoder's input; above it model_max_length is Python's "none" (1e30)
};

// Networks, as their config.json describes them.
enum {
    DAUB_MAX_CHANNELS = 1 << 16, // of a layer, and heads, groups
    DAUB_MAX_IO_CHANNELS = 1024, // of pictures and latents
    DAUB_MAX_SAMPLE_SIZE = 4096, // latents' side that a model was trained on
    DAUB_UNET_MAX_LEVELS = 8,
    DAUB_UNET_MAX_LAYERS = 16, // a level
    DAUB_UNET_MAX_DEPTH = 64,  // transformer blocks an attention
    DAUB_VAE_MAX_LEVELS = 8,
    DAUB_VAE_MAX_LAYERS = 16, // a level
    DAUB_CLIP_MAX_LAYERS = 64,
    DAUB_CLIP_MAX_HEADS = 1024,
    DAUB_CLIP_MAX_INNER = 1 << 18, // intermediate_size
    DAUB_MAX_WEIGHTS = 8192,       // of a network; SDXL's U-Net has 1,680
    DAUB_MAX_TRAIN_STEPS = 4096,   // num_train_timesteps of a scheduler
    DAUB_MAX_DISABLED = 64,        // entries of UniPC's disable_corrector
};

// Files that daub keeps between runs; a larger one is not read, and written anew.
enum {
    DAUB_MAX_TUNING = 1 << 20,         // bytes of tuning.txt
    DAUB_MAX_HASHES = 1 << 20,         // bytes of model-hashes.txt
    DAUB_MAX_PIPELINES = 512 << 20,    // bytes of a pipeline cache
    DAUB_MAX_CACHED_WEIGHTS = 1 << 16, // of a weight cache's file
};

#endif

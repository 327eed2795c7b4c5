// family.h - what a model family tells the engine. No other file tests for a family: where two differ, the difference
// is a field here.
#ifndef DAUB_MODELS_FAMILY_H
#define DAUB_MODELS_FAMILY_H
#include "models/clip_text.h"
#include "models/unet.h"
#include "models/vae.h"
#include "runtime/io/checkpoint.h"
#include "runtime/sample/sample.h"

// From a pixel of the sampler's latents to a colour in -1..1: rows[colour] . (channels, 1).
enum { DAUB_PREVIEW_MAX_CHANNELS = 32 };
struct daub_linear_preview {
    bool known;
    float rows[3][DAUB_PREVIEW_MAX_CHANNELS + 1];
};

struct daub_model_desc {
    const struct daub_family *family;
    char evidence[1024]; // one sentence: what decided family and prediction type

    bool has_text, has_vae;
    struct daub_unet_config unet;
    struct daub_vae_config vae;
    struct daub_clip_config text;
    uint32_t text_layers; // layers that run with clip skip 1
    bool pad_with_zero;   // the tokenizer pads with id 0 ("!"), not with the end token

    // scheduler_config.json as it applies to this model; a user's other sampler keeps its noise schedule
    struct daub_sampler_config sampler;
    const struct daub_json *scheduler_json; // NULL for single files: `sampler` is the family's own

    uint32_t width, height; // default picture
    uint32_t size_multiple;
    uint32_t n_steps;
    float guidance_scale; // 1: no guidance (unconditional)
    struct daub_linear_preview preview;
};

struct daub_family {
    const char *name; // "sd1"
    // Whether the checkpoint is of this family; writes why into evidence.
    bool (*detect)(const struct daub_checkpoint *ckpt, char *evidence, size_t size);
    // Fills desc from the configs, or for a bare single file from names and shapes. `arena` owns what desc points at.
    daub_status (*configure)(struct daub_checkpoint *ckpt, struct daub_arena *arena, struct daub_model_desc *desc);
};

extern const struct daub_family *const daub_families[]; // NULL-terminated, most specific first

// Detects, configures, applies daub.json, sets the LDM layout and checks every component's tensors (all missing,
// unused, misshapen at once). Errors: BAD_FILE, UNSUPPORTED ("X looks like SDXL, which this version cannot run").
daub_status daub_model_describe(struct daub_checkpoint *ckpt, struct daub_arena *arena, struct daub_model_desc *out);

// What a user's other sampler works with on this model: the model's noise schedule and prediction type, the rest from
// the file as diffusers' from_config does, or that sampler's own.
daub_status daub_model_sampler_config(const struct daub_model_desc *desc, const struct daub_sampler_desc *sampler,
                                      struct daub_arena *arena, struct daub_sampler_config *out);

#endif

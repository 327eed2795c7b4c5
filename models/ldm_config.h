// ldm_config.h - the configs of a single file in the original LDM layout, which has none: read off its tensors' names
// and shapes.
#ifndef DAUB_MODELS_LDM_CONFIG_H
#define DAUB_MODELS_LDM_CONFIG_H
#include "models/clip_text.h"
#include "models/unet.h"
#include "models/vae.h"
#include "runtime/io/safetensors.h"

// Heads leave no trace in the weights; the family says either how many or how wide they are (the other is 0).
struct daub_ldm_heads {
    uint32_t count, width;
};

// Errors (all three): UNSUPPORTED when the file is too small or too odd to tell (--config-from FOLDER then helps).
daub_status daub_ldm_unet_config(const struct daub_safetensors *st, struct daub_ldm_heads heads,
                                 struct daub_unet_config *out);
// prefix: what the names begin with, "first_stage_model." or "".
daub_status daub_ldm_vae_config(const struct daub_safetensors *st, const char *prefix, struct daub_vae_config *out);
// open_clip: names of OpenCLIP under cond_stage_model.model, GELU, and at most 23 layers that are run.
daub_status daub_ldm_text_config(const struct daub_safetensors *st, bool open_clip, struct daub_clip_config *out);

#endif

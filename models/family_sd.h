// family_sd.h - what Stable Diffusion 1.x and 2.x share; they differ in their text encoder and in how heads are
// counted.
#ifndef DAUB_MODELS_FAMILY_SD_H
#define DAUB_MODELS_FAMILY_SD_H
#include "models/family.h"
#include "models/ldm_config.h"

// A diffusers folder of a pipeline with these parts: its text encoder's hidden_act ("" if there is none) and the
// pipeline's class.
bool daub_sd_folder(const struct daub_checkpoint *ckpt, const char **pipeline, const char **hidden_act);

struct daub_sd_traits {
    bool open_clip;
    struct daub_ldm_heads heads;
};
// Configs of all three networks from the JSON files, or from the tensors where a single file has none; scheduler,
// sizes, defaults. Leaves the prediction type of a bare single file at epsilon. Errors: BAD_FILE (a part is missing),
// UNSUPPORTED.
daub_status daub_sd_configure(struct daub_checkpoint *ckpt, struct daub_arena *arena,
                              const struct daub_sd_traits *traits, struct daub_model_desc *desc);

// A bare single file's sampler and noise schedule: the family's own.
daub_status daub_sd_sampler(struct daub_model_desc *desc, enum daub_prediction prediction);
// The file says itself that it predicts v (key "v_pred", or modelspec metadata); writes why.
bool daub_sd_says_v(const struct daub_checkpoint *ckpt, const char **why);

// Appends to desc->evidence.
void daub_evidence_add(struct daub_model_desc *desc, const char *fmt, ...) DAUB_PRINTF(2, 3);

#endif

// family_sd1.c - Stable Diffusion 1.x: CLIP ViT-L's text encoder, 8 heads on every level, epsilon prediction.
#include "models/family_sd.h"

#include <stdio.h>
#include <string.h>

static bool detect(const struct daub_checkpoint *ckpt, char *evidence, size_t size)
{
    const struct daub_safetensors *st = daub_checkpoint_single(ckpt);
    if (st) {
        static const char *const names[] = {
            "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
            "cond_stage_model.transformer.embeddings.token_embedding.weight",
        };
        const bool unet = daub_safetensors_find(st, "model.diffusion_model.input_blocks.0.0.weight") != NULL;
        for (size_t i = 0; unet && i < sizeof(names) / sizeof(names[0]); i++) {
            if (!daub_safetensors_find(st, names[i]))
                continue;
            snprintf(evidence, size, "a single file with a tensor %s", names[i]);
            return true;
        }
        return false;
    }
    const char *pipeline, *act;
    if (!daub_sd_folder(ckpt, &pipeline, &act))
        return false;
    snprintf(evidence, size, "model_index.json names %s and the text encoder's hidden_act is '%s'", pipeline,
             *act ? act : "quick_gelu");
    return true;
}

static daub_status configure(struct daub_checkpoint *ckpt, struct daub_arena *arena, struct daub_model_desc *desc)
{
    static const struct daub_sd_traits traits = { .heads = { .count = 8 } };
    TRY(daub_sd_configure(ckpt, arena, &traits, desc));
    if (desc->scheduler_json) {
        daub_evidence_add(desc, "; prediction type from %s", desc->scheduler_json->name);
        return DAUB_OK;
    }
    const char *why;
    if (!daub_sd_says_v(ckpt, &why)) {
        daub_evidence_add(desc, "; predicts epsilon as nothing in the file says otherwise");
        return DAUB_OK;
    }
    daub_evidence_add(desc, "; predicts v by %s", why);
    return daub_sd_sampler(desc, DAUB_PREDICTION_V);
}

const struct daub_family daub_family_sd1 = { .name = "sd1", .detect = detect, .configure = configure };

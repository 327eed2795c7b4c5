// family_sdxl.c - recognises SDXL, to say that it cannot be run yet rather than fail at some tensor.
#include "models/family.h"

#include <stdio.h>
#include <string.h>

static bool detect(const struct daub_checkpoint *ckpt, char *evidence, size_t size)
{
    const struct daub_safetensors *st = daub_checkpoint_single(ckpt);
    if (st) {
        static const char *const names[] = {
            "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight",
            "conditioner.embedders.1.model.token_embedding.weight",
            "conditioner.embedders.0.model.token_embedding.weight",
            "model.diffusion_model.label_emb.0.0.weight",
        };
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (daub_safetensors_find(st, names[i])) {
                snprintf(evidence, size, "it has a tensor %s", names[i]);
                return true;
            }
        }
        return false;
    }
    const char *text = NULL;
    const struct daub_json *index = daub_checkpoint_index(ckpt), *unet = daub_checkpoint_config(ckpt, DAUB_UNET);
    if (index && daub_json_text(index, "_class_name", &text) == DAUB_OK && text &&
        strncmp(text, "StableDiffusionXL", strlen("StableDiffusionXL")) == 0) {
        snprintf(evidence, size, "model_index.json names %s", text);
        return true;
    }
    text = NULL;
    if (unet && daub_json_text(unet, "addition_embed_type", &text) == DAUB_OK && text &&
        strcmp(text, "text_time") == 0) {
        snprintf(evidence, size, "the U-Net's addition_embed_type is 'text_time'");
        return true;
    }
    return false;
}

static daub_status configure(struct daub_checkpoint *ckpt, struct daub_arena *arena, struct daub_model_desc *desc)
{
    (void)arena;
    return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s looks like SDXL (%s), which this version cannot run",
                     daub_checkpoint_path(ckpt), desc->evidence);
}

const struct daub_family daub_family_sdxl = { .name = "sdxl", .detect = detect, .configure = configure };

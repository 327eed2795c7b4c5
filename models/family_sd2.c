// family_sd2.c - Stable Diffusion 2.x: OpenCLIP ViT-H's text encoder without its last layer, heads 64 wide, epsilon at
// 512 pixels and v at 768.
#include "models/family_sd.h"

#include <stdio.h>
#include <string.h>

static bool detect(const struct daub_checkpoint *ckpt, char *evidence, size_t size)
{
    static const char name[] = "cond_stage_model.model.token_embedding.weight";
    const struct daub_safetensors *st = daub_checkpoint_single(ckpt);
    if (st) {
        if (!daub_safetensors_find(st, name) ||
            !daub_safetensors_find(st, "model.diffusion_model.input_blocks.0.0.weight"))
            return false;
        snprintf(evidence, size, "a single file with a tensor %s", name);
        return true;
    }
    const char *pipeline, *act;
    if (!daub_sd_folder(ckpt, &pipeline, &act) || strcmp(act, "gelu") != 0)
        return false;
    snprintf(evidence, size, "model_index.json names %s and the text encoder's hidden_act is 'gelu'", pipeline);
    return true;
}

// Nothing in the released files' tensors tells the 512-pixel models (epsilon) from the 768-pixel ones (v).
static bool predicts_v(const struct daub_checkpoint *ckpt, const struct daub_model_desc *desc, const char **why)
{
    if (daub_sd_says_v(ckpt, why))
        return true;
    const char *path = daub_checkpoint_path(ckpt);
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    const char *metadata = daub_safetensors_metadata(daub_checkpoint_single(ckpt), "modelspec.prediction_type");
    if (metadata) {
        *why = "modelspec.prediction_type in its metadata";
        return false;
    }
    if (desc->unet.in_channels != desc->unet.out_channels) {
        *why = "its extra input channels, which only the 512-pixel models have";
        return false;
    }
    if (strstr(file, "512")) {
        *why = "'512' in its file name";
        return false;
    }
    *why = strstr(file, "768") ? "'768' in its file name" : "default, as no key, metadata or name says otherwise";
    return true;
}

static daub_status configure(struct daub_checkpoint *ckpt, struct daub_arena *arena, struct daub_model_desc *desc)
{
    static const struct daub_sd_traits traits = { .open_clip = true, .heads = { .width = 64 } };
    TRY(daub_sd_configure(ckpt, arena, &traits, desc));
    // A folder's tokenizer files say themselves what it pads with; the built-in one pads with its end token.
    desc->pad_with_zero = !daub_checkpoint_tokenizer_dir(ckpt);
    if (desc->scheduler_json) {
        daub_evidence_add(desc, "; prediction type from %s", desc->scheduler_json->name);
        return DAUB_OK;
    }
    if (!daub_checkpoint_single(ckpt)) {
        daub_evidence_add(desc, "; predicts epsilon as the folder has no scheduler file");
        return DAUB_OK;
    }
    const char *why;
    const bool v = predicts_v(ckpt, desc, &why);
    daub_evidence_add(desc, "; predicts %s by %s", v ? "v" : "epsilon", why);
    if (!v)
        return DAUB_OK;
    if (!daub_checkpoint_config(ckpt, DAUB_UNET)) {
        desc->unet.sample_size = 96;
        desc->width = desc->height = 96 * desc->size_multiple;
    }
    return daub_sd_sampler(desc, DAUB_PREDICTION_V);
}

const struct daub_family daub_family_sd2 = { .name = "sd2", .detect = detect, .configure = configure };

// family_ddpm.c - unconditional diffusion in pixels (Ho et al. 2020, arXiv:2006.11239): a UNet2DModel, no text, no VAE.
#include "models/family_sd.h"

#include <stdio.h>
#include <string.h>

static bool detect(const struct daub_checkpoint *ckpt, char *evidence, size_t size)
{
    const struct daub_json *unet = daub_checkpoint_config(ckpt, DAUB_UNET);
    const char *name = NULL;
    if (daub_checkpoint_is_single(ckpt) || daub_checkpoint_has_own(ckpt, DAUB_VAE) || !unet ||
        daub_json_text(unet, "_class_name", &name) != DAUB_OK || !name || strcmp(name, "UNet2DModel") != 0)
        return false;
    snprintf(evidence, size, "its U-Net is a UNet2DModel and it has no VAE");
    return true;
}

static daub_status configure(struct daub_checkpoint *ckpt, struct daub_arena *arena, struct daub_model_desc *desc)
{
    TRY(daub_unet_config_parse(daub_checkpoint_config(ckpt, DAUB_UNET), &desc->unet));
    if (desc->unet.in_channels != 3 || desc->unet.out_channels != 3)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: the U-Net takes %u and makes %u channels, wanted 3 and 3",
                         daub_checkpoint_path(ckpt), desc->unet.in_channels, desc->unet.out_channels);

    desc->scheduler_json = daub_checkpoint_scheduler(ckpt);
    if (desc->scheduler_json) {
        TRY(daub_sampler_config_parse(desc->scheduler_json, NULL, arena, &desc->sampler));
        daub_evidence_add(desc, "; prediction type from %s", desc->scheduler_json->name);
    } else {
        const struct daub_sampler_desc *sampler = NULL;
        TRY(daub_sampler_find("ddpm", &sampler, NULL));
        daub_sampler_config_defaults(sampler, &desc->sampler);
        daub_evidence_add(desc, "; predicts epsilon as there is no scheduler file");
    }
    // The way down halves without rounding up, so the way up fits only where every level divides.
    desc->size_multiple = 1u << (desc->unet.n_levels - 1);
    desc->width = desc->unet.sample_size;
    desc->height = desc->unet.sample_size;
    desc->n_steps = 50;
    desc->preview.known = true; // the latents are the colours
    for (uint32_t i = 0; i < 3; i++)
        desc->preview.rows[i][i] = 1.0f;
    desc->guidance_scale = 1.0f;
    return DAUB_OK;
}

const struct daub_family daub_family_ddpm = { .name = "ddpm", .detect = detect, .configure = configure };

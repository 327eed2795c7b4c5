// family_sd.c - what Stable Diffusion 1.x and 2.x share.
#include "models/family_sd.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const pipelines[] = {
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "LatentConsistencyModelPipeline",
};

void daub_evidence_add(struct daub_model_desc *desc, const char *fmt, ...)
{
    const size_t used = strlen(desc->evidence);
    va_list args;
    va_start(args, fmt);
    vsnprintf(desc->evidence + used, sizeof(desc->evidence) - used, fmt, args);
    va_end(args);
}

// A text value of a JSON file; "" when the file, the key or a text is not there.
static const char *text_at(const struct daub_json *json, const char *key)
{
    const char *text = NULL;
    if (!json || daub_json_text(json, key, &text) != DAUB_OK || !text)
        return "";
    return text;
}

bool daub_sd_folder(const struct daub_checkpoint *ckpt, const char **pipeline, const char **hidden_act)
{
    if (daub_checkpoint_is_single(ckpt))
        return false;
    *pipeline = text_at(daub_checkpoint_index(ckpt), "_class_name");
    *hidden_act = text_at(daub_checkpoint_config(ckpt, DAUB_TEXT), "hidden_act");
    for (size_t i = 0; i < sizeof(pipelines) / sizeof(pipelines[0]); i++)
        if (strcmp(*pipeline, pipelines[i]) == 0)
            return true;
    return false;
}

// The checkpoint that the VAE is of: the model, or one in place of the model's own.
static const struct daub_checkpoint *of_vae(const struct daub_checkpoint *ckpt)
{
    const struct daub_checkpoint *other = daub_checkpoint_vae(ckpt);
    return other ? other : ckpt;
}

// A VAE in place of the model's own decodes the same latents: as many channels, pixels and as large values. A file that does not say how
// large they are is taken at the model's word.
static daub_status check_other_vae(const struct daub_checkpoint *ckpt, struct daub_model_desc *desc)
{
    const struct daub_checkpoint *other = daub_checkpoint_vae(ckpt);
    struct daub_vae_config own = { 0 };
    if (!other)
        return DAUB_OK;
    const char *path = daub_checkpoint_path(other), *model = daub_checkpoint_path(ckpt);
    if (desc->vae.latent_channels != desc->unet.out_channels)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "the VAE %s has latents of %u channels, and the U-Net of %s makes %u",
                         path, desc->vae.latent_channels, model, desc->unet.out_channels);
    const struct daub_json *json = daub_checkpoint_own_config(ckpt, DAUB_VAE);
    const struct daub_safetensors *st = daub_checkpoint_single(ckpt);
    if (!daub_checkpoint_has_own(ckpt, DAUB_VAE) ||
        (json ? daub_vae_config_parse(json, &own)
              : daub_ldm_vae_config(st, daub_checkpoint_prefix(ckpt, DAUB_VAE), &own)) != DAUB_OK)
        return DAUB_OK; // there is none to compare it with
    if (own.n_levels != desc->vae.n_levels)
        return daub_fail(DAUB_ERROR_UNSUPPORTED,
                         "the VAE %s makes %u pixels a side of a latent, and the own one of %s makes %u", path,
                         1u << (desc->vae.n_levels - 1), model, 1u << (own.n_levels - 1));
    const struct daub_json *config = daub_checkpoint_config(ckpt, DAUB_VAE);
    if (!config || !daub_json_has(config, "scaling_factor"))
        desc->vae.scaling_factor = own.scaling_factor;
    if (!config || !daub_json_has(config, "shift_factor"))
        desc->vae.shift_factor = own.shift_factor;
    if (fabs(desc->vae.scaling_factor - own.scaling_factor) > 1e-5 * own.scaling_factor ||
        fabs(desc->vae.shift_factor - own.shift_factor) > 1e-5)
        return daub_fail(DAUB_ERROR_UNSUPPORTED,
                         "the VAE %s scales its latents by %g (shift %g), and the own one of %s by %g (shift %g)", path,
                         desc->vae.scaling_factor, desc->vae.shift_factor, model, own.scaling_factor, own.shift_factor);
    return DAUB_OK;
}

static daub_status networks(struct daub_checkpoint *ckpt, const struct daub_sd_traits *traits,
                            struct daub_model_desc *desc)
{
    const struct daub_safetensors *st = daub_checkpoint_single(ckpt);
    const struct daub_json *json[DAUB_COMPONENT_COUNT];
    for (int i = 0; i < DAUB_COMPONENT_COUNT; i++) {
        const enum daub_component c = (enum daub_component)i;
        if (!daub_checkpoint_has(ckpt, c))
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s holds no %s", daub_checkpoint_path(ckpt), daub_component_name(c));
        json[i] = daub_checkpoint_config(ckpt, c);
        if (!json[i] && !(c == DAUB_VAE ? daub_checkpoint_single(of_vae(ckpt)) : st))
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s has no %s/config.json", daub_checkpoint_path(ckpt),
                             daub_component_name(c));
    }
    TRY(json[DAUB_UNET] ? daub_unet_config_parse(json[DAUB_UNET], &desc->unet)
                        : daub_ldm_unet_config(st, traits->heads, &desc->unet));
    const struct daub_checkpoint *vae = of_vae(ckpt);
    TRY(json[DAUB_VAE]
            ? daub_vae_config_parse(json[DAUB_VAE], &desc->vae)
            : daub_ldm_vae_config(daub_checkpoint_single(vae), daub_checkpoint_prefix(vae, DAUB_VAE), &desc->vae));
    TRY(json[DAUB_TEXT] ? daub_clip_config_parse(json[DAUB_TEXT], &desc->text)
                        : daub_ldm_text_config(st, traits->open_clip, &desc->text));
    if (!desc->unet.conditional)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: a UNet2DModel takes no text", json[DAUB_UNET]->name);
    if (st || daub_checkpoint_single(vae)) {
        const struct daub_ldm_layout layout = {
            .unet_levels = desc->unet.n_levels,
            .unet_layers_per_block = desc->unet.layers_per_block[0],
            .vae_levels = desc->vae.n_levels,
            .vae_layers_per_block = desc->vae.layers_per_block,
            .open_clip = traits->open_clip,
            .text_hidden = desc->text.hidden_size,
        };
        daub_checkpoint_set_layout(ckpt, &layout);
    }
    return DAUB_OK;
}

static daub_status check_fit(const struct daub_checkpoint *ckpt, struct daub_model_desc *desc)
{
    TRY(check_other_vae(ckpt, desc));
    if (desc->text.hidden_size != desc->unet.cross_attention_dim)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: the text encoder is %u wide and the U-Net takes %u",
                         daub_checkpoint_path(ckpt), desc->text.hidden_size, desc->unet.cross_attention_dim);
    if (desc->vae.latent_channels != desc->unet.out_channels || desc->unet.in_channels < desc->unet.out_channels)
        return daub_fail(
            DAUB_ERROR_UNSUPPORTED, "%s: the U-Net takes %u and makes %u channels, the VAE's latents have %u",
            daub_checkpoint_path(ckpt), desc->unet.in_channels, desc->unet.out_channels, desc->vae.latent_channels);
    if (desc->vae.out_channels != 3)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: the VAE makes %u channels, wanted 3", daub_checkpoint_path(ckpt),
                         desc->vae.out_channels);
    return DAUB_OK;
}

daub_status daub_sd_sampler(struct daub_model_desc *desc, enum daub_prediction prediction)
{
    // As the scheduler files of the released models: PNDM without Runge-Kutta steps for epsilon, DDIM for v.
    const struct daub_sampler_desc *sampler = NULL;
    TRY(daub_sampler_find(prediction == DAUB_PREDICTION_V ? "ddim" : "plms", &sampler, NULL));
    struct daub_sampler_config *config = &desc->sampler;
    daub_sampler_config_defaults(sampler, config);
    config->beta_start = 0.00085;
    config->beta_end = 0.012;
    config->beta_schedule = DAUB_BETA_SCALED_LINEAR;
    config->prediction_type = prediction;
    config->timestep_spacing = DAUB_SPACING_LEADING;
    config->steps_offset = 1;
    config->skip_prk_steps = true;
    config->set_alpha_to_one = false;
    config->clip_sample = false;
    return DAUB_OK;
}

// The published VAE, by its shape: others of that family's models are finetunes of it. Fitted by least squares to pairs of its latents
// and pictures: discuss.huggingface.co/t/decoding-latents-to-rgb-without-upscaling/23204.
static void preview_of(const struct daub_vae_config *vae, struct daub_linear_preview *out)
{
    static const uint32_t widths[] = { 128, 256, 512, 512 };
    static const struct daub_linear_preview published = {
        .known = true,
        .rows = { { 0.298f, 0.187f, -0.158f, -0.184f },
                  { 0.207f, 0.286f, 0.189f, -0.271f },
                  { 0.208f, 0.173f, 0.264f, -0.473f } },
    };
    if (vae->latent_channels == 4 && vae->n_levels == 4 && vae->scaling_factor == 0.18215 &&
        memcmp(vae->block_out_channels, widths, sizeof(widths)) == 0)
        *out = published;
}

daub_status daub_sd_configure(struct daub_checkpoint *ckpt, struct daub_arena *arena,
                              const struct daub_sd_traits *traits, struct daub_model_desc *desc)
{
    TRY(networks(ckpt, traits, desc));
    TRY(check_fit(ckpt, desc));
    desc->has_text = true;
    desc->has_vae = true;
    desc->text_layers = desc->text.num_hidden_layers;
    preview_of(&desc->vae, &desc->preview);

    desc->scheduler_json = daub_checkpoint_scheduler(ckpt);
    TRY(desc->scheduler_json ? daub_sampler_config_parse(desc->scheduler_json, NULL, arena, &desc->sampler)
                             : daub_sd_sampler(desc, DAUB_PREDICTION_EPSILON));

    desc->size_multiple = 1u << (desc->vae.n_levels - 1);
    desc->width = desc->unet.sample_size * desc->size_multiple;
    desc->height = desc->width;
    desc->n_steps = 20;
    desc->guidance_scale = 7.5f;
    return DAUB_OK;
}

bool daub_sd_says_v(const struct daub_checkpoint *ckpt, const char **why)
{
    const struct daub_safetensors *st = daub_checkpoint_single(ckpt);
    const char *metadata = st ? daub_safetensors_metadata(st, "modelspec.prediction_type") : NULL;
    if (st && daub_safetensors_find(st, "v_pred"))
        *why = "a key v_pred";
    else if (metadata && metadata[0] == 'v')
        *why = "modelspec.prediction_type in its metadata";
    else
        return false;
    return true;
}

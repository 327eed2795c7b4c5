// describe.c - what a checkpoint is: its family, its configs, its defaults, and that every tensor is there.
#include "models/family.h"

#include <stdio.h>
#include <string.h>

// ---- defaults -------------------------------------------------------------------------------------------------------

daub_status daub_model_sampler_config(const struct daub_model_desc *desc, const struct daub_sampler_desc *sampler,
                                      struct daub_arena *arena, struct daub_sampler_config *out)
{
    const struct daub_sampler_config *own = &desc->sampler;
    if (sampler == own->sampler) {
        *out = *own;
        return DAUB_OK;
    }
    struct daub_sampler_config config;
    if (desc->scheduler_json) {
        TRY(daub_sampler_config_parse(desc->scheduler_json, sampler, arena, &config));
        // Who asks for PLMS by name means Liu et al.'s multistep method without the Runge-Kutta start of diffusers' class default.
        if (!daub_json_has(desc->scheduler_json, "skip_prk_steps"))
            config.skip_prk_steps = true;
        *out = config;
        return DAUB_OK;
    }
    daub_sampler_config_defaults(sampler, &config);
    config.skip_prk_steps = true;
    config.num_train_timesteps = own->num_train_timesteps;
    config.beta_start = own->beta_start;
    config.beta_end = own->beta_end;
    config.beta_schedule = own->beta_schedule;
    config.prediction_type = own->prediction_type;
    config.rescale_betas_zero_snr = own->rescale_betas_zero_snr;
    config.steps_offset = own->steps_offset;
    config.set_alpha_to_one = own->set_alpha_to_one;
    config.clip_sample = own->clip_sample;
    *out = config;
    return DAUB_OK;
}

static daub_status default_size(const struct daub_json *json, const char *key, uint32_t multiple, uint32_t *out)
{
    TRY(daub_json_u32(json, key, multiple, DAUB_MAX_SIZE, out));
    if (*out % multiple != 0)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s %u is not a multiple of %u", json->name, key, *out, multiple);
    return DAUB_OK;
}

// "latent_rgb": red, green and blue of a latent pixel, each a weight a channel and then a constant, for values in -1..1.
static daub_status latent_rgb(const struct daub_json *json, struct daub_model_desc *desc)
{
    struct daub_linear_preview *map = &desc->preview;
    const uint32_t n = 3 * (desc->unet.out_channels + 1);
    double values[3 * (DAUB_PREVIEW_MAX_CHANNELS + 1)];
    uint32_t count = 0;
    TRY(daub_json_f64_list(json, "latent_rgb", values, sizeof(values) / sizeof(values[0]), &count));
    if (count == 0)
        return DAUB_OK;
    if (count != n)
        return daub_fail(DAUB_ERROR_BAD_FILE,
                         "%s: latent_rgb has %u numbers, wanted %u: for each of 3 colours %u weights "
                         "and a constant",
                         json->name, count, n, desc->unet.out_channels);
    map->known = true;
    for (uint32_t i = 0; i < n; i++)
        map->rows[i / (n / 3)][i % (n / 3)] = (float)values[i];
    return DAUB_OK;
}

// daub.json: what the model's maker recommends.
static daub_status apply_defaults(const struct daub_json *json, struct daub_arena *arena, struct daub_model_desc *desc)
{
    TRY(daub_json_u32(json, "steps", 1, desc->sampler.num_train_timesteps, &desc->n_steps));
    TRY(daub_json_f32(json, "guidance_scale", &desc->guidance_scale));
    if (!(desc->guidance_scale >= 1.0f && desc->guidance_scale <= 100.0f))
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: guidance_scale %g is outside 1..100", json->name,
                         (double)desc->guidance_scale);
    TRY(default_size(json, "width", desc->size_multiple, &desc->width));
    TRY(default_size(json, "height", desc->size_multiple, &desc->height));

    TRY(latent_rgb(json, desc));
    const char *name = NULL, *schedule = NULL;
    TRY(daub_json_text(json, "sampler", &name));
    if (!name)
        return DAUB_OK;
    const struct daub_sampler_desc *sampler = NULL;
    TRY(daub_sampler_find(name, &sampler, &schedule));
    struct daub_sampler_config config;
    TRY(daub_model_sampler_config(desc, sampler, arena, &config));
    if (schedule)
        TRY(daub_sigma_spacing_find(schedule, &config.sigma_spacing));
    desc->sampler = config;
    return DAUB_OK;
}

// ---- tensors --------------------------------------------------------------------------------------------------------

static struct daub_tensor *input(struct daub_net *net, const char *name, enum daub_dtype dtype, uint32_t size,
                                 uint32_t channels)
{
    return daub_net_input(net, name, DAUB_STAGE_STEP, dtype, (struct daub_shape) { 1, size, size, channels });
}

// The component's network(s) at the smallest size: which weights there are does not depend on it.
static void build(struct daub_net *net, struct daub_checkpoint *ckpt, enum daub_component c,
                  const struct daub_model_desc *desc)
{
    if (c == DAUB_UNET) {
        const struct daub_unet_config *cfg = &desc->unet;
        struct daub_tensor *x = input(net, "sample", DAUB_F32, 1u << (cfg->n_levels - 1), cfg->in_channels);
        struct daub_tensor *time = daub_net_input(net, "time", DAUB_STAGE_TIME, DAUB_F32,
                                                  (struct daub_shape) { 1, 1, 1, cfg->block_out_channels[0] });
        struct daub_tensor *text = cfg->conditional ? input(net, "text", DAUB_F32, 1, cfg->cross_attention_dim) : NULL;
        daub_unet_build(net, cfg, x, time, text, NULL);
    } else if (c == DAUB_VAE) {
        const struct daub_vae_config *cfg = &desc->vae;
        struct daub_view view;
        daub_vae_decode_build(net, cfg, input(net, "latents", DAUB_F32, 1, cfg->latent_channels));
        if (daub_checkpoint_find(ckpt, c, "encoder.conv_in.weight", &view)) // some files carry the decoder only
            daub_vae_encode_build(net, cfg, input(net, "image", DAUB_F32, 1u << (cfg->n_levels - 1), cfg->in_channels));
    } else {
        struct daub_clip_outputs outputs;
        daub_clip_text_build(net, &desc->text, input(net, "ids", DAUB_U32, 1, 1), desc->text.num_hidden_layers,
                             &outputs);
    }
}

static daub_status check_weights(struct daub_checkpoint *ckpt, enum daub_component c, const struct daub_net *net)
{
    const uint32_t n = daub_net_n_weights(net);
    const struct daub_host *host = daub_checkpoint_host(ckpt);
    struct daub_wanted *wanted = daub_alloc_array(host, n, sizeof(*wanted));
    if (!wanted)
        return daub_no_memory("a list of tensors");
    for (uint32_t i = 0; i < n; i++) {
        const struct daub_tensor *w = daub_net_weight_at(net, i);
        wanted[i] = (struct daub_wanted) { .name = w->name, .n_dims = w->n_dims, .dims = w->dims };
    }
    const daub_status status = daub_checkpoint_check(ckpt, c, wanted, n);
    daub_free(host, wanted);
    return status;
}

static daub_status check_component(struct daub_checkpoint *ckpt, enum daub_component c,
                                   const struct daub_model_desc *desc)
{
    struct daub_net *net = NULL;
    TRY(daub_net_create(daub_checkpoint_host(ckpt), daub_component_name(c), DAUB_F32, &net));
    build(net, ckpt, c, desc);
    daub_status status = daub_net_finish(net);
    if (status == DAUB_OK)
        status = check_weights(ckpt, c, net);
    daub_net_destroy(&net);
    return status;
}

// ---- families -------------------------------------------------------------------------------------------------------

static daub_status unknown(const struct daub_checkpoint *ckpt)
{
    const char *path = daub_checkpoint_path(ckpt);
    if (daub_checkpoint_is_single(ckpt))
        return daub_fail(DAUB_ERROR_BAD_FILE,
                         "%s is not a whole model of a known kind: it lacks the U-Net "
                         "(model.diffusion_model.*) or the text encoder (cond_stage_model.*)",
                         path);
    const struct daub_json *index = daub_checkpoint_index(ckpt), *unet = daub_checkpoint_config(ckpt, DAUB_UNET);
    const struct daub_json *json = index ? index : unet;
    const char *name = NULL;
    if (!json || daub_json_text(json, "_class_name", &name) != DAUB_OK || !name)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s is not a whole model: no model_index.json names its class", path);
    if (!index)
        return daub_fail(DAUB_ERROR_BAD_FILE,
                         "%s is a single component, %s, not a whole model (a folder with "
                         "model_index.json)",
                         path, name);
    return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: unknown class '%s'", json->name, name);
}

daub_status daub_model_describe(struct daub_checkpoint *ckpt, struct daub_arena *arena, struct daub_model_desc *out)
{
    struct daub_model_desc desc = { 0 };
    for (uint32_t i = 0; daub_families[i] && !desc.family; i++)
        if (daub_families[i]->detect(ckpt, desc.evidence, sizeof(desc.evidence)))
            desc.family = daub_families[i];
    if (!desc.family)
        return unknown(ckpt);
    TRY(desc.family->configure(ckpt, arena, &desc));
    const struct daub_checkpoint *vae = daub_checkpoint_vae(ckpt);
    if (vae && !desc.has_vae)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s has no VAE that %s could stand for", daub_checkpoint_path(ckpt),
                         daub_checkpoint_path(vae));
    const struct daub_json *defaults = daub_checkpoint_defaults(ckpt);
    if (defaults)
        TRY(apply_defaults(defaults, arena, &desc));

    TRY(check_component(ckpt, DAUB_UNET, &desc));
    if (desc.has_vae)
        TRY(check_component(ckpt, DAUB_VAE, &desc));
    if (desc.has_text)
        TRY(check_component(ckpt, DAUB_TEXT, &desc));
    *out = desc;
    return DAUB_OK;
}

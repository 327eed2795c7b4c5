// decoder.c - latents to pixels: the VAE's decoder and the rounding to bytes as one graph; without a VAE only the rounding.
#include "runtime/pipeline/engine.h"

#include "runtime/op/op.h"

struct daub_decoder {
    struct daub_exec *exec;
    struct daub_tensor *latents, *image, *rgb8, *flags; // flags NULL without a VAE
    uint32_t batch, h, w;
    bool profile;
};

// Builds the graph; the tensors that are written and read are left in *d.
static daub_status build(const struct daub_engine *engine, enum daub_dtype dtype, struct daub_decoder *d,
                         struct daub_net **out)
{
    const struct daub_model_desc *desc = &engine->desc;
    TRY(daub_net_create(engine->host, "vae", dtype, out));
    struct daub_net *net = *out;
    const uint32_t channels = desc->has_vae ? desc->vae.latent_channels : desc->unet.out_channels;
    d->latents = daub_net_input(net, "latents", DAUB_STAGE_STEP, DAUB_F32,
                                (struct daub_shape) { d->batch, d->h, d->w, channels });
    d->image = d->latents;
    if (desc->has_vae) {
        const double scale = 1.0 / desc->vae.scaling_factor;
        struct daub_tensor *z = daub_scale(net, d->latents, (float)scale, (float)desc->vae.shift_factor, dtype);
        d->image = daub_vae_decode_build(net, &desc->vae, z);
        daub_net_output(net, "image", d->image);
        d->flags = daub_net_input(net, "flags", DAUB_STAGE_STEP, DAUB_U32, (struct daub_shape) { 1, 1, 1, 4 });
        daub_check_finite(net, d->image, d->flags, NULL);
    }
    d->rgb8 = daub_to_rgb8(net, d->image);
    daub_net_output(net, "rgb8", d->rgb8);
    return DAUB_OK;
}

static daub_status make(struct daub_engine *engine, const struct daub_decoder *wanted)
{
    struct daub_decoder *d = daub_alloc(engine->host, sizeof(*d));
    if (!d)
        return daub_no_memory("the decoder");
    *d = *wanted;
    struct daub_net *net = NULL;
    daub_status status = build(engine, engine->dtype, d, &net);
    if (status == DAUB_OK)
        status = daub_engine_exec(engine, DAUB_VAE, net, d->profile, false, &d->exec);
    if (status == DAUB_OK)
        engine->decoder = d;
    else
        daub_free(engine->host, d);
    return status;
}

daub_status daub_decoder_net(const struct daub_engine *engine, uint32_t batch, uint32_t h, uint32_t w,
                             struct daub_net **out)
{
    struct daub_decoder d = { .batch = batch, .h = h, .w = w };
    return build(engine, engine->precision, &d, out);
}

daub_status daub_decoder_estimate(const struct daub_engine *engine, const struct daub_decode_params *params,
                                  struct daub_need *need)
{
    if (params->bands.on && engine->desc.has_vae)
        return daub_bands_estimate(engine, params, need);
    struct daub_net *net = NULL;
    TRY(daub_decoder_net(engine, params->batch, params->h, params->w, &net));
    return daub_need_of(engine, DAUB_VAE, net, false, NULL, need);
}

daub_status daub_decode(struct daub_engine *engine, const struct daub_decode_params *params, uint8_t *rgb8,
                        float *image, uint64_t *arena)
{
    daub_engine_enter(engine, DAUB_VAE);
    const struct daub_decoder wanted = {
        .batch = params->batch, .h = params->h, .w = params->w, .profile = params->profile
    };
    const struct daub_decoder *old = engine->decoder;
    const bool bands = params->bands.on && engine->desc.has_vae;
    if (old && (bands || old->batch != wanted.batch || old->h != wanted.h || old->w != wanted.w ||
                old->profile != wanted.profile))
        daub_decoder_destroy(engine);
    if (bands)
        return daub_bands_decode(engine, params, rgb8, image, arena);
    if (!engine->decoder) {
        daub_status status = make(engine, &wanted);
        if (status == DAUB_ERROR_NO_GPU_MEMORY && daub_engine_trim(engine))
            status = make(engine, &wanted);
        TRY(status);
    }
    const struct daub_decoder *d = engine->decoder;
    *arena = daub_exec_arena_size(d->exec);
    TRY(daub_engine_use(engine, d->exec));
    TRY(daub_exec_write(d->exec, d->latents, true, params->latents));
    uint32_t flags[4] = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
    if (d->flags)
        TRY(daub_exec_write(d->exec, d->flags, false, flags));
    TRY(daub_exec_run(d->exec, DAUB_STAGE_STEP));
    if (d->flags)
        TRY(daub_exec_read(d->exec, d->flags, false, flags));
    engine->nonfinite = flags[0] == UINT32_MAX ? 0 : 1;
    TRY(daub_picture_put(engine, params, d->exec, d->rgb8, d->image, 0, daub_rows(d->rgb8), 0));
    if (image)
        TRY(daub_exec_read(d->exec, d->image, true, image));
    return rgb8 ? daub_exec_read(d->exec, d->rgb8, false, rgb8) : DAUB_OK;
}

daub_status daub_side_decoder_create(struct daub_engine *engine, uint32_t batch, uint32_t h, uint32_t w,
                                     struct daub_decoder **out)
{
    struct daub_decoder *d = daub_alloc(engine->host, sizeof(*d));
    if (!d)
        return daub_no_memory("the decoder of previews");
    *d = (struct daub_decoder) { .batch = batch, .h = h, .w = w };
    struct daub_net *net = NULL;
    daub_status status = build(engine, engine->dtype, d, &net);
    const struct daub_exec_params params = {
        .bind_weights = daub_weights_bind, .user = engine->weights[DAUB_VAE], .fine = engine->fine, .name = "preview"
    };
    if (status == DAUB_OK)
        status = daub_exec_create(engine->dev, net, &params, &d->exec);
    if (status == DAUB_OK)
        *out = d;
    else
        daub_free(engine->host, d);
    return status;
}

daub_status daub_side_decode(const struct daub_decoder *d, const float *latents, uint8_t *rgb8)
{
    TRY(daub_exec_write(d->exec, d->latents, true, latents));
    TRY(daub_exec_run(d->exec, DAUB_STAGE_STEP));
    return daub_exec_read(d->exec, d->rgb8, false, rgb8);
}

void daub_side_decoder_destroy(struct daub_engine *engine, struct daub_decoder **decoder)
{
    if (!*decoder)
        return;
    daub_exec_destroy(&(*decoder)->exec);
    daub_free(engine->host, *decoder);
    *decoder = NULL;
}

struct daub_exec *daub_decoder_exec(const struct daub_engine *engine)
{
    return engine->decoder ? engine->decoder->exec : NULL;
}

void daub_decoder_destroy(struct daub_engine *engine)
{
    if (!engine->decoder)
        return;
    daub_exec_destroy(&engine->decoder->exec);
    daub_free(engine->host, engine->decoder);
    engine->decoder = NULL;
}

// decode.c - daub_decode_latents.
#include "runtime/api/model.h"
#include "runtime/api/params.h"

#include <math.h>

// What of the params a decoding goes by.
static daub_generate_params decoding(const struct daub_engine *engine, const daub_generate_params *p)
{
    return (daub_generate_params) {
        .struct_size = sizeof(*p),
        .prompt = engine->desc.has_text ? "" : NULL,
        .width = p->width  ? p->width
                 : p->init ? p->init->width
                           : 0,
        .height = p->height ? p->height
                  : p->init ? p->init->height
                            : 0,
        .log = p->log,
        .log_user = p->log_user,
        .log_level = p->log_level,
        .memory = p->memory,
        .vae_rows = p->vae_rows,
    };
}

static daub_status check_values(const float *latents, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(latents[i]))
            return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_decode_latents: value %zu of latents is not finite", i);
    return DAUB_OK;
}

// Through the VAE, in turn with the model's jobs. rgb8 has room for RGBA and holds RGB afterwards.
static daub_status through_vae(daub_model *model, struct daub_request *request, const float *latents, uint8_t *rgb8)
{
    struct daub_engine *engine = daub_model_engine(model);
    TRY(daub_request_check_memory(engine, request));
    struct daub_turn turn;
    daub_model_queue(model, &turn);
    (void)daub_model_enter(model, &turn, NULL);
    const daub_status status = daub_decode_given(engine, request, latents, rgb8);
    daub_model_leave(model, &turn);
    daub_drop_alpha(rgb8, (size_t)request->width * request->height);
    return status;
}

static daub_status make(daub_model *model, struct daub_request *r, bool linear, const float *latents, daub_image *image)
{
    const struct daub_engine *engine = daub_model_engine(model);
    const struct daub_model_desc *desc = &engine->desc;
    const uint32_t scale = daub_latent_scale(desc), h = r->height / scale, w = r->width / scale;
    TRY(check_values(latents, (size_t)desc->unet.out_channels * h * w));
    image->width = linear ? w : r->width;
    image->height = linear ? h : r->height;
    image->pixels = daub_alloc_array(engine->host, (size_t)image->width * image->height, linear ? 3 : 4);
    if (!image->pixels)
        return daub_no_memory("a decoded picture");
    if (!linear)
        return through_vae(model, r, latents, image->pixels);
    daub_linear_pixels(&desc->preview, latents, desc->unet.out_channels, (size_t)h * w, image->pixels);
    return DAUB_OK;
}

daub_status daub_decode_latents(daub_model *model, const daub_generate_params *params, const float *latents,
                                daub_image *out)
{
    if (!model || !latents || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_decode_latents: model, latents or out is NULL");
    daub_generate_params p;
    TRY(daub_params_copy("daub_generate_params", params, &p, sizeof(p)));
    const struct daub_engine *engine = daub_model_engine(model);
    if ((uint32_t)p.preview > DAUB_PREVIEW_VAE)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "preview %d is none of DAUB_PREVIEW_LINEAR (1) and DAUB_PREVIEW_VAE (2)", (int)p.preview);
    const bool linear = p.preview == DAUB_PREVIEW_LINEAR;
    if (linear && !engine->desc.preview.known)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: no linear map from latents to colours is known for this VAE",
                         daub_checkpoint_path(engine->ckpt));
    const daub_generate_params wanted = decoding(engine, &p);
    struct daub_request *request = NULL;
    TRY(daub_request_create_text(engine, &wanted, &request)); // for that a model of 9 channels wants no pictures
    daub_model_retain(model);
    daub_image image = { .channels = 3, .allocator = engine->host->allocator };
    const daub_status status = make(model, request, linear, latents, &image);
    daub_request_destroy(&request);
    daub_model_release(model);
    if (status == DAUB_OK)
        *out = image;
    else
        daub_image_free(&image);
    return status;
}

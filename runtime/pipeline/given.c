// given.c - the picture and the mask that a request is given: checked, copied, and turned into what the networks read.
#include "runtime/pipeline/pipeline.h"

#include <string.h>

static const double MAX_STRENGTH = 1.0;
static const double INIT_STRENGTH = 0.8, MASK_STRENGTH = 1.0; // the reference pipelines' defaults

static daub_status check_image(const char *what, const daub_image *image)
{
    if (!image->pixels || image->width == 0 || image->height == 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the %s picture has no pixels", what);
    if (image->channels < 1 || image->channels > 4)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "the %s picture has %u channels, wanted 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA)", what,
                         image->channels);
    return DAUB_OK;
}

static daub_status check_size(const struct daub_request *r, const char *what, const daub_image *image)
{
    if (image->width != r->width || image->height != r->height)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the %s picture is %ux%u and the picture to make is %ux%u", what,
                         image->width, image->height, r->width, r->height);
    return DAUB_OK;
}

// Alpha is left out.
static daub_status copy_rgb(struct daub_request *r, const daub_image *image)
{
    const size_t n = (size_t)image->width * image->height;
    r->init = daub_arena_alloc(r->arena, daub_mul_size(n, 3));
    if (!r->init)
        return daub_no_memory("the init picture");
    const bool colour = image->channels >= 3;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = image->pixels + i * image->channels;
        for (size_t c = 0; c < 3; c++)
            r->init[3 * i + c] = p[colour ? c : 0];
    }
    return DAUB_OK;
}

// The grey of ITU-R BT.601 in 16-bit fixed point, as Pillow's mode L.
static daub_status copy_grey(struct daub_request *r, const daub_image *image)
{
    const size_t n = (size_t)image->width * image->height;
    r->mask = daub_arena_alloc(r->arena, n);
    if (!r->mask)
        return daub_no_memory("the mask");
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = image->pixels + i * image->channels;
        r->mask[i] = image->channels < 3 ? p[0]
                                         : (uint8_t)((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
    }
    return DAUB_OK;
}

static daub_status check_model(const struct daub_engine *engine, const daub_generate_params *p, struct daub_request *r)
{
    const struct daub_model_desc *desc = &engine->desc;
    const uint32_t more = desc->unet.in_channels - desc->unet.out_channels;
    r->conditioned = more > 0;
    if (more != 0 && more != desc->unet.out_channels + 1)
        return daub_fail(DAUB_ERROR_UNSUPPORTED,
                         "the U-Net reads %u channels and makes %u: this version knows what to give one that reads %u "
                         "or, to paint into a picture, %u",
                         desc->unet.in_channels, desc->unet.out_channels, desc->unet.out_channels,
                         2 * desc->unet.out_channels + 1);
    if (r->conditioned && !(p->init && p->mask) && !r->text_only)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "this model paints into pictures: it needs an init picture and a mask of what to paint");
    if (p->init && desc->has_vae && desc->vae.in_channels != 3)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "the VAE reads %u channels, and an init picture has 3",
                         desc->vae.in_channels);
    return DAUB_OK;
}

static daub_status resolve_strength(const daub_generate_params *p, struct daub_request *r)
{
    r->strength = p->strength != 0.0 ? p->strength : p->mask ? MASK_STRENGTH : INIT_STRENGTH;
    if (!(r->strength > 0.0 && r->strength <= MAX_STRENGTH))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "strength %g is outside 0..1", r->strength);
    const uint32_t steps = (uint32_t)(r->n_steps * r->strength); // cut off, as the reference does
    if (steps < 1)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "strength %g leaves none of %u steps; the least is %.4g", r->strength,
                         r->n_steps, 1.0 / r->n_steps);
    r->start.first = r->n_steps - steps;
    return DAUB_OK;
}

daub_status daub_request_take_pictures(const struct daub_engine *engine, const daub_generate_params *p,
                                       struct daub_request *r)
{
    TRY(check_model(engine, p, r));
    if (!p->init) {
        if (p->mask)
            return daub_fail(DAUB_ERROR_INVALID_ARG, "a mask needs the init picture that it is of");
        if (p->strength != 0.0)
            return daub_fail(DAUB_ERROR_INVALID_ARG, "strength %g needs an init picture", p->strength);
        return DAUB_OK;
    }
    TRY(check_image("init", p->init));
    TRY(check_size(r, "init", p->init));
    TRY(resolve_strength(p, r));
    TRY(copy_rgb(r, p->init));
    if (p->mask) {
        TRY(check_image("mask", p->mask));
        TRY(check_size(r, "mask", p->mask));
        TRY(copy_grey(r, p->mask));
    }
    // With a mask, strength 1 means that nothing of the picture is where the run begins.
    r->start.init = !p->mask || r->strength < MAX_STRENGTH;
    r->start.mask = p->mask && !r->conditioned;
    r->paste = p->mask != NULL;
    return DAUB_OK;
}

bool daub_request_encodes_init(const struct daub_request *r)
{
    return r->start.init || r->start.mask;
}

// ---- what networks read ----------------------------------------------------------------------------------------------

static bool painted(const struct daub_request *r, size_t pixel)
{
    return r->mask && r->mask[pixel] >= 128;
}

void daub_given_image(const struct daub_request *r, bool without_masked, float *out)
{
    const size_t n = (size_t)r->width * r->height;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            out[c * n + i] = without_masked && painted(r, i) ? 0.0f : (float)r->init[3 * i + c] / 255.0f * 2.0f - 1.0f;
}

void daub_given_mask(const struct daub_request *r, uint32_t scale, float *out)
{
    const uint32_t h = r->height / scale, w = r->width / scale;
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++)
            out[(size_t)y * w + x] = painted(r, (size_t)y * scale * r->width + (size_t)x * scale) ? 1.0f : 0.0f;
}

// ---- the result ------------------------------------------------------------------------------------------------------

void daub_paste(const struct daub_request *r, uint8_t *rgb8, float *image)
{
    const size_t n = (size_t)r->width * r->height;
    for (size_t b = 0; r->paste && (rgb8 || image) && b < r->batch; b++) {
        for (size_t i = 0; i < n; i++) {
            const uint32_t m = r->mask[i];
            if (m == 255)
                continue;
            for (size_t c = 0; c < 3; c++) {
                const uint32_t init = r->init[3 * i + c];
                if (rgb8) {
                    uint8_t *byte = rgb8 + 4 * (b * n + i) + c;
                    *byte = (uint8_t)((init * (255 - m) + *byte * m + 127) / 255);
                }
                if (image) {
                    float *value = image + (b * 3 + c) * n + i;
                    const float part = (float)m / 255.0f;
                    *value = (1.0f - part) * ((float)init / 255.0f * 2.0f - 1.0f) + part * *value;
                }
            }
        }
    }
}

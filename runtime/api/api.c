// api.c - the public functions that need no thread: devices, models, names. They check, convert and call.
#include "runtime/api/model.h"
#include "runtime/api/params.h"
#include "runtime/op/tune.h"

#include <stdio.h>
#include <string.h>

uint32_t daub_version(void)
{
    return DAUB_VERSION;
}

#define REQUIRE_ARG(what)                                                                             \
    do {                                                                                              \
        if (!(what))                                                                                  \
            return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: the argument " #what " is NULL", __func__); \
    } while (0)

// ---- devices ---------------------------------------------------------------------------------------------------------

daub_status daub_device_params_check(daub_device_params *p)
{
    if ((p->allocator.alloc == NULL) != (p->allocator.free == NULL))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_device_params.allocator needs both alloc and free, or neither");
    if (p->log_level == DAUB_LOG_NONE)
        p->log_level = DAUB_LOG_WARNING;
    return DAUB_OK;
}

daub_status daub_device_create(const daub_device_params *params, daub_device **out)
{
    REQUIRE_ARG(out);
    daub_device_params p;
    TRY(daub_params_copy("daub_device_params", params, &p, sizeof(p)));
    TRY(daub_device_params_check(&p));
    TRY(daub_vk_device_create(&p, out));
    daub_tune(*out, p.cache_dir);
    return DAUB_OK;
}

daub_status daub_device_destroy(daub_device **dev)
{
    if (!dev || !*dev)
        return DAUB_OK;
    const uint32_t n = daub_device_children(*dev);
    if (n > 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the device still has %u model%s; destroy them first", n,
                         n == 1 ? "" : "s");
    const uint32_t exports = daub_device_exports(*dev);
    if (exports > 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the device still has %u export%s; destroy them first", exports,
                         exports == 1 ? "" : "s");
    daub_vk_device_destroy(dev);
    return DAUB_OK;
}

daub_status daub_device_list(const daub_device_params *params, daub_device_info *info, uint32_t capacity,
                             uint32_t *count)
{
    REQUIRE_ARG(count);
    daub_device_params p;
    TRY(daub_params_copy("daub_device_params", params, &p, sizeof(p)));
    if (capacity == 0)
        return daub_vk_device_list(&p, NULL, 0, count);
    REQUIRE_ARG(info);
    uint32_t room, n = 0;
    TRY(daub_params_room("daub_device_info", info, &room));
    const struct daub_host host = { .allocator = p.allocator };
    daub_device_info *own = daub_alloc_array(&host, capacity, sizeof(*own));
    if (!own)
        return daub_no_memory("a list of devices");
    daub_status status = daub_vk_device_list(&p, own, capacity, &n);
    for (uint32_t i = 0; i < n && i < capacity && status == DAUB_OK; i++) {
        void *const entry = (uint8_t *)info + (size_t)i * room;
        memcpy(entry, &room, sizeof(room));
        status = daub_params_give("daub_device_info", &own[i], sizeof(own[i]), entry);
    }
    daub_free(&host, own);
    if (status == DAUB_OK)
        *count = n;
    return status;
}

daub_status daub_device_get_info(const daub_device *dev, daub_device_info *out)
{
    REQUIRE_ARG(dev);
    REQUIRE_ARG(out);
    daub_device_info info;
    daub_vk_device_info(dev, &info);
    return daub_params_give("daub_device_info", &info, sizeof(info), out);
}

// ---- models ----------------------------------------------------------------------------------------------------------

static void fill_info(const struct daub_model_desc *desc, const struct daub_checkpoint *ckpt, uint32_t max_tokens,
                      uint64_t weights_size, daub_model_info *out)
{
    const uint32_t scale = daub_latent_scale(desc);
    *out = (daub_model_info) {
        .struct_size = sizeof(*out),
        .latent_channels = desc->unet.out_channels,
        .latent_scale = scale,
        .text_width = desc->has_text ? desc->unet.cross_attention_dim : 0,
        .linear_preview = desc->preview.known,
        .text = desc->has_text,
        .width = desc->width,
        .height = desc->height,
        .size_multiple = desc->size_multiple,
        .n_steps = desc->n_steps,
        .guidance_scale = desc->guidance_scale,
        .max_tokens = max_tokens > 2 ? max_tokens - 2 : 0,
        .weights_size = weights_size,
    };
    for (int c = 0; c < DAUB_COMPONENT_COUNT; c++)
        out->n_parameters += daub_checkpoint_parameters(ckpt, (enum daub_component)c);
    snprintf(out->family, sizeof(out->family), "%s", desc->family->name);
    snprintf(out->sampler, sizeof(out->sampler), "%s", desc->sampler.sampler->name);
    snprintf(out->schedule, sizeof(out->schedule), "%s", daub_sigma_spacing_name(desc->sampler.sigma_spacing));
    snprintf(out->path, sizeof(out->path), "%s", daub_checkpoint_path(ckpt));
    if (daub_checkpoint_vae(ckpt))
        snprintf(out->vae, sizeof(out->vae), "%s", daub_checkpoint_path(daub_checkpoint_vae(ckpt)));
    snprintf(out->evidence, sizeof(out->evidence), "%s", desc->evidence);
}

static daub_status copy_model_params(const daub_model_params *params, daub_model_params *out)
{
    TRY(daub_params_copy("daub_model_params", params, out, sizeof(*out)));
    if ((uint32_t)out->precision > DAUB_PRECISION_F32)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_model_params.precision %d is no daub_precision",
                         (int)out->precision);
    return DAUB_OK;
}

daub_status daub_model_load(daub_device *dev, const char *path, const daub_model_params *params, daub_model **out)
{
    REQUIRE_ARG(dev);
    REQUIRE_ARG(out);
    daub_model_params p;
    TRY(copy_model_params(params, &p));
    return daub_model_create(dev, path, &p, out);
}

daub_status daub_model_get_info(const daub_model *model, daub_model_info *out)
{
    REQUIRE_ARG(model);
    REQUIRE_ARG(out);
    const struct daub_engine *engine = daub_model_engine(model);
    daub_model_info info;
    fill_info(&engine->desc, engine->ckpt, engine->max_tokens, daub_engine_packed(engine), &info);
    return daub_params_give("daub_model_info", &info, sizeof(info), out);
}

daub_status daub_model_inspect(const char *path, const daub_model_params *params, daub_model_info *out)
{
    REQUIRE_ARG(out);
    uint32_t room;
    TRY(daub_params_room("daub_model_info", out, &room));
    daub_model_params p;
    TRY(copy_model_params(params, &p));
    struct daub_checkpoint *ckpt = NULL;
    struct daub_arena *arena = NULL;
    struct daub_model_desc desc = { 0 };
    TRY(daub_engine_describe(NULL, path, &p, &ckpt, &arena, &desc));
    daub_model_info info;
    fill_info(&desc, ckpt, desc.has_text ? desc.text.max_position_embeddings : 0, 0, &info);
    daub_arena_destroy(&arena);
    daub_checkpoint_close(&ckpt);
    return daub_params_give("daub_model_info", &info, sizeof(info), out);
}

// ---- what is handed out ----------------------------------------------------------------------------------------------

void daub_image_free(daub_image *image)
{
    if (!image)
        return;
    const struct daub_host host = { .allocator = image->allocator };
    daub_free(&host, image->pixels);
    memset(image, 0, sizeof(*image));
}

void daub_floats_free(daub_floats *floats)
{
    if (!floats)
        return;
    const struct daub_host host = { .allocator = floats->allocator };
    daub_free(&host, floats->values);
    memset(floats, 0, sizeof(*floats));
}

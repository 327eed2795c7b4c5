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
    if (capacity > 0)
        REQUIRE_ARG(info);
    return daub_vk_device_list(&p, info, capacity, count);
}

daub_status daub_device_get_info(const daub_device *dev, daub_device_info *out)
{
    REQUIRE_ARG(dev);
    REQUIRE_ARG(out);
    daub_vk_device_info(dev, out);
    return DAUB_OK;
}

// ---- models ----------------------------------------------------------------------------------------------------------

static void fill_info(const struct daub_model_desc *desc, const struct daub_checkpoint *ckpt, uint32_t max_tokens,
                      uint64_t weights_size, daub_model_info *out)
{
    *out = (daub_model_info) {
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
    fill_info(&engine->desc, engine->ckpt, engine->max_tokens, daub_engine_packed(engine), out);
    return DAUB_OK;
}

daub_status daub_model_inspect(const char *path, const daub_model_params *params, daub_model_info *out)
{
    REQUIRE_ARG(out);
    daub_model_params p;
    TRY(copy_model_params(params, &p));
    struct daub_checkpoint *ckpt = NULL;
    struct daub_arena *arena = NULL;
    struct daub_model_desc desc = { 0 };
    TRY(daub_engine_describe(NULL, path, &p, &ckpt, &arena, &desc));
    fill_info(&desc, ckpt, desc.has_text ? desc.text.max_position_embeddings : 0, 0, out);
    daub_arena_destroy(&arena);
    daub_checkpoint_close(&ckpt);
    return DAUB_OK;
}

// ---- names -----------------------------------------------------------------------------------------------------------

uint32_t daub_sampler_count(void)
{
    return daub_n_samplers;
}

bool daub_sampler_get_info(uint32_t index, daub_sampler_info *out)
{
    if (index >= daub_n_samplers || !out)
        return false;
    const struct daub_sampler_desc *s = daub_samplers[index];
    *out = (daub_sampler_info) {
        .name = s->name,
        .label = s->label,
        .aliases = s->aliases,
        .description = s->description,
        .order = s->order,
        .stochastic = s->stochastic,
    };
    return true;
}

uint32_t daub_schedule_count(void)
{
    return DAUB_SIGMAS_LU + 1;
}

const char *daub_schedule_get_name(uint32_t index)
{
    return index <= DAUB_SIGMAS_LU ? daub_sigma_spacing_name((enum daub_sigma_spacing)index) : NULL;
}

void daub_image_free(daub_image *image)
{
    if (!image)
        return;
    const struct daub_host host = { .allocator = image->allocator };
    daub_free(&host, image->pixels);
    memset(image, 0, sizeof(*image));
}

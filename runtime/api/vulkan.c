// vulkan.c - daub_vulkan.h's functions: they check, convert and call.
#include "runtime/api/vulkan.h"

#include "runtime/api/params.h"
#include "runtime/op/tune.h"
#include "runtime/vk/borrow.h"
#include "runtime/vk/export.h"

#define VK_NO_PROTOTYPES // the host's loader is not ours to link
#include "include/daub_vulkan.h"

static daub_status require(const char *call, const char *what, bool given)
{
    return given ? DAUB_OK : daub_fail(DAUB_ERROR_INVALID_ARG, "%s: %s is NULL", call, what);
}

// ---- wishes ----------------------------------------------------------------------------------------------------------

daub_status daub_vulkan_wishes_get(const daub_vulkan_wishes_params *params, daub_vulkan_wishes *out)
{
    daub_vulkan_wishes_params p;
    TRY(require(__func__, "out", out));
    TRY(daub_params_copy("daub_vulkan_wishes_params", params, &p, sizeof(p)));
    TRY(require(__func__, "get_instance_proc_addr", p.get_instance_proc_addr));
    TRY(require(__func__, "instance", p.instance));
    TRY(require(__func__, "physical_device", p.physical_device));
    daub_vulkan_wishes wishes = { .struct_size = sizeof(wishes) };
    TRY(daub_vk_wishes(&p, &wishes));
    return daub_params_give("daub_vulkan_wishes", &wishes, sizeof(wishes), out);
}

// A struct of the chain; *end is its last one.
static void *find(VkPhysicalDeviceFeatures2 *features, VkStructureType type, VkBaseOutStructure **end)
{
    void *found = NULL;
    for (VkBaseOutStructure *s = (VkBaseOutStructure *)(void *)features; s; s = s->pNext) {
        if (s->sType == type)
            found = s;
        *end = s;
    }
    return found;
}

static void wish_timeline(VkPhysicalDeviceFeatures2 *features, VkPhysicalDeviceTimelineSemaphoreFeatures *room)
{
    VkBaseOutStructure *end;
    VkPhysicalDeviceVulkan12Features *core = find(features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                                                  &end);
    VkPhysicalDeviceTimelineSemaphoreFeatures *own = find(
        features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, &end);
    if (core) {
        core->timelineSemaphore = VK_TRUE;
    } else if (own) {
        own->timelineSemaphore = VK_TRUE;
    } else {
        *room = (VkPhysicalDeviceTimelineSemaphoreFeatures) {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
            .timelineSemaphore = VK_TRUE,
        };
        end->pNext = (VkBaseOutStructure *)(void *)room;
    }
}

static void wish_sync2(VkPhysicalDeviceFeatures2 *features, VkPhysicalDeviceSynchronization2Features *room)
{
    VkBaseOutStructure *end;
    VkPhysicalDeviceVulkan13Features *core = find(features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
                                                  &end);
    VkPhysicalDeviceSynchronization2Features *own = find(
        features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES, &end);
    if (core) {
        core->synchronization2 = VK_TRUE;
    } else if (own) {
        own->synchronization2 = VK_TRUE;
    } else {
        *room = (VkPhysicalDeviceSynchronization2Features) {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES,
            .synchronization2 = VK_TRUE,
        };
        end->pNext = (VkBaseOutStructure *)(void *)room;
    }
}

void daub_vulkan_wishes_chain(const daub_vulkan_wishes *wishes, VkPhysicalDeviceFeatures2 *features,
                              daub_vulkan_features *room)
{
    if (!wishes || !features || !room)
        return;
    if (wishes->timeline_semaphore)
        wish_timeline(features, &room->timeline_semaphore);
    if (wishes->synchronization2)
        wish_sync2(features, &room->synchronization2);
}

// ---- device ----------------------------------------------------------------------------------------------------------

static daub_status check_device(const char *call, const daub_vulkan_device_params *p)
{
    TRY(require(call, "get_instance_proc_addr", p->get_instance_proc_addr));
    TRY(require(call, "instance", p->instance));
    TRY(require(call, "physical_device", p->physical_device));
    TRY(require(call, "device", p->device));
    TRY(require(call, "queue", p->queue));
    if (p->n_extensions > 0)
        TRY(require(call, "extensions", p->extensions));
    if (!p->lock_queue != !p->unlock_queue)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: lock_queue and unlock_queue need both or neither", call);
    if (p->features && p->features->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: features has sType %d, which is no VkPhysicalDeviceFeatures2",
                         call, (int)p->features->sType);
    return DAUB_OK;
}

daub_status daub_vulkan_device_create(const daub_vulkan_device_params *params, daub_device **out)
{
    daub_vulkan_device_params p;
    daub_device_params base;
    TRY(require(__func__, "out", out));
    TRY(daub_params_copy("daub_vulkan_device_params", params, &p, sizeof(p)));
    TRY(daub_params_copy("daub_device_params", p.params, &base, sizeof(base)));
    TRY(check_device(__func__, &p));
    TRY(daub_device_params_check(&base));
    if (base.device)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: params.device is \"%.80s\", and the device is the host's",
                         __func__, base.device);
    TRY(daub_vk_device_borrow(&p, &base, out));
    daub_tune(*out, base.cache_dir);
    return DAUB_OK;
}

// ---- a job's images and buffers --------------------------------------------------------------------------------------

enum { MAX_TOKENS = 4096, MAX_SIZE = 16384 };

static daub_status copy_io(const daub_generate_params *params, daub_vulkan_io *out)
{
    return daub_params_copy("daub_vulkan_io", params->vulkan, out, sizeof(*out));
}

static daub_status check_embeds(const char *name, const daub_vulkan_embeds *e, uint32_t width)
{
    if (e->format != VK_FORMAT_UNDEFINED && e->format != VK_FORMAT_R32_SFLOAT && e->format != VK_FORMAT_R16_SFLOAT)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "vulkan.%s.format is %d, which is none of R32_SFLOAT (100) and R16_SFLOAT (76)", name,
                         (int)e->format);
    if (e->tokens < 1 || e->tokens > MAX_TOKENS)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s.tokens is %u, which is outside 1..%d", name, e->tokens,
                         MAX_TOKENS);
    if (e->offset % 4 != 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s.offset is %llu, wanted a multiple of 4", name,
                         (unsigned long long)e->offset);
    const uint64_t size = (uint64_t)e->tokens * width * (e->format == VK_FORMAT_R16_SFLOAT ? 2 : 4);
    if (e->offset > e->buffer_size || size > e->buffer_size - e->offset)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "vulkan.%s: %u tokens of %u values at %llu are not inside the buffer of %llu bytes", name,
                         e->tokens, width, (unsigned long long)e->offset, (unsigned long long)e->buffer_size);
    return DAUB_OK;
}

static daub_status embed_tokens(const struct daub_engine *engine, const daub_vulkan_io *io, uint32_t tokens[2])
{
    const daub_vulkan_embeds *prompt = &io->prompt_embeds, *negative = &io->negative_embeds;
    const uint32_t width = engine->desc.unet.cross_attention_dim;
    tokens[0] = tokens[1] = 0;
    if (!prompt->buffer && negative->buffer)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.negative_embeds without prompt_embeds");
    if (!prompt->buffer)
        return DAUB_OK;
    TRY(check_embeds("prompt_embeds", prompt, width));
    if (negative->buffer) {
        TRY(check_embeds("negative_embeds", negative, width));
        if (negative->format != prompt->format)
            return daub_fail(DAUB_ERROR_INVALID_ARG,
                             "vulkan: prompt_embeds is in format %d and negative_embeds in %d, wanted the same",
                             (int)prompt->format, (int)negative->format);
        tokens[1] = negative->tokens;
    }
    tokens[0] = prompt->tokens;
    return DAUB_OK;
}

// The host's init picture and mask stand in params as blank ones of their size, which the job fills in when it begins.
struct blanks {
    daub_image init, mask;
    uint8_t *pixels;
};

static uint32_t size_or(uint32_t wanted, uint32_t given, uint32_t fallback)
{
    return wanted ? wanted : given ? given : fallback;
}

static bool is_given(const daub_vulkan_picture *p)
{
    return p->image || p->buffer;
}

static daub_status put_blanks(const struct daub_engine *engine, const daub_vulkan_io *io, daub_generate_params *p,
                              struct blanks *out)
{
    *out = (struct blanks) { 0 };
    const bool init = is_given(&io->init), mask = is_given(&io->mask);
    if ((init && p->init) || (mask && p->mask))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s is given in params and in params.vulkan", init ? "init" : "mask");
    if (!init && !mask)
        return DAUB_OK;
    const uint32_t w = size_or(p->width, p->init ? p->init->width : io->init.width, engine->desc.width);
    const uint32_t h = size_or(p->height, p->init ? p->init->height : io->init.height, engine->desc.height);
    if (w > MAX_SIZE || h > MAX_SIZE)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.init: %ux%u is outside 1..%d", w, h, MAX_SIZE);
    out->pixels = daub_alloc_array(engine->host, (size_t)w * h, 1);
    if (!out->pixels)
        return daub_no_memory("the init picture");
    out->init = out->mask = (daub_image) { .width = w, .height = h, .channels = 1, .pixels = out->pixels };
    if (init)
        p->init = &out->init;
    if (mask)
        p->mask = &out->mask;
    return DAUB_OK;
}

static daub_status make_request(const struct daub_engine *engine, const daub_vulkan_io *io,
                                const daub_generate_params *params, struct daub_request **out)
{
    daub_generate_params p = *params;
    struct blanks blanks;
    uint32_t tokens[2];
    TRY(embed_tokens(engine, io, tokens));
    TRY(put_blanks(engine, io, &p, &blanks));
    const daub_status status = daub_request_create_for(engine, &p, tokens[0], tokens[1], out);
    daub_free(engine->host, blanks.pixels);
    return status;
}

static struct daub_io_use use_of(const struct daub_request *r)
{
    return (struct daub_io_use) { .w = r->width, .h = r->height, .paste = r->paste };
}

daub_status daub_job_request(const struct daub_engine *engine, const daub_generate_params *params,
                             struct daub_request **request, struct daub_io **io)
{
    daub_vulkan_io given;
    *io = NULL;
    if (!params->vulkan)
        return daub_request_create(engine, params, request);
    struct daub_request *r = NULL;
    TRY(copy_io(params, &given));
    TRY(make_request(engine, &given, params, &r));
    const struct daub_io_use use = use_of(r);
    daub_status status = DAUB_OK;
    if (given.prompt_embeds.buffer && r->guidance_scale > 1.0f && !given.negative_embeds.buffer)
        status = daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.prompt_embeds without negative_embeds, and guidance is %g",
                           (double)r->guidance_scale);
    if (status == DAUB_OK)
        status = daub_io_create(engine->dev, &given, &use, io);
    if (status != DAUB_OK) {
        daub_request_destroy(&r);
        return status;
    }
    (void)daub_io_picture(*io, &r->picture);
    r->picture_size = daub_io_size(&given, &use);
    *request = r;
    return DAUB_OK;
}

daub_status daub_job_read_inputs(const struct daub_engine *engine, struct daub_io *io, struct daub_request *request)
{
    const struct daub_io_inputs inputs = {
        .embed_width = engine->desc.unet.cross_attention_dim,
        .prompt = request->embeds,
        .negative = request->negative_embeds,
        .init = request->init,
        .mask = request->mask,
    };
    return daub_io_read(io, &inputs);
}

daub_status daub_request_for_estimate(const struct daub_engine *engine, const daub_generate_params *params,
                                      struct daub_request **out)
{
    daub_generate_params p = *params;
    daub_vulkan_io io;
    TRY(copy_io(params, &io));
    const bool given = p.prompt_embeds_path || p.prompt_embeds_source || p.prompt_embeds;
    if (engine->desc.has_text && !p.prompt && !given && !io.prompt_embeds.buffer)
        p.prompt = ""; // its words change nothing here
    TRY(make_request(engine, &io, &p, out));
    const struct daub_io_use use = use_of(*out);
    (*out)->picture_size = daub_io_size(&io, &use);
    return DAUB_OK;
}

// ---- export ----------------------------------------------------------------------------------------------------------

daub_status daub_vulkan_export_create(daub_device *dev, const daub_vulkan_export_params *params,
                                      daub_vulkan_export **out)
{
    daub_vulkan_export_params p;
    TRY(require(__func__, "dev", dev));
    TRY(require(__func__, "out", out));
    TRY(daub_params_copy("daub_vulkan_export_params", params, &p, sizeof(p)));
    if (p.width < 1 || p.width > MAX_SIZE || p.height < 1 || p.height > MAX_SIZE)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_vulkan_export_params: %ux%u is outside 1..%d", p.width, p.height,
                         MAX_SIZE);
    return daub_export_create(dev, &p, out);
}

daub_status daub_vulkan_export_destroy(daub_vulkan_export **exported)
{
    if (!exported || !*exported)
        return DAUB_OK;
    const uint32_t n = daub_export_users(*exported);
    if (n > 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the export still has %u job%s; destroy them first", n,
                         n == 1 ? "" : "s");
    daub_export_destroy(exported);
    return DAUB_OK;
}

daub_status daub_vulkan_export_get_info(const daub_vulkan_export *exported, daub_vulkan_export_info *out)
{
    TRY(require(__func__, "exported", exported));
    TRY(require(__func__, "out", out));
    daub_vulkan_export_info info = { .struct_size = sizeof(info) };
    daub_export_info(exported, &info);
    return daub_params_give("daub_vulkan_export_info", &info, sizeof(info), out);
}

daub_status daub_vulkan_export_take_memory(daub_vulkan_export *exported, intptr_t *handle)
{
    TRY(require(__func__, "exported", exported));
    TRY(require(__func__, "handle", handle));
    return daub_export_memory_handle(exported, handle);
}

daub_status daub_vulkan_export_take_semaphore(daub_vulkan_export *exported, intptr_t *handle)
{
    TRY(require(__func__, "exported", exported));
    TRY(require(__func__, "handle", handle));
    return daub_export_semaphore_handle(exported, handle);
}

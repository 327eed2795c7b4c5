// io_check.c - what the host says of its pictures and embeddings, checked field by field.
#include "runtime/vk/io_private.h"

bool daub_pixels_of(VkFormat format, enum daub_pixels *out)
{
    switch ((int)format) {
    case VK_FORMAT_UNDEFINED:
    case VK_FORMAT_R8G8B8A8_UNORM:
    case VK_FORMAT_R8G8B8A8_SRGB:
        *out = DAUB_PIXELS_RGBA8;
        return true;
    case VK_FORMAT_R16G16B16A16_SFLOAT:
        *out = DAUB_PIXELS_RGBA16F;
        return true;
    case VK_FORMAT_R32G32B32A32_SFLOAT:
        *out = DAUB_PIXELS_RGBA32F;
        return true;
    default:
        return false;
    }
}

uint32_t daub_embeds_value_size(const daub_vulkan_embeds *embeds)
{
    return embeds->format == VK_FORMAT_R16_SFLOAT ? 2 : 4;
}

static daub_status check_semaphore(const daub_device *dev, const char *name, const daub_vulkan_semaphore *s)
{
    if (!s->semaphore && (s->timeline || s->value))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s has a value and no semaphore", name);
    if (s->semaphore && !dev->borrowed)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s: semaphores are of a device of daub_vulkan_device_create",
                         name);
    if (s->timeline && !dev->caps.timeline)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "vulkan.%s is a timeline semaphore, and the host enabled no such feature", name);
    return DAUB_OK;
}

static daub_status check_image(const char *name, const daub_vulkan_picture *p, uint32_t w, uint32_t h)
{
    const uint64_t width = p->width ? p->width : w, height = p->height ? p->height : h;
    if ((uint64_t)p->x + w > width || (uint64_t)p->y + h > height)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s: %ux%u pixels at %u,%u are not inside the image of %ux%u",
                         name, w, h, p->x, p->y, (uint32_t)width, (uint32_t)height);
    if (p->final_layout == VK_IMAGE_LAYOUT_UNDEFINED || p->final_layout == VK_IMAGE_LAYOUT_PREINITIALIZED)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s.final_layout is %s, in which no image can be left", name,
                         p->final_layout == VK_IMAGE_LAYOUT_UNDEFINED ? "UNDEFINED" : "PREINITIALIZED");
    return DAUB_OK;
}

static daub_status check_buffer(const char *name, const daub_vulkan_picture *p, uint32_t w, uint32_t h,
                                struct daub_io_target *out)
{
    const uint64_t row = (uint64_t)w * daub_pixel_size(out->pixels);
    if (p->format == VK_FORMAT_R8G8B8A8_SRGB)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s: a buffer's format is R8G8B8A8_UNORM, not _SRGB", name);
    out->row_pitch = p->row_pitch ? p->row_pitch : row;
    if (out->row_pitch < row || out->row_pitch % 4 != 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s.row_pitch is %llu, wanted a multiple of 4 from %llu on",
                         name, (unsigned long long)out->row_pitch, (unsigned long long)row);
    if (p->offset % 4 != 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s.offset is %llu, wanted a multiple of 4", name,
                         (unsigned long long)p->offset);
    const uint64_t room = p->buffer_size > p->offset ? p->buffer_size - p->offset : 0;
    if (room < row || (room - row) / out->row_pitch < h - 1)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "vulkan.%s: %u rows of %llu bytes, %llu apart, at %llu are not inside the buffer of %llu",
                         name, h, (unsigned long long)row, (unsigned long long)out->row_pitch,
                         (unsigned long long)p->offset, (unsigned long long)p->buffer_size);
    return DAUB_OK;
}

static daub_status check_host_picture(const daub_device *dev, const char *name, const daub_vulkan_picture *p,
                                      uint32_t w, uint32_t h, struct daub_io_target *out)
{
    if (!dev->borrowed)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "vulkan.%s: images and buffers are of a device of daub_vulkan_device_create", name);
    *out = (struct daub_io_target) {
        .image = p->image,
        .level = p->level,
        .layer = p->layer,
        .x = p->x,
        .y = p->y,
        .old_layout = p->old_layout,
        .final_layout = p->final_layout,
        .buffer = p->buffer,
        .offset = p->offset,
        .transfer = p->transfer,
        .from_family = p->from_family,
        .to_family = p->to_family,
    };
    if (!daub_pixels_of(p->format, &out->pixels))
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "vulkan.%s.format is %d, which is none of R8G8B8A8_UNORM (37), R8G8B8A8_SRGB (43), "
                         "R16G16B16A16_SFLOAT (97) and R32G32B32A32_SFLOAT (109)",
                         name, (int)p->format);
    return p->image ? check_image(name, p, w, h) : check_buffer(name, p, w, h, out);
}

// *given is false where the picture is zeroed as to its places.
static daub_status check_picture(const daub_device *dev, const char *name, const daub_vulkan_picture *p, uint32_t w,
                                 uint32_t h, struct daub_io_target *out, bool *given)
{
    const int n = (p->image != VK_NULL_HANDLE) + (p->buffer != VK_NULL_HANDLE) + (p->exported != NULL);
    *given = n > 0;
    if (n > 1)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s has %d of image, buffer and exported, wanted one", name, n);
    if (n == 0)
        return DAUB_OK;
    return p->exported ? daub_export_target(p->exported, dev, w, h, out) : check_host_picture(dev, name, p, w, h, out);
}

// An input is in some layout, and by default is left in it.
static daub_status check_input(const daub_device *dev, const char *name, const daub_vulkan_picture *given, uint32_t w,
                               uint32_t h, struct daub_io_target *out, bool *has)
{
    daub_vulkan_picture p = *given;
    if (p.exported)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s: exports are for results", name);
    if (p.image && (p.old_layout == VK_IMAGE_LAYOUT_UNDEFINED || p.old_layout == VK_IMAGE_LAYOUT_PREINITIALIZED))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s.old_layout is %s, in which an image holds nothing", name,
                         p.old_layout == VK_IMAGE_LAYOUT_UNDEFINED ? "UNDEFINED" : "PREINITIALIZED");
    if (p.image && p.final_layout == VK_IMAGE_LAYOUT_UNDEFINED)
        p.final_layout = p.old_layout;
    return check_picture(dev, name, &p, w, h, out, has);
}

daub_status daub_io_check(struct daub_io *io)
{
    const daub_device *dev = io->dev;
    const daub_vulkan_io *g = &io->given;
    TRY(check_semaphore(dev, "result_wait", &g->result_wait));
    TRY(check_semaphore(dev, "result_signal", &g->result_signal));
    TRY(check_semaphore(dev, "input_wait", &g->input_wait));
    TRY(check_semaphore(dev, "input_signal", &g->input_signal));
    TRY(check_picture(dev, "result", &g->result, io->w, io->h, &io->target, &io->has_result));
    TRY(check_input(dev, "init", &g->init, io->w, io->h, &io->init, &io->has_init));
    TRY(check_input(dev, "mask", &g->mask, io->w, io->h, &io->mask, &io->has_mask));
    if (!io->has_result && (g->result_wait.semaphore || g->result_signal.semaphore))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan: a semaphore for a result, and no result");
    if (io->target.exported && (g->result_wait.semaphore || g->result_signal.semaphore))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan: a result that is exported has a semaphore of its own");
    if (!g->prompt_embeds.buffer && !io->has_init && !io->has_mask &&
        (g->input_wait.semaphore || g->input_signal.semaphore))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan: a semaphore for inputs, and no input");
    if (g->prompt_embeds.buffer && !dev->borrowed)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "vulkan.prompt_embeds: buffers are of a device of daub_vulkan_device_create");
    return DAUB_OK;
}

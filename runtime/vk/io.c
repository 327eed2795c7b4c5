// io.c - the host's memory on one device with ours: a result handed over, inputs taken.
//
// Each is one submission, which waits for and signals the host's semaphores. What it begins with orders it after everything that was
// submitted to the queue before, the host's work too, and what it ends with orders everything after it: a host on the same queue needs
// no barrier of its own.
#include "runtime/vk/io_private.h"

#include "runtime/base/half.h"
#include "runtime/vk/io.h"

#include <math.h>
#include <string.h>

struct daub_io {
    daub_device *dev;
    uint32_t w, h;
    daub_vulkan_io given;
    struct daub_io_target target; // of the result
    bool has_result;
    struct daub_picture picture;
    VkCommandPool pool;
    uint64_t ticket; // of the result's submission
};

uint32_t daub_pixel_size(enum daub_pixels pixels)
{
    return pixels == DAUB_PIXELS_RGBA32F ? 16 : pixels == DAUB_PIXELS_RGBA16F ? 8 : 4;
}

static struct daub_semaphore semaphore(const daub_vulkan_semaphore *s)
{
    return (struct daub_semaphore) {
        .handle = s->semaphore, .timeline = s->timeline, .value = s->timeline ? s->value : 0
    };
}

// ---- life --------------------------------------------------------------------------------------------------------

static daub_status create(struct daub_io *io)
{
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        .queueFamilyIndex = io->dev->queue_family,
    };
    VK_RETURN(io->dev->vk.vkCreateCommandPool(io->dev->handle, &pool, NULL, &io->pool));
    if (!io->has_result)
        return DAUB_OK;
    const uint64_t size = (uint64_t)io->w * io->h * daub_pixel_size(io->picture.pixels);
    return daub_buffer_create(io->dev, DAUB_MEMORY_DEVICE, size, "the picture for the host", &io->picture.buf);
}

daub_status daub_io_create(daub_device *dev, const daub_vulkan_io *given, uint32_t w, uint32_t h, struct daub_io **out)
{
    daub_status status;
    struct daub_io *io = daub_alloc(&dev->host, sizeof(*io));
    if (!io)
        return daub_no_memory("the host's pictures");
    io->dev = dev;
    io->w = w;
    io->h = h;
    io->given = *given;
    TRY_OR_FAIL(daub_io_check(dev, given, w, h, &io->target, &io->has_result));
    io->picture.pixels = io->target.pixels;
    if (io->target.exported)
        daub_export_retain(io->target.exported, 1);
    TRY_OR_FAIL(create(io));
    *out = io;
    return DAUB_OK;

fail:
    daub_io_destroy(&io);
    return status;
}

void daub_io_destroy(struct daub_io **io)
{
    struct daub_io *i = *io;
    if (!i)
        return;
    (void)daub_wait(i->dev, i->ticket, UINT64_MAX, NULL); // on a lost device nothing runs either
    i->dev->vk.vkDestroyCommandPool(i->dev->handle, i->pool, NULL);
    daub_buffer_destroy(i->dev, &i->picture.buf);
    if (i->target.exported)
        daub_export_retain(i->target.exported, -1);
    daub_free(&i->dev->host, i);
    *io = NULL;
}

uint64_t daub_io_size(const daub_vulkan_io *io, uint32_t w, uint32_t h)
{
    enum daub_pixels pixels;
    const daub_vulkan_picture *p = &io->result;
    const VkFormat format = p->exported ? daub_export_format(p->exported) : p->format;
    if ((!p->image && !p->buffer && !p->exported) || !daub_pixels_of(format, &pixels))
        return 0;
    return (uint64_t)w * h * daub_pixel_size(pixels);
}

bool daub_io_picture(const struct daub_io *io, struct daub_picture *out)
{
    *out = io->picture;
    return io->has_result;
}

// ---- submissions -------------------------------------------------------------------------------------------------

static daub_status begin(struct daub_io *io, VkCommandBuffer *cb)
{
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = io->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    const VkCommandBufferBeginInfo begin_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    VK_RETURN(io->dev->vk.vkAllocateCommandBuffers(io->dev->handle, &info, cb));
    VK_RETURN(io->dev->vk.vkBeginCommandBuffer(*cb, &begin_info));
    return DAUB_OK;
}

// A barrier between everything and transfers, in one of both directions; the image, if there is one, changes its layout.
struct crossing {
    bool after; // transfers come first
    const struct daub_io_target *target;
    VkAccessFlags access; // of the transfers to it
    VkImageLayout from, to;
    uint32_t from_family, to_family;
};

static void cross(daub_device *dev, VkCommandBuffer cb, const struct crossing *c)
{
    static const VkPipelineStageFlags outside = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT;
    static const VkAccessFlags all = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT;
    const VkAccessFlags transfer = VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    // An acquisition's source and a release's destination are in another queue, whose accesses the semaphore covers.
    const bool moves = c->from_family != c->to_family;
    const VkAccessFlags src = c->after ? c->access : moves ? 0 : all, dst = !c->after ? c->access : moves ? 0 : all;
    const VkMemoryBarrier memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = c->after ? transfer : all,
        .dstAccessMask = c->after ? all : transfer,
    };
    const VkBufferMemoryBarrier buffer = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
        .srcAccessMask = src,
        .dstAccessMask = dst,
        .srcQueueFamilyIndex = c->from_family,
        .dstQueueFamilyIndex = c->to_family,
        .buffer = c->target->buffer,
        .size = VK_WHOLE_SIZE,
    };
    const VkImageMemoryBarrier image = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
        .srcAccessMask = src,
        .dstAccessMask = dst,
        .oldLayout = c->from,
        .newLayout = c->to,
        .srcQueueFamilyIndex = c->from_family,
        .dstQueueFamilyIndex = c->to_family,
        .image = c->target->image,
        .subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, c->target->level, 1, c->target->layer, 1 },
    };
    dev->vk.vkCmdPipelineBarrier(cb, c->after ? VK_PIPELINE_STAGE_TRANSFER_BIT : outside,
                                 c->after ? outside : VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1, &memory,
                                 moves && c->target->buffer ? 1 : 0, &buffer, c->target->image ? 1 : 0, &image);
}

static struct crossing crossing_into(const daub_device *dev, const struct daub_io_target *t, bool written)
{
    return (struct crossing) {
        .target = t,
        .access = written ? VK_ACCESS_TRANSFER_WRITE_BIT : VK_ACCESS_TRANSFER_READ_BIT,
        .from = t->old_layout,
        .to = written ? VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL : VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
        .from_family = t->transfer ? t->from_family : VK_QUEUE_FAMILY_IGNORED,
        .to_family = t->transfer ? dev->queue_family : VK_QUEUE_FAMILY_IGNORED,
    };
}

static struct crossing crossing_back(const daub_device *dev, const struct daub_io_target *t, bool written)
{
    struct crossing c = crossing_into(dev, t, written);
    c.after = true;
    c.from = c.to;
    c.to = t->final_layout;
    c.from_family = t->transfer ? dev->queue_family : VK_QUEUE_FAMILY_IGNORED;
    c.to_family = t->transfer ? t->to_family : VK_QUEUE_FAMILY_IGNORED;
    return c;
}

static daub_status submit(struct daub_io *io, VkCommandBuffer cb, const struct daub_semaphore *wait,
                          const struct daub_semaphore *signal, uint64_t *ticket)
{
    VK_RETURN(io->dev->vk.vkEndCommandBuffer(cb));
    return daub_queue_submit_with(io->dev, cb, wait, signal, ticket);
}

// ---- the result --------------------------------------------------------------------------------------------------

static VkBufferImageCopy image_region(const struct daub_io *io, const struct daub_io_target *t)
{
    return (VkBufferImageCopy) {
        .imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, t->level, t->layer, 1 },
        .imageOffset = { (int32_t)t->x, (int32_t)t->y, 0 },
        .imageExtent = { io->w, io->h, 1 },
    };
}

// Rows between a tight buffer and a target's; `written`: into the target.
static daub_status copy_rows(struct daub_io *io, VkCommandBuffer cb, const struct daub_io_target *t, VkBuffer tight,
                             bool written)
{
    const uint64_t row = (uint64_t)io->w * daub_pixel_size(t->pixels);
    const uint32_t n = t->row_pitch == row ? 1 : io->h;
    VkBufferCopy *regions = daub_alloc_array(&io->dev->host, n, sizeof(*regions));
    if (!regions)
        return daub_no_memory("the rows of the host's picture");
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t own = i * row, theirs = t->offset + i * t->row_pitch;
        regions[i] = (VkBufferCopy) {
            .srcOffset = written ? own : theirs, .dstOffset = written ? theirs : own, .size = n == 1 ? io->h * row : row
        };
    }
    io->dev->vk.vkCmdCopyBuffer(cb, written ? tight : t->buffer, written ? t->buffer : tight, n, regions);
    daub_free(&io->dev->host, regions);
    return DAUB_OK;
}

daub_status daub_io_deliver(struct daub_io *io)
{
    daub_device *dev = io->dev;
    const struct daub_io_target *t = &io->target;
    const struct daub_semaphore wait = semaphore(&io->given.result_wait);
    const struct daub_semaphore signal = t->exported ? daub_export_signal(t->exported)
                                                     : semaphore(&io->given.result_signal);
    VkCommandBuffer cb = VK_NULL_HANDLE;
    TRY(begin(io, &cb));
    struct crossing c = crossing_into(dev, t, true);
    cross(dev, cb, &c);
    if (t->image) {
        const VkBufferImageCopy region = image_region(io, t);
        dev->vk.vkCmdCopyBufferToImage(cb, io->picture.buf->handle, t->image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1,
                                       &region);
    } else {
        TRY(copy_rows(io, cb, t, io->picture.buf->handle, true));
    }
    c = crossing_back(dev, t, true);
    cross(dev, cb, &c);
    TRY(submit(io, cb, &wait, &signal, &io->ticket));
    return signal.handle ? DAUB_OK : daub_wait(dev, io->ticket, UINT64_MAX, NULL);
}

// ---- inputs ------------------------------------------------------------------------------------------------------

static daub_status to_floats(const daub_vulkan_embeds *e, const char *what, const void *stored, size_t n, float *out)
{
    if (e->format == VK_FORMAT_R16_SFLOAT)
        daub_half_to_floats(out, stored, n);
    else
        memcpy(out, stored, n * sizeof(*out));
    for (size_t i = 0; i < n; i++)
        if (!isfinite(out[i]))
            return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s holds a value that is not finite", what);
    return DAUB_OK;
}

// Both, one after the other, into `staging`.
static daub_status read_embeds(struct daub_io *io, const struct daub_buffer *staging, uint64_t size, bool negative)
{
    daub_device *dev = io->dev;
    const daub_vulkan_embeds *parts[] = { &io->given.prompt_embeds, &io->given.negative_embeds };
    const struct daub_semaphore wait = semaphore(&io->given.input_wait), signal = semaphore(&io->given.input_signal);
    const struct daub_io_target none = { 0 };
    VkCommandBuffer cb = VK_NULL_HANDLE;
    TRY(begin(io, &cb));
    struct crossing c = crossing_into(dev, &none, false);
    cross(dev, cb, &c);
    for (uint32_t i = 0; i < (negative ? 2u : 1u); i++) {
        const VkBufferCopy region = { .srcOffset = parts[i]->offset, .dstOffset = i * size, .size = size };
        dev->vk.vkCmdCopyBuffer(cb, parts[i]->buffer, staging->handle, 1, &region);
    }
    c = crossing_back(dev, &none, false);
    cross(dev, cb, &c);
    uint64_t ticket = 0;
    TRY(submit(io, cb, &wait, &signal, &ticket));
    return daub_wait(dev, ticket, UINT64_MAX, NULL);
}

daub_status daub_io_read_embeds(struct daub_io *io, uint32_t width, float *prompt, float *negative)
{
    const daub_vulkan_embeds *e = &io->given.prompt_embeds;
    if (!e->buffer)
        return DAUB_OK;
    const size_t n = (size_t)e->tokens * width;
    const uint64_t size = n * daub_embeds_value_size(e);
    struct daub_buffer *staging = NULL;
    daub_status status;
    TRY(daub_buffer_create(io->dev, DAUB_MEMORY_HOST, negative ? 2 * size : size, "the host's embeddings", &staging));
    status = read_embeds(io, staging, size, negative != NULL);
    const char *map = daub_buffer_map(staging);
    if (status == DAUB_OK)
        status = to_floats(e, "prompt_embeds", map, n, prompt);
    if (status == DAUB_OK && negative)
        status = to_floats(&io->given.negative_embeds, "negative_embeds", map + size, n, negative);
    daub_buffer_destroy(io->dev, &staging);
    return status;
}

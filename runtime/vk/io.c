// io.c - the host's memory on one device with ours: a result handed over (inputs: io_inputs.c).
//
// Each is one submission, which waits for and signals the host's semaphores. What it begins with orders it after everything that was
// submitted to the queue before, the host's work too, and what it ends with orders everything after it: a host on the same queue needs
// no barrier of its own.
#include "runtime/vk/io_private.h"

#include "runtime/vk/pace_private.h"

uint32_t daub_pixel_size(enum daub_pixels pixels)
{
    return pixels == DAUB_PIXELS_RGBA32F ? 16 : pixels == DAUB_PIXELS_RGBA16F ? 8 : 4;
}

struct daub_semaphore daub_io_semaphore(const daub_vulkan_semaphore *s)
{
    return (
        struct daub_semaphore) { .handle = s->semaphore, .timeline = s->timeline, .value = s->timeline ? s->value : 0 };
}

// ---- life --------------------------------------------------------------------------------------------------------

static daub_status create(struct daub_io *io, bool paste)
{
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        .queueFamilyIndex = io->dev->queue_family,
    };
    VK_RETURN(io->dev->vk.vkCreateCommandPool(io->dev->handle, &pool, NULL, &io->pool));
    if (!io->has_result)
        return DAUB_OK;
    const uint64_t n = (uint64_t)io->w * io->h;
    if (paste)
        TRY(daub_buffer_create(io->dev, DAUB_MEMORY_DEVICE, 4 * n, "the picture to paste", &io->picture.given));
    return daub_buffer_create(io->dev, DAUB_MEMORY_DEVICE, n * daub_pixel_size(io->picture.pixels),
                              "the picture for the host", &io->picture.buf);
}

daub_status daub_io_create(daub_device *dev, const daub_vulkan_io *given, const struct daub_io_use *use,
                           struct daub_io **out)
{
    daub_status status;
    struct daub_io *io = daub_alloc(&dev->host, sizeof(*io));
    if (!io)
        return daub_no_memory("the host's pictures");
    io->dev = dev;
    io->w = use->w;
    io->h = use->h;
    io->given = *given;
    TRY_OR_FAIL(daub_io_check(io));
    io->picture.pixels = io->target.pixels;
    if (io->target.exported) {
        daub_export_retain(io->target.exported, 1);
        io->retained = true;
    }
    TRY_OR_FAIL(create(io, use->paste));
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
    daub_buffer_destroy(i->dev, &i->picture.given);
    if (i->retained)
        daub_export_retain(i->target.exported, -1);
    daub_free(&i->dev->host, i);
    *io = NULL;
}

uint64_t daub_io_size(const daub_vulkan_io *io, const struct daub_io_use *use)
{
    enum daub_pixels pixels;
    const daub_vulkan_picture *p = &io->result;
    const VkFormat format = p->exported ? daub_export_format(p->exported) : p->format;
    if ((!p->image && !p->buffer && !p->exported) || !daub_pixels_of(format, &pixels))
        return 0;
    return (uint64_t)use->w * use->h * (daub_pixel_size(pixels) + (use->paste ? 4 : 0));
}

bool daub_io_picture(const struct daub_io *io, struct daub_picture *out)
{
    *out = io->picture;
    return io->has_result;
}

// ---- submissions -------------------------------------------------------------------------------------------------

daub_status daub_io_begin(struct daub_io *io, VkCommandBuffer *cb)
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

void daub_io_enter(daub_device *dev, VkCommandBuffer cb, const struct daub_io_target *t, bool written)
{
    const struct crossing c = {
        .target = t,
        .access = written ? VK_ACCESS_TRANSFER_WRITE_BIT : VK_ACCESS_TRANSFER_READ_BIT,
        .from = t->old_layout,
        .to = written ? VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL : VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
        .from_family = t->transfer ? t->from_family : VK_QUEUE_FAMILY_IGNORED,
        .to_family = t->transfer ? dev->queue_family : VK_QUEUE_FAMILY_IGNORED,
    };
    cross(dev, cb, &c);
}

void daub_io_leave(daub_device *dev, VkCommandBuffer cb, const struct daub_io_target *t, bool written)
{
    const struct crossing c = {
        .after = true,
        .target = t,
        .access = written ? VK_ACCESS_TRANSFER_WRITE_BIT : VK_ACCESS_TRANSFER_READ_BIT,
        .from = written ? VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL : VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
        .to = t->final_layout,
        .from_family = t->transfer ? dev->queue_family : VK_QUEUE_FAMILY_IGNORED,
        .to_family = t->transfer ? t->to_family : VK_QUEUE_FAMILY_IGNORED,
    };
    cross(dev, cb, &c);
}

daub_status daub_io_submit(struct daub_io *io, VkCommandBuffer cb, const struct daub_semaphore *wait,
                           const struct daub_semaphore *signal, uint64_t *ticket)
{
    VK_RETURN(io->dev->vk.vkEndCommandBuffer(cb));
    // As uploads are predicted; embeddings are less than a picture.
    struct daub_piece piece = { .cb = cb, .fixed_us = 4.0 * io->w * io->h / 3e3 };
    struct daub_post post = { .pieces = &piece, .n = 1, .wait = wait, .signal = signal };
    return daub_pace_submit(io->dev, &post, ticket);
}

// ---- the result --------------------------------------------------------------------------------------------------

VkBufferImageCopy daub_io_region(const struct daub_io *io, const struct daub_io_target *t)
{
    return (VkBufferImageCopy) {
        .imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, t->level, t->layer, 1 },
        .imageOffset = { (int32_t)t->x, (int32_t)t->y, 0 },
        .imageExtent = { io->w, io->h, 1 },
    };
}

daub_status daub_io_copy_rows(struct daub_io *io, VkCommandBuffer cb, const struct daub_io_target *t, VkBuffer tight,
                              uint64_t at, bool written)
{
    const uint64_t row = (uint64_t)io->w * daub_pixel_size(t->pixels);
    const uint32_t n = t->row_pitch == row ? 1 : io->h;
    VkBufferCopy *regions = daub_alloc_array(&io->dev->host, n, sizeof(*regions));
    if (!regions)
        return daub_no_memory("the rows of the host's picture");
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t own = at + i * row, theirs = t->offset + i * t->row_pitch;
        regions[i] = (VkBufferCopy) { .srcOffset = written ? own : theirs,
                                      .dstOffset = written ? theirs : own,
                                      .size = n == 1 ? io->h * row : row };
    }
    io->dev->vk.vkCmdCopyBuffer(cb, written ? tight : t->buffer, written ? t->buffer : tight, n, regions);
    daub_free(&io->dev->host, regions);
    return DAUB_OK;
}

daub_status daub_io_deliver(struct daub_io *io)
{
    daub_device *dev = io->dev;
    const struct daub_io_target *t = &io->target;
    const struct daub_semaphore wait = daub_io_semaphore(&io->given.result_wait);
    const struct daub_semaphore signal = t->exported ? daub_export_signal(t->exported)
                                                     : daub_io_semaphore(&io->given.result_signal);
    VkCommandBuffer cb = VK_NULL_HANDLE;
    TRY(daub_io_begin(io, &cb));
    daub_io_enter(dev, cb, t, true);
    if (t->image) {
        const VkBufferImageCopy region = daub_io_region(io, t);
        dev->vk.vkCmdCopyBufferToImage(cb, io->picture.buf->handle, t->image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1,
                                       &region);
    } else {
        TRY(daub_io_copy_rows(io, cb, t, io->picture.buf->handle, 0, true));
    }
    daub_io_leave(dev, cb, t, true);
    TRY(daub_io_submit(io, cb, &wait, &signal, &io->ticket));
    return signal.handle ? DAUB_OK : daub_wait(dev, io->ticket, UINT64_MAX, NULL);
}

// buffer.c - a VkBuffer on a range of a memory block.
#include "runtime/vk/buffer.h"
#include "runtime/vk/device_private.h"

bool daub_range_valid(const struct daub_range *range)
{
    return range->buf && range->size > 0 && range->offset <= range->buf->size &&
           range->size <= range->buf->size - range->offset;
}

// llvmpipe compiles a pipeline anew for every combination of two properties of the texel buffers bound to it: whether the
// VkBuffer's size is a power of two, and whether bits 8 to 15 of the view's size are 0, which it reads as a texture's last
// level (Mesa 22.3, lp_sampler_static_texture_state). What it then looks for in its disk cache depends on what it compiled
// before, so that the cache took six runs to fill. Here all buffers and views have the same two, and it compiles once.
enum { TEXEL_SLACK = 256 };

static uint64_t handle_size(const daub_device *dev, uint64_t size)
{
    if (!dev->caps.cpu || !dev->caps.texel)
        return size;
    const uint64_t wide = (size + 2 * TEXEL_SLACK - 1) / TEXEL_SLACK * TEXEL_SLACK;
    const uint64_t odd = wide & (wide - 1) ? wide : wide + TEXEL_SLACK;
    return odd <= dev->caps.max_alloc ? odd : size;
}

struct daub_range daub_texel_range(const daub_device *dev, struct daub_range range)
{
    const uint64_t wide = range.size + TEXEL_SLACK;
    if (dev->caps.cpu && (range.size >> 8 & 0xff) == 0 && range.offset + wide <= range.buf->room &&
        wide / DAUB_TEXEL_SIZE <= dev->caps.max_texel_elements)
        range.size = wide;
    return range;
}

void daub_buffer_destroy(daub_device *dev, struct daub_buffer **buf)
{
    struct daub_buffer *b = *buf;
    if (!b)
        return;
    dev->vk.vkDestroyBuffer(dev->handle, b->handle, NULL);
    daub_heap_give(dev, &b->slice);
    daub_free(&dev->host, b->name);
    daub_free(&dev->host, b);
    *buf = NULL;
}

daub_status daub_buffer_create(daub_device *dev, enum daub_memory memory, uint64_t size, const char *name,
                               struct daub_buffer **out)
{
    daub_status status;
    if (size == 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "buffer %s has no bytes", name);
    if (size > dev->caps.max_alloc)
        return daub_fail(DAUB_ERROR_NO_GPU_MEMORY,
                         "no GPU memory for %s: %llu bytes wanted, and one allocation may have %llu", name,
                         (unsigned long long)size, (unsigned long long)dev->caps.max_alloc);
    struct daub_buffer *b = daub_alloc(&dev->host, sizeof(*b));
    if (!b)
        return daub_no_memory("a buffer");
    b->size = size;
    b->room = handle_size(dev, size);
    b->name = daub_strdup(&dev->host, name);
    if (!b->name) {
        status = daub_no_memory("a buffer's name");
        goto fail;
    }
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = b->room,
        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                 (dev->caps.texel ? (VkBufferUsageFlags)VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT : 0),
    };
    VK_TRY(dev->vk.vkCreateBuffer(dev->handle, &info, NULL, &b->handle));
    DAUB_NAME(dev, VK_OBJECT_TYPE_BUFFER, b->handle, name);

    VkMemoryRequirements need;
    dev->vk.vkGetBufferMemoryRequirements(dev->handle, b->handle, &need);
    TRY_OR_FAIL(daub_heap_take(dev, memory, &need, name, &b->slice));
    VK_TRY(dev->vk.vkBindBufferMemory(dev->handle, b->handle, b->slice.memory, b->slice.offset));
    *out = b;
    return DAUB_OK;

fail:
    daub_buffer_destroy(dev, &b);
    return status;
}

uint64_t daub_buffer_size(const struct daub_buffer *buf)
{
    return buf->size;
}

uint64_t daub_buffer_held(const struct daub_buffer *buf)
{
    return buf->slice.size;
}

void *daub_buffer_map(const struct daub_buffer *buf)
{
    return buf->slice.map;
}

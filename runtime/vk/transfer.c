// transfer.c - blocking uploads, downloads and fills. Where memory is shared they are plain copies after the queue has
// drained; elsewhere two staging buffers take turns, so that the host fills one while the GPU copies the other.
#include "runtime/vk/hazard.h"
#include "runtime/vk/pace_private.h"

#include <string.h>

enum { N_SLOTS = 2 };
// Bytes a microsecond that a copy to or from a device does at least (PCIe 3.0 x4), for slices.
static const double copy_rate = 3e3;

struct slot {
    VkCommandBuffer cb;
    struct daub_buffer *buf; // made at the first staged transfer
    uint64_t ticket;         // of its last copy
};

struct daub_staging {
    daub_mutex mutex; // one transfer at a time
    uint64_t slot_size;
    VkCommandPool pool;
    struct slot slots[N_SLOTS];
};

daub_status daub_staging_make(daub_device *dev, uint64_t slot_size, struct daub_staging **out)
{
    daub_status status;
    struct daub_staging *staging = daub_alloc(&dev->host, sizeof(*staging));
    if (!staging)
        return daub_no_memory("the staging ring");
    status = daub_mutex_init(&staging->mutex);
    if (status != DAUB_OK) {
        daub_free(&dev->host, staging);
        return status;
    }
    staging->slot_size = slot_size;
    const VkCommandPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT | VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        .queueFamilyIndex = dev->queue_family,
    };
    VK_TRY(dev->vk.vkCreateCommandPool(dev->handle, &pool_info, NULL, &staging->pool));
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = staging->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    for (uint32_t i = 0; i < N_SLOTS; i++)
        VK_TRY(dev->vk.vkAllocateCommandBuffers(dev->handle, &info, &staging->slots[i].cb));
    *out = staging;
    return DAUB_OK;

fail:
    daub_staging_free(dev, &staging);
    return status;
}

void daub_staging_free(daub_device *dev, struct daub_staging **staging)
{
    struct daub_staging *s = *staging;
    if (!s)
        return;
    for (uint32_t i = 0; i < N_SLOTS; i++) {
        if (s->slots[i].ticket > 0)
            (void)daub_wait(dev, s->slots[i].ticket, UINT64_MAX, NULL); // on a lost device nothing runs either
        daub_buffer_destroy(dev, &s->slots[i].buf);
    }
    dev->vk.vkDestroyCommandPool(dev->handle, s->pool, NULL);
    daub_mutex_destroy(&s->mutex);
    daub_free(&dev->host, s);
    *staging = NULL;
}

uint64_t daub_staging_size(daub_device *dev, uint64_t largest, bool driven)
{
    const uint64_t slot_size = driven ? DAUB_DRIVEN_STAGING_SLOT : dev->staging->slot_size;
    const uint32_t needed = dev->caps.uma || largest == 0 ? 0 : largest <= slot_size ? 1 : N_SLOTS;
    uint64_t size = driven ? needed * slot_size : 0;
    daub_mutex_lock(&dev->staging->mutex);
    for (uint32_t i = 0; i < N_SLOTS; i++) {
        const uint64_t held = dev->staging->slots[i].buf ? dev->staging->slots[i].buf->size : 0;
        size += !driven && i < needed && held < slot_size ? slot_size : held;
    }
    daub_mutex_unlock(&dev->staging->mutex);
    return size;
}

uint64_t daub_staging_held(daub_device *dev)
{
    uint64_t held = 0;
    daub_mutex_lock(&dev->staging->mutex);
    for (uint32_t i = 0; i < N_SLOTS; i++)
        held += dev->staging->slots[i].buf ? daub_buffer_held(dev->staging->slots[i].buf) : 0;
    daub_mutex_unlock(&dev->staging->mutex);
    return held;
}

// The slot's buffer, of at least `size` bytes, no longer in use by the GPU.
static daub_status slot_ready(daub_device *dev, struct daub_staging *staging, struct slot *slot, uint64_t size)
{
    TRY(daub_wait(dev, slot->ticket, UINT64_MAX, NULL));
    if (slot->buf && slot->buf->size < size)
        daub_buffer_destroy(dev, &slot->buf);
    if (slot->buf)
        return DAUB_OK;
    const uint64_t least = staging->slot_size;
    return daub_buffer_create(dev, DAUB_MEMORY_HOST, size > least ? size : least, "staging", &slot->buf);
}

static daub_status slot_begin(daub_device *dev, struct slot *slot)
{
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    TRY(daub_wait(dev, slot->ticket, UINT64_MAX, NULL));
    VK_RETURN(dev->vk.vkBeginCommandBuffer(slot->cb, &begin));
    daub_barrier_begin(dev, slot->cb);
    return DAUB_OK;
}

static daub_status slot_submit(daub_device *dev, struct slot *slot, uint64_t size)
{
    daub_barrier_end(dev, slot->cb);
    VK_RETURN(dev->vk.vkEndCommandBuffer(slot->cb));
    struct daub_piece piece = { .cb = slot->cb, .fixed_us = (double)size / copy_rate };
    struct daub_post post = { .pieces = &piece, .n = 1 };
    return daub_pace_submit(dev, &post, &slot->ticket);
}

static daub_status slot_copy(daub_device *dev, struct slot *slot, VkBuffer dst, uint64_t dst_offset, VkBuffer src,
                             uint64_t src_offset, uint64_t size)
{
    const VkBufferCopy region = { .srcOffset = src_offset, .dstOffset = dst_offset, .size = size };
    TRY(slot_begin(dev, slot));
    dev->vk.vkCmdCopyBuffer(slot->cb, src, dst, 1, &region);
    return slot_submit(dev, slot, size);
}

static daub_status check(const struct daub_range *range, const char *what)
{
    if (!range->buf)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: no buffer", what);
    if (!daub_range_valid(range))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: bytes %llu to %llu are not inside %s of %llu bytes", what,
                         (unsigned long long)range->offset, (unsigned long long)(range->offset + range->size),
                         range->buf->name, (unsigned long long)range->buf->size);
    return DAUB_OK;
}

// Called with the mutex held.
static daub_status upload_staged(daub_device *dev, struct daub_staging *staging, const struct daub_range *dst,
                                 uint64_t granule, void (*write)(void *, void *, uint64_t, uint64_t), void *user)
{
    const uint64_t least = granule < dst->size ? granule : dst->size;
    uint64_t turn = 0;
    for (uint64_t done = 0; done < dst->size; turn++) {
        struct slot *slot = &staging->slots[turn % N_SLOTS];
        TRY(slot_ready(dev, staging, slot, least));
        const uint64_t room = slot->buf->size / granule * granule;
        const uint64_t left = dst->size - done, size = room && room < left ? room : left;
        write(user, slot->buf->slice.map, done, size);
        TRY(slot_copy(dev, slot, dst->buf->handle, dst->offset + done, slot->buf->handle, 0, size));
        done += size;
    }
    return daub_queue_drain(dev);
}

daub_status daub_upload_with(daub_device *dev, struct daub_range dst, uint64_t granule,
                             void (*write)(void *user, void *ptr, uint64_t offset, uint64_t size), void *user)
{
    TRY(check(&dst, "upload"));
    if (granule == 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "upload: a granule of 0 bytes");
    char *map = daub_buffer_map(dst.buf);
    struct daub_staging *staging;
    TRY(daub_pace_staging(dev, &staging));
    daub_mutex_lock(&staging->mutex);
    daub_status status;
    if (map) {
        status = daub_queue_drain(dev); // what was submitted before may still read or write there
        if (status == DAUB_OK)
            write(user, map + dst.offset, 0, dst.size);
    } else {
        status = upload_staged(dev, staging, &dst, granule, write, user);
    }
    daub_mutex_unlock(&staging->mutex);
    return status;
}

static void copy_piece(void *user, void *ptr, uint64_t offset, uint64_t size)
{
    memcpy(ptr, (const char *)user + offset, (size_t)size);
}

daub_status daub_upload(daub_device *dev, struct daub_range dst, const void *data)
{
    return daub_upload_with(dev, dst, 1, copy_piece, (void *)(uintptr_t)data); // copy_piece only reads it
}

// Called with the mutex held. Piece n is asked for before piece n - 1 is collected.
static daub_status download_staged(daub_device *dev, struct daub_staging *staging, const struct daub_range *src,
                                   char *data)
{
    const uint64_t slot_size = staging->slot_size;
    const uint64_t n_pieces = (src->size + slot_size - 1) / slot_size;
    for (uint64_t turn = 0; turn <= n_pieces; turn++) {
        if (turn < n_pieces) {
            struct slot *slot = &staging->slots[turn % N_SLOTS];
            const uint64_t at = turn * slot_size, left = src->size - at;
            TRY(slot_ready(dev, staging, slot, 1));
            TRY(slot_copy(dev, slot, slot->buf->handle, 0, src->buf->handle, src->offset + at,
                          left < slot_size ? left : slot_size));
        }
        if (turn > 0) {
            const struct slot *slot = &staging->slots[(turn - 1) % N_SLOTS];
            const uint64_t at = (turn - 1) * slot_size, left = src->size - at;
            TRY(daub_wait(dev, slot->ticket, UINT64_MAX, NULL));
            memcpy(data + at, slot->buf->slice.map, (size_t)(left < slot_size ? left : slot_size));
        }
    }
    return DAUB_OK;
}

daub_status daub_download(daub_device *dev, struct daub_range src, void *data)
{
    TRY(check(&src, "download"));
    const char *map = daub_buffer_map(src.buf);
    struct daub_staging *staging;
    TRY(daub_pace_staging(dev, &staging));
    daub_mutex_lock(&staging->mutex);
    daub_status status;
    if (map) {
        status = daub_queue_drain(dev);
        if (status == DAUB_OK)
            memcpy(data, map + src.offset, (size_t)src.size);
    } else {
        status = download_staged(dev, staging, &src, data);
    }
    daub_mutex_unlock(&staging->mutex);
    return status;
}

static daub_status fill(daub_device *dev, struct daub_staging *staging, const struct daub_range *dst, uint32_t n,
                        uint32_t word)
{
    struct slot *slot = &staging->slots[0];
    uint64_t size = 0;
    TRY(slot_begin(dev, slot));
    for (uint32_t i = 0; i < n; i++) {
        dev->vk.vkCmdFillBuffer(slot->cb, dst[i].buf->handle, dst[i].offset, dst[i].size, word);
        size += dst[i].size;
    }
    TRY(slot_submit(dev, slot, size));
    return daub_wait(dev, slot->ticket, UINT64_MAX, NULL);
}

daub_status daub_fill(daub_device *dev, struct daub_range dst, uint32_t word)
{
    return daub_fill_all(dev, &dst, 1, word);
}

daub_status daub_fill_all(daub_device *dev, const struct daub_range *dst, uint32_t n, uint32_t word)
{
    for (uint32_t i = 0; i < n; i++) {
        TRY(check(&dst[i], "fill"));
        if (dst[i].offset % 4 || dst[i].size % 4)
            return daub_fail(DAUB_ERROR_INVALID_ARG, "fill: offset %llu and size %llu of %s are not multiples of 4",
                             (unsigned long long)dst[i].offset, (unsigned long long)dst[i].size, dst[i].buf->name);
    }
    struct daub_staging *staging;
    TRY(daub_pace_staging(dev, &staging));
    daub_mutex_lock(&staging->mutex);
    const daub_status status = fill(dev, staging, dst, n, word);
    daub_mutex_unlock(&staging->mutex);
    return status;
}

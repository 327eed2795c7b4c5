// memory.c - few large blocks, cut into ranges by first fit from a free list sorted by offset. A network's buffers are
// few, large and long-lived, so neither speed nor fragmentation asks for more.
#include "runtime/vk/device_private.h"

#include <stdio.h>
#include <string.h>

static const uint64_t block_size = 16ull << 20; // what little buffers share

struct hole { // a free range of a block
    uint64_t offset, size;
};

struct daub_block {
    struct daub_block *next;
    VkDeviceMemory memory;
    uint64_t size;
    uint32_t type;
    enum daub_memory kind;
    char *map;         // NULL when the host is not to see it
    uint32_t n_ranges; // that buffers hold
    uint32_t n_holes, capacity;
    struct hole *holes; // sorted by offset, no two touch
};

struct daub_heap {
    daub_mutex mutex;
    struct daub_block *blocks;
    uint64_t allocated;  // of the driver, all blocks
    uint64_t used, peak; // in ranges that buffers hold
    uint64_t new_block;  // usual size of a block
};

static void format_size(char *text, size_t size, uint64_t bytes)
{
    if (bytes >= 1ull << 30)
        snprintf(text, size, "%.2f GiB", (double)bytes / (double)(1ull << 30));
    else if (bytes >= 1ull << 20)
        snprintf(text, size, "%.1f MiB", (double)bytes / (double)(1ull << 20));
    else
        snprintf(text, size, "%llu bytes", (unsigned long long)bytes);
}

static daub_status fail_full(const daub_device *dev, const char *name, uint64_t wanted, const char *why)
{
    char want[32], used[32], allowed[32];
    format_size(want, sizeof(want), wanted);
    format_size(used, sizeof(used), dev->heap->allocated);
    format_size(allowed, sizeof(allowed), dev->caps.max_memory);
    return daub_fail(DAUB_ERROR_NO_GPU_MEMORY, "no GPU memory for %s: %s wanted, %s used, %s allowed%s", name, want,
                     used, allowed, why);
}

// UINT32_MAX: none. Host memory is coherent always (every device has such a type), so nothing is ever flushed. Of equals
// the one in the largest heap is taken: some GPUs also have a small window of memory that both sides reach.
static uint32_t find_type(const daub_device *dev, enum daub_memory memory, uint32_t allowed)
{
    const bool mapped = memory == DAUB_MEMORY_HOST || dev->caps.uma;
    const VkMemoryPropertyFlags shared = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    const VkMemoryPropertyFlags must = (mapped ? shared : 0) |
                                       (memory == DAUB_MEMORY_DEVICE ? VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT : 0);
    const VkMemoryPropertyFlags wish = mapped ? VK_MEMORY_PROPERTY_HOST_CACHED_BIT : 0;
    const VkMemoryPropertyFlags never = VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT;
    const VkPhysicalDeviceMemoryProperties *all = &dev->memory_types;
    uint32_t best = UINT32_MAX;
    bool best_wish = false;
    for (uint32_t i = 0; i < all->memoryTypeCount; i++) {
        const VkMemoryPropertyFlags flags = all->memoryTypes[i].propertyFlags;
        if (!(allowed & (1u << i)) || (flags & must) != must || (flags & never))
            continue;
        const bool has_wish = (flags & wish) == wish;
        const uint64_t size = all->memoryHeaps[all->memoryTypes[i].heapIndex].size;
        if (best == UINT32_MAX || (has_wish && !best_wish) ||
            (has_wish == best_wish && size > all->memoryHeaps[all->memoryTypes[best].heapIndex].size)) {
            best = i;
            best_wish = has_wish;
        }
    }
    return best;
}

// Makes room for the holes that one more range can leave, so that giving a range back cannot fail: a block has at most
// one hole more than it has ranges.
static bool reserve_hole(daub_device *dev, struct daub_block *block)
{
    if (block->n_ranges + 2 <= block->capacity)
        return true;
    const uint32_t wanted = block->capacity ? 2 * block->capacity : 16;
    struct hole *holes = daub_realloc(&dev->host, block->holes, block->capacity * sizeof(*holes),
                                      wanted * sizeof(*holes));
    if (!holes)
        return false;
    block->holes = holes;
    block->capacity = wanted;
    return true;
}

static void block_destroy(daub_device *dev, struct daub_block *block)
{
    if (block->map)
        dev->vk.vkUnmapMemory(dev->handle, block->memory);
    dev->vk.vkFreeMemory(dev->handle, block->memory, NULL);
    daub_free(&dev->host, block->holes);
    daub_free(&dev->host, block);
}

static daub_status block_create(daub_device *dev, enum daub_memory kind, uint32_t type, uint64_t size, const char *name,
                                struct daub_block **out)
{
    daub_status status;
    struct daub_block *block = daub_alloc(&dev->host, sizeof(*block));
    if (!block)
        return daub_no_memory("a memory block");
    if (!reserve_hole(dev, block)) {
        status = daub_no_memory("a memory block");
        goto fail;
    }
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = size,
        .memoryTypeIndex = type,
    };
    const VkResult result = dev->vk.vkAllocateMemory(dev->handle, &info, NULL, &block->memory);
    if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_TOO_MANY_OBJECTS) {
        status = fail_full(dev, name, size, ", and the driver refused");
        goto fail;
    }
    if (result != VK_SUCCESS) {
        status = daub_from_vk(result, "vkAllocateMemory");
        goto fail;
    }
    if (kind == DAUB_MEMORY_HOST || dev->caps.uma) {
        void *map;
        VK_TRY(dev->vk.vkMapMemory(dev->handle, block->memory, 0, VK_WHOLE_SIZE, 0, &map));
        block->map = map;
    }
    block->kind = kind;
    block->size = size;
    block->type = type;
    block->holes[0] = (struct hole) { .offset = 0, .size = size };
    block->n_holes = 1;
    *out = block;
    return DAUB_OK;

fail:
    block_destroy(dev, block);
    return status;
}

static void remove_hole(struct daub_block *block, uint32_t i)
{
    block->n_holes--;
    memmove(&block->holes[i], &block->holes[i + 1], (block->n_holes - i) * sizeof(block->holes[0]));
}

// First fit. False: no hole is large enough.
static bool block_take(struct daub_block *block, uint64_t size, uint64_t align, struct daub_slice *out)
{
    for (uint32_t i = 0; i < block->n_holes; i++) {
        struct hole *hole = &block->holes[i];
        const uint64_t offset = (hole->offset + align - 1) & ~(align - 1);
        const uint64_t lost = offset - hole->offset;
        if (hole->size < lost || hole->size - lost < size)
            continue;
        // The bytes skipped for alignment go with the range, so that one hole stays one hole.
        out->block = block;
        out->begin = hole->offset;
        out->memory = block->memory;
        out->offset = offset;
        out->size = lost + size;
        out->map = block->map ? block->map + offset : NULL;
        hole->offset += out->size;
        hole->size -= out->size;
        if (hole->size == 0)
            remove_hole(block, i);
        block->n_ranges++;
        return true;
    }
    return false;
}

static void block_give(struct daub_block *block, uint64_t begin, uint64_t size)
{
    uint32_t i = 0;
    while (i < block->n_holes && block->holes[i].offset < begin)
        i++;
    const bool joins_left = i > 0 && block->holes[i - 1].offset + block->holes[i - 1].size == begin;
    const bool joins_right = i < block->n_holes && begin + size == block->holes[i].offset;
    if (joins_left && joins_right) {
        block->holes[i - 1].size += size + block->holes[i].size;
        remove_hole(block, i);
    } else if (joins_left) {
        block->holes[i - 1].size += size;
    } else if (joins_right) {
        block->holes[i].offset = begin;
        block->holes[i].size += size;
    } else {
        memmove(&block->holes[i + 1], &block->holes[i], (block->n_holes - i) * sizeof(block->holes[0]));
        block->holes[i] = (struct hole) { .offset = begin, .size = size };
        block->n_holes++;
    }
    block->n_ranges--;
}

// From a block of this kind that has room, if there is one.
static daub_status take_hole(daub_device *dev, enum daub_memory kind, uint32_t type, uint64_t size, uint64_t align,
                             struct daub_slice *out)
{
    for (struct daub_block *b = dev->heap->blocks; b && !out->block; b = b->next) {
        if (b->type != type || b->kind != kind)
            continue;
        if (!reserve_hole(dev, b))
            return daub_no_memory("a memory block");
        (void)block_take(b, size, align, out);
    }
    return DAUB_OK;
}

// Small ranges share blocks. A large one has a block of its own while there is memory for that, so that all of it goes
// back to the system when the buffer does. Where the host gave a limit every range has: what is allocated is what is in use,
// to the byte, and a picture that was said to fit does.
static daub_status take(daub_device *dev, enum daub_memory kind, uint32_t type, uint64_t size, uint64_t align,
                        const char *name, struct daub_slice *out)
{
    struct daub_heap *heap = dev->heap;
    const uint64_t max = dev->caps.max_memory, left = max > heap->allocated ? max - heap->allocated : 0;
    const bool large = dev->caps.memory_given || size > heap->new_block / 16;
    if (!large || size > left)
        TRY(take_hole(dev, kind, type, size, align, out));
    if (out->block)
        return DAUB_OK;
    if (size > left)
        return fail_full(dev, name, size, "");
    if (size > dev->caps.max_alloc)
        return fail_full(dev, name, size, ", and one allocation of the device cannot be that large");

    uint64_t block_bytes = large ? size : heap->new_block;
    if (block_bytes > left)
        block_bytes = size;
    struct daub_block *block = NULL;
    daub_status status = block_create(dev, kind, type, block_bytes, name, &block);
    if (status == DAUB_ERROR_NO_GPU_MEMORY && block_bytes > size)
        status = block_create(dev, kind, type, size, name, &block);
    TRY(status);
    block->next = heap->blocks;
    heap->blocks = block;
    heap->allocated += block->size;
    const bool fits = block_take(block, size, align, out);
    return fits ? DAUB_OK : fail_full(dev, name, size, ", and its alignment does not fit");
}

daub_status daub_heap_create(daub_device *dev)
{
    struct daub_heap *heap = daub_alloc(&dev->host, sizeof(*heap));
    if (!heap)
        return daub_no_memory("the memory heap");
    const daub_status status = daub_mutex_init(&heap->mutex);
    if (status != DAUB_OK) {
        daub_free(&dev->host, heap);
        return status;
    }
    heap->new_block = block_size;
    if (dev->caps.max_alloc < heap->new_block)
        heap->new_block = dev->caps.max_alloc;
    if (dev->caps.heap_size / 8 < heap->new_block)
        heap->new_block = dev->caps.heap_size / 8;
    dev->heap = heap;
    return DAUB_OK;
}

void daub_heap_destroy(daub_device *dev)
{
    struct daub_heap *heap = dev->heap;
    if (!heap)
        return;
    while (heap->blocks) { // none are left when every buffer was destroyed
        struct daub_block *block = heap->blocks;
        heap->blocks = block->next;
        daub_log(&dev->host, DAUB_LOG_WARNING, "%u buffers outlive their device", block->n_ranges);
        block_destroy(dev, block);
    }
    daub_mutex_destroy(&heap->mutex);
    daub_free(&dev->host, heap);
    dev->heap = NULL;
}

daub_status daub_heap_take(daub_device *dev, enum daub_memory memory, const VkMemoryRequirements *need,
                           const char *name, struct daub_slice *out)
{
    const uint32_t type = find_type(dev, memory, need->memoryTypeBits);
    if (type == UINT32_MAX)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "no memory type of the device takes %s", name);
    const uint64_t align = need->alignment > dev->caps.buffer_align ? need->alignment : dev->caps.buffer_align;
    struct daub_heap *heap = dev->heap;
    daub_mutex_lock(&heap->mutex);
    const daub_status status = take(dev, memory, type, need->size, align, name, out);
    if (status == DAUB_OK) {
        heap->used += out->size;
        if (heap->used > heap->peak)
            heap->peak = heap->used;
    }
    daub_mutex_unlock(&heap->mutex);
    return status;
}

daub_status daub_heap_count(daub_device *dev, uint64_t size, const char *name)
{
    struct daub_heap *heap = dev->heap;
    daub_mutex_lock(&heap->mutex);
    const uint64_t max = dev->caps.max_memory, left = max > heap->allocated ? max - heap->allocated : 0;
    const daub_status status = size > left ? fail_full(dev, name, size, "") : DAUB_OK;
    if (status == DAUB_OK) {
        heap->allocated += size;
        heap->used += size;
        if (heap->used > heap->peak)
            heap->peak = heap->used;
    }
    daub_mutex_unlock(&heap->mutex);
    return status;
}

void daub_heap_discount(daub_device *dev, uint64_t size)
{
    daub_mutex_lock(&dev->heap->mutex);
    dev->heap->allocated -= size;
    dev->heap->used -= size;
    daub_mutex_unlock(&dev->heap->mutex);
}

void daub_heap_give(daub_device *dev, struct daub_slice *slice)
{
    struct daub_block *block = slice->block;
    if (!block)
        return;
    struct daub_heap *heap = dev->heap;
    daub_mutex_lock(&heap->mutex);
    heap->used -= slice->size;
    block_give(block, slice->begin, slice->size);
    if (block->n_ranges == 0) {
        struct daub_block **at = &heap->blocks;
        while (*at != block)
            at = &(*at)->next;
        *at = block->next;
        heap->allocated -= block->size;
        block_destroy(dev, block);
    }
    daub_mutex_unlock(&heap->mutex);
    *slice = (struct daub_slice) { 0 };
}

uint64_t daub_device_memory_used(const daub_device *dev)
{
    struct daub_heap *heap = dev->heap;
    daub_mutex_lock(&heap->mutex);
    const uint64_t used = heap->used;
    daub_mutex_unlock(&heap->mutex);
    return used;
}

uint64_t daub_device_memory_peak(const daub_device *dev)
{
    struct daub_heap *heap = dev->heap;
    daub_mutex_lock(&heap->mutex);
    const uint64_t peak = heap->peak;
    daub_mutex_unlock(&heap->mutex);
    return peak;
}

uint64_t daub_device_memory_limit(const daub_device *dev)
{
    struct daub_heap *heap = dev->heap;
    uint32_t index;
    uint64_t available;
    (void)daub_local_heap_size(&dev->memory_types, &index);
    if (!dev->caps.memory_budget || !daub_heap_budget_now(&dev->instance, dev->physical, index, &available))
        return dev->caps.max_memory;
    daub_mutex_lock(&heap->mutex);
    const uint64_t all = heap->allocated + available;
    daub_mutex_unlock(&heap->mutex);
    return all < dev->caps.max_memory ? all : dev->caps.max_memory;
}

void daub_device_memory_reset_peak(daub_device *dev)
{
    daub_mutex_lock(&dev->heap->mutex);
    dev->heap->peak = dev->heap->used;
    daub_mutex_unlock(&dev->heap->mutex);
}

// clocks.c - two timestamps for every piece that is recorded, from query pools that all cmds of a device share.
//
// The device copies them to memory that the host reads: asking for query results lets lavapipe wait until the device is idle, which
// would stop a job's thread between slices, and the host's in daub_job_advance. That memory, 16 KiB for 1024 pieces, is in no account.
#include "runtime/vk/piece.h"

enum { CHUNK = 1024 }; // slots of a pool

struct daub_clock_pool {
    VkQueryPool queries;
    VkBuffer buffer;
    VkDeviceMemory memory;
    void *map;
};

daub_status daub_clocks_create(daub_device *dev)
{
    struct daub_clocks *clocks = daub_alloc(&dev->host, sizeof(*clocks));
    if (!clocks)
        return daub_no_memory("the device's clocks");
    const daub_status status = daub_mutex_init(&clocks->mutex);
    if (status != DAUB_OK) {
        daub_free(&dev->host, clocks);
        return status;
    }
    dev->clocks = clocks;
    return DAUB_OK;
}

static void pool_destroy(daub_device *dev, struct daub_clock_pool *pool)
{
    if (pool->map)
        dev->vk.vkUnmapMemory(dev->handle, pool->memory);
    dev->vk.vkDestroyBuffer(dev->handle, pool->buffer, NULL);
    dev->vk.vkFreeMemory(dev->handle, pool->memory, NULL);
    dev->vk.vkDestroyQueryPool(dev->handle, pool->queries, NULL);
    *pool = (struct daub_clock_pool) { 0 };
}

void daub_clocks_destroy(daub_device *dev)
{
    struct daub_clocks *clocks = dev->clocks;
    if (!clocks)
        return;
    for (uint32_t i = 0; i < clocks->n_pools; i++)
        pool_destroy(dev, &clocks->pools[i]);
    daub_free(&dev->host, clocks->pools);
    daub_free(&dev->host, clocks->free);
    daub_mutex_destroy(&clocks->mutex);
    daub_free(&dev->host, clocks);
    dev->clocks = NULL;
}

// Coherent memory for buffers: every device has such a type.
static uint32_t memory_type(const daub_device *dev, uint32_t allowed)
{
    const VkMemoryPropertyFlags must = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    uint32_t i = 0;
    while (i < dev->memory_types.memoryTypeCount &&
           (!(allowed >> i & 1) || (dev->memory_types.memoryTypes[i].propertyFlags & must) != must))
        i++;
    return i;
}

static daub_status pool_create(daub_device *dev, struct daub_clock_pool *pool)
{
    const VkQueryPoolCreateInfo queries = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = 2 * CHUNK,
    };
    VK_RETURN(dev->vk.vkCreateQueryPool(dev->handle, &queries, NULL, &pool->queries));
    const VkBufferCreateInfo buffer = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = 2 * CHUNK * sizeof(uint64_t),
        .usage = VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    VK_RETURN(dev->vk.vkCreateBuffer(dev->handle, &buffer, NULL, &pool->buffer));
    VkMemoryRequirements need;
    dev->vk.vkGetBufferMemoryRequirements(dev->handle, pool->buffer, &need);
    const VkMemoryAllocateInfo memory = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = need.size,
        .memoryTypeIndex = memory_type(dev, need.memoryTypeBits),
    };
    VK_RETURN(dev->vk.vkAllocateMemory(dev->handle, &memory, NULL, &pool->memory));
    VK_RETURN(dev->vk.vkBindBufferMemory(dev->handle, pool->buffer, pool->memory, 0));
    VK_RETURN(dev->vk.vkMapMemory(dev->handle, pool->memory, 0, VK_WHOLE_SIZE, 0, &pool->map));
    return DAUB_OK;
}

// Called with the mutex held.
static daub_status add_pool(daub_device *dev)
{
    struct daub_clocks *c = dev->clocks;
    struct daub_clock_pool *pools = daub_realloc(&dev->host, c->pools, c->n_pools * sizeof(*pools),
                                                 (c->n_pools + 1) * sizeof(*pools));
    if (!pools)
        return daub_no_memory("the device's clocks");
    c->pools = pools;
    // Room for all slots at once: giving one back cannot fail.
    uint32_t *slots = daub_realloc(&dev->host, c->free, (size_t)c->n_pools * CHUNK * sizeof(*slots),
                                   (size_t)(c->n_pools + 1) * CHUNK * sizeof(*slots));
    if (!slots)
        return daub_no_memory("the device's clocks");
    c->free = slots;
    struct daub_clock_pool pool = { 0 };
    const daub_status status = pool_create(dev, &pool);
    if (status != DAUB_OK) {
        pool_destroy(dev, &pool);
        return status;
    }
    pools[c->n_pools] = pool;
    for (uint32_t i = CHUNK; i > 0; i--)
        slots[c->n_free++] = c->n_pools * CHUNK + i - 1;
    c->n_pools++;
    return DAUB_OK;
}

daub_status daub_clock_take(daub_device *dev, struct daub_clock *out)
{
    struct daub_clocks *c = dev->clocks;
    daub_status status = DAUB_OK;
    daub_mutex_lock(&c->mutex);
    if (c->n_free == 0)
        status = add_pool(dev);
    if (status == DAUB_OK) {
        const uint32_t slot = c->free[--c->n_free];
        const struct daub_clock_pool *pool = &c->pools[slot / CHUNK];
        *out = (struct daub_clock) {
            .pool = pool->queries,
            .first = 2 * (slot % CHUNK),
            .buffer = pool->buffer,
            .ticks = (const uint64_t *)pool->map + 2 * (slot % CHUNK),
            .slot = slot,
        };
    }
    daub_mutex_unlock(&c->mutex);
    return status;
}

void daub_clock_give(daub_device *dev, struct daub_clock *clock)
{
    if (!clock->ticks)
        return;
    daub_mutex_lock(&dev->clocks->mutex);
    dev->clocks->free[dev->clocks->n_free++] = clock->slot;
    daub_mutex_unlock(&dev->clocks->mutex);
    *clock = (struct daub_clock) { 0 };
}

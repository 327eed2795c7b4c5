// profile.c - timestamps round every dispatch of a cmd. Both are taken when all work before them is done (bottom of
// pipe), and the cmd puts a barrier before each dispatch, so a row holds one dispatch and nothing else: the sum is a
// little more than a run without profiling takes.
#include "runtime/vk/device_private.h"

#include <string.h>

enum { CHUNK = 256 }; // dispatches a query pool holds

struct daub_profile {
    uint32_t n_rows, capacity, n_pools, pool_capacity;
    struct daub_cmd_time *rows;
    VkQueryPool *pools; // row r: queries 2 * (r % CHUNK) and the next of pool r / CHUNK
};

daub_status daub_profile_create(daub_device *dev, struct daub_profile **out)
{
    struct daub_profile *profile = daub_alloc(&dev->host, sizeof(*profile));
    if (!profile)
        return daub_no_memory("a profile");
    *out = profile;
    return DAUB_OK;
}

void daub_profile_destroy(daub_device *dev, struct daub_profile **profile)
{
    struct daub_profile *p = *profile;
    if (!p)
        return;
    for (uint32_t i = 0; i < p->n_pools; i++)
        dev->vk.vkDestroyQueryPool(dev->handle, p->pools[i], NULL);
    daub_free(&dev->host, p->pools);
    daub_free(&dev->host, p->rows);
    daub_free(&dev->host, p);
    *profile = NULL;
}

static daub_status add_pool(daub_device *dev, struct daub_profile *profile, VkCommandBuffer cb)
{
    VkQueryPool *pools = daub_realloc(&dev->host, profile->pools, profile->n_pools * sizeof(*pools),
                                      (profile->n_pools + 1) * sizeof(*pools));
    if (!pools)
        return daub_no_memory("a profile");
    profile->pools = pools;
    struct daub_cmd_time *rows = daub_realloc(&dev->host, profile->rows, profile->capacity * sizeof(*rows),
                                              (profile->capacity + CHUNK) * sizeof(*rows));
    if (!rows)
        return daub_no_memory("a profile");
    profile->rows = rows;
    profile->capacity += CHUNK;
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = 2 * CHUNK,
    };
    VK_RETURN(dev->vk.vkCreateQueryPool(dev->handle, &info, NULL, &pools[profile->n_pools]));
    dev->vk.vkCmdResetQueryPool(cb, pools[profile->n_pools], 0, 2 * CHUNK);
    profile->n_pools++;
    return DAUB_OK;
}

daub_status daub_profile_before(daub_device *dev, struct daub_profile *profile, VkCommandBuffer cb)
{
    if (profile->n_rows == profile->n_pools * CHUNK)
        TRY(add_pool(dev, profile, cb));
    dev->vk.vkCmdWriteTimestamp(cb, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, profile->pools[profile->n_rows / CHUNK],
                                2 * (profile->n_rows % CHUNK));
    return DAUB_OK;
}

void daub_profile_after(daub_device *dev, struct daub_profile *profile, VkCommandBuffer cb,
                        const struct daub_cmd_time *row)
{
    dev->vk.vkCmdWriteTimestamp(cb, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, profile->pools[profile->n_rows / CHUNK],
                                2 * (profile->n_rows % CHUNK) + 1);
    profile->rows[profile->n_rows++] = *row;
}

daub_status daub_profile_read(daub_device *dev, struct daub_profile *profile, struct daub_cmd_time *rows,
                              uint32_t capacity, uint32_t *count)
{
    const uint32_t bits = dev->timestamp_bits;
    const uint64_t mask = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    for (uint32_t first = 0; first < profile->n_rows; first += CHUNK) {
        uint64_t ticks[2 * CHUNK];
        const uint32_t n = profile->n_rows - first < CHUNK ? profile->n_rows - first : CHUNK;
        VK_RETURN(dev->vk.vkGetQueryPoolResults(dev->handle, profile->pools[first / CHUNK], 0, 2 * n, sizeof(ticks),
                                                ticks, sizeof(ticks[0]),
                                                VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT));
        for (uint32_t i = 0; i < n && first + i < capacity; i++) {
            rows[first + i] = profile->rows[first + i];
            rows[first + i].begin = (double)(ticks[2 * i] & mask) * dev->caps.timestamp_ns * 1e-9;
            rows[first + i].seconds = (double)((ticks[2 * i + 1] - ticks[2 * i]) & mask) * dev->caps.timestamp_ns *
                                      1e-9;
        }
    }
    *count = profile->n_rows;
    return DAUB_OK;
}

// hazard.c - barriers only where one piece of work meets another.
//
// Since the last barrier every dispatch's ranges are kept in a list, each with the way it was accessed. The next
// dispatch is compared with all of them: ranges of one buffer that overlap, at least one of the two a write, are a
// hazard. On the first hazard one memory barrier is recorded and the list is emptied, because that barrier orders all
// compute and transfer work before it, with all its writes, ahead of all that follows. A barrier against only the range
// in conflict would let a little more overlap, but drivers widen it to a full one anyway.
//
//     dispatch A  writes x            list: x W
//     dispatch B  reads x, writes y   x: W then R -> barrier; list: x R, y W
//     dispatch C  reads x, writes z   no hazard;              list: x R, y W, x R, z W
//     dispatch D  reads y z, writes x y: W then R -> barrier; B and C overlap, A and D do not
//
// The first commands of a cmd need no special case: it begins with a barrier against whatever was submitted before.
#include "runtime/vk/hazard.h"

#include <string.h>

static const VkPipelineStageFlags work = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
static const VkAccessFlags all_writes = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
static const VkAccessFlags all_access = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                                        VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;

// Flags are those that synchronization2 shares with Vulkan 1.0.
static void barrier(daub_device *dev, VkCommandBuffer cb, VkPipelineStageFlags src_stage, VkAccessFlags src_access,
                    VkPipelineStageFlags dst_stage, VkAccessFlags dst_access)
{
    if (dev->caps.sync2) {
        const VkMemoryBarrier2 memory = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
            .srcStageMask = src_stage,
            .srcAccessMask = src_access,
            .dstStageMask = dst_stage,
            .dstAccessMask = dst_access,
        };
        const VkDependencyInfo info = {
            .sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
            .memoryBarrierCount = 1,
            .pMemoryBarriers = &memory,
        };
        dev->vk.vkCmdPipelineBarrier2(cb, &info);
    } else {
        const VkMemoryBarrier memory = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
            .srcAccessMask = src_access,
            .dstAccessMask = dst_access,
        };
        dev->vk.vkCmdPipelineBarrier(cb, src_stage, dst_stage, 0, 1, &memory, 0, NULL, 0, NULL);
    }
}

static bool is_hazard(const struct daub_hazards *hazards, const struct daub_range_access *a)
{
    for (uint32_t i = 0; i < hazards->n; i++) {
        const struct daub_range_access *b = &hazards->accesses[i];
        if (a->buf == b->buf && a->begin < b->end && b->begin < a->end && ((a->how | b->how) & DAUB_WRITE))
            return true;
    }
    return false;
}

struct daub_range_access daub_range_access(const struct daub_range *range, uint32_t how)
{
    return (struct daub_range_access) {
        .buf = range->buf, .begin = range->offset, .end = range->offset + range->size, .how = how
    };
}

daub_status daub_hazards_add(daub_device *dev, struct daub_hazards *hazards, const struct daub_range_access *accesses,
                             uint32_t n, bool *needed)
{
    bool hazard = false;
    for (uint32_t i = 0; i < n && !hazard; i++)
        hazard = is_hazard(hazards, &accesses[i]);
    if (hazard)
        hazards->n = 0;
    if (hazards->n + n > hazards->capacity) {
        const uint32_t wanted = 2 * hazards->capacity + n;
        struct daub_range_access *grown = daub_realloc(&dev->host, hazards->accesses,
                                                       hazards->capacity * sizeof(*grown), wanted * sizeof(*grown));
        if (!grown)
            return daub_no_memory("recorded work");
        hazards->accesses = grown;
        hazards->capacity = wanted;
    }
    if (n > 0)
        memcpy(hazards->accesses + hazards->n, accesses, n * sizeof(*accesses));
    hazards->n += n;
    *needed = hazard;
    return DAUB_OK;
}

void daub_hazards_free(daub_device *dev, struct daub_hazards *hazards)
{
    daub_free(&dev->host, hazards->accesses);
    *hazards = (struct daub_hazards) { 0 };
}

void daub_barrier_begin(daub_device *dev, VkCommandBuffer cb)
{
    barrier(dev, cb, work, all_writes, work,
            all_access); // what the host wrote, the submission itself makes visible
}

void daub_barrier_work(daub_device *dev, VkCommandBuffer cb)
{
    barrier(dev, cb, work, all_writes, work, all_access);
}

void daub_barrier_end(daub_device *dev, VkCommandBuffer cb)
{
    barrier(dev, cb, work, all_writes, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}

// hazard.h - which ranges were accessed since the last barrier, and barriers. For runtime/vk only.
#ifndef DAUB_VK_HAZARD_H
#define DAUB_VK_HAZARD_H
#include "runtime/vk/device_private.h"

struct daub_range_access {
    const struct daub_buffer *buf;
    uint64_t begin, end; // bytes
    uint32_t how;        // enum daub_access
};

struct daub_hazards {
    struct daub_range_access *accesses; // since the last barrier
    uint32_t n, capacity;
};

struct daub_range_access daub_range_access(const struct daub_range *range, uint32_t how);
// Lists the accesses of the next piece of work; *barrier says whether it needs a barrier before it, which then counts
// as recorded.
daub_status daub_hazards_add(daub_device *dev, struct daub_hazards *hazards, const struct daub_range_access *accesses,
                             uint32_t n, bool *barrier);
void daub_hazards_free(daub_device *dev, struct daub_hazards *hazards);

void daub_barrier_begin(daub_device *dev, VkCommandBuffer cb); // the first command of every submission
void daub_barrier_work(daub_device *dev, VkCommandBuffer cb);  // between two pieces of work
void daub_barrier_end(daub_device *dev, VkCommandBuffer cb);   // the last command of every submission

#endif

// bindings.h - descriptor sets of one cmd, and the texel views they hold. For runtime/vk only.
#ifndef DAUB_VK_BINDINGS_H
#define DAUB_VK_BINDINGS_H
#include "runtime/vk/hazard.h"

struct daub_texel_view;

struct daub_bindings {
    VkDescriptorPool *pools;
    uint32_t n_pools, sets_left, storage_left, texel_left; // left in the last pool
    struct daub_texel_view *views;
    uint32_t n_views, view_capacity;
    struct daub_buffer *unused; // given to bindings that a kernel does not touch
    uint32_t n_unused;          // how often a slot of it was given for writing
};

// A set for the dispatch, and what each of its bindings accesses.
// Errors: those of daub_cmd_dispatch about ranges.
daub_status daub_bindings_make(daub_device *dev, struct daub_bindings *bindings, const struct daub_dispatch *dispatch,
                               const struct daub_pipeline *pipeline, VkDescriptorSet *set,
                               struct daub_range_access *accesses);
void daub_bindings_free(daub_device *dev, struct daub_bindings *bindings);

#endif

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
    uint32_t n_unused; // how often a slot of dev->unused was given for writing
};

// dev->unused.
daub_status daub_bindings_create(daub_device *dev);
// A set for the dispatch, and what each of its bindings accesses.
// Errors: those of daub_cmd_dispatch about ranges.
daub_status daub_bindings_make(daub_device *dev, struct daub_bindings *bindings, const struct daub_dispatch *dispatch,
                               const struct daub_pipeline *pipeline, VkDescriptorSet *set,
                               struct daub_range_access *accesses);
void daub_bindings_free(daub_device *dev, struct daub_bindings *bindings);

#endif

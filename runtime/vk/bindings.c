// bindings.c - a descriptor set a dispatch, from pools that live as long as the cmd.
#include "runtime/vk/bindings.h"

enum {
    POOL_SETS = 64,
    POOL_STORAGE = 6 * POOL_SETS,
    POOL_TEXEL = 3 * POOL_SETS,
    UNUSED_SLOTS = 128, // see unused_range
};

struct daub_texel_view {
    VkBuffer buf;
    uint64_t offset, size;
    enum daub_bind_kind kind;
    VkBufferView handle;
};

static daub_status add_pool(daub_device *dev, struct daub_bindings *b)
{
    VkDescriptorPool *pools = daub_realloc(&dev->host, b->pools, b->n_pools * sizeof(*pools),
                                           (b->n_pools + 1) * sizeof(*pools));
    if (!pools)
        return daub_no_memory("descriptor pools");
    b->pools = pools;
    const VkDescriptorPoolSize sizes[] = {
        { .type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .descriptorCount = POOL_STORAGE },
        { .type = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, .descriptorCount = POOL_TEXEL },
    };
    const VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = POOL_SETS,
        .poolSizeCount = 2,
        .pPoolSizes = sizes,
    };
    VK_RETURN(dev->vk.vkCreateDescriptorPool(dev->handle, &info, NULL, &pools[b->n_pools]));
    b->n_pools++;
    b->sets_left = POOL_SETS;
    b->storage_left = POOL_STORAGE;
    b->texel_left = POOL_TEXEL;
    return DAUB_OK;
}

static daub_status take_set(daub_device *dev, struct daub_bindings *b, const struct daub_pipeline *pipeline,
                            VkDescriptorSet *set)
{
    if (b->sets_left == 0 || b->storage_left < pipeline->n_storage || b->texel_left < pipeline->n_texel)
        TRY(add_pool(dev, b));
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = b->pools[b->n_pools - 1],
        .descriptorSetCount = 1,
        .pSetLayouts = &pipeline->set_layout,
    };
    VK_RETURN(dev->vk.vkAllocateDescriptorSets(dev->handle, &info, set));
    b->sets_left--;
    b->storage_left -= pipeline->n_storage;
    b->texel_left -= pipeline->n_texel;
    return DAUB_OK;
}

// The texel view of a range; made once a cmd.
static daub_status get_view(daub_device *dev, struct daub_bindings *b, const struct daub_range *range,
                            enum daub_bind_kind kind, VkBufferView *out)
{
    for (uint32_t i = 0; i < b->n_views; i++) {
        const struct daub_texel_view *v = &b->views[i];
        if (v->buf == range->buf->handle && v->offset == range->offset && v->size == range->size && v->kind == kind) {
            *out = v->handle;
            return DAUB_OK;
        }
    }
    if (b->n_views == b->view_capacity) {
        const uint32_t wanted = b->view_capacity ? 2 * b->view_capacity : 32;
        struct daub_texel_view *views = daub_realloc(&dev->host, b->views, b->n_views * sizeof(*views),
                                                     wanted * sizeof(*views));
        if (!views)
            return daub_no_memory("buffer views");
        b->views = views;
        b->view_capacity = wanted;
    }
    struct daub_texel_view view = {
        .buf = range->buf->handle, .offset = range->offset, .size = range->size, .kind = kind
    };
    const VkBufferViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = range->buf->handle,
        .format = kind == DAUB_BIND_TEXEL_UINT4 ? VK_FORMAT_R32G32B32A32_UINT : VK_FORMAT_R32G32B32A32_SFLOAT,
        .offset = range->offset,
        .range = range->size,
    };
    VK_RETURN(dev->vk.vkCreateBufferView(dev->handle, &info, NULL, &view.handle));
    b->views[b->n_views++] = view;
    *out = view.handle;
    return DAUB_OK;
}

// What a binding that the kernel does not touch is given. Two dispatches without a barrier between them do not get the
// same slot for writing, or synchronisation validation, which cannot know that nothing is touched, would report a
// hazard.
static struct daub_range unused_range(const daub_device *dev, struct daub_bindings *b, enum daub_access access)
{
    const uint64_t slot = dev->caps.buffer_align;
    // Slot 0 is for reads. The others come round, and if no barrier was recorded meanwhile the list finds a hazard.
    const uint32_t i = access == DAUB_READ ? 0 : 1 + b->n_unused++ % (UNUSED_SLOTS - 1);
    return (struct daub_range) { .buf = dev->unused, .offset = i * slot, .size = slot };
}

daub_status daub_bindings_create(daub_device *dev)
{
    return daub_buffer_create(dev, DAUB_MEMORY_DEVICE, UNUSED_SLOTS * (uint64_t)dev->caps.buffer_align,
                              "unused bindings", &dev->unused);
}

static daub_status check_binding(const daub_device *dev, const struct daub_dispatch *d, uint32_t i)
{
    const struct daub_caps *caps = &dev->caps;
    const struct daub_binding *b = &d->bind[i];
    const struct daub_range *r = &b->range;
    const char *name = d->name ? d->name : daub_kernel_name(d->kernel);
    if (!daub_range_valid(r))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: binding %u: %llu bytes at %llu are not inside %s of %llu", name,
                         i, (unsigned long long)r->size, (unsigned long long)r->offset, r->buf->name,
                         (unsigned long long)r->buf->size);
    if (r->offset % caps->buffer_align)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: binding %u: offset %llu is not a multiple of %u", name, i,
                         (unsigned long long)r->offset, caps->buffer_align);
    if (r->size > caps->max_range)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: binding %u: %llu bytes, a range may have %llu", name, i,
                         (unsigned long long)r->size, (unsigned long long)caps->max_range);
    if (b->kind == DAUB_BIND_STORAGE) {
        if (r->size % 4)
            return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: binding %u: %llu bytes are not a multiple of 4", name, i,
                             (unsigned long long)r->size);
        return DAUB_OK;
    }
    if (b->access != DAUB_READ)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: binding %u: a texel buffer cannot be written", name, i);
    if (r->size % DAUB_TEXEL_SIZE)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: binding %u: %llu bytes are no whole texels of 16", name, i,
                         (unsigned long long)r->size);
    if (r->size / DAUB_TEXEL_SIZE > caps->max_texel_elements)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: binding %u: %llu texels, a texel buffer may have %llu", name, i,
                         (unsigned long long)(r->size / DAUB_TEXEL_SIZE), (unsigned long long)caps->max_texel_elements);
    return DAUB_OK;
}

daub_status daub_bindings_make(daub_device *dev, struct daub_bindings *bindings, const struct daub_dispatch *d,
                               const struct daub_pipeline *pipeline, VkDescriptorSet *set,
                               struct daub_range_access *accesses)
{
    TRY(take_set(dev, bindings, pipeline, set));
    VkWriteDescriptorSet writes[DAUB_MAX_BINDINGS];
    VkDescriptorBufferInfo buffers[DAUB_MAX_BINDINGS];
    VkBufferView views[DAUB_MAX_BINDINGS];
    for (uint32_t i = 0; i < d->n_bindings; i++) {
        const struct daub_binding *b = &d->bind[i];
        struct daub_range range = b->range;
        const enum daub_access how = b->kind == DAUB_BIND_STORAGE ? b->access : DAUB_READ;
        if (range.buf)
            TRY(check_binding(dev, d, i));
        else
            range = unused_range(dev, bindings, how);
        if (b->kind != DAUB_BIND_STORAGE)
            range = daub_texel_range(dev, range);
        accesses[i] = daub_range_access(&range, how ? how : DAUB_READ_WRITE);
        writes[i] = (VkWriteDescriptorSet) {
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = *set,
            .dstBinding = i,
            .descriptorCount = 1,
        };
        if (b->kind == DAUB_BIND_STORAGE) {
            buffers[i] = (VkDescriptorBufferInfo) { .buffer = range.buf->handle,
                                                    .offset = range.offset,
                                                    .range = range.size };
            writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
            writes[i].pBufferInfo = &buffers[i];
        } else {
            TRY(get_view(dev, bindings, &range, b->kind, &views[i]));
            writes[i].descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
            writes[i].pTexelBufferView = &views[i];
        }
    }
    dev->vk.vkUpdateDescriptorSets(dev->handle, d->n_bindings, writes, 0, NULL);
    return DAUB_OK;
}

void daub_bindings_free(daub_device *dev, struct daub_bindings *b)
{
    for (uint32_t i = 0; i < b->n_views; i++)
        dev->vk.vkDestroyBufferView(dev->handle, b->views[i].handle, NULL);
    for (uint32_t i = 0; i < b->n_pools; i++)
        dev->vk.vkDestroyDescriptorPool(dev->handle, b->pools[i], NULL);
    daub_free(&dev->host, b->views);
    daub_free(&dev->host, b->pools);
    *b = (struct daub_bindings) { 0 };
}

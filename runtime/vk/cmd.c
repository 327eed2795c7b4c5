// cmd.c - recording of dispatches, with hazards tracked so that barriers stand only where needed.
//
// Since the last barrier every dispatch's ranges are kept in a list, each with the way it was accessed. The next dispatch is compared
// with all of them: ranges of one buffer that overlap, at least one of the two a write, are a hazard. On the first hazard one memory
// barrier is recorded and the list is emptied, because that barrier orders all compute and transfer work before it, with all
// its writes, ahead of all that follows. A barrier against only the range in conflict would let a little more overlap, but
// drivers widen it to a full one anyway.
//
//     dispatch A  writes x            list: x W
//     dispatch B  reads x, writes y   x: W then R -> barrier; list: x R, y W
//     dispatch C  reads x, writes z   no hazard;              list: x R, y W, x R, z W
//     dispatch D  reads y z, writes x y: W then R -> barrier; B and C overlap, A and D do not
//
// The first commands of a cmd need no special case: it begins with a barrier against whatever was submitted before.
#include "runtime/vk/cmd.h"
#include "runtime/vk/device_private.h"

#include <string.h>

enum {
    POOL_SETS = 64,
    POOL_STORAGE = 6 * POOL_SETS,
    POOL_TEXEL = 3 * POOL_SETS,
    UNUSED_SLOTS = 128, // see unused_range
    TEXEL_SIZE = 16,    // bytes of both texel formats
};

struct access {
    const struct daub_buffer *buf;
    uint64_t begin, end;
    uint32_t how; // enum daub_access bits
};

struct view {
    VkBuffer buf;
    uint64_t offset, size;
    enum daub_bind_kind kind;
    VkBufferView handle;
};

struct daub_cmd {
    daub_device *dev;
    struct daub_arena *arena; // names
    const char *name;
    VkCommandPool pool;
    VkCommandBuffer cb;
    daub_status failed; // first error
    const char *sentence;
    bool ended;
    uint32_t n_dispatches, n_barriers;
    VkPipeline bound;
    struct access *accesses; // since the last barrier
    uint32_t n_accesses, access_capacity;
    VkDescriptorPool *pools;
    uint32_t n_pools, sets_left, storage_left, texel_left;
    struct view *views;
    uint32_t n_views, view_capacity;
    struct daub_buffer *unused;
    uint32_t n_unused; // slots of it that were given for writing
    struct daub_profile *profile;
    _Atomic uint64_t ticket; // newest submission
};

// ---- barriers ----------------------------------------------------------------------------------------------------

void daub_barrier(daub_device *dev, VkCommandBuffer cb, VkPipelineStageFlags src_stage, VkAccessFlags src_access,
                  VkPipelineStageFlags dst_stage, VkAccessFlags dst_access)
{
    if (dev->caps.sync2) {
        const VkMemoryBarrier2 barrier = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER_2,
            .srcStageMask = src_stage,
            .srcAccessMask = src_access,
            .dstStageMask = dst_stage,
            .dstAccessMask = dst_access,
        };
        const VkDependencyInfo info = {
            .sType = VK_STRUCTURE_TYPE_DEPENDENCY_INFO,
            .memoryBarrierCount = 1,
            .pMemoryBarriers = &barrier,
        };
        dev->vk.vkCmdPipelineBarrier2(cb, &info);
    } else {
        const VkMemoryBarrier barrier = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
            .srcAccessMask = src_access,
            .dstAccessMask = dst_access,
        };
        dev->vk.vkCmdPipelineBarrier(cb, src_stage, dst_stage, 0, 1, &barrier, 0, NULL, 0, NULL);
    }
}

static const VkPipelineStageFlags work = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
static const VkAccessFlags all_writes = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
static const VkAccessFlags all_access = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                                        VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;

void daub_barrier_begin(daub_device *dev, VkCommandBuffer cb)
{
    daub_barrier(dev, cb, work, all_writes, work,
                 all_access); // what the host wrote, the submission itself makes visible
}

void daub_barrier_end(daub_device *dev, VkCommandBuffer cb)
{
    daub_barrier(dev, cb, work, all_writes, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
}

static bool is_hazard(const struct daub_cmd *cmd, const struct access *a)
{
    for (uint32_t i = 0; i < cmd->n_accesses; i++) {
        const struct access *b = &cmd->accesses[i];
        if (a->buf == b->buf && a->begin < b->end && b->begin < a->end && ((a->how | b->how) & DAUB_WRITE))
            return true;
    }
    return false;
}

// One barrier if any of the n accesses needs it; then they are on the list.
static daub_status order(struct daub_cmd *cmd, const struct access *accesses, uint32_t n)
{
    daub_device *dev = cmd->dev;
    bool hazard = false;
    for (uint32_t i = 0; i < n && !hazard; i++)
        hazard = is_hazard(cmd, &accesses[i]);
    if (hazard) {
        cmd->n_barriers++;
        cmd->n_accesses = 0;
    }
    if (hazard || cmd->profile)
        daub_barrier(dev, cmd->cb, work, all_writes, work, all_access);
    if (cmd->n_accesses + n > cmd->access_capacity) {
        const uint32_t wanted = 2 * cmd->access_capacity + n;
        struct access *grown = daub_realloc(&dev->host, cmd->accesses, cmd->access_capacity * sizeof(*grown),
                                            wanted * sizeof(*grown));
        if (!grown)
            return daub_no_memory("recorded work");
        cmd->accesses = grown;
        cmd->access_capacity = wanted;
    }
    if (n > 0)
        memcpy(cmd->accesses + cmd->n_accesses, accesses, n * sizeof(*accesses));
    cmd->n_accesses += n;
    return DAUB_OK;
}

static struct access access_of(const struct daub_range *range, uint32_t how)
{
    return (
        struct access) { .buf = range->buf, .begin = range->offset, .end = range->offset + range->size, .how = how };
}

// ---- life --------------------------------------------------------------------------------------------------------

// Keeps the first failure, so that daub_cmd_end can tell it again.
static daub_status stick(struct daub_cmd *cmd, daub_status status)
{
    if (status != DAUB_OK && cmd->failed == DAUB_OK) {
        cmd->failed = status;
        cmd->sentence = daub_arena_strdup(cmd->arena, daub_last_error());
    }
    return status;
}

static daub_status fail_again(const struct daub_cmd *cmd)
{
    return daub_fail(cmd->failed, "%s", cmd->sentence ? cmd->sentence : "recording failed before");
}

daub_status daub_cmd_create(daub_device *dev, const char *name, struct daub_cmd **out)
{
    daub_status status;
    struct daub_cmd *cmd = daub_alloc(&dev->host, sizeof(*cmd));
    if (!cmd)
        return daub_no_memory("recorded work");
    cmd->dev = dev;
    cmd->arena = daub_arena_create(&dev->host);
    cmd->name = cmd->arena ? daub_arena_strdup(cmd->arena, name ? name : "work") : NULL;
    if (!cmd->name) {
        status = daub_no_memory("recorded work");
        goto fail;
    }
    const VkCommandPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .queueFamilyIndex = dev->queue_family,
    };
    VK_TRY(dev->vk.vkCreateCommandPool(dev->handle, &pool_info, NULL, &cmd->pool));
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = cmd->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VK_TRY(dev->vk.vkAllocateCommandBuffers(dev->handle, &info, &cmd->cb));
    DAUB_NAME(dev, VK_OBJECT_TYPE_COMMAND_BUFFER, cmd->cb, cmd->name);
    // Simultaneous use: steps are queued ahead, so one cmd is submitted again before its last run has ended.
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT,
    };
    VK_TRY(dev->vk.vkBeginCommandBuffer(cmd->cb, &begin));
    daub_barrier_begin(dev, cmd->cb);
    *out = cmd;
    return DAUB_OK;

fail:
    daub_cmd_destroy(dev, &cmd);
    return status;
}

void daub_cmd_destroy(daub_device *dev, struct daub_cmd **cmd)
{
    struct daub_cmd *c = *cmd;
    if (!c)
        return;
    if (c->ticket)
        (void)daub_wait(dev, c->ticket, UINT64_MAX, NULL); // on a lost device nothing runs either
    daub_profile_destroy(dev, &c->profile);
    for (uint32_t i = 0; i < c->n_views; i++)
        dev->vk.vkDestroyBufferView(dev->handle, c->views[i].handle, NULL);
    for (uint32_t i = 0; i < c->n_pools; i++)
        dev->vk.vkDestroyDescriptorPool(dev->handle, c->pools[i], NULL);
    dev->vk.vkDestroyCommandPool(dev->handle, c->pool, NULL);
    daub_buffer_destroy(dev, &c->unused);
    daub_free(&dev->host, c->views);
    daub_free(&dev->host, c->pools);
    daub_free(&dev->host, c->accesses);
    daub_arena_destroy(&c->arena);
    daub_free(&dev->host, c);
    *cmd = NULL;
}

// ---- descriptors -------------------------------------------------------------------------------------------------

static daub_status add_pool(struct daub_cmd *cmd)
{
    daub_device *dev = cmd->dev;
    VkDescriptorPool *pools = daub_realloc(&dev->host, cmd->pools, cmd->n_pools * sizeof(*pools),
                                           (cmd->n_pools + 1) * sizeof(*pools));
    if (!pools)
        return daub_no_memory("descriptor pools");
    cmd->pools = pools;
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
    VK_RETURN(dev->vk.vkCreateDescriptorPool(dev->handle, &info, NULL, &pools[cmd->n_pools]));
    cmd->n_pools++;
    cmd->sets_left = POOL_SETS;
    cmd->storage_left = POOL_STORAGE;
    cmd->texel_left = POOL_TEXEL;
    return DAUB_OK;
}

static daub_status take_set(struct daub_cmd *cmd, const struct daub_pipeline *pipeline, VkDescriptorSet *set)
{
    daub_device *dev = cmd->dev;
    if (cmd->sets_left == 0 || cmd->storage_left < pipeline->n_storage || cmd->texel_left < pipeline->n_texel)
        TRY(add_pool(cmd));
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = cmd->pools[cmd->n_pools - 1],
        .descriptorSetCount = 1,
        .pSetLayouts = &pipeline->set_layout,
    };
    VK_RETURN(dev->vk.vkAllocateDescriptorSets(dev->handle, &info, set));
    cmd->sets_left--;
    cmd->storage_left -= pipeline->n_storage;
    cmd->texel_left -= pipeline->n_texel;
    return DAUB_OK;
}

// The texel view of a range; made once a cmd.
static daub_status get_view(struct daub_cmd *cmd, const struct daub_range *range, enum daub_bind_kind kind,
                            VkBufferView *out)
{
    daub_device *dev = cmd->dev;
    for (uint32_t i = 0; i < cmd->n_views; i++) {
        const struct view *v = &cmd->views[i];
        if (v->buf == range->buf->handle && v->offset == range->offset && v->size == range->size && v->kind == kind) {
            *out = v->handle;
            return DAUB_OK;
        }
    }
    if (cmd->n_views == cmd->view_capacity) {
        const uint32_t wanted = cmd->view_capacity ? 2 * cmd->view_capacity : 32;
        struct view *views = daub_realloc(&dev->host, cmd->views, cmd->n_views * sizeof(*views),
                                          wanted * sizeof(*views));
        if (!views)
            return daub_no_memory("buffer views");
        cmd->views = views;
        cmd->view_capacity = wanted;
    }
    struct view view = { .buf = range->buf->handle, .offset = range->offset, .size = range->size, .kind = kind };
    const VkBufferViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = range->buf->handle,
        .format = kind == DAUB_BIND_TEXEL_UINT4 ? VK_FORMAT_R32G32B32A32_UINT : VK_FORMAT_R32G32B32A32_SFLOAT,
        .offset = range->offset,
        .range = range->size,
    };
    VK_RETURN(dev->vk.vkCreateBufferView(dev->handle, &info, NULL, &view.handle));
    cmd->views[cmd->n_views++] = view;
    *out = view.handle;
    return DAUB_OK;
}

// What a binding that the kernel does not touch is given. Two dispatches without a barrier between them do not get the same slot
// for writing, or synchronisation validation, which cannot know that nothing is touched, would report a hazard.
static daub_status unused_range(struct daub_cmd *cmd, enum daub_access access, struct daub_range *out)
{
    const uint64_t slot = cmd->dev->caps.buffer_align;
    if (!cmd->unused)
        TRY(daub_buffer_create(cmd->dev, DAUB_MEMORY_DEVICE, UNUSED_SLOTS * slot, "unused bindings", &cmd->unused));
    // Slot 0 is for reads. The others come round, and if no barrier was recorded meanwhile the list finds a hazard.
    const uint32_t i = access == DAUB_READ ? 0 : 1 + cmd->n_unused++ % (UNUSED_SLOTS - 1);
    *out = (struct daub_range) { .buf = cmd->unused, .offset = i * slot, .size = slot };
    return DAUB_OK;
}

// ---- recording ---------------------------------------------------------------------------------------------------

static daub_status check_binding(const struct daub_cmd *cmd, const struct daub_dispatch *d, uint32_t i)
{
    const struct daub_caps *caps = &cmd->dev->caps;
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
    if (r->size % TEXEL_SIZE)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: binding %u: %llu bytes are no whole texels of 16", name, i,
                         (unsigned long long)r->size);
    if (r->size / TEXEL_SIZE > caps->max_texel_elements)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: binding %u: %llu texels, a texel buffer may have %llu", name, i,
                         (unsigned long long)(r->size / TEXEL_SIZE), (unsigned long long)caps->max_texel_elements);
    return DAUB_OK;
}

static daub_status check_dispatch(const struct daub_cmd *cmd, const struct daub_dispatch *d)
{
    const struct daub_caps *caps = &cmd->dev->caps;
    const char *name = d->name ? d->name : "a dispatch";
    if (d->push_size > DAUB_MAX_PUSH || d->push_size % 4 || (d->push_size && !d->push))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: %u bytes of push constants, wanted a multiple of 4 up to %d",
                         name, d->push_size, DAUB_MAX_PUSH);
    for (int i = 0; i < 3; i++)
        if (d->groups[i] > caps->max_groups[i])
            return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: %u workgroups in dimension %d, the device allows %u", name,
                             d->groups[i], i, caps->max_groups[i]);
    return DAUB_OK;
}

static void begin_label(const struct daub_cmd *cmd, const struct daub_dispatch *d)
{
    const VkDebugUtilsLabelEXT label = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_LABEL_EXT,
        .pLabelName = d->name ? d->name : daub_kernel_name(d->kernel),
    };
    cmd->dev->instance.vkCmdBeginDebugUtilsLabelEXT(cmd->cb, &label);
}

// Writes a set for the bindings and lists what it accesses.
static daub_status write_set(struct daub_cmd *cmd, const struct daub_dispatch *d, VkDescriptorSet set,
                             struct access *accesses)
{
    VkWriteDescriptorSet writes[DAUB_MAX_BINDINGS];
    VkDescriptorBufferInfo buffers[DAUB_MAX_BINDINGS];
    VkBufferView views[DAUB_MAX_BINDINGS];
    for (uint32_t i = 0; i < d->n_bindings; i++) {
        const struct daub_binding *b = &d->bind[i];
        struct daub_range range = b->range;
        const enum daub_access how = b->kind == DAUB_BIND_STORAGE ? b->access : DAUB_READ;
        if (range.buf)
            TRY(check_binding(cmd, d, i));
        else
            TRY(unused_range(cmd, how, &range));
        accesses[i] = access_of(&range, how ? how : DAUB_READ_WRITE);
        writes[i] = (VkWriteDescriptorSet) {
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = set,
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
            TRY(get_view(cmd, &range, b->kind, &views[i]));
            writes[i].descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
            writes[i].pTexelBufferView = &views[i];
        }
    }
    cmd->dev->vk.vkUpdateDescriptorSets(cmd->dev->handle, d->n_bindings, writes, 0, NULL);
    return DAUB_OK;
}

static daub_status fill_row(struct daub_cmd *cmd, const struct daub_dispatch *d, struct daub_cmd_time *row)
{
    *row = (struct daub_cmd_time) { .op = d->op ? d->op : "", .flop = d->flop };
    row->name = daub_arena_strdup(cmd->arena, d->name ? d->name : daub_kernel_name(d->kernel));
    for (uint32_t i = 0; i < d->n_bindings; i++)
        if (d->bind[i].range.buf)
            row->bytes += d->bind[i].range.size;
    return row->name ? DAUB_OK : daub_no_memory("a profile");
}

static daub_status dispatch(struct daub_cmd *cmd, const struct daub_dispatch *d)
{
    daub_device *dev = cmd->dev;
    struct daub_pipeline pipeline;
    struct access accesses[DAUB_MAX_BINDINGS];
    VkDescriptorSet set = VK_NULL_HANDLE;
    struct daub_cmd_time row;
    TRY(check_dispatch(cmd, d));
    TRY(daub_kernels_get(dev, d, &pipeline));
    if (d->n_bindings > 0) {
        TRY(take_set(cmd, &pipeline, &set));
        TRY(write_set(cmd, d, set, accesses));
    }
    if (cmd->profile)
        TRY(fill_row(cmd, d, &row));
    TRY(order(cmd, accesses, d->n_bindings));

    const bool label = dev->debug.names && dev->instance.debug_utils;
    if (label)
        begin_label(cmd, d);
    if (cmd->bound != pipeline.handle)
        dev->vk.vkCmdBindPipeline(cmd->cb, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.handle);
    cmd->bound = pipeline.handle;
    if (set)
        dev->vk.vkCmdBindDescriptorSets(cmd->cb, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.layout, 0, 1, &set, 0, NULL);
    if (d->push_size)
        dev->vk.vkCmdPushConstants(cmd->cb, pipeline.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, d->push_size, d->push);
    if (cmd->profile)
        TRY(daub_profile_before(dev, cmd->profile, cmd->cb));
    dev->vk.vkCmdDispatch(cmd->cb, d->groups[0], d->groups[1], d->groups[2]);
    if (cmd->profile)
        daub_profile_after(dev, cmd->profile, cmd->cb, &row);
    if (label)
        dev->instance.vkCmdEndDebugUtilsLabelEXT(cmd->cb);
    cmd->n_dispatches++;
    return DAUB_OK;
}

static daub_status check_recording(const struct daub_cmd *cmd)
{
    if (cmd->failed != DAUB_OK)
        return fail_again(cmd);
    if (cmd->ended)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: recording has ended", cmd->name);
    return DAUB_OK;
}

daub_status daub_cmd_dispatch(struct daub_cmd *cmd, const struct daub_dispatch *d)
{
    TRY(check_recording(cmd));
    if (d->groups[0] == 0 || d->groups[1] == 0 || d->groups[2] == 0)
        return DAUB_OK;
    return stick(cmd, dispatch(cmd, d));
}

static daub_status check_transfer(const struct daub_cmd *cmd, const struct daub_range *range, const char *what)
{
    if (!daub_range_valid(range) || range->offset % 4 || range->size % 4)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "%s: %s: %llu bytes at %llu are not inside a buffer or no multiple of 4", cmd->name, what,
                         (unsigned long long)range->size, (unsigned long long)range->offset);
    return DAUB_OK;
}

static daub_status copy(struct daub_cmd *cmd, const struct daub_range *dst, const struct daub_range *src)
{
    TRY(check_transfer(cmd, dst, "copy to"));
    TRY(check_transfer(cmd, src, "copy from"));
    if (dst->size != src->size)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: copy of %llu bytes to %llu", cmd->name,
                         (unsigned long long)src->size, (unsigned long long)dst->size);
    if (dst->buf == src->buf && dst->offset < src->offset + src->size && src->offset < dst->offset + dst->size)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: copy inside %s: the ranges overlap", cmd->name, dst->buf->name);
    const struct access accesses[] = { access_of(dst, DAUB_WRITE), access_of(src, DAUB_READ) };
    TRY(order(cmd, accesses, 2));
    const VkBufferCopy region = { .srcOffset = src->offset, .dstOffset = dst->offset, .size = dst->size };
    cmd->dev->vk.vkCmdCopyBuffer(cmd->cb, src->buf->handle, dst->buf->handle, 1, &region);
    return DAUB_OK;
}

daub_status daub_cmd_copy(struct daub_cmd *cmd, struct daub_range dst, struct daub_range src)
{
    TRY(check_recording(cmd));
    return stick(cmd, copy(cmd, &dst, &src));
}

static daub_status fill(struct daub_cmd *cmd, const struct daub_range *dst, uint32_t word)
{
    TRY(check_transfer(cmd, dst, "fill of"));
    const struct access access = access_of(dst, DAUB_WRITE);
    TRY(order(cmd, &access, 1));
    cmd->dev->vk.vkCmdFillBuffer(cmd->cb, dst->buf->handle, dst->offset, dst->size, word);
    return DAUB_OK;
}

daub_status daub_cmd_fill(struct daub_cmd *cmd, struct daub_range dst, uint32_t word)
{
    TRY(check_recording(cmd));
    return stick(cmd, fill(cmd, &dst, word));
}

static daub_status end(struct daub_cmd *cmd)
{
    daub_barrier_end(cmd->dev, cmd->cb);
    VK_RETURN(cmd->dev->vk.vkEndCommandBuffer(cmd->cb));
    return DAUB_OK;
}

daub_status daub_cmd_end(struct daub_cmd *cmd)
{
    TRY(check_recording(cmd));
    TRY(stick(cmd, end(cmd)));
    cmd->ended = true;
    return DAUB_OK;
}

uint32_t daub_cmd_dispatch_count(const struct daub_cmd *cmd)
{
    return cmd->n_dispatches;
}

uint32_t daub_cmd_barrier_count(const struct daub_cmd *cmd)
{
    return cmd->n_barriers;
}

// ---- running -----------------------------------------------------------------------------------------------------

daub_status daub_submit(daub_device *dev, struct daub_cmd *cmd, uint64_t *ticket)
{
    if (cmd->failed != DAUB_OK)
        return fail_again(cmd);
    if (!cmd->ended)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: submitted before its recording has ended", cmd->name);
    if (cmd->profile) // its queries hold one run
        TRY(daub_wait(dev, cmd->ticket, UINT64_MAX, NULL));
    uint64_t taken;
    TRY(daub_queue_submit(dev, cmd->cb, &taken));
    cmd->ticket = taken;
    if (ticket)
        *ticket = taken;
    return DAUB_OK;
}

daub_status daub_submit_and_wait(daub_device *dev, struct daub_cmd *cmd)
{
    uint64_t ticket;
    TRY(daub_submit(dev, cmd, &ticket));
    return daub_wait(dev, ticket, UINT64_MAX, NULL);
}

daub_status daub_cmd_profile(struct daub_cmd *cmd)
{
    TRY(check_recording(cmd));
    if (!cmd->dev->caps.timestamps)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s has no timestamps for compute", cmd->dev->caps.name);
    if (cmd->n_dispatches > 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: profiling begins before the first dispatch", cmd->name);
    return cmd->profile ? DAUB_OK : daub_profile_create(cmd->dev, &cmd->profile);
}

daub_status daub_cmd_times(struct daub_cmd *cmd, struct daub_cmd_time *rows, uint32_t capacity, uint32_t *count)
{
    if (!cmd->profile || !cmd->ticket)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: no times, it %s", cmd->name,
                         cmd->profile ? "has not run" : "was recorded without profiling");
    TRY(daub_wait(cmd->dev, cmd->ticket, UINT64_MAX, NULL));
    return daub_profile_read(cmd->dev, cmd->profile, rows, capacity, count);
}

// cmd.c - recording of dispatches, copies and fills into command buffers, and their submission.
#include "runtime/vk/cmd.h"
#include "runtime/vk/bindings.h"
#include "runtime/vk/hazard.h"
#include "runtime/vk/pace_private.h"

#include <string.h>

struct daub_cmd {
    daub_device *dev;
    struct daub_arena *arena; // names
    const char *name;
    VkCommandPool pool;
    VkCommandBuffer cb; // of the last piece
    struct daub_piece *pieces;
    uint32_t n_pieces, piece_capacity;
    struct daub_cost costs[DAUB_COST_CLASSES]; // of the last piece so far
    uint32_t n_costs;
    double limit_us;    // of a piece; 0: none
    daub_status failed; // first error
    const char *sentence;
    bool ended;
    uint32_t n_dispatches, n_barriers;
    VkPipeline bound;
    struct daub_hazards hazards;
    struct daub_bindings bindings;
    struct daub_profile *profile;
    _Atomic uint64_t ticket; // newest submission
};

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

static daub_status begin_piece(struct daub_cmd *cmd)
{
    daub_device *dev = cmd->dev;
    if (cmd->n_pieces == cmd->piece_capacity) {
        const uint32_t wanted = cmd->piece_capacity ? 2 * cmd->piece_capacity : 8;
        struct daub_piece *pieces = daub_realloc(&dev->host, cmd->pieces, cmd->piece_capacity * sizeof(*pieces),
                                                 wanted * sizeof(*pieces));
        if (!pieces)
            return daub_no_memory("recorded work");
        cmd->pieces = pieces;
        cmd->piece_capacity = wanted;
    }
    struct daub_piece *piece = &cmd->pieces[cmd->n_pieces++];
    TRY(daub_piece_begin(dev, cmd->pool, cmd->name, piece));
    cmd->cb = piece->cb;
    cmd->bound = VK_NULL_HANDLE;
    cmd->n_costs = 0;
    return DAUB_OK;
}

static daub_status end_piece(struct daub_cmd *cmd)
{
    struct daub_piece *piece = &cmd->pieces[cmd->n_pieces - 1];
    struct daub_cost *costs = daub_arena_alloc(cmd->arena, (cmd->n_costs ? cmd->n_costs : 1) * sizeof(*costs));
    if (!costs)
        return daub_no_memory("recorded work");
    if (cmd->n_costs > 0)
        memcpy(costs, cmd->costs, cmd->n_costs * sizeof(*costs));
    piece->costs = costs;
    piece->n_costs = cmd->n_costs;
    return daub_piece_end(cmd->dev, piece);
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
    TRY_OR_FAIL(begin_piece(cmd));
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
    daub_pace_forget(c->pieces, c->n_pieces);
    for (uint32_t i = 0; i < c->n_pieces; i++)
        daub_piece_free(dev, &c->pieces[i]);
    daub_free(&dev->host, c->pieces);
    daub_profile_destroy(dev, &c->profile);
    daub_bindings_free(dev, &c->bindings);
    dev->vk.vkDestroyCommandPool(dev->handle, c->pool, NULL);
    daub_hazards_free(dev, &c->hazards);
    daub_arena_destroy(&c->arena);
    daub_free(&dev->host, c);
    *cmd = NULL;
}

// ---- recording ---------------------------------------------------------------------------------------------------

// Lists the accesses of what is recorded next, after a barrier if that is needed. Profiling wants one anyway.
static daub_status order(struct daub_cmd *cmd, const struct daub_range_access *accesses, uint32_t n)
{
    bool needed = false;
    TRY(daub_hazards_add(cmd->dev, &cmd->hazards, accesses, n, &needed));
    if (needed)
        cmd->n_barriers++;
    if (needed || cmd->profile)
        daub_barrier_work(cmd->dev, cmd->cb);
    return DAUB_OK;
}

// Counts work into the piece at hand, or into a new one where this one would take too long with it.
static daub_status add_cost(struct daub_cmd *cmd, const char *op, double flop, double bytes)
{
    struct daub_costs *model = cmd->dev->costs;
    const struct daub_cost more = daub_costs_of(model, daub_costs_class(model, op), flop, bytes);
    if (cmd->limit_us > 0.0 && cmd->n_costs > 0 &&
        daub_costs_predict(model, cmd->costs, cmd->n_costs) + daub_costs_predict(model, &more, 1) > cmd->limit_us) {
        TRY(end_piece(cmd));
        TRY(begin_piece(cmd)); // barriers go on: they order all that was submitted before, in other command buffers too
    }
    uint32_t i = 0;
    while (i < cmd->n_costs && cmd->costs[i].op != more.op)
        i++;
    if (i == cmd->n_costs)
        cmd->costs[cmd->n_costs++] = (struct daub_cost) { .op = more.op };
    cmd->costs[i].flop_us += more.flop_us;
    cmd->costs[i].byte_us += more.byte_us;
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

uint64_t daub_dispatch_bytes(const struct daub_dispatch *d)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < d->n_bindings; i++) {
        const struct daub_range *r = &d->bind[i].range;
        unsigned before = 0; // what earlier bindings of the same range do
        for (uint32_t j = 0; j < i; j++) {
            const struct daub_range *other = &d->bind[j].range;
            if (other->buf == r->buf && other->offset == r->offset && other->size == r->size)
                before |= (unsigned)d->bind[j].access;
        }
        const unsigned more = (unsigned)d->bind[i].access & ~before;
        bytes += ((more & DAUB_READ) ? r->size : 0) + ((more & DAUB_WRITE) ? r->size : 0);
    }
    return bytes;
}

static daub_status fill_row(struct daub_cmd *cmd, const struct daub_dispatch *d, struct daub_cmd_time *row)
{
    *row = (struct daub_cmd_time) { .op = d->op ? d->op : "", .flop = d->flop };
    row->name = daub_arena_strdup(cmd->arena, d->name ? d->name : daub_kernel_name(d->kernel));
    row->bytes = daub_dispatch_bytes(d);
    return row->name ? DAUB_OK : daub_no_memory("a profile");
}

static daub_status dispatch(struct daub_cmd *cmd, const struct daub_dispatch *d)
{
    daub_device *dev = cmd->dev;
    struct daub_pipeline pipeline;
    struct daub_range_access accesses[DAUB_MAX_BINDINGS];
    VkDescriptorSet set = VK_NULL_HANDLE;
    struct daub_cmd_time row;
    TRY(check_dispatch(cmd, d));
    TRY(daub_kernels_get(dev, d, &pipeline));
    if (d->n_bindings > 0)
        TRY(daub_bindings_make(dev, &cmd->bindings, d, &pipeline, &set, accesses));
    if (cmd->profile)
        TRY(fill_row(cmd, d, &row));
    TRY(add_cost(cmd, d->op ? d->op : "", d->flop, (double)daub_dispatch_bytes(d)));
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
    const bool broken = dev->debug.broken[0] && daub_glob(dev->debug.broken, daub_kernel_name(d->kernel));
    dev->vk.vkCmdDispatch(cmd->cb, d->groups[0] - broken, d->groups[1], d->groups[2]);
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
    const struct daub_range_access accesses[] = { daub_range_access(dst, DAUB_WRITE),
                                                  daub_range_access(src, DAUB_READ) };
    TRY(add_cost(cmd, "copy", 0.0, 2.0 * (double)src->size));
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
    const struct daub_range_access access = daub_range_access(dst, DAUB_WRITE);
    TRY(add_cost(cmd, "fill", 0.0, (double)dst->size));
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
    return end_piece(cmd);
}

daub_status daub_cmd_end(struct daub_cmd *cmd)
{
    TRY(check_recording(cmd));
    TRY(stick(cmd, end(cmd)));
    cmd->ended = true;
    return DAUB_OK;
}

void daub_cmd_limit(struct daub_cmd *cmd, double us)
{
    cmd->limit_us = us;
}

uint32_t daub_cmd_piece_count(const struct daub_cmd *cmd)
{
    return cmd->n_pieces;
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

daub_status daub_submit_with(daub_device *dev, struct daub_cmd *cmd, daub_status (*between)(void *user), void *user,
                             uint64_t *ticket)
{
    if (cmd->failed != DAUB_OK)
        return fail_again(cmd);
    if (!cmd->ended)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: submitted before its recording has ended", cmd->name);
    if (cmd->profile) // its queries hold one run
        TRY(daub_wait(dev, cmd->ticket, UINT64_MAX, NULL));
    struct daub_post post = {
        .pieces = cmd->pieces, .n = cmd->n_pieces, .newest = &cmd->ticket, .between = between, .user = user
    };
    uint64_t taken = 0;
    TRY(daub_pace_submit(dev, &post, &taken));
    if (ticket)
        *ticket = taken;
    return DAUB_OK;
}

daub_status daub_submit(daub_device *dev, struct daub_cmd *cmd, uint64_t *ticket)
{
    return daub_submit_with(dev, cmd, NULL, NULL, ticket);
}

daub_status daub_submit_and_wait(daub_device *dev, struct daub_cmd *cmd)
{
    uint64_t ticket = 0;
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

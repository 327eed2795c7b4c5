// exec.c - from a finished net to recorded commands: select, plan, bind, record; then submit, write and read.
#include "runtime/op/exec.h"

#include "runtime/op/exec_segments.h"
#include "runtime/op/finite.h"
#include "runtime/op/op.h"
#include "runtime/vk/kernel.h"

#include <string.h>

struct stage_cmds { // a stage
    struct daub_cmd **cmd;
    uint32_t n, capacity;
};

struct survey { // one dispatch for each pipeline that the graph wants, in the order they are wanted
    struct daub_dispatch *list;
    uint32_t n, capacity;
};

// A dispatch and a piece of an executor for slices, so that budgets from twice that up hold.
enum { FINE_GPU_US = 1000, FINE_CPU_US = 2000, MAX_FILLS = 32 };

struct daub_exec {
    daub_device *dev;
    const struct daub_host *host;
    struct daub_net *net;
    struct daub_buffer *arena;
    uint64_t arena_size;
    bool lent_arena; // by take_arena, whose it stays
    struct stage_cmds stage[DAUB_STAGE_COUNT];
    bool ready[DAUB_STAGE_COUNT]; // weights bound and commands recorded
    daub_status (*bind_weights)(void *user, struct daub_tensor *const *weights, uint32_t n);
    void *user;
    struct daub_segments segments;
    uint64_t ticket;  // of the last submission
    bool fine;        // recorded for slices of a few milliseconds
    double fine_flop; // then: of a dispatch, when the first stage was recorded
    bool profile;
    struct daub_buffer *watch; // a flag: 1 + position of the first bad node; NULL: nobody looks
    const char *name;
    struct survey *survey; // not NULL: what is recorded is only looked at
};

// What a dispatch may cost, in flops. A desktop driver kills work of about 2 s; the slowest GPUs of a kind run at about 3e11
// (integrated) and 3e12 flops a second, so these stay an order of magnitude below. CPU drivers have no watchdog: there the limit only
// keeps cancelling quick, 4e10 flops being half a second on two cores.
static double max_dispatch_flop(const struct daub_caps *caps)
{
    return caps->kind == DAUB_DEVICE_DISCRETE ? 2e11 : caps->cpu ? 4e10 : 2e10;
}

// What a piece may take, in microseconds: of a few tens of milliseconds, so that slices can be cut, and submissions stay few.
static double piece_us(const struct daub_exec *exec, const struct daub_caps *caps)
{
    if (exec->fine)
        return caps->cpu ? FINE_CPU_US : FINE_GPU_US;
    return caps->cpu ? 50e3 : 10e3;
}

// ---- recording ----------------------------------------------------------------------------------------------------

// Ends the recording's cmd, if there is one, and goes on in a new one of the node's stage.
static daub_status next_cmd(struct daub_recording *rec)
{
    struct daub_exec *exec = rec->exec;
    struct stage_cmds *cmds = &exec->stage[rec->node->stage];
    if (rec->cmd)
        TRY(daub_cmd_end(rec->cmd));
    if (cmds->n == cmds->capacity) {
        const uint32_t capacity = cmds->capacity ? 2 * cmds->capacity : 8;
        void *cmd = daub_realloc(exec->host, cmds->cmd, cmds->capacity * sizeof(*cmds->cmd),
                                 capacity * sizeof(*cmds->cmd));
        if (!cmd)
            return daub_no_memory("a list of commands");
        cmds->cmd = cmd;
        cmds->capacity = capacity;
    }
    TRY(daub_cmd_create(exec->dev, exec->name, &cmds->cmd[cmds->n]));
    rec->cmd = cmds->cmd[cmds->n++];
    daub_cmd_limit(rec->cmd, piece_us(exec, rec->caps));
    return exec->profile ? daub_cmd_profile(rec->cmd) : DAUB_OK;
}

static bool same_pipeline(const struct daub_dispatch *a, const struct daub_dispatch *b)
{
    if (a->kernel != b->kernel || a->n_specs != b->n_specs || a->n_bindings != b->n_bindings ||
        memcmp(a->specs, b->specs, a->n_specs * sizeof(a->specs[0])) != 0)
        return false;
    for (uint32_t i = 0; i < a->n_bindings; i++)
        if (a->bind[i].kind != b->bind[i].kind)
            return false;
    return true;
}

static daub_status survey_add(struct daub_exec *exec, const struct daub_dispatch *dispatch)
{
    struct survey *s = exec->survey;
    for (uint32_t i = 0; i < s->n; i++)
        if (same_pipeline(&s->list[i], dispatch))
            return DAUB_OK;
    if (s->n == s->capacity) {
        const uint32_t capacity = s->capacity ? 2 * s->capacity : 32;
        void *list = daub_realloc(exec->host, s->list, s->capacity * sizeof(*s->list), capacity * sizeof(*s->list));
        if (!list)
            return daub_no_memory("a list of pipelines");
        s->list = list;
        s->capacity = capacity;
    }
    s->list[s->n++] = *dispatch;
    return DAUB_OK;
}

daub_status daub_dispatch_node(struct daub_recording *rec, struct daub_dispatch *dispatch)
{
    if (!rec->walk && rec->exec->survey)
        return survey_add(rec->exec, dispatch);
    const struct daub_node *node = rec->node;
    if (!dispatch->name)
        dispatch->name = node->name;
    if (!dispatch->op)
        dispatch->op = node->op->name;
    if (rec->walk)
        return rec->walk->dispatch(rec->walk->user, node, dispatch);
    return daub_cmd_dispatch(rec->cmd, dispatch);
}

// ---- making one ------------------------------------------------------------------------------------------------------

static daub_status select_all(const struct daub_select *select, struct daub_net *net)
{
    for (uint32_t i = 0; i < daub_net_n_nodes(net); i++) {
        struct daub_node *node = daub_net_node(net, i);
        if (node->op->select)
            TRY(node->op->select(select, net, node));
    }
    return daub_net_finish(net); // a scratch tensor that could not be made is a sticky error
}

daub_status daub_exec_plan_for(const struct daub_select *select, struct daub_net *net, bool nofuse,
                               uint64_t *arena_size)
{
    if (!nofuse && !select->debug->nofuse)
        daub_fuse(net, daub_fusions, daub_n_fusions);
    TRY(daub_net_finish(net));
    TRY(select_all(select, net));
    return daub_plan(net, select->caps->buffer_align > 256 ? select->caps->buffer_align : 256, arena_size);
}

daub_status daub_exec_plan(daub_device *dev, struct daub_net *net, bool nofuse, uint64_t *arena_size)
{
    const struct daub_select select = { daub_device_caps(dev), daub_device_debug(dev) };
    return daub_exec_plan_for(&select, net, nofuse, arena_size);
}

daub_status daub_exec_walk(const struct daub_caps *caps, struct daub_net *net, const struct daub_walk *walk)
{
    struct daub_recording rec = {
        .caps = caps, .walk = walk, .max_flop = max_dispatch_flop(caps), .max_bytes = (double)UINT64_MAX
    };
    for (uint32_t i = 0; i < daub_net_n_nodes(net); i++) {
        rec.node = daub_net_node(net, i);
        TRY(rec.node->op->record(&rec, rec.node));
    }
    return DAUB_OK;
}

static daub_status bind(struct daub_exec *exec, uint32_t stages)
{
    uint32_t n;
    struct daub_tensor **weights = daub_packed_weights(exec->net, stages, &n);
    if (!weights)
        return daub_no_memory("a list of weights");
    return n ? exec->bind_weights(exec->user, weights, n) : DAUB_OK;
}

static daub_status get_arena(struct daub_exec *exec, const struct daub_exec_params *params)
{
    if (exec->arena_size == 0)
        return DAUB_OK;
    exec->lent_arena = params->take_arena != NULL;
    if (exec->lent_arena)
        return params->take_arena(params->arena_user, exec->arena_size, &exec->arena);
    return daub_buffer_create(exec->dev, DAUB_MEMORY_DEVICE, exec->arena_size, exec->name, &exec->arena);
}

// The cmd that the recording's node, the i-th, goes into.
static daub_status cmd_for(struct daub_recording *rec, uint32_t i)
{
    struct daub_segments *segments = &rec->exec->segments;
    const bool begins = daub_segments_begin(segments, rec->node->stage, i);
    if (!rec->cmd || begins)
        TRY(next_cmd(rec));
    return begins ? daub_segments_bind(segments, rec->cmd, rec->exec->stage[rec->node->stage].n - 1) : DAUB_OK;
}

static daub_status watch_node(struct daub_recording *rec)
{
    const struct daub_node *node = rec->node;
    if (!rec->exec->watch || node->stage == DAUB_STAGE_TAIL || !node->out || node->out->dtype == DAUB_U32)
        return DAUB_OK;
    const struct daub_binding flag = {
        .range = { rec->exec->watch, 0, daub_buffer_size(rec->exec->watch) },
        .access = DAUB_READ_WRITE,
    };
    return daub_finite_record(rec, node->out, NULL, flag, 0, 1 + node->position, 1);
}

static daub_status start_watch(struct daub_exec *exec)
{
    TRY(daub_buffer_create(exec->dev, DAUB_MEMORY_DEVICE, 4 * sizeof(uint32_t), "watch", &exec->watch));
    return daub_fill(exec->dev, (struct daub_range) { exec->watch, 0, 4 * sizeof(uint32_t) }, UINT32_MAX);
}

static daub_status record(struct daub_exec *exec, enum daub_stage stage)
{
    const struct daub_caps *caps = daub_device_caps(exec->dev);
    struct daub_recording rec = {
        .device = exec->dev,
        .caps = caps,
        .exec = exec,
        .max_flop = max_dispatch_flop(caps),
        .max_bytes = (double)UINT64_MAX,
    };
    if (exec->fine) {
        const double us = piece_us(exec, caps), flop = daub_device_flop_in(exec->dev, us);
        rec.max_flop = flop < rec.max_flop ? flop : rec.max_flop;
        rec.max_bytes = daub_device_bytes_in(exec->dev, us);
        if (exec->fine_flop <= 0.0)
            exec->fine_flop = flop;
    }
    for (uint32_t i = 0; i < daub_net_n_nodes(exec->net); i++) {
        rec.node = daub_net_node(exec->net, i);
        if (rec.node->stage != stage)
            continue;
        if (!exec->survey)
            TRY(cmd_for(&rec, i));
        TRY(rec.node->op->record(&rec, rec.node));
        TRY(watch_node(&rec));
    }
    exec->ready[stage] = true;
    return rec.cmd ? daub_cmd_end(rec.cmd) : DAUB_OK;
}

// Makes the graph's pipelines on all cores, before recording would make them one after the other.
static daub_status make_pipelines(struct daub_exec *exec)
{
    struct survey survey = { 0 };
    exec->survey = &survey;
    daub_status status = DAUB_OK;
    for (int s = 0; s < DAUB_STAGE_COUNT && status == DAUB_OK; s++)
        status = record(exec, (enum daub_stage)s);
    exec->survey = NULL;
    memset(exec->ready, 0, sizeof(exec->ready));
    if (status == DAUB_OK)
        status = daub_kernels_prepare(exec->dev, survey.list, survey.n);
    daub_free(exec->host, survey.list);
    return status;
}

static daub_status make_ready(struct daub_exec *exec, enum daub_stage stage)
{
    struct daub_segments *segments = &exec->segments;
    const bool lent = segments->lender && segments->stage == stage;
    daub_status status = lent ? daub_segments_open(segments, exec->host, exec->net) : bind(exec, 1u << stage);
    if (status == DAUB_OK)
        status = record(exec, stage);
    if (status != DAUB_OK)
        daub_exec_forget(exec); // half a stage is none
    return status;
}

static daub_status record_all(struct daub_exec *exec)
{
    TRY(bind(exec, DAUB_ALL_STAGES));
    for (int s = 0; s < DAUB_STAGE_COUNT; s++)
        TRY(record(exec, (enum daub_stage)s));
    return DAUB_OK;
}

static void log_text(const struct daub_exec *exec)
{
    char *text = daub_net_print(exec->net);
    if (text)
        daub_log(exec->host, DAUB_LOG_INFO, "%s", text);
    daub_free(exec->host, text);
}

static daub_status build(struct daub_exec *exec, const struct daub_exec_params *params)
{
    const struct daub_debug *debug = daub_device_debug(exec->dev);
    TRY(daub_exec_plan(exec->dev, exec->net, params->nofuse, &exec->arena_size));
    if (debug->graph || debug->plan)
        log_text(exec);
    TRY(get_arena(exec, params));
    if (params->watch)
        TRY(start_watch(exec));
    TRY(make_pipelines(exec));
    if (!params->lazy)
        TRY(record_all(exec));
    return daub_exec_clear(exec);
}

daub_status daub_exec_create(daub_device *dev, struct daub_net *net, const struct daub_exec_params *params,
                             struct daub_exec **out)
{
    struct daub_exec *exec = daub_alloc(daub_device_host(dev), sizeof(*exec));
    if (!exec) {
        daub_net_destroy(&net);
        return daub_no_memory("an executor");
    }
    exec->dev = dev;
    exec->host = daub_device_host(dev);
    exec->net = net;
    exec->profile = params->profile;
    exec->fine = params->fine;
    exec->bind_weights = params->bind_weights;
    exec->user = params->user;
    if (params->lazy)
        exec->segments = (struct daub_segments) { .lender = params->step_weights, .stage = DAUB_STAGE_STEP };
    exec->name = params->name ? params->name : "net";
    const daub_status status = build(exec, params);
    if (status != DAUB_OK) {
        daub_exec_destroy(&exec);
        return status;
    }
    *out = exec;
    return DAUB_OK;
}

void daub_exec_forget(struct daub_exec *exec)
{
    for (uint32_t s = 0; s < DAUB_STAGE_COUNT; s++) {
        for (uint32_t i = 0; i < exec->stage[s].n; i++)
            daub_cmd_destroy(exec->dev, &exec->stage[s].cmd[i]);
        exec->stage[s].n = 0;
        exec->ready[s] = false;
    }
    daub_segments_close(&exec->segments, exec->host);
}

void daub_exec_destroy(struct daub_exec **exec)
{
    struct daub_exec *e = *exec;
    if (!e)
        return;
    daub_exec_forget(e);
    for (uint32_t s = 0; s < DAUB_STAGE_COUNT; s++)
        daub_free(e->host, e->stage[s].cmd);
    daub_buffer_destroy(e->dev, &e->watch);
    if (!e->lent_arena)
        daub_buffer_destroy(e->dev, &e->arena);
    daub_net_destroy(&e->net);
    daub_free(e->host, e);
    *exec = NULL;
}

struct daub_net *daub_exec_net(const struct daub_exec *exec)
{
    return exec->net;
}

uint64_t daub_exec_arena_size(const struct daub_exec *exec)
{
    return exec->arena_size;
}

struct daub_range daub_exec_range(const struct daub_exec *exec, const struct daub_tensor *t)
{
    struct daub_buffer *arena = exec ? exec->arena : NULL; // a walk has none
    if (t->kind == DAUB_TENSOR_WEIGHT)                     // a survey comes before the weights
        return t->data ? *t->data : (struct daub_range) { .buf = arena };
    if (t->kind == DAUB_TENSOR_PART)
        return (struct daub_range) { arena, t->pair[0]->offset + t->part * daub_tensor_size(t), daub_tensor_size(t) };
    return (struct daub_range) { arena, t->offset, daub_tensor_size(t) };
}

// ---- running ---------------------------------------------------------------------------------------------------------

daub_status daub_exec_clear(struct daub_exec *exec)
{
    struct daub_range inputs[MAX_FILLS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < daub_net_n_tensors(exec->net); i++) {
        const struct daub_tensor *t = daub_net_tensor(exec->net, i);
        if (t->kind != DAUB_TENSOR_INPUT || t->size == 0)
            continue;
        inputs[n++] = daub_exec_range(exec, t);
        if (n == MAX_FILLS) { // one submission each time
            TRY(daub_fill_all(exec->dev, inputs, n, 0));
            n = 0;
        }
    }
    return n > 0 ? daub_fill_all(exec->dev, inputs, n, 0) : DAUB_OK;
}

void daub_exec_set_fine(struct daub_exec *exec, bool fine)
{
    const double flop = daub_device_flop_in(exec->dev, piece_us(exec, daub_device_caps(exec->dev)));
    const bool outdated = fine && exec->fine && exec->fine_flop > 0.0 &&
                          (flop < exec->fine_flop / 2.0 || flop > exec->fine_flop * 2.0);
    if (exec->fine == fine && !outdated)
        return;
    daub_exec_forget(exec);
    exec->fine = fine;
    exec->fine_flop = 0.0;
}

daub_status daub_exec_slices(struct daub_exec *exec, enum daub_stage stage, daub_status (*between)(void *user),
                             void *user, uint64_t *ticket)
{
    const struct stage_cmds *cmds = &exec->stage[stage];
    if (!exec->ready[stage])
        TRY(make_ready(exec, stage));
    for (uint32_t i = 0; i < cmds->n; i++) {
        TRY(daub_segments_before(&exec->segments, stage, i));
        TRY(daub_submit_with(exec->dev, cmds->cmd[i], between, user, &exec->ticket));
        TRY(daub_segments_after(&exec->segments, stage, i, cmds->n, exec->ticket));
    }
    if (ticket)
        *ticket = exec->ticket;
    return DAUB_OK;
}

daub_status daub_exec_submit(struct daub_exec *exec, enum daub_stage stage, uint64_t *ticket)
{
    return daub_exec_slices(exec, stage, NULL, NULL, ticket);
}

daub_status daub_exec_run(struct daub_exec *exec, enum daub_stage stage)
{
    uint64_t ticket;
    TRY(daub_exec_submit(exec, stage, &ticket));
    return daub_wait(exec->dev, ticket, UINT64_MAX, NULL);
}

daub_status daub_exec_write(struct daub_exec *exec, const struct daub_tensor *t, bool nchw, const void *plain)
{
    const struct daub_range range = daub_exec_range(exec, t);
    if (t->dtype == DAUB_U32)
        return daub_upload(exec->dev, range, plain);
    void *stored = daub_alloc(exec->host, (size_t)range.size);
    if (!stored)
        return daub_no_memory(t->name);
    daub_tensor_pack(t, nchw, plain, stored);
    const daub_status status = daub_upload(exec->dev, range, stored);
    daub_free(exec->host, stored);
    return status;
}

daub_status daub_exec_read(struct daub_exec *exec, const struct daub_tensor *t, bool nchw, void *plain)
{
    const struct daub_range range = daub_exec_range(exec, t);
    if (t->dtype == DAUB_U32)
        return daub_download(exec->dev, range, plain);
    void *stored = daub_alloc(exec->host, (size_t)range.size);
    if (!stored)
        return daub_no_memory(t->name);
    const daub_status status = daub_download(exec->dev, range, stored);
    if (status == DAUB_OK)
        daub_tensor_unpack(t, nchw, stored, plain);
    daub_free(exec->host, stored);
    return status;
}

daub_status daub_exec_bad_node(struct daub_exec *exec, const struct daub_node **node)
{
    uint32_t flag[4] = { UINT32_MAX };
    *node = NULL;
    if (!exec->watch)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: nobody watched its nodes", exec->name);
    TRY(daub_download(exec->dev, (struct daub_range) { exec->watch, 0, sizeof(flag) }, flag));
    for (uint32_t i = 0; i < daub_net_n_nodes(exec->net) && !*node; i++)
        if (daub_net_node(exec->net, i)->position + 1 == flag[0])
            *node = daub_net_node(exec->net, i);
    return DAUB_OK;
}

uint32_t daub_exec_dispatch_count(const struct daub_exec *exec, enum daub_stage stage)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < exec->stage[stage].n; i++)
        n += daub_cmd_dispatch_count(exec->stage[stage].cmd[i]);
    return n;
}

daub_status daub_exec_times(struct daub_exec *exec, enum daub_stage stage, struct daub_cmd_time *rows,
                            uint32_t capacity, uint32_t *count)
{
    *count = 0;
    const struct stage_cmds *cmds = &exec->stage[stage];
    for (uint32_t i = 0; i < cmds->n; i++) {
        uint32_t n = 0;
        const uint32_t left = *count < capacity ? capacity - *count : 0;
        TRY(daub_cmd_times(cmds->cmd[i], left ? rows + *count : NULL, left, &n));
        *count += n;
    }
    return DAUB_OK;
}

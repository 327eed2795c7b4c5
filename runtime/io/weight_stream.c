// weight_stream.c - see weight_stream.h.
#include "runtime/io/weight_stream.h"

#include <stdatomic.h>

enum { MAX_SLOTS = 2, NONE = -1 };

struct segment {
    struct daub_tensor **weights; // that do not stay
    struct daub_range *ranges;    // of each in a slot
    uint32_t n;
    uint64_t size;
};

struct slot {
    struct daub_buffer *buffer; // that the host packs into
    int64_t holds;              // segment whose weights lie there, or NONE
    uint64_t ticket;            // of the last submission that reads it
};

struct daub_weight_stream {
    daub_device *dev;
    struct daub_weights *weights;
    struct daub_lender lender;
    uint64_t budget;
    // While open:
    struct daub_arena *arena; // segments
    struct daub_stream_plan plan;
    struct segment *segments;
    struct slot slots[MAX_SLOTS];
    struct daub_buffer *device_slot; // what is read; NULL: the slots themselves
    _Atomic uint64_t held;
};

// ---- planning --------------------------------------------------------------------------------------------------------

static bool in_list(struct daub_tensor *const *list, uint32_t n, const struct daub_tensor *t)
{
    for (uint32_t i = 0; i < n; i++)
        if (list[i] == t)
            return true;
    return false;
}

// Appends what a node reads to a segment's list, or only counts it.
static uint32_t add_weights(const struct daub_stream_plan *plan, const struct daub_node *node,
                            struct daub_tensor **list, uint32_t n)
{
    for (uint32_t i = 0; i < node->n_in; i++) {
        struct daub_tensor *t = node->in[i];
        if (!t || t->kind != DAUB_TENSOR_WEIGHT || t->pack.kind == DAUB_PACK_NONE || plan->tensor_stays[t->index])
            continue;
        if (!list)
            n++;
        else if (!in_list(list, n, t))
            list[n++] = t;
    }
    return n;
}

static daub_status list_segment(struct daub_weight_stream *s, struct daub_net *net, enum daub_stage stage, uint32_t k)
{
    const uint32_t end = k + 1 < s->plan.n_segments ? s->plan.first[k + 1] : daub_net_n_nodes(net);
    struct segment *segment = &s->segments[k];
    uint32_t most = 0;
    for (uint32_t i = s->plan.first[k]; i < end; i++)
        if (daub_net_node(net, i)->stage == stage)
            most = add_weights(&s->plan, daub_net_node(net, i), NULL, most);
    if (most == 0)
        return DAUB_OK;
    segment->weights = daub_arena_alloc(s->arena, most * sizeof(*segment->weights));
    segment->ranges = daub_arena_alloc(s->arena, most * sizeof(*segment->ranges));
    if (!segment->weights || !segment->ranges)
        return daub_no_memory("a plan of weights");
    for (uint32_t i = s->plan.first[k]; i < end; i++)
        if (daub_net_node(net, i)->stage == stage)
            segment->n = add_weights(&s->plan, daub_net_node(net, i), segment->weights, segment->n);
    for (uint32_t i = 0; i < segment->n; i++) {
        const struct daub_tensor *t = segment->weights[i];
        segment->ranges[i] = (struct daub_range) { .offset = segment->size,
                                                   .size = daub_pack_size(&t->pack, t->dims, t->n_dims) };
        segment->size += daub_weights_size_of(&segment->weights[i], 1);
    }
    return DAUB_OK;
}

// ---- opening ---------------------------------------------------------------------------------------------------------

static daub_status make_buffer(struct daub_weight_stream *s, enum daub_memory memory, struct daub_buffer **out)
{
    TRY(daub_buffer_create(s->dev, memory, s->plan.slot, "streamed weights", out));
    atomic_fetch_add(&s->held, daub_buffer_held(*out));
    return DAUB_OK;
}

static daub_status make_slots(struct daub_weight_stream *s)
{
    const bool uma = daub_device_caps(s->dev)->uma;
    for (uint32_t i = 0; i < s->plan.n_slots; i++) {
        TRY(make_buffer(s, uma ? DAUB_MEMORY_DEVICE : DAUB_MEMORY_HOST, &s->slots[i].buffer));
        s->slots[i].holds = NONE;
    }
    return uma || s->plan.n_slots == 0 ? DAUB_OK : make_buffer(s, DAUB_MEMORY_DEVICE, &s->device_slot);
}

// Binds what stays; it is packed now.
static daub_status bind_rest(struct daub_weight_stream *s, struct daub_net *net, enum daub_stage stage)
{
    uint32_t n = 0, n_stay = 0;
    struct daub_tensor **list = daub_packed_weights(net, 1u << stage, &n);
    if (!list)
        return daub_no_memory("a list of weights");
    for (uint32_t i = 0; i < n; i++)
        if (s->plan.tensor_stays[list[i]->index])
            list[n_stay++] = list[i];
    return n_stay ? daub_weights_bind(s->weights, list, n_stay) : DAUB_OK;
}

static daub_status open_planned(struct daub_weight_stream *s, struct daub_net *net, enum daub_stage stage)
{
    s->arena = daub_arena_create(daub_device_host(s->dev));
    s->segments = s->arena ? daub_arena_alloc(s->arena, s->plan.n_segments * sizeof(*s->segments)) : NULL;
    if (!s->segments)
        return daub_no_memory("a plan of weights");
    for (uint32_t k = 0; k < s->plan.n_segments; k++)
        TRY(list_segment(s, net, stage, k));
    TRY(make_slots(s));
    return bind_rest(s, net, stage);
}

static void close_stream(void *user)
{
    struct daub_weight_stream *s = user;
    for (uint32_t i = 0; i < MAX_SLOTS; i++)
        daub_buffer_destroy(s->dev, &s->slots[i].buffer);
    daub_buffer_destroy(s->dev, &s->device_slot);
    daub_arena_destroy(&s->arena);
    s->segments = NULL;
    for (uint32_t i = 0; i < MAX_SLOTS; i++)
        s->slots[i] = (struct slot) { .holds = NONE };
    atomic_store(&s->held, 0);
}

static daub_status open_stream(void *user, struct daub_net *net, enum daub_stage stage, const uint32_t **first,
                               uint32_t *n)
{
    struct daub_weight_stream *s = user;
    TRY(daub_stream_plan(net, stage, s->budget, daub_device_caps(s->dev)->uma, &s->plan));
    const daub_status status = open_planned(s, net, stage);
    if (status != DAUB_OK) {
        close_stream(s);
        return status;
    }
    *first = s->plan.first;
    *n = s->plan.n_segments;
    return DAUB_OK;
}

// ---- lending ---------------------------------------------------------------------------------------------------------

static struct slot *slot_of(struct daub_weight_stream *s, uint32_t segment)
{
    return &s->slots[segment % s->plan.n_slots];
}

static daub_status bind_segment(void *user, uint32_t k, struct daub_cmd *cmd)
{
    struct daub_weight_stream *s = user;
    struct segment *segment = &s->segments[k];
    if (segment->n == 0)
        return DAUB_OK;
    struct daub_buffer *packed = slot_of(s, k)->buffer, *read = s->device_slot ? s->device_slot : packed;
    for (uint32_t i = 0; i < segment->n; i++) {
        segment->ranges[i].buf = read;
        segment->weights[i]->data = &segment->ranges[i];
    }
    if (read == packed)
        return DAUB_OK;
    return daub_cmd_copy(cmd, (struct daub_range) { read, 0, segment->size },
                         (struct daub_range) { packed, 0, segment->size });
}

static daub_status fill_slot(void *user, uint32_t k)
{
    struct daub_weight_stream *s = user;
    const struct segment *segment = &s->segments[k];
    if (segment->n == 0)
        return DAUB_OK;
    struct slot *slot = slot_of(s, k);
    if (slot->holds == k)
        return DAUB_OK;
    TRY(daub_wait(s->dev, slot->ticket, UINT64_MAX, NULL));
    slot->holds = NONE;
    TRY(daub_weights_pack(s->weights, segment->weights, segment->n, daub_buffer_map(slot->buffer)));
    slot->holds = k;
    return DAUB_OK;
}

// Packs the next segment's weights while this one runs, unless that is the one whose place they take.
static daub_status segment_sent(void *user, uint32_t k, uint64_t ticket)
{
    struct daub_weight_stream *s = user;
    if (s->plan.n_slots == 0)
        return DAUB_OK;
    slot_of(s, k)->ticket = ticket;
    const uint32_t next = (k + 1) % s->plan.n_segments;
    return slot_of(s, next) != slot_of(s, k) ? fill_slot(s, next) : DAUB_OK;
}

// ---- life ------------------------------------------------------------------------------------------------------------

daub_status daub_weight_stream_create(daub_device *dev, struct daub_weights *weights, struct daub_weight_stream **out)
{
    struct daub_weight_stream *s = daub_alloc(daub_device_host(dev), sizeof(*s));
    if (!s)
        return daub_no_memory("a stream of weights");
    s->dev = dev;
    s->weights = weights;
    s->lender = (struct daub_lender) { s, open_stream, bind_segment, fill_slot, segment_sent, close_stream };
    *out = s;
    return DAUB_OK;
}

void daub_weight_stream_destroy(struct daub_weight_stream **stream)
{
    if (!*stream)
        return;
    close_stream(*stream);
    daub_free(daub_device_host((*stream)->dev), *stream);
    *stream = NULL;
}

void daub_weight_stream_set_budget(struct daub_weight_stream *stream, uint64_t budget)
{
    stream->budget = budget;
}

const struct daub_lender *daub_weight_stream_lender(const struct daub_weight_stream *stream)
{
    return &stream->lender;
}

uint64_t daub_weight_stream_held(const struct daub_weight_stream *stream)
{
    return atomic_load(&stream->held);
}

// weight_plan.c - daub_stream_plan: which weights stay, and where the stage is cut.
//
// The fewest bytes are streamed when slots are small, since the rest of the budget is for what stays; but a slot holds all that a node
// reads, unless that node's weights stay. So every size of a node is tried as the slot's, from a 64th of all weights up:
// below that, submissions would be too many.
#include "runtime/io/weight_stream.h"

enum { MAX_SEGMENTS = 64 };

struct unit {
    uint32_t node;
    uint64_t bytes, pixels; // of the node's weights, and that they are read for
};

struct planning {
    struct daub_net *net;
    enum daub_stage stage;
    struct unit *units; // nodes with weights, in order
    uint32_t n;
    uint32_t *rank; // of the units: those that stay first come first
    bool *stays;    // by unit
};

static bool is_packed(const struct daub_tensor *t)
{
    return t && t->kind == DAUB_TENSOR_WEIGHT && t->pack.kind != DAUB_PACK_NONE;
}

static bool read_before(const struct daub_node *node, uint32_t slot)
{
    for (uint32_t i = 0; i < slot; i++)
        if (node->in[i] == node->in[slot])
            return true;
    return false;
}

// Bytes of the node's weights; of those alone that stay not, where `tensor_stays` says which do.
static uint64_t bytes_of(const struct daub_node *node, const bool *tensor_stays)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < node->n_in; i++) {
        struct daub_tensor *t = node->in[i];
        if (is_packed(t) && !read_before(node, i) && !(tensor_stays && tensor_stays[t->index]))
            bytes += daub_weights_size_of(&t, 1);
    }
    return bytes;
}

static daub_status list_units(struct planning *p)
{
    struct daub_arena *arena = daub_net_arena(p->net);
    const uint32_t n_nodes = daub_net_n_nodes(p->net);
    p->units = daub_arena_alloc(arena, (n_nodes + 1) * sizeof(*p->units));
    p->rank = daub_arena_alloc(arena, (n_nodes + 1) * sizeof(*p->rank));
    p->stays = daub_arena_alloc(arena, (n_nodes + 1) * sizeof(*p->stays));
    if (!p->units || !p->rank || !p->stays)
        return daub_no_memory("a plan of weights");
    for (uint32_t i = 0; i < n_nodes; i++) {
        const struct daub_node *node = daub_net_node(p->net, i);
        const uint64_t bytes = node->stage == p->stage ? bytes_of(node, NULL) : 0;
        if (bytes > 0)
            p->units[p->n++] = (struct unit) { i, bytes, daub_rows(node->out) };
    }
    for (uint32_t i = 0; i < p->n; i++) { // by insertion: a few hundred
        uint32_t at = i;
        for (; at > 0 && p->units[p->rank[at - 1]].pixels > p->units[i].pixels; at--)
            p->rank[at] = p->rank[at - 1];
        p->rank[at] = i;
    }
    return DAUB_OK;
}

// Chooses what stays in `room` bytes when a slot has `slot`. UINT64_MAX: some nodes fit neither; else the bytes that stay.
static uint64_t choose(struct planning *p, uint64_t slot, uint64_t room)
{
    uint64_t used = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        p->stays[i] = p->units[i].bytes > slot;
        used += p->stays[i] ? p->units[i].bytes : 0;
    }
    if (used > room)
        return UINT64_MAX;
    for (uint32_t i = 0; i < p->n; i++) {
        const uint32_t u = p->rank[i];
        if (p->stays[u] || p->units[u].bytes > room - used)
            continue;
        p->stays[u] = true;
        used += p->units[u].bytes;
    }
    return used;
}

static uint64_t largest_of(const struct planning *p)
{
    uint64_t largest = 0;
    for (uint32_t i = 0; i < p->n; i++)
        largest = p->units[i].bytes > largest ? p->units[i].bytes : largest;
    return largest;
}

// The slot's size for which most stays, `copies` slots being paid for. 0: none will do.
static uint64_t best_slot(struct planning *p, uint64_t budget, uint64_t least, uint32_t copies)
{
    uint64_t best = 0, best_stays = 0;
    for (uint32_t i = 0; i <= p->n; i++) {
        const uint64_t slot = i < p->n ? p->units[i].bytes : least;
        if (slot < least || slot > budget / copies)
            continue;
        const uint64_t stays = choose(p, slot, budget - copies * slot);
        if (stays != UINT64_MAX && (best == 0 || stays > best_stays || (stays == best_stays && slot < best))) {
            best = slot;
            best_stays = stays;
        }
    }
    return best;
}

// Cuts the stage where a slot is full, and shrinks slots to the fullest.
static daub_status cut(const struct planning *p, const bool *tensor_stays, struct daub_stream_plan *out)
{
    const uint32_t n_nodes = daub_net_n_nodes(p->net);
    uint32_t *first = daub_arena_alloc(daub_net_arena(p->net), (n_nodes + 1) * sizeof(*first));
    if (!first)
        return daub_no_memory("a plan of weights");
    uint64_t filled = 0, fullest = 0;
    for (uint32_t i = 0; i < n_nodes; i++) {
        const struct daub_node *node = daub_net_node(p->net, i);
        if (node->stage != p->stage)
            continue;
        const uint64_t bytes = bytes_of(node, tensor_stays);
        if (out->n_segments == 0 || filled + bytes > out->slot) {
            first[out->n_segments++] = i;
            filled = 0;
        }
        filled += bytes;
        fullest = filled > fullest ? filled : fullest;
    }
    out->slot = fullest;
    out->first = first;
    return DAUB_OK;
}

static daub_status mark(const struct planning *p, bool all, struct daub_stream_plan *out)
{
    bool *marks = daub_arena_alloc(daub_net_arena(p->net), (daub_net_n_tensors(p->net) + 1) * sizeof(*marks));
    if (!marks)
        return daub_no_memory("a plan of weights");
    for (uint32_t u = 0; u < p->n; u++) {
        const struct daub_node *node = daub_net_node(p->net, p->units[u].node);
        for (uint32_t i = 0; i < node->n_in && (all || p->stays[u]); i++) {
            struct daub_tensor *t = node->in[i];
            if (!is_packed(t) || marks[t->index])
                continue;
            marks[t->index] = true;
            out->stays += daub_weights_size_of(&t, 1);
        }
    }
    out->tensor_stays = marks;
    return DAUB_OK;
}

daub_status daub_stream_plan(struct daub_net *net, enum daub_stage stage, uint64_t budget, bool uma,
                             struct daub_stream_plan *out)
{
    *out = (struct daub_stream_plan) { 0 };
    struct planning p = { .net = net, .stage = stage };
    uint32_t n_weights = 0;
    struct daub_tensor **weights = daub_packed_weights(net, 1u << stage, &n_weights);
    if (!weights)
        return daub_no_memory("a list of weights");
    TRY(list_units(&p));
    out->weights = daub_weights_size_of(weights, n_weights);
    const bool all = out->weights <= budget;
    const uint32_t more = uma ? 0 : 1; // a slot of the device's beside those of the host's
    const uint64_t largest = largest_of(&p), few = out->weights / MAX_SEGMENTS, least = few < largest ? few : largest;
    for (uint32_t n_slots = 2; !all && n_slots > 0 && out->slot == 0; n_slots--) {
        out->n_slots = n_slots;
        out->slot = best_slot(&p, budget, least, n_slots + more);
    }
    if (!all && out->slot == 0) { // too small a budget: the fewest bytes
        out->slot = largest;
        budget = (1 + more) * largest;
    }
    if (!all)
        (void)choose(&p, out->slot, budget - (out->n_slots + more) * out->slot);
    TRY(mark(&p, all, out));
    TRY(cut(&p, out->tensor_stays, out));
    out->device = out->stays + (uma ? out->n_slots : out->n_slots > 0) * out->slot;
    out->staging = uma ? 0 : out->n_slots * out->slot;
    return DAUB_OK;
}

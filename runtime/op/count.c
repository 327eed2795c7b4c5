// count.c - the walk over a net's dispatches that adds them up.
#include "runtime/op/count.h"

#include <string.h>

struct counting {
    struct daub_count *rows;
    uint32_t capacity, n;
    const struct daub_node *last;
};

static struct daub_count *find_row(struct counting *c, enum daub_stage stage, const char *op)
{
    uint32_t i = 0;
    while (i < c->n && (c->rows[i].stage != stage || strcmp(c->rows[i].op, op) != 0))
        i++;
    if (i == c->capacity)
        return NULL;
    if (i == c->n)
        c->rows[c->n++] = (struct daub_count) { .stage = stage, .op = op };
    return &c->rows[i];
}

static uint64_t stored_size(const struct daub_tensor *t)
{
    if (t->kind == DAUB_TENSOR_PAIR)
        return stored_size(t->pair[0]) + stored_size(t->pair[1]);
    if (t->kind == DAUB_TENSOR_WEIGHT)
        return t->data ? t->data->size : 0;
    return daub_tensor_size(t);
}

// What a kernel that reads and writes nothing twice would move for this node.
static uint64_t node_floor(const struct daub_node *node)
{
    uint64_t bytes = stored_size(node->out);
    for (uint32_t i = 0; i < node->n_in; i++) {
        bool again = !node->in[i];
        for (uint32_t j = 0; j < i && !again; j++)
            again = node->in[j] == node->in[i];
        bytes += again ? 0 : stored_size(node->in[i]);
    }
    return bytes;
}

static daub_status add(void *user, const struct daub_node *node, const struct daub_dispatch *dispatch)
{
    struct counting *c = user;
    if (dispatch->groups[0] == 0 || dispatch->groups[1] == 0 || dispatch->groups[2] == 0)
        return DAUB_OK;
    struct daub_count *row = find_row(c, node->stage, dispatch->op);
    if (!row)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: more than %u classes of nodes to count", node->name, c->capacity);
    row->n_dispatches++;
    row->flop += dispatch->flop;
    row->bytes += daub_dispatch_bytes(dispatch);
    if (node != c->last) {
        row->n_nodes++;
        row->floor += node_floor(node);
    }
    c->last = node;
    return DAUB_OK;
}

daub_status daub_count_net(const struct daub_caps *caps, struct daub_net *net,
                           uint64_t (*weight_size)(const struct daub_tensor *weight), struct daub_count *rows,
                           uint32_t capacity, uint32_t *n)
{
    // Weights that are not bound get ranges of no buffer, behind one another and behind any arena.
    const uint32_t n_weights = daub_net_n_weights(net);
    struct daub_range *ranges = daub_alloc_array(NULL, n_weights ? n_weights : 1, sizeof(*ranges));
    if (!ranges)
        return daub_no_memory("a list of weights");
    uint64_t at = UINT64_C(1) << 62;
    for (uint32_t i = 0; i < n_weights; i++) {
        struct daub_tensor *weight = daub_net_weight_at(net, i);
        if (weight->data || weight->pack.kind == DAUB_PACK_NONE)
            continue;
        ranges[i] = (struct daub_range) { .offset = at, .size = weight_size(weight) };
        at += ranges[i].size;
        weight->data = &ranges[i];
    }

    struct counting counting = { .rows = rows, .capacity = capacity };
    const struct daub_walk walk = { add, &counting };
    const daub_status status = daub_exec_walk(caps, net, &walk);
    *n = counting.n;

    for (uint32_t i = 0; i < n_weights; i++) {
        struct daub_tensor *weight = daub_net_weight_at(net, i);
        if (weight->data == &ranges[i])
            weight->data = NULL;
    }
    daub_free(NULL, ranges);
    return status;
}

double daub_count_flop(const struct daub_net *net)
{
    double flop = 0.0;
    for (uint32_t i = 0; i < daub_net_n_nodes(net); i++) {
        const struct daub_node *node = daub_net_node(net, i);
        flop += node->op->flop ? node->op->flop(node) : 0.0;
    }
    return flop;
}

// plan.c - a place in one arena for every tensor of a graph.
//
// A tensor lives from the node that writes it to the last that reads it. Two kinds live throughout: what is read or written from
// outside (inputs, outputs, dumped points), and what a stage leaves for STEP or TAIL, because those run again and again after
// it, in any order with it. Largest first, each goes to the lowest offset where it meets no neighbour in time: within a
// few percent of the lower bound on U-Nets, and the peak is known before anything is allocated.
#include "runtime/graph/net_private.h"

#include <stdlib.h>

static void live_at(struct daub_tensor *t, const struct daub_node *reader, uint32_t end)
{
    if (!t || t->kind == DAUB_TENSOR_WEIGHT)
        return;
    if (t->kind == DAUB_TENSOR_PART) {
        live_at(t->pair[0], reader, end);
        return;
    }
    if (t->kind == DAUB_TENSOR_PAIR) {
        live_at(t->pair[0], reader, end);
        live_at(t->pair[1], reader, end);
        return;
    }
    if (t->kind == DAUB_TENSOR_VALUE && t->stage < DAUB_STAGE_STEP && reader->stage >= DAUB_STAGE_STEP) {
        t->first = 0;
        t->last = end;
    }
    if (reader->position > t->last)
        t->last = reader->position;
}

static void lifetimes(struct daub_net *net)
{
    const uint32_t end = net->nodes.n;
    for (uint32_t i = 0; i < net->tensors.n; i++) {
        struct daub_tensor *t = net->tensors.at[i];
        t->first = t->keep || !t->producer ? 0 : t->producer->position;
        t->last = t->keep ? end : t->first;
        t->size = 0;
    }
    for (uint32_t i = 0; i < end; i++) {
        const struct daub_node *node = net->nodes.at[i];
        for (uint32_t j = 0; j < node->n_in; j++)
            live_at(node->in[j], node, end);
    }
}

static int by_size(const void *a, const void *b)
{
    const struct daub_tensor *x = *(struct daub_tensor *const *)a, *y = *(struct daub_tensor *const *)b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static int by_offset(const void *a, const void *b)
{
    const struct daub_tensor *x = *(struct daub_tensor *const *)a, *y = *(struct daub_tensor *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

// Lowest offset at which t overlaps none of the n placed tensors, of which `near` (room for n) collects those alive with it.
static uint64_t place(const struct daub_tensor *t, struct daub_tensor *const *placed, uint32_t n,
                      struct daub_tensor **near)
{
    uint32_t n_near = 0;
    for (uint32_t i = 0; i < n; i++)
        if (placed[i]->first <= t->last && t->first <= placed[i]->last)
            near[n_near++] = placed[i];
    qsort(near, n_near, sizeof(near[0]), by_offset);
    uint64_t at = 0;
    for (uint32_t i = 0; i < n_near; i++) {
        if (near[i]->offset >= at + t->size)
            break;
        const uint64_t end = near[i]->offset + near[i]->size;
        if (end > at)
            at = end;
    }
    return at;
}

daub_status daub_plan(struct daub_net *net, uint32_t align, uint64_t *arena_size)
{
    lifetimes(net);

    const size_t n_all = net->tensors.n ? net->tensors.n : 1;
    struct daub_tensor **todo = daub_alloc_array(net->host, n_all, sizeof(void *));
    struct daub_tensor **near = daub_alloc_array(net->host, n_all, sizeof(void *));
    if (!todo || !near) {
        daub_free(net->host, todo);
        daub_free(net->host, near);
        return daub_no_memory("a memory plan");
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < net->tensors.n; i++) {
        struct daub_tensor *t = net->tensors.at[i];
        const bool stored = t->kind == DAUB_TENSOR_INPUT || (t->kind == DAUB_TENSOR_VALUE && !t->producer->dead &&
                                                             (t->producer->out == t || t->n_uses == 0));
        if (!stored)
            continue;
        t->size = (daub_tensor_size(t) + align - 1) / align * align;
        todo[n++] = t;
    }
    qsort(todo, n, sizeof(todo[0]), by_size);

    uint64_t peak = 0;
    for (uint32_t i = 0; i < n; i++) {
        todo[i]->offset = place(todo[i], todo, i, near);
        if (todo[i]->offset + todo[i]->size > peak)
            peak = todo[i]->offset + todo[i]->size;
    }
    daub_free(net->host, todo);
    daub_free(net->host, near);
    *arena_size = peak;
    return DAUB_OK;
}

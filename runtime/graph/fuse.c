// fuse.c - runs a table of patterns over a graph until nothing matches any more.
//
// A pattern is a pair (producer, consumer). Chains come from repetition: conv + rows + activation + residual is three matches, each
// of which finds the node the last one made. The merged node stands where the consumer stood, because all of its inputs
// are there by then.
#include "runtime/graph/net_private.h"

static bool try_row(struct daub_net *net, const struct daub_fusion *row, struct daub_node *consumer)
{
    if (consumer->op != row->consumer || row->slot >= consumer->n_in)
        return false;
    struct daub_tensor *between = consumer->in[row->slot];
    if (!between || between->kind != DAUB_TENSOR_VALUE || between->keep || between->n_uses != 1)
        return false;
    struct daub_node *producer = between->producer;
    if (producer->op != row->producer || producer->dead || producer->stage != consumer->stage)
        return false;
    if (!row->apply(net, producer, consumer))
        return false;
    producer->dead = true;
    consumer->out->producer = consumer;
    daub_net_count_uses(net);
    return true;
}

void daub_fuse(struct daub_net *net, const struct daub_fusion *rows, uint32_t n)
{
    if (net->status != DAUB_OK || net->finished)
        return;
    daub_net_count_uses(net);
    for (uint32_t i = 0; i < net->nodes.n; i++) {
        struct daub_node *node = net->nodes.at[i];
        bool again = !node->dead;
        while (again) { // each match removes a node, so this ends
            again = false;
            for (uint32_t r = 0; r < n && !again; r++)
                again = try_row(net, &rows[r], node);
        }
    }
}

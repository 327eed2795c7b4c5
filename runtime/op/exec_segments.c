// exec_segments.c - see exec_segments.h.
#include "runtime/op/exec_segments.h"

// Whether a node of these stages (bits) reads the weight.
static bool read_in(const struct daub_net *net, const struct daub_tensor *weight, uint32_t stages)
{
    for (uint32_t i = 0; i < daub_net_n_nodes(net); i++) {
        const struct daub_node *node = daub_net_node(net, i);
        for (uint32_t j = 0; j < node->n_in && (stages >> node->stage & 1u); j++)
            if (node->in[j] == weight)
                return true;
    }
    return false;
}

struct daub_tensor **daub_packed_weights(struct daub_net *net, uint32_t stages, uint32_t *count)
{
    const uint32_t n = daub_net_n_weights(net);
    struct daub_tensor **weights = daub_arena_alloc(daub_net_arena(net), (n ? n : 1) * sizeof(*weights));
    *count = 0;
    for (uint32_t i = 0; weights && i < n; i++) {
        struct daub_tensor *weight = daub_net_weight_at(net, i);
        if (weight->pack.kind != DAUB_PACK_NONE && read_in(net, weight, stages))
            weights[(*count)++] = weight;
    }
    return weights;
}

daub_status daub_segments_open(struct daub_segments *s, const struct daub_host *host, struct daub_net *net)
{
    TRY(s->lender->open(s->lender->user, net, s->stage, &s->first, &s->n));
    s->n_bound = 0;
    s->first_cmd = daub_alloc_array(host, s->n, sizeof(*s->first_cmd));
    if (!s->first_cmd) {
        daub_segments_close(s, host);
        return daub_no_memory("a list of segments");
    }
    return DAUB_OK;
}

void daub_segments_close(struct daub_segments *s, const struct daub_host *host)
{
    if (s->first)
        s->lender->close(s->lender->user);
    daub_free(host, s->first_cmd);
    s->first_cmd = NULL;
    s->first = NULL;
    s->n = s->n_bound = 0;
}

bool daub_segments_begin(const struct daub_segments *s, enum daub_stage stage, uint32_t node)
{
    return s->first && s->stage == stage && s->n_bound < s->n && s->first[s->n_bound] == node;
}

daub_status daub_segments_bind(struct daub_segments *s, struct daub_cmd *cmd, uint32_t index)
{
    s->first_cmd[s->n_bound] = index;
    return s->lender->bind(s->lender->user, s->n_bound++, cmd);
}

// The segment of a command of the stage.
static uint32_t segment_of(const struct daub_segments *s, uint32_t index)
{
    uint32_t k = 0;
    while (k + 1 < s->n && s->first_cmd[k + 1] <= index)
        k++;
    return k;
}

daub_status daub_segments_before(const struct daub_segments *s, enum daub_stage stage, uint32_t index)
{
    if (!s->first || s->stage != stage)
        return DAUB_OK;
    const uint32_t k = segment_of(s, index);
    return s->first_cmd[k] == index ? s->lender->fill(s->lender->user, k) : DAUB_OK;
}

daub_status daub_segments_after(const struct daub_segments *s, enum daub_stage stage, uint32_t index, uint32_t n_cmds,
                                uint64_t ticket)
{
    if (!s->first || s->stage != stage)
        return DAUB_OK;
    const uint32_t k = segment_of(s, index), end = k + 1 < s->n ? s->first_cmd[k + 1] : n_cmds;
    return index + 1 == end ? s->lender->sent(s->lender->user, k, ticket) : DAUB_OK;
}

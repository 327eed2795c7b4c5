// attention.h - what attention.c and attention_wide.c share.
#ifndef DAUB_OP_ATTENTION_H
#define DAUB_OP_ATTENTION_H
#include "runtime/op/exec.h"
#include "runtime/op/op.h"

struct attention_attrs {
    bool causal;
    struct daub_key_counts keys; // pictures 0: every picture has all, or its own of as many
    bool wide;                   // scores through scratch[0], by three kernels; else one kernel
    bool texel;                  // q, k, v (and scores) through texel buffers

    // not wide
    enum daub_kernel kernel;
    uint32_t n_specs, spec_words; // words a head (lane kernel), or chunks of 32 channels (shared kernel)
    uint32_t spec_queries;        // lane kernel: queries a lane
    uint32_t tile;                // queries a workgroup
    uint32_t scratch_tiles;       // subgroup kernel: tiles of all heads whose sums scratch[0] holds; else 0

    // wide; a unit is one head of one picture
    bool lane; // small workgroups, as CPU drivers like them
    enum daub_kernel softmax;
    uint32_t units;  // a dispatch does: all, a picture's, or 1
    uint32_t chunk;  // query rows of each that scratch[0] holds
    uint32_t window; // keys a dispatch may bind; below n_k, sums go through scratch[1]
};

static inline uint32_t daub_attention_head_words(const struct daub_tensor *q)
{
    return daub_words(q) / q->heads;
}

// log2(e) / sqrt(d)
float daub_attention_scale(const struct daub_tensor *q);

// Pictures image .. end - 1 have n_k keys each, which begin at row `row` of k and v; broadcast: all have the same.
struct attention_run {
    uint32_t image, end, n_k, row;
    bool broadcast;
};
// Run 0 or 1 of a node whose pictures are of two lengths; of another one all are run 0, and `end` of run 1 is its `image`.
struct attention_run daub_attention_run(const struct daub_node *node, uint32_t which);
uint32_t daub_attention_most_keys(const struct daub_node *node);

// attention_wide.c. q, k, v are the node's inputs 0 to 2.
daub_status daub_attention_wide_select(const struct daub_select *select, struct daub_net *net, struct daub_node *node);
daub_status daub_attention_wide_record(struct daub_recording *rec, const struct daub_node *node);

// The pixels of a map are tokens in the order in which they are stored.
static inline uint32_t daub_tokens(const struct daub_tensor *t)
{
    return t->shape.h * t->shape.w;
}

#endif

// count.h - what a net costs by its shapes: dispatches, arithmetic and bytes, counted from what would be recorded, not timed.
#ifndef DAUB_OP_COUNT_H
#define DAUB_OP_COUNT_H
#include "runtime/op/exec.h"

enum { DAUB_MAX_COUNTS = 96 }; // stages times classes of a net, with room

struct daub_count { // one class of nodes ("conv3x3", "linear", "attention") in one stage, for one run of the stage
    enum daub_stage stage;
    const char *op;                 // static storage
    uint32_t n_nodes, n_dispatches; // a node is at least one dispatch
    double flop;
    uint64_t bytes; // of all dispatches, see daub_dispatch_bytes
    uint64_t floor; // of all nodes: each input, packed weight and output once
};

// Counts a planned net into rows, in order of first use. `weight_size` gives the packed bytes of weights that are not bound (data
// NULL); it may be NULL when all are. A node counts in the class of its first dispatch. Errors: what the ops say;
// UNSUPPORTED when there are more than `capacity` rows.
daub_status daub_count_net(const struct daub_caps *caps, struct daub_net *net,
                           uint64_t (*weight_size)(const struct daub_tensor *weight), struct daub_count *rows,
                           uint32_t capacity, uint32_t *n);

// Arithmetic of all its nodes, before or after it is planned.
double daub_count_flop(const struct daub_net *net);

#endif

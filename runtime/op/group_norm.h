// group_norm.h - the group norm's descriptor, for fusions.c.
#ifndef DAUB_OP_GROUP_NORM_H
#define DAUB_OP_GROUP_NORM_H
#include "runtime/op/op.h"

// in[0] x (may be a pair), in[1] gamma, in[2] beta, in[3] statistics where they are given
struct daub_group_norm_attrs {
    uint32_t groups;
    float eps;
    uint32_t pixels; // a picture, that given statistics are of
    bool silu;       // y = silu(y), set by fusion
    // Chosen by select.
    bool whole, texel; // one dispatch, by which loads
};

extern const struct daub_op daub_op_group_norm;

#endif

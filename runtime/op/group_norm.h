// group_norm.h - the group norm's descriptor, for fusions.c.
#ifndef DAUB_OP_GROUP_NORM_H
#define DAUB_OP_GROUP_NORM_H
#include "runtime/op/op.h"

// in[0] x (may be a pair), in[1] gamma, in[2] beta
struct daub_group_norm_attrs {
    uint32_t groups;
    float eps;
    bool silu; // y = silu(y), set by fusion
    // Chosen by select.
    bool whole, texel; // one dispatch, by which loads
};

extern const struct daub_op daub_op_group_norm;

#endif

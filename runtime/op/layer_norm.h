// layer_norm.h - the layer norm's descriptor.
#ifndef DAUB_OP_LAYER_NORM_H
#define DAUB_OP_LAYER_NORM_H
#include "runtime/op/op.h"

// in[0] x, in[1] gamma, in[2] beta
struct daub_layer_norm_attrs {
    float eps;
};

extern const struct daub_op daub_op_layer_norm;

#endif

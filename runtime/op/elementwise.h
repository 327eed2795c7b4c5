// elementwise.h - descriptors of what maps elements one to one, for fusions.c.
#ifndef DAUB_OP_ELEMENTWISE_H
#define DAUB_OP_ELEMENTWISE_H
#include "runtime/op/op.h"

struct daub_act_attrs { // in[0] x
    enum daub_act act;
};

struct daub_scale_attrs { // in[0] x
    float mul, add;
};

extern const struct daub_op daub_op_act;
extern const struct daub_op daub_op_add;          // in[0] a, in[1] b; no attrs
extern const struct daub_op daub_op_add_channels; // in[0] x, in[1] rows, in[2] the counter or NULL; no attrs
extern const struct daub_op daub_op_scale;

#endif

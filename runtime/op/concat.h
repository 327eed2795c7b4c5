// concat.h - the stored concatenation's descriptor.
#ifndef DAUB_OP_CONCAT_H
#define DAUB_OP_CONCAT_H
#include "runtime/op/op.h"

extern const struct daub_op daub_op_concat; // in[0] a, in[1] b; no attrs

#endif

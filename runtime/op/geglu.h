// geglu.h - GEGLU's descriptor, for fusions.c.
#ifndef DAUB_OP_GEGLU_H
#define DAUB_OP_GEGLU_H
#include "runtime/op/op.h"

extern const struct daub_op daub_op_geglu; // in[0] x [N,H,W,2F]; no attrs

#endif

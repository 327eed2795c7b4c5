// upsample.h - nearest upsampling's descriptor, for fusions.c.
#ifndef DAUB_OP_UPSAMPLE_H
#define DAUB_OP_UPSAMPLE_H
#include "runtime/op/op.h"

extern const struct daub_op daub_op_upsample; // in[0] x; no attrs: the sizes are those of in[0] and out

#endif

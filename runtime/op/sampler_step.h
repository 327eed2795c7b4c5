// sampler_step.h - the descriptors of the nodes that run between two model calls.
#ifndef DAUB_OP_SAMPLER_STEP_H
#define DAUB_OP_SAMPLER_STEP_H
#include "runtime/op/op.h"

extern const struct daub_op daub_op_sampler_step;

#endif

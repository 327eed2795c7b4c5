// rgb8.h - the descriptor of the last step to pixels.
#ifndef DAUB_OP_RGB8_H
#define DAUB_OP_RGB8_H
#include "runtime/op/op.h"

extern const struct daub_op daub_op_rgb8; // in[0] x [N,H,W,3]; no attrs

#endif

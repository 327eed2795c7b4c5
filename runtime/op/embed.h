// embed.h - the embedding lookup's descriptor.
#ifndef DAUB_OP_EMBED_H
#define DAUB_OP_EMBED_H
#include "runtime/op/op.h"

extern const struct daub_op daub_op_embed; // in[0] ids, in[1] token table, in[2] position table; no attrs

#endif

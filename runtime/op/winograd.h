// winograd.h - 3x3 convolutions by F(2x2, 3x3), for gemm.c.
//
// Lavin and Gray 2015, arXiv:1509.09308: a tile of 2x2 outputs takes 16 products a channel instead of 36 (4 a pixel instead of 9), for a
// transform of the input before and of the output after. A map that was just upsampled by 2 takes 9 (see
// shaders/winograd_input.comp). On CPU drivers multiplications are what a convolution waits for, so it is the rule there for
// maps large enough; the weights grow by 16/9 (not at all after upsampling), so small maps and layers of many channels stay direct.
//
// Rounding: transformed input, weights and products are stored in the graph's type. In fp16 that triples the error of one
// convolution, to about 4e-4 of its result.
#ifndef DAUB_OP_WINOGRAD_H
#define DAUB_OP_WINOGRAD_H
#include "runtime/op/gemm.h"

// Products a tile that the node would take, 16 or 9; 0: it stays a direct convolution.
uint32_t daub_winograd_positions(const struct daub_select *select, const struct daub_node *node);
// Adds scratch tensors. The node's attrs have `winograd` and `tile`, chosen for results of daub_winograd_tiles(node) rows.
daub_status daub_winograd_select(const struct daub_select *select, struct daub_net *net, struct daub_node *node);
uint32_t daub_winograd_tiles(const struct daub_node *node); // 2x2 tiles of all pictures
daub_status daub_winograd_record(struct daub_recording *rec, const struct daub_node *node);

#endif

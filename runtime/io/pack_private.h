// pack_private.h - what the files of pack.h's layouts need of one another.
#ifndef DAUB_IO_PACK_PRIVATE_H
#define DAUB_IO_PACK_PRIVATE_H
#include "runtime/io/pack.h"

// n kernels of 3x3 into n of `positions` (16 or 9) transformed values.
void daub_winograd_transform(const float *g, uint32_t n, uint32_t positions, float *u);
// pack_phases.c: n kernels of 3x3 into n of 16 values.
void daub_phases_transform(const float *g, uint32_t n, float *u);

#endif

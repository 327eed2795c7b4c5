// rows.h - cutting light ops into dispatches: how many rows a binding takes, and grids of any size.
#ifndef DAUB_OP_ROWS_H
#define DAUB_OP_ROWS_H
#include "runtime/op/exec.h"

enum { DAUB_LIGHT_LOCAL = 64 }; // invocations a workgroup of every light kernel: LIGHT_LOCAL of common/light.glsl

// Rows of row_size bytes that one binding takes wherever it starts; at least 1.
uint32_t daub_rows_fit(const struct daub_caps *caps, uint64_t row_size);
// The smallest of that over the tensors, which are read or written at the same rows.
uint32_t daub_rows_fit_all(const struct daub_caps *caps, uint32_t n, const struct daub_tensor *const *tensors);
// Rows of row_size bytes that one dispatch takes: as many as a binding does, or as the recording allows; at least 1.
uint32_t daub_rows_step(const struct daub_recording *rec, uint64_t row_size);
// Workgroups enough for n, as x * y, because x alone may end at 65535. Kernels skip what is beyond n.
void daub_light_groups(const struct daub_caps *caps, uint64_t n, uint32_t groups[3]);
// The same for n invocations of DAUB_LIGHT_LOCAL a workgroup.
void daub_light_grid(const struct daub_caps *caps, uint64_t n, uint32_t groups[3]);
// Whether ops that must combine values choose their kernel without shared memory.
bool daub_use_lane(const struct daub_caps *caps);
// A vector of fp32 for each physical channel of x, heads 1.
struct daub_pack daub_vector_pack(uint32_t channels);

#endif

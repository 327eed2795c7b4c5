// half.h - IEEE 754 binary16 and bfloat16 to and from binary32. Round to nearest, ties to even; every NaN stays a
// NaN, denormals are kept, overflow becomes infinity.
#ifndef DAUB_BASE_HALF_H
#define DAUB_BASE_HALF_H
#include <stddef.h>
#include <stdint.h>

uint16_t daub_half_from_float(float value);
float daub_half_to_float(uint16_t half);
uint16_t daub_bf16_from_float(float value);
float daub_bf16_to_float(uint16_t bf16);

void daub_half_from_floats(uint16_t *out, const float *in, size_t n);
void daub_half_to_floats(float *out, const uint16_t *in, size_t n);

#endif

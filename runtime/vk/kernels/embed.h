// embed.h - SPIR-V of each kernel, made at build time by shaders/kernels.cmake.
#ifndef DAUB_VK_KERNELS_EMBED_H
#define DAUB_VK_KERNELS_EMBED_H
#include "kernels.h"

#include <stddef.h>
#include <stdint.h>

const uint32_t *daub_kernel_code(enum daub_kernel kernel, size_t *size); // *size in bytes
const char *daub_kernel_name(enum daub_kernel kernel);                   // "gemm_lane_f16_ssbo_8x8"

#endif

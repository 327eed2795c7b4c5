// gemm_bindings.glsl - buffers, push constants and specialisation constants of the GEMM kernels; see params/gemm.h.
#ifndef DAUB_GEMM_BINDINGS_GLSL
#define DAUB_GEMM_BINDINGS_GLSL
#include "params/gemm.h"
#include "common/word.glsl"
#include "common/act.glsl"

WORDS_IN(GEMM_SOURCE0, source0);
WORDS_IN(GEMM_SOURCE1, source1);
WORDS_IN(GEMM_WEIGHT, weight);
FLOATS_IN(GEMM_BIAS, bias);
WORDS_IN(GEMM_ROWS, channel_rows);
UINTS_IN(GEMM_COUNTER, counter);
WORDS_IN(GEMM_RESIDUAL, residual);
WORDS_OUT(GEMM_OUT, dst);
#if defined(REAL_F16)
FLOATS_OUT(GEMM_OUT_F32, dst_f32);
#endif

#if !defined(GEMM_PARAMS)
#define GEMM_PARAMS gemm_params
#endif
layout(push_constant) uniform Params { GEMM_PARAMS p; };

layout(constant_id = SPEC_GEMM_PAIR) const bool PAIR = false;
layout(constant_id = SPEC_GEMM_ACT) const uint ACT = ACT_NONE;
layout(constant_id = SPEC_GEMM_GEGLU) const bool GEGLU = false;
layout(constant_id = SPEC_GEMM_OUT_F32) const bool OUT_F32 = false;

#endif

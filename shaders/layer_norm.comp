// layer_norm.comp - y = gamma * (x - mean) / sqrt(var + eps) + beta over the channels of each row. Ba et al. 2016, arXiv:1607.06450.
//
// The row is read three times (it is a few KB and stays in the nearest cache): mean, variance, output. The mean is taken about the
// row's first channel and the variance about that mean, so that |mean| much larger than the deviation loses nothing in fp32.
//
//   dispatch   lane: a grid of at least ceil(n / 64) workgroups of 64, a lane a row; shared: of at least n, a workgroup a row
//   bindings   0 x [rows,C]   1 gamma, 2 beta: fp32 [C, padded with 0]   3 y as x
//   variants   lane_ and shared_ f32 f16 (storage)
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "common/light.glsl"
#include "common/word.glsl"
#include "params/layer_norm.h"

layout(local_size_x = LIGHT_LOCAL) in;
layout(push_constant, std430) uniform Push { layer_norm_params p; };

WORDS_IN(0, x);
FLOATS_IN(1, gamma);
FLOATS_IN(2, beta);
WORDS_OUT(3, y);

#if defined(SHARED)
shared float tree[LIGHT_LOCAL];

float total(vec4 v)
{
    const uint i = gl_LocalInvocationIndex;
    tree[i] = v.x + v.y + v.z + v.w;
    barrier();
    [[unroll]] for (uint stride = LIGHT_LOCAL / 2; stride > 0; stride /= 2) {
        if (i < stride)
            tree[i] += tree[i + stride];
        barrier();
    }
    const float sum = tree[0];
    barrier(); // tree[] may be written again
    return sum;
}
#define INDEX light_group()
#define BEGIN gl_LocalInvocationIndex
#define STEP LIGHT_LOCAL
#else
float total(vec4 v)
{
    return (v.x + v.y) + (v.z + v.w);
}
#define INDEX light_index()
#define BEGIN 0
#define STEP 1
#endif

void main()
{
    const uint i = INDEX;
    if (i >= p.n) // all of a workgroup or, without barriers, any invocation
        return;
    const uint x_row = (p.first + i) * p.words - p.x_first, y_row = (p.first + i) * p.words - p.y_first;
    const float scale = 1.0 / float(p.channels);

    vec4 lo, hi, sum = vec4(0.0), square = vec4(0.0);
    LOAD(x, x_row, lo, hi);
    const float pivot = lo.x;
    for (uint w = BEGIN; w < p.words; w += STEP) {
        LOAD(x, x_row + w, lo, hi);
        sum += (lo - pivot) * channel_mask(8 * w, p.channels) + (hi - pivot) * channel_mask(8 * w + 4, p.channels);
    }
    const float shift = total(sum) * scale; // mean - pivot
    for (uint w = BEGIN; w < p.words; w += STEP) {
        LOAD(x, x_row + w, lo, hi);
        lo = (lo - pivot - shift) * channel_mask(8 * w, p.channels);
        hi = (hi - pivot - shift) * channel_mask(8 * w + 4, p.channels);
        square += lo * lo + hi * hi;
    }
    const float rstd = inversesqrt(total(square) * scale + p.eps);
    for (uint w = BEGIN; w < p.words; w += STEP) {
        LOAD(x, x_row + w, lo, hi);
        lo = (lo - pivot - shift) * rstd * gamma[2 * w] + beta[2 * w];
        hi = (hi - pivot - shift) * rstd * gamma[2 * w + 1] + beta[2 * w + 1];
        STORE(y, y_row + w, lo, hi);
    }
}

// group_norm.comp - y = gamma * (x - mean) / sqrt(var + eps) + beta over groups of channels and all pixels of a picture, then SiLU
// if fused. Wu and He 2018, arXiv:1803.08494. x is one tensor or two side by side; a group may straddle words and the border.
//
// Three kernels, because a group is too large for one workgroup and too small to fill a GPU:
//
//   stats    one invocation a (picture, chunk of pixels, word): mean and sum of squared deviations of each of 8 channels. Sums are
//            taken about the chunk's first pixel, so that |mean| much larger than the deviation loses nothing in fp32.
//   finish   one (picture, group): the chunks' and channels' partial results combine as in Chan, Golub and LeVeque 1979, eq. 1.5a
//            for any number of parts: M = sum n_i m_i / n, S = sum S_i + sum n_i (m_i - M)^2. Leaves for each channel a pivot near
//            the mean, a = gamma / sqrt(var + eps) and b = beta - (mean - pivot) a. A lane a group (lane), or a workgroup with a
//            tree in shared memory (shared).
//   apply    one invocation a word of a few pixels: y = a (x - pivot) + b, which again loses nothing to a large mean.
//
//   dispatch   a grid of at least ceil(n / 64) workgroups of 64; finish shared: of at least n
//   bindings   stats    0 x0 [N,H,W,C0]   1 x1 [N,H,W,C1]   2 partial
//              finish   0 gamma [C]   1 beta [C]   2 partial   3 affine
//              apply    0 x0   1 x1   2 affine   3 y [N,H,W,C0+C1]
//   partial    [N][chunks][words] of 8 means and 8 sums of squares
//   affine     [N][words] of 8 pivots, 8 a and 8 b, all 0 where there is no channel
//   variants   stats_ and apply_ f32 f16 (storage); finish_ lane shared
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "common/act.glsl"
#include "common/light.glsl"
#include "common/word.glsl"
#include "params/group_norm.h"

layout(local_size_x = LIGHT_LOCAL) in;
layout(push_constant, std430) uniform Push { group_norm_params p; };

#if defined(STATS) || defined(APPLY)
WORDS_IN(0, x0);
WORDS_IN(1, x1);

void load(uint pixel, uint word, out vec4 lo, out vec4 hi)
{
    if (word < p.words0)
        LOAD(x0, pixel * p.words0 + word - p.x0_first, lo, hi)
    else
        LOAD(x1, pixel * p.words1 + word - p.words0 - p.x1_first, lo, hi)
}
#endif

#if defined(STATS)
FLOATS_OUT(2, partial);

void main()
{
    const uint i = light_index();
    if (i >= p.n)
        return;
    const uint words = p.words0 + p.words1;
    const uint word = i % words, chunk = p.first + i / words;
    const uint image = chunk / p.chunks;
    const uint begin = (chunk - image * p.chunks) * p.chunk_pixels;
    const uint count = min(p.chunk_pixels, p.pixels - begin);
    const uint pixel = image * p.pixels + begin;

    vec4 pivot_lo, pivot_hi;
    load(pixel, word, pivot_lo, pivot_hi);
    vec4 sum_lo = vec4(0.0), sum_hi = vec4(0.0), square_lo = vec4(0.0), square_hi = vec4(0.0);
    for (uint k = 1; k < count; k++) {
        vec4 lo, hi;
        load(pixel + k, word, lo, hi);
        lo -= pivot_lo;
        hi -= pivot_hi;
        sum_lo += lo;
        sum_hi += hi;
        square_lo += lo * lo;
        square_hi += hi * hi;
    }
    const float scale = 1.0 / float(count);
    const uint at = 4 * (chunk * words + word);
    partial[at] = pivot_lo + sum_lo * scale;
    partial[at + 1] = pivot_hi + sum_hi * scale;
    partial[at + 2] = max(square_lo - sum_lo * sum_lo * scale, 0.0);
    partial[at + 3] = max(square_hi - sum_hi * sum_hi * scale, 0.0);
}

#elif defined(FINISH)
layout(set = 0, binding = 0, std430) readonly restrict buffer Gamma { float gamma[]; };
layout(set = 0, binding = 1, std430) readonly restrict buffer Beta { float beta[]; };
layout(set = 0, binding = 2, std430) readonly restrict buffer Partial { float partial[]; };
layout(set = 0, binding = 3, std430) writeonly restrict buffer Affine { float affine[]; };

#if defined(SHARED)
shared float tree[LIGHT_LOCAL];

float total(float v)
{
    const uint i = gl_LocalInvocationIndex;
    tree[i] = v;
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
#define BEGIN gl_LocalInvocationIndex
#define STEP LIGHT_LOCAL
#else
#define total(v) (v)
#define BEGIN 0
#define STEP 1
#endif

void main()
{
#if defined(SHARED)
    const uint i = light_group();
#else
    const uint i = light_index();
#endif
    if (i >= p.n) // all of a workgroup or, without barriers, any invocation
        return;
    const uint image = i / p.groups, group = i - image * p.groups;
    const uint words = p.words0 + p.words1;
    const uint group_channels = p.channels / p.groups;
    const uint parts = p.chunks * group_channels;
    const uint first = group * group_channels;
    const float last_count = float(p.pixels - (p.chunks - 1) * p.chunk_pixels);
    const float n = float(p.pixels) * float(group_channels);

    const float pivot = partial[image * p.chunks * words * 16 + first / 8 * 16 + first % 8];
    float sum = 0.0;
    for (uint k = BEGIN; k < parts; k += STEP) {
        const uint chunk = k / group_channels, channel = first + k - chunk * group_channels;
        const float count = chunk + 1 == p.chunks ? last_count : float(p.chunk_pixels);
        const uint at = ((image * p.chunks + chunk) * words + channel / 8) * 16 + channel % 8;
        sum += count * (partial[at] - pivot);
    }
    const float shift = total(sum) / n; // mean - pivot

    float square = 0.0;
    for (uint k = BEGIN; k < parts; k += STEP) {
        const uint chunk = k / group_channels, channel = first + k - chunk * group_channels;
        const float count = chunk + 1 == p.chunks ? last_count : float(p.chunk_pixels);
        const uint at = ((image * p.chunks + chunk) * words + channel / 8) * 16 + channel % 8;
        const float away = partial[at] - pivot - shift;
        square += partial[at + 8] + count * away * away;
    }
    const float rstd = inversesqrt(total(square) / n + p.eps);

    // The last group also writes the padding.
    const uint end = group + 1 == p.groups ? words * 8 : first + group_channels;
    for (uint channel = first + BEGIN; channel < end; channel += STEP) {
        const uint at = (image * words + channel / 8) * 24 + channel % 8;
        const float a = gamma[channel] * rstd; // 0 in padding, as beta
        affine[at] = channel < p.channels ? pivot : 0.0;
        affine[at + 8] = a;
        affine[at + 16] = beta[channel] - shift * a;
    }
}

#elif defined(APPLY)
FLOATS_IN(2, affine);
WORDS_OUT(3, y);

void main()
{
    const uint i = light_index();
    if (i >= p.n)
        return;
    const uint words = p.words0 + p.words1;
    const uint word = i % words, chunk = p.first + i / words;
    const uint image = chunk / p.chunks;
    const uint begin = (chunk - image * p.chunks) * GROUP_NORM_APPLY;
    const uint pixel = image * p.pixels + begin;

    const uint at = 6 * (image * words + word);
    const vec4 pivot_lo = affine[at], pivot_hi = affine[at + 1];
    const vec4 a_lo = affine[at + 2], a_hi = affine[at + 3];
    const vec4 b_lo = affine[at + 4], b_hi = affine[at + 5];
    [[unroll]] for (uint k = 0; k < GROUP_NORM_APPLY; k++) {
        if (begin + k < p.pixels) {
            vec4 lo, hi;
            load(pixel + k, word, lo, hi);
            lo = (lo - pivot_lo) * a_lo + b_lo;
            hi = (hi - pivot_hi) * a_hi + b_hi;
            if (p.silu != 0) {
                lo = silu(lo);
                hi = silu(hi);
            }
            STORE(y, (pixel + k) * words + word - p.y_first, lo, hi);
        }
    }
}
#endif

// group_norm_whole.comp - group norm (see group_norm.comp) in one dispatch, for maps of a few thousand pixels on CPU drivers: a
// workgroup of 8 lanes reads its channels of a picture twice, first for the statistics, then to apply them.
//
// A workgroup owns a slab: as many groups as make whole words, at most 8. A lane takes every eighth pixel. Sums are taken about
// a channel's first pixel and combined as in Chan, Golub and LeVeque 1979, first over lanes, then over the channels of a group,
// always relative to a pivot near the mean, so that |mean| much larger than the deviation loses nothing in fp32.
//
//   dispatch   (slabs, pictures), local size 8, one subgroup
//   bindings   0 x0 [N,H,W,C0]   1 x1 [N,H,W,C1]   2 gamma [C]   3 beta [C]   4 y [N,H,W,C0+C1]
//   variants   f32 f16 (storage), texel
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "common/act.glsl"
#include "common/word.glsl"
#include "params/group_norm.h"

layout(local_size_x = 8) in;
layout(constant_id = SPEC_GROUP_NORM_PAIR) const bool PAIR = false;
layout(constant_id = SPEC_GROUP_NORM_SILU) const bool SILU = false;
layout(push_constant, std430) uniform Push { group_norm_params p; };
WORDS_IN(0, x0);
WORDS_IN(1, x1);
FLOATS_IN(2, gamma);
FLOATS_IN(3, beta);
WORDS_OUT(4, y);

#define LANE gl_LocalInvocationID.x

void load(uint pixel, uint word, out vec4 lo, out vec4 hi)
{
    if (PAIR && word >= p.words0)
        LOAD(x1, pixel * p.words1 + word - p.words0, lo, hi)
    else
        LOAD(x0, pixel * p.words0 + word, lo, hi)
}

vec4 over_lanes(vec4 v)
{
    v += subgroupShuffle(v, LANE ^ 1);
    v += subgroupShuffle(v, LANE ^ 2);
    return v + subgroupShuffle(v, LANE ^ 4);
}

void main()
{
    const uint words = p.words0 + p.words1, group_channels = p.channels / p.groups;
    const uint first_group = gl_WorkGroupID.x * p.slab_groups, first_word = gl_WorkGroupID.x * p.slab_words;
    const uint end_word = min(first_word + p.slab_words, words);
    const uint begin = gl_WorkGroupID.y * p.pixels, end = begin + p.pixels;
    const float pixels = float(p.pixels), per_pixel = 1.0 / pixels;

    // Of each group so far: values, pivot, mean less pivot, sum of squared deviations.
    float count[GROUP_NORM_SLAB], pivot[GROUP_NORM_SLAB], shift[GROUP_NORM_SLAB], square[GROUP_NORM_SLAB];
    [[unroll]] for (uint g = 0; g < GROUP_NORM_SLAB; g++)
        count[g] = pivot[g] = shift[g] = square[g] = 0.0;

    uint word = first_word;
    do {
        vec4 pivot_lo, pivot_hi;
        load(begin, word, pivot_lo, pivot_hi);
        vec4 sum_lo = vec4(0.0), sum_hi = vec4(0.0), square_lo = vec4(0.0), square_hi = vec4(0.0);
        for (uint pixel = begin + LANE; pixel < end; pixel += 8) {
            vec4 lo, hi;
            load(pixel, word, lo, hi);
            lo -= pivot_lo;
            hi -= pivot_hi;
            sum_lo += lo;
            sum_hi += hi;
            square_lo += lo * lo;
            square_hi += hi * hi;
        }
        sum_lo = over_lanes(sum_lo);
        sum_hi = over_lanes(sum_hi);
        square_lo = max(over_lanes(square_lo) - sum_lo * sum_lo * per_pixel, 0.0);
        square_hi = max(over_lanes(square_hi) - sum_hi * sum_hi * per_pixel, 0.0);
        [[unroll]] for (uint j = 0; j < 8; j++) {
            const uint channel = 8 * word + j, group = channel / group_channels - first_group;
            const float first = j < 4 ? pivot_lo[j % 4] : pivot_hi[j % 4];
            const float mean = (j < 4 ? sum_lo[j % 4] : sum_hi[j % 4]) * per_pixel;
            const float deviations = j < 4 ? square_lo[j % 4] : square_hi[j % 4];
            [[unroll]] for (uint g = 0; g < GROUP_NORM_SLAB; g++)
                if (g == group && channel < p.channels) {
                    pivot[g] = count[g] == 0.0 ? first : pivot[g];
                    const float away = (first - pivot[g]) + mean - shift[g], all = count[g] + pixels;
                    square[g] += deviations + away * away * (count[g] * (pixels / all));
                    shift[g] += away * (pixels / all);
                    count[g] = all;
                }
        }
    } while (++word < end_word);

    float rstd[GROUP_NORM_SLAB];
    [[unroll]] for (uint g = 0; g < GROUP_NORM_SLAB; g++)
        rstd[g] = inversesqrt(square[g] / max(count[g], 1.0) + p.eps);

    word = first_word;
    do {
        vec4 from[2], mul[2], add[2];
        [[unroll]] for (uint k = 0; k < 2; k++) {
            vec4 moved = vec4(0.0), scale = vec4(0.0);
            from[k] = vec4(0.0);
            [[unroll]] for (uint j = 0; j < 4; j++) {
                const uint group = (8 * word + 4 * k + j) / group_channels - first_group;
                [[unroll]] for (uint g = 0; g < GROUP_NORM_SLAB; g++)
                    if (g == group) {
                        from[k][j] = pivot[g];
                        moved[j] = shift[g];
                        scale[j] = rstd[g];
                    }
            }
            mul[k] = gamma[2 * word + k] * scale; // gamma and beta of padding are 0
            add[k] = beta[2 * word + k] - moved * mul[k];
        }
        for (uint pixel = begin + LANE; pixel < end; pixel += 8) {
            vec4 lo, hi;
            load(pixel, word, lo, hi);
            lo = (lo - from[0]) * mul[0] + add[0];
            hi = (hi - from[1]) * mul[1] + add[1];
            if (SILU) {
                lo = silu(lo);
                hi = silu(hi);
            }
            STORE(y, pixel * words + word, lo, hi);
        }
    } while (++word < end_word);
}

// elementwise.comp - y = act(x * mul + add + b), where b is nothing, a tensor like x, or one row of channels for all pixels.
//
// One invocation makes one word.
//
//   dispatch   a grid of at least ceil(n / 64) workgroups of 64
//   bindings   0 x   1 b: as x, or rows [R,1,1,C]   2 counter: U32   3 y   x and y [N,H,W,C], any number of heads
//   variants   storage: f32, f16, f32_f16 (x and b fp32, y fp16), f16_f32; arithmetic is fp32
//   padding    stays zero, because act(0) = 0 and `add` is masked
#version 460
#extension GL_GOOGLE_include_directive : require
#include "common/act.glsl"
#include "common/light.glsl"
#include "common/word.glsl"
#include "params/elementwise.h"

layout(local_size_x = LIGHT_LOCAL) in;
layout(push_constant, std430) uniform Push { elementwise_params p; };

WORDS_IN(0, x);
WORDS_IN(1, b);
UINTS_IN(2, counter);
#if defined(TO_F16)
layout(set = 0, binding = 3, std430) writeonly restrict buffer Halves { uvec4 y[]; };
#elif defined(TO_F32)
FLOATS_OUT(3, y);
#else
WORDS_OUT(3, y);
#endif

void store(uint at, vec4 lo, vec4 hi)
{
#if defined(TO_F16)
    y[at] = uvec4(packHalf2x16(lo.xy), packHalf2x16(lo.zw), packHalf2x16(hi.xy), packHalf2x16(hi.zw));
#elif defined(TO_F32)
    y[2 * at] = lo;
    y[2 * at + 1] = hi;
#else
    STORE(y, at, lo, hi);
#endif
}

uint second_word(uint word)
{
    if (p.second == ELEMENTWISE_SAME)
        return word;
    uint row = 0;
    if (p.second == ELEMENTWISE_ROW_IMAGE)
        row = word / (p.words * p.pixels);
    else if (p.second == ELEMENTWISE_ROW_COUNTER)
        row = min(max(counter[0], 1u) - 1u, p.n_rows - 1u);
    return row * p.words + word % p.words;
}

void main()
{
    const uint i = light_index();
    if (i >= p.n)
        return;
    const uint word = p.first + i;

    vec4 lo, hi;
    LOAD(x, word - p.x_first, lo, hi);
    lo *= p.mul;
    hi *= p.mul;
    if (p.add != 0.0) {
        const uint channel = word % p.head_words * DAUB_WORD;
        lo += p.add * channel_mask(channel, p.head_channels);
        hi += p.add * channel_mask(channel + 4, p.head_channels);
    }
    if (p.second != ELEMENTWISE_ALONE) {
        vec4 b_lo, b_hi;
        LOAD(b, second_word(word) - p.b_first, b_lo, b_hi);
        lo += b_lo;
        hi += b_hi;
    }
    store(word - p.y_first, act(p.act, lo), act(p.act, hi));
}

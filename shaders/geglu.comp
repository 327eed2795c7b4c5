// geglu.comp - y = value * gelu(gate): channels 0..F-1 and F..2F-1 of x. Shazeer 2020, arXiv:2002.05202.
//
// One invocation makes one word. Where F is no multiple of 8 a word of gates is shifted together from two; what lies beyond 2F is
// padding, so it reads 0, and y's padding becomes value * gelu(0) = 0.
//
//   dispatch   a grid of at least ceil(n / 64) workgroups of 64
//   bindings   0 x [N,H,W,2F]   1 y [N,H,W,F]
//   variants   f32 f16 (storage)
#version 460
#extension GL_GOOGLE_include_directive : require
#include "common/act.glsl"
#include "common/light.glsl"
#include "common/word.glsl"
#include "params/geglu.h"

layout(local_size_x = LIGHT_LOCAL) in;
layout(push_constant, std430) uniform Push { geglu_params p; };

WORDS_IN(0, x);
WORDS_OUT(1, y);

void main()
{
    const uint i = light_index();
    if (i >= p.n)
        return;
    const uint pixel = p.first + i / p.y_words, word = i % p.y_words;
    const uint row = pixel * p.x_words - p.x_first;

    vec4 lo, hi, gate_lo, gate_hi;
    LOAD(x, row + word, lo, hi);
    LOAD(x, row + p.gate_word + word, gate_lo, gate_hi);
    if (p.gate_shift != 0) {
        vec4 next_lo = vec4(0.0), next_hi = vec4(0.0);
        if (p.gate_word + word + 1 < p.x_words)
            LOAD(x, row + p.gate_word + word + 1, next_lo, next_hi)
        shift_words(p.gate_shift, gate_lo, gate_hi, next_lo, next_hi, gate_lo, gate_hi);
    }
    lo *= gelu(gate_lo);
    hi *= gelu(gate_hi);
    STORE(y, pixel * p.y_words + word - p.y_first, lo, hi);
}

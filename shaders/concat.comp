// concat.comp - y = [a | b] in the channel dimension, a's channels no multiple of 8.
//
// One invocation makes one word: a's, where there is one, plus what of b falls there, shifted together from two neighbouring words.
// Both summands are 0 (padding) where the other has a channel. Word w of y begins at channel 8 w - C_a of b, that is at channel
// `shift` of b's word w - a_words, which is word -1 (none) in a's last word.
//
//   dispatch   a grid of at least ceil(n / 64) workgroups of 64
//   bindings   0 a [N,H,W,Ca]   1 b [N,H,W,Cb]   2 y [N,H,W,Ca+Cb]
//   variants   f32 f16 (storage)
#version 460
#extension GL_GOOGLE_include_directive : require
#include "common/light.glsl"
#include "common/word.glsl"
#include "params/concat.h"

layout(local_size_x = LIGHT_LOCAL) in;
layout(push_constant, std430) uniform Push { concat_params p; };

WORDS_IN(0, a);
WORDS_IN(1, b);
WORDS_OUT(2, y);

void main()
{
    const uint i = light_index();
    if (i >= p.n)
        return;
    const uint pixel = p.first + i / p.y_words, word = i % p.y_words;

    vec4 lo = vec4(0.0), hi = vec4(0.0);
    if (word < p.a_words)
        LOAD(a, pixel * p.a_words + word - p.a_first, lo, hi)
    if (word + 1 >= p.a_words) {
        const uint row = pixel * p.b_words - p.b_first, next = word + 1 - p.a_words;
        vec4 lo0 = vec4(0.0), hi0 = vec4(0.0), lo1 = vec4(0.0), hi1 = vec4(0.0);
        if (next > 0)
            LOAD(b, row + next - 1, lo0, hi0)
        if (next < p.b_words)
            LOAD(b, row + next, lo1, hi1)
        shift_words(p.shift, lo0, hi0, lo1, hi1, lo0, hi0);
        lo += lo0;
        hi += hi0;
    }
    STORE(y, pixel * p.y_words + word - p.y_first, lo, hi);
}

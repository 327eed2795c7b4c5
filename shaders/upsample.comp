// upsample.comp - nearest upsampling to twice the size, or one less: y[n, i, j] = x[n, i / 2, j / 2].
//
// One invocation copies one word.
//
//   dispatch   a grid of at least ceil(n / 64) workgroups of 64
//   bindings   0 x [N,H,W,C]   1 y [N,2H or 2H-1,2W or 2W-1,C], any number of heads
//   variants   f32 f16 (storage)
#version 460
#extension GL_GOOGLE_include_directive : require
#include "common/light.glsl"
#include "common/word.glsl"
#include "params/upsample.h"

layout(local_size_x = LIGHT_LOCAL) in;
layout(push_constant, std430) uniform Push { upsample_params p; };

WORDS_IN(0, x);
WORDS_OUT(1, y);

void main()
{
    const uint i = light_index();
    if (i >= p.n)
        return;
    const uint pixel = i / p.words, word = i % p.words;
    const uint line = p.first + pixel / p.y_width, column = pixel % p.y_width;
    const uint image = line / p.y_height, source = image * p.x_height + (line - image * p.y_height) / 2;

    vec4 lo, hi;
    LOAD(x, (source * p.x_width + column / 2) * p.words + word - p.x_first, lo, hi);
    STORE(y, (line * p.y_width + column) * p.words + word - p.y_first, lo, hi);
}

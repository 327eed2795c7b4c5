// rgb8.comp - three channels in -1..1 to bytes: round(clamp(x / 2 + 0.5, 0, 1) * 255), ties to even, as the reference does it.
//
// One invocation makes one pixel.
//
//   dispatch   a grid of at least ceil(n / 64) workgroups of 64
//   bindings   0 x [N,H,W,3]   1 y: U32 [N,H,W,1], R in the low byte, A = 255
//   variants   f32 f16 (storage of x)
#version 460
#extension GL_GOOGLE_include_directive : require
#include "common/light.glsl"
#include "common/word.glsl"
#include "params/rgb8.h"

layout(local_size_x = LIGHT_LOCAL) in;
layout(push_constant, std430) uniform Push { rgb8_params p; };

WORDS_IN(0, x);
layout(set = 0, binding = 1, std430) writeonly restrict buffer Pixels { uint y[]; };

void main()
{
    const uint i = light_index();
    if (i >= p.n)
        return;
    vec4 lo, hi;
    LOAD(x, p.first + i - p.x_first, lo, hi);
    const uvec3 rgb = uvec3(roundEven(clamp(lo.xyz * 0.5 + 0.5, 0.0, 1.0) * 255.0));
    y[p.first + i - p.y_first] = rgb.x | rgb.y << 8 | rgb.z << 16 | 0xff000000u;
}

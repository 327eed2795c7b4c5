// rgba.comp - three channels in -1..1 to a host's pixels: clamp(x / 2 + 0.5, 0, 1), what rgb8.comp rounds to bytes, and alpha 1.
//
// One invocation makes one pixel.
//
//   dispatch   a grid of at least ceil(n / 64) workgroups of 64
//   bindings   0 x [N,H,W,3]   1 y: four halves a pixel, or four floats
//   variants   f32 f16 (storage of x), half float (pixels)
#version 460
#extension GL_GOOGLE_include_directive : require
#include "common/light.glsl"
#include "common/word.glsl"
#include "params/rgba.h"

layout(local_size_x = LIGHT_LOCAL) in;
layout(push_constant, std430) uniform Push { rgba_params p; };

WORDS_IN(0, x);
#if defined(HALF)
layout(set = 0, binding = 1, std430) writeonly restrict buffer Pixels { uvec2 y[]; };
#else
layout(set = 0, binding = 1, std430) writeonly restrict buffer Pixels { vec4 y[]; };
#endif

void main()
{
    const uint i = light_index();
    if (i >= p.n)
        return;
    vec4 lo, hi;
    LOAD(x, p.x_first + i, lo, hi);
    const vec4 rgba = vec4(clamp(lo.xyz * 0.5 + 0.5, 0.0, 1.0), 1.0);
#if defined(HALF)
    y[p.y_first + i] = uvec2(packHalf2x16(rgba.xy), packHalf2x16(rgba.zw));
#else
    y[p.y_first + i] = rgba;
#endif
}

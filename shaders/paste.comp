// paste.comp - a given picture over a host's pixels, as far as its mask keeps it: daub_paste of runtime/pipeline/given.c on the device.
//
// One invocation makes one pixel. Where the mask is 0 the given pixel stays, at 255 the drawn one, between them both are mixed.
//
//   dispatch   a grid of at least ceil(n / 64) workgroups of 64
//   bindings   0 given: R G B mask, a byte each   1 y: four bytes, halves or floats a pixel, in place
//   variants   byte half float (pixels)
#version 460
#extension GL_GOOGLE_include_directive : require
#include "common/light.glsl"
#include "params/paste.h"

layout(local_size_x = LIGHT_LOCAL) in;
layout(push_constant, std430) uniform Push { paste_params p; };

layout(set = 0, binding = 0, std430) readonly restrict buffer Given { uint given[]; };
#if defined(BYTE)
layout(set = 0, binding = 1, std430) restrict buffer Pixels { uint y[]; };
#elif defined(HALF)
layout(set = 0, binding = 1, std430) restrict buffer Pixels { uvec2 y[]; };
#else
layout(set = 0, binding = 1, std430) restrict buffer Pixels { vec4 y[]; };
#endif

void main()
{
    const uint i = light_index();
    if (i >= p.n)
        return;
    const uint word = given[p.given_first + i], at = p.y_first + i;
    const uvec3 rgb = uvec3(word, word >> 8, word >> 16) & 255u;
    const uint mask = word >> 24;
    if (mask == 255u)
        return;
#if defined(BYTE)
    const uvec3 drawn = uvec3(y[at], y[at] >> 8, y[at] >> 16) & 255u;
    const uvec3 mixed = (rgb * (255u - mask) + drawn * mask + 127u) / 255u;
    y[at] = mixed.x | mixed.y << 8 | mixed.z << 16 | 0xff000000u;
#else
    const float part = float(mask) / 255.0;
#if defined(HALF)
    const vec3 drawn = vec3(unpackHalf2x16(y[at].x), unpackHalf2x16(y[at].y).x);
#else
    const vec3 drawn = y[at].xyz;
#endif
    const vec4 mixed = vec4((1.0 - part) * (vec3(rgb) / 255.0) + part * drawn, 1.0);
#if defined(HALF)
    y[at] = uvec2(packHalf2x16(mixed.xy), packHalf2x16(mixed.zw));
#else
    y[at] = mixed;
#endif
#endif
}

// finite.comp - lowers a flag where a word of a tensor holds an infinity or a NaN, which are all ones in the exponent.
//
// One invocation looks at one word.
//
//   dispatch   a grid of at least ceil(n / 64) workgroups of 64
//   bindings   0 x, in 32-bit words   1 counter   2 flags
//   variants   f32 f16 (storage of x)
#version 460
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
#include "common/light.glsl"
#include "params/finite.h"

layout(local_size_x = LIGHT_LOCAL) in;
layout(push_constant, std430) uniform Push { finite_params p; };
layout(set = 0, binding = 0, std430) readonly restrict buffer X { uint x[]; };
layout(set = 0, binding = 1, std430) readonly restrict buffer Counter { uint counter[]; };
layout(set = 0, binding = 2, std430) restrict buffer Flags { uint flags[]; };

#ifdef REAL_F16
#define PARTS 4
#define BAD(v) (((v) & 0x7c00u) == 0x7c00u || ((v) & 0x7c000000u) == 0x7c000000u)
#else
#define PARTS 8
#define BAD(v) (((v) & 0x7f800000u) == 0x7f800000u)
#endif

void main()
{
    const uint i = light_index();
    if (i >= p.n)
        return;
    const uint at = (p.first + i * p.stride - p.x_first) * PARTS;
    bool bad = false;
    [[unroll]] for (uint k = 0; k < PARTS; k++) {
        const uint v = x[at + k];
        bad = bad || BAD(v);
    }
    if (bad)
        atomicMin(flags[p.slot], p.value == 0 ? counter[0] : p.value);
}

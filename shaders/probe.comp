// probe.comp - dst[i] = src[i] * MUL + add on vectors of 4 words, modulo 2^32 (floats in the TEXEL_F variant).
//
// One invocation a vector; groups_x = ceil(n / LOCAL_X). Binding 0 src uvec4[n] (storage, or a texel buffer of uvec4 or vec4),
// 1 dst uvec4[n] or vec4[n], 2 is touched only if n is 0: tests leave it unbound.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "params/probe.h"

layout(local_size_x_id = SPEC_LOCAL_X) in;
layout(constant_id = SPEC_PROBE_MUL) const uint MUL = 1;
layout(constant_id = SPEC_PROBE_SPIN) const uint SPIN = 1;

#if defined(TEXEL_F)
#define VEC vec4
layout(set = 0, binding = 0) uniform textureBuffer src;
#define LOAD(i) texelFetch(src, int(i))
#elif defined(TEXEL_U)
#define VEC uvec4
layout(set = 0, binding = 0) uniform utextureBuffer src;
#define LOAD(i) texelFetch(src, int(i))
#else
#define VEC uvec4
layout(set = 0, binding = 0, std430) readonly restrict buffer Src { uvec4 src[]; };
#define LOAD(i) src[i]
#endif
layout(set = 0, binding = 1, std430) writeonly restrict buffer Dst { VEC dst[]; };
layout(set = 0, binding = 2, std430) writeonly restrict buffer Extra { uint extra[]; };
layout(push_constant) uniform Params { probe_params p; };

void main()
{
    const uint i = gl_GlobalInvocationID.x;
    if (p.n == 0)
        extra[0] = 1;
    if (i >= p.n)
        return;
    VEC v = LOAD(i);
    for (uint k = 0; k < SPIN; k++) // not unrolled: it is there to take time
        v = v * VEC(MUL) + VEC(p.add);
    dst[i] = v;
}

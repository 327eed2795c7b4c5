// light.glsl - what the light ops share: one dispatch index over a grid of any size, masks of padding, shifts of words.
#ifndef DAUB_LIGHT_GLSL
#define DAUB_LIGHT_GLSL

#define LIGHT_LOCAL 64 // DAUB_LIGHT_LOCAL of runtime/op/rows.h

// Index of this invocation, or of its workgroup, in a grid of x * y workgroups. The caller drops what is beyond its count.
uint light_index()
{
    return gl_WorkGroupID.y * gl_NumWorkGroups.x * LIGHT_LOCAL + gl_GlobalInvocationID.x;
}
uint light_group()
{
    return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
}

// 1 for those of channels first..first + 3 that exist among n, 0 for padding.
vec4 channel_mask(uint first, uint n)
{
    return vec4(lessThan(first + uvec4(0, 1, 2, 3), uvec4(n)));
}

// Channels s..s+7 of two neighbouring words, 0 <= s <= 7, by three conditional moves: no array is indexed at run time.
void shift_words(uint s, vec4 a0, vec4 a1, vec4 b0, vec4 b1, out vec4 lo, out vec4 hi)
{
    if ((s & 4) != 0) {
        a0 = a1;
        a1 = b0;
        b0 = b1;
    }
    if ((s & 2) != 0) {
        a0 = vec4(a0.zw, a1.xy);
        a1 = vec4(a1.zw, b0.xy);
        b0 = vec4(b0.zw, 0.0, 0.0);
    }
    if ((s & 1) != 0) {
        a0 = vec4(a0.yzw, a1.x);
        a1 = vec4(a1.yzw, b0.x);
    }
    lo = a0;
    hi = a1;
}

#endif

// attention_softmax.comp - s = exp2(s - max s) in place, row by row, 0 past the last key; 1 / sum into the row's last
// word, for attention_values.comp to apply. Two passes: a maximum costs less than the exponentials that an online sum
// would repeat.
//
//   dispatch   lane: (ceil(n_rows / 8)), local size 8, a row an invocation
//              shared: (n_rows), local size 64, a row a workgroup; 256 bytes of shared memory
//   bindings   0 s [n_rows, score_pitch words of 8 floats]
//   variants   lane shared
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "common/word.glsl"
#include "params/attention_wide.h"

layout(push_constant, std430) uniform Push { attention_wide_params p; };
layout(set = 0, binding = 0, std430) restrict buffer Scores { vec4 scores[]; };

#ifdef SHARED
layout(local_size_x = ATTENTION_SOFTMAX_LANES) in;
const uint STEP = ATTENTION_SOFTMAX_LANES;
shared float partial[STEP];

#define REDUCE(combine)                                                    \
    partial[lane] = v;                                                     \
    barrier();                                                             \
    [[unroll]] for (uint half_ = STEP / 2; half_ > 0; half_ /= 2) {        \
        if (lane < half_)                                                  \
            partial[lane] = combine(partial[lane], partial[lane + half_]); \
        barrier();                                                         \
    }                                                                      \
    const float all = partial[0];                                          \
    barrier();                                                             \
    return all;

float add(float a, float b)
{
    return a + b;
}
float row_max(float v, uint lane)
{
    REDUCE(max)
}
float row_sum(float v, uint lane)
{
    REDUCE(add)
}
#else
layout(local_size_x = ATTENTION_WIDE_LANES) in;
const uint STEP = 1;
#define row_max(v, lane) (v)
#define row_sum(v, lane) (v)
#endif

void main()
{
#ifdef SHARED
    const uint row = gl_WorkGroupID.x, lane = gl_LocalInvocationID.x;
#else
    const uint row = gl_GlobalInvocationID.x, lane = 0;
    if (row >= p.n_rows)
        return;
#endif
    const uint base = row * p.score_pitch * 2;
    const uint n_vecs = (p.n_k + 7) / 8 * 2;
    const uint n_full = p.n_k / 4;
    const bvec4 in_tail = lessThan(uvec4(0, 1, 2, 3), uvec4(p.n_k % 4)); // of the vec4 with the last keys

    vec4 most = vec4(ATTENTION_WIDE_MASKED);
    for (uint i = lane; i < n_full; i += STEP)
        most = max(most, scores[base + i]);
    if (n_full % STEP == lane && n_full < n_vecs)
        most = max(most, mix(vec4(ATTENTION_WIDE_MASKED), scores[base + n_full], in_tail));
    const float top = row_max(max(max(most.x, most.y), max(most.z, most.w)), lane);

    vec4 sum = vec4(0);
    for (uint i = lane; i < n_vecs; i += STEP) {
        vec4 weight = exp2(scores[base + i] - top);
        if (i >= n_full)
            weight = mix(vec4(0), weight, i == n_full ? in_tail : bvec4(false));
        scores[base + i] = weight;
        sum += weight;
    }
    const float total = row_sum(sum.x + sum.y + sum.z + sum.w, lane);
    if (lane == 0)
        scores[base + 2 * (p.score_pitch - 1)] = vec4(1.0 / total);
}

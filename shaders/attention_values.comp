// attention_values.comp - y = s v / sum for the rows that attention_softmax.comp left: the last step for wide heads.
// An invocation takes 8 queries x 8 channels, 4 keys at a time: 8 vec4 of weights, the same for all lanes, and 4
// words of values.
//
//   dispatch   (ceil(head_words / 8), ceil(n_rows / (8 * local size y)), units)
//              local size 8 x 1 on CPU drivers, 8 x 8 on GPUs
//              texel: (ceil(head_words * ceil(n_rows / 8) / 8), 1, units), local size 8 x 1
//   bindings   0 s [units, n_rows, score_pitch words of 8 floats]   1 v [N or 1,1,n_k,heads * d]
//              2 y [N,1,n_q,heads * d]
//              3 sums so far, fp32 [units, n_rows, head_words], when the values take more than one binding (p.more)
//   variants   f32 f16 (storage of v and y), texel: s and v through uniform texel buffers,
//              lanes laid out as in attention_scores.comp
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "common/word.glsl"
#include "params/attention_wide.h"

layout(local_size_x = ATTENTION_WIDE_LANES, local_size_y_id = SPEC_LOCAL_Y) in;
const uint TILE = ATTENTION_WIDE_TILE;

layout(push_constant, std430) uniform Push { attention_wide_params p; };
#ifdef TEXEL
layout(set = 0, binding = 0) uniform textureBuffer weights;
#define WEIGHTS(i) texelFetch(weights, int(i))
#else
FLOATS_IN(0, weights);
#define WEIGHTS(i) weights[i]
#endif
WORDS_IN(1, v_words);
WORDS_OUT(2, y_words);
layout(set = 0, binding = 3, std430) restrict buffer Sums { vec4 sums[]; };

void main()
{
#ifdef TEXEL
    const uint word = gl_GlobalInvocationID.x % p.head_words;
    const uint row = gl_GlobalInvocationID.x / p.head_words * TILE;
#else
    const uint word = gl_GlobalInvocationID.x;
    const uint row = gl_GlobalInvocationID.y * TILE;
#endif
    const uint unit = gl_WorkGroupID.z, image = unit / p.heads, head_word = unit % p.heads * p.head_words;
    const uint v_base = p.kv_base + image * p.kv_image + head_word + min(word, p.head_words - 1);
    const uint y_base = p.out_base + image * p.q_image + head_word;
    const uint s_row = unit * p.n_rows;

    uint s_at[TILE];
    vec4 lo[TILE], hi[TILE];
    [[unroll]] for (uint i = 0; i < TILE; i++) {
        s_at[i] = 2 * (s_row + min(row + i, p.n_rows - 1)) * p.score_pitch;
        lo[i] = vec4(0);
        hi[i] = vec4(0);
    }
    for (uint key = p.key_begin; key < p.key_end; key += 4) {
        vec4 a[4], b[4];
        [[unroll]] for (uint j = 0; j < 4; j++)
            LOAD(v_words, v_base + (min(key + j, p.key_end - 1) - p.key_begin) * p.pitch, a[j], b[j])
        [[unroll]] for (uint i = 0; i < TILE; i++) {
            const vec4 s = WEIGHTS(s_at[i] + key / 4);
            lo[i] = fma(vec4(s.x), a[0], lo[i]);
            hi[i] = fma(vec4(s.x), b[0], hi[i]);
            lo[i] = fma(vec4(s.y), a[1], lo[i]);
            hi[i] = fma(vec4(s.y), b[1], hi[i]);
            lo[i] = fma(vec4(s.z), a[2], lo[i]);
            hi[i] = fma(vec4(s.z), b[2], hi[i]);
            lo[i] = fma(vec4(s.w), a[3], lo[i]);
            hi[i] = fma(vec4(s.w), b[3], hi[i]);
        }
    }

    [[unroll]] for (uint i = 0; i < TILE; i++) {
        if (row + i < p.n_rows && word < p.head_words) {
            const uint sum_at = 2 * ((s_row + row + i) * p.head_words + word);
            if ((p.more & ATTENTION_MORE_BEFORE) != 0) {
                lo[i] += sums[sum_at];
                hi[i] += sums[sum_at + 1];
            }
            if ((p.more & ATTENTION_MORE_AFTER) != 0) {
                sums[sum_at] = lo[i];
                sums[sum_at + 1] = hi[i];
            } else {
                const vec4 scale = WEIGHTS(s_at[i] + 2 * (p.score_pitch - 1));
                lo[i] *= scale;
                hi[i] *= scale;
                STORE(y_words, y_base + (row + i) * p.pitch + word, lo[i], hi[i]);
            }
        }
    }
}

// attention_subgroup.comp - attention.comp for CPU drivers whose subgroup is the workgroup, 8 invocations: heads of any
// width, in one dispatch. Online softmax as in Dao 2023, arXiv:2307.08691.
//
// A lane owns QUERIES queries, 8 apart. The 8 lanes load 8 different keys (values), and in turn r = 0..7 a lane works
// on the one of lane (lane + r) % 8: a shuffle by lanes that differ is one instruction for 8 lanes, where a broadcast
// of a constant lane compiles to two, and a load of one word by all lanes costs as much as of 8. So a lane meets the
// keys of a group in an order of its own, which a softmax does not mind.
//
// Sums of a block of KEYS keys stay in registers, 4 channels at a time, and between blocks in memory, where only the
// lane that wrote them reads them: no barrier. A rolled loop over private arrays would be gathers, and the channels of
// a wide head unrolled would not fit the instruction cache. Each loop's code is about 24 KB of x86 and must stay below
// 32; so scores take half a block a loop. A loop is never inside an [[unroll]]ed one, which Mesa would leave rolled.
//
//   dispatch   (ceil(queries / (8 * QUERIES)), heads, pictures), local size 8
//   bindings   0 q [N,1,n_q,heads * d]   1 k, 2 v [N or 1,1,n_k,heads * d]   3 y as q
//              4 sums, fp32, scratch: [groups, half words of a head, QUERIES, 8 lanes, 4]
//   variants   f32 f16 (storage; scores, weights and sums are fp32), texel: q, k, v through uniform texel buffers
//   constants  keys a block, never set: left to the driver to unroll, which takes glslc -O 20 s and 5 GB
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "common/word.glsl"
#include "params/attention.h"

layout(local_size_x = ATTENTION_LANES) in;
const uint QUERIES = ATTENTION_SUBGROUP_QUERIES;
layout(constant_id = ATTENTION_SPEC_KEYS) const uint KEYS = 64;
const uint GROUPS = KEYS / ATTENTION_LANES; // of keys: a word a lane
const uint TURNS = 4;                       // whose scores are summed at once: with QUERIES, 16 registers

layout(push_constant, std430) uniform Push { attention_params p; };
WORDS_IN(0, q_words);
WORDS_IN(1, k_words);
WORDS_IN(2, v_words);
WORDS_OUT(3, y_words);
layout(set = 0, binding = 4, std430) restrict buffer Sums { vec4 sums[]; };

// s += q k^T for GROUPS / 2 groups of keys
#define SCORES(first_group)                                                                                   \
    {                                                                                                         \
        uint w = 0;                                                                                           \
        do {                                                                                                  \
            vec4 q[2 * QUERIES];                                                                              \
            [[unroll]] for (uint t = 0; t < QUERIES; t++)                                                     \
                LOAD(q_words, q_at[t] + w, q[2 * t], q[2 * t + 1])                                            \
            [[unroll]] for (uint g = first_group; g < first_group + GROUPS / 2; g++) {                        \
                vec4 k[2];                                                                                    \
                LOAD(k_words, k_base + at[g] + w, k[0], k[1])                                                 \
                [[unroll]] for (uint r = 0; r < ATTENTION_LANES; r += TURNS) {                                \
                    const uint s_at = (g * ATTENTION_LANES + r) * QUERIES;                                    \
                    float c[TURNS * QUERIES];                                                                 \
                    [[unroll]] for (uint i = 0; i < TURNS * QUERIES; i++)                                     \
                        c[i] = s[s_at + i];                                                                   \
                    [[unroll]] for (uint z = 0; z < DAUB_WORD; z++) {                                         \
                        [[unroll]] for (uint i = 0; i < TURNS; i++) {                                         \
                            const float x = subgroupShuffle(k[z / 4][z % 4], turn[r + i]);                    \
                            [[unroll]] for (uint t = 0; t < QUERIES; t++)                                     \
                                c[i * QUERIES + t] = fma(q[2 * t + z / 4][z % 4], x, c[i * QUERIES + t]);     \
                        }                                                                                     \
                    }                                                                                         \
                    [[unroll]] for (uint i = 0; i < TURNS * QUERIES; i++)                                     \
                        s[s_at + i] = c[i];                                                                   \
                }                                                                                             \
            }                                                                                                 \
        } while (++w < p.head_words);                                                                         \
    }

void main()
{
    const uint lane = gl_LocalInvocationID.x;
    const uint head_word = gl_WorkGroupID.y * p.head_words;
    const uint image = p.image + gl_WorkGroupID.z;
    const uint block = p.query_begin + gl_WorkGroupID.x * (ATTENTION_LANES * QUERIES);
    const uint group = (gl_WorkGroupID.z * gl_NumWorkGroups.y + gl_WorkGroupID.y) * gl_NumWorkGroups.x +
                       gl_WorkGroupID.x;
    const uint sums_base = group * p.head_words * (2 * QUERIES * ATTENTION_LANES) + lane;

    uint turn[ATTENTION_LANES], q_at[QUERIES], visible[QUERIES];
    float top[QUERIES], norm[QUERIES];
    [[unroll]] for (uint r = 0; r < ATTENTION_LANES; r++)
        turn[r] = (lane + r) % ATTENTION_LANES;
    [[unroll]] for (uint t = 0; t < QUERIES; t++) {
        const uint query = min(block + t * ATTENTION_LANES + lane, p.query_end - 1);
        q_at[t] = (image * p.n_q + query) * p.pitch + head_word - p.q_first;
        visible[t] = p.causal != 0 ? min(query + 1, p.n_k) : p.n_k;
        top[t] = ATTENTION_MASKED;
        norm[t] = 0.0;
    }

    const uint kv_row = p.kv_images == 1 ? 0 : image * p.n_k;
    const uint k_base = kv_row * p.pitch + head_word - p.k_first;
    const uint v_base = 2 * (kv_row * p.pitch + head_word - p.v_first);
    const uint n_keys = p.causal != 0 ? min(block + ATTENTION_LANES * QUERIES, p.n_k) : p.n_k;
    uint key = 0;
    do {
        float s[KEYS * QUERIES]; // [group of keys][turn][query]
        uint at[GROUPS];
        [[unroll]] for (uint i = 0; i < KEYS * QUERIES; i++)
            s[i] = 0.0;
        [[unroll]] for (uint g = 0; g < GROUPS; g++)
            at[g] = min(key + g * ATTENTION_LANES + lane, p.n_k - 1) * p.pitch;
        SCORES(0)
        if (key + KEYS / 2 < n_keys)
            SCORES(GROUPS / 2)

        float fade[QUERIES];
        [[unroll]] for (uint t = 0; t < QUERIES; t++) {
            float new_top = top[t];
            [[unroll]] for (uint j = 0; j < KEYS; j++) {
                const uint seen = key + j / ATTENTION_LANES * ATTENTION_LANES + turn[j % ATTENTION_LANES];
                s[j * QUERIES + t] = seen < visible[t] ? s[j * QUERIES + t] * p.scale : ATTENTION_MASKED;
                new_top = max(new_top, s[j * QUERIES + t]);
            }
            fade[t] = exp2(top[t] - new_top);
            top[t] = new_top;
            float n = norm[t] * fade[t];
            [[unroll]] for (uint j = 0; j < KEYS; j++) {
                s[j * QUERIES + t] = exp2(s[j * QUERIES + t] - new_top);
                n += s[j * QUERIES + t];
            }
            norm[t] = n;
        }

        uint half_word = 0;
        do {
            const uint sums_at = sums_base + half_word * (QUERIES * ATTENTION_LANES);
            vec4 c[QUERIES], v[GROUPS];
            [[unroll]] for (uint t = 0; t < QUERIES; t++)
                c[t] = vec4(0);
            if (key > 0) {
                [[unroll]] for (uint t = 0; t < QUERIES; t++)
                    c[t] = sums[sums_at + t * ATTENTION_LANES] * fade[t];
            }
            [[unroll]] for (uint g = 0; g < GROUPS; g++)
                LOAD_HALF(v_words, v_base + 2 * at[g] + half_word, v[g])
            [[unroll]] for (uint j = 0; j < KEYS; j++) {
                [[unroll]] for (uint z = 0; z < 4; z++) {
                    const float x = subgroupShuffle(v[j / ATTENTION_LANES][z], turn[j % ATTENTION_LANES]);
                    [[unroll]] for (uint t = 0; t < QUERIES; t++)
                        c[t][z] = fma(s[j * QUERIES + t], x, c[t][z]);
                }
            }
            [[unroll]] for (uint t = 0; t < QUERIES; t++)
                sums[sums_at + t * ATTENTION_LANES] = c[t];
        } while (++half_word < 2 * p.head_words);
        key += KEYS;
    } while (key < n_keys);

    [[unroll]] for (uint t = 0; t < QUERIES; t++)
        norm[t] = 1.0 / norm[t];
    for (uint w = 0; w < p.head_words; w++) {
        [[unroll]] for (uint t = 0; t < QUERIES; t++) {
            if (block + t * ATTENTION_LANES + lane < p.query_end) {
                const uint sums_at = sums_base + (2 * w * QUERIES + t) * ATTENTION_LANES;
                const vec4 lo = sums[sums_at] * norm[t], hi = sums[sums_at + QUERIES * ATTENTION_LANES] * norm[t];
                STORE(y_words, q_at[t] + p.q_first - p.out_first + w, lo, hi);
            }
        }
    }
}

// attention.comp - y = softmax(q k^T / sqrt(d)) v for one head, scores never stored. Online softmax as in Dao 2023,
// arXiv:2307.08691.
//
// For drivers that run on a CPU, and heads of a few words: a lane owns QUERIES queries and all channels of their
// head; keys and values are read in blocks of KEYS as words that are the same for all lanes. No shared memory, no
// barrier, and nothing but the loop over keys is left rolled: Mesa 22.3's lavapipe turns rolled loops over private
// arrays into gathers, and was seen to compute them wrong.
//
//   dispatch   (ceil(queries / (8 * QUERIES)), heads, pictures), local size 8
//   bindings   0 q [N,1,n_q,heads * d]   1 k, 2 v [N or 1,1,n_k,heads * d]   3 y as q
//   variants   f32 f16 (storage; scores, weights and sums are fp32), texel: q, k, v through uniform texel buffers
//   constants  words a head, queries a lane
//
// exp(x) is taken as exp2(x log2(e)), with log2(e) / sqrt(d) folded into q. The running maximum starts at a finite
// value and key 0 is always seen, so that the first block leaves every maximum at a true score.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "common/word.glsl"
#include "params/attention.h"

layout(local_size_x = ATTENTION_LANES) in;
layout(constant_id = ATTENTION_SPEC_WORDS) const uint WORDS = 5;
layout(constant_id = ATTENTION_SPEC_QUERIES) const uint QUERIES = 1;
const uint KEYS = 4;

layout(push_constant, std430) uniform Push { attention_params p; };
WORDS_IN(0, q_words);
WORDS_IN(1, k_words);
WORDS_IN(2, v_words);
WORDS_OUT(3, y_words);

void main()
{
    const uint head_word = gl_WorkGroupID.y * WORDS;
    const uint image = p.image + gl_WorkGroupID.z;
    const uint block = p.query_begin + gl_WorkGroupID.x * (ATTENTION_LANES * QUERIES);
    const uint first = block + gl_LocalInvocationID.x; // a lane's queries are ATTENTION_LANES apart

    vec4 q[2 * WORDS * QUERIES], sum[2 * WORDS * QUERIES];
    float top[QUERIES], norm[QUERIES];
    uint visible[QUERIES];
    [[unroll]] for (uint t = 0; t < QUERIES; t++) {
        const uint query = min(first + t * ATTENTION_LANES, p.query_end - 1);
        const uint at = (image * p.n_q + query) * p.pitch + head_word - p.q_first;
        [[unroll]] for (uint w = 0; w < WORDS; w++) {
            vec4 lo, hi;
            LOAD(q_words, at + w, lo, hi);
            q[2 * (t * WORDS + w)] = lo * p.scale;
            q[2 * (t * WORDS + w) + 1] = hi * p.scale;
            sum[2 * (t * WORDS + w)] = vec4(0);
            sum[2 * (t * WORDS + w) + 1] = vec4(0);
        }
        top[t] = ATTENTION_MASKED;
        norm[t] = 0.0;
        visible[t] = p.causal != 0 ? min(query + 1, p.n_k) : p.n_k;
    }

    const uint kv_row = p.kv_images == 1 ? 0 : image * p.n_k;
    const uint k_base = kv_row * p.pitch + head_word - p.k_first;
    const uint v_base = kv_row * p.pitch + head_word - p.v_first;
    const uint n_keys = p.causal != 0 ? min(block + ATTENTION_LANES * QUERIES, p.n_k) : p.n_k;
    for (uint key = 0; key < n_keys; key += KEYS) {
        float s[KEYS * QUERIES];
        [[unroll]] for (uint j = 0; j < KEYS; j++) {
            const uint at = k_base + min(key + j, p.n_k - 1) * p.pitch;
            [[unroll]] for (uint t = 0; t < QUERIES; t++)
                s[t * KEYS + j] = 0.0;
            [[unroll]] for (uint w = 0; w < WORDS; w++) {
                vec4 lo, hi;
                LOAD(k_words, at + w, lo, hi);
                [[unroll]] for (uint t = 0; t < QUERIES; t++) {
                    const vec4 a = q[2 * (t * WORDS + w)], b = q[2 * (t * WORDS + w) + 1];
                    float d = s[t * KEYS + j];
                    d = fma(a.x, lo.x, d);
                    d = fma(a.y, lo.y, d);
                    d = fma(a.z, lo.z, d);
                    d = fma(a.w, lo.w, d);
                    d = fma(b.x, hi.x, d);
                    d = fma(b.y, hi.y, d);
                    d = fma(b.z, hi.z, d);
                    s[t * KEYS + j] = fma(b.w, hi.w, d);
                }
            }
        }
        [[unroll]] for (uint t = 0; t < QUERIES; t++) {
            float new_top = top[t];
            [[unroll]] for (uint j = 0; j < KEYS; j++) {
                s[t * KEYS + j] = key + j < visible[t] ? s[t * KEYS + j] : ATTENTION_MASKED;
                new_top = max(new_top, s[t * KEYS + j]);
            }
            const float fade = exp2(top[t] - new_top);
            top[t] = new_top;
            norm[t] *= fade;
            [[unroll]] for (uint j = 0; j < KEYS; j++) {
                s[t * KEYS + j] = exp2(s[t * KEYS + j] - new_top);
                norm[t] += s[t * KEYS + j];
            }
            [[unroll]] for (uint w = 0; w < 2 * WORDS; w++)
                sum[2 * t * WORDS + w] *= fade;
        }
        [[unroll]] for (uint w = 0; w < WORDS; w++) {
            [[unroll]] for (uint j = 0; j < KEYS; j++) {
                vec4 lo, hi;
                LOAD(v_words, v_base + min(key + j, p.n_k - 1) * p.pitch + w, lo, hi);
                [[unroll]] for (uint t = 0; t < QUERIES; t++) {
                    const vec4 weight = vec4(s[t * KEYS + j]);
                    sum[2 * (t * WORDS + w)] = fma(weight, lo, sum[2 * (t * WORDS + w)]);
                    sum[2 * (t * WORDS + w) + 1] = fma(weight, hi, sum[2 * (t * WORDS + w) + 1]);
                }
            }
        }
    }

    [[unroll]] for (uint t = 0; t < QUERIES; t++) {
        const uint query = first + t * ATTENTION_LANES;
        if (query < p.query_end) {
            const float scale = 1.0 / norm[t];
            const uint at = (image * p.n_q + query) * p.pitch + head_word - p.out_first;
            [[unroll]] for (uint w = 0; w < WORDS; w++) {
                const vec4 lo = sum[2 * (t * WORDS + w)] * scale;
                const vec4 hi = sum[2 * (t * WORDS + w) + 1] * scale;
                STORE(y_words, at + w, lo, hi);
            }
        }
    }
}

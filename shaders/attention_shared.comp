// attention_shared.comp - attention.comp for GPUs: 64 invocations work on TILE = 32 queries of one head, with keys
// and values staged TILE tokens at a time. FlashAttention-2's split: rows are never shared between workgroups, 1 /
// sum is applied once at the end.
//
// Invocation (x, y) of 8 x 8 owns queries 4 y .. 4 y + 3; of a score tile their keys x, x + 8, x + 16, x + 24, of a
// sum their channels 4 x .. 4 x + 3 in each chunk of 32. So both products read two vec4 from shared memory for 16
// multiplications.
//
//   dispatch   (ceil(queries / 32), heads, pictures), local size 8 x 8
//   bindings   0 q [N,1,n_q,heads * d]   1 k, 2 v [N or 1,1,n_k,heads * d]   3 y as q
//   variants   f32 f16 (storage; everything in registers and shared memory is fp32)
//   constants  chunks a head, ceil(d / 32), at most 5: 16 registers each
//   shared     14.5 KiB; rows are 9 vec4 apart, so that 8 invocations reading a column meet 8 different banks
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "common/word.glsl"
#include "params/attention.h"

layout(local_size_x = 8, local_size_y = 8) in;
layout(constant_id = ATTENTION_SPEC_WORDS) const uint CHUNKS = 2;
const uint TILE = ATTENTION_SHARED_TILE;
const uint CHUNK_WORDS = TILE / DAUB_WORD;
const uint PITCH = 9;

layout(push_constant, std430) uniform Push { attention_params p; };
WORDS_IN(0, q_words);
WORDS_IN(1, k_words);
WORDS_IN(2, v_words);
WORDS_OUT(3, y_words);

shared vec4 rows[TILE * PITCH];    // a chunk of the queries, then of the values: [token][channel / 4]
shared vec4 keys[TILE * PITCH];    // a chunk of the keys
shared vec4 weights[TILE * PITCH]; // exp of the scores: [key][query / 4]
shared float partial[TILE * 8];    // of a query's 8 invocations

// 32 tokens x 4 words, two words an invocation; words past the head are zero.
#define STAGE(dst, src, base, token, last, chunk)                                               \
    [[unroll]] for (uint r_ = 0; r_ < 2; r_++) {                                                \
        const uint i_ = gl_LocalInvocationIndex + 64 * r_;                                      \
        const uint row_ = i_ / CHUNK_WORDS, word_ = i_ % CHUNK_WORDS;                           \
        vec4 lo_ = vec4(0), hi_ = vec4(0);                                                      \
        if ((chunk) * CHUNK_WORDS + word_ < p.head_words)                                       \
            LOAD(src, (base) + min((token) + row_, last) * p.pitch + (chunk) * CHUNK_WORDS + word_, lo_, hi_) \
        dst[row_ * PITCH + 2 * word_] = lo_;                                                    \
        dst[row_ * PITCH + 2 * word_ + 1] = hi_;                                                \
    }

void main()
{
    const uint x = gl_LocalInvocationID.x, y = gl_LocalInvocationID.y;
    const uint head_word = gl_WorkGroupID.y * p.head_words;
    const uint image = p.image + gl_WorkGroupID.z;
    const uint block = p.query_begin + gl_WorkGroupID.x * TILE;
    const uint q_base = image * p.n_q * p.pitch + head_word - p.q_first;
    const uint kv_row = p.kv_images == 1 ? 0 : image * p.n_k;
    const uint k_base = kv_row * p.pitch + head_word - p.k_first;
    const uint v_base = kv_row * p.pitch + head_word - p.v_first;
    const uint n_keys = p.causal != 0 ? min(block + TILE, p.n_k) : p.n_k;

    vec4 sum[4 * CHUNKS];
    float top[4], norm[4];
    [[unroll]] for (uint i = 0; i < 4 * CHUNKS; i++)
        sum[i] = vec4(0);
    [[unroll]] for (uint i = 0; i < 4; i++) {
        top[i] = ATTENTION_MASKED;
        norm[i] = 0.0;
    }

    for (uint key = 0; key < n_keys; key += TILE) {
        float s[16]; // [query][key]
        [[unroll]] for (uint i = 0; i < 16; i++)
            s[i] = 0.0;
        [[unroll]] for (uint chunk = 0; chunk < CHUNKS; chunk++) {
            barrier();
            STAGE(rows, q_words, q_base, block, p.query_end - 1, chunk)
            STAGE(keys, k_words, k_base, key, p.n_k - 1, chunk)
            barrier();
            const uint n_vecs = min(2 * CHUNK_WORDS, 2 * (p.head_words - chunk * CHUNK_WORDS));
            for (uint c = 0; c < n_vecs; c++) {
                [[unroll]] for (uint j = 0; j < 4; j++) {
                    const vec4 b = keys[(x + 8 * j) * PITCH + c];
                    [[unroll]] for (uint i = 0; i < 4; i++) {
                        const vec4 a = rows[(4 * y + i) * PITCH + c];
                        s[4 * i + j] = fma(a.x, b.x, fma(a.y, b.y, fma(a.z, b.z, fma(a.w, b.w, s[4 * i + j]))));
                    }
                }
            }
        }

        [[unroll]] for (uint i = 0; i < 4; i++) {
            const uint visible = p.causal != 0 ? min(block + 4 * y + i + 1, p.n_k) : p.n_k;
            float best = top[i];
            [[unroll]] for (uint j = 0; j < 4; j++) {
                s[4 * i + j] = key + x + 8 * j < visible ? s[4 * i + j] * p.scale : ATTENTION_MASKED;
                best = max(best, s[4 * i + j]);
            }
            partial[(4 * y + i) * 8 + x] = best;
        }
        barrier();
        [[unroll]] for (uint i = 0; i < 4; i++) {
            float best = partial[(4 * y + i) * 8];
            [[unroll]] for (uint j = 1; j < 8; j++)
                best = max(best, partial[(4 * y + i) * 8 + j]);
            const float fade = exp2(top[i] - best);
            top[i] = best;
            norm[i] *= fade;
            [[unroll]] for (uint j = 0; j < 4; j++) {
                s[4 * i + j] = exp2(s[4 * i + j] - best);
                norm[i] += s[4 * i + j];
            }
            [[unroll]] for (uint chunk = 0; chunk < CHUNKS; chunk++)
                sum[4 * chunk + i] *= fade;
        }
        [[unroll]] for (uint j = 0; j < 4; j++)
            weights[(x + 8 * j) * PITCH + y] = vec4(s[j], s[4 + j], s[8 + j], s[12 + j]);

        [[unroll]] for (uint chunk = 0; chunk < CHUNKS; chunk++) {
            barrier();
            STAGE(rows, v_words, v_base, key, p.n_k - 1, chunk)
            barrier();
            for (uint k = 0; k < TILE; k++) {
                const vec4 w = weights[k * PITCH + y];
                const vec4 v = rows[k * PITCH + x];
                sum[4 * chunk] = fma(vec4(w.x), v, sum[4 * chunk]);
                sum[4 * chunk + 1] = fma(vec4(w.y), v, sum[4 * chunk + 1]);
                sum[4 * chunk + 2] = fma(vec4(w.z), v, sum[4 * chunk + 2]);
                sum[4 * chunk + 3] = fma(vec4(w.w), v, sum[4 * chunk + 3]);
            }
        }
    }

    barrier();
    [[unroll]] for (uint i = 0; i < 4; i++)
        partial[(4 * y + i) * 8 + x] = norm[i];
    barrier();
    [[unroll]] for (uint i = 0; i < 4; i++) {
        float total = 0.0;
        [[unroll]] for (uint j = 0; j < 8; j++)
            total += partial[(4 * y + i) * 8 + j];
        norm[i] = 1.0 / total;
    }

    // A word is two invocations' channels: through shared memory, then stored as it was staged.
    [[unroll]] for (uint chunk = 0; chunk < CHUNKS; chunk++) {
        barrier();
        [[unroll]] for (uint i = 0; i < 4; i++)
            rows[(4 * y + i) * PITCH + x] = sum[4 * chunk + i] * norm[i];
        barrier();
        [[unroll]] for (uint r = 0; r < 2; r++) {
            const uint i = gl_LocalInvocationIndex + 64 * r;
            const uint row = i / CHUNK_WORDS, word = i % CHUNK_WORDS;
            if (chunk * CHUNK_WORDS + word < p.head_words && block + row < p.query_end) {
                const vec4 lo = rows[row * PITCH + 2 * word], hi = rows[row * PITCH + 2 * word + 1];
                const uint at = q_base + p.q_first - p.out_first + (block + row) * p.pitch + chunk * CHUNK_WORDS + word;
                STORE(y_words, at, lo, hi);
            }
        }
    }
}

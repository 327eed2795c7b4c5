// attention_scores.comp - s = q k^T * scale for some queries of some heads, stored as fp32: the first of three steps
// for heads too wide for attention.comp. Both operands are rows of channels, so an invocation takes 8 queries x 8
// keys, a word of each at a time.
//
//   dispatch   (ceil(key tiles / 8), ceil(n_rows / (8 * local size y)), units)
//              local size 8 x 1 on CPU drivers, 8 x 8 on GPUs
//              texel: (ceil(key tiles * ceil(n_rows / 8) / 8), 1, units), local size 8 x 1
//   bindings   0 q   1 k, both [N,1,tokens,heads * d]   2 s [units, n_rows, score_pitch words of 8 floats]
//   variants   f32 f16 (storage of q and k), texel: both through uniform texel buffers
//
// In the texel variants a row of tiles runs on into the next row's lanes, so that none idles: there a load costs the
// same whether or not all lanes read one address. Storage buffers are read faster if they do (Mesa 26: by a third).
// Scores of keys past the last are written too (its value again): attention_softmax.comp overwrites them.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "common/word.glsl"
#include "params/attention_wide.h"

layout(local_size_x = ATTENTION_WIDE_LANES, local_size_y_id = SPEC_LOCAL_Y) in;
const uint TILE = ATTENTION_WIDE_TILE;

layout(push_constant, std430) uniform Push { attention_wide_params p; };
WORDS_IN(0, q_words);
WORDS_IN(1, k_words);
FLOATS_OUT(2, scores);

void main()
{
#ifdef TEXEL
    const uint key_tiles = (p.key_end - p.key_begin + TILE - 1) / TILE;
    const uint key = p.key_begin + gl_GlobalInvocationID.x % key_tiles * TILE;
    const uint row = gl_GlobalInvocationID.x / key_tiles * TILE;
#else
    const uint key = p.key_begin + gl_GlobalInvocationID.x * TILE;
    const uint row = gl_GlobalInvocationID.y * TILE;
#endif
    const uint unit = gl_WorkGroupID.z, image = unit / p.heads, head_word = unit % p.heads * p.head_words;
    const uint q_base = p.q_base + image * p.q_image + head_word;
    const uint k_base = p.kv_base + image * p.kv_image + head_word;

    uint q_at[TILE], k_at[TILE];
    float s[TILE * TILE];
    [[unroll]] for (uint i = 0; i < TILE; i++) {
        q_at[i] = q_base + min(row + i, p.n_rows - 1) * p.pitch;
        k_at[i] = k_base + (min(key + i, p.key_end - 1) - p.key_begin) * p.pitch;
        [[unroll]] for (uint j = 0; j < TILE; j++)
            s[i * TILE + j] = 0.0;
    }
    for (uint w = 0; w < p.head_words; w++) {
        vec4 lo[TILE], hi[TILE];
        [[unroll]] for (uint j = 0; j < TILE; j++)
            LOAD(k_words, k_at[j] + w, lo[j], hi[j])
        [[unroll]] for (uint i = 0; i < TILE; i++) {
            vec4 a, b;
            LOAD(q_words, q_at[i] + w, a, b)
            [[unroll]] for (uint j = 0; j < TILE; j++) {
                float d = s[i * TILE + j];
                d = fma(a.x, lo[j].x, d);
                d = fma(a.y, lo[j].y, d);
                d = fma(a.z, lo[j].z, d);
                d = fma(a.w, lo[j].w, d);
                d = fma(b.x, hi[j].x, d);
                d = fma(b.y, hi[j].y, d);
                d = fma(b.z, hi[j].z, d);
                s[i * TILE + j] = fma(b.w, hi[j].w, d);
            }
        }
    }

    [[unroll]] for (uint i = 0; i < TILE; i++) {
        if (row + i < p.n_rows && key < p.key_end) {
            const uint visible = p.causal != 0 ? p.query + row + i + 1 : p.key_end;
            [[unroll]] for (uint j = 0; j < TILE; j++)
                s[i * TILE + j] = key + j < visible ? s[i * TILE + j] * p.scale : ATTENTION_WIDE_MASKED;
            const uint at = 2 * ((unit * p.n_rows + row + i) * p.score_pitch + key / TILE);
            scores[at] = vec4(s[i * TILE], s[i * TILE + 1], s[i * TILE + 2], s[i * TILE + 3]);
            scores[at + 1] = vec4(s[i * TILE + 4], s[i * TILE + 5], s[i * TILE + 6], s[i * TILE + 7]);
        }
    }
}

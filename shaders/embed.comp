// embed.comp - y[n, i] = token_table[ids[n, i]] + position_table[i].
//
// One invocation makes one word, if the token table's row is in the window that is bound: the table of a text model is larger than the
// range that some drivers bind, so a window a dispatch. An id beyond the vocabulary takes the last row.
//
//   dispatch   a grid of at least ceil(n / 64) workgroups of 64
//   bindings   0 ids: U32 [N,1,1,tokens]   1 token_table [vocabulary,C]   2 position_table [positions,C]   3 y [N,1,tokens,C]
//   variants   f32 f16 (storage of tables and y)
#version 460
#extension GL_GOOGLE_include_directive : require
#include "common/light.glsl"
#include "common/word.glsl"
#include "params/embed.h"

layout(local_size_x = LIGHT_LOCAL) in;
layout(push_constant, std430) uniform Push { embed_params p; };

UINTS_IN(0, ids);
WORDS_IN(1, token_table);
WORDS_IN(2, position_table);
WORDS_OUT(3, y);

void main()
{
    const uint i = light_index();
    if (i >= p.n)
        return;
    const uint token = i / p.words, word = i % p.words;
    const uint id = min(ids[token], p.vocabulary - 1);
    if (id < p.id_begin || id >= p.id_end)
        return;

    vec4 lo, hi, position_lo, position_hi;
    LOAD(token_table, id * p.words + word - p.token_first, lo, hi);
    LOAD(position_table, token % p.tokens * p.words + word, position_lo, position_hi);
    lo += position_lo;
    hi += position_hi;
    STORE(y, i, lo, hi);
}

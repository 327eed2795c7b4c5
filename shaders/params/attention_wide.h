// attention_wide.h - push constants of attention_scores.comp, attention_softmax.comp and attention_values.comp, which
// share a scratch tensor of scores: a row a query, `score_pitch` words of 8 floats, the last of which takes 1 / sum
// of the row's weights.
//
// A dispatch does `n_rows` queries of several units, a unit being one head of one picture: row r of unit u is row u *
// n_rows + r of the scratch tensor.
#ifndef DAUB_PARAMS_ATTENTION_WIDE_H
#define DAUB_PARAMS_ATTENTION_WIDE_H
#include "types.h"

struct attention_wide_params {
    uint n_rows;             // queries a unit; attention_softmax.comp: rows in all
    uint query;              // first of them, for `causal`
    uint n_k;                // keys in all
    uint key_begin, key_end; // keys bound in this dispatch; key_begin a multiple of 8
    uint pitch;              // words a token
    uint head_words;         // words a head
    uint score_pitch;
    uint heads;                     // unit u is head u % heads of picture u / heads
    uint q_image, kv_image;         // words from a picture to the next; 0: the same keys and values for all
    uint q_base, kv_base, out_base; // words of the binding before unit 0's first query, key key_begin, first output
    uint causal;                    // 1: query i sees keys 0..i
    uint more;                      // ATTENTION_MORE_*: sums over several windows of keys
    float scale;                    // log2(e) / sqrt(d)
};

#define ATTENTION_MORE_BEFORE 1 // add to what is in the scratch tensor of sums
#define ATTENTION_MORE_AFTER 2  // leave the sum there

#define ATTENTION_WIDE_TILE 8      // rows, and keys or channels, an invocation
#define ATTENTION_WIDE_LANES 8     // local size in x; in y 1 on CPU drivers, 8 on GPUs
#define ATTENTION_SOFTMAX_LANES 64 // local size of attention_softmax.comp's shared variant
#define ATTENTION_WIDE_MASKED (-1e30)

#endif

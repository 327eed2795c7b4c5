// attention.h - push constants of attention.comp, attention_subgroup.comp and attention_shared.comp.
#ifndef DAUB_PARAMS_ATTENTION_H
#define DAUB_PARAMS_ATTENTION_H
#include "types.h"

struct attention_params {
    uint n_q, n_k;                             // tokens a picture
    uint query_begin, query_end;               // queries of each picture that this dispatch does
    uint image;                                // first picture
    uint kv_images;                            // 1: keys and values are the same for all pictures
    uint pitch;                                // words a token
    uint head_words;                           // words a head, d / 8 rounded up
    uint q_first, k_first, v_first, out_first; // words of the tensor before the binding
    uint causal;                               // 1: query i sees keys 0..i
    float scale;                               // log2(e) / sqrt(d): scores are in powers of two
};

#define ATTENTION_SPEC_WORDS \
    (SPEC_OWN + 0) // attention.comp: words a head; attention_shared.comp: chunks of 32 channels a head
#define ATTENTION_SPEC_QUERIES (SPEC_OWN + 1) // attention.comp: queries a lane
#define ATTENTION_SPEC_KEYS (SPEC_OWN + 2)    // attention_subgroup.comp: keys a block

#define ATTENTION_LANES 8            // attention.comp, attention_subgroup.comp: invocations a workgroup
#define ATTENTION_SUBGROUP_QUERIES 4 // attention_subgroup.comp: queries a lane
#define ATTENTION_SHARED_TILE 32     // attention_shared.comp: queries a workgroup, keys and channels a step
#define ATTENTION_MASKED (-1e30) // score of a key that is not seen; finite, so that no difference is a NaN

#endif

// sampler_step.h - push constants of sampler_step.comp, and the table it executes.
//
// The table is a recorded sampler (runtime/sample/sample.h) in 32-bit words. Entry 0 is the prologue, entry i what follows model
// call i - 1. A threshold needs a whole picture's values, so it cuts its entry into parts, and every entry has as many parts as the
// one with most thresholds.
//
//   header    SAMPLER_HEADER words: entries, thresholds an entry (t), words an entry, word of the first op
//   entry     t + 1 parts:       first op, number of ops
//             t thresholds:      vector or SAMPLER_NONE, ratio, largest value; the last two as float bits
//             the next input:    vector or SAMPLER_NONE, c_in as float bits
//   op        SAMPLER_OP words:  kind (enum daub_op_kind), vector written, number of terms, low (of a clamp, float bits; of
//                                a blend its mask, a vector), high (of a clamp), then for each of DAUB_MAX_TERMS terms: vector, weight as float bits
//
// A vector is the index of a stored one, or SAMPLER_NOISE | slot << SAMPLER_SLOT_SHIFT | draw: slot counts the entry's distinct draws. Vectors
// that the run is given (DAUB_VEC_INIT and on) are stored behind the draws and named as such.
#ifndef DAUB_PARAMS_SAMPLER_STEP_H
#define DAUB_PARAMS_SAMPLER_STEP_H
#include "types.h"

#define SAMPLER_HEADER 4
#define SAMPLER_OP 21
#define SAMPLER_OP_TERMS 5 // word of an op's first term
#define SAMPLER_NONE 0xffffffffu
#define SAMPLER_NOISE 0x80000000u
#define SAMPLER_SLOT_SHIFT 24
#define SAMPLER_SLOT_MASK 0x7fu
#define SAMPLER_DRAW_MASK 0xffffffu
#define SAMPLER_SLOTS 4 // distinct draws that an entry may have
#define SAMPLER_MAX_PARTS 8 // of a prompt
#define SAMPLER_MAX_CHUNKS 64 // that guidance rescale's statistics of a picture are cut into

struct sampler_step_params {
    uint batch;        // pictures, B
    uint pixels;       // a picture
    uint words;        // a pixel of the latent
    uint channels;     // of the latent
    uint x_words;      // a pixel of the network's input
    uint x_copies;     // 1 + parts where guidance multiplies the batch
    uint part;         // of the entry; threshold: the one after this part
    uint guided;       // output has (1 + parts) B pictures
    float guidance_scale, guidance_rescale;
    uint chunks, chunk_pixels; // of a picture, for guidance rescale
    uint slots;        // 1: noise is in slots, put there by gather; 0: all draws are bound
    uint draw_begin, draw_end; // gather: draws in the window that is bound
    uint noise_first;  // words before that binding
    uint parts;        // of the prompt
    float weights[SAMPLER_MAX_PARTS]; // where there are more than one
};

#endif

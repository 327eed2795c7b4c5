// elementwise.h - push constants of elementwise.comp.
#ifndef DAUB_PARAMS_ELEMENTWISE_H
#define DAUB_PARAMS_ELEMENTWISE_H
#include "types.h"

// How the second input is addressed.
#define ELEMENTWISE_ALONE 0       // there is none
#define ELEMENTWISE_SAME 1        // the same word
#define ELEMENTWISE_ROW_IMAGE 2   // row n
#define ELEMENTWISE_ROW_FIRST 3   // row 0
#define ELEMENTWISE_ROW_COUNTER 4 // row counter - 1

struct elementwise_params {
    uint first;                    // word of the tensors that this dispatch begins with
    uint n;                        // words it does
    uint x_first, b_first, y_first; // words before the bindings of x, b and y
    uint words;                    // a pixel
    uint head_words, head_channels; // a head
    uint pixels;                   // a picture
    uint n_rows;                   // of b, for ELEMENTWISE_ROW_*
    uint second;                   // ELEMENTWISE_*
    uint act;                      // enum daub_act
    float mul, add;
};

#endif

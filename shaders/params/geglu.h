// geglu.h - push constants of geglu.comp.
#ifndef DAUB_PARAMS_GEGLU_H
#define DAUB_PARAMS_GEGLU_H
#include "types.h"

struct geglu_params {
    uint first;              // pixel that this dispatch begins with
    uint n;                  // words of y it makes
    uint x_first, y_first;   // words before the bindings of x and y
    uint x_words, y_words;   // a pixel
    uint gate_word, gate_shift; // where channel F of x is: word, and channel in it
};

#endif

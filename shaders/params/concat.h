// concat.h - push constants of concat.comp.
#ifndef DAUB_PARAMS_CONCAT_H
#define DAUB_PARAMS_CONCAT_H
#include "types.h"

struct concat_params {
    uint first;                     // pixel that this dispatch begins with
    uint n;                         // words of y it makes
    uint a_first, b_first, y_first; // words before the bindings
    uint a_words, b_words, y_words; // a pixel
    uint shift;                     // channels that a lacks to a multiple of 8
};

#endif

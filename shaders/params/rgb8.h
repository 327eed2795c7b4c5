// rgb8.h - push constants of rgb8.comp.
#ifndef DAUB_PARAMS_RGB8_H
#define DAUB_PARAMS_RGB8_H
#include "types.h"

struct rgb8_params {
    uint first;            // pixel that this dispatch begins with
    uint n;                // pixels it makes
    uint x_first, y_first; // words before the bindings of x and y
};

#endif

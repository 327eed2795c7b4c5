// rgba.h - push constants of rgba.comp.
#ifndef DAUB_PARAMS_RGBA_H
#define DAUB_PARAMS_RGBA_H
#include "types.h"

struct rgba_params {
    uint n;                // pixels that this dispatch makes
    uint x_first, y_first; // pixels of the bindings before them
};

#endif

// layer_norm.h - push constants of layer_norm.comp.
#ifndef DAUB_PARAMS_LAYER_NORM_H
#define DAUB_PARAMS_LAYER_NORM_H
#include "types.h"

struct layer_norm_params {
    uint first;            // row that this dispatch begins with
    uint n;                // rows it does
    uint x_first, y_first; // words before the bindings of x and y
    uint words, channels;  // a row
    float eps;
};

#endif

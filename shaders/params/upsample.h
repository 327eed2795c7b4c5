// upsample.h - push constants of upsample.comp.
#ifndef DAUB_PARAMS_UPSAMPLE_H
#define DAUB_PARAMS_UPSAMPLE_H
#include "types.h"

struct upsample_params {
    uint first;              // line of y (counted over all pictures) that this dispatch begins with
    uint n;                  // words of y it makes
    uint x_first, y_first;   // words before the bindings of x and y
    uint words;              // a pixel
    uint x_height, x_width, y_height, y_width;
};

#endif

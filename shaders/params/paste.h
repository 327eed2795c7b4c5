// paste.h - push constants of paste.comp.
#ifndef DAUB_PARAMS_PASTE_H
#define DAUB_PARAMS_PASTE_H
#include "types.h"

struct paste_params {
    uint n;                    // pixels that this dispatch makes
    uint given_first, y_first; // pixels of the bindings before them
};

#endif

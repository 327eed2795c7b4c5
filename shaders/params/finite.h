// finite.h - push constants of finite.comp.
#ifndef DAUB_PARAMS_FINITE_H
#define DAUB_PARAMS_FINITE_H
#include "types.h"

struct finite_params {
    uint first;   // word that this dispatch begins with
    uint n;       // words it looks at
    uint stride;  // words from one to the next
    uint x_first; // words before the binding of x
    uint slot;    // of the flags
    uint value;   // that a bad word lowers the flag to; 0: the counter's
};

#endif

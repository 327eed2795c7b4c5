// probe.h - parameters of the kernel that tests the Vulkan layer.
#ifndef DAUB_PARAMS_PROBE_H
#define DAUB_PARAMS_PROBE_H
#include "types.h"

#define SPEC_PROBE_MUL SPEC_OWN       // uint
#define SPEC_PROBE_SPIN (SPEC_OWN + 1) // uint: times the sum is taken, to make a dispatch long

struct probe_params {
    uint n;   // vectors of 4 words
    uint add;
};

#endif

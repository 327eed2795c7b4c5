// group_norm.h - push constants of group_norm.comp, the same for its three kernels and for group_norm_whole.comp.
#ifndef DAUB_PARAMS_GROUP_NORM_H
#define DAUB_PARAMS_GROUP_NORM_H
#include "types.h"

struct group_norm_params {
    uint first;          // chunk that this dispatch begins with, counted over all pictures
    uint n;              // invocations (stats, apply) or groups of all pictures (finish)
    uint x0_first, x1_first, y_first; // words before the bindings of the sources and of y
    uint words0, words1; // of a pixel in the two sources; words1 0: one source
    uint pixels;         // a picture
    uint chunks;         // a picture
    uint chunk_pixels;   // a chunk; a picture's last may be shorter
    uint channels;
    uint groups;         // a picture
    uint silu;           // apply: y = silu(y)
    float eps;
    uint slab_groups, slab_words; // whole: of a workgroup
};

#define SPEC_GROUP_NORM_PAIR 8 // whole: there is a second source
#define SPEC_GROUP_NORM_SILU 9
#define GROUP_NORM_SLAB 8      // groups a slab has at most

#define GROUP_NORM_APPLY 4 // pixels a chunk has in the apply kernel

#endif

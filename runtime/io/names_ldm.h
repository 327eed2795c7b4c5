// names_ldm.h - from diffusers' (transformers') tensor names to those of a single file in the original LDM layout.
#ifndef DAUB_IO_NAMES_LDM_H
#define DAUB_IO_NAMES_LDM_H
#include "runtime/io/checkpoint.h"

enum { DAUB_LDM_NAME_MAX = 512 };

struct daub_ldm_name {
    char name[DAUB_LDM_NAME_MAX];
    uint32_t first_row, n_rows; // a slice of a fused tensor; n_rows 0: all of it
    bool transposed;            // stored as the transpose of what diffusers has
};

// What all tensors of a component begin with: "model.diffusion_model." and so on.
const char *daub_ldm_prefix(enum daub_component c);

// Where a tensor may stand: variant 0 first, 1 where the name alone leaves two places (an upsampler stands behind a
// transformer where the level has one). false: diffusers has no such tensor, or there is no such variant.
bool daub_ldm_name(enum daub_component c, const struct daub_ldm_layout *layout, const char *name, uint32_t variant,
                   struct daub_ldm_name *out);

#endif

// winograd.h - push constants of winograd_input.comp and winograd_output.comp.
#ifndef DAUB_PARAMS_WINOGRAD_H
#define DAUB_PARAMS_WINOGRAD_H
#include "types.h"

// Bindings of the input transform; the output transform has those of gemm.h, with GEMM_SOURCE0 the products.
#define WINOGRAD_SOURCE0 0
#define WINOGRAD_SOURCE1 1
#define WINOGRAD_OUT 2

#define SPEC_WINOGRAD_UPSAMPLED 12 // the input transform of a map upsampled by exactly 2: 9 positions instead of 16
#define SPEC_WINOGRAD_PAIR 13     // there is a second source

struct winograd_params {
    uint tile_first, n_tiles;  // of this dispatch, counted over all images
    uint tiles_h, tiles_w;     // of an image
    uint out_h, out_w;
    uint src_h, src_w, shift;  // the input as stored: pixel (y, x) is stored pixel (y >> shift, x >> shift)
    uint words0, words1;       // a pixel of each source
    uint first0, first1;       // words before the bound ranges of the sources
    // for gemm_epilogue.glsl, as in gemm.h
    uint row_end, out_words, flags, first_residual, first_out;
};

#endif

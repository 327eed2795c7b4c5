// gemm.h - push constants of gemm_lane.comp and gemm_shared.comp.
#ifndef DAUB_PARAMS_GEMM_H
#define DAUB_PARAMS_GEMM_H
#include "types.h"

#define GEMM_PANEL 8 // words of 8 columns a panel of the packed weight

// Bindings.
#define GEMM_SOURCE0 0
#define GEMM_SOURCE1 1 // the second half of a pair
#define GEMM_WEIGHT 2
#define GEMM_BIAS 3
#define GEMM_ROWS 4
#define GEMM_COUNTER 5
#define GEMM_RESIDUAL 6
#define GEMM_OUT 7
#define GEMM_OUT_F32 8 // instead of GEMM_OUT with SPEC_GEMM_OUT_F32
#define GEMM_N_BINDINGS 9

// Specialisation constants: what changes the code of the loops or costs much when it is only masked.
#define SPEC_GEMM_PAIR 8    // there is a second source
#define SPEC_GEMM_ACT 9     // enum daub_act
#define SPEC_GEMM_GEGLU 10  // panels 2p and 2p+1 are value and gate of one result panel
#define SPEC_GEMM_OUT_F32 11
#define SPEC_GEMM_TILE_ROWS 12 // lane kernels: rows and panels a workgroup makes
#define SPEC_GEMM_TILE_PANELS 13

#define GEMM_HAS_BIAS 1
#define GEMM_HAS_RESIDUAL 2
#define GEMM_ROWS_COUNTER 4 // add row counter - 1 of the rows tensor,
#define GEMM_ROWS_IMAGE 8   // or row n,
#define GEMM_ROWS_FIRST 16  // or row 0

struct gemm_params {
    uint row_first, row_end;   // output pixels of this dispatch, counted over all images
    uint panel_first;          // the first panel, or pair of panels, of this dispatch
    uint panels;               // in the weight, all of them
    uint out_h, out_w;
    uint in_h, in_w;           // the input, upsampled where `shift` is 1
    uint src_h, src_w, shift;  // the input as stored: pixel (y, x) is stored pixel (y >> shift, x >> shift)
    uint kernel_w, taps;
    uint parts;                // results of equal shape, one after the other; each has an equal share of the panels
    uint rows;                 // of a result
    uint batches;              // gl_WorkGroupID.z: GEMMs side by side, each with its rows of source and result and its taps of the weight
    uint stride, pad_top, pad_left;
    uint words0, words1;       // a pixel of each source
    uint out_words;            // a pixel of the result, the residual and the channel rows
    uint flags;
    uint first0, first1, first_weight, first_residual, first_out; // words before the bound ranges
};

#endif

// gemm.h - linear layers and convolutions as one op, for fusions.c and the files of the op itself.
#ifndef DAUB_OP_GEMM_H
#define DAUB_OP_GEMM_H
#include "runtime/op/exec.h"
#include "runtime/op/op.h"

enum {                   // node inputs; all but the first two may be NULL
    DAUB_GEMM_IN_X,      // may be a pair
    DAUB_GEMM_IN_WEIGHT, // [out, in, kh, kw] or [out, in]
    DAUB_GEMM_IN_BIAS,
    DAUB_GEMM_IN_ROWS,    // added to every pixel, as daub_add_channels
    DAUB_GEMM_IN_COUNTER, // with rows: by the step counter
    DAUB_GEMM_IN_RESIDUAL,
    DAUB_GEMM_N_IN
};

struct daub_gemm_tile;

// result = act(conv(upsampled x) + bias + rows) + residual, or with geglu (value + bias) * gelu(gate + bias) + residual.
struct daub_gemm_attrs {
    const char *op_class; // of cost tables
    uint32_t kernel_h, kernel_w, stride, pad_top, pad_left;
    uint32_t in_h, in_w; // of the input as the convolution sees it
    uint32_t shift;      // 1: it is x upsampled by 2, pixel (y, x) is stored pixel (y >> 1, x >> 1)
    enum daub_act act;
    uint32_t parts; // results of one x, one after the other along N of the node's; 1 but for daub_linear_parts
    bool geglu;     // the weight has 2 * out channels: value, then gate
    // Chosen by select.
    const struct daub_gemm_tile *tile;
    bool texel;
    uint32_t winograd; // see winograd.h
    // After upsampling by 2, four GEMMs side by side: each makes a quarter of the pixels, (2y + a, 2x + b) for one a and b, from 2x2 stored
    // pixels (runtime/io/pack_phases.c). Four ninths of the products for 16/9 of the weight. Shared-memory kernels only.
    bool phases;
};

// A kernel, for results of min_m..max_m pixels of at most max_words words; one workgroup makes `rows` pixels by `panels` panels of 64
// columns.
struct daub_gemm_tile {
    enum daub_kernel kernel[2][2]; // by dtype (DAUB_F32, DAUB_F16), then storage buffers or texel buffers
    uint32_t rows, panels;
    enum { DAUB_GEMM_LANE, DAUB_GEMM_LANE_GEGLU, DAUB_GEMM_SHARED } kind; // shared-memory kernels do GEGLU and all else
    bool shuffle;                                                         // needs caps->shuffle8
    uint32_t min_m, max_m, max_words;
};

// Rows of one lane of a lane kernel: narrow ones, the only tiles of one word, have their 8 lanes along the rows.
static inline uint32_t daub_gemm_lane_rows(const struct daub_gemm_tile *tile)
{
    return tile->max_words == 1 ? tile->rows / 8 : tile->rows;
}

// gemm_record.c: whether the smallest piece of the node can be bound, and its recording.
bool daub_gemm_can_bind(const struct daub_caps *caps, const struct daub_node *node, bool texel);
uint32_t daub_gemm_flags(const struct daub_node *node); // GEMM_HAS_BIAS .. GEMM_ROWS_FIRST
// An absent tensor's binding: it still has the kind that the kernel declares, that of `stored`.
struct daub_binding daub_gemm_absent(const struct daub_tensor *stored, bool texel);
daub_status daub_gemm_record(struct daub_recording *rec, const struct daub_node *node);

extern const struct daub_op daub_op_gemm;

#endif

// tensor.h - shape, storage and place of a value in a graph.
//
// Layout everywhere: NHWC, channel innermost, in words of 8 channels: 16 bytes as fp16 (packed in 32-bit words, so no
// 16-bit storage feature is needed), 32 bytes as fp32. A pixel's channels are `heads` runs of c / heads channels (heads is 1
// but for queries, keys and values), each run padded to a multiple of 8. Padding channels hold zeros: whoever writes a tensor
// writes them, so that kernels never mask them.
//
// Tokens are pixels: text features and transformer activations are [N, 1, tokens, C].
#ifndef DAUB_GRAPH_TENSOR_H
#define DAUB_GRAPH_TENSOR_H
#include "runtime/base/host.h"

#include <stdbool.h>
#include <stdint.h>

enum daub_dtype {
    DAUB_F32,
    DAUB_F16,
    DAUB_U32, // plain 32-bit words, unpadded: token ids, counters, tables. shape.c words a row.
};

struct daub_shape {
    uint32_t n, h, w, c;
};

// When a value is computed. A node runs at the latest stage of its inputs.
enum daub_stage {
    DAUB_STAGE_PICTURE, // once a picture: depends on the prompt only (cross-attention keys and values)
    DAUB_STAGE_TIME,    // once a schedule: one row a model call (time embedding, its projections)
    DAUB_STAGE_STEP,    // every model call
    DAUB_STAGE_TAIL,    // after every model call, and once before the first: guidance and sampler
    DAUB_STAGE_COUNT
};

enum daub_tensor_kind {
    DAUB_TENSOR_POISON, // what a failed builder returns; shape all zero, safe to read
    DAUB_TENSOR_INPUT,  // written from outside; lives as long as the plan
    DAUB_TENSOR_VALUE,  // written by its producer
    DAUB_TENSOR_WEIGHT, // from the checkpoint
    DAUB_TENSOR_PAIR,   // two tensors side by side in the channel dimension, never stored: pair[0] then pair[1]
    DAUB_TENSOR_PART,   // some pictures of a tensor: the `part`-th of the equal runs that pair[0] splits into
};

// How a weight lies in device memory. Set by the op that reads it, when it has chosen its kernel.
enum daub_pack_kind {
    DAUB_PACK_NONE,
    DAUB_PACK_VECTOR, // fp32, one a physical output channel of `out`; padding 0
    DAUB_PACK_PANEL,  // GEMM panels, see runtime/io/pack.h
    DAUB_PACK_ROWS,   // dims[0] rows in tensor layout (dims[1] channels, padded to 8), dtype as given
};

struct daub_channels { // physical channel order: one or two tensors side by side, each `heads` runs padded to 8
    uint32_t c[2];     // c[1] = 0: one
    uint32_t heads;
};

struct daub_pack {
    enum daub_pack_kind kind;
    enum daub_dtype dtype;
    uint32_t kernel_h, kernel_w; // 1, 1 for a matrix
    struct daub_channels in, out;
    bool geglu;        // rows 0..n/2-1 (value) and n/2..n-1 (gate) alternate in panels of 64
    bool phases;       // 3x3 kernels after upsampling by 2, as four kernels of 2x2 (runtime/op/gemm.h)
    uint32_t n_parts;  // 0 or 1, or how many weights of these sizes lie one after the other: daub_tensor.more
    uint32_t winograd; // 0, or the positions of transformed 3x3 kernels: 16 or 9 (runtime/op/winograd.h)
};

struct daub_range; // runtime/vk/buffer.h

struct daub_tensor {
    struct daub_shape shape;
    uint32_t heads;
    enum daub_dtype dtype;
    enum daub_tensor_kind kind;
    enum daub_stage stage;
    bool keep;        // read from outside after its stage has run: an output, or dumped
    const char *name; // inputs, outputs, dumped points: full name; weights: the checkpoint's name; else its node's
    struct daub_node *producer;
    uint32_t n_uses;
    struct daub_tensor *pair[2];
    uint32_t part;

    // weights
    uint32_t dims[4], n_dims; // as in the file: [out, in, kh, kw], [out, in] or [c]
    struct daub_pack pack;
    struct daub_tensor *more[2];   // weights packed behind this one, as pack.n_parts says
    const struct daub_range *data; // where the packed weight is; set by the binder before recording

    // values and inputs, set by the planner
    uint64_t offset, size; // bytes in the arena
    uint32_t first, last;  // first and last node position that needs it
    uint32_t index;        // among the net's tensors
};

// Words of 8 channels a pixel has (U32: words of 4 bytes).
static inline uint32_t daub_words(const struct daub_tensor *t)
{
    return t->dtype == DAUB_U32 ? t->shape.c : t->heads * ((t->shape.c / t->heads + 7) / 8);
}
static inline uint32_t daub_word_size(const struct daub_tensor *t)
{
    return t->dtype == DAUB_U32 ? 4u : t->dtype == DAUB_F16 ? 16u : 32u;
}
static inline uint32_t daub_rows(const struct daub_tensor *t) // pixels
{
    return t->shape.n * t->shape.h * t->shape.w;
}
static inline uint64_t daub_row_size(const struct daub_tensor *t)
{
    return (uint64_t)daub_words(t) * daub_word_size(t);
}
static inline uint64_t daub_tensor_size(const struct daub_tensor *t)
{
    return (uint64_t)daub_rows(t) * daub_row_size(t);
}

// Between plain fp32 NCHW (or [N, tokens, C] with h = 1: `nchw` false) and a tensor's stored bytes (daub_tensor_size of them), on
// the host: for inputs, read-back and tests. U32 tensors copy.
void daub_tensor_pack(const struct daub_tensor *t, bool nchw, const float *plain, void *stored);
void daub_tensor_unpack(const struct daub_tensor *t, bool nchw, const void *stored, float *plain);

#endif

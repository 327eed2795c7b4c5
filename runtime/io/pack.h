// pack.h - a checkpoint's weight into the order a kernel reads. Host arithmetic only; sums and rounding in fp32.
#ifndef DAUB_IO_PACK_H
#define DAUB_IO_PACK_H
#include "runtime/graph/tensor.h"

enum daub_file_dtype {
    DAUB_FILE_F32,
    DAUB_FILE_F16,
    DAUB_FILE_BF16,
    DAUB_FILE_F64,
    DAUB_FILE_I64,
    DAUB_FILE_I32,
    DAUB_FILE_U8,
    DAUB_FILE_OTHER
};

struct daub_blob;

// A tensor in a file, unaligned. Element (o, i...) of a weight stands at row o, or, when `transposed` (2-D only), at
// row i, column o.
struct daub_view {
    const uint8_t *data; // NULL: at byte `at` of `blob`, which must be read
    const struct daub_blob *blob;
    uint64_t at;
    enum daub_file_dtype dtype;
    uint32_t n_dims;
    uint64_t dims[4]; // after slicing and transposing: what the network calls it
    bool transposed;
};

// Raised with every change of what daub_pack_weight writes for a given daub_pack: caches of packed weights go by it.
enum { DAUB_PACK_VERSION = 1 };

// Bytes of the packed weight, a multiple of 16. `dims` are the weight's as the network names them.
//
// PANEL layout (runtime/op/gemm.c): physical output columns in panels of 64, panel after panel; in a panel one row of 64 values
// per k; k runs over kernel rows, kernel columns, then the input's physical channels (in.c[0] in `heads` runs padded to 8, then
// in.c[1]). Columns and channels that are padding hold zeros. fp16 or fp32 as pack->dtype says. With pack->geglu, panel 2p holds value
// columns 64p.. and panel 2p+1 the gates of the same columns. With pack->winograd the kernel's 9 taps are transformed to 16 or 9
// (pack_winograd.c), with pack->phases to 16 (pack_phases.c).
uint64_t daub_pack_size(const struct daub_pack *pack, const uint32_t *dims, uint32_t n_dims);

// Packs all of it into `out`, on several threads where it is large; with pack->n_parts the view is of one part, and `out` the place
// of that one, which has an equal share of daub_pack_size bytes.
void daub_pack_weight(const struct daub_pack *pack, const struct daub_view *view, void *out);

// The same of a view without data: read in pieces of DAUB_PACK_PIECE bytes at the most, or whole where its rows do not stand in the
// pack's order (transposed, or heads that need padding: no large weight of a real model). Reads in the calling thread only.
// Errors: IO, NO_HOST_MEMORY.
enum { DAUB_PACK_PIECE = 16 << 20 };
daub_status daub_pack_read(const struct daub_host *host, const struct daub_pack *pack, const struct daub_view *view,
                           void *out);
size_t daub_file_dtype_size(enum daub_file_dtype dtype); // bytes of an element; 0: OTHER

// Physical channels of a layout, and the logical channel at physical index i (UINT32_MAX for padding).
uint32_t daub_channels_physical(const struct daub_channels *channels);
uint32_t daub_channels_logical(const struct daub_channels *channels, uint32_t i);

#endif

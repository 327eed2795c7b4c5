// pack_private.h - what the files of pack.h's layouts need of one another.
#ifndef DAUB_IO_PACK_PRIVATE_H
#define DAUB_IO_PACK_PRIVATE_H
#include "runtime/io/pack.h"

// n elements of the file from index `first` on, as fp32.
void daub_pack_floats(const struct daub_view *view, uint64_t first, uint32_t n, float *out);
// A PANEL weight with pack->winograd.
void daub_pack_winograd(const struct daub_pack *pack, const struct daub_view *view, uint32_t n_panels, void *out);

#endif

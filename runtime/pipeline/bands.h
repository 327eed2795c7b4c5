// bands.h - how the VAE's decoder is cut into bands, for decoder_cut.c, which decides, and decoder_bands.c, which runs them.
#ifndef DAUB_PIPELINE_BANDS_H
#define DAUB_PIPELINE_BANDS_H
#include "runtime/pipeline/engine.h"

struct daub_part { // a segment (see models/vae.h), and how its map is cut
    struct daub_vae_segment segment;
    uint32_t map_h, map_w; // of what it reads
    uint32_t halo, rows;   // round a band, and of one
};

struct daub_cut {
    const struct daub_engine *engine;
    enum daub_dtype dtype;
    const struct daub_decode_params *params;
    uint32_t n_blocks, n_parts; // up blocks of the head
    struct daub_part *parts;
    bool *seen; // heights of bands, while a part's are gone through
};

// Decides. `cut` has engine, dtype and params; free it also on failure. Where nothing fits, bands are of one row.
daub_status daub_cut_choose(struct daub_cut *cut);
void daub_cut_free(struct daub_cut *cut);

struct daub_window { // rows of a part's map that a band reads, and those that are its own
    uint32_t first, n, own_first, own_n;
};
struct daub_window daub_window_at(const struct daub_part *part, uint32_t own_first);

// Rows of the result a row of what is read.
uint32_t daub_part_scale(const struct daub_part *part);
// Whether rows of the result can take the residual's place: other bands have no use for a residual's rows that are not theirs.
bool daub_part_in_place(const struct daub_part *part);

struct daub_band_graph { // of the head or of a band; what is written and read
    struct daub_net *net;
    struct daub_tensor *x, *residual, *stats, *out, *rgb8, *flags; // NULL where there is none
};
daub_status daub_head_graph(const struct daub_cut *cut, uint32_t n_blocks, struct daub_band_graph *out);
daub_status daub_band_graph(const struct daub_cut *cut, const struct daub_part *part, uint32_t rows,
                            struct daub_band_graph *out);

#endif

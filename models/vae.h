// vae.h - AutoencoderKL, both halves.
#ifndef DAUB_MODELS_VAE_H
#define DAUB_MODELS_VAE_H
#include "runtime/base/json.h"
#include "runtime/base/limits.h"
#include "runtime/graph/net.h"

struct daub_vae_config { // names as in config.json
    uint32_t in_channels, out_channels, latent_channels, sample_size;
    uint32_t n_levels;
    uint32_t block_out_channels[DAUB_VAE_MAX_LEVELS];
    uint32_t layers_per_block;
    uint32_t norm_num_groups;
    double scaling_factor, shift_factor;
    bool use_quant_conv, use_post_quant_conv, mid_block_add_attention;
};

daub_status daub_vae_config_parse(const struct daub_json *json, struct daub_vae_config *out);

// latents [N,h,w,latent_channels] (already divided by scaling_factor) -> fp32 picture, about -1..1:
// [N, h << (n_levels-1), w << (n_levels-1), out_channels].
struct daub_tensor *daub_vae_decode_build(struct daub_net *net, const struct daub_vae_config *cfg,
                                          struct daub_tensor *latents);

// ---- decoding in bands -----------------------------------------------------------------------------------------------
//
// The decoder's wide end can run on some rows at a time. It is cut at its GroupNorms, because those look at a whole map: what lies
// between two of them, a segment, needs of other rows only its convolutions' reach.

// The decoder's beginning, through `n_blocks` of its up blocks; all of them leave the last segment. latents as above ->
// [N,h << n,w << n,C], the map that the first segment reads; n is how many of those blocks double it.
struct daub_tensor *daub_vae_head_build(struct daub_net *net, const struct daub_vae_config *cfg,
                                        struct daub_tensor *latents, uint32_t n_blocks);

struct daub_vae_segment {
    bool last;             // conv_norm_out and conv_out: the result is the picture
    bool second;           // of a resnet: norm2 to the sum, and the upsampler after it; else norm1 and conv1
    bool doubles;          // the result has twice the rows and columns
    uint32_t block, layer; // up_blocks.<block>.resnets.<layer>
    uint32_t in, out;      // channels
    uint32_t residual;     // channels of the map that the resnet began with; 0: not read
    uint32_t scale;        // rows of the map that it reads, a row of the latents
};

// Segments that follow a head of n_blocks up blocks, and one of them.
uint32_t daub_vae_n_segments(const struct daub_vae_config *cfg, uint32_t n_blocks);
struct daub_vae_segment daub_vae_segment_at(const struct daub_vae_config *cfg, uint32_t n_blocks, uint32_t index);

struct daub_vae_band {            // rows of whole maps, the same ones of each
    struct daub_tensor *x;        // [N,rows,W,in], what the last segment left
    struct daub_tensor *residual; // [N,rows,W,residual], what the segment before that left; NULL: not read
    struct daub_tensor *stats;    // of all of x's map, see daub_group_norm_given
    uint32_t pixels;              // of x's map
};
// The segment on a band: [N,rows,W,out], or twice the rows and columns. Rows near a cut are not those of the whole map.
struct daub_tensor *daub_vae_segment_build(struct daub_net *net, const struct daub_vae_config *cfg,
                                           const struct daub_vae_segment *segment, const struct daub_vae_band *band);

// ---- encoding --------------------------------------------------------------------------------------------------------

// picture [N,H,W,in_channels] in -1..1 -> fp32 moments [N,h,w,2 * latent_channels]: mean, then log variance (not
// clamped).
struct daub_tensor *daub_vae_encode_build(struct daub_net *net, const struct daub_vae_config *cfg,
                                          struct daub_tensor *image);

#endif

// vae.h - AutoencoderKL, both halves.
#ifndef DAUB_MODELS_VAE_H
#define DAUB_MODELS_VAE_H
#include "runtime/base/json.h"
#include "runtime/graph/net.h"

enum { DAUB_VAE_MAX_LEVELS = 8 };

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
// picture [N,H,W,in_channels] in -1..1 -> fp32 moments [N,h,w,2 * latent_channels]: mean, then log variance (not
// clamped).
struct daub_tensor *daub_vae_encode_build(struct daub_net *net, const struct daub_vae_config *cfg,
                                          struct daub_tensor *image);

#endif

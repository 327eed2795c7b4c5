// unet.h - UNet2DConditionModel (Stable Diffusion's denoiser) and UNet2DModel (unconditional): one config, one builder.
#ifndef DAUB_MODELS_UNET_H
#define DAUB_MODELS_UNET_H
#include "runtime/base/json.h"
#include "runtime/base/limits.h"
#include "runtime/graph/net.h"

struct daub_key_counts; // runtime/op/op.h

struct daub_unet_config { // names as in config.json
    bool conditional;     // UNet2DConditionModel; else UNet2DModel
    uint32_t in_channels, out_channels, sample_size;
    uint32_t n_levels;
    uint32_t block_out_channels[DAUB_UNET_MAX_LEVELS];
    uint32_t layers_per_block[DAUB_UNET_MAX_LEVELS];
    bool down_attention[DAUB_UNET_MAX_LEVELS]; // CrossAttnDownBlock2D, AttnDownBlock2D; else DownBlock2D
    bool up_attention[DAUB_UNET_MAX_LEVELS];   // as up_block_types counts: 0 is the deepest
    bool mid_block, mid_attention;
    uint32_t transformer_layers_per_block[DAUB_UNET_MAX_LEVELS];
    // The number of heads on each level. SD 1.x's config calls it attention_head_dim (8) although it counts heads; in
    // UNet2DModel the same field is a head's size and null means one head.
    uint32_t num_heads[DAUB_UNET_MAX_LEVELS];
    uint32_t cross_attention_dim;
    bool use_linear_projection;
    uint32_t norm_num_groups;
    uint32_t attn_norm_num_groups; // of the mid block's attention in UNet2DModel
    float norm_eps;
    bool flip_sin_to_cos;
    double freq_shift;
    uint32_t downsample_padding; // 0: pads right and bottom only
    uint32_t time_embed_dim;     // 4 * block_out_channels[0]
};

// Errors: UNSUPPORTED naming an unknown class, block type or option and the file.
daub_status daub_unet_config_parse(const struct daub_json *json, struct daub_unet_config *out);

// Sinusoidal features of a time step, block_out_channels[0] of them: what diffusers calls time_proj. Ho et al. 2020,
// from Vaswani et al. 2017.
void daub_unet_time_features(const struct daub_unet_config *cfg, double timestep, float *out);

// x [N,H,W,in_channels], time [rows,1,1,block_out_channels[0]] (daub_unet_time_features, one row a model call; stage
// TIME), text [N,1,tokens,cross_attention_dim] or NULL -> fp32 [N,H,W,out_channels]. keys: NULL, or the lengths of the pictures' texts,
// which then lie one after the other: [1,1,all tokens,cross_attention_dim].
struct daub_tensor *daub_unet_build(struct daub_net *net, const struct daub_unet_config *cfg, struct daub_tensor *x,
                                    struct daub_tensor *time, struct daub_tensor *text,
                                    const struct daub_key_counts *keys);

#endif

// unet.c - the denoisers: diffusers' UNet2DConditionModel (Stable Diffusion) and UNet2DModel (unconditional).
//
// Names in quotes are the checkpoint's own (diffusers layout), so this file can be read beside config.json and a list
// of tensor names.
#include "models/unet.h"

#include "models/nn/nn.h"

#include <assert.h>

enum { MAX_SKIPS = 1 + DAUB_UNET_MAX_LEVELS * (DAUB_UNET_MAX_LAYERS + 1) };

struct unet { // what every block needs
    const struct daub_unet_config *cfg;
    struct daub_tensor *temb; // silu(time embedding), [rows,1,1,time_embed_dim]
    struct daub_tensor *text; // NULL: unconditional
    const struct daub_key_counts *keys;
    struct daub_tensor *skips[MAX_SKIPS];
    uint32_t n_skips;
};

static struct nn_norm norm_of(const struct daub_unet_config *cfg)
{
    return (struct nn_norm) { cfg->norm_num_groups, cfg->norm_eps };
}

static struct daub_tensor *resnet(struct daub_net *net, const struct unet *unet, const char *name, uint32_t level,
                                  struct daub_tensor *x)
{
    return nn_resnet(net, name, x, unet->temb, unet->cfg->block_out_channels[level], norm_of(unet->cfg));
}

// Transformer2DModel with the text, or plain attention between pixels: [N,H,W,C] -> the same.
static struct daub_tensor *attention(struct daub_net *net, const struct unet *unet, const char *name, uint32_t level,
                                     struct daub_tensor *x)
{
    const struct daub_unet_config *cfg = unet->cfg;
    if (!cfg->conditional)
        return nn_attention_2d(net, name, x, cfg->num_heads[level], norm_of(cfg));
    const struct nn_transformer transformer = {
        .n_heads = cfg->num_heads[level],
        .depth = cfg->transformer_layers_per_block[level],
        .norm_groups = cfg->norm_num_groups,
        .keys = unet->keys,
        .linear = cfg->use_linear_projection,
    };
    return nn_transformer_2d(net, name, x, unet->text, transformer);
}

// DownBlock2D, CrossAttnDownBlock2D, AttnDownBlock2D: [N,H,W,C] -> [N,H/2,W/2,ch], the last one without halving. Every
// layer's result is a skip.
static struct daub_tensor *down_block(struct daub_net *net, struct unet *unet, uint32_t level, struct daub_tensor *x)
{
    const struct daub_unet_config *cfg = unet->cfg;

    daub_scope_push(net, "down_blocks.%u", level);
    for (uint32_t i = 0; i < cfg->layers_per_block[level]; i++) {
        x = resnet(net, unet, nn_name(net, "resnets.%u", i), level, x);
        if (cfg->down_attention[level])
            x = attention(net, unet, nn_name(net, "attentions.%u", i), level, x);
        unet->skips[unet->n_skips++] = x;
    }
    if (level < cfg->n_levels - 1) {
        x = nn_downsample_2d(net, "downsamplers.0", x, cfg->downsample_padding);
        unet->skips[unet->n_skips++] = x;
    }
    daub_scope_pop(net);
    return x;
}

// UNetMidBlock2DCrossAttn, UNetMidBlock2D: [N,H,W,C] -> the same.
static struct daub_tensor *mid_block(struct daub_net *net, const struct unet *unet, struct daub_tensor *x)
{
    const struct daub_unet_config *cfg = unet->cfg;
    const uint32_t bottom = cfg->n_levels - 1;

    daub_scope_push(net, "mid_block");
    x = resnet(net, unet, "resnets.0", bottom, x);
    if (cfg->mid_attention && cfg->conditional)
        x = attention(net, unet, "attentions.0", bottom, x);
    else if (cfg->mid_attention)
        x = nn_attention_2d(net, "attentions.0", x, cfg->num_heads[bottom],
                            (struct nn_norm) { cfg->attn_norm_num_groups, cfg->norm_eps });
    x = resnet(net, unet, "resnets.1", bottom, x);
    daub_scope_pop(net);
    return x;
}

// UpBlock2D, CrossAttnUpBlock2D, AttnUpBlock2D: [N,H,W,C] -> [N,2H,2W,ch], the last one without doubling. Each layer
// takes a skip.
static struct daub_tensor *up_block(struct daub_net *net, struct unet *unet, uint32_t i, struct daub_tensor *x)
{
    const struct daub_unet_config *cfg = unet->cfg;
    const uint32_t level = cfg->n_levels - 1 - i; // up_blocks.0 is the deepest

    daub_scope_push(net, "up_blocks.%u", i);
    for (uint32_t j = 0; j < cfg->layers_per_block[level] + 1; j++) {
        x = daub_concat(net, x, unet->skips[--unet->n_skips]);
        x = resnet(net, unet, nn_name(net, "resnets.%u", j), level, x);
        if (cfg->up_attention[i])
            x = attention(net, unet, nn_name(net, "attentions.%u", j), level, x);
    }
    if (level > 0) { // to the next skip's size, which is odd where the way down rounded up
        const struct daub_tensor *skip = unet->skips[unet->n_skips - 1];
        x = nn_upsample_2d(net, "upsamplers.0", x, skip->shape.h, skip->shape.w);
    }
    daub_scope_pop(net);
    return x;
}

void daub_unet_time_features(const struct daub_unet_config *cfg, double timestep, float *out)
{
    nn_timestep_features(timestep, cfg->block_out_channels[0], cfg->flip_sin_to_cos, cfg->freq_shift, out);
}

struct daub_tensor *daub_unet_build(struct daub_net *net, const struct daub_unet_config *cfg, struct daub_tensor *x,
                                    struct daub_tensor *time, struct daub_tensor *text,
                                    const struct daub_key_counts *keys)
{
    assert(!text == !cfg->conditional);
    struct unet unet = { .cfg = cfg, .text = text, .keys = keys };

    // Every block wants silu(temb) and none wants temb, so it is computed once.
    time = daub_point(net, "time_proj", time);
    unet.temb = nn_silu(net, nn_time_embedding(net, "time_embedding", time, cfg->time_embed_dim));

    x = nn_conv2d(net, "conv_in", x, (struct nn_conv) { .out = cfg->block_out_channels[0], .kernel = 3, .pad = 1 });
    unet.skips[unet.n_skips++] = x;

    for (uint32_t i = 0; i < cfg->n_levels; i++)
        x = down_block(net, &unet, i, x);
    if (cfg->mid_block)
        x = mid_block(net, &unet, x);
    for (uint32_t i = 0; i < cfg->n_levels; i++)
        x = up_block(net, &unet, i, x);

    x = nn_silu(net, nn_group_norm(net, "conv_norm_out", x, norm_of(cfg)));
    return nn_output_conv2d(net, "conv_out", x, (struct nn_conv) { .out = cfg->out_channels, .kernel = 3, .pad = 1 });
}

// vae.c - AutoencoderKL: pictures to latents and back. Names in quotes are the checkpoint's own (diffusers layout).
#include "models/vae.h"

#include "models/nn/nn.h"

static const float NORM_EPS = 1e-6f; // everywhere; the U-Net's resnets have 1e-5

static struct nn_norm norm_of(const struct daub_vae_config *cfg)
{
    return (struct nn_norm) { cfg->norm_num_groups, NORM_EPS };
}

static struct daub_tensor *resnet(struct daub_net *net, const struct daub_vae_config *cfg, const char *name,
                                  struct daub_tensor *x, uint32_t out)
{
    return nn_resnet(net, name, x, NULL, out, norm_of(cfg));
}

// UNetMidBlock2D: [N,h,w,C] -> the same. One head as wide as the tensor.
static struct daub_tensor *mid_block(struct daub_net *net, const struct daub_vae_config *cfg, struct daub_tensor *x)
{
    const uint32_t c = x->shape.c;

    daub_scope_push(net, "mid_block");
    x = resnet(net, cfg, "resnets.0", x, c);
    if (cfg->mid_block_add_attention)
        x = nn_attention_2d(net, "attentions.0", x, 1, norm_of(cfg));
    x = resnet(net, cfg, "resnets.1", x, c);
    daub_scope_pop(net);
    return x;
}

// UpDecoderBlock2D: [N,H,W,C] -> [N,2H,2W,out], the last one without doubling.
static struct daub_tensor *up_block(struct daub_net *net, const struct daub_vae_config *cfg, uint32_t i,
                                    struct daub_tensor *x)
{
    const uint32_t level = cfg->n_levels - 1 - i; // up_blocks.0 is the deepest
    const char *name = nn_name(net, "up_blocks.%u", i);

    daub_scope_push(net, "%s", name);
    for (uint32_t j = 0; j < cfg->layers_per_block + 1; j++)
        x = resnet(net, cfg, nn_name(net, "resnets.%u", j), x, cfg->block_out_channels[level]);
    if (level > 0)
        x = nn_upsample_2d(net, "upsamplers.0", x, 2 * x->shape.h, 2 * x->shape.w);
    daub_scope_pop(net);
    return daub_point(net, name, x);
}

// DownEncoderBlock2D: [N,H,W,C] -> [N,H/2,W/2,out], the last one without halving. Pads right and bottom only.
static struct daub_tensor *down_block(struct daub_net *net, const struct daub_vae_config *cfg, uint32_t level,
                                      struct daub_tensor *x)
{
    const char *name = nn_name(net, "down_blocks.%u", level);

    daub_scope_push(net, "%s", name);
    for (uint32_t j = 0; j < cfg->layers_per_block; j++)
        x = resnet(net, cfg, nn_name(net, "resnets.%u", j), x, cfg->block_out_channels[level]);
    if (level < cfg->n_levels - 1)
        x = nn_downsample_2d(net, "downsamplers.0", x, 0);
    daub_scope_pop(net);
    return daub_point(net, name, x);
}

struct daub_tensor *daub_vae_head_build(struct daub_net *net, const struct daub_vae_config *cfg,
                                        struct daub_tensor *latents, uint32_t n_blocks)
{
    const uint32_t bottom = cfg->block_out_channels[cfg->n_levels - 1];
    struct daub_tensor *x = latents;
    if (cfg->use_post_quant_conv)
        x = nn_conv2d(net, "post_quant_conv", x, (struct nn_conv) { .out = cfg->latent_channels, .kernel = 1 });

    daub_scope_push(net, "decoder");
    x = nn_conv2d(net, "conv_in", x, (struct nn_conv) { .out = bottom, .kernel = 3, .pad = 1 });
    x = mid_block(net, cfg, x);
    for (uint32_t i = 0; i < n_blocks; i++)
        x = up_block(net, cfg, i, x);
    daub_scope_pop(net);
    return x;
}

static struct daub_tensor *conv_out(struct daub_net *net, const struct daub_vae_config *cfg, struct daub_tensor *x)
{
    return nn_output_conv2d(net, "conv_out", nn_silu(net, x),
                            (struct nn_conv) { .out = cfg->out_channels, .kernel = 3, .pad = 1 });
}

struct daub_tensor *daub_vae_decode_build(struct daub_net *net, const struct daub_vae_config *cfg,
                                          struct daub_tensor *latents)
{
    struct daub_tensor *x = daub_vae_head_build(net, cfg, latents, cfg->n_levels);
    daub_scope_push(net, "decoder");
    x = conv_out(net, cfg, nn_group_norm(net, "conv_norm_out", x, norm_of(cfg)));
    daub_scope_pop(net);
    return x;
}

uint32_t daub_vae_n_segments(const struct daub_vae_config *cfg, uint32_t n_blocks)
{
    return 2 * (cfg->layers_per_block + 1) * (cfg->n_levels - n_blocks) + 1;
}

// Channels that an up block takes and gives.
static void block_channels(const struct daub_vae_config *cfg, uint32_t block, uint32_t *in, uint32_t *out)
{
    const uint32_t level = cfg->n_levels - 1 - block;
    *out = cfg->block_out_channels[level];
    *in = cfg->block_out_channels[block > 0 ? level + 1 : level];
}

struct daub_vae_segment daub_vae_segment_at(const struct daub_vae_config *cfg, uint32_t n_blocks, uint32_t index)
{
    const uint32_t layers = cfg->layers_per_block + 1, top = cfg->n_levels - 1;
    if (index + 1 == daub_vae_n_segments(cfg, n_blocks))
        return (struct daub_vae_segment) {
            .last = true, .in = cfg->block_out_channels[0], .out = cfg->out_channels, .scale = 1u << top
        };
    struct daub_vae_segment s = {
        .second = index % 2 != 0,
        .layer = index / 2 % layers,
        .block = n_blocks + index / 2 / layers,
    };
    uint32_t in;
    block_channels(cfg, s.block, &in, &s.out);
    if (s.layer > 0)
        in = s.out;
    s.in = s.second ? s.out : in;
    s.residual = s.second ? in : 0;
    s.scale = 1u << s.block; // every block but the last doubles
    s.doubles = s.second && s.layer + 1 == layers && s.block < top;
    return s;
}

struct daub_tensor *daub_vae_segment_build(struct daub_net *net, const struct daub_vae_config *cfg,
                                           const struct daub_vae_segment *segment, const struct daub_vae_band *band)
{
    const char *const norm = segment->last ? "conv_norm_out" : segment->second ? "norm2" : "norm1";
    const struct nn_conv conv3x3 = { .out = segment->out, .kernel = 3, .pad = 1 };
    const struct nn_conv conv1x1 = { .out = segment->out, .kernel = 1 };

    daub_scope_push(net, "decoder");
    if (!segment->last) {
        daub_scope_push(net, "up_blocks.%u", segment->block);
        daub_scope_push(net, "resnets.%u", segment->layer);
    }
    struct daub_tensor *x = nn_group_norm_given(net, norm, band->x, band->stats, band->pixels, norm_of(cfg));
    if (segment->last) {
        x = conv_out(net, cfg, x);
        daub_scope_pop(net);
        return x;
    }
    x = nn_conv2d(net, segment->second ? "conv2" : "conv1", nn_silu(net, x), conv3x3);
    if (segment->second) {
        struct daub_tensor *residual = band->residual;
        if (segment->residual != segment->out)
            residual = nn_conv2d(net, "conv_shortcut", residual, conv1x1);
        x = daub_add(net, residual, x);
    }
    daub_scope_pop(net);
    if (segment->doubles)
        x = nn_upsample_2d(net, "upsamplers.0", x, 2 * x->shape.h, 2 * x->shape.w);
    daub_scope_pop(net);
    daub_scope_pop(net);
    return x;
}

struct daub_tensor *daub_vae_encode_build(struct daub_net *net, const struct daub_vae_config *cfg,
                                          struct daub_tensor *image)
{
    const struct nn_conv conv_in = { .out = cfg->block_out_channels[0], .kernel = 3, .pad = 1 };
    const struct nn_conv conv_out = { .out = 2 * cfg->latent_channels, .kernel = 3, .pad = 1 };
    const struct nn_conv quant_conv = { .out = 2 * cfg->latent_channels, .kernel = 1 };

    daub_scope_push(net, "encoder");
    struct daub_tensor *x = nn_conv2d(net, "conv_in", image, conv_in);
    for (uint32_t i = 0; i < cfg->n_levels; i++)
        x = down_block(net, cfg, i, x);
    x = mid_block(net, cfg, x);
    x = nn_silu(net, nn_group_norm(net, "conv_norm_out", x, norm_of(cfg)));
    x = cfg->use_quant_conv ? nn_conv2d(net, "conv_out", x, conv_out) : nn_output_conv2d(net, "conv_out", x, conv_out);
    daub_scope_pop(net);
    return cfg->use_quant_conv ? nn_output_conv2d(net, "quant_conv", x, quant_conv) : x;
}

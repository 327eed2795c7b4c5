// ldm_config.c - configs from names and shapes of a single file.
//
// model.diffusion_model.input_blocks counts conv_in, then per level its layers and, but for the last, a downsampler
// (".op"). What the weights cannot say is as in every released model of the layout: 32 norm groups, epsilon 1e-5, text
// heads 64 wide.
#include "models/ldm_config.h"

#include <stdio.h>
#include <string.h>

#define UNET "model.diffusion_model."

// ViT-H has 24 layers, of which the last is never run; files converted from diffusers do not even store it.
enum { OPEN_CLIP_LAYERS = 23 };

enum { NORM_GROUPS = 32, TEXT_HEAD_WIDTH = 64, MIN_WIDTH = 128, MAX_BLOCKS = 128 };

static const struct daub_st_tensor *find(const struct daub_safetensors *st, const char *fmt, ...) DAUB_PRINTF(2, 3);
static const struct daub_st_tensor *find(const struct daub_safetensors *st, const char *fmt, ...)
{
    char name[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);
    return daub_safetensors_find(st, name);
}

static daub_status need(const struct daub_safetensors *st, const char *name, uint32_t n_dims,
                        const struct daub_st_tensor **out)
{
    const struct daub_st_tensor *t = daub_safetensors_find(st, name);
    if (!t)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: the tensor %s is missing", daub_safetensors_path(st), name);
    if (t->n_dims != n_dims)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s has %u dimensions, wanted %u", daub_safetensors_path(st), name,
                         t->n_dims, n_dims);
    for (uint32_t i = 0; i < n_dims; i++)
        if (t->dims[i] == 0 || t->dims[i] > 1u << 24)
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s: dimension %u of %s is %llu", daub_safetensors_path(st), i, name,
                             (unsigned long long)t->dims[i]);
    *out = t;
    return DAUB_OK;
}

static daub_status cannot_tell(const struct daub_safetensors *st, const char *what)
{
    return daub_fail(DAUB_ERROR_UNSUPPORTED,
                     "%s: cannot tell %s from the tensors; give --config-from FOLDER, a diffusers folder of the same "
                     "model",
                     daub_safetensors_path(st), what);
}

// Transformer blocks in input or output block `i`; 0: it has no attention.
static uint32_t depth_of(const struct daub_safetensors *st, const char *blocks, uint32_t i)
{
    uint32_t depth = 0;
    while (depth < DAUB_UNET_MAX_DEPTH && find(st, UNET "%s.%u.1.transformer_blocks.%u.norm1.weight", blocks, i, depth))
        depth++;
    return depth;
}

// Levels, widths and attention of the way down.
static daub_status way_down(const struct daub_safetensors *st, struct daub_unet_config *cfg)
{
    uint32_t level = 0;
    for (uint32_t i = 1; i < MAX_BLOCKS; i++) {
        if (find(st, UNET "input_blocks.%u.0.op.weight", i)) {
            if (++level == DAUB_UNET_MAX_LEVELS)
                return cannot_tell(st, "the number of levels");
            continue;
        }
        const struct daub_st_tensor *conv = find(st, UNET "input_blocks.%u.0.out_layers.3.weight", i);
        if (!conv)
            break;
        const uint32_t depth = depth_of(st, "input_blocks", i);
        cfg->block_out_channels[level] = (uint32_t)conv->dims[0];
        cfg->layers_per_block[level]++;
        cfg->down_attention[level] = depth > 0;
        cfg->transformer_layers_per_block[level] = depth > 0 ? depth : 1;
    }
    cfg->n_levels = level + 1;
    for (uint32_t i = 0; i < cfg->n_levels; i++)
        if (cfg->layers_per_block[i] == 0 || cfg->layers_per_block[i] > DAUB_UNET_MAX_LAYERS ||
            cfg->layers_per_block[i] != cfg->layers_per_block[0])
            return cannot_tell(st, "the layers of each level");
    return DAUB_OK;
}

static daub_status unet_heads(const struct daub_safetensors *st, struct daub_ldm_heads heads,
                              struct daub_unet_config *cfg)
{
    for (uint32_t i = 0; i < cfg->n_levels; i++) {
        const uint32_t channels = cfg->block_out_channels[i];
        const uint32_t count = heads.count ? heads.count : channels / heads.width;
        if (channels < MIN_WIDTH || channels % NORM_GROUPS != 0 || count == 0 || channels % count != 0 ||
            (heads.width && channels % heads.width != 0))
            return cannot_tell(st, "the U-Net's heads and norm groups");
        cfg->num_heads[i] = count;
    }
    return DAUB_OK;
}

daub_status daub_ldm_unet_config(const struct daub_safetensors *st, struct daub_ldm_heads heads,
                                 struct daub_unet_config *out)
{
    struct daub_unet_config cfg = {
        .conditional = true,
        .sample_size = 64,
        .mid_block = true,
        .mid_attention = true,
        .norm_num_groups = NORM_GROUPS,
        .norm_eps = 1e-5f,
        .flip_sin_to_cos = true,
        .downsample_padding = 1,
    };
    const struct daub_st_tensor *first, *last, *time, *context;
    TRY(need(st, UNET "input_blocks.0.0.weight", 4, &first));
    TRY(need(st, UNET "out.2.weight", 4, &last));
    TRY(need(st, UNET "time_embed.0.weight", 2, &time));
    TRY(need(st, UNET "middle_block.1.transformer_blocks.0.attn2.to_k.weight", 2, &context));
    cfg.in_channels = (uint32_t)first->dims[1];
    cfg.out_channels = (uint32_t)last->dims[0];
    cfg.time_embed_dim = (uint32_t)time->dims[0];
    cfg.cross_attention_dim = (uint32_t)context->dims[1];

    const struct daub_st_tensor *proj = find(st, UNET "middle_block.1.proj_in.weight");
    cfg.use_linear_projection = proj && proj->n_dims == 2;
    TRY(way_down(st, &cfg));
    uint32_t block = 0;
    for (uint32_t i = 0; i < cfg.n_levels; i++) { // output_blocks.0 is the deepest level's first layer
        cfg.up_attention[i] = depth_of(st, "output_blocks", block) > 0;
        block += cfg.layers_per_block[cfg.n_levels - 1 - i] + 1;
    }
    TRY(unet_heads(st, heads, &cfg));
    *out = cfg;
    return DAUB_OK;
}

static daub_status need_vae(const struct daub_safetensors *st, const char *prefix, const char *name,
                            const struct daub_st_tensor **out)
{
    char whole[256];
    snprintf(whole, sizeof(whole), "%s%s", prefix, name);
    return need(st, whole, 4, out);
}

daub_status daub_ldm_vae_config(const struct daub_safetensors *st, const char *prefix, struct daub_vae_config *out)
{
    struct daub_vae_config cfg = {
        .in_channels = 3,
        .sample_size = 512,
        .norm_num_groups = NORM_GROUPS,
        .scaling_factor = 0.18215,
        .use_quant_conv = find(st, "%squant_conv.weight", prefix) != NULL,
        .use_post_quant_conv = find(st, "%spost_quant_conv.weight", prefix) != NULL,
        .mid_block_add_attention = find(st, "%sdecoder.mid.attn_1.norm.weight", prefix) != NULL,
    };
    const struct daub_st_tensor *first, *last;
    TRY(need_vae(st, prefix, "decoder.conv_in.weight", &first));
    TRY(need_vae(st, prefix, "decoder.conv_out.weight", &last));
    cfg.latent_channels = (uint32_t)first->dims[1];
    cfg.out_channels = (uint32_t)last->dims[0];

    const struct daub_st_tensor *conv;
    while ((conv = find(st, "%sdecoder.up.%u.block.0.conv1.weight", prefix, cfg.n_levels)) != NULL) {
        if (cfg.n_levels == DAUB_VAE_MAX_LEVELS)
            return cannot_tell(st, "the VAE's levels");
        cfg.block_out_channels[cfg.n_levels++] = (uint32_t)conv->dims[0];
        if (conv->dims[0] == 0 || conv->dims[0] % NORM_GROUPS != 0)
            return cannot_tell(st, "the VAE's norm groups");
    }
    while (cfg.layers_per_block < DAUB_VAE_MAX_LAYERS &&
           find(st, "%sdecoder.up.0.block.%u.conv1.weight", prefix, cfg.layers_per_block + 1))
        cfg.layers_per_block++; // one less than the decoder has
    if (cfg.n_levels == 0 || cfg.layers_per_block == 0)
        return cannot_tell(st, "the VAE's levels");
    *out = cfg;
    return DAUB_OK;
}

// One text encoder's names: where its sizes can be read.
struct text_names {
    const char *words, *positions, *layer, *inner;
};

daub_status daub_ldm_text_config(const struct daub_safetensors *st, bool open_clip, struct daub_clip_config *out)
{
    static const struct text_names layouts[] = {
        {
            "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight",
            "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight",
            "cond_stage_model.transformer.text_model.encoder.layers.%u.layer_norm1.weight",
            "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight",
        },
        {
            "cond_stage_model.transformer.embeddings.token_embedding.weight", // text_model. is missing in some files
            "cond_stage_model.transformer.embeddings.position_embedding.weight",
            "cond_stage_model.transformer.encoder.layers.%u.layer_norm1.weight",
            "cond_stage_model.transformer.encoder.layers.0.mlp.fc1.weight",
        },
        {
            "cond_stage_model.model.token_embedding.weight",
            "cond_stage_model.model.positional_embedding",
            "cond_stage_model.model.transformer.resblocks.%u.ln_1.weight",
            "cond_stage_model.model.transformer.resblocks.0.mlp.c_fc.weight",
        },
    };
    const struct text_names *names = open_clip                                     ? &layouts[2]
                                     : daub_safetensors_find(st, layouts[1].words) ? &layouts[1]
                                                                                   : &layouts[0];
    const struct daub_st_tensor *words, *positions, *inner;
    TRY(need(st, names->words, 2, &words));
    TRY(need(st, names->positions, 2, &positions));
    TRY(need(st, names->inner, 2, &inner));

    uint32_t n_layers = 0;
    char name[160];
    for (; n_layers < DAUB_CLIP_MAX_LAYERS; n_layers++) {
        const char *percent = strstr(names->layer, "%u");
        snprintf(name, sizeof(name), "%.*s%u%s", (int)(percent - names->layer), names->layer, n_layers, percent + 2);
        if (!daub_safetensors_find(st, name))
            break;
    }
    const uint32_t width = (uint32_t)words->dims[1];
    if (width % TEXT_HEAD_WIDTH != 0 || width < MIN_WIDTH || n_layers == 0)
        return cannot_tell(st, "the text encoder's heads and layers");
    *out = (struct daub_clip_config) {
        .vocab_size = (uint32_t)words->dims[0],
        .hidden_size = width,
        .intermediate_size = (uint32_t)inner->dims[0],
        .num_hidden_layers = open_clip && n_layers > OPEN_CLIP_LAYERS ? OPEN_CLIP_LAYERS : n_layers,
        .num_attention_heads = width / TEXT_HEAD_WIDTH,
        .max_position_embeddings = (uint32_t)positions->dims[0],
        .quick_gelu = !open_clip,
        .layer_norm_eps = 1e-5f,
        .eos_token_id = 49407,
    };
    return DAUB_OK;
}

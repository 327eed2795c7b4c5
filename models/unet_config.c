// unet_config.c - config.json of UNet2DConditionModel and UNet2DModel. What the builder cannot do is refused by name.
#include "models/unet.h"

#include "models/config.h"

#include <string.h>

// clang-format off
static const struct daub_config_rule common_rules[] = {
    { "act_fn",                   "silu",       "swish" },
    { "center_input_sample",      "false",      NULL },
    { "class_embed_type",         NULL,         NULL },
    { "mid_block_scale_factor",   "1",          NULL },
    { "num_class_embeds",         NULL,         NULL },
    { "resnet_time_scale_shift",  "default",    NULL },
    { "time_embedding_type",      "positional", NULL },
};
static const struct daub_config_rule conditional_rules[] = {
    { "addition_embed_type",                   NULL,      NULL },
    { "attention_type",                        "default", NULL },
    { "class_embeddings_concat",               "false",   NULL },
    { "conv_in_kernel",                        "3",       NULL },
    { "conv_out_kernel",                       "3",       NULL },
    { "cross_attention_norm",                  NULL,      NULL },
    { "dual_cross_attention",                  "false",   NULL },
    { "encoder_hid_dim",                       NULL,      NULL },
    { "encoder_hid_dim_type",                  NULL,      NULL },
    { "mid_block_only_cross_attention",        "false",   NULL },
    { "only_cross_attention",                  "false",   NULL },
    { "resnet_out_scale_factor",               "1",       NULL },
    { "resnet_skip_time_act",                  "false",   NULL },
    { "reverse_transformer_layers_per_block",  NULL,      NULL },
    { "time_cond_proj_dim",                    NULL,      NULL },
    { "time_embedding_act_fn",                 NULL,      NULL },
    { "timestep_post_act",                     NULL,      NULL },
};
static const struct daub_config_rule unconditional_rules[] = {
    { "downsample_type", "conv", NULL },
    { "upsample_type",   "conv", NULL },
};
// clang-format on

// The classes' own defaults, for files that leave a key out.
static const struct daub_unet_config conditional_defaults = {
    .conditional = true,
    .in_channels = 4,
    .out_channels = 4,
    .sample_size = 64,
    .n_levels = 4,
    .block_out_channels = { 320, 640, 1280, 1280 },
    .layers_per_block = { 2, 2, 2, 2, 2, 2, 2, 2 },
    .down_attention = { true, true, true, false },
    .up_attention = { false, true, true, true },
    .mid_block = true,
    .mid_attention = true,
    .transformer_layers_per_block = { 1, 1, 1, 1, 1, 1, 1, 1 },
    .num_heads = { 8, 8, 8, 8, 8, 8, 8, 8 },
    .cross_attention_dim = 1280,
    .norm_num_groups = 32,
    .norm_eps = 1e-5f,
    .flip_sin_to_cos = true,
    .downsample_padding = 1,
};
static const struct daub_unet_config unconditional_defaults = {
    .in_channels = 3,
    .out_channels = 3,
    .sample_size = 32,
    .n_levels = 4,
    .block_out_channels = { 224, 448, 672, 896 },
    .layers_per_block = { 2, 2, 2, 2, 2, 2, 2, 2 },
    .down_attention = { false, true, true, true },
    .up_attention = { true, true, true, false },
    .mid_block = true,
    .mid_attention = true,
    .norm_num_groups = 32,
    .norm_eps = 1e-5f,
    .flip_sin_to_cos = true,
    .downsample_padding = 1,
};

// down_block_types or up_block_types: `plain` or `attention`, one a level.
static daub_status block_types(const struct daub_json *json, const char *key, const char *plain, const char *attention,
                               uint32_t n_levels, bool *out)
{
    const char *types[DAUB_UNET_MAX_LEVELS];
    uint32_t count = 0;
    TRY(daub_json_text_list(json, key, types, DAUB_UNET_MAX_LEVELS, &count));
    if (count == 0 && n_levels == 4) // the class's default types are for four levels
        return DAUB_OK;
    if (count != n_levels)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s has %u entries, block_out_channels %u", json->name, key, count,
                         n_levels);
    for (uint32_t i = 0; i < count; i++) {
        out[i] = strcmp(types[i], attention) == 0;
        if (!out[i] && strcmp(types[i], plain) != 0)
            return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: %s[%u] is of the unknown type '%s' (known: %s and %s)",
                             json->name, key, i, types[i], plain, attention);
    }
    return DAUB_OK;
}

static daub_status mid_block_type(const struct daub_json *json, const char *known, bool *out)
{
    const char *type = known;
    TRY(daub_json_text(json, "mid_block_type", &type));
    if (strcmp(type, known) != 0)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: mid_block_type is the unknown '%s' (known: %s)", json->name, type,
                         known);
    *out = !daub_config_is_null(json, "mid_block_type");
    return DAUB_OK;
}

static daub_status levels(const struct daub_json *json, struct daub_unet_config *cfg)
{
    uint32_t count = 0;
    TRY(daub_json_u32_list(json, "block_out_channels", 1, DAUB_MAX_CHANNELS, cfg->block_out_channels,
                           DAUB_UNET_MAX_LEVELS, &count));
    if (count > 0)
        cfg->n_levels = count;
    TRY(daub_config_levels(json, "layers_per_block", 1, DAUB_UNET_MAX_LAYERS, cfg->n_levels, cfg->layers_per_block));
    TRY(block_types(json, "down_block_types", "DownBlock2D",
                    cfg->conditional ? "CrossAttnDownBlock2D" : "AttnDownBlock2D", cfg->n_levels, cfg->down_attention));
    TRY(block_types(json, "up_block_types", "UpBlock2D", cfg->conditional ? "CrossAttnUpBlock2D" : "AttnUpBlock2D",
                    cfg->n_levels, cfg->up_attention));
    return mid_block_type(json, cfg->conditional ? "UNetMidBlock2DCrossAttn" : "UNetMidBlock2D", &cfg->mid_block);
}

static bool has_attention(const struct daub_unet_config *cfg, uint32_t level)
{
    const uint32_t bottom = cfg->n_levels - 1;
    return cfg->down_attention[level] || cfg->up_attention[bottom - level] || (cfg->mid_attention && level == bottom);
}

static daub_status common(const struct daub_json *json, struct daub_unet_config *cfg)
{
    TRY(daub_config_check(json, common_rules, sizeof(common_rules) / sizeof(common_rules[0])));
    TRY(levels(json, cfg));
    TRY(daub_json_u32(json, "in_channels", 1, DAUB_MAX_IO_CHANNELS, &cfg->in_channels));
    TRY(daub_json_u32(json, "out_channels", 1, DAUB_MAX_IO_CHANNELS, &cfg->out_channels));
    uint32_t size[2], count = 0; // a number, or height and width
    TRY(daub_json_u32_list(json, "sample_size", 1, DAUB_MAX_SAMPLE_SIZE, size, 2, &count));
    if (count > 0)
        cfg->sample_size = size[0];
    if (daub_config_is_null(json, "norm_num_groups"))
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: norm_num_groups null is not supported", json->name);
    TRY(daub_json_u32(json, "norm_num_groups", 1, DAUB_MAX_CHANNELS, &cfg->norm_num_groups));
    TRY(daub_json_f32(json, "norm_eps", &cfg->norm_eps));
    TRY(daub_json_bool(json, "flip_sin_to_cos", &cfg->flip_sin_to_cos));
    TRY(daub_json_f64(json, "freq_shift", &cfg->freq_shift));
    TRY(daub_json_u32(json, "downsample_padding", 0, 1, &cfg->downsample_padding));
    cfg->time_embed_dim = 4 * cfg->block_out_channels[0];
    return daub_json_u32(json, "time_embedding_dim", 1, DAUB_MAX_CHANNELS, &cfg->time_embed_dim);
}

static daub_status conditional(const struct daub_json *json, struct daub_unet_config *cfg)
{
    TRY(daub_config_check(json, conditional_rules, sizeof(conditional_rules) / sizeof(conditional_rules[0])));
    TRY(daub_config_levels(json, "transformer_layers_per_block", 1, DAUB_UNET_MAX_DEPTH, cfg->n_levels,
                           cfg->transformer_layers_per_block));
    // The name is a trap: in this class the field counts heads (diffusers issue 2011). A later name, where given, wins.
    TRY(daub_config_levels(json, "attention_head_dim", 1, DAUB_MAX_CHANNELS, cfg->n_levels, cfg->num_heads));
    TRY(daub_config_levels(json, "num_attention_heads", 1, DAUB_MAX_CHANNELS, cfg->n_levels, cfg->num_heads));
    TRY(daub_json_bool(json, "use_linear_projection", &cfg->use_linear_projection));

    uint32_t dims[DAUB_UNET_MAX_LEVELS];
    for (uint32_t i = 0; i < cfg->n_levels; i++)
        dims[i] = cfg->cross_attention_dim;
    TRY(daub_config_levels(json, "cross_attention_dim", 1, DAUB_MAX_CHANNELS, cfg->n_levels, dims));
    for (uint32_t i = 1; i < cfg->n_levels; i++)
        if (dims[i] != dims[0])
            return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: cross_attention_dim differs between levels (%u and %u)",
                             json->name, dims[0], dims[i]);
    cfg->cross_attention_dim = dims[0];
    return DAUB_OK;
}

static daub_status unconditional(const struct daub_json *json, struct daub_unet_config *cfg)
{
    TRY(daub_config_check(json, unconditional_rules, sizeof(unconditional_rules) / sizeof(unconditional_rules[0])));
    TRY(daub_json_bool(json, "add_attention", &cfg->mid_attention));
    cfg->attn_norm_num_groups = cfg->norm_num_groups;
    TRY(daub_json_u32(json, "attn_norm_num_groups", 1, DAUB_MAX_CHANNELS, &cfg->attn_norm_num_groups));

    // Here the field is what its name says, a head's width; null is one head as wide as the level, absent is 8.
    uint32_t width = 8;
    TRY(daub_json_u32(json, "attention_head_dim", 1, DAUB_MAX_CHANNELS, &width));
    const bool one_head = daub_config_is_null(json, "attention_head_dim");
    for (uint32_t i = 0; i < cfg->n_levels; i++) {
        const uint32_t channels = cfg->block_out_channels[i];
        if (has_attention(cfg, i) && !one_head && channels % width != 0)
            return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: %u channels of level %u do not split into heads of %u",
                             json->name, channels, i, width);
        cfg->num_heads[i] = one_head ? 1 : channels / width;
    }
    return DAUB_OK;
}

static daub_status check_widths(const struct daub_json *json, const struct daub_unet_config *cfg)
{
    for (uint32_t i = 0; i < cfg->n_levels; i++) {
        const uint32_t channels = cfg->block_out_channels[i];
        if (channels % cfg->norm_num_groups != 0)
            return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: %u channels of level %u do not split into %u groups",
                             json->name, channels, i, cfg->norm_num_groups);
        if (has_attention(cfg, i) && (cfg->num_heads[i] == 0 || channels % cfg->num_heads[i] != 0))
            return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: %u channels of level %u do not split into %u heads",
                             json->name, channels, i, cfg->num_heads[i]);
    }
    return DAUB_OK;
}

daub_status daub_unet_config_parse(const struct daub_json *json, struct daub_unet_config *out)
{
    static const char *const classes[] = { "UNet2DConditionModel", "UNet2DModel" };
    const char *name = NULL;
    TRY(daub_config_class(json, classes, 2, &name));

    struct daub_unet_config cfg = name == classes[0] ? conditional_defaults : unconditional_defaults;
    TRY(common(json, &cfg));
    TRY(cfg.conditional ? conditional(json, &cfg) : unconditional(json, &cfg));
    TRY(check_widths(json, &cfg));
    *out = cfg;
    return DAUB_OK;
}

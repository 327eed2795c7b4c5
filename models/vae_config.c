// vae_config.c - config.json of AutoencoderKL.
#include "models/vae.h"

#include "models/config.h"

#include <string.h>

static daub_status block_types(const struct daub_json *json, const char *key, const char *known, uint32_t n_levels)
{
    const char *types[DAUB_VAE_MAX_LEVELS];
    uint32_t count = 0;
    TRY(daub_json_text_list(json, key, types, DAUB_VAE_MAX_LEVELS, &count));
    if (count > 0 && count != n_levels)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s has %u entries, block_out_channels %u", json->name, key, count,
                         n_levels);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(types[i], known) != 0)
            return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: %s[%u] is of the unknown type '%s' (known: %s)", json->name,
                             key, i, types[i], known);
    return DAUB_OK;
}

daub_status daub_vae_config_parse(const struct daub_json *json, struct daub_vae_config *out)
{
    static const char *const classes[] = { "AutoencoderKL" };
    static const struct daub_config_rule rules[] = {
        { "act_fn", "silu", "swish" },
        { "latents_mean", NULL, NULL },
        { "latents_std", NULL, NULL },
    };
    const char *name = NULL;
    TRY(daub_config_class(json, classes, 1, &name));
    TRY(daub_config_check(json, rules, sizeof(rules) / sizeof(rules[0])));

    struct daub_vae_config cfg = {
        // the class's own defaults
        .in_channels = 3,
        .out_channels = 3,
        .latent_channels = 4,
        .sample_size = 32,
        .n_levels = 1,
        .block_out_channels = { 64 },
        .layers_per_block = 1,
        .norm_num_groups = 32,
        .scaling_factor = 0.18215,
        .use_quant_conv = true,
        .use_post_quant_conv = true,
        .mid_block_add_attention = true,
    };
    uint32_t count = 0;
    TRY(daub_json_u32_list(json, "block_out_channels", 1, DAUB_MAX_CHANNELS, cfg.block_out_channels,
                           DAUB_VAE_MAX_LEVELS, &count));
    if (count > 0)
        cfg.n_levels = count;
    TRY(block_types(json, "down_block_types", "DownEncoderBlock2D", cfg.n_levels));
    TRY(block_types(json, "up_block_types", "UpDecoderBlock2D", cfg.n_levels));
    TRY(daub_json_u32(json, "in_channels", 1, DAUB_MAX_IO_CHANNELS, &cfg.in_channels));
    TRY(daub_json_u32(json, "out_channels", 1, DAUB_MAX_IO_CHANNELS, &cfg.out_channels));
    TRY(daub_json_u32(json, "latent_channels", 1, DAUB_MAX_IO_CHANNELS, &cfg.latent_channels));
    TRY(daub_json_u32(json, "sample_size", 1, DAUB_MAX_SIZE, &cfg.sample_size));
    TRY(daub_json_u32(json, "layers_per_block", 1, DAUB_VAE_MAX_LAYERS, &cfg.layers_per_block));
    TRY(daub_json_u32(json, "norm_num_groups", 1, DAUB_MAX_CHANNELS, &cfg.norm_num_groups));
    TRY(daub_json_f64(json, "scaling_factor", &cfg.scaling_factor));
    TRY(daub_json_f64(json, "shift_factor", &cfg.shift_factor));
    TRY(daub_json_bool(json, "use_quant_conv", &cfg.use_quant_conv));
    TRY(daub_json_bool(json, "use_post_quant_conv", &cfg.use_post_quant_conv));
    TRY(daub_json_bool(json, "mid_block_add_attention", &cfg.mid_block_add_attention));
    if (!(cfg.scaling_factor > 0.0))
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: scaling_factor %g is not above 0", json->name, cfg.scaling_factor);
    *out = cfg;
    return DAUB_OK;
}

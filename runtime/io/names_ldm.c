// names_ldm.c - the original LDM names. The U-Net of Rombach et al. numbers its blocks through (input_blocks.7.1) where
// diffusers has level and place (down_blocks.2.attentions.0); the VAE counts decoder levels from the other end;
// OpenCLIP fuses queries, keys and values.
#include "runtime/io/names_ldm.h"

#include <stdio.h>
#include <string.h>

struct rename {
    const char *from, *to; // parts of a name, with the dot that ends them
};

// clang-format off
static const struct rename unet_top[] = {
    { "conv_in.",                 "input_blocks.0.0." },
    { "conv_norm_out.",           "out.0." },
    { "conv_out.",                "out.2." },
    { "time_embedding.linear_1.", "time_embed.0." },
    { "time_embedding.linear_2.", "time_embed.2." },
    { "add_embedding.linear_1.",  "label_emb.0.0." },
    { "add_embedding.linear_2.",  "label_emb.0.2." },
    { NULL, NULL },
};
static const struct rename unet_resnet[] = {
    { "norm1.",         "in_layers.0." },
    { "conv1.",         "in_layers.2." },
    { "time_emb_proj.", "emb_layers.1." },
    { "norm2.",         "out_layers.0." },
    { "conv2.",         "out_layers.3." },
    { "conv_shortcut.", "skip_connection." },
    { NULL, NULL },
};
static const struct rename vae_attention[] = {
    { "group_norm.", "norm." },
    { "to_q.",       "q." },
    { "to_k.",       "k." },
    { "to_v.",       "v." },
    { "to_out.0.",   "proj_out." },
    { NULL, NULL },
};
static const struct rename clip_top[] = {
    { "embeddings.token_embedding.weight",    "token_embedding.weight" },
    { "embeddings.position_embedding.weight", "positional_embedding" },
    { "final_layer_norm.",                    "ln_final." },
    { NULL, NULL },
};
static const struct rename clip_layer[] = {
    { "self_attn.out_proj.", "attn.out_proj." },
    { "layer_norm1.",        "ln_1." },
    { "layer_norm2.",        "ln_2." },
    { "mlp.fc1.",            "mlp.c_fc." },
    { "mlp.fc2.",            "mlp.c_proj." },
    { NULL, NULL },
};
// clang-format on

// The rest of `name` behind `start`, or NULL.
static const char *after(const char *name, const char *start)
{
    const size_t n = strlen(start);
    return strncmp(name, start, n) == 0 ? name + n : NULL;
}

// The number and dot at *name, which moves behind them. At most 4 digits.
static bool number(const char **name, uint32_t *out)
{
    uint32_t value = 0, digits = 0;
    for (; **name >= '0' && **name <= '9' && digits < 4; digits++)
        value = value * 10 + (uint32_t)(*(*name)++ - '0');
    if (digits == 0 || **name != '.')
        return false;
    ++*name;
    *out = value;
    return true;
}

// Replaces the start of `name` that a row of the table has. false: none has.
static bool renamed(const struct rename *table, const char *name, const char **to, const char **rest)
{
    for (; table->from; table++) {
        *rest = after(name, table->from);
        if (*rest) {
            *to = table->to;
            return true;
        }
    }
    return false;
}

static bool put(struct daub_ldm_name *out, const char *fmt, ...) DAUB_PRINTF(2, 3);
static bool put(struct daub_ldm_name *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(out->name, sizeof(out->name), fmt, args);
    va_end(args);
    return n > 0 && (size_t)n < sizeof(out->name);
}

// A resnet or a transformer of the U-Net, as the slot `block` of a numbered block: "input_blocks.4.0.".
static bool unet_slot(struct daub_ldm_name *out, const char *prefix, const char *block, bool resnet, const char *rest)
{
    if (!resnet)
        return put(out, "%s%s%s", prefix, block, rest);
    const char *to;
    return renamed(unet_resnet, rest, &to, &rest) && put(out, "%s%s%s%s", prefix, block, to, rest);
}

// "resnets.J." or "attentions.J.": which, and J.
static bool resnet_or_attention(const char **name, bool *resnet, uint32_t *index)
{
    const char *rest = after(*name, "resnets.");
    *resnet = rest != NULL;
    if (!rest)
        rest = after(*name, "attentions.");
    if (!rest || !number(&rest, index))
        return false;
    *name = rest;
    return true;
}

static bool unet_name(const struct daub_ldm_layout *layout, const char *name, uint32_t variant,
                      struct daub_ldm_name *out)
{
    const char *const prefix = daub_ldm_prefix(DAUB_UNET);
    const uint32_t per_level = layout->unet_layers_per_block + 1; // numbered blocks a level has, its resampler included
    const char *to, *rest = name;
    uint32_t level, index;
    bool resnet;
    char block[64];

    const char *up = after(name, "up_blocks.");
    if (up && number(&up, &level) && (rest = after(up, "upsamplers.0.conv."))) {
        const uint32_t slot = variant == 0 ? 2 : 1;
        return variant < 2 &&
               put(out, "%soutput_blocks.%u.%u.conv.%s", prefix, level * per_level + per_level - 1, slot, rest);
    }
    if (variant > 0)
        return false;
    if (renamed(unet_top, name, &to, &rest))
        return put(out, "%s%s%s", prefix, to, rest);
    if ((rest = after(name, "mid_block."))) {
        if (!resnet_or_attention(&rest, &resnet, &index))
            return false;
        snprintf(block, sizeof(block), "middle_block.%u.", 2 * index + !resnet);
        return unet_slot(out, prefix, block, resnet, rest);
    }
    if (up && resnet_or_attention(&up, &resnet, &index)) {
        snprintf(block, sizeof(block), "output_blocks.%u.%d.", level * per_level + index, !resnet);
        return unet_slot(out, prefix, block, resnet, up);
    }
    const char *down = after(name, "down_blocks.");
    if (!down || !number(&down, &level))
        return false;
    const uint32_t first = 1 + level * per_level; // conv_in is input block 0
    if ((rest = after(down, "downsamplers.0.conv.")))
        return put(out, "%sinput_blocks.%u.0.op.%s", prefix, first + per_level - 1, rest);
    if (!resnet_or_attention(&down, &resnet, &index))
        return false;
    snprintf(block, sizeof(block), "input_blocks.%u.%d.", first + index, !resnet);
    return unet_slot(out, prefix, block, resnet, down);
}

// The inside of a VAE resnet keeps its names but for the shortcut.
static bool vae_resnet(struct daub_ldm_name *out, const char *block, const char *rest)
{
    const char *shortcut = after(rest, "conv_shortcut.");
    return shortcut ? put(out, "%snin_shortcut.%s", block, shortcut) : put(out, "%s%s", block, rest);
}

static bool vae_name(const struct daub_ldm_layout *layout, const char *name, struct daub_ldm_name *out)
{
    const char *const prefix = daub_ldm_prefix(DAUB_VAE);
    const char *inner = after(name, "encoder.");
    const char *half = "encoder.";
    if (!inner) {
        inner = after(name, "decoder.");
        half = "decoder.";
    }
    if (!inner) // quant_conv, post_quant_conv
        return put(out, "%s%s", prefix, name);

    const char *to, *rest;
    uint32_t level, index;
    char block[128];
    if ((rest = after(inner, "conv_norm_out.")))
        return put(out, "%s%snorm_out.%s", prefix, half, rest);
    if ((rest = after(inner, "mid_block.attentions.0.")))
        return renamed(vae_attention, rest, &to, &rest) && put(out, "%s%smid.attn_1.%s%s", prefix, half, to, rest);
    if ((rest = after(inner, "mid_block.resnets."))) {
        if (!number(&rest, &index))
            return false;
        snprintf(block, sizeof(block), "%s%smid.block_%u.", prefix, half, index + 1);
        return vae_resnet(out, block, rest);
    }
    const char *side = "down";
    if (!(rest = after(inner, "down_blocks."))) {
        side = "up";
        rest = after(inner, "up_blocks.");
    }
    if (!rest)
        return put(out, "%s%s", prefix, name); // conv_in, conv_out
    if (!number(&rest, &level) || level >= layout->vae_levels)
        return false;
    if (side[0] == 'u')
        level = layout->vae_levels - 1 - level;
    const char *tail;
    if ((tail = after(rest, "downsamplers.0.")))
        return put(out, "%s%s%s.%u.downsample.%s", prefix, half, side, level, tail);
    if ((tail = after(rest, "upsamplers.0.")))
        return put(out, "%s%s%s.%u.upsample.%s", prefix, half, side, level, tail);
    if (!(tail = after(rest, "resnets.")) || !number(&tail, &index))
        return false;
    snprintf(block, sizeof(block), "%s%s%s.%u.block.%u.", prefix, half, side, level, index);
    return vae_resnet(out, block, tail);
}

static bool open_clip_name(const struct daub_ldm_layout *layout, const char *name, struct daub_ldm_name *out)
{
    static const char prefix[] = "cond_stage_model.model.";
    const char *inner = after(name, "text_model.");
    if (!inner)
        inner = name;
    const char *to, *rest;
    uint32_t layer;
    if (strcmp(inner, "text_projection.weight") == 0) {
        out->transposed = true;
        return put(out, "%stext_projection", prefix);
    }
    if (renamed(clip_top, inner, &to, &rest))
        return put(out, "%s%s%s", prefix, to, rest);
    const char *in_layer = after(inner, "encoder.layers.");
    if (!in_layer || !number(&in_layer, &layer))
        return false;
    static const char *const fused[] = { "self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj." };
    for (uint32_t i = 0; i < 3; i++) {
        if ((rest = after(in_layer, fused[i]))) {
            out->first_row = i * layout->text_hidden;
            out->n_rows = layout->text_hidden;
            return layout->text_hidden > 0 &&
                   put(out, "%stransformer.resblocks.%u.attn.in_proj_%s", prefix, layer, rest);
        }
    }
    return renamed(clip_layer, in_layer, &to, &rest) &&
           put(out, "%stransformer.resblocks.%u.%s%s", prefix, layer, to, rest);
}

const char *daub_ldm_prefix(enum daub_component c)
{
    static const char *const prefixes[DAUB_COMPONENT_COUNT] = {
        [DAUB_UNET] = "model.diffusion_model.",
        [DAUB_VAE] = "first_stage_model.",
        [DAUB_TEXT] = "cond_stage_model.",
    };
    return prefixes[c];
}

bool daub_ldm_name(enum daub_component c, const struct daub_ldm_layout *layout, const char *name, uint32_t variant,
                   struct daub_ldm_name *out)
{
    *out = (struct daub_ldm_name) { .n_rows = 0 };
    if (c == DAUB_UNET)
        return unet_name(layout, name, variant, out);
    if (variant > 0)
        return false;
    if (c == DAUB_VAE)
        return vae_name(layout, name, out);
    if (layout->open_clip)
        return open_clip_name(layout, name, out);
    return put(out, "cond_stage_model.transformer.%s", name);
}

// clip_text.c - CLIPTextModel of transformers: a causal pre-LayerNorm transformer. Names in quotes are the checkpoint's
// own.
#include "models/clip_text.h"

#include "models/nn/nn.h"

#include <string.h>

// CLIPEncoderLayer: [N,1,tokens,C] -> the same.
static struct daub_tensor *layer(struct daub_net *net, const struct daub_clip_config *cfg, uint32_t i,
                                 struct daub_tensor *x)
{
    const enum daub_act act = cfg->quick_gelu ? DAUB_ACT_QUICK_GELU : DAUB_ACT_GELU;
    const char *name = nn_name(net, "encoder.layers.%u", i);

    daub_scope_push(net, "%s", name);
    struct daub_tensor *h = nn_layer_norm(net, "layer_norm1", x, cfg->layer_norm_eps);
    x = daub_add(net, x, nn_clip_attention(net, "self_attn", h, cfg->num_attention_heads));
    h = nn_layer_norm(net, "layer_norm2", x, cfg->layer_norm_eps);
    h = daub_act(net, nn_linear(net, "mlp.fc1", h, cfg->intermediate_size, NN_BIAS, 1), act);
    x = daub_add(net, x, nn_linear(net, "mlp.fc2", h, cfg->hidden_size, NN_BIAS, 1));
    daub_scope_pop(net);
    return daub_point(net, name, x);
}

void daub_clip_text_build(struct daub_net *net, const struct daub_clip_config *cfg, struct daub_tensor *ids,
                          uint32_t stop_at, struct daub_clip_outputs *out)
{
    daub_scope_push(net, "text_model");
    struct daub_tensor *x = nn_embeddings(net, "embeddings", ids, cfg->vocab_size, cfg->max_position_embeddings,
                                          cfg->hidden_size);
    out->hidden[0] = x;
    for (uint32_t i = 0; i < stop_at; i++) {
        x = layer(net, cfg, i, x);
        out->hidden[i + 1] = x;
    }
    out->last = nn_layer_norm(net, "final_layer_norm", x, cfg->layer_norm_eps);
    daub_scope_pop(net);
}

daub_status daub_clip_config_parse(const struct daub_json *json, struct daub_clip_config *out)
{
    const char *class_name = "CLIPTextModel";
    uint32_t n_names = 0;
    TRY(daub_json_text_list(json, "architectures", &class_name, 1, &n_names));
    if (strcmp(class_name, "CLIPTextModel") != 0 && strcmp(class_name, "CLIPTextModelWithProjection") != 0)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: unknown class '%s' (known here: CLIPTextModel)", json->name,
                         class_name);

    struct daub_clip_config cfg = {
        // the class's own defaults
        .vocab_size = 49408,     .hidden_size = 512,       .intermediate_size = 2048,
        .num_hidden_layers = 12, .num_attention_heads = 8, .max_position_embeddings = 77,
        .layer_norm_eps = 1e-5f, .eos_token_id = 49407,
    };
    const char *act = "quick_gelu";
    TRY(daub_json_u32(json, "vocab_size", 1, DAUB_MAX_TOKEN_IDS, &cfg.vocab_size));
    TRY(daub_json_u32(json, "hidden_size", 1, DAUB_MAX_CHANNELS, &cfg.hidden_size));
    TRY(daub_json_u32(json, "intermediate_size", 1, DAUB_CLIP_MAX_INNER, &cfg.intermediate_size));
    TRY(daub_json_u32(json, "num_hidden_layers", 1, DAUB_CLIP_MAX_LAYERS, &cfg.num_hidden_layers));
    TRY(daub_json_u32(json, "num_attention_heads", 1, DAUB_CLIP_MAX_HEADS, &cfg.num_attention_heads));
    TRY(daub_json_u32(json, "max_position_embeddings", 3, DAUB_MAX_TEXT_WINDOW, &cfg.max_position_embeddings));
    TRY(daub_json_f32(json, "layer_norm_eps", &cfg.layer_norm_eps));
    TRY(daub_json_u32(json, "eos_token_id", 0, DAUB_MAX_TOKEN_IDS, &cfg.eos_token_id));
    TRY(daub_json_text(json, "hidden_act", &act));
    cfg.quick_gelu = strcmp(act, "quick_gelu") == 0;
    if (!cfg.quick_gelu && strcmp(act, "gelu") != 0)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: hidden_act '%s' is not supported (only quick_gelu and gelu)",
                         json->name, act);
    *out = cfg;
    return DAUB_OK;
}

// clip_text.h - CLIPTextModel: OpenAI's CLIP (quick-GELU) and OpenCLIP (GELU).
#ifndef DAUB_MODELS_CLIP_TEXT_H
#define DAUB_MODELS_CLIP_TEXT_H
#include "runtime/base/json.h"
#include "runtime/base/limits.h"
#include "runtime/graph/net.h"

struct daub_clip_config { // names as in config.json
    uint32_t vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads;
    uint32_t max_position_embeddings;
    bool quick_gelu; // hidden_act
    float layer_norm_eps;
    uint32_t eos_token_id; // 2 means: the position of the highest id
};

daub_status daub_clip_config_parse(const struct daub_json *json, struct daub_clip_config *out);

struct daub_clip_outputs {
    struct daub_tensor *hidden[DAUB_CLIP_MAX_LAYERS + 1]; // [0] embedding sum, [i] output of layer i, no final norm
    struct daub_tensor *last;                             // hidden[stop_at] through final_layer_norm
};

// ids U32 [N,1,1,tokens] -> hidden states [N,1,tokens,hidden_size]. Runs layers 0..stop_at-1 (num_hidden_layers for
// all; one less is A1111's clip skip 2) and the final norm after them.
void daub_clip_text_build(struct daub_net *net, const struct daub_clip_config *cfg, struct daub_tensor *ids,
                          uint32_t stop_at, struct daub_clip_outputs *out);

#endif

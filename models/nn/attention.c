// attention.c - the three shapes attention comes in. Pixels are tokens as they lie, so nothing is reshaped.
#include "models/nn/nn.h"

static const char *const to_qkv[3] = { "to_q", "to_k", "to_v" };

struct daub_tensor *daub_nn_attention(struct daub_net *net, const char *name, struct daub_tensor *x,
                                      struct daub_tensor *context, const struct daub_key_counts *keys, uint32_t n_heads)
{
    const uint32_t c = x->shape.c;
    struct daub_tensor *qkv[3];

    daub_scope_push(net, "%s", name);
    if (context) {
        qkv[0] = nn_linear(net, to_qkv[0], x, c, NN_NO_BIAS, n_heads);
        nn_linears(net, to_qkv + 1, 2, context, c, NN_NO_BIAS, n_heads, qkv + 1);
    } else {
        nn_linears(net, to_qkv, 3, x, c, NN_NO_BIAS, n_heads, qkv);
    }
    x = keys ? daub_attention_of_lengths(net, qkv[0], qkv[1], qkv[2], *keys)
             : daub_attention(net, qkv[0], qkv[1], qkv[2], false);
    x = nn_linear(net, "to_out.0", x, c, NN_BIAS, 1);
    daub_scope_pop(net);
    return daub_point(net, name, x);
}

struct daub_tensor *daub_nn_attention_2d(struct daub_net *net, const char *name, struct daub_tensor *x,
                                         uint32_t n_heads, struct nn_norm norm)
{
    const uint32_t c = x->shape.c;

    daub_scope_push(net, "%s", name);
    struct daub_tensor *h = nn_group_norm(net, "group_norm", x, norm);
    struct daub_tensor *qkv[3];
    nn_linears(net, to_qkv, 3, h, c, NN_BIAS, n_heads, qkv);
    h = daub_attention(net, qkv[0], qkv[1], qkv[2], false);
    h = nn_linear(net, "to_out.0", h, c, NN_BIAS, 1);
    h = daub_add(net, x, h);
    daub_scope_pop(net);
    return daub_point(net, name, h);
}

struct daub_tensor *daub_nn_clip_attention(struct daub_net *net, const char *name, struct daub_tensor *x,
                                           uint32_t n_heads)
{
    const uint32_t c = x->shape.c;

    daub_scope_push(net, "%s", name);
    struct daub_tensor *qkv[3];
    nn_linears(net, (const char *const[]) { "q_proj", "k_proj", "v_proj" }, 3, x, c, NN_BIAS, n_heads, qkv);
    x = daub_attention(net, qkv[0], qkv[1], qkv[2], true);
    x = nn_linear(net, "out_proj", x, c, NN_BIAS, 1);
    daub_scope_pop(net);
    return daub_point(net, name, x);
}

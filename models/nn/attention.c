// attention.c - the three shapes attention comes in. Pixels are tokens as they lie, so nothing is reshaped.
#include "models/nn/nn.h"

struct daub_tensor *daub_nn_attention(struct daub_net *net, const char *name, struct daub_tensor *x,
                                      struct daub_tensor *context, uint32_t n_heads)
{
    const uint32_t c = x->shape.c;
    struct daub_tensor *from = context ? context : x;

    daub_scope_push(net, "%s", name);
    struct daub_tensor *q = nn_linear(net, "to_q", x, c, NN_NO_BIAS, n_heads);
    struct daub_tensor *k = nn_linear(net, "to_k", from, c, NN_NO_BIAS, n_heads);
    struct daub_tensor *v = nn_linear(net, "to_v", from, c, NN_NO_BIAS, n_heads);
    x = daub_attention(net, q, k, v, false);
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
    struct daub_tensor *q = nn_linear(net, "to_q", h, c, NN_BIAS, n_heads);
    struct daub_tensor *k = nn_linear(net, "to_k", h, c, NN_BIAS, n_heads);
    struct daub_tensor *v = nn_linear(net, "to_v", h, c, NN_BIAS, n_heads);
    h = daub_attention(net, q, k, v, false);
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
    struct daub_tensor *q = nn_linear(net, "q_proj", x, c, NN_BIAS, n_heads);
    struct daub_tensor *k = nn_linear(net, "k_proj", x, c, NN_BIAS, n_heads);
    struct daub_tensor *v = nn_linear(net, "v_proj", x, c, NN_BIAS, n_heads);
    x = daub_attention(net, q, k, v, true);
    x = nn_linear(net, "out_proj", x, c, NN_BIAS, 1);
    daub_scope_pop(net);
    return daub_point(net, name, x);
}

// transformer.c - Transformer2DModel and its BasicTransformerBlock.
#include "models/nn/nn.h"

static const float NORM_EPS = 1e-6f;       // the GroupNorm in front; the resnets' is 1e-5
static const float LAYER_NORM_EPS = 1e-5f; // norm1, norm2, norm3

// FeedForward with GEGLU: [N,H,W,C] -> 4C values and 4C gates -> [N,H,W,C].
static struct daub_tensor *feed_forward(struct daub_net *net, const char *name, struct daub_tensor *x)
{
    const uint32_t c = x->shape.c;

    daub_scope_push(net, "%s", name);
    x = daub_geglu(net, nn_linear(net, "net.0.proj", x, 8 * c, NN_BIAS, 1));
    x = daub_point(net, "net.0", x);
    x = nn_linear(net, "net.2", x, c, NN_BIAS, 1);
    daub_scope_pop(net);
    return daub_point(net, name, x);
}

// BasicTransformerBlock: [N,H,W,C] -> the same.
static struct daub_tensor *block(struct daub_net *net, const char *name, struct daub_tensor *x,
                                 struct daub_tensor *text, const struct nn_transformer *attrs)
{
    daub_scope_push(net, "%s", name);
    struct daub_tensor *h = nn_layer_norm(net, "norm1", x, LAYER_NORM_EPS);
    x = daub_add(net, x, nn_attention(net, "attn1", h, NULL, NULL, attrs->n_heads));
    h = nn_layer_norm(net, "norm2", x, LAYER_NORM_EPS);
    x = daub_add(net, x, nn_attention(net, "attn2", h, text, attrs->keys, attrs->n_heads));
    h = nn_layer_norm(net, "norm3", x, LAYER_NORM_EPS);
    x = daub_add(net, x, feed_forward(net, "ff", h));
    daub_scope_pop(net);
    return daub_point(net, name, x);
}

// A matrix [C,C] or the same numbers as a 1x1 convolution [C,C,1,1].
static struct daub_tensor *project(struct daub_net *net, const char *name, struct daub_tensor *x, bool linear)
{
    const uint32_t c = x->shape.c;
    return linear ? nn_linear(net, name, x, c, NN_BIAS, 1)
                  : nn_conv2d(net, name, x, (struct nn_conv) { .out = c, .kernel = 1 });
}

struct daub_tensor *daub_nn_transformer_2d(struct daub_net *net, const char *name, struct daub_tensor *x,
                                           struct daub_tensor *text, struct nn_transformer attrs)
{
    daub_scope_push(net, "%s", name);
    struct daub_tensor *h = nn_group_norm(net, "norm", x, (struct nn_norm) { attrs.norm_groups, NORM_EPS });
    h = project(net, "proj_in", h, attrs.linear);
    for (uint32_t i = 0; i < attrs.depth; i++)
        h = block(net, nn_name(net, "transformer_blocks.%u", i), h, text, &attrs);
    h = project(net, "proj_out", h, attrs.linear);
    h = daub_add(net, x, h);
    daub_scope_pop(net);
    return daub_point(net, name, h);
}

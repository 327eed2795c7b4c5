// layers.c - the layers of torch.nn: each fetches its weights by scope and calls its op.
#include "models/nn/nn.h"

#include <stdio.h>

static struct daub_tensor *weight(struct daub_net *net, uint32_t out, uint32_t in)
{
    return daub_net_weight(net, "weight", 2, (const uint32_t[]) { out, in });
}

static struct daub_tensor *conv_weight(struct daub_net *net, uint32_t out, uint32_t in, uint32_t kernel)
{
    return daub_net_weight(net, "weight", 4, (const uint32_t[]) { out, in, kernel, kernel });
}

static struct daub_tensor *vector(struct daub_net *net, const char *leaf, uint32_t n)
{
    return daub_net_weight(net, leaf, 1, &n);
}

static struct daub_conv padded(struct nn_conv conv)
{
    const uint32_t end = conv.pad + (conv.pad_end ? 1 : 0);
    return (struct daub_conv) {
        .stride = conv.stride, .pad_top = conv.pad, .pad_left = conv.pad, .pad_bottom = end, .pad_right = end
    };
}

const char *daub_nn_name(struct daub_net *net, const char *fmt, ...)
{
    char name[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);
    const char *kept = daub_arena_strdup(daub_net_arena(net), name);
    if (!kept)
        daub_net_fail(net, "no host memory for a module's name");
    return kept ? kept : "";
}

struct daub_tensor *daub_nn_linear(struct daub_net *net, const char *name, struct daub_tensor *x, uint32_t out,
                                   enum nn_bias bias, uint32_t heads)
{
    daub_scope_push(net, "%s", name);
    struct daub_tensor *w = weight(net, out, x->shape.c);
    struct daub_tensor *b = bias == NN_BIAS ? vector(net, "bias", out) : NULL;
    struct daub_tensor *y = daub_linear(net, x, w, b, heads);
    daub_scope_pop(net);
    return daub_point(net, name, y);
}

void daub_nn_linears(struct daub_net *net, const char *const *names, uint32_t n, struct daub_tensor *x, uint32_t out,
                     enum nn_bias bias, uint32_t heads, struct daub_tensor **results)
{
    struct daub_tensor *weights[3], *biases[3];
    for (uint32_t i = 0; i < n; i++) {
        daub_scope_push(net, "%s", names[i]);
        weights[i] = weight(net, out, x->shape.c);
        biases[i] = bias == NN_BIAS ? vector(net, "bias", out) : NULL;
        daub_scope_pop(net);
    }
    daub_scope_push(net, "%s", names[0]);
    daub_linear_parts(net, x, weights, bias == NN_BIAS ? biases : NULL, n, heads, results);
    daub_scope_pop(net);
    for (uint32_t i = 0; i < n; i++)
        results[i] = daub_point(net, names[i], results[i]);
}

struct daub_tensor *daub_nn_conv2d(struct daub_net *net, const char *name, struct daub_tensor *x, struct nn_conv conv)
{
    daub_scope_push(net, "%s", name);
    struct daub_tensor *w = conv_weight(net, conv.out, x->shape.c, conv.kernel);
    struct daub_tensor *b = vector(net, "bias", conv.out);
    const bool matrix = conv.kernel == 1 && conv.stride <= 1 && conv.pad == 0 && !conv.pad_end;
    struct daub_tensor *y = matrix ? daub_linear(net, x, w, b, 1) : daub_conv2d(net, x, w, b, padded(conv));
    daub_scope_pop(net);
    return daub_point(net, name, y);
}

struct daub_tensor *daub_nn_output_conv2d(struct daub_net *net, const char *name, struct daub_tensor *x,
                                          struct nn_conv conv)
{
    daub_scope_push(net, "%s", name);
    struct daub_tensor *w = conv_weight(net, conv.out, x->shape.c, conv.kernel);
    struct daub_tensor *b = vector(net, "bias", conv.out);
    struct daub_tensor *y = daub_conv2d_f32(net, x, w, b, padded(conv));
    daub_scope_pop(net);
    return daub_point(net, name, y);
}

struct daub_tensor *daub_nn_group_norm(struct daub_net *net, const char *name, struct daub_tensor *x,
                                       struct nn_norm norm)
{
    daub_scope_push(net, "%s", name);
    struct daub_tensor *gamma = vector(net, "weight", x->shape.c);
    struct daub_tensor *beta = vector(net, "bias", x->shape.c);
    struct daub_tensor *y = daub_group_norm(net, x, gamma, beta, norm.groups, norm.eps);
    daub_scope_pop(net);
    return daub_point(net, name, y);
}

struct daub_tensor *daub_nn_group_norm_given(struct daub_net *net, const char *name, struct daub_tensor *x,
                                             struct daub_tensor *stats, uint32_t pixels, struct nn_norm norm)
{
    daub_scope_push(net, "%s", name);
    struct daub_tensor *gamma = vector(net, "weight", x->shape.c);
    struct daub_tensor *beta = vector(net, "bias", x->shape.c);
    struct daub_tensor *y = daub_group_norm_given(net, x, gamma, beta, stats, pixels, norm.groups, norm.eps);
    daub_scope_pop(net);
    return daub_point(net, name, y);
}

struct daub_tensor *daub_nn_layer_norm(struct daub_net *net, const char *name, struct daub_tensor *x, float eps)
{
    daub_scope_push(net, "%s", name);
    struct daub_tensor *gamma = vector(net, "weight", x->shape.c);
    struct daub_tensor *beta = vector(net, "bias", x->shape.c);
    struct daub_tensor *y = daub_layer_norm(net, x, gamma, beta, eps);
    daub_scope_pop(net);
    return daub_point(net, name, y);
}

struct daub_tensor *daub_nn_silu(struct daub_net *net, struct daub_tensor *x)
{
    return daub_act(net, x, DAUB_ACT_SILU);
}

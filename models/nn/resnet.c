// resnet.c - what U-Net and VAE share: ResnetBlock2D, Downsample2D and Upsample2D of diffusers.
#include "models/nn/nn.h"

struct daub_tensor *daub_nn_resnet(struct daub_net *net, const char *name, struct daub_tensor *x,
                                   struct daub_tensor *temb, uint32_t out, struct nn_norm norm)
{
    const struct nn_conv conv3x3 = { .out = out, .kernel = 3, .pad = 1 };
    const struct nn_conv conv1x1 = { .out = out, .kernel = 1 };

    daub_scope_push(net, "%s", name);

    struct daub_tensor *h = nn_silu(net, nn_group_norm(net, "norm1", x, norm));
    h = nn_conv2d(net, "conv1", h, conv3x3);
    if (temb)
        h = daub_add_channels(net, h, nn_linear(net, "time_emb_proj", temb, out, NN_BIAS, 1));
    h = nn_silu(net, nn_group_norm(net, "norm2", h, norm));
    h = nn_conv2d(net, "conv2", h, conv3x3);

    if (x->shape.c != out)
        x = nn_conv2d(net, "conv_shortcut", x, conv1x1);
    h = daub_add(net, x, h);

    daub_scope_pop(net);
    return daub_point(net, name, h);
}

struct daub_tensor *daub_nn_downsample_2d(struct daub_net *net, const char *name, struct daub_tensor *x,
                                          uint32_t padding)
{
    const struct nn_conv conv = {
        .out = x->shape.c, .kernel = 3, .stride = 2, .pad = padding, .pad_end = padding == 0
    };
    daub_scope_push(net, "%s", name);
    x = nn_conv2d(net, "conv", x, conv);
    daub_scope_pop(net);
    return daub_point(net, name, x);
}

struct daub_tensor *daub_nn_upsample_2d(struct daub_net *net, const char *name, struct daub_tensor *x, uint32_t out_h,
                                        uint32_t out_w)
{
    daub_scope_push(net, "%s", name);
    x = daub_upsample_nearest(net, x, out_h, out_w);
    x = nn_conv2d(net, "conv", x, (struct nn_conv) { .out = x->shape.c, .kernel = 3, .pad = 1 });
    daub_scope_pop(net);
    return daub_point(net, name, x);
}

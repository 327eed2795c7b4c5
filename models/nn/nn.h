// nn.h - modules with weights, named as diffusers and transformers name theirs. A module's name is pushed on the net's
// scope, so its weights are found as "<scope>.<name>.weight"; its output is a point of that name (see daub_point).
#ifndef DAUB_MODELS_NN_NN_H
#define DAUB_MODELS_NN_NN_H
#include "runtime/op/op.h"

// Short names for the model files; the linker sees one prefix.
#define nn_attention daub_nn_attention
#define nn_attention_2d daub_nn_attention_2d
#define nn_clip_attention daub_nn_clip_attention
#define nn_conv2d daub_nn_conv2d
#define nn_downsample_2d daub_nn_downsample_2d
#define nn_embeddings daub_nn_embeddings
#define nn_group_norm daub_nn_group_norm
#define nn_group_norm_given daub_nn_group_norm_given
#define nn_layer_norm daub_nn_layer_norm
#define nn_linear daub_nn_linear
#define nn_linears daub_nn_linears
#define nn_name daub_nn_name
#define nn_output_conv2d daub_nn_output_conv2d
#define nn_resnet daub_nn_resnet
#define nn_silu daub_nn_silu
#define nn_time_embedding daub_nn_time_embedding
#define nn_timestep_features daub_nn_timestep_features
#define nn_transformer_2d daub_nn_transformer_2d
#define nn_upsample_2d daub_nn_upsample_2d

// ---- layers.c -------------------------------------------------------------------------------------------------------

// "resnets.0": a module's name made from parts; lives as long as the net.
const char *nn_name(struct daub_net *net, const char *fmt, ...) DAUB_PRINTF(2, 3);

enum nn_bias { NN_NO_BIAS, NN_BIAS };

// torch.nn.Linear over the channels of every pixel: [N,H,W,C] -> [N,H,W,out], laid out in `heads` runs.
struct daub_tensor *nn_linear(struct daub_net *net, const char *name, struct daub_tensor *x, uint32_t out,
                              enum nn_bias bias, uint32_t heads);

// n (at most 3) of the same x and size: names[i] -> out[i]; together where the op can.
void nn_linears(struct daub_net *net, const char *const *names, uint32_t n, struct daub_tensor *x, uint32_t out,
                enum nn_bias bias, uint32_t heads, struct daub_tensor **results);

struct nn_conv {
    uint32_t out, kernel;
    uint32_t stride; // 0 = 1
    uint32_t pad;    // all four sides
    bool pad_end;    // one row below and one column to the right besides
};
// torch.nn.Conv2d with bias: [N,H,W,C] -> [N,Ho,Wo,out].
struct daub_tensor *nn_conv2d(struct daub_net *net, const char *name, struct daub_tensor *x, struct nn_conv conv);
// The same with an fp32 result whatever the net's type: a network's last layer.
struct daub_tensor *nn_output_conv2d(struct daub_net *net, const char *name, struct daub_tensor *x,
                                     struct nn_conv conv);

struct nn_norm {
    uint32_t groups;
    float eps;
};
struct daub_tensor *nn_group_norm(struct daub_net *net, const char *name, struct daub_tensor *x, struct nn_norm norm);
// The same for a part of a map of `pixels` pixels, with the map's statistics (see daub_group_norm_given).
struct daub_tensor *nn_group_norm_given(struct daub_net *net, const char *name, struct daub_tensor *x,
                                        struct daub_tensor *stats, uint32_t pixels, struct nn_norm norm);
struct daub_tensor *nn_layer_norm(struct daub_net *net, const char *name, struct daub_tensor *x, float eps);
struct daub_tensor *nn_silu(struct daub_net *net, struct daub_tensor *x);

// ---- resnet.c -------------------------------------------------------------------------------------------------------

// ResnetBlock2D: [N,H,W,C] (or a pair) -> [N,H,W,out]. temb: silu(time embedding), [rows,1,1,D]; NULL in the VAE.
struct daub_tensor *nn_resnet(struct daub_net *net, const char *name, struct daub_tensor *x, struct daub_tensor *temb,
                              uint32_t out, struct nn_norm norm);
// Downsample2D: a 3x3 convolution of stride 2. padding 1: [N,ceil(H/2),ceil(W/2),C]; 0: one row below and one column to
// the right are added instead, [N,floor(H/2),floor(W/2),C].
struct daub_tensor *nn_downsample_2d(struct daub_net *net, const char *name, struct daub_tensor *x, uint32_t padding);
// Upsample2D: nearest to out_h x out_w (between 2H-1 and 2H, 2W-1 and 2W), then a 3x3 convolution.
struct daub_tensor *nn_upsample_2d(struct daub_net *net, const char *name, struct daub_tensor *x, uint32_t out_h,
                                   uint32_t out_w);

// ---- attention.c ----------------------------------------------------------------------------------------------------

// Attention of a transformer block: x [N,H,W,C] attends to `context` [N,1,tokens,D], or to itself (NULL). to_q, to_k
// and to_v have no bias, to_out has one. Without the residual. keys: NULL, or the lengths of the pictures' contexts, which then lie one
// after the other, [1,1,all tokens,D].
struct daub_tensor *nn_attention(struct daub_net *net, const char *name, struct daub_tensor *x,
                                 struct daub_tensor *context, const struct daub_key_counts *keys, uint32_t n_heads);
// Attention between pixels, as UNet2DModel and the VAE have it: GroupNorm, biases everywhere, residual. [N,H,W,C] ->
// the same.
struct daub_tensor *nn_attention_2d(struct daub_net *net, const char *name, struct daub_tensor *x, uint32_t n_heads,
                                    struct nn_norm norm);
// CLIPAttention: causal, biases everywhere, without the residual. [N,1,tokens,C] -> the same.
struct daub_tensor *nn_clip_attention(struct daub_net *net, const char *name, struct daub_tensor *x, uint32_t n_heads);

// ---- transformer.c --------------------------------------------------------------------------------------------------

struct nn_transformer {
    uint32_t n_heads, depth, norm_groups;
    const struct daub_key_counts *keys; // NULL, or the lengths of the pictures' texts: see nn_attention
    bool linear; // proj_in and proj_out are matrices in the file (SD 2.x), not 1x1 convolutions (SD 1.x)
};
// Transformer2DModel: x [N,H,W,C], text [N,1,tokens,D] -> [N,H,W,C].
struct daub_tensor *nn_transformer_2d(struct daub_net *net, const char *name, struct daub_tensor *x,
                                      struct daub_tensor *text, struct nn_transformer attrs);

// ---- embedding.c ----------------------------------------------------------------------------------------------------

// Timesteps: `dim` sinusoids of a time step; cosines come first when flipped. On the host.
void nn_timestep_features(double timestep, uint32_t dim, bool flip_sin_to_cos, double freq_shift, float *out);
// TimestepEmbedding: features [rows,1,1,F] -> [rows,1,1,dim].
struct daub_tensor *nn_time_embedding(struct daub_net *net, const char *name, struct daub_tensor *features,
                                      uint32_t dim);
// CLIPTextEmbeddings: ids U32 [N,1,1,tokens] -> [N,1,tokens,dim], token and position vectors summed.
struct daub_tensor *nn_embeddings(struct daub_net *net, const char *name, struct daub_tensor *ids, uint32_t n_words,
                                  uint32_t n_positions, uint32_t dim);

#endif

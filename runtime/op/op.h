// op.h - the builders: each appends one operation to a net and returns its result. Shapes are [N,H,W,C]; tokens are
// [N,1,tokens,C]; features of a whole picture or of a time step are [rows,1,1,C]. Results have the net's dtype unless said.
// A shape that breaks what is said fails the net (see daub_net_finish). Every `x` may be a pair (two tensors side by side in C)
// where the comment says so.
#ifndef DAUB_OP_OP_H
#define DAUB_OP_OP_H
#include "runtime/graph/net.h"
#include "runtime/sample/sample.h"

struct daub_conv {
    uint32_t stride;                                   // 0 = 1
    uint32_t pad_top, pad_left, pad_bottom, pad_right; // zeros round the input
};

enum daub_act { DAUB_ACT_NONE, DAUB_ACT_SILU, DAUB_ACT_GELU, DAUB_ACT_QUICK_GELU };

// gemm.c -----------------------------------------------------------------------------------------------------------

// Cross-correlation, as torch.nn.Conv2d. x [N,H,W,C] (or a pair), weight [out,C,kh,kw], bias [out] or NULL -> [N,Ho,Wo,out].
// Implicit GEMM: no im2col; fp32 sums. Fused in by daub_fusions: nearest upsampling before, channel rows, activation and
// residual after. 2 * N * Ho * Wo * out * C * kh * kw flops.
struct daub_tensor *daub_conv2d(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *weight,
                                struct daub_tensor *bias, struct daub_conv conv);
// y = x W^T + b over the channels of every pixel, as torch.nn.Linear. x (or a pair) [N,H,W,C], weight [out,C] or [out,C,1,1],
// bias [out] or NULL. The result's channels are laid out in `heads` runs (1 for all but q, k, v).
struct daub_tensor *daub_linear(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *weight,
                                struct daub_tensor *bias, uint32_t heads);
// n (at most 3) linear layers of one x and of equal sizes, as to_q, to_k and to_v are, into out[0..n-1]: one GEMM where each layer's columns
// fill whole panels of 64, n otherwise. biases NULL, or one a layer. The first weight and bias carry the others, so that none of
// them may serve another layer.
void daub_linear_parts(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *const *weights,
                       struct daub_tensor *const *biases, uint32_t n, uint32_t heads, struct daub_tensor **out);
// As daub_conv2d and daub_linear, but stored as fp32 whatever the net's dtype: a network's last layer.
struct daub_tensor *daub_conv2d_f32(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *weight,
                                    struct daub_tensor *bias, struct daub_conv conv);

// attention.c ------------------------------------------------------------------------------------------------------

// softmax(q k^T / sqrt(d)) v for each head (Vaswani et al. 2017, arXiv:1706.03762, eq. 1). q [N,1,n_q,C], k and v
// [N,1,n_k,C], all in the same number of heads; N of k and v may also be 1. The pixels of a map are tokens as they are:
// [N,H,W,C] stands for [N,1,H*W,C]. d = C / heads, any. Scores are not stored up to d = 40 on CPU drivers and 160 elsewhere
// (tiled as in Dao 2023, arXiv:2307.08691); wider heads, as the VAE's, take them in chunks of query rows through a scratch
// tensor of at most 64 MiB. causal: query i sees keys 0..i. Result [N,1,n_q,C] in q's heads. 4 * N * n_q * n_k * C flops.
struct daub_tensor *daub_attention(struct daub_net *net, struct daub_tensor *q, struct daub_tensor *k,
                                   struct daub_tensor *v, bool causal);
// Pictures with keys of two lengths: the first `pictures` of them see n[0] keys each, the others n[1].
struct daub_key_counts {
    uint32_t pictures, n[2];
};
// The same where k and v hold the keys of one picture after another's: [1,1,pictures * n[0] + (N - pictures) * n[1],C].
struct daub_tensor *daub_attention_of_lengths(struct daub_net *net, struct daub_tensor *q, struct daub_tensor *k,
                                              struct daub_tensor *v, struct daub_key_counts keys);

// group_norm.c -----------------------------------------------------------------------------------------------------

// (x - mean) / sqrt(var + eps) * gamma + beta over each of `groups` runs of C / groups channels and all pixels of a picture; biased
// variance. Wu and He 2018, arXiv:1803.08494. x may be a pair; the result is one tensor. daub_fusions adds SiLU.
struct daub_tensor *daub_group_norm(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *gamma,
                                    struct daub_tensor *beta, uint32_t groups, float eps);
// The same where x is a part of a larger map, with the map's statistics: `stats` U32 [N,1,1,16 * words of a pixel] holds, as bits of
// fp32, for each word of 8 channels their 8 means over the map's `pixels` pixels, then their 8 sums of squared deviations from them.
struct daub_tensor *daub_group_norm_given(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *gamma,
                                          struct daub_tensor *beta, struct daub_tensor *stats, uint32_t pixels,
                                          uint32_t groups, float eps);

// layer_norm.c -----------------------------------------------------------------------------------------------------

// The same over the channels of each pixel. Ba et al. 2016, arXiv:1607.06450. heads of x must be 1.
struct daub_tensor *daub_layer_norm(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *gamma,
                                    struct daub_tensor *beta, float eps);

// elementwise.c ----------------------------------------------------------------------------------------------------

// gelu is the exact one, x * Phi(x) (|error of erf| < 2e-7); quick_gelu x * sigmoid(1.702 x).
struct daub_tensor *daub_act(struct daub_net *net, struct daub_tensor *x, enum daub_act act);
struct daub_tensor *daub_add(struct daub_net *net, struct daub_tensor *a,
                             struct daub_tensor *b); // same shape and heads
// x [N,H,W,C] + one row of rows [R,1,1,C] at every pixel: row r = counter - 1 if rows comes from the TIME stage, else row n (R = N)
// or row 0 (R = 1).
struct daub_tensor *daub_add_channels(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *rows);
// x * mul + add for any x, stored as `dtype`: the way in from fp32 latents and out to fp32.
struct daub_tensor *daub_scale(struct daub_net *net, struct daub_tensor *x, float mul, float add,
                               enum daub_dtype dtype);

// geglu.c: x [N,H,W,2F] -> value * gelu(gate), value = channels 0..F-1, gate the rest. Shazeer 2020, arXiv:2002.05202.
struct daub_tensor *daub_geglu(struct daub_net *net, struct daub_tensor *x);
// upsample.c: nearest, out_h and out_w between 2H-1 and 2H (2W-1 and 2W): source = y >> 1.
struct daub_tensor *daub_upsample_nearest(struct daub_net *net, struct daub_tensor *x, uint32_t out_h, uint32_t out_w);
// concat.c: [a | b] stored, for widths that are no multiple of 8; else the same as daub_net_pair.
struct daub_tensor *daub_concat(struct daub_net *net, struct daub_tensor *a, struct daub_tensor *b);
// embed.c: token_table[ids] + position_table[0..tokens-1]. ids U32 [N,1,1,tokens], tables [vocab,C], [positions,C] -> [N,1,tokens,C].
struct daub_tensor *daub_embed(struct daub_net *net, struct daub_tensor *ids, struct daub_tensor *token_table,
                               struct daub_tensor *position_table);
// rgb8.c: x [N,H,W,3] in -1..1 -> U32 [N,H,W,1], R in the low byte: round(clamp(x / 2 + 0.5, 0, 1) * 255), ties to even, A = 255.
struct daub_tensor *daub_to_rgb8(struct daub_net *net, struct daub_tensor *x);
// finite.c: lowers word 0 of flags, an input U32 [1,1,1,4] that the host sets to UINT32_MAX before a run, where a word of x among up to 65536 of
// each window is not finite: to the counter's word 0, or to 1 without a counter (NULL).
void daub_check_finite(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *flags,
                       struct daub_tensor *counter);

// sampler_step.c ---------------------------------------------------------------------------------------------------

struct daub_sampler_step {
    struct daub_tensor
        *output; // the network's, fp32 [B or (1 + n_parts) B,H,W,C]: with guidance rows 0..B-1 are without the prompt
    struct daub_tensor
        *x; // INPUT, the network's next input [same N,H,W,C_in], C_in >= C: channels 0..C-1 are written, the rest kept
    struct daub_tensor *vecs;  // INPUT fp32 [n_vecs * B,H,W,C]: the program's vectors; 0 is the guided output
    struct daub_tensor *noise; // INPUT fp32 [n_noises * B,H,W,C]
    struct daub_tensor *table; // INPUT U32, what daub_sampler_table wrote
    uint32_t batch;            // B
    uint32_t n_parts;          // of the prompt, 1..8; 0: 1
    const float *
        weights; // of more than one part: c - u is the sum of weight (c_i - u), Liu et al. 2022, arXiv:2206.01714, eq. 11
    float guidance_scale; // 1: off, output has B pictures; else u + g * (c - u), Ho and Salimans 2022, arXiv:2207.12598
    float guidance_rescale;             // Lin et al. 2023, arXiv:2305.08891, eq. 14-16
    const struct daub_program *program; // its shape only: how many thresholds a call has
};
// Appends, in stage TAIL: guidance, the program's ops for the entry the counter names, the next network input, counter + 1.
// Entry 0 is the prologue (no output is read), entry i the ops of call i - 1. Run it once with counter 0 before the first call.
daub_status daub_sampler_step(struct daub_net *net, const struct daub_sampler_step *step);
// Words of the device's table for a program. `out` has room for daub_sampler_table_words(program).
uint32_t daub_sampler_table_words(const struct daub_program *program);
void daub_sampler_table(const struct daub_program *program, uint32_t *out);

// fusions.c: all patterns of the above, for daub_fuse.
extern const struct daub_fusion daub_fusions[];
extern const uint32_t daub_n_fusions;

#endif

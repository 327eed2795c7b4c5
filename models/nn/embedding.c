// embedding.c - time steps and tokens as vectors.
#include "models/nn/nn.h"

#include <math.h>

// sin(t w_i) and cos(t w_i) with w_i = 10000^(-i / (dim / 2 - shift)), Vaswani et al. 2017, section 3.5. In fp32 step
// by step as the reference does it: at t = 999 one rounding of w_0's neighbours moves the angle by 3e-5.
void daub_nn_timestep_features(double timestep, uint32_t dim, bool flip_sin_to_cos, double freq_shift, float *out)
{
    const uint32_t half = dim / 2;
    float *sines = flip_sin_to_cos ? out + half : out;
    float *cosines = flip_sin_to_cos ? out : out + half;
    for (uint32_t i = 0; i < half; i++) {
        const float exponent = (float)-log(10000.0) * (float)i / (float)((double)half - freq_shift);
        const float angle = (float)timestep * expf(exponent);
        sines[i] = sinf(angle);
        cosines[i] = cosf(angle);
    }
    if (dim % 2)
        out[dim - 1] = 0.0f;
}

struct daub_tensor *daub_nn_time_embedding(struct daub_net *net, const char *name, struct daub_tensor *features,
                                           uint32_t dim)
{
    daub_scope_push(net, "%s", name);
    struct daub_tensor *x = nn_silu(net, nn_linear(net, "linear_1", features, dim, NN_BIAS, 1));
    x = nn_linear(net, "linear_2", x, dim, NN_BIAS, 1);
    daub_scope_pop(net);
    return daub_point(net, name, x);
}

struct daub_tensor *daub_nn_embeddings(struct daub_net *net, const char *name, struct daub_tensor *ids,
                                       uint32_t n_words, uint32_t n_positions, uint32_t dim)
{
    daub_scope_push(net, "%s", name);
    struct daub_tensor *words = daub_net_weight(net, "token_embedding.weight", 2, (const uint32_t[]) { n_words, dim });
    struct daub_tensor *positions = daub_net_weight(net, "position_embedding.weight", 2,
                                                    (const uint32_t[]) { n_positions, dim });
    struct daub_tensor *x = daub_embed(net, ids, words, positions);
    daub_scope_pop(net);
    return daub_point(net, name, x);
}

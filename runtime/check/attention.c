// attention.c - daub_attention against softmax(q k^T / sqrt(d)) v in doubles.
#include "runtime/check/trial.h"

#include <math.h>

struct attention_case {
    uint32_t n, kv_n, heads, d, n_q, n_k;
    bool causal;
    float scale;             // deviation of q and k; 0 = 1
    uint32_t pictures, more; // the first so many pictures have n_k keys, the others `more`; 0: all have n_k
};

// Long sequences are there to outgrow the 16 MiB a binding may span under some masks; without such a mask a hundredth
// will do.
static uint32_t tokens(const struct daub_trial *trial, uint32_t n)
{
    return n > 10000 && daub_device_caps(trial->dev)->max_range > (32u << 20) ? n / 100 : n;
}

// n of [C,tokens] of one picture and head to [n][d], so that the sums below run along memory.
static double *rows_of(struct daub_trial *trial, const float *plain, uint32_t tokens, uint32_t d, uint32_t n)
{
    double *rows = daub_trial_alloc(trial, (size_t)n * d, sizeof(*rows));
    for (uint32_t z = 0; rows && z < d; z++)
        for (uint32_t i = 0; i < n; i++)
            rows[(size_t)i * d + z] = (double)plain[(size_t)z * tokens + i];
    return rows;
}

// One query's row of a head into out[z * stride], z < d. p: room for n_k.
static void reference_row(const double *q, const double *k, const double *v, uint32_t d, uint32_t n_k, double *p,
                          double *out, size_t stride)
{
    double top = -INFINITY, norm = 0.0;
    for (uint32_t j = 0; j < n_k; j++) {
        double s = 0.0;
        for (uint32_t z = 0; z < d; z++)
            s += q[z] * k[(size_t)j * d + z];
        p[j] = s / sqrt((double)d);
        top = fmax(top, p[j]);
    }
    for (uint32_t j = 0; j < n_k; j++)
        norm += p[j] = exp(p[j] - top);
    for (uint32_t j = 0; j < n_k; j++)
        for (uint32_t z = 0; z < d; z++)
            out[z * stride] += p[j] / norm * v[(size_t)j * d + z];
}

// Where a picture's keys are in k and v.
struct keys {
    uint32_t image, from, n, tokens; // of `tokens` of an image
};

static struct keys keys_of(const struct attention_case *a, uint32_t image, uint32_t n_k)
{
    if (a->pictures == 0)
        return (struct keys) { a->kv_n == 1 ? 0 : image, 0, n_k, n_k };
    const uint32_t first = a->pictures * n_k, all = first + (a->n - a->pictures) * a->more;
    return image < a->pictures ? (struct keys) { 0, image * n_k, n_k, all }
                               : (struct keys) { 0, first + (image - a->pictures) * a->more, a->more, all };
}

static daub_status reference(struct daub_trial *trial, const struct attention_case *a, const struct daub_tensor *q,
                             const struct daub_tensor *k, const struct daub_tensor *v)
{
    const uint32_t c = a->heads * a->d, n_q = tokens(trial, a->n_q), n_k = tokens(trial, a->n_k);
    double *want = daub_trial_want(trial);
    double *p = daub_trial_alloc(trial, n_k > a->more ? n_k : a->more, sizeof(*p));
    if (!p)
        return DAUB_ERROR_NO_HOST_MEMORY;
    for (uint32_t image = 0; image < a->n; image++)
        for (uint32_t head = 0; head < a->heads; head++) {
            const struct keys keys = keys_of(a, image, n_k);
            const size_t at = ((size_t)image * c + head * a->d) * n_q;
            const size_t k_at = ((size_t)keys.image * c + head * a->d) * keys.tokens + keys.from;
            double *rows_q = rows_of(trial, daub_trial_values(trial, q) + at, n_q, a->d, n_q);
            double *rows_k = rows_of(trial, daub_trial_values(trial, k) + k_at, keys.tokens, a->d, keys.n);
            double *rows_v = rows_of(trial, daub_trial_values(trial, v) + k_at, keys.tokens, a->d, keys.n);
            if (!rows_q || !rows_k || !rows_v)
                return DAUB_ERROR_NO_HOST_MEMORY;
            for (uint32_t i = 0; i < n_q; i++)
                reference_row(rows_q + (size_t)i * a->d, rows_k, rows_v, a->d,
                              a->causal && i + 1 < keys.n ? i + 1 : keys.n, p, want + at + i, n_q);
        }
    return DAUB_OK;
}

static daub_status check(struct daub_trial *trial, const void *user)
{
    const struct attention_case *a = user;
    const uint32_t c = a->heads * a->d, n_q = tokens(trial, a->n_q), n_k = tokens(trial, a->n_k);
    // an even number of queries is given as a map of two rows
    const uint32_t h = n_q % 2 == 0 ? 2 : 1;
    const struct daub_shape shape_q = { a->n, h, n_q / h, c }, shape_k = { a->kv_n, 1, keys_of(a, 0, n_k).tokens, c };
    const float scale = a->scale > 0.0f ? a->scale : 1.0f;
    struct daub_tensor *q = daub_trial_input_scaled(trial, "q", DAUB_STAGE_STEP, shape_q, a->heads, scale, 0.0f);
    struct daub_tensor *k = daub_trial_input_scaled(trial, "k", DAUB_STAGE_PICTURE, shape_k, a->heads, scale, 0.0f);
    struct daub_tensor *v = daub_trial_input(trial, "v", DAUB_STAGE_PICTURE, shape_k, a->heads);
    const struct daub_key_counts counts = { a->pictures, { n_k, a->more } };
    struct daub_tensor *y = a->pictures > 0 ? daub_attention_of_lengths(trial->net, q, k, v, counts)
                                            : daub_attention(trial->net, q, k, v, a->causal);
    TRY(daub_trial_execute(trial, y));

    if (!daub_trial_knows(trial))
        TRY(reference(trial, a, q, k, v));
    return daub_trial_compare(trial, y, daub_trial_want(trial), a->d + (n_k > a->more ? n_k : a->more));
}

// clang-format off
static const struct attention_case cases[] = {
  // n, kv_n, heads, d, n_q, n_k, causal, scale, pictures, more
    { 1, 1, 1,   8,     1,     1, false,  0.0f, 0, 0 }, // one pixel
    { 1, 1, 2,   3,     5,     7, false,  0.0f, 0, 0 }, // 5 channels of padding a head
    { 2, 2, 8,   5,    33,    33, false,  0.0f, 0, 0 },
    { 3, 1, 4,  10,   129,    77, false,  0.0f, 0, 0 }, // one prompt's keys for three pictures; two words a head
    { 2, 2, 8,  40,   200,   200, false,  0.0f, 0, 0 }, // SD 1.x, first level
    { 2, 2, 8,  40,    64,   154, false,  0.0f, 0, 0 }, // and to a long prompt
    { 2, 2, 2,  64,    77,    77, true,   0.0f, 0, 0 }, // CLIP
    { 1, 1, 2,  64,   140,    77, false, 20.0f, 0, 0 }, // scores up to 1e4
    { 1, 1, 3,  12,     5,   154, true,   0.0f, 0, 0 }, // more keys than queries can see
    { 1, 1, 2,  12,   131,     5, true,   0.0f, 0, 0 }, // fewer
    { 1, 1, 1,  97,    40,    70, false,  0.0f, 0, 0 },
    { 2, 1, 1, 160,    35,    65, false,  0.0f, 0, 0 }, // the widest head that GPUs do without stored scores
    { 1, 1, 1, 168,    35,    65, false,  0.0f, 0, 0 }, // the narrowest with
    { 2, 2, 3, 170,    21,    77, true,   0.0f, 0, 0 },
    { 2, 1, 1, 512,    70,   131, false,  0.0f, 0, 0 }, // a VAE
    { 2, 2, 8,  48,   200,   400, false,  0.0f, 0, 0 }, // stored scores: a picture's heads (f16) or all (f32) a dispatch
    { 1, 1, 2,  48,   100,  3000, false,  0.0f, 0, 0 }, // one head a dispatch
    { 2, 2, 2,  37,    45,    97, true,   0.0f, 0, 0 }, // a block of 64 keys and half of one more
    { 2, 1, 3,  80,    70,   161, false,  0.0f, 0, 0 }, // SD 1.x's other levels; the last block a key
    { 1, 1, 2, 160,   100,   130, true,   0.0f, 0, 0 },
    { 1, 1, 1, 512,    35,   200, true,  10.0f, 0, 0 },
    { 1, 1, 1, 200,    11,     1, false, 20.0f, 0, 0 },
    { 1, 1, 1, 512,   130,     9, false, 10.0f, 0, 0 },
    { 2, 1, 1,  32, 16500,     5, false,  0.0f, 0, 0 }, // a picture a dispatch, under range=16M
    { 1, 1, 1, 320, 27003,     3, false,  0.0f, 0, 0 }, // queries in windows
    { 1, 1, 8,  40, 27003,     3, false,  0.0f, 0, 0 },
    { 1, 1, 1, 512,     5, 17001, false,  0.0f, 0, 0 }, // keys in windows
    { 2, 1, 8,  40,     9, 27003, false,  0.0f, 0, 0 },
    { 2, 1, 8,  40,    64,    77, false,  0.0f, 1, 154 }, // a short negative prompt and a long prompt
    { 5, 1, 2,  64,   100,   231, false,  0.0f, 2,  77 }, // the other way round, pictures of several parts
    { 3, 1, 2, 168,    70,    77, false,  0.0f, 1, 161 }, // stored scores
    { 3, 1, 1,  40, 16500,     3, false,  0.0f, 2,   5 }, // a picture a dispatch, under range=16M
};
// clang-format on

const struct daub_check daub_check_of_attention = {
    .op = "attention",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
    .usual = 0x122d55df,
    .brief = 1u << 4 | 1u << 6 | 1u << 14 | 1u << 18,
};

// test_attention.c - daub_attention against softmax(q k^T / sqrt(d)) v in doubles.
#include "tests/op/harness.h"

struct attention_case {
    uint32_t n, kv_n, heads, d, n_q, n_k;
    bool causal;
    float scale; // deviation of q and k; 0 = 1
};

// Long sequences are there to outgrow the 16 MiB a binding may span under some masks; without such a mask a hundredth
// will do.
static uint32_t tokens(const struct op_run *run, uint32_t n)
{
    return n > 10000 && !strstr(run->caps, "range=16M") ? n / 100 : n;
}

// [C,tokens] of one picture and head to [tokens][d], so that the sums below run along memory.
static double *rows_of(const float *plain, uint32_t image, uint32_t c, uint32_t head, uint32_t d, uint32_t n)
{
    double *rows = malloc((size_t)n * d * sizeof(*rows));
    REQUIRE(rows);
    for (uint32_t z = 0; z < d; z++)
        for (uint32_t i = 0; i < n; i++)
            rows[(size_t)i * d + z] = (double)plain[((size_t)image * c + head * d + z) * n + i];
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

static void check(struct op_run *run, const void *user)
{
    const struct attention_case *a = user;
    const uint32_t c = a->heads * a->d, n_q = tokens(run, a->n_q), n_k = tokens(run, a->n_k);
    // an even number of queries is given as a map of two rows
    const uint32_t h = n_q % 2 == 0 ? 2 : 1;
    const struct daub_shape shape_q = { a->n, h, n_q / h, c }, shape_k = { a->kv_n, 1, n_k, c };
    const float scale = a->scale > 0.0f ? a->scale : 1.0f;
    struct daub_tensor *q = op_input_scaled(run, "q", DAUB_STAGE_STEP, shape_q, a->heads, scale, 0.0f);
    struct daub_tensor *k = op_input_scaled(run, "k", DAUB_STAGE_PICTURE, shape_k, a->heads, scale, 0.0f);
    struct daub_tensor *v = op_input(run, "v", DAUB_STAGE_PICTURE, shape_k, a->heads);
    struct daub_tensor *y = daub_attention(run->net, q, k, v, a->causal);
    op_execute(run, y);

    double *want = op_plain(run, y);
    double *p = malloc((size_t)n_k * sizeof(*p));
    REQUIRE(p);
    for (uint32_t image = 0; image < a->n; image++)
        for (uint32_t head = 0; head < a->heads; head++) {
            const uint32_t kv_image = a->kv_n == 1 ? 0 : image;
            double *rows_q = rows_of(op_values(run, q), image, c, head, a->d, n_q);
            double *rows_k = rows_of(op_values(run, k), kv_image, c, head, a->d, n_k);
            double *rows_v = rows_of(op_values(run, v), kv_image, c, head, a->d, n_k);
            for (uint32_t i = 0; i < n_q; i++)
                reference_row(rows_q + (size_t)i * a->d, rows_k, rows_v, a->d, a->causal && i + 1 < n_k ? i + 1 : n_k,
                              p, want + ((size_t)image * c + head * a->d) * n_q + i, n_q);
            free(rows_q);
            free(rows_k);
            free(rows_v);
        }
    free(p);
    op_compare(run, y, want, a->d + n_k);
}

// Shapes that do not belong together fail the net with a sentence that names them.
static void check_refusals(void)
{
    static const struct {
        struct daub_shape q, k, v;
        uint32_t heads_q, heads_k;
        const char *part;
    } cases[] = {
        { { 2, 1, 4, 16 }, { 2, 1, 5, 24 }, { 2, 1, 5, 24 }, 2, 2, "[2,1,4,16] to keys [2,1,5,24]" },
        { { 3, 1, 4, 16 }, { 2, 1, 5, 16 }, { 2, 1, 5, 16 }, 2, 2, "[3,1,4,16] to keys [2,1,5,16]" },
        { { 1, 1, 4, 16 }, { 1, 1, 5, 16 }, { 1, 1, 6, 16 }, 2, 2, "values [1,1,6,16]" },
        { { 1, 2, 4, 16 }, { 1, 1, 6, 16 }, { 1, 2, 4, 16 }, 2, 2, "values [1,2,4,16]" },
        { { 1, 1, 4, 16 }, { 1, 1, 5, 16 }, { 1, 1, 5, 16 }, 2, 4, "not 2, 4, 4" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct daub_net *net = NULL;
        REQUIRE_OK(daub_net_create(NULL, "test", DAUB_F16, &net));
        struct daub_tensor *q = daub_net_input(net, "q", DAUB_STAGE_STEP, DAUB_F16, cases[i].q);
        struct daub_tensor *k = daub_net_input(net, "k", DAUB_STAGE_STEP, DAUB_F16, cases[i].k);
        struct daub_tensor *v = daub_net_input(net, "v", DAUB_STAGE_STEP, DAUB_F16, cases[i].v);
        q->heads = cases[i].heads_q;
        k->heads = v->heads = cases[i].heads_k;
        REQUIRE(daub_attention(net, q, k, v, false)->kind == DAUB_TENSOR_POISON);
        REQUIRE_STATUS(daub_net_finish(net), DAUB_ERROR_UNSUPPORTED, cases[i].part);
        daub_net_destroy(&net);
    }
}

int main(int argc, char **argv)
{
    // clang-format off
    static const struct attention_case cases[] = {
      // n, kv_n, heads, d, n_q, n_k, causal, scale
        { 1, 1, 1,   8,     1,     1, false,  0.0f }, // one pixel
        { 1, 1, 2,   3,     5,     7, false,  0.0f }, // 5 channels of padding a head
        { 2, 2, 8,   5,    33,    33, false,  0.0f },
        { 3, 1, 4,  10,   129,    77, false,  0.0f }, // one prompt's keys for three pictures; two words a head
        { 2, 2, 8,  40,   200,   200, false,  0.0f }, // SD 1.x, first level
        { 2, 2, 8,  40,    64,   154, false,  0.0f }, // and to a long prompt
        { 2, 2, 2,  64,    77,    77, true,   0.0f }, // CLIP
        { 1, 1, 2,  64,   140,    77, false, 20.0f }, // scores up to 1e4
        { 1, 1, 3,  12,     5,   154, true,   0.0f }, // more keys than queries can see
        { 1, 1, 2,  12,   131,     5, true,   0.0f }, // fewer
        { 1, 1, 1,  97,    40,    70, false,  0.0f },
        { 2, 1, 1, 160,    35,    65, false,  0.0f }, // the widest head that GPUs do without stored scores
        { 1, 1, 1, 168,    35,    65, false,  0.0f }, // the narrowest with
        { 2, 2, 3, 170,    21,    77, true,   0.0f },
        { 2, 1, 1, 512,    70,   131, false,  0.0f }, // a VAE
        { 2, 2, 8,  48,   200,   400, false,  0.0f }, // stored scores: a picture's heads (f16) or all (f32) a dispatch
        { 1, 1, 2,  48,   100,  3000, false,  0.0f }, // one head a dispatch
        { 2, 2, 2,  37,    45,    97, true,   0.0f }, // a block of 64 keys and half of one more
        { 2, 1, 3,  80,    70,   161, false,  0.0f }, // SD 1.x's other levels; the last block a key
        { 1, 1, 2, 160,   100,   130, true,   0.0f },
        { 1, 1, 1, 512,    35,   200, true,  10.0f },
        { 1, 1, 1, 200,    11,     1, false, 20.0f },
        { 1, 1, 1, 512,   130,     9, false, 10.0f },
        { 2, 1, 1,  32, 16500,     5, false,  0.0f }, // a picture a dispatch, under range=16M
        { 1, 1, 1, 320, 27003,     3, false,  0.0f }, // queries in windows
        { 1, 1, 8,  40, 27003,     3, false,  0.0f },
        { 1, 1, 1, 512,     5, 17001, false,  0.0f }, // keys in windows
        { 2, 1, 8,  40,     9, 27003, false,  0.0f },
    };
    // clang-format on
    check_refusals();
    return op_main(argc, argv, "attention", cases, sizeof(cases) / sizeof(cases[0]), sizeof(cases[0]), check);
}

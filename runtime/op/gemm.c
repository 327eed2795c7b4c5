// gemm.c - linear layers and convolutions: builders and the choice of kernel. Recording is in gemm_record.c.
#include "runtime/op/winograd.h"

#include "shaders/params/gemm.h"

#include <string.h>

enum { MAX_KERNEL = 7, MAX_STRIDE = 16, SHARED_BYTES = 16384, SHARED_THREADS = 128 };

// ---- kernels ---------------------------------------------------------------------------------------------------------

#define LANE(kind)                                                                    \
    {                                                                                 \
        { DAUB_KERNEL_gemm_lane_f32##kind, DAUB_KERNEL_gemm_lane_f32##kind##_texel }, \
        {                                                                             \
            DAUB_KERNEL_gemm_lane_f16##kind, DAUB_KERNEL_gemm_lane_f16##kind##_texel  \
        }                                                                             \
    }

// Best first. GFLOP per CPU second for fp16 at 512x640x640 on lavapipe 22.3 (texel buffers), 25.0 (texel) and 26.1 (storage), of two
// idle cores whose sgemm makes 99: with shuffle 16x1 41, 32, 43; 12x1 41, 26, 38; 8x1 36, 25, 32; without 12x1 31, -, 37.
// clang-format off
static const struct daub_gemm_tile tiles[] = {
    // kernels            rows panels kind              shuffle m: least, most  words
    { { { DAUB_KERNEL_gemm_shared_f32, DAUB_KERNEL_NONE }, { DAUB_KERNEL_gemm_shared_f16, DAUB_KERNEL_NONE } },
                            64, 1, DAUB_GEMM_SHARED,     false,  1, UINT32_MAX, UINT32_MAX },
    { LANE(_shuffle),         8, 2, DAUB_GEMM_LANE_GEGLU, true,   1, UINT32_MAX, UINT32_MAX },
    { LANE(),                 8, 2, DAUB_GEMM_LANE_GEGLU, false,  1, UINT32_MAX, UINT32_MAX },
    { LANE(_narrow_shuffle), 64, 1, DAUB_GEMM_LANE,     true,  32, UINT32_MAX, 1 },
    { LANE(_narrow),         64, 1, DAUB_GEMM_LANE,       false, 32, UINT32_MAX, 1 },
    { LANE(),                 2, 1, DAUB_GEMM_LANE,       false,  1, 4,          UINT32_MAX },
    { LANE(_shuffle),         8, 1, DAUB_GEMM_LANE,       true,   1, 8,          UINT32_MAX },
    { LANE(),                 8, 1, DAUB_GEMM_LANE,       false,  1, 8,          UINT32_MAX },
    { LANE(),                 8, 1, DAUB_GEMM_LANE,       false, 13, 16,         UINT32_MAX }, // a tile of 12 would be idle by a third
    { LANE(_shuffle),        16, 1, DAUB_GEMM_LANE,       true,   1, UINT32_MAX, UINT32_MAX },
    { LANE(_shuffle),        12, 1, DAUB_GEMM_LANE,       true,   1, UINT32_MAX, UINT32_MAX },
    { LANE(),                12, 1, DAUB_GEMM_LANE,       false,  1, UINT32_MAX, UINT32_MAX },
};
// clang-format on

// 12 or 16: the rows of the faster of the two large tiles for m rows, of which the last tile's may be idle.
static uint32_t large_tile(const struct daub_caps *caps, uint32_t m)
{
    const double work12 = 12.0 * (m / 12 + (m % 12 > 0)), work16 = 16.0 * (m / 16 + (m % 16 > 0));
    return work12 * (double)caps->rate16 > work16 * (double)caps->rate12 ? 16 : 12;
}

static bool shared_works(const struct daub_caps *caps)
{
    return !caps->lane && caps->shared_kernels && caps->max_shared >= SHARED_BYTES &&
           caps->max_invocations >= SHARED_THREADS;
}

static bool fits(const struct daub_gemm_tile *tile, const struct daub_caps *caps, uint32_t m, uint32_t words,
                 bool geglu)
{
    if (m < tile->min_m || m > tile->max_m || words > tile->max_words)
        return false;
    if (tile->kind == DAUB_GEMM_SHARED)
        return shared_works(caps);
    if (tile->shuffle && !caps->shuffle8)
        return false;
    if (tile->shuffle && (tile->rows == 12 || tile->rows == 16) && tile->rows != large_tile(caps, m))
        return false;
    return geglu == (tile->kind == DAUB_GEMM_LANE_GEGLU);
}

// ---- choosing --------------------------------------------------------------------------------------------------------

static bool same_channels(const struct daub_channels *a, const struct daub_channels *b)
{
    return a->c[0] == b->c[0] && a->c[1] == b->c[1] && a->heads == b->heads;
}

static daub_status set_pack(struct daub_tensor *weight, struct daub_pack pack)
{
    const struct daub_pack *old = &weight->pack;
    if (old->kind != DAUB_PACK_NONE &&
        (old->kind != pack.kind || old->dtype != pack.dtype || old->kernel_h != pack.kernel_h ||
         old->kernel_w != pack.kernel_w || old->geglu != pack.geglu || old->winograd != pack.winograd ||
         old->phases != pack.phases || old->n_parts != pack.n_parts || !same_channels(&old->in, &pack.in) ||
         !same_channels(&old->out, &pack.out)))
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: two layers read this weight in different layouts", weight->name);
    weight->pack = pack;
    return DAUB_OK;
}

static daub_status set_packs(const struct daub_node *node)
{
    const struct daub_gemm_attrs *attrs = node->attrs;
    const struct daub_tensor *x = node->in[DAUB_GEMM_IN_X];
    struct daub_pack pack = {
        .kind = DAUB_PACK_PANEL,
        .dtype = x->dtype,
        .kernel_h = attrs->kernel_h,
        .kernel_w = attrs->kernel_w,
        .in = { .c = { x->shape.c, 0 }, .heads = x->heads },
        .out = { .c = { node->out->shape.c, 0 }, .heads = node->out->heads },
        .geglu = attrs->geglu,
        .n_parts = attrs->parts,
        .winograd = attrs->winograd,
        .phases = attrs->phases,
    };
    if (x->kind == DAUB_TENSOR_PAIR) {
        pack.in.c[0] = x->pair[0]->shape.c;
        pack.in.c[1] = x->pair[1]->shape.c;
    }
    TRY(set_pack(node->in[DAUB_GEMM_IN_WEIGHT], pack));

    struct daub_tensor *bias = node->in[DAUB_GEMM_IN_BIAS];
    if (!bias)
        return DAUB_OK;
    pack.kind = DAUB_PACK_VECTOR;
    pack.dtype = DAUB_F32;
    pack.kernel_h = pack.kernel_w = 1;
    pack.winograd = 0;
    pack.phases = false;
    pack.in = pack.out;
    return set_pack(bias, pack);
}

// See gemm.h.
static bool splits_into_phases(const struct daub_caps *caps, const struct daub_node *node)
{
    const struct daub_gemm_attrs *attrs = node->attrs;
    const struct daub_tensor *x = node->in[DAUB_GEMM_IN_X];
    const struct daub_tensor *source = x->kind == DAUB_TENSOR_PAIR ? x->pair[0] : x;
    return shared_works(caps) && attrs->shift == 1 && attrs->kernel_h == 3 && attrs->kernel_w == 3 &&
           attrs->stride == 1 && attrs->pad_top == 1 && attrs->pad_left == 1 && attrs->in_h == 2 * source->shape.h &&
           attrs->in_w == 2 * source->shape.w && node->out->shape.h == attrs->in_h && node->out->shape.w == attrs->in_w;
}

static daub_status gemm_select(const struct daub_select *select, struct daub_net *net, struct daub_node *node)
{
    struct daub_gemm_attrs *attrs = node->attrs;
    const struct daub_caps *caps = select->caps;
    const uint32_t words = daub_words(node->out);
    const enum daub_dtype dtype = node->in[DAUB_GEMM_IN_X]->dtype;

    attrs->winograd = daub_winograd_positions(select, node);
    attrs->phases = splits_into_phases(caps, node);
    TRY(set_packs(node));
    const uint32_t rows = attrs->winograd ? daub_winograd_tiles(node) : daub_rows(node->out) / attrs->parts;
    attrs->tile = tiles;
    while (!fits(attrs->tile, caps, rows, words, attrs->geglu))
        attrs->tile++; // the second takes every GEGLU, the last all else
    attrs->texel = caps->texel && caps->prefer_texel && attrs->tile->kernel[dtype][true] != DAUB_KERNEL_NONE &&
                   daub_gemm_can_bind(caps, node, true);
    if (!attrs->texel && !daub_gemm_can_bind(caps, node, false))
        return daub_fail(DAUB_ERROR_UNSUPPORTED,
                         "%s: a row of its image or a panel of its weight is larger than the %llu bytes that this "
                         "device binds",
                         node->name, (unsigned long long)caps->max_range);
    return attrs->winograd ? daub_winograd_select(select, net, node) : DAUB_OK;
}

static double gemm_flop(const struct daub_node *node)
{
    const uint32_t *dims = node->in[DAUB_GEMM_IN_WEIGHT]->dims; // of one part; the result has all their rows
    const struct daub_gemm_attrs *attrs = node->attrs;
    const double taps = attrs->phases ? 4.0 : attrs->kernel_h * attrs->kernel_w;
    return 2.0 * daub_rows(node->out) * dims[0] * dims[1] * taps;
}

const struct daub_op daub_op_gemm = {
    .name = "gemm",
    .select = gemm_select,
    .record = daub_gemm_record,
    .flop = gemm_flop,
};

// ---- building --------------------------------------------------------------------------------------------------------

// Checks what both builders share; false: the net has failed.
static bool check(struct daub_net *net, const struct daub_tensor *x, const struct daub_tensor *weight,
                  const struct daub_tensor *bias)
{
    const struct daub_tensor *const all[] = { x, weight, bias };
    for (uint32_t i = 0; i < 3; i++)
        if (all[i] && all[i]->kind == DAUB_TENSOR_POISON)
            return false;
    if (x->dtype != daub_net_dtype(net)) {
        daub_net_fail(net, "the input is stored in another type than the graph's; daub_scale converts");
        return false;
    }
    if (weight->dims[1] != x->shape.c) {
        daub_net_fail(net, "weight takes %u channels, the input has %u", weight->dims[1], x->shape.c);
        return false;
    }
    if (bias && (bias->n_dims != 1 || bias->dims[0] != weight->dims[0])) {
        daub_net_fail(net, "bias has %u values, wanted %u", bias->dims[0], weight->dims[0]);
        return false;
    }
    return true;
}

static struct daub_tensor *emit(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *weight,
                                struct daub_tensor *bias, struct daub_shape shape, uint32_t heads,
                                enum daub_dtype dtype, const struct daub_gemm_attrs *attrs)
{
    const struct daub_node_desc desc = {
        .op = &daub_op_gemm,
        .leaf = daub_scope_path(net, NULL)[0] ? "" : NULL, // the scope is the layer's own
        .shape = shape,
        .heads = heads,
        .dtype = dtype,
        .n_in = DAUB_GEMM_N_IN,
        .in = { [DAUB_GEMM_IN_X] = x, [DAUB_GEMM_IN_WEIGHT] = weight, [DAUB_GEMM_IN_BIAS] = bias },
        .attrs = attrs,
        .attrs_size = sizeof(*attrs),
    };
    return daub_net_emit(net, &desc);
}

static struct daub_tensor *conv2d(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *weight,
                                  struct daub_tensor *bias, struct daub_conv conv, enum daub_dtype dtype)
{
    if (!check(net, x, weight, bias))
        return daub_net_fail(net, "an input is missing"); // not kept: there is a first failure
    const uint32_t kh = weight->dims[2], kw = weight->dims[3], stride = conv.stride ? conv.stride : 1;
    if (weight->n_dims != 4 || kh == 0 || kw == 0 || kh > MAX_KERNEL || kw > MAX_KERNEL || stride > MAX_STRIDE)
        return daub_net_fail(net, "a convolution's kernel is at most %dx%d and its stride %d", MAX_KERNEL, MAX_KERNEL,
                             MAX_STRIDE);
    const uint64_t h = (uint64_t)x->shape.h + conv.pad_top + conv.pad_bottom;
    const uint64_t w = (uint64_t)x->shape.w + conv.pad_left + conv.pad_right;
    if (h < kh || w < kw || h > INT32_MAX || w > INT32_MAX)
        return daub_net_fail(net, "a kernel of %ux%u does not fit a padded image of %llux%llu", kw, kh,
                             (unsigned long long)w, (unsigned long long)h);
    const struct daub_gemm_attrs attrs = {
        .op_class = kh == 1 && kw == 1   ? "conv1x1"
                    : kh == 3 && kw == 3 ? "conv3x3"
                                         : "conv",
        .kernel_h = kh,
        .kernel_w = kw,
        .stride = stride,
        .pad_top = conv.pad_top,
        .pad_left = conv.pad_left,
        .in_h = x->shape.h,
        .in_w = x->shape.w,
        .parts = 1,
    };
    const struct daub_shape shape = { x->shape.n, (uint32_t)(h - kh) / stride + 1, (uint32_t)(w - kw) / stride + 1,
                                      weight->dims[0] };
    return emit(net, x, weight, bias, shape, 1, dtype, &attrs);
}

struct daub_tensor *daub_conv2d(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *weight,
                                struct daub_tensor *bias, struct daub_conv conv)
{
    return conv2d(net, x, weight, bias, conv, daub_net_dtype(net));
}

struct daub_tensor *daub_conv2d_f32(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *weight,
                                    struct daub_tensor *bias, struct daub_conv conv)
{
    return conv2d(net, x, weight, bias, conv, DAUB_F32);
}

// Checks a matrix of as many columns as x has channels; false: the net has failed.
static bool check_linear(struct daub_net *net, const struct daub_tensor *x, const struct daub_tensor *weight,
                         const struct daub_tensor *bias, uint32_t heads)
{
    if (!check(net, x, weight, bias)) {
        daub_net_fail(net, "an input is missing"); // kept only if nothing failed before
        return false;
    }
    if (weight->n_dims != 2 && (weight->n_dims != 4 || weight->dims[2] != 1 || weight->dims[3] != 1)) {
        daub_net_fail(net, "a linear layer's weight is a matrix");
        return false;
    }
    if (heads == 0 || weight->dims[0] % heads != 0) {
        daub_net_fail(net, "%u channels do not split into %u heads", weight->dims[0], heads);
        return false;
    }
    return true;
}

static struct daub_tensor *linear(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *weight,
                                  struct daub_tensor *bias, uint32_t heads, uint32_t parts)
{
    const struct daub_gemm_attrs attrs = {
        .op_class = weight->n_dims == 4 ? "conv1x1" : "linear",
        .kernel_h = 1,
        .kernel_w = 1,
        .stride = 1,
        .in_h = x->shape.h,
        .in_w = x->shape.w,
        .parts = parts,
    };
    const struct daub_shape shape = { parts * x->shape.n, x->shape.h, x->shape.w, weight->dims[0] };
    return emit(net, x, weight, bias, shape, heads, daub_net_dtype(net), &attrs);
}

struct daub_tensor *daub_linear(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *weight,
                                struct daub_tensor *bias, uint32_t heads)
{
    return check_linear(net, x, weight, bias, heads) ? linear(net, x, weight, bias, heads, 1)
                                                     : daub_net_fail(net, "a linear layer has failed");
}

void daub_linear_parts(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *const *weights,
                       struct daub_tensor *const *biases, uint32_t n, uint32_t heads, struct daub_tensor **out)
{
    bool whole_panels = n <= 3;
    for (uint32_t i = 0; i < n; i++) {
        const struct daub_tensor *w = weights[i];
        if (!check_linear(net, x, w, biases ? biases[i] : NULL, heads)) {
            for (uint32_t j = 0; j < n; j++)
                out[j] = daub_net_fail(net, "a linear layer has failed");
            return;
        }
        whole_panels = whole_panels && w->dims[0] == weights[0]->dims[0] &&
                       heads * ((w->dims[0] / heads + 7) / 8) % GEMM_PANEL == 0;
    }
    if (!whole_panels || x->kind == DAUB_TENSOR_PAIR) {
        for (uint32_t i = 0; i < n; i++)
            out[i] = daub_linear(net, x, weights[i], biases ? biases[i] : NULL, heads);
        return;
    }
    for (uint32_t i = 1; i < n; i++) {
        weights[0]->more[i - 1] = weights[i];
        if (biases)
            biases[0]->more[i - 1] = biases[i];
    }
    struct daub_tensor *all = linear(net, x, weights[0], biases ? biases[0] : NULL, heads, n);
    for (uint32_t i = 0; i < n; i++)
        out[i] = daub_net_part(net, all, i, n);
}

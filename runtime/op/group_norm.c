// group_norm.c - group normalisation of one tensor or two side by side, with SiLU where fusion asks for it.
#include "runtime/op/group_norm.h"

#include "runtime/op/rows.h"
#include "shaders/params/group_norm.h"

enum { X, GAMMA, BETA, GIVEN }; // node inputs
enum { AFFINE, PARTIAL };       // scratch

enum {
    WHOLE_PIXELS = 4096, // a picture; a 64x64 map of 5 words a slab is 330 KB
    SLAB_WORDS = 4,      // a cache line
};

// Invocations that the statistics are cut into, and the fewest pixels one reads: CPU drivers have some 2 to 64 cores of 8 lanes, and
// the finish kernel's work grows with the chunks.
static uint32_t chunk_pixels(const struct daub_caps *caps, const struct daub_tensor *x, uint32_t words)
{
    const uint32_t wanted = caps->cpu ? 4096 : 32768, fewest = caps->cpu ? 32 : 8;
    const uint32_t pixels = x->shape.h * x->shape.w;
    const uint32_t chunks = 1 + (wanted - 1) / (words * x->shape.n);
    uint32_t n = (pixels + chunks - 1) / chunks;
    n = n < fewest ? fewest : n;
    return n < pixels ? n : pixels;
}

// The stored tensors of x; the second is NULL unless x is a pair.
static void sources(const struct daub_tensor *x, const struct daub_tensor *out[2])
{
    const bool pair = x->kind == DAUB_TENSOR_PAIR;
    out[0] = pair ? x->pair[0] : x;
    out[1] = pair ? x->pair[1] : NULL;
}

static uint32_t total_words(const struct daub_tensor *x)
{
    return (x->shape.c + 7) / 8; // one head, and a pair's border is between words
}

// One dispatch for maps whose words of a few channels stay in a cache between the two readings. Its workgroups are few (8 to 64 a
// picture), which is why GPUs take the three kernels.
static bool fits_whole(const struct daub_caps *caps, const struct daub_node *node, bool texel)
{
    const struct daub_tensor *x[2];
    sources(node->in[X], x);
    for (uint32_t i = 0; i < 2; i++)
        if (x[i] && !daub_range_fits(caps, daub_tensor_size(x[i]), texel))
            return false;
    return caps->lane && caps->shuffle8 && node->in[X]->shape.h * node->in[X]->shape.w <= WHOLE_PIXELS &&
           node->in[X]->shape.n <= caps->max_groups[1] && daub_range_fits(caps, daub_tensor_size(node->out), false);
}

// Statistics that come from outside; NULL: they are x's own.
static struct daub_tensor *given_to(const struct daub_node *node)
{
    return node->n_in > GIVEN ? node->in[GIVEN] : NULL;
}

static daub_status group_norm_select(const struct daub_select *select, struct daub_net *net, struct daub_node *node)
{
    struct daub_group_norm_attrs *attrs = node->attrs;
    const bool given = given_to(node) != NULL;
    attrs->texel = !given && select->caps->texel && select->caps->prefer_texel && fits_whole(select->caps, node, true);
    attrs->whole = attrs->texel || (!given && fits_whole(select->caps, node, false));
    node->in[GAMMA]->pack = daub_vector_pack(node->in[X]->shape.c);
    node->in[BETA]->pack = daub_vector_pack(node->in[X]->shape.c);
    if (attrs->whole)
        return DAUB_OK;
    const struct daub_tensor *x = node->in[X];
    const uint32_t words = total_words(x), pixels = x->shape.h * x->shape.w;
    daub_node_scratch(net, node, DAUB_F32, (struct daub_shape) { x->shape.n, 1, 3, words * 8 });
    if (given)
        return DAUB_OK;
    uint32_t chunk = chunk_pixels(select->caps, x, words);
    const uint32_t fit = daub_rows_fit(select->caps, (uint64_t)words * 32);
    chunk = chunk < fit ? chunk : fit;
    const struct daub_shape partial = { x->shape.n, (pixels + chunk - 1) / chunk, 2, words * 8 };
    daub_node_scratch(net, node, DAUB_F32, partial);
    return DAUB_OK; // a scratch tensor that could not be made fails the net
}

// ---- recording -------------------------------------------------------------------------------------------------------

// First pixel, counted over all pictures, of chunk q of that count.
static uint32_t chunk_begin(const struct group_norm_params *params, uint32_t q)
{
    const uint32_t image = q / params->chunks;
    return image * params->pixels + (q - image * params->chunks) * params->chunk_pixels;
}

// Chunks of params->chunk_pixels of all pictures, as many a dispatch as its bindings take. A chunk's pixels are read by both sources
// and, when y is not NULL, written.
static daub_status record_chunks(struct daub_recording *rec, struct group_norm_params params, enum daub_kernel kernel,
                                 const struct daub_tensor *scratch, const struct daub_tensor *y)
{
    const struct daub_node *node = rec->node;
    const struct daub_tensor *x[2];
    sources(node->in[X], x);
    const uint32_t all = node->in[X]->shape.n * params.chunks, words = params.words0 + params.words1;
    const uint32_t fit = daub_rows_step(rec, (uint64_t)words * daub_word_size(node->in[X]));
    const uint32_t step = fit > params.chunk_pixels ? fit / params.chunk_pixels : 1;
    for (uint32_t q = 0; q < all; q += step) {
        const uint32_t n = all - q < step ? all - q : step;
        const uint32_t row = chunk_begin(&params, q);
        const uint32_t last = chunk_begin(&params, q + n - 1), image = (q + n - 1) / params.chunks;
        const uint32_t image_end = (image + 1) * params.pixels;
        const uint32_t end = image_end - last < params.chunk_pixels ? image_end : last + params.chunk_pixels;
        params.first = q;
        params.n = n * words;
        struct daub_dispatch dispatch = {
            .kernel = kernel,
            .n_bindings = y ? 4 : 3,
            .push = &params,
            .push_size = sizeof(params),
            .flop = (double)(end - row) * words * 8.0 * (y ? 8.0 : 4.0),
        };
        dispatch.bind[0] = daub_bind_rows(rec, x[0], row, end - row, DAUB_READ, false, &params.x0_first);
        dispatch.bind[1] = daub_bind_rows(rec, x[1], row, end - row, DAUB_READ, false, &params.x1_first);
        dispatch.bind[2] = daub_bind(rec, scratch, y ? DAUB_READ : DAUB_WRITE, false);
        if (y)
            dispatch.bind[3] = daub_bind_rows(rec, y, row, end - row, DAUB_WRITE, false, &params.y_first);
        daub_light_grid(rec->caps, params.n, dispatch.groups);
        TRY(daub_dispatch_node(rec, &dispatch));
    }
    return DAUB_OK;
}

static daub_status record_finish(struct daub_recording *rec, struct group_norm_params params,
                                 const struct daub_tensor *partial)
{
    const struct daub_node *node = rec->node;
    params.n = node->in[X]->shape.n * params.groups;
    struct daub_dispatch dispatch = {
        .kernel = daub_use_lane(rec->caps) ? DAUB_KERNEL_group_norm_finish_lane : DAUB_KERNEL_group_norm_finish_shared,
        .n_bindings = 4,
        .push = &params,
        .push_size = sizeof(params),
        .flop = (double)params.chunks * params.channels * node->in[X]->shape.n * 8.0,
    };
    dispatch.bind[0] = daub_bind(rec, node->in[GAMMA], DAUB_READ, false);
    dispatch.bind[1] = daub_bind(rec, node->in[BETA], DAUB_READ, false);
    dispatch.bind[2] = daub_bind(rec, partial, DAUB_READ, false);
    dispatch.bind[3] = daub_bind(rec, node->scratch[AFFINE], DAUB_WRITE, false);
    if (daub_use_lane(rec->caps))
        daub_light_grid(rec->caps, params.n, dispatch.groups);
    else
        daub_light_groups(rec->caps, params.n, dispatch.groups);
    return daub_dispatch_node(rec, &dispatch);
}

// The fewest groups that make whole words, doubled while they are less than a cache line.
static void slab_of(struct group_norm_params *params)
{
    const uint32_t group_channels = params->channels / params->groups;
    uint32_t groups = 8;
    while (groups > 1 && groups / 2 * group_channels % 8 == 0)
        groups /= 2;
    while (groups < GROUP_NORM_SLAB && groups * group_channels / 8 < SLAB_WORDS)
        groups *= 2;
    params->slab_groups = groups;
    params->slab_words = groups * group_channels / 8;
}

static daub_status record_whole(struct daub_recording *rec, struct group_norm_params params)
{
    const struct daub_node *node = rec->node;
    const struct daub_group_norm_attrs *attrs = node->attrs;
    const struct daub_tensor *x[2];
    sources(node->in[X], x);
    const bool half = x[0]->dtype == DAUB_F16;
    slab_of(&params);
    struct daub_dispatch dispatch = {
        .kernel = half ? (attrs->texel ? DAUB_KERNEL_group_norm_whole_f16_texel : DAUB_KERNEL_group_norm_whole_f16)
                       : (attrs->texel ? DAUB_KERNEL_group_norm_whole_f32_texel : DAUB_KERNEL_group_norm_whole_f32),
        .n_specs = 2,
        .specs = { { SPEC_GROUP_NORM_PAIR, x[1] != NULL }, { SPEC_GROUP_NORM_SILU, attrs->silu } },
        .n_bindings = 5,
        .bind = { daub_bind(rec, x[0], DAUB_READ, attrs->texel), daub_bind(rec, x[1], DAUB_READ, attrs->texel),
                  daub_bind(rec, node->in[GAMMA], DAUB_READ, false), daub_bind(rec, node->in[BETA], DAUB_READ, false),
                  daub_bind(rec, node->out, DAUB_WRITE, false) },
        .push = &params,
        .push_size = sizeof(params),
        .groups = { (params.groups + params.slab_groups - 1) / params.slab_groups, node->in[X]->shape.n, 1 },
        .flop = 12.0 * node->in[X]->shape.n * params.pixels * params.channels,
    };
    if (!x[1]) // an absent tensor's binding still has the kind that the kernel declares
        dispatch.bind[1].kind = dispatch.bind[0].kind;
    return daub_dispatch_node(rec, &dispatch);
}

// Leaves the affine map of x's own statistics, or of those given, which are one chunk of another number of pixels.
static daub_status record_affine(struct daub_recording *rec, struct group_norm_params params)
{
    const struct daub_node *node = rec->node;
    const struct daub_group_norm_attrs *attrs = node->attrs;
    if (given_to(node)) {
        params.chunks = 1;
        params.pixels = params.chunk_pixels = attrs->pixels;
        return record_finish(rec, params, given_to(node));
    }
    const struct daub_tensor *partial = node->scratch[PARTIAL];
    params.chunks = partial->shape.h;
    // With the smallest chunk that gives that many, chunks stay as even as can be.
    params.chunk_pixels = (params.pixels + params.chunks - 1) / params.chunks;
    const bool half = node->out->dtype == DAUB_F16;
    TRY(record_chunks(rec, params, half ? DAUB_KERNEL_group_norm_stats_f16 : DAUB_KERNEL_group_norm_stats_f32, partial,
                      NULL));
    return record_finish(rec, params, partial);
}

static daub_status group_norm_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct daub_group_norm_attrs *attrs = node->attrs;
    const struct daub_tensor *x[2];
    sources(node->in[X], x);
    const struct daub_shape shape = node->in[X]->shape;
    const bool half = x[0]->dtype == DAUB_F16;
    struct group_norm_params params = {
        .words0 = daub_words(x[0]),
        .words1 = x[1] ? daub_words(x[1]) : 0,
        .pixels = shape.h * shape.w,
        .channels = shape.c,
        .groups = attrs->groups,
        .silu = attrs->silu,
        .eps = attrs->eps,
    };
    if (attrs->whole)
        return record_whole(rec, params);
    TRY(record_affine(rec, params));
    params.chunk_pixels = GROUP_NORM_APPLY;
    params.chunks = (params.pixels + GROUP_NORM_APPLY - 1) / GROUP_NORM_APPLY;
    return record_chunks(rec, params, half ? DAUB_KERNEL_group_norm_apply_f16 : DAUB_KERNEL_group_norm_apply_f32,
                         node->scratch[AFFINE], node->out);
}

static double group_norm_flop(const struct daub_node *node)
{
    const struct daub_shape shape = node->out->shape;
    return 12.0 * shape.n * shape.h * shape.w * shape.c;
}

// ---- building --------------------------------------------------------------------------------------------------------

const struct daub_op daub_op_group_norm = {
    .name = "group_norm",
    .select = group_norm_select,
    .record = group_norm_record,
    .flop = group_norm_flop,
};

static struct daub_tensor *emit(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *gamma,
                                struct daub_tensor *beta, struct daub_tensor *given, struct daub_group_norm_attrs attrs)
{
    const uint32_t groups = attrs.groups;
    if (groups == 0 || x->shape.c % groups != 0)
        return daub_net_fail(net, "group_norm: %u channels do not split into %u groups", x->shape.c, groups);
    if (gamma->dims[0] != x->shape.c || beta->dims[0] != x->shape.c)
        return daub_net_fail(net, "group_norm: gamma has %u and beta %u values for %u channels", gamma->dims[0],
                             beta->dims[0], x->shape.c);
    if (x->heads != 1 || x->dtype == DAUB_U32)
        return daub_net_fail(net, "group_norm: takes fp16 or fp32 channels in one head, not %u heads", x->heads);
    const struct daub_node_desc desc = {
        .op = &daub_op_group_norm,
        .shape = x->shape,
        .dtype = x->dtype,
        .n_in = given ? 4 : 3,
        .in = { x, gamma, beta, given },
        .attrs = &attrs,
        .attrs_size = sizeof(attrs),
    };
    return daub_net_emit(net, &desc);
}

struct daub_tensor *daub_group_norm(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *gamma,
                                    struct daub_tensor *beta, uint32_t groups, float eps)
{
    return emit(net, x, gamma, beta, NULL, (struct daub_group_norm_attrs) { .groups = groups, .eps = eps });
}

struct daub_tensor *daub_group_norm_given(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *gamma,
                                          struct daub_tensor *beta, struct daub_tensor *stats, uint32_t pixels,
                                          uint32_t groups, float eps)
{
    const uint32_t words = 16 * total_words(x);
    if (stats->dtype != DAUB_U32 || stats->shape.n != x->shape.n || daub_rows(stats) != x->shape.n ||
        stats->shape.c != words || pixels == 0)
        return daub_net_fail(net, "group_norm: statistics [%u,%u,%u,%u] of %u pixels where [%u,1,1,%u] words fit",
                             stats->shape.n, stats->shape.h, stats->shape.w, stats->shape.c, pixels, x->shape.n, words);
    return emit(net, x, gamma, beta, stats,
                (struct daub_group_norm_attrs) { .groups = groups, .eps = eps, .pixels = pixels });
}

// attention.c - softmax(q k^T / sqrt(d)) v: the builder, and the kernels that never store a score. Wider heads are in
// attention_wide.c.
#include "runtime/op/attention.h"

#include "runtime/op/op.h"
#include "shaders/params/attention.h"

#include <math.h>

enum {
    SHARED_BYTES = 14848, // of attention_shared.comp: 3 tiles of 32 x 9 vec4, 32 x 8 floats
    CHUNK_WORDS = ATTENTION_SHARED_TILE / DAUB_WORD,
    SHORT = 128, // queries
};

static bool uses_lane(const struct daub_caps *caps)
{
    return caps->lane;
}

static bool uses_subgroup(const struct daub_caps *caps)
{
    return caps->lane && caps->shuffle8;
}

static bool uses_shared(const struct daub_caps *caps)
{
    return !caps->lane && caps->shared_kernels && caps->max_shared >= SHARED_BYTES;
}

static bool lacks_shared(const struct daub_caps *caps)
{
    return !uses_shared(caps);
}

// A row serves heads of up to max_words. The subgroup kernel serves all of them, compiled once. Lane kernels, for CPU drivers without
// its subgroups, unroll a whole head for all of a lane's queries, so wide heads cost compile time, and attention_wide.c's three
// kernels, compiled once for all sizes, overtake them: with texel buffers on Mesa 22.3 and a Zen 4 core, f16, 1024 keys, GFLOP a
// CPU second for 2, 3, 4 queries a lane are d = 40: 18, 24, 28; 64: 17, 22, 26; 80: 19, 24, 22; 160: 18, 24, -, compiled in 0.3
// to 0.5, 0.5 to 1.0, 0.5 to 1.1 and 1.2 to 1.9 s; the three make 31 and 24 in their products, compiled in 0.3 s. Mesa 25 takes
// four times as long, and through storage buffers ten times; there 2 queries are no slower than 4.
enum kind {
    SUBGROUP,
    LANE,
    SHARED,
};

struct choice {
    enum kind kind;
    enum daub_kernel f32, f16;
    bool (*needs)(const struct daub_caps *caps);
    bool texel;
    uint32_t max_words;
    uint32_t max_queries; // a lane
};

static const struct choice choices[] = {
    // best first
    { SUBGROUP, DAUB_KERNEL_attention_subgroup_f32_texel, DAUB_KERNEL_attention_subgroup_f16_texel, uses_subgroup, true,
      UINT32_MAX, ATTENTION_SUBGROUP_QUERIES },
    { SUBGROUP, DAUB_KERNEL_attention_subgroup_f32, DAUB_KERNEL_attention_subgroup_f16, uses_subgroup, false,
      UINT32_MAX, ATTENTION_SUBGROUP_QUERIES },
    { LANE, DAUB_KERNEL_attention_f32_texel, DAUB_KERNEL_attention_f16_texel, uses_lane, true, 5, 4 },
    { SHARED, DAUB_KERNEL_attention_shared_f32, DAUB_KERNEL_attention_shared_f16, uses_shared, false, 20, 0 },
    { LANE, DAUB_KERNEL_attention_f32, DAUB_KERNEL_attention_f16, lacks_shared, false, 5, 2 },
};

float daub_attention_scale(const struct daub_tensor *q)
{
    return (float)(1.4426950408889634 / sqrt((double)(q->shape.c / q->heads)));
}

struct attention_run daub_attention_run(const struct daub_node *node, uint32_t which)
{
    const struct attention_attrs *attrs = node->attrs;
    const struct daub_key_counts *keys = &attrs->keys;
    const struct daub_tensor *q = node->in[0], *k = node->in[1];
    const uint32_t n = q->shape.n;
    if (keys->pictures == 0)
        return (struct attention_run) { which ? n : 0, n, daub_tokens(k), 0, k->shape.n == 1 };
    return which ? (struct attention_run) { keys->pictures, n, keys->n[1], keys->pictures * keys->n[0], false }
                 : (struct attention_run) { 0, keys->pictures, keys->n[0], 0, false };
}

uint32_t daub_attention_most_keys(const struct daub_node *node)
{
    const uint32_t a = daub_attention_run(node, 0).n_k, b = daub_attention_run(node, 1).n_k;
    return a > b ? a : b;
}

// A picture's keys and values must fit a binding each; queries are split as need be.
static bool fits(const struct daub_caps *caps, const struct daub_tensor *q, const struct daub_tensor *k, uint32_t tile,
                 bool texel)
{
    return daub_range_fits(caps, daub_row_size(k) * daub_tokens(k), texel) &&
           daub_range_fits(caps, daub_row_size(q) * tile, texel);
}

// Queries a workgroup.
static uint32_t tile_of(const struct choice *choice, const struct daub_tensor *q)
{
    if (choice->kind == SHARED)
        return ATTENTION_SHARED_TILE;
    const bool few = choice->kind == LANE && daub_tokens(q) <= SHORT && choice->max_queries > 2;
    return ATTENTION_LANES * (few ? 2 : choice->max_queries);
}

static uint32_t tiles_of(const struct daub_tensor *q, uint32_t tile)
{
    return (daub_tokens(q) + tile - 1) / tile;
}

// Tiles of queries, of all heads, whose sums in fp32 a binding can hold; at most all.
static uint32_t sums_tiles(const struct daub_caps *caps, const struct daub_tensor *q, uint32_t tile)
{
    const uint64_t size = (uint64_t)tile * 4 * DAUB_WORD * daub_words(q);
    const uint64_t most = (caps->max_range - 2 * (uint64_t)caps->buffer_align) / size;
    const uint64_t all = (uint64_t)q->shape.n * tiles_of(q, tile);
    return (uint32_t)(most < all ? most : all);
}

static daub_status attention_select(const struct daub_select *select, struct daub_net *net, struct daub_node *node)
{
    struct attention_attrs *attrs = node->attrs;
    const struct daub_caps *caps = select->caps;
    const struct daub_tensor *q = node->in[0], *k = node->in[1];
    const uint32_t head_words = daub_attention_head_words(q);

    for (uint32_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        const struct choice *choice = &choices[i];
        if (!choice->needs(caps) || (choice->texel && !(caps->texel && caps->prefer_texel)) ||
            head_words > choice->max_words)
            continue;
        const uint32_t tile = tile_of(choice, q);
        const uint32_t scratch_tiles = choice->kind == SUBGROUP ? sums_tiles(caps, q, tile) : 0;
        if (!fits(caps, q, k, tile, choice->texel) || (choice->kind == SUBGROUP && scratch_tiles == 0))
            continue;
        attrs->kernel = q->dtype == DAUB_F16 ? choice->f16 : choice->f32;
        attrs->texel = choice->texel;
        attrs->n_specs = (uint32_t[]) { [SUBGROUP] = 0, [LANE] = 2, [SHARED] = 1 }[choice->kind];
        attrs->spec_words = choice->kind == SHARED ? (head_words + CHUNK_WORDS - 1) / CHUNK_WORDS : head_words;
        attrs->spec_queries = tile / ATTENTION_LANES;
        attrs->tile = tile;
        attrs->scratch_tiles = scratch_tiles;
        if (scratch_tiles > 0)
            daub_node_scratch(net, node, DAUB_F32,
                              (struct daub_shape) { 1, 1, scratch_tiles * tile, DAUB_WORD * daub_words(q) });
        return DAUB_OK;
    }
    attrs->wide = true;
    return daub_attention_wide_select(select, net, node);
}

static double flop(const struct daub_node *node)
{
    const struct daub_tensor *q = node->in[0];
    double keys = 0.0; // of all pictures
    for (uint32_t i = 0; i < 2; i++) {
        const struct attention_run run = daub_attention_run(node, i);
        keys += (double)(run.end - run.image) * run.n_k;
    }
    return 4.0 * keys * daub_tokens(q) * q->shape.c;
}

// Queries begin .. end - 1 of n pictures of the run from `image` on; n > 1 only with all queries.
static daub_status dispatch(struct daub_recording *rec, const struct daub_node *node, const struct attention_run *run,
                            uint32_t image, uint32_t n, uint32_t begin, uint32_t end)
{
    const struct attention_attrs *attrs = node->attrs;
    const struct daub_tensor *q = node->in[0], *k = node->in[1], *v = node->in[2];
    const uint32_t n_q = daub_tokens(q), n_k = run->n_k;
    const uint32_t row = image * n_q + begin, n_rows = (n - 1) * n_q + end - begin;
    const uint32_t kv_row = run->broadcast ? 0 : run->row + (image - run->image) * n_k;
    const uint32_t n_kv_rows = run->broadcast ? n_k : n * n_k;

    struct attention_params params = {
        .n_q = n_q,
        .n_k = n_k,
        .query_begin = begin,
        .query_end = end,
        .image = image,
        .kv_images = run->broadcast ? 1 : q->shape.n,
        .pitch = daub_words(q),
        .head_words = daub_attention_head_words(q),
        .causal = attrs->causal,
        .scale = daub_attention_scale(q),
    };
    struct daub_dispatch d = {
        .kernel = attrs->kernel,
        .n_specs = attrs->n_specs,
        .specs = { { ATTENTION_SPEC_WORDS, attrs->spec_words }, { ATTENTION_SPEC_QUERIES, attrs->spec_queries } },
        .n_bindings = attrs->scratch_tiles ? 5 : 4,
        .bind = { daub_bind_rows(rec, q, row, n_rows, DAUB_READ, attrs->texel, &params.q_first),
                  daub_bind_rows(rec, k, kv_row, n_kv_rows, DAUB_READ, attrs->texel, &params.k_first),
                  daub_bind_rows(rec, v, kv_row, n_kv_rows, DAUB_READ, attrs->texel, &params.v_first),
                  daub_bind_rows(rec, node->out, row, n_rows, DAUB_WRITE, false, &params.out_first),
                  daub_bind(rec, attrs->scratch_tiles ? node->scratch[0] : NULL, DAUB_READ_WRITE, false) },
        .push = &params,
        .push_size = sizeof(params),
        .groups = { (end - begin + attrs->tile - 1) / attrs->tile, q->heads, n },
        .flop = 4.0 * n * (end - begin) * n_k * q->shape.c,
    };
    // The kernels take picture i's keys to begin at row i * n_k. Both are modulo 2^32.
    const uint32_t shift = run->broadcast ? 0 : (kv_row - image * n_k) * params.pitch;
    params.k_first -= shift;
    params.v_first -= shift;
    return daub_dispatch_node(rec, &d);
}

static daub_status record_run(struct daub_recording *rec, const struct daub_node *node, const struct attention_run *run)
{
    const struct attention_attrs *attrs = node->attrs;
    const struct daub_tensor *q = node->in[0], *k = node->in[1];
    const uint32_t n_q = daub_tokens(q), n_images = run->end - run->image, n_tiles = tiles_of(q, attrs->tile);
    const uint32_t max_tiles = attrs->scratch_tiles ? attrs->scratch_tiles : UINT32_MAX;
    const double row_flop = 4.0 * run->n_k * q->shape.c;
    if (n_images == 0)
        return DAUB_OK;
    if (n_tiles <= max_tiles / n_images && daub_range_fits(rec->caps, daub_tensor_size(q), attrs->texel) &&
        daub_range_fits(rec->caps, daub_tensor_size(k), attrs->texel) && row_flop * n_q * n_images <= rec->max_flop &&
        n_tiles <= rec->caps->max_groups[0] && n_images <= rec->caps->max_groups[2])
        return dispatch(rec, node, run, run->image, n_images, 0, n_q);

    uint32_t tiles = 1; // as many as one dispatch may have, doubling
    while (tiles < n_tiles && 2 * tiles <= max_tiles && 2 * tiles <= rec->caps->max_groups[0] &&
           2.0 * tiles * attrs->tile * row_flop <= rec->max_flop &&
           daub_range_fits(rec->caps, 2 * tiles * attrs->tile * daub_row_size(q), attrs->texel))
        tiles *= 2;
    const uint32_t step = tiles * attrs->tile;
    for (uint32_t image = run->image; image < run->end; image++)
        for (uint32_t begin = 0; begin < n_q; begin += step)
            TRY(dispatch(rec, node, run, image, 1, begin, n_q - begin < step ? n_q : begin + step));
    return DAUB_OK;
}

static daub_status attention_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct attention_attrs *attrs = node->attrs;
    if (attrs->wide)
        return daub_attention_wide_record(rec, node);
    for (uint32_t i = 0; i < 2; i++) {
        const struct attention_run run = daub_attention_run(node, i);
        TRY(record_run(rec, node, &run));
    }
    return DAUB_OK;
}

static const struct daub_op attention_op = {
    .name = "attention",
    .select = attention_select,
    .record = attention_record,
    .flop = flop,
};

static struct daub_tensor *emit(struct daub_net *net, struct daub_tensor *q, struct daub_tensor *k,
                                struct daub_tensor *v, const struct attention_attrs *attrs)
{
    const struct daub_shape a = q->shape, b = k->shape, c = v->shape;
    const struct daub_key_counts *keys = &attrs->keys;
    const bool poison = q->kind == DAUB_TENSOR_POISON || k->kind == DAUB_TENSOR_POISON || v->kind == DAUB_TENSOR_POISON;
    if (!poison) {
        if (a.c != b.c || (b.n != a.n && b.n != 1) || c.n != b.n || daub_tokens(v) != daub_tokens(k) || c.c != b.c)
            return daub_net_fail(net,
                                 "attention of queries [%u,%u,%u,%u] to keys [%u,%u,%u,%u] and values [%u,%u,%u,%u]",
                                 a.n, a.h, a.w, a.c, b.n, b.h, b.w, b.c, c.n, c.h, c.w, c.c);
        if (keys->pictures > 0 && (keys->pictures >= a.n || keys->n[0] == 0 || keys->n[1] == 0 || b.n != 1 ||
                                   daub_tokens(k) != keys->pictures * keys->n[0] + (a.n - keys->pictures) * keys->n[1]))
            return daub_net_fail(net, "attention of %u pictures, the first %u to %u keys and the others to %u, of %u",
                                 a.n, keys->pictures, keys->n[0], keys->n[1], b.n * daub_tokens(k));
        if (q->heads != k->heads || q->heads != v->heads || a.c % q->heads != 0 || q->dtype != k->dtype ||
            q->dtype != v->dtype || q->dtype == DAUB_U32 || q->kind == DAUB_TENSOR_PAIR ||
            k->kind == DAUB_TENSOR_PAIR || v->kind == DAUB_TENSOR_PAIR)
            return daub_net_fail(net,
                                 "attention takes plain tensors of one type in one number of heads, not %u, %u, %u",
                                 q->heads, k->heads, v->heads);
    }
    return daub_net_emit(net, &(struct daub_node_desc) {
                                  .op = &attention_op,
                                  .shape = a,
                                  .heads = q->heads,
                                  .dtype = q->dtype,
                                  .n_in = 3,
                                  .in = { q, k, v },
                                  .attrs = attrs,
                                  .attrs_size = sizeof(*attrs),
                              });
}

struct daub_tensor *daub_attention(struct daub_net *net, struct daub_tensor *q, struct daub_tensor *k,
                                   struct daub_tensor *v, bool causal)
{
    const struct attention_attrs attrs = { .causal = causal };
    return emit(net, q, k, v, &attrs);
}

struct daub_tensor *daub_attention_of_lengths(struct daub_net *net, struct daub_tensor *q, struct daub_tensor *k,
                                              struct daub_tensor *v, struct daub_key_counts keys)
{
    const struct attention_attrs attrs = { .keys = keys };
    return emit(net, q, k, v, &attrs);
}

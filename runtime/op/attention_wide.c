// attention_wide.c - attention for heads of any width, and for keys that no single binding can hold: scores of a
// chunk of query rows into a scratch tensor, softmax of its rows, product with the values. A unit is one head of one
// picture; a dispatch does several.
#include "runtime/op/attention.h"

#include "shaders/params/attention_wide.h"

enum {
    MIB = 1 << 20,
    GPU_LOCAL_Y = 8,
    FEW_ROWS = 64, // a chunk of fewer leaves a GPU's compute units, or a CPU's threads, without work
};

// The scratch tensor is at most this large, and at most SCRATCH_RATIO times the queries, so that it follows the
// storage type and does not rule the arena's peak; at least FEW_ROWS rows.
static const uint64_t max_scratch = 64ull * MIB;
enum { SCRATCH_RATIO = 4 };

static uint32_t round_up(uint32_t n, uint32_t to)
{
    return (n + to - 1) / to * to;
}

static uint32_t tiles(uint32_t n)
{
    return (n + ATTENTION_WIDE_TILE - 1) / ATTENTION_WIDE_TILE;
}

// Words of a row of scores: all keys, and one for 1 / sum.
static uint32_t score_pitch(uint32_t n_k)
{
    return (n_k + 7) / 8 + 1;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

// Rows a unit that the scratch tensor may have with so many units.
static uint32_t rows_a_unit(const struct daub_caps *caps, uint64_t limit, uint64_t row_size, uint32_t units)
{
    if (units > caps->max_groups[2])
        return 0;
    return (uint32_t)least(limit / (units * row_size), caps->max_groups[0] / units);
}

// All heads of all pictures at once, if nothing needs a window; else a picture's heads; else one.
static void choose_units(const struct daub_caps *caps, const struct daub_node *node, struct attention_attrs *attrs)
{
    const struct daub_tensor *q = node->in[0], *k = node->in[1];
    const uint32_t n_k = daub_attention_most_keys(node);
    const uint64_t row_size = 32ull * score_pitch(n_k);
    const uint64_t range = caps->max_range - 2 * (uint64_t)caps->buffer_align;
    uint64_t limit = SCRATCH_RATIO * daub_tensor_size(q);
    if (limit < FEW_ROWS * row_size)
        limit = FEW_ROWS * row_size;
    limit = least(limit, least(range, max_scratch));

    const uint32_t enough = (uint32_t)least(daub_tokens(q), FEW_ROWS);
    const bool whole = attrs->keys.pictures == 0 && daub_tensor_size(q) <= range && daub_tensor_size(k) <= range;
    attrs->units = q->shape.n * q->heads;
    attrs->chunk = whole ? rows_a_unit(caps, limit, row_size, attrs->units) : 0;
    if (attrs->chunk < enough) {
        attrs->units = q->heads;
        attrs->chunk = rows_a_unit(caps, limit, row_size, attrs->units);
    }
    if (attrs->chunk < enough) {
        attrs->units = 1;
        attrs->chunk = rows_a_unit(caps, limit, row_size, 1);
    }
    attrs->chunk = (uint32_t)least(attrs->chunk, range / daub_row_size(q));

    const uint64_t keys = least(range / daub_row_size(k), n_k);
    attrs->window = keys < n_k ? (uint32_t)keys / 8 * 8 : n_k;
}

static bool texel_fits(const struct daub_caps *caps, const struct daub_node *node)
{
    const struct attention_attrs *attrs = node->attrs;
    const struct daub_tensor *q = node->in[0], *k = node->in[1];
    const bool several = attrs->units > q->heads;
    const uint32_t n_k = daub_attention_most_keys(node);
    return daub_range_fits(caps, 32ull * score_pitch(n_k) * attrs->units * attrs->chunk, true) &&
           daub_range_fits(caps, several ? daub_tensor_size(k) : attrs->window * daub_row_size(k), true) &&
           daub_range_fits(caps, several ? daub_tensor_size(q) : attrs->chunk * daub_row_size(q), true);
}

daub_status daub_attention_wide_select(const struct daub_select *select, struct daub_net *net, struct daub_node *node)
{
    struct attention_attrs *attrs = node->attrs;
    const struct daub_caps *caps = select->caps;
    const struct daub_tensor *q = node->in[0];
    const uint32_t n_q = daub_tokens(q), n_k = daub_attention_most_keys(node);

    choose_units(caps, node, attrs);
    if (attrs->chunk == 0 || attrs->window == 0)
        return daub_fail(DAUB_ERROR_UNSUPPORTED,
                         "%s: bindings of %llu bytes are too small for tokens of %llu and scores of %u keys",
                         node->name, (unsigned long long)caps->max_range, (unsigned long long)daub_row_size(q), n_k);
    const uint32_t n_chunks = (n_q + attrs->chunk - 1) / attrs->chunk; // of even size
    attrs->chunk = (uint32_t)least(attrs->chunk, round_up((n_q + n_chunks - 1) / n_chunks, ATTENTION_WIDE_TILE));

    const uint32_t rows = attrs->units * attrs->chunk;
    daub_node_scratch(net, node, DAUB_F32, (struct daub_shape) { 1, 1, rows, 8 * score_pitch(n_k) });
    if (attrs->window < n_k)
        daub_node_scratch(net, node, DAUB_F32, (struct daub_shape) { 1, 1, rows, 8 * daub_attention_head_words(q) });

    attrs->lane = caps->lane || !caps->shared_kernels;
    attrs->softmax = attrs->lane ? DAUB_KERNEL_attention_softmax_lane : DAUB_KERNEL_attention_softmax_shared;
    attrs->texel = caps->lane && caps->texel && caps->prefer_texel && texel_fits(caps, node);
    return DAUB_OK;
}

// Some queries of some units: what the three steps share.
struct chunk {
    struct daub_recording *rec;
    const struct daub_node *node;
    const struct attention_attrs *attrs;
    const struct attention_run *run;
    uint32_t image, n_images, head; // first unit's
    uint32_t query, n_rows;
    struct attention_wide_params params;
};

// By f16, texel.
static const enum daub_kernel score_kernels[2][2] = {
    { DAUB_KERNEL_attention_scores_f32, DAUB_KERNEL_attention_scores_f32_texel },
    { DAUB_KERNEL_attention_scores_f16, DAUB_KERNEL_attention_scores_f16_texel },
};
static const enum daub_kernel value_kernels[2][2] = {
    { DAUB_KERNEL_attention_values_f32, DAUB_KERNEL_attention_values_f32_texel },
    { DAUB_KERNEL_attention_values_f16, DAUB_KERNEL_attention_values_f16_texel },
};

// n rows from `row` on, and as many of every further picture of the chunk, `pitch` rows on; the first unit's first word goes to *base.
static struct daub_binding bind_tokens(const struct chunk *c, const struct daub_tensor *t, uint32_t row, uint32_t n,
                                       uint32_t pitch, enum daub_access access, bool texel, uint32_t *base)
{
    const uint32_t n_rows = (c->n_images - 1) * pitch + n;
    uint32_t first;
    const struct daub_binding binding = daub_bind_rows(c->rec, t, row, n_rows, access, texel, &first);
    *base = row * c->params.pitch + c->head * c->params.head_words - first;
    return binding;
}

static struct daub_binding bind_keys(struct chunk *c, const struct daub_tensor *t, uint32_t begin, uint32_t end)
{
    c->params.key_begin = begin;
    c->params.key_end = end;
    const struct attention_run *run = c->run;
    const uint32_t row = run->broadcast ? 0 : run->row + (c->image - run->image) * run->n_k;
    return bind_tokens(c, t, row + begin, end - begin, run->broadcast ? 0 : run->n_k, DAUB_READ, c->attrs->texel,
                       &c->params.kv_base);
}

// Queries, or what becomes of them, of the chunk's pictures.
static struct daub_binding bind_queries(const struct chunk *c, const struct daub_tensor *t, enum daub_access access,
                                        bool texel, uint32_t *base)
{
    const uint32_t n_q = daub_tokens(t);
    return bind_tokens(c, t, c->image * n_q + c->query, c->n_rows, n_q, access, texel, base);
}

static double product_flop(const struct daub_node *node, uint32_t n_rows, uint32_t n_keys)
{
    const struct attention_attrs *attrs = node->attrs;
    const struct daub_tensor *q = node->in[0];
    return 2.0 * attrs->units * n_rows * n_keys * (q->shape.c / q->heads);
}

static daub_status record_product(struct chunk *c, struct daub_dispatch *d, uint32_t columns)
{
    const uint32_t local_y = c->attrs->lane ? 1 : GPU_LOCAL_Y, row_tiles = tiles(c->n_rows);
    const bool run_on = c->attrs->texel; // see attention_scores.comp
    d->n_specs = 1;
    d->specs[0] = (struct daub_spec) { SPEC_LOCAL_Y, local_y };
    d->push = &c->params;
    d->push_size = sizeof(c->params);
    d->groups[0] = (columns * (run_on ? row_tiles : 1) + ATTENTION_WIDE_LANES - 1) / ATTENTION_WIDE_LANES;
    d->groups[1] = run_on ? 1 : (row_tiles + local_y - 1) / local_y;
    d->groups[2] = c->attrs->units;
    d->flop = product_flop(c->node, c->n_rows, c->params.key_end - c->params.key_begin);
    return daub_dispatch_node(c->rec, d);
}

static daub_status record_scores(struct chunk *c, uint32_t begin, uint32_t end)
{
    const struct daub_node *node = c->node;
    const bool texel = c->attrs->texel;
    struct daub_dispatch d = {
        .kernel = score_kernels[node->in[0]->dtype == DAUB_F16][texel],
        .n_bindings = 3,
        .bind = { bind_queries(c, node->in[0], DAUB_READ, texel, &c->params.q_base),
                  bind_keys(c, node->in[1], begin, end), daub_bind(c->rec, node->scratch[0], DAUB_WRITE, false) },
    };
    return record_product(c, &d, tiles(end - begin));
}

static daub_status record_softmax(struct chunk *c)
{
    struct attention_wide_params params = c->params;
    params.n_rows = c->attrs->units * c->n_rows;
    const uint32_t lane_groups = (params.n_rows + ATTENTION_WIDE_LANES - 1) / ATTENTION_WIDE_LANES;
    struct daub_dispatch d = {
        .kernel = c->attrs->softmax,
        .n_bindings = 1,
        .bind = { daub_bind(c->rec, c->node->scratch[0], DAUB_READ_WRITE, false) },
        .push = &params,
        .push_size = sizeof(params),
        .groups = { c->attrs->lane ? lane_groups : params.n_rows, 1, 1 },
    };
    return daub_dispatch_node(c->rec, &d);
}

static daub_status record_values(struct chunk *c, uint32_t begin, uint32_t end)
{
    const struct daub_node *node = c->node;
    const bool texel = c->attrs->texel;
    c->params.more = (begin > 0 ? ATTENTION_MORE_BEFORE : 0u) | (end < c->params.n_k ? ATTENTION_MORE_AFTER : 0u);
    struct daub_dispatch d = {
        .kernel = value_kernels[node->out->dtype == DAUB_F16][texel],
        .n_bindings = 4,
        .bind = { daub_bind(c->rec, node->scratch[0], DAUB_READ, texel), bind_keys(c, node->in[2], begin, end),
                  bind_queries(c, node->out, DAUB_WRITE, false, &c->params.out_base),
                  daub_bind(c->rec, node->n_scratch > 1 ? node->scratch[1] : NULL, DAUB_READ_WRITE, false) },
    };
    return record_product(c, &d, c->params.head_words);
}

static daub_status record_chunk(struct chunk *c)
{
    const uint32_t n_k = c->params.n_k, window = c->attrs->window;
    for (uint32_t key = 0; key < n_k; key += window)
        TRY(record_scores(c, key, n_k - key < window ? n_k : key + window));
    TRY(record_softmax(c));
    for (uint32_t key = 0; key < n_k; key += window)
        TRY(record_values(c, key, n_k - key < window ? n_k : key + window));
    return DAUB_OK;
}

static daub_status record_run(struct daub_recording *rec, const struct daub_node *node, const struct attention_run *run,
                              uint32_t step)
{
    const struct attention_attrs *attrs = node->attrs;
    const struct daub_tensor *q = node->in[0];
    const uint32_t n_q = daub_tokens(q), n_k = run->n_k, pitch = daub_words(q);
    struct chunk c = {
        .rec = rec,
        .node = node,
        .attrs = attrs,
        .run = run,
        .n_images = attrs->units > q->heads ? q->shape.n : 1,
        .params = { .n_k = n_k,
                    .pitch = pitch,
                    .head_words = daub_attention_head_words(q),
                    .score_pitch = score_pitch(n_k),
                    .heads = attrs->units > 1 ? q->heads : 1,
                    .q_image = n_q * pitch,
                    .kv_image = run->broadcast ? 0 : n_k * pitch,
                    .causal = attrs->causal,
                    .scale = daub_attention_scale(q) },
    };
    for (uint32_t unit = run->image * q->heads; unit < run->end * q->heads; unit += attrs->units) {
        c.image = unit / q->heads;
        c.head = unit % q->heads;
        for (c.query = 0; c.query < n_q; c.query += step) {
            c.n_rows = n_q - c.query < step ? n_q - c.query : step;
            c.params.n_rows = c.n_rows;
            c.params.query = c.query;
            TRY(record_chunk(&c));
        }
    }
    return DAUB_OK;
}

daub_status daub_attention_wide_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct attention_attrs *attrs = node->attrs;
    const uint32_t head_words = daub_attention_head_words(node->in[0]);
    const uint64_t columns = head_words > tiles(attrs->window) ? head_words : tiles(attrs->window);
    const uint64_t max_tiles = (uint64_t)rec->caps->max_groups[0] * ATTENTION_WIDE_LANES;
    uint32_t step = attrs->chunk;
    while (step > ATTENTION_WIDE_TILE &&
           (product_flop(node, step, attrs->window) > rec->max_flop || columns * tiles(step) > max_tiles))
        step = round_up(step / 2, ATTENTION_WIDE_TILE);
    for (uint32_t i = 0; i < 2; i++) {
        const struct attention_run run = daub_attention_run(node, i);
        TRY(record_run(rec, node, &run, step));
    }
    return DAUB_OK;
}

// attention_wide.c - attention for heads of any width, and for keys that no single binding can hold: scores of a chunk of query rows
// into a scratch tensor, softmax of its rows, product with the values.
#include "runtime/op/attention.h"

#include "shaders/params/attention_wide.h"

enum { MIB = 1 << 20 };

// Scratch of at most this: less would do for large caches (a chunk of 64 rows already fills a GPU's compute units), more would show in
// the arena's peak.
static const uint64_t max_scratch = 64ull * MIB;

static uint32_t round_up(uint32_t n, uint32_t to)
{
    return (n + to - 1) / to * to;
}

// Words of a row of scores: all keys, and one for 1 / sum.
static uint32_t score_pitch(uint32_t n_k)
{
    return (n_k + 7) / 8 + 1;
}

static uint32_t min_rows(uint64_t a, uint64_t b)
{
    const uint64_t least = a < b ? a : b;
    return least < UINT32_MAX ? (uint32_t)least : UINT32_MAX;
}

daub_status daub_attention_wide_select(const struct daub_select *select, struct daub_net *net, struct daub_node *node)
{
    struct attention_attrs *attrs = node->attrs;
    const struct daub_caps *caps = select->caps;
    const struct daub_tensor *q = node->in[0], *k = node->in[1];
    const uint32_t n_q = daub_tokens(q), n_k = daub_tokens(k), head_words = daub_attention_head_words(q);

    const uint64_t range = caps->max_range - 2 * (uint64_t)caps->buffer_align;
    const uint64_t row_size = 32ull * score_pitch(n_k);
    const uint32_t most = min_rows((range < max_scratch ? range : max_scratch) / row_size, caps->max_groups[0]);
    if (most == 0)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: the scores of %u keys take more than %llu MiB a query",
                         node->name, n_k, (unsigned long long)(max_scratch / MIB));
    const uint32_t n_chunks = (n_q + most - 1) / most; // of even size
    const uint32_t even = round_up((n_q + n_chunks - 1) / n_chunks, ATTENTION_WIDE_TILE);
    attrs->chunk = min_rows(min_rows(most, even), range / daub_row_size(q));

    const uint32_t keys = min_rows(range / daub_row_size(k), n_k);
    attrs->window = keys < n_k ? keys / 8 * 8 : n_k;
    if (attrs->chunk == 0 || attrs->window == 0)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: a binding of %llu bytes is too small for tokens of %llu",
                         node->name, (unsigned long long)caps->max_range, (unsigned long long)daub_row_size(q));

    daub_node_scratch(net, node, DAUB_F32, (struct daub_shape) { 1, 1, attrs->chunk, 8 * score_pitch(n_k) });
    if (attrs->window < n_k)
        daub_node_scratch(net, node, DAUB_F32, (struct daub_shape) { 1, 1, attrs->chunk, 8 * head_words });

    attrs->lane = caps->lane || !caps->shared_kernels;
    attrs->softmax = attrs->lane ? DAUB_KERNEL_attention_softmax_lane : DAUB_KERNEL_attention_softmax_shared;
    attrs->texel = caps->lane && caps->texel && caps->prefer_texel &&
                   daub_range_fits(caps, attrs->chunk * row_size, true) &&
                   daub_range_fits(caps, attrs->window * daub_row_size(k), true) &&
                   daub_range_fits(caps, attrs->chunk * daub_row_size(q), true);
    return DAUB_OK;
}

// A chunk of one head's queries: what the three steps share.
struct chunk {
    struct daub_recording *rec;
    const struct daub_node *node;
    const struct attention_attrs *attrs;
    uint32_t image, head, query, n_rows;
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

static uint32_t local_y(const struct attention_attrs *attrs)
{
    return attrs->lane ? 1 : 8;
}

// Binds the chunk's rows of q or y; the head's first word of the first row goes to *base.
static struct daub_binding bind_queries(const struct chunk *c, const struct daub_tensor *t, enum daub_access access,
                                        bool texel, uint32_t *base)
{
    const uint32_t row = c->image * daub_tokens(t) + c->query;
    uint32_t first;
    const struct daub_binding binding = daub_bind_rows(c->rec, t, row, c->n_rows, access, texel, &first);
    *base = row * c->params.pitch + c->head * c->params.head_words - first;
    return binding;
}

static struct daub_binding bind_keys(struct chunk *c, const struct daub_tensor *t, uint32_t begin, uint32_t end)
{
    const uint32_t row = (t->shape.n == 1 ? 0 : c->image * daub_tokens(t)) + begin;
    uint32_t first;
    const struct daub_binding binding = daub_bind_rows(c->rec, t, row, end - begin, DAUB_READ, c->attrs->texel, &first);
    c->params.key_begin = begin;
    c->params.key_end = end;
    c->params.kv_base = row * c->params.pitch + c->head * c->params.head_words - first;
    return binding;
}

static double product_flop(const struct chunk *c)
{
    const struct daub_tensor *q = c->node->in[0];
    return 2.0 * c->n_rows * (c->params.key_end - c->params.key_begin) * (q->shape.c / q->heads);
}

static daub_status record_product(struct chunk *c, struct daub_dispatch *d, uint32_t columns)
{
    const uint32_t rows_a_group = ATTENTION_WIDE_TILE * local_y(c->attrs);
    d->n_specs = 1;
    d->specs[0] = (struct daub_spec) { SPEC_LOCAL_Y, local_y(c->attrs) };
    d->push = &c->params;
    d->push_size = sizeof(c->params);
    d->groups[0] = (columns + ATTENTION_WIDE_LANES - 1) / ATTENTION_WIDE_LANES;
    d->groups[1] = (c->n_rows + rows_a_group - 1) / rows_a_group;
    d->groups[2] = 1;
    d->flop = product_flop(c);
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
    return record_product(c, &d, (end - begin + ATTENTION_WIDE_TILE - 1) / ATTENTION_WIDE_TILE);
}

static daub_status record_softmax(struct chunk *c)
{
    struct daub_dispatch d = {
        .kernel = c->attrs->softmax,
        .n_bindings = 1,
        .bind = { daub_bind(c->rec, c->node->scratch[0], DAUB_READ_WRITE, false) },
        .push = &c->params,
        .push_size = sizeof(c->params),
        .groups = { c->attrs->lane ? (c->n_rows + ATTENTION_WIDE_LANES - 1) / ATTENTION_WIDE_LANES : c->n_rows, 1, 1 },
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

daub_status daub_attention_wide_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct attention_attrs *attrs = node->attrs;
    const struct daub_tensor *q = node->in[0], *k = node->in[1];
    const uint32_t n_q = daub_tokens(q), n_k = daub_tokens(k);
    const uint32_t head_words = daub_attention_head_words(q);

    uint32_t step = attrs->chunk;
    while (step > ATTENTION_WIDE_TILE && 2.0 * step * attrs->window * (q->shape.c / q->heads) > rec->max_flop)
        step = round_up(step / 2, ATTENTION_WIDE_TILE);

    struct chunk c = {
        .rec = rec,
        .node = node,
        .attrs = attrs,
        .params = { .n_k = n_k,
                    .pitch = daub_words(q),
                    .head_words = head_words,
                    .score_pitch = score_pitch(n_k),
                    .causal = attrs->causal,
                    .scale = daub_attention_scale(q) },
    };
    for (c.image = 0; c.image < q->shape.n; c.image++)
        for (c.head = 0; c.head < q->heads; c.head++)
            for (c.query = 0; c.query < n_q; c.query += step) {
                c.n_rows = n_q - c.query < step ? n_q - c.query : step;
                c.params.n_rows = c.n_rows;
                c.params.query = c.query;
                TRY(record_chunk(&c));
            }
    return DAUB_OK;
}

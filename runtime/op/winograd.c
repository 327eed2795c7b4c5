// winograd.c - 3x3 convolutions by F(2x2, 3x3): transform of the input, one GEMM a position, transform of the output.
//
// All three run on a chunk of tiles at a time: the transformed input has 4 (after upsampling 9/4 of the source's) times the input's bytes.
#include "runtime/op/winograd.h"

#include "runtime/op/rows.h"
#include "shaders/params/gemm.h"
#include "shaders/params/winograd.h"

enum { TRANSFORMED, PRODUCTS }; // scratch

enum {
    MIN_IN_WORDS = 4,  // below, the transforms cost what the products save
    MIN_OUT_WORDS = 4, // a panel has 8
    // In times out channels, above which the 7 more products a weight cost more memory (3.7 MB in fp16) than a layer's time is worth: the
    // VAE's 512 to 512 and the U-Net's 640 to 320 stay below, its 640 and 1280 do not.
    MAX_CHANNELS_SQUARED = 512 * 512,
    WHOLE_SCRATCH = 48 << 20, // bytes of scratch up to which all tiles go at once: fewest dispatches
    CHUNK_SCRATCH = 32 << 20, // bytes of scratch of a chunk, when they do not
};

uint32_t daub_winograd_tiles(const struct daub_node *node)
{
    const struct daub_shape out = node->out->shape;
    return out.n * ((out.h + 1) / 2) * ((out.w + 1) / 2);
}

static uint32_t in_words(const struct daub_node *node)
{
    const struct daub_tensor *x = node->in[DAUB_GEMM_IN_X];
    return x->kind == DAUB_TENSOR_PAIR ? daub_words(x->pair[0]) + daub_words(x->pair[1]) : daub_words(x);
}

uint32_t daub_winograd_positions(const struct daub_select *select, const struct daub_node *node)
{
    const struct daub_gemm_attrs *attrs = node->attrs;
    const struct daub_tensor *x = node->in[DAUB_GEMM_IN_X], *out = node->out;
    const struct daub_tensor *source = x->kind == DAUB_TENSOR_PAIR ? x->pair[0] : x;
    if (!select->caps->winograd || attrs->kernel_h != 3 || attrs->kernel_w != 3 || attrs->stride != 1 ||
        attrs->pad_top != 1 || attrs->pad_left != 1 || out->shape.h != attrs->in_h || out->shape.w != attrs->in_w ||
        attrs->geglu || out->dtype != source->dtype || out->heads != 1)
        return 0;
    if (in_words(node) < MIN_IN_WORDS || daub_words(out) < MIN_OUT_WORDS || out->shape.h < 2 || out->shape.w < 2)
        return 0;
    const uint64_t panel_size = 16ull * in_words(node) * 8 * GEMM_PANEL * daub_word_size(out);
    if (!daub_range_fits(select->caps, 2 * panel_size, true))
        return 0;
    if (attrs->shift == 1 && attrs->in_h == 2 * source->shape.h && attrs->in_w == 2 * source->shape.w)
        return 9;
    const uint64_t squared = (uint64_t)x->shape.c * out->shape.c;
    return squared <= MAX_CHANNELS_SQUARED && 2 * (uint64_t)daub_rows(out) >= x->shape.c ? 16 : 0;
}

static uint32_t chunk_tiles(const struct daub_caps *caps, const struct daub_node *node, uint32_t positions)
{
    const uint32_t tiles = daub_winograd_tiles(node), in = in_words(node), out = daub_words(node->out);
    const uint64_t word_size = (uint64_t)positions * daub_word_size(node->out); // of a tile, a word of channels
    const uint64_t limit = (in + out) * word_size * tiles <= WHOLE_SCRATCH ? WHOLE_SCRATCH : CHUNK_SCRATCH;
    uint64_t range = caps->max_range - caps->buffer_align; // each of the two tensors is bound as a whole
    if (caps->texel && caps->max_texel_elements * 16 < range)
        range = caps->max_texel_elements * 16;
    uint64_t most = limit / ((in + out) * word_size);
    const uint64_t bound = range / ((in > out ? in : out) * word_size);
    most = most < bound ? most : bound;
    return most >= tiles ? tiles : most < 1 ? 1 : (uint32_t)most;
}

daub_status daub_winograd_select(const struct daub_select *select, struct daub_net *net, struct daub_node *node)
{
    const struct daub_gemm_attrs *attrs = node->attrs;
    const uint32_t p = attrs->winograd, tiles = chunk_tiles(select->caps, node, p);
    const enum daub_dtype dtype = node->out->dtype;
    daub_node_scratch(net, node, dtype, (struct daub_shape) { p, 1, tiles, in_words(node) * 8 });
    daub_node_scratch(net, node, dtype, (struct daub_shape) { p, 1, tiles, daub_words(node->out) * 8 });
    return DAUB_OK; // a scratch tensor that could not be made fails the net
}

// ---- recording -------------------------------------------------------------------------------------------------------

struct chunk {
    const struct daub_node *node;
    const struct daub_gemm_attrs *attrs;
    const struct daub_tensor *source[2], *residual, *out;
    struct winograd_params params;
    bool f16;
};

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

// Pixels of the result that the chunk's tiles cover: whole lines, over all pictures.
static void out_rows(const struct chunk *c, uint32_t *first, uint32_t *n)
{
    const struct winograd_params *p = &c->params;
    const uint32_t first_line = p->tile_first / p->tiles_w, last_line = (p->tile_first + p->n_tiles - 1) / p->tiles_w;
    const uint32_t top = first_line / p->tiles_h * p->out_h + 2 * (first_line % p->tiles_h);
    const uint32_t bottom = last_line / p->tiles_h * p->out_h + least(2 * (last_line % p->tiles_h) + 2, p->out_h);
    *first = top * p->out_w;
    *n = (bottom - top) * p->out_w;
}

// Stored pixels of the sources that the chunk's patches touch.
static void source_rows(const struct chunk *c, uint32_t *first, uint32_t *n)
{
    const struct winograd_params *p = &c->params;
    const uint32_t first_line = p->tile_first / p->tiles_w, last_line = (p->tile_first + p->n_tiles - 1) / p->tiles_w;
    const uint32_t y0 = 2 * (first_line % p->tiles_h), y1 = least(2 * (last_line % p->tiles_h) + 2, p->out_h - 1);
    const uint32_t top = first_line / p->tiles_h * p->src_h + ((y0 > 0 ? y0 - 1 : 0) >> p->shift);
    const uint32_t bottom = last_line / p->tiles_h * p->src_h + (y1 >> p->shift) + 1;
    *first = top * p->src_w;
    *n = (bottom - top) * p->src_w;
}

static bool fits(const struct daub_caps *caps, const struct chunk *c)
{
    uint32_t first, n;
    source_rows(c, &first, &n);
    for (uint32_t i = 0; i < 2; i++)
        if (c->source[i] && !daub_range_fits(caps, n * daub_row_size(c->source[i]), c->attrs->texel))
            return false;
    out_rows(c, &first, &n);
    return daub_range_fits(caps, n * daub_row_size(c->out), c->attrs->texel);
}

static daub_status record_input(struct daub_recording *rec, struct chunk *c)
{
    const bool texel = c->attrs->texel;
    uint32_t first, n;
    source_rows(c, &first, &n);
    const uint64_t threads = (uint64_t)c->params.n_tiles * (c->params.words0 + c->params.words1);
    struct daub_dispatch d = {
        .kernel = c->f16 ? (texel ? DAUB_KERNEL_winograd_input_f16_texel : DAUB_KERNEL_winograd_input_f16)
                         : (texel ? DAUB_KERNEL_winograd_input_f32_texel : DAUB_KERNEL_winograd_input_f32),
        .op = "winograd",
        .n_specs = 2,
        .specs = { { SPEC_WINOGRAD_UPSAMPLED, c->attrs->winograd == 9 }, { SPEC_WINOGRAD_PAIR, c->source[1] != NULL } },
        .n_bindings = 3,
        .push = &c->params,
        .push_size = sizeof(c->params),
        .flop = (double)threads * 8.0 * 32.0,
    };
    d.bind[WINOGRAD_SOURCE0] = daub_bind_rows(rec, c->source[0], first, n, DAUB_READ, texel, &c->params.first0);
    d.bind[WINOGRAD_SOURCE1] = daub_gemm_absent(c->out, c->attrs->texel);
    if (c->source[1])
        d.bind[WINOGRAD_SOURCE1] = daub_bind_rows(rec, c->source[1], first, n, DAUB_READ, texel, &c->params.first1);
    d.bind[WINOGRAD_OUT] = daub_bind(rec, c->node->scratch[TRANSFORMED], DAUB_WRITE, false);
    daub_light_grid(rec->caps, threads, d.groups);
    return daub_dispatch_node(rec, &d);
}

// The products of panels panel..panel+n-1.
static daub_status record_product(struct daub_recording *rec, const struct chunk *c, uint32_t panel, uint32_t n,
                                  uint64_t panel_size)
{
    const struct daub_gemm_attrs *attrs = c->attrs;
    const struct winograd_params *w = &c->params;
    const struct daub_tensor *weight = c->node->in[DAUB_GEMM_IN_WEIGHT];
    const uint32_t n_panels = (w->out_words + GEMM_PANEL - 1) / GEMM_PANEL, words = w->words0 + w->words1;
    const uint64_t low = panel * panel_size / rec->caps->buffer_align * rec->caps->buffer_align;
    const struct gemm_params params = {
        .row_end = w->n_tiles,
        .panel_first = panel / attrs->tile->panels,
        .panels = n_panels,
        .out_h = 1,
        .out_w = w->n_tiles,
        .in_h = 1,
        .in_w = w->n_tiles,
        .src_h = 1,
        .src_w = w->n_tiles,
        .kernel_w = 1,
        .taps = 1,
        .parts = 1,
        .batches = attrs->winograd,
        .stride = 1,
        .words0 = words,
        .out_words = w->out_words,
        .first_weight = (uint32_t)(low / daub_word_size(c->out)),
    };
    struct daub_dispatch d = {
        .kernel = attrs->tile->kernel[c->f16 ? DAUB_F16 : DAUB_F32][attrs->texel],
        .op = attrs->op_class,
        .n_specs = 6,
        .specs = { { SPEC_GEMM_PAIR, 0 },
                   { SPEC_GEMM_ACT, 0 },
                   { SPEC_GEMM_GEGLU, 0 },
                   { SPEC_GEMM_OUT_F32, 0 },
                   { SPEC_GEMM_TILE_ROWS, daub_gemm_lane_rows(attrs->tile) },
                   { SPEC_GEMM_TILE_PANELS, attrs->tile->panels } },
        .n_bindings = GEMM_N_BINDINGS,
        .push = &params,
        .push_size = sizeof(params),
        .groups = { (w->n_tiles + attrs->tile->rows - 1) / attrs->tile->rows,
                    (n + attrs->tile->panels - 1) / attrs->tile->panels, attrs->winograd },
        .flop = 2.0 * attrs->winograd * w->n_tiles * (words * 8.0) * (w->out_words * 8.0) * n / n_panels,
    };
    for (uint32_t i = 0; i < GEMM_N_BINDINGS; i++)
        d.bind[i] = daub_gemm_absent(c->out, c->attrs->texel);
    d.bind[GEMM_BIAS].kind = d.bind[GEMM_COUNTER].kind = DAUB_BIND_STORAGE;
    d.bind[GEMM_SOURCE0] = daub_bind(rec, c->node->scratch[TRANSFORMED], DAUB_READ, attrs->texel);
    d.bind[GEMM_WEIGHT] = daub_bind(rec, weight, DAUB_READ, attrs->texel);
    d.bind[GEMM_WEIGHT].range.offset += low;
    d.bind[GEMM_WEIGHT].range.size = (panel + n) * panel_size - low;
    d.bind[GEMM_OUT] = d.bind[GEMM_OUT_F32] = daub_bind(rec, c->node->scratch[PRODUCTS], DAUB_WRITE, false);
    return daub_dispatch_node(rec, &d);
}

static daub_status record_products(struct daub_recording *rec, const struct chunk *c)
{
    const struct daub_gemm_attrs *attrs = c->attrs;
    const struct winograd_params *w = &c->params;
    const uint32_t n_panels = (w->out_words + GEMM_PANEL - 1) / GEMM_PANEL;
    const uint64_t panel_size = (uint64_t)attrs->winograd * (w->words0 + w->words1) * 8 * GEMM_PANEL *
                                daub_word_size(c->out);
    const double panel_flop = 2.0 * attrs->winograd * w->n_tiles * (w->words0 + w->words1) * 8.0 * 64.0;
    uint32_t most = n_panels;
    while (most > attrs->tile->panels &&
           (!daub_range_fits(rec->caps, most * panel_size, attrs->texel) || most * panel_flop > rec->max_flop))
        most = (most / 2 + attrs->tile->panels - 1) / attrs->tile->panels * attrs->tile->panels;
    for (uint32_t panel = 0; panel < n_panels; panel += most)
        TRY(record_product(rec, c, panel, least(most, n_panels - panel), panel_size));
    return DAUB_OK;
}

static daub_status record_output(struct daub_recording *rec, struct chunk *c)
{
    const bool texel = c->attrs->texel;
    const struct daub_node *node = c->node;
    uint32_t first, n, first_rows;
    out_rows(c, &first, &n);
    c->params.row_end = first + n;
    const uint64_t threads = (uint64_t)c->params.n_tiles * c->params.out_words;
    struct daub_dispatch d = {
        .kernel = c->f16 ? (texel ? DAUB_KERNEL_winograd_output_f16_texel : DAUB_KERNEL_winograd_output_f16)
                         : (texel ? DAUB_KERNEL_winograd_output_f32_texel : DAUB_KERNEL_winograd_output_f32),
        .op = "winograd",
        .n_specs = 2,
        .specs = { { SPEC_WINOGRAD_UPSAMPLED, c->attrs->winograd == 9 }, { SPEC_GEMM_ACT, (uint32_t)c->attrs->act } },
        .n_bindings = GEMM_N_BINDINGS,
        .push = &c->params,
        .push_size = sizeof(c->params),
        .flop = (double)threads * 8.0 * 24.0,
    };
    const struct daub_tensor *rows = node->in[DAUB_GEMM_IN_ROWS];
    for (uint32_t i = 0; i < GEMM_N_BINDINGS; i++)
        d.bind[i] = daub_gemm_absent(c->out, c->attrs->texel);
    d.bind[GEMM_SOURCE0] = daub_bind(rec, node->scratch[PRODUCTS], DAUB_READ, texel);
    d.bind[GEMM_BIAS] = daub_bind(rec, node->in[DAUB_GEMM_IN_BIAS], DAUB_READ, false);
    d.bind[GEMM_COUNTER] = daub_bind(rec, node->in[DAUB_GEMM_IN_COUNTER], DAUB_READ, false);
    if (rows)
        d.bind[GEMM_ROWS] = daub_bind_rows(rec, rows, 0, daub_rows(rows), DAUB_READ, texel, &first_rows);
    if (c->residual)
        d.bind[GEMM_RESIDUAL] = daub_bind_rows(rec, c->residual, first, n, DAUB_READ, texel, &c->params.first_residual);
    d.bind[GEMM_OUT] = d.bind[GEMM_OUT_F32] = daub_bind_rows(rec, c->out, first, n, DAUB_WRITE, false,
                                                             &c->params.first_out);
    daub_light_grid(rec->caps, threads, d.groups);
    return daub_dispatch_node(rec, &d);
}

daub_status daub_winograd_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct daub_gemm_attrs *attrs = node->attrs;
    const struct daub_tensor *x = node->in[DAUB_GEMM_IN_X], *out = node->out;
    struct chunk c = {
        .node = node,
        .attrs = attrs,
        .source = { x },
        .residual = node->in[DAUB_GEMM_IN_RESIDUAL],
        .out = out,
        .f16 = out->dtype == DAUB_F16,
    };
    if (x->kind == DAUB_TENSOR_PAIR) {
        c.source[0] = x->pair[0];
        c.source[1] = x->pair[1];
    }
    c.params = (struct winograd_params) {
        .tiles_h = (out->shape.h + 1) / 2,
        .tiles_w = (out->shape.w + 1) / 2,
        .out_h = out->shape.h,
        .out_w = out->shape.w,
        .src_h = c.source[0]->shape.h,
        .src_w = c.source[0]->shape.w,
        .shift = attrs->shift,
        .words0 = daub_words(c.source[0]),
        .words1 = c.source[1] ? daub_words(c.source[1]) : 0,
        .out_words = daub_words(out),
        .flags = daub_gemm_flags(node),
    };
    const uint32_t tiles = daub_winograd_tiles(node), step = node->scratch[TRANSFORMED]->shape.w;
    for (uint32_t tile = 0; tile < tiles; tile += c.params.n_tiles) {
        c.params.tile_first = tile;
        c.params.n_tiles = least(step, tiles - tile);
        while (c.params.n_tiles > 1 && !fits(rec->caps, &c))
            c.params.n_tiles = (c.params.n_tiles + 1) / 2;
        TRY(record_input(rec, &c));
        TRY(record_products(rec, &c));
        TRY(record_output(rec, &c));
    }
    return DAUB_OK;
}

// gemm_record.c - cuts a GEMM into dispatches that every device can bind and no watchdog kills, and records them.
//
// A dispatch makes output pixels [row, row + n) by panels [panel, panel + m). Of the sources it binds the window of stored pixels
// that those rows touch, of the weight the window of panels; indices in the kernel count from the tensor's start, less the
// words before the window. In phases (gemm.h) the rows that are cut are stored pixels, four of the result each.
#include "runtime/op/winograd.h"

#include "shaders/params/gemm.h"

struct span {
    uint32_t first, n; // rows of a tensor
};

struct problem {
    const struct daub_node *node;
    const struct daub_gemm_attrs *attrs;
    const struct daub_tensor *source[2]; // source[1] NULL: no pair
    const struct daub_tensor *weight, *residual, *out;
    uint64_t panel_size; // bytes
    uint32_t n_panels, rows;
    uint32_t taps;       // of a panel
    uint32_t panel_step; // panels that one workgroup, or a pair of value and gate, takes together
    bool texel;
};

static struct problem problem_of(const struct daub_node *node, bool texel)
{
    const struct daub_gemm_attrs *attrs = node->attrs;
    const struct daub_tensor *x = node->in[DAUB_GEMM_IN_X];
    struct problem p = {
        .node = node,
        .attrs = attrs,
        .source = { x },
        .weight = node->in[DAUB_GEMM_IN_WEIGHT],
        .residual = node->in[DAUB_GEMM_IN_RESIDUAL],
        .out = node->out,
        .n_panels = (daub_words(node->out) + GEMM_PANEL - 1) / GEMM_PANEL * (attrs->geglu ? 2 : 1) * attrs->parts,
        .rows = daub_rows(node->out) / (attrs->phases ? 4 : attrs->parts),
        .taps = attrs->phases ? 16 : attrs->kernel_h * attrs->kernel_w,
        .panel_step = attrs->geglu ? 2 : attrs->tile->panels,
        .texel = texel,
    };
    if (x->kind == DAUB_TENSOR_PAIR) {
        p.source[0] = x->pair[0];
        p.source[1] = x->pair[1];
    }
    const uint64_t words = daub_words(p.source[0]) + (p.source[1] ? daub_words(p.source[1]) : 0);
    p.panel_size = (uint64_t)p.taps * words * 8 * GEMM_PANEL * daub_word_size(p.source[0]);
    return p;
}

static uint32_t clamp_to(int64_t at, uint32_t size)
{
    return at < 0 ? 0 : at >= size ? size - 1 : (uint32_t)at;
}

// Stored pixels under output pixels [row, row + n), in any source.
static struct span source_span(const struct problem *p, uint32_t row, uint32_t n)
{
    const struct daub_gemm_attrs *attrs = p->attrs;
    const struct daub_shape *src = &p->source[0]->shape, *out = &p->out->shape;
    if (attrs->kernel_h == 1 && attrs->kernel_w == 1 && attrs->stride == 1 && attrs->shift == 0 && src->h == out->h &&
        src->w == out->w)
        return (struct span) { row, n };
    if (attrs->phases) {
        const uint32_t first = row / src->w, last = (row + n - 1) / src->w, end = src->n * src->h - 1;
        const uint32_t from = first - (first > 0), to = last + (last < end);
        return (struct span) { from * src->w, (to - from + 1) * src->w };
    }
    const uint32_t first_line = row / out->w, last_line = (row + n - 1) / out->w; // over all images
    const int64_t top = (int64_t)(first_line % out->h) * attrs->stride - attrs->pad_top;
    const int64_t bottom = (int64_t)(last_line % out->h) * attrs->stride - attrs->pad_top + attrs->kernel_h - 1;
    const uint32_t from = first_line / out->h * src->h + (clamp_to(top, attrs->in_h) >> attrs->shift);
    const uint32_t to = last_line / out->h * src->h + (clamp_to(bottom, attrs->in_h) >> attrs->shift);
    return (struct span) { from * src->w, (to - from + 1) * src->w };
}

// Pixels of the result under rows [row, row + n).
static struct span result_span(const struct problem *p, uint32_t row, uint32_t n)
{
    if (!p->attrs->phases)
        return (struct span) { row, n };
    const uint32_t w = p->source[0]->shape.w, first = row / w, last = (row + n - 1) / w;
    return (struct span) { 4 * first * w, 4 * (last - first + 1) * w }; // two lines of 2w for each
}

static bool rows_fit(const struct daub_caps *caps, const struct problem *p, uint32_t row, uint32_t n)
{
    const struct span span = source_span(p, row, n);
    for (uint32_t i = 0; i < 2; i++)
        if (p->source[i] && !daub_range_fits(caps, span.n * daub_row_size(p->source[i]), p->texel))
            return false;
    const struct span result = result_span(p, row, n);
    if (p->residual && !daub_range_fits(caps, result.n * daub_row_size(p->residual), p->texel))
        return false;
    return daub_range_fits(caps, result.n * daub_row_size(p->out), false);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

bool daub_gemm_can_bind(const struct daub_caps *caps, const struct daub_node *node, bool texel)
{
    const struct problem p = problem_of(node, texel);
    const struct daub_tensor *rows = node->in[DAUB_GEMM_IN_ROWS];
    if (rows && !daub_range_fits(caps, daub_tensor_size(rows), texel))
        return false;
    // The middle of the image touches most.
    const uint32_t n = least(p.rows, p.attrs->tile->rows), row = (p.rows - n) / 2;
    return rows_fit(caps, &p, row, n) && rows_fit(caps, &p, p.rows - n, n) &&
           daub_range_fits(caps, p.panel_size * p.panel_step, texel);
}

// ---- bindings --------------------------------------------------------------------------------------------------------

struct daub_binding daub_gemm_absent(const struct daub_tensor *stored, bool texel)
{
    return (struct daub_binding) {
        .access = DAUB_READ,
        .kind = !texel                      ? DAUB_BIND_STORAGE
                : stored->dtype == DAUB_F16 ? DAUB_BIND_TEXEL_UINT4
                                            : DAUB_BIND_TEXEL_FLOAT4,
    };
}

static struct daub_binding bind_rows(struct daub_recording *rec, const struct problem *p, const struct daub_tensor *t,
                                     struct span span, uint32_t *first)
{
    return t ? daub_bind_rows(rec, t, span.first, span.n, DAUB_READ, p->texel, first)
             : daub_gemm_absent(p->source[0], p->texel);
}

static struct daub_binding bind_panels(struct daub_recording *rec, const struct problem *p, uint32_t panel, uint32_t n,
                                       uint32_t *first)
{
    struct daub_binding binding = daub_bind(rec, p->weight, DAUB_READ, p->texel);
    const uint64_t low = panel * p->panel_size / rec->caps->buffer_align * rec->caps->buffer_align;
    *first = (uint32_t)(low / daub_word_size(p->source[0])); // a panel is a multiple of 1 KiB
    binding.range.offset += low;
    binding.range.size = (panel + n) * p->panel_size - low;
    return binding;
}

uint32_t daub_gemm_flags(const struct daub_node *node)
{
    const struct daub_tensor *rows = node->in[DAUB_GEMM_IN_ROWS];
    uint32_t flags = 0;
    if (node->in[DAUB_GEMM_IN_BIAS])
        flags |= GEMM_HAS_BIAS;
    if (node->in[DAUB_GEMM_IN_RESIDUAL])
        flags |= GEMM_HAS_RESIDUAL;
    if (rows)
        flags |= node->in[DAUB_GEMM_IN_COUNTER] ? GEMM_ROWS_COUNTER
                 : rows->shape.n == 1           ? GEMM_ROWS_FIRST
                                                : GEMM_ROWS_IMAGE;
    return flags;
}

static struct gemm_params params_of(const struct problem *p)
{
    const struct daub_gemm_attrs *attrs = p->attrs;
    const struct daub_shape *src = &p->source[0]->shape;
    const bool phases = attrs->phases;
    return (struct gemm_params) {
        .panels = p->n_panels,
        .out_h = phases ? src->h : p->out->shape.h,
        .out_w = phases ? src->w : p->out->shape.w,
        .in_h = phases ? src->h : attrs->in_h,
        .in_w = phases ? src->w : attrs->in_w,
        .src_h = src->h,
        .src_w = src->w,
        .shift = phases ? 0 : attrs->shift,
        .kernel_w = phases ? 2 : attrs->kernel_w,
        .taps = phases ? 4 : p->taps,
        .parts = attrs->parts,
        .rows = p->rows,
        .batches = phases ? 4 : 1,
        .stride = attrs->stride,
        .pad_top = attrs->pad_top,
        .pad_left = attrs->pad_left,
        .words0 = daub_words(p->source[0]),
        .words1 = p->source[1] ? daub_words(p->source[1]) : 0,
        .out_words = daub_words(p->out),
        .flags = daub_gemm_flags(p->node),
    };
}

// The rows of the node's result that these rows of these panels are: from the first panel's part to the last one's.
static struct span out_span(const struct problem *p, struct span rows, struct span panels)
{
    const uint32_t part_panels = p->n_panels / p->attrs->parts;
    const uint32_t first = panels.first / part_panels, last = (panels.first + panels.n - 1) / part_panels;
    const struct span result = result_span(p, rows.first, rows.n);
    return (struct span) { first * p->rows + result.first, (last - first) * p->rows + result.n };
}

static daub_status record_piece(struct daub_recording *rec, const struct problem *p, struct gemm_params *params,
                                struct span rows, struct span panels)
{
    const struct daub_node *node = p->node;
    const struct daub_gemm_attrs *attrs = p->attrs;
    const bool f16 = p->source[0]->dtype == DAUB_F16, wide = f16 && p->out->dtype == DAUB_F32;
    const struct span source = source_span(p, rows.first, rows.n);
    struct daub_dispatch dispatch = {
        .kernel = attrs->tile->kernel[f16 ? DAUB_F16 : DAUB_F32][p->texel],
        .op = attrs->op_class,
        .n_specs = 6,
        .specs = { { SPEC_GEMM_PAIR, p->source[1] != NULL },
                   { SPEC_GEMM_ACT, (uint32_t)attrs->act },
                   { SPEC_GEMM_GEGLU, attrs->geglu },
                   { SPEC_GEMM_OUT_F32, wide },
                   { SPEC_GEMM_TILE_ROWS, daub_gemm_lane_rows(attrs->tile) },
                   { SPEC_GEMM_TILE_PANELS, attrs->tile->panels } },
        .n_bindings = GEMM_N_BINDINGS,
        .push = params,
        .push_size = sizeof(*params),
        .groups = { (rows.n + attrs->tile->rows - 1) / attrs->tile->rows,
                    (panels.n + attrs->tile->panels - 1) / attrs->tile->panels, params->batches },
        .flop = node->op->flop(node) * ((double)rows.n / p->rows) * ((double)panels.n / p->n_panels),
    };
    const struct daub_tensor *channel_rows = node->in[DAUB_GEMM_IN_ROWS];
    uint32_t first_rows; // the whole tensor is bound
    const struct span all_rows = { 0, channel_rows ? daub_rows(channel_rows) : 0 };

    params->row_first = rows.first;
    params->row_end = rows.first + rows.n;
    params->panel_first = panels.first / attrs->tile->panels;
    dispatch.bind[GEMM_SOURCE0] = bind_rows(rec, p, p->source[0], source, &params->first0);
    dispatch.bind[GEMM_SOURCE1] = bind_rows(rec, p, p->source[1], source, &params->first1);
    dispatch.bind[GEMM_WEIGHT] = bind_panels(rec, p, panels.first, panels.n, &params->first_weight);
    dispatch.bind[GEMM_BIAS] = daub_bind(rec, node->in[DAUB_GEMM_IN_BIAS], DAUB_READ, false);
    dispatch.bind[GEMM_ROWS] = bind_rows(rec, p, channel_rows, all_rows, &first_rows);
    dispatch.bind[GEMM_COUNTER] = daub_bind(rec, node->in[DAUB_GEMM_IN_COUNTER], DAUB_READ, false);
    dispatch.bind[GEMM_RESIDUAL] = bind_rows(rec, p, p->residual, result_span(p, rows.first, rows.n),
                                             &params->first_residual);
    // One of the two is written; the other's binding must not name a buffer that other dispatches use.
    const struct span out = out_span(p, rows, panels);
    dispatch.bind[GEMM_OUT] = dispatch.bind[GEMM_OUT_F32] = daub_bind_rows(rec, p->out, out.first, out.n, DAUB_WRITE,
                                                                           false, &params->first_out);
    return daub_dispatch_node(rec, &dispatch);
}

// ---- cutting ---------------------------------------------------------------------------------------------------------

// Panels from `panel` on that one dispatch takes.
static uint32_t panels_at_once(const struct daub_caps *caps, const struct problem *p, uint32_t panel)
{
    uint32_t n = least(p->n_panels - panel, caps->max_groups[1] / p->panel_step * p->panel_step);
    const uint32_t part_panels = p->n_panels / p->attrs->parts;
    if (n > part_panels - panel % part_panels && !daub_range_fits(caps, daub_tensor_size(p->out), false))
        n = part_panels - panel % part_panels; // the parts do not fit one binding
    while (n > p->panel_step && !daub_range_fits(caps, n * p->panel_size, p->texel))
        n = (n / 2 + p->panel_step - 1) / p->panel_step * p->panel_step;
    return n;
}

// Rows from `row` on that one dispatch takes; whole tiles, but at the end.
static uint32_t rows_at_once(const struct daub_recording *rec, const struct problem *p, uint32_t row, uint32_t n_panels)
{
    const uint32_t tile = p->attrs->tile->rows, left = p->rows - row;
    const double flop = p->node->op->flop(p->node) / p->rows * n_panels / p->n_panels; // a row
    uint64_t n = left < (uint64_t)rec->caps->max_groups[0] * tile ? left : (uint64_t)rec->caps->max_groups[0] * tile;
    if ((double)n * flop > rec->max_flop)
        n = (uint64_t)(rec->max_flop / flop) / tile * tile;
    n = n < tile ? least(tile, left) : n;
    while (n > tile && !rows_fit(rec->caps, p, row, (uint32_t)n))
        n = (n / 2 + tile - 1) / tile * tile;
    return (uint32_t)n;
}

daub_status daub_gemm_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct daub_gemm_attrs *attrs = node->attrs;
    if (attrs->winograd)
        return daub_winograd_record(rec, node);
    const struct problem p = problem_of(node, attrs->texel);
    struct gemm_params params = params_of(&p);
    for (struct span panels = { 0, 0 }; panels.first < p.n_panels; panels.first += panels.n) {
        panels.n = panels_at_once(rec->caps, &p, panels.first);
        for (struct span rows = { 0, 0 }; rows.first < p.rows; rows.first += rows.n) {
            rows.n = rows_at_once(rec, &p, rows.first, panels.n);
            TRY(record_piece(rec, &p, &params, rows, panels));
        }
    }
    return DAUB_OK;
}

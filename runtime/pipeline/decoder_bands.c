// decoder_bands.c - the VAE's decoder in less device memory: its beginning whole, then each segment (see models/vae.h) in horizontal
// bands. Whole maps lie on the host between segments, with the statistics that the next norm needs of all of their rows.
//
// A band is computed with the rows round it that its result depends on, and those are dropped: zeros beyond a band's border meet no row
// that is kept, zeros beyond the picture's border are the convolution's own. Bands begin at even rows, where the tiles of a whole
// map's convolution begin too, so that rounding is the same.
#include "runtime/pipeline/bands.h"
#include "runtime/pipeline/map.h"

#include <string.h>

struct decoding {
    struct daub_engine *engine;
    const struct daub_cut *cut;
    struct daub_exec *exec; // of the graph at hand
    struct daub_band_graph graph;
    uint32_t height;                     // of its bands
    struct daub_map *x, *residual, *out; // out may be residual
    uint8_t *rgb8;
    float *image;
    uint64_t arena;
};

static void drop(struct decoding *d)
{
    daub_exec_destroy(&d->exec);
    d->engine->tenant = NULL;
    d->height = 0;
}

// An executor of d->graph, in place of the last one.
static daub_status take(struct decoding *d)
{
    const daub_status status = daub_engine_exec(d->engine, DAUB_VAE, d->graph.net, false, false, &d->exec);
    if (status == DAUB_OK && daub_exec_arena_size(d->exec) > d->arena)
        d->arena = daub_exec_arena_size(d->exec);
    return status;
}

// Rows [row, row + n) of picture `image` of a tensor that holds rows of a map.
static struct daub_range rows_of(const struct decoding *d, const struct daub_tensor *t, uint32_t image, uint32_t row,
                                 uint32_t n)
{
    struct daub_range range = daub_exec_range(d->exec, t);
    const uint64_t size = daub_row_size(t) * t->shape.w;
    range.offset += ((uint64_t)image * t->shape.h + row) * size;
    range.size = n * size;
    return range;
}

static daub_status write_rows(const struct decoding *d, const struct daub_tensor *t, const struct daub_map *map,
                              const struct daub_window *window)
{
    for (uint32_t i = 0; t && i < t->shape.n; i++)
        TRY(daub_upload(d->engine->dev, rows_of(d, t, i, 0, window->n), daub_map_row(map, i, window->first)));
    return DAUB_OK;
}

static daub_status read_rows(const struct decoding *d, const struct daub_part *p, const struct daub_window *window)
{
    const uint32_t scale = daub_part_scale(p), from = (window->own_first - window->first) * scale;
    const uint32_t row = window->own_first * scale, n = window->own_n * scale;
    for (uint32_t i = 0; i < d->graph.out->shape.n; i++) {
        TRY(daub_download(d->engine->dev, rows_of(d, d->graph.out, i, from, n), daub_map_row(d->out, i, row)));
        daub_map_add(d->out, i, row, n);
    }
    return DAUB_OK;
}

// The band's rows of the picture as fp32 planes.
static daub_status read_planes(const struct decoding *d, uint32_t image, const struct daub_window *window,
                               uint32_t map_h)
{
    const struct daub_host *host = d->engine->host;
    struct daub_tensor t = *d->graph.out;
    const struct daub_range range = rows_of(d, &t, image, window->own_first - window->first, window->own_n);
    t.shape.n = 1;
    t.shape.h = window->own_n;
    const size_t plane = (size_t)t.shape.h * t.shape.w;
    uint8_t *stored = daub_alloc(host, (size_t)range.size);
    float *planes = daub_alloc_array(host, plane * t.shape.c, sizeof(float));
    daub_status status = stored && planes ? daub_download(d->engine->dev, range, stored)
                                          : daub_no_memory("rows of the picture");
    if (status == DAUB_OK) {
        daub_tensor_unpack(&t, true, stored, planes);
        for (uint32_t c = 0; c < t.shape.c; c++) {
            const size_t first = ((size_t)image * t.shape.c + c) * map_h + window->own_first;
            memcpy(d->image + first * t.shape.w, planes + c * plane, plane * sizeof(float));
        }
    }
    daub_free(host, stored);
    daub_free(host, planes);
    return status;
}

static daub_status read_picture(const struct decoding *d, const struct daub_part *p, const struct daub_window *window)
{
    for (uint32_t i = 0; i < d->graph.out->shape.n; i++) {
        const size_t row = (size_t)i * p->map_h + window->own_first;
        const struct daub_range range = rows_of(d, d->graph.rgb8, i, window->own_first - window->first, window->own_n);
        const uint32_t from = (window->own_first - window->first) * p->map_w;
        TRY(daub_picture_put(d->engine, d->cut->params, d->exec, d->graph.rgb8, d->graph.out, from,
                             window->own_n * p->map_w, (uint32_t)row * p->map_w));
        if (d->rgb8)
            TRY(daub_download(d->engine->dev, range, d->rgb8 + 4 * row * p->map_w));
        if (d->image)
            TRY(read_planes(d, i, window, p->map_h));
    }
    return DAUB_OK;
}

static daub_status run_band(struct decoding *d, const struct daub_part *p, const struct daub_window *window,
                            const uint32_t *stats)
{
    if (d->height != window->n) {
        drop(d);
        TRY(daub_band_graph(d->cut, p, window->n, &d->graph));
        TRY(take(d));
        d->height = window->n;
        TRY(daub_exec_write(d->exec, d->graph.stats, false, stats));
    }
    TRY(write_rows(d, d->graph.x, d->x, window));
    TRY(write_rows(d, d->graph.residual, d->residual, window));
    uint32_t flags[4] = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
    if (d->graph.flags)
        TRY(daub_exec_write(d->exec, d->graph.flags, false, flags));
    TRY(daub_exec_run(d->exec, DAUB_STAGE_STEP));
    if (d->graph.flags)
        TRY(daub_exec_read(d->exec, d->graph.flags, false, flags));
    if (flags[0] != UINT32_MAX)
        d->engine->nonfinite = 1;
    return p->segment.last ? read_picture(d, p, window) : read_rows(d, p, window);
}

static daub_status run_part(struct decoding *d, const struct daub_part *p)
{
    const struct daub_host *host = d->engine->host;
    const uint32_t scale = daub_part_scale(p);
    const struct daub_shape shape = { d->cut->params->batch, p->map_h * scale, p->map_w * scale, p->segment.out };
    if (daub_part_in_place(p))
        d->out = d->residual;
    else if (!p->segment.last)
        TRY(daub_map_create(host, d->cut->dtype, shape, &d->out));
    if (d->out)
        daub_map_begin(d->out);
    uint32_t *stats = daub_alloc_array(host, daub_map_n_stats(d->x), sizeof(*stats));
    if (!stats)
        return daub_no_memory("statistics");
    daub_map_stats(d->x, stats);
    daub_status status = DAUB_OK;
    drop(d); // its graph is another segment's
    for (uint32_t row = 0; row < p->map_h && status == DAUB_OK; row += p->rows) {
        const struct daub_window window = daub_window_at(p, row);
        status = run_band(d, p, &window, stats);
    }
    daub_free(host, stats);
    return status;
}

// The result of a segment is what the next one reads; what a resnet began with is kept for its end.
static void pass_on(struct decoding *d, const struct daub_part *p)
{
    if (d->residual != d->out)
        daub_map_destroy(&d->residual);
    d->residual = NULL;
    if (p->segment.second)
        daub_map_destroy(&d->x);
    else
        d->residual = d->x;
    d->x = d->out;
    d->out = NULL;
}

static daub_status run_head(struct decoding *d)
{
    TRY(daub_head_graph(d->cut, d->cut->n_blocks, &d->graph));
    TRY(take(d));
    TRY(daub_exec_write(d->exec, d->graph.x, true, d->cut->params->latents));
    TRY(daub_exec_run(d->exec, DAUB_STAGE_STEP));
    const struct daub_tensor *out = d->graph.out;
    TRY(daub_map_create(d->engine->host, out->dtype, out->shape, &d->x));
    for (uint32_t i = 0; i < out->shape.n; i++) {
        TRY(daub_download(d->engine->dev, rows_of(d, out, i, 0, out->shape.h), daub_map_row(d->x, i, 0)));
        daub_map_add(d->x, i, 0, out->shape.h);
    }
    return DAUB_OK;
}

static daub_status run_all(struct decoding *d)
{
    TRY(run_head(d));
    for (uint32_t i = 0; i < d->cut->n_parts; i++) {
        TRY(run_part(d, &d->cut->parts[i]));
        pass_on(d, &d->cut->parts[i]);
    }
    return DAUB_OK;
}

daub_status daub_bands_decode(struct daub_engine *engine, const struct daub_decode_params *params, uint8_t *rgb8,
                              float *image, uint64_t *arena)
{
    struct daub_cut cut = { .engine = engine, .dtype = engine->dtype, .params = params };
    struct decoding d = { .engine = engine, .cut = &cut, .rgb8 = rgb8, .image = image };
    engine->nonfinite = 0;
    daub_status status = daub_cut_choose(&cut);
    if (status == DAUB_OK)
        status = run_all(&d);
    drop(&d);
    if (d.out != d.residual)
        daub_map_destroy(&d.out);
    daub_map_destroy(&d.residual);
    daub_map_destroy(&d.x);
    daub_cut_free(&cut);
    *arena = d.arena;
    return status;
}

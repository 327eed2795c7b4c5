// decoder_cut.c - which of the decoder runs whole and how tall the bands of the rest are, and what that takes of the device.
#include "runtime/pipeline/bands.h"

#include "runtime/op/halo.h"
#include "runtime/op/op.h"

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

struct daub_window daub_window_at(const struct daub_part *p, uint32_t own_first)
{
    const uint32_t own_end = least(own_first + p->rows, p->map_h), end = least(own_end + p->halo, p->map_h);
    const uint32_t first = own_first > p->halo ? (own_first - p->halo) / 2 * 2 : 0;
    return (struct daub_window) { first, end - first, own_first, own_end - own_first };
}

uint32_t daub_part_scale(const struct daub_part *p)
{
    return p->segment.doubles ? 2 : 1;
}

bool daub_part_in_place(const struct daub_part *p)
{
    return p->segment.residual == p->segment.out && !p->segment.doubles;
}

// ---- graphs ----------------------------------------------------------------------------------------------------------

daub_status daub_head_graph(const struct daub_cut *cut, uint32_t n_blocks, struct daub_band_graph *g)
{
    const struct daub_vae_config *cfg = &cut->engine->desc.vae;
    const struct daub_decode_params *p = cut->params;
    *g = (struct daub_band_graph) { 0 };
    TRY(daub_net_create(cut->engine->host, "vae", cut->dtype, &g->net));
    g->x = daub_net_input(g->net, "latents", DAUB_STAGE_STEP, DAUB_F32,
                          (struct daub_shape) { p->batch, p->h, p->w, cfg->latent_channels });
    struct daub_tensor *z = daub_scale(g->net, g->x, (float)(1.0 / cfg->scaling_factor), (float)cfg->shift_factor,
                                       cut->dtype);
    g->out = daub_vae_head_build(g->net, cfg, z, n_blocks);
    daub_net_output(g->net, "head", g->out);
    return DAUB_OK;
}

daub_status daub_band_graph(const struct daub_cut *cut, const struct daub_part *p, uint32_t rows,
                            struct daub_band_graph *g)
{
    const struct daub_engine *engine = cut->engine;
    const struct daub_vae_segment *s = &p->segment;
    struct daub_shape shape = { cut->params->batch, rows, p->map_w, s->in };
    *g = (struct daub_band_graph) { 0 };
    TRY(daub_net_create(engine->host, "vae", cut->dtype, &g->net));
    g->x = daub_net_input(g->net, "x", DAUB_STAGE_STEP, cut->dtype, shape);
    g->stats = daub_net_input(g->net, "statistics", DAUB_STAGE_STEP, DAUB_U32,
                              (struct daub_shape) { shape.n, 1, 1, 16 * daub_words(g->x) });
    if (s->residual > 0) {
        shape.c = s->residual;
        g->residual = daub_net_input(g->net, "residual", DAUB_STAGE_STEP, cut->dtype, shape);
    }
    const struct daub_vae_band band = { g->x, g->residual, g->stats, p->map_h * p->map_w };
    g->out = daub_vae_segment_build(g->net, &engine->desc.vae, s, &band);
    daub_net_output(g->net, "out", g->out);
    if (s->last) {
        g->flags = daub_net_input(g->net, "flags", DAUB_STAGE_STEP, DAUB_U32, (struct daub_shape) { 1, 1, 1, 4 });
        daub_check_finite(g->net, g->out, g->flags, NULL);
        g->rgb8 = daub_to_rgb8(g->net, g->out);
        daub_net_output(g->net, "rgb8", g->rgb8);
    }
    return DAUB_OK;
}

// ---- cutting ---------------------------------------------------------------------------------------------------------

struct tally { // over graphs
    uint64_t arena, transfer;
    bool collect; // keep the graphs, and list the weights that they want
    struct daub_net **nets;
    struct daub_tensor **weights;
    uint32_t n_nets, net_room, n_weights, weight_room, first_weight; // of the part at hand
};

static bool grow(const struct daub_host *host, void **list, uint32_t *room, uint32_t wanted, size_t size)
{
    if (wanted <= *room)
        return true;
    void *more = daub_realloc(host, *list, *room * size, 2 * (size_t)wanted * size);
    if (!more)
        return false;
    *list = more;
    *room = 2 * wanted;
    return true;
}

static bool list_weights(const struct daub_cut *cut, struct tally *tally, struct daub_net *net)
{
    uint32_t n = 0;
    struct daub_tensor **weights = daub_packed_weights(net, DAUB_ALL_STAGES, &n);
    void *list = tally->weights;
    if (!weights || !grow(cut->engine->host, &list, &tally->weight_room, tally->n_weights + n, sizeof(*weights)))
        return false;
    tally->weights = list;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = tally->first_weight; // only graphs of one part share weights
        while (j < tally->n_weights && !daub_weights_same(tally->weights[j], weights[i]))
            j++;
        if (j == tally->n_weights)
            tally->weights[tally->n_weights++] = weights[i];
    }
    return true;
}

// Plans a graph into the tally, which owns it from then on.
static daub_status add_graph(const struct daub_cut *cut, struct tally *tally, struct daub_net *net)
{
    uint64_t arena = 0;
    daub_status status = daub_exec_plan(cut->engine->dev, net, false, &arena);
    if (arena > tally->arena)
        tally->arena = arena;
    if (status == DAUB_OK && tally->collect) {
        const uint64_t transfer = daub_largest_transfer(net);
        tally->transfer = transfer > tally->transfer ? transfer : tally->transfer;
        void *nets = tally->nets;
        if (!list_weights(cut, tally, net) ||
            !grow(cut->engine->host, &nets, &tally->net_room, tally->n_nets + 1, sizeof(net)))
            status = daub_no_memory("a list of weights");
        else
            tally->nets = nets;
    }
    if (status == DAUB_OK && tally->collect)
        tally->nets[tally->n_nets++] = net;
    else
        daub_net_destroy(&net);
    return status;
}

static daub_status add_head(const struct daub_cut *cut, struct tally *tally, uint32_t n_blocks)
{
    struct daub_band_graph g;
    TRY(daub_head_graph(cut, n_blocks, &g));
    return add_graph(cut, tally, g.net);
}

// All graphs that the part's bands want: one a height.
static daub_status add_part(const struct daub_cut *cut, struct tally *tally, const struct daub_part *p)
{
    tally->first_weight = tally->n_weights;
    for (uint32_t i = 0; i <= p->map_h; i++)
        cut->seen[i] = false;
    for (uint32_t row = 0; row < p->map_h; row += p->rows) {
        const struct daub_window window = daub_window_at(p, row);
        if (cut->seen[window.n])
            continue;
        cut->seen[window.n] = true;
        struct daub_band_graph g;
        TRY(daub_band_graph(cut, p, window.n, &g));
        TRY(add_graph(cut, tally, g.net));
    }
    return DAUB_OK;
}

// Whether bands of p->rows fit.
static daub_status try_rows(const struct daub_cut *cut, const struct daub_part *p, bool *fits)
{
    struct tally tally = { 0 };
    TRY(add_part(cut, &tally, p));
    *fits = tally.arena <= cut->params->bands.arena;
    return DAUB_OK;
}

// The tallest bands that fit, evened out; of one row where none does.
static daub_status choose_rows(const struct daub_cut *cut, struct daub_part *p)
{
    uint32_t low = 1, high = p->map_h;
    bool fits;
    while (low < high) {
        p->rows = low + (high - low + 1) / 2;
        TRY(try_rows(cut, p, &fits));
        if (fits)
            low = p->rows;
        else
            high = p->rows - 1;
    }
    const uint32_t n = (p->map_h + low - 1) / low;
    p->rows = (p->map_h + n - 1) / n;
    TRY(try_rows(cut, p, &fits));
    if (!fits)
        p->rows = low;
    return DAUB_OK;
}

static daub_status find_halo(const struct daub_cut *cut, struct daub_part *p)
{
    struct daub_band_graph g;
    TRY(daub_band_graph(cut, p, 2, &g)); // any height
    p->halo = daub_halo(g.net, g.out);
    daub_net_destroy(&g.net);
    if (p->halo >= DAUB_HALO_ALL)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "segment %u.%u of the VAE depends on whole maps: it has no bands",
                         p->segment.block, p->segment.layer);
    return DAUB_OK;
}

// The head as long as fits: what runs whole is computed once and stays on the device.
static daub_status choose_head(struct daub_cut *cut)
{
    const struct daub_bands *bands = &cut->params->bands;
    cut->n_blocks = 0;
    for (uint32_t n = cut->engine->desc.vae.n_levels - 1; bands->rows == 0 && n > 0; n--) {
        struct tally tally = { 0 };
        TRY(add_head(cut, &tally, n));
        if (tally.arena > bands->arena)
            continue;
        cut->n_blocks = n;
        break;
    }
    return DAUB_OK;
}

daub_status daub_cut_choose(struct daub_cut *cut)
{
    const struct daub_vae_config *cfg = &cut->engine->desc.vae;
    const struct daub_decode_params *params = cut->params;
    TRY(choose_head(cut));
    cut->n_parts = daub_vae_n_segments(cfg, cut->n_blocks);
    cut->parts = daub_alloc_array(cut->engine->host, cut->n_parts, sizeof(*cut->parts));
    cut->seen = daub_alloc_array(cut->engine->host, ((size_t)params->h << (cfg->n_levels - 1)) + 1, sizeof(bool));
    if (!cut->parts || !cut->seen)
        return daub_no_memory("the decoder's bands");
    for (uint32_t i = 0; i < cut->n_parts; i++) {
        struct daub_part *p = &cut->parts[i];
        p->segment = daub_vae_segment_at(cfg, cut->n_blocks, i);
        p->map_h = params->h * p->segment.scale;
        p->map_w = params->w * p->segment.scale;
        p->rows = least(params->bands.rows, params->h) * p->segment.scale;
        TRY(find_halo(cut, p));
        if (params->bands.rows == 0)
            TRY(choose_rows(cut, p));
    }
    return DAUB_OK;
}

void daub_cut_free(struct daub_cut *cut)
{
    daub_free(cut->engine->host, cut->parts);
    daub_free(cut->engine->host, cut->seen);
}

// ---- estimating ------------------------------------------------------------------------------------------------------

static uint64_t map_size(const struct daub_cut *cut, const struct daub_part *p, uint32_t channels, uint32_t scale)
{
    const struct daub_tensor t = {
        .shape = { cut->params->batch, p->map_h * scale, p->map_w * scale, channels },
        .heads = 1,
        .dtype = cut->dtype,
    };
    return channels ? daub_tensor_size(&t) : 0;
}

static daub_status sum_up(const struct daub_cut *cut, struct tally *tally, struct daub_need *need)
{
    TRY(add_head(cut, tally, cut->n_blocks));
    for (uint32_t i = 0; i < cut->n_parts; i++) {
        const struct daub_part *p = &cut->parts[i];
        TRY(add_part(cut, tally, p));
        uint64_t host = map_size(cut, p, p->segment.in, 1) + map_size(cut, p, p->segment.residual, 1);
        if (!p->segment.last && !daub_part_in_place(p))
            host += map_size(cut, p, p->segment.out, daub_part_scale(p));
        need->host = host > need->host ? host : need->host;
        const uint32_t bands = (p->map_h + p->rows - 1) / p->rows;
        need->bands = bands > need->bands ? bands : need->bands;
    }
    need->arena = tally->arena;
    need->transfer = tally->transfer;
    need->turn = daub_weights_size_of(tally->weights, tally->n_weights);
    need->weights = daub_weights_size_with(cut->engine->weights[DAUB_VAE], tally->weights, tally->n_weights);
    return DAUB_OK;
}

daub_status daub_bands_estimate(const struct daub_engine *engine, const struct daub_decode_params *params,
                                struct daub_need *need)
{
    struct daub_cut cut = { .engine = engine, .dtype = engine->precision, .params = params };
    struct tally tally = { .collect = true };
    *need = (struct daub_need) { 0 };
    daub_status status = daub_cut_choose(&cut);
    if (status == DAUB_OK)
        status = sum_up(&cut, &tally, need);
    for (uint32_t i = 0; i < tally.n_nets; i++)
        daub_net_destroy(&tally.nets[i]);
    daub_free(engine->host, tally.nets);
    daub_free(engine->host, tally.weights);
    daub_cut_free(&cut);
    return status;
}

// sampler_step.c - between two model calls: guidance, the recorded sampler's ops for that call, the next network input.
#include "runtime/op/sampler_step.h"

#include "runtime/op/rows.h"
#include "shaders/params/sampler_step.h"

#include <assert.h>
#include <string.h>

enum { OUTPUT, X, VECS, NOISE, TABLE, COUNTER }; // node inputs

struct step_attrs {
    uint32_t batch, n_parts, n_thresholds;
    float weights[SAMPLER_MAX_PARTS];
    float guidance_scale, guidance_rescale;
    const struct daub_tensor *partial; // scratch of guidance rescale, or NULL
    const struct daub_tensor *slots; // scratch for the draws of an entry, where the noise is too large to bind; or NULL
};

// ---- the table -------------------------------------------------------------------------------------------------------

struct span {
    uint32_t first, n;
};

// Ops of entry e.
static struct span entry_ops(const struct daub_program *program, uint32_t e)
{
    if (e == 0)
        return (struct span) { 0, program->n_prologue };
    return (struct span) { program->calls[e - 1].first_op, program->calls[e - 1].n_ops };
}

static uint32_t count_thresholds(const struct daub_program *program)
{
    uint32_t most = 0;
    for (uint32_t e = 0; e <= program->n_calls; e++) {
        const struct span ops = entry_ops(program, e);
        uint32_t n = 0;
        for (uint32_t i = 0; i < ops.n; i++)
            n += program->ops[ops.first + i].kind == DAUB_OP_THRESHOLD;
        most = n > most ? n : most;
    }
    return most;
}

static uint32_t entry_words(uint32_t n_thresholds)
{
    return 2 * (n_thresholds + 1) + 3 * n_thresholds + 2;
}

uint32_t daub_sampler_table_words(const struct daub_program *program)
{
    return SAMPLER_HEADER + (program->n_calls + 1) * entry_words(count_thresholds(program)) +
           program->n_ops * SAMPLER_OP;
}

static uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

struct draws { // distinct ones of an entry, in order of use; what is given counts as draws behind the program's own
    uint32_t given; // number of the first of those
    uint32_t n, draw[SAMPLER_SLOTS + 1];
};

// A vector as the table names it. More draws than there are slots leave n above SAMPLER_SLOTS.
static uint32_t vector_word(struct draws *draws, daub_vec vec)
{
    if (vec < DAUB_VEC_NOISE)
        return vec;
    const uint32_t draw = vec >= DAUB_VEC_INIT ? draws->given + (vec - DAUB_VEC_INIT) : vec - DAUB_VEC_NOISE;
    uint32_t slot = 0;
    while (slot < draws->n && draws->draw[slot] != draw)
        slot++;
    if (slot == draws->n && draws->n <= SAMPLER_SLOTS)
        draws->draw[draws->n++] = draw;
    return SAMPLER_NOISE | slot << SAMPLER_SLOT_SHIFT | draw;
}

static void write_op(const struct daub_program_op *op, struct draws *draws, uint32_t *out)
{
    out[0] = (uint32_t)op->kind;
    out[1] = op->out;
    out[3] = float_bits(op->a);
    out[4] = float_bits(op->b);
    const bool sums = op->kind == DAUB_OP_LINCOMB || op->kind == DAUB_OP_BLEND;
    if (op->kind == DAUB_OP_BLEND)
        out[3] = vector_word(draws, DAUB_VEC_MASK);
    uint32_t n = 0;
    for (uint32_t i = 0; sums && i < op->n_terms; i++) {
        if (op->weight[i] == 0.0f) // may hold anything, even NaN
            continue;
        out[SAMPLER_OP_TERMS + 2 * n] = vector_word(draws, op->vec[i]);
        out[SAMPLER_OP_TERMS + 2 * n + 1] = float_bits(op->weight[i]);
        n++;
    }
    out[2] = n;
}

// Entry e into `out`, its ops into `ops`. Returns its distinct draws.
static uint32_t write_entry(const struct daub_program *program, uint32_t e, uint32_t n_thresholds, uint32_t *out,
                            uint32_t *ops)
{
    const struct span span = entry_ops(program, e);
    struct draws draws = { .given = program->n_noises };
    uint32_t *part = out, *threshold = out + 2 * (n_thresholds + 1), *next = threshold + 3 * n_thresholds;
    for (uint32_t i = 0; i <= n_thresholds; i++)
        part[2 * i] = span.first + span.n; // empty unless filled below
    for (uint32_t i = 0; i < n_thresholds; i++)
        threshold[3 * i] = SAMPLER_NONE;

    part[0] = span.first;
    for (uint32_t i = 0; i < span.n; i++) {
        const struct daub_program_op *op = &program->ops[span.first + i];
        write_op(op, &draws, ops + (size_t)(span.first + i) * SAMPLER_OP);
        if (op->kind != DAUB_OP_THRESHOLD) {
            part[1]++;
            continue;
        }
        threshold[0] = op->out;
        threshold[1] = float_bits(op->a);
        threshold[2] = float_bits(op->b);
        threshold += 3;
        part += 2;
        part[0] = span.first + i + 1;
    }
    next[0] = SAMPLER_NONE;
    if (e < program->n_calls) {
        next[0] = vector_word(&draws, program->calls[e].in);
        next[1] = float_bits(program->calls[e].c_in);
    }
    return draws.n;
}

void daub_sampler_table(const struct daub_program *program, uint32_t *out)
{
    const uint32_t n_thresholds = count_thresholds(program), words = entry_words(n_thresholds);
    memset(out, 0, daub_sampler_table_words(program) * sizeof(uint32_t));
    out[0] = program->n_calls + 1;
    out[1] = n_thresholds;
    out[2] = words;
    out[3] = SAMPLER_HEADER + (program->n_calls + 1) * words;
    for (uint32_t e = 0; e <= program->n_calls; e++) {
        const uint32_t n = write_entry(program, e, n_thresholds, out + SAMPLER_HEADER + e * words, out + out[3]);
        assert(n <= SAMPLER_SLOTS);
        (void)n;
    }
}

// ---- recording -------------------------------------------------------------------------------------------------------

static daub_status step_select(const struct daub_select *select, struct daub_net *net, struct daub_node *node)
{
    struct step_attrs *attrs = node->attrs;
    const struct daub_tensor *vecs = node->in[VECS];
    if (attrs->guidance_rescale != 0.0f) {
        const struct daub_shape shape = { attrs->batch, SAMPLER_MAX_CHUNKS, 2, 8 };
        attrs->partial = daub_node_scratch(net, node, DAUB_F32, shape);
    }
    if (!daub_range_fits(select->caps, daub_tensor_size(node->in[NOISE]), false)) {
        const struct daub_shape shape = { SAMPLER_SLOTS * attrs->batch, vecs->shape.h, vecs->shape.w, vecs->shape.c };
        attrs->slots = daub_node_scratch(net, node, DAUB_F32, shape);
    }
    return DAUB_OK; // a scratch tensor that could not be made fails the net
}

static struct sampler_step_params params_of(const struct daub_node *node)
{
    const struct step_attrs *attrs = node->attrs;
    const struct daub_tensor *vecs = node->in[VECS], *x = node->in[X];
    struct sampler_step_params params = {
        .batch = attrs->batch,
        .pixels = vecs->shape.h * vecs->shape.w,
        .words = daub_words(vecs),
        .channels = vecs->shape.c,
        .x_words = daub_words(x),
        .x_copies = x->shape.n / attrs->batch,
        .guided = node->in[OUTPUT]->shape.n > attrs->batch,
        .guidance_scale = attrs->guidance_scale,
        .guidance_rescale = attrs->guidance_rescale,
        .slots = attrs->slots != NULL,
        .parts = attrs->n_parts,
    };
    memcpy(params.weights, attrs->weights, sizeof(params.weights));
    params.chunk_pixels = (params.pixels + SAMPLER_MAX_CHUNKS - 1) / SAMPLER_MAX_CHUNKS;
    params.chunks = (params.pixels + params.chunk_pixels - 1) / params.chunk_pixels;
    return params;
}

// What every kernel may read; the rest is the caller's.
static struct daub_dispatch prepare(struct daub_recording *rec, enum daub_kernel kernel,
                                    const struct sampler_step_params *params)
{
    const struct daub_node *node = rec->node;
    struct daub_dispatch dispatch = {
        .kernel = kernel,
        .n_bindings = 8,
        .push = params,
        .push_size = sizeof(*params),
        .flop = 8.0 * params->batch * params->pixels * params->words,
        .groups = { 1, 1, 1 },
    };
    for (uint32_t i = 0; i < 8; i++)
        dispatch.bind[i].access = DAUB_READ;
    dispatch.bind[0] = daub_bind(rec, node->in[OUTPUT], DAUB_READ, false);
    dispatch.bind[4] = daub_bind(rec, node->in[TABLE], DAUB_READ, false);
    dispatch.bind[5] = daub_bind(rec, node->in[COUNTER], DAUB_READ, false);
    return dispatch;
}

static daub_status record_rescale(struct daub_recording *rec, const struct sampler_step_params *params)
{
    const struct step_attrs *attrs = rec->node->attrs;
    struct daub_dispatch stats = prepare(rec, DAUB_KERNEL_sampler_step_stats, params);
    stats.bind[7] = daub_bind(rec, attrs->partial, DAUB_WRITE, false);
    daub_light_grid(rec->caps, (uint64_t)params->batch * params->chunks, stats.groups);
    TRY(daub_dispatch_node(rec, &stats));

    struct daub_dispatch factor = prepare(rec, DAUB_KERNEL_sampler_step_factor, params);
    factor.bind[6] = daub_bind(rec, rec->node->out, DAUB_WRITE, false);
    factor.bind[7] = daub_bind(rec, attrs->partial, DAUB_READ, false);
    daub_light_grid(rec->caps, params->batch, factor.groups);
    return daub_dispatch_node(rec, &factor);
}

static daub_status record_gather(struct daub_recording *rec, struct sampler_step_params params)
{
    const struct step_attrs *attrs = rec->node->attrs;
    const struct daub_tensor *noise = rec->node->in[NOISE];
    const uint32_t rows = params.batch * params.pixels, draws = noise->shape.n / params.batch;
    const uint32_t fit = daub_rows_fit(rec->caps, daub_row_size(noise)) / rows, step = fit ? fit : 1;
    for (uint32_t draw = 0; draw < draws; draw += step) {
        params.draw_begin = draw;
        params.draw_end = draws - draw < step ? draws : draw + step;
        struct daub_dispatch dispatch = prepare(rec, DAUB_KERNEL_sampler_step_gather, &params);
        dispatch.bind[3] = daub_bind_rows(rec, noise, draw * rows, (params.draw_end - draw) * rows, DAUB_READ, false,
                                          &params.noise_first);
        dispatch.bind[7] = daub_bind(rec, attrs->slots, DAUB_WRITE, false);
        daub_light_grid(rec->caps, (uint64_t)rows * params.words, dispatch.groups);
        TRY(daub_dispatch_node(rec, &dispatch));
    }
    return DAUB_OK;
}

static daub_status record_part(struct daub_recording *rec, struct sampler_step_params params, uint32_t part)
{
    const struct daub_node *node = rec->node;
    const struct step_attrs *attrs = node->attrs;
    params.part = part;
    const bool half = node->in[X]->dtype == DAUB_F16;
    struct daub_dispatch dispatch = prepare(
        rec, half ? DAUB_KERNEL_sampler_step_step_f16 : DAUB_KERNEL_sampler_step_step_f32, &params);
    dispatch.bind[1] = daub_bind(rec, node->in[X], DAUB_READ_WRITE, false);
    dispatch.bind[2] = daub_bind(rec, node->in[VECS], DAUB_READ_WRITE, false);
    dispatch.bind[3] = daub_bind(rec, attrs->slots ? attrs->slots : node->in[NOISE], DAUB_READ, false);
    dispatch.bind[6] = daub_bind(rec, node->out, DAUB_READ, false);
    daub_light_grid(rec->caps, (uint64_t)params.batch * params.pixels * params.words, dispatch.groups);
    return daub_dispatch_node(rec, &dispatch);
}

static daub_status record_threshold(struct daub_recording *rec, struct sampler_step_params params, uint32_t part)
{
    const bool lane = daub_use_lane(rec->caps);
    params.part = part;
    struct daub_dispatch dispatch = prepare(
        rec, lane ? DAUB_KERNEL_sampler_step_threshold_lane : DAUB_KERNEL_sampler_step_threshold_shared, &params);
    dispatch.bind[2] = daub_bind(rec, rec->node->in[VECS], DAUB_READ, false);
    dispatch.bind[6] = daub_bind(rec, rec->node->out, DAUB_READ_WRITE, false);
    if (lane)
        daub_light_grid(rec->caps, params.batch, dispatch.groups);
    else
        daub_light_groups(rec->caps, params.batch, dispatch.groups);
    return daub_dispatch_node(rec, &dispatch);
}

static daub_status step_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct step_attrs *attrs = node->attrs;
    const struct sampler_step_params params = params_of(node);
    if (attrs->partial)
        TRY(record_rescale(rec, &params));
    if (attrs->slots)
        TRY(record_gather(rec, params));
    for (uint32_t part = 0; part <= attrs->n_thresholds; part++) {
        TRY(record_part(rec, params, part));
        if (part < attrs->n_thresholds)
            TRY(record_threshold(rec, params, part));
    }
    struct daub_dispatch advance = prepare(rec, DAUB_KERNEL_sampler_step_advance, &params);
    advance.bind[0] = advance.bind[4] = (struct daub_binding) { .access = DAUB_READ };
    advance.bind[5].access = DAUB_READ_WRITE;
    return daub_dispatch_node(rec, &advance);
}

const struct daub_op daub_op_sampler_step = {
    .name = "sampler_step",
    .select = step_select,
    .record = step_record,
};

// ---- building --------------------------------------------------------------------------------------------------------

static daub_status failed(struct daub_net *net, const char *what)
{
    daub_net_fail(net, "sampler_step: %s", what);
    return daub_net_finish(net); // gives the sentence that was kept first
}

static uint32_t parts_of(const struct daub_sampler_step *step)
{
    return step->n_parts ? step->n_parts : 1;
}

// The first thing about the tensors that breaks op.h's contract, or NULL.
static const char *misfit(const struct daub_sampler_step *step)
{
    const struct daub_tensor *output = step->output, *x = step->x, *vecs = step->vecs, *noise = step->noise;
    const uint32_t b = step->batch, parts = parts_of(step);
    if (parts > SAMPLER_MAX_PARTS || (parts > 1 && !step->weights))
        return "a prompt of more than 8 parts, or of parts without weights";
    if (b == 0 || (output->shape.n != b && output->shape.n != (1 + parts) * b) || x->shape.n != output->shape.n)
        return "the network's batch is neither the pictures' nor that of each part and one more";
    if (output->dtype != DAUB_F32 || vecs->dtype != DAUB_F32 || noise->dtype != DAUB_F32 || x->dtype == DAUB_U32 ||
        step->table->dtype != DAUB_U32)
        return "output, vectors and noise are fp32, the table is words";
    if (output->shape.n == b && (step->guidance_scale != 1.0f || step->guidance_rescale != 0.0f))
        return "guidance needs an output with and without the prompt";
    const struct daub_tensor *const same[] = { x, vecs, noise };
    for (uint32_t i = 0; i < 3; i++)
        if (same[i]->shape.h != output->shape.h || same[i]->shape.w != output->shape.w || same[i]->heads != 1)
            return "input, vectors or noise have other pixels than the output";
    if (vecs->shape.c != output->shape.c || noise->shape.c != output->shape.c || x->shape.c < output->shape.c)
        return "input, vectors or noise lack channels of the output";
    if (vecs->shape.n < step->program->n_vecs * b ||
        noise->shape.n < (step->program->n_noises + step->program->n_given) * b ||
        step->table->shape.c < daub_sampler_table_words(step->program))
        return "vectors, noise or table are too small for the program";
    return NULL;
}

// Whether an entry uses more draws than there are slots.
static bool too_many_draws(const struct daub_program *program)
{
    for (uint32_t e = 0; e <= program->n_calls; e++) {
        const struct span span = entry_ops(program, e);
        struct draws draws = { .given = program->n_noises };
        for (uint32_t i = 0; i < span.n; i++) {
            uint32_t scratch[SAMPLER_OP];
            write_op(&program->ops[span.first + i], &draws, scratch);
        }
        if (e < program->n_calls)
            vector_word(&draws, program->calls[e].in);
        if (draws.n > SAMPLER_SLOTS)
            return true;
    }
    return false;
}

daub_status daub_sampler_step(struct daub_net *net, const struct daub_sampler_step *step)
{
    if (daub_net_failed(net))
        return daub_net_finish(net);
    const char *what = misfit(step);
    if (what)
        return failed(net, what);
    if (too_many_draws(step->program))
        return failed(net, "a step of this sampler uses more than 4 draws and given vectors");

    struct step_attrs attrs = {
        .batch = step->batch,
        .n_parts = parts_of(step),
        .n_thresholds = count_thresholds(step->program),
        .guidance_scale = step->guidance_scale,
        .guidance_rescale = step->guidance_rescale,
    };
    if (attrs.n_parts > 1)
        memcpy(attrs.weights, step->weights, attrs.n_parts * sizeof(attrs.weights[0]));
    const struct daub_node_desc desc = {
        .op = &daub_op_sampler_step,
        .shape = { step->batch, 1, 1, 8 }, // scales: rescale factor and threshold of each picture
        .dtype = DAUB_F32,
        .stage = DAUB_STAGE_TAIL,
        .n_in = 6,
        .in = { step->output, step->x, step->vecs, step->noise, step->table, daub_net_counter(net) },
        .attrs = &attrs,
        .attrs_size = sizeof(attrs),
    };
    daub_net_emit(net, &desc);
    return daub_net_failed(net) ? daub_net_finish(net) : DAUB_OK;
}

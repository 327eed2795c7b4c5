// denoiser.c - the U-Net under a sampler's program: one graph of four stages, recorded once, submitted once a model call.
//
//   PICTURE  text -> keys and values of every cross-attention
//   TIME     sinusoids of all time steps -> time embedding -> every resnet's projection, a row a model call
//   TAIL     guidance, the program's arithmetic, the network's next input, counter + 1
//   STEP     the network
//
// No stage reads another's weights. A run is PICTURE, TIME, TAIL (the prologue), then STEP and TAIL for every call. The
// host only submits: two calls are in flight, so that the device never waits for it.
//
// Where guidance is for some calls only, the run has up to three parts: before, within and after them. Those without guidance are of a graph
// of half the rows, and each part goes on from the state that the one before it left, as a picture from a state of its host's does.
#include "runtime/pipeline/denoiser.h"
#include "runtime/pipeline/state.h"

#include "runtime/base/thread.h"
#include "runtime/op/op.h"

#include <string.h>

static uint32_t count_thresholds(const struct daub_program *program)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < program->n_calls; i++) {
        uint32_t n = 0;
        for (uint32_t j = 0; j < program->calls[i].n_ops; j++)
            n += program->ops[program->calls[i].first_op + j].kind == DAUB_OP_THRESHOLD;
        most = n > most ? n : most;
    }
    return most;
}

uint32_t daub_denoise_parts(const struct daub_denoise_params *params)
{
    return params->schedules && params->negative ? params->schedules->n_parts : 1;
}

static struct daub_denoise_shape shape_of(const struct daub_denoise_params *params)
{
    struct daub_denoise_shape shape;
    memset(&shape, 0, sizeof(shape)); // padding too: shapes are compared bytewise
    shape.batch = params->batch;
    shape.h = params->h;
    shape.w = params->w;
    shape.tokens = params->tokens;
    shape.negative_tokens = params->negative ? params->negative_tokens : 0;
    shape.n_parts = daub_denoise_parts(params);
    if (shape.n_parts > 1)
        memcpy(shape.weights, params->schedules->weights, shape.n_parts * sizeof(shape.weights[0]));
    shape.n_calls = params->program->n_calls;
    shape.n_vecs = params->program->n_vecs;
    shape.n_noises = params->program->n_noises + params->program->n_given;
    shape.n_thresholds = count_thresholds(params->program);
    shape.table_words = daub_sampler_table_words(params->program);
    shape.guidance_scale = params->negative ? params->guidance_scale : 1.0f;
    shape.guidance_rescale = params->negative ? params->guidance_rescale : 0.0f;
    shape.profile = params->profile;
    shape.nofuse = params->nofuse;
    return shape;
}

// The prompts' embeddings: a row of the batch each, or where both prompts' have other lengths, one after the other.
static struct daub_shape text_shape(const struct daub_denoise_shape *s, uint32_t rows, uint32_t width,
                                    struct daub_key_counts *keys)
{
    *keys = (struct daub_key_counts) { s->batch, { s->negative_tokens, s->tokens } };
    if (s->negative_tokens == 0 || s->negative_tokens == s->tokens) {
        keys->pictures = 0;
        return (struct daub_shape) { rows, 1, s->tokens, width };
    }
    return (struct daub_shape) { 1, 1, s->batch * s->negative_tokens + (rows - s->batch) * s->tokens, width };
}

// Builds the graph; the tensors the denoiser writes are left in *d.
static daub_status build(const struct daub_engine *engine, enum daub_dtype dtype,
                         const struct daub_denoise_params *params, struct daub_denoiser *d, struct daub_net **out)
{
    const struct daub_denoise_shape *s = &d->shape;
    const struct daub_unet_config *cfg = &engine->desc.unet;
    const uint32_t rows = params->negative ? (1 + s->n_parts) * s->batch : s->batch;

    struct daub_net *net = NULL;
    TRY(daub_net_create(engine->host, "unet", dtype, &net));
    d->counter = daub_net_counter(net);
    d->x = daub_net_input(net, "sample", DAUB_STAGE_STEP, dtype,
                          (struct daub_shape) { rows, s->h, s->w, cfg->in_channels });
    d->time = daub_net_input(net, "time", DAUB_STAGE_TIME, dtype,
                             (struct daub_shape) { s->n_calls, 1, 1, cfg->block_out_channels[0] });
    struct daub_key_counts keys;
    const struct daub_shape text = text_shape(s, rows, cfg->cross_attention_dim, &keys);
    d->text = s->tokens ? daub_net_input(net, "text", DAUB_STAGE_PICTURE, dtype, text) : NULL;
    d->vecs = daub_net_input(net, "vecs", DAUB_STAGE_TAIL, DAUB_F32,
                             (struct daub_shape) { s->n_vecs * s->batch, s->h, s->w, cfg->out_channels });
    d->noise = daub_net_input(net, "noise", DAUB_STAGE_TAIL, DAUB_F32,
                              (struct daub_shape) { s->n_noises * s->batch, s->h, s->w, cfg->out_channels });
    d->table = daub_net_input(net, "table", DAUB_STAGE_TAIL, DAUB_U32, (struct daub_shape) { 1, 1, 1, s->table_words });

    struct daub_tensor *output = daub_unet_build(net, cfg, d->x, d->time, d->text, keys.pictures > 0 ? &keys : NULL);
    if (!daub_net_failed(net)) {
        daub_net_output(net, "output", output);
        d->flags = daub_net_input(net, "flags", DAUB_STAGE_STEP, DAUB_U32, (struct daub_shape) { 1, 1, 1, 4 });
        daub_check_finite(net, output, d->flags, d->counter);
        const struct daub_sampler_step step = {
            .output = output,
            .x = d->x,
            .vecs = d->vecs,
            .noise = d->noise,
            .table = d->table,
            .batch = s->batch,
            .n_parts = s->n_parts,
            .weights = s->weights,
            .guidance_scale = s->guidance_scale,
            .guidance_rescale = s->guidance_rescale,
            .program = params->program,
        };
        const daub_status status = daub_sampler_step(net, &step);
        if (status != DAUB_OK) {
            daub_net_destroy(&net);
            return status;
        }
    }
    *out = net;
    return DAUB_OK;
}

static daub_status make(struct daub_engine *engine, const struct daub_denoise_params *params,
                        const struct daub_denoise_shape *shape)
{
    struct daub_denoiser *d = daub_alloc(engine->host, sizeof(*d));
    if (!d)
        return daub_no_memory("the denoiser");
    d->shape = *shape;
    struct daub_net *net = NULL;
    daub_status status = build(engine, engine->dtype, params, d, &net);
    if (status == DAUB_OK)
        status = daub_engine_exec(engine, DAUB_UNET, net, shape->profile, shape->nofuse, &d->exec);
    engine->weights_ns = daub_now_ns();
    if (status == DAUB_OK)
        engine->denoiser = d;
    else
        daub_free(engine->host, d);
    return status;
}

static void destroy(const struct daub_engine *engine, struct daub_denoiser **denoiser)
{
    if (!*denoiser)
        return;
    daub_exec_destroy(&(*denoiser)->exec);
    daub_free(engine->host, *denoiser);
    *denoiser = NULL;
}

static bool has_shape(const struct daub_denoiser *d, const struct daub_denoise_shape *shape)
{
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): without padding, and other bits are another graph
    return d && memcmp(&d->shape, shape, sizeof(*shape)) == 0;
}

// ---- parts of a run -----------------------------------------------------------------------------------------------

static bool is_guided(const struct daub_denoise_params *params, uint32_t call)
{
    return params->negative && call >= params->guided_first && (params->guided_end == 0 || call < params->guided_end);
}

// The part of a run that begins with `call`: up to where guidance begins or ends.
static struct daub_denoise_params part_from(const struct daub_denoise_params *params, uint32_t call)
{
    const uint32_t n = params->n_calls ? params->n_calls : params->program->n_calls;
    struct daub_denoise_params part = *params;
    part.first_call = call;
    part.n_calls = call;
    do
        part.n_calls++;
    while (part.n_calls < n && is_guided(params, part.n_calls) == is_guided(params, call));
    if (part.n_calls > n) // a state behind the last call
        part.n_calls = n;
    if (!is_guided(params, call))
        part.negative = NULL;
    return part;
}

// One of a resident engine's two is for the calls without guidance.
static daub_status prepare_part(struct daub_engine *engine, const struct daub_denoise_params *part)
{
    daub_engine_enter(engine, DAUB_UNET);
    const struct daub_denoise_shape shape = shape_of(part);
    if (!has_shape(engine->denoiser, &shape)) {
        struct daub_denoiser *other = engine->other_denoiser;
        engine->other_denoiser = engine->denoiser;
        engine->denoiser = other;
    }
    const bool parts = part->guided_first > 0 || part->guided_end > 0;
    if (!parts || engine->small)
        destroy(engine, &engine->other_denoiser);
    if (has_shape(engine->denoiser, &shape))
        return DAUB_OK;
    destroy(engine, &engine->denoiser);
    const daub_status status = make(engine, part, &shape);
    if (status == DAUB_ERROR_NO_GPU_MEMORY && daub_engine_trim(engine))
        return make(engine, part, &shape);
    return status;
}

daub_status daub_denoise_prepare(struct daub_engine *engine, const struct daub_denoise_params *params)
{
    const struct daub_denoise_params part = part_from(params, params->first_call);
    return prepare_part(engine, &part);
}

// ---- running ------------------------------------------------------------------------------------------------------

static daub_status call_done(struct daub_engine *engine, const struct daub_denoise_params *params, uint64_t ticket,
                             uint32_t call)
{
    const struct daub_denoiser *d = engine->denoiser;
    TRY(daub_wait(engine->dev, ticket, UINT64_MAX, NULL));
    const bool goes_on = !params->on_call || params->on_call(params->user, call); // which may change vectors
    if (daub_state_wanted(params, call))
        TRY(daub_state_read(engine, params, call, d->exec, d->x, d->vecs));
    if (!goes_on)
        return daub_fail(DAUB_ERROR_CANCELLED, "cancelled after %u of %u model calls", call + 1,
                         params->program->n_calls);
    return DAUB_OK;
}

static void drop_weights(struct daub_engine *engine, struct daub_exec *exec)
{
    daub_exec_forget(exec); // waits for it
    daub_weights_clear(engine->weights[DAUB_UNET]);
}

// A small engine gives each of these stages' weights back before the next one's are packed.
static daub_status once_a_picture(struct daub_engine *engine, struct daub_exec *exec)
{
    static const enum daub_stage stages[] = { DAUB_STAGE_PICTURE, DAUB_STAGE_TIME };
    for (int i = 0; i < 2; i++) {
        if (engine->small)
            drop_weights(engine, exec);
        TRY(daub_exec_submit(exec, stages[i], NULL));
    }
    if (engine->small)
        drop_weights(engine, exec);
    return DAUB_OK;
}

// Between two calls, when the device has done the first: keys and values of other texts.
static daub_status change_text(struct daub_engine *engine, const struct daub_denoise_params *params, uint32_t call)
{
    struct daub_exec *exec = engine->denoiser->exec;
    TRY(daub_denoiser_write_text(engine, params, call));
    if (engine->small)
        drop_weights(engine, exec);
    TRY(daub_exec_submit(exec, DAUB_STAGE_PICTURE, NULL));
    if (engine->small)
        drop_weights(engine, exec);
    return DAUB_OK;
}

struct ahead { // the call before the one that is being submitted
    struct daub_engine *engine;
    const struct daub_denoise_params *params;
    uint64_t ticket; // 0: it is done and reported
    uint32_t call;
    uint64_t prologue; // what the first call waits for
    bool begun;        // the first call
};

static daub_status first_begins(struct ahead *a)
{
    if (a->begun)
        return DAUB_OK;
    TRY(daub_wait(a->engine->dev, a->prologue, UINT64_MAX, NULL));
    a->engine->first_step_ns = daub_now_ns();
    a->begun = true;
    return DAUB_OK;
}

// A step may be submitted in many slices, and the call before it ends long before the last of them.
static daub_status look_back(void *user)
{
    struct ahead *a = user;
    bool done = false;
    TRY(first_begins(a)); // a slice of the step is queued behind the prologue: this costs nothing
    if (a->ticket == 0)
        return DAUB_OK;
    TRY(daub_wait(a->engine->dev, a->ticket, 0, &done));
    if (!done)
        return DAUB_OK;
    const uint64_t ticket = a->ticket;
    a->ticket = 0;
    return call_done(a->engine, a->params, ticket, a->call);
}

static daub_status run_part(struct daub_engine *engine, const struct daub_denoise_params *params)
{
    TRY(prepare_part(engine, params));
    TRY(daub_engine_use(engine, engine->denoiser->exec));
    TRY(daub_denoiser_write_inputs(engine, params));

    struct daub_exec *exec = engine->denoiser->exec;
    TRY(once_a_picture(engine, exec));
    uint64_t prologue = 0;
    if (!params->resume)
        TRY(daub_exec_submit(exec, DAUB_STAGE_TAIL, &prologue));
    if (params->on_start) {
        TRY(daub_wait(engine->dev, prologue, UINT64_MAX, NULL));
        if (!params->on_start(params->user))
            return daub_fail(DAUB_ERROR_CANCELLED, "cancelled before the first model call");
    }
    struct ahead before = { .engine = engine, .params = params, .prologue = prologue };
    if (engine->streams)
        TRY(first_begins(&before));
    // One call stays ahead of the one that is waited for, unless someone wants to look at vectors. To submit a streamed call takes as
    // long as it runs, and the next one's first weights are there when it ends: there is nothing to be ahead of.
    for (uint32_t i = params->first_call; i < params->n_calls; i++) {
        uint64_t ticket = 0;
        if (i > params->first_call && daub_denoise_text_changes(params, i)) {
            const uint64_t last = before.ticket;
            before.ticket = 0;
            if (last != 0)
                TRY(call_done(engine, params, last, i - 1));
            TRY(change_text(engine, params, i));
        }
        TRY(daub_exec_slices(exec, DAUB_STAGE_STEP, look_back, &before, NULL));
        TRY(daub_exec_slices(exec, DAUB_STAGE_TAIL, look_back, &before, &ticket));
        TRY(first_begins(&before));
        if (before.ticket != 0)
            TRY(call_done(engine, params, before.ticket, i - 1));
        before.ticket = ticket;
        before.call = i;
        if (params->lockstep || engine->streams || daub_state_wanted(params, i)) {
            before.ticket = 0;
            TRY(call_done(engine, params, ticket, i));
        }
    }
    if (before.ticket != 0)
        TRY(call_done(engine, params, before.ticket, params->n_calls - 1));
    uint32_t flags[4];
    TRY(daub_exec_read(exec, engine->denoiser->flags, false, flags));
    if (engine->nonfinite == 0 && flags[0] != UINT32_MAX)
        engine->nonfinite = flags[0];
    if (daub_exec_arena_size(exec) > engine->denoise_arena)
        engine->denoise_arena = daub_exec_arena_size(exec);
    return DAUB_OK;
}

// What `part` left, for the part behind it.
static daub_status take_state(struct daub_engine *engine, const struct daub_denoise_params *part,
                              struct daub_state_keep *state)
{
    const struct daub_denoiser *d = engine->denoiser;
    struct daub_denoise_params kept = *part;
    kept.keep = state;
    return daub_state_read(engine, &kept, part->n_calls - 1, d->exec, d->x, d->vecs);
}

daub_status daub_denoise(struct daub_engine *engine, const struct daub_denoise_params *params)
{
    const uint32_t n = params->n_calls ? params->n_calls : params->program->n_calls;
    struct daub_state_keep state = { .host = engine->host };
    struct daub_denoise_params part = part_from(params, params->first_call);
    engine->nonfinite = 0;
    engine->denoise_arena = 0;
    daub_status status = run_part(engine, &part);
    while (status == DAUB_OK && part.n_calls < n) {
        status = take_state(engine, &part, &state);
        if (status != DAUB_OK)
            break;
        part = part_from(params, part.n_calls);
        part.on_start = NULL;
        part.resume = state.data;
        part.resume_size = state.size;
        status = run_part(engine, &part);
    }
    daub_free(state.host, state.data);
    return status;
}

static struct daub_range range_of_vec(const struct daub_denoiser *d, daub_vec vec, struct daub_tensor *one)
{
    *one = *d->vecs;
    one->shape.n = d->shape.batch;
    struct daub_range range = daub_exec_range(d->exec, d->vecs);
    range.size = daub_tensor_size(one);
    range.offset += vec * range.size;
    return range;
}

daub_status daub_denoiser_read(struct daub_engine *engine, daub_vec vec, float *out)
{
    const struct daub_denoiser *d = engine->denoiser;
    struct daub_tensor one;
    const struct daub_range range = range_of_vec(d, vec, &one);
    void *stored = daub_alloc(engine->host, (size_t)range.size);
    if (!stored)
        return daub_no_memory("a latent");
    const daub_status status = daub_download(engine->dev, range, stored);
    if (status == DAUB_OK)
        daub_tensor_unpack(&one, true, stored, out);
    daub_free(engine->host, stored);
    return status;
}

// c_in times the latents into the first channels of the network's input, for both rows of guidance.
static daub_status write_network_input(struct daub_engine *engine, float c_in, const float *latents)
{
    const struct daub_denoiser *d = engine->denoiser;
    const struct daub_shape s = d->x->shape;
    const size_t plane = (size_t)s.h * s.w, channels = d->vecs->shape.c;
    float *x = daub_alloc_array(engine->host, s.n * s.c * plane, sizeof(float));
    if (!x)
        return daub_no_memory("a latent");
    daub_status status = daub_exec_read(d->exec, d->x, true, x);
    for (uint32_t row = 0; row < s.n; row++) {
        const float *from = latents + row % d->shape.batch * channels * plane;
        for (size_t i = 0; i < channels * plane; i++)
            x[row * s.c * plane + i] = c_in * from[i];
    }
    if (status == DAUB_OK)
        status = daub_exec_write(d->exec, d->x, true, x);
    daub_free(engine->host, x);
    return status;
}

daub_status daub_denoiser_write_state(struct daub_engine *engine, const struct daub_program *program, uint32_t call,
                                      const float *latents)
{
    const struct daub_denoiser *d = engine->denoiser;
    struct daub_tensor one;
    const struct daub_range range = range_of_vec(d, program->calls[call].state, &one);
    void *stored = daub_alloc(engine->host, (size_t)range.size);
    if (!stored)
        return daub_no_memory("a latent");
    daub_tensor_pack(&one, true, latents, stored);
    daub_status status = daub_upload(engine->dev, range, stored);
    daub_free(engine->host, stored);
    if (status == DAUB_OK && call + 1 < program->n_calls)
        status = write_network_input(engine, program->calls[call + 1].c_in, latents);
    return status;
}

struct daub_exec *daub_denoiser_exec(const struct daub_engine *engine)
{
    return engine->denoiser ? engine->denoiser->exec : NULL;
}

void daub_denoiser_destroy(struct daub_engine *engine)
{
    destroy(engine, &engine->denoiser);
    destroy(engine, &engine->other_denoiser);
}

daub_status daub_denoiser_net(const struct daub_engine *engine, const struct daub_denoise_params *params,
                              struct daub_net **out)
{
    struct daub_denoiser d = { .shape = shape_of(params) };
    return build(engine, engine->precision, params, &d, out);
}

daub_status daub_denoiser_estimate(const struct daub_engine *engine, const struct daub_denoise_params *params,
                                   const struct daub_stream_room *room, struct daub_need *need)
{
    struct daub_denoise_params unguided = *params;
    struct daub_net *net = NULL, *half = NULL;
    unguided.negative = NULL;
    TRY(daub_denoiser_net(engine, params, &net));
    if (params->negative && (params->guided_first > 0 || params->guided_end > 0)) {
        const daub_status status = daub_denoiser_net(engine, &unguided, &half);
        if (status != DAUB_OK) {
            daub_net_destroy(&net);
            return status;
        }
    }
    return daub_need_of_two(engine, DAUB_UNET, net, half, params->nofuse, room, need);
}

daub_status daub_denoiser_restream(struct daub_engine *engine, const struct daub_denoise_params *params)
{
    struct daub_denoiser d = { .shape = shape_of(params) };
    struct daub_net *net = NULL;
    struct daub_need need;
    const uint64_t limit = daub_device_memory_limit(engine->dev);
    const uint64_t used = daub_device_memory_used(engine->dev) - daub_staging_held(engine->dev) + DAUB_MEMORY_RESERVE;
    const struct daub_stream_room room = { limit > used ? limit - used : 0,
                                           !daub_device_caps(engine->dev)->memory_given, engine->fine };
    TRY(build(engine, engine->dtype, params, &d, &net));
    TRY(daub_need_of(engine, DAUB_UNET, net, params->nofuse, &room, &need));
    daub_weight_stream_set_budget(engine->stream, need.stream);
    return DAUB_OK;
}

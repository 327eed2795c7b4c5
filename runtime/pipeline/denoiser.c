// denoiser.c - the U-Net under a sampler's program: one graph of four stages, recorded once, submitted once a model call.
//
//   PICTURE  text -> keys and values of every cross-attention
//   TIME     sinusoids of all time steps -> time embedding -> every resnet's projection, a row a model call
//   TAIL     guidance, the program's arithmetic, the network's next input, counter + 1
//   STEP     the network
//
// No stage reads another's weights. A run is PICTURE, TIME, TAIL (the prologue), then STEP and TAIL for every call. The
// host only submits: two calls are in flight, so that the device never waits for it.
#include "runtime/pipeline/state.h"

#include "runtime/base/thread.h"
#include "runtime/op/op.h"

#include <string.h>

struct daub_denoiser {
    struct daub_denoise_shape shape;
    struct daub_exec *exec;
    struct daub_tensor *x, *time, *text, *vecs, *noise, *table, *counter, *flags;
};

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

static uint32_t n_parts(const struct daub_denoise_params *params)
{
    return params->turns && params->negative ? params->turns->n_parts : 1;
}

static struct daub_denoise_shape shape_of(const struct daub_denoise_params *params)
{
    struct daub_denoise_shape shape;
    memset(&shape, 0, sizeof(shape)); // padding too: shapes are compared bytewise
    shape.batch = params->batch;
    shape.h = params->h;
    shape.w = params->w;
    shape.tokens = params->tokens;
    shape.n_parts = n_parts(params);
    if (shape.n_parts > 1)
        memcpy(shape.weights, params->turns->weights, shape.n_parts * sizeof(shape.weights[0]));
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
    d->text = s->tokens ? daub_net_input(net, "text", DAUB_STAGE_PICTURE, dtype,
                                         (struct daub_shape) { rows, 1, s->tokens, cfg->cross_attention_dim })
                        : NULL;
    d->vecs = daub_net_input(net, "vecs", DAUB_STAGE_TAIL, DAUB_F32,
                             (struct daub_shape) { s->n_vecs * s->batch, s->h, s->w, cfg->out_channels });
    d->noise = daub_net_input(net, "noise", DAUB_STAGE_TAIL, DAUB_F32,
                              (struct daub_shape) { s->n_noises * s->batch, s->h, s->w, cfg->out_channels });
    d->table = daub_net_input(net, "table", DAUB_STAGE_TAIL, DAUB_U32, (struct daub_shape) { 1, 1, 1, s->table_words });

    struct daub_tensor *output = daub_unet_build(net, cfg, d->x, d->time, d->text);
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

static daub_status write_time(struct daub_engine *engine, const struct daub_program *program)
{
    const uint32_t width = engine->desc.unet.block_out_channels[0];
    float *features = daub_alloc_array(engine->host, (size_t)program->n_calls * width, sizeof(float));
    if (!features)
        return daub_no_memory("time features");
    for (uint32_t i = 0; i < program->n_calls; i++)
        daub_unet_time_features(&engine->desc.unet, program->calls[i].timestep, features + (size_t)i * width);
    const daub_status status = daub_exec_write(engine->denoiser->exec, engine->denoiser->time, false, features);
    daub_free(engine->host, features);
    return status;
}

// Steps that have ended before a call.
static uint32_t step_of(const struct daub_program *program, uint32_t call)
{
    while (call > 0 && program->calls[call - 1].step < 0)
        call--;
    return call > 0 ? (uint32_t)program->calls[call - 1].step + 1 : 0;
}

// The texts that a call reads: the negative one's, then each part's.
static const uint32_t *texts_of(const struct daub_denoise_params *params, uint32_t call)
{
    const struct daub_text_turns *turns = params->turns;
    const uint32_t step = step_of(params->program, call);
    return turns->of_step + (size_t)(step < turns->n_steps ? step : turns->n_steps - 1) * (1 + turns->n_parts);
}

static bool text_changes(const struct daub_denoise_params *params, uint32_t call)
{
    return params->turns && call > 0 &&
           memcmp(texts_of(params, call), texts_of(params, call - 1),
                  (1 + params->turns->n_parts) * sizeof(uint32_t)) != 0;
}

static const float *text_of_row(const struct daub_denoise_params *params, uint32_t call, uint32_t which, size_t one)
{
    if (params->turns)
        return params->texts + texts_of(params, call)[which] * one;
    return which == 0 ? params->negative : params->text;
}

// Rows 0..batch-1 are without the prompt when there is guidance, the rest with it, part after part: diffusers' order.
static daub_status write_text(struct daub_engine *engine, const struct daub_denoise_params *params, uint32_t call)
{
    const size_t one = (size_t)params->tokens * engine->desc.unet.cross_attention_dim;
    const uint32_t first = params->negative ? 0 : 1, rows = (1 + n_parts(params) - first) * params->batch;
    float *text = daub_alloc_array(engine->host, rows * one, sizeof(float));
    if (!text)
        return daub_no_memory("prompt embeddings");
    for (uint32_t i = 0; i < rows; i++)
        memcpy(text + i * one, text_of_row(params, call, first + i / params->batch, one), one * sizeof(float));
    const daub_status status = daub_exec_write(engine->denoiser->exec, engine->denoiser->text, false, text);
    daub_free(engine->host, text);
    return status;
}

static daub_status write_table(struct daub_engine *engine, const struct daub_denoise_params *params)
{
    uint32_t *table = daub_alloc_array(engine->host, engine->denoiser->shape.table_words, sizeof(uint32_t));
    if (!table)
        return daub_no_memory("the sampler's table");
    daub_sampler_table(params->program, table);
    const daub_status status = daub_exec_write(engine->denoiser->exec, engine->denoiser->table, false, table);
    daub_free(engine->host, table);
    return status;
}

// The sampler writes the latents' channels of the network's input; the others stay as they are written here.
static daub_status write_condition(struct daub_engine *engine, const struct daub_denoise_params *params)
{
    const struct daub_unet_config *cfg = &engine->desc.unet;
    const size_t pixels = (size_t)params->h * params->w, rows = engine->denoiser->x->shape.n;
    const size_t before = cfg->out_channels * pixels, all = cfg->in_channels * pixels;
    float *x = daub_alloc_array(engine->host, daub_mul_size(rows, all), sizeof(float));
    if (!x)
        return daub_no_memory("the network's input");
    for (size_t i = 0; i < rows; i++)
        memcpy(x + i * all + before, params->condition, (all - before) * sizeof(float));
    const daub_status status = daub_exec_write(engine->denoiser->exec, engine->denoiser->x, true, x);
    daub_free(engine->host, x);
    return status;
}

static daub_status write_inputs(struct daub_engine *engine, const struct daub_denoise_params *params)
{
    const struct daub_denoiser *d = engine->denoiser;
    const uint32_t counter[4] = { params->resume ? params->first_call + 1 : 0 }; // entries that were executed
    TRY(write_time(engine, params->program));
    if (params->tokens)
        TRY(write_text(engine, params, params->first_call));
    if (params->condition)
        TRY(write_condition(engine, params));
    TRY(write_table(engine, params));
    TRY(daub_exec_write(d->exec, d->noise, true, params->noise));
    static const uint32_t all_finite[4] = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
    TRY(daub_exec_write(d->exec, d->flags, false, all_finite));
    if (params->resume)
        TRY(daub_state_write(engine, params, d->exec, d->x, d->vecs));
    return daub_exec_write(d->exec, d->counter, false, counter);
}

daub_status daub_denoise_prepare(struct daub_engine *engine, const struct daub_denoise_params *params)
{
    daub_engine_enter(engine, DAUB_UNET);
    const struct daub_denoise_shape shape = shape_of(params);
    // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): without padding, and other bits are another graph
    if (engine->denoiser && memcmp(&engine->denoiser->shape, &shape, sizeof(shape)) != 0)
        daub_denoiser_destroy(engine);
    if (engine->denoiser)
        return DAUB_OK;
    const daub_status status = make(engine, params, &shape);
    if (status == DAUB_ERROR_NO_GPU_MEMORY && daub_engine_trim(engine))
        return make(engine, params, &shape);
    return status;
}

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
static daub_status turn_text(struct daub_engine *engine, const struct daub_denoise_params *params, uint32_t call)
{
    struct daub_exec *exec = engine->denoiser->exec;
    TRY(write_text(engine, params, call));
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

daub_status daub_denoise(struct daub_engine *engine, const struct daub_denoise_params *params)
{
    TRY(daub_denoise_prepare(engine, params));
    TRY(daub_engine_use(engine, engine->denoiser->exec));
    TRY(write_inputs(engine, params));

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
    const uint32_t n = params->n_calls ? params->n_calls : params->program->n_calls;
    for (uint32_t i = params->first_call; i < n; i++) {
        uint64_t ticket = 0;
        if (i > params->first_call && text_changes(params, i)) {
            const uint64_t last = before.ticket;
            before.ticket = 0;
            if (last != 0)
                TRY(call_done(engine, params, last, i - 1));
            TRY(turn_text(engine, params, i));
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
        TRY(call_done(engine, params, before.ticket, n - 1));
    uint32_t flags[4];
    TRY(daub_exec_read(exec, engine->denoiser->flags, false, flags));
    engine->nonfinite = flags[0] == UINT32_MAX ? 0 : flags[0];
    return DAUB_OK;
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
    if (!engine->denoiser)
        return;
    daub_exec_destroy(&engine->denoiser->exec);
    daub_free(engine->host, engine->denoiser);
    engine->denoiser = NULL;
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
    struct daub_net *net = NULL;
    TRY(daub_denoiser_net(engine, params, &net));
    return daub_need_of(engine, DAUB_UNET, net, params->nofuse, room, need);
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

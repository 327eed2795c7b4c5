// bench.c - daub_tools_bench: a picture as users draw it, for the times of its phases and how busy the machine was; then, if costs are
// wanted, one model call and one decoding more with a timestamp round every dispatch, and the count of what they do.
#include "include/daub_tools.h"

#include "runtime/api/model.h"
#include "runtime/api/params.h"
#include "runtime/base/thread.h"
#include "runtime/op/count.h"

#include <stdio.h>
#include <string.h>

enum { MAX_COSTS = 192 }; // phases times classes of nodes, with room

struct costs {
    daub_tools_op_cost rows[MAX_COSTS];
    uint32_t n;
};

// ---- costs -----------------------------------------------------------------------------------------------------------

static daub_tools_op_cost *find_row(struct costs *costs, uint32_t first, const char *phase, const char *op,
                                    uint32_t runs)
{
    uint32_t i = first;
    while (i < costs->n && strcmp(costs->rows[i].op, op) != 0)
        i++;
    if (i == MAX_COSTS)
        return NULL;
    if (i == costs->n) {
        costs->rows[i] = (daub_tools_op_cost) { .n_runs = runs };
        snprintf(costs->rows[i].phase, sizeof(costs->rows[i].phase), "%s", phase);
        snprintf(costs->rows[i].op, sizeof(costs->rows[i].op), "%s", op);
        costs->n++;
    }
    return &costs->rows[i];
}

// Seconds of every class in a stage's last run, and from the first dispatch's begin to the last one's end.
static daub_status add_times(struct costs *costs, uint32_t first, const struct daub_host *host, struct daub_exec *exec,
                             enum daub_stage stage, double *span)
{
    const uint32_t n = daub_exec_dispatch_count(exec, stage);
    uint32_t got = 0;
    struct daub_cmd_time *times = daub_alloc_array(host, n, sizeof(*times));
    if (!times)
        return daub_no_memory("timings");
    const daub_status status = daub_exec_times(exec, stage, times, n, &got);
    for (uint32_t i = 0; status == DAUB_OK && i < got && i < n; i++)
        for (uint32_t j = first; j < costs->n; j++)
            if (strcmp(costs->rows[j].op, times[i].op) == 0)
                costs->rows[j].seconds += times[i].seconds;
    if (status == DAUB_OK && got == n)
        *span = times[n - 1].begin + times[n - 1].seconds - times[0].begin;
    if (*span < 0.0)
        *span = 0.0; // the device's clock went round
    daub_free(host, times);
    return status;
}

static daub_status add_stage(struct costs *costs, const struct daub_engine *engine, struct daub_exec *exec,
                             enum daub_stage stage, const char *phase, uint32_t runs, bool timed)
{
    struct daub_count counts[DAUB_MAX_COUNTS];
    const uint32_t first = costs->n;
    uint32_t n = 0;
    double span = 0.0;
    if (!exec || daub_exec_dispatch_count(exec, stage) == 0)
        return DAUB_OK;
    TRY(daub_count_net(daub_device_caps(engine->dev), daub_exec_net(exec), NULL, counts, DAUB_MAX_COUNTS, &n));
    daub_tools_op_cost total = { .n_runs = runs };
    for (uint32_t i = 0; i < n; i++) {
        if (counts[i].stage != stage)
            continue;
        daub_tools_op_cost *row = find_row(costs, first, phase, counts[i].op, runs);
        if (!row)
            return daub_fail(DAUB_ERROR_UNSUPPORTED, "more than %d classes of nodes to time", MAX_COSTS);
        row->n_nodes = counts[i].n_nodes;
        row->n_dispatches = counts[i].n_dispatches;
        row->gflop = counts[i].flop * 1e-9;
        row->gbytes = (double)counts[i].bytes * 1e-9;
        row->floor_gbytes = (double)counts[i].floor * 1e-9;
    }
    if (timed)
        TRY(add_times(costs, first, engine->host, exec, stage, &span));
    for (uint32_t i = first; i < costs->n; i++) {
        const daub_tools_op_cost *row = &costs->rows[i];
        total.n_nodes += row->n_nodes;
        total.n_dispatches += row->n_dispatches;
        total.seconds += row->seconds;
        total.gflop += row->gflop;
        total.gbytes += row->gbytes;
        total.floor_gbytes += row->floor_gbytes;
    }
    daub_tools_op_cost *row = find_row(costs, first, phase, "total", runs);
    if (!row)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "more than %d classes of nodes to time", MAX_COSTS);
    memcpy(total.phase, row->phase, sizeof(total.phase));
    memcpy(total.op, row->op, sizeof(total.op));
    total.span_seconds = span;
    *row = total;
    return DAUB_OK;
}

static daub_status add_all(struct costs *costs, const struct daub_engine *engine, uint32_t calls, bool timed)
{
    struct daub_exec *const denoiser = daub_denoiser_exec(engine);
    const struct {
        struct daub_exec *exec;
        enum daub_stage stage;
        const char *phase;
        uint32_t runs;
    } stages[] = {
        { daub_text_exec(engine), DAUB_STAGE_PICTURE, "text", 1 },
        { daub_encoder_exec(engine), DAUB_STAGE_STEP, "encode", 1 },
        { denoiser, DAUB_STAGE_PICTURE, "prompt", 1 },
        { denoiser, DAUB_STAGE_TIME, "time", 1 },
        { denoiser, DAUB_STAGE_STEP, "denoise", calls },
        { denoiser, DAUB_STAGE_TAIL, "sampler", calls + 1 }, // once before the first call
        { daub_decoder_exec(engine), DAUB_STAGE_STEP, "decode", 1 },
    };
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
        TRY(add_stage(costs, engine, stages[i].exec, stages[i].stage, stages[i].phase, stages[i].runs, timed));
    return DAUB_OK;
}

// ---- load ------------------------------------------------------------------------------------------------------------

struct sample {
    uint32_t step;
    uint64_t wall, cpu, host;
};

struct watch {
    struct sample first, last; // after the first step, which compiles kernels on some drivers, and after the newest
};

static bool after_step(void *user, const daub_progress *progress)
{
    struct watch *watch = user;
    if (progress->phase != DAUB_PHASE_DENOISE || progress->step == 0)
        return true;
    watch->last = (struct sample) { progress->step, daub_now_ns(), daub_process_cpu_ns(), daub_thread_cpu_ns() };
    if (watch->first.step == 0)
        watch->first = watch->last;
    return true;
}

static daub_tools_load load_of(const struct watch *watch)
{
    const struct sample *a = &watch->first, *b = &watch->last;
    return (daub_tools_load) {
        .n_steps = b->step - a->step,
        .n_cores = daub_cpu_count(),
        .wall_seconds = (double)(b->wall - a->wall) * 1e-9,
        .cpu_seconds = (double)(b->cpu - a->cpu) * 1e-9,
        .host_seconds = (double)(b->host - a->host) * 1e-9,
    };
}

// ---- running ---------------------------------------------------------------------------------------------------------

static bool stop(void *user, uint32_t call)
{
    (void)user;
    (void)call;
    return false;
}

// Text, one model call and a decoding, with timestamps. Pipelines are made and compiled by now.
static daub_status run_profiled(struct daub_engine *engine, struct daub_request *request, uint8_t *pixels)
{
    const struct daub_run_hooks hooks = { .on_call = stop };
    const uint32_t scale = daub_latent_scale(&engine->desc);
    const uint32_t h = request->height / scale, w = request->width / scale;
    const uint32_t channels = engine->desc.has_vae ? engine->desc.vae.latent_channels : engine->desc.unet.out_channels;
    daub_result unused;
    request->profile = true;
    const daub_status status = daub_run(engine, request, &hooks, pixels, &unused);
    if (status != DAUB_OK && status != DAUB_ERROR_CANCELLED)
        return status;
    float *latents = daub_alloc_array(engine->host, (size_t)channels * h * w, sizeof(float)); // zeros
    if (!latents)
        return daub_no_memory("latents");
    const struct daub_decode_params params = {
        .batch = request->batch, .h = h, .w = w, .bands = request->bands, .profile = true, .latents = latents
    };
    uint64_t arena;
    const daub_status decoded = daub_decode(engine, &params, NULL, NULL, &arena);
    daub_free(engine->host, latents);
    return decoded;
}

static daub_status bench(struct daub_engine *engine, struct daub_request *request, struct costs *costs,
                         daub_tools_load *load, daub_result *result)
{
    struct watch watch = { 0 };
    const struct daub_run_hooks hooks = { .on_progress = after_step, .user = &watch };
    uint8_t *pixels = daub_alloc_array(engine->host, (size_t)request->width * request->height, 4);
    if (!pixels)
        return daub_no_memory("the picture");
    daub_status status = daub_run(engine, request, &hooks, pixels, result);
    *load = load_of(&watch);
    const bool timed = daub_device_caps(engine->dev)->timestamps;
    if (status == DAUB_OK && costs && timed)
        status = run_profiled(engine, request, pixels);
    if (status == DAUB_OK && costs)
        status = add_all(costs, engine, request->program.n_calls, timed);
    daub_free(engine->host, pixels);
    return status;
}

daub_status daub_tools_bench(daub_model *model, const daub_generate_params *params, daub_tools_op_cost *rows,
                             uint32_t capacity, uint32_t *count, daub_tools_load *load, daub_result *result)
{
    if (!model || !count || !load || !result || (capacity > 0 && !rows))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_tools_bench: an argument is NULL");
    uint32_t room;
    TRY(daub_params_room("daub_result", result, &room)); // before any work
    daub_generate_params p;
    TRY(daub_params_copy("daub_generate_params", params, &p, sizeof(p)));
    struct daub_engine *engine = daub_model_engine(model);
    struct costs *costs = daub_alloc(engine->host, sizeof(*costs));
    if (!costs)
        return daub_no_memory("timings");
    struct daub_request *request = NULL;
    daub_result own_result;
    daub_tools_load own_load;
    daub_model_retain(model);
    daub_status status = daub_request_create(engine, &p, &request);
    if (status == DAUB_OK)
        status = daub_request_check_memory(engine, request);
    if (status == DAUB_OK && capacity > 0 && (request->guided_first > 0 || request->guided_end > 0))
        status = daub_fail(
            DAUB_ERROR_UNSUPPORTED,
            "costs are of one graph a phase, and a guidance interval (%g..%g) has two; measure the picture "
            "with all its guidance, and with none",
            request->guidance_start, request->guidance_end);
    if (status == DAUB_OK) {
        struct daub_turn turn;
        daub_model_queue(model, &turn);
        (void)daub_model_enter(model, &turn, NULL);
        status = bench(engine, request, capacity > 0 ? costs : NULL, &own_load, &own_result);
        daub_model_leave(model, &turn);
    }
    if (status == DAUB_OK) {
        *count = costs->n;
        *load = own_load;
        status = daub_params_give("daub_result", &own_result, sizeof(own_result), result);
        if (capacity > 0)
            memcpy(rows, costs->rows, (capacity < costs->n ? capacity : costs->n) * sizeof(*rows));
    }
    daub_request_destroy(&request);
    daub_free(engine->host, costs);
    daub_model_release(model);
    return status;
}

// job.c - one generation in flight: a thread of its own that waits for its turn at the model, runs, and keeps the outcome. Of a job that
// its host drives, that thread prepares, and the host's submits.
#include "runtime/api/model.h"
#include "runtime/api/params.h"
#include "runtime/api/vulkan.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct daub_job {
    daub_model *model;
    const struct daub_host *host;
    struct daub_request *request;
    struct daub_io *io; // the host's images and buffers, or NULL
    bool (*on_progress)(void *user, const daub_progress *progress);
    void (*on_preview)(void *user, const daub_preview *preview);
    bool (*on_step)(void *user, daub_step *step);
    void *user;

    daub_thread thread;
    struct daub_turn turn;
    struct daub_pace *pace;
    atomic_bool cancelled;

    daub_mutex mutex; // guards what follows
    daub_cond changed;
    bool done;
    daub_status status;
    char sentence[DAUB_SENTENCE_MAX];
    daub_progress progress;
    daub_result result;
    uint8_t *pixels;         // RGB; these three NULL once they are taken
    float *latents, *floats; // floats also where they are not wanted
    struct daub_state_keep keep;
};

static bool job_progress(void *user, const daub_progress *progress)
{
    daub_job *job = user;
    daub_mutex_lock(&job->mutex);
    job->progress = *progress;
    daub_mutex_unlock(&job->mutex);
    if (atomic_load(&job->cancelled))
        return false;
    return !job->on_progress || job->on_progress(job->user, progress);
}

static void job_preview(void *user, const daub_preview *preview)
{
    const daub_job *job = user;
    job->on_preview(job->user, preview);
}

static bool job_step(void *user, daub_step *step)
{
    const daub_job *job = user;
    return !atomic_load(&job->cancelled) && job->on_step(job->user, step);
}

void daub_drop_alpha(uint8_t *pixels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memmove(pixels + 3 * i, pixels + 4 * i, 3);
}

// [channels, height, width] of the request's latents.
static daub_floats latents_of(const daub_job *job)
{
    const struct daub_model_desc *desc = &daub_model_engine(job->model)->desc;
    const uint32_t scale = daub_latent_scale(desc);
    return (daub_floats) {
        .n_dims = 3, .dims = { desc->unet.out_channels, job->request->height / scale, job->request->width / scale }
    };
}

static size_t n_latents(const daub_job *job)
{
    const daub_floats shape = latents_of(job);
    return (size_t)shape.dims[0] * shape.dims[1] * shape.dims[2];
}

static daub_status job_work(daub_job *job)
{
    if (!daub_model_enter(job->model, &job->turn, &job->cancelled) || atomic_load(&job->cancelled))
        return daub_fail(DAUB_ERROR_CANCELLED, "cancelled before it began");
    struct daub_engine *engine = daub_model_engine(job->model);
    const size_t n = (size_t)job->request->width * job->request->height;
    const bool delivers = job->request->picture.buf;
    if (!delivers)
        job->pixels = daub_alloc_array(job->host, n, 4);
    job->latents = daub_alloc_array(job->host, n_latents(job), sizeof(float));
    job->floats = job->request->keep_floats ? daub_alloc_array(job->host, n, 3 * sizeof(float)) : NULL;
    if ((!job->pixels && !delivers) || !job->latents || (job->request->keep_floats && !job->floats))
        return daub_no_memory("the picture");
    job->keep = (struct daub_state_keep) { .host = job->host, .every = job->request->keep_state_every };
    const struct daub_run_hooks hooks = {
        .on_progress = job_progress,
        .on_preview = job->on_preview ? job_preview : NULL,
        .on_step = job->on_step ? job_step : NULL,
        .latents = job->latents,
        .image = job->floats,
        .keep = &job->keep,
        .user = job,
    };
    if (job->io)
        TRY(daub_job_read_inputs(engine, job->io, job->request));
    TRY(daub_run(engine, job->request, &hooks, job->pixels, &job->result));
    if (delivers)
        return daub_io_deliver(job->io);
    daub_drop_alpha(job->pixels, n);
    return DAUB_OK;
}

static void job_main(void *arg)
{
    daub_job *job = arg;
    daub_pace_enter(job->pace);
    const daub_status status = job_work(job);
    daub_pace_leave(job->pace);
    daub_model_leave(job->model, &job->turn);
    daub_mutex_lock(&job->mutex);
    job->status = status;
    if (status != DAUB_OK)
        snprintf(job->sentence, sizeof(job->sentence), "%s", daub_last_error());
    job->done = true;
    daub_cond_broadcast(&job->changed);
    daub_mutex_unlock(&job->mutex);
}

static void job_free(daub_job *job)
{
    daub_model *model = job->model;
    daub_request_destroy(&job->request);
    daub_io_destroy(&job->io);
    daub_pace_destroy(&job->pace);
    daub_free(job->host, job->pixels);
    daub_free(job->host, job->keep.data);
    daub_free(job->host, job->latents);
    daub_free(job->host, job->floats);
    daub_cond_destroy(&job->changed);
    daub_mutex_destroy(&job->mutex);
    daub_free(job->host, job);
    daub_model_release(model);
}

static daub_status job_start(daub_job *job, const daub_generate_params *p)
{
    struct daub_engine *engine = daub_model_engine(job->model);
    TRY(daub_job_request(engine, p, &job->request, &job->io));
    TRY(daub_request_check_memory(engine, job->request));
    TRY(daub_pace_create(engine->dev, p->host_driven, &job->pace));
    job->on_progress = p->on_progress;
    job->on_preview = p->on_preview;
    job->on_step = p->on_step;
    job->user = p->user;
    job->progress = (daub_progress) { .struct_size = sizeof(job->progress),
                                      .n_steps = job->request->n_steps,
                                      .seconds_left = -1.0 };
    daub_model_queue(job->model, &job->turn);
    const daub_status status = daub_thread_start(&job->thread, job_main, job, "daub job");
    if (status != DAUB_OK)
        daub_model_leave(job->model, &job->turn);
    return status;
}

daub_status daub_job_submit(daub_model *model, const daub_generate_params *params, daub_job **out)
{
    if (!model || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_job_submit: model or out is NULL");
    daub_generate_params p;
    TRY(daub_params_copy("daub_generate_params", params, &p, sizeof(p)));
    const struct daub_host *host = daub_model_engine(model)->host;
    daub_job *job = daub_alloc(host, sizeof(*job));
    if (!job)
        return daub_no_memory("a job");
    job->model = model;
    job->host = host;
    daub_status status = daub_mutex_init(&job->mutex);
    if (status != DAUB_OK) {
        daub_free(host, job);
        return status;
    }
    status = daub_cond_init(&job->changed);
    if (status != DAUB_OK) {
        daub_mutex_destroy(&job->mutex);
        daub_free(host, job);
        return status;
    }
    daub_model_retain(model);
    status = job_start(job, &p);
    if (status != DAUB_OK) {
        job_free(job);
        return status;
    }
    *out = job;
    return DAUB_OK;
}

daub_status daub_job_wait(daub_job *job, uint64_t timeout_ns, bool *done)
{
    if (!job)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_job_wait: job is NULL");
    const uint64_t start = daub_now_ns();
    daub_mutex_lock(&job->mutex);
    while (!job->done) {
        const uint64_t passed = daub_now_ns() - start;
        if (timeout_ns != UINT64_MAX && passed >= timeout_ns)
            break;
        daub_cond_wait_ns(&job->changed, &job->mutex, timeout_ns == UINT64_MAX ? UINT64_MAX : timeout_ns - passed);
    }
    const bool ended = job->done;
    const daub_status status = ended ? job->status : DAUB_OK;
    if (status != DAUB_OK)
        daub_set_last_error(job->sentence);
    daub_mutex_unlock(&job->mutex);
    if (done)
        *done = ended;
    return status;
}

void daub_job_cancel(daub_job *job)
{
    if (!job)
        return;
    atomic_store(&job->cancelled, true);
    daub_pace_cancel(job->pace);
    daub_model_wake(job->model); // it may be waiting for its turn
}

daub_status daub_job_advance(daub_job *job, uint64_t budget_us, daub_advance *out)
{
    if (!job)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_job_advance: job is NULL");
    if (!daub_pace_driven(job->pace))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_job_advance: the job was submitted without host_driven");
    daub_advance advance = { 0 };
    uint32_t room;
    if (out) // before anything is submitted
        TRY(daub_params_room("daub_advance", out, &room));
    bool done = false;
    daub_status status = daub_job_wait(job, 0, &done);
    advance.done = done;
    if (!done) {
        struct daub_pace_info info;
        status = daub_pace_advance(job->pace, (double)budget_us, &info);
        advance.busy = info.busy;
        advance.idle = info.idle;
        advance.submitted_us = info.submitted_us;
        advance.in_flight_us = info.in_flight_us;
        advance.finished_us = info.finished_us;
        advance.finished_predicted_us = info.finished_predicted_us;
    }
    if (out)
        (void)daub_params_give("daub_advance", &advance, sizeof(advance), out);
    return status;
}

daub_status daub_job_get_progress(const daub_job *job, daub_progress *out)
{
    if (!job || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_job_get_progress: job or out is NULL");
    daub_job *j = (daub_job *)(uintptr_t)job; // the lock changes, the job does not
    daub_mutex_lock(&j->mutex);
    const daub_status status = daub_params_give("daub_progress", &j->progress, sizeof(j->progress), out);
    daub_mutex_unlock(&j->mutex);
    return status;
}

// Whether the job ended well; the sentence says why not.
static daub_status ended_well(const daub_job *job, const char *what)
{
    if (!job->done)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: the job is still running", what);
    if (job->status != DAUB_OK)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: the job failed: %.1500s", what, job->sentence);
    return DAUB_OK;
}

daub_status daub_job_take_image(daub_job *job, daub_image *out)
{
    if (!job || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_job_take_image: job or out is NULL");
    daub_mutex_lock(&job->mutex);
    daub_status status = ended_well(job, "daub_job_take_image");
    if (status == DAUB_OK && job->request->picture.buf)
        status = daub_fail(DAUB_ERROR_INVALID_ARG,
                           "daub_job_take_image: the picture went into the host's Vulkan memory (vulkan.result)");
    if (status == DAUB_OK && !job->pixels)
        status = daub_fail(DAUB_ERROR_INVALID_ARG, "daub_job_take_image: the image was taken before");
    if (status == DAUB_OK) {
        *out = (daub_image) {
            .width = job->request->width,
            .height = job->request->height,
            .channels = 3,
            .pixels = job->pixels,
            .allocator = job->host->allocator,
        };
        job->pixels = NULL;
    }
    daub_mutex_unlock(&job->mutex);
    return status;
}

daub_status daub_job_take_state(daub_job *job, daub_state *out)
{
    if (!job || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_job_take_state: job or out is NULL");
    daub_status status = DAUB_OK;
    daub_mutex_lock(&job->mutex);
    if (!job->done)
        status = daub_fail(DAUB_ERROR_INVALID_ARG, "daub_job_take_state: the job is still running");
    else if (!job->keep.data)
        status = daub_fail(DAUB_ERROR_INVALID_ARG,
                           "daub_job_take_state: the job has kept no state, or it was taken before");
    if (status == DAUB_OK) {
        *out = (daub_state) {
            .data = job->keep.data,
            .size = job->keep.size,
            .step = job->keep.step,
            .allocator = job->host->allocator,
        };
        job->keep.data = NULL;
    }
    daub_mutex_unlock(&job->mutex);
    return status;
}

void daub_state_free(daub_state *state)
{
    if (!state)
        return;
    const struct daub_host host = { .allocator = state->allocator };
    daub_free(&host, state->data);
    memset(state, 0, sizeof(*state));
}

// Hands *values over, which a job that ended well has until then.
static daub_status take_floats(daub_job *job, const char *what, const daub_floats *shape, float **values,
                               daub_floats *out)
{
    daub_mutex_lock(&job->mutex);
    daub_status status = ended_well(job, what);
    if (status == DAUB_OK && !*values)
        status = daub_fail(DAUB_ERROR_INVALID_ARG, "%s: they were taken before", what);
    if (status == DAUB_OK) {
        *out = *shape;
        out->values = *values;
        out->allocator = job->host->allocator;
        *values = NULL;
    }
    daub_mutex_unlock(&job->mutex);
    return status;
}

daub_status daub_job_take_latents(daub_job *job, daub_floats *out)
{
    if (!job || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_job_take_latents: job or out is NULL");
    const daub_floats shape = latents_of(job);
    return take_floats(job, "daub_job_take_latents", &shape, &job->latents, out);
}

daub_status daub_job_take_floats(daub_job *job, daub_floats *out)
{
    if (!job || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_job_take_floats: job or out is NULL");
    if (!job->request->keep_floats)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_job_take_floats: daub_generate_params.keep_floats was not set");
    const daub_floats shape = { .n_dims = 3, .dims = { 3, job->request->height, job->request->width } };
    return take_floats(job, "daub_job_take_floats", &shape, &job->floats, out);
}

daub_status daub_job_get_result(const daub_job *job, daub_result *out)
{
    if (!job || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_job_get_result: job or out is NULL");
    daub_job *j = (daub_job *)(uintptr_t)job; // the lock changes, the job does not
    daub_mutex_lock(&j->mutex);
    daub_status status = ended_well(job, "daub_job_get_result");
    if (status == DAUB_OK)
        status = daub_params_give("daub_result", &job->result, sizeof(job->result), out);
    daub_mutex_unlock(&j->mutex);
    return status;
}

void daub_job_destroy(daub_job **job)
{
    if (!job || !*job)
        return;
    daub_job_cancel(*job);
    daub_thread_join(&(*job)->thread);
    job_free(*job);
    *job = NULL;
}

daub_status daub_generate_with_result(daub_model *model, const daub_generate_params *params, daub_image *out,
                                      daub_result *result)
{
    if (!out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_generate: out is NULL");
    daub_generate_params p;
    TRY(daub_params_copy("daub_generate_params", params, &p, sizeof(p)));
    if (p.host_driven)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "daub_generate: nobody drives a host_driven job while it is waited for");
    daub_job *job = NULL;
    uint32_t room;
    if (result)
        TRY(daub_params_room("daub_result", result, &room)); // before any work
    TRY(daub_job_submit(model, params, &job));
    daub_status status = daub_job_wait(job, UINT64_MAX, NULL);
    if (status == DAUB_OK && result)
        status = daub_job_get_result(job, result);
    if (status == DAUB_OK && !job->request->picture.buf)
        status = daub_job_take_image(job, out);
    daub_job_destroy(&job);
    return status;
}

daub_status daub_generate(daub_model *model, const daub_generate_params *params, daub_image *out)
{
    return daub_generate_with_result(model, params, out, NULL);
}

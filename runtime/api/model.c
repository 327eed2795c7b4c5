// model.c - the public daub_model.
#include "runtime/api/model.h"

struct daub_model {
    struct daub_engine *engine;
    daub_mutex mutex; // guards what follows
    daub_cond changed;
    struct daub_turn *first; // of the queue
    uint32_t n_children;
};

daub_status daub_model_create(daub_device *dev, const char *path, const daub_model_params *params, daub_model **out)
{
    const struct daub_host *host = daub_device_host(dev);
    daub_model *model = daub_alloc(host, sizeof(*model));
    if (!model)
        return daub_no_memory("a model");
    daub_status status = daub_mutex_init(&model->mutex);
    if (status != DAUB_OK) {
        daub_free(host, model);
        return status;
    }
    status = daub_cond_init(&model->changed);
    if (status != DAUB_OK) {
        daub_mutex_destroy(&model->mutex);
        daub_free(host, model);
        return status;
    }
    status = daub_engine_create(dev, path, params, &model->engine);
    if (status != DAUB_OK) {
        daub_cond_destroy(&model->changed);
        daub_mutex_destroy(&model->mutex);
        daub_free(host, model);
        return status;
    }
    *out = model;
    return DAUB_OK;
}

daub_status daub_model_destroy(daub_model **model)
{
    if (!model || !*model)
        return DAUB_OK;
    daub_model *m = *model;
    daub_mutex_lock(&m->mutex);
    const uint32_t n = m->n_children;
    daub_mutex_unlock(&m->mutex);
    if (n > 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the model still has %u job%s; destroy them first", n,
                         n == 1 ? "" : "s");
    const struct daub_host *host = m->engine->host;
    daub_device *dev = m->engine->dev;
    daub_device_retain(dev); // `host` lives in it
    daub_engine_destroy(&m->engine);
    daub_cond_destroy(&m->changed);
    daub_mutex_destroy(&m->mutex);
    daub_free(host, m);
    daub_device_release(dev);
    *model = NULL;
    return DAUB_OK;
}

struct daub_engine *daub_model_engine(const daub_model *model)
{
    return model->engine;
}

void daub_model_retain(daub_model *model)
{
    daub_mutex_lock(&model->mutex);
    model->n_children++;
    daub_mutex_unlock(&model->mutex);
}

void daub_model_release(daub_model *model)
{
    daub_mutex_lock(&model->mutex);
    model->n_children--;
    daub_mutex_unlock(&model->mutex);
}

void daub_model_queue(daub_model *model, struct daub_turn *turn)
{
    turn->next = NULL;
    daub_mutex_lock(&model->mutex);
    struct daub_turn **end = &model->first;
    while (*end)
        end = &(*end)->next;
    *end = turn;
    daub_mutex_unlock(&model->mutex);
}

bool daub_model_enter(daub_model *model, const struct daub_turn *turn, const atomic_bool *cancelled)
{
    daub_mutex_lock(&model->mutex);
    while (model->first != turn && !(cancelled && atomic_load(cancelled)))
        daub_cond_wait(&model->changed, &model->mutex);
    const bool first = model->first == turn;
    daub_mutex_unlock(&model->mutex);
    return first;
}

void daub_model_leave(daub_model *model, struct daub_turn *turn)
{
    daub_mutex_lock(&model->mutex);
    struct daub_turn **at = &model->first;
    while (*at != turn)
        at = &(*at)->next;
    *at = turn->next;
    daub_cond_broadcast(&model->changed);
    daub_mutex_unlock(&model->mutex);
}

void daub_model_wake(daub_model *model)
{
    daub_mutex_lock(&model->mutex);
    daub_cond_broadcast(&model->changed);
    daub_mutex_unlock(&model->mutex);
}

// model.c - the public daub_model.
#include "runtime/api/model.h"

struct daub_model {
    struct daub_engine *engine;
    daub_mutex mutex;
    daub_cond turn;
    uint64_t next_ticket, now_serving;
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
    status = daub_cond_init(&model->turn);
    if (status != DAUB_OK) {
        daub_mutex_destroy(&model->mutex);
        daub_free(host, model);
        return status;
    }
    status = daub_engine_create(dev, path, params, &model->engine);
    if (status != DAUB_OK) {
        daub_cond_destroy(&model->turn);
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
    const uint64_t n = m->next_ticket - m->now_serving;
    daub_mutex_unlock(&m->mutex);
    if (n > 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the model still has %llu job%s; destroy them first",
                         (unsigned long long)n, n == 1 ? "" : "s");
    const struct daub_host *host = m->engine->host;
    daub_device *dev = m->engine->dev;
    daub_device_retain(dev); // `host` lives in it
    daub_engine_destroy(&m->engine);
    daub_cond_destroy(&m->turn);
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

uint64_t daub_model_ticket(daub_model *model)
{
    daub_mutex_lock(&model->mutex);
    const uint64_t ticket = model->next_ticket++;
    daub_mutex_unlock(&model->mutex);
    return ticket;
}

void daub_model_enter(daub_model *model, uint64_t ticket)
{
    daub_mutex_lock(&model->mutex);
    while (model->now_serving != ticket)
        daub_cond_wait(&model->turn, &model->mutex);
    daub_mutex_unlock(&model->mutex);
}

void daub_model_leave(daub_model *model)
{
    daub_mutex_lock(&model->mutex);
    model->now_serving++;
    daub_cond_broadcast(&model->turn);
    daub_mutex_unlock(&model->mutex);
}

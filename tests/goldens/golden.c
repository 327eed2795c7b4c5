// golden.c - reading and comparing.
#include "golden.h"

#include "runtime/base/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool golden_fail(struct golden *g, const char *fmt, ...)
{
    if (!g->failed) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(g->why, sizeof(g->why), fmt, args);
        va_end(args);
    }
    g->failed = true;
    return false;
}

bool golden_failed_call(struct golden *g, const char *what)
{
    return golden_fail(g, "%s: %s", what, daub_last_error());
}

bool golden_has(const struct golden *g, const char *name)
{
    return daub_safetensors_find(g->st, name) != NULL;
}

float *golden_tensor(struct golden *g, const char *name, struct daub_st_tensor *info)
{
    const struct daub_st_tensor *t = daub_safetensors_find(g->st, name);
    if (!t) {
        golden_fail(g, "the file has no tensor %s", name);
        return NULL;
    }
    size_t n = 1;
    for (uint32_t i = 0; i < t->n_dims; i++)
        n *= (size_t)t->dims[i];
    float *values = malloc((n ? n : 1) * sizeof(float));
    if (!values || daub_safetensors_floats(g->st, t, values) != DAUB_OK) {
        golden_failed_call(g, name);
        free(values);
        return NULL;
    }
    if (info)
        *info = *t;
    return values;
}

double rel_l2(const float *got, const float *want, size_t n)
{
    double error = 0.0, norm = 0.0;
    for (size_t i = 0; i < n; i++) {
        if (got[i] == want[i]) { // infinities of noise levels too
            norm += isfinite(want[i]) ? (double)want[i] * (double)want[i] : 0.0;
            continue;
        }
        const double d = (double)got[i] - (double)want[i];
        error += d * d;
        norm += (double)want[i] * (double)want[i];
    }
    return error == 0.0 ? 0.0 : sqrt(error / (norm > 0.0 ? norm : 1.0));
}

static void judge(struct golden *g, const char *name, double error, double limit)
{
    if (!(error <= g->worst)) {
        g->worst = error;
        snprintf(g->worst_at, sizeof(g->worst_at), "%s", name);
    }
    if (!(error <= limit))
        golden_fail(g, "%s is off by %.3e", name, error);
}

void golden_compare_values(struct golden *g, const char *name, const float *got, const float *want, size_t n)
{
    g->n_compared++;
    if (g->max_abs > 0.0) {
        double worst = 0.0;
        for (size_t i = 0; i < n; i++) {
            const double error = fabs((double)got[i] - (double)want[i]);
            if (!(error <= worst))
                worst = error;
        }
        judge(g, name, worst, g->max_abs);
        return;
    }
    judge(g, name, rel_l2(got, want, n), g->tolerance);
}

void golden_compare(struct golden *g, const char *name, const float *got, size_t n)
{
    struct daub_st_tensor info;
    float *want = golden_tensor(g, name, &info);
    if (!want)
        return;
    size_t count = 1;
    for (uint32_t i = 0; i < info.n_dims; i++)
        count *= (size_t)info.dims[i];
    if (count != n)
        golden_fail(g, "%s has %zu values, ours %zu", name, count, n);
    else
        golden_compare_values(g, name, got, want, n);
    free(want);
}

void golden_check(struct golden *g, bool ok, const char *name, const char *what)
{
    if (!ok)
        golden_fail(g, "%s: %s", name, what);
}

bool golden_find_checkpoint(struct golden *g, char *out, size_t size)
{
    if (!g->checkpoint)
        return golden_fail(g, "the index names no checkpoint");
    for (uint32_t i = 0; i < g->session->n_dirs; i++) {
        snprintf(out, size, "%s/%s", g->session->dirs[i], g->checkpoint);
        if (daub_path_is_dir(out))
            return true;
        snprintf(out, size, "%s/%s.safetensors", g->session->dirs[i], g->checkpoint);
        if (daub_path_is_file(out))
            return true;
    }
    return golden_fail(g, "checkpoint %s is in none of the folders looked at (--checkpoints DIR adds one)",
                       g->checkpoint);
}

struct daub_engine *golden_engine(struct golden *g)
{
    struct session *s = g->session;
    char path[1200];
    if (!golden_find_checkpoint(g, path, sizeof(path)))
        return NULL;
    if (s->engine && strcmp(s->engine_name, path) == 0)
        return s->engine;
    daub_engine_destroy(&s->engine);
    const daub_model_params params = {
        .struct_size = sizeof(params),
        .precision = s->dtype == DAUB_F16 ? DAUB_PRECISION_F16 : DAUB_PRECISION_F32,
    };
    if (daub_engine_create(s->dev, path, &params, &s->engine) != DAUB_OK) {
        golden_failed_call(g, "loading the checkpoint");
        return NULL;
    }
    snprintf(s->engine_name, sizeof(s->engine_name), "%s", path);
    return s->engine;
}

double param_number(const struct golden *g, const char *key, double fallback)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(g->params, key);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

const char *param_text(const struct golden *g, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(g->params, key);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

bool parse_sampler(struct golden *g, const char *class_name, const cJSON *config, struct daub_arena *arena,
                   struct daub_sampler_config *out)
{
    const struct daub_sampler_desc *sampler;
    if (!class_name || daub_sampler_find(class_name, &sampler, NULL) != DAUB_OK)
        return golden_failed_call(g, "the scheduler class");
    char *text = cJSON_PrintUnformatted(config);
    struct daub_json json = { 0 };
    bool ok = text && daub_json_parse(NULL, "scheduler_config", text, strlen(text), &json) == DAUB_OK &&
              daub_sampler_config_parse(&json, sampler, arena, out) == DAUB_OK;
    if (!ok)
        golden_failed_call(g, "the scheduler's configuration");
    daub_json_free(&json);
    free(text);
    return ok;
}

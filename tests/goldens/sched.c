// sched.c - samplers on the oracle's toy model: the program runs in the shipped step kernel, the toy network on the host.
#include "golden.h"

#include "runtime/op/op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stepper { // a network-less graph with only the sampler's tail
    struct daub_exec *exec;
    struct daub_tensor *output, *x, *vecs, *noise, *table, *counter;
};

static bool stepper_make(struct golden *g, const struct daub_program *program, struct daub_shape shape,
                         struct stepper *s)
{
    struct daub_net *net = NULL;
    if (daub_net_create(NULL, "toy", DAUB_F32, &net) != DAUB_OK)
        return golden_failed_call(g, "the graph");
    struct daub_shape many = shape;
    s->counter = daub_net_counter(net);
    s->output = daub_net_input(net, "output", DAUB_STAGE_STEP, DAUB_F32, shape);
    s->x = daub_net_input(net, "x", DAUB_STAGE_STEP, DAUB_F32, shape);
    many.n = shape.n * program->n_vecs;
    s->vecs = daub_net_input(net, "vecs", DAUB_STAGE_TAIL, DAUB_F32, many);
    many.n = shape.n * program->n_noises;
    s->noise = daub_net_input(net, "noise", DAUB_STAGE_TAIL, DAUB_F32, many);
    s->table = daub_net_input(net, "table", DAUB_STAGE_TAIL, DAUB_U32,
                              (struct daub_shape) { 1, 1, 1, daub_sampler_table_words(program) });
    const struct daub_sampler_step step = {
        .output = s->output,
        .x = s->x,
        .vecs = s->vecs,
        .noise = s->noise,
        .table = s->table,
        .batch = shape.n,
        .guidance_scale = 1.0f,
        .program = program,
    };
    if (daub_sampler_step(net, &step) != DAUB_OK) {
        daub_net_destroy(&net);
        return golden_failed_call(g, "the step");
    }
    const struct daub_exec_params params = { .name = "toy" };
    if (daub_exec_create(g->session->dev, net, &params, &s->exec) != DAUB_OK)
        return golden_failed_call(g, "the executor");
    return true;
}

static bool read_vec(struct golden *g, const struct stepper *s, daub_vec vec, uint32_t batch, float *out)
{
    struct daub_tensor one = *s->vecs;
    one.shape.n = batch;
    struct daub_range range = daub_exec_range(s->exec, s->vecs);
    range.size = daub_tensor_size(&one);
    range.offset += vec * range.size;
    float *stored = malloc((size_t)range.size);
    if (!stored || daub_download(g->session->dev, range, stored) != DAUB_OK) {
        free(stored);
        return golden_failed_call(g, "reading a vector");
    }
    daub_tensor_unpack(&one, true, stored, out);
    free(stored);
    return true;
}

struct toy_case {
    const char *name;
    double a, b;
    struct daub_shape shape;
    size_t n; // values of a state
};

// a x + b sin(2 x + 0.005 t + 0.7 c), in fp32 as the reference.
static void toy(const struct toy_case *c, double t, const float *x, float *out)
{
    const size_t pixels = (size_t)c->shape.h * c->shape.w;
    for (size_t i = 0; i < c->n; i++) {
        const float channel = (float)(i / pixels % c->shape.c);
        out[i] = (float)c->a * x[i] + (float)c->b * sinf(2.0f * x[i] + (float)(0.005 * t) + 0.7f * channel);
    }
}

// Compares `got` with slice `index` of CASE/what; the tensor counts as compared once, with its first slice.
static void compare_slice(struct golden *g, const struct toy_case *c, const char *what, const float *all,
                          uint32_t index, const float *got)
{
    char name[256];
    snprintf(name, sizeof(name), "%s/%s[%u]", c->name, what, index);
    const uint32_t before = g->n_compared;
    golden_compare_values(g, name, got, all + index * c->n, c->n);
    g->n_compared = index == 0 ? before + 1 : before;
}

static void run_steps(struct golden *g, const struct toy_case *c, const struct daub_program *program, struct stepper *s,
                      const float *want_x, const float *want_output)
{
    float *x = malloc(c->n * sizeof(float)), *out = malloc(c->n * sizeof(float));
    static const uint32_t zero[4] = { 0 };
    bool ok = x && out && daub_exec_write(s->exec, s->counter, false, zero) == DAUB_OK &&
              daub_exec_run(s->exec, DAUB_STAGE_TAIL) == DAUB_OK && read_vec(g, s, program->calls[0].in, c->shape.n, x);
    if (!ok)
        golden_failed_call(g, "the prologue");
    else
        compare_slice(g, c, "x", want_x, 0, x);
    for (uint32_t i = 0; ok && i < program->n_calls && !g->failed; i++) {
        ok = daub_exec_read(s->exec, s->x, true, x) == DAUB_OK;
        toy(c, program->calls[i].timestep, x, out);
        compare_slice(g, c, "model_output", want_output, i, out);
        ok = ok && daub_exec_write(s->exec, s->output, true, out) == DAUB_OK &&
             daub_exec_run(s->exec, DAUB_STAGE_TAIL) == DAUB_OK &&
             read_vec(g, s, program->calls[i].state, c->shape.n, x);
        if (!ok)
            golden_failed_call(g, "a step");
        else
            compare_slice(g, c, "x", want_x, i + 1, x);
    }
    free(x);
    free(out);
}

static void compare_doubles(struct golden *g, const char *name, const double *got, uint32_t n)
{
    float *values = malloc((n + 1) * sizeof(float));
    for (uint32_t i = 0; values && i < n; i++)
        values[i] = (float)got[i];
    if (values)
        golden_compare(g, name, values, n);
    free(values);
}

// Start noise and the drawn ones into one list.
static float *all_noise(struct golden *g, const struct toy_case *c, const struct daub_program *program)
{
    char name[256];
    float *all = calloc(program->n_noises * c->n, sizeof(float));
    snprintf(name, sizeof(name), "%s/noise_start", c->name);
    float *start = golden_tensor(g, name, NULL);
    snprintf(name, sizeof(name), "%s/noise", c->name);
    struct daub_st_tensor info;
    float *rest = golden_has(g, name) ? golden_tensor(g, name, &info) : NULL;
    if (all && start)
        memcpy(all, start, c->n * sizeof(float));
    if (all && rest && info.dims[0] != program->n_noises - 1)
        golden_fail(g, "%s: the reference draws %u times, ours %u", name, (unsigned)info.dims[0],
                    program->n_noises - 1);
    else if (all && rest)
        memcpy(all + c->n, rest, (program->n_noises - 1) * c->n * sizeof(float));
    else if (program->n_noises > 1 && !rest)
        golden_fail(g, "%s: the reference draws no noise, ours %u times", c->name, program->n_noises - 1);
    free(start);
    free(rest);
    return all;
}

static void run_program(struct golden *g, struct toy_case *c, const struct daub_program *program)
{
    char name[256];
    snprintf(name, sizeof(name), "%s/init_noise_sigma", c->name);
    compare_doubles(g, name, &program->init_noise_sigma, 1);
    snprintf(name, sizeof(name), "%s/timesteps", c->name);
    compare_doubles(g, name, program->timesteps, program->n_calls);
    snprintf(name, sizeof(name), "%s/sigmas", c->name);
    if (golden_has(g, name))
        compare_doubles(g, name, program->sigmas, program->n_sigmas);

    struct daub_st_tensor info;
    snprintf(name, sizeof(name), "%s/x", c->name);
    float *want_x = golden_tensor(g, name, &info);
    snprintf(name, sizeof(name), "%s/model_output", c->name);
    float *want_output = golden_tensor(g, name, NULL);
    if (want_x && want_output && info.n_dims == 5 && info.dims[0] == program->n_calls + 1) {
        c->shape = (struct daub_shape) { (uint32_t)info.dims[1], (uint32_t)info.dims[3], (uint32_t)info.dims[4],
                                         (uint32_t)info.dims[2] };
        c->n = (size_t)(info.dims[1] * info.dims[2] * info.dims[3] * info.dims[4]);
        float *noise = all_noise(g, c, program);
        uint32_t *table = malloc(daub_sampler_table_words(program) * sizeof(uint32_t));
        struct stepper s = { 0 };
        if (noise && table && !g->failed && stepper_make(g, program, c->shape, &s)) {
            daub_sampler_table(program, table);
            if (daub_exec_write(s.exec, s.table, false, table) != DAUB_OK ||
                daub_exec_write(s.exec, s.noise, true, noise) != DAUB_OK)
                golden_failed_call(g, "writing inputs");
            else
                run_steps(g, c, program, &s, want_x, want_output);
        }
        daub_exec_destroy(&s.exec);
        free(table);
        free(noise);
    } else {
        golden_fail(g, "%s: %u model calls, the reference has another number", c->name, program->n_calls);
    }
    free(want_x);
    free(want_output);
}

static void run_case(struct golden *g, const cJSON *json)
{
    struct toy_case c = { .name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "case")) };
    const char *prediction = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "prediction_type"));
    const cJSON *models = cJSON_GetObjectItemCaseSensitive(g->params, "toy_model");
    const cJSON *ab = prediction ? cJSON_GetObjectItemCaseSensitive(models, prediction) : NULL;
    const cJSON *steps = cJSON_GetObjectItemCaseSensitive(json, "steps");
    if (!c.name || cJSON_GetArraySize(ab) != 2 || !cJSON_IsNumber(steps)) {
        golden_fail(g, "a case lacks its name, toy model or steps");
        return;
    }
    c.a = cJSON_GetArrayItem(ab, 0)->valuedouble;
    c.b = cJSON_GetArrayItem(ab, 1)->valuedouble;

    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_sampler_config config;
    struct daub_program program;
    if (arena && parse_sampler(g, param_text(g, "scheduler"), cJSON_GetObjectItemCaseSensitive(json, "config"), arena,
                               &config)) {
        static const struct {
            const char *key;
            size_t offset;
        } args[] = {
            { "eta", offsetof(struct daub_sampler_config, eta) },
            { "s_churn", offsetof(struct daub_sampler_config, s_churn) },
            { "s_tmin", offsetof(struct daub_sampler_config, s_tmin) },
            { "s_tmax", offsetof(struct daub_sampler_config, s_tmax) },
            { "s_noise", offsetof(struct daub_sampler_config, s_noise) },
        };
        const cJSON *step_args = cJSON_GetObjectItemCaseSensitive(json, "step_args");
        for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
            const cJSON *item = cJSON_GetObjectItemCaseSensitive(step_args, args[i].key);
            if (cJSON_IsNumber(item))
                memcpy((char *)&config + args[i].offset, &item->valuedouble, sizeof(double));
        }
        if (daub_program_record(&config, (uint32_t)steps->valuedouble, arena, &program) != DAUB_OK)
            golden_failed_call(g, c.name);
        else
            run_program(g, &c, &program);
    }
    daub_arena_destroy(&arena);
}

// ---- tables ----------------------------------------------------------------------------------------------------------

static bool run_tables(struct golden *g)
{
    static const struct {
        const char *name;
        enum daub_beta_schedule schedule;
        double start, end;
        bool zero_snr;
    } tables[] = {
        { "sd", DAUB_BETA_SCALED_LINEAR, 0.00085, 0.012, false },
        { "ddpm", DAUB_BETA_LINEAR, 1e-4, 0.02, false },
        { "sd_ztsnr", DAUB_BETA_SCALED_LINEAR, 0.00085, 0.012, true },
        { "cosine", DAUB_BETA_SQUAREDCOS_CAP_V2, 0.00085, 0.012, false },
    };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        struct daub_sampler_config config;
        const struct daub_sampler_desc *ddim;
        if (daub_sampler_find("ddim", &ddim, NULL) != DAUB_OK)
            return golden_failed_call(g, "ddim");
        daub_sampler_config_defaults(ddim, &config);
        config.num_train_timesteps = 1000;
        config.beta_schedule = tables[i].schedule;
        config.beta_start = tables[i].start;
        config.beta_end = tables[i].end;
        config.rescale_betas_zero_snr = tables[i].zero_snr;
        double alphas[1000], sigmas[1000];
        if (daub_alphas_cumprod(&config, alphas) != DAUB_OK)
            return golden_failed_call(g, tables[i].name);
        char name[64];
        snprintf(name, sizeof(name), "%s/alphas_cumprod", tables[i].name);
        compare_doubles(g, name, alphas, 1000);
        if (i == 0) {
            for (int t = 0; t < 1000; t++)
                sigmas[t] = sqrt((1.0 - alphas[t]) / alphas[t]);
            compare_doubles(g, "sd/sigmas_1000", sigmas, 1000);
        }
    }
    return !g->failed;
}

bool run_sched(struct golden *g)
{
    if (strcmp(g->id, "tables") == 0)
        return run_tables(g);
    const cJSON *cases = cJSON_GetObjectItemCaseSensitive(g->params, "cases"), *json;
    cJSON_ArrayForEach(json, cases)
    {
        if (!g->failed)
            run_case(g, json);
    }
    return !g->failed;
}

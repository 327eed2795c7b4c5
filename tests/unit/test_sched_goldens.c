// test_sched_goldens.c - every scheduler trajectory of an oracle folder, named by the environment's DAUB_ORACLE.
// link: base sample
//
// The folder holds index.json and goldens/; without one the test is skipped. test_samplers.c has known answers of its
// own.
#include "harness_program.h"
#include "runtime/base/file.h"
#include "tests/test.h"

#include <cjson/cJSON.h>

enum { MAX_PATH_SIZE = 4096 };
static const double tolerance = 1e-4;

struct golden {
    char *bytes;
    size_t size;
    cJSON *header;
    const char *data;
};

struct tensor {
    const void *data;
    size_t count;
    char dtype[8];
};

static void load(const char *folder, const char *file, struct golden *out)
{
    char path[MAX_PATH_SIZE];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    REQUIRE_OK(daub_file_read(NULL, path, (size_t)1 << 30, &out->bytes, &out->size));
    uint64_t length;
    REQUIRE(out->size > sizeof(length));
    memcpy(&length, out->bytes, sizeof(length));
    REQUIRE(length < out->size);
    out->header = cJSON_ParseWithLength(out->bytes + sizeof(length), length);
    REQUIRE(out->header);
    out->data = out->bytes + sizeof(length) + length;
}

static bool find(const struct golden *g, const char *name, const char *what, struct tensor *out)
{
    char key[256];
    snprintf(key, sizeof(key), "%s/%s", name, what);
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(g->header, key);
    if (!entry)
        return false;
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    out->data = g->data + (size_t)cJSON_GetArrayItem(offsets, 0)->valuedouble;
    out->count = 1;
    for (const cJSON *d = cJSON_GetObjectItemCaseSensitive(entry, "shape")->child; d; d = d->next)
        out->count *= (size_t)d->valuedouble;
    snprintf(out->dtype, sizeof(out->dtype), "%s", cJSON_GetObjectItemCaseSensitive(entry, "dtype")->valuestring);
    return true;
}

static double value(const struct tensor *t, size_t i)
{
    REQUIRE(i < t->count);
    if (strcmp(t->dtype, "F32") == 0) {
        float v;
        memcpy(&v, (const char *)t->data + i * sizeof(v), sizeof(v));
        return (double)v;
    }
    if (strcmp(t->dtype, "F64") == 0) {
        double v;
        memcpy(&v, (const char *)t->data + i * sizeof(v), sizeof(v));
        return v;
    }
    int32_t v;
    REQUIRE(strcmp(t->dtype, "I32") == 0);
    memcpy(&v, (const char *)t->data + i * sizeof(v), sizeof(v));
    return v;
}

static void floats(const struct tensor *t, float **out, size_t extra, const struct tensor *before)
{
    *out = calloc(t->count + extra, sizeof(**out));
    REQUIRE(*out);
    for (size_t i = 0; i < extra; i++)
        (*out)[i] = (float)value(before, i);
    for (size_t i = 0; i < t->count; i++)
        (*out)[extra + i] = (float)value(t, i);
}

struct run {
    const char *name;
    struct toy toy;
    const float *want;
    double worst;
};

static void model(void *user, uint32_t call, double timestep, const float *in, float *out, size_t n)
{
    (void)call;
    toy_model(&((struct run *)user)->toy, timestep, in, out, n);
}

static void state(void *user, uint32_t call, const float *x, size_t n)
{
    struct run *run = user;
    const uint32_t index = call == UINT32_MAX ? 0 : call + 1;
    const double error = relative_l2(x, run->want + index * n, n);
    if (!(error <= tolerance))
        TEST_FAIL("%s: x[%u] misses by %.3g, more than %.3g", run->name, index, error, tolerance);
    if (error > run->worst)
        run->worst = error;
}

static void same_table(const char *name, const char *what, const double *got, size_t n, const struct tensor *want)
{
    if (n != want->count)
        TEST_FAIL("%s: %zu %s, wanted %zu", name, n, what, want->count);
    double error = 0.0, size = 0.0;
    for (size_t i = 0; i < n; i++) {
        error += pow(got[i] - value(want, i), 2.0);
        size += pow(value(want, i), 2.0);
    }
    if (!(error <= size * 1e-10))
        TEST_FAIL("%s: %s miss by %.3g", name, what, sqrt(error / size));
}

// The noise schedules themselves, to the last bits of a float.
static uint32_t check_tables(const struct golden *g)
{
    const struct {
        const char *name;
        struct daub_sampler_config config;
    } tables[] = {
        { "sd", { .beta_start = 0.00085, .beta_end = 0.012, .beta_schedule = DAUB_BETA_SCALED_LINEAR } },
        { "ddpm", { .beta_start = 0.0001, .beta_end = 0.02, .beta_schedule = DAUB_BETA_LINEAR } },
        { "sd_ztsnr",
          { .beta_start = 0.00085,
            .beta_end = 0.012,
            .beta_schedule = DAUB_BETA_SCALED_LINEAR,
            .rescale_betas_zero_snr = true } },
        { "cosine", { .beta_schedule = DAUB_BETA_SQUAREDCOS_CAP_V2 } },
    };
    const uint32_t n_tables = sizeof(tables) / sizeof(tables[0]);
    for (uint32_t i = 0; i < n_tables; i++) {
        struct daub_sampler_config config = tables[i].config;
        double got[1000];
        struct tensor want;
        config.num_train_timesteps = 1000;
        REQUIRE(find(g, tables[i].name, "alphas_cumprod", &want) && want.count == 1000);
        REQUIRE_OK(daub_alphas_cumprod(&config, got));
        for (size_t t = 0; t < 1000; t++)
            REQUIRE_NEAR(got[t], value(&want, t), 1.3e-7 * value(&want, t));
    }
    return n_tables;
}

static void read_step_args(const cJSON *args, struct daub_sampler_config *c)
{
    const struct {
        const char *name;
        double *value;
    } known[] = { { "eta", &c->eta },
                  { "s_churn", &c->s_churn },
                  { "s_tmin", &c->s_tmin },
                  { "s_tmax", &c->s_tmax },
                  { "s_noise", &c->s_noise } };
    for (const cJSON *arg = args->child; arg; arg = arg->next) {
        size_t i = 0;
        while (i < sizeof(known) / sizeof(known[0]) && strcmp(known[i].name, arg->string) != 0)
            i++;
        REQUIRE(i < sizeof(known) / sizeof(known[0]));
        *known[i].value = arg->valuedouble;
    }
}

static double run_case(const struct golden *g, const struct daub_sampler_desc *sampler, const cJSON *item)
{
    const char *name = cJSON_GetObjectItemCaseSensitive(item, "case")->valuestring;
    const uint32_t steps = (uint32_t)cJSON_GetObjectItemCaseSensitive(item, "steps")->valuedouble;
    const struct daub_json json = {
        .root = cJSON_GetObjectItemCaseSensitive(item, "config"),
        .name = (char *)(uintptr_t)name,
    };
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_sampler_config config;
    struct daub_program program;
    REQUIRE(arena);
    REQUIRE_OK(daub_sampler_config_parse(&json, sampler, arena, &config));
    read_step_args(cJSON_GetObjectItemCaseSensitive(item, "step_args"), &config);
    REQUIRE_OK(daub_program_record(&config, steps, arena, &program));

    struct tensor start, noise, x, t;
    REQUIRE(find(g, name, "noise_start", &start) && find(g, name, "x", &x));
    const size_t n = start.count;
    const bool draws = find(g, name, "noise", &noise);
    if (program.n_noises != 1 + (draws ? noise.count / n : 0))
        TEST_FAIL("%s: %u draws, wanted %zu", name, program.n_noises, 1 + (draws ? noise.count / n : 0));
    if (program.n_calls + 1 != x.count / n)
        TEST_FAIL("%s: %u calls, wanted %zu", name, program.n_calls, x.count / n - 1);
    REQUIRE(program.n_steps == steps);
    if (draws) {
        REQUIRE(find(g, name, "noise_step", &t));
        for (uint32_t i = 1; i < program.n_noises; i++)
            REQUIRE(program.noise_step[i] == (uint32_t)value(&t, i - 1));
    } else {
        noise = (struct tensor) { .count = 0 };
    }
    REQUIRE(find(g, name, "timesteps", &t));
    same_table(name, "timesteps", program.timesteps, program.n_calls, &t);
    REQUIRE(find(g, name, "init_noise_sigma", &t));
    same_table(name, "init_noise_sigma", &program.init_noise_sigma, 1, &t);
    if (find(g, name, "sigmas", &t))
        same_table(name, "sigmas", program.sigmas, program.n_sigmas, &t);
    else
        REQUIRE(!program.sigmas && program.n_sigmas == 0);

    float *want, *draw;
    floats(&x, &want, 0, NULL);
    floats(&noise, &draw, n, &start);
    struct run run = { .name = name, .toy = { config.prediction_type, 15 }, .want = want };
    float *result = calloc(n, sizeof(*result));
    REQUIRE(result);
    program_interpret(
        &(struct program_run) {
            .program = &program, .n = n, .noise = draw, .model = model, .user = &run, .state = state },
        result);
    free(result);
    free(want);
    free(draw);
    daub_arena_destroy(&arena);
    return run.worst;
}

int main(void)
{
    const char *folder = getenv("DAUB_ORACLE");
    if (!folder) {
        printf("skipped: DAUB_ORACLE names no oracle folder\n");
        return TEST_SKIPPED;
    }
    char path[MAX_PATH_SIZE], *text;
    size_t size;
    snprintf(path, sizeof(path), "%s/index.json", folder);
    REQUIRE_OK(daub_file_read(NULL, path, (size_t)1 << 28, &text, &size));
    for (char *at = text; (at = strstr(at, "-Infinity")); at += 9)
        memcpy(at, "-1e999   ", 9); // Python's word for what JSON has none for
    cJSON *index = cJSON_Parse(text);
    REQUIRE(index);
    uint32_t n_cases = 0, n_configs = 0, n_tables = 0;
    double worst = 0.0;
    const cJSON *golden;
    cJSON_ArrayForEach(golden, cJSON_GetObjectItemCaseSensitive(index, "goldens"))
    {
        const cJSON *params = cJSON_GetObjectItemCaseSensitive(golden, "params");
        const cJSON *scheduler = cJSON_GetObjectItemCaseSensitive(params, "scheduler");
        const cJSON *cases = cJSON_GetObjectItemCaseSensitive(params, "cases");
        const cJSON *config = cJSON_GetObjectItemCaseSensitive(params, "scheduler_config");
        const struct daub_sampler_desc *sampler;
        if (strcmp(cJSON_GetObjectItemCaseSensitive(golden, "id")->valuestring, "tables") == 0) {
            struct golden g;
            load(folder, cJSON_GetObjectItemCaseSensitive(golden, "file")->valuestring, &g);
            n_tables += check_tables(&g);
            cJSON_Delete(g.header);
            free(g.bytes);
        }
        if (!cJSON_IsString(scheduler) || daub_sampler_find(scheduler->valuestring, &sampler, NULL) != DAUB_OK)
            continue;
        if (config) { // a whole run's: it must parse and record
            const struct daub_json json = { .root = (cJSON *)(uintptr_t)config, .name = scheduler->valuestring };
            struct daub_arena *arena = daub_arena_create(NULL);
            struct daub_sampler_config c;
            struct daub_program program;
            REQUIRE(arena);
            REQUIRE_OK(daub_sampler_config_parse(&json, sampler, arena, &c));
            REQUIRE_OK(daub_program_record(&c, 4, arena, &program));
            daub_arena_destroy(&arena);
            n_configs++;
        }
        if (!cJSON_IsArray(cases) ||
            strcmp(cJSON_GetObjectItemCaseSensitive(golden, "group")->valuestring, "sched") != 0)
            continue;
        struct golden g;
        load(folder, cJSON_GetObjectItemCaseSensitive(golden, "file")->valuestring, &g);
        double worst_here = 0.0;
        const cJSON *item;
        cJSON_ArrayForEach(item, cases)
        {
            worst_here = fmax(worst_here, run_case(&g, sampler, item));
            n_cases++;
        }
        printf("%-32s worst %.2g\n", scheduler->valuestring, worst_here);
        worst = fmax(worst, worst_here);
        cJSON_Delete(g.header);
        free(g.bytes);
    }
    cJSON_Delete(index);
    free(text);
    printf("%u cases, worst %.2g; %u noise schedules; %u configs of whole runs\n", n_cases, worst, n_tables, n_configs);
    REQUIRE(n_cases > 0 && n_tables > 0);
    return 0;
}

// main.c - daub-goldens: runs the goldens of an oracle index through the shipped graphs and kernels.
//
//   daub-goldens PATH/index.json [--ids FILE] [--filter GLOB] [--skip GLOB] [--checkpoints DIR]... [--dtype f32|f16] [--vae-rows N] [--device D]
//
// A line a golden: group/id, worst relative L2, tolerance. What cannot run counts as failed unless skipped by name.
#include "golden.h"

#include "runtime/base/debug.h"
#include "runtime/base/file.h"
#include "runtime/vk/kernel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *index, *ids, *filter, *skip, *device;
    enum daub_dtype dtype;
    uint32_t vae_rows; // of the latents a band, in which whole runs and the VAE decode too; 0: not in bands
    const char *dirs[MAX_DIRS];
    uint32_t n_dirs;
};

static int usage(const char *why)
{
    fprintf(stderr,
            "daub-goldens: %s\nusage: daub-goldens PATH/index.json [--ids FILE] [--filter GLOB] [--skip GLOB] "
            "[--checkpoints DIR]... [--dtype f32|f16] [--vae-rows N] [--device D]\n",
            why);
    return 2;
}

static int parse(int argc, char **argv, struct options *o)
{
    *o = (struct options) { .dtype = DAUB_F32 };
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (arg[0] != '-') {
            if (o->index)
                return usage("more than one index");
            o->index = arg;
            continue;
        }
        if (i + 1 == argc)
            return usage("an option without its value");
        const char *value = argv[++i];
        if (strcmp(arg, "--ids") == 0)
            o->ids = value;
        else if (strcmp(arg, "--filter") == 0)
            o->filter = value;
        else if (strcmp(arg, "--skip") == 0)
            o->skip = value;
        else if (strcmp(arg, "--vae-rows") == 0)
            o->vae_rows = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(arg, "--device") == 0)
            o->device = value;
        else if (strcmp(arg, "--checkpoints") == 0 && o->n_dirs + 1 < MAX_DIRS)
            o->dirs[o->n_dirs++] = value;
        else if (strcmp(arg, "--dtype") == 0 && (strcmp(value, "f32") == 0 || strcmp(value, "f16") == 0))
            o->dtype = value[1] == '3' ? DAUB_F32 : DAUB_F16;
        else
            return usage(arg);
    }
    return o->index ? 0 : usage("which index?");
}

// ---- one golden ------------------------------------------------------------------------------------------------------

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

static double number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0.0;
}

// The fp16 limit for fp16 runs where there is one; else what there is.
static void read_tolerance(struct golden *g)
{
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(g->json, "tolerance");
    g->exact = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(t, "exact"));
    g->max_abs = number_of(t, "max_abs");
    g->tolerance = number_of(t, "rel_l2_fp32");
    const double half = number_of(t, "rel_l2_fp16");
    if (g->session->dtype == DAUB_F16 && half > 0.0)
        g->tolerance = half;
}

static bool run_group(struct golden *g)
{
    static const struct {
        const char *group, *ids;
        bool (*run)(struct golden *g);
    } groups[] = {
        { "tokens", "*", run_tokens },
        { "rng", "*", run_rng },
        { "sched", "*", run_sched },
        { "text", "*", run_text },
        { "unet", "*", run_unet },
        { "vae", "*", run_vae },
        { "ddpm", "*_sample_*", run_sample },
        { "ddpm", "*", run_unet },
        { "fullsize", "*", run_fullsize },
        { "e2e", "*", run_e2e },
        { "prompts", "*", run_prompts },
    };
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        if (strcmp(g->group, groups[i].group) == 0 && daub_glob(groups[i].ids, g->id))
            return groups[i].run(g);
    return golden_fail(g, "daub cannot run goldens of group %s yet", g->group);
}

static bool run_one(struct session *session, const cJSON *json, const char *name)
{
    struct golden g = {
        .session = session,
        .json = json,
        .params = cJSON_GetObjectItemCaseSensitive(json, "params"),
        .group = text_of(json, "group"),
        .id = text_of(json, "id"),
        .checkpoint = text_of(json, "checkpoint"),
    };
    const char *file = text_of(json, "file");
    read_tolerance(&g);
    if (!file)
        golden_fail(&g, "the index names no file");
    else if (snprintf(g.path, sizeof(g.path), "%s/%s", session->index_dir, file) >= (int)sizeof(g.path))
        golden_fail(&g, "the path is too long");
    else if (strstr(file, ".safetensors") && daub_safetensors_open(NULL, g.path, &g.st) != DAUB_OK)
        golden_failed_call(&g, "opening it");
    if (!g.failed) {
        run_group(&g);
        const cJSON *expected = cJSON_GetObjectItemCaseSensitive(json, "expected");
        const uint32_t wanted = g.st ? (uint32_t)cJSON_GetArraySize(expected) : 1;
        if (!g.failed && g.n_compared < wanted)
            golden_fail(&g, "only %u of %u expected tensors were compared", g.n_compared, wanted);
    }
    daub_safetensors_close(&g.st);

    const double limit = g.exact ? 0.0 : g.max_abs > 0.0 ? g.max_abs : g.tolerance;
    printf("%s %-56s %.3e  tolerance %.1e%s%s%s%s\n", g.failed ? "FAIL" : "ok  ", name, g.worst, limit,
           g.worst_at[0] && g.failed ? "  at " : "", g.failed ? g.worst_at : "", g.failed ? "  " : "",
           g.failed ? g.why : "");
    fflush(stdout);
    return !g.failed;
}

// ---- all -------------------------------------------------------------------------------------------------------------

// Whether a line of the ids file is exactly `name` (group/id).
static bool listed(const char *ids, const char *name)
{
    const size_t n = strlen(name);
    for (const char *at = strstr(ids, name); at; at = strstr(at + 1, name)) {
        const char before = at == ids ? '\n' : at[-1], after = at[n];
        if (before == '\n' && (after == '\n' || after == '\r' || after == '\0'))
            return true;
    }
    return false;
}

static uint32_t count_missing(const char *ids, const cJSON *goldens)
{
    uint32_t missing = 0;
    for (const char *at = ids; *at;) {
        const size_t n = strcspn(at, "\r\n");
        bool found = n == 0;
        const cJSON *json;
        cJSON_ArrayForEach(json, goldens)
        {
            char name[512];
            const char *group = text_of(json, "group"), *id = text_of(json, "id");
            snprintf(name, sizeof(name), "%s/%s", group ? group : "", id ? id : "");
            found |= strlen(name) == n && strncmp(name, at, n) == 0;
        }
        if (!found) {
            printf("FAIL %-56.*s is not in the index\n", (int)n, at);
            missing++;
        }
        at += n;
        at += strspn(at, "\r\n");
    }
    return missing;
}

static void log_message(void *user, daub_log_level level, const char *message)
{
    (void)user;
    (void)level;
    fprintf(stderr, "daub-goldens: %s\n", message);
}

static int run_all(const struct options *o, const cJSON *index, const char *ids)
{
    struct session session = { .dtype = o->dtype, .vae_rows = o->vae_rows };
    const char *slash = strrchr(o->index, '/');
    snprintf(session.index_dir, sizeof(session.index_dir), "%.*s", slash ? (int)(slash - o->index) : 1,
             slash ? o->index : ".");
    char folder[1200];
    const char *sub = text_of(index, "checkpoints_folder");
    snprintf(folder, sizeof(folder), "%s/%s", session.index_dir, sub ? sub : "checkpoints");
    session.dirs[session.n_dirs++] = folder;
    for (uint32_t i = 0; i < o->n_dirs; i++)
        session.dirs[session.n_dirs++] = o->dirs[i];

    const daub_device_params params = {
        .struct_size = sizeof(params), .device = o->device, .log = log_message, .log_level = DAUB_LOG_WARNING
    };
    if (daub_vk_device_create(&params, &session.dev) != DAUB_OK) {
        fprintf(stderr, "daub-goldens: %s\n", daub_last_error());
        return 1;
    }
    const cJSON *goldens = cJSON_GetObjectItemCaseSensitive(index, "goldens"), *json;
    uint32_t passed = 0, failed = 0, skipped = 0;
    cJSON_ArrayForEach(json, goldens)
    {
        const char *group = text_of(json, "group"), *id = text_of(json, "id");
        if (!group || !id) {
            printf("FAIL an entry of the index has no group or id\n");
            failed++;
            continue;
        }
        char name[512];
        snprintf(name, sizeof(name), "%s/%s", group, id);
        if ((ids && !listed(ids, name)) || (o->filter && !daub_glob(o->filter, name)))
            continue;
        if (o->skip && daub_glob(o->skip, name)) {
            printf("skip %s\n", name);
            skipped++;
        } else if (run_one(&session, json, name)) {
            passed++;
        } else {
            failed++;
        }
    }
    if (ids && !o->filter)
        failed += count_missing(ids, goldens);
    const uint32_t messages = daub_device_validation_errors(session.dev);
    if (messages > 0) {
        printf("FAIL %u validation messages\n", messages);
        failed++;
    }
    daub_kernels_save(session.dev);
    printf("largest arena %.3f MB (%s), device memory at its peak %.3f MB, %s\n", (double)session.largest_arena * 1e-6,
           o->dtype == DAUB_F16 ? "f16" : "f32", (double)daub_device_memory_peak(session.dev) * 1e-6,
           daub_device_caps(session.dev)->name);
    daub_engine_destroy(&session.engine);
    daub_vk_device_destroy(&session.dev);
    printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
    return failed || passed + skipped == 0 ? 1 : 0;
}

// Python writes infinities as words that JSON does not know; numbers of the same length that overflow stand for them.
static void mend_infinities(char *text)
{
    bool quoted = false;
    for (char *p = text; *p; p++) {
        if (quoted && *p == '\\' && p[1])
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (!quoted && strncmp(p, "Infinity", 8) == 0)
            memcpy(p, "1e999999", 8);
    }
}

int main(int argc, char **argv)
{
    struct options o;
    const int status = parse(argc, argv, &o);
    if (status != 0)
        return status;
    char *text = NULL, *ids = NULL;
    size_t size = 0, ids_size = 0;
    if (daub_file_read(NULL, o.index, (size_t)1 << 30, &text, &size) != DAUB_OK ||
        (o.ids && daub_file_read(NULL, o.ids, (size_t)1 << 24, &ids, &ids_size) != DAUB_OK)) {
        fprintf(stderr, "daub-goldens: %s\n", daub_last_error());
        return 2;
    }
    mend_infinities(text);
    cJSON *index = cJSON_ParseWithLength(text, size);
    int result = 2;
    if (!cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(index, "goldens")))
        fprintf(stderr, "daub-goldens: %s is no index with a list \"goldens\"\n", o.index);
    else
        result = run_all(&o, index, ids);
    cJSON_Delete(index);
    daub_free(NULL, text);
    daub_free(NULL, ids);
    return result;
}

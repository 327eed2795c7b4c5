// metadata.c - what made a picture, in A1111's "parameters" grammar: the prompt, a line with the negative prompt, a line of
// "Key: value" pairs in A1111's order. Values with a comma, a colon or a newline are JSON strings, as A1111 quotes them.
#include "cli.h"

#include <stdlib.h>
#include <string.h>

struct text {
    char *at;
    size_t n, capacity;
    bool failed;
};

static void put(struct text *t, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

static void put(struct text *t, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n >= 0 && t->n + (size_t)n + 1 > t->capacity && !t->failed) {
        const size_t capacity = 2 * t->capacity + (size_t)n + 1;
        char *at = realloc(t->at, capacity);
        if (at) {
            t->at = at;
            t->capacity = capacity;
        } else {
            t->failed = true;
        }
    }
    if (n >= 0 && !t->failed) {
        vsnprintf(t->at + t->n, t->capacity - t->n, fmt, again);
        t->n += (size_t)n;
    }
    va_end(again);
}

static void put_value(struct text *t, const char *key, const char *value)
{
    put(t, ", %s: ", key);
    if (!strpbrk(value, ",:\n")) {
        put(t, "%s", value);
        return;
    }
    put(t, "\"");
    for (; *value; value++) {
        if (*value == '\n')
            put(t, "\\n");
        else if ((unsigned char)*value < 0x20)
            put(t, "\\u%04x", (unsigned)*value);
        else
            put(t, "%s%c", *value == '"' || *value == '\\' ? "\\" : "", *value);
    }
    put(t, "\"");
}

// A1111 shows names with spaces and capitals.
static const char *schedule_label(const char *name)
{
    daub_schedule_info info = { .struct_size = sizeof(info) };
    for (uint32_t i = 0; i < daub_schedule_count(); i++)
        if (daub_schedule_get_info(i, &info) == DAUB_OK && strcmp(info.name, name) == 0)
            return info.label;
    return name;
}

static const char *sampler_label(const char *name)
{
    daub_sampler_info info = { .struct_size = sizeof(info) };
    for (uint32_t i = 0; i < daub_sampler_count(); i++)
        if (daub_sampler_get_info(i, &info) == DAUB_OK && strcmp(info.name, name) == 0)
            return info.label;
    return name;
}

// The last part of a path, which may end with a slash, as A1111 names a VAE.
static const char *last_part(const char *path)
{
    const char *last = path;
    for (const char *at = path; *at; at++)
        if (at > path && at[-1] == '/' && *at != '/')
            last = at;
    return last;
}

// The last part of a path, without .safetensors.
static void model_name(const char *path, char *out, size_t size)
{
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/')
        n--;
    size_t start = n;
    while (start > 0 && path[start - 1] != '/')
        start--;
    snprintf(out, size, "%.*s", (int)(n - start), path + start);
    char *end = strstr(out, ".safetensors");
    if (end)
        *end = '\0';
}

char *metadata_text(const struct cli *cli, const daub_model_info *model, const daub_result *result, const char *hash,
                    const char *vae_hash)
{
    struct text t = { 0 };
    char name[256];
    const char *prompt = cli->text ? cli->text + strspn(cli->text, " \t\r\n") : ""; // A1111 strips the whole text
    if (*prompt)
        put(&t, "%s\n", prompt);
    if (cli->negative && *cli->negative)
        put(&t, "Negative prompt: %s\n", cli->negative);
    put(&t, "Steps: %u", result->n_steps);
    put_value(&t, "Sampler", sampler_label(result->sampler));
    put_value(&t, "Schedule type", schedule_label(result->schedule));
    put(&t, ", CFG scale: %g, Seed: %llu, Size: %ux%u", (double)result->guidance_scale,
        (unsigned long long)result->seed, result->width, result->height);
    if (hash)
        put_value(&t, "Model hash", hash);
    model_name(model->path, name, sizeof(name));
    put_value(&t, "Model", name);
    if (vae_hash)
        put_value(&t, "VAE hash", vae_hash);
    if (model->vae[0])
        put_value(&t, "VAE", last_part(model->vae));
    if (result->strength > 0.0)
        put(&t, ", Denoising strength: %g", result->strength);
    if (result->clip_skip > 1)
        put(&t, ", Clip skip: %u", result->clip_skip);
    if (result->emphasis == DAUB_EMPHASIS_OFF)
        put_value(&t, "Emphasis", "None"); // A1111's name for it
    put_value(&t, "RNG", result->rng == DAUB_RNG_CUDA ? "NV" : "CPU");
    if (cli->eta > 0.0f)
        put(&t, ", Eta DDIM: %g", (double)cli->eta);
    if (result->guidance_rescale > 0.0f)
        put(&t, ", CFG rescale: %g", (double)result->guidance_rescale);
    if (result->guidance_start > 0.0 || result->guidance_end < 1.0) {
        snprintf(name, sizeof(name), "%.9g:%.9g", result->guidance_start, result->guidance_end);
        put_value(&t, "CFG interval", name);
    }
    if (cli->style)
        put_value(&t, "Style", cli->style);
    put(&t, ", Version: daub %d.%d.%d", DAUB_VERSION_MAJOR, DAUB_VERSION_MINOR, DAUB_VERSION_PATCH);
    if (t.failed) {
        free(t.at);
        return NULL;
    }
    return t.at;
}

bool metadata_append(char **text, const char *key, const char *value)
{
    const size_t n = strlen(*text);
    struct text t = { .at = *text, .n = n, .capacity = n + 1 };
    put_value(&t, key, value);
    *text = t.at;
    if (t.failed) {
        free(t.at);
        *text = NULL;
    }
    return !t.failed;
}

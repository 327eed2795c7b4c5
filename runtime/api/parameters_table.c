// parameters_table.c - the keys of a picture's text, what each is of daub_parameters, and how its value is written and read.
#include "runtime/api/parameters.h"

#include "runtime/base/limits.h"
#include "runtime/sample/sample.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(type) (*(const type *)((const char *)p + row->field))
#define FIELD_OF(type) (*(type *)((char *)t->p + row->field))

// ---- numbers ---------------------------------------------------------------------------------------------------------

// The shortest decimal that reads back as the same value, with a point whatever the host's locale is.
static void number_text(double value, bool single, char out[32])
{
    for (int digits = 6; digits <= (single ? 9 : 17); digits++) {
        snprintf(out, 32, "%.*g", digits, value);
        const double back = strtod(out, NULL);
        if (single ? (float)back == (float)value : back == value)
            break;
    }
    char *point = out + strspn(out, "-0123456789");
    const size_t n = strcspn(point, "0123456789e"); // a locale's point may have more than one byte
    if (n > 0) {
        *point = '.';
        memmove(point + 1, point + n, strlen(point + n) + 1);
    }
}

// A decimal number within the row's bounds. cJSON's reader knows the locale.
static bool read_number(const struct daub_parameter *row, const char *value, double *out)
{
    cJSON *json = cJSON_ParseWithOpts(value, NULL, true);
    const bool ok = cJSON_IsNumber(json) && json->valuedouble >= row->min && json->valuedouble <= row->max;
    if (ok)
        *out = json->valuedouble;
    cJSON_Delete(json);
    return ok;
}

static void put_number(struct daub_writer *w, const struct daub_parameter *row, double value, bool single)
{
    char text[32];
    number_text(value, single, text);
    daub_put(w, ", %s: %s", row->key, text);
}

static void put_f32(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    if (FIELD(float) > 0.0f)
        put_number(w, row, (double)FIELD(float), true);
}

static bool take_f32(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    double number = 0.0;
    if (!read_number(row, value, &number))
        return false;
    FIELD_OF(float) = (float)number;
    return true;
}

static void put_f64(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    if (FIELD(double) > 0.0)
        put_number(w, row, FIELD(double), false);
}

static bool take_f64(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    return read_number(row, value, &FIELD_OF(double));
}

static bool read_u64(const char *value, uint64_t *out)
{
    uint64_t n = 0;
    if (!*value)
        return false;
    for (; *value >= '0' && *value <= '9'; value++) {
        const uint64_t digit = (uint64_t)(*value - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = 10 * n + digit;
    }
    if (*value)
        return false;
    *out = n;
    return true;
}

static void put_u32(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    if (FIELD(uint32_t) > 0)
        daub_put(w, ", %s: %u", row->key, FIELD(uint32_t));
}

static bool take_u32(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    uint64_t n = 0;
    if (!read_u64(value, &n) || (double)n < row->min || (double)n > row->max)
        return false;
    FIELD_OF(uint32_t) = (uint32_t)n;
    return true;
}

static void put_bytes(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    if (FIELD(uint64_t) > 0)
        daub_put(w, ", %s: %llu", row->key, (unsigned long long)FIELD(uint64_t));
}

static bool take_bytes(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    return read_u64(value, &FIELD_OF(uint64_t));
}

static void put_seed(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    if (p->has_seed)
        daub_put(w, ", %s: %llu", row->key, (unsigned long long)p->seed);
}

static bool take_seed(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    (void)row;
    t->p->has_seed = read_u64(value, &t->p->seed);
    return t->p->has_seed;
}

static void put_size(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    if (p->width > 0 && p->height > 0)
        daub_put(w, ", %s: %ux%u", row->key, p->width, p->height);
}

static bool take_size(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    char *x = strchr(value, 'x'), first[16];
    uint64_t width = 0, height = 0;
    if (!x || (size_t)(x - value) >= sizeof(first))
        return false;
    snprintf(first, sizeof(first), "%.*s", (int)(x - value), value);
    if (!read_u64(first, &width) || !read_u64(x + 1, &height) || (double)width < row->min ||
        (double)height < row->min || (double)width > row->max || (double)height > row->max)
        return false;
    t->p->width = (uint32_t)width;
    t->p->height = (uint32_t)height;
    return true;
}

// "0.2:0.8"
static void put_interval(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    char start[32], end[32], both[66];
    const double until = p->guidance_end > 0.0 ? p->guidance_end : 1.0;
    if (p->guidance_start <= 0.0 && until >= 1.0)
        return;
    number_text(p->guidance_start, false, start);
    number_text(until, false, end);
    snprintf(both, sizeof(both), "%s:%s", start, end);
    daub_put_quoted(w, row->key, both);
}

static bool take_interval(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    char first[32];
    const char *colon = strchr(value, ':');
    double start = 0.0, end = 0.0;
    if (!colon || (size_t)(colon - value) >= sizeof(first))
        return false;
    snprintf(first, sizeof(first), "%.*s", (int)(colon - value), value);
    if (!read_number(row, first, &start) || !read_number(row, colon + 1, &end) || start >= end)
        return false;
    t->p->guidance_start = start;
    t->p->guidance_end = end;
    return true;
}

// Whole (DAUB_VAE_WHOLE) or a number.
static void put_rows(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    if (p->vae_rows == DAUB_VAE_WHOLE)
        daub_put(w, ", %s: off", row->key);
    else
        put_u32(w, row, p);
}

static bool take_rows(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    if (strcmp(value, "off") != 0)
        return take_u32(t, row, value);
    t->p->vae_rows = DAUB_VAE_WHOLE;
    return true;
}

// ---- texts -----------------------------------------------------------------------------------------------------------

// As A1111 quotes, and also what its reader would take for something else: a quoted text, white space at an end.
void daub_put_quoted(struct daub_writer *w, const char *key, const char *value)
{
    const size_t n = strlen(value);
    daub_put(w, ", %s: ", key);
    if (n > 0 && !strpbrk(value, ",:\n\r") && value[0] != '"' && (uint8_t)value[0] > ' ' &&
        (uint8_t)value[n - 1] > ' ') {
        daub_put(w, "%s", value);
        return;
    }
    daub_put(w, "\"");
    for (const char *at = value; *at;) {
        size_t run = 0; // bytes that stand for themselves
        while (at[run] && at[run] != '"' && at[run] != '\\' && (uint8_t)at[run] >= 0x20)
            run++;
        daub_put(w, "%.*s", (int)run, at);
        at += run;
        if (!*at)
            break;
        if (*at == '\n')
            daub_put(w, "\\n");
        else if ((uint8_t)*at < 0x20)
            daub_put(w, "\\u%04x", (unsigned)*at);
        else
            daub_put(w, "\\%c", *at);
        at++;
    }
    daub_put(w, "\"");
}

static void put_text(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    const char *value = FIELD(const char *);
    if (value && *value)
        daub_put_quoted(w, row->key, value);
}

static bool take_text(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    FIELD_OF(const char *) = value;
    return true;
}

// A path: as it was given where it is relative, else its last part. A picture that is passed on tells no folder of its maker's.
static void put_path(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    const char *value = FIELD(const char *), *slash = value ? strrchr(value, '/') : NULL;
    if (slash && slash[1] && value[0] == '/')
        value = slash + 1;
    if (value && *value)
        daub_put_quoted(w, row->key, value);
}

// A model's name: the last part of its path, without .safetensors.
static void put_model(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    const char *value = FIELD(const char *);
    char name[1024];
    size_t n = value ? strlen(value) : 0;
    while (n > 0 && value[n - 1] == '/')
        n--;
    size_t start = n;
    while (start > 0 && value[start - 1] != '/')
        start--;
    if (n == start || n - start >= sizeof(name))
        return;
    snprintf(name, sizeof(name), "%.*s", (int)(n - start), value + start);
    char *end = strstr(name, ".safetensors");
    if (end && end > name)
        *end = '\0';
    daub_put_quoted(w, row->key, name);
}

// The last part of a path, which may end with a slash: A1111 names a VAE so.
static void put_last(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    const char *value = FIELD(const char *), *last = value;
    for (const char *at = value; at && *at; at++)
        if (at > value && at[-1] == '/' && *at != '/')
            last = at;
    if (last && *last)
        daub_put_quoted(w, row->key, last);
}

// A1111's words for the model's own.
static bool take_vae(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    if (t->foreign && (strcmp(value, "None") == 0 || strcmp(value, "Automatic") == 0))
        return true;
    return take_text(t, row, value);
}

// ---- names -----------------------------------------------------------------------------------------------------------

static void put_sampler(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    const struct daub_sampler_desc *sampler = NULL;
    if (p->sampler && *p->sampler)
        daub_put_quoted(w, row->key,
                        daub_sampler_find(p->sampler, &sampler, NULL) == DAUB_OK ? sampler->label : p->sampler);
}

static bool take_sampler(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    (void)row;
    const struct daub_sampler_desc *sampler = NULL;
    const char *schedule = NULL;
    if (daub_sampler_find(value, &sampler, &schedule) != DAUB_OK)
        return false;
    t->p->sampler = sampler->name;
    if (schedule && !t->p->schedule) // in the sampler's name, as A1111 had it before 1.9
        t->p->schedule = schedule;
    return true;
}

static void put_schedule(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    enum daub_sigma_spacing spacing = DAUB_SIGMAS_DEFAULT;
    if (p->schedule && *p->schedule && daub_sigma_spacing_find(p->schedule, &spacing) == DAUB_OK)
        daub_put_quoted(w, row->key, daub_sigma_spacing_desc(spacing)->label);
}

static bool take_schedule(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    (void)row;
    enum daub_sigma_spacing spacing = DAUB_SIGMAS_DEFAULT;
    for (int i = 0; i < DAUB_SIGMAS_COUNT; i++) {
        const struct daub_sigma_spacing_desc *desc = daub_sigma_spacing_desc((enum daub_sigma_spacing)i);
        if (strcmp(value, desc->label) == 0) {
            t->p->schedule = desc->name;
            return true;
        }
    }
    if (t->foreign && strcmp(value, "Uniform") == 0) // k-diffusion's own spacing: even time steps
        value = daub_sigma_spacing_name(DAUB_SIGMAS_DEFAULT);
    if (daub_sigma_spacing_find(value, &spacing) != DAUB_OK)
        return false;
    t->p->schedule = daub_sigma_spacing_name(spacing);
    return true;
}

static void put_rng(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    if (p->rng != DAUB_RNG_DEFAULT)
        daub_put(w, ", %s: %s", row->key, p->rng == DAUB_RNG_CUDA ? "NV" : "CPU");
}

static bool take_rng(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    (void)row;
    if (strcmp(value, "CPU") != 0 && strcmp(value, "NV") != 0 && strcmp(value, "GPU") != 0)
        return false;
    t->p->rng = value[0] == 'C' ? DAUB_RNG_TORCH_CPU : DAUB_RNG_CUDA;
    return true;
}

// By A1111's names; it says nothing where it weighs as daub does, "Original".
static void put_emphasis(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    if (p->emphasis == DAUB_EMPHASIS_OFF)
        daub_put(w, ", %s: None", row->key);
}

static bool take_emphasis(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    (void)row;
    if (strcmp(value, "None") != 0 && strcmp(value, "Original") != 0)
        return false;
    t->p->emphasis = value[0] == 'N' ? DAUB_EMPHASIS_OFF : DAUB_EMPHASIS_WEBUI;
    return true;
}

// By A1111's keys, of which it writes one where prompts were padded.
static void put_padding(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    if (p->padding == (daub_prompt_padding)row->min)
        daub_put(w, ", %s: True", row->key);
}

static bool take_padding(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    if (strcmp(value, "True") == 0)
        t->p->padding = (daub_prompt_padding)row->min;
    return strcmp(value, "True") == 0 || strcmp(value, "False") == 0;
}

static void put_precision(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    if (p->precision == DAUB_PRECISION_F32)
        daub_put(w, ", %s: f32", row->key);
}

static bool take_precision(const struct daub_taking *t, const struct daub_parameter *row, const char *value)
{
    (void)row;
    if (strcmp(value, "f32") != 0 && strcmp(value, "f16") != 0)
        return false;
    t->p->precision = strcmp(value, "f32") == 0 ? DAUB_PRECISION_F32 : DAUB_PRECISION_F16;
    return true;
}

static void put_clip_skip(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p)
{
    if (p->clip_skip > 1) // 1 is none, and A1111 leaves it out
        put_u32(w, row, p);
}

// ---- the table -------------------------------------------------------------------------------------------------------

#define AT(member) offsetof(daub_parameters, member)
// clang-format off
const struct daub_parameter daub_parameter_table[] = {
    { "Steps",              AT(n_steps),            1, DAUB_MAX_STEPS,    put_u32,       take_u32 },
    { "Sampler",            AT(sampler),            0, 0,                 put_sampler,   take_sampler },
    { "Schedule type",      AT(schedule),           0, 0,                 put_schedule,  take_schedule },
    { "CFG scale",          AT(guidance_scale),     1, DAUB_MAX_GUIDANCE, put_f32,       take_f32 },
    { "Seed",               AT(seed),               0, 0,                 put_seed,      take_seed },
    { "Size",               AT(width),              1, DAUB_MAX_SIZE,     put_size,      take_size },
    { "Model hash",         AT(model_hash),         0, 0,                 put_text,      take_text },
    { "Model",              AT(model),              0, 0,                 put_model,     take_text },
    { "Parts hash",         AT(parts_hash),         0, 0,                 put_text,      take_text },
    { "VAE hash",           AT(vae_hash),           0, 0,                 put_text,      take_text },
    { "VAE",                AT(vae),                0, 0,                 put_last,      take_vae },
    { "Denoising strength", AT(strength),           0, 1,                 put_f64,       take_f64 },
    { "Clip skip",          AT(clip_skip),          1, 64,                put_clip_skip, take_u32 },
    { "Emphasis",           AT(emphasis),           0, 0,                 put_emphasis,  take_emphasis },
    { "Pad conds",          AT(padding),            DAUB_PADDING_EMPTY, 0, put_padding,  take_padding },
    { "Pad conds v0",       AT(padding),            DAUB_PADDING_LAST, 0, put_padding,   take_padding },
    { "RNG",                AT(rng),                0, 0,                 put_rng,       take_rng },
    { "Eta DDIM",           AT(eta),                0, 1,                 put_f64,       take_f64 },
    { "CFG rescale",        AT(guidance_rescale),   0, 1,                 put_f32,       take_f32 },
    { "CFG interval",       AT(guidance_start),     0, 1,                 put_interval,  take_interval },
    { "Style",              AT(style),              0, 0,                 put_text,      take_text },
    { "Precision",          AT(precision),          0, 0,                 put_precision, take_precision },
    { "VAE rows",           AT(vae_rows),           1, DAUB_MAX_SIZE,     put_rows,      take_rows },
    { "VAE memory",         AT(vae_memory),         0, 0,                 put_bytes,     take_bytes },
    { "Config",             AT(config),             0, 0,                 put_path,      take_text },
    { "Config hash",        AT(config_hash),        0, 0,                 put_text,      take_text },
    { "Init",               AT(init),               0, 0,                 put_path,      take_text },
    { "Init hash",          AT(init_hash),          0, 0,                 put_text,      take_text },
    { "Mask",               AT(mask),               0, 0,                 put_path,      take_text },
    { "Mask hash",          AT(mask_hash),          0, 0,                 put_text,      take_text },
    { "Prompt embeds",      AT(prompt_embeds),      0, 0,                 put_path,      take_text },
    { "Prompt embeds hash", AT(prompt_embeds_hash), 0, 0,                 put_text,      take_text },
    { "JPEG quality",       AT(jpeg_quality),       1, 100,               put_u32,       take_u32 },
    { "Version",            AT(software),           0, 0,                 put_text,      take_text },
};
// clang-format on
const uint32_t daub_n_parameters = sizeof(daub_parameter_table) / sizeof(daub_parameter_table[0]);

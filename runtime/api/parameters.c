// parameters.c - what a picture says of itself: from its file, to a picture's params, and from a picture that was made to a text.
#include "runtime/api/parameters.h"

#include "runtime/api/params.h"
#include "runtime/api/picture.h"
#include "runtime/base/text.h"
#include "runtime/sample/sample.h"

#include <stdio.h>
#include <string.h>

void daub_put(struct daub_writer *w, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    const int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        w->failed = true;
    if (!w->failed && w->n + (size_t)n + 1 > w->capacity) {
        const size_t capacity = 2 * w->capacity + (size_t)n + 1;
        char *at = daub_realloc(NULL, w->at, w->capacity, capacity);
        w->failed = !at;
        if (at) {
            w->at = at;
            w->capacity = capacity;
        }
    }
    if (!w->failed) {
        vsnprintf(w->at + w->n, w->capacity - w->n, fmt, again);
        w->n += (size_t)n;
    }
    va_end(again);
}

// ---- reading ---------------------------------------------------------------------------------------------------------

daub_status daub_picture_text(const daub_source *source, char **out)
{
    if (!source || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_picture_text: source or out is NULL");
    struct daub_picture picture = { 0 };
    TRY(daub_picture_open("daub_picture_text", source, &picture));
    daub_status status;
    if (daub_is_png(&picture))
        status = daub_png_text(&picture, out);
    else if (daub_is_jpeg(&picture))
        status = daub_jpeg_text(&picture, out);
    else
        status = daub_fail(DAUB_ERROR_BAD_FILE, "%s is neither PNG nor JPEG, which carry what made them", picture.name);
    daub_picture_close(&picture);
    return status;
}

void daub_text_free(char *text)
{
    daub_free(NULL, text);
}

// The value of a key, also of one whose value looks like a size and has become two.
static const char *value_of(const struct daub_taking *t, const struct daub_infotext *info, const char *key)
{
    const char *value = daub_infotext_get(info, key);
    if (value)
        return value;
    char first[64], second[64];
    snprintf(first, sizeof(first), "%s-1", key);
    snprintf(second, sizeof(second), "%s-2", key);
    const char *a = daub_infotext_get(info, first), *b = daub_infotext_get(info, second);
    return a && b ? daub_arena_printf(t->arena, "%sx%s", a, b) : NULL;
}

static const struct daub_parameter *row_of(const char *key)
{
    const size_t n = strlen(key);
    const bool part = n > 2 && (strcmp(key + n - 2, "-1") == 0 || strcmp(key + n - 2, "-2") == 0);
    for (uint32_t i = 0; i < daub_n_parameters; i++) {
        const char *known = daub_parameter_table[i].key;
        if (strcmp(known, key) == 0 || (part && strlen(known) == n - 2 && strncmp(known, key, n - 2) == 0))
            return &daub_parameter_table[i];
    }
    return NULL;
}

static void leave_out(struct daub_writer *w, const char *key, const char *value)
{
    enum { SHOWN = 60 };
    const size_t n = strlen(value);
    const size_t cut = n > SHOWN ? daub_utf8_cut(value, SHOWN) : n;
    daub_put(w, "%s%s %.*s%s", w->n ? ", " : "", key, (int)cut, value, n > SHOWN ? "..." : "");
}

static daub_status take_all(struct daub_taking *t, const struct daub_infotext *info, struct daub_writer *left_out)
{
    const char *version = daub_infotext_get(info, "Version");
    t->foreign = !version || strncmp(version, "daub ", 5) != 0;
    t->p->prompt = info->prompt;
    t->p->negative_prompt = info->negative;
    if (t->foreign) {
        char *prompt = daub_arena_strdup(t->arena, info->prompt);
        if (!prompt)
            return daub_no_memory("a picture's parameters");
        daub_strip_networks(prompt, left_out);
        t->p->prompt = prompt;
    }
    for (uint32_t i = 0; i < daub_n_parameters; i++) {
        const struct daub_parameter *row = &daub_parameter_table[i];
        const char *value = value_of(t, info, row->key);
        if (value && !row->take(t, row, value))
            leave_out(left_out, row->key, value);
    }
    if (t->foreign)
        daub_foreign_defaults(t, info);
    for (uint32_t i = 0; i < info->n_fields; i++)
        if (!row_of(info->fields[i].key) &&
            !daub_key_is_harmless(info->fields[i].key, info->fields[i].value, t->foreign))
            leave_out(left_out, info->fields[i].key, info->fields[i].value);
    if (left_out->failed)
        return daub_no_memory("a picture's parameters");
    if (left_out->n > 0) {
        char *text = daub_arena_strdup(t->arena, left_out->at);
        if (!text)
            return daub_no_memory("a picture's parameters");
        daub_text_clean(text);
        t->p->left_out = text;
    }
    return DAUB_OK;
}

static daub_status parse(const char *text, size_t size, daub_parameters *out)
{
    uint32_t room;
    TRY(daub_params_room("daub_parameters", out, &room));
    if (room < offsetof(daub_parameters, owned) + sizeof(out->owned))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_parameters.struct_size is %u, which has no room for its strings",
                         room);
    daub_parameters p = { .struct_size = sizeof(p) };
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_taking t = { .p = &p, .arena = arena };
    struct daub_infotext info;
    struct daub_writer left_out = { 0 };
    daub_status status = arena ? DAUB_OK : daub_no_memory("a picture's parameters");
    if (status == DAUB_OK)
        status = daub_infotext_parse(arena, text, size, &info);
    if (status == DAUB_OK)
        status = take_all(&t, &info, &left_out);
    daub_free(NULL, left_out.at);
    p.owned = arena;
    if (status == DAUB_OK)
        status = daub_params_give("daub_parameters", &p, sizeof(p), out);
    if (status != DAUB_OK)
        daub_arena_destroy(&arena);
    return status;
}

daub_status daub_parameters_parse(const char *text, daub_parameters *out)
{
    if (!text || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_parameters_parse: text or out is NULL");
    return parse(text, strlen(text), out);
}

daub_status daub_parameters_read(const daub_source *source, daub_parameters *out)
{
    if (!source || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_parameters_read: source or out is NULL");
    char *text = NULL;
    TRY(daub_picture_text(source, &text));
    const daub_status status = parse(text, strlen(text), out);
    daub_text_free(text);
    return status;
}

void daub_parameters_free(daub_parameters *p)
{
    if (!p)
        return;
    const uint32_t size = p->struct_size;
    struct daub_arena *arena = p->owned;
    daub_arena_destroy(&arena);
    memset(p, 0, size < sizeof(*p) ? size : sizeof(*p));
    p->struct_size = size;
}

// ---- to a picture's params -------------------------------------------------------------------------------------------

// Whether a sampler that was given, by any of its names, is the picture's; one that names a schedule goes with that.
static bool has_sampler(const daub_parameters *p, const char *given)
{
    const struct daub_sampler_desc *a = NULL, *b = NULL;
    const char *schedule = NULL;
    return !given || (p->sampler && daub_sampler_find(given, &a, &schedule) == DAUB_OK && !schedule &&
                      daub_sampler_find(p->sampler, &b, NULL) == DAUB_OK && a == b);
}

daub_status daub_parameters_apply(const daub_parameters *parameters, daub_generate_params *params)
{
    if (!parameters || !params)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_parameters_apply: an argument is NULL");
    daub_parameters p;
    daub_generate_params out;
    TRY(daub_params_copy("daub_parameters", parameters, &p, sizeof(p)));
    TRY(daub_params_copy("daub_generate_params", params, &out, sizeof(out)));
    const bool embeds = out.prompt_embeds_path || out.prompt_embeds_source || out.prompt_embeds;
    if (p.prompt_embeds && !embeds && !out.prompt)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "the picture was drawn from prompt embeddings, of the file %s, which must be given",
                         p.prompt_embeds);
    if (p.strength > 0.0 && !out.init)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the picture was drawn from another one%s%s, which must be given",
                         p.init ? ", " : "", p.init ? p.init : "");
    if (p.mask && !out.mask)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the picture was painted by the mask %s, which must be given", p.mask);
    if (!out.prompt && !embeds)
        out.prompt = p.prompt;
    if (!out.negative_prompt && !embeds)
        out.negative_prompt = p.negative_prompt;
    if (!out.init) { // whose size it is
        out.width = out.width ? out.width : p.width;
        out.height = out.height ? out.height : p.height;
    }
    out.n_steps = out.n_steps ? out.n_steps : p.n_steps;
    out.guidance_scale = out.guidance_scale != 0.0f ? out.guidance_scale : p.guidance_scale;
    out.guidance_rescale = out.guidance_rescale != 0.0f ? out.guidance_rescale : p.guidance_rescale;
    if (out.guidance_start <= 0.0 && out.guidance_end <= 0.0 && out.guidance_scale != 1.0f) {
        out.guidance_start = p.guidance_start;
        out.guidance_end = p.guidance_end;
    }
    out.seed = out.seed ? out.seed : p.seed;
    out.rng = out.rng != DAUB_RNG_DEFAULT ? out.rng : p.rng;
    out.emphasis = out.emphasis != DAUB_EMPHASIS_DEFAULT ? out.emphasis : p.emphasis;
    out.padding = out.padding != DAUB_PADDING_DEFAULT ? out.padding : p.padding;
    if (!out.schedule && has_sampler(&p, out.sampler)) // a schedule goes with its sampler
        out.schedule = p.schedule;
    out.sampler = out.sampler ? out.sampler : p.sampler;
    out.eta = out.eta != 0.0 ? out.eta : p.eta;
    out.clip_skip = out.clip_skip ? out.clip_skip : p.clip_skip;
    out.strength = out.strength != 0.0 ? out.strength : p.strength;
    if (out.vae_rows == 0 && out.vae_memory == 0) {
        out.vae_rows = p.vae_rows;
        out.vae_memory = p.vae_memory;
    }
    return daub_params_give("daub_generate_params", &out, sizeof(out), params);
}

// ---- writing ---------------------------------------------------------------------------------------------------------

static bool takes_eta(const char *name)
{
    const struct daub_sampler_desc *sampler = NULL;
    return daub_sampler_find(name, &sampler, NULL) == DAUB_OK && sampler->eta;
}

daub_status daub_parameters_describe(const daub_generate_params *params, const daub_result *result,
                                     const daub_model_info *model, daub_parameters *out)
{
    if (!params || !result || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_parameters_describe: params, result or out is NULL");
    daub_generate_params g;
    daub_result r;
    daub_model_info m;
    uint32_t room;
    TRY(daub_params_copy("daub_generate_params", params, &g, sizeof(g)));
    TRY(daub_params_copy("daub_result", result, &r, sizeof(r)));
    TRY(daub_params_copy("daub_model_info", model, &m, sizeof(m)));
    TRY(daub_params_room("daub_parameters", out, &room));
    struct daub_arena *arena = daub_arena_create(NULL);
    if (!arena)
        return daub_no_memory("a picture's parameters");
    daub_parameters p = {
        .struct_size = sizeof(p),
        .owned = arena,
        .prompt = daub_arena_strdup(arena, g.prompt ? g.prompt : ""),
        .negative_prompt = daub_arena_strdup(arena, g.negative_prompt ? g.negative_prompt : ""),
        .sampler = daub_arena_strdup(arena, r.sampler),
        .schedule = daub_arena_strdup(arena, r.schedule),
        .width = r.width,
        .height = r.height,
        .n_steps = r.n_steps,
        .clip_skip = r.clip_skip,
        .guidance_scale = r.guidance_scale,
        .guidance_rescale = r.guidance_rescale,
        .guidance_start = r.guidance_start,
        .guidance_end = r.guidance_end,
        .seed = r.seed,
        .has_seed = true,
        .rng = r.rng,
        .emphasis = r.emphasis,
        .padding = r.padding,
        .eta = takes_eta(r.sampler) ? g.eta : 0.0,
        .strength = r.strength,
        .vae_rows = g.vae_rows,
        .vae_memory = r.vae_memory,
        .model = daub_arena_strdup(arena, m.path),
        .vae = daub_arena_strdup(arena, m.vae),
        .prompt_embeds = g.prompt_embeds_path ? daub_arena_strdup(arena, g.prompt_embeds_path) : NULL,
    };
    daub_status status = p.prompt && p.negative_prompt && p.sampler && p.schedule && p.model && p.vae
                             ? DAUB_OK
                             : daub_no_memory("a picture's parameters");
    if (status == DAUB_OK)
        status = daub_params_give("daub_parameters", &p, sizeof(p), out);
    if (status != DAUB_OK)
        daub_arena_destroy(&arena);
    return status;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// Whether two prompts are the same to a tokenizer, to which white space is one space, and at the ends nothing.
static bool same_words(const char *a, const char *b)
{
    for (;;) {
        const bool gap_a = is_blank(*a), gap_b = is_blank(*b);
        while (is_blank(*a))
            a++;
        while (is_blank(*b))
            b++;
        if (*a != *b || (*a && gap_a != gap_b))
            return false;
        if (*a == '\0')
            return true;
        a++;
        b++;
    }
}

static const char *trimmed(const char *prompt)
{
    while (prompt && is_blank(*prompt))
        prompt++;
    return prompt ? prompt : "";
}

static void put_everything(struct daub_writer *w, const daub_parameters *p, bool exact, bool exact_negative)
{
    const char *prompt = trimmed(p->prompt), *negative = trimmed(p->negative_prompt);
    struct daub_writer fields = { 0 };
    if (*prompt)
        daub_put(w, "%s\n", prompt);
    if (*negative)
        daub_put(w, "Negative prompt: %s\n", negative);
    for (uint32_t i = 0; i < daub_n_parameters; i++)
        daub_parameter_table[i].put(&fields, &daub_parameter_table[i], p);
    if (exact)
        daub_put_quoted(&fields, "Prompt", prompt);
    if (exact_negative)
        daub_put_quoted(&fields, "Negative prompt", negative);
    daub_put(w, "%s", fields.n > 2 ? fields.at + 2 : "");
    w->failed |= fields.failed;
    daub_free(NULL, fields.at);
    size_t bad = 0; // names of files may be of any bytes
    for (size_t at = 0; !w->failed && !daub_utf8_valid(w->at + at, w->n - at, &bad); at += bad + 1)
        w->at[at + bad] = '?';
}

// Reads the text back. Prompts get what it says, which has no white space at the ends of lines, so that what is written from that is the
// same text; those that hold lines which the grammar takes for others are to be said exactly.
static daub_status read_back(const struct daub_writer *w, struct daub_arena *arena, daub_parameters *p, bool *exact,
                             bool *exact_negative)
{
    struct daub_infotext info;
    if (w->failed)
        return daub_no_memory("a picture's parameters");
    TRY(daub_infotext_parse(arena, w->at, w->n, &info));
    if (info.n_fields == 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "daub_parameters_write: a text says at least three things beside the prompts");
    *exact = !same_words(info.prompt, trimmed(p->prompt));
    *exact_negative = !same_words(info.negative, trimmed(p->negative_prompt));
    p->prompt = *exact ? p->prompt : info.prompt;
    p->negative_prompt = *exact_negative ? p->negative_prompt : info.negative;
    return DAUB_OK;
}

static daub_status write_text(daub_parameters *p, struct daub_arena *arena, struct daub_writer *w)
{
    bool exact = false, exact_negative = false, wrong = false, wrong_negative = false;
    put_everything(w, p, false, false);
    TRY(read_back(w, arena, p, &exact, &exact_negative));
    w->n = 0;
    put_everything(w, p, exact, exact_negative);
    TRY(read_back(w, arena, p, &wrong, &wrong_negative));
    if (wrong || wrong_negative)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_parameters_write: a prompt does not read back as it is");
    return DAUB_OK;
}

daub_status daub_parameters_write(const daub_parameters *parameters, char **out)
{
    if (!parameters || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_parameters_write: an argument is NULL");
    char version[32];
    daub_parameters p;
    TRY(daub_params_copy("daub_parameters", parameters, &p, sizeof(p)));
    snprintf(version, sizeof(version), "daub %d.%d.%d", DAUB_VERSION_MAJOR, DAUB_VERSION_MINOR, DAUB_VERSION_PATCH);
    if (!p.software)
        p.software = version;
    struct daub_writer w = { 0 };
    struct daub_arena *arena = daub_arena_create(NULL);
    const daub_status status = arena ? write_text(&p, arena, &w) : daub_no_memory("a picture's parameters");
    daub_arena_destroy(&arena);
    if (status == DAUB_OK)
        *out = w.at;
    else
        daub_free(NULL, w.at);
    return status;
}

daub_status daub_parameters_append(char **text, const char *key, const char *value)
{
    if (!text || !*text || !key || !value)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_parameters_append: an argument is NULL");
    struct daub_writer w = { 0 };
    daub_put(&w, "%s", *text);
    daub_put_quoted(&w, key, value);
    if (w.failed) {
        daub_free(NULL, w.at);
        return daub_no_memory("a picture's parameters");
    }
    daub_free(NULL, *text);
    *text = w.at;
    return DAUB_OK;
}

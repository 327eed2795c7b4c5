// prompts.c - group prompts: stable-diffusion-webui's own answers about its prompts and its pictures' parameters.
#include "golden.h"

#include "models/prompt.h"
#include "runtime/base/file.h"
#include "runtime/base/infotext.h"

#include <math.h>
#include <string.h>

struct ask { // one entry of a group
    struct golden *g;
    struct daub_arena *arena;
    struct daub_tokenizer *tok;
    const cJSON *entry;
    const char *text; // of it
    double weight_abs;
};

static bool differs(const struct ask *a, const char *what)
{
    return golden_fail(a->g, "%s of \"%.80s\"", what, a->text);
}

// What the reference refuses must be refused with a sentence, and nothing else.
static bool refused(const struct ask *a, const cJSON *want, daub_status status)
{
    const bool wanted = cJSON_GetObjectItemCaseSensitive(want, "error") != NULL;
    if (wanted && status == DAUB_ERROR_INVALID_ARG && daub_last_error()[0])
        return true;
    if (wanted)
        differs(a, "the reference refuses, we do not:");
    else if (status != DAUB_OK)
        golden_failed_call(a->g, a->text);
    return wanted || status != DAUB_OK;
}

static bool same_weight(const struct ask *a, double got, const cJSON *want)
{
    return cJSON_IsNumber(want) && fabs(got - want->valuedouble) <= a->weight_abs;
}

// [[text, weight], ...]: row i is this text and weight.
static bool same_row(const struct ask *a, const cJSON *rows, uint32_t i, const char *text, size_t n, double weight)
{
    const cJSON *row = cJSON_GetArrayItem(rows, (int)i);
    const char *want = cJSON_GetStringValue(cJSON_GetArrayItem(row, 0));
    return want && strlen(want) == n && memcmp(want, text, n) == 0 &&
           same_weight(a, weight, cJSON_GetArrayItem(row, 1));
}

static void ask_attention(const struct ask *a)
{
    const cJSON *want = cJSON_GetArrayItem(a->entry, 1);
    struct daub_prompt_pieces pieces;
    if (refused(a, want, daub_prompt_emphasis(a->arena, a->text, &pieces)))
        return;
    bool same = (int)pieces.n == cJSON_GetArraySize(want);
    for (uint32_t i = 0; same && i < pieces.n; i++)
        same = same_row(a, want, i, pieces.text + pieces.at[i].begin, pieces.at[i].end - pieces.at[i].begin,
                        pieces.at[i].weight);
    if (!same)
        differs(a, "other emphasis");
}

static void ask_schedule(const struct ask *a)
{
    const cJSON *want = cJSON_GetArrayItem(a->entry, 2);
    const uint32_t steps = (uint32_t)cJSON_GetArrayItem(a->entry, 1)->valuedouble;
    struct daub_prompt_schedule schedule;
    if (refused(a, want, daub_prompt_schedule(a->arena, a->text, steps, &schedule)))
        return;
    bool same = (int)schedule.n_entries == cJSON_GetArraySize(want);
    for (uint32_t i = 0; same && i < schedule.n_entries; i++) {
        const cJSON *row = cJSON_GetArrayItem(want, (int)i), *text = cJSON_GetArrayItem(row, 1);
        same = cJSON_GetArrayItem(row, 0)->valuedouble == schedule.entries[i].last && cJSON_IsString(text) &&
               strcmp(text->valuestring, schedule.texts[schedule.entries[i].text]) == 0;
    }
    if (!same)
        differs(a, "another schedule");
}

static void ask_parts(const struct ask *a)
{
    const cJSON *want = cJSON_GetArrayItem(a->entry, 1);
    struct daub_prompt_part *parts;
    uint32_t n = 0;
    if (refused(a, want, daub_prompt_parts(a->arena, a->text, &parts, &n)))
        return;
    bool same = (int)n == cJSON_GetArraySize(want);
    for (uint32_t i = 0; same && i < n; i++)
        same = same_row(a, want, i, parts[i].text, strlen(parts[i].text), parts[i].weight);
    if (!same)
        differs(a, "other parts");
}

static bool same_chunk(const struct ask *a, const cJSON *want, const uint32_t *ids, const double *weights, uint32_t n)
{
    const cJSON *tokens = cJSON_GetObjectItemCaseSensitive(want, "tokens");
    const cJSON *multipliers = cJSON_GetObjectItemCaseSensitive(want, "weights");
    bool same = cJSON_GetArraySize(tokens) == (int)n && cJSON_GetArraySize(multipliers) == (int)n;
    for (uint32_t i = 0; same && i < n; i++)
        same = cJSON_GetArrayItem(tokens, (int)i)->valuedouble == (double)ids[i] &&
               same_weight(a, weights[i], cJSON_GetArrayItem(multipliers, (int)i));
    return same;
}

static void ask_chunks(const struct ask *a)
{
    const cJSON *want = cJSON_GetObjectItemCaseSensitive(a->entry, "chunks");
    const struct daub_prompt_window window = {
        .length = 77,
        .pad = daub_tokenizer_pad(a->tok),
        .backtrack = (uint32_t)cJSON_GetObjectItemCaseSensitive(a->entry, "comma_padding_backtrack")->valuedouble,
        .max_chunks = 48,
    };
    struct daub_prompt_chunks chunks;
    if (refused(a, want, daub_prompt_chunks(a->arena, a->tok, a->text, &window, &chunks)))
        return;
    bool same = (int)chunks.n == cJSON_GetArraySize(want) &&
                cJSON_GetObjectItemCaseSensitive(a->entry, "token_count")->valuedouble == (double)chunks.count;
    for (uint32_t i = 0; same && i < chunks.n; i++)
        same = same_chunk(a, cJSON_GetArrayItem(want, (int)i), chunks.ids + i * window.length,
                          chunks.weights + i * window.length, window.length);
    if (!same)
        differs(a, "other chunks");
}

static void ask_infotext(const struct ask *a)
{
    const cJSON *want = cJSON_GetArrayItem(a->entry, 1), *field;
    struct daub_infotext info;
    if (refused(a, want, daub_infotext_parse(a->arena, a->text, strlen(a->text), &info)))
        return;
    bool same = cJSON_GetArraySize(want) == (int)info.n_fields + 2;
    cJSON_ArrayForEach(field, want)
    {
        const char *got = strcmp(field->string, "Prompt") == 0            ? info.prompt
                          : strcmp(field->string, "Negative prompt") == 0 ? info.negative
                                                                          : daub_infotext_get(&info, field->string);
        same = same && got && cJSON_IsString(field) && strcmp(got, field->valuestring) == 0;
    }
    if (!same)
        differs(a, "other parameters");
}

static void ask_all(struct golden *g, struct daub_tokenizer *tok, const cJSON *json)
{
    static const struct {
        const char *name;
        void (*ask)(const struct ask *a);
    } groups[] = { { "attention", ask_attention },
                   { "schedule", ask_schedule },
                   { "multicond", ask_parts },
                   { "chunks", ask_chunks },
                   { "infotext", ask_infotext } };
    const cJSON *tolerance = cJSON_GetObjectItemCaseSensitive(g->json, "tolerance");
    const cJSON *weight_abs = cJSON_GetObjectItemCaseSensitive(tolerance, "weight_abs");
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, groups[i].name), *entry;
        if (cJSON_GetArraySize(list) == 0)
            golden_fail(g, "the file has no %s", groups[i].name);
        cJSON_ArrayForEach(entry, list)
        {
            const cJSON *text = cJSON_IsObject(entry) ? cJSON_GetObjectItemCaseSensitive(entry, "prompt")
                                                      : cJSON_GetArrayItem(entry, 0);
            struct ask a = { .g = g, .tok = tok, .entry = entry, .text = cJSON_GetStringValue(text) };
            a.weight_abs = cJSON_IsNumber(weight_abs) ? weight_abs->valuedouble : 0.0;
            a.arena = daub_arena_create(NULL);
            if (a.text && a.arena)
                groups[i].ask(&a);
            else
                golden_fail(g, "an entry of %s has no text", groups[i].name);
            daub_arena_destroy(&a.arena);
        }
    }
    g->n_compared = 1;
}

// Weighted chunks: both prompts' embeddings.
static bool run_weighted(struct golden *g)
{
    struct daub_engine *engine = golden_engine(g);
    if (!engine)
        return false;
    const daub_generate_params params = {
        .struct_size = sizeof(params),
        .prompt = param_text(g, "prompt"),
        .negative_prompt = param_text(g, "negative_prompt"),
    };
    struct daub_request *request = NULL;
    float *prompt = NULL, *negative = NULL;
    uint32_t tokens[2] = { 0, 0 };
    if (daub_request_create_text(engine, &params, &request) != DAUB_OK)
        return golden_failed_call(g, "the request");
    request->guided = true;
    if (daub_encode_embeds(engine, request, &prompt, &negative, tokens) != DAUB_OK) {
        golden_failed_call(g, "encoding");
    } else {
        const size_t width = engine->desc.text.hidden_size;
        golden_check(g, request->prompts.n_chunks == (uint32_t)param_number(g, "chunks", 0), "chunks",
                     "another number");
        golden_check(g, request->prompts.n_negative_chunks == (uint32_t)param_number(g, "negative_chunks", 0),
                     "negative_chunks", "another number");
        golden_compare(g, "prompt_embeds", prompt, tokens[0] * width);
        golden_compare(g, "negative_prompt_embeds", negative, tokens[1] * width);
        daub_free(engine->host, prompt);
        daub_free(engine->host, negative);
    }
    daub_request_destroy(&request);
    return !g->failed;
}

bool run_prompts(struct golden *g)
{
    if (g->st)
        return run_weighted(g);
    char *text = NULL;
    size_t size = 0;
    struct daub_tokenizer *tok = NULL;
    if (daub_file_read(NULL, g->path, (size_t)1 << 28, &text, &size) != DAUB_OK)
        return golden_failed_call(g, "reading it");
    cJSON *json = cJSON_ParseWithLength(text, size);
    if (!json)
        golden_fail(g, "it is no JSON");
    else if (daub_tokenizer_create(NULL, NULL, &tok) != DAUB_OK)
        golden_failed_call(g, "the tokenizer");
    else
        ask_all(g, tok, json);
    daub_tokenizer_destroy(&tok);
    cJSON_Delete(json);
    daub_free(NULL, text);
    return !g->failed;
}

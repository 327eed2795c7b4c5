// prompts.c - both prompts of a request: to the texts of every step, their tokens, and those through the text encoder.
#include "runtime/pipeline/pipeline.h"

#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

enum { BACKTRACK = 20 }; // tokens; webui's default

static daub_status no_memory(void)
{
    return daub_no_memory("prompts");
}

// ---- a request's texts -----------------------------------------------------------------------------------------------

static uint32_t pad_of(const struct daub_engine *engine)
{
    return engine->desc.pad_with_zero ? 0 : daub_tokenizer_pad(engine->tokenizer);
}

static daub_status check_ids(const struct daub_engine *engine, const uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= engine->desc.text.vocab_size)
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s: the tokenizer gives token %u, and the text encoder has %u",
                             daub_checkpoint_path(engine->ckpt), ids[i], engine->desc.text.vocab_size);
    return DAUB_OK;
}

// Emphasis off: one window, cut. *cut_at is the byte at which it is.
static daub_status add_literal(const struct daub_engine *engine, struct daub_request *r, const char *text,
                               uint32_t *n_cut, size_t *cut_at)
{
    struct daub_prompt_text *added = &r->prompts.texts[r->prompts.n_texts++];
    struct daub_prompt_chunks *chunks = &added->chunks;
    *added = (struct daub_prompt_text) { .chunks.n = 1, .n_own = 1, .n_following = 1, .n_entries = 1 };
    chunks->ids = daub_arena_alloc(r->arena, engine->max_tokens * sizeof(uint32_t));
    if (!chunks->ids)
        return no_memory();
    TRY(daub_tokenize_padded(engine->tokenizer, text, engine->max_tokens, chunks->ids, &chunks->n_tokens, n_cut,
                             cut_at));
    for (uint32_t i = chunks->n_tokens + 2; i < engine->max_tokens; i++)
        chunks->ids[i] = pad_of(engine);
    return check_ids(engine, chunks->ids, engine->max_tokens);
}

static daub_status take_literally(const struct daub_engine *engine, struct daub_request *r)
{
    struct daub_prompts *p = &r->prompts;
    size_t cut_at = 0;
    p->texts = daub_arena_alloc(r->arena, 2 * sizeof(*p->texts));
    uint32_t *of_step = daub_arena_alloc(r->arena, 2 * sizeof(*of_step));
    if (!p->texts || !of_step)
        return no_memory();
    TRY(add_literal(engine, r, r->negative, &p->n_negative_cut, &cut_at));
    TRY(add_literal(engine, r, r->prompt, &p->n_cut, &cut_at));
    if (p->n_cut > 0)
        p->cut = r->prompt + cut_at;
    of_step[0] = 0;
    of_step[1] = 1;
    p->n_negative = p->n_chunks = p->n_negative_chunks = 1;
    r->schedules = (struct daub_prompt_schedules) {
        .n_parts = 1, .weights = { 1.0f }, .n_steps = 1, .of_step = of_step
    };
    return DAUB_OK;
}

struct part { // of a prompt: its text at each step
    struct daub_prompt_schedule schedule;
    uint32_t first;    // of its texts among the request's
    uint32_t n_chunks; // of each
};

static uint32_t most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

// n empty windows behind a text's own.
static daub_status add_empty(const struct daub_engine *engine, struct daub_request *r,
                             struct daub_prompt_chunks *chunks, uint32_t n)
{
    const size_t length = engine->max_tokens, before = chunks->n * length, all = before + n * length;
    if (n == 0)
        return DAUB_OK;
    uint32_t *ids = daub_arena_alloc(r->arena, all * sizeof(*ids));
    double *weights = daub_arena_alloc(r->arena, all * sizeof(*weights));
    if (!ids || !weights)
        return no_memory();
    memcpy(ids, chunks->ids, before * sizeof(*ids));
    memcpy(weights, chunks->weights, before * sizeof(*weights));
    for (size_t j = before; j < all; j++) {
        ids[j] = j % length == 0   ? daub_tokenizer_bos(engine->tokenizer)
                 : j % length == 1 ? daub_tokenizer_eos(engine->tokenizer)
                                   : pad_of(engine);
        weights[j] = 1.0;
    }
    chunks->ids = ids;
    chunks->weights = weights;
    chunks->n += n;
    return DAUB_OK;
}

// Texts of one schedule behind the others, each with as many windows as the longest of them, empty ones behind its own: webui encodes a
// schedule's texts as one batch. They count against a limit together.
static daub_status add_texts(const struct daub_engine *engine, struct daub_request *r, struct part *part)
{
    const uint32_t windows = DAUB_MAX_EMBED_TOKENS / engine->max_tokens;
    const struct daub_prompt_window window = {
        .length = engine->max_tokens,
        .pad = pad_of(engine),
        .backtrack = BACKTRACK,
        .max_chunks = windows < 1                        ? 1
                      : windows < DAUB_MAX_PROMPT_CHUNKS ? windows
                                                         : DAUB_MAX_PROMPT_CHUNKS,
    };
    struct daub_prompts *p = &r->prompts;
    part->first = p->n_texts;
    part->n_chunks = 0;
    for (uint32_t i = 0; i < part->schedule.n_texts; i++) {
        if (p->n_texts == DAUB_MAX_PROMPT_TEXTS)
            return daub_fail(DAUB_ERROR_INVALID_ARG,
                             "editing, alternation and AND make more than %d texts of the prompts",
                             DAUB_MAX_PROMPT_TEXTS);
        struct daub_prompt_chunks *chunks = &p->texts[p->n_texts++].chunks;
        TRY(daub_prompt_chunks(r->arena, engine->tokenizer, part->schedule.texts[i], &window, chunks));
        TRY(check_ids(engine, chunks->ids, (size_t)chunks->n * window.length));
        part->n_chunks = most(part->n_chunks, chunks->n);
    }
    for (uint32_t i = part->first; i < p->n_texts; i++) {
        TRY(add_empty(engine, r, &p->texts[i].chunks, part->n_chunks - p->texts[i].chunks.n));
        p->texts[i].n_own = part->n_chunks;
        p->texts[i].n_following = p->n_texts - i;
        p->texts[i].n_entries = 0;
    }
    for (uint32_t i = 0; i < part->schedule.n_entries; i++)
        p->texts[part->first + part->schedule.entries[i].text].n_entries++;
    return DAUB_OK;
}

// The sentence of what failed, about the negative prompt.
static daub_status blame_negative(daub_status status)
{
    char sentence[DAUB_SENTENCE_MAX];
    if (status != DAUB_ERROR_INVALID_ARG)
        return status;
    snprintf(sentence, sizeof(sentence), "%s", daub_last_error());
    return daub_fail(status, "negative prompt: %s", sentence);
}

static daub_status read_negative(const struct daub_engine *engine, struct daub_request *r, struct part *part)
{
    daub_status status = daub_prompt_schedule(r->arena, r->negative, r->program.n_steps, &part->schedule);
    if (status == DAUB_OK)
        status = add_texts(engine, r, part);
    r->prompts.n_negative = r->prompts.n_texts;
    r->prompts.n_negative_chunks = part->n_chunks;
    return blame_negative(status);
}

// Both prompts as many windows: by empty ones behind the shorter one's, or the negative prompt as many as the prompt.
static daub_status pad_shorter(const struct daub_engine *engine, struct daub_request *r, daub_prompt_padding padding)
{
    struct daub_prompts *p = &r->prompts;
    const uint32_t longest = most(p->n_chunks, p->n_negative_chunks);
    if (padding < DAUB_PADDING_EMPTY || p->n_chunks == p->n_negative_chunks)
        return DAUB_OK;
    p->padding = padding;
    for (uint32_t i = 0; padding == DAUB_PADDING_EMPTY && i < p->n_texts; i++)
        TRY(add_empty(engine, r, &p->texts[i].chunks,
                      longest - (i < p->n_negative ? p->n_negative_chunks : p->n_chunks)));
    for (uint32_t i = 0; padding == DAUB_PADDING_LAST && i < p->n_negative; i++)
        if (p->texts[i].chunks.n > p->n_chunks)
            p->texts[i].chunks.n = p->texts[i].n_own = p->n_chunks;
    p->n_chunks = padding == DAUB_PADDING_EMPTY ? longest : p->n_chunks;
    p->n_negative_chunks = p->n_chunks;
    return DAUB_OK;
}

static daub_status plan_steps(struct daub_request *r, const struct part *parts, uint32_t n_parts)
{
    const uint32_t n = r->program.n_steps;
    uint32_t *of_step = daub_arena_alloc(r->arena, (size_t)n * (1 + n_parts) * sizeof(*of_step));
    if (!of_step)
        return no_memory();
    for (uint32_t step = 0; step < n; step++)
        for (uint32_t i = 0; i <= n_parts; i++)
            of_step[(size_t)step * (1 + n_parts) + i] = parts[i].first + daub_prompt_at(&parts[i].schedule, step);
    r->schedules.n_parts = n_parts;
    r->schedules.n_steps = n;
    r->schedules.of_step = of_step;
    return DAUB_OK;
}

static daub_status read_as_webui(const struct daub_engine *engine, struct daub_request *r, daub_prompt_padding padding)
{
    struct daub_prompt_part *texts;
    struct part *parts = daub_arena_alloc(r->arena, (1 + DAUB_MAX_PROMPT_PARTS) * sizeof(*parts));
    r->prompts.texts = daub_arena_alloc(r->arena, DAUB_MAX_PROMPT_TEXTS * sizeof(*r->prompts.texts));
    if (!parts || !r->prompts.texts)
        return no_memory();
    uint32_t n = 0;
    TRY(read_negative(engine, r, &parts[0]));
    TRY(daub_prompt_parts(r->arena, r->prompt, &texts, &n));
    for (uint32_t i = 0; i < n; i++) {
        if (!(texts[i].weight >= -DAUB_MAX_EMPHASIS && texts[i].weight <= DAUB_MAX_EMPHASIS))
            return daub_fail(DAUB_ERROR_INVALID_ARG, "the weight %g of a part of the prompt is outside -%d..%d",
                             texts[i].weight, DAUB_MAX_EMPHASIS, DAUB_MAX_EMPHASIS);
        r->schedules.weights[i] = (float)texts[i].weight;
        TRY(daub_prompt_schedule(r->arena, texts[i].text, r->program.n_steps, &parts[i + 1].schedule));
        TRY(add_texts(engine, r, &parts[i + 1]));
        r->prompts.n_chunks = most(r->prompts.n_chunks, parts[i + 1].n_chunks);
    }
    TRY(pad_shorter(engine, r, padding));
    return plan_steps(r, parts, n);
}

// An embeddings file holds one text of each prompt.
static daub_status check_single(const struct daub_request *r)
{
    const bool one = r->schedules.n_parts == 1 && r->schedules.weights[0] == 1.0f && r->prompts.n_texts == 2;
    return one ? DAUB_OK
               : daub_fail(DAUB_ERROR_INVALID_ARG,
                           "editing, alternation, AND and a weight of the whole prompt have no single embedding");
}

daub_status daub_request_take_prompts(const struct daub_engine *engine, const daub_generate_params *p,
                                      struct daub_request *r)
{
    if ((uint32_t)p->emphasis > DAUB_EMPHASIS_OFF)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "emphasis %d is none of DAUB_EMPHASIS_WEBUI (1) and DAUB_EMPHASIS_OFF (2)", (int)p->emphasis);
    r->emphasis = p->emphasis == DAUB_EMPHASIS_DEFAULT ? DAUB_EMPHASIS_WEBUI : p->emphasis;
    if ((uint32_t)p->padding > DAUB_PADDING_LAST)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "padding %d is none of DAUB_PADDING_OFF (1), DAUB_PADDING_EMPTY (2) and DAUB_PADDING_LAST (3)",
                         (int)p->padding);
    r->prompts.padding = DAUB_PADDING_OFF;
    r->guided = r->guidance_scale > 1.0f;
    r->schedules.n_parts = 1;
    const bool embeds = p->prompt_embeds_path || p->prompt_embeds_source || p->prompt_embeds || r->embed_tokens > 0;
    if (!engine->desc.has_text || embeds)
        return DAUB_OK;
    TRY(r->emphasis == DAUB_EMPHASIS_OFF ? take_literally(engine, r) : read_as_webui(engine, r, p->padding));
    for (uint32_t i = r->prompts.n_negative; i < r->prompts.n_texts; i++)
        r->prompts.n_tokens = most(r->prompts.n_tokens, r->prompts.texts[i].chunks.n_tokens);
    r->guided = r->guided || r->schedules.n_parts > 1 || r->schedules.weights[0] != 1.0f;
    return r->text_only ? check_single(r) : DAUB_OK;
}

float daub_request_scale(const struct daub_request *r)
{
    return r->guidance_scale * (r->schedules.of_step && r->schedules.n_parts == 1 ? r->schedules.weights[0] : 1.0f);
}

double daub_request_work(const struct daub_request *r, uint32_t first, uint32_t end)
{
    double work = 0.0;
    for (uint32_t call = first; call < end; call++) {
        const bool guided = r->guided && call >= r->guided_first && (r->guided_end == 0 || call < r->guided_end);
        work += guided ? 1.0 + r->schedules.n_parts : 1.0;
    }
    return work;
}

uint32_t daub_prompts_to_encode(const struct daub_request *r)
{
    uint32_t n = 0;
    for (uint32_t i = r->guided ? 0 : r->prompts.n_negative; i < r->prompts.n_texts; i++)
        n += r->prompts.texts[i].chunks.n;
    return n;
}

uint32_t daub_request_tokens(const struct daub_engine *engine, const struct daub_request *r)
{
    return r->embed_tokens > 0 ? r->embed_tokens : r->prompts.n_chunks * engine->max_tokens;
}

uint32_t daub_request_negative_tokens(const struct daub_engine *engine, const struct daub_request *r)
{
    if (!r->guided)
        return 0;
    return r->embed_tokens > 0 ? r->negative_embed_tokens : r->prompts.n_negative_chunks * engine->max_tokens;
}

size_t daub_windows_before(const struct daub_prompts *p, uint32_t i)
{
    const size_t negative = i < p->n_negative ? i : p->n_negative;
    return negative * p->n_negative_chunks + (i - negative) * p->n_chunks;
}

// ---- encoding --------------------------------------------------------------------------------------------------------

static void report(const struct daub_request *r, daub_result *result)
{
    const struct daub_prompts *p = &r->prompts;
    result->n_tokens = p->n_tokens;
    result->n_tokens_cut = p->n_cut;
    result->n_chunks = p->n_chunks;
    result->n_negative_chunks = p->n_negative_chunks;
    result->padding = p->padding;
    const char *cut = p->cut ? p->cut : "";
    cut += strspn(cut, " \t\r\n");
    size_t n = strlen(cut);
    if (n >= sizeof(result->prompt_cut))
        n = daub_utf8_cut(cut, sizeof(result->prompt_cut) - 1);
    memcpy(result->prompt_cut, cut, n);
    result->prompt_cut[n] = '\0';
    if (r->guided && p->n_negative_cut > 0)
        daub_log(&r->host_log, DAUB_LOG_WARNING,
                 "the negative prompt is %u tokens too long for this model's window of %u; its end is left out",
                 p->n_negative_cut, p->texts[0].chunks.n_tokens);
}

// A text's windows, encoded, to n of them at `out`, which may overlap: its own, the last one's last vector as often as the text is shorter
// than its prompt (webui's parts of AND), and the empty ones.
static void lay_out(const struct daub_prompt_text *text, const float *encoded, size_t length, size_t width, uint32_t n,
                    float *out)
{
    const size_t window = length * width;
    const size_t own = text->n_own * window, empty = text->chunks.n * window - own;
    memmove(out + n * window - empty, encoded + own, empty * sizeof(float)); // lies behind what moves next
    memmove(out, encoded, own * sizeof(float));
    for (size_t at = own; at < n * window - empty; at += width)
        memcpy(out + at, out + own - width, width * sizeof(float));
}

// The n texts of a schedule, encoded one behind the other at z: webui restores the mean of each window over all of them.
static daub_status weigh(const struct daub_prompt_text *texts, uint32_t n, uint32_t length, uint32_t width, float *z)
{
    struct daub_prompt_weighed batch[DAUB_MAX_PROMPT_TEXTS];
    bool weighted = false;
    for (uint32_t i = 0; i < n; i++)
        weighted = weighted || texts[i].chunks.weighted;
    for (uint32_t c = 0; weighted && c < texts[0].chunks.n; c++) {
        for (uint32_t i = 0; i < n; i++)
            batch[i] = (struct daub_prompt_weighed) {
                .weights = texts[i].chunks.weights + (size_t)c * length,
                .z = z + ((size_t)i * texts[0].chunks.n + c) * length * width,
                .times = texts[i].n_entries,
            };
        TRY(daub_prompt_weigh(batch, n, length, width));
    }
    return DAUB_OK;
}

// Texts [first, end) into out, which begins with text 0.
static daub_status encode(struct daub_engine *engine, const struct daub_request *r, uint32_t first, uint32_t end,
                          uint32_t layers, float *out)
{
    const struct daub_prompts *p = &r->prompts;
    const size_t length = engine->max_tokens, width = engine->desc.text.hidden_size;
    float *begin = out + daub_windows_before(p, first) * length * width;
    uint32_t n = 0;
    for (uint32_t i = first; i < end; i++)
        n += p->texts[i].chunks.n;
    if (n == 0)
        return DAUB_OK;
    uint32_t *ids = daub_alloc_array(engine->host, n * length, sizeof(*ids));
    if (!ids)
        return daub_no_memory("token ids");
    uint32_t *to = ids;
    for (uint32_t i = first; i < end; to += p->texts[i++].chunks.n * length)
        memcpy(to, p->texts[i].chunks.ids, p->texts[i].chunks.n * length * sizeof(*ids));
    const daub_status status = daub_text_encode(engine, ids, n, layers, r->profile, begin);
    daub_free(engine->host, ids);
    TRY(status);
    float *z = begin;
    for (uint32_t i = first; i < end; i += p->texts[i].n_following) {
        const struct daub_prompt_text *texts = &p->texts[i];
        TRY(weigh(texts, texts->n_following, (uint32_t)length, (uint32_t)width, z));
        z += (size_t)texts->n_following * texts->chunks.n * length * width;
    }
    for (uint32_t i = end; i-- > first;) {
        const struct daub_prompt_text *text = &p->texts[i];
        z -= text->chunks.n * length * width;
        lay_out(text, z, length, width, i < p->n_negative ? p->n_negative_chunks : p->n_chunks,
                out + daub_windows_before(p, i) * length * width);
    }
    return DAUB_OK;
}

daub_status daub_encode_prompts(struct daub_engine *engine, const struct daub_request *r, daub_result *result,
                                float *out)
{
    const struct daub_prompts *p = &r->prompts;
    report(r, result);
    if (r->guided && r->layers == r->negative_layers)
        return encode(engine, r, 0, p->n_texts, r->layers, out);
    if (r->guided)
        TRY(encode(engine, r, 0, p->n_negative, r->negative_layers, out));
    return encode(engine, r, p->n_negative, p->n_texts, r->layers, out);
}

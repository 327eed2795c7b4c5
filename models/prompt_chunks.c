// prompt_chunks.c - a prompt of any length in windows of the text encoder, and weights on what comes out of it.
#include "models/prompt.h"

#include "models/clip_tokenizer_private.h"
#include "runtime/base/limits.h"

#include <float.h>
#include <math.h>
#include <string.h>

struct filler {
    const struct daub_tokenizer *tok;
    const struct daub_prompt_window *window;
    struct daub_prompt_chunks *out;
    uint32_t comma;       // UINT32_MAX: the vocabulary has none
    uint32_t used;        // of the window at hand
    uint32_t after_comma; // of it, tokens up to and with the last comma; 0: none
};

static uint32_t *ids_of(const struct filler *f)
{
    return f->out->ids + (size_t)f->out->n * f->window->length + 1;
}

static double *weights_of(const struct filler *f)
{
    return f->out->weights + (size_t)f->out->n * f->window->length + 1;
}

// The window at hand is done.
static void end_chunk(struct filler *f)
{
    const uint32_t room = f->window->length - 2;
    uint32_t *ids = ids_of(f);
    double *weights = weights_of(f);
    ids[-1] = daub_tokenizer_bos(f->tok);
    weights[-1] = 1.0;
    for (uint32_t i = f->used; i <= room; i++) {
        ids[i] = i == f->used ? daub_tokenizer_eos(f->tok) : f->window->pad;
        weights[i] = 1.0;
    }
    f->out->count += room;
    f->out->n++;
    f->used = f->after_comma = 0;
}

static daub_status need_chunk(const struct filler *f)
{
    if (f->out->n < f->window->max_chunks)
        return DAUB_OK;
    return daub_fail(DAUB_ERROR_INVALID_ARG, "the prompt takes more than %u chunks of %u tokens", f->window->max_chunks,
                     f->window->length - 2);
}

// What stands behind the last comma moves into the next window.
static daub_status break_at_comma(struct filler *f)
{
    const uint32_t from = f->after_comma, n = f->used - from;
    const uint32_t *ids = ids_of(f) + from;
    const double *weights = weights_of(f) + from;
    if (f->out->n + 1 >= f->window->max_chunks)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the prompt takes more than %u chunks of %u tokens",
                         f->window->max_chunks, f->window->length - 2);
    memcpy(ids_of(f) + f->window->length, ids, n * sizeof(*ids));
    memcpy(weights_of(f) + f->window->length, weights, n * sizeof(*weights));
    f->used = from;
    end_chunk(f);
    f->used = n;
    return DAUB_OK;
}

static daub_status put(struct filler *f, uint32_t id, double weight)
{
    const uint32_t room = f->window->length - 2;
    const bool comma = id == f->comma;
    // webui's last_comma is the comma's own place: the distance counts it
    if (!comma && f->window->backtrack > 0 && f->used == room && f->after_comma > 0 &&
        f->used - (f->after_comma - 1) <= f->window->backtrack)
        TRY(break_at_comma(f));
    const bool next = f->used == room;
    if (next)
        end_chunk(f);
    TRY(need_chunk(f));
    ids_of(f)[f->used] = id;
    weights_of(f)[f->used] = weight;
    f->used++;
    if (comma && !next) // webui forgets the one that begins a window
        f->after_comma = f->used;
    f->out->n_tokens++;
    f->out->weighted |= weight != 1.0;
    return DAUB_OK;
}

static daub_status put_piece(struct filler *f, const char *text, size_t size, double weight)
{
    if (!(fabs(weight) <= DAUB_MAX_EMPHASIS))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the weight %g of \"%.*s\" in the prompt is outside -%d..%d", weight,
                         (int)(size < 40 ? size : 40), text, DAUB_MAX_EMPHASIS, DAUB_MAX_EMPHASIS);
    uint32_t *ids = NULL, n = 0;
    TRY(daub_tokenize_bytes(f->tok, text, size, &ids, NULL, &n));
    daub_status status = DAUB_OK;
    for (uint32_t i = 0; i < n && status == DAUB_OK; i++)
        status = put(f, ids[i], weight);
    daub_free(f->tok->host, ids);
    return status;
}

static daub_status find_comma(struct filler *f)
{
    uint32_t *ids = NULL, n = 0;
    TRY(daub_tokenize_bytes(f->tok, ",", 1, &ids, NULL, &n));
    f->comma = n == 1 ? ids[0] : UINT32_MAX;
    daub_free(f->tok->host, ids);
    return DAUB_OK;
}

static daub_status fill(struct filler *f, const struct daub_prompt_pieces *pieces)
{
    for (uint32_t i = 0; i < pieces->n; i++) {
        const struct daub_prompt_piece *p = &pieces->at[i];
        if (daub_prompt_is_break(pieces, i)) {
            TRY(need_chunk(f));
            end_chunk(f);
        } else if (p->end > p->begin) {
            TRY(put_piece(f, pieces->text + p->begin, p->end - p->begin, p->weight));
        }
    }
    if (f->used > 0 || f->out->n == 0) {
        const uint32_t used = f->used;
        TRY(need_chunk(f));
        end_chunk(f);
        f->out->count -= f->window->length - 2 - used;
    }
    return DAUB_OK;
}

daub_status daub_prompt_chunks(struct daub_arena *arena, const struct daub_tokenizer *tok, const char *text,
                               const struct daub_prompt_window *window, struct daub_prompt_chunks *out)
{
    struct daub_prompt_pieces pieces;
    struct daub_prompt_chunks chunks = { 0 };
    if (window->length < 3)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "a text window of %u tokens has no room between begin and end",
                         window->length);
    TRY(daub_prompt_emphasis(arena, text, &pieces));
    const size_t n = (size_t)window->max_chunks * window->length;
    chunks.ids = daub_arena_alloc(arena, n * sizeof(*chunks.ids));
    chunks.weights = daub_arena_alloc(arena, n * sizeof(*chunks.weights));
    if (!chunks.ids || !chunks.weights)
        return daub_no_memory("a prompt's tokens");
    struct filler f = { .tok = tok, .window = window, .out = &chunks };
    TRY(find_comma(&f));
    TRY(fill(&f, &pieces));
    *out = chunks;
    return DAUB_OK;
}

static double sum(const struct daub_prompt_weighed *texts, uint32_t n, size_t size)
{
    double all = 0.0;
    for (uint32_t t = 0; t < n; t++) {
        double one = 0.0;
        for (size_t i = 0; i < size; i++)
            one += (double)texts[t].z[i];
        all += one * texts[t].times;
    }
    return all;
}

daub_status daub_prompt_weigh(const struct daub_prompt_weighed *texts, uint32_t n, uint32_t length, uint32_t width)
{
    const size_t size = (size_t)length * width;
    const double before = sum(texts, n, size);
    for (uint32_t t = 0; t < n; t++)
        for (size_t i = 0; i < size; i++)
            texts[t].z[i] *= (float)texts[t].weights[i / width];
    const double factor = before / sum(texts, n, size);
    if (!(fabs(factor) <= DBL_MAX))
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "the prompt's weights leave embeddings whose mean is 0, which cannot be restored");
    for (uint32_t t = 0; t < n; t++)
        for (size_t i = 0; i < size; i++)
            texts[t].z[i] *= (float)factor;
    return DAUB_OK;
}

// prompt_emphasis.c - brackets that weigh what is in them.
//
// Webui multiplies the weights of all pieces behind an opening bracket when it closes, one after the other: the product's last bit
// depends on that order, which is kept here.
#include "models/prompt.h"

#include "runtime/base/limits.h"
#include "runtime/base/text.h"

#include <string.h>

static const double ROUND = 1.1, SQUARE = 1 / 1.1;

enum kind { ESCAPE, OPEN_ROUND, OPEN_SQUARE, WEIGHT, CLOSE_ROUND, CLOSE_SQUARE, PLAIN };

struct token {
    enum kind kind;
    size_t begin, end;
};

struct stack {
    uint32_t at[DAUB_MAX_PROMPT_NESTING], n;
};

struct reader {
    const char *text;
    size_t size;
    char *out; // of the pieces
    size_t n_out;
    struct daub_prompt_piece *pieces;
    uint32_t n;
    struct stack round, square;
};

// The end of ":1.3)" at `at`, or 0.
static size_t weight_end(const char *text, size_t size, size_t at)
{
    size_t i = at + 1;
    if (i < size && (text[i] == '+' || text[i] == '-'))
        i++;
    const size_t first = i;
    while (i < size && (text[i] == '.' || (text[i] >= '0' && text[i] <= '9')))
        i++;
    return i > first && i < size && text[i] == ')' ? i + 1 : 0;
}

static struct token next_token(const char *text, size_t size, size_t at)
{
    static const char single[] = "([)]";
    static const enum kind kinds[] = { OPEN_ROUND, OPEN_SQUARE, CLOSE_ROUND, CLOSE_SQUARE };
    const char c = text[at];
    if (c == '\\') {
        const bool pair = at + 1 < size && strchr("()[]\\", text[at + 1]);
        return (struct token) { ESCAPE, at, at + (pair ? 2 : 1) };
    }
    if (c == ':') {
        const size_t end = weight_end(text, size, at);
        return (struct token) { end ? WEIGHT : PLAIN, at, end ? end : at + 1 };
    }
    const char *found = memchr(single, c, 4);
    if (found)
        return (struct token) { kinds[found - single], at, at + 1 };
    size_t end = at + 1;
    while (end < size && !memchr("\\()[]:", text[end], 6))
        end++;
    return (struct token) { PLAIN, at, end };
}

static void add(struct reader *r, const char *text, size_t n, double weight)
{
    memcpy(r->out + r->n_out, text, n);
    r->pieces[r->n++] = (struct daub_prompt_piece) { r->n_out, r->n_out + n, weight };
    r->n_out += n;
}

// Text between breaks, cut at   \s*\bBREAK\b\s*
static void add_plain(struct reader *r, const char *text, size_t size)
{
    size_t begin = 0;
    for (size_t at = 0; at < size; at++) {
        if (text[at] != 'B' || !daub_prompt_word_at(text, size, at, "BREAK"))
            continue;
        size_t first = begin, end = at, rest = size;
        daub_text_strip(text, &first, &end);
        add(r, text + begin, first < end ? end - begin : 0, 1.0);
        add(r, "BREAK", 5, -1.0);
        begin = at + 5;
        daub_text_strip(text, &begin, &rest);
        at = begin - 1;
    }
    add(r, text + begin, size - begin, 1.0);
}

static void multiply(struct reader *r, uint32_t from, double factor)
{
    for (uint32_t i = from; i < r->n; i++)
        r->pieces[i].weight *= factor;
}

static daub_status open(struct reader *r, struct stack *stack)
{
    if (stack->n == DAUB_MAX_PROMPT_NESTING)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the prompt has more than %d brackets open at once",
                         DAUB_MAX_PROMPT_NESTING);
    stack->at[stack->n++] = r->n;
    return DAUB_OK;
}

static daub_status close(struct reader *r, struct stack *stack, const struct token *t, double factor)
{
    const char *text = r->text + t->begin;
    const size_t n = t->end - t->begin;
    if (stack->n == 0) {
        add_plain(r, text, n);
        return DAUB_OK;
    }
    if (t->kind == WEIGHT && !daub_prompt_number(text + 1, n - 2, false, &factor))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the weight %.*s in the prompt is no number",
                         (int)(n - 2 < 40 ? n - 2 : 40), text + 1);
    multiply(r, stack->at[--stack->n], factor);
    return DAUB_OK;
}

static daub_status take(struct reader *r, const struct token *t)
{
    switch (t->kind) {
    case ESCAPE:
        add(r, r->text + t->begin + 1, t->end - t->begin - 1, 1.0);
        return DAUB_OK;
    case OPEN_ROUND:
        return open(r, &r->round);
    case OPEN_SQUARE:
        return open(r, &r->square);
    case WEIGHT:
    case CLOSE_ROUND:
        return close(r, &r->round, t, ROUND);
    case CLOSE_SQUARE:
        return close(r, &r->square, t, SQUARE);
    case PLAIN:
        break;
    }
    add_plain(r, r->text + t->begin, t->end - t->begin);
    return DAUB_OK;
}

// Neighbours of one weight become one piece.
static void merge(struct reader *r)
{
    uint32_t n = 1;
    for (uint32_t i = 1; i < r->n; i++) {
        if (r->pieces[i].weight == r->pieces[n - 1].weight)
            r->pieces[n - 1].end = r->pieces[i].end;
        else
            r->pieces[n++] = r->pieces[i];
    }
    r->n = n;
}

static size_t count_pieces(const char *text, size_t size)
{
    size_t n = 1;
    for (size_t at = 0; at < size; at = next_token(text, size, at).end)
        n++;
    for (const char *p = strstr(text, "BREAK"); p; p = strstr(p + 5, "BREAK"))
        n += 2;
    return n;
}

daub_status daub_prompt_emphasis(struct daub_arena *arena, const char *text, struct daub_prompt_pieces *out)
{
    struct reader r = { .text = text, .size = strlen(text) };
    r.pieces = daub_arena_alloc(arena, count_pieces(text, r.size) * sizeof(*r.pieces));
    r.out = daub_arena_alloc(arena, r.size + 1);
    if (!r.pieces || !r.out)
        return daub_no_memory("a prompt");
    for (size_t at = 0; at < r.size;) {
        const struct token t = next_token(text, r.size, at);
        TRY(take(&r, &t));
        at = t.end;
    }
    for (uint32_t i = 0; i < r.round.n; i++)
        multiply(&r, r.round.at[i], ROUND);
    for (uint32_t i = 0; i < r.square.n; i++)
        multiply(&r, r.square.at[i], SQUARE);
    if (r.n == 0)
        add(&r, "", 0, 1.0);
    merge(&r);
    r.out[r.n_out] = '\0';
    *out = (struct daub_prompt_pieces) { r.out, r.pieces, r.n };
    return DAUB_OK;
}

bool daub_prompt_is_break(const struct daub_prompt_pieces *pieces, uint32_t i)
{
    const struct daub_prompt_piece *p = &pieces->at[i];
    return p->weight == -1.0 && p->end - p->begin == 5 && memcmp(pieces->text + p->begin, "BREAK", 5) == 0;
}

// clip_tokenizer.c - splits a text as CLIP's pattern does and encodes each piece by byte-pair merges.
//
// Byte-level BPE: Radford et al. 2019, section 2.2. The order of steps is that of Hugging Face's CLIPTokenizer: special
// tokens in the text as typed; normalization (clip_normalize.c); special tokens in the result; pieces; merges.
#include "models/clip_tokenizer.h"
#include "models/clip_tokenizer_private.h"
#include "runtime/base/limits.h"

#include <string.h>
#include <utf8proc.h>

enum { NONE = -1 }; // no neighbour

struct symbol { // of a piece that is being merged; a list in an array
    uint32_t id;
    int32_t prev, next; // NONE at the ends
    bool gone;          // swallowed by its left neighbour
};

struct candidate { // a merge that was possible when it was found
    uint32_t rank, id;
    int32_t at; // its left symbol
};

struct encoder {
    const struct daub_tokenizer *tok;
    uint32_t *ids, *ends;
    uint32_t n, capacity;
    // scratch of one piece
    struct symbol *symbols;
    uint32_t
        *symbol_ends; // byte offset in the text behind each symbol's first byte; a merge takes over the right one's
    struct candidate *heap;
    uint32_t n_heap, n_symbols, symbols_capacity;
};

static void encoder_free(struct encoder *e)
{
    daub_free(e->tok->host, e->symbols);
    daub_free(e->tok->host, e->symbol_ends);
    daub_free(e->tok->host, e->heap);
    daub_free(e->tok->host, e->ids);
    daub_free(e->tok->host, e->ends);
}

// Room for `n` symbols; a piece of n symbols sees at most 3 n candidates.
static daub_status reserve_symbols(struct encoder *e, uint32_t n)
{
    if (n <= e->symbols_capacity)
        return DAUB_OK;
    const uint32_t room = n + n / 2 + 64;
    daub_free(e->tok->host, e->symbols);
    daub_free(e->tok->host, e->symbol_ends);
    daub_free(e->tok->host, e->heap);
    e->symbols_capacity = 0;
    e->symbols = daub_alloc_array(e->tok->host, room, sizeof(*e->symbols));
    e->symbol_ends = daub_alloc_array(e->tok->host, room, sizeof(*e->symbol_ends));
    e->heap = daub_alloc_array(e->tok->host, (size_t)room * 3, sizeof(*e->heap));
    if (!e->symbols || !e->symbol_ends || !e->heap)
        return daub_no_memory("a prompt");
    e->symbols_capacity = room;
    return DAUB_OK;
}

static daub_status emit(struct encoder *e, uint32_t id, uint32_t end)
{
    if (e->n == e->capacity) {
        const uint32_t more = e->capacity * 2 + 64;
        uint32_t *ids = daub_realloc(e->tok->host, e->ids, e->capacity * sizeof(*ids), more * sizeof(*ids));
        if (!ids)
            return daub_no_memory("a prompt's tokens");
        e->ids = ids;
        uint32_t *ends = daub_realloc(e->tok->host, e->ends, e->capacity * sizeof(*ends), more * sizeof(*ends));
        if (!ends)
            return daub_no_memory("a prompt's tokens");
        e->ends = ends;
        e->capacity = more;
    }
    // Canonical order may have put a later character first; what is behind a token never moves back.
    if (e->n > 0 && end < e->ends[e->n - 1])
        end = e->ends[e->n - 1];
    e->ids[e->n] = id;
    e->ends[e->n++] = end;
    return DAUB_OK;
}

// Lower ranks first, then left to right.
static bool before(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_push(struct encoder *e, struct candidate c)
{
    uint32_t i = e->n_heap++;
    for (; i > 0 && before(&c, &e->heap[(i - 1) / 2]); i = (i - 1) / 2)
        e->heap[i] = e->heap[(i - 1) / 2];
    e->heap[i] = c;
}

static struct candidate heap_pop(struct encoder *e)
{
    const struct candidate top = e->heap[0], last = e->heap[--e->n_heap];
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= e->n_heap)
            break;
        if (child + 1 < e->n_heap && before(&e->heap[child + 1], &e->heap[child]))
            child++;
        if (!before(&e->heap[child], &last))
            break;
        e->heap[i] = e->heap[child];
        i = child;
    }
    e->heap[i] = last;
    return top;
}

// The merge of symbol `at` with its right neighbour, if there is one.
static void consider(struct encoder *e, int32_t at)
{
    if (at == NONE || e->symbols[at].next == NONE)
        return;
    const struct daub_clip_merge *m = daub_clip_merge_find(e->tok, e->symbols[at].id,
                                                           e->symbols[e->symbols[at].next].id);
    if (m)
        heap_push(e, (struct candidate) { .rank = m->rank, .id = m->id, .at = at });
}

// Merges neighbours, best rank first, until nothing merges. A candidate is stale when its symbols have changed since.
static void merge_symbols(struct encoder *e)
{
    e->n_heap = 0;
    for (uint32_t i = 0; i + 1 < e->n_symbols; i++)
        consider(e, (int32_t)i);
    while (e->n_heap > 0) {
        const struct candidate c = heap_pop(e);
        struct symbol *left = &e->symbols[c.at];
        if (left->gone || left->next == NONE)
            continue;
        struct symbol *right = &e->symbols[left->next];
        const struct daub_clip_merge *m = daub_clip_merge_find(e->tok, left->id, right->id);
        if (!m || m->id != c.id)
            continue;
        left->id = c.id;
        e->symbol_ends[c.at] = e->symbol_ends[left->next];
        right->gone = true;
        left->next = right->next;
        if (left->next != NONE)
            e->symbols[left->next].prev = c.at;
        consider(e, left->prev);
        consider(e, c.at);
    }
}

// One piece of the split text.
static daub_status encode_piece(struct encoder *e, const struct daub_clip_char *chars, size_t n)
{
    uint32_t room = 0; // bytes
    for (size_t i = 0; i < n; i++)
        room += chars[i].c < 0x80 ? 1 : 4;
    TRY(reserve_symbols(e, room));
    e->n_symbols = 0;
    for (size_t i = 0; i < n; i++) {
        utf8proc_uint8_t bytes[4];
        const utf8proc_ssize_t n_bytes = utf8proc_encode_char(chars[i].c, bytes);
        for (utf8proc_ssize_t b = 0; b < n_bytes; b++) {
            const bool last = i + 1 == n && b + 1 == n_bytes;
            const int32_t at = (int32_t)e->n_symbols++;
            e->symbols[at] = (struct symbol) { .id = e->tok->byte_ids[last][bytes[b]],
                                               .prev = at - 1,
                                               .next = last ? NONE : at + 1 };
            e->symbol_ends[at] = chars[i].end;
        }
    }
    merge_symbols(e);
    for (int32_t at = 0; at != NONE; at = e->symbols[at].next)
        TRY(emit(e, e->symbols[at].id, e->symbol_ends[at]));
    return DAUB_OK;
}

enum char_class { SPACE, LETTER, NUMBER, OTHER };

static enum char_class class_of(int32_t c)
{
    if (daub_clip_is_space(c))
        return SPACE;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return NUMBER;
    default:
        return OTHER;
    }
}

// Whether the characters begin with an ASCII text; its length, or 0.
static size_t starts_with(const struct daub_clip_char *chars, size_t n, const char *text)
{
    size_t i = 0;
    for (; text[i]; i++)
        if (i == n || chars[i].c != text[i])
            return 0;
    return i;
}

// The length of the piece that begins here: the first alternative that matches of
//   <|startoftext|>  <|endoftext|>  's 't 're 've 'm 'll 'd  letters  one number  what is none of these nor space
// The first two are cut again into their three parts, as by the byte-level step behind the split: an actual special
// token never gets here.
static size_t piece_length(const struct daub_clip_char *chars, size_t n, size_t *cut_first, size_t *cut_last)
{
    static const char *const specials[] = { "<|startoftext|>", "<|endoftext|>" };
    static const char *const contractions[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };
    *cut_first = *cut_last = 0;
    for (size_t i = 0; chars[0].c == '<' && i < sizeof(specials) / sizeof(specials[0]); i++) {
        const size_t length = starts_with(chars, n, specials[i]);
        if (length) {
            *cut_first = *cut_last = 2; // "<|" and "|>"
            return length;
        }
    }
    for (size_t i = 0; chars[0].c == '\'' && i < sizeof(contractions) / sizeof(contractions[0]); i++) {
        const size_t length = starts_with(chars, n, contractions[i]);
        if (length)
            return length;
    }
    const enum char_class kind = class_of(chars[0].c);
    if (kind == NUMBER)
        return 1;
    size_t length = 1;
    while (length < n && class_of(chars[length].c) == kind)
        length++;
    return length;
}

// Normalized text without special tokens.
static daub_status encode_pieces(struct encoder *e, const struct daub_clip_char *chars, size_t n)
{
    for (size_t at = 0; at < n;) {
        if (daub_clip_is_space(chars[at].c)) {
            at++;
            continue;
        }
        size_t first, last;
        const size_t length = piece_length(chars + at, n - at, &first, &last);
        if (first)
            TRY(encode_piece(e, chars + at, first));
        TRY(encode_piece(e, chars + at + first, length - first - last));
        if (last)
            TRY(encode_piece(e, chars + at + length - last, last));
        at += length;
    }
    return DAUB_OK;
}

static bool same_chars(const struct daub_clip_char *a, const struct daub_clip_char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].c != b[i].c)
            return false;
    return true;
}

// Normalized text: special tokens that are looked for here (the longest at a place), and pieces between them.
static daub_status encode_normalized(struct encoder *e, const struct daub_clip_char *chars, size_t n)
{
    size_t begin = 0;
    for (size_t at = 0; at < n;) {
        const struct daub_clip_special *found = NULL;
        for (uint32_t i = 0; i < e->tok->n_specials; i++) {
            const struct daub_clip_special *s = &e->tok->specials[i];
            if (s->in_normalized && s->normalized_size <= n - at &&
                same_chars(s->normalized, chars + at, s->normalized_size) &&
                (!found || s->normalized_size > found->normalized_size))
                found = s;
        }
        if (!found) {
            at++;
            continue;
        }
        TRY(encode_pieces(e, chars + begin, at - begin));
        at += found->normalized_size;
        TRY(emit(e, found->id, chars[at - 1].end));
        begin = at;
    }
    return encode_pieces(e, chars + begin, n - begin);
}

static daub_status encode_stretch(struct encoder *e, const char *text, size_t begin, size_t end)
{
    if (begin == end)
        return DAUB_OK;
    struct daub_clip_char *chars;
    size_t n;
    TRY(daub_clip_normalize(e->tok->host, text + begin, end - begin, begin, &chars, &n));
    const daub_status status = encode_normalized(e, chars, n);
    daub_free(e->tok->host, chars);
    return status;
}

// The text as typed: special tokens that are looked for here, and stretches between them.
static daub_status encode_text(struct encoder *e, const char *text, size_t size)
{
    size_t begin = 0;
    for (size_t at = 0; at < size;) {
        const struct daub_clip_special *found = NULL;
        for (uint32_t i = 0; i < e->tok->n_specials; i++) {
            const struct daub_clip_special *s = &e->tok->specials[i];
            if (!s->in_normalized && s->size <= size - at && memcmp(s->text, text + at, s->size) == 0 &&
                (!found || s->size > found->size))
                found = s;
        }
        if (!found) {
            at++;
            continue;
        }
        TRY(encode_stretch(e, text, begin, at));
        at += found->size;
        TRY(emit(e, found->id, (uint32_t)at));
        begin = at;
    }
    return encode_stretch(e, text, begin, size);
}

daub_status daub_tokenizer_create_from(const struct daub_host *host, const struct daub_fs *fs, const char *dir,
                                       struct daub_tokenizer **out)
{
    struct daub_tokenizer *tok = daub_alloc(host, sizeof(*tok));
    if (!tok)
        return daub_no_memory("a tokenizer");
    tok->host = host;
    const daub_status status = daub_clip_vocab_load(tok, fs, dir);
    if (status != DAUB_OK)
        daub_tokenizer_destroy(&tok);
    else
        *out = tok;
    return status;
}

daub_status daub_tokenizer_create(const struct daub_host *host, const char *dir, struct daub_tokenizer **out)
{
    return daub_tokenizer_create_from(host, NULL, dir, out);
}

void daub_tokenizer_destroy(struct daub_tokenizer **tok)
{
    struct daub_tokenizer *t = *tok;
    if (!t)
        return;
    for (uint32_t i = 0; i < t->n_specials; i++) {
        daub_free(t->host, t->specials[i].text);
        daub_free(t->host, t->specials[i].normalized);
    }
    daub_free(t->host, t->specials);
    daub_free(t->host, t->merges);
    daub_free(t->host, t);
    *tok = NULL;
}

uint32_t daub_tokenizer_bos(const struct daub_tokenizer *tok)
{
    return tok->bos;
}

uint32_t daub_tokenizer_eos(const struct daub_tokenizer *tok)
{
    return tok->eos;
}

uint32_t daub_tokenizer_pad(const struct daub_tokenizer *tok)
{
    return tok->pad;
}

uint32_t daub_tokenizer_max_length(const struct daub_tokenizer *tok)
{
    return tok->max_length;
}

uint32_t daub_tokenizer_size(const struct daub_tokenizer *tok)
{
    return tok->size;
}

daub_status daub_tokenize_bytes(const struct daub_tokenizer *tok, const char *text, size_t size, uint32_t **ids,
                                uint32_t **ends, uint32_t *count)
{
    if (size > DAUB_MAX_PROMPT)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the text has %zu bytes, at most %d are read", size, DAUB_MAX_PROMPT);
    struct encoder e = { .tok = tok };
    const daub_status status = encode_text(&e, text, size);
    if (status == DAUB_OK) {
        *ids = e.ids;
        *count = e.n;
        e.ids = NULL;
        if (ends) {
            *ends = e.ends;
            e.ends = NULL;
        }
    }
    encoder_free(&e);
    return status;
}

daub_status daub_tokenize(const struct daub_tokenizer *tok, const char *text, uint32_t **ids, uint32_t **ends,
                          uint32_t *count)
{
    return daub_tokenize_bytes(tok, text, strlen(text), ids, ends, count);
}

daub_status daub_tokenize_padded(const struct daub_tokenizer *tok, const char *text, uint32_t length, uint32_t *ids,
                                 uint32_t *n_tokens, uint32_t *n_cut, size_t *cut_at)
{
    if (length < 2)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "a text window of %u tokens has no room for begin and end", length);
    uint32_t *all, *ends, count;
    TRY(daub_tokenize(tok, text, &all, &ends, &count));
    const uint32_t used = count < length - 2 ? count : length - 2;
    ids[0] = tok->bos;
    for (uint32_t i = 0; i < used; i++)
        ids[i + 1] = all[i];
    ids[used + 1] = tok->eos;
    for (uint32_t i = used + 2; i < length; i++)
        ids[i] = tok->pad;
    if (n_tokens)
        *n_tokens = used;
    if (n_cut)
        *n_cut = count - used;
    if (cut_at)
        *cut_at = used == count ? strlen(text) : used > 0 ? ends[used - 1] : 0;
    daub_free(tok->host, all);
    daub_free(tok->host, ends);
    return DAUB_OK;
}

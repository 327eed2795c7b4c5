// clip_normalize.c - text normalization before splitting: canonical composition, white space, lower case.
//
// utf8proc composes whole strings but does not say where each result came from, which the sentence about a cut prompt
// needs; so the algorithm of Unicode Standard Annex 15 stands here, over utf8proc's decompositions and pairs.
#include "models/clip_tokenizer_private.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum {
    MAX_DECOMPOSED = 8,      // code points of one canonical decomposition; Unicode's longest has 4
    FIRST_COMBINING = 0x300, // no code point below it composes with one before it
    DOTTED_CAPITAL_I = 0x130,
    COMBINING_DOT = 0x307,
    NEXT_LINE = 0x85,
};

struct mark { // a combining mark on its way to canonical order
    struct daub_clip_char at;
    int32_t ccc;
    uint32_t index; // makes the sort stable
};

static int32_t combining_class(int32_t c)
{
    return c < FIRST_COMBINING ? 0 : (int32_t)utf8proc_get_property(c)->combining_class;
}

static int compare_marks(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;
    if (x->ccc != y->ccc)
        return x->ccc < y->ccc ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

// Decodes and decomposes into a new array.
static daub_status decompose(const struct daub_host *host, const char *text, size_t size, size_t base,
                             struct daub_clip_char **out, size_t *count)
{
    struct daub_clip_char *chars = NULL;
    size_t n = 0, capacity = 0;
    for (size_t at = 0; at < size;) {
        if (capacity - n < MAX_DECOMPOSED) {
            const size_t more = capacity + capacity / 2 + size + MAX_DECOMPOSED;
            struct daub_clip_char *bigger = daub_realloc(host, chars, capacity * sizeof(*chars), more * sizeof(*chars));
            if (!bigger) {
                daub_free(host, chars);
                return daub_no_memory("a prompt");
            }
            chars = bigger;
            capacity = more;
        }
        utf8proc_int32_t c;
        const utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)text + at,
                                                        (utf8proc_ssize_t)(size - at), &c);
        if (bytes <= 0) {
            daub_free(host, chars);
            return daub_fail(DAUB_ERROR_INVALID_ARG, "the text is not valid UTF-8: byte %zu cannot stand there",
                             base + at);
        }
        at += (size_t)bytes;
        utf8proc_int32_t parts[MAX_DECOMPOSED] = { c };
        utf8proc_ssize_t n_parts = 1;
        if (c >= 0x80)
            n_parts = utf8proc_decompose_char(c, parts, MAX_DECOMPOSED, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, NULL);
        for (utf8proc_ssize_t i = 0; i < n_parts && i < MAX_DECOMPOSED; i++)
            chars[n++] = (struct daub_clip_char) { .c = parts[i], .end = (uint32_t)(base + at) };
    }
    *out = chars;
    *count = n;
    return DAUB_OK;
}

// Each run of marks by combining class, equal ones as they stood.
static daub_status reorder(const struct daub_host *host, struct daub_clip_char *chars, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t end = i;
        bool ordered = true;
        for (int32_t last = 0; end < n; end++) {
            const int32_t ccc = combining_class(chars[end].c);
            if (ccc == 0)
                break;
            ordered = ordered && ccc >= last;
            last = ccc;
        }
        if (!ordered) {
            struct mark *marks = daub_alloc_array(host, end - i, sizeof(*marks));
            if (!marks)
                return daub_no_memory("a prompt");
            for (size_t j = i; j < end; j++)
                marks[j - i] = (struct mark) { .at = chars[j],
                                               .ccc = combining_class(chars[j].c),
                                               .index = (uint32_t)(j - i) };
            qsort(marks, end - i, sizeof(*marks), compare_marks);
            for (size_t j = i; j < end; j++)
                chars[j] = marks[j - i].at;
            daub_free(host, marks);
        }
        i = end + 1;
    }
    return DAUB_OK;
}

// The composite of two, or 0.
static int32_t compose_pair(int32_t a, int32_t b)
{
    if (b < FIRST_COMBINING)
        return 0;
    utf8proc_int32_t pair[3] = { a, b, 0 };
    return utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) == 1 ? pair[0] : 0;
}

// In place; returns the new length. A character composes with the last starter unless one of its own class or a higher
// one stands between them.
static size_t compose(struct daub_clip_char *chars, size_t n)
{
    size_t out = 0, starter = SIZE_MAX;
    int32_t last_ccc = -1; // of what stands behind the starter; -1: nothing does
    for (size_t i = 0; i < n; i++) {
        const struct daub_clip_char ch = chars[i];
        const int32_t ccc = combining_class(ch.c);
        if (starter != SIZE_MAX && last_ccc < ccc) {
            const int32_t whole = compose_pair(chars[starter].c, ch.c);
            if (whole) {
                chars[starter].c = whole;
                if (chars[starter].end < ch.end)
                    chars[starter].end = ch.end;
                continue;
            }
        }
        if (ccc == 0)
            starter = out;
        last_ccc = ccc == 0 ? -1 : ccc;
        chars[out++] = ch;
    }
    return out;
}

bool daub_clip_is_space(int32_t c)
{
    if (c < 0x80)
        return c == ' ' || (c >= '\t' && c <= '\r');
    const utf8proc_category_t category = utf8proc_category(c);
    return c == NEXT_LINE || category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

daub_status daub_clip_normalize(const struct daub_host *host, const char *text, size_t size, size_t base,
                                struct daub_clip_char **out, size_t *count)
{
    struct daub_clip_char *chars = NULL;
    size_t n = 0;
    TRY(decompose(host, text, size, base, &chars, &n));
    const daub_status status = reorder(host, chars, n);
    if (status != DAUB_OK) {
        daub_free(host, chars);
        return status;
    }
    n = compose(chars, n);

    // Lower case by character, without the rule for a final sigma. One character has two for its lower case.
    size_t n_dotted = 0;
    for (size_t i = 0; i < n; i++)
        n_dotted += chars[i].c == DOTTED_CAPITAL_I;
    if (n_dotted > 0) {
        struct daub_clip_char *bigger = daub_alloc_array(host, n + n_dotted, sizeof(*bigger));
        if (!bigger) {
            daub_free(host, chars);
            return daub_no_memory("a prompt");
        }
        size_t at = 0;
        for (size_t i = 0; i < n; i++) {
            bigger[at++] = chars[i];
            if (chars[i].c == DOTTED_CAPITAL_I) {
                bigger[at - 1].c = 'i';
                bigger[at++] = (struct daub_clip_char) { .c = COMBINING_DOT, .end = chars[i].end };
            }
        }
        daub_free(host, chars);
        chars = bigger;
        n = at;
    }
    for (size_t i = 0; i < n; i++)
        chars[i].c = daub_clip_is_space(chars[i].c) ? ' ' : utf8proc_tolower(chars[i].c);
    *out = chars;
    *count = n;
    return DAUB_OK;
}

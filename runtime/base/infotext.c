// infotext.c - see infotext.h. The rules are those of regular expressions; each place of the text is looked at once.
#include "runtime/base/infotext.h"

#include "runtime/base/limits.h"
#include "runtime/base/text.h"

#include <string.h>
#include <utf8proc.h>

enum { MIN_FIELDS = 3 }; // a last line with fewer is part of a prompt

struct span {
    size_t begin, end;
};

struct param { // "key: value,"
    struct span key, value;
};

struct parser {
    struct daub_arena *arena;
    const char *text;
    struct daub_infotext *out;
    uint32_t capacity; // of out->fields
};

static size_t skip_space(const char *text, size_t at, size_t end)
{
    while (at < end) {
        size_t next = at;
        if (!daub_is_space(daub_utf8_next(text, end, &next)))
            break;
        at = next;
    }
    return at;
}

// ---- one parameter ---------------------------------------------------------------------------------------------------
//
//     \s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)

// Finds the next key at or behind *at, and moves *at behind its colon. A run of a key's characters has one end: where no colon stands
// there, no part of the run is a key.
static bool find_key(const char *text, size_t end, size_t *at, struct span *key)
{
    while (*at < end) {
        const size_t begin = skip_space(text, *at, end);
        if (begin >= end)
            break;
        size_t run = begin, n = 0;
        bool word = daub_is_word(daub_utf8_next(text, end, &run));
        *at = run;
        if (!word)
            continue;
        for (size_t next = run; next < end; run = next, n++) {
            const int32_t c = daub_utf8_next(text, end, &next);
            if (!daub_is_word(c) && c != ' ' && c != '-' && c != '/')
                break;
        }
        *at = run;
        if (n == 0 || run >= end || text[run] != ':')
            continue;
        *key = (struct span) { begin, run };
        *at = run + 1;
        return true;
    }
    return false;
}

// Behind a quoted text that begins at `at` and is all of a value, or 0.
static size_t quoted_end(const char *text, size_t at, size_t end)
{
    for (size_t i = at + 1; i < end; i++) {
        if (text[i] == '\\') {
            i++;
            continue;
        }
        if (text[i] == '"')
            return i > at + 1 && (i + 1 == end || text[i + 1] == ',') ? i + 1 : 0;
    }
    return 0;
}

static bool next_param(const char *text, size_t end, size_t *at, struct param *out)
{
    if (!find_key(text, end, at, &out->key))
        return false;
    const size_t begin = skip_space(text, *at, end);
    size_t behind = begin < end && text[begin] == '"' ? quoted_end(text, begin, end) : 0;
    if (behind == 0) {
        const char *comma = memchr(text + begin, ',', end - begin);
        behind = comma ? (size_t)(comma - text) : end;
    }
    out->value = (struct span) { begin, behind };
    *at = behind + (behind < end);
    return true;
}

// ---- values ----------------------------------------------------------------------------------------------------------

static int32_t hex4(const char *s, size_t n)
{
    int32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef";
        const char c = i < n ? s[i] : ' ';
        const char *digit = memchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c, 16);
        if (!digit)
            return -1;
        value = value * 16 + (int32_t)(digit - digits);
    }
    return value;
}

// One \ escape of a JSON text at s, n bytes with the backslash, into *out; bytes that it took, or 0: it is none, or has no UTF-8.
static size_t unescape(const char *s, size_t n, char **out)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *name = n > 1 && s[1] ? strchr(names, s[1]) : NULL;
    if (name) {
        *(*out)++ = meanings[name - names];
        return 2;
    }
    if (n < 6 || s[1] != 'u')
        return 0;
    int32_t c = hex4(s + 2, n - 2);
    size_t size = 6;
    if (c >= 0xd800 && c < 0xdc00 && n >= 12 && s[6] == '\\' && s[7] == 'u') {
        const int32_t low = hex4(s + 8, n - 8);
        if (low < 0xdc00 || low > 0xdfff)
            return 0;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        size = 12;
    }
    if (c <= 0 || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *out += utf8proc_encode_char(c, (utf8proc_uint8_t *)*out);
    return size;
}

// What a JSON text in quotes says, into `out`, which is as large; false: it is no JSON text.
static bool unquote(const char *s, size_t n, char *out)
{
    if (n < 2 || s[n - 1] != '"')
        return false;
    for (size_t i = 1; i < n - 1;) {
        if ((uint8_t)s[i] < 0x20 || s[i] == '"')
            return false;
        const size_t taken = s[i] == '\\' ? unescape(s + i, n - 1 - i, &out) : 0;
        if (s[i] == '\\' && taken == 0)
            return false;
        if (taken == 0)
            *out++ = s[i];
        i += taken ? taken : 1;
    }
    *out = '\0';
    return true;
}

// digits x digits: the place of the x, or NULL.
static char *size_x(char *value)
{
    const size_t n = strspn(value, "0123456789");
    if (n == 0 || value[n] != 'x')
        return NULL;
    const char *rest = value + n + 1;
    const size_t m = strspn(rest, "0123456789");
    return m > 0 && (rest[m] == '\0' || strcmp(rest + m, "\n") == 0) ? value + n : NULL;
}

static daub_status set(struct parser *p, const char *key, const char *value)
{
    struct daub_infotext *out = p->out;
    if (strcmp(key, "Prompt") == 0)
        out->prompt = value;
    else if (strcmp(key, "Negative prompt") == 0)
        out->negative = value;
    else {
        uint32_t i = 0;
        while (i < out->n_fields && strcmp(out->fields[i].key, key) != 0)
            i++;
        if (i == p->capacity)
            return daub_fail(DAUB_ERROR_BAD_FILE, "a picture's parameters have more than %d fields",
                             DAUB_MAX_INFOTEXT_FIELDS);
        out->fields[i] = (struct daub_infotext_field) { key, value };
        out->n_fields += i == out->n_fields;
    }
    return DAUB_OK;
}

static daub_status add_field(struct parser *p, const struct param *param)
{
    const size_t n_key = param->key.end - param->key.begin, n = param->value.end - param->value.begin;
    if (n == 0)
        return DAUB_OK; // the reference stumbles over these, and leaves them out
    char *key = daub_arena_alloc(p->arena, n_key + 3), *second = daub_arena_alloc(p->arena, n_key + 3);
    char *value = daub_arena_alloc(p->arena, n + 1);
    if (!key || !second || !value)
        return daub_no_memory("a picture's parameters");
    memcpy(key, p->text + param->key.begin, n_key);
    key[n_key] = '\0';
    const char *raw = p->text + param->value.begin;
    if (raw[0] != '"' || !unquote(raw, n, value)) {
        memcpy(value, raw, n);
        value[n] = '\0';
    }
    char *x = size_x(value);
    if (!x)
        return set(p, key, value);
    memcpy(second, key, n_key);
    memcpy(key + n_key, "-1", 3);
    memcpy(second + n_key, "-2", 3);
    *x = '\0';
    x[1 + strspn(x + 1, "0123456789")] = '\0';
    TRY(set(p, key, value));
    return set(p, second, x + 1);
}

// ---- the text --------------------------------------------------------------------------------------------------------

static size_t count_params(const char *text, struct span line)
{
    struct param param;
    size_t n = 0;
    while (next_param(text, line.end, &line.begin, &param))
        n++;
    return n;
}

// A line, stripped, behind what `to` holds.
static char *append(char *begin, char *to, const char *text, struct span line)
{
    if (to > begin)
        *to++ = '\n';
    memcpy(to, text + line.begin, line.end - line.begin);
    return to + (line.end - line.begin);
}

static daub_status read_prompts(struct parser *p, struct span all)
{
    static const char mark[] = "Negative prompt:";
    const size_t room = all.end - all.begin + 1;
    char *texts[2] = { daub_arena_alloc(p->arena, room), daub_arena_alloc(p->arena, room) };
    char *ends[2] = { texts[0], texts[1] };
    if (!texts[0] || !texts[1])
        return daub_no_memory("a picture's parameters");
    int which = 0;
    for (size_t at = all.begin; at <= all.end;) {
        const char *newline = memchr(p->text + at, '\n', all.end - at);
        struct span line = { at, newline ? (size_t)(newline - p->text) : all.end };
        at = line.end + 1;
        daub_text_strip(p->text, &line.begin, &line.end);
        if (line.end - line.begin >= sizeof(mark) - 1 && memcmp(p->text + line.begin, mark, sizeof(mark) - 1) == 0) {
            which = 1;
            line.begin += sizeof(mark) - 1;
            daub_text_strip(p->text, &line.begin, &line.end);
        }
        ends[which] = append(texts[which], ends[which], p->text, line);
    }
    *ends[0] = *ends[1] = '\0';
    p->out->prompt = texts[0];
    p->out->negative = texts[1];
    return DAUB_OK;
}

static daub_status read_fields(struct parser *p, struct span line, size_t n)
{
    p->capacity = (uint32_t)(2 * n < DAUB_MAX_INFOTEXT_FIELDS ? 2 * n : DAUB_MAX_INFOTEXT_FIELDS);
    p->out->fields = daub_arena_alloc(p->arena, p->capacity * sizeof(*p->out->fields));
    if (!p->out->fields)
        return daub_no_memory("a picture's parameters");
    struct param param;
    while (next_param(p->text, line.end, &line.begin, &param))
        TRY(add_field(p, &param));
    return DAUB_OK;
}

static daub_status check(const char *text, size_t size)
{
    size_t bad = 0;
    if (size > DAUB_MAX_INFOTEXT)
        return daub_fail(DAUB_ERROR_BAD_FILE, "a picture's parameters have %zu bytes, at most %d are read", size,
                         DAUB_MAX_INFOTEXT);
    if (!daub_utf8_valid(text, size, &bad))
        return daub_fail(DAUB_ERROR_BAD_FILE, "a picture's parameters are not valid UTF-8: byte %zu is 0x%02x", bad,
                         (unsigned)(uint8_t)text[bad]);
    const char *zero = size ? memchr(text, 0, size) : NULL;
    if (zero)
        return daub_fail(DAUB_ERROR_BAD_FILE, "a picture's parameters hold a zero byte, at %zu", (size_t)(zero - text));
    return DAUB_OK;
}

daub_status daub_infotext_parse(struct daub_arena *arena, const char *text, size_t size, struct daub_infotext *out)
{
    TRY(check(text, size));
    struct daub_infotext info = { 0 };
    struct parser p = { .arena = arena, .text = text, .out = &info };
    struct span all = { 0, size };
    daub_text_strip(text, &all.begin, &all.end);
    struct span last = all;
    for (size_t i = all.begin; i < all.end; i++)
        if (text[i] == '\n')
            last.begin = i + 1;
    const size_t n = count_params(text, last);
    // The prompts end before the newline of a line of fields; where that is all there is, there is one empty line.
    if (n >= MIN_FIELDS)
        all.end = last.begin > all.begin ? last.begin - 1 : all.begin;
    TRY(read_prompts(&p, all));
    if (n >= MIN_FIELDS)
        TRY(read_fields(&p, last, n));
    *out = info;
    return DAUB_OK;
}

const char *daub_infotext_get(const struct daub_infotext *info, const char *key)
{
    for (uint32_t i = 0; i < info->n_fields; i++)
        if (strcmp(info->fields[i].key, key) == 0)
            return info->fields[i].value;
    return NULL;
}

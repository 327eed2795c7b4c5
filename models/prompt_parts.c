// prompt_parts.c - AND between prompts, and what the files of prompt.h share.
#include "models/prompt.h"

#include "runtime/base/limits.h"
#include "runtime/base/text.h"

#include <math.h>
#include <string.h>

bool daub_prompt_number(const char *s, size_t n, bool exponent, double *out)
{
    enum { EXACT = 15, MAX_SCALE = 400 };
    size_t i = 0;
    const bool minus = n > 0 && s[0] == '-';
    if (n > 0 && (s[0] == '-' || s[0] == '+'))
        i++;
    double mantissa = 0.0;
    int scale = 0, significant = 0;
    bool any = false, point = false;
    for (; i < n && (s[i] == '.' || (s[i] >= '0' && s[i] <= '9')); i++) {
        if (s[i] == '.') {
            if (point)
                return false;
            point = true;
            continue;
        }
        any = true;
        if (significant < EXACT) {
            mantissa = mantissa * 10.0 + (s[i] - '0');
            significant += mantissa > 0.0;
            scale -= point;
        } else if (!point && scale < MAX_SCALE) {
            scale++;
        }
    }
    if (!any)
        return false;
    if (exponent && i < n && (s[i] == 'e' || s[i] == 'E')) {
        i++;
        const bool down = i < n && s[i] == '-';
        if (i < n && (s[i] == '-' || s[i] == '+'))
            i++;
        int e = 0;
        const size_t first = i;
        for (; i < n && s[i] >= '0' && s[i] <= '9'; i++)
            e = e < 10000 ? e * 10 + (s[i] - '0') : e;
        if (i == first)
            return false;
        scale += down ? -e : e;
    }
    if (i != n)
        return false;
    double power = 1.0; // exact up to 10^22
    for (int k = scale < 0 ? -scale : scale; k > 0 && power < 1e300; k--)
        power *= 10.0;
    if (scale > 308 && mantissa > 0.0)
        power = (double)INFINITY;
    mantissa = scale < 0 ? mantissa / power : mantissa * power;
    *out = minus ? -mantissa : mantissa;
    return true;
}

// Whether the character before text[at] is part of a word.
static bool word_before(const char *text, size_t at)
{
    if (at == 0)
        return false;
    size_t from = at - 1;
    while (from > 0 && ((uint8_t)text[from] & 0xc0) == 0x80)
        from--;
    return daub_is_word(daub_utf8_next(text, at, &from));
}

bool daub_prompt_word_at(const char *text, size_t size, size_t at, const char *word)
{
    const size_t n = strlen(word);
    if (size - at < n || memcmp(text + at, word, n) != 0 || word_before(text, at))
        return false;
    size_t next = at + n;
    return next == size || !daub_is_word(daub_utf8_next(text, size, &next));
}

// text[begin, end), split by   ^(\s*.*?)(?:\s*:\s*([-+]?(?:\d+\.?|\d*\.\d+)))?\s*$   where . is no newline.
static daub_status take_part(struct daub_arena *arena, const char *text, size_t begin, size_t end,
                             struct daub_prompt_part *out)
{
    size_t content = begin, last = end; // without the white space at both ends; all white space is leading
    daub_text_strip(text, &content, &last);
    size_t cut = last;
    double weight = 1.0;
    for (size_t i = last; i > begin; i--) {
        if (text[i - 1] != ':')
            continue;
        size_t number = i, number_end = last;
        daub_text_strip(text, &number, &number_end);
        if (number < last && daub_prompt_number(text + number, last - number, false, &weight)) {
            cut = i - 1;
            content = begin;
            daub_text_strip(text, &content, &cut);
        }
        break;
    }
    if (content < cut && memchr(text + content, '\n', cut - content)) { // no match
        cut = end;
        weight = 1.0;
    }
    char *copy = daub_arena_alloc(arena, cut - begin + 1);
    if (!copy)
        return daub_no_memory("a prompt");
    memcpy(copy, text + begin, cut - begin);
    copy[cut - begin] = '\0';
    *out = (struct daub_prompt_part) { copy, weight };
    return DAUB_OK;
}

daub_status daub_prompt_parts(struct daub_arena *arena, const char *text, struct daub_prompt_part **out, uint32_t *n)
{
    const size_t size = strlen(text);
    struct daub_prompt_part *parts = daub_arena_alloc(arena, DAUB_MAX_PROMPT_PARTS * sizeof(*parts));
    if (!parts)
        return daub_no_memory("a prompt");
    uint32_t count = 0;
    size_t begin = 0;
    for (size_t at = 0; at <= size; at++) {
        const bool joins = at < size && text[at] == 'A' && daub_prompt_word_at(text, size, at, "AND");
        if (!joins && at < size)
            continue;
        if (count == DAUB_MAX_PROMPT_PARTS)
            return daub_fail(DAUB_ERROR_INVALID_ARG, "the prompt joins more than %d parts by AND",
                             DAUB_MAX_PROMPT_PARTS);
        TRY(take_part(arena, text, begin, at, &parts[count++]));
        begin = at + 3;
        at += joins ? 2 : 0;
    }
    *out = parts;
    *n = count;
    return DAUB_OK;
}

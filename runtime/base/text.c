// text.c - UTF-8 validation by ranges of the second byte, and the cleaning of sentences.
#include "runtime/base/text.h"

#include <stdint.h>
#include <utf8proc.h>

// Length of the well-formed sequence at s (n >= 1 bytes are left), 0 when there is none. The Unicode Standard, table
// 3-7: only the second byte's range depends on the first; E0 and F0 shut out overlong forms, ED surrogates, F4 what is
// above U+10FFFF.
static size_t sequence(const uint8_t *s, size_t n)
{
    const uint8_t lead = s[0];
    size_t length = 0;
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf) {
        length = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        length = 3;
        low = lead == 0xe0 ? 0xa0 : 0x80;
        high = lead == 0xed ? 0x9f : 0xbf;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4;
        low = lead == 0xf0 ? 0x90 : 0x80;
        high = lead == 0xf4 ? 0x8f : 0xbf;
    }
    if (length == 0 || length > n || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

bool daub_utf8_valid(const char *text, size_t n, size_t *bad_offset)
{
    const uint8_t *const s = (const uint8_t *)text;
    size_t i = 0;
    while (i < n) {
        const size_t length = sequence(s + i, n - i);
        if (length == 0) {
            if (bad_offset)
                *bad_offset = i;
            return false;
        }
        i += length;
    }
    return true;
}

size_t daub_utf8_cut(const char *text, size_t n)
{
    const uint8_t *const s = (const uint8_t *)text;
    // A sequence that reaches over n starts at most 3 bytes before it.
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const uint8_t byte = s[n - back];
        if ((byte & 0xc0) == 0x80)
            continue;
        const size_t wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
        return wanted > back ? n - back : n;
    }
    return n;
}

int32_t daub_utf8_next(const char *text, size_t n, size_t *at)
{
    utf8proc_int32_t c = 0;
    const utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text + *at, (utf8proc_ssize_t)(n - *at),
                                                   &c);
    *at += size > 0 ? (size_t)size : 1;
    return c;
}

// str.isspace: bidirectional types WS, B and S, or category Zs. Beyond ASCII that is Zs, Zl, Zp and NEL.
bool daub_is_space(int32_t c)
{
    if (c < 0x80)
        return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
    const utf8proc_category_t category = utf8proc_category(c);
    return c == 0x85 || category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

// str.isalnum, or '_': categories L and N.
bool daub_is_word(int32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    const utf8proc_category_t category = utf8proc_category(c);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
           (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

void daub_text_strip(const char *text, size_t *begin, size_t *end)
{
    const size_t size = *end;
    while (*begin < size) {
        size_t next = *begin;
        if (!daub_is_space(daub_utf8_next(text, size, &next)))
            break;
        *begin = next;
    }
    while (*end > *begin) {
        size_t from = *end - 1;
        while (from > *begin && ((uint8_t)text[from] & 0xc0) == 0x80)
            from--;
        size_t next = from;
        if (!daub_is_space(daub_utf8_next(text, *end, &next)))
            break;
        *end = from;
    }
}

void daub_text_clean(char *text)
{
    uint8_t *const s = (uint8_t *)text;
    size_t out = 0;
    for (size_t i = 0; s[i] != 0; i++) {
        // U+0080 to U+009F are C2 80 to C2 9F: a terminal may take them for escape sequences.
        const bool c1 = s[i] == 0xc2 && s[i + 1] >= 0x80 && s[i + 1] <= 0x9f;
        s[out++] = c1 || s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i];
        if (c1)
            i++;
    }
    s[out] = 0;
}

// json_line.c - one line of JSON lines: a flat object. Texts are unescaped in place, so that they need no memory, and numbers stay text,
// because a seed has more digits than a double.
#include "lines.h"

#include <string.h>

static void skip_space(char **p)
{
    *p += strspn(*p, " \t\r");
}

static int hex4(const char *p)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = p[i] ? strchr(digits, p[i] >= 'A' && p[i] <= 'F' ? p[i] + 32 : p[i]) : NULL;
        if (!digit)
            return -1;
        value = 16 * value + (int)(digit - digits);
    }
    return value;
}

static char *put_code(char *out, uint32_t c)
{
    const int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t lead[] = { 0, 0xc0, 0xe0, 0xf0 };
    *out++ = (char)(lead[more] | c >> (6 * more));
    for (int i = more - 1; i >= 0; i--)
        *out++ = (char)(0x80 | (c >> (6 * i) & 0x3f));
    return out;
}

// \uXXXX at *p, two of them for a code point above U+FFFF. False: no such, or a zero.
static bool read_code(char **p, char **out)
{
    const int first = hex4(*p + 2);
    uint32_t code = (uint32_t)first;
    if (first <= 0 || (first >= 0xdc00 && first < 0xe000))
        return false;
    *p += 6;
    if (first >= 0xd800 && first < 0xdc00) {
        const int second = (*p)[0] == '\\' && (*p)[1] == 'u' ? hex4(*p + 2) : -1;
        if (second < 0xdc00 || second > 0xdfff)
            return false;
        code = 0x10000 + (((uint32_t)first - 0xd800) << 10) + ((uint32_t)second - 0xdc00);
        *p += 6;
    }
    *out = put_code(*out, code);
    return true;
}

// A text in quotes at *p, which becomes its characters; NULL: it is none.
static char *read_text(char **p)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    char *const text = *p + 1, *out = text;
    if (**p != '"')
        return NULL;
    for (++*p; **p != '"';) {
        if ((unsigned char)**p < 0x20) // the line's end among them
            return NULL;
        if (**p != '\\') {
            *out++ = *(*p)++;
            continue;
        }
        const char *name = (*p)[1] ? strchr(names, (*p)[1]) : NULL;
        if (name) {
            *out++ = meanings[name - names];
            *p += 2;
        } else if ((*p)[1] != 'u' || !read_code(p, &out)) {
            return NULL;
        }
    }
    ++*p;
    *out = '\0'; // on the quote, or before it
    return text;
}

// A number or a word: up to what ends it, which is kept in *end, since a zero takes its place.
static char *read_word(char **p, char *end)
{
    char *const word = *p;
    const size_t n = strcspn(word, " \t\r,}");
    const bool number = n > 0 && strspn(word, "+-.0123456789eE") == n && *word != '+' && *word != '.';
    *p += n;
    *end = **p;
    **p = '\0';
    return number || strcmp(word, "true") == 0 || strcmp(word, "false") == 0 ? word : NULL;
}

const char *json_line(char *text, bool (*each)(void *user, const char *name, const char *value), void *user, size_t *at)
{
    const char *wrong = NULL;
    char *p = text;
    skip_space(&p);
    p += *p == '{';
    skip_space(&p);
    bool more = *p != '}';
    while (more && !wrong) {
        *at = (size_t)(p - text);
        char end = '\0';
        const char *name = read_text(&p), *value = NULL;
        if (!name)
            return "a name in quotes is wanted";
        skip_space(&p);
        if (*p != ':')
            wrong = "a colon is wanted";
        p += *p == ':';
        skip_space(&p);
        *at = wrong ? (size_t)(p - text) : *at;
        if (!wrong && *p == '"') {
            value = read_text(&p);
            skip_space(&p);
            end = *p;
        } else if (!wrong) {
            value = read_word(&p, &end);
            for (; end == ' ' || end == '\t' || end == '\r'; end = *p)
                p++;
        }
        if (!wrong && !value)
            wrong = "a text, a number, true or false is wanted";
        else if (!wrong && end != ',' && end != '}')
            wrong = "a comma or a closing brace is wanted";
        else if (!wrong && !each(user, name, value))
            wrong = ""; // which it has said
        more = end == ',';
        p += more;
        skip_space(&p);
    }
    if (wrong)
        return wrong;
    *at = (size_t)(p - text);
    // The closing brace may have become the end of the word before it.
    p += 1;
    skip_space(&p);
    return *p == '\0' ? NULL : "the line goes on behind its object";
}

// json_line.c - one line of JSON lines: a flat object. cJSON reads the texts, which are put back in place; numbers stay text, because a seed
// has more digits than a double.
#include "lines.h"

#include <cJSON.h>
#include <string.h>

static void skip_space(char **p)
{
    *p += strspn(*p, " \t\r");
}

// A text in quotes at *p, which becomes its characters; NULL: it is none.
static char *read_text(char **p)
{
    char *const text = *p, *end = text + 1;
    if (*text != '"')
        return NULL;
    for (; *end != '"'; end++) {
        if ((unsigned char)*end < 0x20 || strncmp(end, "\\u0000", 6) == 0) // the line's end among them
            return NULL;
        end += *end == '\\' && end[1] != '\0';
    }
    cJSON *const item = cJSON_ParseWithLength(text, (size_t)(end + 1 - text));
    *p = end + 1;
    if (!cJSON_IsString(item)) {
        cJSON_Delete(item);
        return NULL;
    }
    memcpy(text, item->valuestring, strlen(item->valuestring) + 1); // never longer than it is with its quotes
    cJSON_Delete(item);
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

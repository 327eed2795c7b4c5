// json.c - parsing with limits, and typed getters that say what was there and what was wanted.
#include "runtime/base/json.h"
#include "runtime/base/limits.h"
#include "runtime/base/text.h"

#include <cjson/cJSON.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static daub_status fail_at(const char *name, const char *text, size_t offset, const char *fmt, ...) DAUB_PRINTF(4, 5);
static daub_status fail_at(const char *name, const char *text, size_t offset, const char *fmt, ...)
{
    char what[96];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    size_t line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    return daub_fail(DAUB_ERROR_BAD_FILE, "%s: line %zu, column %zu: %s", name, line, offset - line_start + 1, what);
}

// What cJSON would let pass, recurse into or spend memory on: depth, values, long strings, and strings that end before their end because
// of a zero. *open: some bracket or string has no end.
static daub_status check_text(const char *name, const char *text, size_t size, bool *open)
{
    size_t bad;
    if (!daub_utf8_valid(text, size, &bad))
        return fail_at(name, text, bad, "the bytes are not valid UTF-8");
    const char *zero = size ? memchr(text, 0, size)
                            : NULL; // wherever it stands: what copies and parses the text would take it for the end
    if (zero)
        return fail_at(name, text, (size_t)(zero - text), "there is a zero byte");
    uint32_t depth = 0;
    size_t n_values = 1, begin = 0; // begin: of the last string
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (in_string && i - begin > DAUB_JSON_MAX_STRING)
            return fail_at(name, text, begin, "a text is longer than %d bytes", DAUB_JSON_MAX_STRING);
        if (c == '"') {
            in_string = !in_string;
            begin = i + 1;
        } else if (in_string && c == '\\') {
            if (size - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
                return fail_at(name, text, i, "a string holds a zero character");
            i++; // the escaped character; a quote among them does not end the string
        } else if (!in_string && (c == '{' || c == '[')) {
            if (++depth > DAUB_JSON_MAX_NESTING)
                return fail_at(name, text, i, "the nesting is deeper than %d", DAUB_JSON_MAX_NESTING);
        } else if (!in_string && (c == '}' || c == ']') && depth > 0) {
            depth--;
        }
        // A list's or object's first value, and one behind every comma: an empty one counts as one more.
        if (!in_string && (c == '{' || c == '[' || c == ',') && ++n_values > DAUB_JSON_MAX_VALUES)
            return fail_at(name, text, i, "there are more than %d values", DAUB_JSON_MAX_VALUES);
    }
    *open = in_string || depth > 0;
    return DAUB_OK;
}

// Python writes infinities as the word Infinity (diffusers: "lambda_min_clipped": -Infinity), which JSON does not have. A copy in which
// a number of the same length that overflows stands for it; *out stays NULL when the text has no such word.
static daub_status mend_infinities(const struct daub_host *host, const char *text, size_t size, char **out)
{
    static const char word[] = "Infinity", number[] = "1e999999";
    const size_t n = sizeof(word) - 1;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            in_string = !in_string;
        else if (in_string && text[i] == '\\')
            i++;
        if (in_string || size - i < n || memcmp(text + i, word, n) != 0)
            continue;
        if (!*out) {
            *out = daub_alloc(host, size);
            if (!*out)
                return daub_no_memory("a JSON text");
            memcpy(*out, text, size);
        }
        memcpy(*out + i, number, n);
    }
    return DAUB_OK;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

static const char *skip_digits(const char *p, const char *end)
{
    const char *const first = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p > first ? p : NULL;
}

// Some versions of cJSON read no number of more than 63 bytes.
static const char *skip_number(const char *p, const char *end)
{
    const char *const first = p;
    p = skip_digits(p + (*p == '-'), end);
    if (p && p < end && *p == '.')
        p = skip_digits(p + 1, end);
    if (p && p < end && (*p == 'e' || *p == 'E'))
        p = skip_digits(p + 1 + (end - p > 1 && (p[1] == '+' || p[1] == '-')), end);
    return p && p - first <= 63 ? p : NULL;
}

// Escaped surrogates are taken for wrong: cJSON may have had that reason.
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++) {
        if (*p != '\\')
            continue;
        if (++p == end || !strchr("\"\\/bfnrtu", *p))
            return NULL;
        if (*p == 'u' && (end - p < 5 || p[1] == 'd' || p[1] == 'D'))
            return NULL;
        for (int i = 1; *p == 'u' && i <= 4; i++) // the text has no zero at its end
            if (!strchr("0123456789abcdefABCDEF", p[i]))
                return NULL;
    }
    return p < end ? p + 1 : NULL;
}

// The end of a JSON value, or NULL. Nests no deeper than check_text allows.
static const char *skip_value(const char *p, const char *end)
{
    static const char *const words[] = { "true", "false", "null" };
    if (p == end)
        return NULL;
    for (int i = 0; i < 3; i++)
        if ((size_t)(end - p) >= strlen(words[i]) && strncmp(p, words[i], strlen(words[i])) == 0)
            return p + strlen(words[i]);
    if (*p == '"')
        return skip_string(p, end);
    if (*p != '{' && *p != '[')
        return skip_number(p, end);
    const bool object = *p == '{';
    const char last = object ? '}' : ']';
    p = skip_space(p + 1, end);
    while (p < end && *p != last) {
        if (object) {
            p = *p == '"' ? skip_string(p, end) : NULL;
            p = p ? skip_space(p, end) : end;
            if (p == end || *p++ != ':')
                return NULL;
        }
        p = skip_value(skip_space(p, end), end);
        p = p ? skip_space(p, end) : end;
        if (p == end || (*p != ',' && *p != last))
            return NULL;
        if (*p == ',') {
            p = skip_space(p + 1, end);
            if (p == end || *p == last)
                return NULL;
        }
    }
    return p < end ? p + 1 : NULL;
}

daub_status daub_json_parse(const struct daub_host *host, const char *name, const char *text, size_t size,
                            struct daub_json *out)
{
    struct daub_json json = { .host = host };
    daub_status status = DAUB_OK;
    const char *end = text;
    if (size > DAUB_JSON_MAX_SIZE) {
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %zu bytes are too many for a JSON file, at most %d are read", name,
                         size, DAUB_JSON_MAX_SIZE);
    }
    bool open = false;
    char *mended = NULL;
    TRY_OR_FAIL(check_text(name, text, size, &open));
    if (size == 0) {
        status = fail_at(name, text, 0, "the file is empty, wanted JSON");
        goto fail;
    }
    json.name = daub_strdup(host, name);
    if (!json.name) {
        status = daub_no_memory("a JSON file's name");
        goto fail;
    }
    TRY_OR_FAIL(mend_infinities(host, text, size, &mended));
    const char *const parsed = mended ? mended : text;
    json.root = cJSON_ParseWithLengthOpts(parsed, size, &end, false);
    end = end ? text + (end - parsed) : text;
    const bool valid = !json.root && skip_value(skip_space(parsed, parsed + size), parsed + size);
    daub_free(host, mended);
    if (valid) { // then what cJSON lacked was memory
        status = daub_no_memory("a JSON file's values");
        goto fail;
    }
    if (!json.root) {
        // cJSON points at the last byte where it ran out of them.
        const bool cut = open && end + 1 >= text + size;
        status = fail_at(name, text, cut ? size : (size_t)(end - text), "%s",
                         cut ? "the text ends too early" : "this is not valid JSON");
        goto fail;
    }
    while (end < text + size && is_space(*end))
        end++;
    if (end < text + size) {
        status = fail_at(name, text, (size_t)(end - text), "something follows the end of the JSON value");
        goto fail;
    }
    *out = json;
    return DAUB_OK;
fail:
    daub_json_free(&json);
    return status;
}

daub_status daub_json_load_from(const struct daub_host *host, const struct daub_fs *fs, const char *path,
                                struct daub_json *out)
{
    char *text;
    size_t size;
    TRY(daub_fs_read(host, fs, path, DAUB_JSON_MAX_SIZE, &text, &size));
    const daub_status status = daub_json_parse(host, path, text, size, out);
    daub_free(host, text);
    return status;
}

daub_status daub_json_load(const struct daub_host *host, const char *path, struct daub_json *out)
{
    return daub_json_load_from(host, NULL, path, out);
}

void daub_json_free(struct daub_json *json)
{
    if (!json)
        return;
    cJSON_Delete(json->root);
    daub_free(json->host, json->name);
    *json = (struct daub_json) { 0 };
}

const cJSON *daub_json_find(const struct daub_json *json, const char *key)
{
    const cJSON *found = NULL;
    if (!cJSON_IsObject(json->root))
        return NULL;
    for (const cJSON *item = json->root->child; item; item = item->next) {
        if (item->string && strcmp(item->string, key) == 0)
            found = item;
    }
    return found;
}

// NULL when absent or null.
static const cJSON *find(const struct daub_json *json, const char *key)
{
    const cJSON *const found = daub_json_find(json, key);
    return cJSON_IsNull(found) ? NULL : found;
}

// How a value is shown: 'x', 1.5, true, a list, an object.
static void describe(const cJSON *value, char *out, size_t size)
{
    if (cJSON_IsString(value)) {
        const size_t n = strlen(value->valuestring);
        const size_t shown = n > 40 ? daub_utf8_cut(value->valuestring, 40) : n;
        snprintf(out, size, "'%.*s%s'", (int)shown, value->valuestring, shown < n ? "..." : "");
    } else if (cJSON_IsNumber(value)) {
        snprintf(out, size, "%.15g", value->valuedouble);
    } else if (cJSON_IsBool(value)) {
        snprintf(out, size, "%s", cJSON_IsTrue(value) ? "true" : "false");
    } else if (cJSON_IsArray(value)) {
        snprintf(out, size, "a list");
    } else if (cJSON_IsObject(value)) {
        snprintf(out, size, "an object");
    } else {
        snprintf(out, size, "null");
    }
}

// index < 0: the value of the key itself; else entry `index` of its list.
static daub_status fail_value(const struct daub_json *json, const char *key, int64_t index, const cJSON *value,
                              const char *wanted)
{
    char got[64];
    char at[32] = "";
    describe(value, got, sizeof(got));
    if (index >= 0)
        snprintf(at, sizeof(at), "[%" PRId64 "]", index);
    return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s%s is %s, wanted %s", json->name, key, at, got, wanted);
}

static daub_status read_u32(const struct daub_json *json, const char *key, int64_t index, const cJSON *value,
                            uint32_t min, uint32_t max, uint32_t *out)
{
    const double v = cJSON_IsNumber(value) ? value->valuedouble : -1;
    if (cJSON_IsNumber(value) && v >= min && v <= max && v == floor(v)) {
        *out = (uint32_t)v;
        return DAUB_OK;
    }
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "a whole number of %" PRIu32 "..%" PRIu32, min, max);
    return fail_value(json, key, index, value, wanted);
}

daub_status daub_json_u32(const struct daub_json *json, const char *key, uint32_t min, uint32_t max, uint32_t *out)
{
    const cJSON *const value = find(json, key);
    return value ? read_u32(json, key, -1, value, min, max, out) : DAUB_OK;
}

daub_status daub_json_f64(const struct daub_json *json, const char *key, double *out)
{
    const cJSON *const value = find(json, key);
    if (!value)
        return DAUB_OK;
    // "1e999" parses as infinity.
    if (!cJSON_IsNumber(value) || !(fabs(value->valuedouble) <= DBL_MAX))
        return fail_value(json, key, -1, value, "a number");
    *out = value->valuedouble;
    return DAUB_OK;
}

daub_status daub_json_f32(const struct daub_json *json, const char *key, float *out)
{
    const cJSON *const value = find(json, key);
    if (!value)
        return DAUB_OK;
    // Tested after the rounding: a double between FLT_MAX and the next step up still rounds to FLT_MAX.
    const float rounded = cJSON_IsNumber(value) ? (float)value->valuedouble : INFINITY;
    if (!(fabsf(rounded) <= FLT_MAX))
        return fail_value(json, key, -1, value, "a number within single precision");
    *out = rounded;
    return DAUB_OK;
}

daub_status daub_json_bool(const struct daub_json *json, const char *key, bool *out)
{
    const cJSON *const value = find(json, key);
    if (!value)
        return DAUB_OK;
    if (!cJSON_IsBool(value))
        return fail_value(json, key, -1, value, "true or false");
    *out = cJSON_IsTrue(value);
    return DAUB_OK;
}

daub_status daub_json_text(const struct daub_json *json, const char *key, const char **out)
{
    const cJSON *const value = find(json, key);
    if (!value)
        return DAUB_OK;
    if (!cJSON_IsString(value))
        return fail_value(json, key, -1, value, "a text");
    *out = value->valuestring;
    return DAUB_OK;
}

static daub_status check_count(const struct daub_json *json, const char *key, const cJSON *list, uint32_t capacity)
{
    uint32_t n = 0;
    for (const cJSON *item = list->child; item && n < UINT32_MAX; item = item->next)
        n++;
    if (n <= capacity)
        return DAUB_OK;
    return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s has %" PRIu32 " entries, at most %" PRIu32 " are supported",
                     json->name, key, n, capacity);
}

daub_status daub_json_u32_list(const struct daub_json *json, const char *key, uint32_t min, uint32_t max, uint32_t *out,
                               uint32_t capacity, uint32_t *count)
{
    const cJSON *const value = find(json, key);
    *count = 0;
    if (!value)
        return DAUB_OK;
    if (cJSON_IsNumber(value) && capacity > 0) {
        TRY(read_u32(json, key, -1, value, min, max, out));
        *count = 1;
        return DAUB_OK;
    }
    if (!cJSON_IsArray(value))
        return fail_value(json, key, -1, value, "a whole number or a list of them");
    TRY(check_count(json, key, value, capacity));
    // Checked whole before anything is written: defaults set before survive a failure.
    uint32_t n = 0;
    uint32_t entry;
    for (const cJSON *item = value->child; item; item = item->next)
        TRY(read_u32(json, key, n++, item, min, max, &entry));
    n = 0;
    for (const cJSON *item = value->child; item; item = item->next)
        out[n++] = (uint32_t)item->valuedouble;
    *count = n;
    return DAUB_OK;
}

daub_status daub_json_f64_list(const struct daub_json *json, const char *key, double *out, uint32_t capacity,
                               uint32_t *count)
{
    const cJSON *const value = find(json, key);
    *count = 0;
    if (!value)
        return DAUB_OK;
    if (!cJSON_IsArray(value))
        return fail_value(json, key, -1, value, "a list of numbers");
    TRY(check_count(json, key, value, capacity));
    uint32_t n = 0;
    for (const cJSON *item = value->child; item; item = item->next, n++) {
        if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= DBL_MAX))
            return fail_value(json, key, n, item, "a number");
    }
    n = 0;
    for (const cJSON *item = value->child; item; item = item->next)
        out[n++] = item->valuedouble;
    *count = n;
    return DAUB_OK;
}

daub_status daub_json_text_list(const struct daub_json *json, const char *key, const char **out, uint32_t capacity,
                                uint32_t *count)
{
    const cJSON *const value = find(json, key);
    *count = 0;
    if (!value)
        return DAUB_OK;
    if (!cJSON_IsArray(value))
        return fail_value(json, key, -1, value, "a list of texts");
    TRY(check_count(json, key, value, capacity));
    uint32_t n = 0;
    for (const cJSON *item = value->child; item; item = item->next, n++) {
        if (!cJSON_IsString(item))
            return fail_value(json, key, n, item, "a text");
    }
    n = 0;
    for (const cJSON *item = value->child; item; item = item->next)
        out[n++] = item->valuestring;
    *count = n;
    return DAUB_OK;
}

bool daub_json_has(const struct daub_json *json, const char *key)
{
    return find(json, key) != NULL;
}

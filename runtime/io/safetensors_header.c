// safetensors_header.c - the JSON header of a safetensors file, read by a small strict parser of its own: a general one
// would build a tree many times the header's size, and would accept what the format forbids (duplicates, huge numbers,
// nesting).
//
// Format: https://github.com/huggingface/safetensors, README, "Format".
#include "runtime/io/safetensors_private.h"

#include <string.h>

// Bytes an element takes; 0 for what has no whole number of them or is unknown to us.
struct dtype_row {
    const char *name;
    enum daub_file_dtype dtype;
    uint32_t size;
};

// clang-format off
static const struct dtype_row dtypes[] = {
    { "F32",     DAUB_FILE_F32,   4 },
    { "F16",     DAUB_FILE_F16,   2 },
    { "BF16",    DAUB_FILE_BF16,  2 },
    { "F64",     DAUB_FILE_F64,   8 },
    { "I64",     DAUB_FILE_I64,   8 },
    { "I32",     DAUB_FILE_I32,   4 },
    { "U8",      DAUB_FILE_U8,    1 },
    { "BOOL",    DAUB_FILE_OTHER, 1 },
    { "I8",      DAUB_FILE_OTHER, 1 },
    { "F8_E4M3", DAUB_FILE_OTHER, 1 },
    { "F8_E5M2", DAUB_FILE_OTHER, 1 },
    { "I16",     DAUB_FILE_OTHER, 2 },
    { "U16",     DAUB_FILE_OTHER, 2 },
    { "U32",     DAUB_FILE_OTHER, 4 },
    { "U64",     DAUB_FILE_OTHER, 8 },
    { "C64",     DAUB_FILE_OTHER, 8 },
};
// clang-format on

enum {
    MAX_KEY = 32,       // bytes of a field's or a dtype's name
    FIRST_CAPACITY = 64 // tensors; doubled as needed
};

struct parser {
    const struct daub_host *host;
    struct daub_arena *arena;
    const char *path;
    const char *at, *end, *begin;
};

static daub_status broken(const struct parser *p, const char *what)
{
    return daub_fail(DAUB_ERROR_BAD_FILE, "%s is not a safetensors file: its header has %s at byte %llu", p->path, what,
                     (unsigned long long)(p->at - p->begin) + 8);
}

static void skip_space(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

// Takes `c`, with white space before it.
static bool take(struct parser *p, char c)
{
    skip_space(p);
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

// Four hexadecimal digits, or UINT32_MAX.
static uint32_t hex4(struct parser *p)
{
    if (p->end - p->at < 4)
        return UINT32_MAX;
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const char c = *p->at++;
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = (uint32_t)(c - 'A') + 10;
        else
            return UINT32_MAX;
        value = value << 4 | digit;
    }
    return value;
}

// The code point of \uXXXX, or of a pair of them that stands for one; false when it is none, or is zero.
static bool unicode_escape(struct parser *p, uint32_t *out)
{
    uint32_t c = hex4(p);
    if (c >= 0xD800 && c < 0xDC00) {
        if (p->end - p->at < 2 || p->at[0] != '\\' || p->at[1] != 'u')
            return false;
        p->at += 2;
        const uint32_t low = hex4(p);
        if (low < 0xDC00 || low > 0xDFFF)
            return false;
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    } else if (c >= 0xDC00 && c <= 0xDFFF) {
        return false;
    }
    *out = c;
    return c != UINT32_MAX && c != 0;
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

// A string of 1..limit bytes (0..limit if `empty`), its escapes resolved, into the arena. A resolved string is never
// longer than its source, so the source's length is room enough.
static daub_status text(struct parser *p, size_t limit, bool empty, const char **out)
{
    if (!take(p, '"'))
        return broken(p, "no string where one must be");
    const char *stop = p->at;
    while (stop < p->end && *stop != '"')
        stop += *stop == '\\' && p->end - stop > 1 ? 2 : 1;
    if (stop >= p->end)
        return broken(p, "a string without an end");
    if ((size_t)(stop - p->at) > limit * 6) // "\u0041" is six bytes for one
        return broken(p, "a name that is too long");

    char *copy = daub_arena_alloc(p->arena, (size_t)(stop - p->at) + 1);
    if (!copy)
        return daub_no_memory("a safetensors header");
    size_t n = 0;
    while (p->at < stop) {
        const char c = *p->at++;
        if ((unsigned char)c < 0x20)
            return broken(p, "a control character in a string");
        if (c != '\\') {
            copy[n++] = c;
            continue;
        }
        static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
        const char e = *p->at++;
        const char *known = e ? strchr(escapes, e) : NULL;
        uint32_t code;
        if (known)
            copy[n++] = meant[known - escapes];
        else if (e == 'u' && unicode_escape(p, &code))
            n += put_utf8(copy + n, code);
        else
            return broken(p, "an escape that means nothing");
    }
    if (n > limit)
        return broken(p, "a name that is too long");
    if (n == 0 && !empty)
        return broken(p, "an empty name");
    p->at = stop + 1;
    *out = copy;
    return DAUB_OK;
}

// A whole number without sign, fraction or exponent, below 2^63.
static daub_status number(struct parser *p, uint64_t *out)
{
    skip_space(p);
    if (p->at == p->end || *p->at < '0' || *p->at > '9')
        return broken(p, "no whole number where one must be");
    uint64_t value = 0;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9') {
        if (value > (UINT64_MAX / 2 - 9) / 10)
            return broken(p, "a number that is too large");
        value = value * 10 + (uint64_t)(*p->at++ - '0');
    }
    *out = value;
    return DAUB_OK;
}

// [n, n, ...], at most `limit` of them.
static daub_status numbers(struct parser *p, uint64_t *out, uint32_t limit, uint32_t *count)
{
    *count = 0;
    if (!take(p, '['))
        return broken(p, "no list where one must be");
    if (take(p, ']'))
        return DAUB_OK;
    do {
        if (*count == limit)
            return broken(p, "a list that is too long");
        TRY(number(p, &out[*count]));
        ++*count;
    } while (take(p, ','));
    return take(p, ']') ? DAUB_OK : broken(p, "a list without an end");
}

// The parts of a tensor's entry have all been read: do they fit together?
static daub_status check_tensor(const struct parser *p, const struct daub_st_tensor *t, const struct dtype_row *row,
                                uint64_t begin, uint64_t end)
{
    if (end < begin)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s ends before it begins (data_offsets %llu, %llu)", p->path,
                         t->name, (unsigned long long)begin, (unsigned long long)end);
    if (!row)
        return DAUB_OK; // of an unknown dtype nothing is believed and nothing is read
    uint64_t size = row->size;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        if (t->dims[i] != 0 && size > (UINT64_MAX / 2) / t->dims[i])
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s: the shape of %s has more elements than a file can hold", p->path,
                             t->name);
        size *= t->dims[i];
    }
    if (size != end - begin)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s has %llu bytes, but its dtype and shape want %llu", p->path,
                         t->name, (unsigned long long)(end - begin), (unsigned long long)size);
    return DAUB_OK;
}

static const struct dtype_row *find_dtype(const char *name)
{
    for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return &dtypes[i];
    return NULL;
}

// {"dtype": "F16", "shape": [n, ...], "data_offsets": [begin, end]}, in any order.
static daub_status tensor(struct parser *p, struct daub_st_tensor *t)
{
    if (!take(p, '{'))
        return broken(p, "no object where one must be");
    enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4, ALL = 7 };
    uint32_t seen = 0;
    const struct dtype_row *row = NULL;
    uint64_t offsets[2] = { 0 };
    do {
        const char *key, *dtype;
        TRY(text(p, MAX_KEY, false, &key));
        if (!take(p, ':'))
            return broken(p, "no colon where one must be");
        uint32_t field, count;
        if (strcmp(key, "dtype") == 0) {
            field = DTYPE;
            TRY(text(p, MAX_KEY, false, &dtype));
            row = find_dtype(dtype);
        } else if (strcmp(key, "shape") == 0) {
            field = SHAPE;
            TRY(numbers(p, t->dims, DAUB_ST_MAX_DIMS, &t->n_dims));
        } else if (strcmp(key, "data_offsets") == 0) {
            field = OFFSETS;
            TRY(numbers(p, offsets, 2, &count));
            if (count != 2)
                return broken(p, "data_offsets that are not two numbers");
        } else {
            return broken(p, "a field that is none of dtype, shape and data_offsets");
        }
        if (seen & field)
            return broken(p, "the same field twice");
        seen |= field;
    } while (take(p, ','));
    if (!take(p, '}'))
        return broken(p, "an object without an end");
    if (seen != ALL)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s lacks its %s", p->path, t->name,
                         !(seen & DTYPE)   ? "dtype"
                         : !(seen & SHAPE) ? "shape"
                                           : "data_offsets");
    t->dtype = row ? row->dtype : DAUB_FILE_OTHER;
    t->offset = offsets[0];
    t->size = offsets[1] - offsets[0];
    return check_tensor(p, t, row, offsets[0], offsets[1]);
}

// Makes room for one more in an array of structs that doubles.
static daub_status grow(const struct daub_host *host, void **array, uint32_t n, uint32_t *capacity, size_t size)
{
    if (n < *capacity)
        return DAUB_OK;
    const uint32_t more = *capacity ? *capacity * 2 : FIRST_CAPACITY;
    void *bigger = daub_realloc(host, *array, *capacity * size, more * size);
    if (!bigger)
        return daub_no_memory("a safetensors header");
    *array = bigger;
    *capacity = more;
    return DAUB_OK;
}

// {"key": "value", ...}; values may be as long as the header.
static daub_status metadata(struct parser *p, struct daub_st_header *out)
{
    if (!take(p, '{'))
        return broken(p, "no object where one must be");
    if (take(p, '}'))
        return DAUB_OK;
    do {
        if (out->n_metadata == DAUB_ST_MAX_TENSORS)
            return broken(p, "too many entries in __metadata__");
        void *array = out->metadata;
        TRY(grow(p->host, &array, out->n_metadata, &out->metadata_capacity, sizeof(*out->metadata)));
        out->metadata = array;
        struct daub_st_metadata *m = &out->metadata[out->n_metadata];
        TRY(text(p, DAUB_ST_MAX_NAME, true, &m->key));
        if (!take(p, ':'))
            return broken(p, "no colon where one must be");
        TRY(text(p, DAUB_ST_MAX_HEADER, true, &m->value));
        out->n_metadata++;
    } while (take(p, ','));
    return take(p, '}') ? DAUB_OK : broken(p, "an object without an end");
}

static daub_status entry(struct parser *p, struct daub_st_header *out, bool *has_metadata)
{
    const char *name;
    TRY(text(p, DAUB_ST_MAX_NAME, false, &name));
    if (!take(p, ':'))
        return broken(p, "no colon where one must be");
    if (strcmp(name, "__metadata__") == 0) {
        if (*has_metadata)
            return broken(p, "a second __metadata__");
        *has_metadata = true;
        return metadata(p, out);
    }
    if (out->n_tensors == DAUB_ST_MAX_TENSORS)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s has more than %d tensors", p->path, DAUB_ST_MAX_TENSORS);
    void *array = out->tensors;
    TRY(grow(p->host, &array, out->n_tensors, &out->tensors_capacity, sizeof(*out->tensors)));
    out->tensors = array;
    struct daub_st_tensor *t = &out->tensors[out->n_tensors];
    t->name = name;
    TRY(tensor(p, t));
    out->n_tensors++;
    return DAUB_OK;
}

daub_status daub_st_header_parse(const struct daub_host *host, struct daub_arena *arena, const char *path,
                                 const char *text_begin, size_t size, struct daub_st_header *out)
{
    struct parser parser = {
        .host = host, .arena = arena, .path = path, .at = text_begin, .begin = text_begin, .end = text_begin + size
    };
    struct parser *p = &parser;
    if (!take(p, '{'))
        return broken(p, "no object");
    bool has_metadata = false;
    if (!take(p, '}')) {
        do
            TRY(entry(p, out, &has_metadata));
        while (take(p, ','));
        if (!take(p, '}'))
            return broken(p, "no closing brace");
    }
    skip_space(p);
    // Writers pad with spaces; the older of them with zero bytes.
    while (p->at < p->end && *p->at == '\0')
        p->at++;
    return p->at == p->end ? DAUB_OK : broken(p, "something after its closing brace");
}

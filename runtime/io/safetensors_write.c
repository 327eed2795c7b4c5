// safetensors_write.c - writes fp32 tensors as a .safetensors file.
#include "runtime/base/file.h"
#include "runtime/io/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// Bytes one entry takes beside its name: fields, eight dimensions and two offsets of at most 20 digits each.
enum { ENTRY_ROOM = 64 + 10 * 22, HEADER_ALIGN = 8, PREFIX = 8 };

struct writer {
    char *text;
    size_t n, capacity;
};

static void put(struct writer *w, const char *text)
{
    const size_t n = strlen(text);
    memcpy(w->text + w->n, text, n);
    w->n += n;
}

static void put_number(struct writer *w, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%" PRIu64, value);
    put(w, digits);
}

// As a JSON string: at most six bytes for one.
static void put_quoted(struct writer *w, const char *text)
{
    put(w, "\"");
    for (; *text; text++) {
        char escape[8] = { *text, 0 };
        if ((unsigned char)*text < 0x20)
            snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)*text);
        else if (*text == '"' || *text == '\\')
            snprintf(escape, sizeof(escape), "\\%c", *text);
        put(w, escape);
    }
    put(w, "\"");
}

static uint64_t data_size(const struct daub_st_write *t)
{
    uint64_t size = sizeof(float);
    for (uint32_t i = 0; i < t->n_dims; i++)
        size *= t->dims[i];
    return size;
}

static void put_header(struct writer *w, const struct daub_st_write *tensors, uint32_t n)
{
    put(w, "{\"__metadata__\":{\"format\":\"pt\"}");
    uint64_t offset = 0;
    for (uint32_t i = 0; i < n; i++) {
        put(w, ",");
        put_quoted(w, tensors[i].name);
        put(w, ":{\"dtype\":\"F32\",\"shape\":[");
        for (uint32_t d = 0; d < tensors[i].n_dims; d++) {
            put(w, d ? "," : "");
            put_number(w, tensors[i].dims[d]);
        }
        put(w, "],\"data_offsets\":[");
        put_number(w, offset);
        offset += data_size(&tensors[i]);
        put(w, ",");
        put_number(w, offset);
        put(w, "]}");
    }
    put(w, "}");
    while (w->n % HEADER_ALIGN)
        put(w, " ");
}

daub_status daub_safetensors_write(const struct daub_host *host, const char *path, const struct daub_st_write *tensors,
                                   uint32_t n)
{
    size_t room = PREFIX + 64 + HEADER_ALIGN;
    uint64_t data = 0;
    for (uint32_t i = 0; i < n; i++) {
        room += strlen(tensors[i].name) * 6 + ENTRY_ROOM;
        data += data_size(&tensors[i]);
    }
    struct writer w = { .n = PREFIX, .capacity = room + (size_t)data };
    w.text = daub_alloc(host, w.capacity);
    if (!w.text)
        return daub_no_memory("a safetensors file");
    put_header(&w, tensors, n);
    for (size_t i = 0; i < PREFIX; i++)
        w.text[i] = (char)(unsigned char)((uint64_t)(w.n - PREFIX) >> (8 * i));
    for (uint32_t i = 0; i < n; i++) {
        memcpy(w.text + w.n, tensors[i].data, (size_t)data_size(&tensors[i]));
        w.n += (size_t)data_size(&tensors[i]);
    }
    const daub_status status = daub_file_write(host, path, w.text, w.n);
    daub_free(host, w.text);
    return status;
}

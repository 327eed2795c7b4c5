// safetensors.c - a .safetensors file: an eight-byte length, a JSON header (safetensors_header.c), then the
// data.
#include "runtime/io/safetensors.h"
#include "runtime/base/blob.h"
#include "runtime/base/file.h"
#include "runtime/base/half.h"
#include "runtime/base/sha256.h"
#include "runtime/io/safetensors_private.h"

#include <stdlib.h>
#include <string.h>

enum { PREFIX = 8, LOOK = 64 }; // bytes of the header's length, and those that tell what a file is

struct daub_safetensors {
    const struct daub_host *host;
    struct daub_arena *arena;
    struct daub_blob *blob;
    const char *path;
    const uint8_t *data;             // the data section; NULL: the blob must be read
    uint64_t data_size, data_offset; // data_offset: of the section in the file
    struct daub_st_header header;
    const struct daub_st_tensor **by_name;
};

// What a file that is not ours looks like, from its first bytes.
static const char *looks_like(const uint8_t *p, size_t size)
{
    static const struct {
        const char *magic, *what;
    } kinds[] = {
        { "PK\003\004", "a PyTorch checkpoint (.ckpt, .pt, .bin) or another zip archive" },
        { "\200\002", "a PyTorch pickle (.ckpt, .pt, .bin)" },
        { "GGUF", "a GGUF file" },
        { "ggml", "a GGML file" },
        { "<!DOCTYPE", "an HTML page" },
        { "<!doctype", "an HTML page" },
        { "<html", "an HTML page" },
        { "version https://git-lfs", "a git-lfs pointer, not the file it stands for" },
        { "\211PNG", "a PNG picture" },
        { "\377\330\377", "a JPEG picture" },
        { "\037\213", "a gzip archive" },
        { "\211HDF", "an HDF5 file" },
        { "{", "JSON text" },
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const size_t n = strlen(kinds[i].magic);
        if (size >= n && memcmp(p, kinds[i].magic, n) == 0)
            return kinds[i].what;
    }
    return NULL;
}

static uint64_t read_u64(const uint8_t *p) // little-endian, as all of the format
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static int compare_names(const void *a, const void *b)
{
    const struct daub_st_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int compare_offsets(const void *a, const void *b)
{
    const struct daub_st_tensor *const *x = a, *const *y = b;
    return ((*x)->offset > (*y)->offset) - ((*x)->offset < (*y)->offset);
}

// No range may leave the data section or overlap another. Leaves by_name sorted by offset.
static daub_status check_ranges(struct daub_safetensors *st)
{
    const struct daub_st_header *h = &st->header;
    uint64_t want = 0; // bytes of the data section; offset + size is below 2^63
    for (uint32_t i = 0; i < h->n_tensors; i++)
        if (want < h->tensors[i].offset + h->tensors[i].size)
            want = h->tensors[i].offset + h->tensors[i].size;
    if (want > st->data_size)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s is truncated: it has %llu bytes, and its tensors want %llu", st->path,
                         (unsigned long long)(st->data_offset + st->data_size),
                         (unsigned long long)(st->data_offset + want));
    qsort(st->by_name, h->n_tensors, sizeof(*st->by_name), compare_offsets);
    const struct daub_st_tensor *last = NULL;
    for (uint32_t i = 0; i < h->n_tensors; i++) {
        const struct daub_st_tensor *t = st->by_name[i];
        if (t->size == 0)
            continue;
        if (last && t->offset < last->offset + last->size)
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s and %s overlap", st->path, last->name, t->name);
        last = t;
    }
    return DAUB_OK;
}

static daub_status index_names(struct daub_safetensors *st)
{
    const uint32_t n = st->header.n_tensors;
    st->by_name = daub_alloc_array(st->host, n + 1, sizeof(*st->by_name));
    if (!st->by_name)
        return daub_no_memory("a safetensors index");
    for (uint32_t i = 0; i < n; i++)
        st->by_name[i] = &st->header.tensors[i];
    TRY(check_ranges(st));
    qsort(st->by_name, n, sizeof(*st->by_name), compare_names);
    for (uint32_t i = 1; i < n; i++)
        if (strcmp(st->by_name[i - 1]->name, st->by_name[i]->name) == 0)
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s is there twice", st->path, st->by_name[i]->name);
    return DAUB_OK;
}

// `bytes` are the first ones of the file, `have` of `size`.
static daub_status check_prefix(const struct daub_safetensors *st, const uint8_t *bytes, size_t have, uint64_t size,
                                uint64_t *header)
{
    const char *kind = looks_like(bytes, have);
    // The first eight bytes of a real file are a small number: only ever a chance match with a magic word when its
    // sixth byte and on are zero, which no text and no archive has.
    const bool plausible = size > PREFIX && read_u64(bytes) <= DAUB_ST_MAX_HEADER;
    if (kind && !plausible)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s looks like %s; a .safetensors file or a diffusers folder is wanted",
                         st->path, kind);
    if (size <= PREFIX)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s is not a safetensors file: it has only %llu bytes", st->path,
                         (unsigned long long)size);
    *header = read_u64(bytes);
    if (!plausible)
        return daub_fail(
            DAUB_ERROR_BAD_FILE,
            "%s is not a safetensors file: it does not begin with the length of a header; a .safetensors file "
            "or a diffusers folder is wanted",
            st->path);
    if (*header > size - PREFIX) {
        if (bytes[PREFIX] != '{')
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s is not a safetensors file: it has no header", st->path);
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s is truncated: it has %llu bytes, and its header alone wants %llu",
                         st->path, (unsigned long long)size, (unsigned long long)(*header + PREFIX));
    }
    return DAUB_OK;
}

static daub_status read_header(struct daub_safetensors *st)
{
    const uint64_t size = daub_blob_size(st->blob);
    const uint8_t *const data = daub_blob_data(st->blob);
    uint8_t first[LOOK];
    const size_t have = size < LOOK ? (size_t)size : LOOK;
    uint64_t header = 0;
    TRY(daub_blob_read(st->blob, 0, first, have));
    TRY(check_prefix(st, first, have, size, &header));
    st->data_offset = PREFIX + header;
    st->data = data ? data + st->data_offset : NULL;
    st->data_size = size - st->data_offset;
    if (data) {
        TRY(daub_st_header_parse(st->host, st->arena, st->path, (const char *)data + PREFIX, (size_t)header,
                                 &st->header));
        return index_names(st);
    }
    char *text = daub_alloc(st->host, (size_t)header);
    daub_status status = text ? daub_blob_read(st->blob, PREFIX, text, (size_t)header)
                              : daub_no_memory("a safetensors header");
    if (status == DAUB_OK)
        status = daub_st_header_parse(st->host, st->arena, st->path, text, (size_t)header, &st->header);
    daub_free(st->host, text);
    return status == DAUB_OK ? index_names(st) : status;
}

daub_status daub_safetensors_open_blob(const struct daub_host *host, struct daub_blob *blob,
                                       struct daub_safetensors **out)
{
    daub_status status;
    struct daub_safetensors *st = daub_alloc(host, sizeof(*st));
    if (!st) {
        daub_blob_close(&blob);
        return daub_no_memory("a safetensors file");
    }
    st->host = host;
    st->blob = blob;
    st->path = daub_blob_name(blob);
    st->arena = daub_arena_create(host);
    if (!st->arena) {
        status = daub_no_memory("a safetensors file");
        goto fail;
    }
    TRY_OR_FAIL(read_header(st));
    *out = st;
    return DAUB_OK;

fail:
    daub_safetensors_close(&st);
    return status;
}

daub_status daub_safetensors_open(const struct daub_host *host, const char *path, struct daub_safetensors **out)
{
    struct daub_blob *blob = NULL;
    TRY(daub_blob_open(host, NULL, path, &blob));
    return daub_safetensors_open_blob(host, blob, out);
}

daub_status daub_safetensors_open_memory(const struct daub_host *host, const char *name, const void *data, size_t size,
                                         struct daub_safetensors **out)
{
    struct daub_blob *blob = NULL;
    TRY(daub_blob_open_memory(host, name, data, size, &blob));
    return daub_safetensors_open_blob(host, blob, out);
}

void daub_safetensors_close(struct daub_safetensors **st)
{
    struct daub_safetensors *s = *st;
    if (!s)
        return;
    daub_free(s->host, s->by_name);
    daub_free(s->host, s->header.tensors);
    daub_free(s->host, s->header.metadata);
    daub_blob_close(&s->blob);
    daub_arena_destroy(&s->arena);
    daub_free(s->host, s);
    *st = NULL;
}

const char *daub_safetensors_path(const struct daub_safetensors *st)
{
    return st->path;
}

uint32_t daub_safetensors_count(const struct daub_safetensors *st)
{
    return st->header.n_tensors;
}

const struct daub_st_tensor *daub_safetensors_at(const struct daub_safetensors *st, uint32_t i)
{
    return &st->header.tensors[i];
}

const struct daub_st_tensor *daub_safetensors_find(const struct daub_safetensors *st, const char *name)
{
    const struct daub_st_tensor key = { .name = name };
    const struct daub_st_tensor *const key_ptr = &key;
    const struct daub_st_tensor **found = bsearch(&key_ptr, st->by_name, st->header.n_tensors, sizeof(*st->by_name),
                                                  compare_names);
    return found ? *found : NULL;
}

const void *daub_safetensors_data(const struct daub_safetensors *st, const struct daub_st_tensor *t)
{
    return st->data ? st->data + t->offset : NULL;
}

bool daub_safetensors_view(const struct daub_safetensors *st, const struct daub_st_tensor *t, struct daub_view *out)
{
    if (t->n_dims > 4)
        return false;
    *out = (struct daub_view) {
        .data = daub_safetensors_data(st, t),
        .blob = st->blob,
        .at = st->data_offset + t->offset,
        .dtype = t->dtype,
        .n_dims = t->n_dims,
    };
    memcpy(out->dims, t->dims, sizeof(out->dims));
    return true;
}

const char *daub_safetensors_metadata(const struct daub_safetensors *st, const char *key)
{
    for (uint32_t i = 0; i < st->header.n_metadata; i++)
        if (strcmp(st->header.metadata[i].key, key) == 0)
            return st->header.metadata[i].value;
    return NULL;
}

static uint16_t load_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

// `p` are the tensor's bytes.
static daub_status to_floats(const struct daub_safetensors *st, const struct daub_st_tensor *t, const uint8_t *p,
                             float *out)
{
    switch (t->dtype) {
    case DAUB_FILE_F32:
        memcpy(out, p, (size_t)t->size);
        return DAUB_OK;
    case DAUB_FILE_F16:
        for (uint64_t i = 0; i < t->size / 2; i++)
            out[i] = daub_half_to_float(load_u16(p + 2 * i));
        return DAUB_OK;
    case DAUB_FILE_BF16:
        for (uint64_t i = 0; i < t->size / 2; i++)
            out[i] = daub_bf16_to_float(load_u16(p + 2 * i));
        return DAUB_OK;
    case DAUB_FILE_F64:
        for (uint64_t i = 0; i < t->size / 8; i++) {
            double v;
            memcpy(&v, p + 8 * i, sizeof(v));
            out[i] = (float)v;
        }
        return DAUB_OK;
    case DAUB_FILE_I64:
        for (uint64_t i = 0; i < t->size / 8; i++) {
            int64_t v;
            memcpy(&v, p + 8 * i, sizeof(v));
            out[i] = (float)v;
        }
        return DAUB_OK;
    case DAUB_FILE_I32:
        for (uint64_t i = 0; i < t->size / 4; i++) {
            int32_t v;
            memcpy(&v, p + 4 * i, sizeof(v));
            out[i] = (float)v;
        }
        return DAUB_OK;
    case DAUB_FILE_U8:
        for (uint64_t i = 0; i < t->size; i++)
            out[i] = (float)p[i];
        return DAUB_OK;
    case DAUB_FILE_OTHER:
        break;
    }
    return daub_fail(DAUB_ERROR_BAD_FILE,
                     "%s: %s is of a dtype that is not read (F32, F16, BF16, F64, I64, I32 and U8 are)", st->path,
                     t->name);
}

daub_status daub_safetensors_floats(const struct daub_safetensors *st, const struct daub_st_tensor *t, float *out)
{
    if (st->data)
        return to_floats(st, t, st->data + t->offset, out);
    uint8_t *bytes = daub_alloc(st->host, (size_t)t->size);
    daub_status status = bytes ? daub_blob_read(st->blob, st->data_offset + t->offset, bytes, (size_t)t->size)
                               : daub_no_memory("a tensor");
    if (status == DAUB_OK)
        status = to_floats(st, t, bytes, out);
    daub_free(st->host, bytes);
    return status;
}

void daub_safetensors_release(const struct daub_safetensors *st, const struct daub_st_tensor *t)
{
    if (t)
        daub_blob_release(st->blob, st->data_offset + t->offset, t->size);
    else
        daub_blob_release(st->blob, 0, daub_blob_size(st->blob));
}

void daub_safetensors_identity(const struct daub_safetensors *st, struct daub_sha256 *sha)
{
    enum { N_SAMPLES = 64, SAMPLE = 4096 }; // a fine-tuned model has size, header and perhaps time of its parent
    char *absolute = daub_path_absolute(st->host, st->path);
    const char *path = absolute ? absolute : st->path;
    const uint64_t numbers[] = { st->data_offset, st->data_size, daub_blob_mtime(st->blob) };
    daub_sha256_update(sha, path, strlen(path) + 1);
    daub_sha256_update(sha, numbers, sizeof(numbers));
    daub_sha256_update(sha, st->data - st->data_offset, (size_t)st->data_offset);
    for (uint64_t i = 0; i < N_SAMPLES; i++) {
        const uint64_t at = st->data_size / N_SAMPLES * i, left = st->data_size - at;
        daub_sha256_update(sha, st->data + at, left < SAMPLE ? (size_t)left : SAMPLE);
    }
    daub_free(st->host, absolute);
}

bool daub_safetensors_settled(const struct daub_safetensors *st, uint64_t before_ns)
{
    uint64_t size = 0, mtime = 0;
    return daub_blob_is_file(st->blob) && daub_path_stat(st->path, &size, &mtime) && size == daub_blob_size(st->blob) &&
           mtime == daub_blob_mtime(st->blob) && mtime < before_ns;
}

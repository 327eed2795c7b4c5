// image.c - pictures from files and memory, by stb_image.
#include "runtime/api/params.h"
#include "runtime/api/picture.h"
#include "runtime/base/blob.h"
#include "runtime/base/file.h"
#include "runtime/base/limits.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

// The decoder's code, static so that it meets no other copy in the host's program. Its memory is ours to count, and it never ends the
// host: what it would assert is checked by the sizes above.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_GIF // its decoder is known to be unsafe, up to 2.30 at least
#define STBI_NO_PIC
#define STBI_NO_PSD
#define STBI_MAX_DIMENSIONS DAUB_MAX_SIZE
#define STBI_ASSERT(x) ((void)0)
#define STBI_MALLOC(size) daub_alloc(NULL, size)
#define STBI_REALLOC_SIZED(ptr, old_size, new_size) daub_realloc(NULL, ptr, old_size, new_size)
#define STBI_FREE(ptr) daub_free(NULL, ptr)
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-function" // most of it is unused
#endif
#include <stb_image_checked.h>

static const char *reason(void)
{
    const char *why = stbi_failure_reason();
    return why ? why : "it ends early";
}

static daub_status decode(const char *name, const void *data, size_t size, daub_image *out)
{
    int w = 0, h = 0, channels = 0;
    if (size > DAUB_MAX_PICTURE)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s has %zu bytes; a picture may have %d", name, size, DAUB_MAX_PICTURE);
    if (!stbi_info_from_memory(data, (int)size, &w, &h, &channels))
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s is no picture daub can read (PNG, JPEG, BMP, TGA, PGM, PPM): %s",
                         name, reason());
    if (h < 0 && h > -INT_MAX) // a BMP whose rows go down
        h = -h;
    if (w < 1 || h < 1 || w > DAUB_MAX_SIZE || h > DAUB_MAX_SIZE || (int64_t)w * h > DAUB_MAX_PIXELS || channels < 1 ||
        channels > 4)
        return daub_fail(DAUB_ERROR_BAD_FILE,
                         "%s is %dx%d pixels of %d channels; a picture may have %dx%d, %d in all, of 1 to 4", name, w,
                         h, channels, DAUB_MAX_SIZE, DAUB_MAX_SIZE, DAUB_MAX_PIXELS);
    uint8_t *pixels = stbi_load_from_memory(data, (int)size, &w, &h, &channels, 0);
    if (!pixels) {
        if (strcmp(reason(), "outofmem") == 0)
            return daub_no_memory("a picture");
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s is damaged: %s", name, reason());
    }
    *out = (daub_image) {
        .width = (uint32_t)w, .height = (uint32_t)h, .channels = (uint32_t)channels, .pixels = pixels
    };
    return DAUB_OK;
}

daub_status daub_image_read(const char *path, daub_image *out)
{
    if (!path || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_image_read: path or out is NULL");
    return daub_image_read_source(&(daub_source) { .path = path }, out);
}

// The bytes that lie in no memory yet, free'd by the caller.
static daub_status read_all(const struct daub_blob *blob, uint8_t **out)
{
    const uint64_t size = daub_blob_size(blob);
    if (size > DAUB_MAX_PICTURE)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s has %llu bytes; a picture may have %d", daub_blob_name(blob),
                         (unsigned long long)size, DAUB_MAX_PICTURE);
    *out = daub_alloc(NULL, (size_t)size);
    return *out ? daub_blob_read(blob, 0, *out, (size_t)size) : daub_no_memory("a picture's file");
}

daub_status daub_picture_open(const char *what, const daub_source *source, struct daub_picture *out)
{
    if (source->path) { // which may be a pipe, that has no size
        char *data = NULL;
        TRY(daub_file_read(NULL, source->path, DAUB_MAX_PICTURE, &data, &out->size));
        out->name = source->path;
        out->data = out->read = (uint8_t *)data;
        return DAUB_OK;
    }
    TRY(daub_blob_open_source(NULL, what, source, &out->blob));
    out->name = daub_blob_name(out->blob);
    out->size = (size_t)daub_blob_size(out->blob);
    out->data = daub_blob_data(out->blob);
    daub_status status = DAUB_OK;
    if (!out->data) {
        status = read_all(out->blob, &out->read);
        out->data = out->read;
    }
    if (status != DAUB_OK)
        daub_picture_close(out);
    return status;
}

void daub_picture_close(struct daub_picture *picture)
{
    daub_free(NULL, picture->read);
    daub_blob_close(&picture->blob);
    *picture = (struct daub_picture) { 0 };
}

daub_status daub_image_read_source(const daub_source *source, daub_image *out)
{
    if (!source || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_image_read_source: source or out is NULL");
    struct daub_picture picture = { 0 };
    TRY(daub_picture_open("daub_image_read_source", source, &picture));
    const daub_status status = decode(picture.name, picture.data, picture.size, out);
    daub_picture_close(&picture);
    return status;
}

bool daub_inflate(const uint8_t *data, size_t size, uint8_t *out, size_t capacity, size_t *n)
{
    if (size > INT_MAX || capacity > INT_MAX)
        return false;
    const int made = stbi_zlib_decode_buffer((char *)out, (int)capacity, (const char *)data, (int)size);
    *n = made < 0 ? 0 : (size_t)made;
    return made >= 0;
}

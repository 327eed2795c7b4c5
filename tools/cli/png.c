// png.c - pictures as bytes. stb_image_write makes the PNG and the JPEG; what it cannot, the text inside, is put in here: a tEXt
// chunk (iTXt where Latin-1 does not reach) as PNG's specification 11.3.4 says, EXIF's UserComment in a JPEG.
#include "cli.h"

#include <stb/stb_image_write.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

// Declared only inside stb_image_write's own implementation.
STBIWDEF unsigned char *stbi_write_png_to_mem(const unsigned char *pixels, int stride_bytes, int x, int y, int n,
                                              int *out_len);

struct bytes {
    uint8_t *at;
    size_t n, capacity;
    bool failed;
};

static void append(struct bytes *b, const void *data, size_t n)
{
    if (b->failed)
        return;
    if (b->n + n > b->capacity) {
        const size_t capacity = 2 * b->capacity + n;
        uint8_t *at = realloc(b->at, capacity);
        if (!at) {
            b->failed = true;
            return;
        }
        b->at = at;
        b->capacity = capacity;
    }
    memcpy(b->at + b->n, data, n);
    b->n += n;
}

static void append_be32(struct bytes *b, uint32_t v)
{
    const uint8_t be[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
    append(b, be, 4);
}

static void append_be16(struct bytes *b, uint32_t v)
{
    const uint8_t be[2] = { (uint8_t)(v >> 8), (uint8_t)v };
    append(b, be, 2);
}

uint32_t text_next_code(const uint8_t **text)
{
    const uint8_t *t = *text;
    const uint32_t n = t[0] < 0x80 ? 1 : t[0] < 0xe0 ? 2 : t[0] < 0xf0 ? 3 : 4;
    uint32_t code = n == 1 ? t[0] : t[0] & (0x7fu >> n);
    for (uint32_t i = 1; i < n; i++) {
        if ((t[i] & 0xc0) != 0x80 || t[0] < 0xc2 || t[0] > 0xf4) {
            ++*text;
            return '?';
        }
        code = code << 6 | (t[i] & 0x3f);
    }
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 }; // of n bytes: what fits in fewer is not UTF-8
    if (code < least[n] || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff) {
        ++*text;
        return '?';
    }
    *text += n;
    return code;
}

static bool is_latin1(const char *text)
{
    for (const uint8_t *t = (const uint8_t *)text; *t;)
        if (text_next_code(&t) > 0xff)
            return false;
    return true;
}

// A copy, valid even where `text` is not.
static void append_utf8(struct bytes *b, const char *text)
{
    for (const uint8_t *t = (const uint8_t *)text; *t;) {
        const uint8_t *const start = t;
        const uint32_t code = text_next_code(&t);
        if (code == '?')
            append(b, "?", 1);
        else
            append(b, start, (size_t)(t - start));
    }
}

// ---- PNG -------------------------------------------------------------------------------------------------------------

// Length, type, data and CRC of type and data.
static void append_chunk(struct bytes *b, const struct bytes *type_and_data)
{
    append_be32(b, (uint32_t)(type_and_data->n - 4));
    append(b, type_and_data->at, type_and_data->n);
    append_be32(b, (uint32_t)crc32(0, type_and_data->at, (uInt)type_and_data->n));
}

static void append_text(struct bytes *b, const char *text)
{
    struct bytes chunk = { 0 };
    if (is_latin1(text)) {
        append(&chunk, "tEXtparameters", sizeof("tEXtparameters")); // the zero byte ends the keyword
        for (const uint8_t *t = (const uint8_t *)text; *t;) {
            const uint8_t c = (uint8_t)text_next_code(&t);
            append(&chunk, &c, 1);
        }
    } else {
        append(&chunk, "iTXtparameters", sizeof("iTXtparameters"));
        append(&chunk, "\0\0\0\0", 4); // not compressed, method 0, no language, no translated keyword
        append_utf8(&chunk, text);
    }
    if (chunk.failed)
        b->failed = true;
    else
        append_chunk(b, &chunk);
    free(chunk.at);
}

uint8_t *png_encode(const daub_image *image, const char *parameters, size_t *size)
{
    enum { BEFORE = 8 + 25 }; // signature and IHDR
    int n = 0;
    uint8_t *png = stbi_write_png_to_mem(image->pixels, (int)(image->width * image->channels), (int)image->width,
                                         (int)image->height, (int)image->channels, &n);
    if (!png)
        return NULL;
    struct bytes b = { 0 };
    append(&b, png, BEFORE);
    if (parameters)
        append_text(&b, parameters);
    append(&b, png + BEFORE, (size_t)n - BEFORE);
    free(png);
    if (b.failed) {
        free(b.at);
        return NULL;
    }
    *size = b.n;
    return b.at;
}

// ---- JPEG ------------------------------------------------------------------------------------------------------------

static void write_bytes(void *b, void *data, int n)
{
    append(b, data, (size_t)n);
}

// APP1 with one EXIF field, UserComment (0x9286) in UTF-16: a TIFF of two directories. Returns the text's bytes if they exceed a segment's 64 KiB and are left out, else 0.
static size_t append_exif(struct bytes *b, const char *text)
{
    struct bytes comment = { 0 };
    append(&comment, "UNICODE", 8);
    for (const uint8_t *t = (const uint8_t *)text; *t;) {
        const uint32_t code = text_next_code(&t);
        if (code >= 0x10000) {
            append_be16(&comment, 0xd800 + ((code - 0x10000) >> 10));
            append_be16(&comment, 0xdc00 + ((code - 0x10000) & 0x3ff));
        } else {
            append_be16(&comment, code);
        }
    }
    enum { IFD0 = 8, EXIF_IFD = IFD0 + 2 + 12 + 4, COMMENT = EXIF_IFD + 2 + 12 + 4 }; // offsets in the TIFF
    const size_t length = 2 + 6 + COMMENT + comment.n;
    const bool fits = length <= 0xffff;
    _Static_assert(JPEG_MOST_TEXT == (0xffff - 2 - 6 - COMMENT - 8) / 2 * 2, "the limit that cli.h names");
    if (!comment.failed && fits) {
        append(b, "\xff\xe1", 2);
        append_be16(b, (uint32_t)length);
        append(b, "Exif\0\0MM\0*", 10);
        append_be32(b, IFD0);
        append_be16(b, 1); // one entry: where the EXIF directory is
        append_be16(b, 0x8769);
        append_be16(b, 4);
        append_be32(b, 1);
        append_be32(b, EXIF_IFD);
        append_be32(b, 0);
        append_be16(b, 1); // one entry: the comment
        append_be16(b, 0x9286);
        append_be16(b, 7);
        append_be32(b, (uint32_t)comment.n);
        append_be32(b, COMMENT);
        append_be32(b, 0);
        append(b, comment.at, comment.n);
    }
    b->failed |= comment.failed;
    const size_t n = comment.n - 8;
    free(comment.at);
    return fits ? 0 : n;
}

uint8_t *jpeg_encode(const daub_image *image, int quality, const char *parameters, size_t *size, size_t *left_out)
{
    struct bytes jpeg = { 0 }, b = { 0 };
    *left_out = 0;
    stbi_write_jpg_to_func(write_bytes, &jpeg, (int)image->width, (int)image->height, (int)image->channels,
                           image->pixels, quality);
    b.failed = jpeg.failed || jpeg.n < 2;
    if (!b.failed) {
        append(&b, jpeg.at, 2); // SOI
        *left_out = parameters ? append_exif(&b, parameters) : 0;
        append(&b, jpeg.at + 2, jpeg.n - 2);
    }
    free(jpeg.at);
    if (b.failed) {
        free(b.at);
        return NULL;
    }
    *size = b.n;
    return b.at;
}

// ---- PPM -------------------------------------------------------------------------------------------------------------

uint8_t *ppm_encode(const daub_image *image, size_t *size)
{
    char head[64];
    const int n = snprintf(head, sizeof(head), "P6\n%u %u\n255\n", image->width, image->height);
    struct bytes b = { 0 };
    append(&b, head, (size_t)n);
    append(&b, image->pixels, (size_t)image->width * image->height * 3);
    if (b.failed) {
        free(b.at);
        return NULL;
    }
    *size = b.n;
    return b.at;
}

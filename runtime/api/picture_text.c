// picture_text.c - the text that a picture carries: PNG's text chunks (PNG specification, third edition, 11.3.3), and in a JPEG EXIF's
// UserComment (EXIF 2.32, 4.6.5) or a comment segment. Whatever the bytes claim, only those that are there are looked at.
#include "runtime/api/picture.h"

#include "runtime/base/limits.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

enum { KEYWORD_MAX = 79 }; // bytes, by PNG's specification
static const char keyword[] = "parameters";

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static daub_status too_long(const char *name, size_t size)
{
    return daub_fail(DAUB_ERROR_BAD_FILE, "%s: its parameters have %zu bytes, at most %d are read", name, size,
                     DAUB_MAX_INFOTEXT);
}

// ---- to UTF-8 --------------------------------------------------------------------------------------------------------

static char *put_code(char *out, uint32_t c)
{
    const int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t lead[] = { 0, 0xc0, 0xe0, 0xf0 };
    *out++ = (char)(lead[more] | c >> (6 * more));
    for (int i = more - 1; i >= 0; i--)
        *out++ = (char)(0x80 | (c >> (6 * i) & 0x3f));
    return out;
}

// What all of them end with: no text that a C string or a prompt cannot hold.
static daub_status finish(const char *name, char *text, size_t n, char **out)
{
    size_t bad = 0;
    daub_status status = DAUB_OK;
    if (n > DAUB_MAX_INFOTEXT)
        status = too_long(name, n);
    else if (n > 0 && memchr(text, 0, n))
        status = daub_fail(DAUB_ERROR_BAD_FILE, "%s: its parameters hold a zero byte", name);
    else if (!daub_utf8_valid(text, n, &bad))
        status = daub_fail(DAUB_ERROR_BAD_FILE, "%s: its parameters are not valid UTF-8: byte %zu is 0x%02x", name, bad,
                           (unsigned)(uint8_t)text[bad]);
    if (status != DAUB_OK) {
        daub_free(NULL, text);
        return status;
    }
    text[n] = '\0';
    *out = text;
    return DAUB_OK;
}

static daub_status from_utf8(const char *name, const uint8_t *data, size_t n, char **out)
{
    if (n > DAUB_MAX_INFOTEXT)
        return too_long(name, n);
    char *text = daub_alloc(NULL, n + 1);
    if (!text)
        return daub_no_memory("a picture's parameters");
    if (n > 0)
        memcpy(text, data, n);
    return finish(name, text, n, out);
}

static daub_status from_latin1(const char *name, const uint8_t *data, size_t n, char **out)
{
    if (n > DAUB_MAX_INFOTEXT)
        return too_long(name, n);
    char *text = daub_alloc(NULL, 2 * n + 1);
    if (!text)
        return daub_no_memory("a picture's parameters");
    char *end = text;
    for (size_t i = 0; i < n; i++)
        end = put_code(end, data[i]);
    return finish(name, text, (size_t)(end - text), out);
}

static uint32_t unit16(const uint8_t *p, bool big)
{
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

// n bytes of UTF-16; a surrogate without its other half is no text.
static daub_status from_utf16(const char *name, const uint8_t *data, size_t n, bool big, char **out)
{
    if (n / 2 > DAUB_MAX_INFOTEXT)
        return too_long(name, n);
    char *text = daub_alloc(NULL, 3 * (n / 2) + 1), *end = text;
    if (!text)
        return daub_no_memory("a picture's parameters");
    for (size_t i = 0; i + 2 <= n; i += 2) {
        uint32_t c = unit16(data + i, big);
        if (c == 0 && i + 4 > n) // a terminator that was counted
            break;
        if (c >= 0xd800 && c < 0xe000) {
            const uint32_t low = i + 4 <= n ? unit16(data + i + 2, big) : 0;
            if (c >= 0xdc00 || low < 0xdc00 || low >= 0xe000) {
                daub_free(NULL, text);
                return daub_fail(DAUB_ERROR_BAD_FILE, "%s: its parameters are not valid UTF-16: unit %zu is 0x%04x",
                                 name, i / 2, c);
            }
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            i += 2;
        }
        end = put_code(end, c);
    }
    return finish(name, text, (size_t)(end - text), out);
}

// ---- PNG -------------------------------------------------------------------------------------------------------------

static const uint8_t png_signature[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

bool daub_is_png(const struct daub_picture *picture)
{
    return picture->size >= sizeof(png_signature) && memcmp(picture->data, png_signature, sizeof(png_signature)) == 0;
}

// PNG specification, annex D, a bit at a time: text chunks are short.
static uint32_t crc32_of(const uint8_t *data, size_t n)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
    }
    return ~crc;
}

static daub_status from_zlib(const char *name, const uint8_t *data, size_t n, bool latin1, char **out)
{
    uint8_t *plain = daub_alloc(NULL, DAUB_MAX_INFOTEXT);
    size_t size = 0;
    if (!plain)
        return daub_no_memory("a picture's parameters");
    daub_status status;
    if (!daub_inflate(data, n, plain, DAUB_MAX_INFOTEXT, &size))
        status = daub_fail(DAUB_ERROR_BAD_FILE, "%s: its compressed parameters are damaged, or have more than %d bytes",
                           name, DAUB_MAX_INFOTEXT);
    else
        status = latin1 ? from_latin1(name, plain, size, out) : from_utf8(name, plain, size, out);
    daub_free(NULL, plain);
    return status;
}

// An iTXt chunk behind its keyword: flag, method, language, translated keyword, text.
static daub_status from_itxt(const char *name, const uint8_t *at, size_t n, char **out)
{
    const uint8_t *const end = at + n;
    if (n < 2 || at[0] > 1 || (at[0] == 1 && at[1] != 0))
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: its iTXt chunk is compressed by an unknown method", name);
    const bool compressed = at[0] == 1;
    at += 2;
    for (int i = 0; i < 2; i++) {
        const uint8_t *zero = memchr(at, 0, (size_t)(end - at));
        if (!zero)
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s: its iTXt chunk ends before its text", name);
        at = zero + 1;
    }
    return compressed ? from_zlib(name, at, (size_t)(end - at), false, out)
                      : from_utf8(name, at, (size_t)(end - at), out);
}

// One text chunk whose keyword is ours.
static daub_status from_chunk(const char *name, const uint8_t *type, const uint8_t *text, size_t n, char **out)
{
    if (type[0] == 't')
        return from_latin1(name, text, n, out);
    if (type[0] == 'i')
        return from_itxt(name, text, n, out);
    if (n < 1 || text[0] != 0)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: its zTXt chunk is compressed by an unknown method", name);
    return from_zlib(name, text + 1, n - 1, true, out);
}

static void note(char *others, size_t size, const uint8_t *key, size_t n)
{
    const size_t used = strlen(others);
    if (used + n + 3 < size)
        snprintf(others + used, size - used, "%s%.*s", used ? ", " : "", (int)n, (const char *)key);
}

daub_status daub_png_text(const struct daub_picture *picture, char **out)
{
    const uint8_t *data = picture->data;
    char others[256] = ""; // keywords of other texts
    for (size_t at = sizeof(png_signature); picture->size - at >= 12;) {
        const uint32_t n = be32(data + at);
        const uint8_t *const type = data + at + 4, *const body = data + at + 8;
        if (n > picture->size - at - 12)
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s ends inside the chunk at byte %zu", picture->name, at);
        const bool is_text = memcmp(type, "tEXt", 4) == 0 || memcmp(type, "zTXt", 4) == 0 ||
                             memcmp(type, "iTXt", 4) == 0;
        const uint8_t *const zero = is_text ? memchr(body, 0, n < KEYWORD_MAX + 1 ? n : KEYWORD_MAX + 1) : NULL;
        const size_t n_key = zero ? (size_t)(zero - body) : 0;
        if (zero && n_key == sizeof(keyword) - 1 && memcmp(body, keyword, n_key) == 0) {
            if (crc32_of(type, 4 + (size_t)n) != be32(body + n))
                return daub_fail(DAUB_ERROR_BAD_FILE,
                                 "%s: its parameters are damaged: the CRC of the %.4s chunk at "
                                 "byte %zu differs",
                                 picture->name, (const char *)type, at);
            return from_chunk(picture->name, type, zero + 1, n - n_key - 1, out);
        }
        if (zero)
            note(others, sizeof(others), body, n_key);
        if (memcmp(type, "IEND", 4) == 0)
            break;
        at += 12 + (size_t)n;
    }
    if (others[0])
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s carries no parameters; its texts are %s", picture->name, others);
    return daub_fail(DAUB_ERROR_BAD_FILE, "%s carries no parameters", picture->name);
}

// ---- JPEG ------------------------------------------------------------------------------------------------------------

bool daub_is_jpeg(const struct daub_picture *picture)
{
    return picture->size >= 3 && memcmp(picture->data, "\xff\xd8\xff", 3) == 0;
}

struct tiff {
    const uint8_t *data;
    size_t size;
    bool big;
};

static uint32_t tiff32(const struct tiff *t, size_t at)
{
    const uint8_t *p = t->data + at;
    return t->big ? be32(p) : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

// The entry of a tag in the directory at `at`: 12 bytes, tag, type, count, value or its offset. 0: it has none.
static size_t tiff_find(const struct tiff *t, size_t at, uint32_t tag)
{
    if (t->size < 2 || at > t->size - 2)
        return 0;
    const uint32_t n = unit16(t->data + at, t->big);
    for (uint32_t i = 0; i < n; i++) {
        const size_t entry = at + 2 + 12 * (size_t)i;
        if (entry + 12 > t->size)
            return 0;
        if (unit16(t->data + entry, t->big) == tag)
            return entry;
    }
    return 0;
}

// Which byte of UTF-16's units comes first. piexif and daub write TIFF and text big endian; where the TIFF is little endian some
// programs still do the text so: the order in which more units are ASCII, as a line of keys is.
static bool is_big(const uint8_t *text, size_t n, bool tiff_big)
{
    if (tiff_big)
        return true;
    size_t ascii[2] = { 0, 0 };
    for (size_t i = 0; i + 2 <= n; i += 2) {
        ascii[0] += text[i] == 0 && text[i + 1] < 0x80;
        ascii[1] += text[i + 1] == 0 && text[i] < 0x80;
    }
    return ascii[0] > ascii[1];
}

static daub_status from_comment(const char *name, const uint8_t *data, size_t n, bool tiff_big, char **out)
{
    enum { CODE = 8 }; // bytes that name the encoding
    if (n < CODE)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: its EXIF comment has %zu bytes, at least 8 are wanted", name, n);
    const uint8_t *text = data + CODE;
    n -= CODE;
    if (memcmp(data, "UNICODE", CODE) == 0) {
        if (n >= 2 && (memcmp(text, "\xfe\xff", 2) == 0 || memcmp(text, "\xff\xfe", 2) == 0))
            return from_utf16(name, text + 2, n - 2, text[0] == 0xfe, out);
        return from_utf16(name, text, n, is_big(text, n, tiff_big), out);
    }
    if (memcmp(data, "ASCII\0\0", CODE) != 0 && memcmp(data, "\0\0\0\0\0\0\0", CODE) != 0)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: the encoding of its EXIF comment is neither Unicode nor ASCII",
                         name);
    while (n > 0 && (text[n - 1] == 0 || text[n - 1] == ' '))
        n--;
    return daub_utf8_valid((const char *)text, n, NULL) ? from_utf8(name, text, n, out)
                                                        : from_latin1(name, text, n, out);
}

// What an APP1 segment has behind "Exif\0\0". *found stays false where there is no UserComment.
static daub_status from_exif(const char *name, const uint8_t *data, size_t size, bool *found, char **out)
{
    struct tiff t = { data, size, size >= 2 && data[0] == 'M' };
    if (size < 8 || (memcmp(data, "MM\0*", 4) != 0 && memcmp(data, "II*\0", 4) != 0))
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: its EXIF data is no TIFF", name);
    const size_t pointer = tiff_find(&t, tiff32(&t, 4), 0x8769);
    const size_t comment = pointer ? tiff_find(&t, tiff32(&t, pointer + 8), 0x9286) : 0;
    if (!comment)
        return DAUB_OK;
    const size_t n = tiff32(&t, comment + 4), at = tiff32(&t, comment + 8);
    if (at > size || n > size - at)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: its EXIF comment reaches beyond its segment", name);
    *found = true;
    return from_comment(name, data + at, n, t.big, out);
}

daub_status daub_jpeg_text(const struct daub_picture *picture, char **out)
{
    static const char exif[] = "Exif\0";
    const uint8_t *const data = picture->data, *remark = NULL; // a comment segment
    size_t n_remark = 0;
    for (size_t at = 2; picture->size - at >= 4 && data[at] == 0xff;) {
        const uint8_t marker = data[at + 1];
        if (marker == 0xff) { // a fill byte
            at++;
            continue;
        }
        if (marker == 0xda || marker == 0xd9) // the picture's data
            break;
        const size_t n = unit16(data + at + 2, true);
        if (n < 2 || n > picture->size - at - 2)
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s ends inside the segment at byte %zu", picture->name, at);
        const uint8_t *const body = data + at + 4;
        bool found = false;
        if (marker == 0xe1 && n - 2 >= sizeof(exif) && memcmp(body, exif, sizeof(exif)) == 0)
            TRY(from_exif(picture->name, body + sizeof(exif), n - 2 - sizeof(exif), &found, out));
        if (found)
            return DAUB_OK;
        if (marker == 0xfe && !remark) {
            remark = body;
            n_remark = n - 2;
        }
        at += 2 + n;
    }
    while (remark && n_remark > 0 && remark[n_remark - 1] == 0)
        n_remark--;
    if (!remark || n_remark == 0)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s carries no parameters", picture->name);
    return daub_utf8_valid((const char *)remark, n_remark, NULL) ? from_utf8(picture->name, remark, n_remark, out)
                                                                 : from_latin1(picture->name, remark, n_remark, out);
}

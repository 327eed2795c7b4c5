// test_picture_text.c - the texts inside PNG and JPEG files: every kind of chunk and of EXIF, and what is cut or damaged.

#include "daub_parameters.h"
#include "runtime/base/limits.h"
#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

static void picture(const void *data, size_t size, const char *wanted, const char *sentence)
{
    char *text = NULL;
    const daub_source source = { .data = data, .size = size };
    if (sentence) {
        REQUIRE_STATUS(daub_picture_text(&source, &text), DAUB_ERROR_BAD_FILE, sentence);
        REQUIRE(!text);
        return;
    }
    REQUIRE_OK(daub_picture_text(&source, &text));
    REQUIRE(strcmp(text, wanted) == 0);
    daub_text_free(text);
}

#define EXIF(tiff, n, length) "\xff\xd8\xff\xe1\0" n "Exif\0\0" tiff length
#define BIG "MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0\0\x01\x92\x86\0\x07\0\0\0"
#define LITTLE "II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0\x01\0\x86\x92\x07\0"
#define BYTES(text) text, sizeof(text) - 1

static void test_jpeg(void)
{
    picture(BYTES(EXIF(BIG, "\x3e", "\x0a\0\0\0\x2c\0\0\0\0UNICODE\0\0a") "\xff\xda"), "a", NULL);
    picture(BYTES(EXIF(LITTLE, "\x40", "\x0c\0\0\0\x2c\0\0\0\0\0\0\0UNICODE\0a\0b\0") "\xff\xda"), "ab", NULL);
    picture(BYTES(EXIF(LITTLE, "\x40", "\x0c\0\0\0\x2c\0\0\0\0\0\0\0UNICODE\0\0a\0b") "\xff\xda"), "ab", NULL);
    picture(BYTES(EXIF(BIG, "\x40", "\x0c\0\0\0\x2c\0\0\0\0UNICODE\0\xd8\x3c\xdf\x4e") "\xff\xda"), "\xf0\x9f\x8d\x8e",
            NULL);
    picture(BYTES(EXIF(BIG, "\x40", "\x0c\0\0\0\x2c\0\0\0\0UNICODE\0\xd8\x3c\0a") "\xff\xda"), NULL, "UTF-16");
    picture(BYTES(EXIF(BIG, "\x40", "\x0c\0\0\0\x2c\0\0\0\0ASCII\0\0\0a\xe9\0\0") "\xff\xda"), "a\xc3\xa9", NULL);
    picture(BYTES(EXIF(BIG, "\x40", "\x0c\0\0\0\x2c\0\0\0\0JIS\0\0\0\0\0abcd") "\xff\xda"), NULL, "neither Unicode");
    picture(BYTES(EXIF(BIG, "\x40", "\xff\0\0\0\x2c\0\0\0\0UNICODE\0abcd") "\xff\xda"), NULL, "beyond its segment");
    picture(BYTES("\xff\xd8\xff\xff\xfe\0\x06h\xc3\xa9\0\xff\xda"), "h\xc3\xa9", NULL);
    picture(BYTES("\xff\xd8\xff\xfe\0\x04h\xe9\xff\xda"), "h\xc3\xa9", NULL);
    picture(BYTES("\xff\xd8\xff\xda\0\x04h\xe9"), NULL, "carries no parameters");
    picture(BYTES("\xff\xd8\xff\xfe\xff\x04h\xe9"), NULL, "ends inside the segment at byte 2");
    static const char whole[] = EXIF(BIG, "\x3e", "\x0a\0\0\0\x2c\0\0\0\0UNICODE\0\0a") "\xff\xda";
    for (size_t n = 1; n < sizeof(whole) - 3; n++) { // cut anywhere, in memory of just that size
        char *copy = malloc(n), *text = NULL;
        REQUIRE(copy);
        memcpy(copy, whole, n);
        const daub_source source = { .data = copy, .size = n };
        REQUIRE(daub_picture_text(&source, &text) == DAUB_ERROR_BAD_FILE);
        free(copy);
    }
}

// A PNG of one chunk with this type, keyword and the rest behind the keyword's zero byte, in `png` of 256 bytes. Its size.
static size_t make_png(const char *type, const char *keyword, const void *rest, size_t n_rest, uint8_t *png)
{
    const size_t n_keyword = strlen(keyword) + 1, n = n_keyword + n_rest;
    uint32_t sum = 0xffffffffu;
    REQUIRE(n < 200);
    memcpy(png, "\x89PNG\r\n\x1a\n\0\0\0", 11);
    png[11] = (uint8_t)n;
    memcpy(png + 12, type, 4);
    memcpy(png + 16, keyword, n_keyword);
    memcpy(png + 16 + n_keyword, rest, n_rest);
    for (size_t i = 0; i < 4 + n; i++) {
        sum ^= png[12 + i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (0xedb88320u & (0u - (sum & 1)));
    }
    for (int i = 0; i < 4; i++)
        png[16 + n + (size_t)i] = (uint8_t)(~sum >> (24 - 8 * i));
    return 20 + n;
}

#define STORED_AB                \
    "\x78\x01\x01\x02\0\xfd\xff" \
    "a\xe9"                      \
    "\x01\xad\x01\x4b" // zlib: one stored block, its Adler-32
#define STORED_UTF8              \
    "\x78\x01\x01\x03\0\xfc\xff" \
    "a\xc3\xa9"                  \
    "\x03\x55\x01\xce"
static const struct {
    const char *type, *keyword, *rest;
    size_t n;
    const char *text, *sentence;
} chunks[] = {
    { "tEXt", "parameters", BYTES("a\xe9"), "a\xc3\xa9", NULL },
    { "tEXt", "parameters", BYTES(""), "", NULL },
    { "zTXt", "parameters", BYTES("\0" STORED_AB), "a\xc3\xa9", NULL },
    { "zTXt", "parameters", BYTES("\1" STORED_AB), NULL, "" }, // no such method
    { "zTXt", "parameters",
      BYTES("\0"
            "no zlib"),
      NULL, "" },
    { "iTXt", "parameters", BYTES("\0\0\0\0a\xc3\xa9"), "a\xc3\xa9", NULL },
    { "iTXt", "parameters", BYTES("\0\0en\0what made it\0a\xc3\xa9"), "a\xc3\xa9", NULL },
    { "iTXt", "parameters", BYTES("\1\0\0\0" STORED_UTF8), "a\xc3\xa9", NULL },
    { "iTXt", "parameters", BYTES("\1\1\0\0" STORED_UTF8), NULL, "" }, // no such method
    { "iTXt", "parameters", BYTES("\2\0\0\0a"), NULL, "" },            // neither compressed nor not
    { "iTXt", "parameters", BYTES("\0\0\0"), NULL, "" },               // no end of its second text
    { "iTXt", "parameters", BYTES("\0\0\0\0a\xe9"), NULL, "UTF-8" },
    { "tEXt", "workflow", BYTES("a"), NULL, "workflow" },
    { "tEXt", "parameter", BYTES("a"), NULL, "parameter" },
    { "eXIf", "parameters", BYTES("a"), NULL, "carries no parameters" },
};

static void test_png(void)
{
    uint8_t png[256];
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        const size_t n = make_png(chunks[i].type, chunks[i].keyword, chunks[i].rest, chunks[i].n, png);
        picture(png, n, chunks[i].text, chunks[i].sentence);
        if (chunks[i].sentence)
            continue;
        png[n - 1] ^= 1;
        picture(png, n, NULL, "CRC");
        png[n - 1] ^= 1;
        for (size_t cut = 8; cut < n; cut++) {
            char *text = NULL;
            const daub_source source = { .data = png, .size = cut };
            REQUIRE(daub_picture_text(&source, &text) == DAUB_ERROR_BAD_FILE && !text);
        }
    }
}

// The limits of runtime/base/limits.h on the text inside a picture: of a JPEG's comments, which are short, none can be too long.
static void test_limits(void)
{
    static const char head[] = "\x89PNG\r\n\x1a\n";
    for (int above = 0; above <= 1; above++) {
        const uint32_t n = 11 + DAUB_MAX_INFOTEXT + (uint32_t)above;
        uint8_t *png = calloc(1, 20 + (size_t)n), crc[4];
        REQUIRE(png);
        memcpy(png, head, 8);
        for (int i = 0; i < 4; i++)
            png[8 + i] = (uint8_t)(n >> (24 - 8 * i));
        memcpy(png + 12, "tEXtparameters", 15);
        memset(png + 27, 'x', n - 11);
        uint32_t sum = 0xffffffffu;
        for (size_t i = 0; i < 4 + (size_t)n; i++) {
            sum ^= png[12 + i];
            for (int bit = 0; bit < 8; bit++)
                sum = sum >> 1 ^ (0xedb88320u & (0u - (sum & 1)));
        }
        for (int i = 0; i < 4; i++)
            crc[i] = (uint8_t)(~sum >> (24 - 8 * i));
        memcpy(png + 16 + n, crc, 4);
        const daub_source source = { .data = png, .size = 20 + (size_t)n };
        char *text = NULL;
        if (above)
            REQUIRE_STATUS(daub_picture_text(&source, &text), DAUB_ERROR_BAD_FILE,
                           "have 4194305 bytes, at most 4194304 are read");
        else
            REQUIRE(daub_picture_text(&source, &text) == DAUB_OK && strlen(text) == DAUB_MAX_INFOTEXT);
        daub_text_free(text);
        free(png);
    }
    daub_limits limits = { .struct_size = sizeof(limits) }; // which the command has its own from: tests/e2e/batch.py
    REQUIRE_OK(daub_get_limits(&limits));
    REQUIRE(limits.max_batch_size == DAUB_MAX_BATCH && limits.max_batch_lines == DAUB_MAX_BATCH_LINES &&
            limits.max_parameters_size == DAUB_MAX_INFOTEXT);
}

int main(void)
{
    test_jpeg();
    test_png();
    test_limits();
    return 0;
}

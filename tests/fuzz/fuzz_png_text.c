// fuzz_png_text.c - the text that a PNG carries. An input is a file; and the body of a text chunk, put into one whose sums are right.
#include "fuzz.h"
#include "include/daub_parameters.h"
#include "runtime/base/limits.h"
#include "runtime/base/text.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void look(const uint8_t *data, size_t size)
{
    char *text = NULL;
    const daub_source source = { .data = data, .size = size };
    if (daub_picture_text(&source, &text) != DAUB_OK) {
        FUZZ_CHECK(!text && strchr(daub_last_error(), '\n') == NULL);
        return;
    }
    FUZZ_CHECK(strlen(text) <= DAUB_MAX_INFOTEXT && daub_utf8_valid(text, strlen(text), NULL));
    daub_text_free(text);
}

static void put_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char signature[] = "\x89PNG\r\n\x1a\n", types[] = "tEXtzTXtiTXt", keyword[] = "parameters";
    if (size == 0)
        return 0;
    look(data, size);
    const size_t n = sizeof(keyword) + size - 1, all = 8 + 12 + n; // the keyword's zero is one of the body's bytes
    uint8_t *png = malloc(all);
    if (!png)
        abort();
    memcpy(png, signature, 8);
    put_be32(png + 8, (uint32_t)n);
    memcpy(png + 12, types + 4 * (data[0] % 3), 4);
    memcpy(png + 16, keyword, sizeof(keyword));
    memcpy(png + 16 + sizeof(keyword), data + 1, size - 1);
    put_be32(png + 16 + n, (uint32_t)crc32(0, png + 12, (uInt)(n + 4)));
    look(png, all);
    free(png);
    return 0;
}

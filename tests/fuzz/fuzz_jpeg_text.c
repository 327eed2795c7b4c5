// fuzz_jpeg_text.c - the text that a JPEG carries. An input is a file; and the TIFF of an EXIF segment, put into one.
#include "fuzz.h"
#include "include/daub_parameters.h"
#include "runtime/base/limits.h"
#include "runtime/base/text.h"

#include <stdlib.h>
#include <string.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { HEAD = 12 };
    if (size == 0)
        return 0;
    look(data, size);
    if (size > 65000)
        return 0;
    uint8_t *jpeg = malloc(HEAD + size);
    if (!jpeg)
        abort();
    memcpy(jpeg, "\xff\xd8\xff\xe1\0\0Exif\0\0", HEAD);
    jpeg[4] = (uint8_t)((size + 8) >> 8);
    jpeg[5] = (uint8_t)(size + 8);
    memcpy(jpeg + HEAD, data, size);
    look(jpeg, HEAD + size);
    free(jpeg);
    return 0;
}

// fuzz_png.c - the text inside pictures. An input's parts are prompt, negative prompt, and a model's path: whatever they hold, what
// is written is a PNG whose chunks add up, with one text chunk in the encoding that its type promises, and a JPEG whose segments do.
#include "cli.h"
#include "fuzz.h"
#include "runtime/base/text.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void check_text(const uint8_t *chunk, uint32_t n)
{
    static const char latin[] = "parameters", international[] = "parameters\0\0\0\0";
    if (memcmp(chunk, "tEXt", 4) == 0) {
        FUZZ_CHECK(n >= sizeof(latin) && memcmp(chunk + 4, latin, sizeof(latin)) == 0);
        FUZZ_CHECK(memchr(chunk + 4 + sizeof(latin), 0, n - sizeof(latin)) == NULL);
    } else {
        FUZZ_CHECK(n >= sizeof(international) && memcmp(chunk + 4, international, sizeof(international)) == 0);
        FUZZ_CHECK(daub_utf8_valid((const char *)chunk + 4 + sizeof(international), n - sizeof(international), NULL));
    }
}

static void check_png(const uint8_t *png, size_t size)
{
    size_t at = 8;
    uint32_t n_texts = 0;
    FUZZ_CHECK(size > at && memcmp(png, "\211PNG\r\n\032\n", 8) == 0);
    while (at < size) {
        FUZZ_CHECK(size - at >= 12);
        const uint32_t n = be32(png + at);
        FUZZ_CHECK(n <= size - at - 12);
        const uint8_t *chunk = png + at + 4; // type, then data
        FUZZ_CHECK(be32(chunk + 4 + n) == crc32(0, chunk, (uInt)(n + 4)));
        if (memcmp(chunk + 1, "EXt", 3) == 0 || memcmp(chunk + 1, "TXt", 3) == 0) {
            check_text(chunk, n);
            n_texts++;
        }
        at += 12 + (size_t)n;
    }
    FUZZ_CHECK(n_texts == 1);
}

// The segments before the picture's data.
static void check_jpeg(const uint8_t *jpeg, size_t size)
{
    size_t at = 2;
    FUZZ_CHECK(size > 4 && jpeg[0] == 0xff && jpeg[1] == 0xd8);
    for (;;) {
        FUZZ_CHECK(size - at >= 4 && jpeg[at] == 0xff);
        if (jpeg[at + 1] == 0xda)
            return;
        at += 2 + ((size_t)jpeg[at + 2] << 8 | jpeg[at + 3]);
        FUZZ_CHECK(at < size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_part parts[3];
    fuzz_split(data, size, parts, 3);
    char *prompt = fuzz_text(&parts[0]), *negative = fuzz_text(&parts[1]), *path = fuzz_text(&parts[2]);
    const struct cli cli = { .text = prompt, .negative = negative };
    daub_model_info model = { .struct_size = sizeof(model) };
    memcpy(model.path, path, strlen(path) < sizeof(model.path) ? strlen(path) : sizeof(model.path) - 1);
    const daub_result result = {
        .struct_size = sizeof(result), .n_steps = 20, .sampler = "euler", .schedule = "karras", .width = 8, .height = 8
    };
    const daub_generate_params params = { .struct_size = sizeof(params),
                                          .prompt = prompt,
                                          .negative_prompt = negative };
    const struct cli_hashes hashes = { .model = "0123456789", .parts = "123abc4567", .vae = "abcdef0123" };
    char *text = metadata_text(&cli, &params, &model, &result, &hashes, "png");
    if (!text) { // which no prompt that was drawn is
        FUZZ_CHECK(!daub_utf8_valid(prompt, strlen(prompt), NULL) ||
                   !daub_utf8_valid(negative, strlen(negative), NULL));
        free(path);
        free(negative);
        free(prompt);
        return 0;
    }

    uint8_t pixels[4 * 4 * 3] = { 0 };
    const daub_image image = { .width = 4, .height = 4, .channels = 3, .pixels = pixels };
    size_t n = 0;
    uint8_t *bytes = png_encode(&image, text, &n);
    FUZZ_CHECK(bytes);
    check_png(bytes, n);
    free(bytes);
    size_t left_out;
    bytes = jpeg_encode(&image, 90, text, &n, &left_out);
    FUZZ_CHECK(bytes);
    check_jpeg(bytes, n);
    free(bytes);
    daub_text_free(text);
    free(path);
    free(negative);
    free(prompt);
    return 0;
}

// noise.c - daub noise PICTURE: the forward process q(x_t | x_0) as a film strip, a row a noise schedule, time from left to right.
#include "cli.h"

#include <stdlib.h>
#include <string.h>

enum { GAP = 4, N_ROWS = 3, MAX_SIDE = 65535, MAX_PIXELS = 1 << 28 }; // a JPEG's side; what PNG's encoder counts

static uint8_t to_byte(float v)
{
    const float x = (v + 1.0f) * 127.5f;
    return x <= 0.0f ? 0 : x >= 255.0f ? 255 : (uint8_t)(x + 0.5f);
}

// One picture of the strip at column, row.
static void place(daub_image *strip, const float *x, uint32_t w, uint32_t h, uint32_t column, uint32_t row)
{
    for (uint32_t i = 0; i < h; i++) {
        uint8_t *out = strip->pixels + ((size_t)(row * (h + GAP) + i) * strip->width + column * (w + GAP)) * 3;
        for (uint32_t j = 0; j < 3 * w; j++)
            out[j] = to_byte(x[(size_t)i * 3 * w + j]);
    }
}

static int draw(const struct cli *cli, const daub_image *picture, const char *path, const char *format)
{
    const uint32_t w = picture->width, h = picture->height, channels = picture->channels;
    const uint32_t columns = cli->columns ? cli->columns : 9;
    const size_t n = (size_t)w * h * 3;
    const uint64_t width = (uint64_t)columns * (w + GAP), height = (uint64_t)N_ROWS * (h + GAP);
    if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS)
        return cli_fail("a strip of %u pictures of %ux%u is too large; give a smaller picture or fewer --columns",
                        columns * N_ROWS, w, h);
    daub_image strip = { .width = columns * (w + GAP) - GAP, .height = N_ROWS * (h + GAP) - GAP, .channels = 3 };
    float *x0 = malloc(n * sizeof(float)), *xt = malloc(n * sizeof(float));
    strip.pixels = malloc((size_t)strip.width * strip.height * 3);
    int status = x0 && xt && strip.pixels ? EXIT_OK
                                          : cli_fail("no memory for a strip of %ux%u", strip.width, strip.height);
    if (status == EXIT_OK)
        memset(strip.pixels, 255, (size_t)strip.width * strip.height * 3);
    for (size_t i = 0; status == EXIT_OK && i < n; i++)
        x0[i] = (float)picture->pixels[i / 3 * channels + (channels < 3 ? 0 : i % 3)] / 127.5f - 1.0f;
    for (uint32_t row = 0; status == EXIT_OK && row < N_ROWS; row++) {
        for (uint32_t column = 0; status == EXIT_OK && column < columns; column++) {
            const int32_t t = column == 0 ? -1 : (int32_t)((uint64_t)column * 999 / (columns - 1));
            if (daub_add_noise((daub_noise_schedule)row, t, cli->seed, x0, xt, n) != DAUB_OK)
                status = cli_failed();
            else
                place(&strip, xt, w, h, column, row);
        }
    }
    if (status == EXIT_OK && !picture_write(path, format, cli->quality ? (int)cli->quality : 92, &strip, NULL))
        status = EXIT_FAILED;
    free(x0);
    free(xt);
    free(strip.pixels);
    return status;
}

int cli_noise(const struct cli *cli)
{
    const char *path = cli->output ? cli->output : "noise.png";
    const char *format = picture_format(path, cli->format);
    if (!format || !picture_check_writable(path))
        return EXIT_FAILED;
    daub_image picture = { 0 };
    if (daub_image_read(cli->text, &picture) != DAUB_OK)
        return cli_failed();
    const int status = draw(cli, &picture, path, format);
    daub_image_free(&picture);
    if (status == EXIT_OK && !cli->quiet && strcmp(path, "-") != 0)
        printf("%s: rows scaled-linear, linear, cosine; t from 0 to 999\n", path);
    return status;
}

// noise.c - daub noise PICTURE: the forward process q(x_t | x_0) as a film strip, a row a noise schedule, time from left to right.
#include "sheet.h"

#include <stdlib.h>
#include <string.h>

enum { N_ROWS = 3 };

static uint8_t to_byte(float v)
{
    const float x = (v + 1.0f) * 127.5f;
    return x <= 0.0f ? 0 : x >= 255.0f ? 255 : (uint8_t)(x + 0.5f);
}

static int draw(const struct cli *cli, const daub_image *picture, const char *path, const char *format)
{
    const uint32_t w = picture->width, h = picture->height, channels = picture->channels;
    const uint32_t columns = cli->columns ? cli->columns : 9;
    const size_t n = (size_t)w * h * 3;
    struct sheet strip = { .columns = columns, .rows = N_ROWS, .width = w, .height = h, .gap = 4 };
    if (!sheet_create(&strip, "give a smaller picture or fewer --columns"))
        return EXIT_FAILED;
    float *x0 = malloc(n * sizeof(float)), *xt = malloc(n * sizeof(float));
    uint8_t *bytes = malloc(n);
    int status = x0 && xt && bytes ? EXIT_OK : cli_fail("no memory for a picture of %ux%u", w, h);
    for (size_t i = 0; status == EXIT_OK && i < n; i++)
        x0[i] = (float)picture->pixels[i / 3 * channels + (channels < 3 ? 0 : i % 3)] / 127.5f - 1.0f;
    for (uint32_t row = 0; status == EXIT_OK && row < N_ROWS; row++) {
        for (uint32_t column = 0; status == EXIT_OK && column < columns; column++) {
            const int32_t t = column == 0 ? -1 : (int32_t)((uint64_t)column * 999 / (columns - 1));
            if (daub_add_noise((daub_noise_schedule)row, t, cli->seed, x0, xt, n) != DAUB_OK)
                status = cli_failed();
            for (size_t i = 0; status == EXIT_OK && i < n; i++)
                bytes[i] = to_byte(xt[i]);
            sheet_place(&strip, &(daub_image) { .width = w, .height = h, .channels = 3, .pixels = bytes }, column, row);
        }
    }
    if (status == EXIT_OK && !picture_write(cli, path, format, &strip.image, NULL))
        status = EXIT_FAILED;
    free(x0);
    free(xt);
    free(bytes);
    sheet_free(&strip);
    return status;
}

int cli_noise(const struct cli *cli)
{
    const char *path = cli->output ? cli->output : "noise.png";
    const char *format = picture_format(path, cli->format);
    if (!format || !picture_check_writable(path))
        return EXIT_FAILED;
    picture_check_quality(cli, format);
    daub_image picture = { 0 };
    if (daub_image_read(cli->text, &picture) != DAUB_OK)
        return cli_failed();
    const int status = draw(cli, &picture, path, format);
    daub_image_free(&picture);
    if (status == EXIT_OK && cli->json && strcmp(path, "-") != 0)
        cli_json_path(path);
    else if (status == EXIT_OK && !cli->quiet && strcmp(path, "-") != 0)
        printf("%s: rows scaled-linear, linear, cosine; t from 0 to 999\n", path);
    return status;
}

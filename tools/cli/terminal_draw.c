// terminal_draw.c - pictures in the codes of terminals.
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

void codes_put(struct codes *c, const void *data, size_t n)
{
    if (c->n + n > c->capacity && !c->failed) {
        const size_t capacity = 2 * c->capacity + n + 4096;
        char *at = realloc(c->at, capacity);
        if (at) {
            c->at = at;
            c->capacity = capacity;
        } else {
            c->failed = true;
        }
    }
    if (c->failed)
        return;
    memcpy(c->at + c->n, data, n);
    c->n += n;
}

void codes_printf(struct codes *c, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof(text))
        codes_put(c, text, (size_t)n);
}

// ---- where -----------------------------------------------------------------------------------------------------------

struct terminal_box terminal_fit(const struct terminal_size *size, enum terminal_mode mode, uint32_t width,
                                 uint32_t height)
{
    enum {
        SIXEL_WIDTH = 800
    }; // pixels: some hundred kilobytes a picture, where the other codes let the terminal scale
    const double cell_width = mode == TERMINAL_BLOCKS ? 1.0 : size->cell_width;
    const double cell_height = mode == TERMINAL_BLOCKS ? 2.0 : size->cell_height;
    const double shape = (double)height / (double)width * cell_width / cell_height; // rows a column
    double columns = size->columns > 1 ? size->columns - 1 : 1;                     // a full line would wrap
    const double most = size->rows > 3 ? size->rows - 2 : 1;
    if (mode == TERMINAL_SIXEL && columns * cell_width > SIXEL_WIDTH)
        columns = SIXEL_WIDTH / cell_width;
    if (columns * shape > most)
        columns = most / shape;
    const uint32_t whole = columns < 1.0 ? 1 : (uint32_t)columns;
    const double rows = whole * shape + 0.5;
    return (struct terminal_box) { whole, rows < 1.0 ? 1 : rows > most ? (uint32_t)most : (uint32_t)rows };
}

// The picture as RGB of width x height pixels; NULL: no memory.
static uint8_t *scaled(struct codes *c, const daub_image *picture, uint32_t width, uint32_t height)
{
    uint8_t *pixels = malloc((size_t)width * height * 3);
    if (pixels)
        resample(picture->pixels, picture->width, picture->height, pixels, width, height);
    else
        c->failed = true;
    return pixels;
}

// ---- half blocks -----------------------------------------------------------------------------------------------------

// The nearest of xterm's 256 colours that are the same everywhere: the cube 16..231 and the greys 232..255.
static uint32_t colour_256(const uint8_t *rgb)
{
    static const int levels[] = { 0, 95, 135, 175, 215, 255 };
    int cube[3], far = 0, grey_far = 0;
    const int mean = (rgb[0] + rgb[1] + rgb[2]) / 3;
    int grey = (mean - 8 + 5) / 10;
    grey = grey < 0 ? 0 : grey > 23 ? 23 : grey;
    for (int c = 0; c < 3; c++) {
        cube[c] = 0;
        for (int i = 1; i < 6; i++)
            if (abs(levels[i] - rgb[c]) < abs(levels[cube[c]] - rgb[c]))
                cube[c] = i;
        far += (levels[cube[c]] - rgb[c]) * (levels[cube[c]] - rgb[c]);
        grey_far += (8 + 10 * grey - rgb[c]) * (8 + 10 * grey - rgb[c]);
    }
    return (uint32_t)(grey_far < far ? 232 + grey : 16 + 36 * cube[0] + 6 * cube[1] + cube[2]);
}

static void put_colour(struct codes *c, bool full, int ground, const uint8_t *rgb)
{
    if (full)
        codes_printf(c, "\033[%d;2;%u;%u;%um", ground, (unsigned)rgb[0], (unsigned)rgb[1], (unsigned)rgb[2]);
    else
        codes_printf(c, "\033[%d;5;%um", ground, colour_256(rgb));
}

static void draw_blocks(struct codes *c, const daub_image *picture, struct terminal_box box)
{
    const bool full = terminal_true_colour();
    const uint32_t width = box.columns, height = 2 * box.rows;
    uint8_t *pixels = scaled(c, picture, width, height);
    if (!pixels)
        return;
    for (uint32_t y = 0; y < height; y += 2) {
        const uint8_t *upper = pixels + 3 * (size_t)y * width, *lower = upper + 3 * (size_t)width;
        for (uint32_t x = 0; x < width; x++, upper += 3, lower += 3) {
            if (x == 0 || memcmp(upper, upper - 3, 3) != 0)
                put_colour(c, full, 38, upper);
            if (x == 0 || memcmp(lower, lower - 3, 3) != 0)
                put_colour(c, full, 48, lower);
            codes_put(c, "\xe2\x96\x80", 3); // U+2580, upper half block
        }
        codes_printf(c, "\033[0m\r\033[B");
    }
    free(pixels);
}

// ---- as files --------------------------------------------------------------------------------------------------------

static void put_base64(struct codes *c, const uint8_t *data, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const size_t left = n - i;
        const uint32_t v = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                           (left > 2 ? data[i + 2] : 0u);
        const char four[4] = { digits[v >> 18], digits[v >> 12 & 63], left > 1 ? digits[v >> 6 & 63] : '=',
                               left > 2 ? digits[v & 63] : '=' };
        codes_put(c, four, 4);
    }
}

static void draw_kitty(struct codes *c, const uint8_t *png, size_t size, struct terminal_box box, uint32_t id)
{
    enum { CHUNK = 4096 / 4 * 3 }; // bytes whose base64 has the 4096 characters that a chunk may have
    for (size_t at = 0; at < size; at += CHUNK) {
        const size_t n = size - at < CHUNK ? size - at : CHUNK;
        const int more = at + n < size;
        if (at == 0) // shown at once, as PNG; q=2: no answers; C=1: the cursor stays
            codes_printf(c, "\033_Ga=T,f=100,t=d,q=2,i=%u,p=1,c=%u,r=%u,C=1,m=%d;", id, box.columns, box.rows, more);
        else
            codes_printf(c, "\033_Gm=%d;", more);
        put_base64(c, png + at, n);
        codes_put(c, "\033\\", 2);
    }
}

static void draw_iterm2(struct codes *c, const uint8_t *png, size_t size, struct terminal_box box)
{
    codes_printf(c, "\033]1337;File=inline=1;size=%llu;width=%u;height=%u;preserveAspectRatio=0:",
                 (unsigned long long)size, box.columns, box.rows);
    put_base64(c, png, size);
    codes_put(c, "\a", 1);
}

static void draw_file(struct codes *c, enum terminal_mode mode, const daub_image *picture, struct terminal_box box,
                      uint32_t id)
{
    size_t size = 0;
    uint8_t *png = png_encode(picture, NULL, &size);
    if (!png)
        c->failed = true;
    else if (mode == TERMINAL_KITTY)
        draw_kitty(c, png, size, box, id);
    else
        draw_iterm2(c, png, size, box);
    free(png);
}

static void draw_sixel(struct codes *c, const daub_image *picture, struct terminal_box box,
                       const struct terminal_size *size)
{
    const uint32_t width = box.columns * size->cell_width, rows = box.rows * size->cell_height;
    const uint32_t height = rows >= 6 ? rows / 6 * 6 : rows; // whole bands, none of which may reach into the line below
    uint8_t *pixels = scaled(c, picture, width, height);
    if (pixels)
        sixel_draw(c, pixels, width, height);
    free(pixels);
}

void terminal_draw(struct codes *c, enum terminal_mode mode, const daub_image *picture, struct terminal_box box,
                   const struct terminal_size *size, uint32_t id)
{
    if (mode == TERMINAL_BLOCKS)
        draw_blocks(c, picture, box);
    else if (mode == TERMINAL_SIXEL)
        draw_sixel(c, picture, box, size);
    else
        draw_file(c, mode, picture, box, id);
}

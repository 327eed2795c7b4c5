// sixel.c - a picture as DEC's sixels (VT330/VT340 Programmer Reference Manual, volume 2, chapter 14).
//
// An encoder of our own and not libsixel: what is wanted of it is a hundred lines, a library would be one more thing to find at build
// time, and its palette, made for each picture anew, flickers from step to step. This one is fixed: 6 x 6 x 6 colours, and between
// them Bayer's ordered dither of 8 x 8, which depends on the place alone.
#include "terminal.h"

#include <string.h>

enum { LEVELS = 6, COLOURS = LEVELS * LEVELS * LEVELS, BAND = 6, MAX_WIDTH = 1024 };

// Bayer's matrix at x, y: 0..63.
static uint32_t bayer(uint32_t x, uint32_t y)
{
    uint32_t value = 0;
    for (uint32_t bit = 0; bit < 3; bit++) {
        const uint32_t u = x >> bit & 1, v = y >> bit & 1;
        value |= (u ^ v) << (5 - 2 * bit) | v << (4 - 2 * bit);
    }
    return value;
}

// The nearest of the palette's colours, once the dither of that place is added.
static uint8_t colour_of(const uint8_t *rgb, uint32_t x, uint32_t y)
{
    const uint32_t dither = 2 * bayer(x, y) + 1; // of 128: mean a half, which rounds
    uint32_t colour = 0;
    for (int c = 0; c < 3; c++)
        colour = colour * LEVELS + (rgb[c] * (LEVELS - 1) * 128u + 255 * dither) / (255 * 128);
    return (uint8_t)colour;
}

// `run` times the same six pixels, bit 0 the uppermost.
static void put_run(struct codes *c, uint32_t run, uint8_t bits)
{
    if (run > 3) {
        codes_printf(c, "!%u%c", run, '?' + bits);
        return;
    }
    for (uint32_t i = 0; i < run; i++)
        codes_printf(c, "%c", '?' + bits);
}

// One colour's sixels of a band; what is empty at the end is left out.
static void put_colour(struct codes *c, const uint8_t *bits, uint32_t width)
{
    uint32_t run = 0;
    for (uint32_t x = 0; x < width; x++) {
        run++;
        if (x + 1 < width && bits[x + 1] == bits[x])
            continue;
        if (x + 1 < width || bits[x])
            put_run(c, run, bits[x]);
        run = 0;
    }
}

void sixel_draw(struct codes *c, const uint8_t *rgb, uint32_t width, uint32_t height)
{
    static uint8_t
        bits[COLOURS]
            [MAX_WIDTH]; // one picture at a time: previews come from one thread, and the last one after it has ended
    bool used[COLOURS];
    const uint32_t w = width < MAX_WIDTH ? width : MAX_WIDTH;
    codes_printf(c, "\033P0;1;0q\"1;1;%u;%u", w, height); // 1: what is not drawn stays as it is
    for (uint32_t i = 0; i < COLOURS; i++)
        codes_printf(c, "#%u;2;%u;%u;%u", i, i / (LEVELS * LEVELS) * 20, i / LEVELS % LEVELS * 20, i % LEVELS * 20);
    for (uint32_t y = 0; y < height; y += BAND) {
        memset(used, 0, sizeof(used));
        for (uint32_t i = 0; i < BAND && y + i < height; i++)
            for (uint32_t x = 0; x < w; x++) {
                const uint8_t k = colour_of(rgb + 3 * ((size_t)(y + i) * width + x), x, y + i);
                if (!used[k])
                    memset(bits[k], 0, w);
                used[k] = true;
                bits[k][x] = (uint8_t)(bits[k][x] | 1u << i);
            }
        bool first = true;
        for (uint32_t k = 0; k < COLOURS; k++) {
            if (!used[k])
                continue;
            codes_printf(c, first ? "#%u" : "$#%u", k);
            put_colour(c, bits[k], w);
            first = false;
        }
        if (y + BAND < height)
            codes_put(c, "-", 1);
    }
    codes_put(c, "\033\\", 2);
}

// sheet.c - see sheet.h. The letters are stb_easy_font's: ASCII, seven dots high, and no file of a font is needed.
#include "sheet.h"

#include <stb/stb_easy_font.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 65535, MAX_PIXELS = 1 << 28 }; // a JPEG's side; what PNG's encoder counts

// ---- the sheet -------------------------------------------------------------------------------------------------------

static uint64_t full_width(const struct sheet *s)
{
    return s->left + (uint64_t)s->columns * s->width + (uint64_t)(s->columns - 1) * s->gap;
}

static uint64_t full_height(const struct sheet *s)
{
    return s->top + (uint64_t)s->rows * ((uint64_t)s->height + s->foot) + (uint64_t)(s->rows - 1) * s->gap;
}

bool sheet_check(const struct sheet *s, const char *hint)
{
    const uint64_t width = full_width(s), height = full_height(s);
    if (width <= MAX_SIDE && height <= MAX_SIDE && width * height <= MAX_PIXELS)
        return true;
    cli_fail("a picture of %llux%llu from %llu of %ux%u is too large, the limit is %d a side and %d pixels in all; %s",
             (unsigned long long)width, (unsigned long long)height, (unsigned long long)s->columns * s->rows, s->width,
             s->height, (int)MAX_SIDE, (int)MAX_PIXELS, hint);
    return false;
}

bool sheet_create(struct sheet *s, const char *hint)
{
    if (!sheet_check(s, hint))
        return false;
    s->image = (daub_image) { .width = (uint32_t)full_width(s), .height = (uint32_t)full_height(s), .channels = 3 };
    const size_t size = (size_t)s->image.width * s->image.height * 3;
    s->image.pixels = malloc(size);
    if (!s->image.pixels) {
        cli_fail("no memory for a picture of %ux%u", s->image.width, s->image.height);
        return false;
    }
    memset(s->image.pixels, 255, size);
    return true;
}

void sheet_free(struct sheet *s)
{
    free(s->image.pixels);
    s->image.pixels = NULL;
}

uint32_t sheet_scale(uint32_t width, uint32_t height)
{
    const uint32_t side = width < height ? width : height;
    return side < 160 ? 1 : side < 640 ? 2 : side / 320;
}

static struct sheet_box cell(const struct sheet *s, uint32_t column, uint32_t row)
{
    return (struct sheet_box) { s->left + column * (s->width + s->gap), s->top + row * (s->height + s->foot + s->gap),
                                s->width, s->height };
}

void sheet_place(struct sheet *s, const daub_image *picture, uint32_t column, uint32_t row)
{
    const struct sheet_box at = cell(s, column, row);
    const uint32_t x = at.x + (s->width - picture->width) / 2, y = at.y + (s->height - picture->height) / 2;
    for (uint32_t i = 0; i < picture->height; i++)
        memcpy(s->image.pixels + 3 * ((size_t)(y + i) * s->image.width + x),
               picture->pixels + 3 * (size_t)i * picture->width, 3 * (size_t)picture->width);
}

struct sheet_box sheet_foot(const struct sheet *s, uint32_t column, uint32_t row)
{
    const struct sheet_box at = cell(s, column, row);
    return (struct sheet_box) { at.x, at.y + at.height + s->scale, at.width, s->foot - s->scale };
}

struct sheet_box sheet_head(const struct sheet *s, uint32_t column)
{
    return (struct sheet_box) { cell(s, column, 0).x, s->scale, s->width, s->top - s->scale };
}

struct sheet_box sheet_side(const struct sheet *s, uint32_t row)
{
    return (struct sheet_box) { s->scale, cell(s, 0, row).y, s->left - 2 * s->scale, s->height };
}

// ---- words -----------------------------------------------------------------------------------------------------------

// The next character as one that the font has; 0 at the end.
static char next_letter(const char **text)
{
    const unsigned char c = (unsigned char)**text;
    if (!c)
        return 0;
    ++*text;
    while (c >= 0x80 && ((unsigned char)**text & 0xc0) == 0x80) // the rest of a character of UTF-8
        ++*text;
    return c == '\n' ? '\n' : c < 0x20 ? ' ' : c < 0x7f ? (char)c : '?';
}

static uint32_t letter_width(char letter)
{
    char text[2] = { letter, '\0' };
    return (uint32_t)stb_easy_font_width(text);
}

uint32_t sheet_words_width(const struct sheet *s, const char *text)
{
    uint32_t width = 0;
    for (char c; (c = next_letter(&text)) != 0;)
        width += letter_width(c);
    return width * s->scale;
}

struct vertex { // as stb_easy_font_print writes them, four a rectangle
    float x, y, z;
    uint8_t colour[4];
};

static void fill(struct sheet *s, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
    for (uint32_t i = y; i < y + height && i < s->image.height; i++)
        for (uint32_t j = x; j < x + width && j < s->image.width; j++)
            memset(s->image.pixels + 3 * ((size_t)i * s->image.width + j), 0, 3);
}

static void draw_letter(struct sheet *s, uint32_t x, uint32_t y, char letter)
{
    enum { MAX_RECTANGLES = 32 };
    alignas(struct vertex) char buffer[MAX_RECTANGLES * 4 * sizeof(struct vertex)];
    char text[2] = { letter, '\0' };
    const int n = stb_easy_font_print(0.0f, 0.0f, text, NULL, buffer, sizeof(buffer));
    for (int i = 0; i < n; i++) {
        struct vertex corner[4];
        memcpy(corner, buffer + (size_t)i * sizeof(corner), sizeof(corner));
        const uint32_t left = (uint32_t)corner[0].x, top = (uint32_t)corner[0].y;
        fill(s, x + left * s->scale, y + top * s->scale, ((uint32_t)corner[2].x - left) * s->scale,
             ((uint32_t)corner[2].y - top) * s->scale);
    }
}

// Where the line that begins at `text` ends: before the last space that leaves it within `width` dots, else inside a word.
static const char *line_end(const char *text, uint32_t width)
{
    const char *at = text, *space = NULL;
    for (uint32_t used = 0; *at;) {
        const char *next = at;
        const char c = next_letter(&next);
        if (c == '\n')
            return at;
        used += letter_width(c);
        if (used > width)
            return space ? space : at > text ? at : next;
        at = next;
        if (*at == ' ')
            space = at;
    }
    return at;
}

// Where the line after one that ends here begins.
static const char *line_begin(const char *end)
{
    while (*end == ' ')
        end++;
    return *end == '\n' ? end + 1 : end;
}

static void draw_line(struct sheet *s, struct sheet_box box, uint32_t y, const char *text, const char *end, bool cut)
{
    static const char dots[] = "...";
    const uint32_t room = box.width / s->scale, mark = cut ? 3 * letter_width('.') : 0;
    uint32_t width = 0;
    const char *stop = text;
    while (stop < end) {
        const char *next = stop;
        const uint32_t more = letter_width(next_letter(&next));
        if (width + more + mark > room)
            break;
        width += more;
        stop = next;
    }
    uint32_t x = box.x + (room > width + mark ? (room - width - mark) / 2 : 0) * s->scale;
    while (text < stop) {
        const char c = next_letter(&text);
        draw_letter(s, x, y, c);
        x += letter_width(c) * s->scale;
    }
    for (const char *d = dots; cut && *d; d++, x += letter_width('.') * s->scale)
        draw_letter(s, x, y, *d);
}

void sheet_words(struct sheet *s, struct sheet_box box, const char *text)
{
    const uint32_t most = box.height / (SHEET_LINE * s->scale), room = box.width / s->scale;
    uint32_t n = 0;
    for (const char *at = text; *at && n < most; n++) // for the middle, the lines are counted first
        at = line_begin(line_end(at, room));
    uint32_t y = box.y + (box.height - n * SHEET_LINE * s->scale) / 2;
    for (uint32_t i = 0; i < n; i++, y += SHEET_LINE * s->scale) {
        const char *end = line_end(text, room), *next = line_begin(end);
        const bool cut = i + 1 == n && *next;
        draw_line(s, box, y, text, cut ? end + strlen(end) : end, cut);
        text = next;
    }
}

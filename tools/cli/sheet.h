// sheet.h - pictures in rows and columns on one white picture, with words around them: film strips and grids.
#ifndef DAUB_CLI_SHEET_H
#define DAUB_CLI_SHEET_H
#include "cli.h"

struct sheet {
    daub_image image;                      // RGB; made by sheet_create
    uint32_t columns, rows, width, height; // of a cell, pixels
    uint32_t gap;                          // pixels between cells
    uint32_t top, left;                    // pixels for words above the columns and left of the rows
    uint32_t foot;                         // pixels for words below every cell
    uint32_t scale;                        // pixels a dot of a letter
};

enum { SHEET_LINE = 12 }; // dots from one line of words to the next

struct sheet_box {
    uint32_t x, y, width, height;
};

// False after a sentence that ends in `hint`: larger than a JPEG or PNG can be. Looks at sizes alone.
bool sheet_check(const struct sheet *sheet, const char *hint);
// sheet_check, then makes the picture, all white. sheet_free afterwards.
bool sheet_create(struct sheet *sheet, const char *hint);
void sheet_free(struct sheet *sheet);
// Dots of letters that suit cells of this size, pixels a dot.
uint32_t sheet_scale(uint32_t width, uint32_t height);
// A picture of at most a cell's size, in the middle of its cell; its bytes are not changed.
void sheet_place(struct sheet *sheet, const daub_image *picture, uint32_t column, uint32_t row);
// Below a cell, above a column, left of a row.
struct sheet_box sheet_foot(const struct sheet *sheet, uint32_t column, uint32_t row);
struct sheet_box sheet_head(const struct sheet *sheet, uint32_t column);
struct sheet_box sheet_side(const struct sheet *sheet, uint32_t row);
// Pixels that a text takes on one line.
uint32_t sheet_words_width(const struct sheet *sheet, const char *text);
// Black words in the middle of a box, in as many lines as it has room for, broken at newlines and at spaces; the rest is "...".
// UTF-8; what is not ASCII is drawn as one '?' a character.
void sheet_words(struct sheet *sheet, struct sheet_box box, const char *text);

#endif

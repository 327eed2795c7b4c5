// terminal.h - what the terminal behind standard error is and can, and pictures in its codes.
#ifndef DAUB_CLI_TERMINAL_H
#define DAUB_CLI_TERMINAL_H
#include "cli.h"

enum terminal_mode {
    TERMINAL_NONE = 0, // can not even move its cursor
    TERMINAL_KITTY,    // https://sw.kovidgoyal.net/kitty/graphics-protocol
    TERMINAL_ITERM2,   // https://iterm2.com/documentation-images.html
    TERMINAL_SIXEL,    // DEC's, as VT340 and xterm -ti vt340 have it
    TERMINAL_BLOCKS,   // two pixels a character: U+2580 in one colour on another
};

struct terminal_size {
    uint32_t columns, rows;
    uint32_t cell_width, cell_height; // pixels of a character
};

bool terminal_mode_of(const char *name, enum terminal_mode *mode); // by --preview's word; "auto" is none
// By the environment, and where that does not say, by asking the terminal: for at most 100 ms (500 where SSH_TTY is set), its settings restored afterwards.
enum terminal_mode terminal_detect(void);
struct terminal_size terminal_size(void);
bool terminal_true_colour(void); // 24 bits; else the 256 colours of xterm

struct codes { // bytes for a terminal, to be written at once
    char *at;
    size_t n, capacity;
    bool failed; // no memory
};

void codes_put(struct codes *c, const void *data, size_t n);
void codes_printf(struct codes *c, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

struct terminal_box { // where a picture goes: characters
    uint32_t columns, rows;
};

// As large as the terminal's width has room for, and its height less two lines; the picture's shape kept.
struct terminal_box terminal_fit(const struct terminal_size *size, enum terminal_mode mode, uint32_t width,
                                 uint32_t height);
// The picture at the cursor. Where the cursor is afterwards depends on the terminal. `id` 1..: a kitty picture of the same one is replaced.
void terminal_draw(struct codes *c, enum terminal_mode mode, const daub_image *picture, struct terminal_box box,
                   const struct terminal_size *size, uint32_t id);

// sixel.c: a picture as it is, RGB.
void sixel_draw(struct codes *c, const uint8_t *rgb, uint32_t width, uint32_t height);
// resample.c: to another size with a triangle filter, as wide as an output pixel where the picture shrinks. Both RGB.
void resample(const uint8_t *from, uint32_t width, uint32_t height, uint8_t *to, uint32_t to_width, uint32_t to_height);

#endif

// preview.c - --preview: pictures in the terminal while they are made.
//
// The place of a picture is some lines; below it the cursor waits in the line that the progress bar is drawn in. Every picture goes out in
// one write: save the cursor, up, the picture, restore the cursor. Nothing of the terminal is changed that an end by Ctrl-C would have to
// mend. Where a picture ends depends on the terminal's codes, so nothing relies on it.
#include "platform.h"
#include "show.h"

#include <stdlib.h>
#include <unistd.h>

int preview_begin(struct preview *p, const struct cli *cli)
{
    if (!cli->preview)
        return EXIT_OK;
    if (!terminal_mode_of(cli->preview, &p->mode)) {
        cli_fail("--preview wants auto, kitty, iterm2, sixel or blocks, not '%s'", cli->preview);
        return EXIT_USAGE;
    }
    if (p->mode == TERMINAL_NONE) {
        if (!platform_is_terminal(stderr)) {
            cli_fail("--preview draws on the terminal, and standard error is none; --preview=kitty, iterm2, sixel or "
                     "blocks draws all the same");
            return EXIT_USAGE;
        }
        p->mode = terminal_detect();
    }
    if (p->mode == TERMINAL_NONE) {
        const char *term = getenv("TERM");
        cli_fail("--preview wants a terminal that moves its cursor, and TERM is '%s'; --preview=blocks draws all the "
                 "same",
                 term ? term : "");
        return EXIT_USAGE;
    }
    p->limited = cli->preview_every == 0;
    p->id = 1 + ((uint32_t)getpid() << 8 & 0xffffff); // kitty's, of one window and all programs in it
    return EXIT_OK;
}

void preview_next(struct preview *p)
{
    p->id++;
    p->drawn = false;
    p->last = 0.0;
}

static bool same(const struct terminal_size *a, const struct terminal_size *b)
{
    return a->columns == b->columns && a->rows == b->rows && a->cell_width == b->cell_width &&
           a->cell_height == b->cell_height;
}

void preview_draw(struct preview *p, const daub_image *image, bool final)
{
    const double now = cli_seconds(), pause = 0.1; // s: more than ten a second is not seen and slows the terminal
    if (p->mode == TERMINAL_NONE || (p->limited && !final && p->drawn && now - p->last < pause))
        return;
    p->last = now;
    struct codes codes = { 0 };
    const struct terminal_size size = terminal_size();
    if (!p->drawn || !same(&size, &p->size)) { // another size of the window: what was there has moved
        p->size = size;
        p->box = terminal_fit(&size, p->mode, image->width, image->height);
        codes_printf(&codes, "\r\033[K");
        for (uint32_t i = 0; i < p->box.rows; i++)
            codes_put(&codes, "\n", 1);
        p->drawn = true;
    }
    codes_printf(&codes, "\0337\r\033[%uA", p->box.rows);
    terminal_draw(&codes, p->mode, image, p->box, &size, p->id);
    codes_printf(&codes, "\0338");
    if (!codes.failed) { // else this one is not seen
        fwrite(codes.at, 1, codes.n, stderr);
        fflush(stderr);
    }
    free(codes.at);
}

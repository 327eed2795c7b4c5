// test_command_terminal.c - "--preview draws the emerging picture in terminals that can (kitty, iTerm2, sixel, else half blocks)": which
// terminal is taken for which, how large a picture becomes in it, and the codes of each, byte by byte.
#include "tests/command/harness.h"

#include "tools/cli/terminal.h"

#include <unistd.h>

static const char *const telling[] = { "KITTY_WINDOW_ID", "TERM", "TERM_PROGRAM", "LC_TERMINAL", "COLORTERM", "TMUX" };

static void forget(void)
{
    for (size_t i = 0; i < sizeof(telling) / sizeof(telling[0]); i++)
        unsetenv(telling[i]);
}

// "NAME=VALUE NAME=VALUE"; the test has no terminal to ask, which then draws blocks.
static void detection(void)
{
    static const struct {
        const char *environment;
        enum terminal_mode mode;
    } cases[] = {
        { "", TERMINAL_NONE },
        { "TERM=dumb", TERMINAL_NONE },
        { "TERM=xterm", TERMINAL_BLOCKS },
        { "TERM=xterm-kitty", TERMINAL_KITTY },
        { "TERM=xterm KITTY_WINDOW_ID=1", TERMINAL_KITTY },
        { "TERM=xterm-ghostty", TERMINAL_KITTY },
        { "TERM=xterm TERM_PROGRAM=ghostty", TERMINAL_KITTY },
        { "TERM=xterm TERM_PROGRAM=iTerm.app", TERMINAL_ITERM2 },
        { "TERM=xterm LC_TERMINAL=iTerm2", TERMINAL_ITERM2 },
        { "TERM=xterm TERM_PROGRAM=WezTerm", TERMINAL_ITERM2 },
        { "TERM=xterm TERM_PROGRAM=mintty", TERMINAL_ITERM2 },
        { "TERM=screen KITTY_WINDOW_ID=1", TERMINAL_BLOCKS },
        { "TERM=screen-256color KITTY_WINDOW_ID=1", TERMINAL_BLOCKS },
        { "TERM=tmux-256color LC_TERMINAL=iTerm2", TERMINAL_BLOCKS },
        { "TERM=xterm TMUX=1 KITTY_WINDOW_ID=1", TERMINAL_BLOCKS },
        { "TERM=xterm TMUX=", TERMINAL_BLOCKS },
    };
    if (setsid() < 0) { // a leader of its group already: then /dev/tty may be somebody's
        printf("detection skipped: it has a terminal\n");
        return;
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "%s", cases[i].environment);
        forget();
        for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) {
            char *equals = strchr(word, '=');
            REQUIRE(equals);
            *equals = '\0';
            REQUIRE(setenv(word, equals + 1, 1) == 0);
        }
        if (terminal_detect() != cases[i].mode)
            TEST_FAIL("%s is %d, wanted %d", cases[i].environment, (int)terminal_detect(), (int)cases[i].mode);
    }
    forget();
    REQUIRE(!terminal_true_colour());
    REQUIRE(setenv("COLORTERM", "truecolor", 1) == 0 && terminal_true_colour());
    REQUIRE(setenv("COLORTERM", "24bit", 1) == 0 && terminal_true_colour());
    REQUIRE(setenv("COLORTERM", "yes", 1) == 0 && !terminal_true_colour());
    forget();
}

static void fitting(void)
{
    static const struct {
        struct terminal_size size;
        enum terminal_mode mode;
        uint32_t width, height, columns, rows;
    } cases[] = {
        { { 65, 40, 8, 16 }, TERMINAL_BLOCKS, 64, 64, 64, 32 },  // a pixel each
        { { 33, 40, 8, 16 }, TERMINAL_BLOCKS, 128, 64, 32, 8 },  // one column stays free
        { { 200, 12, 8, 16 }, TERMINAL_BLOCKS, 64, 64, 20, 10 }, // and two lines
        { { 80, 30, 10, 20 }, TERMINAL_KITTY, 64, 64, 56, 28 },  // cells of another shape
        { { 80, 30, 10, 10 }, TERMINAL_ITERM2, 64, 64, 28, 28 },
        { { 200, 100, 10, 20 }, TERMINAL_SIXEL, 64, 32, 80, 20 }, // 800 pixels at most
        { { 200, 100, 10, 20 }, TERMINAL_KITTY, 64, 32, 199, 50 },
        { { 1, 1, 8, 16 }, TERMINAL_BLOCKS, 64, 64, 1, 1 },
        { { 80, 24, 8, 16 }, TERMINAL_BLOCKS, 16384, 8, 79, 1 },
        { { 80, 24, 8, 16 }, TERMINAL_BLOCKS, 8, 16384, 1, 22 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct terminal_box box = terminal_fit(&cases[i].size, cases[i].mode, cases[i].width, cases[i].height);
        if (box.columns != cases[i].columns || box.rows != cases[i].rows)
            TEST_FAIL("case %zu: %ux%u, wanted %ux%u", i, box.columns, box.rows, cases[i].columns, cases[i].rows);
    }
    REQUIRE(setenv("COLUMNS", "21", 1) == 0 && setenv("LINES", "50", 1) == 0); // where no terminal says
    struct terminal_size size = terminal_size();
    REQUIRE(isatty(STDERR_FILENO) ||
            (size.columns == 21 && size.rows == 50 && size.cell_width == 8 && size.cell_height == 16));
    unsetenv("COLUMNS");
    unsetenv("LINES");
    size = terminal_size();
    REQUIRE(isatty(STDERR_FILENO) || (size.columns == 80 && size.rows == 24));
}

// What a terminal of 8x16 cells gets of a picture.
static char *codes_of(enum terminal_mode mode, const daub_image *image, uint32_t columns, uint32_t rows, size_t *n)
{
    const struct terminal_size size = { 80, 24, 8, 16 };
    struct codes codes = { 0 };
    terminal_draw(&codes, mode, image, (struct terminal_box) { columns, rows }, &size, 77);
    codes_put(&codes, "", 1);
    REQUIRE(!codes.failed);
    *n = codes.n - 1;
    return codes.at;
}

static uint8_t pixels[64 * 64 * 3];
static const daub_image image = { .width = 2, .height = 2, .channels = 3, .pixels = pixels };

static void blocks(void)
{
    size_t n = 0;
    const uint8_t colours[] = { 255, 0, 0, 255, 0, 0, 0, 0, 250, 8, 8, 8 };
    memcpy(pixels, colours, sizeof(colours));
    REQUIRE(setenv("COLORTERM", "truecolor", 1) == 0);
    char *codes = codes_of(TERMINAL_BLOCKS, &image, 2, 1, &n);
    REQUIRE_TEXT(codes, "\033[38;2;255;0;0m\033[48;2;0;0;250m\xe2\x96\x80\033[48;2;8;8;8m\xe2\x96\x80\033[0m\r\033[B");
    free(codes);
    forget();
    codes = codes_of(TERMINAL_BLOCKS, &image, 2, 1, &n);
    REQUIRE_TEXT(codes, "\033[38;5;196m\033[48;5;21m\xe2\x96\x80\033[48;5;232m\xe2\x96\x80\033[0m\r\033[B");
    free(codes);
    static const struct { // the nearest of xterm's colours
        uint8_t rgb[3];
        const char *code;
    } nearest[] = {
        { { 0, 0, 0 }, "38;5;16m" },      { { 255, 255, 255 }, "38;5;231m" }, { { 128, 128, 128 }, "38;5;244m" },
        { { 95, 135, 175 }, "38;5;67m" }, { { 238, 238, 238 }, "38;5;255m" }, { { 47, 0, 0 }, "38;5;233m" },
        { { 80, 0, 0 }, "38;5;52m" },     { { 255, 215, 0 }, "38;5;220m" },   { { 0, 255, 135 }, "38;5;48m" },
    };
    for (size_t i = 0; i < sizeof(nearest) / sizeof(nearest[0]); i++) {
        for (int p = 0; p < 4; p++)
            memcpy(pixels + 3 * p, nearest[i].rgb, 3);
        codes = codes_of(TERMINAL_BLOCKS, &image, 1, 1, &n);
        if (strncmp(codes + 2, nearest[i].code, strlen(nearest[i].code)) != 0)
            TEST_FAIL("%u %u %u is %s", nearest[i].rgb[0], nearest[i].rgb[1], nearest[i].rgb[2], codes + 2);
        free(codes);
    }
}

static size_t decode(const char *text, size_t n, uint8_t *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0, held = 0;
    size_t made = 0;
    for (size_t i = 0; i < n && text[i] != '='; i++) {
        const char *at = strchr(digits, text[i]);
        REQUIRE(at);
        bits = bits << 6 | (uint32_t)(at - digits);
        held += 6;
        if (held >= 8)
            out[made++] = (uint8_t)(bits >> (held -= 8));
    }
    return made;
}

// The PNG in chunks of 4096 characters, all but the last with more to come; in iTerm2's code at once, with its size.
static void as_files(void)
{
    static uint8_t data[1 << 16];
    size_t n = 0, size = 0, png_size = 0, chunks = 0;
    uint32_t noise = 1; // which does not compress
    for (size_t i = 0; i < sizeof(pixels); i++)
        pixels[i] = (uint8_t)((noise = noise * 1664525 + 1013904223) >> 24);
    const daub_image big = { .width = 64, .height = 64, .channels = 3, .pixels = pixels };
    uint8_t *png = png_encode(&big, NULL, &png_size);
    REQUIRE(png && png_size > 4096);
    char *codes = codes_of(TERMINAL_KITTY, &big, 12, 6, &n), *at = codes;
    static const char first[] = "\033_Ga=T,f=100,t=d,q=2,i=77,p=1,c=12,r=6,C=1,m=1;";
    REQUIRE(strncmp(codes, first, sizeof(first) - 1) == 0);
    for (; at < codes + n; chunks++) {
        char *begin = strchr(at, ';'), *end = strchr(at, '\\');
        REQUIRE(begin && end && end[-1] == '\033' && end - 2 - begin <= 4096);
        const bool last = end + 1 == codes + n;
        REQUIRE(begin[-1] == (last ? '0' : '1') && (last || end - 2 - begin == 4096));
        REQUIRE(chunks == 0 || strncmp(at, "\033_Gm=", 5) == 0);
        size += decode(begin + 1, (size_t)(end - 2 - begin), data + size);
        at = end + 1;
    }
    REQUIRE(chunks > 1 && size == png_size && memcmp(data, png, size) == 0);
    free(codes);
    char head[128];
    codes = codes_of(TERMINAL_ITERM2, &big, 12, 6, &n);
    snprintf(head, sizeof(head), "\033]1337;File=inline=1;size=%zu;width=12;height=6;preserveAspectRatio=0:", png_size);
    REQUIRE(strncmp(codes, head, strlen(head)) == 0 && codes[n - 1] == '\a');
    size = decode(codes + strlen(head), n - 1 - strlen(head), data);
    REQUIRE(size == png_size && memcmp(data, png, size) == 0);
    free(codes);
    free(png);
}

static void sixels(void)
{
    size_t n = 0;
    memset(pixels, 255, sizeof(pixels));
    char *codes = codes_of(TERMINAL_SIXEL, &image, 2, 1, &n), *body = strstr(codes, "#215;2;100;100;100");
    static const char head[] =
        "\033P0;1;0q\"1;1;16;12#0;2;0;0;0#1;2;0;0;20#2;2;0;0;40"; // 12: whole bands of the 16 lines
    REQUIRE(strncmp(codes, head, sizeof(head) - 1) == 0 && body);
    REQUIRE_TEXT(body + 18, "#215!16~-#215!16~\033\\"); // two bands, white throughout
    free(codes);
    memset(pixels, 0, sizeof(pixels));
    codes = codes_of(TERMINAL_SIXEL, &image, 1, 1, &n);
    REQUIRE_TEXT(strstr(codes, "#215;2;100;100;100") + 18, "#0!8~-#0!8~\033\\");
    free(codes);
    uint8_t wide[12 * 3] = { 0 };
    wide[0] = wide[3 * 5 + 1] = wide[3 * 9 + 2] = 255; // of six columns and two lines, one red, one green, one blue
    struct codes c = { 0 };
    sixel_draw(&c, wide, 6, 2);
    codes_put(&c, "", 1);
    REQUIRE(c.at && strncmp(c.at, "\033P0;1;0q\"1;1;6;2#0;", 19) == 0);
    REQUIRE_TEXT(strstr(c.at, "#215;2;100;100;100") + 18, "#0ABB@BA$#5???A$#30!5?@$#180@\033\\");
    free(c.at);
}

static void progress(void)
{
    const struct outcome *o = command("x --seed 1 --steps 2 -o a.png --preview=blocks");
    REQUIRE(strstr(o->err, "\r\033[Kdenoise  [------------------------------] 0/2  1.2 s"));
    REQUIRE(strstr(o->err, "\r\033[Kdenoise  [###############---------------] 1/2  1.2 s"));
    REQUIRE(strstr(o->err, "\r\033[Kdone     [##############################] 2/2  1.2 s\r\033[K"));
    REQUIRE(!strstr(o->err, "\n1") && !strstr(o->err, "1/1"));
    o = command("x --seed 1 --steps 2 -n 2 -o a.png --preview=kitty --preview-every 1");
    REQUIRE(strstr(o->err, "\r\033[K2/2 denoise  [###############---------------] 1/2"));
    uint32_t ids[6], n = 0; // each picture has its own, which its previews share
    for (const char *at = o->err; (at = strstr(at, ",i=")) != NULL && n < 6; at++)
        REQUIRE(sscanf(at, ",i=%u", &ids[n++]) == 1);
    REQUIRE(n == 6 && ids[0] == ids[2] && ids[3] == ids[5] && ids[3] == ids[0] + 1);
    refused("x -o never.png --preview", EXIT_USAGE, "standard error is none; --preview=kitty");
}

int main(void)
{
    command_begin();
    forget();
    progress();
    detection();
    fitting();
    blocks();
    as_files();
    sixels();
    command_end();
    return 0;
}

// terminal.c - which terminal this is, and how large.
//
// First the environment, as terminals announce themselves there; then one question that all of them answer, "what are you" (DA1, CSI c),
// whose answer has a 4 where there are sixels. A multiplexer keeps the environment of the terminal it was started in but shows no
// kitty or iTerm2 pictures; it is asked like any other.
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum terminal_mode mode;
} modes[] = {
    { "auto", TERMINAL_NONE },   { "kitty", TERMINAL_KITTY },   { "iterm2", TERMINAL_ITERM2 },
    { "sixel", TERMINAL_SIXEL }, { "blocks", TERMINAL_BLOCKS },
};

bool terminal_mode_of(const char *name, enum terminal_mode *mode)
{
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(name, modes[i].name) == 0) {
            *mode = modes[i].mode;
            return true;
        }
    return false;
}

static bool env_is(const char *name, const char *value)
{
    const char *text = getenv(name);
    return text && strcmp(text, value) == 0;
}

static bool env_begins(const char *name, const char *value)
{
    const char *text = getenv(name);
    return text && strncmp(text, value, strlen(value)) == 0;
}

static bool env_set(const char *name)
{
    const char *text = getenv(name);
    return text && *text;
}

bool terminal_true_colour(void)
{
    return env_is("COLORTERM", "truecolor") || env_is("COLORTERM", "24bit");
}

static enum terminal_mode by_environment(void)
{
    if (env_set("TMUX") || env_begins("TERM", "screen") || env_begins("TERM", "tmux"))
        return TERMINAL_NONE;
    if (env_set("KITTY_WINDOW_ID") || env_is("TERM", "xterm-kitty") || env_is("TERM", "xterm-ghostty") ||
        env_is("TERM_PROGRAM", "ghostty"))
        return TERMINAL_KITTY;
    if (env_is("TERM_PROGRAM", "iTerm.app") || env_is("LC_TERMINAL", "iTerm2") || env_is("TERM_PROGRAM", "WezTerm") ||
        env_is("TERM_PROGRAM", "mintty"))
        return TERMINAL_ITERM2;
    return TERMINAL_NONE;
}

// Whether an answer to DA1, "CSI ? 62 ; 4 ; 22 c", names attribute 4.
static bool names_sixel(const char *answer)
{
    const char *at = strstr(answer, "\033[?");
    at = at ? strchr(at, ';') : NULL; // the first number is the terminal's class
    for (; at; at = strchr(at + 1, ';'))
        if (at[1] == '4' && (at[2] == ';' || at[2] == 'c'))
            return true;
    return false;
}

#ifdef _WIN32

// The console of Windows has no terminal settings of POSIX's kind to ask by; its newer hosts know 24-bit colours.
static bool answers_sixel(void)
{
    (void)names_sixel;
    return false;
}

struct terminal_size terminal_size(void)
{
    return (struct terminal_size) { 80, 24, 8, 16 };
}

#else

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { PATIENCE_MS = 100, PATIENCE_SSH_MS = 500 }; // a terminal at the other end of the world takes 300

// Reads until the answer's last letter comes, or patience is at its end.
static void read_answer(int fd, char *answer, size_t size)
{
    size_t n = 0;
    const double end = cli_seconds() + (env_set("SSH_TTY") ? PATIENCE_SSH_MS : PATIENCE_MS) * 1e-3;
    while (n + 1 < size && !strchr(answer, 'c')) {
        const double left = end - cli_seconds();
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        if (left <= 0.0 || poll(&wait, 1, (int)(left * 1e3) + 1) <= 0)
            return;
        const ssize_t got = read(fd, answer + n, size - 1 - n);
        if (got <= 0)
            return;
        n += (size_t)got;
        answer[n] = '\0';
    }
}

// Signals wait meanwhile, so that none of them ends or stops the program before the settings are what they were.
static bool ask(int fd)
{
    struct termios before, now;
    int typed = 0;
    if (tcgetpgrp(fd) != getpgrp() || tcgetattr(fd, &before) != 0)
        return false; // in the background: the answer would go to somebody else
    if (ioctl(fd, FIONREAD, &typed) == 0 && typed > 0)
        return false; // typed ahead for the shell, and not ours to read
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    now = before;
    now.c_lflag &= (tcflag_t) ~(tcflag_t)(ICANON | ECHO);
    now.c_cc[VMIN] = 0;
    now.c_cc[VTIME] = 0;
    char answer[128] = "";
    if (tcsetattr(fd, TCSANOW, &now) == 0) {
        if (write(fd, "\033[c", 3) == 3)
            read_answer(fd, answer, sizeof(answer));
        tcsetattr(fd, TCSANOW, &before);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return names_sixel(answer);
}

static bool answers_sixel(void)
{
    const int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const bool yes = ask(fd);
    close(fd);
    return yes;
}

static uint32_t env_number(const char *name, uint32_t otherwise)
{
    const char *text = getenv(name);
    const long value = text ? strtol(text, NULL, 10) : 0;
    return value > 0 && value < 10000 ? (uint32_t)value : otherwise;
}

struct terminal_size terminal_size(void)
{
    struct winsize size = { 0 };
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    struct terminal_size out = {
        .columns = known ? size.ws_col : env_number("COLUMNS", 80),
        .rows = known ? size.ws_row : env_number("LINES", 24),
        .cell_width = 8, // where the terminal does not say: smaller than most, so that pictures stay within their lines
        .cell_height = 16,
    };
    if (known && size.ws_xpixel >= size.ws_col && size.ws_ypixel >= size.ws_row) {
        out.cell_width = (uint32_t)(size.ws_xpixel / size.ws_col);
        out.cell_height = (uint32_t)(size.ws_ypixel / size.ws_row);
    }
    return out;
}

#endif

enum terminal_mode terminal_detect(void)
{
    const enum terminal_mode mode = by_environment();
    if (mode != TERMINAL_NONE)
        return mode;
    if (!env_set("TERM") || env_is("TERM", "dumb"))
        return TERMINAL_NONE;
    return answers_sixel() ? TERMINAL_SIXEL : TERMINAL_BLOCKS;
}

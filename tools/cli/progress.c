// progress.c - a bar on a terminal, plain lines elsewhere, nothing when quiet. All on standard error.
#include "cli.h"

#include <string.h>

static const char *const phase_names[] = { "prepare", "text", "encode", "denoise", "decode", "done" };

static void draw_bar(const struct progress *progress, const daub_progress *p)
{
    enum { WIDTH = 30 };
    char bar[WIDTH + 1];
    const uint32_t full = p->n_steps ? p->step * WIDTH / p->n_steps : 0;
    for (uint32_t i = 0; i < WIDTH; i++)
        bar[i] = i < full ? '#' : '-';
    bar[WIDTH] = '\0';
    fputs("\r\033[K", stderr);
    if (progress->count > 1)
        fprintf(stderr, "%u/%u ", progress->index + 1, progress->count);
    fprintf(stderr, "%-8s [%s] %u/%u  %.1f s", phase_names[p->phase], bar, p->step, p->n_steps, p->seconds);
    if (p->seconds_left >= 0.0 && p->phase == DAUB_PHASE_DENOISE)
        fprintf(stderr, "  %.0f s left", p->seconds_left);
    fflush(stderr);
}

bool progress_update(void *user, const daub_progress *p)
{
    struct progress *progress = user;
    if (cli_interrupted())
        return false;
    if (progress->quiet)
        return true;
    if (progress->terminal) {
        draw_bar(progress, p);
        return true;
    }
    const int tenth = p->n_steps ? (int)(p->step * 10 / p->n_steps) : 0;
    const int line = (int)p->phase * 16 + tenth;
    if (line != progress->last_line) {
        progress->last_line = line;
        if (progress->count > 1)
            fprintf(stderr, "%u/%u ", progress->index + 1, progress->count);
        fprintf(stderr, "%-8s %3u/%u  %.1f s\n", phase_names[p->phase], p->step, p->n_steps, p->seconds);
    }
    return true;
}

void progress_end(struct progress *progress)
{
    if (!progress->quiet && progress->terminal)
        fputs("\r\033[K", stderr);
}

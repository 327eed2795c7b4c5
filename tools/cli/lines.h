// lines.h - what a run of the command draws: one line, or those of --batch-file.
#ifndef DAUB_CLI_LINES_H
#define DAUB_CLI_LINES_H
#include "cli.h"

struct line { // pictures of one prompt; picture i has seed + i
    struct cli cli;
    uint64_t seed;
    uint32_t number;             // in the file; 0: not of one
    const daub_parameters *from; // what the options that are not given are taken from, or NULL
    char *pattern;               // cli.output, where it was made for this line
};

// Draws all of them with one model, after everything that can be checked was; returns an exit status.
int cli_draw_lines(const struct cli *cli, struct line *lines, uint32_t n);

struct batch { // a file's lines, and what their texts lie in
    struct line *lines;
    uint32_t n, capacity;
    const char *name;
    char *text;
};

// Reads cli->batch_file. False after a sentence that names the line.
bool batch_read(const struct cli *cli, struct batch *out);
// The same of bytes in memory. `text` is changed; it and `name` must live as long as the lines.
bool batch_parse(const struct cli *cli, const char *name, char *text, size_t size, struct batch *out);
void batch_free(struct batch *batch);

// One JSON object of names and plain values on one line: calls back with each, a number as it is written, a text without its escapes,
// true and false as words. NULL when it is one, otherwise what is wrong, and *at is where.
const char *json_line(char *text, bool (*each)(void *user, const char *name, const char *value), void *user,
                      size_t *at);

#endif

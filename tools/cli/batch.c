// batch.c - --batch-file: a line is a prompt, or where it begins with a brace a JSON object of options, which stand over those of the command
// line. Blank lines and those that begin with # are skipped.
#include "lines.h"
#include "platform.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// What one run has once.
static const char *const whole_run[] = { "model",      "config-from", "device",     "precision",     "weight-cache",
                                         "max-memory", "vae",         "preview",    "preview-every", "show-by",
                                         "strip",      "columns",     "batch-file", "keep-going",    "json",
                                         "quiet",      "verbose",     "help",       "version" };

static void about(const struct batch *b, uint32_t number)
{
    cli_about("%.400s, line %u: ", b->name, number);
}

static bool set_option(void *user, const char *name, const char *value)
{
    struct line *line = user;
    char option[64];
    size_t n = 0;
    for (; name[n] && n + 1 < sizeof(option); n++)
        option[n] = name[n] == '_' ? '-' : name[n];
    option[n] = '\0';
    for (size_t i = 0; i < sizeof(whole_run) / sizeof(whole_run[0]); i++)
        if (strcmp(option, whole_run[i]) == 0) {
            cli_fail("--%s is of the whole run; give it on the command line", option);
            return false;
        }
    return cli_set(&line->cli, option, value);
}

// The output of one line: {line} filled in, or where nothing tells the lines' pictures apart, put in before the extension.
static bool make_pattern(struct line *line, const char *shared, bool many)
{
    const char *output = line->cli.output;
    if (!output || strcmp(output, "-") == 0)
        return true;
    size_t capacity = strlen(output) + 16;
    for (const char *at = output; (at = strstr(at, "{line}")) != NULL; at++)
        capacity += 16;
    line->pattern = malloc(capacity);
    if (!line->pattern)
        return cli_fail("no memory for the lines") == EXIT_OK;
    size_t n = 0;
    bool filled = output != shared || !many || strstr(output, "{seed}");
    const char *dot = strrchr(output, '.'), *slash = platform_last_slash(output);
    const char *end = dot && (!slash || dot > slash) ? dot : output + strlen(output);
    filled |= strstr(output, "{line}") != NULL;
    for (const char *at = output;; at++) {
        if (strncmp(at, "{line}", 6) == 0) {
            n += (size_t)snprintf(line->pattern + n, capacity - n, "%u", line->number);
            at += 5;
            continue;
        }
        if (at == end && !filled)
            n += (size_t)snprintf(line->pattern + n, capacity - n, "-%u", line->number);
        line->pattern[n++] = *at;
        if (!*at)
            break;
    }
    line->cli.output = line->pattern;
    return true;
}

static bool add_line(const struct cli *cli, struct batch *b, uint32_t number, char *text, uint32_t most)
{
    if (b->n == most) {
        cli_fail("there are more than %u lines to draw", most);
        return false;
    }
    if (b->n == b->capacity) {
        const uint32_t capacity = b->capacity ? 2 * b->capacity : 16;
        struct line *lines = realloc(b->lines, capacity * sizeof(*lines));
        if (!lines)
            return cli_fail("no memory for the lines") == EXIT_OK;
        b->lines = lines;
        b->capacity = capacity;
    }
    struct line *line = &b->lines[b->n];
    *line = (struct line) { .cli = *cli, .number = number };
    if (*text == '{') {
        size_t at = 0;
        const char *wrong = json_line(text, set_option, line, &at);
        if (wrong) {
            if (*wrong)
                cli_fail("column %llu: %s", (unsigned long long)at + 1, wrong);
            return false;
        }
    } else if (cli->text) {
        cli_fail("it is a prompt, and the command line has one");
        return false;
    } else {
        line->cli.text = text;
    }
    if (!line->cli.text && !line->cli.prompt_embeds)
        return cli_fail("it has no prompt") == EXIT_OK;
    line->seed = line->cli.seed_text ? line->cli.seed : cli_random_seed();
    b->n++;
    return true;
}

static char *trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t' || text[n - 1] == '\r'))
        text[--n] = '\0';
    return text;
}

bool batch_parse(const struct cli *cli, const char *name, char *text, size_t size, struct batch *out)
{
    daub_limits limits = { .struct_size = sizeof(limits) };
    bool ok = daub_get_limits(&limits) == DAUB_OK;
    *out = (struct batch) { .name = name };
    uint32_t number = 1;
    char *at = text, *const end = text + size;
    if (size >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) // a byte order mark
        at += 3;
    for (; ok && at < end; number++) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        const size_t n = (size_t)((newline ? newline : end) - at);
        about(out, number);
        if (memchr(at, 0, n)) {
            ok = cli_fail("there is a zero byte") == EXIT_OK;
            break;
        }
        at[n] = '\0'; // behind the text there is room for one
        char *line = trim(at);
        if (*line && *line != '#')
            ok = add_line(cli, out, number, line, limits.max_batch_lines);
        at = newline ? newline + 1 : end;
    }
    for (uint32_t i = 0; i < out->n && ok; i++)
        ok = make_pattern(&out->lines[i], cli->output, out->n > 1);
    cli_about("%s", "");
    if (ok && out->n == 0)
        ok = cli_fail("%s has no prompt", name) == EXIT_OK;
    if (!ok)
        batch_free(out);
    return ok;
}

bool batch_read(const struct cli *cli, struct batch *out)
{
    daub_limits limits = { .struct_size = sizeof(limits) };
    const bool standard = strcmp(cli->batch_file, "-") == 0;
    const char *name = standard ? "standard input" : cli->batch_file;
    FILE *file = standard ? stdin : fopen(name, "rb");
    size_t capacity = 1 << 16, n = 0;
    char *text = file && daub_get_limits(&limits) == DAUB_OK ? malloc(capacity + 1) : NULL;
    int error = file ? 0 : errno;
    while (text) {
        n += fread(text + n, 1, capacity - n, file);
        if (n < capacity || n > limits.max_batch_size)
            break;
        char *more = realloc(text, 2 * capacity + 1);
        if (!more)
            free(text);
        text = more;
        capacity *= 2;
    }
    if (file && ferror(file))
        error = errno ? errno : EIO; // of a folder: it opens, and cannot be read
    if (file && !standard)
        fclose(file);
    bool ok = false;
    if (error)
        cli_fail("cannot read %s: %s", name, strerror(error));
    else if (!text)
        cli_fail("no memory for %s", name);
    else if (n > limits.max_batch_size)
        cli_fail("%s has more than %llu bytes", name, (unsigned long long)limits.max_batch_size);
    else
        ok = batch_parse(cli, name, text, n, out);
    if (!ok)
        free(text);
    else
        out->text = text;
    return ok;
}

void batch_free(struct batch *batch)
{
    for (uint32_t i = 0; i < batch->n; i++)
        free(batch->lines[i].pattern);
    free(batch->lines);
    free(batch->text);
    *batch = (struct batch) { 0 };
}

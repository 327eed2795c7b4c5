// options.c - the parser of the command line: table.c says what there is.
#include "table.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *cli_command_name(enum cli_command command)
{
    for (int i = 0; i < cli_n_commands; i++)
        if (cli_commands[i].command == command)
            return cli_commands[i].name;
    return "";
}

// ---- near names ------------------------------------------------------------------------------------------------------

// Levenshtein distance, of names up to 63 bytes.
static unsigned distance(const char *a, const char *b)
{
    unsigned row[64];
    const size_t m = strlen(b);
    if (m > 63)
        return 99;
    for (unsigned j = 0; j <= m; j++)
        row[j] = j;
    for (unsigned i = 1; *a; i++, a++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const unsigned change = diagonal + (*a != b[j - 1]);
            diagonal = row[j];
            unsigned best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = change < best ? change : best;
        }
    }
    return row[m];
}

static int usage(const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 1, 2)))
#endif
    ;

static int usage(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    cli_complain(fmt, args);
    va_end(args);
    return EXIT_USAGE;
}

static int unknown_option(const char *name, size_t length)
{
    char given[64];
    snprintf(given, sizeof(given), "%.*s", (int)(length < 63 ? length : 63), name);
    const char *best = NULL;
    unsigned least = 4;
    for (int i = 0; i < cli_n_options; i++) {
        const unsigned d = distance(given, cli_options[i].name);
        if (d < least) {
            least = d;
            best = cli_options[i].name;
        }
    }
    return best ? usage("unknown option --%s; did you mean --%s?", given, best)
                : usage("unknown option --%s; daub --help lists them", given);
}

// ---- parsing ---------------------------------------------------------------------------------------------------------

static int store(struct cli *cli, const struct option *o, const char *value)
{
    char *const field = (char *)cli + o->field;
    if (o->kind == TEXT || o->kind == MAYBE) {
        memcpy(field, &value, sizeof(value));
        return EXIT_OK;
    }
    char *end;
    errno = 0;
    const double number = strtod(value, &end);
    if (end == value || *end || errno || !isfinite(number) || isspace((unsigned char)*value))
        return usage("--%s wants a number, not '%s'", o->name, value);
    if (o->kind == U32 && number != floor(number))
        return usage("--%s wants a whole number, not '%s'", o->name, value);
    if (number < o->min || number > o->max)
        return usage("--%s %s is outside %g..%g", o->name, value, o->min, o->max);
    if (o->kind == F64) {
        memcpy(field, &number, sizeof(number));
    } else if (o->kind == U32) {
        const uint32_t whole = (uint32_t)number;
        memcpy(field, &whole, sizeof(whole));
    } else {
        const float f = (float)number;
        memcpy(field, &f, sizeof(f));
    }
    return EXIT_OK;
}

static const struct option *find_long(const char *name, size_t length)
{
    for (int i = 0; i < cli_n_options; i++)
        if (strlen(cli_options[i].name) == length && strncmp(cli_options[i].name, name, length) == 0)
            return &cli_options[i];
    return NULL;
}

static const struct option *find_short(char letter)
{
    for (int i = 0; i < cli_n_options; i++)
        if (cli_options[i].letter && cli_options[i].letter == letter)
            return &cli_options[i];
    return NULL;
}

// One option at argv[*i], with its value there or in the next argument.
static int parse_option(int argc, char **argv, int *i, struct cli *cli)
{
    const char *arg = argv[*i];
    const struct option *o;
    const char *value = NULL;
    if (arg[1] == '-') {
        const char *equals = strchr(arg, '=');
        const size_t length = equals ? (size_t)(equals - arg) - 2 : strlen(arg) - 2;
        o = find_long(arg + 2, length);
        if (!o)
            return unknown_option(arg + 2, length);
        value = equals ? equals + 1 : NULL;
    } else {
        o = find_short(arg[1]);
        if (!o)
            return usage("unknown option -%c; daub --help lists them", arg[1]);
        value = arg[2] ? arg + 2 : NULL;
    }
    if (!(o->commands & cli->command))
        return usage("--%s does not go with daub %s", o->name, cli_command_name(cli->command));
    if (o->kind == FLAG) {
        if (value)
            return usage("--%s takes no value", o->name);
        *((bool *)((char *)cli + o->field)) = true;
        return EXIT_OK;
    }
    if (!value && o->kind == MAYBE)
        value = "auto";
    if (!value) {
        if (*i + 1 >= argc)
            return usage("--%s wants a value: %s", o->name, o->argument);
        value = argv[++*i];
    }
    return store(cli, o, value);
}

static int parse_size(struct cli *cli)
{
    if (!cli->size)
        return EXIT_OK;
    unsigned w = 0, h = 0;
    char rest;
    if (sscanf(cli->size, "%5ux%5u%c", &w, &h, &rest) != 2)
        return usage("--size wants WIDTHxHEIGHT, not '%s'", cli->size);
    if (w < 1 || w > 16384 || h < 1 || h > 16384)
        return usage("--size %s is outside 1..16384", cli->size);
    if (cli->width || cli->height)
        return usage("give --size or --width and --height, not both");
    cli->width = w;
    cli->height = h;
    return EXIT_OK;
}

static int parse_seed(struct cli *cli)
{
    if (!cli->seed_text || strcmp(cli->seed_text, "random") == 0) {
        cli->seed_text = NULL;
        return EXIT_OK;
    }
    char *end;
    errno = 0;
    cli->seed = strtoull(cli->seed_text, &end, 10);
    if (end == cli->seed_text || *end || errno || !isdigit((unsigned char)cli->seed_text[0]))
        return usage("--seed wants a whole number of 0..18446744073709551615 or random, not '%s'", cli->seed_text);
    return EXIT_OK;
}

bool cli_set(struct cli *cli, const char *name, const char *value)
{
    if (strcmp(name, "prompt") == 0) {
        cli->text = value;
        return true;
    }
    const struct option *o = find_long(name, strlen(name));
    if (!o) {
        (void)unknown_option(name, strlen(name));
        return false;
    }
    if (strcmp(name, "size") == 0)
        cli->width = cli->height = 0; // the size is split into these once it is read
    return store(cli, o, value) == EXIT_OK && (strcmp(name, "size") != 0 || parse_size(cli) == EXIT_OK) &&
           (strcmp(name, "seed") != 0 || parse_seed(cli) == EXIT_OK);
}

bool cli_given(const struct cli *cli, const char *name)
{
    static const char zeros[sizeof(double)];
    const struct option *o = find_long(name, strlen(name));
    if (!o)
        return strcmp(name, "prompt") == 0 && cli->text;
    const size_t size = o->kind == TEXT || o->kind == MAYBE ? sizeof(char *) : o->kind == F64 ? sizeof(double) : 4;
    return memcmp((const char *)cli + o->field, zeros, o->kind == FLAG ? sizeof(bool) : size) != 0;
}

bool cli_axis(const char *name, bool *number, bool *opens)
{
    *number = *opens = false;
    if (strcmp(name, "prompt") == 0)
        return true;
    const struct option *o = find_long(name, strlen(name));
    if (!o) {
        (void)unknown_option(name, strlen(name));
        return false;
    }
    const unsigned drawing = CLI_GENERATE | CLI_BENCH; // what a picture depends on goes with all that draw one
    if ((o->commands & drawing) != drawing || o->kind == FLAG || o->kind == MAYBE) {
        (void)usage("no picture depends on --%s, so it cannot be varied", name);
        return false;
    }
    *number = o->kind != TEXT || strcmp(name, "seed") == 0;
    *opens = (o->commands & CLI_OPENS) != 0;
    return true;
}

int cli_parse(int argc, char **argv, struct cli *cli)
{
    *cli = (struct cli) { .command = CLI_GENERATE, .program = argv[0] };
    int first = 1;
    for (int c = 0; c < cli_n_commands && argc > 1; c++) {
        if (strcmp(argv[1], cli_commands[c].name) == 0) {
            cli->command = cli_commands[c].command;
            cli->named = true;
            first = 2;
        }
    }
    bool options_end = false;
    for (int i = first; i < argc; i++) {
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = true;
        } else if (!options_end && argv[i][0] == '-' && argv[i][1]) {
            const int status = parse_option(argc, argv, &i, cli);
            if (status != EXIT_OK)
                return status;
        } else if (cli->text) {
            return usage("more than one %s: '%s' and '%s'; put a prompt with spaces in quotes",
                         cli->command & (CLI_INSPECT | CLI_NOISE) ? "file"
                         : cli->command & CLI_HELP                ? "command"
                                                                  : "prompt",
                         cli->text, argv[i]);
        } else {
            cli->text = argv[i];
        }
    }
    if (cli->help || cli->version)
        return EXIT_OK;
    if (cli->text && cli->command & (CLI_DEVICES | CLI_SAMPLERS | CLI_MAN))
        return usage("daub %s takes no argument, got '%s'", cli_command_name(cli->command), cli->text);
    for (int c = 0; c < cli_n_commands; c++)
        if (cli_commands[c].command == cli->command && cli_commands[c].needs_argument && !cli->text)
            return usage("daub %s wants a %s", cli_commands[c].name, cli_commands[c].argument);
    const int status = parse_size(cli);
    return status != EXIT_OK ? status : parse_seed(cli);
}

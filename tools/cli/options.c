// options.c - the parser of the command line: table.c says what there is.
#include "table.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
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
    char given[64], near[128];
    const char *names[CLI_MOST_NAMES];
    uint32_t n = 0;
    snprintf(given, sizeof(given), "%.*s", (int)(length < 63 ? length : 63), name);
    for (int i = 0; i < cli_n_options && n < CLI_MOST_NAMES; i++)
        names[n++] = cli_options[i].name;
    daub_tools_near_names(given, names, n, near, sizeof(near));
    char *const comma = strpbrk(near, ", "); // the nearest alone
    if (comma)
        *comma = '\0';
    return near[0] ? usage("unknown option --%s; did you mean --%s?", given, near)
                   : usage("unknown option --%s; daub --help lists them", given);
}

void cli_near_command(const char *text, char *out, size_t size)
{
    const char *names[CLI_MOST_NAMES];
    uint32_t n = 0;
    for (int c = 0; c < cli_n_commands && n < CLI_MOST_NAMES; c++)
        names[n++] = cli_commands[c].name;
    daub_tools_near_names(text, names, n, out, size);
}

// Whether one letter too many, too few or another, or two of them swapped, make the difference: more than that is a word of its own.
static bool one_slip(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    size_t n = strlen(a), m = strlen(b);
    while (n > 0 && m > 0 && a[n - 1] == b[m - 1]) {
        n--;
        m--;
    }
    return (n <= 1 && m <= 1 && n + m > 0) || (n == 2 && m == 2 && a[0] == b[1] && a[1] == b[0]);
}

// What there is to say where the only word of a prompt may be a command's: daub devcies. It is a prompt all the same.
static void hint_at_command(const struct cli *cli)
{
    if (cli->named || cli->quiet || !cli->text)
        return;
    for (int c = 0; c < cli_n_commands; c++)
        if (one_slip(cli->text, cli_commands[c].name))
            fprintf(stderr, "daub: drawing \"%s\"; did you mean daub %s? (daub generate %s says that it is a prompt)\n",
                    cli->text, cli_commands[c].name, cli->text);
}

// The command's words were taken for a prompt: what else they may have been, as the end of a sentence.
static const char *maybe_command(const struct cli *cli, const char *word, char *out, size_t size)
{
    out[0] = '\0';
    for (int c = 0; c < cli_n_commands && !cli->named && word; c++)
        if (one_slip(word, cli_commands[c].name))
            snprintf(out, size, "; did you mean daub %s?", cli_commands[c].name);
    return out;
}

static const struct cli nothing_given = { .command = CLI_GENERATE, .guidance_rescale = -1.0f };

// ---- parsing ---------------------------------------------------------------------------------------------------------

static int store(struct cli *cli, const struct option *o, const char *value)
{
    char *const field = (char *)cli + o->field;
    cli->given[o - cli_options] = true;
    if (o->kind == TEXT || o->kind == MAYBE) {
        memcpy(field, &value, sizeof(value));
        return EXIT_OK;
    }
    char *end;
    errno = 0;
    const double number = strtod(value, &end);
    if (end == value || *end || errno || !(fabs(number) <= DBL_MAX) || isspace((unsigned char)*value))
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
    char maybe[160];
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
        return usage("--%s does not go with daub %s%s", o->name, cli_command_name(cli->command),
                     maybe_command(cli, cli->text, maybe, sizeof(maybe)));
    if (o->kind == FLAG) {
        if (value)
            return usage("--%s takes no value", o->name);
        *((bool *)((char *)cli + o->field)) = true;
        cli->given[o - cli_options] = true;
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
    const int n = sscanf(cli->size, "%9ux%9u%c", &w, &h, &rest) == 2 ? 2
                                                                     : sscanf(cli->size, "%9uX%9u%c", &w, &h, &rest);
    if (n != 2)
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

// A style that a batch's line or a value of an axis goes without.
static void parse_style(struct cli *cli)
{
    if (cli->style && strcmp(cli->style, "none") == 0)
        cli->style = NULL;
}

// A flag's value, of what has values for flags.
static int store_flag(struct cli *cli, const struct option *o, const char *value)
{
    const bool on = strcmp(value, "true") == 0;
    if (!on && strcmp(value, "false") != 0)
        return usage("--%s is true or false, not '%s'", o->name, value);
    memcpy((char *)cli + o->field, &on, sizeof(on));
    cli->given[o - cli_options] = true;
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
    if (!(o->commands & cli->command)) {
        (void)usage("--%s does not go with daub %s", o->name, cli_command_name(cli->command));
        return false;
    }
    if (o->kind == FLAG)
        return store_flag(cli, o, value) == EXIT_OK;
    if (strcmp(name, "size") == 0)
        cli->width = cli->height = 0; // the size is split into these once it is read
    if (store(cli, o, value) != EXIT_OK)
        return false;
    parse_style(cli);
    return (strcmp(name, "size") != 0 || parse_size(cli) == EXIT_OK) &&
           (strcmp(name, "seed") != 0 || parse_seed(cli) == EXIT_OK);
}

bool cli_given(const struct cli *cli, const char *name)
{
    const struct option *o = find_long(name, strlen(name));
    return (o && cli->given[o - cli_options]) || (strcmp(name, "prompt") == 0 && cli->text);
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

// The prompt as an option: for a prompt that begins with '-', and for commands whose argument is something else.
static int take_prompt(struct cli *cli)
{
    if (!cli->prompt || cli->command == CLI_FROM_IMAGE)
        return EXIT_OK;
    if (cli->text)
        return usage("a prompt and --prompt: give one or the other");
    cli->text = cli->prompt;
    return EXIT_OK;
}

int cli_parse(int argc, char **argv, struct cli *cli)
{
    *cli = nothing_given;
    cli->program = argv[0];
    int first = 1;
    for (int c = 0; c < cli_n_commands && argc > 1; c++) {
        if (strcmp(argv[1], cli_commands[c].name) == 0) {
            cli->command = cli_commands[c].command;
            cli->named = true;
            first = 2;
        }
    }
    bool options_end = false;
    char maybe[160];
    for (int i = first; i < argc; i++) {
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = true;
        } else if (!options_end && argv[i][0] == '-' && argv[i][1]) {
            const int status = parse_option(argc, argv, &i, cli);
            if (status != EXIT_OK)
                return status;
        } else if (cli->text) {
            return usage("more than one %s: '%s' and '%s'; put a prompt with spaces in quotes%s",
                         cli->command & (CLI_INSPECT | CLI_NOISE | CLI_FROM_IMAGE) ? "file"
                         : cli->command & CLI_HELP                                 ? "command"
                                                                                   : "prompt",
                         cli->text, argv[i], maybe_command(cli, cli->text, maybe, sizeof(maybe)));
        } else {
            cli->text = argv[i];
        }
    }
    if (cli->help || cli->version)
        return EXIT_OK;
    if (cli->text && cli->command & (CLI_DEVICES | CLI_SAMPLERS | CLI_SELFTEST | CLI_STYLES | CLI_DOCTOR | CLI_MAN))
        return usage("daub %s takes no argument, got '%s'", cli_command_name(cli->command), cli->text);
    for (int c = 0; c < cli_n_commands; c++)
        if (cli_commands[c].command == cli->command && cli_commands[c].needs_argument && !cli->text)
            return usage("daub %s wants a %s", cli_commands[c].name, cli_commands[c].argument);
    parse_style(cli);
    int status = take_prompt(cli);
    if (status == EXIT_OK)
        status = parse_size(cli);
    if (status == EXIT_OK)
        status = parse_seed(cli);
    if (status == EXIT_OK && cli->command == CLI_GENERATE)
        hint_at_command(cli);
    return status;
}

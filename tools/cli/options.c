// options.c - the option table, and the parser, help and man page that are made from it.
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, U32, F32, F64, FLAG };

struct option {
    char letter; // 0: none
    const char *name, *argument;
    enum kind kind;
    size_t field;
    double min, max; // of numbers
    unsigned commands;
    const char *help;
};

#define FIELD(member) offsetof(struct cli, member)
#define DRAW (CLI_GENERATE | CLI_BENCH | CLI_ESTIMATE)
#define MODEL (DRAW | CLI_ENCODE)

// clang-format off
static const struct option options[] = {
    { 'm', "model",           "PATH",  TEXT, FIELD(model),            0, 0, MODEL, "checkpoint: a diffusers folder or an LDM .safetensors file [the model that comes with daub]" },
    {  0,  "config-from",     "DIR",   TEXT, FIELD(config_from),      0, 0, MODEL | CLI_INSPECT, "folder whose config.json files describe a single file" },
    {  0,  "negative",        "TEXT",  TEXT, FIELD(negative),         0, 0, MODEL, "what to steer away from" },
    { 'W', "width",           "N",     U32,  FIELD(width),            1, 16384, DRAW, "pixels [the model's]" },
    { 'H', "height",          "N",     U32,  FIELD(height),           1, 16384, DRAW, "pixels [the model's]" },
    {  0,  "size",            "WxH",   TEXT, FIELD(size),             0, 0, DRAW, "both at once, as in 512x768" },
    { 's', "steps",           "N",     U32,  FIELD(steps),            1, 1000, DRAW, "denoising steps [the model's]" },
    { 'g', "guidance",        "W",     F32,  FIELD(guidance),         1, 1000, DRAW, "classifier-free guidance; 1 is off and takes half the time [the model's]" },
    {  0,  "guidance-rescale","PHI",   F32,  FIELD(guidance_rescale), 0, 1, DRAW, "0..1, against washed-out pictures at high guidance [0]" },
    { 'S', "seed",            "N",     TEXT, FIELD(seed_text),        0, 0, DRAW, "a number, or random [random; printed and stored in the picture]" },
    { 'n', "count",           "N",     U32,  FIELD(count),            1, 10000, CLI_GENERATE, "pictures; picture i has seed + i [1]" },
    {  0,  "sampler",         "NAME",  TEXT, FIELD(sampler),          0, 0, DRAW, "see daub samplers [the model's]" },
    {  0,  "schedule",        "NAME",  TEXT, FIELD(schedule),         0, 0, DRAW, "default, karras, exponential, beta, lu [the sampler's]" },
    {  0,  "eta",             "E",     F32,  FIELD(eta),              0, 1, DRAW, "noise of ddim, 0..1 [0]" },
    {  0,  "rng",             "NAME",  TEXT, FIELD(rng),              0, 0, DRAW, "torch-cpu, or cuda (Philox) [torch-cpu]" },
    {  0,  "clip-skip",       "N",     U32,  FIELD(clip_skip),        1, 64, MODEL, "stop the text encoder N - 1 layers early; 1 is none [1]" },
    {  0,  "prompt-embeds",   "FILE",  TEXT, FIELD(prompt_embeds),    0, 0, DRAW, "text embeddings from daub encode instead of a prompt" },
    { 'd', "device",          "WHICH", TEXT, FIELD(device),           0, 0, MODEL | CLI_DEVICES, "index or part of the name, see daub devices [best]" },
    {  0,  "precision",       "TYPE",  TEXT, FIELD(precision),        0, 0, MODEL, "f16 or f32 [f16]" },
    {  0,  "weight-cache",    "DIR",   TEXT, FIELD(weight_cache),     0, 0, MODEL, "folder that keeps packed weights for later starts, up to 16 GB [none]" },
    {  0,  "memory",          "MODE",  TEXT, FIELD(memory),           0, 0, CLI_GENERATE | CLI_ESTIMATE, "resident, small: one network on the device at a time, or stream: its weights in turns [resident]" },
    {  0,  "max-memory",      "SIZE",  TEXT, FIELD(max_memory),       0, 0, MODEL, "device memory that may be used, as in 1.2G or 900M [all that is free]" },
    {  0,  "vae-tiles",       "ROWS",  TEXT, FIELD(vae_tiles),        0, 0, DRAW, "rows of the latents that the VAE decodes at a time, auto or off [auto: all that fit in memory]" },
    { 'i', "init",            "FILE",  TEXT, FIELD(init),             0, 0, DRAW, "picture to begin with; the size is its own" },
    {  0,  "strength",        "X",     F64,  FIELD(strength),         0.001, 1, DRAW, "how much of --init is drawn anew, up to 1 [0.8; with --mask 1]" },
    {  0,  "mask",            "FILE",  TEXT, FIELD(mask),             0, 0, DRAW, "what of --init to paint: white is, black keeps its exact pixels" },
    { 'o', "output",          "FILE",  TEXT, FIELD(output),           0, 0, CLI_GENERATE | CLI_ENCODE | CLI_NOISE, "where to write; {seed} and {n} are filled in; - is standard output [daub-{seed}.png]" },
    {  0,  "format",          "TYPE",  TEXT, FIELD(format),           0, 0, CLI_GENERATE | CLI_NOISE, "png, jpg or ppm [by the file's name]" },
    {  0,  "quality",         "Q",     U32,  FIELD(quality),          1, 100, CLI_GENERATE | CLI_NOISE, "of jpg [92]" },
    {  0,  "columns",         "N",     U32,  FIELD(columns),          2, 64, CLI_NOISE, "pictures in the strip [9]" },
    {  0,  "ops",             NULL,    FLAG, FIELD(ops),              0, 0, CLI_BENCH, "time every class of operation, and count its dispatches and bytes" },
    {  0,  "start",           NULL,    FLAG, FIELD(start),            0, 0, CLI_BENCH, "time a first start without caches, and a second one" },
    {  0,  "json",            NULL,    FLAG, FIELD(json),             0, 0, CLI_ALL, "machine-readable output" },
    { 'q', "quiet",           NULL,    FLAG, FIELD(quiet),            0, 0, CLI_ALL, "errors only" },
    { 'v', "verbose",         NULL,    FLAG, FIELD(verbose),          0, 0, CLI_ALL, "say more" },
    { 'h', "help",            NULL,    FLAG, FIELD(help),             0, 0, CLI_ALL, "this text" },
    {  0,  "version",         NULL,    FLAG, FIELD(version),          0, 0, CLI_ALL, "daub's version" },
};

static const struct command {
    enum cli_command command;
    const char *name, *argument, *help;
    bool needs_argument;
} commands[] = {
    { CLI_GENERATE, "generate", "PROMPT",  "draw a picture (the word generate may be left out)", false },
    { CLI_DEVICES,  "devices",  "",        "list GPUs; -v says why one is chosen", false },
    { CLI_INSPECT,  "inspect",  "MODEL",   "say what a model file is, and what decided", false },
    { CLI_SAMPLERS, "samplers", "",        "list samplers and schedules", false },
    { CLI_ENCODE,   "encode",   "PROMPT",  "write a prompt's text embeddings (-o FILE.safetensors)", true },
    { CLI_NOISE,    "noise",    "PICTURE", "film strip of the forward process under three noise schedules", true },
    { CLI_BENCH,    "bench",    "[PROMPT]", "seconds a phase and an operation", false },
    { CLI_ESTIMATE, "estimate", "[PROMPT]", "bytes of device memory a picture will take, phase by phase", false },
};
// clang-format on

enum { N_OPTIONS = sizeof(options) / sizeof(options[0]), N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

const char *cli_command_name(enum cli_command command)
{
    for (int i = 0; i < N_COMMANDS; i++)
        if (commands[i].command == command)
            return commands[i].name;
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
    for (int i = 0; i < N_OPTIONS; i++) {
        const unsigned d = distance(given, options[i].name);
        if (d < least) {
            least = d;
            best = options[i].name;
        }
    }
    return best ? usage("unknown option --%s; did you mean --%s?", given, best)
                : usage("unknown option --%s; daub --help lists them", given);
}

// ---- parsing ---------------------------------------------------------------------------------------------------------

static int store(struct cli *cli, const struct option *o, const char *value)
{
    char *const field = (char *)cli + o->field;
    if (o->kind == TEXT) {
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
    for (int i = 0; i < N_OPTIONS; i++)
        if (strlen(options[i].name) == length && strncmp(options[i].name, name, length) == 0)
            return &options[i];
    return NULL;
}

static const struct option *find_short(char letter)
{
    for (int i = 0; i < N_OPTIONS; i++)
        if (options[i].letter && options[i].letter == letter)
            return &options[i];
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

int cli_parse(int argc, char **argv, struct cli *cli)
{
    *cli = (struct cli) { .command = CLI_GENERATE, .program = argv[0] };
    int first = 1;
    for (int c = 0; c < N_COMMANDS && argc > 1; c++) {
        if (strcmp(argv[1], commands[c].name) == 0) {
            cli->command = commands[c].command;
            first = 2;
        }
    }
    if (argc > 1 && (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "man") == 0) && argc == 2) {
        cli->help = argv[1][0] == 'h';
        cli->man = argv[1][0] == 'm';
        return EXIT_OK;
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
                         cli->command & (CLI_INSPECT | CLI_NOISE) ? "file" : "prompt", cli->text, argv[i]);
        } else {
            cli->text = argv[i];
        }
    }
    if (cli->help || cli->version)
        return EXIT_OK;
    if (cli->text && cli->command & (CLI_DEVICES | CLI_SAMPLERS))
        return usage("daub %s takes no argument, got '%s'", cli_command_name(cli->command), cli->text);
    for (int c = 0; c < N_COMMANDS; c++)
        if (commands[c].command == cli->command && commands[c].needs_argument && !cli->text)
            return usage("daub %s wants a %s", commands[c].name, commands[c].argument);
    const int status = parse_size(cli);
    return status != EXIT_OK ? status : parse_seed(cli);
}

// ---- help ------------------------------------------------------------------------------------------------------------

static void option_head(const struct option *o, char *out, size_t size)
{
    snprintf(out, size, "%s%c%s--%s%s%s", o->letter ? "-" : " ", o->letter ? o->letter : ' ', o->letter ? ", " : "  ",
             o->name, o->argument ? " " : "", o->argument ? o->argument : "");
}

void cli_help(const struct cli *cli, FILE *out)
{
    const bool overview = cli->command == CLI_GENERATE;
    if (overview) {
        fputs("daub draws pictures from text with latent diffusion models on any Vulkan GPU.\n\n"
              "  daub \"a red apple\"\n"
              "  daub \"a red fox in snow\" --model sd15.safetensors --steps 30 -o fox.png\n\n",
              out);
        for (int c = 0; c < N_COMMANDS; c++)
            fprintf(out, "  daub %-8s %-9s %s\n", commands[c].name, commands[c].argument, commands[c].help);
    } else {
        for (int c = 0; c < N_COMMANDS; c++)
            if (commands[c].command == cli->command)
                fprintf(out, "daub %s %s - %s\n", commands[c].name, commands[c].argument, commands[c].help);
    }
    fputs("\n", out);
    for (int i = 0; i < N_OPTIONS; i++) {
        char head[64];
        if (!(options[i].commands & cli->command))
            continue;
        option_head(&options[i], head, sizeof(head));
        fprintf(out, "  %-27s %s\n", head, options[i].help);
    }
}

void cli_man(FILE *out)
{
    fprintf(out,
            ".TH DAUB 1 \"\" \"daub %d.%d.%d\"\n.SH NAME\ndaub \\- text-to-image diffusion on any Vulkan GPU\n"
            ".SH SYNOPSIS\n",
            DAUB_VERSION_MAJOR, DAUB_VERSION_MINOR, DAUB_VERSION_PATCH);
    for (int c = 0; c < N_COMMANDS; c++)
        fprintf(out, ".B daub %s\n%s [options]\n.br\n", commands[c].name, commands[c].argument);
    fputs(".SH COMMANDS\n", out);
    for (int c = 0; c < N_COMMANDS; c++)
        fprintf(out, ".TP\n.B %s %s\n%s\n", commands[c].name, commands[c].argument, commands[c].help);
    fputs(".SH OPTIONS\n", out);
    for (int i = 0; i < N_OPTIONS; i++) {
        char head[64];
        option_head(&options[i], head, sizeof(head));
        const char *start = head + (options[i].letter ? 0 : 4);
        fputs(".TP\n.B ", out);
        for (; *start; start++)
            fprintf(out, "%s%c", *start == '-' ? "\\" : "", *start);
        fprintf(out, "\n%s\n", options[i].help);
    }
    fputs(
        ".SH EXIT STATUS\n0 on success, 1 when something failed (one sentence says what), 2 for a wrong command line, "
        "130 after Ctrl-C.\n.SH ENVIRONMENT\n.TP\n.B DAUB_DEVICE\ndefault of \\-\\-device\n.TP\n.B DAUB_DEFAULT_MODEL\n"
        "folder of the model used without \\-\\-model\n.TP\n.B DAUB_DEBUG, DAUB_CAPS\n",
        out);
    fprintf(out, "%s\n", daub_tools_debug_words());
}

// table.h - every option and command of daub: the parser, the help, the man page and the completions are made from these.
#ifndef DAUB_CLI_TABLE_H
#define DAUB_CLI_TABLE_H
#include "cli.h"

#include <stddef.h>

enum kind {
    TEXT,
    U32,
    F32,
    F64,
    FLAG,
    MAYBE, // a text that may be left out, as in --preview and --preview=kitty: then it is "auto"
};

struct option {
    char letter; // 0: none
    const char *name, *argument;
    enum kind kind;
    size_t field;
    double min, max; // of numbers
    unsigned commands;
    const char *help;
};

struct command {
    enum cli_command command;
    const char *name, *argument, *help;
    bool needs_argument;
    int (*run)(const struct cli *cli);
};

// Headings of the help and the man page: a group is the option named by `first` and those after it, up to the next group's.
struct option_group {
    const char *first, *title;
};

// What daub --help shows of the options: those used most, in words short enough for its lines.
struct option_brief {
    const char *name, *text;
};

// Values that a shell completes, for options (and arguments of commands, by the command's name) that take one of a few words.
struct option_values {
    const char *name, *words;
};

extern const struct option cli_options[];
extern const int cli_n_options;
extern const struct command cli_commands[];
extern const int cli_n_commands;
extern const struct option_group cli_groups[];
extern const int cli_n_groups;
extern const struct option_brief cli_briefs[];
extern const int cli_n_briefs;
extern const struct option_values cli_values[]; // beside samplers and schedules, which the library knows
extern const int cli_n_values;

// The heading that begins with this option, or NULL.
const char *cli_group_title(const struct option *option);

#endif

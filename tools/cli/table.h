// table.h - every option and command of daub: the parser, the help, the man page and the completions are made from these.
#ifndef DAUB_CLI_TABLE_H
#define DAUB_CLI_TABLE_H
#include "cli.h"

#include <stddef.h>

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

struct command {
    enum cli_command command;
    const char *name, *argument, *help;
    bool needs_argument;
    int (*run)(const struct cli *cli);
};

extern const struct option cli_options[];
extern const int cli_n_options;
extern const struct command cli_commands[];
extern const int cli_n_commands;

#endif

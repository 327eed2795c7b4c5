// completions.c - daub completions bash|zsh|fish: what a shell completes after daub, from the tables.
#include "table.h"

#include <string.h>

// ---- what values an option takes -------------------------------------------------------------------------------------

enum values { VALUES_NONE, VALUES_FREE, VALUES_FILE, VALUES_DIR, VALUES_WORDS, VALUES_DEVICE, VALUES_COMMAND };

// What can be said at once; `words` gets what VALUES_WORDS may be, separated by spaces.
static enum values values_of(const char *name, const char *argument, char *words, size_t size)
{
    words[0] = '\0';
    if (!argument || !*argument)
        return VALUES_NONE;
    if (strcmp(name, "sampler") == 0) {
        daub_sampler_info info = { .struct_size = sizeof(info) };
        for (uint32_t i = 0; i < daub_sampler_count() && daub_sampler_get_info(i, &info) == DAUB_OK; i++)
            snprintf(words + strlen(words), size - strlen(words), "%s%s", i ? " " : "", info.name);
        return VALUES_WORDS;
    }
    if (strcmp(name, "schedule") == 0) {
        daub_schedule_info info = { .struct_size = sizeof(info) };
        for (uint32_t i = 0; i < daub_schedule_count() && daub_schedule_get_info(i, &info) == DAUB_OK; i++)
            snprintf(words + strlen(words), size - strlen(words), "%s%s", i ? " " : "", info.name);
        return VALUES_WORDS;
    }
    for (int v = 0; v < cli_n_values; v++) {
        if (strcmp(cli_values[v].name, name) == 0) {
            snprintf(words, size, "%s", cli_values[v].words);
            return VALUES_WORDS;
        }
    }
    argument += *argument == '[';
    static const struct {
        const char *argument;
        enum values values;
    } kinds[] = {
        { "PATH", VALUES_FILE }, { "FILE", VALUES_FILE },  { "MODEL", VALUES_FILE },   { "PICTURE", VALUES_FILE },
        { "DIR", VALUES_DIR },   { "FOLDER", VALUES_DIR }, { "WHICH", VALUES_DEVICE }, { "COMMAND", VALUES_COMMAND },
    };
    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
        if (strncmp(argument, kinds[k].argument, strlen(kinds[k].argument)) == 0)
            return kinds[k].values;
    return VALUES_FREE;
}

// The names of all commands of `commands`, separated by `between`.
static void print_commands(unsigned commands, const char *between)
{
    bool first = true;
    for (int c = 0; c < cli_n_commands; c++) {
        if (!(cli_commands[c].command & commands))
            continue;
        printf("%s%s", first ? "" : between, cli_commands[c].name);
        first = false;
    }
}

// A description up to its semicolon or bracket, for a string in single quotes: a backslash before each of `escape`, and `quote`
// for a quote.
static void print_clause(const char *text, const char *escape, const char *quote)
{
    size_t n = strcspn(text, ";([");
    while (n && text[n - 1] == ' ')
        n--;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\'')
            fputs(quote, stdout);
        else
            printf("%s%c", strchr(escape, text[i]) ? "\\" : "", text[i]);
    }
}

// How a shell asks for the numbers of devices.
#define LIST_DEVICES "daub devices 2>/dev/null | sed -n 's/^[* ] \\([0-9][0-9]*\\)  .*/\\1/p'"

// ---- bash ------------------------------------------------------------------------------------------------------------

static void bash_value(enum values values, const char *words)
{
    switch (values) {
    case VALUES_WORDS:
        printf("_daub_words '%s'", words);
        break;
    case VALUES_FILE:
        fputs("_daub_files -f", stdout);
        break;
    case VALUES_DIR:
        fputs("_daub_files -d", stdout);
        break;
    case VALUES_DEVICE:
        fputs("_daub_words \"$(" LIST_DEVICES ")\"", stdout);
        break;
    case VALUES_COMMAND:
        fputs("_daub_words '", stdout);
        print_commands(CLI_ALL, " ");
        fputs("'", stdout);
        break;
    case VALUES_NONE:
    case VALUES_FREE:
        fputs(":", stdout);
        break;
    }
}

static void bash_options(void)
{
    char words[512];
    for (int i = 0; i < cli_n_options; i++) {
        const struct option *o = &cli_options[i];
        if (o->kind == FLAG)
            continue;
        fputs("    ", stdout);
        if (o->letter)
            printf("-%c | ", o->letter);
        printf("--%s) ", o->name);
        if (o->kind == MAYBE) // else the next word is another option
            fputs("[[ $glued ]] && ", stdout);
        bash_value(values_of(o->name, o->argument, words, sizeof(words)), words);
        fputs(o->kind == MAYBE ? " && return ;;\n" : "; return ;;\n", stdout);
    }
}

static void bash_commands(void)
{
    char words[512];
    for (int c = 0; c < cli_n_commands; c++) {
        printf("    %s)\n        if [[ $cur == -* ]]; then\n            _daub_words '", cli_commands[c].name);
        for (int i = 0; i < cli_n_options; i++)
            if (cli_options[i].commands & cli_commands[c].command)
                printf("--%s ", cli_options[i].name);
        fputs("'\n        else\n            ", stdout);
        bash_value(values_of(cli_commands[c].name, cli_commands[c].argument, words, sizeof(words)), words);
        fputs("\n        fi ;;\n", stdout);
    }
}

static void bash(void)
{
    fputs("# bash completion for daub, made by daub completions bash\n"
          "_daub_words() { # WORDS: those that begin with $cur\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\")\n"
          "}\n"
          "_daub_files() { # -f or -d\n"
          "    compopt -o filenames 2>/dev/null\n"
          "    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$cur\")\n"
          "}\n"
          "_daub() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=generate glued=\n"
          "    COMPREPLY=()\n"
          "    # --option=value comes as three words\n"
          "    if [[ $cur == '=' ]]; then\n"
          "        cur='' glued=1\n"
          "    elif [[ $prev == '=' && COMP_CWORD -ge 2 ]]; then\n"
          "        prev=${COMP_WORDS[COMP_CWORD - 2]} glued=1\n"
          "    fi\n"
          "    case $prev in\n",
          stdout);
    bash_options();
    fputs("    esac\n    case ${COMP_WORDS[1]} in\n    ", stdout);
    print_commands(CLI_ALL, " | ");
    fputs(") [[ COMP_CWORD -gt 1 ]] && command=${COMP_WORDS[1]} ;;\n    esac\n"
          "    if [[ COMP_CWORD -eq 1 && $cur != -* ]]; then\n        _daub_words '",
          stdout);
    print_commands(CLI_ALL, " ");
    fputs("'\n        return\n    fi\n    case $command in\n", stdout);
    bash_commands();
    fputs("    esac\n}\ncomplete -F _daub daub\n", stdout);
}

// ---- zsh -------------------------------------------------------------------------------------------------------------

static void zsh_value(enum values values, const char *argument, const char *words)
{
    fputs(":", stdout);
    for (; *argument; argument++)
        if (*argument != '[' && *argument != ']')
            fputc(*argument, stdout);
    switch (values) {
    case VALUES_WORDS:
        printf(":(%s)", words);
        break;
    case VALUES_FILE:
        fputs(":_files", stdout);
        break;
    case VALUES_DIR:
        fputs(":_files -/", stdout);
        break;
    case VALUES_DEVICE:
        fputs(":_daub_devices", stdout);
        break;
    case VALUES_COMMAND:
        fputs(":(", stdout);
        print_commands(CLI_ALL, " ");
        fputs(")", stdout);
        break;
    case VALUES_NONE:
    case VALUES_FREE:
        fputs(": ", stdout);
        break;
    }
}

static void zsh_command(const struct command *command)
{
    char words[512];
    printf("    %s)\n        _arguments", command->name);
    for (int i = 0; i < cli_n_options; i++) {
        const struct option *o = &cli_options[i];
        if (!(o->commands & command->command))
            continue;
        const char *glue = o->kind == FLAG ? "" : o->kind == MAYBE ? "=-" : "=";
        fputs(" \\\n            ", stdout);
        if (o->letter)
            printf("'(-%c --%s)'{-%c%s,--%s%s}", o->letter, o->name, o->letter, o->kind == FLAG ? "" : "+", o->name,
                   glue);
        else
            printf("--%s%s", o->name, glue);
        fputs("'[", stdout);
        print_clause(o->help, "\\[]:", "'\\''");
        fputs("]", stdout);
        if (o->kind == MAYBE)
            fputs(":", stdout); // what may be left out
        if (o->kind != FLAG)
            zsh_value(values_of(o->name, o->argument, words, sizeof(words)), o->argument, words);
        fputs("'", stdout);
    }
    if (*command->argument) {
        fputs(" \\\n            '1:", stdout);
        zsh_value(values_of(command->name, command->argument, words, sizeof(words)), command->argument, words);
        fputs("'", stdout);
    }
    fputs(" ;;\n", stdout);
}

static void zsh(void)
{
    fputs("#compdef daub\n# zsh completion for daub, made by daub completions zsh\n"
          "_daub_devices() {\n    local -a devices\n    devices=(${(f)\"$(" LIST_DEVICES ")\"})\n"
          "    compadd -a devices\n}\n"
          "_daub() {\n    local command=generate\n    local -a commands\n    commands=(\n",
          stdout);
    for (int c = 0; c < cli_n_commands; c++) {
        printf("        '%s:", cli_commands[c].name);
        print_clause(cli_commands[c].help, "\\:", "'\\''");
        fputs("'\n", stdout);
    }
    fputs("    )\n    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
          "        _describe command commands\n        return\n    fi\n    case $words[2] in\n    ",
          stdout);
    print_commands(CLI_ALL, "|");
    fputs(")\n        command=$words[2]\n        shift words\n        (( CURRENT-- )) ;;\n    esac\n    case $command "
          "in\n",
          stdout);
    for (int c = 0; c < cli_n_commands; c++)
        zsh_command(&cli_commands[c]);
    // Autoloaded from a folder of fpath the file is the function's body; sourced it makes the function known.
    fputs("    esac\n}\nif [[ $funcstack[1] == _daub ]]; then\n    _daub \"$@\"\nelse\n    compdef _daub daub\nfi\n",
          stdout);
}

// ---- fish ------------------------------------------------------------------------------------------------------------

// `maybe`: it may be left out.
static void fish_value(enum values values, const char *words, bool maybe)
{
    switch (values) {
    case VALUES_WORDS:
        printf("%s -a '%s'", maybe ? "" : " -x", words);
        break;
    case VALUES_FILE:
        fputs(" -r -F", stdout);
        break;
    case VALUES_DIR:
        fputs(" -x -a '(__fish_complete_directories)'", stdout);
        break;
    case VALUES_DEVICE:
        fputs(" -x -a '(__daub_devices)'", stdout);
        break;
    case VALUES_COMMAND:
        fputs(" -x -a '", stdout);
        print_commands(CLI_ALL, " ");
        fputs("'", stdout);
        break;
    case VALUES_FREE:
        fputs(" -x", stdout);
        break;
    case VALUES_NONE:
        break;
    }
}

static void fish(void)
{
    char words[512];
    fputs("# fish completion for daub, made by daub completions fish\n"
          "function __daub_devices\n    " LIST_DEVICES "\nend\n"
          "function __daub_is # COMMAND...: whether the line's command is one of them\n"
          "    set -l line (commandline -opc)\n    set -l command generate\n"
          "    if set -q line[2]; and contains -- $line[2] ",
          stdout);
    print_commands(CLI_ALL, " ");
    fputs("\n        set command $line[2]\n    end\n    contains -- $command $argv\nend\n"
          "function __daub_first # whether the word being typed is the first\n"
          "    test (count (commandline -opc)) -eq 1\nend\n"
          "complete -c daub -f\n",
          stdout);
    for (int c = 0; c < cli_n_commands; c++) {
        printf("complete -c daub -n __daub_first -a %s -d '", cli_commands[c].name);
        print_clause(cli_commands[c].help, "\\", "\\'");
        fputs("'\n", stdout);
        const enum values values = values_of(cli_commands[c].name, cli_commands[c].argument, words, sizeof(words));
        if (values != VALUES_NONE && values != VALUES_FREE) {
            printf("complete -c daub -n '__daub_is %s; and not __daub_first'", cli_commands[c].name);
            fish_value(values, words, false);
            fputs("\n", stdout);
        }
    }
    for (int i = 0; i < cli_n_options; i++) {
        const struct option *o = &cli_options[i];
        fputs("complete -c daub -n '__daub_is ", stdout);
        print_commands(o->commands, " ");
        fputs("'", stdout);
        if (o->letter)
            printf(" -s %c", o->letter);
        printf(" -l %s", o->name);
        fish_value(values_of(o->name, o->argument, words, sizeof(words)), words, o->kind == MAYBE);
        fputs(" -d '", stdout);
        print_clause(o->help, "\\", "\\'");
        fputs("'\n", stdout);
    }
}

int cli_completions(const struct cli *cli)
{
    if (strcmp(cli->text, "bash") == 0)
        bash();
    else if (strcmp(cli->text, "zsh") == 0)
        zsh();
    else if (strcmp(cli->text, "fish") == 0)
        fish();
    else {
        cli_fail("there are completions for bash, zsh and fish, not for '%s'", cli->text);
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

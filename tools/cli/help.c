// help.c - daub help: an overview of one screen, and a command's options by group, from the tables.
#include "table.h"

#include <string.h>

enum { HELP_WIDTH = 100, TEXT_COLUMN = 31, BRIEF = 26, SECOND_COLUMN = 40 };

const char *cli_group_title(const struct option *option)
{
    for (int g = 0; g < cli_n_groups; g++)
        if (strcmp(cli_groups[g].first, option->name) == 0)
            return cli_groups[g].title;
    return NULL;
}

// "-s, --steps N"; what has no letter keeps its place free.
static void option_head(const struct option *o, char *out, size_t size)
{
    snprintf(out, size, "%s%c%s--%s%s%s", o->letter ? "-" : " ", o->letter ? o->letter : ' ', o->letter ? ", " : "  ",
             o->name,
             !o->argument       ? ""
             : o->kind == MAYBE ? "[="
                                : " ",
             o->argument ? o->argument : "");
    if (o->kind == MAYBE)
        snprintf(out + strlen(out), size - strlen(out), "]");
}

// Text broken between words into lines of `width` columns, the first from column `at` on, the others from `column` on.
static void print_wrapped(FILE *out, const char *text, size_t at, size_t column, size_t width)
{
    if (at >= column) {
        fputc('\n', out);
        at = 0;
    }
    fprintf(out, "%*s", (int)(column - at), "");
    at = column;
    while (*text) {
        const size_t word = strcspn(text, " ");
        if (at > column && at + 1 + word > width) {
            fprintf(out, "\n%*s", (int)column, "");
            at = column;
        } else if (at > column) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, word, out);
        at += word;
        text += word + strspn(text + word, " ");
    }
    fputc('\n', out);
}

// ---- one screen ------------------------------------------------------------------------------------------------------

static void overview_options(FILE *out)
{
    for (int b = 0; b < cli_n_briefs; b++) {
        for (int i = 0; i < cli_n_options; i++) {
            char head[64];
            if (strcmp(cli_options[i].name, cli_briefs[b].name) != 0)
                continue;
            option_head(&cli_options[i], head, sizeof(head));
            fprintf(out, "  %-19s %s\n", head, cli_briefs[b].text);
        }
    }
}

// Two commands a line, each with the first clause of what it does.
static void overview_commands(FILE *out)
{
    int column = 0;
    for (int c = 0; c < cli_n_commands; c++) {
        if (cli_commands[c].command & (CLI_GENERATE | CLI_HELP))
            continue; // this is their text
        size_t length = strcspn(cli_commands[c].help, ";(");
        length -= length && cli_commands[c].help[length - 1] == ' ';
        if (length > BRIEF)
            length = BRIEF;
        if (column)
            fprintf(out, "%*s", SECOND_COLUMN - column, "");
        column += fprintf(out, "  %-11s %.*s", cli_commands[c].name, (int)length, cli_commands[c].help);
        if (column > SECOND_COLUMN) {
            fputc('\n', out);
            column = 0;
        }
    }
    if (column)
        fputc('\n', out);
}

void cli_overview(FILE *out)
{
    fputs("daub draws pictures from text with latent diffusion models on any Vulkan GPU.\n\n"
          "  daub \"a red apple\"\n"
          "  daub \"a red fox in snow\" --model sd15.safetensors --size 512x512 -o fox.png\n"
          "  daub \"a wolf in snow\" --model sd15.safetensors --init fox.png --strength 0.6\n\n",
          out);
    overview_options(out);
    fputs("\n", out);
    overview_commands(out);
    fputs("\nAll options: daub generate --help. A command's: daub COMMAND --help.\n", out);
}

// ---- all of a command ------------------------------------------------------------------------------------------------

void cli_help(enum cli_command command, FILE *out)
{
    for (int c = 0; c < cli_n_commands; c++) {
        char head[64];
        if (cli_commands[c].command != command)
            continue;
        const int n = snprintf(head, sizeof(head), "daub %s %s%s-", cli_commands[c].name, cli_commands[c].argument,
                               *cli_commands[c].argument ? " " : "");
        fputs(head, out);
        print_wrapped(out, cli_commands[c].help, (size_t)n, (size_t)n + 1, HELP_WIDTH);
    }
    const char *group = NULL, *printed = NULL;
    for (int i = 0; i < cli_n_options; i++) {
        char head[64];
        const char *title = cli_group_title(&cli_options[i]);
        group = title ? title : group;
        if (!(cli_options[i].commands & command))
            continue;
        if (group != printed)
            fprintf(out, "\n%s\n", group);
        printed = group;
        option_head(&cli_options[i], head, sizeof(head));
        fprintf(out, "  %s", head);
        print_wrapped(out, cli_options[i].help, 2 + strlen(head), TEXT_COLUMN, HELP_WIDTH);
    }
}

int cli_help_command(const struct cli *cli)
{
    if (!cli->text) {
        cli_overview(stdout);
        return EXIT_OK;
    }
    for (int c = 0; c < cli_n_commands; c++) {
        if (strcmp(cli_commands[c].name, cli->text) == 0) {
            cli_help(cli_commands[c].command, stdout);
            return EXIT_OK;
        }
    }
    char near[128];
    cli_near_command(cli->text, near, sizeof(near));
    if (near[0])
        cli_fail("there is no command %s; did you mean %s?", cli->text, near);
    else
        cli_fail("there is no command %s; daub help lists them", cli->text);
    return EXIT_USAGE;
}

// help.c - the help and the man page, from the tables.
#include "table.h"

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
        for (int c = 0; c < cli_n_commands; c++)
            fprintf(out, "  daub %-8s %-9s %s\n", cli_commands[c].name, cli_commands[c].argument, cli_commands[c].help);
    } else {
        for (int c = 0; c < cli_n_commands; c++)
            if (cli_commands[c].command == cli->command)
                fprintf(out, "daub %s %s - %s\n", cli_commands[c].name, cli_commands[c].argument, cli_commands[c].help);
    }
    fputs("\n", out);
    for (int i = 0; i < cli_n_options; i++) {
        char head[64];
        if (!(cli_options[i].commands & cli->command))
            continue;
        option_head(&cli_options[i], head, sizeof(head));
        fprintf(out, "  %-27s %s\n", head, cli_options[i].help);
    }
}

void cli_man(FILE *out)
{
    fprintf(out,
            ".TH DAUB 1 \"\" \"daub %d.%d.%d\"\n.SH NAME\ndaub \\- text-to-image diffusion on any Vulkan GPU\n"
            ".SH SYNOPSIS\n",
            DAUB_VERSION_MAJOR, DAUB_VERSION_MINOR, DAUB_VERSION_PATCH);
    for (int c = 0; c < cli_n_commands; c++)
        fprintf(out, ".B daub %s\n%s [options]\n.br\n", cli_commands[c].name, cli_commands[c].argument);
    fputs(".SH COMMANDS\n", out);
    for (int c = 0; c < cli_n_commands; c++)
        fprintf(out, ".TP\n.B %s %s\n%s\n", cli_commands[c].name, cli_commands[c].argument, cli_commands[c].help);
    fputs(".SH OPTIONS\n", out);
    for (int i = 0; i < cli_n_options; i++) {
        char head[64];
        option_head(&cli_options[i], head, sizeof(head));
        const char *start = head + (cli_options[i].letter ? 0 : 4);
        fputs(".TP\n.B ", out);
        for (; *start; start++)
            fprintf(out, "%s%c", *start == '-' ? "\\" : "", *start);
        fprintf(out, "\n%s\n", cli_options[i].help);
    }
    fputs(
        ".SH EXIT STATUS\n0 on success, 1 when something failed (one sentence says what), 2 for a wrong command line, "
        "130 after Ctrl-C.\n.SH ENVIRONMENT\n.TP\n.B DAUB_DEVICE\ndefault of \\-\\-device\n.TP\n.B DAUB_DEFAULT_MODEL\n"
        "folder of the model used without \\-\\-model\n.TP\n.B DAUB_DEBUG, DAUB_CAPS\n",
        out);
    fprintf(out, "%s\n", daub_tools_debug_words());
}

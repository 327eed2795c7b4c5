// man.c - daub man: the manual page in roff, from the tables.
#include "table.h"

#include <string.h>

// Text as roff prints it unchanged: hyphens that can be copied, no escapes, no line that is taken for a request.
static void roff(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '"')
            fputs("\\(dq", out);
        else if (*text == '~')
            fputs("\\(ti", out);
        else
            fputc(*text, out);
    }
}

static void paragraph(FILE *out, const char *head, const char *text)
{
    fputs(".TP\n.B ", out);
    roff(out, head);
    fputs("\n", out);
    roff(out, text);
    fputs("\n", out);
}

static void commands(FILE *out)
{
    fputs(".SH SYNOPSIS\n.B daub\n.I PROMPT\n.RI [ options ]\n", out);
    for (int c = 0; c < cli_n_commands; c++) {
        const char *const argument = cli_commands[c].argument;
        fprintf(out, ".br\n.B daub %s\n", cli_commands[c].name);
        if (*argument == '[')
            fprintf(out, ".RI [ %.*s ]\n", (int)strlen(argument) - 2, argument + 1);
        else if (*argument)
            fprintf(out, ".I %s\n", argument);
        fputs(".RI [ options ]\n", out);
    }
    fputs(
        ".SH DESCRIPTION\n"
        "daub draws pictures from text with latent diffusion models on any Vulkan 1.1 device: a GPU, or a driver that "
        "runs on the CPU.\nA small model comes with it; others are diffusers folders or single .safetensors files.\n"
        "The picture holds the prompt and every setting that made it.\n.SH COMMANDS\n",
        out);
    for (int c = 0; c < cli_n_commands; c++) {
        char head[96];
        snprintf(head, sizeof(head), "%s%s%s", cli_commands[c].name, *cli_commands[c].argument ? " " : "",
                 cli_commands[c].argument);
        paragraph(out, head, cli_commands[c].help);
    }
}

static void options(FILE *out)
{
    fputs(".SH OPTIONS\nWhat stands in brackets is taken where the option is not given.\n", out);
    for (int i = 0; i < cli_n_options; i++) {
        const struct option *o = &cli_options[i];
        const char *title = cli_group_title(o);
        if (title)
            fprintf(out, ".SS %s\n", title);
        fputs(".TP\n", out);
        fputs(o->argument ? ".BI " : ".B ", out);
        if (o->letter)
            fprintf(out, "\\-%c,\\ ", o->letter);
        roff(out, "--");
        roff(out, o->name);
        if (o->argument)
            fprintf(out, o->kind == MAYBE ? "[= %s ]" : "\\  %s", o->argument);
        fputs("\n", out);
        roff(out, o->help);
        fputs("\n", out);
    }
}

static void example(FILE *out, const char *what, const char *line)
{
    fprintf(out, ".PP\n%s\n.PP\n.RS\n.nf\n", what);
    roff(out, line);
    fputs("\n.fi\n.RE\n", out);
}

static void rest(FILE *out)
{
    fputs(".SH EXAMPLES\n", out);
    example(out, "A picture with the model that comes with daub:", "daub \"a red apple\"");
    example(out, "One with Stable Diffusion 1.5, four times with seeds of their own:",
            "daub \"a red fox in snow\" --model sd15.safetensors --size 512x512 -n 4 -o fox-{seed}.png");
    example(out, "A picture drawn anew where the mask is white:",
            "daub \"a wolf\" --model sd15.safetensors --init fox.png --mask mask.png -o wolf.png");
    example(out, "What a picture would take, and where:", "daub estimate --model sd15.safetensors --size 768x768");
    fputs(".SH EXIT STATUS\n.TP\n.B 0\nsuccess\n.TP\n.B 1\nsomething failed; one sentence on standard error says what\n"
          ".TP\n.B 2\nthe command line is wrong\n.TP\n.B 130\nCtrl\\-C; the file that was being written is there whole "
          "or "
          "not at all\n.SH ENVIRONMENT\n",
          out);
    paragraph(out, "DAUB_DEVICE", "default of --device");
    paragraph(out, "DAUB_DEFAULT_MODEL", "folder of the model used without --model");
    paragraph(out, "XDG_CACHE_HOME", "where daub/ with compiled kernels is, else ~/.cache");
    paragraph(out, "TMPDIR", "the folder for temporary files, else /tmp");
    paragraph(out, "DAUB_DEBUG, DAUB_CAPS", "words for whoever works on daub.");
    roff(out, daub_tools_debug_words());
    fputs("\n.SH FILES\n", out);
    paragraph(out, "share/daub/models/default/", "the model that comes with daub, beside the folder of the library");
    paragraph(out, "~/.cache/daub/",
              "kernels compiled by the device's driver, and checksums of model files; may be deleted");
    fputs(".SH SEE ALSO\n.BR vulkaninfo (1)\n.PP\nThe library of the same name:\n.I daub.h\n", out);
}

int cli_man_command(const struct cli *cli)
{
    (void)cli;
    printf(".\\\" Made by daub man.\n.TH DAUB 1 \"\" \"daub %d.%d.%d\" \"User Commands\"\n"
           ".SH NAME\ndaub \\- text\\-to\\-image diffusion on any Vulkan GPU\n",
           DAUB_VERSION_MAJOR, DAUB_VERSION_MINOR, DAUB_VERSION_PATCH);
    commands(stdout);
    options(stdout);
    rest(stdout);
    return EXIT_OK;
}

// styles.c - daub styles: what each style sets, from the library's table.
#include "cli.h"

static void print_text(const daub_style_info *s)
{
    printf("%-8s %s\n", s->name, s->description);
    printf("         --guidance: 1 + %g x (the model's - 1)", s->guidance_factor);
    if (s->guidance_rescale > 0.0f)
        printf(", --guidance-rescale %g", (double)s->guidance_rescale);
    if (s->guidance_start > 0.0 || s->guidance_end < 1.0)
        printf(", --guidance-interval %g:%g", s->guidance_start, s->guidance_end);
    if (s->steps_factor > 1.0)
        printf(", --steps: the model's x %g", s->steps_factor);
    if (s->sampler)
        printf(", --sampler %s", s->sampler);
    if (s->schedule)
        printf(", --schedule %s", s->schedule);
    puts("");
}

static void json_or_null(const char *text)
{
    if (text)
        cli_json_text(stdout, text);
    else
        fputs("null", stdout);
}

static void print_json(const daub_style_info *s, bool first)
{
    printf("%s  {\"name\": \"%s\", \"description\": ", first ? "" : ",\n", s->name);
    cli_json_text(stdout, s->description);
    printf(
        ", \"guidance_factor\": %g, \"guidance_rescale\": %g, \"guidance_interval\": [%g, %g], \"steps_factor\": %g, "
        "\"sampler\": ",
        s->guidance_factor, (double)s->guidance_rescale, s->guidance_start, s->guidance_end, s->steps_factor);
    json_or_null(s->sampler);
    printf(", \"schedule\": ");
    json_or_null(s->schedule);
    fputs("}", stdout);
}

int cli_styles(const struct cli *cli)
{
    daub_style_info s = { .struct_size = sizeof(s) };
    if (cli->json)
        puts("[");
    for (uint32_t i = 0; i < daub_style_count(); i++) {
        if (daub_style_get_info(i, &s) != DAUB_OK)
            return cli_failed();
        if (cli->json)
            print_json(&s, i == 0);
        else
            print_text(&s);
    }
    puts(cli->json ? "\n]" : "\nOptions that are given win over a style's; --vae and --prompt-embeds go with any.");
    return EXIT_OK;
}

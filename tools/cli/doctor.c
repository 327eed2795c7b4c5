// doctor.c - daub doctor: what daub needs of this machine, what is wrong with it, and the command that mends it.
#include "cli.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 256 };

static const char *const healths[] = { "ok", "note", "wrong" };

static void print_text(const struct cli *cli, const daub_tools_finding *rows, uint32_t n, uint32_t n_wrong)
{
    for (uint32_t i = 0; i < n; i++) {
        const daub_tools_finding *r = &rows[i];
        if (cli->quiet && r->health != DAUB_TOOLS_WRONG)
            continue;
        printf("%-5s  %-11s  ", healths[r->health], r->area);
        cli_print_line(stdout, r->text, sizeof(r->text));
        puts("");
        if (r->mend[0]) {
            printf("%-5s  %-11s  -> ", "", "");
            cli_print_line(stdout, r->mend, sizeof(r->mend));
            puts("");
        }
    }
    if (n_wrong > 0)
        printf("%u thing%s wrong\n", n_wrong, n_wrong == 1 ? " is" : "s are");
    else if (!cli->quiet)
        puts("nothing is wrong");
}

static void print_json(const daub_tools_finding *rows, uint32_t n, uint32_t n_wrong)
{
    printf("{\"healthy\": %s, \"findings\": [", n_wrong == 0 ? "true" : "false");
    for (uint32_t i = 0; i < n; i++) {
        printf("%s\n  {\"area\": \"%s\", \"health\": \"%s\", \"text\": ", i ? "," : "", rows[i].area,
               healths[rows[i].health]);
        cli_json_text(stdout, rows[i].text);
        fputs(", \"mend\": ", stdout);
        cli_json_text(stdout, rows[i].mend);
        fputs("}", stdout);
    }
    puts("\n]}");
}

int cli_doctor(const struct cli *cli)
{
    uint32_t n = 0, n_wrong = 0;
    const daub_device_params params = { .struct_size = sizeof(params),
                                        .device = cli->device,
                                        .log_level = DAUB_LOG_ERROR };
    daub_tools_finding *rows = calloc(MOST, sizeof(*rows));
    if (!rows)
        return cli_fail("no memory for the findings");
    if (daub_tools_doctor(&params, cli->weight_cache, rows, MOST, &n) != DAUB_OK) {
        free(rows);
        return cli_failed();
    }
    n = n < MOST ? n : MOST;
    for (uint32_t i = 0; i < n; i++)
        n_wrong += rows[i].health == DAUB_TOOLS_WRONG;
    if (cli->json)
        print_json(rows, n, n_wrong);
    else
        print_text(cli, rows, n, n_wrong);
    free(rows);
    return n_wrong > 0 ? EXIT_FAILED : EXIT_OK;
}

// selftest.c - daub selftest: every op against its reference on the chosen device.
#include "cli.h"

#include <string.h>

struct table {
    const struct cli *cli;
    bool headed;
    uint32_t n_checks, n_failed;
    double seconds;
};

static const char *precision_name(daub_precision precision)
{
    return precision == DAUB_PRECISION_F16 ? "f16" : "f32";
}

static void print_json(const daub_tools_check *c, bool list)
{
    fputs("{\"op\": ", stdout);
    cli_json_text(stdout, c->op);
    fputs(", \"words\": ", stdout);
    cli_json_text(stdout, c->words);
    printf(", \"precision\": \"%s\", \"cases\": %u", precision_name(c->precision), c->n_cases);
    if (!list) {
        if (c->error >= 0.0 && c->error < 1e300) // JSON has no other numbers
            printf(", \"error\": %.4g", c->error);
        else
            fputs(", \"error\": null", stdout);
        printf(", \"tolerance\": %.4g, \"seconds\": %.4f, \"failed\": %u, \"ok\": %s, \"kernels\": ", c->tolerance,
               c->seconds, c->n_failed, c->n_failed ? "false" : "true");
        cli_json_text(stdout, c->kernels);
        fputs(", \"sentence\": ", stdout);
        cli_json_text(stdout, c->sentence);
    }
    puts("}");
}

static void print_row(const daub_tools_check *c, const struct cli *cli)
{
    if (cli->list) {
        printf("%-13s %-17s %s %3u case%s\n", c->op, c->words, precision_name(c->precision), c->n_cases,
               c->n_cases == 1 ? "" : "s");
        return;
    }
    printf("%-13s %-17s %s %5u %9.2e %9.1e %8.0f  %s\n", c->op, c->words, precision_name(c->precision), c->n_cases,
           c->error, c->tolerance, c->seconds * 1e3, c->n_failed ? "FAIL" : "ok");
    if (c->n_failed) {
        fputs("    ", stdout);
        cli_print_line(stdout, c->sentence, sizeof(c->sentence));
        fputs("\n", stdout);
    }
    if (cli->verbose || c->n_failed)
        printf("    kernels: %s\n", c->kernels);
}

static void on_check(void *user, const daub_tools_check *check)
{
    struct table *table = user;
    table->n_checks++;
    table->n_failed += check->n_failed > 0;
    table->seconds += check->seconds;
    if (table->cli->json) {
        print_json(check, table->cli->list);
    } else if (!table->cli->quiet || check->n_failed) {
        if (!table->headed && !table->cli->list)
            puts("op            kernels by        type cases     error tolerance       ms");
        table->headed = true;
        print_row(check, table->cli);
    }
    fflush(stdout); // a driver may end the program in the next
}

int cli_selftest(const struct cli *cli)
{
    static const char *const precisions[] = { "f16", "f32", "both", NULL };
    struct table table = { .cli = cli };
    daub_tools_selftest_params params = {
        .struct_size = sizeof(params),
        .ops = cli->op,
        .thorough = cli->thorough,
        .list = cli->list,
        .on_check = on_check,
        .user = &table,
    };
    if (cli->precision && strcmp(cli->precision, "f16") == 0)
        params.precision = DAUB_PRECISION_F16;
    else if (cli->precision && strcmp(cli->precision, "f32") == 0)
        params.precision = DAUB_PRECISION_F32;
    else if (cli->precision && strcmp(cli->precision, "both") != 0)
        return cli_fail_name("--precision", precisions, cli->precision);
    const daub_device_params device = cli_device_params(cli);
    uint32_t n_failed = 0;
    if (daub_tools_selftest(&device, &params, &n_failed) != DAUB_OK)
        return cli_failed();
    if (!cli->json && !cli->list && !cli->quiet)
        printf("%u of %u checks passed in %.1f s\n", table.n_checks - n_failed, table.n_checks, table.seconds);
    return n_failed ? EXIT_FAILED : EXIT_OK;
}

// bench_kernels.c - daub bench --kernels: rates by kernel and tile.
#include "cli.h"

#include <string.h>

enum { MAX_RATES = 256 };

struct rates {
    const struct cli *cli;
    daub_tools_rate rows[MAX_RATES];
    uint32_t n, n_failed, n_left_out;
    double best, copy; // GFLOP/s of the fastest kernel, GB/s of copying
};

static double rate_of(double amount, const daub_tools_rate *r)
{
    return r->n_runs && r->seconds > 0.0 ? amount / r->seconds : 0.0;
}

static void print_json(const daub_tools_rate *r)
{
    const char *const names[] = { "op", "shape", "words", "kernel", "tile", "sentence" };
    const char *const texts[] = { r->op, r->shape, r->words, r->kernel, r->tile, r->sentence };
    for (int i = 0; i < 6; i++) {
        printf("%s\"%s\": ", i ? ", " : "{", names[i]);
        cli_json_text(stdout, texts[i]);
    }
    printf(", \"precision\": \"%s\", \"runs\": %u, \"gflop\": %.6g, \"gbytes\": %.6g, \"seconds\": %.6g, "
           "\"gflops\": %.5g, \"gbs\": %.5g}\n",
           r->precision == DAUB_PRECISION_F32   ? "f32"
           : r->precision == DAUB_PRECISION_F16 ? "f16"
                                                : "",
           r->n_runs, r->gflop, r->gbytes, r->seconds, rate_of(r->gflop, r), rate_of(r->gbytes, r));
    fflush(stdout); // a driver may end the program in the next
}

static void on_rate(void *user, const daub_tools_rate *rate)
{
    struct rates *rates = user;
    const bool products = strcmp(rate->op, "copy") != 0 && strcmp(rate->op, "stream") != 0;
    const double gflops = products ? rate_of(rate->gflop, rate) : 0.0;
    rates->best = gflops > rates->best ? gflops : rates->best;
    if (strcmp(rate->op, "copy") == 0)
        rates->copy = rate_of(rate->gbytes, rate);
    rates->n_failed += rate->sentence[0] != '\0';
    rates->n_left_out += !rate->n_runs && !rate->sentence[0];
    if (rates->cli->json)
        print_json(rate);
    else if (rates->n < MAX_RATES)
        rates->rows[rates->n++] = *rate;
}

static void print_row(const daub_tools_rate *r, double best)
{
    printf("%-10s %-26s %-10s %-31s %-9s ", r->op, r->shape, r->words, r->kernel, r->tile);
    if (r->sentence[0]) {
        fputs("FAIL ", stdout);
        cli_print_line(stdout, r->sentence, sizeof(r->sentence));
        puts("");
    } else if (!r->n_runs) {
        puts("left out: no time");
    } else if (strcmp(r->op, "copy") == 0 || strcmp(r->op, "stream") == 0) {
        printf("%9.3f ms %9.1f GB/s\n", r->seconds * 1e3, rate_of(r->gbytes, r));
    } else {
        printf("%9.3f ms %9.1f GFLOP/s %4.0f %%\n", r->seconds * 1e3, rate_of(r->gflop, r),
               best > 0.0 ? 100.0 * rate_of(r->gflop, r) / best : 0.0);
    }
}

int cli_bench_kernels(const struct cli *cli)
{
    static const char *const precisions[] = { "f16", "f32", NULL };
    static struct rates rates;
    rates.cli = cli;
    daub_tools_rates_params params = {
        .struct_size = sizeof(params), .ops = cli->op, .seconds = cli->seconds, .on_rate = on_rate, .user = &rates
    };
    if (cli->precision && strcmp(cli->precision, "f32") == 0)
        params.precision = DAUB_PRECISION_F32;
    else if (cli->precision && strcmp(cli->precision, "f16") != 0)
        return cli_fail_name("--precision", precisions, cli->precision);
    const daub_device_params device = cli_device_params(cli);
    const int status = daub_tools_kernel_rates(&device, &params) == DAUB_OK ? EXIT_OK : cli_failed();
    for (uint32_t i = 0; i < rates.n; i++)
        if (rates.rows[i].n_runs || rates.rows[i].sentence[0] || cli->verbose)
            print_row(&rates.rows[i], rates.best);
    if (cli->json)
        printf("{\"best_gflops\": %.5g, \"copy_gbs\": %.5g, \"left_out\": %u, \"complete\": %s}\n", rates.best,
               rates.copy, rates.n_left_out, status == EXIT_OK ? "true" : "false");
    else if (status == EXIT_OK)
        printf("the best: %.1f GFLOP/s, copying %.1f GB/s; %u left out for want of time (see --seconds)\n", rates.best,
               rates.copy, rates.n_left_out);
    return status == EXIT_OK && rates.n_failed ? EXIT_FAILED : status;
}

// bench_ops.c - the costs of classes of operations, for daub bench --ops: as a table and as JSON.
#include "cli.h"

#include <string.h>

static double ratio(double a, double b)
{
    return b > 0.0 ? a / b : 0.0;
}

static bool is_total(const daub_tools_op_cost *c)
{
    return strcmp(c->op, "total") == 0;
}

// Share of the time between a phase's first and last dispatch in which none of them ran.
static double idle_share(const daub_tools_op_cost *c)
{
    const double idle = c->span_seconds > 0.0 ? 1.0 - c->seconds / c->span_seconds : 0.0;
    return idle > 0.0 ? idle : 0.0;
}

static void print_row(const daub_tools_op_cost *c, const char *op, double runs)
{
    printf("%-8s %-16s %7.0f %10.0f %10.4f %10.2f %9.1f %9.2f %8.1f %9.2f %6.2f\n", c->phase, op, c->n_nodes * runs,
           c->n_dispatches * runs, c->seconds * runs, c->gflop * runs, ratio(c->gflop, c->seconds),
           1e3 * c->gbytes * runs, ratio(c->gbytes, c->seconds), 1e3 * c->floor_gbytes * runs,
           ratio(c->gbytes, c->floor_gbytes));
}

void bench_print_ops(const daub_tools_op_cost *rows, uint32_t n)
{
    printf("\nof one run; floor: a dispatch a layer, and each of its inputs, weights and outputs moved once\n"
           "%-8s %-16s %7s %10s %10s %10s %9s %9s %8s %9s %6s\n",
           "phase", "op", "layers", "dispatches", "seconds", "GFLOP", "GFLOP/s", "MB", "GB/s", "floor MB", "ratio");
    for (uint32_t i = 0; i < n; i++) {
        const daub_tools_op_cost *c = &rows[i];
        print_row(c, c->op, 1.0);
        if (!is_total(c))
            continue;
        if (c->n_runs > 1) {
            char all[32];
            snprintf(all, sizeof(all), "%u runs", c->n_runs);
            print_row(c, all, c->n_runs);
        }
        if (c->span_seconds > 0.0)
            printf("%-8s %-16s %.4f s from first to last dispatch, %.2f %% of it between dispatches\n", c->phase,
                   "span", c->span_seconds, 100.0 * idle_share(c));
    }
}

void bench_print_load(const daub_tools_load *load)
{
    if (load->n_steps == 0 || load->wall_seconds <= 0.0)
        return;
    const double cores = load->cpu_seconds / load->wall_seconds;
    printf("load    %8.2f of %u processors busy (%.1f %%), host work %.5f s a step (%.2f %%), over %u steps\n", cores,
           load->n_cores, 100.0 * cores / load->n_cores, load->host_seconds / load->n_steps,
           100.0 * load->host_seconds / load->wall_seconds, load->n_steps);
}

void bench_json_ops(const daub_tools_op_cost *rows, uint32_t n, const daub_tools_load *load)
{
    printf("\"load\": {\"steps\": %u, \"processors\": %u, \"wall\": %.6f, \"cpu\": %.6f, \"host\": %.6f}, \"ops\": [",
           load->n_steps, load->n_cores, load->wall_seconds, load->cpu_seconds, load->host_seconds);
    for (uint32_t i = 0; i < n; i++) {
        const daub_tools_op_cost *c = &rows[i];
        const double runs = c->n_runs;
        printf("%s\n  {\"phase\": \"%s\", \"op\": \"%s\", \"runs\": %u, \"layers\": %u, \"dispatches\": %u, "
               "\"seconds\": %.6f, \"gflop\": %.4f, \"gbytes\": %.6f, \"floor_gbytes\": %.6f, \"ratio\": %.4f, "
               "\"gflop_per_second\": %.2f, ",
               i ? "," : "", c->phase, c->op, c->n_runs, c->n_nodes, c->n_dispatches, c->seconds, c->gflop, c->gbytes,
               c->floor_gbytes, ratio(c->gbytes, c->floor_gbytes), ratio(c->gflop, c->seconds));
        if (is_total(c))
            printf("\"span\": %.6f, \"idle\": %.6f, ", c->span_seconds, idle_share(c));
        printf(
            "\"all\": {\"dispatches\": %.0f, \"seconds\": %.6f, \"gflop\": %.4f, \"gbytes\": %.6f, \"floor_gbytes\": "
            "%.6f}}",
            c->n_dispatches * runs, c->seconds * runs, c->gflop * runs, c->gbytes * runs, c->floor_gbytes * runs);
    }
    printf("]");
}

// bench.c - daub bench: seconds a phase or an operation.
#include "cli.h"

enum { MAX_ROWS = 192 };

// ---- phases and operations -------------------------------------------------------------------------------------------

static void print_text(const daub_result *r)
{
    printf("%ux%u, %u steps of %s, %u model calls\n", r->width, r->height, r->n_steps, r->sampler, r->n_model_calls);
    printf("prepare %8.3f s\ntext    %8.3f s\ndenoise %8.3f s (first step %.3f s", r->prepare_seconds, r->text_seconds,
           r->denoise_seconds, r->first_step_seconds);
    if (r->n_model_calls > 1)
        printf(", then %.3f s a call", (r->denoise_seconds - r->first_step_seconds) / (r->n_model_calls - 1));
    printf(")\ndecode  %8.3f s\narena   %8.1f MB\nmemory  %8.1f MB at the peak\n", r->decode_seconds,
           (double)r->arena_size * 1e-6, (double)r->memory_peak * 1e-6);
}

static void print_json(const daub_tools_op_cost *rows, uint32_t n, const daub_tools_load *load, const daub_result *r)
{
    printf(
        "{\"width\": %u, \"height\": %u, \"steps\": %u, \"model_calls\": %u, \"sampler\": \"%s\", \"prepare\": %.4f, "
        "\"text\": %.4f, \"denoise\": %.4f, \"first_step\": %.4f, \"decode\": %.4f, \"arena\": %llu, \"memory\": "
        "%llu, ",
        r->width, r->height, r->n_steps, r->n_model_calls, r->sampler, r->prepare_seconds, r->text_seconds,
        r->denoise_seconds, r->first_step_seconds, r->decode_seconds, (unsigned long long)r->arena_size,
        (unsigned long long)r->memory_peak);
    bench_json_ops(rows, n, load);
    puts("}");
}

int cli_bench(const struct cli *cli)
{
    if (cli->start)
        return cli_bench_start(cli);
    if (cli->kernels)
        return cli_bench_kernels(cli);
    struct cli with_prompt = *cli;
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_model_info info = { .struct_size = sizeof(info) };
    if (!cli_open(cli, &dev, &model))
        return EXIT_FAILED;
    int status = daub_model_get_info(model, &info) == DAUB_OK ? EXIT_OK : cli_failed();
    if (!with_prompt.text && info.text && !cli->prompt_embeds)
        with_prompt.text = "a red apple";
    daub_generate_params params;
    if (status == EXIT_OK)
        status = cli_params(&with_prompt, &params);
    if (status == EXIT_OK)
        status = cli_apply_style(cli, model, &params);
    if (status == EXIT_OK) {
        daub_tools_op_cost rows[MAX_ROWS];
        uint32_t n = 0;
        daub_tools_load load;
        daub_result result = { .struct_size = sizeof(result) };
        if (daub_tools_bench(model, &params, rows, cli->ops ? MAX_ROWS : 0, &n, &load, &result) != DAUB_OK)
            status = cli_failed();
        else if (cli->json)
            print_json(rows, n < MAX_ROWS ? n : MAX_ROWS, &load, &result);
        else
            print_text(&result);
        if (status == EXIT_OK && !cli->json)
            bench_print_load(&load);
        if (status == EXIT_OK && !cli->json && cli->ops)
            bench_print_ops(rows, n < MAX_ROWS ? n : MAX_ROWS);
    }
    cli_close(&dev, &model);
    return status;
}

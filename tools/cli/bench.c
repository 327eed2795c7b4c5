// bench.c - daub bench: seconds a phase, an operation, or a start.
#include "cli.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROWS = 192, MAX_ARGS = 40 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// ---- start -----------------------------------------------------------------------------------------------------------

// Becomes this program, drawing one picture with the given options and the caches in `folder`.
static void exec_start(const struct cli *cli, const char *prompt, const char *folder)
{
    char output[4096], cache[4096], numbers[4][32];
    snprintf(output, sizeof(output), "%s/out.png", folder);
    snprintf(cache, sizeof(cache), "%s/driver", folder);
    setenv("XDG_CACHE_HOME", folder, 1);
    setenv("MESA_SHADER_CACHE_DIR", cache, 1);
    setenv("MESA_GLSL_CACHE_DIR", cache, 1);
    setenv("__GL_SHADER_DISK_CACHE_PATH", folder, 1);

    snprintf(numbers[0], sizeof(numbers[0]), "%u", cli->steps);
    snprintf(numbers[1], sizeof(numbers[1]), "%.9g", (double)cli->guidance);
    snprintf(numbers[2], sizeof(numbers[2]), "%u", cli->width);
    snprintf(numbers[3], sizeof(numbers[3]), "%u", cli->height);
    const char *const pairs[][2] = {
        { "--output", output },
        { "--seed", "1" },
        { "--model", cli->model },
        { "--config-from", cli->config_from },
        { "--device", cli->device },
        { "--precision", cli->precision },
        { "--negative", cli->negative },
        { "--prompt-embeds", cli->prompt_embeds },
        { "--sampler", cli->sampler },
        { "--schedule", cli->schedule },
        { "--rng", cli->rng },
        { "--steps", cli->steps ? numbers[0] : NULL },
        { "--guidance", cli->guidance > 0.0f ? numbers[1] : NULL },
        { "--width", cli->width ? numbers[2] : NULL },
        { "--height", cli->height ? numbers[3] : NULL },
    };
    const char *args[MAX_ARGS] = { cli->program, "generate", "--quiet" };
    int n = 3;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (pairs[i][1]) {
            args[n++] = pairs[i][0];
            args[n++] = pairs[i][1];
        }
    }
    if (prompt) {
        args[n++] = "--";
        args[n++] = prompt;
    }
    execvp(cli->program, (char *const *)(uintptr_t)args);
    _exit(127);
}

// Seconds of one start; negative when it failed.
static double one_start(const struct cli *cli, const char *prompt, const char *folder)
{
    const double start = now();
    const pid_t child = fork();
    if (child == 0)
        exec_start(cli, prompt, folder);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return -1.0;
    return now() - start;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int bench_start(const struct cli *cli)
{
    const daub_model_params params = { .struct_size = sizeof(params), .config_from = cli->config_from };
    daub_model_info info;
    if (daub_model_inspect(cli->model, &params, &info) != DAUB_OK)
        return cli_failed();
    const char *prompt = cli->text ? cli->text : info.text && !cli->prompt_embeds ? "a red apple" : NULL;
    const char *place = getenv("TMPDIR");
    char folder[4000];
    snprintf(folder, sizeof(folder), "%s/daub-start-XXXXXX", place && *place ? place : "/tmp");
    if (!mkdtemp(folder))
        return cli_fail("cannot make the folder %s: %s", folder, strerror(errno));
    const double first = one_start(cli, prompt, folder);
    const double second = first < 0.0 ? -1.0 : one_start(cli, prompt, folder);
    if (nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        cli_fail("cannot remove %s: %s", folder, strerror(errno));
    if (second < 0.0)
        return cli_fail("the picture of a fresh start could not be drawn");
    if (cli->json)
        printf("{\"first_start\": %.3f, \"second_start\": %.3f}\n", first, second);
    else
        printf("first start  %7.2f s (no caches)\nsecond start %7.2f s (%.0f %% of the first)\n", first, second,
               100.0 * second / first);
    return EXIT_OK;
}

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
        return bench_start(cli);
    struct cli with_prompt = *cli;
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_model_info info;
    if (!cli_open(cli, &dev, &model))
        return EXIT_FAILED;
    int status = daub_model_get_info(model, &info) == DAUB_OK ? EXIT_OK : cli_failed();
    if (!with_prompt.text && info.text && !cli->prompt_embeds)
        with_prompt.text = "a red apple";
    daub_generate_params params;
    if (status == EXIT_OK)
        status = cli_params(&with_prompt, &params);
    if (status == EXIT_OK) {
        daub_tools_op_cost rows[MAX_ROWS];
        uint32_t n = 0;
        daub_tools_load load;
        daub_result result;
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

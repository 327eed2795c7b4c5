// bench_start.c - daub bench --start: a first start without caches and a second one, each a process of its own, and when in
// it the device was open, the denoiser's weights there, the first step begun and the file written.
#include "cli.h"

#if defined(_WIN32)

int cli_bench_start(const struct cli *cli)
{
    (void)cli;
    return cli_fail("--start is not made for Windows: it runs daub anew with caches of its own, by fork()");
}

#else

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ARGS = 48 };

struct start {                                // seconds
    double device, weights, first_step, file; // since the program's main began
    double all;                               // of the process, from fork to exit
};

// Becomes this program, drawing one picture with the given options and the caches in `folder`; says what it took on `out`.
static void exec_start(const struct cli *cli, const char *prompt, const char *folder, int out)
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
        { "--emphasis", cli->emphasis },
        { "--pad-prompts", cli->pad_prompts },
        { "--prompt-embeds", cli->prompt_embeds },
        { "--sampler", cli->sampler },
        { "--vae", cli->vae },
        { "--style", cli->style },
        { "--guidance-interval", cli->guidance_interval },
        { "--schedule", cli->schedule },
        { "--rng", cli->rng },
        { "--weight-cache", cli->weight_cache },
        { "--steps", cli->steps ? numbers[0] : NULL },
        { "--guidance", cli->guidance > 0.0f ? numbers[1] : NULL },
        { "--width", cli->width ? numbers[2] : NULL },
        { "--height", cli->height ? numbers[3] : NULL },
    };
    const char *args[MAX_ARGS] = { cli->program, "generate", "--quiet", "--json" };
    int n = 4;
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
    if (dup2(out, STDOUT_FILENO) >= 0)
        execvp(cli->program, (char *const *)(uintptr_t)args);
    _exit(127);
}

// Everything a child writes, at most size - 1 bytes of it.
static void read_all(int in, char *text, size_t size)
{
    size_t n = 0;
    ssize_t got = 0;
    while (n + 1 < size && ((got = read(in, text + n, size - n - 1)) > 0 || (got < 0 && errno == EINTR)))
        n += got > 0 ? (size_t)got : 0;
    text[n] = '\0';
}

static bool one_start(const struct cli *cli, const char *prompt, const char *folder, struct start *out)
{
    char text[8192];
    int ends[2], status = 0;
    const double begin = cli_seconds();
    if (pipe(ends) != 0)
        return false;
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        exec_start(cli, prompt, folder, ends[1]);
    }
    close(ends[1]);
    read_all(ends[0], text, sizeof(text));
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return false;
    out->all = cli_seconds() - begin;
    const char *until = strstr(text, "\"until\":");
    return until && sscanf(until, "\"until\": {\"device\": %lf, \"weights\": %lf, \"first_step\": %lf, \"file\": %lf}",
                           &out->device, &out->weights, &out->first_step, &out->file) == 4;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void print_json(const struct start starts[2])
{
    printf("{\"first_start\": %.3f, \"second_start\": %.3f", starts[0].all, starts[1].all);
    for (int i = 0; i < 2; i++)
        printf(", \"%s\": {\"device\": %.3f, \"weights\": %.3f, \"first_step\": %.3f, \"file\": %.3f}",
               i == 0 ? "first" : "second", starts[i].device, starts[i].weights, starts[i].first_step, starts[i].file);
    puts("}");
}

static void print_text(const struct start starts[2])
{
    static const char *const names[] = { "first start, no caches", "second start" };
    printf("%-24s %10s %10s %10s %10s %10s\n", "seconds until", "device", "weights", "first step", "file", "exit");
    for (int i = 0; i < 2; i++)
        printf("%-24s %10.2f %10.2f %10.2f %10.2f %10.2f\n", names[i], starts[i].device, starts[i].weights,
               starts[i].first_step, starts[i].file, starts[i].all);
}

int cli_bench_start(const struct cli *cli)
{
    const daub_model_params params = { .struct_size = sizeof(params), .config_from = cli->config_from };
    daub_model_info info = { .struct_size = sizeof(info) };
    if (daub_model_inspect(cli->model, &params, &info) != DAUB_OK)
        return cli_failed();
    const char *prompt = cli->text ? cli->text : info.text && !cli->prompt_embeds ? "a red apple" : NULL;
    const char *place = getenv("TMPDIR");
    char folder[4000];
    snprintf(folder, sizeof(folder), "%s/daub-start-XXXXXX", place && *place ? place : "/tmp");
    if (!mkdtemp(folder))
        return cli_fail("cannot make the folder %s: %s", folder, strerror(errno));
    struct start starts[2];
    bool ok = true;
    for (int i = 0; i < 2 && ok; i++)
        ok = one_start(cli, prompt, folder, &starts[i]);
    if (nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        cli_fail("cannot remove %s: %s", folder, strerror(errno));
    if (!ok)
        return cli_fail("the picture of a fresh start could not be drawn");
    if (cli->json)
        print_json(starts);
    else
        print_text(starts);
    return EXIT_OK;
}

#endif

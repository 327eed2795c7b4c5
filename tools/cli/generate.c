// generate.c - daub "a red apple".
#include "platform.h"
#include "show.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// A seed from the system's generator; the clock where there is none. 32 bits: what torch uses of a seed, and short to type.
uint64_t cli_random_seed(void)
{
    uint32_t seed = 0;
    return platform_random(&seed) ? seed : (uint32_t)time(NULL);
}

bool cli_make_path(const char *pattern, uint64_t seed, uint32_t index, uint32_t count, char *out, size_t size)
{
    size_t n = 0;
    bool filled = false;
    for (const char *p = pattern; *p && n < size;) {
        int made;
        if (strncmp(p, "{seed}", 6) == 0) {
            made = snprintf(out + n, size - n, "%llu", (unsigned long long)seed);
            p += 6;
            filled = true;
        } else if (strncmp(p, "{n}", 3) == 0) {
            made = snprintf(out + n, size - n, "%u", index + 1);
            p += 3;
            filled = true;
        } else {
            made = snprintf(out + n, size - n, "%c", *p++);
        }
        n += (size_t)made;
    }
    if (n + 16 >= size) {
        cli_fail("the output's path is longer than 4,096 bytes");
        return false;
    }
    if (count > 1 && !filled && strcmp(pattern, "-") != 0) {
        char *dot = strrchr(out, '.');
        char *slash = strrchr(out, '/');
        char end[4096] = "";
        if (dot && (!slash || dot > slash)) {
            snprintf(end, sizeof(end), "%s", dot);
            *dot = '\0';
        }
        snprintf(out + strlen(out), size - strlen(out), "-%u%s", index + 1, end);
    }
    return true;
}

// The default name never replaces an older picture: "-2", "-3", ... goes before the extension until the name is free.
static void avoid_existing(char *path, size_t size)
{
    const char *dot = strrchr(path, '.');
    const size_t stem = dot ? (size_t)(dot - path) : strlen(path);
    char end[8];
    snprintf(end, sizeof(end), "%s", path + stem);
    for (unsigned i = 2; access(path, F_OK) == 0 && i < 100000; i++)
        snprintf(path + stem, size - stem, "-%u%s", i, end);
}

// `begin`: when the picture was asked for.
static void report(const struct cli *cli, const char *path, const daub_result *r, double begin)
{
    FILE *out = strcmp(path, "-") == 0 ? stderr : stdout;
    if (r->n_tokens_cut > 0 && !cli->quiet) {
        fprintf(stderr, "daub: warning: the prompt is %u tokens too long for this model's window of %u; cut from: ",
                r->n_tokens_cut, r->n_tokens);
        cli_print_line(stderr, r->prompt_cut, sizeof(r->prompt_cut));
        fputc('\n', stderr);
    }
    if (cli->json) {
        fputs("{\"path\": ", out);
        cli_json_text(out, path);
        fprintf(
            out,
            ", \"seed\": %llu, \"width\": %u, \"height\": %u, \"steps\": %u, \"guidance\": %g, \"guidance_rescale\": "
            "%g, "
            "\"guidance_interval\": [%g, %g], \"style\": \"%s\", \"sampler\": \"%s\", "
            "\"schedule\": \"%s\", \"strength\": %g, \"seconds\": {\"prepare\": %.3f, \"text\": %.3f, \"encode\": "
            "%.3f, "
            "\"denoise\": %.3f, \"decode\": %.3f}, \"until\": {\"device\": %.3f, \"weights\": %.3f, \"first_step\": "
            "%.3f, \"file\": %.3f}, "
            "\"tokens\": %u, \"tokens_cut\": %u, \"chunks\": %u, \"emphasis\": \"%s\", \"memory\": %llu}\n",
            (unsigned long long)r->seed, r->width, r->height, r->n_steps, (double)r->guidance_scale,
            (double)r->guidance_rescale, r->guidance_start, r->guidance_end, cli->style ? cli->style : "", r->sampler,
            r->schedule, r->strength, r->prepare_seconds, r->text_seconds, r->encode_seconds, r->denoise_seconds,
            r->decode_seconds, cli_opened(), begin + r->weights_at_seconds, begin + r->first_step_at_seconds,
            cli_seconds(), r->n_tokens, r->n_tokens_cut, r->n_chunks,
            r->emphasis == DAUB_EMPHASIS_OFF ? "off" : "webui", (unsigned long long)r->memory_peak);
    } else if (!cli->quiet) {
        char encode[32] = "";
        if (r->strength > 0.0)
            snprintf(encode, sizeof(encode), "encode %.2f s, ", r->encode_seconds);
        fprintf(out,
                "%s: %ux%u, seed %llu, %u steps of %s, guidance %g; prepare %.2f s, text %.2f s, %sdenoise %.2f s, "
                "decode %.2f s\n",
                path, r->width, r->height, (unsigned long long)r->seed, r->n_steps, r->sampler,
                (double)r->guidance_scale, r->prepare_seconds, r->text_seconds, encode, r->denoise_seconds,
                r->decode_seconds);
    }
    fflush(out);
}

struct model_hash { // asked for once a picture is drawn: the first time it reads the whole file
    char text[11];
    bool asked, known;
};

static const char *hash_of(const char *path, daub_status (*ask)(const char *path, char out[11]),
                           struct model_hash *hash)
{
    if (!hash->asked)
        hash->known = ask(path, hash->text) == DAUB_OK;
    hash->asked = true;
    return hash->known ? hash->text : NULL;
}

daub_status cli_draw(daub_model *model, const daub_generate_params *params, daub_image *image, daub_result *result)
{
    enum { LOOK_NS = 50000000 };
    daub_job *job = NULL;
    daub_status status = daub_job_submit(model, params, &job);
    if (status != DAUB_OK)
        return status;
    for (bool done = false; !done;) {
        status = daub_job_wait(job, LOOK_NS, &done);
        if (!done && cli_interrupted())
            daub_job_cancel(job);
    }
    if (status == DAUB_OK)
        status = daub_job_get_result(job, result);
    if (status == DAUB_OK)
        status = daub_job_take_image(job, image);
    daub_job_destroy(&job);
    return status;
}

static int draw_one(const struct cli *cli, daub_model *model, const daub_model_info *info, struct model_hash hashes[2],
                    daub_generate_params *params, const char *path, const char *format, struct progress *progress,
                    struct show *show)
{
    daub_image image = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    show_attach(show, model, params, progress);
    const double begin = cli_seconds();
    const daub_status status = cli_draw(model, params, &image, &result);
    progress_end(progress);
    if (status == DAUB_ERROR_CANCELLED) {
        cli_failed();
        return EXIT_CANCELLED;
    }
    if (status != DAUB_OK)
        return cli_failed();
    char *parameters = metadata_text(cli, info, &result, hash_of(cli->model, daub_tools_model_hash, &hashes[0]),
                                     cli->vae ? hash_of(cli->vae, daub_tools_vae_hash, &hashes[1]) : NULL);
    const bool ok = parameters &&
                    picture_write(path, format, cli->quality ? (int)cli->quality : 92, &image, parameters);
    if (!parameters)
        cli_fail("no memory for the picture's parameters");
    const int shown = ok ? show_end(show, model, params, &image, parameters, params->seed) : EXIT_FAILED;
    free(parameters);
    daub_image_free(&image);
    if (ok)
        report(cli, path, &result, begin);
    return shown;
}

// Every path and format before any work: a bad name must not cost a picture.
static int check_outputs(const struct cli *cli, const char *pattern, uint64_t seed, uint32_t count)
{
    char path[4096];
    for (uint32_t i = 0; i < count; i++) {
        if (!cli_make_path(pattern, seed + i, i, count, path, sizeof(path)) || !picture_format(path, cli->format) ||
            !picture_check_writable(path) || !show_check_path(cli, path, seed + i, i, count))
            return EXIT_FAILED;
    }
    return EXIT_OK;
}

int cli_generate(const struct cli *cli)
{
    const uint32_t count = cli->count ? cli->count : 1;
    char named[32];
    const char *format = picture_format("-", cli->format), *pattern = cli->output;
    if (!format)
        return EXIT_FAILED;
    if (!pattern) {
        snprintf(named, sizeof(named), "daub-{seed}.%s", format);
        pattern = named;
    }
    struct show show;
    const int wrong = show_begin(&show, cli);
    if (wrong != EXIT_OK)
        return wrong;
    const uint64_t seed = cli->seed_text ? cli->seed : cli_random_seed();
    if (check_outputs(cli, pattern, seed, count) != EXIT_OK)
        return EXIT_FAILED;
    daub_generate_params params;
    if (cli_params(cli, &params) != EXIT_OK)
        return EXIT_FAILED;

    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_model_info info = { .struct_size = sizeof(info) };
    if (!cli_open(cli, &dev, &model))
        return EXIT_FAILED;
    int status = daub_model_get_info(model, &info) == DAUB_OK ? EXIT_OK : cli_failed();
    if (status == EXIT_OK)
        status = cli_apply_style(cli, model, &params);
    if (status == EXIT_OK)
        status = show_check(&show, model, &params);
    struct model_hash hashes[2] = { { .asked = false } }; // the model's, and --vae's

    cli_catch_interrupt();
    for (uint32_t i = 0; status == EXIT_OK && i < count; i++) {
        char path[4096];
        if (!cli_make_path(pattern, seed + i, i, count, path, sizeof(path)))
            break;
        if (!cli->output)
            avoid_existing(path, sizeof(path));
        struct progress progress = {
            .quiet = cli->quiet,
            .terminal = platform_is_terminal(stderr),
            .index = i,
            .count = count,
            .last_line = -1,
        };
        params.seed = seed + i;
        status = draw_one(cli, model, &info, hashes, &params, path, picture_format(path, cli->format), &progress,
                          &show);
    }
    show_free(&show);
    cli_close(&dev, &model);
    return status;
}

// generate.c - daub "a red apple".
#include "lines.h"
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
static void report(const struct line *line, const char *path, const daub_result *r, const char *prompt, double begin)
{
    const struct cli *cli = &line->cli;
    const char *style = cli->named_style ? cli->named_style : cli->style ? cli->style : "";
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
        fputs(", \"prompt\": ", out);
        cli_json_text(out, prompt ? prompt : "");
        if (line->number > 0)
            fprintf(out, ", \"line\": %u", line->number);
        fprintf(
            out,
            ", \"seed\": %llu, \"width\": %u, \"height\": %u, \"steps\": %u, \"guidance\": %g, \"guidance_rescale\": "
            "%g, "
            "\"guidance_interval\": [%g, %g], \"style\": ",
            (unsigned long long)r->seed, r->width, r->height, r->n_steps, (double)r->guidance_scale,
            (double)r->guidance_rescale, r->guidance_start, r->guidance_end);
        cli_json_text(out, style); // of a picture's text, anyone's
        fprintf(
            out,
            ", \"sampler\": \"%s\", "
            "\"schedule\": \"%s\", \"strength\": %g, \"seconds\": {\"prepare\": %.3f, \"text\": %.3f, \"encode\": "
            "%.3f, "
            "\"denoise\": %.3f, \"decode\": %.3f}, \"until\": {\"device\": %.3f, \"weights\": %.3f, \"first_step\": "
            "%.3f, \"file\": %.3f}, "
            "\"tokens\": %u, \"tokens_cut\": %u, \"chunks\": %u, \"negative_chunks\": %u, \"emphasis\": \"%s\", "
            "\"memory\": %llu}\n",
            r->sampler, r->schedule, r->strength, r->prepare_seconds, r->text_seconds, r->encode_seconds,
            r->denoise_seconds, r->decode_seconds, cli_opened(), begin + r->weights_at_seconds,
            begin + r->first_step_at_seconds, cli_seconds(), r->n_tokens, r->n_tokens_cut, r->n_chunks,
            r->n_negative_chunks, r->emphasis == DAUB_EMPHASIS_OFF ? "off" : "webui",
            (unsigned long long)r->memory_peak);
    } else if (!cli->quiet) {
        char encode[32] = "";
        if (r->strength > 0.0)
            snprintf(encode, sizeof(encode), "encode %.2f s, ", r->encode_seconds);
        fprintf(out,
                "%s: %ux%u, seed %llu, %u step%s of %s, guidance %g; prepare %.2f s, text %.2f s, %sdenoise %.2f s, "
                "decode %.2f s\n",
                path, r->width, r->height, (unsigned long long)r->seed, r->n_steps, r->n_steps == 1 ? "" : "s",
                r->sampler, (double)r->guidance_scale, r->prepare_seconds, r->text_seconds, encode, r->denoise_seconds,
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

struct run { // what its pictures share
    daub_model *model;
    daub_model_info info;
    struct model_hash hash, parts_hash, vae_hash;
    struct show show;
};

static int draw_one(struct run *run, const struct line *line, daub_generate_params *params, const char *path,
                    const char *format, struct progress *progress)
{
    const struct cli *cli = &line->cli;
    daub_image image = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    show_attach(&run->show, run->model, params, progress);
    const double begin = cli_seconds();
    const daub_status status = cli_draw(run->model, params, &image, &result);
    progress_end(progress);
    if (status == DAUB_ERROR_CANCELLED) {
        cli_failed();
        return EXIT_CANCELLED;
    }
    if (status != DAUB_OK)
        return cli_failed();
    const struct cli_hashes hashes = {
        .model = hash_of(cli->model, daub_tools_model_hash, &run->hash),
        .parts = hash_of(cli->model, daub_tools_parts_hash, &run->parts_hash),
        .vae = cli->vae ? hash_of(cli->vae, daub_tools_vae_hash, &run->vae_hash) : NULL,
    };
    char *parameters = metadata_text(cli, params, &run->info, &result, &hashes, format);
    const bool ok = parameters && picture_write(cli, path, format, &image, parameters);
    const int shown = ok ? show_end(&run->show, run->model, params, &image, parameters, params->seed) : EXIT_FAILED;
    daub_text_free(parameters);
    daub_image_free(&image);
    if (ok)
        report(line, path, &result, params->prompt, begin);
    return shown;
}

// ---- lines -----------------------------------------------------------------------------------------------------------

// Sentences are about a line where there are several.
static void about(const struct line *line)
{
    if (line->number > 0)
        cli_about("%.400s, line %u: ", strcmp(line->cli.batch_file, "-") == 0 ? "standard input" : line->cli.batch_file,
                  line->number);
}

static uint32_t count_of(const struct line *line)
{
    return line->cli.count ? line->cli.count : 1;
}

// The pattern of a line's files, in `named` where it is the default.
static const char *pattern_of(const struct cli *cli, char named[32])
{
    const char *format = cli->output ? NULL : picture_format("-", cli->format);
    if (!cli->output && !format)
        return NULL;
    if (!cli->output)
        snprintf(named, 32, "daub-{seed}.%s", format);
    return cli->output ? cli->output : named;
}

struct place { // a file that a line writes
    char *path;
    uint32_t line;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *p = a, *q = b;
    const int order = strcmp(p->path, q->path);
    return order ? order : p->line < q->line ? -1 : p->line > q->line;
}

// Every path and format before any work: a bad name must not cost a picture. Names that daub makes up are kept apart when they are used.
static bool check_outputs(const struct line *line, struct place *places, size_t *n_places)
{
    char path[4096], named[32];
    const char *pattern = pattern_of(&line->cli, named);
    for (uint32_t i = 0; pattern && i < count_of(line); i++) {
        const char *format = NULL;
        if (!cli_make_path(pattern, line->seed + i, i, count_of(line), path, sizeof(path)) ||
            !(format = picture_format(path, line->cli.format)) || !picture_check_writable(path) ||
            !show_check_path(&line->cli, path, line->seed + i, i, count_of(line)))
            return false;
        if (i == 0)
            picture_check_quality(&line->cli, format);
        if (!places || !line->cli.output || strcmp(path, "-") == 0)
            continue;
        places[*n_places] = (struct place) { strdup(path), line->number };
        if (!places[(*n_places)++].path)
            return cli_fail("no memory for the lines") == EXIT_OK;
    }
    return pattern != NULL;
}

static bool check_all_outputs(const struct line *lines, uint32_t n)
{
    size_t total = 0, n_places = 0;
    for (uint32_t i = 0; i < n; i++)
        total += count_of(&lines[i]);
    struct place *places = n > 1 ? calloc(total, sizeof(*places)) : NULL;
    bool ok = places || n == 1 || cli_fail("no memory for %llu pictures", (unsigned long long)total) == EXIT_OK;
    for (uint32_t i = 0; ok && i < n; i++) {
        about(&lines[i]);
        ok = check_outputs(&lines[i], places, &n_places);
    }
    cli_about("%s", "");
    if (ok && n_places > 1)
        qsort(places, n_places, sizeof(*places), compare_places);
    for (size_t i = 1; ok && i < n_places; i++)
        if (strcmp(places[i - 1].path, places[i].path) == 0)
            ok = cli_fail("lines %u and %u both write %s; {line} in the output's name tells them apart",
                          places[i - 1].line, places[i].line, places[i].path) == EXIT_OK;
    for (size_t i = 0; i < n_places; i++)
        free(places[i].path);
    free(places);
    return ok;
}

// `model` NULL: it is not open yet.
static int params_of(const struct line *line, const daub_model *model, daub_generate_params *params)
{
    if (cli_params(&line->cli, params) != EXIT_OK)
        return EXIT_FAILED;
    params->seed = line->seed;
    if (!line->from)
        return model ? cli_apply_style(&line->cli, model, params) : EXIT_OK;
    const uint32_t rows = params->vae_rows;
    if (daub_parameters_apply(line->from, params) != DAUB_OK)
        return cli_failed();
    params->seed = line->seed; // these may be 0 on the command line, and mean it
    params->eta = cli_given(&line->cli, "eta") ? line->cli.eta : params->eta;
    if (cli_given(&line->cli, "vae-tiles")) {
        params->vae_rows = rows;
        params->vae_memory = 0;
    }
    if (line->cli.guidance_rescale >= 0.0f)
        params->guidance_rescale = line->cli.guidance_rescale;
    return EXIT_OK;
}

// What each line asks for, before the first is drawn.
static int check_lines(struct run *run, const struct line *lines, uint32_t n)
{
    int status = EXIT_OK;
    for (uint32_t i = 0; status == EXIT_OK && i < n && !cli_interrupted(); i++) {
        daub_generate_params params;
        daub_memory_estimate need = { .struct_size = sizeof(need) };
        about(&lines[i]);
        status = params_of(&lines[i], run->model, &params);
        if (status == EXIT_OK && daub_estimate(run->model, &params, &need) != DAUB_OK)
            status = cli_failed();
        if (status == EXIT_OK && !need.fits)
            status = cli_no_room(&need);
    }
    cli_about("%s", "");
    return status;
}

static int draw_line(struct run *run, const struct line *line)
{
    daub_generate_params params;
    char named[32];
    const char *pattern = pattern_of(&line->cli, named);
    int status = params_of(line, run->model, &params);
    run->show.cli = &line->cli;
    if (status == EXIT_OK)
        status = show_check(&run->show, run->model, &params);
    for (uint32_t i = 0; status == EXIT_OK && i < count_of(line); i++) {
        char path[4096];
        if (!cli_make_path(pattern, line->seed + i, i, count_of(line), path, sizeof(path)))
            return EXIT_FAILED;
        if (!line->cli.output)
            avoid_existing(path, sizeof(path));
        struct progress progress = {
            .quiet = line->cli.quiet,
            .terminal = platform_is_terminal(stderr),
            .index = i,
            .count = count_of(line),
            .last_line = -1,
        };
        params.seed = line->seed + i;
        status = draw_one(run, line, &params, path, picture_format(path, line->cli.format), &progress);
    }
    return status;
}

int cli_draw_lines(const struct cli *cli, struct line *lines, uint32_t n)
{
    daub_generate_params params;
    struct run run = { .info = { .struct_size = sizeof(run.info) } };
    daub_device *dev = NULL;
    const int wrong = show_begin(&run.show, cli);
    if (wrong != EXIT_OK)
        return wrong;
    if (!check_all_outputs(lines, n) || (n == 1 && params_of(&lines[0], NULL, &params) != EXIT_OK) ||
        !cli_open(cli, &dev, &run.model)) {
        show_free(&run.show);
        return EXIT_FAILED;
    }
    int status = daub_model_get_info(run.model, &run.info) == DAUB_OK ? EXIT_OK : cli_failed();
    cli_catch_interrupt();
    if (status == EXIT_OK && n > 1)
        status = check_lines(&run, lines, n);
    int worst = status;
    for (uint32_t i = 0; status == EXIT_OK && i < n; i++) {
        about(&lines[i]);
        status = cli_interrupted() ? EXIT_CANCELLED : draw_line(&run, &lines[i]);
        worst = status != EXIT_OK ? status : worst;
        if (status == EXIT_FAILED && cli->keep_going)
            status = EXIT_OK;
    }
    cli_about("%s", "");
    show_free(&run.show);
    cli_close(&dev, &run.model);
    return worst;
}

int cli_generate(const struct cli *cli)
{
    if (cli->batch_file && cli->strip)
        return cli_fail("--strip is of one prompt's pictures; it does not go with --batch-file");
    if (cli->batch_file) {
        struct batch batch;
        if (!batch_read(cli, &batch))
            return EXIT_FAILED;
        const int status = cli_draw_lines(cli, batch.lines, batch.n);
        batch_free(&batch);
        return status;
    }
    if (cli->keep_going)
        return cli_fail("--keep-going is for the lines of --batch-file");
    struct line line = { .cli = *cli, .seed = cli->seed_text ? cli->seed : cli_random_seed() };
    return cli_draw_lines(cli, &line, 1);
}

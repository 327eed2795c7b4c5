// show.c - --preview and --strip as generate.c sees them.
#include "show.h"

#include <string.h>

static int usage(const char *sentence)
{
    cli_fail("%s", sentence);
    return EXIT_USAGE;
}

int show_begin(struct show *show, const struct cli *cli)
{
    *show = (struct show) { .cli = cli, .strip.on = cli->strip != NULL };
    if (cli->show_by && strcmp(cli->show_by, "linear") != 0 && strcmp(cli->show_by, "vae") != 0) {
        cli_fail("--show-by wants linear or vae, not '%s'", cli->show_by);
        return EXIT_USAGE;
    }
    if (cli->preview_every && !cli->preview)
        return usage("--preview-every goes with --preview");
    if (cli->columns && !cli->strip)
        return usage("--columns goes with --strip");
    if (cli->show_by && !cli->preview && !cli->strip)
        return usage("--show-by goes with --preview or --strip");
    return preview_begin(&show->preview, cli);
}

bool show_check_path(const struct cli *cli, const char *picture, uint64_t seed, uint32_t index, uint32_t count)
{
    char path[4096];
    if (!cli->strip)
        return true;
    if (!cli_make_path(cli->strip, seed, index, count, path, sizeof(path)))
        return false;
    if (strcmp(path, picture) == 0) {
        cli_fail("--strip and the picture would be the same file, %s", path);
        return false;
    }
    return picture_format(path, NULL) && picture_check_writable(path);
}

int show_check(const struct show *show, daub_model *model, const daub_generate_params *params)
{
    return show->strip.on ? strip_check(show->cli, model, params) : EXIT_OK;
}

// A decoding of at most 128 x 128 pixels takes some milliseconds, and says more than a map of 16 x 16 latents.
static daub_preview_kind kind_of(const struct show *show, daub_model *model, const daub_generate_params *params)
{
    enum { SMALL = 128 };
    daub_model_info info = { .struct_size = sizeof(info) };
    if (show->cli->show_by)
        return show->cli->show_by[0] == 'l' ? DAUB_PREVIEW_LINEAR : DAUB_PREVIEW_VAE;
    if (daub_model_get_info(model, &info) != DAUB_OK || !info.linear_preview)
        return DAUB_PREVIEW_VAE;
    const uint32_t width = params->width ? params->width : params->init ? params->init->width : info.width;
    const uint32_t height = params->height ? params->height : params->init ? params->init->height : info.height;
    const bool spare = !show->cli->max_memory && params->memory <= DAUB_MEMORY_MODE_RESIDENT;
    return spare && width <= SMALL && height <= SMALL ? DAUB_PREVIEW_VAE : DAUB_PREVIEW_LINEAR;
}

static bool on_progress(void *user, const daub_progress *progress)
{
    const struct show *show = user;
    return progress_update(show->progress, progress);
}

static void on_preview(void *user, const daub_preview *preview)
{
    struct show *show = user;
    const daub_image image = { .width = preview->width,
                               .height = preview->height,
                               .channels = 3,
                               .pixels = (uint8_t *)(uintptr_t)preview->pixels }; // only read
    preview_draw(&show->preview, &image, false);
}

static bool on_step(void *user, daub_step *step)
{
    struct show *show = user;
    return strip_step(&show->strip, step);
}

void show_attach(struct show *show, daub_model *model, daub_generate_params *params, struct progress *progress)
{
    show->progress = progress;
    params->on_progress = on_progress;
    params->user = show;
    if (show->preview.mode != TERMINAL_NONE) {
        progress->terminal = true; // the bar's line is where the cursor waits
        preview_next(&show->preview);
        params->on_preview = on_preview;
        params->preview_every = show->cli->preview_every;
        params->preview = kind_of(show, model, params);
    }
    if (show->strip.on) {
        strip_free(&show->strip);
        params->on_step = on_step;
    }
}

int show_end(struct show *show, daub_model *model, const daub_generate_params *params, const daub_image *image,
             const char *parameters, uint64_t seed)
{
    char path[4096];
    const struct progress *progress = show->progress;
    preview_draw(&show->preview, image, true);
    if (!show->strip.on)
        return EXIT_OK;
    if (!cli_make_path(show->cli->strip, seed, progress->index, progress->count, path, sizeof(path)))
        return EXIT_FAILED;
    const int status = strip_write(&show->strip, show->cli, model, params, path, parameters);
    if (status == EXIT_OK && !show->cli->quiet && !show->cli->json && strcmp(path, "-") != 0)
        fprintf(stderr, "%s: the latents after %u steps\n", path, show->strip.n);
    strip_free(&show->strip);
    return status;
}

void show_free(struct show *show)
{
    strip_free(&show->strip);
}

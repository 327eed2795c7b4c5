// strip.c - --strip: the latents after every step as a film strip.
//
// What is shown is the latent itself, not what the network takes the picture for (that is the previews'): noise at first, in which the
// picture appears. Samplers of k-diffusion's kind keep x0 + sigma noise, which grows to 14 times what the VAE was made for; all are shown
// at unit variance, divided by sqrt(1 + sigma^2), as DDPM writes them.
#include "sheet.h"
#include "show.h"

#include <math.h>
#include <stdlib.h>

static uint32_t columns_of(const struct cli *cli, uint32_t n)
{
    enum { ROW = 10 };
    if (cli->columns)
        return cli->columns < n ? cli->columns : n;
    const uint32_t rows = (n + ROW - 1) / ROW;
    return (n + rows - 1) / rows; // rows of nearly the same length
}

static bool on_one_line(const struct sheet *sheet)
{
    return sheet->width >= 170 * sheet->scale; // dots of "1000/1000 t 1000 sigma 0.0413"
}

static struct sheet sheet_of(const struct cli *cli, uint32_t n, uint32_t width, uint32_t height)
{
    struct sheet sheet = { .width = width, .height = height, .gap = 4, .scale = sheet_scale(width, height) };
    sheet.columns = columns_of(cli, n);
    sheet.rows = (n + sheet.columns - 1) / sheet.columns;
    sheet.foot = ((on_one_line(&sheet) ? 1u : 3u) * SHEET_LINE + 2) * sheet.scale;
    return sheet;
}

int strip_check(const struct cli *cli, daub_model *model, const daub_generate_params *params)
{
    daub_memory_estimate e = { .struct_size = sizeof(e) };
    daub_model_info info = { .struct_size = sizeof(info) };
    if (daub_model_get_info(model, &info) != DAUB_OK || daub_estimate(model, params, &e) != DAUB_OK)
        return cli_failed();
    const bool linear = cli->show_by && cli->show_by[0] == 'l';
    if (linear && !info.linear_preview)
        return cli_fail("--show-by linear: no linear map from latents to colours is known for the VAE of %s; vae "
                        "decodes",
                        info.path);
    const uint32_t scale = linear ? info.latent_scale : 1, n = params->n_steps ? params->n_steps : info.n_steps;
    const struct sheet sheet = sheet_of(cli, n, e.width / scale, e.height / scale);
    return sheet_check(&sheet, "give fewer --steps or a smaller picture to --strip") ? EXIT_OK : EXIT_FAILED;
}

static struct strip_frame *frame_of(struct strip *strip, const daub_step_info *info)
{
    if (!strip->frames) {
        strip->frames = calloc(info->n_steps, sizeof(*strip->frames));
        strip->n = strip->frames ? info->n_steps : 0;
    }
    if (info->step < 1 || info->step > strip->n)
        return NULL;
    struct strip_frame *frame = &strip->frames[info->step - 1];
    if (!frame->latents) // else the picture begins anew, in fp32
        frame->latents = malloc((size_t)info->channels * info->height * info->width * sizeof(float));
    return frame->latents ? frame : NULL;
}

bool strip_step(struct strip *strip, daub_step *step)
{
    daub_step_info info = { .struct_size = sizeof(info) };
    if (daub_step_get_info(step, &info) != DAUB_OK)
        return false;
    struct strip_frame *frame = frame_of(strip, &info);
    if (!frame) {
        strip->failed = true; // the picture itself is not to blame
        return true;
    }
    frame->info = info;
    if (daub_step_read(step, frame->latents) != DAUB_OK)
        return false;
    const double level = info.scaled ? 0.0 : info.noise_level, scale = 1.0 / sqrt(1.0 + level * level);
    for (size_t i = 0; i < (size_t)info.channels * info.height * info.width; i++)
        frame->latents[i] = (float)(scale * (double)frame->latents[i]);
    return true;
}

static void put_frame(struct sheet *sheet, const struct strip_frame *frame, const daub_image *image, uint32_t i)
{
    char words[96];
    sheet_place(sheet, image, i % sheet->columns, i / sheet->columns);
    const char *between = on_one_line(sheet) ? " " : "\n";
    snprintf(words, sizeof(words), "%u/%u%st %.4g%ssigma %.3g", frame->info.step, frame->info.n_steps, between,
             frame->info.timestep, between, frame->info.noise_level);
    sheet_words(sheet, sheet_foot(sheet, i % sheet->columns, i / sheet->columns), words);
}

// Decodes all frames onto the sheet, which the first one's size makes.
static int draw(struct strip *strip, const struct cli *cli, daub_model *model, const daub_generate_params *params,
                struct sheet *sheet)
{
    for (uint32_t i = 0; i < strip->n; i++) {
        daub_image image = { 0 };
        if (cli_interrupted()) {
            cli_fail("cancelled after %u of %u latents of the strip", i, strip->n);
            return EXIT_CANCELLED;
        }
        if (!strip->frames[i].latents ||
            daub_decode_latents(model, params, strip->frames[i].latents, &image) != DAUB_OK)
            return cli_failed();
        if (!sheet->image.pixels) {
            *sheet = sheet_of(cli, strip->n, image.width, image.height);
            if (!sheet_create(sheet, "give fewer --steps or a smaller picture to --strip")) {
                daub_image_free(&image);
                return EXIT_FAILED;
            }
        }
        put_frame(sheet, &strip->frames[i], &image, i);
        daub_image_free(&image);
    }
    return EXIT_OK;
}

int strip_write(struct strip *strip, const struct cli *cli, daub_model *model, const daub_generate_params *params,
                const char *path, const char *parameters)
{
    if (strip->failed || strip->n == 0)
        return cli_fail("no memory for the latents of a strip");
    daub_generate_params p = *params;
    p.preview = cli->show_by && cli->show_by[0] == 'l' ? DAUB_PREVIEW_LINEAR : DAUB_PREVIEW_VAE;
    struct sheet sheet = { 0 };
    int status = draw(strip, cli, model, &p, &sheet);
    if (status == EXIT_OK && !picture_write(cli, path, picture_format(path, NULL), &sheet.image, parameters))
        status = EXIT_FAILED;
    sheet_free(&sheet);
    return status;
}

void strip_free(struct strip *strip)
{
    for (uint32_t i = 0; i < strip->n; i++)
        free(strip->frames[i].latents);
    free(strip->frames);
    strip->frames = NULL;
    strip->n = 0;
    strip->failed = false;
}

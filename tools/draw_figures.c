// draw_figures.c - daub-draw-figures: the pictures of docs/figures, for tools/figures. Reads jobs from standard input, a line each of
// fields between tabs, and draws them by the default model, which is loaded once:
//
//     FOLDER STEPS GUIDANCE SAMPLER SEED TRACE PROMPT
//
// writes FOLDER/picture.ppm and, where TRACE is 1, after every step i FOLDER/step-<i>.f32 (latents, [channels, h, w]) and
// FOLDER/x0-<i>.ppm (what the network takes the finished picture for then). FOLDER must exist.
//
// --alpha-bar prints abar_t of the schedules scaled-linear, linear and cosine instead, a line a time step.
#include "daub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_FIELDS = 7, MAX_LINE = 4096, MAX_VALUES = 1 << 16 };

struct job {
    const char *fields[N_FIELDS];
    bool failed;
};

static int fail(const char *what)
{
    fprintf(stderr, "daub-draw-figures: %s: %s\n", what, daub_last_error());
    return 1;
}

static bool write_file(const char *path, const char *head, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    bool ok = file && fputs(head, file) >= 0 && fwrite(data, 1, size, file) == size;
    ok = file && fclose(file) == 0 && ok;
    if (!ok)
        fprintf(stderr, "daub-draw-figures: %s cannot be written\n", path);
    return ok;
}

static bool write_ppm(const char *path, uint32_t width, uint32_t height, const uint8_t *pixels)
{
    char head[64];
    snprintf(head, sizeof(head), "P6\n%u %u\n255\n", width, height);
    return write_file(path, head, pixels, (size_t)width * height * 3);
}

static void on_preview(void *user, const daub_preview *p)
{
    struct job *job = user;
    char path[MAX_LINE + 32];
    snprintf(path, sizeof(path), "%s/x0-%u.ppm", job->fields[0], p->step);
    job->failed |= !write_ppm(path, p->width, p->height, p->pixels);
}

static bool on_step(void *user, daub_step *step)
{
    static float values[MAX_VALUES];
    struct job *job = user;
    daub_step_info info = { .struct_size = sizeof(info) };
    char path[MAX_LINE + 32];
    if (daub_step_get_info(step, &info) != DAUB_OK || info.channels * info.height * info.width > MAX_VALUES ||
        daub_step_read(step, values) != DAUB_OK)
        return false;
    snprintf(path, sizeof(path), "%s/step-%u.f32", job->fields[0], info.step);
    return write_file(path, "", values, sizeof(float) * info.channels * info.height * info.width);
}

static int draw(daub_model *model, struct job *job)
{
    const char *const *f = job->fields;
    const bool trace = strcmp(f[5], "1") == 0;
    char path[MAX_LINE + 32];
    daub_image image = { 0 };
    const daub_generate_params params = {
        .struct_size = sizeof(params),
        .n_steps = (uint32_t)strtoul(f[1], NULL, 10),
        .guidance_scale = strtof(f[2], NULL),
        .sampler = f[3],
        .seed = strtoull(f[4], NULL, 10),
        .prompt = f[6],
        .on_step = trace ? on_step : NULL,
        .on_preview = trace ? on_preview : NULL,
        .preview = DAUB_PREVIEW_VAE,
        .user = job,
    };
    if (daub_generate(model, &params, &image) != DAUB_OK)
        return fail(f[6]);
    snprintf(path, sizeof(path), "%s/picture.ppm", f[0]);
    job->failed |= !write_ppm(path, image.width, image.height, image.pixels);
    daub_image_free(&image);
    return job->failed ? 1 : 0;
}

static int print_alpha_bar(void)
{
    for (uint32_t t = 0; t < 1000; t++) {
        for (int schedule = DAUB_NOISE_SCALED_LINEAR; schedule <= DAUB_NOISE_COSINE; schedule++) {
            double value = 0.0;
            if (daub_alpha_bar((daub_noise_schedule)schedule, t, &value) != DAUB_OK)
                return fail("--alpha-bar");
            printf("%.17g%c", value, schedule == DAUB_NOISE_COSINE ? '\n' : ' ');
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--alpha-bar") == 0)
        return print_alpha_bar();
    char line[MAX_LINE];
    daub_device *dev = NULL;
    daub_model *model = NULL;
    if (daub_device_create(NULL, &dev) != DAUB_OK || daub_model_load(dev, NULL, NULL, &model) != DAUB_OK)
        return fail("the default model");
    int status = 0;
    while (status == 0 && fgets(line, sizeof(line), stdin)) {
        struct job job = { .failed = false };
        line[strcspn(line, "\n")] = '\0';
        char *at = line;
        for (int i = 0; i < N_FIELDS; i++) {
            job.fields[i] = at;
            char *tab = strchr(at, '\t');
            if (!tab != (i == N_FIELDS - 1)) {
                fprintf(stderr, "daub-draw-figures: a line of %d fields, wanted %d\n", i + 1, N_FIELDS);
                return 2;
            }
            if (tab) {
                *tab = '\0';
                at = tab + 1;
            }
        }
        status = draw(model, &job);
    }
    daub_model_destroy(&model);
    daub_device_destroy(&dev);
    return status;
}

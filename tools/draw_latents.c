// draw_latents.c - daub-draw-latents MODEL: what tools/sweep measures. Loads the model once and reads a line a picture from standard
// input, of fields between tabs:
//
//     STEPS GUIDANCE SAMPLER SEED PROMPT
//
// writes to standard output, a picture after the other, the number of the network's calls and the seconds they took, as floats, and then
// the latents, [channels, h, w] floats, all as the machine has them in memory.
//
// daub-draw-latents --decode MODEL reads latents of that form and writes each picture's bytes, [height, width, 3].
#include "daub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_FIELDS = 5, MAX_LINE = 4096 };

static int fail(const char *what)
{
    fprintf(stderr, "daub-draw-latents: %s: %s\n", what, daub_last_error());
    return 1;
}

static int put(const void *data, size_t size)
{
    if (fwrite(data, 1, size, stdout) == size && fflush(stdout) == 0)
        return 0;
    fprintf(stderr, "daub-draw-latents: standard output cannot be written\n");
    return 1;
}

static int draw(daub_model *model, const char *const *f)
{
    daub_job *job = NULL;
    daub_floats latents = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    const daub_generate_params params = {
        .struct_size = sizeof(params),
        .n_steps = (uint32_t)strtoul(f[0], NULL, 10),
        .guidance_scale = strtof(f[1], NULL),
        .sampler = f[2],
        .seed = strtoull(f[3], NULL, 10),
        .prompt = f[4],
    };
    if (daub_job_submit(model, &params, &job) != DAUB_OK)
        return fail(f[4]);
    int status = 0;
    if (daub_job_wait(job, UINT64_MAX, NULL) != DAUB_OK || daub_job_take_latents(job, &latents) != DAUB_OK ||
        daub_job_get_result(job, &result) != DAUB_OK)
        status = fail(f[4]);
    size_t n = 1;
    for (uint32_t i = 0; i < latents.n_dims; i++)
        n *= latents.dims[i];
    const float cost[2] = { (float)result.n_model_calls, (float)result.denoise_seconds };
    if (status == 0)
        status = put(cost, sizeof(cost)) || put(latents.values, n * sizeof(float));
    daub_floats_free(&latents);
    daub_job_destroy(&job);
    return status;
}

static int draw_all(daub_model *model)
{
    char line[MAX_LINE];
    int status = 0;
    while (status == 0 && fgets(line, sizeof(line), stdin)) {
        const char *fields[N_FIELDS];
        int n = 0;
        line[strcspn(line, "\n")] = '\0';
        for (char *at = line; at && n < N_FIELDS; n++) {
            fields[n] = at;
            at = strchr(at, '\t');
            if (at)
                *at++ = '\0';
        }
        if (n < N_FIELDS) {
            fprintf(stderr, "daub-draw-latents: a line of %d fields, wanted %d\n", n, (int)N_FIELDS);
            return 2;
        }
        status = draw(model, fields);
    }
    return status;
}

static int decode_all(daub_model *model)
{
    daub_model_info info = { .struct_size = sizeof(info) };
    if (daub_model_get_info(model, &info) != DAUB_OK)
        return fail("the model");
    const size_t n = (size_t)info.latent_channels * (info.height / info.latent_scale) *
                     (info.width / info.latent_scale);
    float *latents = calloc(n, sizeof(float));
    int status = 0;
    while (latents && status == 0 && fread(latents, sizeof(float), n, stdin) == n) {
        daub_image image = { 0 };
        if (daub_decode_latents(model, NULL, latents, &image) != DAUB_OK) {
            status = fail("latents");
            break;
        }
        status = put(image.pixels, (size_t)image.width * image.height * image.channels);
        daub_image_free(&image);
    }
    free(latents);
    return status;
}

int main(int argc, char **argv)
{
    const bool decode = argc > 1 && strcmp(argv[1], "--decode") == 0;
    daub_device *dev = NULL;
    daub_model *model = NULL;
    if (argc != 2 + decode) {
        fprintf(stderr, "usage: daub-draw-latents [--decode] MODEL\n");
        return 2;
    }
    int status = 0;
    if (daub_device_create(NULL, &dev) != DAUB_OK || daub_model_load(dev, argv[1 + decode], NULL, &model) != DAUB_OK)
        status = fail(argv[1 + decode]);
    if (status == 0)
        status = decode ? decode_all(model) : draw_all(model);
    daub_model_destroy(&model);
    daub_device_destroy(&dev);
    return status;
}

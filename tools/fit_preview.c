// fit_preview.c - daub-fit-preview MODEL STEPS PROMPT...: the linear map from a model's latents to colours, for "latent_rgb" in
// daub.json. Draws 4 pictures a prompt, averages each over the pixels of a latent, and solves for the weights that miss those
// averages by the least squares. Prints the map and, to standard error, by how much it misses.
#include "daub.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_CHANNELS = 32, SEEDS = 4 };

struct sums { // of the normal equations: rows of channels and a constant, then three colours
    double a[MAX_CHANNELS + 1][MAX_CHANNELS + 4];
    double squares[3]; // of the colours
    double n_values;
};

static int fail(const char *what)
{
    fprintf(stderr, "daub-fit-preview: %s: %s\n", what, daub_last_error());
    return 1;
}

static void add(struct sums *s, const daub_floats *latents, const daub_floats *image, uint32_t scale)
{
    const uint32_t n = latents->dims[0], h = latents->dims[1], w = latents->dims[2];
    double row[MAX_CHANNELS + 4];
    for (uint32_t at = 0; at < h * w; at++) {
        for (uint32_t c = 0; c < n; c++)
            row[c] = (double)latents->values[c * h * w + at];
        row[n] = 1.0;
        for (uint32_t colour = 0; colour < 3; colour++) {
            const float *plane = image->values + (size_t)colour * h * w * scale * scale;
            double mean = 0.0;
            for (uint32_t i = 0; i < scale * scale; i++) {
                const size_t y = at / w * scale + i / scale, x = at % w * scale + i % scale;
                mean += fmin(fmax((double)plane[y * w * scale + x], -1.0), 1.0) / (scale * scale);
            }
            row[n + 1 + colour] = mean;
            s->squares[colour] += mean * mean;
        }
        for (uint32_t i = 0; i <= n; i++)
            for (uint32_t j = 0; j < n + 4; j++)
                s->a[i][j] += row[i] * row[j];
        s->n_values++;
    }
}

static int draw(daub_model *model, uint32_t scale, uint32_t steps, const char *prompt, uint64_t seed, struct sums *sums)
{
    daub_job *job = NULL;
    daub_floats latents = { 0 }, image = { 0 };
    const daub_generate_params params = {
        .struct_size = sizeof(params), .prompt = prompt, .n_steps = steps, .seed = seed, .keep_floats = true
    };
    if (daub_job_submit(model, &params, &job) != DAUB_OK)
        return fail(prompt);
    const int status = daub_job_wait(job, UINT64_MAX, NULL) == DAUB_OK &&
                               daub_job_take_latents(job, &latents) == DAUB_OK &&
                               daub_job_take_floats(job, &image) == DAUB_OK
                           ? 0
                           : fail(prompt);
    if (status == 0)
        add(sums, &latents, &image, scale);
    daub_floats_free(&latents);
    daub_floats_free(&image);
    daub_job_destroy(&job);
    return status;
}

// Gauss-Jordan without pivoting: the matrix is symmetric and positive definite.
static void solve(struct sums *s, uint32_t n)
{
    for (uint32_t i = 0; i <= n; i++) {
        const double pivot = s->a[i][i];
        for (uint32_t j = 0; j < n + 4; j++)
            s->a[i][j] /= pivot;
        for (uint32_t k = 0; k <= n; k++) {
            const double factor = s->a[k][i];
            for (uint32_t j = 0; j < n + 4 && k != i; j++)
                s->a[k][j] -= factor * s->a[i][j];
        }
    }
}

static void print(const struct sums *before, const struct sums *solved, uint32_t n)
{
    double missed = 0.0;
    printf("  \"latent_rgb\": [");
    for (uint32_t colour = 0; colour < 3; colour++) {
        missed += before->squares[colour]; // |y|^2 - w . X^T y
        for (uint32_t i = 0; i <= n; i++) {
            missed -= solved->a[i][n + 1 + colour] * before->a[i][n + 1 + colour];
            printf("%s%.4f", i ? ", " : colour ? ",\n    " : "\n    ", solved->a[i][n + 1 + colour]);
        }
    }
    printf("\n  ]\n");
    fprintf(stderr, "root of the mean square that it misses: %.4f of -1..1\n",
            sqrt(fmax(missed, 0.0) / (3.0 * before->n_values)));
}

int main(int argc, char **argv)
{
    static struct sums sums, solved;
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_model_info info = { .struct_size = sizeof(info) };
    if (argc < 4) {
        fprintf(stderr, "usage: daub-fit-preview MODEL STEPS PROMPT...\n");
        return 2;
    }
    int status = 0;
    if (daub_device_create(NULL, &dev) != DAUB_OK || daub_model_load(dev, argv[1], NULL, &model) != DAUB_OK ||
        daub_model_get_info(model, &info) != DAUB_OK)
        status = fail(argv[1]);
    if (status == 0 && info.latent_channels > MAX_CHANNELS)
        status = fail("more than 32 channels");
    const uint32_t steps = (uint32_t)strtoul(argv[2], NULL, 10);
    for (int i = 3; i < argc && status == 0; i++)
        for (uint64_t seed = 0; seed < SEEDS && status == 0; seed++)
            status = draw(model, info.latent_scale, steps, argv[i], seed, &sums);
    if (status == 0) {
        solved = sums;
        solve(&solved, info.latent_channels);
        print(&sums, &solved, info.latent_channels);
    }
    daub_model_destroy(&model);
    daub_device_destroy(&dev);
    return status;
}

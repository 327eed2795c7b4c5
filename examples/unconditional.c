// unconditional.c - a model without prompts (Ho et al. 2020, arXiv:2006.11239): unconditional MODEL [COUNT [OUT.ppm]]
//
// MODEL is a diffusers folder of a UNet2DModel, as google/ddpm-celebahq-256 is. COUNT pictures, one a seed, side by side.
#include "daub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Queues all pictures at once: jobs of a model run one after the other, and the device need not wait for us between them.
static daub_status draw_all(daub_model *model, uint32_t count, daub_job **jobs, uint8_t *sheet,
                            const daub_model_info *info)
{
    daub_status status = DAUB_OK;
    for (uint32_t i = 0; i < count && status == DAUB_OK; i++)
        status = daub_job_submit(model, daub_generate_params(.seed = i, .sampler = "ddim", .n_steps = 20), &jobs[i]);
    for (uint32_t i = 0; i < count && status == DAUB_OK; i++) {
        daub_image image = { 0 };
        status = daub_job_wait(jobs[i], UINT64_MAX, NULL);
        if (status == DAUB_OK)
            status = daub_job_take_image(jobs[i], &image);
        for (uint32_t y = 0; y < image.height; y++)
            memcpy(sheet + ((size_t)y * count + i) * info->width * 3, image.pixels + (size_t)y * image.width * 3,
                   (size_t)image.width * 3);
        daub_image_free(&image);
    }
    for (uint32_t i = 0; i < count; i++)
        daub_job_destroy(&jobs[i]);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: unconditional MODEL [COUNT [OUT.ppm]]\n");
        return 2;
    }
    const uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 4;
    const char *path = argc > 3 ? argv[3] : "unconditional.ppm";
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_model_info info = { .struct_size = sizeof(info) };

    daub_status status = daub_device_create(NULL, &dev);
    if (status == DAUB_OK)
        status = daub_model_load(dev, argv[1], NULL, &model);
    if (status == DAUB_OK)
        status = daub_model_get_info(model, &info);
    if (status == DAUB_OK && info.text)
        printf("%s draws from prompts; this example gives none\n", info.path);

    daub_job **jobs = calloc(count ? count : 1, sizeof(daub_job *));
    uint8_t *sheet = calloc((size_t)count * info.width * info.height + 1, 3);
    if (status == DAUB_OK && jobs && sheet)
        status = draw_all(model, count, jobs, sheet, &info);
    if (status != DAUB_OK)
        fprintf(stderr, "%s: %s\n", daub_status_text(status), daub_last_error());

    FILE *file = status == DAUB_OK && sheet ? fopen(path, "wb") : NULL;
    if (file) {
        fprintf(file, "P6\n%u %u\n255\n", info.width * count, info.height);
        fwrite(sheet, 3, (size_t)count * info.width * info.height, file);
        fclose(file);
    }
    free(sheet);
    free(jobs);
    daub_model_destroy(&model);
    daub_device_destroy(&dev);
    return file ? 0 : 1;
}

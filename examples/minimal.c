// minimal.c - the shortest program that draws a picture and notices when it cannot: minimal [PROMPT [OUT.ppm [MODEL]]]
#include "daub.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    const char *prompt = argc > 1 ? argv[1] : "a red apple", *path = argc > 2 ? argv[2] : "minimal.ppm";
    const char *model_path = argc > 3 ? argv[3] : NULL; // NULL: the model that comes with daub
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_image image = { 0 };

    // Every call returns a status, and after the first failure the rest is skipped. The sentence says what was wrong.
    daub_status status = daub_device_create(NULL, &dev);
    if (status == DAUB_OK)
        status = daub_model_load(dev, model_path, NULL, &model);
    if (status == DAUB_OK)
        status = daub_generate(model, daub_generate_params(.prompt = prompt, .seed = 7), &image);
    if (status != DAUB_OK)
        fprintf(stderr, "%s: %s\n", daub_status_text(status), daub_last_error());

    FILE *file = status == DAUB_OK ? fopen(path, "wb") : NULL;
    if (file) {
        fprintf(file, "P6\n%u %u\n255\n", image.width, image.height);
        fwrite(image.pixels, 3, (size_t)image.width * image.height, file);
        if (fclose(file) == 0)
            printf("%s: %ux%u\n", path, image.width, image.height);
    }

    // Each of these accepts what was never made.
    daub_image_free(&image);
    daub_model_destroy(&model);
    daub_device_destroy(&dev);
    return file ? 0 : 1;
}

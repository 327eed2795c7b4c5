// embeds.c - from one prompt to another through their embeddings: embeds [FROM [TO [FRAMES [OUT.ppm]]]]
//
// The text encoder runs twice, whatever the number of frames; a frame between two prompts is a mixture of what it made of them.
#include "daub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t count(const daub_floats *f)
{
    return (size_t)f->dims[0] * f->dims[1]; // tokens, width
}

// Draws frame i of n into its place in the strip.
static daub_status draw(daub_model *model, const daub_floats *from, const daub_floats *to, const daub_floats *negative,
                        uint32_t i, uint32_t n, uint8_t *strip, uint32_t side)
{
    const float t = n > 1 ? (float)i / (float)(n - 1) : 0.0f;
    float *mixed = malloc(count(from) * sizeof(*mixed));
    if (!mixed)
        return DAUB_ERROR_NO_HOST_MEMORY;
    for (size_t k = 0; k < count(from); k++)
        mixed[k] = from->values[k] + t * (to->values[k] - from->values[k]);

    const daub_generate_params params = {
        .struct_size = sizeof(params),
        .prompt_embeds = mixed,
        .negative_prompt_embeds = negative->values,
        .n_embed_tokens = from->dims[0],
        .width = side,
        .height = side,
        .n_steps = 12,
        .seed = 7, // the same for all: only the words change
    };
    daub_image image = { 0 };
    const daub_status status = daub_generate(model, &params, &image); // copies the embeddings
    free(mixed);
    for (uint32_t y = 0; status == DAUB_OK && y < side; y++)
        memcpy(strip + ((size_t)y * n + i) * side * 3, image.pixels + (size_t)y * side * 3, (size_t)side * 3);
    daub_image_free(&image);
    return status;
}

int main(int argc, char **argv)
{
    const char *words[2] = { argc > 1 ? argv[1] : "a red apple", argc > 2 ? argv[2] : "a blue heart" };
    const uint32_t frames = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 5;
    const char *path = argc > 4 ? argv[4] : "embeds.ppm";
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_model_info info = { .struct_size = sizeof(info) };
    daub_floats prompts[2] = { { 0 } }, negative = { 0 };

    daub_status status = daub_device_create(NULL, &dev);
    if (status == DAUB_OK)
        status = daub_model_load(dev, NULL, NULL, &model);
    if (status == DAUB_OK)
        status = daub_model_get_info(model, &info);
    for (int i = 0; i < 2 && status == DAUB_OK; i++) // the negative prompt is the same, empty one: once is enough
        status = daub_encode_text_floats(model, daub_generate_params(.prompt = words[i]), &prompts[i],
                                         i == 0 ? &negative : NULL);

    uint8_t *strip = calloc((size_t)frames * info.width * info.width + 1, 3);
    for (uint32_t i = 0; i < frames && status == DAUB_OK && strip; i++)
        status = draw(model, &prompts[0], &prompts[1], &negative, i, frames, strip, info.width);
    if (status != DAUB_OK)
        fprintf(stderr, "%s: %s\n", daub_status_text(status), daub_last_error());

    FILE *file = status == DAUB_OK && strip ? fopen(path, "wb") : NULL;
    if (file) {
        fprintf(file, "P6\n%u %u\n255\n", info.width * frames, info.width);
        fwrite(strip, 3, (size_t)frames * info.width * info.width, file);
        fclose(file);
    }
    free(strip);
    daub_floats_free(&prompts[0]);
    daub_floats_free(&prompts[1]);
    daub_floats_free(&negative);
    daub_model_destroy(&model);
    daub_device_destroy(&dev);
    return file ? 0 : 1;
}

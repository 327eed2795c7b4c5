// fuzz_picture.c - a picture's bytes: PNG, JPEG, BMP, TGA, PGM, PPM, whatever they claim to be.
#include "fuzz.h"
#include "include/daub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    daub_image image = { 0 };
    const daub_source source = { .data = data, .size = size };
    if (daub_image_read_source(&source, &image) != DAUB_OK)
        return 0;
    FUZZ_CHECK(image.width > 0 && image.height > 0 && image.channels > 0 && image.channels <= 4);
    volatile uint8_t sum = 0; // every pixel must be there
    for (size_t i = 0; i < (size_t)image.width * image.height * image.channels; i += i < 65536 ? 1 : 4096)
        sum = (uint8_t)(sum + image.pixels[i]);
    sum = (uint8_t)(sum + image.pixels[(size_t)image.width * image.height * image.channels - 1]);
    daub_image_free(&image);
    return 0;
}

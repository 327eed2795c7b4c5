// harness_single.h - what several API tests need: a single file to load, and pictures to compare.
#ifndef DAUB_TESTS_API_HARNESS_SINGLE_H
#define DAUB_TESTS_API_HARNESS_SINGLE_H
#include "tests/test.h"

#define TINY_FOLDER DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15"
#define DEFAULT_FOLDER DAUB_SOURCE_DIR "/models/default"

// Writes the tiny Stable Diffusion 1.5 of the goldens, which is a folder, as one .safetensors file in the original layout.
void write_single(const char *path);
// The whole file; free'd by the caller.
uint8_t *read_file(const char *path, size_t *size);
bool same_image(const daub_image *a, const daub_image *b);

#endif

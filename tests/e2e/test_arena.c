// test_arena.c - activations in fp16 take at most 0.6 of what they take in fp32, denoiser and decoder alike.
#include "daub.h"

#include "tests/test.h"

static uint64_t arena(daub_device *dev, const char *path, daub_precision precision, uint32_t size)
{
    daub_model *model = NULL;
    daub_image image = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    const daub_model_params params = { .struct_size = sizeof(params), .precision = precision };
    REQUIRE_OK(daub_model_load(dev, path, &params, &model));
    REQUIRE_OK(daub_generate_with_result(
        model, daub_generate_params(.prompt = "a cat", .n_steps = 1, .width = size, .height = size), &image, &result));
    daub_image_free(&image);
    REQUIRE_OK(daub_model_destroy(&model));
    return result.arena_size;
}

int main(void)
{
    static const struct {
        const char *name, *path;
        uint32_t size;
    } models[] = {
        { "default model", NULL, 64 },
        { "tiny SD 1.x", DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15", 256 },
    };
    daub_device *dev = NULL;
    REQUIRE_OK(daub_device_create(NULL, &dev));
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        const double f32 = (double)arena(dev, models[i].path, DAUB_PRECISION_F32, models[i].size);
        const double f16 = (double)arena(dev, models[i].path, DAUB_PRECISION_F16, models[i].size);
        printf("%-14s %ux%u: f16 %.2f MB, f32 %.2f MB, ratio %.3f\n", models[i].name, models[i].size, models[i].size,
               f16 * 1e-6, f32 * 1e-6, f16 / f32);
        REQUIRE(f16 <= 0.6 * f32);
    }
    REQUIRE_OK(daub_device_destroy(&dev));
    return 0;
}

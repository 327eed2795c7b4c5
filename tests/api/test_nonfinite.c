// test_nonfinite.c - an activation that leaves fp16's range is found on the device, named by its layer, and its network runs again in fp32. Made with
// copies of the small test model in which one weight is scaled until its layer's results pass 65504.
#include "daub.h"

#include "runtime/io/safetensors.h"
#include "runtime/vk/device.h"
#include "tests/test.h"

#include <ftw.h>
#include <math.h>
#include <unistd.h>

#define MODEL DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15"

static char folder[64];
static daub_device *dev;
static char warning[512];

static void keep_log(void *user, daub_log_level level, const char *message)
{
    (void)user;
    if (level == DAUB_LOG_WARNING && strstr(message, "fp16"))
        snprintf(warning, sizeof(warning), "%s", message);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static void shell(const char *command)
{
    if (system(command) != 0)
        TEST_FAIL("%s failed", command);
}

// A copy of the model in which the weight's largest value is 60000, as `component`/`name` of its file.
static void make_model(const char *component, const char *file, const char *name)
{
    char text[512], path[256];
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    snprintf(text, sizeof(text), "cp -r %s %s", MODEL, folder);
    shell(text);
    snprintf(path, sizeof(path), "%s/%s/%s", folder, component, file);
    struct daub_safetensors *st = NULL;
    REQUIRE_OK(daub_safetensors_open(NULL, path, &st));
    const uint32_t n = daub_safetensors_count(st);
    struct daub_st_write *tensors = calloc(n, sizeof(*tensors));
    REQUIRE(tensors);
    bool found = false;
    for (uint32_t i = 0; i < n; i++) {
        const struct daub_st_tensor *t = daub_safetensors_at(st, i);
        size_t count = 1;
        tensors[i] = (struct daub_st_write) { .name = t->name, .n_dims = t->n_dims };
        for (uint32_t d = 0; d < t->n_dims; d++)
            count *= (size_t)(tensors[i].dims[d] = t->dims[d]);
        float *values = malloc(count * sizeof(float));
        REQUIRE(values);
        REQUIRE_OK(daub_safetensors_floats(st, t, values));
        if (strcmp(t->name, name) == 0) {
            float most = 0.0f;
            for (size_t k = 0; k < count; k++)
                most = fmaxf(most, fabsf(values[k]));
            for (size_t k = 0; k < count; k++)
                values[k] *= 60000.0f / most;
            found = true;
        }
        tensors[i].data = values;
    }
    REQUIRE(found);
    REQUIRE_OK(daub_safetensors_write(NULL, path, tensors, n));
    daub_safetensors_close(&st);
    for (uint32_t i = 0; i < n; i++)
        free((void *)(uintptr_t)tensors[i].data);
    free(tensors);
}

static void draw(const char *path, daub_precision precision, daub_generate_params params, daub_image *out,
                 daub_result *result)
{
    daub_model *model = NULL;
    params.prompt = "a star";
    params.width = params.height = 64;
    params.n_steps = 2;
    REQUIRE_OK(daub_model_load(dev, path, daub_model_params(.precision = precision), &model));
    warning[0] = '\0';
    REQUIRE_OK(daub_generate_with_result(model, &params, out, result));
    REQUIRE_OK(daub_model_destroy(&model));
}

static bool same_pictures(const daub_image *a, const daub_image *b)
{
    return memcmp(a->pixels, b->pixels, (size_t)a->width * a->height * 3) == 0;
}

static void named_and_repeated(const char *layer, daub_generate_params params)
{
    daub_image f16 = { 0 }, f32 = { 0 };
    daub_result a = { .struct_size = sizeof(a) }, b = { .struct_size = sizeof(b) };
    draw(folder, DAUB_PRECISION_F16, params, &f16, &a);
    printf("%s: found at %s\n", layer, a.nonfinite_layer);
    REQUIRE_TEXT(a.nonfinite_layer, layer);
    REQUIRE(a.n_repeated_in_f32 == 1);
    REQUIRE(strstr(warning, layer) && strstr(warning, "again in fp32"));
    draw(folder, DAUB_PRECISION_F32, params, &f32, &b);
    REQUIRE(b.n_repeated_in_f32 == 0 && !b.nonfinite_layer[0]);
    uint32_t far = 0, different = 0;
    for (size_t i = 3; i < 64 * 64 * 3; i++) {
        far += abs(f16.pixels[i] - f32.pixels[i]) > 8;
        different += f16.pixels[i] != f16.pixels[i - 3];
    }
    REQUIRE(different > 100);         // a picture, not one colour
    REQUIRE(far < 64 * 64 * 3 / 100); // the other network is in fp16
    daub_image_free(&f16);
    daub_image_free(&f32);
}

// In mode stream the weights have all that a limit leaves beside activations in fp16; those of fp32 are larger.
static void repeated_within_a_limit(const char *layer)
{
    enum { NO_PICTURE = 64 << 10, RESERVE = 32 << 10 };
    daub_device *const unlimited = dev;
    daub_model *model = NULL;
    daub_image image = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    daub_memory_estimate e = { .struct_size = sizeof(e) };
    const daub_generate_params params = *daub_generate_params(.prompt = "a star", .width = 64, .height = 64,
                                                              .n_steps = 2, .seed = 1, .vae_rows = 2,
                                                              .memory = DAUB_MEMORY_MODE_STREAM);
    REQUIRE_OK(daub_device_create(daub_device_params(.max_memory = NO_PICTURE), &dev));
    const uint64_t others = daub_device_memory_used(dev);
    REQUIRE_OK(daub_model_load(dev, folder, daub_model_params(.precision = DAUB_PRECISION_F32), &model));
    REQUIRE_OK(daub_estimate(model, &params, &e));
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));

    const uint64_t limit = others + e.peak + RESERVE;
    REQUIRE_OK(daub_device_create(daub_device_params(.max_memory = limit, .log = keep_log), &dev));
    draw(folder, DAUB_PRECISION_F16, params, &image, &result);
    REQUIRE_TEXT(result.nonfinite_layer, layer);
    REQUIRE(result.n_repeated_in_f32 == 1 && result.memory_peak <= limit);
    daub_image_free(&image);
    REQUIRE_OK(daub_device_destroy(&dev));
    dev = unlimited;
}

int main(void)
{
    static const char unet[] = "up_blocks.1.resnets.0.conv1", vae[] = "decoder.up_blocks.1.resnets.0.conv1";
    char weight[128];
    snprintf(folder, sizeof(folder), "/tmp/daub-nonfinite-%ld", (long)getpid());
    REQUIRE_OK(daub_device_create(daub_device_params(.log = keep_log), &dev));

    daub_image image = { 0 }, again = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    draw(MODEL, DAUB_PRECISION_F16, *daub_generate_params(.seed = 1), &image, &result);
    REQUIRE(!result.nonfinite_layer[0] && result.n_repeated_in_f32 == 0 && !warning[0]);

    snprintf(weight, sizeof(weight), "%s.weight", unet);
    make_model("unet", "diffusion_pytorch_model.safetensors", weight);
    named_and_repeated("unet up_blocks.1.resnets.0.conv1", *daub_generate_params(.seed = 1));
    named_and_repeated("unet up_blocks.1.resnets.0.conv1",
                       *daub_generate_params(.seed = 1, .memory = DAUB_MEMORY_MODE_SMALL, .guidance_scale = 1.0f));

    repeated_within_a_limit("unet up_blocks.1.resnets.0.conv1");

    snprintf(weight, sizeof(weight), "%s.weight", vae);
    make_model("vae", "diffusion_pytorch_model.safetensors", weight);
    named_and_repeated("vae decoder.up_blocks.1.resnets.0.conv1", *daub_generate_params(.seed = 1));
    named_and_repeated("vae", *daub_generate_params(.seed = 1, .vae_rows = 4)); // in bands the network is named

    // The model goes on as before: nothing of fp32 is left.
    draw(MODEL, DAUB_PRECISION_F16, *daub_generate_params(.seed = 1), &again, &result);
    REQUIRE(same_pictures(&image, &again));
    daub_image_free(&image);
    daub_image_free(&again);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    REQUIRE_OK(daub_device_destroy(&dev));
    return 0;
}

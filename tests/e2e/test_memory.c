// test_memory.c - daub_estimate says what a picture takes of the device, in all memory modes; all draw the same
// picture; small mode fits where the estimate says so and nothing less will do. DAUB_FULL_MODEL names a full-size
// checkpoint, of which the process' own growth is held to the estimate too.
#include "daub.h"
#include "runtime/vk/device.h"

#include "tests/test.h"

static const char tiny[] = DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15";

static void same_picture(const daub_image *a, const daub_image *b)
{
    REQUIRE(a->width == b->width && a->height == b->height);
    REQUIRE(memcmp(a->pixels, b->pixels, (size_t)a->width * a->height * a->channels) == 0);
}

static daub_generate_params params_of(const char *prompt, uint32_t size, daub_memory_mode mode)
{
    return (daub_generate_params) { .struct_size = sizeof(daub_generate_params),
                                    .prompt = prompt,
                                    .n_steps = 2,
                                    .width = size,
                                    .height = size,
                                    .memory = mode };
}

static void draw(daub_model *model, const daub_generate_params *params, daub_image *image, daub_result *result)
{
    daub_image_free(image);
    REQUIRE_OK(daub_generate_with_result(model, params, image, result));
}

// The peak is what was said, to 2 %.
static void check_peak(daub_device *dev, const char *path, uint32_t size, daub_memory_mode mode, daub_image *image)
{
    daub_model *model = NULL;
    daub_result result = { .struct_size = sizeof(result) };
    REQUIRE_OK(daub_model_load(dev, path, NULL, &model));
    const daub_generate_params params = params_of("a cat", size, mode);
    daub_memory_estimate e = { .struct_size = sizeof(e) };
    const uint64_t before = daub_device_memory_used(dev);
    REQUIRE_OK(daub_estimate(model, &params, &e));
    REQUIRE(daub_device_memory_used(dev) == before && e.mode == mode && e.width == size && e.height == size);
    for (int i = 0; i < 2; i++) { // a second picture of the same prompt takes no more than the first
        draw(model, &params, image, &result);
        const double error = (double)result.memory_peak / (double)e.peak - 1.0;
        static const char *const modes[] = { "", "resident", "small", "stream" };
        printf("%-8s %3ux%u: estimate %10llu bytes, peak %10llu (%+.3f %%)\n", modes[mode], size, size,
               (unsigned long long)e.peak, (unsigned long long)result.memory_peak, 100.0 * error);
        REQUIRE_NEAR(error, 0.0, 0.02);
        daub_memory_estimate again = { .struct_size = sizeof(again) };
        REQUIRE_OK(daub_estimate(model, &params, &again));
        // Another prompt would bring the text encoder back beside the others, where it has left.
        REQUIRE(again.peak >= e.peak && again.peak <= e.peak + e.text.weights);
    }
    REQUIRE(e.peak >= e.text.total && e.peak >= e.denoise.total && e.peak >= e.decode.total && e.text.total > 0);
    REQUIRE_OK(daub_model_destroy(&model));
}

static void peaks(const char *path, const uint32_t sizes[2], const char *caps)
{
    daub_device *dev = NULL;
    REQUIRE_OK(daub_device_create(daub_device_params(.caps = caps), &dev));
    for (int i = 0; i < 2; i++) {
        daub_image resident = { 0 }, small = { 0 }, stream = { 0 };
        check_peak(dev, path, sizes[i], DAUB_MEMORY_MODE_RESIDENT, &resident);
        check_peak(dev, path, sizes[i], DAUB_MEMORY_MODE_SMALL, &small);
        check_peak(dev, path, sizes[i], DAUB_MEMORY_MODE_STREAM, &stream);
        same_picture(&resident, &small);
        same_picture(&resident, &stream);
        daub_image_free(&resident);
        daub_image_free(&small);
        daub_image_free(&stream);
    }
    REQUIRE_OK(daub_device_destroy(&dev));
}

static bool cancel_at_once(void *user, const daub_progress *p)
{
    (void)user;
    return p->step < 1;
}

// Pictures of one model in changing modes, sizes and prompts are those of a fresh model.
static void changing(void)
{
    static const struct {
        const char *prompt;
        uint32_t size;
        daub_memory_mode mode;
        bool cancelled;
    } runs[] = {
        { "a cat", 64, DAUB_MEMORY_MODE_SMALL, false },    { "a cat", 64, DAUB_MEMORY_MODE_SMALL, false },
        { "a dog", 64, DAUB_MEMORY_MODE_SMALL, false },    { "a dog", 64, DAUB_MEMORY_MODE_RESIDENT, false },
        { "a cat", 128, DAUB_MEMORY_MODE_RESIDENT, true }, { "a cat", 128, DAUB_MEMORY_MODE_SMALL, true },
        { "a cat", 128, DAUB_MEMORY_MODE_SMALL, false },   { "a cat", 64, DAUB_MEMORY_MODE_DEFAULT, false },
        { "a cat", 128, DAUB_MEMORY_MODE_DEFAULT, false }, { "a dog", 64, DAUB_MEMORY_MODE_SMALL, false },
        { "a dog", 64, DAUB_MEMORY_MODE_STREAM, false },   { "a dog", 128, DAUB_MEMORY_MODE_STREAM, true },
        { "a dog", 64, DAUB_MEMORY_MODE_STREAM, false },   { "a dog", 64, DAUB_MEMORY_MODE_RESIDENT, false },
    };
    daub_device *dev = NULL;
    daub_model *model = NULL, *fresh = NULL;
    daub_image got = { 0 }, want = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    REQUIRE_OK(daub_device_create(NULL, &dev));
    REQUIRE_OK(daub_model_load(dev, tiny, NULL, &model));
    for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
        daub_generate_params params = params_of(runs[i].prompt, runs[i].size, runs[i].mode);
        if (runs[i].cancelled) {
            params.on_progress = cancel_at_once;
            REQUIRE_STATUS(daub_generate(model, &params, &got), DAUB_ERROR_CANCELLED, "cancelled");
            continue;
        }
        draw(model, &params, &got, &result);
        REQUIRE_OK(daub_model_load(dev, tiny, NULL, &fresh));
        params.memory = DAUB_MEMORY_MODE_DEFAULT;
        draw(fresh, &params, &want, &result);
        REQUIRE_OK(daub_model_destroy(&fresh));
        same_picture(&got, &want);
    }
    daub_image_free(&got);
    daub_image_free(&want);
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
}

static bool note_memory(void *user, const daub_progress *p)
{
    uint64_t *used = user;
    if (p->phase == DAUB_PHASE_PREPARE) // the text phase is over
        used[1] = daub_device_memory_used((daub_device *)(uintptr_t)used[0]);
    return true;
}

// The same prompt again runs no text encoder: what the last phase left is still there when denoising is prepared.
static void prompts_are_kept(void)
{
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_image image = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    REQUIRE_OK(daub_device_create(NULL, &dev));
    REQUIRE_OK(daub_model_load(dev, tiny, NULL, &model));
    uint64_t used[2] = { (uint64_t)(uintptr_t)dev, 0 };
    daub_generate_params params = params_of("a cat", 64, DAUB_MEMORY_MODE_SMALL);
    params.on_progress = note_memory;
    params.user = used;
    draw(model, &params, &image, &result);
    const uint64_t left = daub_device_memory_used(dev);
    REQUIRE(used[1] != left);
    draw(model, &params, &image, &result);
    REQUIRE(used[1] == left);
    params.prompt = "a dog";
    draw(model, &params, &image, &result);
    REQUIRE(used[1] != left);
    daub_image_free(&image);
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
}

// A device with just the small peak draws in small mode, and refuses the other one with the estimate's numbers.
static void limits(void)
{
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_image image = { 0 };
    daub_memory_estimate e = { .struct_size = sizeof(e) }, full = { .struct_size = sizeof(full) };
    daub_generate_params small = params_of("a cat", 128, DAUB_MEMORY_MODE_SMALL);
    daub_generate_params resident = params_of("a cat", 128, DAUB_MEMORY_MODE_RESIDENT);
    small.vae_rows = resident.vae_rows = DAUB_VAE_WHOLE; // test_bands.c has what bands do about a limit
    REQUIRE_OK(daub_device_create(NULL, &dev));
    REQUIRE_OK(daub_model_load(dev, tiny, NULL, &model));
    REQUIRE_OK(daub_estimate(model, &small, &e));
    REQUIRE_OK(daub_estimate(model, &resident, &full));
    REQUIRE(e.peak < full.peak && e.denoise.weights < full.denoise.weights);
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));

    char sentence[64];
    snprintf(sentence, sizeof(sentence), "needs %.1f MB of device memory", (double)full.peak * 1e-6);
    REQUIRE_OK(daub_device_create(daub_device_params(.max_memory = e.peak + (64u << 10)), &dev));
    REQUIRE_OK(daub_model_load(dev, tiny, NULL, &model));
    REQUIRE_OK(daub_generate(model, &small, &image));
    daub_image_free(&image);
    REQUIRE_STATUS(daub_generate(model, &resident, &image), DAUB_ERROR_NO_GPU_MEMORY, sentence);
    REQUIRE_STATUS(daub_generate(model, &resident, &image), DAUB_ERROR_NO_GPU_MEMORY, "memory mode small needs ");
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
    REQUIRE_OK(daub_device_create(daub_device_params(.max_memory = e.peak - 1), &dev));
    REQUIRE_OK(daub_model_load(dev, tiny, NULL, &model));
    REQUIRE_STATUS(daub_generate(model, &small, &image), DAUB_ERROR_NO_GPU_MEMORY, "128x128 needs");

    const daub_generate_params wrong = { .struct_size = sizeof(wrong), .memory = (daub_memory_mode)4 };
    REQUIRE_STATUS(daub_estimate(model, &wrong, &e), DAUB_ERROR_INVALID_ARG, "memory mode 4");
    daub_memory_estimate unset = { .struct_size = 0 };
    REQUIRE_STATUS(daub_estimate(model, NULL, &unset), DAUB_ERROR_INVALID_ARG, "struct_size");
    REQUIRE_STATUS(daub_estimate(NULL, NULL, &e), DAUB_ERROR_INVALID_ARG, "NULL");
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
}

// ---- a full-size model -----------------------------------------------------------------------------------------------

static uint64_t process_bytes(const char *field)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    REQUIRE(file);
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, field, strlen(field)) == 0)
            sscanf(line + strlen(field), ": %llu", &kib);
    fclose(file);
    return kib << 10;
}

static void reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    REQUIRE(file && fputs("5", file) >= 0 && fclose(file) == 0);
}

// A CPU driver's device memory is the process' own. The driver itself and its kernels are there after a first picture.
static void full_size(const char *path, daub_memory_mode mode)
{
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_image image = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    REQUIRE_OK(daub_device_create(NULL, &dev));
    REQUIRE_OK(daub_model_load(dev, path, NULL, &model));
    daub_generate_params params = params_of("a red fox", 64, DAUB_MEMORY_MODE_SMALL);
    params.n_steps = 1;
    draw(model, &params, &image, &result);
    const uint64_t rest = process_bytes("VmRSS") - daub_device_memory_used(dev);

    params.width = params.height = 256;
    params.memory = mode;
    daub_memory_estimate e = { .struct_size = sizeof(e) };
    REQUIRE_OK(daub_estimate(model, &params, &e));
    reset_peak();
    draw(model, &params, &image, &result);
    const double growth = (double)(process_bytes("VmHWM") - rest);
    printf("full size, mode %d: estimate %.1f MB, the process grew by %.1f MB beside its own %.1f MB\n", (int)mode,
           (double)(e.peak + e.host) * 1e-6, growth * 1e-6, (double)rest * 1e-6);
    REQUIRE_NEAR(growth / (double)(e.peak + e.host), 1.0, 0.02);
    daub_image_free(&image);
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
}

int main(void)
{
    peaks(NULL, (const uint32_t[]) { 64, 128 }, NULL);
    peaks(tiny, (const uint32_t[]) { 64, 128 }, NULL);
    peaks(tiny, (const uint32_t[]) { 64, 128 }, "-uma");
    changing();
    prompts_are_kept();
    limits();
    const char *const full = getenv("DAUB_FULL_MODEL");
    if (full) {
        full_size(full, DAUB_MEMORY_MODE_SMALL);
        full_size(full, DAUB_MEMORY_MODE_RESIDENT);
    }
    return 0;
}

// test_bands.c - the VAE decoding in bands gives the picture of the whole decoding to 1/255, without seams, and fits where that does
// not.
#include "daub.h"
#include "runtime/pipeline/engine.h"
#include "runtime/vk/device.h"

#include "tests/test.h"

static const char tiny[] = DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15";

struct picture {
    uint32_t batch, h, w; // pixels
    uint8_t *rgb8;
    float *image;
    uint64_t arena;
};

static struct picture decode(struct daub_engine *engine, uint32_t batch, uint32_t h, uint32_t w, uint32_t rows,
                             const float *latents)
{
    const uint32_t scale = daub_latent_scale(&engine->desc);
    struct picture p = { .batch = batch, .h = h * scale, .w = w * scale };
    const size_t pixels = (size_t)batch * p.h * p.w;
    const struct daub_decode_params params = {
        .batch = batch, .h = h, .w = w, .bands = { .on = rows > 0, .rows = rows }, .latents = latents
    };
    p.rgb8 = calloc(pixels, 4);
    p.image = calloc(pixels, 3 * sizeof(float));
    REQUIRE(p.rgb8 && p.image);
    REQUIRE_OK(daub_decode(engine, &params, p.rgb8, p.image, &p.arena));
    return p;
}

static void picture_free(struct picture *p)
{
    free(p->rgb8);
    free(p->image);
}

// Mean error of the rows of pixels at the borders of bands, and of the others; the largest of all.
struct errors {
    double seam, rest, most;
    uint32_t most_bytes;
};

static struct errors compare(const struct picture *a, const struct picture *b, uint32_t band)
{
    struct errors e = { 0 };
    double n_seam = 0.0, n_rest = 0.0;
    for (size_t row = 0; row < (size_t)a->batch * 3 * a->h; row++) {
        const uint32_t y = (uint32_t)(row % a->h);
        const bool seam = band > 0 && ((y % band == 0 && y > 0) || ((y + 1) % band == 0 && y + 1 < a->h));
        for (uint32_t x = 0; x < a->w; x++) {
            const double error = fabs((double)a->image[row * a->w + x] - (double)b->image[row * a->w + x]);
            *(seam ? &e.seam : &e.rest) += error;
            *(seam ? &n_seam : &n_rest) += 1.0;
            e.most = error > e.most ? error : e.most;
        }
    }
    e.seam /= n_seam > 0.0 ? n_seam : 1.0;
    e.rest /= n_rest > 0.0 ? n_rest : 1.0;
    for (size_t i = 0; i < (size_t)a->batch * a->h * a->w * 4; i++) {
        const uint32_t error = (uint32_t)abs(a->rgb8[i] - b->rgb8[i]);
        e.most_bytes = error > e.most_bytes ? error : e.most_bytes;
    }
    return e;
}

// Values that are smooth in places and differ at every scale.
static float *some_latents(const struct daub_engine *engine, uint32_t batch, uint32_t h, uint32_t w)
{
    const size_t n = (size_t)batch * engine->desc.vae.latent_channels * h * w;
    float *latents = calloc(n, sizeof(float));
    REQUIRE(latents);
    for (size_t i = 0; i < n; i++)
        latents[i] = 2.0f * sinf((float)i * 0.37f) + 1.5f * cosf((float)(i * i % 97));
    return latents;
}

static void print(const char *what, const struct picture *p, uint32_t rows, const struct errors *e)
{
    printf("%-14s %ux%ux%u, %2u rows: arena %6.2f MB, largest error %.2e and %u/255, mean %.2e, at borders %.2e\n",
           what, p->batch, p->h, p->w, rows, (double)p->arena * 1e-6, e->most, e->most_bytes, e->rest, e->seam);
}

// In fp32 bands change nothing but the order of sums. fp16 rounds every activation, and a sum in another order rounds to another
// neighbour here and there: as far from the fp32 picture as the whole fp16 decoding is, not farther.
static void same_in_bands(struct daub_engine *const engines[2], const uint32_t size[3], const uint32_t *rows,
                          uint32_t n_rows)
{
    const uint32_t scale = daub_latent_scale(&engines[0]->desc);
    float *latents = some_latents(engines[0], size[0], size[1], size[2]);
    struct picture exact = decode(engines[0], size[0], size[1], size[2], 0, latents);
    struct picture half = decode(engines[1], size[0], size[1], size[2], 0, latents);
    const struct errors rounding = compare(&exact, &half, 0);
    print("fp16, whole", &half, 0, &rounding);
    for (uint32_t i = 0; i < n_rows; i++) {
        struct picture bands = decode(engines[0], size[0], size[1], size[2], rows[i], latents);
        struct errors e = compare(&exact, &bands, rows[i] * scale);
        print("fp32", &bands, rows[i], &e);
        REQUIRE(e.most < 1e-5 && e.most_bytes <= 1 && e.seam <= 1.5 * e.rest + 1e-7);
        picture_free(&bands);

        bands = decode(engines[1], size[0], size[1], size[2], rows[i], latents);
        e = compare(&half, &bands, rows[i] * scale);
        print("fp16", &bands, rows[i], &e);
        REQUIRE(e.most_bytes <= 1 && e.most < 2.0 / 255.0 && e.seam <= 1.5 * e.rest + 1e-7);
        e = compare(&exact, &bands, rows[i] * scale);
        REQUIRE(e.most <= 1.5 * rounding.most && e.rest <= 1.2 * rounding.rest);
        picture_free(&bands);
    }
    picture_free(&exact);
    picture_free(&half);
    free(latents);
}

static void pictures(const char *path, const char *caps, uint32_t n_sizes)
{
    static const uint32_t sizes[][3] = { { 1, 9, 11 }, { 2, 7, 6 }, { 1, 1, 5 }, { 1, 16, 12 } };
    static const uint32_t rows[] = { 1, 3, 2, 5, 16 };
    daub_device *dev = NULL;
    struct daub_engine *engines[2];
    REQUIRE_OK(daub_device_create(daub_device_params(.caps = caps), &dev));
    for (int i = 0; i < 2; i++) {
        const daub_model_params params = { .struct_size = sizeof(params),
                                           .precision = i ? DAUB_PRECISION_F16 : DAUB_PRECISION_F32 };
        REQUIRE_OK(daub_engine_create(dev, path, &params, &engines[i]));
    }
    for (uint32_t i = 0; i < n_sizes; i++)
        same_in_bands(engines, sizes[i], rows, sizes[i][1] == 1 ? 1 : n_sizes == 4 ? 5 : 2);
    daub_engine_destroy(&engines[0]);
    daub_engine_destroy(&engines[1]);
    REQUIRE_OK(daub_device_destroy(&dev));
}

// ---- memory ----------------------------------------------------------------------------------------------------------

static daub_generate_params params_of(daub_memory_mode mode, uint32_t vae_rows)
{
    return (daub_generate_params) { .struct_size = sizeof(daub_generate_params),
                                    .prompt = "a cat",
                                    .n_steps = 1,
                                    .width = 256,
                                    .height = 256,
                                    .memory = mode,
                                    .vae_rows = vae_rows };
}

static daub_memory_estimate estimate(daub_model *model, daub_memory_mode mode, uint32_t vae_rows)
{
    const daub_generate_params params = params_of(mode, vae_rows);
    daub_memory_estimate e = { .struct_size = sizeof(e) };
    REQUIRE_OK(daub_estimate(model, &params, &e));
    return e;
}

static void open_model(uint64_t max_memory, const char *caps, daub_device **dev, daub_model **model)
{
    REQUIRE_OK(daub_device_create(daub_device_params(.max_memory = max_memory, .caps = caps), dev));
    REQUIRE_OK(daub_model_load(*dev, tiny, NULL, model));
}

static void close_model(daub_device **dev, daub_model **model)
{
    REQUIRE_OK(daub_model_destroy(model));
    REQUIRE_OK(daub_device_destroy(dev));
}

// Under a limit that the whole decoding does not fit, bands are taken without being asked for, and keep to the limit and to what
// was estimated.
static void keeps_to(uint64_t limit, const char *caps, daub_memory_mode mode, const daub_image *want)
{
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_image image = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    open_model(limit, caps, &dev, &model);
    const daub_generate_params whole = params_of(mode, DAUB_VAE_WHOLE), free_choice = params_of(mode, 0);
    REQUIRE_STATUS(daub_generate(model, &whole, &image), DAUB_ERROR_NO_GPU_MEMORY, "256x256 needs");
    const daub_memory_estimate e = estimate(model, mode, 0);
    REQUIRE(e.bands > 0 && e.peak <= limit);
    for (int i = 0; i < 2; i++) { // the second one finds everything packed
        REQUIRE_OK(daub_generate_with_result(model, &free_choice, &image, &result));
        const double error = (double)result.memory_peak / (double)e.peak - 1.0;
        printf("limit %10llu, %u bands: estimate %10llu, peak %10llu (%+.3f %%)\n", (unsigned long long)limit, e.bands,
               (unsigned long long)e.peak, (unsigned long long)result.memory_peak, 100.0 * error);
        REQUIRE(result.memory_peak <= limit && fabs(error) < 0.02);
        for (size_t k = 0; k < (size_t)3 * 256 * 256; k++)
            REQUIRE(abs(image.pixels[k] - want->pixels[k]) <= 1);
        daub_image_free(&image);
    }
    close_model(&dev, &model);
}

static void limits(const char *caps)
{
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_image whole = { 0 };
    open_model(0, caps, &dev, &model);
    const daub_memory_mode small = DAUB_MEMORY_MODE_SMALL, resident = DAUB_MEMORY_MODE_RESIDENT;
    const daub_memory_estimate all = estimate(model, small, DAUB_VAE_WHOLE), least = estimate(model, small, 1);
    REQUIRE(all.bands == 0 && estimate(model, small, 0).bands == 0 && least.bands == 32);
    REQUIRE(all.decode.total == all.peak && least.decode.total < all.decode.total && least.host > all.host);
    const daub_memory_estimate held = estimate(model, resident, DAUB_VAE_WHOLE);
    REQUIRE(held.decode.activations > held.denoise.activations); // or bands would save nothing
    const daub_generate_params params = params_of(small, DAUB_VAE_WHOLE);
    REQUIRE_OK(daub_generate(model, &params, &whole));
    close_model(&dev, &model);

    keeps_to(all.peak - 1, caps, small, &whole);
    keeps_to(least.denoise.total + (all.peak - least.denoise.total) / 8, caps, small, &whole);
    keeps_to(held.peak - (held.decode.activations - held.denoise.activations) / 2, caps, resident, &whole);
    daub_image_free(&whole);
}

static void refusals(void)
{
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_image image = { 0 };
    const daub_generate_params params = params_of(DAUB_MEMORY_MODE_SMALL, 0), wrong = params_of(0, 16385);
    open_model(0, NULL, &dev, &model);
    const uint64_t weights = estimate(model, DAUB_MEMORY_MODE_SMALL, 1).denoise.total;
    REQUIRE_STATUS(daub_generate(model, &wrong, &image), DAUB_ERROR_INVALID_ARG, "VAE rows");
    close_model(&dev, &model);
    open_model(weights / 8, NULL, &dev, &model);
    REQUIRE_STATUS(daub_generate(model, &params, &image), DAUB_ERROR_NO_GPU_MEMORY, "of device memory (activations");
    REQUIRE_STATUS(daub_generate(model, &params, &image), DAUB_ERROR_NO_GPU_MEMORY, "the VAE decodes in bands already");
    close_model(&dev, &model);
}

int main(void)
{
    pictures(tiny, NULL, 4);
    pictures(NULL, NULL, 2);
    pictures(tiny, "-lane,-uma", 2);
    pictures(NULL, "-winograd", 1);
    limits(NULL);
    limits("-uma");
    refusals();
    return 0;
}

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
        const bool seam = (y % band == 0 && y > 0) || ((y + 1) % band == 0 && y + 1 < a->h);
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

static void same_in_bands(struct daub_engine *engine, uint32_t batch, uint32_t h, uint32_t w)
{
    const size_t n = (size_t)batch * engine->desc.vae.latent_channels * h * w;
    const double limit = engine->dtype == DAUB_F16 ? 1e-3 : 1e-4;
    float *latents = calloc(n, sizeof(float));
    REQUIRE(latents);
    for (size_t i = 0; i < n; i++) // smooth, and something at every scale
        latents[i] = 2.0f * sinf((float)i * 0.37f) + 1.5f * cosf((float)(i * i % 97));
    struct picture whole = decode(engine, batch, h, w, 0, latents);
    const uint32_t rows[] = { 1, 2, 3, 5, h };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct picture bands = decode(engine, batch, h, w, rows[i], latents);
        const struct errors e = compare(&whole, &bands, rows[i] * daub_latent_scale(&engine->desc));
        printf("%ux%ux%u %s, %u rows: arena %.2f of %.2f MB, largest error %.2e and %u/255, mean %.2e, at seams %.2e\n",
               batch, h, w, engine->dtype == DAUB_F16 ? "f16" : "f32", rows[i], (double)bands.arena * 1e-6,
               (double)whole.arena * 1e-6, e.most, e.most_bytes, e.rest, e.seam);
        if (!getenv("X"))
            REQUIRE(e.most < limit && e.most_bytes <= 1);
        if (!getenv("X"))
            REQUIRE(e.seam <= 1.5 * e.rest + 1e-6);
        picture_free(&bands);
    }
    picture_free(&whole);
    free(latents);
}

static void pictures(daub_device *dev, const char *path)
{
    static const uint32_t sizes[][3] = { { 1, 9, 11 }, { 2, 7, 6 }, { 1, 1, 5 }, { 1, 16, 12 } };
    for (int f32 = 0; f32 < 2; f32++) {
        const daub_model_params params = { .struct_size = sizeof(params),
                                           .precision = f32 ? DAUB_PRECISION_F32 : DAUB_PRECISION_F16 };
        struct daub_engine *engine = NULL;
        REQUIRE_OK(daub_engine_create(dev, path, &params, &engine));
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
            same_in_bands(engine, sizes[i][0], sizes[i][1], sizes[i][2]);
        daub_engine_destroy(&engine);
    }
}

int main(void)
{
    static const char *const caps[] = { NULL, "-lane,-uma" };
    for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
        daub_device *dev = NULL;
        REQUIRE_OK(daub_device_create(daub_device_params(.caps = caps[i]), &dev));
        pictures(dev, tiny);
        pictures(dev, NULL);
        REQUIRE_OK(daub_device_destroy(&dev));
    }
    return 0;
}

// test_pictures.c - pictures in: img2img and inpainting with models of both kinds, sizes, channels, strengths, memory, and what is
// refused. That the numbers are diffusers' own is what the goldens e2e/*i2i* and e2e/*inpaint* are for.
#include "daub.h"
#include "runtime/base/file.h"
#include "runtime/io/safetensors.h"
#include "runtime/pipeline/pipeline.h"

#include "tests/test.h"

static const char tiny[] = DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15";
static const char ddpm[] = DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-ddpm";

static daub_image make_image(uint32_t w, uint32_t h, uint32_t channels)
{
    daub_image image = { .width = w, .height = h, .channels = channels, .pixels = malloc((size_t)w * h * channels) };
    REQUIRE(image.pixels);
    for (size_t i = 0; i < (size_t)w * h; i++)
        for (uint32_t c = 0; c < channels; c++)
            image.pixels[i * channels + c] = (uint8_t)(i % w * (c + 2) + i / w * (5 - c) + 31 * c);
    return image;
}

// White from column w/3 on in the middle rows, black elsewhere, with grey at the seam: no edge is a multiple of 8.
static daub_image make_mask(uint32_t w, uint32_t h, uint32_t channels)
{
    daub_image mask = make_image(w, h, channels);
    for (uint32_t y = 0; y < h; y++)
        for (uint32_t x = 0; x < w; x++)
            for (uint32_t c = 0; c < channels; c++)
                mask.pixels[((size_t)y * w + x) * channels + c] = y < h / 4 + 1 || x < w / 3 ? 0
                                                                  : x == w / 3               ? 77
                                                                                             : 255;
    return mask;
}

static daub_generate_params params_of(const daub_image *init, const daub_image *mask, double strength)
{
    return (daub_generate_params) { .struct_size = sizeof(daub_generate_params),
                                    .prompt = "a cat",
                                    .n_steps = 4,
                                    .sampler = "euler_a",
                                    .seed = 3,
                                    .init = init,
                                    .mask = mask,
                                    .strength = strength };
}

static bool same(const daub_image *a, const daub_image *b)
{
    return a->width == b->width && a->height == b->height && a->channels == b->channels &&
           memcmp(a->pixels, b->pixels, (size_t)a->width * a->height * a->channels) == 0;
}

static void draw(daub_model *model, const daub_generate_params *params, daub_image *out)
{
    daub_image_free(out);
    REQUIRE_OK(daub_generate(model, params, out));
}

// What a mask of exactly 0 keeps has init's bytes; white is drawn; between, both are mixed.
static void check_kept(const daub_image *got, const daub_image *init, const daub_image *mask)
{
    size_t kept = 0, changed = 0;
    for (size_t i = 0; i < (size_t)got->width * got->height; i++) {
        const uint8_t m = mask->pixels[i * mask->channels];
        bool equal = true;
        for (uint32_t c = 0; c < 3; c++)
            equal = equal && got->pixels[3 * i + c] == init->pixels[i * init->channels + (init->channels < 3 ? 0 : c)];
        if (m == 0)
            REQUIRE(equal);
        kept += m == 0;
        changed += m == 255 && !equal;
    }
    REQUIRE(kept > 0 && changed > 0);
}

// ---- img2img and inpainting ------------------------------------------------------------------------------------------

static void test_init(daub_model *model)
{
    daub_image init = make_image(72, 88, 3), a = { 0 }, b = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    daub_generate_params p = params_of(&init, NULL, 0.0);
    REQUIRE_OK(daub_generate_with_result(model, &p, &a, &result));
    REQUIRE(a.width == 72 && a.height == 88 && result.width == 72 && result.height == 88); // its size is the default
    REQUIRE(result.strength == 0.8 && !result.masked && result.n_steps == 4 && result.n_model_calls == 3);
    REQUIRE(result.encode_seconds > 0.0);
    draw(model, &p, &b);
    REQUIRE(same(&a, &b)); // what was encoded before serves again
    p.strength = 0.5;
    daub_image_free(&b);
    REQUIRE_OK(daub_generate_with_result(model, &p, &b, &result));
    REQUIRE(!same(&a, &b) && result.n_model_calls == 2);
    p.strength = 0.8;
    init.pixels[77] ^= 0x40;
    draw(model, &p, &b);
    REQUIRE(!same(&a, &b)); // another picture is encoded anew

    // Strength 1 begins with the picture, too: it differs from a picture made from noise alone.
    p.strength = 1.0;
    REQUIRE_OK(daub_generate_with_result(model, &p, &a, &result));
    REQUIRE(result.n_model_calls == 4);
    p.init = NULL;
    p.strength = 0.0;
    p.width = 72;
    p.height = 88;
    draw(model, &p, &b);
    REQUIRE(!same(&a, &b));
    daub_image_free(&init);
    daub_image_free(&a);
    daub_image_free(&b);
}

// Grey pictures count as their colours, and alpha for nothing.
static void test_channels(daub_model *model)
{
    daub_image rgb = make_image(64, 64, 3), a = { 0 }, b = { 0 };
    for (uint32_t grey = 0; grey < 2; grey++) {
        daub_image other = make_image(64, 64, grey ? 2 : 4);
        for (size_t i = 0; i < 64 * 64; i++) {
            for (size_t c = 0; c < 3; c++)
                rgb.pixels[3 * i + c] = grey ? (uint8_t)i : rgb.pixels[3 * i + c];
            memcpy(other.pixels + i * other.channels, rgb.pixels + 3 * i, other.channels - 1);
        }
        daub_image one_mask = make_mask(64, 64, 1), mask = make_mask(64, 64, other.channels);
        daub_generate_params p = params_of(&rgb, &one_mask, 0.7);
        draw(model, &p, &a);
        p.init = &other;
        p.mask = &mask;
        draw(model, &p, &b);
        REQUIRE(same(&a, &b));
        daub_image_free(&other);
        daub_image_free(&one_mask);
        daub_image_free(&mask);
    }
    daub_image_free(&rgb);
    daub_image_free(&a);
    daub_image_free(&b);
}

static void test_mask(daub_model *model, const char *sampler)
{
    static const uint32_t sizes[][2] = { { 64, 64 }, { 72, 88 }, { 136, 40 } };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        daub_image init = make_image(sizes[i][0], sizes[i][1], 3), mask = make_mask(sizes[i][0], sizes[i][1], 1);
        daub_image got = { 0 }, again = { 0 };
        daub_result result = { .struct_size = sizeof(result) };
        for (int full = 0; full < 2; full++) {
            daub_generate_params p = params_of(&init, &mask, full ? 0.0 : 0.5);
            p.sampler = sampler;
            REQUIRE_OK(daub_generate_with_result(model, &p, &got, &result));
            REQUIRE(result.masked && result.strength == (full ? 1.0 : 0.5));
            check_kept(&got, &init, &mask);
            p.memory = DAUB_MEMORY_MODE_SMALL;
            draw(model, &p, &again);
            REQUIRE(same(&got, &again));
            daub_image_free(&got);
        }
        daub_image_free(&init);
        daub_image_free(&mask);
        daub_image_free(&again);
    }
}

// Without a text encoder and a VAE pictures are what the network works on.
static void test_unconditional(daub_device *dev)
{
    daub_model *model = NULL;
    daub_model_info info = { .struct_size = sizeof(info) };
    daub_image a = { 0 }, b = { 0 };
    REQUIRE_OK(daub_model_load(dev, ddpm, NULL, &model));
    REQUIRE_OK(daub_model_get_info(model, &info));
    daub_image init = make_image(info.width, info.height, 3), mask = make_mask(info.width, info.height, 1);
    daub_generate_params p = params_of(&init, NULL, 0.5);
    p.prompt = NULL;
    p.sampler = "ddim";
    draw(model, &p, &a);
    p.mask = &mask;
    draw(model, &p, &b);
    REQUIRE(!same(&a, &b));
    check_kept(&b, &init, &mask);
    daub_image_free(&a);
    daub_image_free(&b);
    daub_image_free(&init);
    daub_image_free(&mask);
    REQUIRE_OK(daub_model_destroy(&model));
}

// ---- models that read mask and picture -------------------------------------------------------------------------------

// tiny-sd15 in a folder of its own, whose U-Net reads `extra` more channels: with the weights given for each, else 0.
static void write_wider(const char *folder, uint32_t extra, float weight)
{
    static const char *const files[] = { "model_index.json",         "scheduler/scheduler_config.json",
                                         "text_encoder/config.json", "text_encoder/model.safetensors",
                                         "vae/config.json",          "vae/diffusion_pytorch_model.safetensors" };
    static const char unet[] = "unet/diffusion_pytorch_model.safetensors";
    char from[1200], to[1200];
    char *data = NULL;
    size_t size = 0;
    static const char *const folders[] = { "scheduler", "text_encoder", "vae", "unet" };
    for (size_t i = 0; i < 4; i++) {
        snprintf(to, sizeof(to), "%s/%s", folder, folders[i]);
        REQUIRE_OK(daub_make_dirs(to));
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(from, sizeof(from), "%s/%s", tiny, files[i]);
        snprintf(to, sizeof(to), "%s/%s", folder, files[i]);
        REQUIRE_OK(daub_file_read(NULL, from, (size_t)1 << 30, &data, &size));
        REQUIRE_OK(daub_file_write(NULL, to, data, size));
        daub_free(NULL, data);
    }
    snprintf(from, sizeof(from), "%s/unet/config.json", tiny);
    snprintf(to, sizeof(to), "%s/unet/config.json", folder);
    REQUIRE_OK(daub_file_read(NULL, from, (size_t)1 << 30, &data, &size));
    char *at = strstr(data, "\"in_channels\": 4");
    REQUIRE(at);
    char *text = daub_asprintf(NULL, "%.*s\"in_channels\": %u%s", (int)(at - data), data, 4 + extra, at + 16);
    REQUIRE(text);
    REQUIRE_OK(daub_file_write(NULL, to, text, strlen(text)));
    daub_free(NULL, text);
    daub_free(NULL, data);

    struct daub_safetensors *st = NULL;
    snprintf(from, sizeof(from), "%s/%s", tiny, unet);
    snprintf(to, sizeof(to), "%s/%s", folder, unet);
    REQUIRE_OK(daub_safetensors_open(NULL, from, &st));
    const uint32_t n = daub_safetensors_count(st);
    struct daub_st_write *tensors = calloc(n, sizeof(*tensors));
    float **values = calloc(n, sizeof(*values));
    REQUIRE(tensors && values);
    for (uint32_t i = 0; i < n; i++) {
        const struct daub_st_tensor *t = daub_safetensors_at(st, i);
        size_t count = 1;
        for (uint32_t d = 0; d < t->n_dims; d++)
            count *= t->dims[d];
        values[i] = malloc(count * sizeof(float));
        REQUIRE(values[i]);
        REQUIRE_OK(daub_safetensors_floats(st, t, values[i]));
        tensors[i] = (struct daub_st_write) { .name = t->name, .n_dims = t->n_dims, .data = values[i] };
        memcpy(tensors[i].dims, t->dims, sizeof(tensors[i].dims));
        if (strcmp(t->name, "conv_in.weight") != 0)
            continue;
        const size_t outs = t->dims[0], old = t->dims[1] * 9, wide = (t->dims[1] + extra) * 9;
        float *w = malloc(outs * wide * sizeof(float));
        REQUIRE(w);
        for (size_t k = 0; k < outs * wide; k++)
            w[k] = k % wide < old ? values[i][k / wide * old + k % wide] : weight;
        free(values[i]);
        values[i] = w;
        tensors[i].data = w;
        tensors[i].dims[1] += extra;
    }
    REQUIRE_OK(daub_safetensors_write(NULL, to, tensors, n));
    for (uint32_t i = 0; i < n; i++)
        free(values[i]);
    free(values);
    free(tensors);
    daub_safetensors_close(&st);
}

// Nine channels of which the last five weigh nothing draw what the four draw from noise; with weights they tell.
static void test_nine(daub_device *dev, daub_model *four)
{
    char root[] = "/tmp/daub-pictures-XXXXXX", blind[64], seeing[64], eight[64], embeds[128], command[64];
    daub_image init = make_image(64, 72, 3), all = make_image(64, 72, 1), mask = make_mask(64, 72, 3);
    daub_image want = { 0 }, got = { 0 };
    daub_model *model = NULL;
    memset(all.pixels, 255, 64 * 72);
    REQUIRE(mkdtemp(root));
    snprintf(blind, sizeof(blind), "%s/blind", root);
    snprintf(seeing, sizeof(seeing), "%s/seeing", root);
    snprintf(eight, sizeof(eight), "%s/eight", root);
    write_wider(blind, 5, 0.0f);
    write_wider(seeing, 5, 0.05f);
    write_wider(eight, 4, 0.0f);

    daub_generate_params p = params_of(NULL, NULL, 0.0);
    p.width = 64;
    p.height = 72;
    p.sampler = "ddim"; // draws no noise after the beginning, where the masked picture's encoding draws
    draw(four, &p, &want);
    REQUIRE_OK(daub_model_load(dev, blind, NULL, &model));
    REQUIRE_STATUS(daub_generate(model, &p, &got), DAUB_ERROR_INVALID_ARG, "needs an init picture and a mask");
    p.init = &init;
    REQUIRE_STATUS(daub_generate(model, &p, &got), DAUB_ERROR_INVALID_ARG, "needs an init picture and a mask");
    p.mask = &all;
    draw(model, &p, &got);
    REQUIRE(same(&got, &want));
    // A prompt's embeddings need no picture.
    snprintf(embeds, sizeof(embeds), "%s/embeds.safetensors", blind);
    REQUIRE_OK(daub_encode_text(model, daub_generate_params(.prompt = "a cat"), embeds));
    p.mask = &mask;
    p.strength = 0.5;
    draw(model, &p, &want);
    check_kept(&want, &init, &mask);
    REQUIRE_OK(daub_model_destroy(&model));

    REQUIRE_OK(daub_model_load(dev, seeing, NULL, &model));
    draw(model, &p, &got);
    check_kept(&got, &init, &mask);
    REQUIRE(!same(&got, &want));
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_model_load(dev, eight, NULL, &model));
    REQUIRE_STATUS(daub_generate(model, &p, &got), DAUB_ERROR_UNSUPPORTED, "reads 8 channels");
    REQUIRE_OK(daub_model_destroy(&model));
    snprintf(command, sizeof(command), "rm -r %s", root);
    REQUIRE(system(command) == 0);
    daub_image_free(&init);
    daub_image_free(&all);
    daub_image_free(&mask);
    daub_image_free(&want);
    daub_image_free(&got);
}

// ---- refusals --------------------------------------------------------------------------------------------------------

static void refused(daub_model *model, daub_generate_params p, const char *sentence)
{
    daub_image image = { 0 };
    REQUIRE_STATUS(daub_generate(model, &p, &image), DAUB_ERROR_INVALID_ARG, sentence);
    REQUIRE(!image.pixels);
}

static void test_refusals(daub_model *model)
{
    daub_image init = make_image(64, 64, 3), odd = make_image(65, 64, 3), mask = make_mask(64, 64, 1);
    daub_image smaller = make_mask(64, 56, 1), none = { .width = 64, .height = 64, .channels = 3 }, many = init;
    daub_generate_params p = params_of(&init, &mask, 0.0);
    many.channels = 5;
    refused(model, params_of(NULL, &mask, 0.0), "a mask needs the init picture");
    refused(model, params_of(NULL, NULL, 0.5), "strength 0.5 needs an init picture");
    refused(model, params_of(&init, NULL, 1.5), "strength 1.5 is outside 0..1");
    refused(model, params_of(&init, NULL, -0.1), "strength -0.1 is outside 0..1");
    refused(model, params_of(&init, NULL, NAN), "strength nan is outside 0..1");
    refused(model, params_of(&init, NULL, 0.2), "strength 0.2 leaves none of 4 steps; the least is 0.25");
    refused(model, params_of(&odd, NULL, 0.0), "width 65 is not a multiple of 8 (64 and 72 are)");
    refused(model, params_of(&none, NULL, 0.0), "the init picture has no pixels");
    refused(model, params_of(&many, NULL, 0.0), "the init picture has 5 channels");
    refused(model, params_of(&init, &smaller, 0.0), "the mask picture is 64x56 and the picture to make is 64x64");
    refused(model, params_of(&init, &many, 0.0), "the mask picture has 5 channels");
    p.width = 128;
    refused(model, p, "the init picture is 64x64 and the picture to make is 128x64");
    daub_image_free(&init);
    daub_image_free(&odd);
    daub_image_free(&mask);
    daub_image_free(&smaller);
}

// ---- memory ----------------------------------------------------------------------------------------------------------

static void check_memory(daub_device *dev, daub_memory_mode mode)
{
    daub_model *model = NULL;
    daub_image init = make_image(192, 128, 3), mask = make_mask(192, 128, 1), image = { 0 };
    daub_memory_estimate e = { .struct_size = sizeof(e) }, plain = { .struct_size = sizeof(plain) };
    daub_result result = { .struct_size = sizeof(result) };
    REQUIRE_OK(daub_model_load(dev, tiny, NULL, &model));
    daub_generate_params p = params_of(&init, &mask, 0.7);
    p.memory = mode;
    REQUIRE_OK(daub_estimate(model, &p, &e));
    REQUIRE_OK(daub_generate_with_result(model, &p, &image, &result));
    printf("%s: estimate %llu bytes, peak %llu\n", mode == DAUB_MEMORY_MODE_SMALL ? "small" : "resident",
           (unsigned long long)e.peak, (unsigned long long)result.memory_peak);
    REQUIRE_NEAR((double)result.memory_peak / (double)e.peak, 1.0, 0.02);
    REQUIRE(e.encode.total > 0 && e.encode.weights > 0 && e.peak >= e.encode.total);
    p.init = p.mask = NULL;
    p.strength = 0.0;
    p.width = 192;
    p.height = 128;
    REQUIRE_OK(daub_estimate(model, &p, &plain));
    REQUIRE(plain.encode.total == 0 && plain.host < e.host);
    daub_image_free(&init);
    daub_image_free(&mask);
    daub_image_free(&image);
    REQUIRE_OK(daub_model_destroy(&model));
}

// Floats get what the mask keeps also where the bytes are elsewhere, in a host's image say.
static void paste_alone(void)
{
    uint8_t init[] = { 255, 0, 255, 255, 0, 255 }, mask[] = { 0, 255 };
    uint8_t bytes[8] = { 9, 9, 9, 9, 9, 9, 9, 9 };
    float image[6] = { 0 }, beside_bytes[6] = { 0 };
    const struct daub_request r = { .width = 2, .height = 1, .batch = 1, .paste = true, .init = init, .mask = mask };
    daub_paste(&r, NULL, image);
    daub_paste(&r, bytes, beside_bytes);
    REQUIRE(image[0] == 1.0f && image[2] == -1.0f && image[4] == 1.0f && image[1] == 0.0f);
    REQUIRE(memcmp(image, beside_bytes, sizeof(image)) == 0 && bytes[0] == 255 && bytes[4] == 9);
}

int main(void)
{
    paste_alone();
    daub_device *dev = NULL;
    daub_model *model = NULL;
    REQUIRE_OK(daub_device_create(NULL, &dev));
    check_memory(dev, DAUB_MEMORY_MODE_RESIDENT);
    check_memory(dev, DAUB_MEMORY_MODE_SMALL);
    for (int precision = DAUB_PRECISION_F16; precision <= DAUB_PRECISION_F32; precision++) {
        const daub_model_params params = { .struct_size = sizeof(params), .precision = (daub_precision)precision };
        REQUIRE_OK(daub_model_load(dev, tiny, &params, &model));
        test_mask(model, "euler_a");
        test_mask(model, "plms");
        REQUIRE_OK(daub_model_destroy(&model));
    }
    REQUIRE_OK(daub_model_load(dev, tiny, NULL, &model));
    test_init(model);
    test_channels(model);
    test_refusals(model);
    test_nine(dev, model);
    REQUIRE_OK(daub_model_destroy(&model));
    test_unconditional(dev);
    REQUIRE_OK(daub_device_destroy(&dev));
    return 0;
}

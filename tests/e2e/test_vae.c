// test_vae.c - "an exchangeable decoder by --vae": every form that a VAE's file has stands for the model's own to the same bytes, another one
// draws another picture and encodes another latent, and one that does not fit is refused in one sentence.
#include "runtime/base/file.h"
#include "runtime/io/names_ldm.h"

#include "tests/test.h"

#include <unistd.h>

static const char tiny[] = DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15";
static const char own[] = DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15/vae/diffusion_pytorch_model.safetensors";
static char root[] = "/tmp/daub-vae-XXXXXX";

static const char *in_root(const char *name)
{
    static char path[8][1024];
    static unsigned turn;
    char *out = path[turn++ % 8];
    snprintf(out, sizeof(path[0]), "%s/%s", root, name);
    return out;
}

enum names { DIFFUSERS, LDM, BARE };

// A copy of the model's VAE with other names, and with `add` on the biases of the layers named (NULL: none).
static void write_vae(const char *path, enum names names, const char *change, float add)
{
    static const struct daub_ldm_layout layout = { .vae_levels = 4, .vae_layers_per_block = 2 };
    struct daub_safetensors *st = NULL;
    REQUIRE_OK(daub_safetensors_open(NULL, own, &st));
    const uint32_t n = daub_safetensors_count(st);
    struct daub_st_write *out = calloc(n, sizeof(*out));
    struct daub_ldm_name *ldm = calloc(n, sizeof(*ldm));
    REQUIRE(out && ldm);
    for (uint32_t i = 0; i < n; i++) {
        const struct daub_st_tensor *t = daub_safetensors_at(st, i);
        uint64_t elements = 1;
        out[i].name = t->name;
        if (names != DIFFUSERS) {
            REQUIRE(daub_ldm_name(DAUB_VAE, &layout, t->name, 0, &ldm[i]));
            out[i].name = ldm[i].name + (names == BARE ? strlen(daub_ldm_prefix(DAUB_VAE)) : 0);
        }
        out[i].n_dims = t->n_dims;
        for (uint32_t d = 0; d < t->n_dims; d++)
            elements *= out[i].dims[d] = t->dims[d];
        float *values = malloc(elements * sizeof(float));
        REQUIRE(values);
        REQUIRE_OK(daub_safetensors_floats(st, t, values));
        for (uint64_t e = 0; change && strcmp(t->name, change) == 0 && e < elements; e++)
            values[e] += add;
        out[i].data = values;
    }
    REQUIRE_OK(daub_safetensors_write(NULL, path, out, n));
    for (uint32_t i = 0; i < n; i++)
        free((void *)(uintptr_t)out[i].data);
    free(ldm);
    free(out);
    daub_safetensors_close(&st);
}

// A component's folder: the model's config with one text replaced, and weights.
static void write_folder(const char *name, const char *from, const char *to, const char *change, float add)
{
    char *text = NULL, changed[4096], path[1024];
    size_t size = 0;
    snprintf(path, sizeof(path), "%s/vae/config.json", tiny);
    REQUIRE_OK(daub_file_read(NULL, path, 4000, &text, &size));
    const char *at = strstr(text, from);
    REQUIRE(at);
    const int n = snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    REQUIRE_OK(daub_make_dirs(in_root(name)));
    snprintf(path, sizeof(path), "%s/config.json", in_root(name));
    REQUIRE_OK(daub_file_write(NULL, path, changed, (size_t)n));
    snprintf(path, sizeof(path), "%s/diffusion_pytorch_model.safetensors", in_root(name));
    write_vae(path, DIFFUSERS, change, add);
    daub_free(NULL, text);
}

static daub_device *dev;

static void draw(const daub_model_params *params, const daub_image *init, daub_image *image)
{
    daub_model *model = NULL;
    daub_model_info info = { .struct_size = sizeof(info) };
    REQUIRE_OK(daub_model_load(dev, tiny, params, &model));
    REQUIRE_OK(daub_model_get_info(model, &info));
    REQUIRE(!params || !params->vae || strcmp(info.vae, params->vae) == 0);
    REQUIRE((params && (params->vae || params->vae_source)) == (info.vae[0] != '\0'));
    REQUIRE_OK(daub_generate(model,
                             daub_generate_params(.prompt = "a red fox", .width = 64, .height = 64, .n_steps = 2,
                                                  .sampler = "euler", .seed = 7, .init = init),
                             image));
    REQUIRE_OK(daub_model_destroy(&model));
}

static bool same(const daub_image *a, const daub_image *b)
{
    return a->width == b->width && a->height == b->height && memcmp(a->pixels, b->pixels, 64 * 64 * 3) == 0;
}

static void stands_for(const daub_model_params *params, const daub_image *want)
{
    daub_image image = { 0 };
    draw(params, NULL, &image);
    REQUIRE(same(&image, want));
    daub_image_free(&image);
}

static void test_forms(const daub_image *want)
{
    char folder[1024];
    snprintf(folder, sizeof(folder), "%s/vae", tiny);
    write_vae(in_root("ldm.safetensors"), LDM, NULL, 0.0f);
    write_vae(in_root("bare.safetensors"), BARE, NULL, 0.0f);
    stands_for(daub_model_params(.vae = tiny), want);
    stands_for(daub_model_params(.vae = folder), want);
    stands_for(daub_model_params(.vae = own), want);
    stands_for(daub_model_params(.vae = in_root("ldm.safetensors"), .config_from = tiny), want);
    stands_for(daub_model_params(.vae = in_root("bare.safetensors"), .config_from = tiny), want);
    stands_for(daub_model_params(.vae = in_root("bare.safetensors"), .config_from = tiny, .weight_cache = root), want);
    stands_for(daub_model_params(.vae = in_root("bare.safetensors"), .config_from = tiny, .weight_cache = root), want);
    char *data = NULL;
    size_t size = 0;
    REQUIRE_OK(daub_file_read(NULL, in_root("bare.safetensors"), 64 << 20, &data, &size));
    const daub_source source = { .data = data, .size = size, .name = "archive" };
    stands_for(daub_model_params(.vae_source = &source, .config_from = tiny), want);
    daub_free(NULL, data);
}

static void test_another(const daub_image *want)
{
    daub_image image = { 0 }, init = { 0 }, other = { 0 };
    write_folder("light", "\"_class_name\"", "\"_class_name\"", "decoder.conv_out.bias", 0.25f);
    draw(daub_model_params(.vae = in_root("light"), .weight_cache = root), NULL,
         &image); // beside the other one's weights
    double sum = 0.0;
    for (int i = 0; i < 64 * 64 * 3; i++)
        sum += image.pixels[i] - want->pixels[i];
    REQUIRE_IN(sum / (64 * 64 * 3), 10, 35); // 0.25 of -1..1 are 32 of 0..255, where that leaves room
    daub_image_free(&image);

    write_folder("encodes", "\"_class_name\"", "\"_class_name\"", "encoder.conv_out.bias", 0.5f);
    draw(NULL, want, &init);
    draw(daub_model_params(.vae = in_root("encodes")), want, &other);
    REQUIRE(!same(&init, &other));
    daub_image_free(&init);
    daub_image_free(&other);
}

static void refused(const daub_model_params *params, const char *model, daub_status status, const char *part)
{
    daub_model_info info = { .struct_size = sizeof(info) };
    REQUIRE_STATUS(daub_model_inspect(model, params, &info), status, part);
    REQUIRE(!strchr(daub_last_error(), '\n'));
}

static void test_misfits(void)
{
    write_folder("wide", "\"latent_channels\": 4", "\"latent_channels\": 16", NULL, 0.0f);
    write_folder("scaled", "0.18215", "0.13025", NULL, 0.0f);
    write_folder("shifted", "\"shift_factor\": null", "\"shift_factor\": 0.1", NULL, 0.0f);
    refused(daub_model_params(.vae = in_root("wide")), tiny, DAUB_ERROR_UNSUPPORTED, "latents of 16 channels");
    refused(daub_model_params(.vae = in_root("scaled")), tiny, DAUB_ERROR_UNSUPPORTED, "scales its latents by 0.13025");
    refused(daub_model_params(.vae = in_root("shifted")), tiny, DAUB_ERROR_UNSUPPORTED, "shift 0.1");
    static const char coarse[] = "{\"_class_name\":\"AutoencoderKL\",\"latent_channels\":4,\"scaling_factor\":0.18215,"
                                 "\"block_out_channels\":[16,32,32],\"layers_per_block\":2,\"norm_num_groups\":8}";
    write_folder("coarse", "0.18215", "0.18215", NULL, 0.0f);
    REQUIRE_OK(daub_file_write(NULL, in_root("coarse/config.json"), coarse, strlen(coarse)));
    refused(daub_model_params(.vae = in_root("coarse")), tiny, DAUB_ERROR_UNSUPPORTED, "makes 4 pixels a side");
    refused(daub_model_params(.vae = in_root("nothing")), tiny, DAUB_ERROR_IO, "nothing");
    refused(daub_model_params(.vae = root), tiny, DAUB_ERROR_BAD_FILE, "holds no VAE");
    refused(daub_model_params(.vae = DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15/text_encoder"), tiny,
            DAUB_ERROR_BAD_FILE, "describes no AutoencoderKL");
    refused(
        daub_model_params(.vae = DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15/text_encoder/model.safetensors"),
        tiny, DAUB_ERROR_BAD_FILE, "holds no VAE");
    refused(daub_model_params(.vae = own), DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-ddpm",
            DAUB_ERROR_INVALID_ARG, "has no VAE that");
    const daub_source source = { .path = own };
    refused(daub_model_params(.vae = own, .vae_source = &source), tiny, DAUB_ERROR_INVALID_ARG, "not from both");
    refused(daub_model_params(.vae_source = &source), tiny, DAUB_ERROR_BAD_FILE, "no config.json beside it");
    write_vae(in_root("alone.safetensors"), DIFFUSERS, NULL, 0.0f);
    refused(daub_model_params(.vae = in_root("alone.safetensors")), tiny, DAUB_ERROR_BAD_FILE,
            "no config.json beside it");
}

int main(void)
{
    REQUIRE(mkdtemp(root));
    REQUIRE_OK(daub_device_create(NULL, &dev));
    daub_image want = { 0 };
    draw(NULL, NULL, &want);
    test_forms(&want);
    test_another(&want);
    test_misfits();
    daub_image_free(&want);
    REQUIRE_OK(daub_device_destroy(&dev));
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

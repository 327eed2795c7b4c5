// harness_single.c - see harness_single.h.
#include "tests/api/harness_single.h"

#include "runtime/io/names_ldm.h"

static void add_component(struct daub_st_write *out, uint32_t *n, enum daub_component c, const char *file,
                          const struct daub_ldm_layout *layout)
{
    struct daub_safetensors *st = NULL;
    REQUIRE_OK(daub_safetensors_open(NULL, file, &st));
    for (uint32_t i = 0; i < daub_safetensors_count(st); i++) {
        const struct daub_st_tensor *t = daub_safetensors_at(st, i);
        struct daub_ldm_name ldm;
        if (!daub_ldm_name(c, layout, t->name, 0, &ldm))
            continue; // position_ids
        struct daub_st_write *w = &out[(*n)++];
        uint64_t elements = 1;
        *w = (struct daub_st_write) { .name = daub_strdup(NULL, ldm.name), .n_dims = t->n_dims };
        for (uint32_t d = 0; d < t->n_dims; d++)
            elements *= w->dims[d] = t->dims[d];
        float *values = malloc(elements * sizeof(float));
        REQUIRE(values && w->name);
        REQUIRE_OK(daub_safetensors_floats(st, t, values));
        w->data = values;
    }
    daub_safetensors_close(&st);
}

void write_single(const char *path)
{
    static struct daub_st_write tensors[2048];
    static const struct daub_ldm_layout layout = {
        .unet_levels = 4, .unet_layers_per_block = 2, .vae_levels = 4, .vae_layers_per_block = 2
    };
    uint32_t n = 0;
    add_component(tensors, &n, DAUB_UNET, TINY_FOLDER "/unet/diffusion_pytorch_model.safetensors", &layout);
    add_component(tensors, &n, DAUB_VAE, TINY_FOLDER "/vae/diffusion_pytorch_model.safetensors", &layout);
    add_component(tensors, &n, DAUB_TEXT, TINY_FOLDER "/text_encoder/model.safetensors", &layout);
    REQUIRE_OK(daub_safetensors_write(NULL, path, tensors, n));
    for (uint32_t i = 0; i < n; i++) {
        free((void *)(uintptr_t)tensors[i].data);
        daub_free(NULL, (void *)(uintptr_t)tensors[i].name);
    }
}

uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    REQUIRE(file && fseek(file, 0, SEEK_END) == 0);
    *size = (size_t)ftell(file);
    uint8_t *bytes = malloc(*size + 1);
    REQUIRE(bytes && fseek(file, 0, SEEK_SET) == 0 && fread(bytes, 1, *size, file) == *size);
    fclose(file);
    return bytes;
}

bool same_image(const daub_image *a, const daub_image *b)
{
    return a->width == b->width && a->height == b->height && a->channels == b->channels &&
           memcmp(a->pixels, b->pixels, (size_t)a->width * a->height * a->channels) == 0;
}

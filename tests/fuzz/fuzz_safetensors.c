// fuzz_safetensors.c - a .safetensors file: opened, every tensor read, configs of a single-file model told from it, and where there is a
// network, all that loading it does before weights are packed. Nothing is believed.
#include "fuzz.h"
#include "models/family.h"
#include "models/ldm_config.h"
#include "runtime/io/safetensors.h"

#include <stdlib.h>

static void read_tensor(const struct daub_safetensors *st, const struct daub_st_tensor *t)
{
    const uint8_t *bytes = daub_safetensors_data(st, t);
    volatile uint8_t sum = 0; // every byte that the header promises must be there
    for (uint64_t b = 0; b < t->size; b++)
        sum = (uint8_t)(sum + bytes[b]);
    struct daub_view view;
    (void)daub_safetensors_view(st, t, &view);
    FUZZ_CHECK(daub_safetensors_find(st, t->name) == t);
    if (t->dtype == DAUB_FILE_OTHER)
        return;
    uint64_t elements = 1;
    for (uint32_t d = 0; d < t->n_dims; d++)
        elements *= t->dims[d];
    FUZZ_CHECK(elements <= t->size);
    float *values = malloc((size_t)elements * sizeof(*values) + 1);
    if (values)
        FUZZ_CHECK(daub_safetensors_floats(st, t, values) == DAUB_OK);
    free(values);
}

static void describe(const uint8_t *data, size_t size)
{
    struct daub_checkpoint *ckpt = NULL;
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_model_desc desc;
    fuzz_put("model.safetensors", data, size);
    FUZZ_CHECK(arena);
    if (daub_checkpoint_open(NULL, fuzz_path("model.safetensors"), NULL, &ckpt) == DAUB_OK)
        (void)daub_model_describe(ckpt, arena, &desc);
    if (ckpt)
        daub_checkpoint_close(&ckpt);
    daub_arena_destroy(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct daub_safetensors *st = NULL;
    if (daub_safetensors_open_memory(NULL, "input", data, size, &st) != DAUB_OK)
        return 0;
    for (uint32_t i = 0; i < daub_safetensors_count(st); i++)
        read_tensor(st, daub_safetensors_at(st, i));
    (void)daub_safetensors_metadata(st, "format");
    struct daub_unet_config unet;
    struct daub_vae_config vae;
    struct daub_clip_config text;
    const bool network = daub_ldm_unet_config(st, (struct daub_ldm_heads) { .count = 8 }, &unet) == DAUB_OK;
    (void)daub_ldm_unet_config(st, (struct daub_ldm_heads) { .width = 64 }, &unet);
    (void)daub_ldm_vae_config(st, "first_stage_model.", &vae);
    (void)daub_ldm_text_config(st, false, &text);
    (void)daub_ldm_text_config(st, true, &text);
    daub_safetensors_close(&st);
    if (network)
        describe(data, size);
    return 0;
}

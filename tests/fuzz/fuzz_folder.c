// fuzz_folder.c - a diffusers folder's JSON files through the real readers: opened, recognised, configured, its networks built
// and checked against (empty) weights. An input's parts are model_index.json, the configs of unet, vae and text_encoder,
// scheduler_config.json, daub.json and an index of the U-Net's shards.
#include "fuzz.h"
#include "models/family.h"

#include <stdio.h>

static const char *const files[] = {
    "model_index.json",
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
    "daub.json",
    "unet/diffusion_pytorch_model.safetensors.index.json",
};
enum { N_FILES = sizeof(files) / sizeof(files[0]), SHARDS = N_FILES - 1 };

// {"a": one float}
static const char weights[] = "\x36\0\0\0\0\0\0\0"
                              "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
                              "\0\0\0";
static const char plain[] = "unet/diffusion_pytorch_model.safetensors";

static void put_weights(const char *name)
{
    fuzz_put(name, weights, sizeof(weights));
}

static void prepare(void)
{
    static bool done;
    if (done)
        return;
    done = true;
    static const char *const folders[] = { "unet", "vae", "text_encoder", "scheduler" };
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        fuzz_make_folder(folders[i]);
    put_weights("vae/diffusion_pytorch_model.safetensors");
    put_weights("text_encoder/model.safetensors");
    put_weights("unet/a.safetensors"); // shards
    put_weights("unet/b.safetensors");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    prepare();
    struct fuzz_part parts[N_FILES];
    fuzz_split(data, size, parts, N_FILES);
    for (uint32_t i = 0; i < N_FILES; i++)
        fuzz_put_part(files[i], &parts[i]);
    if (parts[SHARDS].there)
        (void)remove(fuzz_path(plain));
    else
        put_weights(plain);

    struct daub_checkpoint *ckpt = NULL;
    if (daub_checkpoint_open(NULL, fuzz_folder(), NULL, &ckpt) != DAUB_OK)
        return 0;
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_model_desc desc;
    // Its weights are never all there.
    FUZZ_CHECK(arena && daub_model_describe(ckpt, arena, &desc) != DAUB_OK);
    daub_arena_destroy(&arena);
    daub_checkpoint_close(&ckpt);
    return 0;
}

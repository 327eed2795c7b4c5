// asset_pack.c - a model inside a game's archive, read by callback: asset_pack build FOLDER PACK
//                                                                   asset_pack draw PACK [PROMPT [OUT.ppm]]
//
// The archive, little-endian: 8 bytes "GAMEPAK1", the number of entries as 8 bytes, then 128 bytes an entry (a name of up to
// 111 bytes and zeros, offset and size as 8 bytes each), then the files' bytes. A real one would be encrypted or cut into
// chunks; only read_file below would know.
#include "daub.h"

#include <stdio.h>
#include <string.h>

enum { MAX_ENTRIES = 32, NAME_SIZE = 112 };
static const char magic[8] = "GAMEPAK1";

struct entry {
    char name[NAME_SIZE]; // "model/unet/config.json"
    uint64_t offset, size;
};
struct pack {
    FILE *file;
    uint64_t n;
    struct entry entries[MAX_ENTRIES];
};

// ---- building ----------------------------------------------------------------------------------------------------------

// What a folder in diffusers layout may have and daub reads.
static const char *const names[] = {
    "model_index.json",
    "daub.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "vae/diffusion_pytorch_model.fp16.safetensors",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder/model.fp16.safetensors",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
};

static bool build(const char *folder, const char *path)
{
    static struct pack pack;
    static char bytes[1 << 16];
    pack.file = fopen(path, "wb");
    bool ok = pack.file && fseek(pack.file, sizeof(magic) + sizeof(pack.n) + sizeof(pack.entries), SEEK_SET) == 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && ok; i++) {
        char from[1024];
        snprintf(from, sizeof(from), "%s/%s", folder, names[i]);
        FILE *file = fopen(from, "rb");
        if (!file)
            continue;
        struct entry *e = &pack.entries[pack.n++];
        snprintf(e->name, sizeof(e->name), "model/%s", names[i]);
        e->offset = (uint64_t)ftell(pack.file);
        for (size_t n; ok && (n = fread(bytes, 1, sizeof(bytes), file)) > 0; e->size += n)
            ok = fwrite(bytes, 1, n, pack.file) == n;
        fclose(file);
    }
    ok = ok && fseek(pack.file, 0, SEEK_SET) == 0 && fwrite(magic, sizeof(magic), 1, pack.file) == 1 &&
         fwrite(&pack.n, sizeof(pack.n), 1, pack.file) == 1 &&
         fwrite(pack.entries, sizeof(pack.entries), 1, pack.file) == 1;
    return pack.file && fclose(pack.file) == 0 && ok;
}

// ---- the two callbacks ---------------------------------------------------------------------------------------------------

static const struct entry *find(const struct pack *pack, const char *name)
{
    for (uint64_t i = 0; i < pack->n; i++)
        if (strcmp(pack->entries[i].name, name) == 0)
            return &pack->entries[i];
    return NULL;
}

static bool stat_file(void *user, const char *path, uint64_t *size)
{
    const struct entry *e = find(user, path);
    if (e)
        *size = e->size;
    return e != NULL;
}

// daub asks for bytes within the size that stat_file gave, from one thread at a time.
static bool read_file(void *user, const char *path, uint64_t offset, void *dst, size_t size)
{
    const struct pack *pack = user;
    const struct entry *e = find(pack, path);
    return e && fseek(pack->file, (long)(e->offset + offset), SEEK_SET) == 0 && fread(dst, 1, size, pack->file) == size;
}

// ---- drawing -------------------------------------------------------------------------------------------------------------

static bool draw(const char *path, const char *prompt, const char *out)
{
    static struct pack pack; // open until the model is destroyed: weights are read when they are needed
    char head[sizeof(magic)] = { 0 };
    pack.file = fopen(path, "rb");
    if (!pack.file || fread(head, sizeof(head), 1, pack.file) != 1 || memcmp(head, magic, sizeof(head)) != 0 ||
        fread(&pack.n, sizeof(pack.n), 1, pack.file) != 1 || pack.n > MAX_ENTRIES ||
        fread(pack.entries, sizeof(pack.entries), 1, pack.file) != 1) {
        fprintf(stderr, "%s is no such archive\n", path);
        return false;
    }
    const daub_files files = { .stat = stat_file, .read = read_file, .user = &pack };
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_image image = { 0 };
    bool ok = daub_device_create(NULL, &dev) == DAUB_OK &&
              daub_model_load(dev, "model", daub_model_params(.files = &files), &model) == DAUB_OK &&
              daub_generate(model, daub_generate_params(.prompt = prompt, .seed = 7), &image) == DAUB_OK;
    if (!ok)
        fprintf(stderr, "%s\n", daub_last_error());
    FILE *file = ok ? fopen(out, "wb") : NULL;
    if (file) {
        fprintf(file, "P6\n%u %u\n255\n", image.width, image.height);
        fwrite(image.pixels, 3, (size_t)image.width * image.height, file);
        ok = fclose(file) == 0;
    }
    daub_image_free(&image);
    daub_model_destroy(&model);
    daub_device_destroy(&dev);
    fclose(pack.file);
    return file && ok;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "build") == 0)
        return build(argv[2], argv[3]) ? 0 : 1;
    if (argc >= 3 && argc <= 5 && strcmp(argv[1], "draw") == 0)
        return draw(argv[2], argc > 3 ? argv[3] : "a red apple", argc > 4 ? argv[4] : "asset_pack.ppm") ? 0 : 1;
    fprintf(stderr, "usage: asset_pack build FOLDER PACK | draw PACK [PROMPT [OUT.ppm]]\n");
    return 2;
}

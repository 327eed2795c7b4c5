// fuzz_caches.c - the files that daub keeps between runs, which anybody may have changed since. An input's first byte says which: t
// tuning of kernels, h hashes of models, p compiled pipelines, w packed weights. What follows is the file.
#include "fuzz.h"
#include "runtime/base/sha256.h"
#include "runtime/io/hash_cache.h"
#include "runtime/io/weight_cache.h"
#include "runtime/op/tune.h"
#include "runtime/vk/pipeline_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void tuning(const char *text)
{
    static const char key[] = "0123-4567-1";
    const struct daub_tuning wanted = { .texel = true, .rate12 = 41.5f, .rate16 = 40.25f };
    struct daub_tuning found;
    if (daub_tuning_find(text, key, &found))
        FUZZ_CHECK(found.rate12 > 0.0f && found.rate12 < 1e6f && found.rate16 > 0.0f && found.rate16 < 1e6f);
    char *set = daub_tuning_set(NULL, text, key, &wanted);
    FUZZ_CHECK(set && daub_tuning_find(set, key, &found));
    FUZZ_CHECK(found.texel && found.rate12 == wanted.rate12 && found.rate16 == wanted.rate16);
    free(set);
    set = daub_tuning_set(NULL, text, key, NULL);
    FUZZ_CHECK(set && !daub_tuning_find(set, key, &found));
    free(set);
}

static void hashes(const char *text)
{
    static const char path[] = "/models/a b.safetensors";
    static const char wanted[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char hex[65];
    if (daub_hash_cache_find(text, path, 12, 34, hex)) {
        FUZZ_CHECK(strlen(hex) == 64 && strspn(hex, "0123456789abcdef") == 64);
        return;
    }
    char *more = daub_hash_cache_add(NULL, text, path, 12, 34, wanted);
    FUZZ_CHECK(more && daub_hash_cache_find(more, path, 12, 34, hex) && strcmp(hex, wanted) == 0);
    free(more);
}

static void pipelines(const uint8_t *data, size_t size)
{
    struct daub_pipeline_header own = { .vendor_id = 1, .code_hash = 2 };
    size_t n = 0;
    const uint8_t *found = daub_pipeline_file_data(&own, data, size, &n);
    if (found)
        FUZZ_CHECK(found > data && found + n == data + size);
    // The same bytes behind a good header are accepted, and no more when any one of the file's bytes is another.
    uint8_t *file = malloc(sizeof(own) + size);
    FUZZ_CHECK(file);
    daub_pipeline_header_seal(&own, data, size);
    memcpy(file, &own, sizeof(own));
    memcpy(file + sizeof(own), data, size);
    FUZZ_CHECK(daub_pipeline_file_data(&own, file, sizeof(own) + size, &n) == file + sizeof(own) && n == size);
    file[data[0] % (sizeof(own) + size)] ^= 1;
    FUZZ_CHECK(!daub_pipeline_file_data(&own, file, sizeof(own) + size, &n));
    free(file);
}

// ---- packed weights --------------------------------------------------------------------------------------------------

struct entry { // as weight_cache.c writes them
    uint64_t offset, size, sum;
    uint32_t name, name_size, pack[14];
};
struct trailer {
    char magic[8];
    uint8_t identity[DAUB_SHA256_SIZE];
    uint64_t index, names, names_size, file_size, sum;
    uint32_t n, pack_version;
};

static struct daub_checkpoint *checkpoint(void)
{
    static const char weights[] = "\x36\0\0\0\0\0\0\0"
                                  "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
                                  "\0\0\0";
    static const char config[] = "{\"_class_name\":\"UNet2DModel\"}";
    static struct daub_checkpoint *ckpt;
    if (ckpt)
        return ckpt;
    fuzz_put("config.json", config, strlen(config));
    fuzz_put("diffusion_pytorch_model.safetensors", weights, sizeof(weights));
    const struct timespec long_ago[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };
    FUZZ_CHECK(utimensat(AT_FDCWD, fuzz_path("diffusion_pytorch_model.safetensors"), long_ago, 0) == 0);
    FUZZ_CHECK(daub_checkpoint_open(NULL, fuzz_folder(), NULL, &ckpt) == DAUB_OK);
    fuzz_make_folder("cache");
    return ckpt;
}

// Makes checksums right, or the fuzzer would never see what they guard.
static void seal(uint8_t *file, size_t size, const uint8_t identity[DAUB_SHA256_SIZE])
{
    struct trailer t;
    if (size < sizeof(t))
        return;
    const size_t body = size - sizeof(t);
    memcpy(&t, file + body, sizeof(t));
    memcpy(t.magic, "daubwc1", sizeof(t.magic));
    memcpy(t.identity, identity, sizeof(t.identity));
    t.file_size = size;
    t.pack_version = DAUB_PACK_VERSION;
    if (t.index <= body) {
        for (size_t i = 0; i < t.n && (i + 1) * sizeof(struct entry) <= body - t.index; i++) {
            struct entry e;
            memcpy(&e, file + t.index + i * sizeof(e), sizeof(e));
            if (e.offset <= t.index && e.size <= t.index - e.offset && e.sum != 0) // 0: stays wrong
                e.sum = daub_weight_cache_sum(file + e.offset, e.size);
            memcpy(file + t.index + i * sizeof(e), &e, sizeof(e));
        }
        t.sum = daub_weight_cache_sum(file + t.index, body - t.index);
    }
    memcpy(file + body, &t, sizeof(t));
}

static const void *bytes_of(void *user, uint32_t i)
{
    (void)i;
    return user;
}

static void weights(const uint8_t *data, size_t size)
{
    static const struct daub_pack pack = { .kind = DAUB_PACK_PANEL, .in = { { 8, 0 }, 1 }, .out = { { 8, 0 }, 1 } };
    struct daub_checkpoint *ckpt = checkpoint();
    uint8_t identity[DAUB_SHA256_SIZE], out[64], written[64];
    char name[64] = "cache/weights-unet-";
    daub_checkpoint_identity(ckpt, DAUB_UNET, identity);
    for (int i = 0; i < 8; i++)
        snprintf(name + strlen(name), 3, "%02x", identity[i]);
    memcpy(name + strlen(name), ".bin", 5);

    uint8_t *file = malloc(size + 1);
    FUZZ_CHECK(file);
    memcpy(file, data, size);
    seal(file, size, identity);
    fuzz_put(name, file, size);
    free(file);

    char dir[300];
    snprintf(dir, sizeof(dir), "%s", fuzz_path("cache"));
    struct daub_weight_cache *cache = NULL;
    FUZZ_CHECK(daub_weight_cache_open(NULL, dir, 0, ckpt, DAUB_UNET, &cache) == DAUB_OK);
    (void)daub_weight_cache_read(cache, "w0", &pack, out, 16);
    (void)daub_weight_cache_read(cache, "w1", &pack, out, sizeof(out));
    memset(written, size & 0xff, sizeof(written));
    const struct daub_cached_weight wanted = { .name = "w0", .pack = &pack, .size = sizeof(written) };
    daub_weight_cache_write(cache, &wanted, 1, bytes_of, written);
    daub_weight_cache_close(&cache);

    // Whatever was there, the next start finds what was written.
    FUZZ_CHECK(daub_weight_cache_open(NULL, dir, 0, ckpt, DAUB_UNET, &cache) == DAUB_OK);
    FUZZ_CHECK(daub_weight_cache_read(cache, "w0", &pack, out, sizeof(out)) && memcmp(out, written, sizeof(out)) == 0);
    daub_weight_cache_close(&cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct fuzz_part rest = { .text = (const char *)data + 1, .size = size - 1, .there = true };
    char *text = fuzz_text(&rest);
    switch (data[0]) {
    case 't':
        tuning(text);
        break;
    case 'h':
        hashes(text);
        break;
    case 'p':
        pipelines(data + 1, size - 1);
        break;
    case 'w':
        weights(data + 1, size - 1);
        break;
    default:
        break;
    }
    free(text);
    return 0;
}

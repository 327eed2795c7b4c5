// hashes.c - the hashes by which pictures name their models and what else they were made from, and the way back from a hash to a model.
#include "include/daub_parameters.h"
#include "include/daub_tools.h"

#include "runtime/api/params.h"
#include "runtime/base/file.h"
#include "runtime/base/limits.h"
#include "runtime/base/sha256.h"
#include "runtime/io/hash_cache.h"
#include "runtime/pipeline/pipeline.h"

#include <stdio.h>
#include <string.h>

enum { DIGITS = 10 }; // of a SHA-256, as A1111 shows them

static void to_digits(const char *hex, char out[DIGITS + 1])
{
    memcpy(out, hex, DIGITS);
    out[DIGITS] = '\0';
}

// The first n digits of what was hashed, and a zero.
static void finish(struct daub_sha256 *sha, int n, char *hex)
{
    uint8_t digest[32];
    daub_sha256_final(sha, digest);
    for (int i = 0; i < n / 2; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static daub_status hash_file(const char *path, char hex[65])
{
    struct daub_file_map *map = NULL;
    TRY(daub_file_map_open(NULL, path, &map));
    struct daub_sha256 sha;
    daub_sha256_init(&sha);
    const uint8_t *data = daub_file_map_data(map);
    const size_t size = daub_file_map_size(map), piece = (size_t)16 << 20;
    for (size_t at = 0; at < size; at += piece) {
        const size_t n = size - at < piece ? size - at : piece;
        daub_sha256_update(&sha, data + at, n);
        daub_file_map_release(map, at, n);
    }
    finish(&sha, 64, hex);
    daub_file_map_close(&map);
    return DAUB_OK;
}

// Adds a line to the cache. Failing to costs time only.
static void keep_hash(const char *dir, const char *file, const char *old, const char *hex, uint64_t size,
                      uint64_t mtime, const char *path)
{
    char *text = daub_hash_cache_add(NULL, old, path, size, mtime, hex);
    if (text && daub_make_dirs(dir) == DAUB_OK)
        (void)daub_file_write(NULL, file, text, strlen(text));
    daub_free(NULL, text);
}

daub_status daub_tools_file_hash(const char *path, char out[11])
{
    char hex[65];
    if (!path || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_tools_file_hash: path or out is NULL");
    TRY(hash_file(path, hex));
    to_digits(hex, out);
    return DAUB_OK;
}

// The text of the user's cache of hashes, and where it lies; all NULL where there is none.
struct hashes {
    char *dir, *file, *text;
};

static void open_hashes(struct hashes *h)
{
    size_t n = 0;
    *h = (struct hashes) { .dir = daub_cache_dir(NULL) };
    h->file = h->dir ? daub_path_join(NULL, h->dir, "model-hashes.txt") : NULL;
    if (h->file && daub_path_is_file(h->file))
        (void)daub_file_read(NULL, h->file, DAUB_MAX_HASHES, &h->text, &n);
}

static void close_hashes(struct hashes *h)
{
    daub_free(NULL, h->text);
    daub_free(NULL, h->file);
    daub_free(NULL, h->dir);
}

static daub_status component_hash(struct daub_checkpoint *ckpt, enum daub_component c, char hex[65])
{
    const char *named = daub_checkpoint_hash_path(ckpt, c);
    char *file = named ? daub_path_absolute(NULL, named) : NULL; // the cache serves programs in any folder
    uint64_t size = 0, mtime = 0;
    daub_status status = file && daub_path_stat(file, &size, &mtime)
                             ? DAUB_OK
                             : daub_fail(DAUB_ERROR_IO, "%s has no file to take a hash of", daub_checkpoint_path(ckpt));
    if (status == DAUB_OK) {
        struct hashes h;
        open_hashes(&h);
        if (!h.text || !daub_hash_cache_find(h.text, file, size, mtime, hex)) {
            status = hash_file(file, hex);
            if (status == DAUB_OK && h.file)
                keep_hash(h.dir, h.file, h.text, hex, size, mtime, file);
        }
        close_hashes(&h);
    }
    daub_free(NULL, file);
    return status;
}

// Of an open checkpoint, which is closed.
static daub_status hash_of(struct daub_checkpoint *ckpt, enum daub_component c, char out[11])
{
    char hex[65];
    const daub_status status = component_hash(ckpt, c, hex);
    if (status == DAUB_OK)
        to_digits(hex, out);
    daub_checkpoint_close(&ckpt);
    return status;
}

// path NULL: the default model.
static daub_status open_model(const char *path, struct daub_checkpoint **ckpt)
{
    char default_path[1024];
    if (!path) {
        TRY(daub_default_model_path(NULL, default_path, sizeof(default_path)));
        path = default_path;
    }
    return daub_checkpoint_open(NULL, path, NULL, ckpt);
}

daub_status daub_tools_model_hash(const char *path, char out[11])
{
    struct daub_checkpoint *ckpt = NULL;
    if (!out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_tools_model_hash: out is NULL");
    TRY(open_model(path, &ckpt));
    return hash_of(ckpt, DAUB_UNET, out);
}

daub_status daub_tools_parts_hash(const char *path, char out[11])
{
    static const enum daub_component parts[] = { DAUB_TEXT, DAUB_VAE };
    struct daub_checkpoint *ckpt = NULL;
    if (!out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_tools_parts_hash: out is NULL");
    TRY(open_model(path, &ckpt));
    struct daub_sha256 sha;
    daub_status status = DAUB_OK;
    uint32_t n = 0;
    daub_sha256_init(&sha);
    for (int i = 0; i < 2 && status == DAUB_OK && !daub_checkpoint_is_single(ckpt); i++) {
        char hex[65];
        if (!daub_checkpoint_has(ckpt, parts[i]))
            continue;
        status = component_hash(ckpt, parts[i], hex);
        if (status == DAUB_OK)
            daub_sha256_update(&sha, hex, 64);
        n++;
    }
    daub_checkpoint_close(&ckpt);
    out[0] = '\0';
    if (status == DAUB_OK && n > 0)
        finish(&sha, DIGITS, out);
    return status;
}

daub_status daub_tools_config_hash(const char *path, char out[11])
{
    static const char *const files[] = { "unet/config.json",         "vae/config.json",
                                         "text_encoder/config.json", "scheduler/scheduler_config.json",
                                         "tokenizer/vocab.json",     "tokenizer/merges.txt",
                                         "model_index.json",         "daub.json" };
    struct daub_sha256 sha;
    uint32_t found = 0;
    if (!path || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_tools_config_hash: path or out is NULL");
    daub_sha256_init(&sha);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char hex[65], *file = daub_path_join(NULL, path, files[i]);
        const bool is = file && daub_path_is_file(file);
        const daub_status status = is ? hash_file(file, hex) : DAUB_OK;
        daub_free(NULL, file);
        TRY(status);
        if (is)
            daub_sha256_update(&sha, hex, 64);
        found += is;
    }
    if (found == 0)
        return daub_fail(DAUB_ERROR_IO, "%s has no config to take a hash of", path);
    finish(&sha, DIGITS, out);
    return DAUB_OK;
}

daub_status daub_tools_vae_hash(const char *path, char out[11])
{
    if (!path || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_tools_vae_hash: path or out is NULL");
    struct daub_checkpoint *ckpt = NULL;
    TRY(daub_checkpoint_open_vae(NULL, path, &ckpt));
    return hash_of(ckpt, DAUB_VAE, out);
}

// ---- from a hash to a model ------------------------------------------------------------------------------------------

typedef daub_status hash_fn(const char *path, char out[11]);

static bool has_hash(const char *path, const char *hash, hash_fn *hash_it)
{
    char own[DIGITS + 1];
    return hash_it(path, own) == DAUB_OK && strcmp(own, hash) == 0;
}

// A folder's hash is that of a file in it: FOLDER/unet/NAME.safetensors, FOLDER/vae/NAME.safetensors.
static void to_folder(char *path, const char *part)
{
    char *name = strrchr(path, '/');
    const size_t n = strlen(part);
    if (name && name - path > (ptrdiff_t)n && memcmp(name - n, part, n) == 0)
        name[-(ptrdiff_t)n] = '\0';
}

// What was hashed before, and whose file has not changed since.
static bool find_cached(const char *hash, const char *part, char *path, size_t capacity)
{
    struct hashes h;
    bool found = false;
    open_hashes(&h);
    uint64_t size, mtime, is_size, is_mtime;
    for (const char *at = h.text; at && !found;) {
        at = daub_hash_cache_next(at, hash, path, capacity, &size, &mtime);
        found = at && daub_path_stat(path, &is_size, &is_mtime) && is_size == size && is_mtime == mtime;
    }
    close_hashes(&h);
    if (found)
        to_folder(path, part);
    return found;
}

// NAME, or NAME.safetensors, in the working folder.
static bool find_named(const char *name, const char *hash, hash_fn *hash_it, char *path, size_t capacity)
{
    static const char *const ends[] = { "", ".safetensors" };
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (snprintf(path, capacity, "%s%s", name, ends[i]) < (int)capacity &&
            (daub_path_is_file(path) || daub_path_is_dir(path)) && (!hash || has_hash(path, hash, hash_it)))
            return true;
    }
    return false;
}

// A1111's older hashes, of 8 digits, are of another kind: only the name is left.
static const char *full_hash(const char *hash)
{
    return hash && strlen(hash) == DIGITS ? hash : NULL;
}

static daub_status give_path(const char *place, char *path, size_t capacity)
{
    if (strlen(place) >= capacity)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the path %s has %zu bytes, and there is room for %zu", place,
                         strlen(place), capacity);
    memcpy(path, place, strlen(place) + 1);
    return DAUB_OK;
}

daub_status daub_parameters_find_model(const daub_parameters *parameters, char *path, size_t capacity, bool *found)
{
    if (!parameters || !path || !found)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_parameters_find_model: an argument is NULL");
    daub_parameters p;
    char place[4096];
    TRY(daub_params_copy("daub_parameters", parameters, &p, sizeof(p)));
    const char *hash = full_hash(p.model_hash);
    *found = (hash && daub_default_model_path(NULL, place, sizeof(place)) == DAUB_OK &&
              has_hash(place, hash, daub_tools_model_hash)) ||
             (hash && find_cached(hash, "/unet", place, sizeof(place))) ||
             (p.model && !strchr(p.model, '/') &&
              find_named(p.model, hash, daub_tools_model_hash, place, sizeof(place)));
    return *found ? give_path(place, path, capacity) : DAUB_OK;
}

daub_status daub_parameters_find_vae(const daub_parameters *parameters, char *path, size_t capacity, bool *found)
{
    if (!parameters || !path || !found)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_parameters_find_vae: an argument is NULL");
    daub_parameters p;
    char place[4096];
    TRY(daub_params_copy("daub_parameters", parameters, &p, sizeof(p)));
    const char *hash = full_hash(p.vae_hash);
    *found = (hash && find_cached(hash, "/vae", place, sizeof(place))) ||
             (p.vae && !strchr(p.vae, '/') && find_named(p.vae, hash, daub_tools_vae_hash, place, sizeof(place)));
    return *found ? give_path(place, path, capacity) : DAUB_OK;
}

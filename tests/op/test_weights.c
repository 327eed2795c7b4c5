// test_weights.c - packed weights on a device: each packing once, whoever asks and from whichever thread; the bytes
// that the host packs, also by way of a cache; buffers cut to their weights; given back and packed again; refusals by name.
#include "runtime/base/file.h"
#include "runtime/base/thread.h"
#include "runtime/io/weight_cache.h"
#include "runtime/io/weights.h"
#include "tests/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N_WEIGHTS = 40, ROWS = 70, COLUMNS = 24, N_THREADS = 4, LARGE = 3000 };

static char root[] = "/tmp/daub-weights-XXXXXX";
static char names[N_WEIGHTS][32];
static const uint32_t dims[] = { ROWS, COLUMNS }, large_dims[] = { LARGE, LARGE };

static char *in_root(const char *name)
{
    char *path = daub_path_join(NULL, root, name);
    REQUIRE(path);
    return path;
}

static void make_checkpoint(void)
{
    static float data[N_WEIGHTS][ROWS * COLUMNS];
    static float large[(size_t)LARGE * LARGE];
    struct daub_st_write out[N_WEIGHTS + 1];
    for (int i = 0; i < N_WEIGHTS; i++) {
        snprintf(names[i], sizeof(names[i]), "layers.%d.weight", i);
        for (int k = 0; k < ROWS * COLUMNS; k++)
            data[i][k] = (float)(i * 7 + k % 1000) / 16.0f;
        out[i] = (struct daub_st_write) { .name = names[i], .n_dims = 2, .dims = { ROWS, COLUMNS }, .data = data[i] };
    }
    for (size_t k = 0; k < (size_t)LARGE * LARGE; k++)
        large[k] = (float)(k % 2039);
    out[N_WEIGHTS] = (struct daub_st_write) { .name = "large", .n_dims = 2, .dims = { LARGE, LARGE }, .data = large };
    char *dir = in_root("unet");
    REQUIRE_OK(daub_make_dirs(dir));
    free(dir);
    char *path = in_root("unet/config.json");
    REQUIRE_OK(daub_file_write(NULL, path, "{}", 2));
    free(path);
    path = in_root("unet/diffusion_pytorch_model.safetensors");
    REQUIRE_OK(daub_safetensors_write(NULL, path, out, N_WEIGHTS + 1));
    const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } }; // what has just changed is not cached
    REQUIRE(utimensat(AT_FDCWD, path, old, 0) == 0);
    free(path);
}

static void remove_checkpoint(void)
{
    static const char *const files[] = { "unet/diffusion_pytorch_model.safetensors", "unet/config.json" };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char *path = in_root(files[i]);
        REQUIRE(unlink(path) == 0);
        free(path);
    }
    char *dir = in_root("unet");
    REQUIRE(rmdir(dir) == 0 && rmdir(root) == 0);
    free(dir);
}

static struct daub_tensor weight(const char *name, const uint32_t size[2], enum daub_pack_kind kind,
                                 enum daub_dtype dtype)
{
    return (struct daub_tensor) {
        .name = name,
        .kind = DAUB_TENSOR_WEIGHT,
        .n_dims = 2,
        .dims = { size[0], size[1] },
        .pack = { .kind = kind,
                  .dtype = dtype,
                  .kernel_h = 1,
                  .kernel_w = 1,
                  .in = { .c = { size[1] }, .heads = 1 },
                  .out = { .c = { size[0] }, .heads = 1 } },
    };
}

// What lies on the device is what packing on the host gives.
static void check_bytes(daub_device *dev, struct daub_checkpoint *ckpt, const struct daub_tensor *w)
{
    struct daub_view view;
    REQUIRE(w->data && w->data->offset % 256 == 0);
    REQUIRE(daub_checkpoint_find(ckpt, DAUB_UNET, w->name, &view));
    const size_t size = (size_t)daub_pack_size(&w->pack, w->dims, w->n_dims);
    REQUIRE(w->data->size == size && w->data->offset + size <= daub_buffer_size(w->data->buf));
    uint8_t *want = malloc(size), *got = malloc(size);
    REQUIRE(want && got);
    daub_pack_weight(&w->pack, &view, want);
    REQUIRE_OK(daub_download(dev, *w->data, got));
    REQUIRE(memcmp(got, want, size) == 0);
    free(want);
    free(got);
}

struct worker {
    struct daub_weights *weights;
    struct daub_tensor tensors[N_WEIGHTS];
    daub_status status;
    uint32_t first;
};

static void bind_all(void *arg)
{
    struct worker *worker = arg;
    struct daub_tensor *list[N_WEIGHTS];
    for (uint32_t i = 0; i < N_WEIGHTS; i++) {
        const uint32_t k = (worker->first + i) % N_WEIGHTS;
        worker->tensors[k] = weight(names[k], dims, DAUB_PACK_PANEL, DAUB_F16);
        list[i] = &worker->tensors[k];
    }
    worker->status = daub_weights_bind(worker->weights, list, N_WEIGHTS);
}

static void check_threads(daub_device *dev, struct daub_checkpoint *ckpt, struct daub_weights *weights)
{
    static struct worker workers[N_THREADS];
    daub_thread threads[N_THREADS];
    memset(threads, 0, sizeof(threads));
    memset(workers, 0, sizeof(workers));
    for (uint32_t t = 0; t < N_THREADS; t++) {
        workers[t].weights = weights;
        workers[t].first = t * N_WEIGHTS / N_THREADS;
        REQUIRE_OK(daub_thread_start(&threads[t], bind_all, &workers[t], "bind"));
    }
    for (uint32_t t = 0; t < N_THREADS; t++)
        daub_thread_join(&threads[t]);
    for (uint32_t t = 0; t < N_THREADS; t++) {
        REQUIRE(workers[t].status == DAUB_OK);
        for (uint32_t i = 0; i < N_WEIGHTS; i++)
            REQUIRE(workers[t].tensors[i].data == workers[0].tensors[i].data);
    }
    for (uint32_t i = 0; i < N_WEIGHTS; i++) {
        check_bytes(dev, ckpt, &workers[0].tensors[i]);
        REQUIRE(workers[0].tensors[i].data->buf == workers[0].tensors[0].data->buf); // 40 of 6 KB share a buffer
        for (uint32_t k = 0; k < i; k++)
            REQUIRE(workers[0].tensors[i].data->offset != workers[0].tensors[k].data->offset);
    }
}

static uint64_t stored(const struct daub_tensor *w)
{
    return (daub_pack_size(&w->pack, w->dims, w->n_dims) + 255) / 256 * 256;
}

enum { SLACK = 1024 }; // bytes that a buffer may take beyond what is asked for (runtime/vk/buffer.c)

static void check_used(const daub_device *dev, uint64_t wanted)
{
    const uint64_t used = daub_device_memory_used(dev);
    REQUIRE(!daub_device_caps(dev)->uma || (used >= wanted && used - wanted <= SLACK));
}

static void check_kinds(daub_device *dev, struct daub_checkpoint *ckpt, struct daub_weights *weights)
{
    struct daub_tensor half = weight(names[0], dims, DAUB_PACK_PANEL, DAUB_F16);
    struct daub_tensor full = weight(names[0], dims, DAUB_PACK_PANEL, DAUB_F32);
    struct daub_tensor rows = weight(names[0], dims, DAUB_PACK_ROWS, DAUB_F16);
    struct daub_tensor large = weight("large", large_dims, DAUB_PACK_PANEL, DAUB_F32);
    struct daub_tensor *const all[] = { &half, &full, &rows, &large };
    const uint64_t before = daub_weights_size(weights), used = daub_device_memory_used(dev);
    const uint64_t empty = used > before + SLACK ? used - before - SLACK : 0;
    const uint64_t wanted = before + stored(&full) + stored(&rows) + stored(&large); // `half` is there already
    REQUIRE(daub_weights_size_with(weights, all, 4) == wanted && daub_weights_size(weights) == before);
    REQUIRE_OK(daub_weights_bind(weights, all, 4));
    for (size_t i = 0; i < 4; i++) {
        check_bytes(dev, ckpt, all[i]);
        for (size_t k = 0; k < i; k++)
            REQUIRE(all[k]->data != all[i]->data);
    }
    REQUIRE(large.data->buf == full.data->buf && daub_weights_size(weights) == wanted);
    REQUIRE(daub_weights_size_with(weights, all, 4) == wanted);
    check_used(dev, used + wanted - before);

    struct daub_tensor missing = weight("layers.99.weight", dims, DAUB_PACK_PANEL, DAUB_F16);
    struct daub_tensor misshapen = weight(names[1], large_dims, DAUB_PACK_PANEL, DAUB_F16);
    struct daub_tensor *const bad[] = { &missing, &misshapen };
    REQUIRE_STATUS(daub_weights_bind(weights, bad, 1), DAUB_ERROR_BAD_FILE, "layers.99.weight is missing");
    REQUIRE_STATUS(daub_weights_bind(weights, bad + 1, 1), DAUB_ERROR_BAD_FILE, "layers.1.weight has the wrong shape");
    REQUIRE(!missing.data && !misshapen.data && daub_weights_size(weights) == wanted);

    daub_weights_clear(weights);
    REQUIRE(daub_weights_size(weights) == 0);
    check_used(dev, empty);
    REQUIRE_OK(daub_weights_bind(weights, all, 4));
    for (size_t i = 0; i < 4; i++)
        check_bytes(dev, ckpt, all[i]);
    REQUIRE(daub_weights_size(weights) == wanted - before + stored(&half));
}

// A buffer's limit cuts a list into several.
static void check_limit(struct daub_checkpoint *ckpt)
{
    daub_device *dev = NULL;
    struct daub_weights *weights;
    static struct worker worker;
    REQUIRE_OK(daub_vk_device_create(daub_device_params(.cache_dir = "", .caps = "alloc=64K"), &dev));
    REQUIRE_OK(daub_weights_create(dev, ckpt, DAUB_UNET, &weights));
    worker.weights = weights;
    bind_all(&worker);
    REQUIRE(worker.status == DAUB_OK && worker.tensors[0].data->buf != worker.tensors[N_WEIGHTS - 1].data->buf);
    for (uint32_t i = 0; i < N_WEIGHTS; i++)
        check_bytes(dev, ckpt, &worker.tensors[i]);
    REQUIRE(daub_weights_size(weights) == N_WEIGHTS * stored(&worker.tensors[0]));
    daub_weights_destroy(&weights);
    daub_vk_device_destroy(&dev);
}

static void take_name(void *user, const char *name, uint64_t size, uint64_t mtime)
{
    (void)mtime;
    REQUIRE(size > 0);
    snprintf(user, 256, "%s", name);
}

static ino_t file_in(const char *dir)
{
    struct stat info = { 0 };
    char name[256] = "";
    daub_dir_list(dir, take_name, name);
    char *path = daub_path_join(NULL, dir, name);
    REQUIRE(name[0] && stat(path, &info) == 0);
    free(path);
    return info.st_ino;
}

// A first start packs and writes the file, a second reads it: the same bytes, and nothing to write. A third wants one weight more.
static void check_cache(daub_device *dev, struct daub_checkpoint *ckpt)
{
    char *dir = in_root("cache");
    ino_t file = 0;
    for (int start = 0; start < 3; start++) {
        struct daub_weights *weights;
        struct daub_weight_cache *cache;
        struct daub_tensor half = weight(names[0], dims, DAUB_PACK_PANEL, DAUB_F16);
        struct daub_tensor large = weight("large", large_dims, DAUB_PACK_PANEL, DAUB_F16);
        struct daub_tensor more = weight(names[1], dims, DAUB_PACK_ROWS, DAUB_F16);
        struct daub_tensor *const all[] = { &half, &large, &more };
        REQUIRE_OK(daub_weights_create(dev, ckpt, DAUB_UNET, &weights));
        REQUIRE_OK(daub_weight_cache_open(NULL, dir, 0, ckpt, DAUB_UNET, &cache));
        daub_weights_set_cache(weights, cache);
        for (int i = 0; i < (start == 2 ? 3 : 2); i++) {
            REQUIRE_OK(daub_weights_bind(weights, &all[i], 1));
            check_bytes(dev, ckpt, all[i]);
        }
        daub_weights_keep(weights);
        const ino_t now = file_in(dir);
        REQUIRE(start == 0 || (now == file) == (start == 1));
        file = now;
        daub_weights_destroy(&weights);
    }
    char name[256] = "";
    daub_dir_list(dir, take_name, name);
    char *path = daub_path_join(NULL, dir, name);
    REQUIRE(daub_file_remove(path) && rmdir(dir) == 0);
    free(path);
    free(dir);
}

int main(void)
{
    REQUIRE(mkdtemp(root));
    make_checkpoint();
    struct daub_checkpoint *ckpt;
    REQUIRE_OK(daub_checkpoint_open(NULL, root, NULL, &ckpt));
    static const char *const caps[] = { "", "-uma" }; // written in place where memory is shared, and staged
    for (size_t i = 0; i < 2; i++) {
        daub_device *dev = NULL;
        const daub_status status = daub_vk_device_create(daub_device_params(.cache_dir = "", .caps = caps[i]), &dev);
        if (status == DAUB_ERROR_NO_DEVICE) {
            printf("%s\n", daub_last_error());
            daub_checkpoint_close(&ckpt);
            remove_checkpoint();
            return TEST_SKIPPED;
        }
        REQUIRE_OK(status);
        struct daub_weights *weights;
        REQUIRE_OK(daub_weights_create(dev, ckpt, DAUB_UNET, &weights));
        REQUIRE(daub_weights_size(weights) == 0);
        check_threads(dev, ckpt, weights);
        check_kinds(dev, ckpt, weights);
        daub_weights_destroy(&weights);
        daub_weights_destroy(&weights);
        check_cache(dev, ckpt);
        REQUIRE(daub_device_memory_used(dev) < large_dims[0] * large_dims[1] * 4u); // the large one has gone
        daub_vk_device_destroy(&dev);
    }
    check_limit(ckpt);
    daub_checkpoint_close(&ckpt);
    remove_checkpoint();
    return 0;
}

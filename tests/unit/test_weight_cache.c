// test_weight_cache.c - packed weights on disk: what is written is read back, and a changed model, a cut or damaged cache file, a
// folder that cannot be written, a full one and two processes at once give a miss or the right bytes, never others.
#include "runtime/base/file.h"
#include "runtime/io/weight_cache.h"
#include "tests/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { N = 5, ROWS = 70, COLUMNS = 24 };

static char root[] = "/tmp/daub-wcache-XXXXXX";
static char model[128], dir[64]; // the component's safetensors file, the cache folder
static uint32_t n_warnings;

static void count_warning(void *user, daub_log_level level, const char *message)
{
    (void)user;
    n_warnings += level == DAUB_LOG_WARNING && message[0] != '\0';
}

static const struct daub_host host = { .log = count_warning, .log_level = DAUB_LOG_INFO };

static const struct daub_pack packs[] = {
    { .kind = DAUB_PACK_PANEL,
      .dtype = DAUB_F16,
      .kernel_h = 1,
      .kernel_w = 1,
      .in = { { COLUMNS, 0 }, 1 },
      .out = { { ROWS, 0 }, 1 } },
    { .kind = DAUB_PACK_PANEL,
      .dtype = DAUB_F32,
      .kernel_h = 1,
      .kernel_w = 1,
      .in = { { COLUMNS, 0 }, 1 },
      .out = { { ROWS, 0 }, 1 } },
};
static const uint32_t dims[] = { ROWS, COLUMNS };

// A component of N weights whose values depend on `salt`. With the same salt the file has the same bytes, and with any salt the same
// size and header; its time is `mtime`, in seconds.
static void make_model(float salt, long mtime)
{
    static float data[N][ROWS * COLUMNS];
    static char names[N][16];
    struct daub_st_write out[N];
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "w%d", i);
        for (int k = 0; k < ROWS * COLUMNS; k++)
            data[i][k] = salt + (float)(i * 3 + k % 100);
        out[i] = (struct daub_st_write) { .name = names[i], .n_dims = 2, .dims = { ROWS, COLUMNS }, .data = data[i] };
    }
    REQUIRE_OK(daub_safetensors_write(NULL, model, out, N));
    const struct timespec times[2] = { { .tv_sec = mtime }, { .tv_sec = mtime } };
    REQUIRE(utimensat(AT_FDCWD, model, times, 0) == 0);
}

struct opened {
    struct daub_checkpoint *ckpt;
    struct daub_weight_cache *cache;
    uint8_t packed[N][2][80 * 1024];
};

static struct opened open_at(const char *folder, uint64_t limit)
{
    static struct opened o;
    REQUIRE_OK(daub_checkpoint_open(&host, root, NULL, &o.ckpt));
    REQUIRE_OK(daub_weight_cache_open(&host, folder, limit, o.ckpt, DAUB_UNET, &o.cache));
    for (int i = 0; i < N; i++)
        for (int p = 0; p < 2; p++) {
            char name[16];
            struct daub_view view;
            snprintf(name, sizeof(name), "w%d", i);
            REQUIRE(daub_checkpoint_find(o.ckpt, DAUB_UNET, name, &view));
            REQUIRE(daub_pack_size(&packs[p], dims, 2) <= sizeof(o.packed[i][p]));
            daub_pack_weight(&packs[p], &view, o.packed[i][p]);
        }
    return o;
}

static void close_it(struct opened *o)
{
    daub_weight_cache_close(&o->cache);
    daub_checkpoint_close(&o->ckpt);
}

// Weights first..first+n-1 in packing p that are served; every one that is must have the right bytes.
static int hits(const struct opened *o, int first, int n, int p)
{
    static uint8_t out[80 * 1024];
    int sum = 0;
    for (int i = first; i < first + n; i++) {
        char name[16];
        const size_t size = (size_t)daub_pack_size(&packs[p], dims, 2);
        snprintf(name, sizeof(name), "w%d", i);
        if (!daub_weight_cache_read(o->cache, name, &packs[p], out, size))
            continue;
        REQUIRE(memcmp(out, o->packed[i][p], size) == 0);
        sum++;
    }
    return sum;
}

static int served(int p)
{
    struct opened o = open_at(dir, 0);
    const int n = hits(&o, 0, N, p);
    close_it(&o);
    return n;
}

struct giver {
    const struct opened *o;
    int first, packing, stop; // stop: the weight that cannot be had
};

static const void *give(void *user, uint32_t i)
{
    const struct giver *g = user;
    return (int)i == g->stop ? NULL : g->o->packed[g->first + (int)i][g->packing];
}

static void put(struct opened *o, int first, int n, int p, int stop)
{
    struct daub_cached_weight list[N];
    static char names[N][16];
    for (int i = 0; i < n; i++) {
        snprintf(names[i], sizeof(names[i]), "w%d", first + i);
        list[i] = (struct daub_cached_weight) { names[i], &packs[p], daub_pack_size(&packs[p], dims, 2) };
    }
    struct giver g = { o, first, p, stop };
    daub_weight_cache_write(o->cache, list, (uint32_t)n, give, &g);
}

static void write_all(const char *folder, uint64_t limit)
{
    struct opened o = open_at(folder, limit);
    put(&o, 0, N, 0, -1);
    close_it(&o);
}

struct list {
    int n;
    uint64_t total;
    char last[256];
};

static void see(void *user, const char *name, uint64_t size, uint64_t mtime)
{
    struct list *list = user;
    (void)mtime;
    list->n++;
    list->total += size;
    snprintf(list->last, sizeof(list->last), "%s", name);
}

static struct list files(void)
{
    struct list list = { 0 };
    daub_dir_list(dir, see, &list);
    return list;
}

static void empty_cache(void)
{
    for (struct list l = files(); l.n > 0; l = files()) {
        char *path = daub_path_join(NULL, dir, l.last);
        REQUIRE(daub_file_remove(path));
        free(path);
    }
}

static void written_and_read(void)
{
    REQUIRE(served(0) == 0);
    struct opened o = open_at(dir, 0);
    put(&o, 0, 3, 0, -1);
    REQUIRE(hits(&o, 0, N, 0) == 0); // serves what was there when it was opened
    close_it(&o);
    REQUIRE(served(0) == 3 && served(1) == 0);
    o = open_at(dir, 0); // adds to what is there
    put(&o, 2, 3, 0, -1);
    close_it(&o);
    REQUIRE(served(0) == N);
    o = open_at(dir, 0);
    put(&o, 0, N, 1, -1);
    close_it(&o);
    REQUIRE(served(0) == N && served(1) == N && files().n == 1);
    o = open_at(dir, 0); // a weight that cannot be read back leaves the old file
    put(&o, 0, N, 0, 2);
    close_it(&o);
    REQUIRE(n_warnings == 1 && served(1) == N && files().n == 1);
    o = open_at(dir, 0);
    uint8_t out[16];
    REQUIRE(!daub_weight_cache_read(o.cache, "w0", &packs[0], out, 16)); // of another size
    close_it(&o);
    empty_cache();
}

static void changed_model(void)
{
    write_all(dir, 0);
    REQUIRE(served(0) == N);
    make_model(0.5f, 1000); // same size, header and time
    REQUIRE(served(0) == 0);
    make_model(0.0f, 1001);
    REQUIRE(served(0) == 0);
    make_model(0.0f, 1000);
    REQUIRE(served(0) == N);
    // A file that has just changed may change again within a tick of the clock.
    empty_cache();
    make_model(0.0f, time(NULL));
    write_all(dir, 0);
    REQUIRE(files().n == 0);
    // One that changed since it was opened.
    make_model(0.0f, 1000);
    struct opened o = open_at(dir, 0);
    const struct timespec times[2] = { { .tv_sec = 1002 }, { .tv_sec = 1002 } };
    REQUIRE(utimensat(AT_FDCWD, model, times, 0) == 0);
    put(&o, 0, N, 0, -1);
    close_it(&o);
    REQUIRE(files().n == 0);
    make_model(0.0f, 1000);
}

static void overwrite(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    REQUIRE(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

static void damaged_files(void)
{
    write_all(dir, 0);
    char *path = daub_path_join(NULL, dir, files().last), *good = NULL;
    size_t size = 0;
    REQUIRE_OK(daub_file_read(NULL, path, 1 << 24, &good, &size));
    char *bad = malloc(size + 1);
    REQUIRE(bad);
    const size_t sizes[] = { 0, 1, 8, 87, 88, 500, size / 2, size - 88, size - 1, size + 1 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memcpy(bad, good, size);
        bad[size] = 0;
        overwrite(path, bad, sizes[i]);
        n_warnings = 0;
        REQUIRE(served(0) == 0 && n_warnings == 1);
    }
    write_all(dir, 0);
    REQUIRE(served(0) == N); // mended
    const size_t data = (size_t)N * (size_t)daub_pack_size(&packs[0], dims, 2);
    for (size_t at = data; at < size; at++) { // index, names, trailer
        memcpy(bad, good, size);
        bad[at] = (char)(bad[at] ^ 1 << at % 8);
        overwrite(path, bad, size);
        n_warnings = 0;
        const int n = served(0);
        REQUIRE((n == 0 && n_warnings == 1) ||
                (n == N && n_warnings == 0 && at < data + 256)); // padding before the index
    }
    memcpy(bad, good, size);
    bad[100] ^= 4; // in the first weight
    overwrite(path, bad, size);
    n_warnings = 0;
    REQUIRE(served(0) == N - 1 && n_warnings == 1);
    struct opened o = open_at(dir, 0); // what is damaged is not carried on
    put(&o, 3, 1, 1, -1);
    close_it(&o);
    REQUIRE(served(0) == N - 1 && served(1) == 1);
    free(bad);
    daub_free(NULL, good);
    free(path);
    empty_cache();
}

static void folders_that_cannot_be_written(void)
{
    n_warnings = 0;
    write_all(model, 0); // a file
    REQUIRE(n_warnings == 1);
    char *inside = daub_path_join(NULL, model, "sub");
    write_all(inside, 0);
    REQUIRE(n_warnings == 2);
    free(inside);
    if (geteuid() != 0) { // root writes everywhere
        REQUIRE(chmod(dir, 0555) == 0);
        write_all(dir, 0);
        REQUIRE(n_warnings == 3 && files().n == 0);
        REQUIRE(chmod(dir, 0755) == 0);
    }
}

static void bounded(void)
{
    write_all(dir, 0);
    const uint64_t one = files().total;
    char first[256];
    snprintf(first, sizeof(first), "%s", files().last);
    empty_cache();
    n_warnings = 0;
    write_all(dir, one / 2);
    REQUIRE(n_warnings == 1 && files().n == 0); // does not fit at all
    char *leftover = daub_path_join(NULL, dir, ".daub-1-2.tmp"), *other = daub_path_join(NULL, dir, "another.txt");
    const struct timespec old[2] = { { .tv_sec = 5 }, { .tv_sec = 5 } };
    REQUIRE_OK(daub_file_write(NULL, leftover, "x", 1));
    REQUIRE_OK(daub_file_write(NULL, other, "x", 1));
    REQUIRE(utimensat(AT_FDCWD, leftover, old, 0) == 0 && utimensat(AT_FDCWD, other, old, 0) == 0);
    const uint64_t limit = 3 * one + one / 2; // with the room for padding that writing reckons with: of two files
    for (int i = 0; i < 6; i++) {
        make_model((float)i, 1000);
        write_all(dir, limit);
        REQUIRE(files().total <= limit + 2);
    }
    REQUIRE(!daub_path_is_file(leftover) || files().total + one <= limit);
    REQUIRE(daub_path_is_file(other) && daub_file_remove(other));
    char *path = daub_path_join(NULL, dir, first);
    REQUIRE(!daub_path_is_file(path)); // the oldest is gone, the newest is there
    REQUIRE(served(0) == N);
    free(path);
    free(other);
    free(leftover);
    make_model(0.0f, 1000);
    empty_cache();
}

static void two_processes(void)
{
    pid_t children[2];
    for (int c = 0; c < 2; c++) {
        children[c] = fork();
        REQUIRE(children[c] >= 0);
        if (children[c] == 0) {
            for (int i = 0; i < 40; i++)
                write_all(dir, 0);
            _exit(0);
        }
    }
    n_warnings = 0;
    for (int i = 0; i < 40; i++) {
        const int n = served(0);
        REQUIRE(n == 0 || n == N);
    }
    for (int c = 0; c < 2; c++) {
        int status = 0;
        REQUIRE(waitpid(children[c], &status, 0) == children[c] && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    REQUIRE(n_warnings == 0 && served(0) == N && files().n == 1);
    empty_cache();
}

int main(void)
{
    REQUIRE(mkdtemp(root));
    snprintf(dir, sizeof(dir), "%s/cache", root);
    char folder[64], config[128];
    snprintf(folder, sizeof(folder), "%s/unet", root);
    snprintf(config, sizeof(config), "%s/config.json", folder);
    snprintf(model, sizeof(model), "%s/diffusion_pytorch_model.safetensors", folder);
    REQUIRE_OK(daub_make_dirs(folder));
    REQUIRE_OK(daub_make_dirs(dir));
    REQUIRE_OK(daub_file_write(NULL, config, "{}", 2));
    make_model(0.0f, 1000);
    written_and_read();
    changed_model();
    damaged_files();
    folders_that_cannot_be_written();
    bounded();
    two_processes();
    REQUIRE(unlink(config) == 0 && unlink(model) == 0 && rmdir(folder) == 0 && rmdir(dir) == 0 && rmdir(root) == 0);
    return 0;
}

// test_vk_cache.c - the pipeline cache's file: written once there is something to write, read again, and not believed when it is
// damaged.
#include "runtime/base/file.h"
#include "tests/op/vk.h"

#include <dirent.h>
#include <unistd.h>

static char dir[256];

static daub_device *open_cached(const char *cache_dir, const char *debug)
{
    daub_device *dev = NULL;
    const daub_device_params params = {
        .struct_size = sizeof(params), .caps = "", .debug = debug, .cache_dir = cache_dir, .log = vk_print_log
    };
    REQUIRE_OK(daub_vk_device_create(&params, &dev));
    return dev;
}

static void make_kernel(daub_device *dev, uint32_t mul)
{
    const struct probe_params push = { .n = 1, .add = 1 };
    const struct daub_dispatch d = vk_probe(&push, (struct daub_range) { 0 }, (struct daub_range) { 0 }, mul, 1);
    REQUIRE_OK(daub_kernels_prepare(dev, &d, 1));
}

// The only file of the folder; false if there is none.
static bool find_file(char *path, size_t size)
{
    DIR *d = opendir(dir);
    uint32_t n = 0;
    if (!d)
        return false;
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        if (e->d_name[0] != '.') {
            REQUIRE(strncmp(e->d_name, "pipelines-", 10) == 0);
            snprintf(path, size, "%s/%s", dir, e->d_name);
            n++;
        }
    closedir(d);
    REQUIRE(n <= 1);
    return n == 1;
}

static size_t read_file(const char *path, char **data)
{
    size_t size = 0;
    REQUIRE_OK(daub_file_read(NULL, path, 1u << 30, data, &size));
    return size;
}

int main(void)
{
    char path[1024];
    snprintf(dir, sizeof(dir), "/tmp/daub-test-cache-%ld", (long)getpid());
    REQUIRE(!find_file(path, sizeof(path)));

    daub_device *dev = open_cached(dir, "");
    daub_kernels_save(dev);
    REQUIRE(!find_file(path, sizeof(path))); // nothing was made yet
    make_kernel(dev, 3);
    daub_kernels_save(dev);
    REQUIRE(find_file(path, sizeof(path)));
    daub_vk_device_destroy(&dev);

    char *good = NULL, *now = NULL;
    const size_t size = read_file(path, &good);
    REQUIRE(size > 80 && memcmp(good, "daubpc1", 8) == 0);

    // read again by the next device, which writes nothing when it makes nothing
    REQUIRE(unlink(path) == 0);
    dev = open_cached(dir, "");
    daub_vk_device_destroy(&dev);
    REQUIRE(!find_file(path, sizeof(path)));
    REQUIRE_OK(daub_file_write(NULL, path, good, size));
    dev = open_cached(dir, "validate");
    make_kernel(dev, 3);
    vk_close(dev);

    // one byte wrong at each place, and cut short: not given to the driver, and replaced
    for (size_t at = 0; at < size + 2; at += at < 80 ? 7 : (size - at > 60 ? size / 3 : 1)) {
        char *bad = malloc(size);
        REQUIRE(bad);
        memcpy(bad, good, size);
        size_t bad_size = size;
        if (at < size)
            bad[at] = (char)(bad[at] ^ 0x40);
        else
            bad_size = at == size ? size - 1 : 3;
        REQUIRE_OK(daub_file_write(NULL, path, bad, bad_size));
        free(bad);
        dev = open_cached(dir, "validate");
        make_kernel(dev, 3);
        vk_close(dev); // saves
        const size_t new_size = read_file(path, &now);
        if (new_size != size || memcmp(now, good, 80 - 16) != 0)
            TEST_FAIL("byte %zu: the file was not written anew", at);
        daub_free(NULL, now);
    }

    // asked not to, there is neither reading nor writing
    REQUIRE(unlink(path) == 0);
    dev = open_cached(dir, "nocache");
    make_kernel(dev, 3);
    daub_vk_device_destroy(&dev);
    dev = open_cached("", "");
    make_kernel(dev, 3);
    daub_vk_device_destroy(&dev);
    REQUIRE(!find_file(path, sizeof(path)));

    // a folder that cannot be made costs nothing but a log line
    dev = open_cached("/proc/nowhere/daub", "");
    make_kernel(dev, 3);
    daub_vk_device_destroy(&dev);

    daub_free(NULL, good);
    REQUIRE(rmdir(dir) == 0);
    return 0;
}

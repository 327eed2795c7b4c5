// test_tune.c - what a driver's kernels measure is kept in a file, read again, not believed when damaged, and overruled by masks.
#include "runtime/base/file.h"
#include "runtime/op/tune.h"
#include "tests/test.h"

#include <unistd.h>

static char dir[256], path[300];
static unsigned n_measured;

static void on_log(void *user, daub_log_level level, const char *message)
{
    (void)user;
    (void)level;
    n_measured += strstr(message, "measured ") != NULL;
}

// A device tuned from `dir`; *measured: whether it had to measure.
static daub_device *open_tuned(const char *caps, const char *debug, const char *cache_dir, bool *measured)
{
    const daub_device_params params = { .struct_size = sizeof(params),
                                        .caps = caps,
                                        .debug = debug,
                                        .log = on_log,
                                        .log_level = DAUB_LOG_INFO,
                                        .cache_dir = "" };
    daub_device *dev = NULL;
    REQUIRE_OK(daub_vk_device_create(&params, &dev));
    n_measured = 0;
    daub_tune(dev, cache_dir);
    *measured = n_measured > 0;
    return dev;
}

static void require_tuning(const char *caps, const char *debug, bool measures, bool texel, float rate12, float rate16)
{
    bool measured;
    daub_device *dev = open_tuned(caps, debug, dir, &measured);
    const struct daub_caps *c = daub_device_caps(dev);
    REQUIRE(measured == measures);
    REQUIRE(c->prefer_texel == (texel && c->texel));
    REQUIRE_NEAR(c->rate12, rate12, 0.01);
    REQUIRE_NEAR(c->rate16, rate16, 0.01);
    daub_vk_device_destroy(&dev);
}

static void write_file(const char *text)
{
    REQUIRE_OK(daub_file_write(NULL, path, text, strlen(text)));
}

int main(void)
{
    snprintf(dir, sizeof(dir), "/tmp/daub-test-tune-%ld", (long)getpid());
    snprintf(path, sizeof(path), "%s/tuning.txt", dir);
    bool measured;
    daub_device *dev = open_tuned("", "", dir, &measured);
    if (!daub_device_tunable(dev)) {
        REQUIRE(!measured && !daub_path_is_file(path));
        daub_vk_device_destroy(&dev);
        fprintf(stderr, "this device has nothing to measure\n");
        return TEST_SKIPPED;
    }
    const struct daub_caps *caps = daub_device_caps(dev);
    const bool texel = caps->prefer_texel;
    const float rate12 = caps->rate12, rate16 = caps->rate16;
    char key[64];
    daub_device_tuning_key(dev, key, sizeof(key));
    REQUIRE(measured && rate12 > 0.1f && rate16 > 0.1f);
    daub_vk_device_destroy(&dev);

    require_tuning("", "", false, texel, rate12, rate16); // read again
    char line[200];
    snprintf(line, sizeof(line), "0000000000000000-0000000000000000-1 texel 1000 2000\n%s storage 3000 4000\n", key);
    write_file(line);
    require_tuning("", "", false, false, 3.0f, 4.0f);
    require_tuning("+texel", "", false, true, 3.0f, 4.0f);

    dev = open_tuned("rows=16", "", dir, &measured); // the mask decides
    REQUIRE(!measured && daub_device_caps(dev)->rate12 == 0.0f && daub_device_caps(dev)->rate16 > 0.0f);
    daub_vk_device_destroy(&dev);
    dev = open_tuned("-texel,rows=12", "", dir, &measured); // nothing is left to measure
    REQUIRE(!daub_device_tunable(dev) && !measured && !daub_device_caps(dev)->prefer_texel);
    REQUIRE(daub_device_caps(dev)->rate12 > 0.0f && daub_device_caps(dev)->rate16 == 0.0f);
    daub_vk_device_destroy(&dev);
    write_file("");
    dev = open_tuned("", "nocache", dir, &measured);
    REQUIRE(!measured && daub_device_caps(dev)->rate12 > 0.0f);
    daub_vk_device_destroy(&dev);
    dev = open_tuned("", "", "", &measured); // no place to keep it
    REQUIRE(!measured && daub_device_caps(dev)->rate12 > 0.0f);
    daub_vk_device_destroy(&dev);

    static const char *const damaged[] = { "quick 3 4", "texel 0 4", "texel 1", "storage nan 1", "" };
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        static const char another[] = "0000000000000000-0000000000000000-1 texel 1000 2000\n";
        snprintf(line, sizeof(line), "%s %s\n%s", key, damaged[i], another);
        write_file(line);
        dev = open_tuned("", "", dir, &measured);
        REQUIRE(measured && daub_device_caps(dev)->rate12 > 0.1f);
        daub_vk_device_destroy(&dev);
        dev = open_tuned("", "", dir, &measured); // mended
        REQUIRE(!measured);
        daub_vk_device_destroy(&dev);
        char *text = NULL;
        size_t size = 0;
        REQUIRE_OK(daub_file_read(NULL, path, 1000, &text, &size));
        REQUIRE(strstr(text, another)); // another driver's line is kept
        daub_free(NULL, text);
    }
    char below[330];
    snprintf(below, sizeof(below), "%s/folder", path); // below a file: no place to keep it
    dev = open_tuned("", "", below, &measured);
    REQUIRE(!measured && daub_device_caps(dev)->rate12 > 0.0f);
    daub_vk_device_destroy(&dev);
    REQUIRE(unlink(path) == 0 && rmdir(dir) == 0);
    return 0;
}

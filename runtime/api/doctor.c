// doctor.c - daub_tools_doctor: each part looks at one thing and says what it found, what is wrong with it and which command mends that.
#include "include/daub_tools.h"

#include "runtime/api/params.h"
#include "runtime/base/file.h"
#include "runtime/base/machine.h"
#include "runtime/pipeline/engine.h"
#include "runtime/vk/device.h"
#include "runtime/vk/drivers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t LITTLE_MEMORY = 1000000000, LITTLE_SPACE = 100000000; // bytes

static const char no_driver[] = "sudo apt-get install mesa-vulkan-drivers";

struct doctor {
    const struct daub_host *host;
    const daub_device_params *params;
    daub_tools_finding *rows;
    uint32_t capacity, n;
    daub_tools_finding rest; // the last that did not fit
    bool loader, hardware;   // there is a loader; a device that is no CPU is usable
    uint32_t n_drivers, n_nodes;
};

static daub_tools_finding *say(struct doctor *d, const char *area, daub_tools_health health, const char *fmt, ...)
    DAUB_PRINTF(4, 5);
static daub_tools_finding *say(struct doctor *d, const char *area, daub_tools_health health, const char *fmt, ...)
{
    daub_tools_finding *row = d->n < d->capacity ? &d->rows[d->n] : &d->rest;
    d->n++;
    *row = (daub_tools_finding) { .health = health };
    snprintf(row->area, sizeof(row->area), "%s", area);
    va_list args;
    va_start(args, fmt);
    vsnprintf(row->text, sizeof(row->text), fmt, args);
    va_end(args);
    return row;
}

static void mend(daub_tools_finding *row, const char *fmt, ...) DAUB_PRINTF(2, 3);
static void mend(daub_tools_finding *row, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(row->mend, sizeof(row->mend), fmt, args);
    va_end(args);
}

// ---- Vulkan ----------------------------------------------------------------------------------------------------------

static void look_at_loader(struct doctor *d)
{
    uint32_t version = 0;
    bool validation = false;
    d->loader = daub_loader_look(d->host, &version, &validation) == DAUB_OK;
    if (!d->loader) {
        mend(say(d, "loader", DAUB_TOOLS_WRONG, "%s", daub_last_error()),
             "sudo apt-get install libvulkan1 mesa-vulkan-drivers");
        return;
    }
    const uint32_t major = version >> 22 & 0x7f, minor = version >> 12 & 0x3ff;
    if (major == 1 && minor < 1)
        mend(say(d, "loader", DAUB_TOOLS_WRONG, "the Vulkan loader is of version %u.%u, wanted 1.1 or later", major,
                 minor),
             "sudo apt-get install libvulkan1");
    else
        say(d, "loader", DAUB_TOOLS_GOOD, "Vulkan %u.%u.%u", major, minor, version & 0xfff);
    if (validation)
        say(d, "layers", DAUB_TOOLS_GOOD, "VK_LAYER_KHRONOS_validation is there, for DAUB_DEBUG=validate");
    else
        mend(say(d, "layers", DAUB_TOOLS_NOTE,
                 "no VK_LAYER_KHRONOS_validation; only DAUB_DEBUG=validate, for work on daub, needs it"),
             "sudo apt-get install vulkan-validationlayers");
}

static void on_driver(void *user, const struct daub_driver_file *file)
{
    struct doctor *d = user;
    if (!file->problem) {
        d->n_drivers++;
        say(d, "driver", DAUB_TOOLS_GOOD, "%s (%s)", file->path, file->library);
    } else if (file->foreign) {
        say(d, "driver", DAUB_TOOLS_NOTE, "%s is of another architecture, and passed over", file->path);
    } else if (strncmp(file->problem, file->path, strlen(file->path)) == 0) { // a sentence that names it
        say(d, "driver", DAUB_TOOLS_WRONG, "%s", file->problem);
    } else {
        say(d, "driver", DAUB_TOOLS_WRONG, "%s: %s", file->path, file->problem);
    }
}

static void look_at_drivers(struct doctor *d)
{
    const char *given = NULL;
    const uint32_t first = d->n;
    const uint32_t n = daub_driver_files(d->host, &given, on_driver, d);
    for (uint32_t i = first; i < d->n && i < d->capacity; i++) {
        if (d->rows[i].health != DAUB_TOOLS_WRONG)
            continue;
        if (given)
            mend(&d->rows[i], "unset %s", given);
        else
            mend(&d->rows[i], "sudo apt-get install --reinstall mesa-vulkan-drivers");
    }
    if (n == 0)
        mend(say(d, "driver", DAUB_TOOLS_WRONG, "no Vulkan driver is installed: no folder vulkan/icd.d holds a .json"),
             "%s", no_driver);
}

static void on_node(void *user, const char *path, bool accessible, const char *group)
{
    struct doctor *d = user;
    d->n_nodes++;
    if (accessible)
        return;
    daub_tools_finding *row = say(d, "device", DAUB_TOOLS_WRONG,
                                  "%s, a GPU, may not be opened by this user; its group is %s", path,
                                  *group ? group : "one without a name");
    mend(row, "sudo usermod -aG %s \"$USER\"   (and log in anew)", *group ? group : "render");
}

static void say_device(struct doctor *d, const daub_device_info *info)
{
    char memory[64] = "";
    if (info->memory_free > 0)
        snprintf(memory, sizeof(memory), ", %.1f GB of it free", (double)info->memory_free * 1e-9);
    say(d, "device", info->usable ? DAUB_TOOLS_GOOD : DAUB_TOOLS_NOTE, "%u %s, driver %s, %.1f GB%s; %s", info->index,
        info->name, info->driver, (double)info->memory * 1e-9, memory, info->reason);
    d->hardware = d->hardware || (info->usable && info->kind != DAUB_DEVICE_CPU);
}

// Opens what a picture would be drawn on, as it would be: by the variable, the masks and the layers of the environment.
static void open_device(struct doctor *d)
{
    daub_device *dev = NULL;
    if (daub_vk_device_create(d->params, &dev) == DAUB_OK) {
        daub_device_info info;
        daub_vk_device_info(dev, &info);
        say(d, "device", DAUB_TOOLS_GOOD, "%u %s opens, and is what daub draws on", info.index, info.name);
        daub_vk_device_destroy(&dev);
        return;
    }
    daub_tools_finding *row = say(d, "device", DAUB_TOOLS_WRONG, "%s", daub_last_error());
    static const char *const variables[] = { "DAUB_DEVICE", "DAUB_DEBUG", "DAUB_CAPS" };
    const char *const first = strstr(row->text, "numbered or named") ? NULL : variables[1];
    for (int i = 0; i < 3; i++) {
        const char *value = getenv(variables[i]);
        const bool named = strstr(row->text, variables[i]) || (i == 0 && !first && !d->params->device);
        if (value && *value && named && !row->mend[0])
            mend(row, "unset %s", variables[i]);
    }
    if (!row->mend[0] && d->n_drivers == 0)
        mend(row, "%s", no_driver);
}

static void look_at_devices(struct doctor *d)
{
    enum { MOST = 16 };
    uint32_t n = 0;
    daub_device_nodes("/dev/dri", "renderD", on_node, d);
    if (!d->loader)
        return;
    daub_device_info *list = daub_alloc_array(d->host, MOST, sizeof(*list));
    if (!list)
        return;
    if (daub_vk_device_list(d->params, list, MOST, &n) != DAUB_OK)
        say(d, "device", DAUB_TOOLS_WRONG, "%s", daub_last_error());
    for (uint32_t i = 0; i < n && i < MOST; i++)
        say_device(d, &list[i]);
    daub_free(d->host, list);
    if (n == 0)
        mend(say(d, "device", DAUB_TOOLS_WRONG, "the drivers show no device"), "%s", no_driver);
    else
        open_device(d);
    if (d->n_nodes > 0 && n > 0 && !d->hardware)
        mend(
            say(d, "device", DAUB_TOOLS_NOTE, "there is a GPU (/dev/dri), and no driver for it: daub draws on the CPU"),
            "%s", no_driver);
}

// ---- memory and files ------------------------------------------------------------------------------------------------

static void look_at_memory(struct doctor *d)
{
    uint64_t total = 0, available = 0;
    if (!daub_machine_memory(&total, &available))
        return;
    say(d, "memory", available < LITTLE_MEMORY ? DAUB_TOOLS_NOTE : DAUB_TOOLS_GOOD,
        "%.1f GB of the machine's %.1f GB are free%s", (double)available * 1e-9, (double)total * 1e-9,
        available < LITTLE_MEMORY ? "; --memory small or stream takes less" : "");
}

struct folder {
    uint64_t size, hashes;
    uint32_t n;
};

static void add_file(void *user, const char *name, uint64_t size, uint64_t mtime)
{
    struct folder *f = user;
    (void)mtime;
    f->n++;
    f->size += size;
    if (strcmp(name, "model-hashes.txt") == 0)
        f->hashes = size;
}

// By writing: what permissions say does not count for root, nor where a disk is read-only. A folder that is not there is made.
static void look_at_folder(struct doctor *d, const char *area, const char *what, const char *dir, const char *other)
{
    struct folder f = { 0 };
    char probe[4096];
    bool ok = daub_make_dirs(dir) == DAUB_OK && daub_path_put(probe, sizeof(probe), dir, ".daub-doctor.tmp");
    if (ok) {
        daub_dir_list(dir, add_file, &f);
        ok = daub_file_write(d->host, probe, "", 1) == DAUB_OK;
    }
    if (!ok) {
        daub_tools_finding *row = say(d, area, DAUB_TOOLS_WRONG, "%s: nothing can be written to %s: %s", what, dir,
                                      daub_last_error());
        if (daub_path_is_dir(dir))
            mend(row, "sudo chown -R \"$USER\" '%s' && chmod -R u+rwX '%s'", dir, dir);
        else
            mend(row, "%s", other);
        return;
    }
    (void)daub_file_remove(probe);
    char hashes[64] = "";
    if (f.hashes > 0)
        snprintf(hashes, sizeof(hashes), ", %.1f kB of them model hashes", (double)f.hashes * 1e-3);
    say(d, area, DAUB_TOOLS_GOOD, "%s: %s, %u file%s of %.1f MB%s; it can be written", what, dir, f.n,
        f.n == 1 ? "" : "s", (double)f.size * 1e-6, hashes);
}

static void look_at_caches(struct doctor *d, const char *weight_cache)
{
    char *dir = daub_cache_dir(d->host);
    if (dir)
        look_at_folder(d, "cache", "pipelines, kernels' times and model hashes", dir,
                       "export XDG_CACHE_HOME=/some/folder/of/yours");
    else
        mend(say(d, "cache", DAUB_TOOLS_WRONG, "no folder for caches: neither XDG_CACHE_HOME nor HOME is set"),
             "export HOME=~");
    daub_free(d->host, dir);
    if (weight_cache && *weight_cache)
        look_at_folder(d, "cache", "packed weights", weight_cache, "give another folder as --weight-cache");
    else
        say(d, "cache", DAUB_TOOLS_GOOD, "packed weights: none are kept; --weight-cache FOLDER keeps them");
}

static void look_at_model(struct doctor *d)
{
    struct daub_checkpoint *ckpt = NULL;
    struct daub_arena *arena = NULL;
    struct daub_model_desc desc;
    if (daub_engine_describe(d->host, NULL, NULL, &ckpt, &arena, &desc) != DAUB_OK) {
        daub_tools_finding *row = say(d, "model", DAUB_TOOLS_WRONG, "%s", daub_last_error());
        const char *given = getenv("DAUB_DEFAULT_MODEL");
        mend(row, "%s", given && *given ? "unset DAUB_DEFAULT_MODEL" : "export DAUB_DEFAULT_MODEL=/path/of/a/model");
        return;
    }
    say(d, "model", DAUB_TOOLS_GOOD, "the default one: %s, of family %s, %ux%u", daub_checkpoint_path(ckpt),
        desc.family->name, desc.width, desc.height);
    daub_arena_destroy(&arena);
    daub_checkpoint_close(&ckpt);
}

static void look_at_space(struct doctor *d)
{
    const char *dir = daub_temp_dir();
    uint64_t space = 0;
    char probe[4096];
    if (!daub_path_put(probe, sizeof(probe), dir, ".daub-doctor.tmp") ||
        daub_file_write(d->host, probe, "", 1) != DAUB_OK) {
        mend(say(d, "space", DAUB_TOOLS_WRONG, "nothing can be written to %s, the folder for temporary files: %s", dir,
                 daub_last_error()),
             "export TMPDIR=/some/folder/of/yours");
        return;
    }
    (void)daub_file_remove(probe);
    if (!daub_disk_space(dir, &space))
        say(d, "space", DAUB_TOOLS_GOOD, "%s can be written", dir);
    else if (space < LITTLE_SPACE)
        mend(say(d, "space", DAUB_TOOLS_WRONG, "%.1f MB are free in %s, the folder for temporary files",
                 (double)space * 1e-6, dir),
             "export TMPDIR=/some/folder/with/room");
    else
        say(d, "space", DAUB_TOOLS_GOOD, "%.1f GB are free in %s, the folder for temporary files", (double)space * 1e-9,
            dir);
}

static void look_at_working_folder(struct doctor *d)
{
    uint64_t space = 0;
    if (!daub_disk_space(".", &space))
        return;
    if (space < LITTLE_SPACE)
        mend(say(d, "space", DAUB_TOOLS_WRONG, "%.1f MB are free in the working folder, where pictures go",
                 (double)space * 1e-6),
             "cd /some/folder/with/room");
    else
        say(d, "space", DAUB_TOOLS_GOOD, "%.1f GB are free in the working folder, where pictures go",
            (double)space * 1e-9);
}

// ---- environment -----------------------------------------------------------------------------------------------------

static void on_variable(void *user, const char *name, size_t n, const char *value)
{
    static const char *const starts[] = { "VK_",     "DAUB_",   "MESA_",          "LP_",
                                          "GALLIUM", "NVIDIA_", "XDG_CACHE_HOME", "TMPDIR" };
    struct doctor *d = user;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (n >= strlen(starts[i]) && strncmp(name, starts[i], strlen(starts[i])) == 0) {
            say(d, "environment", DAUB_TOOLS_GOOD, "%.*s=%s", (int)n, name, value);
            return;
        }
}

static void look_at_words(struct doctor *d)
{
    struct daub_debug debug;
    struct daub_caps_mask mask;
    const char *words = getenv("DAUB_DEBUG");
    if (words && daub_debug_parse(words, &debug) != DAUB_OK)
        mend(say(d, "environment", DAUB_TOOLS_WRONG, "%s", daub_last_error()), "unset DAUB_DEBUG");
    words = getenv("DAUB_CAPS");
    if (words && daub_caps_mask_parse(words, &mask) != DAUB_OK)
        mend(say(d, "environment", DAUB_TOOLS_WRONG, "%s", daub_last_error()), "unset DAUB_CAPS");
}

daub_status daub_tools_doctor(const daub_device_params *params, const char *weight_cache, daub_tools_finding *rows,
                              uint32_t capacity, uint32_t *count)
{
    if (!count || (capacity > 0 && !rows))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_tools_doctor: rows or count is NULL");
    daub_device_params p;
    TRY(daub_params_copy("daub_device_params", params, &p, sizeof(p)));
    TRY(daub_device_params_check(&p));
    const struct daub_host host = { .allocator = p.allocator };
    struct doctor d = { .host = &host, .params = &p, .rows = rows, .capacity = capacity };
    look_at_loader(&d);
    look_at_drivers(&d);
    look_at_devices(&d);
    look_at_memory(&d);
    look_at_caches(&d, weight_cache);
    look_at_model(&d);
    look_at_space(&d);
    look_at_working_folder(&d);
    look_at_words(&d);
    daub_environment(on_variable, &d);
    *count = d.n;
    return DAUB_OK;
}

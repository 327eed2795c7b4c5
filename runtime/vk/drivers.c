// drivers.c - see drivers.h. The order of search is that of the loader's documentation, LoaderDriverInterface.md, for Linux.
#include "runtime/vk/drivers.h"

#include "runtime/base/file.h"
#include "runtime/base/json.h"
#include "runtime/base/machine.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_PATH = 4096, MOST_FILES = 256 };

struct search {
    const struct daub_host *host;
    void (*each)(void *user, const struct daub_driver_file *file);
    void *user;
    const char *dir; // that is being listed
    char *found[MOST_FILES];
    uint32_t n_found, n_files;
};

// ---- one manifest ----------------------------------------------------------------------------------------------------

// The library as the loader opens it: a path with a slash is relative to the manifest's folder.
static bool library_of(const char *manifest, const char *name, char *out, size_t size)
{
    const char *slash = strrchr(manifest, '/');
    const bool relative = strchr(name, '/') && name[0] != '/' && slash;
    const int n = relative ? snprintf(out, size, "%.*s/%s", (int)(slash - manifest), manifest, name)
                           : snprintf(out, size, "%s", name);
    return n > 0 && (size_t)n < size;
}

static void report(struct search *s, const char *path, const char *library, const char *problem, bool foreign)
{
    const struct daub_driver_file file = { .path = path, .library = library, .problem = problem, .foreign = foreign };
    s->each(s->user, &file);
}

static void look_into(struct search *s, const char *path)
{
    struct daub_json json = { .root = NULL };
    char library[LONGEST_PATH] = "", why[512];
    s->n_files++;
    if (!daub_path_is_file(path)) {
        report(s, path, "", "it is not there", false);
        return;
    }
    if (daub_json_load(s->host, path, &json) != DAUB_OK) {
        report(s, path, "", daub_last_error(), false);
        return;
    }
    const cJSON *icd = cJSON_GetObjectItemCaseSensitive(json.root, "ICD");
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(icd, "library_path");
    if (!cJSON_IsString(name) || !library_of(path, name->valuestring, library, sizeof(library)))
        report(s, path, "", "it has no ICD.library_path", false);
    else if (!daub_library_loads(library, why, sizeof(why)))
        report(s, path, library, why, strstr(why, "wrong ELF class") != NULL);
    else
        report(s, path, library, NULL, false);
    daub_json_free(&json);
}

// ---- all of them -----------------------------------------------------------------------------------------------------

static bool ends_with_json(const char *name)
{
    const size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".json") == 0;
}

static void remember(void *user, const char *name, uint64_t size, uint64_t mtime)
{
    struct search *s = user;
    (void)size;
    (void)mtime;
    if (ends_with_json(name) && s->n_found < MOST_FILES)
        s->found[s->n_found++] = daub_path_join(s->host, s->dir, name);
}

// The manifests of one folder, by name.
static void look_through(struct search *s, const char *dir)
{
    s->dir = dir;
    s->n_found = 0;
    daub_dir_list(dir, remember, s);
    for (uint32_t i = 1; i < s->n_found; i++)
        for (uint32_t j = i; j > 0 && s->found[j] && s->found[j - 1] && strcmp(s->found[j], s->found[j - 1]) < 0; j--) {
            char *other = s->found[j];
            s->found[j] = s->found[j - 1];
            s->found[j - 1] = other;
        }
    for (uint32_t i = 0; i < s->n_found; i++) {
        if (s->found[i])
            look_into(s, s->found[i]);
        daub_free(s->host, s->found[i]);
    }
}

// Each path of a list, with `below` behind it where that is not NULL: a folder's manifests, or one manifest.
static void look_along(struct search *s, const char *list, const char *below)
{
    while (list && *list) {
        const char *end = strchr(list, daub_path_separator);
        const size_t n = end ? (size_t)(end - list) : strlen(list);
        char path[LONGEST_PATH];
        const int made = snprintf(path, sizeof(path), "%.*s%s", (int)n, list, below ? below : "");
        if (n > 0 && made > 0 && (size_t)made < sizeof(path)) {
            if (daub_path_is_dir(path))
                look_through(s, path);
            else if (!below)
                look_into(s, path);
        }
        list += n + (end != NULL);
    }
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

// $XDG_CONFIG_HOME or ~/.config, and the like.
static void look_at_home(struct search *s, const char *name, const char *under_home)
{
    static const char icds[] = "/vulkan/icd.d";
    char path[LONGEST_PATH];
    const char *home = variable("HOME");
    if (variable(name)) {
        look_along(s, variable(name), icds);
    } else if (home) {
        snprintf(path, sizeof(path), "%s%s", home, under_home);
        look_along(s, path, icds);
    }
}

uint32_t daub_driver_files(const struct daub_host *host, const char **given,
                           void (*each)(void *user, const struct daub_driver_file *file), void *user)
{
    static const char icds[] = "/vulkan/icd.d";
    struct search s = { .host = host, .each = each, .user = user };
    *given = variable("VK_DRIVER_FILES") ? "VK_DRIVER_FILES" : variable("VK_ICD_FILENAMES") ? "VK_ICD_FILENAMES" : NULL;
    look_along(&s, variable("VK_ADD_DRIVER_FILES"), NULL);
    if (*given) {
        look_along(&s, variable(*given), NULL);
        return s.n_files;
    }
    look_at_home(&s, "XDG_CONFIG_HOME", "/.config");
    look_along(&s, variable("XDG_CONFIG_DIRS") ? variable("XDG_CONFIG_DIRS") : "/etc/xdg", icds);
    look_along(&s, "/etc", icds);
    look_at_home(&s, "XDG_DATA_HOME", "/.local/share");
    look_along(&s, variable("XDG_DATA_DIRS") ? variable("XDG_DATA_DIRS") : "/usr/local/share:/usr/share", icds);
    return s.n_files;
}

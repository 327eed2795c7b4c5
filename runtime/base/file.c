// file.c - the parts of file.h that are the same on every system.
#include "runtime/base/file.h"
#include "runtime/base/file_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const void *daub_file_map_data(const struct daub_file_map *map)
{
    return map->data;
}

size_t daub_file_map_size(const struct daub_file_map *map)
{
    return map->size;
}

uint64_t daub_file_map_mtime(const struct daub_file_map *map)
{
    return map->mtime_ns;
}

static const char *separator(const char *dir)
{
    const size_t n = strlen(dir);
    const char last = n > 0 ? dir[n - 1] : '/';
#if defined(_WIN32)
    const bool parted = last == '/' || last == '\\' || last == ':';
#else
    const bool parted = last == '/';
#endif
    return parted ? "" : "/";
}

char *daub_path_join(const struct daub_host *host, const char *dir, const char *name)
{
    return daub_asprintf(host, "%s%s%s", dir, separator(dir), name);
}

bool daub_path_put(char *out, size_t size, const char *dir, const char *name)
{
    const int length = snprintf(out, size, "%s%s%s", dir, separator(dir), name);
    return length > 0 && (size_t)length < size;
}

char *daub_cache_dir(const struct daub_host *host)
{
#if defined(_WIN32)
    const char *const local = getenv("LOCALAPPDATA");
    return local && local[0] ? daub_path_join(host, local, "daub") : NULL;
#else
    // The XDG Base Directory Specification: a relative path is to be ignored.
    const char *const xdg = getenv("XDG_CACHE_HOME");
    if (xdg && xdg[0] == '/')
        return daub_path_join(host, xdg, "daub");
    const char *const home = getenv("HOME");
    return home && home[0] == '/' ? daub_path_join(host, home, ".cache/daub") : NULL;
#endif
}

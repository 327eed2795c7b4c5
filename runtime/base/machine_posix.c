// machine_posix.c - machine.h over POSIX, and Linux where POSIX has no word for it.
#include "runtime/base/machine.h"

#if !defined(_WIN32)

#include "runtime/base/file.h"

#include <dirent.h>
#include <dlfcn.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

const char daub_path_separator = ':';

bool daub_machine_memory(uint64_t *total, uint64_t *available)
{
    const long page = sysconf(_SC_PAGESIZE), pages = sysconf(_SC_PHYS_PAGES);
    if (page <= 0 || pages <= 0)
        return false;
    *total = (uint64_t)page * (uint64_t)pages;
    *available = *total;
    FILE *file = fopen("/proc/meminfo", "r"); // what sysconf calls available leaves out what can be dropped
    if (!file)
        return true;
    char line[128];
    unsigned long long kib;
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            *available = kib << 10;
    fclose(file);
    return true;
}

bool daub_disk_space(const char *path, uint64_t *available)
{
    struct statvfs info;
    if (statvfs(path, &info) != 0)
        return false;
    *available = (uint64_t)info.f_bavail * info.f_frsize;
    return true;
}

const char *daub_temp_dir(void)
{
    const char *dir = getenv("TMPDIR");
    return dir && *dir ? dir : "/tmp";
}

extern char **environ;

void daub_environment(void (*each)(void *user, const char *name, size_t n, const char *value), void *user)
{
    for (char **at = environ; at && *at; at++) {
        const char *equals = strchr(*at, '=');
        if (equals)
            each(user, *at, (size_t)(equals - *at), equals + 1);
    }
}

void daub_device_nodes(const char *dir, const char *start,
                       void (*each)(void *user, const char *path, bool accessible, const char *group), void *user)
{
    DIR *const nodes = opendir(dir);
    if (!nodes)
        return;
    const struct dirent *entry;
    while ((entry = readdir(nodes)) != NULL) {
        char path[512];
        struct stat info;
        if (strncmp(entry->d_name, start, strlen(start)) != 0 ||
            !daub_path_put(path, sizeof(path), dir, entry->d_name) || stat(path, &info) != 0)
            continue;
        struct group group, *found = NULL;
        char names[1024];
        const bool known = getgrgid_r(info.st_gid, &group, names, sizeof(names), &found) == 0 && found;
        each(user, path, access(path, R_OK | W_OK) == 0, known ? found->gr_name : "");
    }
    closedir(nodes);
}

bool daub_library_loads(const char *path, char *why, size_t size)
{
    void *const library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (library) {
        dlclose(library);
        return true;
    }
    const char *text = dlerror();
    snprintf(why, size, "%s", text ? text : "it does not load");
    return false;
}

#endif

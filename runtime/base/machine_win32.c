// machine_win32.c - machine.h over Win32.
#include "runtime/base/machine.h"

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char daub_path_separator = ';';

bool daub_machine_memory(uint64_t *total, uint64_t *available)
{
    MEMORYSTATUSEX status = { .dwLength = sizeof(status) };
    if (!GlobalMemoryStatusEx(&status))
        return false;
    *total = status.ullTotalPhys;
    *available = status.ullAvailPhys;
    return true;
}

bool daub_disk_space(const char *path, uint64_t *available)
{
    ULARGE_INTEGER bytes;
    if (!GetDiskFreeSpaceExA(path, &bytes, NULL, NULL))
        return false;
    *available = bytes.QuadPart;
    return true;
}

const char *daub_temp_dir(void)
{
    const char *dir = getenv("TEMP");
    return dir && *dir ? dir : ".";
}

void daub_environment(void (*each)(void *user, const char *name, size_t n, const char *value), void *user)
{
    char *const all = GetEnvironmentStringsA();
    for (const char *at = all; at && *at; at += strlen(at) + 1) {
        const char *equals = strchr(at + 1, '='); // names of drives begin with "="
        if (equals)
            each(user, at, (size_t)(equals - at), equals + 1);
    }
    if (all)
        FreeEnvironmentStringsA(all);
}

void daub_device_nodes(const char *dir, const char *start,
                       void (*each)(void *user, const char *path, bool accessible, const char *group), void *user)
{
    (void)dir;
    (void)start;
    (void)each;
    (void)user; // devices are no files here
}

bool daub_library_loads(const char *path, char *why, size_t size)
{
    HMODULE library = LoadLibraryA(path);
    if (library) {
        FreeLibrary(library);
        return true;
    }
    snprintf(why, size, "error %lu", GetLastError());
    return false;
}

#endif

// file_win32.c - file.h over Win32: UTF-8 paths become UTF-16. It compiles (mingw-w64) and has never been run.
#include "runtime/base/file.h"
#include "runtime/base/file_private.h"

#if defined(_WIN32)

#include "runtime/base/thread.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

enum { PATH_SIZE = 4096, CHUNK_SIZE = 1 << 30, TEMP_TRIES = 16 };

static daub_status fail_code(const char *verb, const char *path, DWORD code)
{
    char text[256] = "";
    FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, code, 0, text, sizeof(text), NULL);
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' ' || text[n - 1] == '.'))
        text[--n] = 0;
    return daub_fail(DAUB_ERROR_IO, "cannot %s %s: %s (Windows error %lu)", verb, path, text, code);
}

static bool widen(const char *path, wchar_t out[PATH_SIZE])
{
    return MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, out, PATH_SIZE) > 0;
}

static daub_status open_for_reading(const char *path, HANDLE *out, uint64_t *size)
{
    wchar_t wide[PATH_SIZE];
    if (!widen(path, wide))
        return fail_code("open", path, GetLastError());
    if (daub_path_is_dir(path))
        return daub_fail(DAUB_ERROR_IO, "cannot open %s: it is a folder, wanted a file", path);
    const HANDLE file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL, OPEN_EXISTING, 0,
                                    NULL);
    if (file == INVALID_HANDLE_VALUE)
        return fail_code("open", path, GetLastError());
    LARGE_INTEGER bytes;
    if (!GetFileSizeEx(file, &bytes)) {
        const DWORD code = GetLastError();
        CloseHandle(file);
        return fail_code("open", path, code);
    }
    *out = file;
    *size = (uint64_t)bytes.QuadPart;
    return DAUB_OK;
}

// FILETIME counts 100 ns since 1601; 11644473600 s lie between that and 1970.
static uint64_t mtime_of(const FILETIME *time)
{
    const uint64_t ticks = (uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime;
    return (ticks - 116444736000000000u) * 100u;
}

daub_status daub_file_map_open(const struct daub_host *host, const char *path, struct daub_file_map **out)
{
    HANDLE file;
    uint64_t size;
    TRY(open_for_reading(path, &file, &size));
    daub_status status = DAUB_OK;
    struct daub_file_map *map = NULL;
    HANDLE mapping = NULL;
    if (size == 0 || size > PTRDIFF_MAX) {
        status = daub_fail(DAUB_ERROR_IO, "cannot open %s: %s", path,
                           size == 0 ? "the file is empty" : "it does not fit this machine's address space");
        goto fail;
    }
    map = daub_alloc(host, sizeof(*map));
    if (!map) {
        status = daub_no_memory("a file's mapping");
        goto fail;
    }
    mapping = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
    void *const data = mapping ? MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0) : NULL;
    if (!data) {
        status = fail_code("map", path, GetLastError());
        goto fail;
    }
    FILETIME written = { 0 };
    GetFileTime(file, NULL, NULL, &written);
    *map = (struct daub_file_map) {
        .host = host,
        .data = data,
        .size = (size_t)size,
        .mtime_ns = mtime_of(&written),
        .mapping = mapping,
    };
    CloseHandle(file); // the mapping holds the file
    *out = map;
    return DAUB_OK;
fail:
    if (mapping)
        CloseHandle(mapping);
    daub_free(host, map);
    CloseHandle(file);
    return status;
}

void daub_file_map_close(struct daub_file_map **map)
{
    if (!map || !*map)
        return;
    UnmapViewOfFile((*map)->data);
    CloseHandle((*map)->mapping);
    daub_free((*map)->host, *map);
    *map = NULL;
}

void daub_file_map_release(const struct daub_file_map *map, size_t offset, size_t size)
{
    if (offset >= map->size)
        return;
    const size_t left = map->size - offset;
    // Unlocking what is not locked fails, and takes the pages out of the working set: the documented way to say so.
    VirtualUnlock((char *)map->data + offset, size < left ? size : left);
}

static DWORD chunk_of(size_t size)
{
    return size < CHUNK_SIZE ? (DWORD)size : (DWORD)CHUNK_SIZE;
}

daub_status daub_file_read(const struct daub_host *host, const char *path, size_t limit, char **data, size_t *size)
{
    HANDLE file;
    uint64_t file_size;
    TRY(open_for_reading(path, &file, &file_size));
    daub_status status = DAUB_OK;
    char *bytes = NULL;
    size_t used = 0;
    if (file_size > limit) {
        status = daub_fail(DAUB_ERROR_BAD_FILE, "%s is longer than %zu bytes, the most read of such a file", path,
                           limit);
        goto fail;
    }
    bytes = daub_alloc(host, (size_t)file_size + 1);
    if (!bytes) {
        status = daub_no_memory("a file's bytes");
        goto fail;
    }
    while (used < file_size) {
        DWORD n;
        if (!ReadFile(file, bytes + used, chunk_of((size_t)file_size - used), &n, NULL)) {
            status = fail_code("read", path, GetLastError());
            goto fail;
        }
        if (n == 0)
            break;
        used += n;
    }
    CloseHandle(file);
    *data = bytes;
    *size = used;
    return DAUB_OK;
fail:
    daub_free(host, bytes);
    CloseHandle(file);
    return status;
}

static daub_status write_all(HANDLE file, const char *path, const void *data, size_t size)
{
    const char *bytes = data;
    while (size > 0) {
        DWORD n;
        if (!WriteFile(file, bytes, chunk_of(size), &n, NULL))
            return fail_code("write", path, GetLastError());
        bytes += n;
        size -= n;
    }
    return DAUB_OK;
}

daub_status daub_file_write(const struct daub_host *host, const char *path, const void *data, size_t size)
{
    wchar_t target[PATH_SIZE];
    wchar_t temp[PATH_SIZE];
    if (!widen(path, target))
        return fail_code("write", path, GetLastError());
    if (daub_path_is_dir(path))
        return daub_fail(DAUB_ERROR_IO, "cannot write %s: it is a folder", path);
    HANDLE file = INVALID_HANDLE_VALUE;
    for (uint32_t i = 0; i < TEMP_TRIES && file == INVALID_HANDLE_VALUE; i++) {
        char *const name = daub_asprintf(host, "%s.%lu-%" PRIx64 ".tmp", path, GetCurrentProcessId(),
                                         daub_now_ns() + i);
        if (!name)
            return daub_no_memory("a file's name");
        const bool fits = widen(name, temp);
        daub_free(host, name);
        if (!fits)
            return fail_code("write", path, GetLastError());
        file = CreateFileW(temp, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
        if (file == INVALID_HANDLE_VALUE && GetLastError() != ERROR_FILE_EXISTS)
            break;
    }
    if (file == INVALID_HANDLE_VALUE)
        return fail_code("write", path, GetLastError());
    daub_status status = write_all(file, path, data, size);
    if (status == DAUB_OK && !FlushFileBuffers(file))
        status = fail_code("write", path, GetLastError());
    CloseHandle(file);
    if (status == DAUB_OK && !MoveFileExW(temp, target, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
        status = fail_code("write", path, GetLastError());
    if (status != DAUB_OK)
        DeleteFileW(temp);
    return status;
}

struct daub_file_writer {
    const struct daub_host *host;
    HANDLE file;
    char *path;
    wchar_t target[PATH_SIZE], temp[PATH_SIZE];
};

daub_status daub_file_writer_open(const struct daub_host *host, const char *path, struct daub_file_writer **out)
{
    struct daub_file_writer *const w = daub_alloc(host, sizeof(*w));
    char *const name = daub_asprintf(host, "%s.daub-%lu-%" PRIx64 ".tmp", path, GetCurrentProcessId(), daub_now_ns());
    daub_status status = DAUB_OK;
    if (!w || !name || !(w->path = daub_strdup(host, path))) {
        status = daub_no_memory("a file that is written");
        goto fail;
    }
    w->host = host;
    w->file = INVALID_HANDLE_VALUE;
    if (widen(path, w->target) && widen(name, w->temp))
        w->file = CreateFileW(w->temp, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
    if (w->file == INVALID_HANDLE_VALUE) {
        status = fail_code("write", path, GetLastError());
        goto fail;
    }
    daub_free(host, name);
    *out = w;
    return DAUB_OK;
fail:
    daub_free(host, name);
    if (w)
        daub_free(host, w->path);
    daub_free(host, w);
    return status;
}

daub_status daub_file_writer_add(struct daub_file_writer *writer, const void *data, size_t size)
{
    return write_all(writer->file, writer->path, data, size);
}

daub_status daub_file_writer_close(struct daub_file_writer **writer, bool keep)
{
    struct daub_file_writer *const w = *writer;
    if (!w)
        return DAUB_OK;
    daub_status status = DAUB_OK;
    CloseHandle(w->file);
    if (keep && !MoveFileExW(w->temp, w->target, MOVEFILE_REPLACE_EXISTING))
        status = fail_code("write", w->path, GetLastError());
    if (!keep || status != DAUB_OK)
        DeleteFileW(w->temp);
    daub_free(w->host, w->path);
    daub_free(w->host, w);
    *writer = NULL;
    return status;
}

void daub_dir_list(const char *path, void (*each)(void *user, const char *name, uint64_t size, uint64_t mtime_ns),
                   void *user)
{
    char pattern[PATH_SIZE], name[PATH_SIZE];
    wchar_t wide[PATH_SIZE];
    WIN32_FIND_DATAW found;
    const int n = snprintf(pattern, sizeof(pattern), "%s\\*", path);
    if (n < 0 || (size_t)n >= sizeof(pattern) || !widen(pattern, wide))
        return;
    const HANDLE search = FindFirstFileW(wide, &found);
    if (search == INVALID_HANDLE_VALUE)
        return;
    do {
        if (!(found.dwFileAttributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT)) &&
            WideCharToMultiByte(CP_UTF8, 0, found.cFileName, -1, name, PATH_SIZE, NULL, NULL))
            each(user, name, (uint64_t)found.nFileSizeHigh << 32 | found.nFileSizeLow,
                 mtime_of(&found.ftLastWriteTime));
    } while (FindNextFileW(search, &found));
    FindClose(search);
}

bool daub_file_remove(const char *path)
{
    wchar_t wide[PATH_SIZE];
    return widen(path, wide) && DeleteFileW(wide);
}

void daub_file_touch(const char *path)
{
    wchar_t wide[PATH_SIZE];
    if (!widen(path, wide))
        return;
    const HANDLE file = CreateFileW(wide, FILE_WRITE_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                    NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return;
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    SetFileTime(file, NULL, NULL, &now);
    CloseHandle(file);
}

static bool attributes_of(const char *path, WIN32_FILE_ATTRIBUTE_DATA *out)
{
    wchar_t wide[PATH_SIZE];
    return widen(path, wide) && GetFileAttributesExW(wide, GetFileExInfoStandard, out);
}

bool daub_path_is_file(const char *path)
{
    WIN32_FILE_ATTRIBUTE_DATA info;
    return attributes_of(path, &info) && !(info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
}

bool daub_path_is_dir(const char *path)
{
    WIN32_FILE_ATTRIBUTE_DATA info;
    return attributes_of(path, &info) && (info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
}

bool daub_path_stat(const char *path, uint64_t *size, uint64_t *mtime_ns)
{
    WIN32_FILE_ATTRIBUTE_DATA info;
    if (!attributes_of(path, &info))
        return false;
    *size = (uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow;
    *mtime_ns = mtime_of(&info.ftLastWriteTime);
    return true;
}

char *daub_path_absolute(const struct daub_host *host, const char *path)
{
    wchar_t wide[PATH_SIZE], full[PATH_SIZE];
    char absolute[PATH_SIZE];
    const DWORD n = widen(path, wide) ? GetFullPathNameW(wide, PATH_SIZE, full, NULL) : 0;
    if (n == 0 || n >= PATH_SIZE || !WideCharToMultiByte(CP_UTF8, 0, full, -1, absolute, PATH_SIZE, NULL, NULL))
        return NULL;
    return daub_strdup(host, absolute);
}

daub_status daub_make_dirs(const char *path)
{
    wchar_t wide[PATH_SIZE];
    if (!widen(path, wide))
        return fail_code("make the folder", path, GetLastError());
    for (size_t i = 1;; i++) {
        const wchar_t c = wide[i];
        if (c != 0 && c != L'/' && c != L'\\')
            continue;
        // Drives, servers and shares cannot be made: only the whole path must be there at the end.
        wide[i] = 0;
        CreateDirectoryW(wide, NULL);
        wide[i] = c;
        if (c == 0)
            break;
    }
    return daub_path_is_dir(path) ? DAUB_OK : fail_code("make the folder", path, GetLastError());
}

char *daub_self_dir(const struct daub_host *host)
{
    static const char marker = 0; // any object that is certainly in this library or program
    HMODULE module;
    wchar_t wide[PATH_SIZE];
    char path[PATH_SIZE];
    if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                            (LPCWSTR)(const void *)&marker, &module))
        return NULL;
    const DWORD n = GetModuleFileNameW(module, wide, PATH_SIZE);
    if (n == 0 || n >= PATH_SIZE || !WideCharToMultiByte(CP_UTF8, 0, wide, -1, path, PATH_SIZE, NULL, NULL))
        return NULL;
    const char *const slash = strrchr(path, '\\');
    return slash ? daub_strndup(host, path, (size_t)(slash - path)) : NULL;
}

#endif

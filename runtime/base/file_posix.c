// file_posix.c - file.h over POSIX.
#include "runtime/base/file.h"
#include "runtime/base/file_private.h"

#if !defined(_WIN32)

#include "runtime/base/thread.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

enum { READ_FIRST = 64 << 10, TEMP_TRIES = 16 };

static daub_status fail_errno(const char *verb, const char *path, int error)
{
    return daub_fail(DAUB_ERROR_IO, "cannot %s %s: %s", verb, path, strerror(error));
}

static daub_status open_for_reading(const char *path, int *out, struct stat *info)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno("open", path, errno);
    if (fstat(fd, info) != 0) {
        const int error = errno;
        close(fd);
        return fail_errno("open", path, error);
    }
    if (S_ISDIR(info->st_mode)) {
        close(fd);
        return daub_fail(DAUB_ERROR_IO, "cannot open %s: it is a folder, wanted a file", path);
    }
    *out = fd;
    return DAUB_OK;
}

static uint64_t mtime_of(const struct stat *info)
{
#if defined(__APPLE__)
    const struct timespec changed = info->st_mtimespec;
#else
    const struct timespec changed = info->st_mtim;
#endif
    return (uint64_t)changed.tv_sec * 1000000000u + (uint64_t)changed.tv_nsec;
}

// A file that someone shortens while it is mapped ends this process with SIGBUS when the lost part is read: no check
// at opening can prevent that, and copying whole checkpoints instead would cost their size in memory.
daub_status daub_file_map_open(const struct daub_host *host, const char *path, struct daub_file_map **out)
{
    struct stat info;
    int fd;
    TRY(open_for_reading(path, &fd, &info));
    daub_status status = DAUB_OK;
    struct daub_file_map *map = NULL;
    if (!S_ISREG(info.st_mode)) {
        status = daub_fail(DAUB_ERROR_IO, "cannot open %s: it is not a regular file", path);
        goto fail;
    }
    if (info.st_size == 0) {
        status = daub_fail(DAUB_ERROR_IO, "cannot open %s: the file is empty", path);
        goto fail;
    }
    if ((uintmax_t)info.st_size > PTRDIFF_MAX) {
        status = daub_fail(DAUB_ERROR_IO, "cannot open %s: %jd bytes do not fit this machine's address space", path,
                           (intmax_t)info.st_size);
        goto fail;
    }
    map = daub_alloc(host, sizeof(*map));
    if (!map) {
        status = daub_no_memory("a file's mapping");
        goto fail;
    }
    const size_t size = (size_t)info.st_size;
    void *const data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        status = fail_errno("map", path, errno);
        goto fail;
    }
    *map = (struct daub_file_map) { .host = host, .data = data, .size = size, .mtime_ns = mtime_of(&info) };
    close(fd); // the mapping holds the file
    *out = map;
    return DAUB_OK;
fail:
    daub_free(host, map);
    close(fd);
    return status;
}

void daub_file_map_close(struct daub_file_map **map)
{
    if (!map || !*map)
        return;
    munmap((*map)->data, (*map)->size);
    daub_free((*map)->host, *map);
    *map = NULL;
}

void daub_file_map_release(const struct daub_file_map *map, size_t offset, size_t size)
{
    if (offset >= map->size)
        return;
    const size_t left = map->size - offset;
    const size_t end = offset + (size < left ? size : left);
    // Only pages that lie wholly inside, but the last one of the file goes with the file's end.
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t first = (offset + page - 1) / page * page;
    const size_t last = end == map->size ? end : end / page * page;
    if (first < last)
        madvise((char *)map->data + first, last - first, MADV_DONTNEED); // advice: a refusal costs memory only
}

// Reads to the end of fd or one byte past the limit, whatever fstat said: a pipe or a file in /proc has no size.
static daub_status read_all(const struct daub_host *host, const char *path, int fd, size_t limit, size_t capacity,
                            char **data, size_t *size)
{
    char *bytes = daub_alloc(host, capacity);
    size_t used = 0;
    daub_status status = DAUB_OK;
    for (;;) {
        if (!bytes) {
            status = daub_no_memory("a file's bytes");
            goto fail;
        }
        const ssize_t n = read(fd, bytes + used, capacity - used - 1); // a byte for the zero
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            status = fail_errno("read", path, errno);
            goto fail;
        }
        if (n == 0)
            break;
        used += (size_t)n;
        if (used > limit) {
            status = daub_fail(DAUB_ERROR_BAD_FILE, "%s is longer than %zu bytes, the most read of such a file", path,
                               limit);
            goto fail;
        }
        if (used + 1 == capacity) {
            const size_t wider = daub_mul_size(capacity, 2);
            char *const grown = daub_realloc(host, bytes, capacity, wider);
            if (!grown)
                daub_free(host, bytes);
            bytes = grown;
            capacity = wider;
        }
    }
    bytes[used] = 0;
    *data = bytes;
    *size = used;
    return DAUB_OK;
fail:
    daub_free(host, bytes);
    return status;
}

daub_status daub_file_read(const struct daub_host *host, const char *path, size_t limit, char **data, size_t *size)
{
    struct stat info;
    int fd;
    TRY(open_for_reading(path, &fd, &info));
    // One byte more than the size and the zero, so that a file read whole needs no growing to see its end.
    size_t capacity = READ_FIRST;
    if (S_ISREG(info.st_mode) && info.st_size > 0 && (uintmax_t)info.st_size <= limit && limit < SIZE_MAX - 2)
        capacity = (size_t)info.st_size + 2;
    const daub_status status = read_all(host, path, fd, limit, capacity, data, size);
    close(fd);
    return status;
}

static daub_status write_all(int fd, const char *path, const void *data, size_t size)
{
    const char *bytes = data;
    while (size > 0) {
        const ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno("write", path, errno);
        bytes += n;
        size -= (size_t)n;
    }
    return DAUB_OK;
}

// A device or a pipe (/dev/null, /dev/stdout) is written into: renaming over it would replace it.
static daub_status write_in_place(const char *path, const void *data, size_t size)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno("write", path, errno);
    const daub_status status = write_all(fd, path, data, size);
    if (close(fd) != 0 && status == DAUB_OK)
        return fail_errno("write", path, errno);
    return status;
}

// Makes a file that did not exist in the folder of `path`. Not mkstemp, whose files only their owner may read whatever
// the umask says. The name does not grow with the path's, which may be as long as names can be.
static int open_temp(const char *path, char *temp, size_t temp_size)
{
    const char *const slash = strrchr(path, '/');
    const int dir_size = slash ? (int)(slash - path) + 1 : 0;
    for (uint32_t i = 0; i < TEMP_TRIES; i++) {
        const int n = snprintf(temp, temp_size, "%.*s.daub-%ld-%" PRIx64 ".tmp", dir_size, path, (long)getpid(),
                               daub_now_ns() + i);
        if (n < 0 || (size_t)n >= temp_size) {
            errno = ENAMETOOLONG;
            return -1;
        }
        const int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

// Makes a rename durable. Some file systems cannot sync a folder; the file itself is safe then all the same.
static void sync_folder_of(const char *path)
{
    char dir[PATH_MAX];
    const char *const slash = strrchr(path, '/');
    const size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    if (n >= sizeof(dir))
        return;
    memcpy(dir, path, n);
    memcpy(dir + n, n > 0 ? "" : ".", n > 0 ? 1 : 2);
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

// `path` is the name in sentences, `target` where it leads once links are followed.
static daub_status replace(const char *path, const char *target, const mode_t *mode, const void *data, size_t size)
{
    char temp[PATH_MAX];
    const int fd = open_temp(target, temp, sizeof(temp));
    if (fd < 0)
        return fail_errno("write", path, errno);
    daub_status status = write_all(fd, path, data, size);
    if (status == DAUB_OK && mode && fchmod(fd, *mode & 0777) != 0)
        status = fail_errno("write", path, errno);
    // EINVAL: a file system without sync.
    if (status == DAUB_OK && fsync(fd) != 0 && errno != EINVAL)
        status = fail_errno("write", path, errno);
    if (close(fd) != 0 && status == DAUB_OK)
        status = fail_errno("write", path, errno);
    if (status == DAUB_OK && rename(temp, target) != 0)
        status = fail_errno("write", path, errno);
    if (status != DAUB_OK) {
        unlink(temp);
        return status;
    }
    sync_folder_of(target);
    return DAUB_OK;
}

daub_status daub_file_write(const struct daub_host *host, const char *path, const void *data, size_t size)
{
    (void)host; // nothing is allocated here; other systems do
    struct stat info;
    if (stat(path, &info) != 0)
        return replace(path, path, NULL, data, size);
    if (S_ISDIR(info.st_mode))
        return daub_fail(DAUB_ERROR_IO, "cannot write %s: it is a folder", path);
    if (!S_ISREG(info.st_mode))
        return write_in_place(path, data, size);
    // A link stays a link: the file it leads to is replaced. A file that may not be written is not replaced either.
    char target[PATH_MAX];
    if (!realpath(path, target) || access(target, W_OK) != 0)
        return fail_errno("write", path, errno);
    return replace(path, target, &info.st_mode, data, size);
}

struct daub_file_writer {
    const struct daub_host *host;
    int fd;
    char path[PATH_MAX], temp[PATH_MAX];
};

daub_status daub_file_writer_open(const struct daub_host *host, const char *path, struct daub_file_writer **out)
{
    struct daub_file_writer *const writer = daub_alloc(host, sizeof(*writer));
    if (!writer)
        return daub_no_memory("a file that is written");
    writer->host = host;
    const int n = snprintf(writer->path, sizeof(writer->path), "%s", path);
    writer->fd = n > 0 && (size_t)n < sizeof(writer->path) ? open_temp(path, writer->temp, sizeof(writer->temp)) : -1;
    if (writer->fd < 0) {
        const daub_status status = fail_errno("write", path, n > 0 && n < PATH_MAX ? errno : ENAMETOOLONG);
        daub_free(host, writer);
        return status;
    }
    *out = writer;
    return DAUB_OK;
}

daub_status daub_file_writer_add(struct daub_file_writer *writer, const void *data, size_t size)
{
    return write_all(writer->fd, writer->path, data, size);
}

daub_status daub_file_writer_close(struct daub_file_writer **writer, bool keep)
{
    struct daub_file_writer *const w = *writer;
    if (!w)
        return DAUB_OK;
    daub_status status = DAUB_OK;
    if (close(w->fd) != 0 && keep)
        status = fail_errno("write", w->path, errno);
    if (keep && status == DAUB_OK && rename(w->temp, w->path) != 0)
        status = fail_errno("write", w->path, errno);
    if (!keep || status != DAUB_OK)
        unlink(w->temp);
    daub_free(w->host, w);
    *writer = NULL;
    return status;
}

void daub_dir_list(const char *path, void (*each)(void *user, const char *name, uint64_t size, uint64_t mtime_ns),
                   void *user)
{
    DIR *const dir = opendir(path);
    if (!dir)
        return;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        struct stat info;
        if (fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode))
            each(user, entry->d_name, (uint64_t)info.st_size, mtime_of(&info));
    }
    closedir(dir);
}

bool daub_file_remove(const char *path)
{
    return unlink(path) == 0;
}

void daub_file_touch(const char *path)
{
    (void)utimensat(AT_FDCWD, path, NULL, 0);
}

bool daub_path_is_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool daub_path_is_dir(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool daub_path_stat(const char *path, uint64_t *size, uint64_t *mtime_ns)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return false;
    *size = (uint64_t)info.st_size;
    *mtime_ns = mtime_of(&info);
    return true;
}

char *daub_path_absolute(const struct daub_host *host, const char *path)
{
    char absolute[PATH_MAX];
    return realpath(path, absolute) ? daub_strdup(host, absolute) : NULL;
}

daub_status daub_make_dirs(const char *path)
{
    char part[PATH_MAX];
    const size_t n = strlen(path);
    if (n == 0 || n >= sizeof(part))
        return fail_errno("make the folder", path, n == 0 ? ENOENT : ENAMETOOLONG);
    memcpy(part, path, n + 1);
    // From 1 on: a slash in front is the root, which exists. mkdir of what exists fails, also where it may not write.
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != 0)
            continue;
        part[i] = 0;
        if (mkdir(part, 0777) != 0) {
            const int error = errno;
            if (!daub_path_is_dir(part))
                return fail_errno("make the folder", part, error == EEXIST ? ENOTDIR : error);
        }
        if (i < n)
            part[i] = '/';
    }
    return DAUB_OK;
}

// dladdr names the main program by argv[0], which is no path when the shell found the program.
static bool in_main_program(const void *base)
{
#if defined(__linux__)
    const void *const headers = (const void *)(uintptr_t)getauxval(AT_PHDR);
    Dl_info program;
    return headers && dladdr(headers, &program) && program.dli_fbase == base;
#else
    (void)base;
    return false;
#endif
}

char *daub_self_dir(const struct daub_host *host)
{
    static const char marker = 0; // any object that is certainly in this library or program
    char path[PATH_MAX];
    Dl_info info;
    if (!dladdr(&marker, &info))
        return NULL;
    const char *const name = in_main_program(info.dli_fbase) ? "/proc/self/exe" : info.dli_fname;
    if (!name || !realpath(name, path))
        return NULL;
    const char *const slash = strrchr(path, '/');
    if (!slash)
        return NULL;
    return daub_strndup(host, path, slash > path ? (size_t)(slash - path) : 1);
}

#endif

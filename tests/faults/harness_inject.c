// harness_inject.c - the wrappers of the C library's calls, and the counting.
#include "harness_inject.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static _Atomic int armed;
static _Atomic uint64_t wanted, counted;
static _Atomic(const char *) fired;
static atomic_bool lasting, lost, skips;
static _Atomic int64_t held[INJECT_HELD];

// ---- counting --------------------------------------------------------------------------------------------------------

void inject_arm(enum inject_kind kind, uint64_t nth, bool lasts)
{
    atomic_store(&fired, NULL);
    atomic_store(&counted, 0);
    atomic_store(&wanted, nth);
    atomic_store(&lasting, lasts);
    atomic_store(&lost, false);
    atomic_store(&armed, (int)kind);
}

void inject_mend(void)
{
    atomic_store(&lasting, false);
}

uint64_t inject_disarm(void)
{
    atomic_store(&armed, INJECT_NONE);
    atomic_store(&lost, false);
    return atomic_load(&counted);
}

const char *inject_fired(void)
{
    return atomic_load(&fired);
}

bool inject_fails(enum inject_kind kind, const char *name)
{
    if (atomic_load(&armed) != (int)kind)
        return false;
    const uint64_t n = atomic_fetch_add(&counted, 1) + 1, first = atomic_load(&wanted);
    if (n != first && !(n > first && first > 0 && atomic_load(&lasting)))
        return false;
    const char *none = NULL;
    (void)atomic_compare_exchange_strong(&fired, &none, name);
    atomic_store(&lost, kind == INJECT_SUBMIT || kind == INJECT_WAIT);
    return true;
}

bool inject_lost(void)
{
    return atomic_load(&lost);
}

void inject_skip_dispatches(bool skip)
{
    atomic_store(&skips, skip);
}

bool inject_skips(void)
{
    return atomic_load(&skips);
}

void inject_count(int what, int by)
{
    atomic_fetch_add(&held[what], by);
}

void inject_held(struct inject_held *out)
{
    for (int i = 0; i < INJECT_HELD; i++)
        out->n[i] = atomic_load(&held[i]);
}

bool inject_leaks(const struct inject_held *before)
{
    static const char *const names[] = { "allocations", "open files", "maps of files", "open folders", "threads" };
    bool any = false;
    for (int i = 0; i < INJECT_HELD; i++) {
        const int64_t more = atomic_load(&held[i]) - before->n[i];
        if (more != 0)
            fprintf(stderr, "%lld more %s\n", (long long)more, i < HELD_VULKAN ? names[i] : inject_vulkan_name(i));
        any = any || more != 0;
    }
    return any;
}

// ---- memory and threads ----------------------------------------------------------------------------------------------

#define WRAP(result, name, ...)        \
    result __real_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__); \
    result __wrap_##name(__VA_ARGS__)

WRAP(void *, malloc, size_t size)
{
    void *p = inject_fails(INJECT_ALLOC, "malloc") ? NULL : __real_malloc(size);
    inject_count(HELD_MEMORY, p != NULL);
    return p;
}

WRAP(void *, calloc, size_t n, size_t size)
{
    void *p = inject_fails(INJECT_ALLOC, "calloc") ? NULL : __real_calloc(n, size);
    inject_count(HELD_MEMORY, p != NULL);
    return p;
}

WRAP(void *, realloc, void *old, size_t size)
{
    void *p = inject_fails(INJECT_ALLOC, "realloc") ? NULL : __real_realloc(old, size);
    inject_count(HELD_MEMORY, p != NULL && old == NULL);
    return p;
}

WRAP(void, free, void *p)
{
    inject_count(HELD_MEMORY, p ? -1 : 0);
    __real_free(p);
}

static void *json_malloc(size_t size)
{
    void *p = inject_fails(INJECT_ALLOC, "cJSON's malloc") ? NULL : __real_malloc(size);
    inject_count(HELD_MEMORY, p != NULL);
    return p;
}

WRAP(int, pthread_create, pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    const int error = inject_fails(INJECT_ALLOC, "pthread_create") ? EAGAIN
                                                                   : __real_pthread_create(thread, attr, run, arg);
    inject_count(HELD_THREADS, error == 0);
    return error;
}

WRAP(int, pthread_join, pthread_t thread, void **result)
{
    inject_count(HELD_THREADS, -1);
    return __real_pthread_join(thread, result);
}

WRAP(int, pthread_mutex_init, pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
    return inject_fails(INJECT_ALLOC, "pthread_mutex_init") ? ENOMEM : __real_pthread_mutex_init(mutex, attr);
}

WRAP(int, pthread_cond_init, pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    return inject_fails(INJECT_ALLOC, "pthread_cond_init") ? ENOMEM : __real_pthread_cond_init(cond, attr);
}

// ---- files -----------------------------------------------------------------------------------------------------------

static bool file_fails(const char *name, int error)
{
    if (!inject_fails(INJECT_FILE, name))
        return false;
    errno = error;
    return true;
}

WRAP(int, open64, const char *path, int flags, mode_t mode)
{
    const int fd = file_fails("open", EACCES) ? -1 : __real_open64(path, flags, mode);
    inject_count(HELD_FILES, fd >= 0);
    return fd;
}

WRAP(int, close, int fd)
{
    const int result = __real_close(fd);
    inject_count(HELD_FILES, -1);
    return file_fails("close", EIO) ? -1 : result; // closed all the same
}

WRAP(ssize_t, read, int fd, void *data, size_t size)
{
    return file_fails("read", EIO) ? -1 : __real_read(fd, data, size);
}

WRAP(ssize_t, write, int fd, const void *data, size_t size)
{
    return file_fails("write", ENOSPC) ? -1 : __real_write(fd, data, size);
}

WRAP(int, fstat64, int fd, void *info)
{
    return file_fails("fstat", EIO) ? -1 : __real_fstat64(fd, info);
}

WRAP(int, stat64, const char *path, void *info)
{
    return file_fails("stat", EACCES) ? -1 : __real_stat64(path, info);
}

WRAP(int, fstatat64, int fd, const char *path, void *info, int flags)
{
    return file_fails("fstatat", EACCES) ? -1 : __real_fstatat64(fd, path, info, flags);
}

WRAP(void *, mmap64, void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    const bool fails = file_fails("mmap", ENOMEM);
    inject_count(HELD_MAPS, !fails);
    return fails ? (void *)(intptr_t)-1 : __real_mmap64(at, size, protection, flags, fd, offset);
}

WRAP(int, munmap, void *at, size_t size)
{
    inject_count(HELD_MAPS, -1);
    return __real_munmap(at, size);
}

WRAP(int, madvise, void *at, size_t size, int advice)
{
    return file_fails("madvise", EINVAL) ? -1 : __real_madvise(at, size, advice);
}

WRAP(int, fchmod, int fd, mode_t mode)
{
    return file_fails("fchmod", EPERM) ? -1 : __real_fchmod(fd, mode);
}

WRAP(int, fsync, int fd)
{
    return file_fails("fsync", EIO) ? -1 : __real_fsync(fd);
}

WRAP(int, rename, const char *from, const char *to)
{
    return file_fails("rename", EACCES) ? -1 : __real_rename(from, to);
}

WRAP(int, unlink, const char *path)
{
    return file_fails("unlink", EACCES) ? -1 : __real_unlink(path);
}

WRAP(char *, realpath, const char *path, char *out)
{
    return file_fails("realpath", EACCES) ? NULL : __real_realpath(path, out);
}

WRAP(int, access, const char *path, int mode)
{
    return file_fails("access", EACCES) ? -1 : __real_access(path, mode);
}

WRAP(int, mkdir, const char *path, mode_t mode)
{
    return file_fails("mkdir", EACCES) ? -1 : __real_mkdir(path, mode);
}

WRAP(int, utimensat, int fd, const char *path, const void *times, int flags)
{
    return file_fails("utimensat", EACCES) ? -1 : __real_utimensat(fd, path, times, flags);
}

WRAP(void *, opendir, const char *path)
{
    void *dir = file_fails("opendir", EACCES) ? NULL : __real_opendir(path);
    inject_count(HELD_FOLDERS, dir != NULL);
    return dir;
}

WRAP(void *, readdir64, void *dir)
{
    return file_fails("readdir", EIO) ? NULL : __real_readdir64(dir);
}

WRAP(int, closedir, void *dir)
{
    inject_count(HELD_FOLDERS, -1);
    return __real_closedir(dir);
}

// ---- Vulkan ----------------------------------------------------------------------------------------------------------

WRAP(void *, dlsym, void *library, const char *name)
{
    void *found = __real_dlsym(library, name);
    return found && strcmp(name, "vkGetInstanceProcAddr") == 0 ? inject_vulkan_get(found) : found;
}

void inject_begin(void)
{
    cJSON_Hooks hooks = { .malloc_fn = json_malloc, .free_fn = __wrap_free };
    cJSON_InitHooks(&hooks);
}

// blob.c - one way to read files of the machine, of a host's file system, and single sources.
#include "runtime/base/blob.h"
#include "runtime/base/file.h"
#include "runtime/base/thread.h"

#include <string.h>

struct daub_fs {
    const struct daub_host *host;
    daub_files files;
    daub_mutex mutex; // held round every callback
};

struct daub_blob {
    const struct daub_host *host;
    char *name;
    uint64_t size;
    const uint8_t *data;       // NULL: read
    struct daub_file_map *map; // what data lies in, of a file
    const struct daub_fs *fs;  // reads, unless own is set
    daub_source own;           // read NULL: fs
    daub_mutex mutex;          // held round own.read
    bool has_mutex;
};

// ---- file systems ----------------------------------------------------------------------------------------------------

daub_status daub_fs_create(const struct daub_host *host, const daub_files *files, struct daub_fs **out)
{
    if (!files->stat || !files->read)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_files.%s is NULL", files->stat ? "read" : "stat");
    struct daub_fs *fs = daub_alloc(host, sizeof(*fs));
    if (!fs)
        return daub_no_memory("a file system");
    const daub_status status = daub_mutex_init(&fs->mutex);
    if (status != DAUB_OK) {
        daub_free(host, fs);
        return status;
    }
    fs->host = host;
    fs->files = *files;
    *out = fs;
    return DAUB_OK;
}

void daub_fs_destroy(struct daub_fs **fs)
{
    if (!*fs)
        return;
    daub_mutex_destroy(&(*fs)->mutex);
    daub_free((*fs)->host, *fs);
    *fs = NULL;
}

// The callers' const is about the file system; its lock changes all the same.
static daub_mutex *lock_of(const struct daub_fs *fs)
{
    return &((struct daub_fs *)(uintptr_t)fs)->mutex;
}

static bool fs_stat(const struct daub_fs *fs, const char *path, uint64_t *size)
{
    daub_mutex_lock(lock_of(fs));
    const bool is = fs->files.stat(fs->files.user, path, size);
    daub_mutex_unlock(lock_of(fs));
    return is;
}

bool daub_fs_is_file(const struct daub_fs *fs, const char *path)
{
    uint64_t size = 0;
    return fs ? fs_stat(fs, path, &size) : daub_path_is_file(path);
}

daub_status daub_fs_read(const struct daub_host *host, const struct daub_fs *fs, const char *path, size_t limit,
                         char **data, size_t *size)
{
    if (!fs)
        return daub_file_read(host, path, limit, data, size);
    struct daub_blob *blob = NULL;
    TRY(daub_blob_open(host, fs, path, &blob));
    daub_status status = DAUB_OK;
    char *bytes = NULL;
    if (blob->size > limit)
        status = daub_fail(DAUB_ERROR_BAD_FILE, "%s is longer than %zu bytes, the most read of such a file", path,
                           limit);
    else if (!(bytes = daub_alloc(host, (size_t)blob->size + 1)))
        status = daub_no_memory("a file's bytes");
    if (status == DAUB_OK)
        status = daub_blob_read(blob, 0, bytes, (size_t)blob->size);
    if (status == DAUB_OK) {
        *data = bytes;
        *size = (size_t)blob->size;
    } else {
        daub_free(host, bytes);
    }
    daub_blob_close(&blob);
    return status;
}

// ---- blobs -----------------------------------------------------------------------------------------------------------

static daub_status make(const struct daub_host *host, const char *name, struct daub_blob **out)
{
    struct daub_blob *blob = daub_alloc(host, sizeof(*blob));
    if (!blob)
        return daub_no_memory("a file");
    blob->host = host;
    blob->name = daub_strdup(host, name);
    if (!blob->name) {
        daub_free(host, blob);
        return daub_no_memory("a file's name");
    }
    *out = blob;
    return DAUB_OK;
}

static daub_status open_in(const struct daub_fs *fs, struct daub_blob *blob)
{
    blob->fs = fs;
    if (!fs_stat(fs, blob->name, &blob->size))
        return daub_fail(DAUB_ERROR_IO, "cannot open %s: the host has no such file", blob->name);
    if (blob->size > PTRDIFF_MAX)
        return daub_fail(DAUB_ERROR_IO, "cannot open %s: the host gives its size as %llu bytes", blob->name,
                         (unsigned long long)blob->size);
    if (fs->files.map) {
        daub_mutex_lock(lock_of(fs));
        blob->data = fs->files.map(fs->files.user, blob->name);
        daub_mutex_unlock(lock_of(fs));
    }
    return DAUB_OK;
}

daub_status daub_blob_open(const struct daub_host *host, const struct daub_fs *fs, const char *path,
                           struct daub_blob **out)
{
    struct daub_blob *blob;
    daub_status status;
    TRY(make(host, path, &blob));
    if (fs) {
        TRY_OR_FAIL(open_in(fs, blob));
    } else {
        TRY_OR_FAIL(daub_file_map_open(host, path, &blob->map));
        blob->data = daub_file_map_data(blob->map);
        blob->size = daub_file_map_size(blob->map);
    }
    *out = blob;
    return DAUB_OK;

fail:
    daub_blob_close(&blob);
    return status;
}

daub_status daub_blob_open_memory(const struct daub_host *host, const char *name, const void *data, size_t size,
                                  struct daub_blob **out)
{
    TRY(make(host, name, out));
    (*out)->data = data;
    (*out)->size = size;
    return DAUB_OK;
}

daub_status daub_blob_open_source(const struct daub_host *host, const char *what, const daub_source *source,
                                  struct daub_blob **out)
{
    if ((source->path != NULL) + (source->data != NULL) + (source->read != NULL) != 1)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: exactly one of path, data and read of a daub_source is wanted",
                         what);
    if (source->path)
        return daub_blob_open(host, NULL, source->path, out);
    if (source->size == 0 || source->size > PTRDIFF_MAX)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: the size of a daub_source is %llu bytes", what,
                         (unsigned long long)source->size);
    const char *name = source->name ? source->name : "memory";
    if (source->data)
        return daub_blob_open_memory(host, name, source->data, (size_t)source->size, out);
    struct daub_blob *blob;
    daub_status status;
    TRY(make(host, name, &blob));
    TRY_OR_FAIL(daub_mutex_init(&blob->mutex));
    blob->has_mutex = true;
    blob->own = *source;
    blob->size = source->size;
    *out = blob;
    return DAUB_OK;

fail:
    daub_blob_close(&blob);
    return status;
}

void daub_blob_close(struct daub_blob **blob)
{
    struct daub_blob *b = *blob;
    if (!b)
        return;
    daub_file_map_close(&b->map);
    if (b->has_mutex)
        daub_mutex_destroy(&b->mutex);
    daub_free(b->host, b->name);
    daub_free(b->host, b);
    *blob = NULL;
}

const char *daub_blob_name(const struct daub_blob *blob)
{
    return blob->name;
}

uint64_t daub_blob_size(const struct daub_blob *blob)
{
    return blob->size;
}

const uint8_t *daub_blob_data(const struct daub_blob *blob)
{
    return blob->data;
}

bool daub_blob_is_file(const struct daub_blob *blob)
{
    return blob->map != NULL;
}

uint64_t daub_blob_mtime(const struct daub_blob *blob)
{
    return blob->map ? daub_file_map_mtime(blob->map) : 0;
}

static bool read_by_callback(const struct daub_blob *blob, uint64_t offset, void *dst, size_t size)
{
    daub_mutex *mutex = blob->own.read ? &((struct daub_blob *)(uintptr_t)blob)->mutex : lock_of(blob->fs);
    daub_mutex_lock(mutex);
    const bool ok = blob->own.read ? blob->own.read(blob->own.user, offset, dst, size)
                                   : blob->fs->files.read(blob->fs->files.user, blob->name, offset, dst, size);
    daub_mutex_unlock(mutex);
    return ok;
}

daub_status daub_blob_read(const struct daub_blob *blob, uint64_t offset, void *dst, size_t size)
{
    if (offset > blob->size || size > blob->size - offset)
        return daub_fail(DAUB_ERROR_IO, "cannot read %s: %zu bytes at %llu are not within its %llu", blob->name, size,
                         (unsigned long long)offset, (unsigned long long)blob->size);
    if (blob->data)
        memcpy(dst, blob->data + offset, size);
    else if (size > 0 && !read_by_callback(blob, offset, dst, size))
        return daub_fail(DAUB_ERROR_IO, "cannot read %s: the host's callback gave none of %zu bytes at %llu",
                         blob->name, size, (unsigned long long)offset);
    return DAUB_OK;
}

void daub_blob_release(const struct daub_blob *blob, uint64_t offset, uint64_t size)
{
    if (blob->map)
        daub_file_map_release(blob->map, (size_t)offset, (size_t)size);
}

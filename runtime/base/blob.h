// blob.h - bytes that are read in places: a mapped file, memory, or whatever a host's callbacks read.
#ifndef DAUB_BASE_BLOB_H
#define DAUB_BASE_BLOB_H
#include "runtime/base/host.h"

#include <stdbool.h>

// A host's file system; NULL stands for the machine's own. Thread safe: its callbacks are called one at a time.
struct daub_fs;
// Errors: INVALID_ARG (a callback is missing), NO_HOST_MEMORY.
daub_status daub_fs_create(const struct daub_host *host, const daub_files *files, struct daub_fs **out);
void daub_fs_destroy(struct daub_fs **fs);
bool daub_fs_is_file(const struct daub_fs *fs, const char *path);
// As daub_file_read: the whole file plus a zero byte, at most `limit` bytes.
daub_status daub_fs_read(const struct daub_host *host, const struct daub_fs *fs, const char *path, size_t limit,
                         char **data, size_t *size);

struct daub_blob;
// Errors: IO ("cannot open X: ..."). A file system outlives the blobs that it opened.
daub_status daub_blob_open(const struct daub_host *host, const struct daub_fs *fs, const char *path,
                           struct daub_blob **out);
// `what` is the params field, for the sentence. Errors: INVALID_ARG (not exactly one of path, data and read), IO.
daub_status daub_blob_open_source(const struct daub_host *host, const char *what, const daub_source *source,
                                  struct daub_blob **out);
// Bytes that outlive the blob.
daub_status daub_blob_open_memory(const struct daub_host *host, const char *name, const void *data, size_t size,
                                  struct daub_blob **out);
void daub_blob_close(struct daub_blob **blob);

const char *daub_blob_name(const struct daub_blob *blob); // a path, or what its source is called
uint64_t daub_blob_size(const struct daub_blob *blob);
const uint8_t *daub_blob_data(const struct daub_blob *blob); // NULL: only daub_blob_read has them
bool daub_blob_is_file(const struct daub_blob *blob);        // a mapped one, with a time of its own
uint64_t daub_blob_mtime(const struct daub_blob *blob);      // see file.h; 0 for others
// Copies bytes that lie within the size. Errors: IO, where a callback fails. Thread safe.
daub_status daub_blob_read(const struct daub_blob *blob, uint64_t offset, void *dst, size_t size);
// Advice that they are not needed again, see file.h.
void daub_blob_release(const struct daub_blob *blob, uint64_t offset, uint64_t size);

#endif

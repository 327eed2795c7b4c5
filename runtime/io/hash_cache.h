// hash_cache.h - the SHA-256 of model files that were hashed before, as the text of a file: a line is "hash size mtime path".
#ifndef DAUB_IO_HASH_CACHE_H
#define DAUB_IO_HASH_CACHE_H
#include "runtime/base/host.h"

#include <stdbool.h>

// The hash in 64 lower-case hexadecimal digits. false: the text does not know the file, or as another size or time.
bool daub_hash_cache_find(const char *text, const char *path, uint64_t size, uint64_t mtime, char hex[65]);
// The text with one more line at its end, of the older ones only the last 64 KiB. daub_free'd by the caller; NULL: no memory, or a path
// that does not fit in a line.
char *daub_hash_cache_add(const struct daub_host *host, const char *text, const char *path, uint64_t size,
                          uint64_t mtime, const char hex[65]);
// The next file at or behind the line `at` whose hash begins with these digits: its path in `path`, and where to go on; NULL: no more.
const char *daub_hash_cache_next(const char *at, const char *digits, char *path, size_t capacity, uint64_t *size,
                                 uint64_t *mtime);

#endif

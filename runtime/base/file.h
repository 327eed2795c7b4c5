// file.h - files by UTF-8 path: map, read whole, replace atomically, folders the user owns.
#ifndef DAUB_BASE_FILE_H
#define DAUB_BASE_FILE_H
#include "runtime/base/host.h"

#include <stdbool.h>

struct daub_file_map; // a read-only view of a whole file
// Errors: IO ("cannot open X: No such file or directory"; a folder or an empty file is named as such).
daub_status daub_file_map_open(const struct daub_host *host, const char *path, struct daub_file_map **out);
void daub_file_map_close(struct daub_file_map **map);
const void *daub_file_map_data(const struct daub_file_map *map);
size_t daub_file_map_size(const struct daub_file_map *map);
uint64_t daub_file_map_mtime(const struct daub_file_map *map); // nanoseconds, when it was mapped
// Advice that [offset, offset+size) is not needed again: the pages are dropped where the system can.
void daub_file_map_release(const struct daub_file_map *map, size_t offset, size_t size);

// The whole file plus a terminating zero byte (not counted in *size). At most `limit` bytes, else BAD_FILE.
daub_status daub_file_read(const struct daub_host *host, const char *path, size_t limit, char **data, size_t *size);
// Writes a temporary file beside `path`, syncs, renames: a reader sees the old bytes or the new, never half.
daub_status daub_file_write(const struct daub_host *host, const char *path, const void *data, size_t size);

// A file written piece by piece under a temporary name beside `path` (".daub-*.tmp") and renamed when it is whole. Not
// synced: after a power cut the bytes may be missing, so what is written this way carries its own checksums.
struct daub_file_writer;
daub_status daub_file_writer_open(const struct daub_host *host, const char *path, struct daub_file_writer **out);
daub_status daub_file_writer_add(struct daub_file_writer *writer, const void *data, size_t size);
// Closes and frees in any case; `keep` false, or a failure, leaves no file.
daub_status daub_file_writer_close(struct daub_file_writer **writer, bool keep);

// Calls back with the name, size and modification time of every regular file in a folder; nothing when it cannot be listed.
void daub_dir_list(const char *path, void (*each)(void *user, const char *name, uint64_t size, uint64_t mtime_ns),
                   void *user);
bool daub_file_remove(const char *path);
void daub_file_touch(const char *path); // sets the modification time to now, where that is allowed

bool daub_path_is_file(const char *path);
bool daub_path_is_dir(const char *path);
// size in bytes and modification time in nanoseconds; false when there is no such file
bool daub_path_stat(const char *path, uint64_t *size, uint64_t *mtime_ns);
char *daub_path_absolute(const struct daub_host *host,
                         const char *path); // links followed; NULL when there is no such file
char *daub_path_join(const struct daub_host *host, const char *dir, const char *name);
// The same into `out`, without memory of its own; false: it has no room for that.
bool daub_path_put(char *out, size_t size, const char *dir, const char *name);
daub_status daub_make_dirs(const char *path);
// $XDG_CACHE_HOME/daub or ~/.cache/daub (LOCALAPPDATA on Windows); NULL when none can be named.
char *daub_cache_dir(const struct daub_host *host);
// Folder of the library or program that holds this code, to find data installed beside it; NULL if unknown.
char *daub_self_dir(const struct daub_host *host);

#endif

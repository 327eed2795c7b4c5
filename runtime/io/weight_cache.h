// weight_cache.h - packed weights on disk, so that the next start copies them instead of packing: a file a component, in a folder
// that is kept below a limit.
//
// A file is served only for the very checkpoint it was made from (path, sizes, times and headers of its files), for this version
// of the packing, and while its index and the weight asked for have their checksums. Anything else is a miss, told to the log and
// mended by the next daub_weight_cache_write; nothing here makes a model fail to load but want of memory.
#ifndef DAUB_IO_WEIGHT_CACHE_H
#define DAUB_IO_WEIGHT_CACHE_H
#include "runtime/io/checkpoint.h"

enum { DAUB_WEIGHT_CACHE_GB = 16 }; // bytes of all files in a folder when the caller names no limit: some seven SD1.5

struct daub_weight_cache;

// limit: bytes of all files in `dir`, 0 for the above. Errors: NO_HOST_MEMORY.
daub_status daub_weight_cache_open(const struct daub_host *host, const char *dir, uint64_t limit,
                                   const struct daub_checkpoint *ckpt, enum daub_component c,
                                   struct daub_weight_cache **out);
void daub_weight_cache_close(struct daub_weight_cache **cache);

// The packed weight into `out` (`size` bytes, as daub_pack_size says). false: it is not there, or damaged.
bool daub_weight_cache_read(const struct daub_weight_cache *cache, const char *name, const struct daub_pack *pack,
                            void *out, uint64_t size);

// The checksum of a weight and of the index, for who checks or makes files.
uint64_t daub_weight_cache_sum(const void *data, uint64_t size);

struct daub_cached_weight {
    const char *name;
    const struct daub_pack *pack;
    uint64_t size;
};

// Replaces the file by one of these weights, and of those in the old file that are not among them. `bytes` lends weight i until it is
// asked for the next one; NULL ends the writing, the old file stays. Files of other checkpoints are removed, oldest use
// first, to stay below the limit. What fails is logged.
void daub_weight_cache_write(struct daub_weight_cache *cache, const struct daub_cached_weight *weights, uint32_t n,
                             const void *(*bytes)(void *user, uint32_t i), void *user);

#endif

// host.h - what a host program lends an object: an allocator and a log. No global state: every object that
// allocates or logs carries a pointer to one of these.
#ifndef DAUB_BASE_HOST_H
#define DAUB_BASE_HOST_H
#include "runtime/base/status.h"

#include <stddef.h>
#include <stdint.h>

struct daub_host {
    daub_allocator allocator; // all NULL: malloc and free
    daub_log_fn log;          // NULL: silence
    void *log_user;
    daub_log_level log_level; // messages above it are not formatted
};

// Zeroed memory, aligned for any type; NULL when there is none. `host` may be NULL: malloc.
void *daub_alloc(const struct daub_host *host, size_t size);
// count * size with the product checked: NULL on overflow.
void *daub_alloc_array(const struct daub_host *host, size_t count, size_t size);
// Grows or shrinks; keeps min(old_size, new_size) bytes, zeroes the rest. NULL leaves the old block valid.
void *daub_realloc(const struct daub_host *host, void *ptr, size_t old_size, size_t new_size);
void daub_free(const struct daub_host *host, void *ptr);           // NULL is fine
char *daub_strdup(const struct daub_host *host, const char *text); // NULL text gives NULL
char *daub_strndup(const struct daub_host *host, const char *text, size_t n);
char *daub_asprintf(const struct daub_host *host, const char *fmt, ...) DAUB_PRINTF(2, 3); // NULL: no memory

// a * b, or SIZE_MAX where that overflows (no allocator grants SIZE_MAX).
size_t daub_mul_size(size_t a, size_t b);

// The status for an allocation that failed: NO_HOST_MEMORY, "no host memory for %s".
daub_status daub_no_memory(const char *what);

void daub_log(const struct daub_host *host, daub_log_level level, const char *fmt, ...) DAUB_PRINTF(3, 4);

// A region that only grows and is freed at once: graph nodes, parsed configs, recorded programs.
struct daub_arena;
struct daub_arena *daub_arena_create(const struct daub_host *host);
void daub_arena_destroy(struct daub_arena **arena);
void *daub_arena_alloc(struct daub_arena *arena, size_t size); // zeroed, 16-byte aligned; NULL: no memory
char *daub_arena_strdup(struct daub_arena *arena, const char *text);
char *daub_arena_printf(struct daub_arena *arena, const char *fmt, ...) DAUB_PRINTF(2, 3);

#endif

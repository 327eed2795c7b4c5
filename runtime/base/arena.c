// arena.c - memory that only grows and is freed at once: a list of chunks, the newest first.
#include "runtime/base/host.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

// A graph of a big network takes a few hundred KiB: a few chunks, without a small one's waste.
enum { ALIGN = 16, CHUNK_MIN = 16 << 10, CHUNK_MAX = 1 << 20 };

struct chunk {
    struct chunk *older;
    size_t size; // bytes that can be handed out behind the header
    size_t used; // a multiple of ALIGN
    char *data;  // aligned, within this allocation
};

struct daub_arena {
    const struct daub_host *host;
    struct chunk *newest;
    size_t next_size; // of the next ordinary chunk
};

struct daub_arena *daub_arena_create(const struct daub_host *host)
{
    struct daub_arena *const arena = daub_alloc(host, sizeof(*arena));
    if (!arena)
        return NULL;
    *arena = (struct daub_arena) { .host = host, .next_size = CHUNK_MIN };
    return arena;
}

void daub_arena_destroy(struct daub_arena **arena)
{
    if (!arena || !*arena)
        return;
    const struct daub_host *const host = (*arena)->host;
    struct chunk *chunk = (*arena)->newest;
    while (chunk) {
        struct chunk *const older = chunk->older;
        daub_free(host, chunk);
        chunk = older;
    }
    daub_free(host, *arena);
    *arena = NULL;
}

static struct chunk *add_chunk(struct daub_arena *arena, size_t size)
{
    // ALIGN - 1 more, because a host's "aligned for any type" may be less than 16 on a 32-bit machine.
    const size_t extra = sizeof(struct chunk) + ALIGN - 1;
    if (size > SIZE_MAX - extra)
        return NULL;
    struct chunk *const chunk = daub_alloc(arena->host, extra + size);
    if (!chunk)
        return NULL;
    const uintptr_t behind = (uintptr_t)(chunk + 1);
    chunk->data = (char *)(chunk + 1) + ((ALIGN - behind % ALIGN) % ALIGN);
    chunk->size = size;
    return chunk;
}

void *daub_arena_alloc(struct daub_arena *arena, size_t size)
{
    assert(arena);
    if (size > SIZE_MAX - (ALIGN - 1))
        return NULL;
    // At least ALIGN, so that two allocations of size 0 differ.
    const size_t granted = size > 0 ? (size + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
    struct chunk *chunk = arena->newest;
    if (!chunk || chunk->size - chunk->used < granted) {
        const bool own = granted > arena->next_size / 4;
        chunk = add_chunk(arena, own ? granted : arena->next_size);
        if (!chunk)
            return NULL;
        if (own && arena->newest) {
            // A large block gets a chunk of its own behind the newest, whose rest stays in use.
            chunk->older = arena->newest->older;
            arena->newest->older = chunk;
        } else {
            chunk->older = arena->newest;
            arena->newest = chunk;
        }
        if (!own && arena->next_size < CHUNK_MAX)
            arena->next_size *= 2;
    }
    void *const ptr = chunk->data + chunk->used;
    chunk->used += granted;
    return ptr;
}

char *daub_arena_strdup(struct daub_arena *arena, const char *text)
{
    const size_t n = strlen(text);
    char *const copy = daub_arena_alloc(arena, n + 1);
    if (copy)
        memcpy(copy, text, n);
    return copy;
}

char *daub_arena_printf(struct daub_arena *arena, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *const text = n < 0 ? NULL : daub_arena_alloc(arena, (size_t)n + 1);
    if (!text)
        return NULL;
    va_start(args, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return text;
}

// alloc.c - host memory through the host's allocator: zeroed, sizes checked.
#include "runtime/base/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *daub_alloc(const struct daub_host *host, size_t size)
{
    // Nothing above PTRDIFF_MAX can be an object; SIZE_MAX is what daub_mul_size makes of an overflow.
    if (size > PTRDIFF_MAX)
        return NULL;
    // A size of 0 still gives a pointer of its own: NULL means "no memory" and nothing else.
    const size_t granted = size > 0 ? size : 1;
    if (!host || !host->allocator.alloc)
        return calloc(1, granted);
    void *const ptr = host->allocator.alloc(host->allocator.user, granted);
    if (ptr)
        memset(ptr, 0, granted);
    return ptr;
}

void *daub_alloc_array(const struct daub_host *host, size_t count, size_t size)
{
    return daub_alloc(host, daub_mul_size(count, size));
}

void *daub_realloc(const struct daub_host *host, void *ptr, size_t old_size, size_t new_size)
{
    // The host's allocator has no realloc; one path for both keeps the zeroing the same.
    void *const grown = daub_alloc(host, new_size);
    if (!grown || !ptr)
        return grown;
    memcpy(grown, ptr, old_size < new_size ? old_size : new_size);
    daub_free(host, ptr);
    return grown;
}

void daub_free(const struct daub_host *host, void *ptr)
{
    if (!ptr)
        return;
    if (host && host->allocator.alloc)
        host->allocator.free(host->allocator.user, ptr);
    else
        free(ptr);
}

char *daub_strdup(const struct daub_host *host, const char *text)
{
    return text ? daub_strndup(host, text, strlen(text)) : NULL;
}

char *daub_strndup(const struct daub_host *host, const char *text, size_t n)
{
    if (!text)
        return NULL;
    const char *const end = memchr(text, 0, n);
    const size_t length = end ? (size_t)(end - text) : n;
    char *const copy = length < SIZE_MAX ? daub_alloc(host, length + 1) : NULL;
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

char *daub_asprintf(const struct daub_host *host, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        return NULL;
    char *const text = daub_alloc(host, (size_t)n + 1);
    if (!text)
        return NULL;
    va_start(args, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, args);
    va_end(args);
    return text;
}

size_t daub_mul_size(size_t a, size_t b)
{
    return b != 0 && a > SIZE_MAX / b ? SIZE_MAX : a * b;
}

daub_status daub_no_memory(const char *what)
{
    return daub_fail(DAUB_ERROR_NO_HOST_MEMORY, "no host memory for %s", what);
}

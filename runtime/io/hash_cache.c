// hash_cache.c - see hash_cache.h. A line that is not exactly as daub_hash_cache_add writes it is passed over: the file is the user's, and
// what it says ends up in pictures.
#include "runtime/io/hash_cache.h"

#include <string.h>

enum { DIGITS = 64, KEPT = 64 << 10 };

// Lower-case digits only.
static bool take_hex(const char **at, char hex[65])
{
    if (strspn(*at, "0123456789abcdef") != DIGITS || (*at)[DIGITS] != ' ')
        return false;
    memcpy(hex, *at, DIGITS);
    hex[DIGITS] = '\0';
    *at += DIGITS + 1;
    return true;
}

// A decimal number and the space behind it.
static bool take_number(const char **at, uint64_t *out)
{
    uint64_t value = 0;
    const char *p = *at;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    if (p == *at || *p != ' ')
        return false;
    *at = p + 1;
    *out = value;
    return true;
}

bool daub_hash_cache_find(const char *text, const char *path, uint64_t size, uint64_t mtime, char hex[65])
{
    const size_t n = strlen(path);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *at = line;
        uint64_t s, m;
        char digits[65];
        if (!take_hex(&at, digits) || !take_number(&at, &s) || !take_number(&at, &m) || s != size || m != mtime ||
            strncmp(at, path, n) != 0 || (at[n] != '\n' && at[n] != '\0'))
            continue;
        memcpy(hex, digits, sizeof(digits));
        return true;
    }
    return false;
}

const char *daub_hash_cache_next(const char *at, const char *digits, char *path, size_t capacity, uint64_t *size,
                                 uint64_t *mtime)
{
    const size_t n = strlen(digits);
    while (*at) {
        const char *end = strchr(at, '\n'), *line = at;
        char hex[65];
        end = end ? end : at + strlen(at);
        at = *end ? end + 1 : end;
        if (!take_hex(&line, hex) || !take_number(&line, size) || !take_number(&line, mtime) || n == 0 ||
            strncmp(hex, digits, n) != 0 || line >= end || (size_t)(end - line) >= capacity)
            continue;
        memcpy(path, line, (size_t)(end - line));
        path[end - line] = '\0';
        return at;
    }
    return NULL;
}

char *daub_hash_cache_add(const struct daub_host *host, const char *text, const char *path, uint64_t size,
                          uint64_t mtime, const char hex[65])
{
    const char *old = text ? text : "";
    const size_t n = strlen(old);
    if (strchr(path, '\n'))
        return NULL;
    if (n > KEPT) { // from the next whole line on
        old = strchr(old + n - KEPT, '\n');
        old = old ? old + 1 : "";
    }
    const bool cut = *old && text[n - 1] != '\n'; // a line that was not written whole
    return daub_asprintf(host, "%s%s%s %llu %llu %s\n", old, cut ? "\n" : "", hex, (unsigned long long)size,
                         (unsigned long long)mtime, path);
}

// fuzz.c - see fuzz.h.
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];
static char made[64][64]; // files and folders in it, to be removed; a folder stands before its files
static uint32_t n_made;

_Noreturn void fuzz_broken(const char *file, int line, const char *claim)
{
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, claim);
    abort();
}

void fuzz_split(const uint8_t *data, size_t size, struct fuzz_part *parts, uint32_t n)
{
    static const char cut[] = "\n%%\n";
    const char *at = (const char *)data, *const end = at + size;
    for (uint32_t i = 0; i < n; i++) {
        parts[i] = (struct fuzz_part) { .text = at ? at : end, .size = at ? (size_t)(end - at) : 0, .there = at };
        const char *next = NULL;
        for (const char *p = at; at && i + 1 < n && end - p >= 4 && !next; p++)
            if (memcmp(p, cut, 4) == 0)
                next = p;
        if (next)
            parts[i].size = (size_t)(next - at);
        at = next ? next + 4 : NULL;
    }
}

char *fuzz_text(const struct fuzz_part *part)
{
    char *text = calloc(1, part->size + 1);
    if (!text)
        abort();
    if (part->size)
        memcpy(text, part->text, part->size);
    return text;
}

static void remove_folder(void)
{
    for (uint32_t i = n_made; i-- > 0;)
        (void)remove(fuzz_path(made[i]));
    (void)rmdir(folder);
}

const char *fuzz_folder(void)
{
    if (folder[0])
        return folder;
    const char *place = getenv("TMPDIR");
    if (!place)
        place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof(folder), "%s/daub-fuzz-XXXXXX", place);
    if (!mkdtemp(folder) || atexit(remove_folder) != 0)
        abort();
    return folder;
}

const char *fuzz_path(const char *name)
{
    static char path[400];
    snprintf(path, sizeof(path), "%s/%s", fuzz_folder(), name);
    return path;
}

static void remember(const char *name)
{
    for (uint32_t i = 0; i < n_made; i++)
        if (strcmp(made[i], name) == 0)
            return;
    if (n_made == sizeof(made) / sizeof(made[0]) || strlen(name) >= sizeof(made[0]))
        abort();
    memcpy(made[n_made++], name, strlen(name) + 1);
}

void fuzz_make_folder(const char *name)
{
    if (mkdir(fuzz_path(name), 0700) != 0)
        abort();
    remember(name);
}

void fuzz_put(const char *name, const void *data, size_t size)
{
    FILE *file = fopen(fuzz_path(name), "wb");
    if (!file || (size && fwrite(data, 1, size, file) != size) || fclose(file) != 0)
        abort();
    remember(name);
}

void fuzz_put_part(const char *name, const struct fuzz_part *part)
{
    if (part->there)
        fuzz_put(name, part->text, part->size);
    else
        (void)remove(fuzz_path(name));
}

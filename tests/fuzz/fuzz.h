// fuzz.h - what the fuzz targets share: inputs of several files, a folder to put them in, and claims that must hold.
#ifndef DAUB_FUZZ_FUZZ_H
#define DAUB_FUZZ_FUZZ_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What libFuzzer and replay.c call.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Ends the program with the claim on stderr; libFuzzer then keeps the input.
#define FUZZ_CHECK(claim)                            \
    do {                                             \
        if (!(claim))                                \
            fuzz_broken(__FILE__, __LINE__, #claim); \
    } while (0)
_Noreturn void fuzz_broken(const char *file, int line, const char *claim);

struct fuzz_part {
    const char *text; // not terminated
    size_t size;
    bool there; // false: the input has fewer parts
};
// Cuts an input at lines that hold only "%%"; the last part takes what is left. A text format, so that a corpus can be read and written.
void fuzz_split(const uint8_t *data, size_t size, struct fuzz_part *parts, uint32_t n);
char *fuzz_text(const struct fuzz_part *part); // a terminated copy, cut at a zero byte; freed by the caller

// A folder of this process's own, in memory where the system has such a place; removed at the end.
const char *fuzz_folder(void);
void fuzz_make_folder(const char *name);                            // in it
const char *fuzz_path(const char *name);                            // of a file in it; lives until the next call
void fuzz_put(const char *name, const void *data, size_t size);     // writes a file in it
void fuzz_put_part(const char *name, const struct fuzz_part *part); // the same; removes it if the part is not there

#endif

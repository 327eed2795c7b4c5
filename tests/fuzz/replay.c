// replay.c - main() of a fuzz target where there is no libFuzzer: runs every file of the folders and files it is given, in the order of
// their names, once each.
#include "fuzz.h"
#include "runtime/base/status.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static uint32_t n_run;

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    long size = -1;
    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    // Exactly as large as the file, so that a sanitizer sees a read of one byte more.
    uint8_t *data = size >= 0 ? malloc(size > 0 ? (size_t)size : 1) : NULL;
    if (!data || fseek(file, 0, SEEK_SET) != 0 || fread(data, 1, (size_t)size, file) != (size_t)size) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    fclose(file);
    fprintf(stderr, "%s\n", path); // what ran last is what crashed
    daub_set_last_error("");
    (void)LLVMFuzzerTestOneInput(data, (size_t)size);
    fprintf(stderr, "    %s\n", daub_last_error());
    free(data);
    n_run++;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void run_folder(const char *path)
{
    struct dirent **entries = NULL;
    const int n = scandir(path, &entries, is_visible, alphasort);
    for (int i = 0; i < n; i++) {
        char file[4096];
        snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
        run_file(file);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat info;
        if (stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode))
            run_folder(argv[i]);
        else
            run_file(argv[i]);
    }
    printf("%u passed\n", n_run);
    return n_run > 0 ? 0 : 1;
}

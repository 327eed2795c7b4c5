// file_private.h - what file.c asks of the system: file_posix.c or file_win32.c.
#ifndef DAUB_BASE_FILE_PRIVATE_H
#define DAUB_BASE_FILE_PRIVATE_H
#include "runtime/base/file.h"

struct daub_file_map {
    const struct daub_host *host;
    void *data;
    size_t size;
    uint64_t mtime_ns;
#if defined(_WIN32)
    void *mapping; // HANDLE
#endif
};

#endif

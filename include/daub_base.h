// daub_base.h - versions, failures, and what a host may give of its own: memory, a log, files. A part of daub.h, whose rules hold.
#ifndef DAUB_BASE_H
#define DAUB_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(DAUB_SHARED)
#ifdef DAUB_BUILDING
#define DAUB_API __declspec(dllexport)
#else
#define DAUB_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define DAUB_API __attribute__((visibility("default")))
#else
#define DAUB_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define DAUB_VERSION_MAJOR 0
#define DAUB_VERSION_MINOR 1
#define DAUB_VERSION_PATCH 0
#define DAUB_VERSION (DAUB_VERSION_MAJOR * 1000000 + DAUB_VERSION_MINOR * 1000 + DAUB_VERSION_PATCH)

// The version of the library that runs, in DAUB_VERSION's form.
DAUB_API uint32_t daub_version(void);

// ---- status ----------------------------------------------------------------------------------------------------

// How a call ended.
typedef enum daub_status {
    DAUB_OK = 0,
    DAUB_ERROR_INVALID_ARG = -1, // the caller broke a rule written in this header
    DAUB_ERROR_NO_HOST_MEMORY = -2,
    DAUB_ERROR_NO_GPU_MEMORY = -3, // the sentence says how much was wanted and how much is free
    DAUB_ERROR_NO_DEVICE = -4,     // no Vulkan loader, or no GPU meets the minimum; the sentence says why
    DAUB_ERROR_DEVICE_LOST = -5,   // destroy everything made from the device; a new device may work
    DAUB_ERROR_IO = -6,            // a file cannot be opened, read or written
    DAUB_ERROR_BAD_FILE = -7,      // malformed, truncated, of an unknown kind, or with missing or misshapen tensors
    DAUB_ERROR_UNSUPPORTED = -8,   // well-formed, but this build or GPU cannot do it
    DAUB_ERROR_CANCELLED = -9,     // daub_job_cancel, or a progress callback that returned false
} daub_status;

// The last failure on this thread, in one English sentence without a newline. Never NULL; "" before any failure.
// The string lives until the next failing call on this thread.
DAUB_API const char *daub_last_error(void);

// "DAUB_ERROR_IO" for DAUB_ERROR_IO; "unknown status" for what is none. Static storage.
DAUB_API const char *daub_status_text(daub_status status);

// ---- callbacks -------------------------------------------------------------------------------------------------

// The host's memory. alloc returns at least `size` bytes aligned for any type, or NULL; free accepts NULL. Both must be
// safe to call from any thread. All NULL: malloc and free.
typedef struct daub_allocator {
    void *(*alloc)(void *user, size_t size);
    void (*free)(void *user, void *ptr);
    void *user;
} daub_allocator;

// How grave a message is: those above a level are not made.
typedef enum daub_log_level {
    DAUB_LOG_NONE = 0,
    DAUB_LOG_ERROR = 1,
    DAUB_LOG_WARNING = 2,
    DAUB_LOG_INFO = 3,
    DAUB_LOG_DEBUG = 4,
} daub_log_level;

// One message, without a newline. May come from the job's thread.
typedef void (*daub_log_fn)(void *user, daub_log_level level, const char *message);

// ---- files -----------------------------------------------------------------------------------------------------

// The bytes of one file: exactly one of path, data and read is set. What data and user lead to is yours, and lasts
// until the call returns or, where the comment of the field says so, until the object that was made from it is
// destroyed.
typedef struct daub_source {
    const char *path; // UTF-8, of a file
    const void *data; // `size` bytes in memory
    // Fills dst with `size` bytes from byte `offset` on, which lie within the source's size; false: it could not, and
    // the call or job that wanted them fails with DAUB_ERROR_IO. Never called from two threads at once for one source.
    bool (*read)(void *user, uint64_t offset, void *dst, size_t size);
    void *user;
    uint64_t size;    // bytes that data has or read can give
    const char *name; // what sentences call it; default: the path, or "memory"
} daub_source;

// A file system of yours, by path: a game's archive, say. Paths are the one that you load, and below it '/' and the
// names of the diffusers layout ("pack/unet/config.json"). Never called from two threads at once for one model.
typedef struct daub_files {
    // The size of a file in bytes; false where there is no such file. Folders are not asked for.
    bool (*stat)(void *user, const char *path, uint64_t *size);
    // Fills dst with `size` bytes from byte `offset` of a file on; false: it could not, see daub_source.read.
    bool (*read)(void *user, const char *path, uint64_t offset, void *dst, size_t size);
    // The bytes of a file, where they lie in memory and stay there as long as the model; NULL: they are read. May be
    // NULL.
    const void *(*map)(void *user, const char *path);
    void *user;
} daub_files;

#ifdef __cplusplus
}
#endif
#endif

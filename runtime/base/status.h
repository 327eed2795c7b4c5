// status.h - how a failure travels: a daub_status for programs, one sentence for people.
#ifndef DAUB_BASE_STATUS_H
#define DAUB_BASE_STATUS_H
#include "include/daub.h"

#include <stdarg.h>

#if defined(__MINGW32__)
#define DAUB_PRINTF(fmt_at, args_at) __attribute__((format(gnu_printf, fmt_at, args_at)))
#elif defined(__GNUC__)
#define DAUB_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))
#else
#define DAUB_PRINTF(fmt_at, args_at)
#endif

// Returns the status upward when it is not DAUB_OK. For functions that own nothing yet.
#define TRY(call)                        \
    do {                                 \
        const daub_status try_ = (call); \
        if (try_ != DAUB_OK)             \
            return try_;                 \
    } while (0)

// As TRY, for functions that must undo: needs `daub_status status` and a label `fail`.
#define TRY_OR_FAIL(call)      \
    do {                       \
        status = (call);       \
        if (status != DAUB_OK) \
            goto fail;         \
    } while (0)

// Stores the sentence for daub_last_error() of this thread and returns `status`. Called once, where
// the fact is known. At most DAUB_SENTENCE_MAX - 1 bytes are kept; control characters in the
// arguments (file names, prompts) become '?', so that a sentence never spans two lines.
enum { DAUB_SENTENCE_MAX = 2048 };
daub_status daub_fail(daub_status status, const char *fmt, ...) DAUB_PRINTF(2, 3);
daub_status daub_fail_v(daub_status status, const char *fmt, va_list args);

// The worker thread of a job stores its sentence in the job; daub_job_wait hands it to the waiter.
void daub_set_last_error(const char *sentence);

const char *daub_status_name(daub_status status); // "INVALID_ARG"

#endif

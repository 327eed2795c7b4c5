// status.c - the names of statuses, and the last failure's sentence, a buffer of each thread.
#include "runtime/base/status.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

// The only state outside objects. Thread-local, because a status and its sentence travel up one thread's stack.
static _Thread_local char last_error[DAUB_SENTENCE_MAX];

daub_status daub_fail_v(daub_status status, const char *fmt, va_list args)
{
    // Formatted aside: an argument may be daub_last_error() itself.
    char sentence[DAUB_SENTENCE_MAX];
    const int n = vsnprintf(sentence, sizeof(sentence), fmt, args);
    daub_set_last_error(n < 0 ? fmt : sentence);
    return status;
}

daub_status daub_fail(daub_status status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    daub_fail_v(status, fmt, args);
    va_end(args);
    return status;
}

void daub_set_last_error(const char *sentence)
{
    size_t n = strlen(sentence);
    if (n > DAUB_SENTENCE_MAX - 1)
        n = DAUB_SENTENCE_MAX - 1;
    memmove(last_error, sentence, n);
    // Also where vsnprintf cut: half a character at the end would make the sentence invalid UTF-8.
    last_error[daub_utf8_cut(last_error, n)] = 0;
    daub_text_clean(last_error);
}

const char *daub_last_error(void)
{
    return last_error;
}

const char *daub_status_text(daub_status status)
{
    switch (status) {
    case DAUB_OK:
        return "DAUB_OK";
    case DAUB_ERROR_INVALID_ARG:
        return "DAUB_ERROR_INVALID_ARG";
    case DAUB_ERROR_NO_HOST_MEMORY:
        return "DAUB_ERROR_NO_HOST_MEMORY";
    case DAUB_ERROR_NO_GPU_MEMORY:
        return "DAUB_ERROR_NO_GPU_MEMORY";
    case DAUB_ERROR_NO_DEVICE:
        return "DAUB_ERROR_NO_DEVICE";
    case DAUB_ERROR_DEVICE_LOST:
        return "DAUB_ERROR_DEVICE_LOST";
    case DAUB_ERROR_IO:
        return "DAUB_ERROR_IO";
    case DAUB_ERROR_BAD_FILE:
        return "DAUB_ERROR_BAD_FILE";
    case DAUB_ERROR_UNSUPPORTED:
        return "DAUB_ERROR_UNSUPPORTED";
    case DAUB_ERROR_CANCELLED:
        return "DAUB_ERROR_CANCELLED";
    }
    return "unknown status";
}

const char *daub_status_name(daub_status status)
{
    static const char *const prefixes[] = { "DAUB_ERROR_", "DAUB_" };
    const char *const text = daub_status_text(status);
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        const size_t n = strlen(prefixes[i]);
        if (strncmp(text, prefixes[i], n) == 0)
            return text + n;
    }
    return text;
}

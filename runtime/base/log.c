// log.c - messages to the host's log callback, one line a message.
#include "runtime/base/host.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

enum { MESSAGE_SIZE = 1024 }; // on the stack; longer messages (a driver's, a graph's listing) go through the heap

// A listing or a driver's message has many lines, the callback is promised one: each line is a message.
static void send_lines(const struct daub_host *host, daub_log_level level, char *text)
{
    char *line = text;
    for (;;) {
        char *const end = strchr(line, '\n');
        if (end)
            *end = 0;
        for (char *tab = strchr(line, '\t'); tab; tab = strchr(tab, '\t'))
            *tab = ' ';
        const size_t n = strlen(line);
        if (n > 0 && line[n - 1] == '\r')
            line[n - 1] = 0;
        daub_text_clean(line);
        if (line[0] != 0 || line == text)
            host->log(host->log_user, level, line);
        if (!end)
            return;
        line = end + 1;
    }
}

void daub_log(const struct daub_host *host, daub_log_level level, const char *fmt, ...)
{
    if (!host || !host->log || level == DAUB_LOG_NONE || level > host->log_level)
        return;
    char message[MESSAGE_SIZE];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    if (n < 0)
        return;
    const size_t size = (size_t)n + 1;
    char *const whole = size > sizeof(message) ? daub_alloc(host, size) : NULL;
    if (whole) {
        va_start(args, fmt);
        vsnprintf(whole, size, fmt, args);
        va_end(args);
    }
    send_lines(host, level, whole ? whole : message);
    daub_free(host, whole);
}

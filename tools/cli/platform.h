// platform.h - what the command asks of the system, over POSIX and Win32.
#ifndef DAUB_CLI_PLATFORM_H
#define DAUB_CLI_PLATFORM_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

double platform_seconds(void); // monotonic
// 32 bits from the system's generator; false: it has none to give.
bool platform_random(uint32_t *out);
bool platform_is_terminal(FILE *file);
void platform_binary_output(void); // standard output takes bytes as they are
// The last thing in a path that parts a folder from what is in it, or NULL.
const char *platform_last_slash(const char *path);
bool platform_may_write_in(const char *folder);          // false: errno says why
bool platform_replace(const char *from, const char *to); // renames over what is there; false: errno says why
void platform_catch_interrupt(void (*interrupted)(int)); // the first Ctrl-C calls back, the second kills
void platform_hold_interrupt(bool hold);                 // no Ctrl-C takes effect until it is let go

#endif

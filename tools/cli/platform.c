// platform.c - see platform.h. The Win32 half compiles (mingw-w64) and has never been run.
#include "platform.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#if defined(_WIN32)
#include <fcntl.h>
#include <io.h>
#include <stdlib.h>
#include <windows.h>

double platform_seconds(void)
{
    LARGE_INTEGER frequency, now;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&now);
    return (double)now.QuadPart / (double)frequency.QuadPart;
}

// RtlGenRandom, which advapi32 exports under this name; the header that declares it is not in every SDK.
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG size);

bool platform_random(uint32_t *out)
{
    return SystemFunction036(out, sizeof(*out)) != 0;
}

bool platform_is_terminal(FILE *file)
{
    return _isatty(_fileno(file)) != 0;
}

void platform_binary_output(void)
{
    _setmode(_fileno(stdout), _O_BINARY);
}

const char *platform_last_slash(const char *path)
{
    const char *slash = strrchr(path, '/'), *back = strrchr(path, '\\');
    return !slash || (back && back > slash) ? back : slash;
}

bool platform_may_write_in(const char *folder)
{
    return _access(folder, 2) == 0;
}

bool platform_replace(const char *from, const char *to)
{
    if (MoveFileExA(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH))
        return true;
    errno = GetLastError() == ERROR_FILE_NOT_FOUND ? ENOENT : EACCES;
    return false;
}

static void (*volatile on_first)(int);
static volatile LONG held;

// Called on a thread of its own.
static BOOL WINAPI on_console(DWORD event)
{
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
        return FALSE;
    void (*const first)(int) = on_first;
    on_first = NULL;
    if (first)
        first(SIGINT);
    return first || held; // FALSE ends the process
}

void platform_catch_interrupt(void (*interrupted)(int))
{
    on_first = interrupted;
    SetConsoleCtrlHandler(on_console, TRUE);
}

void platform_hold_interrupt(bool hold)
{
    InterlockedExchange(&held, hold);
}

#else
#include <time.h>
#include <unistd.h>

double platform_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

bool platform_random(uint32_t *out)
{
    FILE *file = fopen("/dev/urandom", "rb");
    const bool ok = file && fread(out, sizeof(*out), 1, file) == 1;
    if (file)
        fclose(file);
    return ok;
}

bool platform_is_terminal(FILE *file)
{
    return isatty(fileno(file)) != 0;
}

void platform_binary_output(void)
{
}

const char *platform_last_slash(const char *path)
{
    return strrchr(path, '/');
}

// A file is written beside its place and renamed, so the folder is what must be writable.
bool platform_may_write_in(const char *folder)
{
    return access(folder, W_OK | X_OK) == 0;
}

bool platform_replace(const char *from, const char *to)
{
    return rename(from, to) == 0;
}

void platform_catch_interrupt(void (*interrupted)(int))
{
    struct sigaction action = { .sa_handler = interrupted, .sa_flags = (int)(SA_RESTART | SA_RESETHAND) };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void platform_hold_interrupt(bool hold)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

#endif

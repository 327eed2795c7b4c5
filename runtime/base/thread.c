// thread.c - threads over pthreads and Win32. The Win32 half compiles (mingw-w64) and has never been run.
#include "runtime/base/thread.h"

#include <stdatomic.h>
#include <string.h>

#if defined(_WIN32)
#include <windows.h>
#else
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#endif

// Threads a parallel loop may have beside its caller: their handles are on its stack.
enum { HELPERS_MAX = 63 };

// A driver compiles shaders on our threads, and LLVM recurses deeply: musl's 128 KiB and macOS's 512 KiB are not
// enough. Address space only; glibc has the same.
enum { STACK_SIZE = 8 << 20 };

static const uint64_t second_ns = 1000000000u;

static void set_run(daub_thread *t, void (*run)(void *arg), void *arg, const char *name)
{
    *t = (daub_thread) { .run = run, .arg = arg };
    const size_t n = strlen(name);
    memcpy(t->name, name, n < sizeof(t->name) ? n : sizeof(t->name) - 1);
}

#if defined(_WIN32)

daub_status daub_mutex_init(daub_mutex *m)
{
    InitializeSRWLock((PSRWLOCK)(void *)&m->srw);
    return DAUB_OK;
}

void daub_mutex_destroy(daub_mutex *m)
{
    (void)m; // an SRW lock holds nothing
}

void daub_mutex_lock(daub_mutex *m)
{
    AcquireSRWLockExclusive((PSRWLOCK)(void *)&m->srw);
}

void daub_mutex_unlock(daub_mutex *m)
{
    ReleaseSRWLockExclusive((PSRWLOCK)(void *)&m->srw);
}

daub_status daub_cond_init(daub_cond *c)
{
    InitializeConditionVariable((PCONDITION_VARIABLE)(void *)&c->cv);
    return DAUB_OK;
}

void daub_cond_destroy(daub_cond *c)
{
    (void)c; // a condition variable holds nothing
}

void daub_cond_wait(daub_cond *c, daub_mutex *m)
{
    SleepConditionVariableSRW((PCONDITION_VARIABLE)(void *)&c->cv, (PSRWLOCK)(void *)&m->srw, INFINITE, 0);
}

bool daub_cond_wait_ns(daub_cond *c, daub_mutex *m, uint64_t timeout_ns)
{
    // Rounded up, so that a short wait is not a busy loop; INFINITE is the largest DWORD. A wait of 49 days and more
    // ends early with "woken", which the caller's loop must survive anyway.
    const uint64_t ms = timeout_ns / 1000000u + (timeout_ns % 1000000u != 0);
    const bool cut = ms >= INFINITE && timeout_ns != UINT64_MAX;
    const DWORD wait = timeout_ns == UINT64_MAX ? INFINITE : cut ? INFINITE - 1 : (DWORD)ms;
    if (SleepConditionVariableSRW((PCONDITION_VARIABLE)(void *)&c->cv, (PSRWLOCK)(void *)&m->srw, wait, 0))
        return true;
    return cut;
}

void daub_cond_broadcast(daub_cond *c)
{
    WakeAllConditionVariable((PCONDITION_VARIABLE)(void *)&c->cv);
}

static DWORD WINAPI trampoline(void *arg)
{
    const daub_thread *const t = arg;
    t->run(t->arg);
    return 0;
}

daub_status daub_thread_start(daub_thread *t, void (*run)(void *arg), void *arg, const char *name)
{
    set_run(t, run, arg, name);
    t->handle = CreateThread(NULL, STACK_SIZE, trampoline, t, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    if (!t->handle) {
        return daub_fail(DAUB_ERROR_NO_HOST_MEMORY, "cannot start the thread \"%s\": Windows error %lu", name,
                         GetLastError());
    }
    t->started = true;
    return DAUB_OK;
}

void daub_thread_join(daub_thread *t)
{
    if (!t->started)
        return;
    WaitForSingleObject(t->handle, INFINITE);
    CloseHandle(t->handle);
    t->started = false;
}

uint64_t daub_now_ns(void)
{
    LARGE_INTEGER frequency;
    LARGE_INTEGER now;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&now);
    const uint64_t f = (uint64_t)frequency.QuadPart;
    const uint64_t t = (uint64_t)now.QuadPart;
    // Whole seconds apart from the rest: t * 10^9 would overflow after some days.
    return t / f * second_ns + t % f * second_ns / f;
}

// Kernel and user time come in units of 100 ns.
uint64_t daub_utc_ns(void)
{
    FILETIME now;
    GetSystemTimePreciseAsFileTime(&now);
    const uint64_t ticks = (uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime;
    return (ticks - 116444736000000000u) * 100u; // FILETIME counts 100 ns since 1601
}

static uint64_t filetime_ns(const FILETIME *kernel, const FILETIME *user)
{
    const uint64_t k = (uint64_t)kernel->dwHighDateTime << 32 | kernel->dwLowDateTime;
    const uint64_t u = (uint64_t)user->dwHighDateTime << 32 | user->dwLowDateTime;
    return (k + u) * 100;
}

uint64_t daub_process_cpu_ns(void)
{
    FILETIME created, ended, kernel, user;
    return GetProcessTimes(GetCurrentProcess(), &created, &ended, &kernel, &user) ? filetime_ns(&kernel, &user) : 0;
}

uint64_t daub_thread_cpu_ns(void)
{
    FILETIME created, ended, kernel, user;
    return GetThreadTimes(GetCurrentThread(), &created, &ended, &kernel, &user) ? filetime_ns(&kernel, &user) : 0;
}

uint32_t daub_cpu_count(void)
{
    const DWORD n = GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    return n > 0 ? (uint32_t)n : 1;
}

#else

daub_status daub_mutex_init(daub_mutex *m)
{
    const int error = pthread_mutex_init(&m->m, NULL);
    if (error)
        return daub_fail(DAUB_ERROR_NO_HOST_MEMORY, "cannot make a mutex: %s", strerror(error));
    return DAUB_OK;
}

void daub_mutex_destroy(daub_mutex *m)
{
    pthread_mutex_destroy(&m->m);
}

void daub_mutex_lock(daub_mutex *m)
{
    pthread_mutex_lock(&m->m);
}

void daub_mutex_unlock(daub_mutex *m)
{
    pthread_mutex_unlock(&m->m);
}

daub_status daub_cond_init(daub_cond *c)
{
    pthread_condattr_t attr;
    int error = pthread_condattr_init(&attr);
    if (!error) {
#if !defined(__APPLE__) // which has no such clock choice, but relative waits
        error = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
#endif
        if (!error)
            error = pthread_cond_init(&c->c, &attr);
        pthread_condattr_destroy(&attr);
    }
    if (error)
        return daub_fail(DAUB_ERROR_NO_HOST_MEMORY, "cannot make a condition variable: %s", strerror(error));
    return DAUB_OK;
}

void daub_cond_destroy(daub_cond *c)
{
    pthread_cond_destroy(&c->c);
}

void daub_cond_wait(daub_cond *c, daub_mutex *m)
{
    pthread_cond_wait(&c->c, &m->m);
}

bool daub_cond_wait_ns(daub_cond *c, daub_mutex *m, uint64_t timeout_ns)
{
    const uint64_t now = daub_now_ns();
    // Beyond what a signed 32-bit time_t could hold is for ever: 68 years since the machine started.
    const uint64_t last = (uint64_t)INT32_MAX * second_ns;
    if (timeout_ns > last || now > last - timeout_ns) {
        pthread_cond_wait(&c->c, &m->m);
        return true;
    }
#if defined(__APPLE__)
    const uint64_t until = timeout_ns;
#else
    const uint64_t until = now + timeout_ns;
#endif
    const struct timespec at = { .tv_sec = (time_t)(until / second_ns), .tv_nsec = (long)(until % second_ns) };
#if defined(__APPLE__)
    return pthread_cond_timedwait_relative_np(&c->c, &m->m, &at) != ETIMEDOUT;
#else
    return pthread_cond_timedwait(&c->c, &m->m, &at) != ETIMEDOUT;
#endif
}

void daub_cond_broadcast(daub_cond *c)
{
    pthread_cond_broadcast(&c->c);
}

static void *trampoline(void *arg)
{
    const daub_thread *const t = arg;
#if defined(__linux__)
    pthread_setname_np(pthread_self(), t->name);
#elif defined(__APPLE__)
    pthread_setname_np(t->name);
#endif
    t->run(t->arg);
    return NULL;
}

daub_status daub_thread_start(daub_thread *t, void (*run)(void *arg), void *arg, const char *name)
{
    set_run(t, run, arg, name);
    pthread_attr_t attr;
    int error = pthread_attr_init(&attr);
    if (!error) {
        pthread_attr_setstacksize(&attr, STACK_SIZE); // refused: the system's own size will do
        // The host's signal handlers run on the host's threads: a new thread inherits this mask. Not of faults, which
        // belong to the thread that made them, nor of profilers.
        static const int kept[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPROF };
        sigset_t mask;
        sigset_t before;
        sigfillset(&mask);
        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
            sigdelset(&mask, kept[i]);
        pthread_sigmask(SIG_SETMASK, &mask, &before);
        error = pthread_create(&t->handle, &attr, trampoline, t);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
    }
    if (error) {
        return daub_fail(DAUB_ERROR_NO_HOST_MEMORY, "cannot start the thread \"%s\": %s", name, strerror(error));
    }
    t->started = true;
    return DAUB_OK;
}

void daub_thread_join(daub_thread *t)
{
    if (!t->started)
        return;
    pthread_join(t->handle, NULL);
    t->started = false;
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

uint64_t daub_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t daub_utc_ns(void)
{
    struct timespec now;
    return timespec_get(&now, TIME_UTC) == TIME_UTC ? (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec : 0;
}

uint64_t daub_process_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t daub_thread_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint32_t daub_cpu_count(void)
{
#if defined(__linux__)
    // What this process may use, which taskset and containers make less than what is there.
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        return (uint32_t)CPU_COUNT(&set);
#endif
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (uint32_t)n : 1;
}

#endif

struct loop {
    atomic_uint_least32_t next; // the first index nobody has taken
    uint32_t count;
    void (*job)(void *arg, uint32_t index);
    void *arg;
};

static void take_indices(void *arg)
{
    struct loop *const loop = arg;
    uint_least32_t index = atomic_load(&loop->next);
    // Compared and set rather than added, so that the counter never passes count and cannot wrap.
    while (index < loop->count) {
        if (!atomic_compare_exchange_weak(&loop->next, &index, index + 1))
            continue;
        loop->job(loop->arg, (uint32_t)index);
        index = atomic_load(&loop->next);
    }
}

void daub_parallel_for(uint32_t count, void (*job)(void *arg, uint32_t index), void *arg)
{
    struct loop loop = { .count = count, .job = job, .arg = arg };
    daub_thread helpers[HELPERS_MAX];
    uint32_t n_helpers = daub_cpu_count() - 1;
    if (n_helpers > HELPERS_MAX)
        n_helpers = HELPERS_MAX;
    if (count == 0 || n_helpers > count - 1)
        n_helpers = count == 0 ? 0 : count - 1;
    uint32_t n_started = 0;
    while (n_started < n_helpers && daub_thread_start(&helpers[n_started], take_indices, &loop, "daub loop") == DAUB_OK)
        n_started++;
    take_indices(&loop);
    for (uint32_t i = 0; i < n_started; i++)
        daub_thread_join(&helpers[i]);
}

// thread.h - mutex, condition, thread, once and clock over pthreads and Win32.
#ifndef DAUB_BASE_THREAD_H
#define DAUB_BASE_THREAD_H
#include "runtime/base/status.h"

#include <stdbool.h>
#include <stdint.h>

#if defined(_WIN32)
typedef struct {
    void *srw;
} daub_mutex;
typedef struct {
    void *cv;
} daub_cond;
typedef void *daub_thread_handle;
#else
#include <pthread.h>
typedef struct {
    pthread_mutex_t m;
} daub_mutex;
typedef struct {
    pthread_cond_t c;
} daub_cond;
typedef pthread_t daub_thread_handle;
#endif

// Stays where it is from start to join: the new thread reads it. Zeroed: not started.
typedef struct {
    daub_thread_handle handle;
    bool started;
    void (*run)(void *arg);
    void *arg;
    char name[16]; // what Linux keeps of a thread's name
} daub_thread;

daub_status daub_mutex_init(daub_mutex *m);
void daub_mutex_destroy(daub_mutex *m);
void daub_mutex_lock(daub_mutex *m);
void daub_mutex_unlock(daub_mutex *m);

daub_status daub_cond_init(daub_cond *c);
void daub_cond_destroy(daub_cond *c);
void daub_cond_wait(daub_cond *c, daub_mutex *m);
// false: timed out; UINT64_MAX: for ever. As with daub_cond_wait, waking does not mean that the condition holds.
bool daub_cond_wait_ns(daub_cond *c, daub_mutex *m, uint64_t timeout_ns);
void daub_cond_broadcast(daub_cond *c);

daub_status daub_thread_start(daub_thread *t, void (*run)(void *arg), void *arg, const char *name);
void daub_thread_join(daub_thread *t); // does nothing when never started

uint64_t daub_now_ns(void); // monotonic
uint64_t daub_utc_ns(void); // since 1970, as files count it; 0: unknown
// Time that processors have spent on all threads of this process, or on the calling one.
uint64_t daub_process_cpu_ns(void);
uint64_t daub_thread_cpu_ns(void);
uint32_t daub_cpu_count(void);

// Runs job(arg, index) for index 0..count-1 on up to daub_cpu_count() threads, the caller among them. Falls back
// to the caller alone when threads cannot be had.
void daub_parallel_for(uint32_t count, void (*job)(void *arg, uint32_t index), void *arg);

#endif

// test_thread.c - locks, timed waits, sentences a thread, and the parallel loop. Worth most under ThreadSanitizer.
// link: base
#include "runtime/base/thread.h"
#include "tests/test.h"

#include <stdatomic.h>
#if !defined(_WIN32)
#include <signal.h>
#endif

struct shared {
    daub_mutex mutex;
    daub_cond cond;
    uint32_t count; // under mutex
    bool go;        // under mutex
};

static void add_when_told(void *arg)
{
    struct shared *const s = arg;
    daub_mutex_lock(&s->mutex);
    while (!s->go)
        daub_cond_wait(&s->cond, &s->mutex);
    daub_mutex_unlock(&s->mutex);
    for (uint32_t i = 0; i < 10000; i++) {
        daub_mutex_lock(&s->mutex);
        s->count++;
        daub_mutex_unlock(&s->mutex);
    }
}

static void locks_and_broadcast(void)
{
    enum { N = 4 };
    struct shared s = { 0 };
    daub_thread threads[N] = { 0 };
    REQUIRE_OK(daub_mutex_init(&s.mutex));
    REQUIRE_OK(daub_cond_init(&s.cond));
    for (uint32_t i = 0; i < N; i++)
        REQUIRE_OK(daub_thread_start(&threads[i], add_when_told, &s, "a name longer than sixteen"));
    daub_mutex_lock(&s.mutex);
    REQUIRE(s.count == 0);
    s.go = true;
    daub_cond_broadcast(&s.cond);
    daub_mutex_unlock(&s.mutex);
    for (uint32_t i = 0; i < N; i++) {
        daub_thread_join(&threads[i]);
        daub_thread_join(&threads[i]); // again: nothing
    }
    REQUIRE(s.count == N * 10000);
    daub_cond_destroy(&s.cond);
    daub_mutex_destroy(&s.mutex);

    daub_thread never = { 0 };
    daub_thread_join(&never);
}

static void wake_later(void *arg)
{
    struct shared *const s = arg;
    const uint64_t until = daub_now_ns() + 20000000;
    while (daub_now_ns() < until) {
    }
    daub_mutex_lock(&s->mutex);
    s->go = true;
    daub_cond_broadcast(&s->cond);
    daub_mutex_unlock(&s->mutex);
}

static void timed_waits(void)
{
    struct shared s = { 0 };
    REQUIRE_OK(daub_mutex_init(&s.mutex));
    REQUIRE_OK(daub_cond_init(&s.cond));
    daub_mutex_lock(&s.mutex);
    const uint64_t start = daub_now_ns();
    while (daub_cond_wait_ns(&s.cond, &s.mutex, 30000000)) {
    }
    REQUIRE(daub_now_ns() - start >= 30000000);
    REQUIRE(!daub_cond_wait_ns(&s.cond, &s.mutex, 0)); // a poll

    // Without limit in both spellings: the sum with "now" must not wrap into the past.
    static const uint64_t timeouts[] = { UINT64_MAX, UINT64_MAX - 1, (uint64_t)1 << 62, 60000000000u };
    for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
        daub_thread thread = { 0 };
        s.go = false;
        REQUIRE_OK(daub_thread_start(&thread, wake_later, &s, "wake"));
        bool woken = true;
        while (!s.go && woken)
            woken = daub_cond_wait_ns(&s.cond, &s.mutex, timeouts[i]);
        REQUIRE(woken && s.go);
        daub_mutex_unlock(&s.mutex);
        daub_thread_join(&thread);
        daub_mutex_lock(&s.mutex);
    }
    daub_mutex_unlock(&s.mutex);
    daub_cond_destroy(&s.cond);
    daub_mutex_destroy(&s.mutex);
}

static void fail_elsewhere(void *arg)
{
    bool *const was_empty = arg;
    *was_empty = daub_last_error()[0] == 0;
    daub_fail(DAUB_ERROR_IO, "the other thread's");
}

static void sentences_belong_to_threads(void)
{
    bool was_empty = false;
    daub_thread thread = { 0 };
    daub_fail(DAUB_ERROR_IO, "mine");
    REQUIRE_OK(daub_thread_start(&thread, fail_elsewhere, &was_empty, "fail"));
    daub_thread_join(&thread);
    REQUIRE(was_empty);
    REQUIRE_TEXT(daub_last_error(), "mine");
}

#if !defined(_WIN32)
static void look_at_mask(void *arg)
{
    bool *const good = arg;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    *good = sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGSEGV) == 0;
}

static void signals_stay_with_the_host(void)
{
    bool good = false;
    daub_thread thread = { 0 };
    REQUIRE_OK(daub_thread_start(&thread, look_at_mask, &good, "mask"));
    daub_thread_join(&thread);
    REQUIRE(good);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    REQUIRE(sigismember(&mask, SIGINT) == 0);
}
#endif

static atomic_uint seen[5000];

static void mark(void *arg, uint32_t index)
{
    atomic_uint *const marks = arg;
    atomic_fetch_add(&marks[index], 1);
}

static void loops_take_each_index_once(void)
{
    static const uint32_t counts[] = { 0, 1, 2, 3, 64, 5000 };
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        for (uint32_t i = 0; i < 5000; i++)
            atomic_store(&seen[i], 0);
        daub_parallel_for(counts[c], mark, seen);
        for (uint32_t i = 0; i < 5000; i++)
            REQUIRE(atomic_load(&seen[i]) == (i < counts[c] ? 1u : 0u));
    }
}

static void clock_goes_forward(void)
{
    uint64_t before = daub_now_ns();
    for (uint32_t i = 0; i < 10000; i++) {
        const uint64_t now = daub_now_ns();
        REQUIRE(now >= before);
        before = now;
    }
    REQUIRE(daub_cpu_count() >= 1);
}

static void burn(void *arg)
{
    const uint64_t start = daub_thread_cpu_ns();
    while (daub_thread_cpu_ns() - start < 20000000)
        continue;
    *(uint64_t *)arg = daub_thread_cpu_ns();
}

// Another thread's work counts for the process, and not for this thread.
static void processor_time_is_counted(void)
{
    const uint64_t process = daub_process_cpu_ns(), own = daub_thread_cpu_ns();
    uint64_t other = 0;
    daub_thread thread = { 0 };
    REQUIRE_OK(daub_thread_start(&thread, burn, &other, "burn"));
    daub_thread_join(&thread);
    REQUIRE(other >= 20000000 && daub_process_cpu_ns() - process >= 20000000);
    REQUIRE(daub_thread_cpu_ns() - own < 20000000);
}

int main(void)
{
    locks_and_broadcast();
    timed_waits();
    sentences_belong_to_threads();
#if !defined(_WIN32)
    signals_stay_with_the_host();
#endif
    loops_take_each_index_once();
    clock_goes_forward();
    processor_time_is_counted();
    return 0;
}

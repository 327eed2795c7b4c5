// pace.c - slices. Those in flight are kept in a ring, in the order in which the device finishes them; whoever finds one finished
// reads its clocks and corrects the predictions.
//
// Predictions are means, and a budget is a limit, so a driven pace leaves room: `over` follows the 99th percentile of measured time
// over predicted. It grows by a twentieth at a slice that took longer, and shrinks by a two-thousandth at one that did not:
// the two balance where one slice in a hundred is longer.
#include "runtime/vk/pace_private.h"

#include <stdio.h>

enum {
    SLICES = 64, // in flight
    RUN = 64,    // pieces of one submission
    WAIT_US = 200,
};

// What a pace of its own has in flight, and in one slice. Three slices are always queued, so that the device never waits; cancelling
// waits for the oldest of them, or where nothing is left to submit for all.
static const double cpu_limit_us = 300e3, gpu_limit_us = 100e3;

struct slice {
    uint64_t ticket;
    struct daub_piece *pieces; // NULL: without costs, or freed since
    uint32_t n, call;          // call: of daub_pace_advance that submitted it
    double us;
    uint64_t submitted_ns;
};

struct daub_pace {
    daub_device *dev;
    bool driven;
    double limit_us, slice_us; // of a pace of its own
    atomic_bool cancelled;
    daub_mutex mutex;       // guards what follows
    daub_cond changed;      // for the thread: work was taken, or all is cancelled
    daub_cond posted;       // for who drives
    struct daub_post *post; // NULL: nothing waits to be taken
    struct slice slices[SLICES];
    uint32_t first, n;
    uint32_t call;
    bool advancing;        // daub_pace_advance runs
    uint64_t last_done_ns; // when a slice was last seen to have finished
    bool last_precise;     // by a thread that waited for it
    double over;
    struct slice sum; // of the call whose slices finish now; its us is predicted
    double sum_us;    // measured; negative when some of it was not
    double finished_us, finished_predicted_us;
    struct daub_staging *staging; // of a driven one
    daub_status failed; // what looking after its slices failed with, for the thread, which may not see it itself
    char sentence[DAUB_SENTENCE_MAX];
};

static _Thread_local struct daub_pace *current; // as with the last error: a thread runs one job

daub_status daub_pace_create(daub_device *dev, bool driven, struct daub_pace **out)
{
    struct daub_pace *pace = daub_alloc(&dev->host, sizeof(*pace));
    if (!pace)
        return daub_no_memory("a job's pace");
    daub_status status = daub_mutex_init(&pace->mutex);
    if (status != DAUB_OK)
        goto no_mutex;
    status = daub_cond_init(&pace->changed);
    if (status != DAUB_OK)
        goto no_changed;
    status = daub_cond_init(&pace->posted);
    if (status != DAUB_OK)
        goto no_posted;
    pace->dev = dev;
    pace->driven = driven;
    pace->limit_us = dev->caps.cpu ? cpu_limit_us : gpu_limit_us;
    pace->slice_us = pace->limit_us / 3.0;
    pace->over = 1.25;
    *out = pace;
    return DAUB_OK;

no_posted:
    daub_cond_destroy(&pace->changed);
no_changed:
    daub_mutex_destroy(&pace->mutex);
no_mutex:
    daub_free(&dev->host, pace);
    return status;
}

void daub_pace_destroy(struct daub_pace **pace)
{
    struct daub_pace *p = *pace;
    if (!p)
        return;
    daub_staging_free(p->dev, &p->staging);
    daub_cond_destroy(&p->posted);
    daub_cond_destroy(&p->changed);
    daub_mutex_destroy(&p->mutex);
    daub_free(&p->dev->host, p);
    *pace = NULL;
}

bool daub_pace_driven(const struct daub_pace *pace)
{
    return pace->driven;
}

void daub_pace_enter(struct daub_pace *pace)
{
    current = pace;
}

bool daub_pace_entered(void)
{
    return current != NULL;
}

void daub_pace_leave(struct daub_pace *pace)
{
    current = NULL;
    daub_mutex_lock(&pace->mutex);
    pace->n = 0;
    daub_mutex_unlock(&pace->mutex);
}

void daub_pace_cancel(struct daub_pace *pace)
{
    daub_mutex_lock(&pace->mutex);
    atomic_store(&pace->cancelled, true);
    daub_cond_broadcast(&pace->changed);
    daub_mutex_unlock(&pace->mutex);
}

static daub_status check(const struct daub_pace *pace)
{
    return atomic_load(&pace->cancelled) ? daub_fail(DAUB_ERROR_CANCELLED, "cancelled") : DAUB_OK;
}

daub_status daub_pace_check(void)
{
    return current ? check(current) : DAUB_OK;
}

daub_status daub_pace_staging(daub_device *dev, struct daub_staging **out)
{
    struct daub_pace *pace = current && current->driven && current->dev == dev ? current : NULL;
    if (pace && !pace->staging)
        TRY(daub_staging_make(dev, DAUB_DRIVEN_STAGING_SLOT, &pace->staging));
    *out = pace ? pace->staging : dev->staging;
    return DAUB_OK;
}

void daub_pace_forget(const struct daub_piece *pieces, uint32_t n)
{
    struct daub_pace *pace = current;
    if (!pace)
        return;
    daub_mutex_lock(&pace->mutex);
    for (uint32_t i = 0; i < pace->n; i++) {
        struct slice *s = &pace->slices[(pace->first + i) % SLICES];
        if (s->pieces >= pieces && s->pieces < pieces + n)
            s->pieces = NULL;
    }
    daub_mutex_unlock(&pace->mutex);
}

// ---- slices in flight ------------------------------------------------------------------------------------------------

static double in_flight(const struct daub_pace *pace)
{
    double us = 0.0;
    for (uint32_t i = 0; i < pace->n; i++)
        us += pace->slices[(pace->first + i) % SLICES].us;
    return us;
}

// Pieces from `at` on that stay within `us` together; *sum is what they are predicted to take.
static uint32_t run_of(daub_device *dev, const struct daub_post *post, uint32_t at, double us, double *sum)
{
    uint32_t n = 0;
    *sum = 0.0;
    while (at + n < post->n && n < RUN) {
        const double more = daub_piece_us(dev, &post->pieces[at + n]);
        if (*sum + more > us)
            break;
        *sum += more;
        n++;
    }
    return n;
}

static daub_status submit_run(daub_device *dev, const struct daub_post *post, uint32_t at, uint32_t n, uint64_t *ticket)
{
    VkCommandBuffer cbs[RUN];
    for (uint32_t i = 0; i < n; i++)
        cbs[i] = post->pieces[at + i].cb;
    uint64_t taken = 0;
    TRY(daub_queue_submit(dev, cbs, n, post->wait, post->signal, &taken));
    for (uint32_t i = 0; i < n; i++)
        daub_piece_submitted(dev, &post->pieces[at + i], taken);
    // Another thread may have submitted the same later and come here first.
    uint64_t newest = post->newest ? atomic_load(post->newest) : UINT64_MAX;
    while (newest < taken && !atomic_compare_exchange_weak(post->newest, &newest, taken))
        continue;
    *ticket = taken;
    return DAUB_OK;
}

// Submits pieces as a slice of its own. Called with the mutex held and room in the ring.
static daub_status add_slice(struct daub_pace *pace, struct daub_post *post, uint32_t n, double us)
{
    TRY(submit_run(pace->dev, post, post->next, n, &post->ticket));
    struct slice *s = &pace->slices[(pace->first + pace->n++) % SLICES];
    *s = (struct slice) {
        .ticket = post->ticket,
        .pieces = post->pieces[post->next].costs ? &post->pieces[post->next] : NULL,
        .n = n,
        .call = pace->call,
        .us = us,
        .submitted_ns = daub_now_ns(),
    };
    post->next += n;
    return DAUB_OK;
}

// Microseconds that a finished slice took, its pieces' predictions corrected; negative: nobody knows. Called with the mutex held.
static double measure(struct daub_pace *pace, const struct slice *s, uint64_t now, bool precise)
{
    // It began when it was submitted or the one before it ended, if somebody saw that.
    const bool queued = s->submitted_ns < pace->last_done_ns;
    const uint64_t begin = queued ? pace->last_done_ns : s->submitted_ns;
    const double wall = precise && (!queued || pace->last_precise) ? (double)(now - begin) * 1e-3 : -1.0;
    if (!s->pieces)
        return wall;
    if (!pace->dev->caps.timestamps) {
        for (uint32_t i = 0; i < s->n && wall > 0.0 && s->us > 0.0; i++)
            daub_piece_measured(pace->dev, &s->pieces[i], wall * daub_piece_us(pace->dev, &s->pieces[i]) / s->us);
        return wall;
    }
    double us = 0.0;
    for (uint32_t i = 0; i < s->n; i++) {
        const double piece_us = daub_piece_clock_us(pace->dev, &s->pieces[i], s->ticket);
        daub_piece_measured(pace->dev, &s->pieces[i], piece_us);
        us = us < 0.0 || piece_us < 0.0 ? -1.0 : us + piece_us;
    }
    return us;
}

// A call's slices count as one.
static void add_finished(struct daub_pace *pace, const struct slice *s, double us)
{
    if (pace->sum.call != s->call) {
        pace->sum = (struct slice) { .call = s->call };
        pace->sum_us = 0.0;
    }
    pace->sum.us += s->us;
    pace->sum_us = us < 0.0 || pace->sum_us < 0.0 ? -1.0 : pace->sum_us + us;
    const bool last = pace->n == 0 ? !pace->advancing : pace->slices[pace->first].call != s->call;
    if (last && pace->sum_us > 0.0) {
        pace->finished_us = pace->sum_us;
        pace->finished_predicted_us = pace->sum.us;
    }
    if (us > 0.0 && s->pieces)
        pace->over *= us > s->us * pace->over ? 1.05 : 0.9995;
    pace->over = pace->over < 1.0 ? 1.0 : pace->over > 4.0 ? 4.0 : pace->over;
}

// Takes finished slices off the ring. Called with the mutex held. `precise`: the caller saw the first of them end just now.
static daub_status collect(struct daub_pace *pace, bool precise)
{
    while (pace->n > 0) {
        const struct slice s = pace->slices[pace->first];
        bool done = false;
        TRY(daub_wait(pace->dev, s.ticket, 0, &done));
        if (!done)
            return DAUB_OK;
        const uint64_t now = daub_now_ns();
        pace->first = (pace->first + 1) % SLICES;
        pace->n--;
        add_finished(pace, &s, measure(pace, &s, now, precise));
        pace->last_done_ns = now;
        pace->last_precise = precise;
        precise = false;
    }
    return DAUB_OK;
}

// Waits up to timeout_ns for the oldest slice, without the mutex that is held.
static daub_status wait_oldest(struct daub_pace *pace, uint64_t timeout_ns)
{
    const uint64_t ticket = pace->slices[pace->first].ticket;
    bool before = false, done = false;
    daub_mutex_unlock(&pace->mutex);
    daub_status status = daub_wait(pace->dev, ticket, 0, &before);
    if (status == DAUB_OK && !before)
        status = daub_wait(pace->dev, ticket, timeout_ns, &done);
    daub_mutex_lock(&pace->mutex);
    TRY(status);
    return collect(pace, done);
}

// ---- a pace of its own -----------------------------------------------------------------------------------------------

// Called with the mutex held.
static daub_status own_slice(struct daub_pace *pace, struct daub_post *post)
{
    double us;
    uint32_t n = run_of(pace->dev, post, post->next, pace->slice_us, &us);
    if (n == 0) {
        n = 1;
        us = daub_piece_us(pace->dev, &post->pieces[post->next]);
    }
    while (pace->n > 0 && (pace->n == SLICES || in_flight(pace) + us > pace->limit_us)) {
        TRY(wait_oldest(pace, UINT64_MAX));
        TRY(check(pace));
    }
    return add_slice(pace, post, n, us);
}

static daub_status own_submit(struct daub_pace *pace, struct daub_post *post)
{
    while (post->next < post->n) {
        TRY(check(pace));
        daub_mutex_lock(&pace->mutex);
        daub_status status = collect(pace, false);
        if (status == DAUB_OK)
            status = own_slice(pace, post);
        daub_mutex_unlock(&pace->mutex);
        TRY(status);
        if (post->between)
            TRY(post->between(post->user));
    }
    return DAUB_OK;
}

// ---- a driven pace ---------------------------------------------------------------------------------------------------

// Whether no more of the post will be taken. Called with the mutex held.
static bool ended(const struct daub_pace *pace, const struct daub_post *post)
{
    return post->next == post->n || post->failed != DAUB_OK || pace->failed != DAUB_OK || atomic_load(&pace->cancelled);
}

// Waits until something was taken. Called with the mutex held.
static daub_status wait_taken(struct daub_pace *pace, const struct daub_post *post)
{
    const uint32_t next = post->next;
    while (post->next == next && !ended(pace, post)) {
        if (pace->n > 0 && !pace->dev->caps.timestamps) // somebody must see when a slice ends
            TRY(wait_oldest(pace, 1000000));
        else
            daub_cond_wait(&pace->changed, &pace->mutex);
    }
    return DAUB_OK;
}

static daub_status driven_submit(struct daub_pace *pace, struct daub_post *post)
{
    daub_status status = DAUB_OK;
    daub_mutex_lock(&pace->mutex);
    pace->post = post;
    daub_cond_broadcast(&pace->posted);
    while (status == DAUB_OK && !ended(pace, post)) {
        status = wait_taken(pace, post);
        if (status == DAUB_OK && post->between) {
            daub_mutex_unlock(&pace->mutex);
            status = post->between(post->user);
            daub_mutex_lock(&pace->mutex);
            pace->post = post; // it may have submitted something itself
        }
    }
    pace->post = NULL;
    if (status == DAUB_OK && pace->failed != DAUB_OK)
        status = daub_fail(pace->failed, "%s", pace->sentence);
    daub_mutex_unlock(&pace->mutex);
    TRY(status);
    if (post->failed != DAUB_OK)
        return daub_fail(post->failed, "%s", post->sentence);
    return post->next < post->n ? check(pace) : DAUB_OK;
}

// Takes what there is room for. Called with the mutex held; false when there was none.
static bool take(struct daub_pace *pace, double budget_us, struct daub_pace_info *out)
{
    struct daub_post *post = pace->post;
    const double room = budget_us / pace->over - in_flight(pace);
    double us;
    uint32_t n = pace->n < SLICES ? run_of(pace->dev, post, post->next, room, &us) : 0;
    if (n == 0 && pace->n == 0 && budget_us > 0.0) {
        n = 1;
        us = daub_piece_us(pace->dev, &post->pieces[post->next]);
    }
    if (n == 0) {
        out->busy = true;
        return false;
    }
    post->failed = add_slice(pace, post, n, us);
    if (post->failed != DAUB_OK)
        snprintf(post->sentence, sizeof(post->sentence), "%s", daub_last_error());
    else
        out->submitted_us += us;
    daub_cond_broadcast(&pace->changed);
    return post->failed == DAUB_OK;
}

// Something to take, after a while if what was there has just been taken. Called with the mutex held.
static bool has_post(struct daub_pace *pace, bool taken)
{
    const uint64_t end = daub_now_ns() + WAIT_US * 1000;
    for (;;) {
        if (pace->post && pace->post->next < pace->post->n)
            return pace->post->failed == DAUB_OK;
        const uint64_t now = daub_now_ns();
        if (!taken || now >= end || atomic_load(&pace->cancelled))
            return false;
        daub_cond_wait_ns(&pace->posted, &pace->mutex, end - now);
    }
}

daub_status daub_pace_advance(struct daub_pace *pace, double budget_us, struct daub_pace_info *out)
{
    *out = (struct daub_pace_info) { 0 };
    daub_mutex_lock(&pace->mutex);
    const daub_status status = collect(pace, false);
    if (status != DAUB_OK) { // a lost device: nothing will be taken any more
        pace->failed = status;
        snprintf(pace->sentence, sizeof(pace->sentence), "%s", daub_last_error());
        daub_cond_broadcast(&pace->changed);
    }
    out->finished_us = pace->finished_us;
    out->finished_predicted_us = pace->finished_predicted_us;
    pace->finished_us = pace->finished_predicted_us = 0.0;
    pace->call++;
    pace->advancing = true;
    bool more = status == DAUB_OK && !atomic_load(&pace->cancelled);
    while (more) {
        more = has_post(pace, out->submitted_us > 0.0);
        if (!more)
            out->idle = true;
        else
            more = take(pace, budget_us, out);
    }
    pace->advancing = false;
    out->in_flight_us = in_flight(pace);
    daub_mutex_unlock(&pace->mutex);
    return status;
}

// ---- all -------------------------------------------------------------------------------------------------------------

daub_status daub_pace_submit(daub_device *dev, struct daub_post *post, uint64_t *ticket)
{
    struct daub_pace *pace = current && current->dev == dev ? current : NULL;
    if (pace)
        TRY(pace->driven ? driven_submit(pace, post) : own_submit(pace, post));
    while (post->next < post->n) {
        const uint32_t n = post->n - post->next < RUN ? post->n - post->next : RUN;
        TRY(submit_run(dev, post, post->next, n, &post->ticket));
        post->next += n;
    }
    *ticket = post->ticket;
    return DAUB_OK;
}

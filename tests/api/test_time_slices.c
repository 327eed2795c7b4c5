// test_time_slices.c - jobs driven by their host: the same bytes for any budgets, slices within them, progress, cancelling, errors. On
// a device that reads staging rings and one that lacks timestamps and timelines too.
#include "daub.h"

#include "runtime/base/thread.h"
#include "tests/test.h"

#include <time.h>

enum { SIDE = 64, N_BYTES = SIDE * SIDE * 3, MAX_SLICES = 65536 };

static daub_device *dev;
static daub_model *model;

struct drive {
    uint32_t calls, submissions, busy, idle, slices;
    double worst_call_us;  // of the host's time in daub_job_advance
    double us[MAX_SLICES]; // measured, of slices
};

static const daub_generate_params picture = {
    .struct_size = sizeof(daub_generate_params),
    .prompt = "a red apple",
    .n_steps = 3,
    .seed = 7,
    .host_driven = true,
};

static void nap(uint64_t us)
{
    const uint64_t end = daub_now_ns() + us * 1000;
    while (daub_now_ns() < end) {
        const struct timespec little = { .tv_nsec = 100000 };
        nanosleep(&little, NULL);
    }
}

// Advances until the end, waiting until a slice has finished before the next one.
static daub_status drive(daub_job *job, uint64_t (*budget)(void *user), void *user, struct drive *d)
{
    *d = (struct drive) { 0 };
    for (;;) {
        daub_advance a = { .struct_size = sizeof(a) };
        const uint64_t us = budget(user), start = daub_now_ns();
        const daub_status status = daub_job_advance(job, us, &a);
        const double call_us = (double)(daub_now_ns() - start) * 1e-3;
        d->worst_call_us = call_us > d->worst_call_us ? call_us : d->worst_call_us;
        if (a.done || status != DAUB_OK)
            return status;
        d->calls++;
        d->submissions += a.submitted_us > 0.0;
        d->busy += a.busy;
        d->idle += a.idle;
        REQUIRE(a.in_flight_us >= 0.0 && a.submitted_us >= 0.0);
        if (a.finished_us > 0.0 && d->slices < MAX_SLICES)
            d->us[d->slices++] = a.finished_us;
        if (a.submitted_us <= 0.0)
            nap(200);
    }
}

static uint64_t constant(void *user)
{
    return *(const uint64_t *)user;
}

static uint64_t any(void *user) // xorshift (Marsaglia 2003, doi:10.18637/jss.v008.i14)
{
    uint32_t *x = user;
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x % 4 == 0 ? 0 : *x % 20000;
}

static void take(daub_job **job, uint8_t *pixels)
{
    daub_image image = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    daub_progress progress = { .struct_size = sizeof(progress) };
    bool done = false;
    REQUIRE_OK(daub_job_wait(*job, 0, &done));
    REQUIRE(done);
    REQUIRE_OK(daub_job_get_progress(*job, &progress));
    REQUIRE(progress.phase == DAUB_PHASE_DONE && progress.step == 3);
    REQUIRE_OK(daub_job_get_result(*job, &result));
    REQUIRE(result.n_model_calls >= 3 && result.denoise_seconds > 0.0);
    REQUIRE_OK(daub_job_take_image(*job, &image));
    REQUIRE(image.width == SIDE && image.height == SIDE);
    memcpy(pixels, image.pixels, N_BYTES);
    daub_image_free(&image);
    daub_job_destroy(job);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print_slices(const char *name, struct drive *d)
{
    qsort(d->us, d->slices, sizeof(d->us[0]), by_size);
    printf("%-12s %5u calls, %5u submitted, %4u busy, %4u idle, %5u slices", name, d->calls, d->submissions, d->busy,
           d->idle, d->slices);
    if (d->slices > 0)
        printf(", ms p50 %.2f p90 %.2f p99 %.2f most %.2f", d->us[d->slices / 2] * 1e-3,
               d->us[d->slices * 9 / 10] * 1e-3, d->us[d->slices * 99 / 100] * 1e-3, d->us[d->slices - 1] * 1e-3);
    printf("; longest call %.2f ms\n", d->worst_call_us * 1e-3);
    fflush(stdout);
}

static void same_bytes_for_any_budget(void)
{
    static const struct {
        const char *name;
        uint64_t us;
    } budgets[] = {
        { "2 ms", 2000 }, { "10 ms", 10000 }, { "1 s", 1000000 }, { "unlimited", UINT64_MAX }, { "2 ms again", 2000 },
    };
    static uint8_t want[N_BYTES], got[N_BYTES];
    static struct drive d;
    daub_image image = { 0 };
    daub_generate_params p = picture;
    p.host_driven = false;
    REQUIRE_OK(daub_generate(model, &p, &image));
    memcpy(want, image.pixels, N_BYTES);
    daub_image_free(&image);
    uint32_t submissions[5];
    for (int i = 0; i < 5; i++) {
        daub_job *job = NULL;
        uint64_t us = budgets[i].us;
        REQUIRE_OK(daub_job_submit(model, &picture, &job));
        REQUIRE_OK(drive(job, constant, &us, &d));
        take(&job, got);
        REQUIRE(memcmp(want, got, N_BYTES) == 0);
        submissions[i] = d.submissions;
        print_slices(budgets[i].name, &d);
    }
    REQUIRE(submissions[0] > 2 * submissions[3] && submissions[1] > submissions[3] && submissions[4] > submissions[3]);
    for (uint32_t seed = 1; seed <= 3; seed++) {
        daub_job *job = NULL;
        uint32_t state = seed * 2654435761u;
        REQUIRE_OK(daub_job_submit(model, &picture, &job));
        REQUIRE_OK(drive(job, any, &state, &d));
        take(&job, got);
        REQUIRE(memcmp(want, got, N_BYTES) == 0);
        print_slices("random", &d);
    }
    REQUIRE_OK(daub_generate(model, &p, &image)); // the model's commands are its thread's again
    REQUIRE(memcmp(want, image.pixels, N_BYTES) == 0);
    daub_image_free(&image);
}

// Nothing of the job is submitted while nobody advances it, in whatever phase it is.
static void nothing_happens_by_itself(void)
{
    daub_job *job = NULL;
    bool done = true;
    daub_advance a = { .struct_size = sizeof(a) };
    REQUIRE_OK(daub_job_submit(model, &picture, &job));
    REQUIRE_OK(daub_job_wait(job, 100000000, &done));
    REQUIRE(!done);
    for (int i = 0; i < 50; i++) {
        REQUIRE_OK(daub_job_advance(job, 0, &a)); // only looks
        REQUIRE(!a.done && a.submitted_us == 0.0 && a.in_flight_us == 0.0);
    }
    for (uint32_t step = 0; step < 3;) {
        daub_progress progress = { .struct_size = sizeof(progress) };
        REQUIRE_OK(daub_job_advance(job, 2000, &a));
        REQUIRE_OK(daub_job_get_progress(job, &progress));
        REQUIRE(!a.done && progress.step <= step + 1);
        step = progress.step;
    }
    daub_job_destroy(&job); // in the middle
}

static void cancelled_within_a_slice(void)
{
    for (uint32_t stop = 1; stop < 400; stop = 3 * stop + 5) { // submissions before it
        daub_job *job = NULL;
        daub_advance a = { .struct_size = sizeof(a) };
        bool done = false;
        REQUIRE_OK(daub_job_submit(model, &picture, &job));
        for (uint32_t n = 0; n < stop && !a.done;) {
            REQUIRE_OK(daub_job_advance(job, 2000, &a));
            n += a.submitted_us > 0.0;
        }
        if (a.done) {
            daub_job_destroy(&job);
            break;
        }
        daub_job_cancel(job);
        const uint64_t start = daub_now_ns();
        REQUIRE_STATUS(daub_job_wait(job, UINT64_MAX, &done), DAUB_ERROR_CANCELLED, "cancelled");
        printf("cancelled after %u slices: ended in %.2f ms\n", stop, (double)(daub_now_ns() - start) * 1e-6);
        REQUIRE_STATUS(daub_job_advance(job, 2000, &a), DAUB_ERROR_CANCELLED, "cancelled");
        REQUIRE(a.done && a.submitted_us == 0.0);
        daub_job_destroy(&job);
    }
}

// Who drives a job may ask its model things meanwhile, while weights wait for being driven too.
static void asked_meanwhile(void)
{
    daub_model *fresh = NULL; // nothing of it is packed
    daub_job *job = NULL, *next = NULL;
    daub_advance a = { .struct_size = sizeof(a) };
    REQUIRE_OK(daub_model_load(dev, NULL, NULL, &fresh));
    REQUIRE_OK(daub_job_submit(fresh, &picture, &job));
    for (uint32_t n = 0; !a.done; n++) {
        daub_model_info info = { .struct_size = sizeof(info) };
        daub_memory_estimate e = { .struct_size = sizeof(e) };
        REQUIRE_OK(daub_model_get_info(fresh, &info));
        if (n % 64 == 0)
            REQUIRE_OK(daub_estimate(fresh, &picture, &e));
        if (n == 200)
            REQUIRE_OK(daub_job_submit(fresh, &picture, &next));
        REQUIRE_OK(daub_job_advance(job, 20000, &a));
    }
    daub_job_destroy(&job);
    daub_job_destroy(&next);
    REQUIRE_OK(daub_model_destroy(&fresh));
}

static void refusals(void)
{
    daub_job *job = NULL;
    daub_image image = { 0 };
    daub_advance a = { 0 };
    REQUIRE_STATUS(daub_generate(model, &picture, &image), DAUB_ERROR_INVALID_ARG, "host_driven");
    REQUIRE_STATUS(daub_job_advance(NULL, 1, NULL), DAUB_ERROR_INVALID_ARG, "NULL");
    daub_generate_params p = picture;
    p.host_driven = false;
    REQUIRE_OK(daub_job_submit(model, &p, &job));
    REQUIRE_STATUS(daub_job_advance(job, 1, NULL), DAUB_ERROR_INVALID_ARG, "without host_driven");
    daub_job_destroy(&job);
    REQUIRE_OK(daub_job_submit(model, &picture, &job));
    REQUIRE_STATUS(daub_job_advance(job, 1, &a), DAUB_ERROR_INVALID_ARG, "struct_size");
    REQUIRE_OK(daub_job_advance(job, 1, NULL));
    daub_job_destroy(&job);
}

int main(void)
{
    static const char *const masks[] = { "", "-uma,-timeline,-timestamps" };
    for (int i = 0; i < 2; i++) {
        printf("DAUB_CAPS=%s\n", masks[i]);
        REQUIRE_OK(daub_device_create(daub_device_params(.caps = masks[i]), &dev));
        REQUIRE_OK(daub_model_load(dev, NULL, NULL, &model));
        same_bytes_for_any_budget();
        nothing_happens_by_itself();
        asked_meanwhile();
        cancelled_within_a_slice();
        refusals();
        REQUIRE_OK(daub_model_destroy(&model));
        REQUIRE_OK(daub_device_destroy(&dev));
    }
    return 0;
}

// test_time_cancel.c - cancelling a job that its own thread submits takes effect inside a step, in every phase: a histogram of how
// long it took, and the model goes on.
#include "daub.h"

#include "runtime/base/thread.h"
#include "tests/test.h"

#include <time.h>

enum { TRIES = 24, SIDE = 320 }; // a step of the default model is about a second there

static void nap(uint64_t ns)
{
    const struct timespec t = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };
    nanosleep(&t, NULL);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Cancels `after` nanoseconds after the job has begun; seconds until it has ended, negative if it was faster.
static double cancel_after(daub_model *model, const daub_generate_params *params, uint64_t after,
                           daub_progress *progress)
{
    daub_job *job = NULL;
    bool done = false;
    REQUIRE_OK(daub_job_submit(model, params, &job));
    nap(after);
    daub_job_cancel(job);
    const uint64_t start = daub_now_ns();
    const daub_status status = daub_job_wait(job, UINT64_MAX, &done);
    const double seconds = (double)(daub_now_ns() - start) * 1e-9;
    REQUIRE(status == DAUB_OK || (status == DAUB_ERROR_CANCELLED && strstr(daub_last_error(), "cancelled")));
    REQUIRE_OK(daub_job_get_progress(job, progress));
    daub_job_destroy(&job);
    return status == DAUB_OK ? -1.0 : seconds;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool timed =
    false; // their times are not ours, and llvmpipe's own allocations fill AddressSanitizer's records: 16 GB here
#else
static const bool timed = true;
#endif

int main(void)
{
    if (!timed)
        return 77; // skipped
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_image before = { 0 }, after = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    REQUIRE_OK(daub_device_create(NULL, &dev));
    REQUIRE_OK(daub_model_load(dev, NULL, NULL, &model));
    const daub_generate_params p = {
        .struct_size = sizeof(p), .prompt = "a red apple", .n_steps = 2, .width = SIDE, .height = SIDE
    };
    REQUIRE_OK(daub_generate_with_result(model, &p, &before, &result)); // all is compiled now
    const double all = result.denoise_seconds + result.decode_seconds + result.text_seconds;
    printf("text %.3f s, denoise %.3f s in 2 steps, decode %.3f s\n", result.text_seconds, result.denoise_seconds,
           result.decode_seconds);
    double seconds[TRIES];
    uint32_t n = 0, phases[5] = { 0 };
    for (uint32_t i = 0; i < TRIES; i++) {
        daub_progress progress = { .struct_size = sizeof(progress) };
        const double took = cancel_after(model, &p, (uint64_t)(all * 1.02e9 * (i + 1) / TRIES), &progress);
        if (took < 0.0)
            continue;
        seconds[n++] = took;
        phases[progress.phase]++;
    }
    qsort(seconds, n, sizeof(seconds[0]), by_value);
    REQUIRE(n >= TRIES / 2 && phases[DAUB_PHASE_DENOISE] > 0);
    printf("%u cancelled (%u in denoising, %u in decoding): ms p50 %.1f p90 %.1f most %.1f\n", n,
           phases[DAUB_PHASE_DENOISE], phases[DAUB_PHASE_DECODE], seconds[n / 2] * 1e3, seconds[n * 9 / 10] * 1e3,
           seconds[n - 1] * 1e3);
    // A slice of the pace is a tenth of a second; half a step is what waiting for steps would take.
    REQUIRE(seconds[n / 2] < 0.25 * result.denoise_seconds && seconds[n - 1] < 1.0);
    REQUIRE_OK(daub_generate(model, &p, &after));
    REQUIRE(memcmp(before.pixels, after.pixels, (size_t)SIDE * SIDE * 3) == 0);
    daub_image_free(&before);
    daub_image_free(&after);
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
    return 0;
}

// test_concurrency.c - two devices, two models and ten jobs at once, cancelled from other threads, and parents that refuse to go before their
// children. Made for the thread sanitizer (preset tsan); without it, it still compares pictures.
#include "daub.h"

#include "tests/test.h"

#include <pthread.h>
#include <stdatomic.h>

enum { JOBS = 10, SIZE = 64 };

static daub_device *devices[2];
static daub_model *models[2];
static daub_image reference[JOBS / 2];

static daub_generate_params params_of(int i)
{
    const int k = i / 2; // the two devices make the same pictures
    return *daub_generate_params(.prompt = k % 2 ? "a star" : "a red apple", .n_steps = 2, .seed = (uint64_t)k,
                                 .width = SIZE, .height = SIZE, .sampler = k % 3 ? "euler" : "dpmpp_2m");
}

struct watch {
    atomic_uint steps;
    daub_job *_Atomic job; // to be cancelled by another thread
};

static bool count(void *user, const daub_progress *progress)
{
    struct watch *watch = user;
    atomic_store(&watch->steps, progress->step);
    return true;
}

// Job i, from a thread of its own: even ones on the first device, odd ones on the second.
static void *one_job(void *arg)
{
    const int i = (int)(intptr_t)arg;
    struct watch watch = { 0 };
    daub_generate_params params = params_of(i);
    params.on_progress = count;
    params.user = &watch;
    daub_job *job = NULL;
    daub_image image = { 0 };
    daub_progress progress = { .struct_size = sizeof(progress) };
    bool done = false;
    REQUIRE_OK(daub_job_submit(models[i % 2], &params, &job));
    while (!done) {
        REQUIRE_OK(daub_job_get_progress(job, &progress));
        REQUIRE_OK(daub_job_wait(job, 20000000, &done));
    }
    REQUIRE_OK(daub_job_take_image(job, &image));
    REQUIRE(atomic_load(&watch.steps) == 2);
    const daub_image *want = &reference[i / 2];
    REQUIRE(image.width == want->width && memcmp(image.pixels, want->pixels, (size_t)SIZE * SIZE * 3) == 0);
    daub_image_free(&image);
    daub_job_destroy(&job);
    return NULL;
}

static void *canceller(void *arg)
{
    struct watch *watch = arg;
    while (atomic_load(&watch->steps) < 1)
        continue;
    daub_job_cancel(atomic_load(&watch->job));
    return NULL;
}

static void *cancelled_job(void *arg)
{
    const int i = (int)(intptr_t)arg;
    struct watch watch = { 0 };
    daub_job *job = NULL;
    pthread_t thread;
    REQUIRE_OK(daub_job_submit(models[i],
                               daub_generate_params(.prompt = "x", .n_steps = 500, .width = SIZE, .height = SIZE,
                                                    .on_progress = count, .user = &watch),
                               &job));
    atomic_store(&watch.job, job);
    REQUIRE(pthread_create(&thread, NULL, canceller, &watch) == 0);
    REQUIRE_STATUS(daub_job_wait(job, UINT64_MAX, NULL), DAUB_ERROR_CANCELLED, "cancelled");
    REQUIRE(pthread_join(thread, NULL) == 0);
    daub_job_destroy(&job);
    return NULL;
}

static void *open_one(void *arg)
{
    const int i = (int)(intptr_t)arg;
    REQUIRE_OK(daub_device_create(NULL, &devices[i]));
    REQUIRE_OK(daub_model_load(devices[i], DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15", NULL, &models[i]));
    return NULL;
}

static void on_threads(void *(*run)(void *), int n)
{
    pthread_t threads[JOBS];
    for (int i = 0; i < n; i++)
        REQUIRE(pthread_create(&threads[i], NULL, run, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < n; i++)
        REQUIRE(pthread_join(threads[i], NULL) == 0);
}

static void parents_with_children_refuse(void)
{
    daub_job *jobs[2] = { NULL, NULL };
    const daub_generate_params params = params_of(0);
    REQUIRE_STATUS(daub_device_destroy(&devices[0]), DAUB_ERROR_INVALID_ARG, "still has 1 model;");
    REQUIRE_OK(daub_job_submit(models[0], &params, &jobs[0]));
    REQUIRE_STATUS(daub_model_destroy(&models[0]), DAUB_ERROR_INVALID_ARG, "still has 1 job;");
    REQUIRE_OK(daub_job_submit(models[0], &params, &jobs[1]));
    REQUIRE_STATUS(daub_model_destroy(&models[0]), DAUB_ERROR_INVALID_ARG, "still has 2 jobs;");
    REQUIRE(devices[0] && models[0]);
    daub_job_destroy(&jobs[0]);
    REQUIRE_OK(daub_job_wait(jobs[1], UINT64_MAX, NULL)); // as if nothing had been asked
    daub_job_destroy(&jobs[1]);
}

int main(void)
{
    on_threads(open_one, 2);
    for (int i = 0; i < JOBS / 2; i++) {
        const daub_generate_params params = params_of(2 * i);
        REQUIRE_OK(daub_generate(models[0], &params, &reference[i]));
    }
    on_threads(one_job, JOBS);
    on_threads(cancelled_job, 2);
    on_threads(one_job, JOBS); // they go on as if nothing had been cancelled
    parents_with_children_refuse();
    for (int i = 0; i < 2; i++) {
        REQUIRE_OK(daub_model_destroy(&models[i]));
        REQUIRE_OK(daub_device_destroy(&devices[i]));
    }
    for (int i = 0; i < JOBS / 2; i++)
        daub_image_free(&reference[i]);
    return 0;
}

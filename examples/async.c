// async.c - drawing beside a main loop: progress that other threads read, previews, and cancelling: async [PROMPT]
//
// A job runs on a thread of its own. The loop below stands for a program that has frames to show: it asks, and never waits
// for longer than a frame.
#include "daub.h"

#include <stdatomic.h>
#include <stdio.h>

// What callbacks and main loop share. Callbacks run on the job's thread.
struct shared {
    atomic_uint steps, previews;
    atomic_uint brightness; // mean of the last preview, 0..255
    unsigned cancel_at;     // 0: never
};

static bool on_progress(void *user, const daub_progress *p)
{
    struct shared *s = user;
    atomic_store(&s->steps, p->step);
    return s->cancel_at == 0 || p->step < s->cancel_at; // false ends the job with DAUB_ERROR_CANCELLED
}

static void on_preview(void *user, const daub_preview *p)
{
    struct shared *s = user;
    const size_t n = (size_t)p->width * p->height * 3; // the pixels are lent: use or copy them now
    unsigned long sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += p->pixels[i];
    atomic_store(&s->brightness, (unsigned)(sum / n));
    atomic_fetch_add(&s->previews, 1);
}

static const uint64_t frame_ns = 16666667; // of a loop at 60 a second

// Runs until the job has ended, as a main loop would, and returns its status.
static daub_status main_loop(daub_job *job, struct shared *s)
{
    unsigned frames = 0, shown = 0;
    bool done = false;
    daub_status status = DAUB_OK;
    while (!done) {
        status = daub_job_wait(job, frame_ns, &done); // a program with frames to draw passes 0 here, and draws
        frames++;
        const unsigned now = atomic_load(&s->steps);
        if (now != shown) {
            daub_progress p = { .struct_size = sizeof(p) };
            if (daub_job_get_progress(job, &p) == DAUB_OK)
                printf("frame %u: step %u of %u, %.1f s left, brightness %u\n", frames, p.step, p.n_steps,
                       p.seconds_left > 0 ? p.seconds_left : 0.0, atomic_load(&s->brightness));
            shown = now;
        }
    }
    return status;
}

static daub_status draw(daub_model *model, const char *prompt, struct shared *s, daub_image *out)
{
    daub_job *job = NULL;
    const daub_generate_params params = {
        .struct_size = sizeof(params),
        .prompt = prompt,
        .n_steps = 12,
        .on_progress = on_progress,
        .on_preview = on_preview,
        .preview_every = 3,
        .user = s,
    };
    daub_status status = daub_job_submit(model, &params, &job);
    if (status == DAUB_OK)
        status = main_loop(job, s);
    if (status == DAUB_OK)
        status = daub_job_take_image(job, out);
    daub_job_destroy(&job); // of a job that still ran this would cancel, and wait
    return status;
}

int main(int argc, char **argv)
{
    const char *prompt = argc > 1 ? argv[1] : "a blue heart";
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_image image = { 0 }, none = { 0 };
    struct shared first = { 0 }, second = { .cancel_at = 3 };

    daub_status status = daub_device_create(NULL, &dev);
    if (status == DAUB_OK)
        status = daub_model_load(dev, NULL, NULL, &model);
    if (status == DAUB_OK)
        status = draw(model, prompt, &first, &image);
    if (status == DAUB_OK)
        printf("drew %ux%u with %u previews\n", image.width, image.height, atomic_load(&first.previews));

    // The user changes their mind: this one is cancelled on the way. That is an end, not a failure.
    if (status == DAUB_OK)
        status = draw(model, prompt, &second, &none);
    if (status == DAUB_ERROR_CANCELLED) {
        printf("second: %s\n", daub_last_error());
        status = DAUB_OK;
    }
    if (status != DAUB_OK)
        fprintf(stderr, "%s: %s\n", daub_status_text(status), daub_last_error());
    daub_image_free(&image);
    daub_model_destroy(&model);
    daub_device_destroy(&dev);
    return status == DAUB_OK ? 0 : 1;
}

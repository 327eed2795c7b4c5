// in_frame.c - a program that draws thirty frames a second with Vulkan, offscreen, and lets daub draw pictures on the same device and
// queue between them: each frame, daub_job_advance may submit so much GPU time and no more.
//
//     example_in_frame [--seconds 10] [--hz 30] [--budget US] [--model PATH] [--size N] [--steps N] [--check]
//
// Draws for some seconds without daub, then with it, and prints what frames took in both, and slices. With daub, every other frame
// has work of our own of a slice's length instead: what the 99th percentile of these is over the fastest is the noise of the
// machine's scheduling, at the same time and under the same load. --check fails where the 99th percentile of slices is over the
// budget plus that noise; where too few were measured to say so it goes on, up to eight times as long.
#include "renderer/renderer.h"

#include <string.h>
#include <time.h>

enum { MAX_FRAMES = 20000, ATTEMPTS = 8, MAX_MORE = 10000 };

struct options {
    double seconds, hz;
    uint64_t budget_us;
    const char *model;
    uint32_t size, steps;
    int check;
};

struct times { // microseconds
    double us[MAX_FRAMES];
    uint32_t n;
};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void sleep_until(double us)
{
    const double left = us - now_us();
    if (left > 0.0) {
        const struct timespec t = { .tv_sec = (time_t)(left * 1e-6),
                                    .tv_nsec = (long)((left - (double)(time_t)(left * 1e-6) * 1e6) * 1e3) };
        nanosleep(&t, NULL);
    }
}

// ---- pictures --------------------------------------------------------------------------------------------------------

struct artist {
    daub_model *model;
    daub_job *job;
    const struct options *options;
    uint32_t pictures;
    struct times slices;
    double submitted_us;
};

static void start_picture(struct artist *a)
{
    static const char *const prompts[] = { "a red apple", "a blue heart" };
    DAUB(daub_job_submit(a->model,
                         daub_generate_params(.prompt = prompts[a->pictures % 2], .width = a->options->size,
                                              .height = a->options->size, .n_steps = a->options->steps,
                                              .seed = a->pictures, .host_driven = true),
                         &a->job));
}

// The frame's share of the picture.
static void advance(struct artist *a, uint64_t budget_us)
{
    daub_advance done = { .struct_size = sizeof(done) };
    DAUB(daub_job_advance(a->job, budget_us, &done));
    if (done.finished_us > 0.0 && a->slices.n < MAX_FRAMES)
        a->slices.us[a->slices.n++] = done.finished_us;
    a->submitted_us += done.submitted_us;
    if (!done.done)
        return;
    daub_image image = { 0 };
    DAUB(daub_job_take_image(a->job, &image)); // a renderer would upload it, or have it in an image: see daub_vulkan_io
    daub_image_free(&image);
    daub_job_destroy(&a->job);
    a->pictures++;
    start_picture(a);
}

// ---- frames ----------------------------------------------------------------------------------------------------------

static void add_time(struct times *t, double us)
{
    if (t->n < MAX_FRAMES)
        t->us[t->n++] = us;
}

// Draws at the fixed cadence. artist NULL: frames alone. Else its share of work is done in every other frame, and the frames between
// have so many dispatches more of our own, which take as long, and go into busy.
static void run_frames(struct renderer *r, const struct options *o, struct artist *a, struct times *frames,
                       uint32_t more, struct times *busy)
{
    const double start = now_us(), period = 1e6 / o->hz;
    for (uint32_t i = 0; (double)i * period < o->seconds * 1e6; i++) {
        const int ours = a && i % 2 == 0;
        sleep_until(start + (double)i * period);
        const double begin = now_us();
        renderer_draw(r, (begin - start) * 1e-6, ours ? more : 0);
        if (a && !ours)
            advance(a, o->budget_us);
        VK(r->vkWaitForFences(r->device, 1, &r->drawn, VK_TRUE, UINT64_MAX));
        add_time(ours ? busy : frames, now_us() - begin);
    }
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const struct times *t, double p) // of sorted times
{
    return t->n ? t->us[(uint32_t)(p * (t->n - 1) + 0.5)] : 0.0;
}

static void print_times(const char *name, struct times *t)
{
    qsort(t->us, t->n, sizeof(t->us[0]), by_value);
    printf("%s: %u, ms p50 %.2f p90 %.2f p99 %.2f most %.2f\n", name, t->n, percentile(t, 0.5) * 1e-3,
           percentile(t, 0.9) * 1e-3, percentile(t, 0.99) * 1e-3, percentile(t, 1.0) * 1e-3);
    uint32_t i = 0;
    for (double end = 1e3; i < t->n; end *= 1.41421356) { // two bars an octave
        uint32_t n = 0;
        for (; i < t->n && t->us[i] < end; i++)
            n++;
        if (n > 0)
            printf("  < %7.2f ms %6u %.*s\n", end * 1e-3, n, (int)(1 + 59 * n / t->n),
                   "############################################################");
    }
}

static int check(const struct options *o, const struct times *busy, const struct artist *a)
{
    const double noise = percentile(busy, 0.99) - percentile(busy, 0.0);
    const double slice = percentile(&a->slices, 0.99), limit = (double)o->budget_us + noise;
    printf("slices' 99th percentile %.2f ms, budget %.2f ms and noise %.2f ms: %s\n", slice * 1e-3,
           (double)o->budget_us * 1e-3, noise * 1e-3, slice <= limit ? "within" : "over");
    return slice <= limit && a->slices.n > 0;
}

// How many dispatches of our own take as long as a slice may.
static uint32_t dispatches_for(struct renderer *r, uint64_t budget_us)
{
    enum { TRIES = 9, MORE = 100 };
    struct times *t = calloc(1, sizeof(*t));
    if (!t)
        return 1;
    for (uint32_t i = 0; i < TRIES; i++) {
        const double begin = now_us();
        renderer_draw(r, 0.0, MORE);
        VK(r->vkWaitForFences(r->device, 1, &r->drawn, VK_TRUE, UINT64_MAX));
        add_time(t, now_us() - begin);
    }
    qsort(t->us, t->n, sizeof(t->us[0]), by_value);
    const double n = (double)budget_us * MORE / percentile(t, 0.5);
    free(t);
    return n < 1.0 ? 1 : n > MAX_MORE ? MAX_MORE : (uint32_t)n;
}

static int parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--check") == 0) {
            o->check = 1;
            continue;
        }
        if (i + 1 == argc)
            return 0;
        const char *value = argv[++i];
        if (strcmp(argv[i - 1], "--seconds") == 0)
            o->seconds = atof(value);
        else if (strcmp(argv[i - 1], "--hz") == 0)
            o->hz = atof(value);
        else if (strcmp(argv[i - 1], "--budget") == 0)
            o->budget_us = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--model") == 0)
            o->model = value;
        else if (strcmp(argv[i - 1], "--size") == 0)
            o->size = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--steps") == 0)
            o->steps = (uint32_t)strtoul(value, NULL, 10);
        else
            return 0;
    }
    return o->seconds > 0.0 && o->hz > 0.0;
}

int main(int argc, char **argv)
{
    static struct renderer r;
    static struct artist a;
    static struct times alone, busy, with;
    struct options o = { .seconds = 10.0, .hz = 30.0, .budget_us = 8000 };
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: in_frame [--seconds S] [--hz HZ] [--budget US] [--model PATH] [--size N] [--steps N] "
                        "[--check]\n");
        return 2;
    }
    renderer_open(&r);
    daub_device *dev = NULL;
    DAUB(daub_vulkan_device_create(
        daub_vulkan_device_params(.get_instance_proc_addr = r.get, .instance = r.instance,
                                  .api_version = VK_API_VERSION_1_3, .physical_device = r.gpu, .device = r.device,
                                  .features = &r.features, .extensions = r.wishes.extensions,
                                  .n_extensions = r.wishes.n_extensions, .queue_family = r.family, .queue = r.queue,
                                  .lock_queue = renderer_lock_queue, .unlock_queue = renderer_unlock_queue,
                                  .queue_user = &r),
        &dev));
    DAUB(daub_model_load(dev, o.model, NULL, &a.model));

    // The loading screen: a first picture of the size, as fast as can be, after which all is planned, made and measured.
    a.options = &o;
    start_picture(&a);
    while (a.pictures == 0) {
        advance(&a, UINT64_MAX);
        sleep_until(now_us() + 1000.0);
    }

    a.slices.n = a.pictures = 0;
    a.submitted_us = 0.0;
    run_frames(&r, &o, NULL, &alone, 0, NULL);
    const uint32_t more = dispatches_for(&r, o.budget_us);
    int good = 0;
    for (int attempt = 1; attempt <= (o.check ? ATTEMPTS : 1) && !good; attempt++) {
        run_frames(&r, &o, &a, &with, more, &busy);
        print_times("frames without daub", &alone);
        print_times("frames with work of our own", &busy);
        print_times("frames with daub", &with);
        print_times("slices", &a.slices);
        printf("%u pictures; %.1f %% of the time given to daub\n", a.pictures,
               a.submitted_us * 1e-4 / o.seconds / attempt);
        good = check(&o, &busy, &a);
    }
    daub_job_destroy(&a.job);

    DAUB(daub_model_destroy(&a.model));
    DAUB(daub_device_destroy(&dev));
    renderer_close(&r);
    return o.check && !good ? 1 : 0;
}

// test_guidance_interval.c - "a per-step guidance interval is an option of its own": 0..1 draws the same bytes as none, every memory mode draws the
// same picture, a state goes on across the interval's ends, and the device holds what daub_estimate said. That the pictures are right
// say the goldens (tests/golden/make_guidance_interval.py).
#include "tests/test.h"

static const char tiny[] = DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15";
enum { STEPS = 8 };

struct setup {
    daub_device *dev;
    daub_model *model;
};

static daub_generate_params params_of(double start, double end)
{
    return *daub_generate_params(.prompt = "a red fox", .negative_prompt = "blue", .sampler = "dpmpp_2m", .width = 64,
                                 .height = 64, .n_steps = STEPS, .guidance_scale = 7.5f, .seed = 3,
                                 .guidance_start = start, .guidance_end = end);
}

static void draw(const struct setup *s, const daub_generate_params *params, daub_image *image)
{
    daub_result result = { .struct_size = sizeof(result) };
    REQUIRE_OK(daub_generate_with_result(s->model, params, image, &result));
    REQUIRE(result.n_model_calls == STEPS);
    REQUIRE_NEAR(result.guidance_start, params->guidance_start, 0.0);
    REQUIRE_NEAR(result.guidance_end, params->guidance_end > 0.0 ? params->guidance_end : 1.0, 0.0);
}

static bool same(const daub_image *a, const daub_image *b)
{
    REQUIRE(a->width == b->width && a->height == b->height && a->channels == b->channels);
    return memcmp(a->pixels, b->pixels, (size_t)a->width * a->height * a->channels) == 0;
}

// Each of them differs from the whole and from the others, and comes out alike again, on warm executors too.
static void test_pictures(const struct setup *s)
{
    static const double intervals[][2] = { { 0, 0 }, { 0.25, 0.75 }, { 0, 0.5 }, { 0.5, 1 }, { 0.125, 0.25 } };
    enum { N = sizeof(intervals) / sizeof(intervals[0]) };
    daub_image images[N] = { { 0 } }, none = { 0 }, again = { 0 };
    daub_generate_params p = params_of(0.0, 1.0);
    draw(s, &p, &none);
    for (int i = 0; i < N; i++) {
        p = params_of(intervals[i][0], intervals[i][1]);
        draw(s, &p, &images[i]);
        for (int j = 0; j < i; j++)
            REQUIRE(!same(&images[i], &images[j]));
    }
    REQUIRE(same(&none, &images[0]));
    for (int i = N; i-- > 0;) {
        p = params_of(intervals[i][0], intervals[i][1]);
        for (int mode = DAUB_MEMORY_MODE_RESIDENT; mode <= DAUB_MEMORY_MODE_STREAM; mode++) {
            p.memory = (daub_memory_mode)mode;
            draw(s, &p, &again);
            REQUIRE(same(&again, &images[i]));
            daub_image_free(&again);
        }
    }
    for (int i = 0; i < N; i++)
        daub_image_free(&images[i]);
    daub_image_free(&none);
}

struct stop {
    uint32_t after; // this many steps
};

static bool on_progress(void *user, const daub_progress *p)
{
    const struct stop *stop = user;
    return p->phase != DAUB_PHASE_DENOISE || p->step < stop->after;
}

// A state from every step, so also from either end of the interval, leads to the same bytes.
static void test_states(const struct setup *s)
{
    daub_generate_params p = params_of(0.25, 0.75);
    daub_image whole = { 0 }, resumed = { 0 };
    draw(s, &p, &whole);
    for (uint32_t step = 1; step < STEPS; step++) {
        struct stop stop = { .after = step };
        daub_job *job = NULL;
        daub_state state = { 0 };
        p = params_of(0.25, 0.75);
        p.keep_state_every = 1;
        p.on_progress = on_progress;
        p.user = &stop;
        REQUIRE_OK(daub_job_submit(s->model, &p, &job));
        REQUIRE(daub_job_wait(job, UINT64_MAX, NULL) == DAUB_ERROR_CANCELLED);
        REQUIRE_OK(daub_job_take_state(job, &state));
        daub_job_destroy(&job);
        p = params_of(0.25, 0.75);
        p.resume_state = state.data;
        p.resume_size = state.size;
        REQUIRE_OK(daub_generate(s->model, &p, &resumed));
        REQUIRE(same(&resumed, &whole));
        daub_image_free(&resumed);
        p.guidance_end = 0.5; // not the picture that it was taken from
        REQUIRE_STATUS(daub_generate(s->model, &p, &resumed), DAUB_ERROR_INVALID_ARG,
                       "another size, precision, guidance");
        daub_state_free(&state);
    }
    daub_image_free(&whole);
}

// Without the interval's second graph the estimate would be too small, where small maps want other packings.
static void test_memory(void)
{
    for (int mode = DAUB_MEMORY_MODE_RESIDENT; mode <= DAUB_MEMORY_MODE_STREAM; mode++) {
        struct setup s = { 0 };
        daub_memory_estimate e = { .struct_size = sizeof(e) };
        daub_result result = { .struct_size = sizeof(result) };
        daub_image image = { 0 };
        daub_generate_params p = params_of(0.25, 0.75);
        p.memory = (daub_memory_mode)mode;
        REQUIRE_OK(daub_device_create(NULL, &s.dev));
        REQUIRE_OK(daub_model_load(s.dev, tiny, NULL, &s.model));
        REQUIRE_OK(daub_estimate(s.model, &p, &e));
        REQUIRE_OK(daub_generate_with_result(s.model, &p, &image, &result));
        printf("mode %d: estimate %llu, peak %llu\n", mode, (unsigned long long)e.peak,
               (unsigned long long)result.memory_peak);
        REQUIRE(result.memory_peak <= e.peak + e.peak / 50);
        REQUIRE(result.arena_size >= e.denoise.activations);
        daub_image_free(&image);
        REQUIRE_OK(daub_model_destroy(&s.model));
        REQUIRE_OK(daub_device_destroy(&s.dev));
    }
}

int main(void)
{
    struct setup s = { 0 };
    REQUIRE_OK(daub_device_create(NULL, &s.dev));
    REQUIRE_OK(daub_model_load(s.dev, tiny, NULL, &s.model));
    test_pictures(&s);
    test_states(&s);
    REQUIRE_OK(daub_model_destroy(&s.model));
    REQUIRE_OK(daub_device_destroy(&s.dev));
    test_memory();
    return 0;
}

// test_device_lost.c - VK_ERROR_DEVICE_LOST at every submission and at every wait in turn: a status, everything can be destroyed, and on a new
// device in the same process the picture goes on from its last state, to the same bytes.
//
//     test_device_lost [--all]
//
// Without --all the device is lost at some of them: DAUB_FAULTS says at how many of a kind, or "all".
#include "harness_inject.h"

#include "runtime/base/status.h"
#include "tests/test.h"

#include <unistd.h>

enum { STEPS = 4, SECONDS = 120 };

static const char *const model_path = DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15";
static bool all, driven;
static uint64_t few = 4;

struct run {
    daub_device *dev;
    daub_model *model;
    daub_image image;
    daub_state state;
};

static daub_generate_params params_of(void)
{
    return *daub_generate_params(.prompt = "a star", .width = 64, .height = 64, .n_steps = STEPS, .sampler = "unipc",
                                 .guidance_scale = 2.0f, .keep_state_every = 1);
}

static daub_status open_model(struct run *run, const char *caps)
{
    const daub_status status = daub_device_create(daub_device_params(.debug = "nocache", .caps = caps), &run->dev);
    return status == DAUB_OK ? daub_model_load(run->dev, model_path, NULL, &run->model) : status;
}

// The picture, from run->state if there is one; what state is left is in run->state afterwards.
static daub_status draw(struct run *run)
{
    daub_generate_params params = params_of();
    params.resume_state = run->state.data;
    params.resume_size = run->state.size;
    params.host_driven = driven;
    daub_job *job = NULL;
    daub_status status = daub_job_submit(run->model, &params, &job);
    daub_state_free(&run->state);
    if (status != DAUB_OK)
        return status;
    for (daub_advance a = { .struct_size = sizeof(a) }; driven && status == DAUB_OK && !a.done;) {
        status = daub_job_advance(job, UINT64_MAX, &a);
        if (a.submitted_us <= 0.0)
            (void)usleep(200);
    }
    status = daub_job_wait(job, UINT64_MAX, NULL); // which nobody needs to advance once it has failed
    char sentence[512];
    snprintf(sentence, sizeof(sentence), "%s", daub_last_error());
    if (status == DAUB_OK)
        REQUIRE_OK(daub_job_take_image(job, &run->image));
    (void)daub_job_take_state(job, &run->state); // there may be none
    daub_set_last_error(sentence);
    daub_job_destroy(&job);
    return status;
}

static void close_model(struct run *run)
{
    REQUIRE_OK(daub_model_destroy(&run->model));
    REQUIRE_OK(daub_device_destroy(&run->dev));
    REQUIRE(!run->dev && !run->model);
}

static bool same_pictures(const daub_image *a, const daub_image *b)
{
    return a->width == b->width && a->height == b->height &&
           memcmp(a->pixels, b->pixels, (size_t)a->width * a->height * a->channels) == 0;
}

// Loses the device at call `nth` of the kind. False: that call was never made.
static bool lose(enum inject_kind kind, const char *caps, uint64_t nth, const daub_image *reference, uint64_t *calls,
                 uint32_t *step)
{
    struct inject_held before;
    struct run run = { 0 };
    inject_held(&before);
    alarm(SECONDS);
    daub_set_last_error("");
    inject_arm(kind, nth, false);
    daub_status status = open_model(&run, caps);
    if (status == DAUB_OK)
        status = draw(&run);
    const bool fired = inject_fired() != NULL;
    if (fired) {
        if (status != DAUB_ERROR_DEVICE_LOST || !strstr(daub_last_error(), "lost"))
            TEST_FAIL("call %llu (%s): %s, \"%s\"", (unsigned long long)nth, inject_fired(), daub_status_text(status),
                      daub_last_error());
        if (run.model) // nothing of the lost device works any more, and it says so
            REQUIRE_STATUS(daub_generate(run.model, daub_generate_params(.prompt = "x", .n_steps = 1), &run.image),
                           DAUB_ERROR_DEVICE_LOST, "lost");
    }
    close_model(&run);
    *calls = inject_disarm();
    *step = run.state.step;
    if (fired) {
        REQUIRE(!run.image.pixels);
        REQUIRE_OK(open_model(&run, caps));
        REQUIRE_OK(draw(&run));
        close_model(&run);
    }
    alarm(0);
    if (reference)
        REQUIRE(same_pictures(&run.image, reference));
    daub_image_free(&run.image);
    daub_state_free(&run.state);
    REQUIRE(!inject_leaks(&before));
    return fired;
}

static void lose_everywhere(enum inject_kind kind, const char *name, const char *caps, const daub_image *reference)
{
    uint64_t calls, unused, n_lost = 0, n_resumed = 0;
    uint32_t step;
    REQUIRE(!lose(kind, caps, 0, reference, &calls, &step));
    // A driven job is looked at as often as its host likes: it never has the same calls again.
    const uint64_t stride = (all && !driven) || calls < few ? 1 : calls / few;
    for (uint64_t n = calls; n > 0;
         n = n > stride ? n - stride : 0) { // from the end: most of what is staged is weights
        const bool fired = lose(kind, caps, n, reference, &unused, &step);
        n_lost += fired;
        n_resumed += fired && step > 0;
    }
    REQUIRE(n_lost > 0 && (kind != INJECT_SUBMIT || n_resumed > 0));
    printf("%s: lost at %llu of %llu calls%s%s, resumed from a step %llu times\n", name, (unsigned long long)n_lost,
           (unsigned long long)calls, *caps ? " with " : "", caps, (unsigned long long)n_resumed);
}

// ---- states ----------------------------------------------------------------------------------------------------------

static bool stop_after_two(void *user, const daub_progress *progress)
{
    (void)user;
    return progress->phase != DAUB_PHASE_DENOISE || progress->step < 2;
}

// Every sampler goes on to the same bytes, also in small mode and with noise between the steps; what does not fit is refused.
static void states(void)
{
    static const char *const samplers[] = { "euler_a", "heun", "dpmpp_2m", "plms" };
    struct run run = { 0 };
    REQUIRE_OK(open_model(&run, ""));
    for (size_t i = 0; i < sizeof(samplers) / sizeof(samplers[0]); i++) {
        daub_generate_params params = params_of();
        daub_image whole = { 0 }, resumed = { 0 };
        daub_job *job = NULL;
        daub_result result = { .struct_size = sizeof(result) };
        params.sampler = samplers[i];
        params.memory = i % 2 ? DAUB_MEMORY_MODE_SMALL : DAUB_MEMORY_MODE_RESIDENT;
        params.keep_state_every = 0;
        REQUIRE_OK(daub_generate(run.model, &params, &whole));
        params.keep_state_every = 2;
        params.on_progress = stop_after_two;
        REQUIRE_OK(daub_job_submit(run.model, &params, &job));
        REQUIRE_STATUS(daub_job_wait(job, UINT64_MAX, NULL), DAUB_ERROR_CANCELLED, "cancelled");
        REQUIRE_OK(daub_job_take_state(job, &run.state));
        REQUIRE(run.state.step == 2);
        REQUIRE_STATUS(daub_job_take_state(job, &run.state), DAUB_ERROR_INVALID_ARG, "no state");
        daub_job_destroy(&job);
        params.on_progress = NULL;
        params.resume_state = run.state.data;
        params.resume_size = run.state.size;
        REQUIRE_OK(daub_generate_with_result(run.model, &params, &resumed, &result));
        REQUIRE(result.n_model_calls < STEPS * 2 - 1 && same_pictures(&whole, &resumed));

        daub_image none = { 0 };
        daub_generate_params other = params;
        other.n_steps = STEPS + 1;
        REQUIRE_STATUS(daub_generate(run.model, &other, &none), DAUB_ERROR_INVALID_ARG, "another size");
        other = params;
        other.resume_size--;
        REQUIRE_STATUS(daub_generate(run.model, &other, &none), DAUB_ERROR_INVALID_ARG, "cut or damaged");
        ((unsigned char *)run.state.data)[run.state.size - 1] ^= 1;
        REQUIRE_STATUS(daub_generate(run.model, &params, &none), DAUB_ERROR_INVALID_ARG, "damaged");
        daub_image_free(&whole);
        daub_image_free(&resumed);
        daub_state_free(&run.state);
    }
    close_model(&run);
}

int main(int argc, char **argv)
{
    const char *env = getenv("DAUB_FAULTS");
    all = (env && strcmp(env, "all") == 0) || (argc > 1 && strcmp(argv[1], "--all") == 0);
    few = env && atoi(env) > 0 ? (uint64_t)atoi(env) : few;
    inject_begin();
    struct run run = { 0 };
    REQUIRE_OK(open_model(&run, ""));
    REQUIRE_OK(draw(&run));
    close_model(&run);
    daub_state_free(&run.state);
    states();
    static const char *const caps[] = { "", "-timeline,-uma", "-uma" };
    for (int i = 0; i < 3; i++) {
        driven = i == 2;
        lose_everywhere(INJECT_SUBMIT, "submissions", caps[i], &run.image);
        lose_everywhere(INJECT_WAIT, "waits", caps[i], &run.image);
    }
    daub_image_free(&run.image);
    return 0;
}

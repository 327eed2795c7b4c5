// test_jobs.c - the public API with a real device and the default model: pictures, progress, cancelling, order, errors.
#include "daub.h"

#include "tests/test.h"

#include <pthread.h>

static daub_device *dev;
static daub_model *model;

struct watch {
    uint32_t calls, last_step;
    uint32_t cancel_at; // 0: never
    daub_phase last_phase;
};

static bool on_progress(void *user, const daub_progress *p)
{
    struct watch *w = user;
    w->calls++;
    REQUIRE(p->step >= w->last_step && p->step <= p->n_steps && p->phase >= DAUB_PHASE_PREPARE);
    w->last_step = p->step;
    w->last_phase = p->phase;
    return !w->cancel_at || p->step < w->cancel_at;
}

static void a_picture_repeats(void)
{
    daub_image a = { 0 }, b = { 0 }, c = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    struct watch watch = { 0 };
    REQUIRE_OK(daub_generate_with_result(model,
                                         daub_generate_params(.prompt = "a red apple", .n_steps = 4, .seed = 1,
                                                              .on_progress = on_progress, .user = &watch),
                                         &a, &result));
    REQUIRE(a.width == 64 && a.height == 64 && a.channels == 3 && a.pixels);
    REQUIRE(watch.last_phase == DAUB_PHASE_DONE && watch.last_step == 4 && watch.calls >= 6);
    REQUIRE(result.n_steps == 4 && result.seed == 1 && result.n_model_calls >= 4 && result.arena_size > 0);
    REQUIRE(result.n_tokens == 3 && result.n_tokens_cut == 0);
    REQUIRE_OK(daub_generate(model, daub_generate_params(.prompt = "a red apple", .n_steps = 4, .seed = 1), &b));
    REQUIRE(memcmp(a.pixels, b.pixels, 64 * 64 * 3) == 0);
    REQUIRE_OK(daub_generate(model, daub_generate_params(.prompt = "a red apple", .n_steps = 4, .seed = 2), &c));
    REQUIRE(memcmp(a.pixels, c.pixels, 64 * 64 * 3) != 0);
    daub_image_free(&c);
    REQUIRE_OK(daub_generate(model, daub_generate_params(.prompt = "a blue car", .n_steps = 4, .seed = 1), &c));
    REQUIRE(memcmp(a.pixels, c.pixels, 64 * 64 * 3) != 0); // the prompt matters
    daub_image_free(&a);
    daub_image_free(&b);
    daub_image_free(&c);
}

static void odd_sizes_and_samplers(void)
{
    static const char *const samplers[] = { "euler", "euler_a", "heun",  "dpmpp_2m", "ddim",
                                            "ddpm",  "plms",    "unipc", "lcm" };
    for (size_t i = 0; i < sizeof(samplers) / sizeof(samplers[0]); i++) {
        daub_image image = { 0 };
        REQUIRE_OK(daub_generate(
            model,
            daub_generate_params(.prompt = "a star", .sampler = samplers[i], .n_steps = 3, .width = 72, .height = 40),
            &image));
        REQUIRE(image.width == 72 && image.height == 40);
        uint32_t different = 0;
        for (size_t p = 3; p < 72 * 40 * 3; p++)
            different += image.pixels[p] != image.pixels[p - 3];
        REQUIRE(different > 100); // a picture, not one colour
        daub_image_free(&image);
    }
}

static void cancelling(void)
{
    daub_image image = { 0 };
    struct watch watch = { .cancel_at = 2 };
    REQUIRE_STATUS(
        daub_generate(model,
                      daub_generate_params(.prompt = "x", .n_steps = 20, .on_progress = on_progress, .user = &watch),
                      &image),
        DAUB_ERROR_CANCELLED, "cancelled");
    REQUIRE(!image.pixels && watch.last_step >= 2 && watch.last_step < 20);

    daub_job *first = NULL, *second = NULL;
    bool done = true;
    REQUIRE_OK(daub_job_submit(model, daub_generate_params(.prompt = "x", .n_steps = 200), &first));
    REQUIRE_OK(daub_job_submit(model, daub_generate_params(.prompt = "y", .n_steps = 200), &second));
    REQUIRE_OK(daub_job_wait(second, 1000000, &done));
    REQUIRE(!done); // it waits for the first
    daub_model *same = model;
    REQUIRE_STATUS(daub_model_destroy(&same), DAUB_ERROR_INVALID_ARG, "2 jobs");
    REQUIRE_STATUS(daub_job_take_image(first, &image), DAUB_ERROR_INVALID_ARG, "still running");
    daub_job_cancel(second); // which waits for no step of the first
    REQUIRE_STATUS(daub_job_wait(second, UINT64_MAX, &done), DAUB_ERROR_CANCELLED, "before it began");
    REQUIRE_OK(daub_job_wait(first, 0, &done));
    REQUIRE(!done);
    daub_job_destroy(&second);
    daub_job_cancel(first);
    REQUIRE_STATUS(daub_job_wait(first, UINT64_MAX, &done), DAUB_ERROR_CANCELLED, "cancelled");
    REQUIRE(done);
    REQUIRE_STATUS(daub_model_destroy(&same), DAUB_ERROR_INVALID_ARG, "1 job;"); // ended, and not destroyed
    daub_job_destroy(&first);
    REQUIRE_OK(
        daub_generate(model, daub_generate_params(.prompt = "after", .n_steps = 2), &image)); // the engine goes on
    daub_image_free(&image);
}

static void *two_pictures(void *arg)
{
    daub_image *images = arg;
    for (int i = 0; i < 2; i++) {
        daub_job *job = NULL;
        daub_progress progress = { .struct_size = sizeof(progress) };
        const uint32_t width = i ? 72 : 64;
        REQUIRE_OK(daub_job_submit(
            model, daub_generate_params(.prompt = "a star", .n_steps = 2, .width = width, .seed = 5), &job));
        REQUIRE_OK(daub_job_get_progress(job, &progress));
        REQUIRE(progress.n_steps == 2);
        REQUIRE_OK(daub_job_wait(job, UINT64_MAX, NULL));
        REQUIRE_OK(daub_job_take_image(job, &images[i]));
        REQUIRE_STATUS(daub_job_take_image(job, &images[i]), DAUB_ERROR_INVALID_ARG, "taken before");
        daub_job_destroy(&job);
    }
    return NULL;
}

static void threads_share_a_model(void)
{
    enum { THREADS = 3 };
    pthread_t threads[THREADS];
    daub_image images[THREADS][2] = { 0 };
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, two_pictures, images[i]) == 0);
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < THREADS; i++) {
        for (int j = 0; j < 2; j++) {
            const daub_image *a = &images[0][j], *b = &images[i][j];
            REQUIRE(a->width == b->width && memcmp(a->pixels, b->pixels, (size_t)a->width * a->height * 3) == 0);
        }
    }
    for (int i = 0; i < 2 * THREADS; i++)
        daub_image_free(&images[i / 2][i % 2]);
}

// What cannot fit is said before any work, whatever its size.
static void too_large(void)
{
    daub_image image = { 0 };
    daub_model *small = NULL;
    daub_device *little = NULL;
    REQUIRE_OK(daub_device_create(daub_device_params(.caps = "memory=64M"), &little));
    REQUIRE_OK(daub_model_load(little, NULL, NULL, &small));
    REQUIRE_STATUS(
        daub_generate(small, daub_generate_params(.prompt = "x", .n_steps = 1, .width = 2048, .height = 2048), &image),
        DAUB_ERROR_NO_GPU_MEMORY, "2048x2048 needs");
    REQUIRE_OK(daub_model_destroy(&small));
    REQUIRE_OK(daub_device_destroy(&little));
    const daub_status status = daub_generate(
        model, daub_generate_params(.prompt = "x", .n_steps = 1, .width = 16384, .height = 16384), &image);
    REQUIRE((status == DAUB_ERROR_NO_GPU_MEMORY || status == DAUB_ERROR_UNSUPPORTED) && !image.pixels);
}

static void bad_requests(void)
{
    static const struct {
        daub_generate_params p;
        const char *part;
    } cases[] = {
        { { .prompt = "x", .width = 63 }, "63 is not a multiple of 8" },
        { { .prompt = "x", .height = 100000 }, "100000" },
        { { .prompt = "x", .n_steps = 1001 }, "1001" },
        { { .prompt = "x", .guidance_scale = 0.5f }, "0.5" },
        { { .prompt = "x", .guidance_scale = NAN }, "guidance" },
        { { .prompt = "x", .guidance_rescale = 1.5f }, "1.5" },
        { { .prompt = "x", .eta = -1.0 }, "-1" },
        { { .prompt = "x", .sampler = "dpmpp_2n" }, "dpmpp_2m" },
        { { .prompt = "x", .schedule = "karas" }, "karras" },
        { { .prompt = "x", .clip_skip = 99 }, "99" },
        { { .prompt = "a\xff" }, "UTF-8" },
        { { .prompt = NULL }, "prompt" },
        { { .prompt_embeds_path = "/no/such/file" }, "/no/such/file" },
        { { .prompt_embeds_path = "x", .prompt = "y" }, "one or the other" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        daub_generate_params p = cases[i].p;
        p.struct_size = sizeof(p);
        daub_image image = { 0 };
        const daub_status status = daub_generate(model, &p, &image);
        if (status == DAUB_OK || !strstr(daub_last_error(), cases[i].part))
            TEST_FAIL("case %zu: %s \"%s\", wanted \"%s\"", i, daub_status_text(status), daub_last_error(),
                      cases[i].part);
        REQUIRE(!image.pixels && !strchr(daub_last_error(), '\n'));
    }
    daub_model *other = NULL;
    REQUIRE_STATUS(daub_model_load(dev, "/no/such/model.safetensors", NULL, &other), DAUB_ERROR_IO, "/no/such/model");
    REQUIRE(!other);
}

static void long_prompts_say_what_was_cut(void)
{
    enum { WORDS = 10000 };
    char *prompt = malloc(WORDS * 6 + 1);
    REQUIRE(prompt);
    for (int i = 0; i < WORDS; i++)
        memcpy(prompt + 6 * i, "apple ", 6);
    prompt[WORDS * 6] = '\0';
    daub_image image = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    REQUIRE_OK(daub_generate_with_result(
        model, daub_generate_params(.prompt = prompt, .n_steps = 1, .emphasis = DAUB_EMPHASIS_OFF), &image, &result));
    REQUIRE(result.n_tokens == 30 && result.n_tokens_cut == WORDS - 30 && strncmp(result.prompt_cut, "apple", 5) == 0);
    daub_image_free(&image);
    free(prompt);
}

static void embeddings_stand_for_prompts(void)
{
    const char *path = DAUB_BIN_DIR "/test_embeds.safetensors";
    daub_image a = { 0 }, b = { 0 };
    REQUIRE_OK(daub_encode_text(model, daub_generate_params(.prompt = "a red heart", .negative_prompt = "blue"), path));
    REQUIRE_OK(daub_generate(
        model, daub_generate_params(.prompt = "a red heart", .negative_prompt = "blue", .n_steps = 3), &a));
    REQUIRE_OK(daub_generate(model, daub_generate_params(.prompt_embeds_path = path, .n_steps = 3), &b));
    REQUIRE(memcmp(a.pixels, b.pixels, 64 * 64 * 3) == 0);
    daub_image_free(&a);
    daub_image_free(&b);
    remove(path);
}

int main(void)
{
    REQUIRE_OK(daub_device_create(NULL, &dev));
    REQUIRE_OK(daub_model_load(dev, NULL, NULL, &model));
    daub_model_info info = { .struct_size = sizeof(info) };
    REQUIRE_OK(daub_model_get_info(model, &info));
    REQUIRE(info.text && info.width == 64 && info.max_tokens == 30 && info.n_steps == 25);
    REQUIRE_TEXT(info.sampler, "ddim");
    REQUIRE_STATUS(daub_device_destroy(&dev), DAUB_ERROR_INVALID_ARG, "1 model");

    a_picture_repeats();
    odd_sizes_and_samplers();
    cancelling();
    threads_share_a_model();
    too_large();
    bad_requests();
    long_prompts_say_what_was_cut();
    embeddings_stand_for_prompts();

    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
    REQUIRE(!dev && !model);
    return 0;
}

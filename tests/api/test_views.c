// test_views.c - what a host sees and changes of a picture in the making: previews, the hook between steps, latents and floats as
// results and latents as a beginning, and a picture's own log.
#include "tests/api/harness_single.h"

static daub_device *dev;
static daub_model *model, *tiny, *pixels; // with a linear map, with a VAE without one, without a VAE

enum { SIDE = 64, N = 16 * 8 * 8 }; // of the default model's picture and latents

// ---- results ---------------------------------------------------------------------------------------------------------

static void take(daub_model *from, daub_generate_params p, daub_image *image, daub_floats *latents, daub_floats *floats)
{
    daub_job *job = NULL;
    p.struct_size = sizeof(p);
    p.keep_floats = floats != NULL;
    REQUIRE_OK(daub_job_submit(from, &p, &job));
    REQUIRE_OK(daub_job_wait(job, UINT64_MAX, NULL));
    if (image)
        REQUIRE_OK(daub_job_take_image(job, image));
    if (latents)
        REQUIRE_OK(daub_job_take_latents(job, latents));
    if (floats) {
        daub_floats again;
        REQUIRE_OK(daub_job_take_floats(job, floats));
        REQUIRE_STATUS(daub_job_take_floats(job, &again), DAUB_ERROR_INVALID_ARG, "taken before");
    }
    daub_job_destroy(&job);
}

// The bytes are the floats', rounded.
static void require_rounded(const daub_image *image, const daub_floats *floats)
{
    const size_t plane = (size_t)image->width * image->height;
    REQUIRE(floats->n_dims == 3 && floats->dims[0] == 3 && floats->dims[1] == image->height &&
            floats->dims[2] == image->width);
    for (size_t i = 0; i < 3 * plane; i++) {
        const double v = (double)floats->values[i % 3 * plane + i / 3] * 127.5 + 127.5;
        REQUIRE_NEAR(image->pixels[i], fmin(fmax(v, 0.0), 255.0), 0.5001);
    }
}

static void results_as_latents_and_floats(void)
{
    daub_image image = { 0 };
    daub_floats latents = { 0 }, floats = { 0 };
    take(model, (daub_generate_params) { .prompt = "a star", .n_steps = 3, .width = 72 }, &image, &latents, &floats);
    REQUIRE(latents.n_dims == 3 && latents.dims[0] == 16 && latents.dims[1] == 8 && latents.dims[2] == 9);
    require_rounded(&image, &floats);
    daub_image_free(&image);
    daub_floats_free(&latents);
    daub_floats_free(&floats);

    take(pixels, (daub_generate_params) { .n_steps = 2 }, &image, &latents, &floats);
    REQUIRE(memcmp(latents.values, floats.values, 3 * (size_t)image.width * image.height * sizeof(float)) == 0);
    require_rounded(&image, &floats);
    daub_image_free(&image);
    daub_floats_free(&latents);
    daub_floats_free(&floats);
    REQUIRE(!latents.values && !latents.n_dims);

    daub_job *job = NULL;
    REQUIRE_OK(daub_job_submit(model, daub_generate_params(.prompt = "x", .n_steps = 1), &job));
    REQUIRE_OK(daub_job_wait(job, UINT64_MAX, NULL));
    REQUIRE_STATUS(daub_job_take_floats(job, &floats), DAUB_ERROR_INVALID_ARG, "keep_floats");
    daub_job_destroy(&job);
}

// The given noise stands for the seed's: another seed's picture comes of it where nothing else is drawn.
static void latents_to_begin_with(void)
{
    float zeros[N] = { 0 }, noise[N];
    daub_image a = { 0 }, b = { 0 }, c = { 0 };
    // q(x_t | 0) at t = 999 of a schedule is the noise, but for its scale.
    double abar;
    REQUIRE_OK(daub_alpha_bar(DAUB_NOISE_LINEAR, 999, &abar));
    REQUIRE_OK(daub_add_noise(DAUB_NOISE_LINEAR, 999, 5, zeros, noise, N));
    for (int i = 0; i < N; i++)
        noise[i] = (float)((double)noise[i] / sqrt(1.0 - abar));
    take(model, (daub_generate_params) { .prompt = "a star", .n_steps = 4, .seed = 5 }, &a, NULL, NULL);
    take(model, (daub_generate_params) { .prompt = "a star", .n_steps = 4, .seed = 6, .latents = noise }, &b, NULL,
         NULL);
    take(model, (daub_generate_params) { .prompt = "a star", .n_steps = 4, .seed = 6 }, &c, NULL, NULL);
    uint32_t worst = 0;
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        const uint32_t d = (uint32_t)abs(a.pixels[i] - b.pixels[i]);
        worst = d > worst ? d : worst;
    }
    REQUIRE(worst <= 2 && !same_image(&a, &c)); // the noise was divided and rounded
    daub_image_free(&a);
    daub_image_free(&b);
    daub_image_free(&c);
    noise[3] = INFINITY;
    daub_job *job = NULL;
    REQUIRE_STATUS(daub_job_submit(model, daub_generate_params(.prompt = "x", .latents = noise), &job),
                   DAUB_ERROR_INVALID_ARG, "value 3 of latents");
}

// ---- the hook --------------------------------------------------------------------------------------------------------

enum doing { LOOK, WRITE_BACK, FLIP_AND_BACK, ERASE, CANCEL, BAD };
struct hook {
    enum doing doing;
    uint32_t calls;
    float last[N];
    double level;
};

static bool on_step(void *user, daub_step *step)
{
    struct hook *h = user;
    daub_step_info info = { .struct_size = sizeof(info) };
    float values[N];
    REQUIRE_OK(daub_step_get_info(step, &info));
    REQUIRE(info.step == ++h->calls && info.channels == 16 && info.height == 8 && info.width == 8);
    REQUIRE(info.step == 1 || info.noise_level < h->level); // noise falls
    REQUIRE((info.step == info.n_steps) == (info.noise_level == 0.0));
    h->level = info.noise_level;
    REQUIRE_OK(daub_step_read(step, h->last));
    memcpy(values, h->last, sizeof(values));
    switch (h->doing) {
    case LOOK:
        break;
    case WRITE_BACK:
        REQUIRE_OK(daub_step_write(step, values));
        break;
    case FLIP_AND_BACK:
        for (int i = 0; i < N; i++)
            values[i] = -values[i];
        REQUIRE_OK(daub_step_write(step, values));
        REQUIRE_OK(daub_step_read(step, values));
        for (int i = 0; i < N; i++)
            REQUIRE(values[i] == -h->last[i]);
        REQUIRE_OK(daub_step_write(step, h->last));
        break;
    case ERASE:
        memset(values, 0, sizeof(values));
        REQUIRE_OK(daub_step_write(step, values));
        break;
    case CANCEL:
        return info.step < 2;
    case BAD:
        values[9] = NAN;
        REQUIRE_STATUS(daub_step_write(step, values), DAUB_ERROR_INVALID_ARG, "value 9");
        break;
    }
    return true;
}

static const char *const samplers[] = { "ddim", "euler", "euler_a", "heun", "dpmpp_2m", "plms", "unipc", "lcm" };

// Looking changes nothing, nor does writing what was read: for every kind of sampler.
static void a_hook_that_changes_nothing(void)
{
    static const enum doing all[] = { LOOK, WRITE_BACK, FLIP_AND_BACK, BAD };
    for (size_t s = 0; s < sizeof(samplers) / sizeof(samplers[0]); s++) {
        daub_generate_params p = { .prompt = "a star", .n_steps = 3, .sampler = samplers[s] };
        daub_image want = { 0 };
        daub_floats latents = { 0 };
        take(model, p, &want, &latents, NULL);
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
            struct hook hook = { .doing = all[i] };
            daub_image image = { 0 };
            p.on_step = on_step;
            p.user = &hook;
            take(model, p, &image, NULL, NULL);
            REQUIRE(hook.calls == 3);
            if (!same_image(&image, &want))
                TEST_FAIL("%s: doing %d changed the picture", samplers[s], (int)all[i]);
            REQUIRE(memcmp(hook.last, latents.values, sizeof(hook.last)) == 0); // the last step's are the result's
            daub_image_free(&image);
        }
        daub_image_free(&want);
        daub_floats_free(&latents);
    }
}

static void a_hook_that_changes(void)
{
    struct hook erase = { .doing = ERASE };
    daub_floats latents = { 0 };
    daub_generate_params p = {
        .struct_size = sizeof(p), .prompt = "a star", .n_steps = 3, .on_step = on_step, .user = &erase
    };
    take(model, p, NULL, &latents, NULL); // after the last step too
    for (int i = 0; i < N; i++)
        REQUIRE(latents.values[i] == 0.0f);
    daub_floats_free(&latents);

    struct hook cancel = { .doing = CANCEL };
    daub_image image = { 0 };
    p.user = &cancel;
    REQUIRE_STATUS(daub_generate(model, &p, &image), DAUB_ERROR_CANCELLED, "cancelled after 2 of 3 steps");
    REQUIRE(cancel.calls == 2);
}

// What is written is what the network reads next: two pictures that are made alike after the first step end alike.
static bool replace_first(void *user, daub_step *step)
{
    daub_step_info info = { .struct_size = sizeof(info) };
    REQUIRE_OK(daub_step_get_info(step, &info));
    if (info.step == 1)
        REQUIRE_OK(daub_step_write(step, user));
    return true;
}

static bool keep_first(void *user, daub_step *step)
{
    daub_step_info info = { .struct_size = sizeof(info) };
    REQUIRE_OK(daub_step_get_info(step, &info));
    if (info.step == 1)
        REQUIRE_OK(daub_step_read(step, user));
    return true;
}

static void a_written_step_is_gone_on_from(void)
{
    static const char *const memoryless[] = { "ddim", "euler", "heun" };
    for (size_t s = 0; s < sizeof(memoryless) / sizeof(memoryless[0]); s++) {
        float first[N];
        daub_floats want = { 0 }, got = { 0 };
        daub_generate_params p = {
            .prompt = "a star", .n_steps = 4, .seed = 1, .sampler = memoryless[s], .user = first
        };
        p.on_step = keep_first;
        take(model, p, NULL, &want, NULL);
        p.on_step = replace_first;
        p.seed = 2;
        take(model, p, NULL, &got, NULL);
        double worst = 0.0, largest = 0.0;
        for (int i = 0; i < N; i++) {
            worst = fmax(worst, fabs((double)got.values[i] - (double)want.values[i]));
            largest = fmax(largest, fabs((double)want.values[i]));
        }
        printf("%s: %.2g of %.2g\n", memoryless[s], worst, largest);
        REQUIRE(worst <= 1e-3 * largest); // the network's input is rounded to fp16 by the host
        daub_floats_free(&want);
        daub_floats_free(&got);
    }
}

// ---- previews --------------------------------------------------------------------------------------------------------

struct previews {
    uint32_t n, steps[32], width, height;
    uint8_t first[SIDE * SIDE * 3], last[SIDE * SIDE * 3];
};

static void on_preview(void *user, const daub_preview *preview)
{
    struct previews *p = user;
    REQUIRE(p->n < 32 && preview->struct_size == sizeof(*preview) && preview->width <= SIDE && preview->height <= SIDE);
    const size_t size = (size_t)preview->width * preview->height * 3;
    memcpy(p->last, preview->pixels, size);
    if (p->n == 0)
        memcpy(p->first, preview->pixels, size);
    p->steps[p->n++] = preview->step;
    p->width = preview->width;
    p->height = preview->height;
}

// Mean distance, in bytes, of a preview from a picture, whose pixels are averaged to the preview's size.
static double distance(const uint8_t *preview, uint32_t side, const daub_image *image)
{
    const uint32_t f = image->width / side;
    double sum = 0.0;
    for (uint32_t y = 0; y < side; y++)
        for (uint32_t x = 0; x < side; x++)
            for (uint32_t c = 0; c < 3; c++) {
                double mean = 0.0;
                for (uint32_t i = 0; i < f * f; i++)
                    mean += image->pixels[((y * f + i / f) * image->width + x * f + i % f) * 3 + c];
                sum += fabs(mean / (f * f) - preview[(y * side + x) * 3 + c]);
            }
    return sum / (3.0 * side * side);
}

static void previews_show_the_picture(void)
{
    for (size_t s = 0; s < sizeof(samplers) / sizeof(samplers[0]); s++) {
        struct previews seen[2] = { 0 };
        daub_image plain = { 0 }, image = { 0 };
        daub_generate_params p = { .prompt = "a red heart", .n_steps = 10, .seed = 2, .sampler = samplers[s] };
        take(model, p, &plain, NULL, NULL);
        for (int kind = 0; kind < 2; kind++) {
            p.on_preview = on_preview;
            p.preview_every = 4;
            p.preview = kind ? DAUB_PREVIEW_VAE : DAUB_PREVIEW_LINEAR;
            p.user = &seen[kind];
            take(model, p, &image, NULL, NULL);
            REQUIRE(same_image(&image, &plain)); // who looks on changes nothing
            REQUIRE(seen[kind].n == 3 && seen[kind].steps[0] == 4 && seen[kind].steps[1] == 8 &&
                    seen[kind].steps[2] == 10);
            daub_image_free(&image);
        }
        REQUIRE(seen[0].width == 8 && seen[1].width == SIDE);
        REQUIRE(memcmp(seen[1].last, plain.pixels, sizeof(seen[1].last)) == 0); // decoded at the end: the picture
        const double end = distance(seen[0].last, 8, &plain), early = distance(seen[0].first, 8, &plain);
        printf("%-9s linear previews: %.1f at the end, %.1f after 4 of 10 steps; decoded after 4: %.1f\n", samplers[s],
               end, early, distance(seen[1].first, SIDE, &plain));
        for (int i = 0; i < SIDE * SIDE * 3; i++)
            plain.pixels[i] = (uint8_t)(255 - plain.pixels[i]);
        const double most = strcmp(samplers[s], "lcm") == 0 ? 64.0 : 40.0; // which wants a model made for it
        REQUIRE(end < 32.0 && early < most &&
                end < distance(seen[0].last, 8, &plain) / 3.0); // and far from its negative
        daub_image_free(&plain);
    }
}

static void previews_of_other_models(void)
{
    struct previews seen = { 0 };
    daub_image image = { 0 };
    take(pixels, (daub_generate_params) { .n_steps = 2, .on_preview = on_preview, .user = &seen }, &image, NULL, NULL);
    REQUIRE(seen.n == 2 && seen.width == image.width);
    for (size_t i = 0; i < (size_t)image.width * image.height * 3; i++)
        REQUIRE_NEAR(seen.last[i], image.pixels[i], 1); // the latents are the colours
    daub_image_free(&image);

    daub_model_info info = { .struct_size = sizeof(info) };
    REQUIRE_OK(daub_model_get_info(tiny, &info));
    REQUIRE(!info.linear_preview);
    daub_job *job = NULL;
    REQUIRE_STATUS(daub_job_submit(tiny, daub_generate_params(.prompt = "x", .on_preview = on_preview), &job),
                   DAUB_ERROR_UNSUPPORTED, "no linear map");
    REQUIRE_STATUS(daub_job_submit(model,
                                   daub_generate_params(.prompt = "x", .on_preview = on_preview, .preview_every = 1001),
                                   &job),
                   DAUB_ERROR_INVALID_ARG, "preview_every 1001");
    REQUIRE_STATUS(
        daub_job_submit(model, daub_generate_params(.prompt = "x", .on_preview = on_preview, .preview = 7), &job),
        DAUB_ERROR_INVALID_ARG, "preview 7");
}

// A decoder beside the denoiser is in the estimate, and what is there afterwards is what there was without it.
static void decoded_previews_take_what_is_said(void)
{
    static const daub_memory_mode modes[] = { DAUB_MEMORY_MODE_RESIDENT, DAUB_MEMORY_MODE_SMALL };
    for (int m = 0; m < 2; m++) {
        struct previews seen = { 0 };
        daub_memory_estimate plain = { .struct_size = sizeof(plain) }, e = { .struct_size = sizeof(e) };
        daub_generate_params p = {
            .struct_size = sizeof(p), .prompt = "a star", .n_steps = 2, .width = 64, .height = 64, .memory = modes[m]
        };
        daub_image want = { 0 }, image = { 0 };
        daub_result result = { .struct_size = sizeof(result) };
        daub_model *fresh = NULL;
        daub_device *own = NULL;
        REQUIRE_OK(daub_device_create(NULL, &own));
        REQUIRE_OK(daub_model_load(own, TINY_FOLDER, NULL, &fresh));
        REQUIRE_OK(daub_estimate(fresh, &p, &plain));
        p.on_preview = on_preview;
        p.preview = DAUB_PREVIEW_VAE;
        p.user = &seen;
        REQUIRE_OK(daub_estimate(fresh, &p, &e));
        REQUIRE_OK(daub_generate_with_result(fresh, &p, &image, &result));
        printf("previews by the VAE: estimate %llu, peak %llu, without %llu\n", (unsigned long long)e.peak,
               (unsigned long long)result.memory_peak, (unsigned long long)plain.peak);
        REQUIRE(e.denoise.total > plain.denoise.total && seen.n == 2);
        REQUIRE(result.memory_peak <= e.peak + e.peak / 50 && result.memory_peak >= e.peak - e.peak / 20);
        REQUIRE(memcmp(seen.last, image.pixels, 64 * 64 * 3) == 0);
        p.on_preview = NULL;
        p.preview = DAUB_PREVIEW_DEFAULT;
        REQUIRE_OK(daub_generate(fresh, &p, &want));
        REQUIRE(same_image(&want, &image));
        daub_image_free(&want);
        daub_image_free(&image);
        REQUIRE_OK(daub_model_destroy(&fresh));
        REQUIRE_OK(daub_device_destroy(&own));
    }
}

// ---- latents as pictures ---------------------------------------------------------------------------------------------

// A job's own latents decode to its picture, in every mode of memory, with and without a VAE.
static void latents_are_pictures(void)
{
    static const daub_memory_mode modes[] = { DAUB_MEMORY_MODE_RESIDENT, DAUB_MEMORY_MODE_SMALL,
                                              DAUB_MEMORY_MODE_STREAM };
    daub_model *const models[] = { model, tiny, pixels };
    for (size_t m = 0; m < 9; m++) {
        daub_model *const from = models[m / 3];
        daub_generate_params p = { .struct_size = sizeof(p),
                                   .prompt = from == pixels ? NULL : "a star",
                                   .n_steps = 2,
                                   .width = from == model ? 72 : 0,
                                   .memory = modes[m % 3] };
        daub_image want = { 0 }, image = { 0 };
        daub_floats latents = { 0 };
        take(from, p, &want, &latents, NULL);
        REQUIRE_OK(daub_decode_latents(from, &p, latents.values, &image));
        REQUIRE(same_image(&image, &want));
        daub_image_free(&image);
        p.vae_rows = 3;
        p.prompt = NULL;
        REQUIRE_OK(daub_decode_latents(from, &p, latents.values, &image));
        REQUIRE(image.width == want.width && image.height == want.height);
        for (size_t i = 0; i < (size_t)want.width * want.height * 3; i++)
            REQUIRE_NEAR(image.pixels[i], want.pixels[i], 1);
        daub_image_free(&image);
        daub_image_free(&want);
        daub_floats_free(&latents);
    }
}

static void latents_by_the_linear_map(void)
{
    struct previews seen = { 0 };
    daub_generate_params p = { .struct_size = sizeof(p), .prompt = "a star", .n_steps = 2 };
    daub_floats latents = { 0 };
    daub_image image = { 0 };
    p.on_preview = on_preview;
    p.user = &seen;
    take(model, p, NULL, &latents, NULL);
    p.preview = DAUB_PREVIEW_LINEAR;
    REQUIRE_OK(daub_decode_latents(model, &p, latents.values, &image));
    REQUIRE(image.width == 8 && image.height == 8 && image.channels == 3);
    REQUIRE(memcmp(image.pixels, seen.last, 8 * 8 * 3) == 0); // the last preview is of the same latents
    daub_image_free(&image);

    REQUIRE_STATUS(daub_decode_latents(tiny, &p, latents.values, &image), DAUB_ERROR_UNSUPPORTED, "no linear map");
    latents.values[7] = NAN;
    REQUIRE_STATUS(daub_decode_latents(model, &p, latents.values, &image), DAUB_ERROR_INVALID_ARG, "value 7");
    p.width = 63;
    REQUIRE_STATUS(daub_decode_latents(model, &p, latents.values, &image), DAUB_ERROR_INVALID_ARG, "63");
    REQUIRE_STATUS(daub_decode_latents(model, &p, NULL, &image), DAUB_ERROR_INVALID_ARG, "NULL");
    p.preview = (daub_preview_kind)3;
    REQUIRE_STATUS(daub_decode_latents(model, &p, latents.values, &image), DAUB_ERROR_INVALID_ARG, "preview 3");
    REQUIRE(!image.pixels);
    daub_floats_free(&latents);
}

// ---- log -------------------------------------------------------------------------------------------------------------

static void count_log(void *user, daub_log_level level, const char *message)
{
    uint32_t *n = user;
    if (level == DAUB_LOG_WARNING && (strstr(message, "negative prompt") || strstr(message, "eta")))
        ++*n;
}

static void a_picture_has_a_log(void)
{
    char negative[600];
    uint32_t n = 0;
    daub_image image = { 0 };
    for (size_t i = 0; i + 6 < sizeof(negative); i += 6)
        memcpy(negative + i, "apple ", 7);
    REQUIRE_OK(daub_generate(model,
                             daub_generate_params(.prompt = "a star", .negative_prompt = negative, .n_steps = 1,
                                                  .emphasis = DAUB_EMPHASIS_OFF, .log = count_log, .log_user = &n),
                             &image));
    REQUIRE(n == 1);
    daub_image_free(&image);
    REQUIRE_OK(daub_generate(model,
                             daub_generate_params(.prompt = "a star", .negative_prompt = negative, .n_steps = 1,
                                                  .emphasis = DAUB_EMPHASIS_OFF, .log = count_log, .log_user = &n,
                                                  .log_level = DAUB_LOG_ERROR),
                             &image));
    REQUIRE(n == 1);
    daub_image_free(&image);
    static const char *const other[] = { "euler", "ddim" }; // who does not use eta, and who does
    for (uint32_t i = 0; i < 2; i++) {
        n = 0;
        REQUIRE_OK(daub_generate(model,
                                 daub_generate_params(.prompt = "a star", .n_steps = 1, .sampler = other[i], .eta = 0.5,
                                                      .log = count_log, .log_user = &n),
                                 &image));
        REQUIRE(n == 1 - i);
        daub_image_free(&image);
    }
}

int main(void)
{
    REQUIRE_OK(daub_device_create(NULL, &dev));
    REQUIRE_OK(daub_model_load(dev, NULL, NULL, &model));
    REQUIRE_OK(daub_model_load(dev, TINY_FOLDER, NULL, &tiny));
    REQUIRE_OK(daub_model_load(dev, DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-ddpm", NULL, &pixels));
    results_as_latents_and_floats();
    latents_to_begin_with();
    a_hook_that_changes_nothing();
    a_hook_that_changes();
    a_written_step_is_gone_on_from();
    previews_show_the_picture();
    previews_of_other_models();
    decoded_previews_take_what_is_said();
    latents_are_pictures();
    latents_by_the_linear_map();
    a_picture_has_a_log();
    REQUIRE_OK(daub_model_destroy(&pixels));
    REQUIRE_OK(daub_model_destroy(&tiny));
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
    return 0;
}

// test_stream.c - "Memory": U-Net weights streamed in segments within a hard budget. Whatever the budget, down to the least that will do,
// the picture has the bytes of the other modes, and the device holds what daub_estimate said, never more than it may; below
// the least, a refusal says how much that is. Where the host reaches the device's memory, no second copy of a weight is made.
// DAUB_FULL_MODEL names a full-size Stable Diffusion 1.5, which draws 512x512 under 1 GB.
#include "daub.h"
#include "runtime/pipeline/pipeline.h"
#include "runtime/vk/device.h"

#include "tests/test.h"

static const char tiny[] = DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15";
// What a limit must have beyond the peak: buffers take a little more than their size.
static const uint64_t reserve = 32 << 10;

struct host { // counts what the library asks of the host
    size_t largest;
};

static void *host_alloc(void *user, size_t size)
{
    struct host *h = user;
    if (size > h->largest)
        h->largest = size;
    return malloc(size);
}

static void host_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

struct setup {
    daub_device *dev;
    daub_model *model;
    struct host host;
    uint64_t denoising; // the most that was in use at the end of a step
};

static void open_setup(struct setup *s, const char *path, uint64_t max_memory, const char *caps)
{
    *s = (struct setup) { 0 };
    REQUIRE_OK(daub_device_create(
        daub_device_params(.max_memory = max_memory, .caps = caps, .allocator = { host_alloc, host_free, &s->host }),
        &s->dev));
    REQUIRE_OK(daub_model_load(s->dev, path, NULL, &s->model));
}

static void close_setup(struct setup *s)
{
    REQUIRE_OK(daub_model_destroy(&s->model));
    REQUIRE_OK(daub_device_destroy(&s->dev));
}

static bool on_progress(void *user, const daub_progress *p)
{
    struct setup *s = user;
    const uint64_t used = daub_device_memory_used(s->dev);
    if (p->phase == DAUB_PHASE_DENOISE && p->step > 0 && used > s->denoising)
        s->denoising = used;
    return true;
}

// Two steps of few rows a band, so that the VAE is not what decides how much memory is needed.
static daub_generate_params params_of(struct setup *s, daub_memory_mode mode)
{
    return (daub_generate_params) { .struct_size = sizeof(daub_generate_params),
                                    .prompt = "a red fox",
                                    .sampler = "euler",
                                    .n_steps = 2,
                                    .width = 64,
                                    .height = 64,
                                    .seed = 7,
                                    .vae_rows = 2,
                                    .memory = mode,
                                    .on_progress = on_progress,
                                    .user = s };
}

static daub_memory_estimate estimate(struct setup *s, daub_memory_mode mode)
{
    const daub_generate_params params = params_of(s, mode);
    daub_memory_estimate e = { .struct_size = sizeof(e) };
    REQUIRE_OK(daub_estimate(s->model, &params, &e));
    return e;
}

static void same_picture(const daub_image *a, const daub_image *b)
{
    REQUIRE(a->width == b->width && a->height == b->height);
    REQUIRE(memcmp(a->pixels, b->pixels, (size_t)a->width * a->height * a->channels) == 0);
}

// Draws what `want` shows, within the limit and as estimated, twice.
static void draws(const char *path, uint64_t limit, const char *caps, daub_memory_mode mode, const daub_image *want)
{
    struct setup s;
    open_setup(&s, path, limit, caps);
    const uint64_t others = daub_device_memory_used(s.dev);
    for (int i = 0; i < 2; i++) {
        const daub_generate_params params = params_of(&s, mode);
        const daub_memory_estimate e = estimate(&s, mode);
        daub_image image = { 0 };
        daub_result result = { .struct_size = sizeof(result) };
        REQUIRE(e.mode == mode && e.limit == limit && others + e.peak <= limit);
        REQUIRE_OK(daub_generate_with_result(s.model, &params, &image, &result));
        printf("limit %9llu: estimate %9llu, peak %9llu, denoising %9llu of %9llu\n", (unsigned long long)limit,
               (unsigned long long)e.peak, (unsigned long long)result.memory_peak, (unsigned long long)s.denoising,
               (unsigned long long)e.denoise.total);
        REQUIRE(result.memory_peak <= limit && s.denoising <= limit);
        REQUIRE_NEAR((double)result.memory_peak / (double)(others + e.peak), 1.0, 0.02);
        REQUIRE_NEAR((double)s.denoising / (double)(others + e.denoise.total), 1.0, 0.02);
        if (want)
            same_picture(&image, want);
        daub_image_free(&image);
    }
    close_setup(&s);
}

static void budgets(const char *path, const char *caps)
{
    struct setup s;
    daub_image want = { 0 };
    char sentence[64];
    open_setup(&s, path, 0, caps);
    const daub_generate_params resident = params_of(&s, DAUB_MEMORY_MODE_RESIDENT);
    const uint64_t full = estimate(&s, DAUB_MEMORY_MODE_SMALL).peak;
    const uint64_t none_given = estimate(&s, DAUB_MEMORY_MODE_STREAM).denoise.weights;
    REQUIRE(none_given < estimate(&s, DAUB_MEMORY_MODE_SMALL).denoise.weights);
    REQUIRE_OK(daub_generate(s.model, &resident, &want));
    close_setup(&s);

    open_setup(&s, path, 64 << 10, caps); // the driver's own needs, and no picture
    const uint64_t others = daub_device_memory_used(s.dev);
    const uint64_t least = estimate(&s, DAUB_MEMORY_MODE_STREAM).peak, lowest = others + least + reserve;
    REQUIRE(least < full);
    close_setup(&s);
    for (uint64_t i = 0; i <= 4; i++) // the last one has room for all
        draws(path, lowest + (full - least) * i / 4, caps, DAUB_MEMORY_MODE_STREAM, &want);
    draws(path, others + full + reserve, caps, DAUB_MEMORY_MODE_SMALL, &want);

    daub_image image = { 0 };
    open_setup(&s, path, lowest - 1, caps);
    const daub_generate_params stream = params_of(&s, DAUB_MEMORY_MODE_STREAM);
    snprintf(sentence, sizeof(sentence), "64x64 needs %.1f MB of device memory", (double)least * 1e-6);
    REQUIRE_STATUS(daub_generate(s.model, &stream, &image), DAUB_ERROR_NO_GPU_MEMORY, sentence);
    snprintf(sentence, sizeof(sentence), "the limit is %.1f MB", (double)(lowest - 1) * 1e-6);
    REQUIRE_STATUS(daub_generate(s.model, &stream, &image), DAUB_ERROR_NO_GPU_MEMORY, sentence);
    REQUIRE(daub_device_memory_used(s.dev) == others);
    close_setup(&s);

    // Too little for resident: the mode that fits is named, with its number.
    open_setup(&s, path, others + full + reserve, caps);
    snprintf(sentence, sizeof(sentence), "; memory mode small needs %.1f MB", (double)full * 1e-6);
    REQUIRE_STATUS(daub_generate(s.model, &resident, &image), DAUB_ERROR_NO_GPU_MEMORY, sentence);
    close_setup(&s);
    open_setup(&s, path, others + (full + least) / 2, caps);
    REQUIRE_STATUS(daub_generate(s.model, &resident, &image), DAUB_ERROR_NO_GPU_MEMORY,
                   "; memory mode stream fits, in ");
    close_setup(&s);
    daub_image_free(&want);
}

// ---- less than the other phases need ---------------------------------------------------------------------------------

// Draws with a budget for the step's weights alone, which no limit can be made to give: the other networks need more.
static void run_with(struct daub_engine *engine, const daub_generate_params *params, uint64_t budget, bool streams,
                     uint8_t *pixels)
{
    struct daub_request *request = NULL;
    daub_result result = { .struct_size = sizeof(result) };
    REQUIRE_OK(daub_request_create(engine, params, &request));
    request->streams = streams;
    request->stream = budget;
    REQUIRE_OK(daub_run(engine, request, NULL, pixels, &result));
    daub_request_destroy(&request);
}

static void segments(const char *path, const char *caps)
{
    enum { BYTES = 64 * 64 * 4 };
    daub_device *dev = NULL;
    struct daub_engine *engine = NULL;
    static uint8_t want[BYTES], got[BYTES];
    REQUIRE_OK(daub_device_create(daub_device_params(.caps = caps), &dev));
    REQUIRE_OK(daub_engine_create(dev, path, NULL, &engine));
    daub_generate_params params = params_of(NULL, DAUB_MEMORY_MODE_SMALL);
    params.on_progress = NULL;
    run_with(engine, &params, 0, false, want);

    struct daub_request *request = NULL;
    daub_memory_estimate e;
    REQUIRE_OK(daub_request_create(engine, &params, &request));
    REQUIRE_OK(daub_request_estimate(engine, request, &e));
    daub_request_destroy(&request);
    const uint64_t all = e.denoise.weights;
    const uint64_t tried[] = { all, all - all / 8, all / 2, all / 4, all / 6, 0 };
    for (size_t i = 0; i < sizeof(tried) / sizeof(tried[0]); i++) {
        run_with(engine, &params, tried[i], true, got);
        REQUIRE(memcmp(want, got, BYTES) == 0);
        REQUIRE(daub_weight_stream_held(engine->stream) == 0); // the VAE's phase has taken its place
    }
    daub_engine_destroy(&engine);
    REQUIRE_OK(daub_device_destroy(&dev));
}

// What the plans are: all that the budget has is used, and every weight is somewhere.
static void plans(void)
{
    daub_device *dev = NULL;
    struct daub_engine *engine = NULL;
    REQUIRE_OK(daub_device_create(NULL, &dev));
    REQUIRE_OK(daub_engine_create(dev, tiny, NULL, &engine));
    const struct daub_unet_config *unet = &engine->desc.unet;
    for (uint64_t i = 0; i <= 64; i++) {
        struct daub_net *net = NULL;
        uint64_t arena = 0;
        REQUIRE_OK(daub_net_create(engine->host, "unet", DAUB_F16, &net));
        struct daub_tensor *x = daub_net_input(net, "x", DAUB_STAGE_STEP, DAUB_F16, (struct daub_shape) { 2, 8, 8, 4 });
        struct daub_tensor *time = daub_net_input(net, "time", DAUB_STAGE_TIME, DAUB_F16,
                                                  (struct daub_shape) { 2, 1, 1, unet->block_out_channels[0] });
        struct daub_tensor *text = daub_net_input(net, "text", DAUB_STAGE_PICTURE, DAUB_F16,
                                                  (struct daub_shape) { 2, 1, 77, unet->cross_attention_dim });
        daub_net_output(net, "output", daub_unet_build(net, unet, x, time, text, NULL));
        REQUIRE_OK(daub_exec_plan(dev, net, false, &arena));
        struct daub_stream_plan least, plan;
        const bool uma = i % 2 == 0;
        REQUIRE_OK(daub_stream_plan(net, DAUB_STAGE_STEP, 0, uma, &least));
        const uint64_t budget = least.device + least.staging + (least.weights - least.device) / 64 * i;
        REQUIRE_OK(daub_stream_plan(net, DAUB_STAGE_STEP, budget, uma, &plan));
        REQUIRE(least.n_slots == 1 && least.stays == 0 && least.n_segments > 1);
        REQUIRE(plan.device + plan.staging <= budget && plan.stays >= least.stays);
        REQUIRE(plan.device == plan.stays + (uma ? plan.n_slots : plan.n_slots > 0) * plan.slot);
        REQUIRE(plan.stays + plan.n_segments * plan.slot >= plan.weights && plan.n_segments <= 128);
        if (i == 0 || i == 32)
            printf("budget %8llu of %8llu: %8llu stay, %u slots of %7llu, %u segments\n", (unsigned long long)budget,
                   (unsigned long long)plan.weights, (unsigned long long)plan.stays, plan.n_slots,
                   (unsigned long long)plan.slot, plan.n_segments);
        REQUIRE_OK(daub_stream_plan(net, DAUB_STAGE_STEP, plan.weights, uma, &plan));
        REQUIRE(plan.n_slots == 0 && plan.slot == 0 && plan.n_segments == 1 && plan.device == plan.weights);
        daub_net_destroy(&net);
    }
    daub_engine_destroy(&engine);
    REQUIRE_OK(daub_device_destroy(&dev));
}

// ---- copies ----------------------------------------------------------------------------------------------------------

// With shared memory the device has each weight once and the host has none: no allocation is as large as the largest weight.
// Without, there is one of that size.
static void copies(daub_memory_mode mode, const char *caps)
{
    struct setup s;
    daub_image image = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    open_setup(&s, NULL, 0, caps);
    const struct daub_caps *c = daub_device_caps(s.dev);
    const uint64_t others = daub_device_memory_used(s.dev);
    const daub_memory_estimate e = estimate(&s, mode);
    const daub_generate_params params = params_of(&s, mode);
    s.host.largest = 0;
    REQUIRE_OK(daub_generate_with_result(s.model, &params, &image, &result));
    printf("mode %d, %s: the largest host allocation had %zu bytes, %llu MB of staging\n", (int)mode,
           c->uma ? "shared memory" : "staged", s.host.largest, (unsigned long long)(e.denoise.staging >> 20));
    REQUIRE((e.denoise.staging > 0) == !c->uma);
    REQUIRE_NEAR((double)result.memory_peak / (double)(others + e.peak), 1.0, 0.02);
    REQUIRE((s.host.largest >= 1 << 20) == !c->uma); // the default model's largest weights have megabytes
    daub_image_free(&image);
    close_setup(&s);
}

// ---- a full-size model -----------------------------------------------------------------------------------------------

static void full_size(const char *path, uint32_t size, uint64_t limit, daub_image *want)
{
    struct setup s;
    daub_image image = { 0 };
    daub_result result = { .struct_size = sizeof(result) };
    open_setup(&s, path, limit, NULL);
    daub_generate_params params = params_of(&s, DAUB_MEMORY_MODE_STREAM);
    params.width = params.height = size;
    params.vae_rows = DAUB_VAE_WHOLE;
    REQUIRE_OK(daub_generate_with_result(s.model, &params, &image, &result));
    printf("full size %ux%u, limit %llu MB: peak %.1f MB, denoising %.2f s\n", size, size,
           (unsigned long long)(limit / 1000000), (double)result.memory_peak * 1e-6, result.denoise_seconds);
    REQUIRE(result.memory_peak < 1000000000 || limit > 1000000000);
    if (want && want->pixels) {
        same_picture(&image, want);
        daub_image_free(&image);
    } else if (want) {
        *want = image;
    } else {
        daub_image_free(&image);
    }
    close_setup(&s);
}

int main(void)
{
    plans();
    segments(tiny, NULL);
    segments(tiny, "-uma");
    segments(NULL, "-timeline");
    budgets(tiny, NULL);
    budgets(tiny, "-uma");
    copies(DAUB_MEMORY_MODE_RESIDENT, NULL);
    copies(DAUB_MEMORY_MODE_STREAM, NULL);
    copies(DAUB_MEMORY_MODE_SMALL, "-uma");
    const char *const full = getenv("DAUB_FULL_MODEL");
    if (full) {
        daub_image image = { 0 };
        full_size(full, 256, 4000000000u, &image); // all stays
        full_size(full, 256, 600000000, &image);
        full_size(full, 512, 0, NULL);
        daub_image_free(&image);
    }
    return 0;
}

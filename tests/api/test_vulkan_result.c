// test_vulkan_result.c - pictures into the host's images and buffers, byte for byte; semaphores, layouts, and every wrong argument.
#include "tests/api/harness_vulkan.h"

#include <time.h>

enum { W = 64, H = 64, SIZE = W * H * 3, WIDE = 80, TALL = 72 };

static struct host host;
static daub_device *dev;
static daub_model *model;
static uint8_t want[SIZE];

#define PROMPT .prompt = "a red apple", .n_steps = 2, .seed = 3

static float half(uint16_t bits)
{
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const float value = exponent ? ldexpf((float)(1024 + mantissa), exponent - 25) : ldexpf((float)mantissa, -24);
    return bits >> 15 ? -value : value;
}

// One pixel against the picture: bytes are equal, floats are what they were rounded from.
static void check_pixel(const uint8_t *got, VkFormat format, const uint8_t *rgb)
{
    for (int c = 0; c < 4; c++) {
        const int byte = c < 3 ? rgb[c] : 255;
        uint16_t bits;
        float value;
        if (format == VK_FORMAT_R32G32B32A32_SFLOAT) {
            memcpy(&value, got + 4 * c, sizeof(value));
            REQUIRE_NEAR(value * 255.0f, byte, 0.5001);
        } else if (format == VK_FORMAT_R16G16B16A16_SFLOAT) {
            memcpy(&bits, got + 2 * c, sizeof(bits));
            REQUIRE_NEAR(half(bits) * 255.0f, byte, 0.5 + 255.0 / 4096.0); // half an ulp below 1
        } else {
            REQUIRE(got[c] == byte);
        }
    }
}

static void check_rows(const uint8_t *pixels, VkFormat format, size_t pitch)
{
    for (uint32_t y = 0; y < H; y++)
        for (uint32_t x = 0; x < W; x++)
            check_pixel(pixels + y * pitch + x * host_pixel_size(format), format, want + 3 * (y * W + x));
}

static void run(const daub_vulkan_io *io, uint32_t vae_rows)
{
    daub_job *job = NULL;
    daub_image image = { 0 };
    REQUIRE_OK(daub_job_submit(model, daub_generate_params(PROMPT, .vae_rows = vae_rows, .vulkan = io), &job));
    REQUIRE_OK(daub_job_wait(job, UINT64_MAX, NULL));
    if (io->result.image || io->result.buffer)
        REQUIRE_STATUS(daub_job_take_image(job, &image), DAUB_ERROR_INVALID_ARG, "the host's Vulkan memory");
    daub_job_destroy(&job);
}

// ---- images ------------------------------------------------------------------------------------------------------

// Into the middle of a larger image whose border stays, between layouts that are kept.
static void an_image(VkFormat format)
{
    const uint32_t size = host_pixel_size(format);
    struct host_image image = host_image(&host, format, WIDE, TALL);
    uint8_t *pixels = malloc((size_t)WIDE * TALL * size);
    REQUIRE(pixels);
    const VkClearColorValue green = { .float32 = { 0.0f, 1.0f, 0.0f, 1.0f } };
    const VkImageSubresourceRange all = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1 };
    host_begin(&host);
    host_image_layout(&host, &image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    host.vkCmdClearColorImage(host.cb, image.handle, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, &green, 1, &all);
    host_image_layout(&host, &image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, VK_IMAGE_LAYOUT_GENERAL);
    host_submit(&host, NULL, NULL);
    const daub_vulkan_io io = {
        .struct_size = sizeof(io),
        .result = { .format = format,
                    .image = image.handle,
                    .width = WIDE,
                    .height = TALL,
                    .x = 9,
                    .y = 5,
                    .old_layout = VK_IMAGE_LAYOUT_GENERAL,
                    .final_layout = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL },
    };
    run(&io, 0);
    host_image_read(&host, &image, VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL, pixels);
    check_rows(pixels + (5 * WIDE + 9) * size, format, (size_t)WIDE * size);
    static const uint8_t clear[3] = { 0, 255, 0 };
    for (uint32_t y = 0; y < TALL; y++)
        for (uint32_t x = 0; x < WIDE; x++)
            if (x < 9 || x >= 9 + W || y < 5 || y >= 5 + H)
                check_pixel(pixels + (y * WIDE + x) * size, format, clear);
    free(pixels);
    host_image_free(&host, &image);
}

// From no layout at all, and in bands.
static void a_fresh_image(uint32_t vae_rows)
{
    struct host_image image = host_image(&host, VK_FORMAT_R8G8B8A8_SRGB, W, H);
    uint8_t pixels[4 * W * H];
    const daub_vulkan_io io = {
        .struct_size = sizeof(io),
        .result = { .format = VK_FORMAT_R8G8B8A8_SRGB,
                    .image = image.handle,
                    .final_layout = VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL },
    };
    run(&io, vae_rows);
    host_image_read(&host, &image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, pixels);
    for (uint32_t i = 0; i < W * H; i++)
        for (uint32_t c = 0; c < 3; c++)
            REQUIRE_NEAR(pixels[4 * i + c], want[3 * i + c], vae_rows ? 1 : 0); // bands are the picture to 1/255
    host_image_free(&host, &image);
}

// ---- buffers -----------------------------------------------------------------------------------------------------

static void a_buffer(VkFormat format, uint32_t gap)
{
    const VkDeviceSize pitch = (VkDeviceSize)W * host_pixel_size(format) + gap, offset = 20;
    struct host_buffer buffer = host_buffer(&host, offset + pitch * H + 4);
    memset(buffer.map, 0x5a, buffer.size);
    const daub_vulkan_io io = {
        .struct_size = sizeof(io),
        .result = { .format = format,
                    .buffer = buffer.handle,
                    .buffer_size = buffer.size,
                    .offset = offset,
                    .row_pitch = gap ? pitch : 0 },
    };
    run(&io, 0);
    check_rows(buffer.map + offset, format, pitch);
    REQUIRE(buffer.map[offset - 1] == 0x5a && buffer.map[offset + pitch * H] == 0x5a);
    for (uint32_t i = 0; i < gap; i++)
        REQUIRE(buffer.map[offset + pitch - 1 - i] == 0x5a);
    host_buffer_free(&host, &buffer);
}

// ---- semaphores --------------------------------------------------------------------------------------------------

static daub_vulkan_semaphore at(VkSemaphore s, bool timeline, uint64_t value)
{
    return (daub_vulkan_semaphore) { .semaphore = s, .timeline = timeline, .value = value };
}

// Host work that writes the buffer, then daub, then host work: ordered by semaphores alone, waited for at the end only.
static void semaphores(bool timeline)
{
    struct host_buffer first = host_buffer(&host, 4 * W * H);
    struct host_image image = host_image(&host, VK_FORMAT_R8G8B8A8_UNORM, W, H);
    uint8_t pixels[4 * W * H];
    const VkSemaphore before = host_semaphore(&host, timeline), after = host_semaphore(&host, timeline);
    const daub_vulkan_semaphore wait = at(before, timeline, 5), signal = at(after, timeline, 9);
    host_begin(&host);
    host_image_layout(&host, &image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_GENERAL);
    host_submit(&host, NULL, &wait);
    const daub_vulkan_io io = {
        .struct_size = sizeof(io),
        .result = { .image = image.handle,
                    .old_layout = VK_IMAGE_LAYOUT_GENERAL,
                    .final_layout = VK_IMAGE_LAYOUT_GENERAL },
        .result_wait = wait,
        .result_signal = signal,
    };
    daub_job *job = NULL;
    REQUIRE_OK(daub_job_submit(model, daub_generate_params(PROMPT, .vulkan = &io), &job));
    REQUIRE_OK(daub_job_wait(job, UINT64_MAX, NULL));
    host_begin(&host);
    host_image_layout(&host, &image, VK_IMAGE_LAYOUT_GENERAL, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    host_submit(&host, &signal, NULL);
    host_image_read(&host, &image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, pixels);
    check_rows(pixels, VK_FORMAT_R8G8B8A8_UNORM, 4 * W);
    uint64_t value = 0;
    if (timeline) {
        REQUIRE(host.vkGetSemaphoreCounterValue(host.device, after, &value) == VK_SUCCESS);
        REQUIRE(value == 9);
    }
    daub_job_destroy(&job);
    host.vkDestroySemaphore(host.device, before, NULL);
    host.vkDestroySemaphore(host.device, after, NULL);
    host_buffer_free(&host, &first);
    host_image_free(&host, &image);
}

// Nothing is written before the host signals, from the CPU at that; the job is done meanwhile.
static void waits_for_the_host(void)
{
    struct host_buffer buffer = host_buffer(&host, 4 * W * H);
    memset(buffer.map, 0, buffer.size);
    const VkSemaphore gate = host_semaphore(&host, true), after = host_semaphore(&host, true);
    const daub_vulkan_io io = {
        .struct_size = sizeof(io),
        .result = { .buffer = buffer.handle, .buffer_size = buffer.size },
        .result_wait = at(gate, true, 1),
        .result_signal = at(after, true, 1),
    };
    daub_job *job = NULL;
    REQUIRE_OK(daub_job_submit(model, daub_generate_params(PROMPT, .vulkan = &io), &job));
    REQUIRE_OK(daub_job_wait(job, UINT64_MAX, NULL));
    nanosleep(&(struct timespec) { .tv_nsec = 50000000 }, NULL);
    for (size_t i = 0; i < buffer.size; i++)
        REQUIRE(buffer.map[i] == 0);
    const VkSemaphoreSignalInfo signal = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
                                           .semaphore = gate,
                                           .value = 1 };
    REQUIRE(host.vkSignalSemaphore(host.device, &signal) == VK_SUCCESS);
    const uint64_t one = 1;
    const VkSemaphoreWaitInfo wait = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO, .semaphoreCount = 1, .pSemaphores = &after, .pValues = &one
    };
    REQUIRE(host.vkWaitSemaphores(host.device, &wait, UINT64_MAX) == VK_SUCCESS);
    check_rows(buffer.map, VK_FORMAT_R8G8B8A8_UNORM, 4 * W);
    daub_job_destroy(&job);
    host.vkDestroySemaphore(host.device, gate, NULL);
    host.vkDestroySemaphore(host.device, after, NULL);
    host_buffer_free(&host, &buffer);
}

static bool stop_at_once(void *user, const daub_progress *progress)
{
    (void)user;
    return progress->step < 1;
}

// All or nothing: a cancelled job writes nothing and touches no semaphore.
static void a_cancelled_job(void)
{
    struct host_buffer buffer = host_buffer(&host, 4 * W * H);
    memset(buffer.map, 0x11, buffer.size);
    const VkSemaphore after = host_semaphore(&host, true);
    const daub_vulkan_io io = {
        .struct_size = sizeof(io),
        .result = { .buffer = buffer.handle, .buffer_size = buffer.size },
        .result_signal = at(after, true, 4),
    };
    daub_job *job = NULL;
    REQUIRE_OK(daub_job_submit(model, daub_generate_params(PROMPT, .vulkan = &io, .on_progress = stop_at_once), &job));
    REQUIRE_STATUS(daub_job_wait(job, UINT64_MAX, NULL), DAUB_ERROR_CANCELLED, "cancelled");
    daub_job_destroy(&job);
    uint64_t value = 77;
    REQUIRE(host.vkGetSemaphoreCounterValue(host.device, after, &value) == VK_SUCCESS);
    REQUIRE(value == 0);
    for (size_t i = 0; i < buffer.size; i++)
        REQUIRE(buffer.map[i] == 0x11);
    host.vkDestroySemaphore(host.device, after, NULL);
    host_buffer_free(&host, &buffer);
}

// ---- the rest ----------------------------------------------------------------------------------------------------

static void estimate(void)
{
    struct host_buffer buffer = host_buffer(&host, 16 * W * H);
    daub_memory_estimate plain = { .struct_size = sizeof(plain) }, with = { .struct_size = sizeof(with) };
    const daub_vulkan_io io = {
        .struct_size = sizeof(io),
        .result = { .format = VK_FORMAT_R32G32B32A32_SFLOAT, .buffer = buffer.handle, .buffer_size = buffer.size },
    };
    REQUIRE_OK(daub_estimate(model, daub_generate_params(PROMPT), &plain));
    REQUIRE_OK(daub_estimate(model, daub_generate_params(PROMPT, .vulkan = &io), &with));
    REQUIRE(with.peak == plain.peak + 16 * W * H && with.decode.staging == plain.decode.staging + 16 * W * H);
    host_buffer_free(&host, &buffer);
}

static void arguments(void)
{
    struct host_buffer buffer = host_buffer(&host, 4 * W * H);
    struct host_image image = host_image(&host, VK_FORMAT_R8G8B8A8_UNORM, W, H);
    daub_job *job = NULL;
    daub_vulkan_io io;
    const daub_vulkan_picture to_image = { .image = image.handle, .final_layout = VK_IMAGE_LAYOUT_GENERAL };
    const daub_vulkan_picture to_buffer = { .buffer = buffer.handle, .buffer_size = buffer.size };
#define BAD(base, set, part)                                                                                          \
    io = (daub_vulkan_io) { .struct_size = sizeof(io), .result = base };                                              \
    set;                                                                                                              \
    REQUIRE_STATUS(daub_job_submit(model, daub_generate_params(PROMPT, .vulkan = &io), &job), DAUB_ERROR_INVALID_ARG, \
                   part);                                                                                             \
    REQUIRE(!job)
    BAD(to_image, io.struct_size = 0, "daub_vulkan_io.struct_size is 0");
    BAD(to_image, io.result.format = VK_FORMAT_B8G8R8A8_UNORM, "vulkan.result.format is 44, which is none of");
    BAD(to_image, io.result.final_layout = VK_IMAGE_LAYOUT_UNDEFINED, "final_layout is UNDEFINED");
    BAD(to_image, io.result.final_layout = VK_IMAGE_LAYOUT_PREINITIALIZED, "final_layout is PREINITIALIZED");
    BAD(to_image, io.result.x = 1, "64x64 pixels at 1,0 are not inside the image of 64x64");
    BAD(to_image, io.result.height = 32, "not inside the image of 64x32");
    BAD(to_image, io.result.buffer = buffer.handle, "has 2 of image, buffer and exported");
    BAD(to_buffer, io.result.format = VK_FORMAT_R8G8B8A8_SRGB, "not _SRGB");
    BAD(to_buffer, io.result.row_pitch = 255, "row_pitch is 255, wanted a multiple of 4 from 256");
    BAD(to_buffer, io.result.row_pitch = 260,
        "64 rows of 256 bytes, 260 apart, at 0 are not inside the buffer of 16384");
    BAD(to_buffer, io.result.offset = 2, "offset is 2");
    BAD(to_buffer, io.result.offset = 4, "not inside the buffer");
    BAD(to_buffer, io.result.offset = UINT64_MAX - 3, "not inside the buffer");
    BAD(to_buffer, io.result.format = VK_FORMAT_R16G16B16A16_SFLOAT, "not inside the buffer");
    BAD(to_buffer, io.result_signal.value = 3, "vulkan.result_signal has a value and no semaphore");
    BAD((daub_vulkan_picture) { 0 }, io.result_wait.semaphore = (VkSemaphore)(uintptr_t)1, "and no result");
    BAD(to_buffer, io.input_wait.semaphore = (VkSemaphore)(uintptr_t)1, "and no input");
    REQUIRE_STATUS(daub_estimate(model, daub_generate_params(PROMPT, .vulkan = (io.struct_size = 4, &io)),
                                 &(daub_memory_estimate) { .struct_size = sizeof(daub_memory_estimate) }),
                   DAUB_ERROR_INVALID_ARG, "struct_size is 4");

    // A device of daub's own takes none of a host's handles.
    daub_device *own = NULL;
    daub_model *own_model = NULL;
    REQUIRE_OK(daub_device_create(daub_device_params(.debug = "nocache"), &own));
    REQUIRE_OK(daub_model_load(own, NULL, NULL, &own_model));
    io = (daub_vulkan_io) { .struct_size = sizeof(io), .result = to_buffer };
    REQUIRE_STATUS(daub_job_submit(own_model, daub_generate_params(PROMPT, .vulkan = &io), &job),
                   DAUB_ERROR_INVALID_ARG, "of a device of daub_vulkan_device_create");
    REQUIRE_OK(daub_model_destroy(&own_model));
    REQUIRE_OK(daub_device_destroy(&own));
#undef BAD
    host_buffer_free(&host, &buffer);
    host_image_free(&host, &image);
}

// An io with nothing in it leaves a job as it is.
static void an_empty_io(void)
{
    daub_image image = { 0 };
    const daub_vulkan_io io = { .struct_size = sizeof(io) };
    REQUIRE_OK(daub_generate(model, daub_generate_params(PROMPT, .vulkan = &io), &image));
    REQUIRE(memcmp(image.pixels, want, SIZE) == 0);
    daub_image_free(&image);
}

static void results(enum host_kind kind)
{
    host_open(&host, kind, NULL);
    dev = host_daub(&host);
    REQUIRE_OK(daub_model_load(dev, NULL, NULL, &model));
    daub_image image = { 0 };
    REQUIRE_OK(daub_generate(model, daub_generate_params(PROMPT), &image));
    memcpy(want, image.pixels, SIZE);
    daub_image_free(&image);

    static const VkFormat formats[] = { VK_FORMAT_R8G8B8A8_UNORM, VK_FORMAT_R16G16B16A16_SFLOAT,
                                        VK_FORMAT_R32G32B32A32_SFLOAT };
    for (int i = 0; i < 3; i++) {
        an_image(formats[i]);
        a_buffer(formats[i], 0);
        a_buffer(formats[i], 12);
    }
    a_fresh_image(0);
    a_fresh_image(3);
    semaphores(false);
    if (kind == HOST_WISHES) {
        semaphores(true);
        waits_for_the_host();
        a_cancelled_job();
    }
    an_empty_io();
    estimate();
    arguments();
    if (kind == HOST_BARE) { // no such feature
        const daub_vulkan_io io = { .struct_size = sizeof(io),
                                    .result = { .buffer = (VkBuffer)(uintptr_t)1, .buffer_size = 4 * W * H },
                                    .result_wait = at((VkSemaphore)(uintptr_t)1, true, 1) };
        daub_job *job = NULL;
        REQUIRE_STATUS(daub_job_submit(model, daub_generate_params(PROMPT, .vulkan = &io), &job),
                       DAUB_ERROR_INVALID_ARG, "the host enabled no such feature");
    }
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
    host_close(&host);
}

int main(void)
{
    results(HOST_WISHES);
    results(HOST_BARE);
    return 0;
}

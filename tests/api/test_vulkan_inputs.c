// test_vulkan_inputs.c - embeddings, init pictures and masks from the host's images and buffers: the same picture as from its memory.
#include "runtime/base/half.h"
#include "runtime/io/safetensors.h"
#include "tests/api/harness_vulkan.h"

enum { W = 64, H = 64, SIZE = W * H * 3, PAD = 12 };

static struct host host;
static daub_model *model;

struct embeds {
    float *prompt, *negative;
    uint32_t tokens, width;
};

static float *read_tensor(const struct daub_safetensors *st, const char *name, struct embeds *e)
{
    const struct daub_st_tensor *t = daub_safetensors_find(st, name);
    REQUIRE(t && t->n_dims == 3);
    e->tokens = (uint32_t)t->dims[1];
    e->width = (uint32_t)t->dims[2];
    float *values = malloc((size_t)e->tokens * e->width * sizeof(float));
    REQUIRE(values);
    REQUIRE_OK(daub_safetensors_floats(st, t, values));
    return values;
}

static void draw(const char *path, const daub_vulkan_io *io, uint8_t *pixels)
{
    daub_image image = { 0 };
    REQUIRE_OK(daub_generate(
        model, daub_generate_params(.prompt_embeds_path = path, .vulkan = io, .n_steps = 2, .guidance_scale = 3.0f),
        &image));
    memcpy(pixels, image.pixels, SIZE);
    daub_image_free(&image);
}

static void write_file(const char *path, const struct embeds *e)
{
    const struct daub_st_write tensors[] = {
        { .name = "prompt_embeds", .n_dims = 2, .dims = { e->tokens, e->width }, .data = e->prompt },
        { .name = "negative_prompt_embeds", .n_dims = 2, .dims = { e->tokens, e->width }, .data = e->negative },
    };
    REQUIRE_OK(daub_safetensors_write(NULL, path, tensors, 2));
}

// Both in one buffer, the second behind the first.
static struct host_buffer make_buffer(const struct embeds *e, bool half)
{
    const size_t n = (size_t)e->tokens * e->width, size = n * (half ? 2 : 4);
    struct host_buffer b = host_buffer(&host, PAD + 2 * size);
    uint8_t *at = b.map + PAD;
    if (half) {
        daub_half_from_floats((uint16_t *)(void *)at, e->prompt, n);
        daub_half_from_floats((uint16_t *)(void *)(at + size), e->negative, n);
    } else {
        memcpy(at, e->prompt, size);
        memcpy(at + size, e->negative, size);
    }
    return b;
}

static daub_vulkan_io make_io(const struct host_buffer *b, const struct embeds *e, bool half)
{
    const VkDeviceSize size = (VkDeviceSize)e->tokens * e->width * (half ? 2 : 4);
    const VkFormat format = half ? VK_FORMAT_R16_SFLOAT : VK_FORMAT_R32_SFLOAT;
    return (daub_vulkan_io) {
        .struct_size = sizeof(daub_vulkan_io),
        .prompt_embeds = { b->handle, b->size, PAD, e->tokens, format },
        .negative_embeds = { b->handle, b->size, PAD + size, e->tokens, format },
    };
}

static void from_a_buffer(struct embeds *e, bool half)
{
    static const char *const path = DAUB_BIN_DIR "/test_vulkan_embeds.safetensors";
    uint8_t want[SIZE], got[SIZE];
    for (size_t i = 0; half && i < (size_t)e->tokens * e->width; i++) {
        e->prompt[i] = daub_half_to_float(daub_half_from_float(e->prompt[i]));
        e->negative[i] = daub_half_to_float(daub_half_from_float(e->negative[i]));
    }
    write_file(path, e);
    draw(path, NULL, want);
    struct host_buffer b = make_buffer(e, half);
    daub_vulkan_io io = make_io(&b, e, half);
    draw(NULL, &io, got);
    REQUIRE(memcmp(got, want, SIZE) == 0);

    // Written by work of the host that the semaphore alone orders, from zeros.
    const VkSemaphore ready = host_semaphore(&host, true), taken = host_semaphore(&host, true);
    io.input_wait = (daub_vulkan_semaphore) { .semaphore = ready, .timeline = true, .value = 1 };
    io.input_signal = (daub_vulkan_semaphore) { .semaphore = taken, .timeline = true, .value = 1 };
    host_begin(&host);
    host.vkCmdFillBuffer(host.cb, b.handle, 0, VK_WHOLE_SIZE, 0);
    host_submit(&host, NULL, &io.input_wait);
    uint8_t zeros[SIZE];
    draw(NULL, &io, zeros);
    REQUIRE(memcmp(zeros, got, SIZE) != 0);
    uint64_t value = 0;
    REQUIRE(host.vkGetSemaphoreCounterValue(host.device, taken, &value) == VK_SUCCESS);
    REQUIRE(value == 1);
    host.vkDestroySemaphore(host.device, ready, NULL);
    host.vkDestroySemaphore(host.device, taken, NULL);
    host_buffer_free(&host, &b);
    remove(path);
}

static void arguments(const struct embeds *e)
{
    struct host_buffer b = make_buffer(e, false);
    const daub_vulkan_io good = make_io(&b, e, false);
    daub_vulkan_io io;
    daub_job *job = NULL;
#define BAD(set, part)                                                                                        \
    io = good;                                                                                                \
    set;                                                                                                      \
    REQUIRE_STATUS(daub_job_submit(model, daub_generate_params(.vulkan = &io, .guidance_scale = 3.0f), &job), \
                   DAUB_ERROR_INVALID_ARG, part)
    BAD(io.prompt_embeds.tokens = 0, "vulkan.prompt_embeds.tokens is 0, which is outside 1..4096");
    BAD(io.prompt_embeds.tokens = 5000, "tokens is 5000");
    BAD(io.prompt_embeds.offset = 2, "vulkan.prompt_embeds.offset is 2");
    BAD(io.prompt_embeds.format = VK_FORMAT_R8_UNORM, "which is none of R32_SFLOAT (100) and R16_SFLOAT (76)");
    BAD(io.prompt_embeds.buffer_size = 64, "are not inside the buffer of 64 bytes");
    BAD(io.negative_embeds.offset += 4, "vulkan.negative_embeds: 32 tokens of 128 values at 16400 are not inside");
    BAD(io.negative_embeds.format = VK_FORMAT_R16_SFLOAT, "wanted the same");
    BAD(io.negative_embeds.buffer = VK_NULL_HANDLE, "without negative_embeds, and guidance is 3");
    BAD(io.prompt_embeds.buffer = VK_NULL_HANDLE, "vulkan.negative_embeds without prompt_embeds");
#undef BAD
    io = good;
    REQUIRE_STATUS(daub_job_submit(model, daub_generate_params(.vulkan = &io, .prompt = "x"), &job),
                   DAUB_ERROR_INVALID_ARG, "one or the other");
    REQUIRE_STATUS(daub_job_submit(model, daub_generate_params(.vulkan = &io, .prompt_embeds_path = "x"), &job),
                   DAUB_ERROR_INVALID_ARG, "one or the other");
    REQUIRE(!job);
    const float infinite = INFINITY;
    memcpy(b.map + PAD + 40, &infinite, sizeof(infinite));
    REQUIRE_OK(daub_job_submit(model, daub_generate_params(.vulkan = &io), &job));
    REQUIRE_STATUS(daub_job_wait(job, UINT64_MAX, NULL), DAUB_ERROR_INVALID_ARG,
                   "vulkan.prompt_embeds holds a value that is not finite");
    daub_job_destroy(&job);
    daub_memory_estimate estimate = { .struct_size = sizeof(estimate) };
    REQUIRE_OK(daub_estimate(model, daub_generate_params(.vulkan = &io), &estimate));
    REQUIRE(estimate.text.total == 0 && estimate.peak > 0);
    host_buffer_free(&host, &b);
}

// ---- pictures ----------------------------------------------------------------------------------------------------

static daub_image init, mask; // RGB and grey

static void make_pictures(void)
{
    REQUIRE_OK(daub_generate(model, daub_generate_params(.prompt = "a star", .n_steps = 2), &init));
    mask = (daub_image) { .width = W, .height = H, .channels = 1, .pixels = malloc(W * H) };
    REQUIRE(mask.pixels);
    for (uint32_t i = 0; i < W * H; i++)
        mask.pixels[i] = (uint8_t)(i % W < 24   ? 0
                                   : i % W > 40 ? 255
                                                : 7 * (i % W) - 100); // kept, painted, mixed between
}

// A pixel of a picture of 1 or 3 channels in one of the host's formats.
static void put_pixel(const daub_image *image, uint32_t i, VkFormat format, uint8_t *out)
{
    for (uint32_t c = 0; c < 4; c++) {
        const uint8_t byte = c == 3 ? 255 : image->pixels[image->channels * i + (image->channels == 3 ? c : 0)];
        const float value = (float)byte / 255.0f;
        const uint16_t half = daub_half_from_float(value);
        if (format == VK_FORMAT_R32G32B32A32_SFLOAT)
            memcpy(out + 4 * c, &value, sizeof(value));
        else if (format == VK_FORMAT_R16G16B16A16_SFLOAT)
            memcpy(out + 2 * c, &half, sizeof(half));
        else
            out[c] = byte;
    }
}

static struct host_buffer picture_buffer(const daub_image *image, VkFormat format, VkDeviceSize offset,
                                         VkDeviceSize pitch)
{
    struct host_buffer b = host_buffer(&host, offset + pitch * H);
    for (uint32_t i = 0; i < W * H; i++)
        put_pixel(image, i, format, b.map + offset + i / W * pitch + i % W * host_pixel_size(format));
    return b;
}

// An image larger than the picture, which lies at 3, 2, in layout GENERAL.
static struct host_image picture_image(const daub_image *image, VkFormat format)
{
    struct host_buffer b = picture_buffer(image, format, 0, (VkDeviceSize)W * host_pixel_size(format));
    struct host_image out = host_image(&host, format, W + 5, H + 4);
    const VkBufferImageCopy region = { .imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1 },
                                       .imageOffset = { 3, 2, 0 },
                                       .imageExtent = { W, H, 1 } };
    host_begin(&host);
    host_image_layout(&host, &out, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    host.vkCmdCopyBufferToImage(host.cb, b.handle, out.handle, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &region);
    host_image_layout(&host, &out, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, VK_IMAGE_LAYOUT_GENERAL);
    host_submit(&host, NULL, NULL);
    host_buffer_free(&host, &b);
    return out;
}

static void paint(const daub_image *from, const daub_image *over, const daub_vulkan_io *io, uint8_t *pixels)
{
    daub_image image = { 0 };
    REQUIRE_OK(daub_generate(model,
                             daub_generate_params(.prompt = "a red apple", .n_steps = 4, .strength = 0.6, .width = W,
                                                  .height = H, .init = from, .mask = over, .vulkan = io),
                             &image));
    if (image.pixels)
        memcpy(pixels, image.pixels, SIZE);
    daub_image_free(&image);
}

static void pictures_from_images(VkFormat format)
{
    uint8_t want[SIZE], got[SIZE];
    struct host_image from = picture_image(&init, format), over = picture_image(&mask, format);
    daub_vulkan_io io = {
        .struct_size = sizeof(io),
        .init = { .format = format,
                  .image = from.handle,
                  .width = W + 5,
                  .height = H + 4,
                  .x = 3,
                  .y = 2,
                  .old_layout = VK_IMAGE_LAYOUT_GENERAL },
    };
    paint(&init, NULL, NULL, want);
    paint(NULL, NULL, &io, got);
    REQUIRE(memcmp(got, want, SIZE) == 0);
    paint(NULL, NULL, &io, got); // it was left as it was
    REQUIRE(memcmp(got, want, SIZE) == 0);

    io.mask = io.init;
    io.mask.image = over.handle;
    io.mask.final_layout = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL;
    paint(&init, &mask, NULL, want);
    paint(NULL, NULL, &io, got);
    REQUIRE(memcmp(got, want, SIZE) == 0);
    io.mask.old_layout = io.mask.final_layout; // as validation checks
    paint(NULL, NULL, &io, got);
    REQUIRE(memcmp(got, want, SIZE) == 0);
    host_image_free(&host, &from);
    host_image_free(&host, &over);
}

// The mask from a buffer, the picture from memory, the result into a buffer: pasted on the device as on the host.
static void a_masked_result(VkFormat format)
{
    const uint32_t size = host_pixel_size(format);
    const VkDeviceSize pitch = W * size + 8;
    uint8_t want[SIZE];
    struct host_buffer over = picture_buffer(&mask, format, 8, pitch), result = host_buffer(&host, W * H * size);
    const daub_vulkan_io io = {
        .struct_size = sizeof(io),
        .mask = { .format = format, .buffer = over.handle, .buffer_size = over.size, .offset = 8, .row_pitch = pitch },
        .result = { .format = format, .buffer = result.handle, .buffer_size = result.size },
    };
    paint(&init, &mask, NULL, want);
    paint(&init, NULL, &io, NULL);
    for (uint32_t i = 0; i < W * H; i++)
        for (uint32_t c = 0; c < 3; c++) {
            const uint8_t *at = result.map + i * size + c * size / 4;
            float value = (float)*at / 255.0f;
            uint16_t bits;
            memcpy(&bits, at, sizeof(bits));
            if (format == VK_FORMAT_R16G16B16A16_SFLOAT)
                value = daub_half_to_float(bits);
            else if (format == VK_FORMAT_R32G32B32A32_SFLOAT)
                memcpy(&value, at, sizeof(value));
            // Bytes are mixed after rounding, floats before: a step apart at the most, and equal where nothing is mixed.
            const double limit = format == VK_FORMAT_R8G8B8A8_UNORM ? 1e-4 : mask.pixels[i] % 255 ? 1.01 : 0.57;
            REQUIRE_NEAR(value * 255.0f, want[3 * i + c], limit);
        }
    host_buffer_free(&host, &over);
    host_buffer_free(&host, &result);
}

static void picture_arguments(void)
{
    struct host_image from = picture_image(&init, VK_FORMAT_R8G8B8A8_UNORM);
    daub_job *job = NULL;
    daub_vulkan_io io;
    const daub_vulkan_picture good = { .image = from.handle, .old_layout = VK_IMAGE_LAYOUT_GENERAL };
#define BAD(set, from_memory, part)                                                                            \
    io = (daub_vulkan_io) { .struct_size = sizeof(io), .init = good };                                         \
    set;                                                                                                       \
    REQUIRE_STATUS(                                                                                            \
        daub_job_submit(model, daub_generate_params(.prompt = "x", .init = from_memory, .vulkan = &io), &job), \
        DAUB_ERROR_INVALID_ARG, part)
    BAD(io.init.old_layout = VK_IMAGE_LAYOUT_UNDEFINED, NULL, "vulkan.init.old_layout is UNDEFINED");
    BAD(io.init.format = VK_FORMAT_R8_UNORM, NULL, "vulkan.init.format is 9");
    BAD(io.init.x = W, NULL, "vulkan.init: 64x64 pixels at 64,0 are not inside");
    BAD((io.init.width = 20000, io.init.height = 64), NULL, "vulkan.init: 20000x64 is outside");
    BAD((void)0, &init, "init is given in params and in params.vulkan");
    BAD((io.mask = io.init, io.init = (daub_vulkan_picture) { 0 }), NULL, "a mask needs the init picture");
#undef BAD
    REQUIRE(!job);
    host_image_free(&host, &from);
}

int main(void)
{
    static const char *const path = DAUB_BIN_DIR "/test_vulkan_encoded.safetensors";
    struct embeds e;
    struct daub_safetensors *st = NULL;
    host_open(&host, HOST_WISHES, NULL);
    daub_device *dev = host_daub(&host);
    REQUIRE_OK(daub_model_load(dev, NULL, NULL, &model));
    REQUIRE_OK(daub_encode_text(model, daub_generate_params(.prompt = "a blue car"), path));
    REQUIRE_OK(daub_safetensors_open(NULL, path, &st));
    e.prompt = read_tensor(st, "prompt_embeds", &e);
    e.negative = read_tensor(st, "negative_prompt_embeds", &e);
    daub_safetensors_close(&st);
    remove(path);
    from_a_buffer(&e, false);
    from_a_buffer(&e, true);
    arguments(&e);
    free(e.prompt);
    free(e.negative);

    static const VkFormat formats[] = { VK_FORMAT_R8G8B8A8_UNORM, VK_FORMAT_R16G16B16A16_SFLOAT,
                                        VK_FORMAT_R32G32B32A32_SFLOAT };
    make_pictures();
    for (int i = 0; i < 3; i++) {
        pictures_from_images(formats[i]);
        a_masked_result(formats[i]);
    }
    picture_arguments();
    daub_image_free(&init);
    free(mask.pixels);
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
    host_close(&host);
    return 0;
}

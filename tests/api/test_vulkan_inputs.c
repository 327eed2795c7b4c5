// test_vulkan_inputs.c - prompt embeddings from the host's buffers: the same picture as from a file of the same values.
#include "runtime/base/half.h"
#include "runtime/io/safetensors.h"
#include "tests/api/harness_vulkan.h"

enum { SIZE = 64 * 64 * 3, PAD = 12 };

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
#define BAD(set, part)                                                                                          \
    io = good;                                                                                                  \
    set;                                                                                                        \
    REQUIRE_STATUS(daub_job_submit(model, daub_generate_params(.vulkan = &io, .guidance_scale = 3.0f), &job),    \
                   DAUB_ERROR_INVALID_ARG, part)
    BAD(io.prompt_embeds.tokens = 0, "vulkan.prompt_embeds.tokens is 0, which is outside 1..4096");
    BAD(io.prompt_embeds.tokens = 5000, "tokens is 5000");
    BAD(io.prompt_embeds.offset = 2, "vulkan.prompt_embeds.offset is 2");
    BAD(io.prompt_embeds.format = VK_FORMAT_R8_UNORM, "which is none of R32_SFLOAT (100) and R16_SFLOAT (76)");
    BAD(io.prompt_embeds.buffer_size = 64, "are not inside the buffer of 64 bytes");
    BAD(io.negative_embeds.offset += 4, "vulkan.negative_embeds: 32 tokens of 128 values at 16400 are not inside");
    BAD(io.negative_embeds.tokens = 3, "wanted the same");
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
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
    host_close(&host);
    return 0;
}

// io_inputs.c - what a job reads from the host's images and buffers: one submission into memory that the host sees, then plain values.
#include "runtime/vk/io_private.h"

#include "runtime/base/half.h"

#include <math.h>
#include <string.h>

enum { INIT, MASK, PROMPT, NEGATIVE, N_PARTS };

struct part { // of the staging buffer; size 0: not given
    uint64_t at, size;
};

static uint64_t lay_out(const struct daub_io *io, const struct daub_io_inputs *in, struct part parts[N_PARTS])
{
    const uint64_t n = (uint64_t)io->w * io->h;
    const uint64_t token = (uint64_t)in->embed_width * daub_embeds_value_size(&io->given.prompt_embeds);
    const bool prompt = io->given.prompt_embeds.buffer && in->prompt;
    const uint64_t sizes[N_PARTS] = {
        [INIT] = io->has_init && in->init ? n * daub_pixel_size(io->init.pixels) : 0,
        [MASK] = io->has_mask && in->mask ? n * daub_pixel_size(io->mask.pixels) : 0,
        [PROMPT] = prompt ? io->given.prompt_embeds.tokens * token : 0,
        [NEGATIVE] = prompt && in->negative ? io->given.negative_embeds.tokens * token : 0,
    };
    uint64_t end = 0;
    for (int i = 0; i < N_PARTS; i++) {
        parts[i] = (struct part) { .at = end, .size = sizes[i] };
        end += (sizes[i] + 15) / 16 * 16; // copies from images begin at multiples of a texel
    }
    return end;
}

static daub_status copy_picture(struct daub_io *io, VkCommandBuffer cb, const struct daub_io_target *t,
                                VkBuffer staging, uint64_t at)
{
    daub_io_enter(io->dev, cb, t, false);
    if (t->image) {
        VkBufferImageCopy region = daub_io_region(io, t);
        region.bufferOffset = at;
        io->dev->vk.vkCmdCopyImageToBuffer(cb, t->image, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, staging, 1, &region);
    } else {
        TRY(daub_io_copy_rows(io, cb, t, staging, at, false));
    }
    daub_io_leave(io->dev, cb, t, false);
    return DAUB_OK;
}

static daub_status copy_parts(struct daub_io *io, VkCommandBuffer cb, VkBuffer staging,
                              const struct part parts[N_PARTS])
{
    static const struct daub_io_target none = { 0 };
    const daub_vulkan_embeds *embeds[] = { &io->given.prompt_embeds, &io->given.negative_embeds };
    if (parts[INIT].size > 0)
        TRY(copy_picture(io, cb, &io->init, staging, parts[INIT].at));
    if (parts[MASK].size > 0)
        TRY(copy_picture(io, cb, &io->mask, staging, parts[MASK].at));
    daub_io_enter(io->dev, cb, &none, false);
    for (int i = PROMPT; i <= NEGATIVE; i++) {
        const VkBufferCopy region = { .srcOffset = embeds[i - PROMPT]->offset,
                                      .dstOffset = parts[i].at,
                                      .size = parts[i].size };
        if (region.size > 0)
            io->dev->vk.vkCmdCopyBuffer(cb, embeds[i - PROMPT]->buffer, staging, 1, &region);
    }
    daub_io_leave(io->dev, cb, &none, false);
    return DAUB_OK;
}

static daub_status fetch(struct daub_io *io, const struct daub_buffer *staging, const struct part parts[N_PARTS])
{
    const struct daub_semaphore wait = daub_io_semaphore(&io->given.input_wait);
    const struct daub_semaphore signal = daub_io_semaphore(&io->given.input_signal);
    VkCommandBuffer cb = VK_NULL_HANDLE;
    uint64_t ticket = 0;
    TRY(daub_io_begin(io, &cb));
    TRY(copy_parts(io, cb, staging->handle, parts));
    TRY(daub_io_submit(io, cb, &wait, &signal, &ticket));
    return daub_wait(io->dev, ticket, UINT64_MAX, NULL);
}

static daub_status to_floats(const daub_vulkan_embeds *e, const char *what, const void *stored, size_t n, float *out)
{
    if (e->format == VK_FORMAT_R16_SFLOAT)
        daub_half_to_floats(out, stored, n);
    else
        memcpy(out, stored, n * sizeof(*out));
    for (size_t i = 0; i < n; i++)
        if (!isfinite(out[i]))
            return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.%s holds a value that is not finite", what);
    return DAUB_OK;
}

static uint8_t to_byte(float value) // NaN is 0
{
    return (uint8_t)nearbyintf(fminf(fmaxf(value, 0.0f), 1.0f) * 255.0f);
}

static void pixel_of(enum daub_pixels pixels, const char *at, uint8_t rgb[3])
{
    float floats[3];
    uint16_t halves[3];
    switch (pixels) {
    case DAUB_PIXELS_RGBA8:
        memcpy(rgb, at, 3);
        return;
    case DAUB_PIXELS_RGBA16F:
        memcpy(halves, at, sizeof(halves));
        daub_half_to_floats(floats, halves, 3);
        break;
    case DAUB_PIXELS_RGBA32F:
        memcpy(floats, at, sizeof(floats));
        break;
    }
    for (int c = 0; c < 3; c++)
        rgb[c] = to_byte(floats[c]);
}

// The grey of ITU-R BT.601 in 16-bit fixed point, as of masks that come as pictures.
static uint8_t grey(const uint8_t rgb[3])
{
    return (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

static void to_pictures(const struct daub_io *io, const char *map, const struct part parts[N_PARTS],
                        const struct daub_io_inputs *in)
{
    const size_t n = (size_t)io->w * io->h;
    const size_t init_size = daub_pixel_size(io->init.pixels), mask_size = daub_pixel_size(io->mask.pixels);
    for (size_t i = 0; parts[INIT].size > 0 && i < n; i++)
        pixel_of(io->init.pixels, map + parts[INIT].at + i * init_size, in->init + 3 * i);
    for (size_t i = 0; parts[MASK].size > 0 && i < n; i++) {
        uint8_t rgb[3];
        pixel_of(io->mask.pixels, map + parts[MASK].at + i * mask_size, rgb);
        in->mask[i] = grey(rgb);
    }
}

static daub_status convert(const struct daub_io *io, const char *map, const struct part parts[N_PARTS],
                           const struct daub_io_inputs *in)
{
    const daub_vulkan_embeds *e = &io->given.prompt_embeds, *negative = &io->given.negative_embeds;
    const size_t width = in->embed_width;
    to_pictures(io, map, parts, in);
    if (parts[PROMPT].size > 0)
        TRY(to_floats(e, "prompt_embeds", map + parts[PROMPT].at, e->tokens * width, in->prompt));
    if (parts[NEGATIVE].size > 0)
        TRY(to_floats(negative, "negative_embeds", map + parts[NEGATIVE].at, negative->tokens * width, in->negative));
    return DAUB_OK;
}

daub_status daub_io_read(struct daub_io *io, const struct daub_io_inputs *inputs)
{
    struct part parts[N_PARTS];
    struct daub_buffer *staging = NULL;
    const uint64_t size = lay_out(io, inputs, parts);
    if (size == 0)
        return DAUB_OK;
    TRY(daub_buffer_create(io->dev, DAUB_MEMORY_HOST, size, "the host's inputs", &staging));
    daub_status status = fetch(io, staging, parts);
    if (status == DAUB_OK)
        status = convert(io, daub_buffer_map(staging), parts, inputs);
    daub_buffer_destroy(io->dev, &staging);
    return status;
}

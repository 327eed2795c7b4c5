// io.h - what one job reads from the host's images and buffers and writes to them (daub_vulkan_io), for layers that name no Vulkan type.
#ifndef DAUB_VK_IO_H
#define DAUB_VK_IO_H
#include "runtime/vk/buffer.h"

struct daub_vulkan_io; // include/daub_vulkan.h
struct daub_io;

enum daub_pixels { DAUB_PIXELS_RGBA8, DAUB_PIXELS_RGBA16F, DAUB_PIXELS_RGBA32F };
uint32_t daub_pixel_size(enum daub_pixels pixels); // bytes

struct daub_picture {        // the pixels of a result in device memory, until they are handed over
    struct daub_buffer *buf; // tight rows, top down
    enum daub_pixels pixels;
    struct daub_buffer *given; // R, G, B and mask of what is pasted over it, a byte each; NULL: nothing is
};

struct daub_io_use {
    uint32_t w, h; // of the job's pictures
    bool paste;    // the result is pasted over
};

// Checks what the host gave against the job's picture, and makes room for it. `io` is a full copy; it need live only until the call
// returns. Errors: INVALID_ARG with field, value and limit; NO_GPU_MEMORY.
daub_status daub_io_create(daub_device *dev, const struct daub_vulkan_io *io, const struct daub_io_use *use,
                           struct daub_io **out);
void daub_io_destroy(struct daub_io **io); // waits for what was handed over
// Device bytes that daub_io_create takes.
uint64_t daub_io_size(const struct daub_vulkan_io *io, const struct daub_io_use *use);

// False: the host wants no result in its memory.
bool daub_io_picture(const struct daub_io *io, struct daub_picture *out);
// Copies the picture, which is complete, into the host's memory. Waits for that, unless the host gave a semaphore to signal.
daub_status daub_io_deliver(struct daub_io *io);

struct daub_io_inputs { // room for what the host gives, NULL where it gives nothing
    uint32_t embed_width;
    float *prompt, *negative; // [tokens, embed_width]
    uint8_t *init;            // RGB
    uint8_t *mask;            // grey
};
// All of them, by one submission, which is waited for. Errors: INVALID_ARG (an embedding that is not finite).
daub_status daub_io_read(struct daub_io *io, const struct daub_io_inputs *inputs);

#endif

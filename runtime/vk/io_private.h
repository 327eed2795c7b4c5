// io_private.h - a checked picture of the host's, for the files of runtime/vk only.
#ifndef DAUB_VK_IO_PRIVATE_H
#define DAUB_VK_IO_PRIVATE_H
#include "runtime/vk/device_private.h"

#include "include/daub_vulkan.h"
#include "runtime/vk/io.h"

struct daub_io_target { // every default resolved
    enum daub_pixels pixels;
    VkImage image; // this or
    uint32_t level, layer, x, y;
    VkImageLayout old_layout, final_layout;
    VkBuffer buffer; // this
    uint64_t offset, row_pitch;
    bool transfer;
    uint32_t from_family, to_family;
    struct daub_vulkan_export *exported; // whose buffer it is, or NULL
};

struct daub_io {
    daub_device *dev;
    uint32_t w, h;
    daub_vulkan_io given;
    struct daub_io_target target; // of the result
    bool has_result, retained;    // retained: target.exported counts us
    struct daub_picture picture;
    struct daub_io_target init, mask;
    bool has_init, has_mask;
    VkCommandPool pool;
    uint64_t ticket; // of the result's submission
};

// io.c: one submission is begun, entered and left once a picture, and submitted. A zeroed target: no picture, the order only.
daub_status daub_io_begin(struct daub_io *io, VkCommandBuffer *cb);
// Barriers from everything before to transfers, and from those to everything later; an image changes its layout. `written`: by us.
void daub_io_enter(daub_device *dev, VkCommandBuffer cb, const struct daub_io_target *t, bool written);
void daub_io_leave(daub_device *dev, VkCommandBuffer cb, const struct daub_io_target *t, bool written);
// Rows between a tight buffer, from byte `at` on, and a target's buffer; `written`: into the target.
daub_status daub_io_copy_rows(struct daub_io *io, VkCommandBuffer cb, const struct daub_io_target *t, VkBuffer tight,
                              uint64_t at, bool written);
VkBufferImageCopy daub_io_region(const struct daub_io *io,
                                 const struct daub_io_target *t); // from byte 0 of a tight buffer
daub_status daub_io_submit(struct daub_io *io, VkCommandBuffer cb, const struct daub_semaphore *wait,
                           const struct daub_semaphore *signal, uint64_t *ticket);
struct daub_semaphore daub_io_semaphore(const daub_vulkan_semaphore *s);

// io_check.c
bool daub_pixels_of(VkFormat format, enum daub_pixels *out); // false: none that we write
// Checks io->given against the rest and fills in the targets.
daub_status daub_io_check(struct daub_io *io);
uint32_t daub_embeds_value_size(const daub_vulkan_embeds *embeds);

// export.c
VkFormat daub_export_format(const struct daub_vulkan_export *exported);
// Errors: INVALID_ARG (of another device, or of another size).
daub_status daub_export_target(const struct daub_vulkan_export *exported, const daub_device *dev, uint32_t w,
                               uint32_t h, struct daub_io_target *out);
struct daub_semaphore daub_export_signal(const struct daub_vulkan_export *exported);
void daub_export_retain(struct daub_vulkan_export *exported, int by);

#endif

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

// io_check.c
bool daub_pixels_of(VkFormat format, enum daub_pixels *out); // false: none that we write
// Of a result of w by h pixels. *has_result is false where the host gave none.
daub_status daub_io_check(const daub_device *dev, const daub_vulkan_io *io, uint32_t w, uint32_t h,
                          struct daub_io_target *target, bool *has_result);
uint32_t daub_embeds_value_size(const daub_vulkan_embeds *embeds);

// export.c
VkFormat daub_export_format(const struct daub_vulkan_export *exported);
// Errors: INVALID_ARG (of another device, or of another size).
daub_status daub_export_target(const struct daub_vulkan_export *exported, const daub_device *dev, uint32_t w,
                               uint32_t h, struct daub_io_target *out);
struct daub_semaphore daub_export_signal(const struct daub_vulkan_export *exported);
void daub_export_retain(struct daub_vulkan_export *exported, int by);

#endif

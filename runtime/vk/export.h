// export.h - a result in memory that other devices import; see include/daub_vulkan.h. For runtime/vk and the API's Vulkan part.
#ifndef DAUB_VK_EXPORT_H
#define DAUB_VK_EXPORT_H
#include "runtime/vk/device.h"

struct daub_vulkan_export; // include/daub_vulkan.h
struct daub_vulkan_export_params;
struct daub_vulkan_export_info;

daub_status daub_export_create(daub_device *dev, const struct daub_vulkan_export_params *params,
                               struct daub_vulkan_export **out);
void daub_export_destroy(struct daub_vulkan_export **exported);
uint32_t daub_export_users(const struct daub_vulkan_export *exported); // jobs that write to it
void daub_export_info(const struct daub_vulkan_export *exported, struct daub_vulkan_export_info *out);
daub_status daub_export_memory_handle(const struct daub_vulkan_export *exported, intptr_t *out);
daub_status daub_export_semaphore_handle(const struct daub_vulkan_export *exported, intptr_t *out);

#endif

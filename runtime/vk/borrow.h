// borrow.h - a device on the host's VkDevice and queue, and what daub would like of one. For runtime/vk and the API's Vulkan part.
#ifndef DAUB_VK_BORROW_H
#define DAUB_VK_BORROW_H
#include "runtime/vk/device.h"

struct daub_vulkan_device_params; // include/daub_vulkan.h
struct daub_vulkan_wishes_params;
struct daub_vulkan_wishes;

// Both params as checked by the API: no handle is NULL, callbacks come in pairs. `base` is params->params, or all defaults.
daub_status daub_vk_device_borrow(const struct daub_vulkan_device_params *params, const daub_device_params *base,
                                  daub_device **out);
daub_status daub_vk_wishes(const struct daub_vulkan_wishes_params *params, struct daub_vulkan_wishes *out);

#endif

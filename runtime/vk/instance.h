// instance.h - a VkInstance of our own with the few functions we call on it. For runtime/vk only.
#ifndef DAUB_VK_INSTANCE_H
#define DAUB_VK_INSTANCE_H
#include "runtime/base/debug.h"
#include "runtime/base/host.h"

#include <stdatomic.h>
#include <stdbool.h>

#define VOLK_NO_DEVICE_PROTOTYPES // a device function called by its global name does not compile with a recent volk
#include <volk.h>

// volk's globals are used inside these two only (volk_impl.c). Errors: NO_DEVICE without a loader.
daub_status daub_volk_open(PFN_vkGetInstanceProcAddr *get);
void daub_volk_load_device(PFN_vkGetDeviceProcAddr get, VkDevice device, struct VolkDeviceTable *table);

// X(function): every instance function we use; those of extensions are NULL where the extension is off.
#define DAUB_INSTANCE_FUNCTIONS(X)                    \
    X(vkDestroyInstance)                              \
    X(vkEnumeratePhysicalDevices)                     \
    X(vkEnumerateDeviceExtensionProperties)           \
    X(vkGetPhysicalDeviceProperties)                  \
    X(vkGetPhysicalDeviceProperties2)                 \
    X(vkGetPhysicalDeviceFeatures2)                   \
    X(vkGetPhysicalDeviceFormatProperties)            \
    X(vkGetPhysicalDeviceMemoryProperties)            \
    X(vkGetPhysicalDeviceMemoryProperties2)           \
    X(vkGetPhysicalDeviceQueueFamilyProperties)       \
    X(vkGetPhysicalDeviceExternalBufferProperties)    \
    X(vkGetPhysicalDeviceExternalSemaphoreProperties) \
    X(vkCreateDevice)                                 \
    X(vkGetDeviceProcAddr)                            \
    X(vkCreateDebugUtilsMessengerEXT)                 \
    X(vkDestroyDebugUtilsMessengerEXT)                \
    X(vkSetDebugUtilsObjectNameEXT)                   \
    X(vkCmdBeginDebugUtilsLabelEXT)                   \
    X(vkCmdEndDebugUtilsLabelEXT)

struct daub_instance {
    const struct daub_host *host;
    VkInstance handle;
    VkDebugUtilsMessengerEXT messenger;
    bool borrowed; // the host's
    bool debug_utils;
    bool no_driver;       // why creation failed: the loader found none
    uint32_t api_version; // asked for: the highest a device may be used at
    atomic_uint validation_errors;
#define DAUB_INSTANCE_FIELD(f) PFN_##f f;
    DAUB_INSTANCE_FUNCTIONS(DAUB_INSTANCE_FIELD)
#undef DAUB_INSTANCE_FIELD
};

// Fills a zeroed struct, whose address must then not change: the messenger holds it. `host` must outlive it.
// Errors: NO_DEVICE (no loader, or one that is too old), UNSUPPORTED (validation asked for and the layer is missing).
daub_status daub_instance_create(struct daub_instance *instance, const struct daub_host *host,
                                 const struct daub_debug *debug, const struct daub_caps_mask *mask);
// The host's instance, made for `api_version`. Errors: NO_DEVICE (no Vulkan 1.1).
daub_status daub_instance_borrow(struct daub_instance *instance, const struct daub_host *host,
                                 PFN_vkGetInstanceProcAddr get, VkInstance handle, uint32_t api_version,
                                 const struct daub_caps_mask *mask);
void daub_instance_destroy(struct daub_instance *instance); // a half-made or zeroed one too

#endif

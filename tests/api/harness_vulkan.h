// harness_vulkan.h - a small host program's Vulkan: instance, device and queue of its own, under validation with synchronisation checks.
#ifndef DAUB_TESTS_API_HARNESS_VULKAN_H
#define DAUB_TESTS_API_HARNESS_VULKAN_H
#define VK_NO_PROTOTYPES
#include "daub_vulkan.h"

#include "tests/test.h"

#include <pthread.h>

#define HOST_INSTANCE_FUNCTIONS(X)              \
    X(vkDestroyInstance)                        \
    X(vkEnumeratePhysicalDevices)               \
    X(vkEnumerateDeviceExtensionProperties)     \
    X(vkGetPhysicalDeviceProperties)            \
    X(vkGetPhysicalDeviceMemoryProperties)      \
    X(vkGetPhysicalDeviceQueueFamilyProperties) \
    X(vkGetDeviceProcAddr)                      \
    X(vkCreateDevice)                           \
    X(vkCreateDebugUtilsMessengerEXT)           \
    X(vkDestroyDebugUtilsMessengerEXT)

#define HOST_DEVICE_FUNCTIONS(X)     \
    X(vkDestroyDevice)               \
    X(vkDeviceWaitIdle)              \
    X(vkGetDeviceQueue)              \
    X(vkQueueSubmit)                 \
    X(vkQueueWaitIdle)               \
    X(vkCreateCommandPool)           \
    X(vkDestroyCommandPool)          \
    X(vkAllocateCommandBuffers)      \
    X(vkResetCommandPool)            \
    X(vkBeginCommandBuffer)          \
    X(vkEndCommandBuffer)            \
    X(vkCmdPipelineBarrier)          \
    X(vkCmdCopyImageToBuffer)        \
    X(vkCmdCopyBufferToImage)        \
    X(vkCmdClearColorImage)          \
    X(vkCmdFillBuffer)               \
    X(vkCreateBuffer)                \
    X(vkDestroyBuffer)               \
    X(vkGetBufferMemoryRequirements) \
    X(vkBindBufferMemory)            \
    X(vkCreateImage)                 \
    X(vkDestroyImage)                \
    X(vkGetImageMemoryRequirements)  \
    X(vkBindImageMemory)             \
    X(vkAllocateMemory)              \
    X(vkFreeMemory)                  \
    X(vkMapMemory)                   \
    X(vkUnmapMemory)                 \
    X(vkCreateSemaphore)             \
    X(vkDestroySemaphore)            \
    X(vkWaitSemaphores)              \
    X(vkSignalSemaphore)             \
    X(vkGetSemaphoreCounterValue)    \
    X(vkImportSemaphoreFdKHR)

enum host_kind {
    HOST_BARE,   // Vulkan 1.1, no extension, no feature
    HOST_WISHES, // Vulkan 1.3 and what daub_vulkan_wishes_get asks for
};

struct host {
    PFN_vkGetInstanceProcAddr get;
    VkInstance instance;
    VkDebugUtilsMessengerEXT messenger;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    uint32_t family, api_version;
    daub_vulkan_wishes wishes;
    VkPhysicalDeviceFeatures2 features;
    daub_vulkan_features room;
    const char *extensions[8];
    uint32_t n_extensions;
    VkCommandPool pool;
    VkCommandBuffer cb;
    pthread_mutex_t lock;
    uint32_t n_locks, n_unlocks;
    bool held;
    uint32_t n_messages; // of validation
    bool validated;
#define HOST_FIELD(f) PFN_##f f;
    HOST_INSTANCE_FUNCTIONS(HOST_FIELD)
    HOST_DEVICE_FUNCTIONS(HOST_FIELD)
#undef HOST_FIELD
};

// `host` must not move while open. `more`: extensions of the device beside the wishes, ended by NULL, or NULL.
void host_open(struct host *host, enum host_kind kind, const char *const *more);
void host_close(struct host *host); // validation must have been silent
// The params of a daub device on it, with the queue's lock and the cache switched off.
daub_vulkan_device_params host_params(struct host *host);
daub_device *host_daub(struct host *host);

void host_begin(struct host *host); // host->cb
// Ends, submits and, without `signal`, waits.
void host_submit(struct host *host, const daub_vulkan_semaphore *wait, const daub_vulkan_semaphore *signal);

struct host_buffer {
    VkBuffer handle;
    VkDeviceMemory memory;
    VkDeviceSize size;
    uint8_t *map;
};
struct host_buffer host_buffer(struct host *host, VkDeviceSize size);
void host_buffer_free(struct host *host, struct host_buffer *buffer);

struct host_image {
    VkImage handle;
    VkDeviceMemory memory;
    VkFormat format;
    uint32_t width, height;
};
struct host_image host_image(struct host *host, VkFormat format, uint32_t width, uint32_t height);
void host_image_free(struct host *host, struct host_image *image);
// Records its move between layouts, after and before everything.
void host_image_layout(struct host *host, const struct host_image *image, VkImageLayout from, VkImageLayout to);
// Level 0, which is in layout `from`, as tight rows; waits. Leaves it in TRANSFER_SRC_OPTIMAL.
void host_image_read(struct host *host, const struct host_image *image, VkImageLayout from, void *pixels);

VkSemaphore host_semaphore(struct host *host, bool timeline);
uint32_t host_pixel_size(VkFormat format);

#endif

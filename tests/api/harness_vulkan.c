// harness_vulkan.c - see harness_vulkan.h.
#include "tests/api/harness_vulkan.h"

#include <dlfcn.h>

static const char layer[] = "VK_LAYER_KHRONOS_validation";

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT type,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    struct host *host = user;
    (void)severity;
    if (type & VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT) {
        host->n_messages++;
        fprintf(stderr, "validation: %s\n", data->pMessage);
    }
    return VK_FALSE;
}

static bool has_layer(const struct host *host)
{
    VkLayerProperties list[64];
    uint32_t n = 64;
    const PFN_vkEnumerateInstanceLayerProperties enumerate = (PFN_vkEnumerateInstanceLayerProperties)host->get(
        NULL, "vkEnumerateInstanceLayerProperties");
    REQUIRE(enumerate(&n, list) >= 0);
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(list[i].layerName, layer) == 0)
            return true;
    return false;
}

static void open_instance(struct host *host)
{
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        exit(TEST_SKIPPED);
    void *symbol = dlsym(library, "vkGetInstanceProcAddr");
    memcpy(&host->get, &symbol, sizeof(symbol));
    host->validated = has_layer(host);
    const VkDebugUtilsMessengerCreateInfoEXT messenger = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = host,
    };
    static const VkValidationFeatureEnableEXT sync[] = { VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT };
    const VkValidationFeaturesEXT features = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .pNext = &messenger,
        .enabledValidationFeatureCount = 1,
        .pEnabledValidationFeatures = sync,
    };
    static const char *const extensions[] = { VK_EXT_DEBUG_UTILS_EXTENSION_NAME,
                                              VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME };
    const char *const layers[] = { layer };
    const VkApplicationInfo app = { .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = host->api_version };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = host->validated ? &features : NULL,
        .pApplicationInfo = &app,
        .enabledLayerCount = host->validated,
        .ppEnabledLayerNames = layers,
        .enabledExtensionCount = host->validated ? 2 : 0,
        .ppEnabledExtensionNames = extensions,
    };
    const PFN_vkCreateInstance create = (PFN_vkCreateInstance)host->get(NULL, "vkCreateInstance");
    REQUIRE(create(&info, NULL, &host->instance) == VK_SUCCESS);
#define LOAD(f) host->f = (PFN_##f)host->get(host->instance, #f);
    HOST_INSTANCE_FUNCTIONS(LOAD)
#undef LOAD
    if (host->validated)
        REQUIRE(host->vkCreateDebugUtilsMessengerEXT(host->instance, &messenger, NULL, &host->messenger) == VK_SUCCESS);
}

static void open_device(struct host *host)
{
    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = host->family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &host->features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = host->n_extensions,
        .ppEnabledExtensionNames = host->extensions,
    };
    REQUIRE(host->vkCreateDevice(host->physical, &info, NULL, &host->device) == VK_SUCCESS);
#define LOAD(f) host->f = (PFN_##f)host->vkGetDeviceProcAddr(host->device, #f);
    HOST_DEVICE_FUNCTIONS(LOAD)
#undef LOAD
    host->vkGetDeviceQueue(host->device, host->family, 0, &host->queue);
    const VkCommandPoolCreateInfo pool = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                           .queueFamilyIndex = host->family };
    REQUIRE(host->vkCreateCommandPool(host->device, &pool, NULL, &host->pool) == VK_SUCCESS);
    const VkCommandBufferAllocateInfo cb = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                             .commandPool = host->pool,
                                             .commandBufferCount = 1 };
    REQUIRE(host->vkAllocateCommandBuffers(host->device, &cb, &host->cb) == VK_SUCCESS);
}

void host_open(struct host *host, enum host_kind kind, const char *const *more)
{
    memset(host, 0, sizeof(*host));
    REQUIRE(pthread_mutex_init(&host->lock, NULL) == 0);
    host->api_version = kind == HOST_BARE ? VK_API_VERSION_1_1 : VK_API_VERSION_1_3;
    open_instance(host);
    uint32_t n = 1;
    REQUIRE(host->vkEnumeratePhysicalDevices(host->instance, &n, &host->physical) >= 0 && n == 1);
    host->wishes.struct_size = sizeof(host->wishes);
    REQUIRE_OK(daub_vulkan_wishes_get(
        daub_vulkan_wishes_params(.get_instance_proc_addr = host->get, .instance = host->instance,
                                  .physical_device = host->physical, .api_version = host->api_version),
        &host->wishes));
    REQUIRE(host->wishes.usable);
    host->family = host->wishes.queue_family;
    host->features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    if (kind == HOST_WISHES) {
        daub_vulkan_wishes_chain(&host->wishes, &host->features, &host->room);
        for (uint32_t i = 0; i < host->wishes.n_extensions; i++)
            host->extensions[host->n_extensions++] = host->wishes.extensions[i];
    }
    for (; more && *more; more++)
        host->extensions[host->n_extensions++] = *more;
    open_device(host);
}

void host_close(struct host *host)
{
    REQUIRE(host->n_locks == host->n_unlocks);
    host->vkDestroyCommandPool(host->device, host->pool, NULL);
    host->vkDestroyDevice(host->device, NULL);
    if (host->messenger)
        host->vkDestroyDebugUtilsMessengerEXT(host->instance, host->messenger, NULL);
    host->vkDestroyInstance(host->instance, NULL);
    pthread_mutex_destroy(&host->lock);
    REQUIRE(host->n_messages == 0);
}

static void lock(void *user)
{
    struct host *host = user;
    pthread_mutex_lock(&host->lock);
    REQUIRE(!host->held);
    host->held = true;
    host->n_locks++;
}

static void unlock(void *user)
{
    struct host *host = user;
    REQUIRE(host->held);
    host->held = false;
    host->n_unlocks++;
    pthread_mutex_unlock(&host->lock);
}

static void print_log(void *user, daub_log_level level, const char *message)
{
    (void)user;
    fprintf(stderr, "log %d: %s\n", (int)level, message);
}

daub_vulkan_device_params host_params(struct host *host)
{
    static const daub_device_params base = { .struct_size = sizeof(base), .debug = "nocache", .log = print_log };
    return (daub_vulkan_device_params) {
        .struct_size = sizeof(daub_vulkan_device_params),
        .api_version = host->api_version,
        .get_instance_proc_addr = host->get,
        .instance = host->instance,
        .physical_device = host->physical,
        .device = host->device,
        .queue = host->queue,
        .queue_family = host->family,
        .features = &host->features,
        .extensions = host->extensions,
        .n_extensions = host->n_extensions,
        .debug_utils = host->validated,
        .lock_queue = lock,
        .unlock_queue = unlock,
        .queue_user = host,
        .params = &base,
    };
}

daub_device *host_daub(struct host *host)
{
    const daub_vulkan_device_params params = host_params(host);
    daub_device *dev = NULL;
    REQUIRE_OK(daub_vulkan_device_create(&params, &dev));
    return dev;
}

void host_begin(struct host *host)
{
    const VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO };
    REQUIRE(host->vkResetCommandPool(host->device, host->pool, 0) == VK_SUCCESS);
    REQUIRE(host->vkBeginCommandBuffer(host->cb, &begin) == VK_SUCCESS);
}

void host_submit(struct host *host, const daub_vulkan_semaphore *wait, const daub_vulkan_semaphore *signal)
{
    REQUIRE(host->vkEndCommandBuffer(host->cb) == VK_SUCCESS);
    const VkPipelineStageFlags stage = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    const VkTimelineSemaphoreSubmitInfo timeline = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .waitSemaphoreValueCount = wait ? 1 : 0,
        .pWaitSemaphoreValues = wait ? &wait->value : NULL,
        .signalSemaphoreValueCount = signal ? 1 : 0,
        .pSignalSemaphoreValues = signal ? &signal->value : NULL,
    };
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = (wait && wait->timeline) || (signal && signal->timeline) ? &timeline : NULL,
        .waitSemaphoreCount = wait ? 1 : 0,
        .pWaitSemaphores = wait ? &wait->semaphore : NULL,
        .pWaitDstStageMask = &stage,
        .commandBufferCount = 1,
        .pCommandBuffers = &host->cb,
        .signalSemaphoreCount = signal ? 1 : 0,
        .pSignalSemaphores = signal ? &signal->semaphore : NULL,
    };
    lock(host);
    REQUIRE(host->vkQueueSubmit(host->queue, 1, &info, VK_NULL_HANDLE) == VK_SUCCESS);
    if (!signal)
        REQUIRE(host->vkQueueWaitIdle(host->queue) == VK_SUCCESS);
    unlock(host);
}

static VkDeviceMemory take_memory(struct host *host, const VkMemoryRequirements *need, VkMemoryPropertyFlags wanted)
{
    VkPhysicalDeviceMemoryProperties types;
    host->vkGetPhysicalDeviceMemoryProperties(host->physical, &types);
    for (uint32_t i = 0; i < types.memoryTypeCount; i++) {
        if (!(need->memoryTypeBits & (1u << i)) || (types.memoryTypes[i].propertyFlags & wanted) != wanted)
            continue;
        const VkMemoryAllocateInfo info = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                            .allocationSize = need->size,
                                            .memoryTypeIndex = i };
        VkDeviceMemory memory;
        REQUIRE(host->vkAllocateMemory(host->device, &info, NULL, &memory) == VK_SUCCESS);
        return memory;
    }
    TEST_FAIL("no memory type");
}

struct host_buffer host_buffer(struct host *host, VkDeviceSize size)
{
    struct host_buffer b = { .size = size };
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT,
    };
    REQUIRE(host->vkCreateBuffer(host->device, &info, NULL, &b.handle) == VK_SUCCESS);
    VkMemoryRequirements need;
    host->vkGetBufferMemoryRequirements(host->device, b.handle, &need);
    b.memory = take_memory(host, &need, VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT);
    REQUIRE(host->vkBindBufferMemory(host->device, b.handle, b.memory, 0) == VK_SUCCESS);
    void *map;
    REQUIRE(host->vkMapMemory(host->device, b.memory, 0, VK_WHOLE_SIZE, 0, &map) == VK_SUCCESS);
    b.map = map;
    return b;
}

void host_buffer_free(struct host *host, struct host_buffer *b)
{
    host->vkDestroyBuffer(host->device, b->handle, NULL);
    host->vkFreeMemory(host->device, b->memory, NULL);
}

struct host_image host_image(struct host *host, VkFormat format, uint32_t width, uint32_t height)
{
    struct host_image image = { .format = format, .width = width, .height = height };
    const VkImageCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
        .imageType = VK_IMAGE_TYPE_2D,
        .format = format,
        .extent = { width, height, 1 },
        .mipLevels = 1,
        .arrayLayers = 1,
        .samples = VK_SAMPLE_COUNT_1_BIT,
        .tiling = VK_IMAGE_TILING_OPTIMAL,
        .usage = VK_IMAGE_USAGE_TRANSFER_SRC_BIT | VK_IMAGE_USAGE_TRANSFER_DST_BIT | VK_IMAGE_USAGE_SAMPLED_BIT,
    };
    REQUIRE(host->vkCreateImage(host->device, &info, NULL, &image.handle) == VK_SUCCESS);
    VkMemoryRequirements need;
    host->vkGetImageMemoryRequirements(host->device, image.handle, &need);
    image.memory = take_memory(host, &need, 0);
    REQUIRE(host->vkBindImageMemory(host->device, image.handle, image.memory, 0) == VK_SUCCESS);
    return image;
}

void host_image_free(struct host *host, struct host_image *image)
{
    host->vkDestroyImage(host->device, image->handle, NULL);
    host->vkFreeMemory(host->device, image->memory, NULL);
}

void host_image_layout(struct host *host, const struct host_image *image, VkImageLayout from, VkImageLayout to)
{
    const VkImageMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_MEMORY_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT,
        .oldLayout = from,
        .newLayout = to,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED,
        .image = image->handle,
        .subresourceRange = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1 },
    };
    host->vkCmdPipelineBarrier(host->cb, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 0,
                               NULL, 0, NULL, 1, &barrier);
}

void host_image_read(struct host *host, const struct host_image *image, VkImageLayout from, void *pixels)
{
    const VkDeviceSize size = (VkDeviceSize)image->width * image->height * host_pixel_size(image->format);
    struct host_buffer buffer = host_buffer(host, size);
    host_begin(host);
    host_image_layout(host, image, from, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    const VkBufferImageCopy region = { .imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1 },
                                       .imageExtent = { image->width, image->height, 1 } };
    host->vkCmdCopyImageToBuffer(host->cb, image->handle, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL, buffer.handle, 1,
                                 &region);
    host_submit(host, NULL, NULL);
    memcpy(pixels, buffer.map, size);
    host_buffer_free(host, &buffer);
}

VkSemaphore host_semaphore(struct host *host, bool timeline)
{
    const VkSemaphoreTypeCreateInfo type = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
                                             .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE };
    const VkSemaphoreCreateInfo info = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
                                         .pNext = timeline ? &type : NULL };
    VkSemaphore semaphore;
    REQUIRE(host->vkCreateSemaphore(host->device, &info, NULL, &semaphore) == VK_SUCCESS);
    return semaphore;
}

uint32_t host_pixel_size(VkFormat format)
{
    return format == VK_FORMAT_R32G32B32A32_SFLOAT ? 16 : format == VK_FORMAT_R16G16B16A16_SFLOAT ? 8 : 4;
}

// export.c - a buffer in a memory object of its own that other devices, APIs and processes can import, and a semaphore with it.
//
// The buffer goes to VK_QUEUE_FAMILY_EXTERNAL after every result; it is not taken back for the next one, which overwrites all of it.
#include "runtime/vk/export.h"
#include "runtime/vk/io_private.h"

#include <string.h>

#if defined(_WIN32)
#define NOVIRTUALKEYCODES // VK_RETURN is a key too
#include <windows.h>

#include <vulkan/vulkan_win32.h>
static const VkExternalMemoryHandleTypeFlagBits memory_handle = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_WIN32_BIT;
static const VkExternalSemaphoreHandleTypeFlagBits semaphore_handle =
    VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_WIN32_BIT;
#else
static const VkExternalMemoryHandleTypeFlagBits memory_handle = VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT;
static const VkExternalSemaphoreHandleTypeFlagBits semaphore_handle = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT;
#endif

static const VkBufferUsageFlags buffer_usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                                               VK_BUFFER_USAGE_STORAGE_BUFFER_BIT;

struct daub_vulkan_export {
    daub_device *dev;
    VkFormat format;
    enum daub_pixels pixels;
    uint32_t w, h;
    VkBuffer buffer;
    VkDeviceMemory memory;
    uint64_t counted; // bytes, by the heap
    VkSemaphore semaphore;
    daub_vulkan_export_info info;
    atomic_uint users;
};

static daub_status check_driver(daub_device *dev, bool semaphore, bool *dedicated)
{
    if (!dev->can_export)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s cannot export memory: it has no " DAUB_EXTERNAL_MEMORY "%s",
                         dev->caps.name, dev->borrowed ? " enabled" : "");
    const VkPhysicalDeviceExternalBufferInfo buffer = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
        .usage = buffer_usage,
        .handleType = memory_handle,
    };
    VkExternalBufferProperties b = { .sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES };
    dev->instance.vkGetPhysicalDeviceExternalBufferProperties(dev->physical, &buffer, &b);
    const VkExternalMemoryFeatureFlags features = b.externalMemoryProperties.externalMemoryFeatures;
    if (!(features & VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT))
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s cannot export the memory of a buffer", dev->caps.name);
    *dedicated = features & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT;
    if (!semaphore)
        return DAUB_OK;
    const VkPhysicalDeviceExternalSemaphoreInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_SEMAPHORE_INFO, .handleType = semaphore_handle
    };
    VkExternalSemaphoreProperties s = { .sType = VK_STRUCTURE_TYPE_EXTERNAL_SEMAPHORE_PROPERTIES };
    if (dev->can_export_semaphores)
        dev->instance.vkGetPhysicalDeviceExternalSemaphoreProperties(dev->physical, &info, &s);
    if (!(s.externalSemaphoreFeatures & VK_EXTERNAL_SEMAPHORE_FEATURE_EXPORTABLE_BIT))
        return daub_fail(DAUB_ERROR_UNSUPPORTED,
                         "%s cannot export semaphores (" DAUB_EXTERNAL_SEMAPHORE "); wait for the job instead",
                         dev->caps.name);
    return DAUB_OK;
}

// The first type in device memory, or any.
static uint32_t pick_type(const daub_device *dev, uint32_t allowed)
{
    uint32_t any = UINT32_MAX;
    for (uint32_t i = 0; i < dev->memory_types.memoryTypeCount; i++) {
        const VkMemoryPropertyFlags flags = dev->memory_types.memoryTypes[i].propertyFlags;
        if (!(allowed & (1u << i)) || (flags & VK_MEMORY_PROPERTY_PROTECTED_BIT))
            continue;
        if (flags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT)
            return i;
        if (any == UINT32_MAX)
            any = i;
    }
    return any;
}

static daub_status make_memory(struct daub_vulkan_export *e)
{
    daub_device *dev = e->dev;
    VkMemoryRequirements need;
    dev->vk.vkGetBufferMemoryRequirements(dev->handle, e->buffer, &need);
    e->info.size = need.size;
    e->info.memory_type = pick_type(dev, need.memoryTypeBits);
    if (e->info.memory_type == UINT32_MAX)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "no memory type of %s takes an exported buffer", dev->caps.name);
    const VkMemoryDedicatedAllocateInfo own = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
        .buffer = e->buffer,
    };
    const VkExportMemoryAllocateInfo exported = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .pNext = e->info.dedicated ? &own : NULL,
        .handleTypes = memory_handle,
    };
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = &exported,
        .allocationSize = need.size,
        .memoryTypeIndex = e->info.memory_type,
    };
    TRY(daub_heap_count(dev, need.size, "an exported picture"));
    e->counted = need.size;
    VK_RETURN(dev->vk.vkAllocateMemory(dev->handle, &info, NULL, &e->memory));
    VK_RETURN(dev->vk.vkBindBufferMemory(dev->handle, e->buffer, e->memory, 0));
    return DAUB_OK;
}

static daub_status make(struct daub_vulkan_export *e, bool semaphore)
{
    daub_device *dev = e->dev;
    const VkExternalMemoryBufferCreateInfo external = { .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
                                                        .handleTypes = memory_handle };
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = &external,
        .size = e->info.buffer_size,
        .usage = buffer_usage,
    };
    VK_RETURN(dev->vk.vkCreateBuffer(dev->handle, &info, NULL, &e->buffer));
    TRY(make_memory(e));
    if (!semaphore)
        return DAUB_OK;
    e->info.semaphore_handle = semaphore_handle;
    const VkExportSemaphoreCreateInfo exported = { .sType = VK_STRUCTURE_TYPE_EXPORT_SEMAPHORE_CREATE_INFO,
                                                   .handleTypes = semaphore_handle };
    const VkSemaphoreCreateInfo semaphore_info = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
                                                   .pNext = &exported };
    VK_RETURN(dev->vk.vkCreateSemaphore(dev->handle, &semaphore_info, NULL, &e->semaphore));
    return DAUB_OK;
}

static void fill_uuids(struct daub_vulkan_export *e)
{
    VkPhysicalDeviceIDProperties id = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES };
    VkPhysicalDeviceProperties2 p = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &id };
    e->dev->instance.vkGetPhysicalDeviceProperties2(e->dev->physical, &p);
    memcpy(e->info.device_uuid, id.deviceUUID, VK_UUID_SIZE);
    memcpy(e->info.driver_uuid, id.driverUUID, VK_UUID_SIZE);
}

daub_status daub_export_create(daub_device *dev, const daub_vulkan_export_params *params, daub_vulkan_export **out)
{
    enum daub_pixels pixels;
    bool dedicated = false;
    if (!daub_pixels_of(params->format, &pixels) || params->format == VK_FORMAT_R8G8B8A8_SRGB)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "daub_vulkan_export_params.format is %d, which is none of R8G8B8A8_UNORM (37), "
                         "R16G16B16A16_SFLOAT (97) and R32G32B32A32_SFLOAT (109)",
                         (int)params->format);
    TRY(check_driver(dev, params->semaphore, &dedicated));
    daub_vulkan_export *e = daub_alloc(&dev->host, sizeof(*e));
    if (!e)
        return daub_no_memory("an export");
    e->dev = dev;
    e->format = params->format;
    e->pixels = pixels;
    e->w = params->width;
    e->h = params->height;
    e->info.buffer_size = (uint64_t)e->w * e->h * daub_pixel_size(pixels);
    e->info.dedicated = dedicated;
    e->info.memory_handle = memory_handle;
    fill_uuids(e);
    atomic_fetch_add(&dev->exports, 1);
    const daub_status status = make(e, params->semaphore);
    if (status != DAUB_OK) {
        daub_export_destroy(&e);
        return status;
    }
    *out = e;
    return DAUB_OK;
}

void daub_export_destroy(daub_vulkan_export **exported)
{
    daub_vulkan_export *e = *exported;
    daub_device *dev = e->dev;
    dev->vk.vkDestroySemaphore(dev->handle, e->semaphore, NULL);
    dev->vk.vkDestroyBuffer(dev->handle, e->buffer, NULL);
    dev->vk.vkFreeMemory(dev->handle, e->memory, NULL);
    daub_heap_discount(dev, e->counted);
    daub_free(&dev->host, e);
    atomic_fetch_sub(&dev->exports, 1);
    *exported = NULL;
}

uint32_t daub_export_users(const daub_vulkan_export *exported)
{
    return atomic_load(&exported->users);
}

void daub_export_retain(daub_vulkan_export *exported, int by)
{
    atomic_fetch_add(&exported->users, (unsigned)by);
}

VkFormat daub_export_format(const daub_vulkan_export *exported)
{
    return exported->format;
}

struct daub_semaphore daub_export_signal(const daub_vulkan_export *exported)
{
    return (struct daub_semaphore) { .handle = exported->semaphore };
}

daub_status daub_export_target(const daub_vulkan_export *e, const daub_device *dev, uint32_t w, uint32_t h,
                               struct daub_io_target *out)
{
    if (e->dev != dev)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "vulkan.result.exported is of another device");
    if (e->w != w || e->h != h)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "vulkan.result.exported is for %ux%u pixels, and the picture has %ux%u", e->w, e->h, w, h);
    *out = (struct daub_io_target) {
        .pixels = e->pixels,
        .buffer = e->buffer,
        .row_pitch = (uint64_t)w * daub_pixel_size(e->pixels),
        .transfer = true,
        .from_family = dev->queue_family,
        .to_family = VK_QUEUE_FAMILY_EXTERNAL,
        .exported = (daub_vulkan_export *)(uintptr_t)e, // its users are counted
    };
    return DAUB_OK;
}

void daub_export_info(const daub_vulkan_export *exported, daub_vulkan_export_info *out)
{
    *out = exported->info;
}

// ---- handles -----------------------------------------------------------------------------------------------------

#if defined(_WIN32)

daub_status daub_export_memory_handle(const daub_vulkan_export *e, intptr_t *out)
{
    const PFN_vkGetMemoryWin32HandleKHR get = (PFN_vkGetMemoryWin32HandleKHR)e->dev->instance.vkGetDeviceProcAddr(
        e->dev->handle, "vkGetMemoryWin32HandleKHR");
    const VkMemoryGetWin32HandleInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_GET_WIN32_HANDLE_INFO_KHR,
        .memory = e->memory,
        .handleType = memory_handle,
    };
    HANDLE handle;
    VK_RETURN(get(e->dev->handle, &info, &handle));
    *out = (intptr_t)handle;
    return DAUB_OK;
}

daub_status daub_export_semaphore_handle(const daub_vulkan_export *e, intptr_t *out)
{
    const PFN_vkGetSemaphoreWin32HandleKHR get = (PFN_vkGetSemaphoreWin32HandleKHR)e->dev->instance.vkGetDeviceProcAddr(
        e->dev->handle, "vkGetSemaphoreWin32HandleKHR");
    const VkSemaphoreGetWin32HandleInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_WIN32_HANDLE_INFO_KHR,
        .semaphore = e->semaphore,
        .handleType = semaphore_handle,
    };
    if (!e->semaphore)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the export was made without a semaphore");
    HANDLE handle;
    VK_RETURN(get(e->dev->handle, &info, &handle));
    *out = (intptr_t)handle;
    return DAUB_OK;
}

#else

daub_status daub_export_memory_handle(const daub_vulkan_export *e, intptr_t *out)
{
    const VkMemoryGetFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
        .memory = e->memory,
        .handleType = memory_handle,
    };
    int fd = -1;
    VK_RETURN(e->dev->vk.vkGetMemoryFdKHR(e->dev->handle, &info, &fd));
    *out = fd;
    return DAUB_OK;
}

daub_status daub_export_semaphore_handle(const daub_vulkan_export *e, intptr_t *out)
{
    const VkSemaphoreGetFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_GET_FD_INFO_KHR,
        .semaphore = e->semaphore,
        .handleType = semaphore_handle,
    };
    if (!e->semaphore)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the export was made without a semaphore");
    int fd = -1;
    VK_RETURN(e->dev->vk.vkGetSemaphoreFdKHR(e->dev->handle, &info, &fd));
    *out = fd;
    return DAUB_OK;
}

#endif

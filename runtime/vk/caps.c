// caps.c - reads what the device can do, then takes away what DAUB_CAPS says.
#include "runtime/vk/device_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !defined(_WIN32)
#include <unistd.h>
#endif

bool daub_has_device_extension(const struct daub_instance *instance, VkPhysicalDevice physical, const char *name)
{
    uint32_t n = 0;
    if (instance->vkEnumerateDeviceExtensionProperties(physical, NULL, &n, NULL) != VK_SUCCESS || n == 0)
        return false;
    VkExtensionProperties *list = daub_alloc_array(instance->host, n, sizeof(*list));
    if (!list)
        return false;
    if (instance->vkEnumerateDeviceExtensionProperties(physical, NULL, &n, list) < 0)
        n = 0;
    bool found = false;
    for (uint32_t i = 0; i < n && !found; i++)
        found = strcmp(list[i].extensionName, name) == 0;
    daub_free(instance->host, list);
    return found;
}

static uint32_t version_of(const struct daub_instance *instance, VkPhysicalDevice physical)
{
    VkPhysicalDeviceProperties p;
    instance->vkGetPhysicalDeviceProperties(physical, &p);
    return p.apiVersion < instance->api_version ? p.apiVersion : instance->api_version;
}

void daub_driver_text(const struct daub_instance *instance, VkPhysicalDevice physical, char *text, size_t size,
                      uint32_t *driver_id)
{
    VkPhysicalDeviceDriverProperties driver = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES };
    VkPhysicalDeviceProperties2 p = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2 };
    const bool named = version_of(instance, physical) >= VK_API_VERSION_1_2 ||
                       daub_has_device_extension(instance, physical, VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME);
    if (named)
        p.pNext = &driver;
    instance->vkGetPhysicalDeviceProperties2(physical, &p);
    *driver_id = named ? (uint32_t)driver.driverID : 0;
    if (named && driver.driverInfo[0])
        snprintf(text, size, "%s %s", driver.driverName, driver.driverInfo);
    else
        snprintf(text, size, "%s%sversion %u.%u.%u", named ? driver.driverName : "", named ? " " : "",
                 VK_API_VERSION_MAJOR(p.properties.driverVersion), VK_API_VERSION_MINOR(p.properties.driverVersion),
                 VK_API_VERSION_PATCH(p.properties.driverVersion));
}

uint64_t daub_local_heap_size(const VkPhysicalDeviceMemoryProperties *types, uint32_t *heap_index)
{
    uint64_t size = 0;
    *heap_index = 0;
    for (uint32_t i = 0; i < types->memoryHeapCount; i++)
        if ((types->memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) && types->memoryHeaps[i].size > size) {
            size = types->memoryHeaps[i].size;
            *heap_index = i;
        }
    return size;
}

bool daub_heap_budget(const struct daub_instance *instance, VkPhysicalDevice physical, uint32_t heap_index,
                      uint64_t *available)
{
    if (!daub_has_device_extension(instance, physical, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME))
        return false;
    return daub_heap_budget_now(instance, physical, heap_index, available);
}

bool daub_heap_budget_now(const struct daub_instance *instance, VkPhysicalDevice physical, uint32_t heap_index,
                          uint64_t *available)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT
    };
    VkPhysicalDeviceMemoryProperties2 p = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
                                            .pNext = &budget };
    instance->vkGetPhysicalDeviceMemoryProperties2(physical, &p);
    const uint64_t all = budget.heapBudget[heap_index], used = budget.heapUsage[heap_index];
    *available = all > used ? all - used : 0;
    return all > 0;
}

static void lower_u64(uint64_t *value, uint64_t limit)
{
    if (limit && limit < *value)
        *value = limit;
}

// lavapipe's driverInfo begins "Mesa 22.3.6"; 0 when it does not.
static unsigned long mesa_major(const char *driver)
{
    const char *mesa = strstr(driver, "Mesa ");
    return mesa ? strtoul(mesa + 5, NULL, 10) : 0;
}

static uint64_t system_memory(void)
{
#if defined(_SC_PHYS_PAGES) && defined(_SC_PAGESIZE)
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages > 0 && size > 0)
        return (uint64_t)pages * (uint64_t)size;
#endif
    return 0;
}

static void fill_memory(daub_device *dev, uint64_t max_memory)
{
    struct daub_caps *caps = &dev->caps;
    const VkMemoryPropertyFlags shared = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT | VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                         VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    uint32_t heap;
    dev->instance.vkGetPhysicalDeviceMemoryProperties(dev->physical, &dev->memory_types);
    caps->heap_size = daub_local_heap_size(&dev->memory_types, &heap);
    const VkPhysicalDeviceMemoryProperties *all = &dev->memory_types;
    if (caps->kind == DAUB_DEVICE_CPU || caps->kind == DAUB_DEVICE_INTEGRATED)
        for (uint32_t i = 0; i < all->memoryTypeCount; i++)
            if ((all->memoryTypes[i].propertyFlags & shared) == shared &&
                all->memoryHeaps[all->memoryTypes[i].heapIndex].size >= caps->heap_size / 2) // not just a small window
                caps->uma = true;
    if (dev->mask.no_uma)
        caps->uma = false;

    uint64_t available = 0;
    caps->memory_budget = daub_heap_budget(&dev->instance, dev->physical, heap, &available);
    caps->max_memory = caps->memory_budget ? available : caps->heap_size;
    // lavapipe 22.3 and SwiftShader say 2 GiB whatever the machine has, and grant more: a CPU's memory is the system's.
    if (caps->cpu && !caps->memory_budget && system_memory() / 4 * 3 > caps->max_memory)
        caps->max_memory = system_memory() / 4 * 3;
    // The host's word goes beyond what a CPU driver says, never beyond a budget or what a GPU has.
    if (max_memory && (max_memory < caps->max_memory || (caps->cpu && !caps->memory_budget)))
        caps->max_memory = max_memory;
    lower_u64(&caps->max_memory, dev->mask.memory);
    caps->memory_given = max_memory || dev->mask.memory;
}

// GEMM of 512x640x640 in f16 with shuffle8, texel or storage buffers, tiles of 12 and 16 rows, GFLOP a CPU second on cores whose sgemm
// makes 99: lavapipe 22.3 texel 41 and 41; 25.0 texel 26 and 32, storage 23 and 21; 26.1 storage 38 and 43, texel 29 and 33.
// Without shuffle: 22.3 texel 31, storage 20; 26.1 37 by storage; SwiftShader texel 4.3, storage 2.7.
static void fill_rates(daub_device *dev, uint32_t driver_id)
{
    struct daub_caps *caps = &dev->caps;
    const unsigned long mesa = driver_id == VK_DRIVER_ID_MESA_LLVMPIPE ? mesa_major(caps->driver) : 0;
    caps->prefer_texel = caps->texel &&
                         (dev->mask.texel || (mesa > 0 && mesa < 26) || driver_id == VK_DRIVER_ID_GOOGLE_SWIFTSHADER);
    caps->rate12 = mesa < 25 ? 41.0f : mesa == 25 ? 26.0f : 38.0f;
    caps->rate16 = mesa < 25 ? 41.0f : mesa == 25 ? 32.0f : 43.0f;
    if (dev->mask.rows == 12)
        caps->rate16 = 0.0f;
    else if (dev->mask.rows == 16)
        caps->rate12 = 0.0f;
}

static void fill_texel(daub_device *dev, const VkPhysicalDeviceLimits *limits)
{
    static const VkFormat formats[] = { VK_FORMAT_R32G32B32A32_UINT, VK_FORMAT_R32G32B32A32_SFLOAT };
    struct daub_caps *caps = &dev->caps;
    if (dev->mask.no_texel)
        return;
    caps->texel = true;
    for (uint32_t i = 0; i < 2; i++) {
        VkFormatProperties p;
        dev->instance.vkGetPhysicalDeviceFormatProperties(dev->physical, formats[i], &p);
        if (!(p.bufferFeatures & VK_FORMAT_FEATURE_UNIFORM_TEXEL_BUFFER_BIT))
            caps->texel = false;
    }
    if (caps->texel)
        caps->max_texel_elements = limits->maxTexelBufferElements;
}

static void fill_features(daub_device *dev)
{
    struct daub_caps *caps = &dev->caps;
    VkPhysicalDevice16BitStorageFeatures f16 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES };
    VkPhysicalDeviceVulkan12Features f12 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES };
    VkPhysicalDeviceVulkan13Features f13 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES };
    VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &f16 };
    if (caps->api_version >= VK_API_VERSION_1_2) {
        f16.pNext = &f12;
        if (caps->api_version >= VK_API_VERSION_1_3)
            f12.pNext = &f13;
    }
    dev->instance.vkGetPhysicalDeviceFeatures2(dev->physical, &features);
    caps->f16_storage = f16.storageBuffer16BitAccess && !dev->mask.no_f16;
    caps->f16_arithmetic = f12.shaderFloat16 && !dev->mask.no_f16;
    caps->timeline = f12.timelineSemaphore && !dev->mask.no_timeline;
    caps->sync2 = f13.synchronization2 && !dev->mask.no_sync2;
    caps->subgroup_size_control = f13.subgroupSizeControl && !dev->mask.no_subgroup;
}

static void fill_subgroup(daub_device *dev, const VkPhysicalDeviceSubgroupProperties *subgroup,
                          const VkPhysicalDeviceSubgroupSizeControlProperties *control)
{
    struct daub_caps *caps = &dev->caps;
    const VkSubgroupFeatureFlags wanted = VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
    caps->subgroup_size = caps->subgroup_min = caps->subgroup_max = subgroup->subgroupSize;
    caps->subgroup_arithmetic = !dev->mask.no_subgroup && (subgroup->supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
                                (subgroup->supportedOperations & wanted) == wanted;
    caps->shuffle8 = !dev->mask.no_subgroup && subgroup->subgroupSize == 8 &&
                     (subgroup->supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
                     (subgroup->supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT);
    if (!(control->requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT))
        caps->subgroup_size_control = false;
    if (caps->subgroup_size_control) {
        caps->subgroup_min = control->minSubgroupSize;
        caps->subgroup_max = control->maxSubgroupSize;
    }
}

static void fill_limits(daub_device *dev, const VkPhysicalDeviceLimits *limits, uint64_t max_alloc, uint64_t max_buffer)
{
    struct daub_caps *caps = &dev->caps;
    caps->max_range = limits->maxStorageBufferRange;
    lower_u64(&caps->max_range, dev->mask.range);
    caps->max_alloc = max_alloc;
    lower_u64(&caps->max_alloc, max_buffer);
    lower_u64(&caps->max_alloc, dev->mask.alloc);
    caps->max_shared = limits->maxComputeSharedMemorySize;
    if (dev->mask.shared && dev->mask.shared < caps->max_shared)
        caps->max_shared = (uint32_t)dev->mask.shared;
    caps->max_invocations = limits->maxComputeWorkGroupInvocations;
    for (int i = 0; i < 3; i++)
        caps->max_groups[i] = limits->maxComputeWorkGroupCount[i];

    const VkDeviceSize aligns[] = { limits->minStorageBufferOffsetAlignment, limits->minTexelBufferOffsetAlignment };
    caps->buffer_align = 16;
    for (int i = 0; i < 2; i++)
        if (aligns[i] > caps->buffer_align)
            caps->buffer_align = (uint32_t)aligns[i];

    while (caps->buffer_align < dev->mask.align)
        caps->buffer_align *= 2;
    caps->timestamps = dev->timestamp_bits > 0 && limits->timestampPeriod > 0.0f && !dev->mask.no_timestamps;
    caps->timestamp_ns = (double)limits->timestampPeriod;
    dev->max_storage_bindings = limits->maxPerStageDescriptorStorageBuffers;
    dev->max_texel_bindings = limits->maxPerStageDescriptorSampledImages;
}

static uint32_t timestamp_bits(const daub_device *dev)
{
    VkQueueFamilyProperties families[64];
    uint32_t n = 64;
    dev->instance.vkGetPhysicalDeviceQueueFamilyProperties(dev->physical, &n, families);
    return dev->queue_family < n ? families[dev->queue_family].timestampValidBits : 0;
}

void daub_caps_fill(daub_device *dev, uint64_t max_memory)
{
    struct daub_caps *caps = &dev->caps;
    VkPhysicalDeviceIDProperties id = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES };
    VkPhysicalDeviceSubgroupProperties subgroup = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES,
                                                    .pNext = &id };
    VkPhysicalDeviceMaintenance3Properties maintenance3 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES, .pNext = &subgroup
    };
    VkPhysicalDeviceMaintenance4Properties maintenance4 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES
    };
    VkPhysicalDeviceSubgroupSizeControlProperties control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES, .pNext = &maintenance4
    };
    VkPhysicalDeviceProperties2 p = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &maintenance3 };
    caps->api_version = version_of(&dev->instance, dev->physical);
    if (caps->api_version >= VK_API_VERSION_1_3)
        id.pNext = &control;
    dev->instance.vkGetPhysicalDeviceProperties2(dev->physical, &p);
    uint32_t driver_id;
    daub_driver_text(&dev->instance, dev->physical, caps->driver, sizeof(caps->driver), &driver_id);
    dev->timestamp_bits = timestamp_bits(dev);

    memcpy(caps->name, dev->info.name, sizeof(caps->name));
    caps->kind = dev->info.kind;
    caps->cpu = caps->kind == DAUB_DEVICE_CPU;
    caps->vendor_id = p.properties.vendorID;
    caps->device_id = p.properties.deviceID;
    memcpy(caps->driver_uuid, id.driverUUID, sizeof(caps->driver_uuid));
    memcpy(caps->pipeline_cache_uuid, p.properties.pipelineCacheUUID, sizeof(caps->pipeline_cache_uuid));
    // Without shared-memory kernels even a GPU runs the lane kernels.
    caps->lane = (caps->cpu || dev->mask.no_shared) && !dev->mask.no_lane;
    caps->winograd = caps->lane && !dev->mask.no_winograd;
    caps->shared_kernels = !dev->mask.no_shared;

    fill_features(dev);
    fill_subgroup(dev, &subgroup, &control);
    fill_limits(dev, &p.properties.limits, maintenance3.maxMemoryAllocationSize, maintenance4.maxBufferSize);
    fill_texel(dev, &p.properties.limits);
    fill_rates(dev, driver_id);
    fill_memory(dev, max_memory);
}

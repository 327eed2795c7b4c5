// borrow.c - a device on the host's VkDevice and queue.
//
// What may be used is what the host enabled, not what the driver offers: the chain of features and the list of extensions that the host
// gave to vkCreateDevice say so, and the capabilities are cut down to that before anything reads them. Kernels need no more than
// Vulkan 1.1 grants without asking (tests/unit/test_spirv.c).
#include "runtime/vk/device_private.h"

#include "include/daub_vulkan.h"
#include "runtime/vk/borrow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct enabled { // by the host
    bool timeline, sync2, f16_storage, f16_arithmetic, subgroup_size_control;
};

static bool lists(const daub_vulkan_device_params *params, const char *name)
{
    for (uint32_t i = 0; i < params->n_extensions; i++)
        if (params->extensions[i] && strcmp(params->extensions[i], name) == 0)
            return true;
    return false;
}

static void read_feature(const VkBaseInStructure *s, struct enabled *e)
{
    const void *at = s;
    switch (s->sType) {
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES:
        e->f16_storage |= ((const VkPhysicalDeviceVulkan11Features *)at)->storageBuffer16BitAccess != 0;
        break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES:
        e->f16_storage |= ((const VkPhysicalDevice16BitStorageFeatures *)at)->storageBuffer16BitAccess != 0;
        break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES:
        e->timeline |= ((const VkPhysicalDeviceVulkan12Features *)at)->timelineSemaphore != 0;
        e->f16_arithmetic |= ((const VkPhysicalDeviceVulkan12Features *)at)->shaderFloat16 != 0;
        break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES:
        e->timeline |= ((const VkPhysicalDeviceTimelineSemaphoreFeatures *)at)->timelineSemaphore != 0;
        break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES:
        e->f16_arithmetic |= ((const VkPhysicalDeviceShaderFloat16Int8Features *)at)->shaderFloat16 != 0;
        break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES:
        e->sync2 |= ((const VkPhysicalDeviceVulkan13Features *)at)->synchronization2 != 0;
        e->subgroup_size_control |= ((const VkPhysicalDeviceVulkan13Features *)at)->subgroupSizeControl != 0;
        break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES:
        e->sync2 |= ((const VkPhysicalDeviceSynchronization2Features *)at)->synchronization2 != 0;
        break;
    case VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES:
        e->subgroup_size_control |= ((const VkPhysicalDeviceSubgroupSizeControlFeatures *)at)->subgroupSizeControl != 0;
        break;
    default:
        break;
    }
}

// A feature counts where its functions are there too: of the version, or of the extension that came before it.
static struct enabled read_enabled(const daub_device *dev, const daub_vulkan_device_params *params)
{
    struct enabled e = { 0 };
    for (const VkBaseInStructure *s = (const VkBaseInStructure *)(const void *)params->features; s; s = s->pNext)
        read_feature(s, &e);
    if (dev->caps.api_version < VK_API_VERSION_1_2)
        e.timeline = e.timeline && lists(params, VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME);
    if (dev->caps.api_version < VK_API_VERSION_1_3) {
        e.sync2 = e.sync2 && lists(params, VK_KHR_SYNCHRONIZATION_2_EXTENSION_NAME);
        e.subgroup_size_control = false; // caps.c reads its limits in 1.3
    }
    return e;
}

static void limit_caps(daub_device *dev, const struct enabled *e)
{
    struct daub_caps *caps = &dev->caps;
    caps->timeline = e->timeline && !dev->mask.no_timeline;
    caps->sync2 = e->sync2 && !dev->mask.no_sync2;
    caps->f16_storage &= e->f16_storage;
    caps->f16_arithmetic &= e->f16_arithmetic;
    if (!e->subgroup_size_control) {
        caps->subgroup_size_control = false;
        caps->subgroup_min = caps->subgroup_max = caps->subgroup_size;
    }
}

// Functions of extensions under the names that the core gave them.
static void load_functions(daub_device *dev)
{
    daub_volk_load_device(dev->instance.vkGetDeviceProcAddr, dev->handle, &dev->vk);
    if (dev->caps.api_version < VK_API_VERSION_1_2) {
        dev->vk.vkWaitSemaphores = dev->vk.vkWaitSemaphoresKHR;
        dev->vk.vkGetSemaphoreCounterValue = dev->vk.vkGetSemaphoreCounterValueKHR;
    }
    if (dev->caps.api_version < VK_API_VERSION_1_3)
        dev->vk.vkCmdPipelineBarrier2 = dev->vk.vkCmdPipelineBarrier2KHR;
}

static daub_status check_debug(daub_device *dev, const daub_vulkan_device_params *params,
                               const daub_device_params *base)
{
    dev->instance.debug_utils = params->debug_utils && dev->debug.names && dev->instance.vkSetDebugUtilsObjectNameEXT;
    if (!dev->debug.validate)
        return DAUB_OK;
    if (base->debug)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "debug: validate is the host's to enable on its own instance, not daub's");
    daub_log(&dev->host, DAUB_LOG_WARNING,
             "DAUB_DEBUG=validate has no effect on the host's device: validation is of its instance");
    return DAUB_OK;
}

static daub_status check_queue_family(const struct daub_instance *instance, const struct daub_host *host,
                                      VkPhysicalDevice physical, uint32_t family)
{
    uint32_t n = 0;
    instance->vkGetPhysicalDeviceQueueFamilyProperties(physical, &n, NULL);
    if (family >= n)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "queue_family %u: the device has %u", family, n);
    VkQueueFamilyProperties *families = daub_alloc_array(host, n, sizeof(*families));
    if (!families)
        return daub_no_memory("the queue families");
    instance->vkGetPhysicalDeviceQueueFamilyProperties(physical, &n, families);
    const bool compute = families[family].queueFlags & VK_QUEUE_COMPUTE_BIT;
    daub_free(host, families);
    return compute ? DAUB_OK : daub_fail(DAUB_ERROR_INVALID_ARG, "queue_family %u does no compute", family);
}

static uint32_t version_or_least(uint32_t version)
{
    return version ? version : VK_API_VERSION_1_1;
}

daub_status daub_vk_device_borrow(const daub_vulkan_device_params *params, const daub_device_params *base,
                                  daub_device **out)
{
    const struct daub_host host = daub_host_of(base);
    daub_status status;
    daub_device *dev = daub_alloc(&host, sizeof(*dev));
    if (!dev)
        return daub_no_memory("a device");
    dev->host = host;
    dev->borrowed = true;
    dev->physical = params->physical_device;
    dev->queue_family = params->queue_family;
    dev->lock_queue = params->lock_queue;
    dev->unlock_queue = params->unlock_queue;
    dev->queue_user = params->queue_user;
    TRY_OR_FAIL(daub_read_words(base, &dev->debug, &dev->mask));
    TRY_OR_FAIL(daub_instance_borrow(&dev->instance, &dev->host, params->get_instance_proc_addr, params->instance,
                                     version_or_least(params->api_version), &dev->mask));
    TRY_OR_FAIL(check_debug(dev, params, base));
    struct daub_candidate candidate = { .physical = dev->physical };
    daub_judge(&dev->instance, &candidate);
    if (!candidate.info.usable) {
        status = daub_fail(DAUB_ERROR_NO_DEVICE, "the host's device (%s) is %s", candidate.info.name,
                           candidate.info.reason);
        goto fail;
    }
    TRY_OR_FAIL(check_queue_family(&dev->instance, &dev->host, dev->physical, dev->queue_family));
    dev->info = candidate.info;
    dev->info.chosen = true;
    snprintf(dev->info.reason, sizeof(dev->info.reason), "the host's own device");

    daub_caps_fill(dev, base->max_memory);
    const struct enabled enabled = read_enabled(dev, params);
    limit_caps(dev, &enabled);
    dev->can_export = lists(params, DAUB_EXTERNAL_MEMORY);
    dev->can_export_semaphores = lists(params, DAUB_EXTERNAL_SEMAPHORE);
    dev->handle = params->device;
    load_functions(dev);
    TRY_OR_FAIL(daub_device_start(dev, params->queue, base->cache_dir));
    *out = dev;
    return DAUB_OK;

fail:
    daub_vk_device_destroy(&dev);
    return status;
}

// ---- wishes ------------------------------------------------------------------------------------------------------

static bool has_feature(const struct daub_instance *instance, VkPhysicalDevice physical, uint32_t version,
                        bool *timeline, bool *sync2)
{
    VkPhysicalDeviceTimelineSemaphoreFeatures t = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES
    };
    VkPhysicalDeviceSynchronization2Features s = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES
    };
    VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2 };
    const bool by_extension = version < VK_API_VERSION_1_2;
    if (!by_extension || daub_has_device_extension(instance, physical, VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME)) {
        t.pNext = features.pNext;
        features.pNext = &t;
    }
    if (version >= VK_API_VERSION_1_3) {
        s.pNext = features.pNext;
        features.pNext = &s;
    }
    instance->vkGetPhysicalDeviceFeatures2(physical, &features);
    *timeline = t.timelineSemaphore;
    *sync2 = s.synchronization2;
    return by_extension && *timeline;
}

daub_status daub_vk_wishes(const daub_vulkan_wishes_params *params, daub_vulkan_wishes *out)
{
    static const struct daub_caps_mask no_mask = { 0 };
    const struct daub_host host = { 0 };
    struct daub_instance instance = { 0 };
    daub_vulkan_wishes w = { 0 };
    if (daub_instance_borrow(&instance, &host, params->get_instance_proc_addr, params->instance,
                             version_or_least(params->api_version), &no_mask) != DAUB_OK) {
        snprintf(w.reason, sizeof(w.reason), "%.250s", daub_last_error());
        *out = w;
        return DAUB_OK;
    }
    struct daub_candidate candidate = { .physical = params->physical_device };
    daub_judge(&instance, &candidate);
    w.usable = candidate.info.usable;
    if (!w.usable) {
        snprintf(w.reason, sizeof(w.reason), "%s", candidate.info.reason);
        *out = w;
        return DAUB_OK;
    }
    const uint32_t device = candidate.info.api_version;
    w.api_version = device < instance.api_version ? device : instance.api_version;
    w.queue_family = candidate.queue_family;
    if (has_feature(&instance, params->physical_device, w.api_version, &w.timeline_semaphore, &w.synchronization2))
        w.extensions[w.n_extensions++] = VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME;
    *out = w;
    return DAUB_OK;
}

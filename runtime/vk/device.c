// device.c - opens a GPU and closes it.
#include "runtime/vk/device.h"
#include "runtime/vk/bindings.h"
#include "runtime/vk/costs.h"
#include "runtime/vk/device_private.h"
#include "runtime/vk/kernel.h"
#include "runtime/vk/piece.h"
#include "runtime/vk/pipeline_cache.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const daub_device_params default_params = { .struct_size = sizeof(daub_device_params) };

struct daub_host daub_host_of(const daub_device_params *params)
{
    return (struct daub_host) {
        .allocator = params->allocator,
        .log = params->log,
        .log_user = params->log_user,
        .log_level = params->log_level ? params->log_level : DAUB_LOG_WARNING,
    };
}

daub_status daub_read_words(const daub_device_params *params, struct daub_debug *debug, struct daub_caps_mask *mask)
{
    TRY(daub_debug_parse(params->debug ? params->debug : getenv("DAUB_DEBUG"), debug));
    return daub_caps_mask_parse(params->caps ? params->caps : getenv("DAUB_CAPS"), mask);
}

static const char *wanted_device(const daub_device_params *params)
{
    return params->device ? params->device : getenv("DAUB_DEVICE");
}

static daub_status choose(daub_device *dev, const char *text)
{
    struct daub_candidate *list = NULL;
    uint32_t count = 0, index = 0;
    TRY(daub_candidates(&dev->instance, &dev->host, &list, &count));
    const daub_status status = daub_choose(list, count, text, &index);
    if (status == DAUB_OK) {
        dev->physical = list[index].physical;
        dev->queue_family = list[index].queue_family;
        dev->info = list[index].info;
    }
    daub_free(&dev->host, list);
    return status;
}

// The logical device with just the features that caps kept.
static daub_status open_device(daub_device *dev)
{
    const struct daub_caps *caps = &dev->caps;
    VkPhysicalDeviceVulkan13Features f13 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES,
        .subgroupSizeControl = caps->subgroup_size_control,
        .synchronization2 = caps->sync2,
    };
    VkPhysicalDeviceVulkan12Features f12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
        .pNext = caps->api_version >= VK_API_VERSION_1_3 ? &f13 : NULL,
        .shaderFloat16 = caps->f16_arithmetic,
        .timelineSemaphore = caps->timeline,
    };
    VkPhysicalDevice16BitStorageFeatures f16 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES,
        .pNext = caps->api_version >= VK_API_VERSION_1_2 ? &f12 : NULL,
        .storageBuffer16BitAccess = caps->f16_storage,
    };
    const VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &f16,
    };
    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue_info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = dev->queue_family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    // The first must be enabled where it exists; the others are what daub_vulkan_export_create makes use of.
    static const char *const known[] = { "VK_KHR_portability_subset", DAUB_EXTERNAL_MEMORY, DAUB_EXTERNAL_SEMAPHORE };
    const char *extensions[sizeof(known) / sizeof(known[0])];
    uint32_t n_extensions = 0;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (daub_has_device_extension(&dev->instance, dev->physical, known[i]))
            extensions[n_extensions++] = known[i];
    dev->can_export = daub_has_device_extension(&dev->instance, dev->physical, DAUB_EXTERNAL_MEMORY);
    dev->can_export_semaphores = daub_has_device_extension(&dev->instance, dev->physical, DAUB_EXTERNAL_SEMAPHORE);
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue_info,
        .enabledExtensionCount = n_extensions,
        .ppEnabledExtensionNames = extensions,
    };
    VK_RETURN(dev->instance.vkCreateDevice(dev->physical, &info, NULL, &dev->handle));
    daub_volk_load_device(dev->instance.vkGetDeviceProcAddr, dev->handle, &dev->vk);
    return DAUB_OK;
}

static void log_device(const daub_device *dev)
{
    const struct daub_caps *c = &dev->caps;
    daub_log(&dev->host, DAUB_LOG_INFO, "device %u: %s (%s), Vulkan %u.%u, %llu MiB", dev->info.index, c->name,
             c->driver, VK_API_VERSION_MAJOR(c->api_version), VK_API_VERSION_MINOR(c->api_version),
             (unsigned long long)(c->max_memory >> 20));
    daub_log(&dev->host, DAUB_LOG_DEBUG,
             "caps: lane %d shared %d f16 %d/%d subgroup %u (%u..%u) arithmetic %d texel %d (preferred %d) timeline %d "
             "sync2 %d uma %d timestamps %d range %llu MiB alloc %llu MiB shared %u align %u",
             c->lane, c->shared_kernels, c->f16_storage, c->f16_arithmetic, c->subgroup_size, c->subgroup_min,
             c->subgroup_max, c->subgroup_arithmetic, c->texel, c->prefer_texel, c->timeline, c->sync2, c->uma,
             c->timestamps, (unsigned long long)(c->max_range >> 20), (unsigned long long)(c->max_alloc >> 20),
             c->max_shared, c->buffer_align);
}

daub_status daub_device_start(daub_device *dev, VkQueue queue, const char *cache_dir)
{
    TRY(daub_queue_create(dev, queue));
    TRY(daub_heap_create(dev));
    TRY(daub_bindings_create(dev));
    TRY(daub_costs_create(&dev->host, &dev->caps, &dev->costs));
    TRY(daub_clocks_create(dev));
    TRY(daub_staging_make(dev, DAUB_STAGING_SLOT, &dev->staging));
    TRY(daub_kernels_create(dev, cache_dir));
    log_device(dev);
    return DAUB_OK;
}

daub_status daub_vk_device_create_with(const daub_device_params *params, const char *words, daub_device **out)
{
    const char *const own = params->caps ? params->caps : getenv("DAUB_CAPS");
    const struct daub_host host = daub_host_of(params);
    char *const caps = daub_asprintf(&host, "%s,%s", words, own ? own : ""); // of two values the later counts
    if (!caps)
        return daub_no_memory("a device");
    daub_device_params with = *params;
    with.caps = caps;
    const daub_status status = daub_vk_device_create(&with, out);
    daub_free(&host, caps);
    return status;
}

daub_status daub_vk_device_create(const daub_device_params *params, daub_device **out)
{
    if (!params)
        params = &default_params;
    const struct daub_host host = daub_host_of(params);
    daub_status status;
    daub_device *dev = daub_alloc(&host, sizeof(*dev));
    if (!dev)
        return daub_no_memory("a device");
    dev->host = host;
    TRY_OR_FAIL(daub_read_words(params, &dev->debug, &dev->mask));
    TRY_OR_FAIL(daub_instance_create(&dev->instance, &dev->host, &dev->debug, &dev->mask));
    TRY_OR_FAIL(choose(dev, wanted_device(params)));
    daub_caps_fill(dev, params->max_memory);
    TRY_OR_FAIL(open_device(dev));

    VkQueue queue;
    dev->vk.vkGetDeviceQueue(dev->handle, dev->queue_family, 0, &queue);
    TRY_OR_FAIL(daub_device_start(dev, queue, params->cache_dir));
    *out = dev;
    return DAUB_OK;

fail:
    daub_vk_device_destroy(&dev);
    return status;
}

// A device of the host's has other work on it, which is none of ours to wait for.
void daub_device_idle(daub_device *dev)
{
    if (dev->borrowed && dev->queue)
        (void)daub_queue_drain(dev); // fails on a lost device, where nothing runs
    else if (!dev->borrowed && dev->handle && dev->vk.vkDeviceWaitIdle)
        dev->vk.vkDeviceWaitIdle(dev->handle);
}

void daub_vk_device_destroy(daub_device **dev)
{
    daub_device *d = *dev;
    if (!d)
        return;
    assert(daub_device_children(d) == 0);
    if (d->kernels)
        daub_kernels_save(d);
    daub_device_idle(d);
    daub_kernels_destroy(d);
    daub_staging_free(d, &d->staging);
    daub_clocks_destroy(d);
    daub_costs_destroy(&d->costs);
    daub_buffer_destroy(d, &d->unused);
    daub_heap_destroy(d);
    daub_queue_destroy(d);
    if (d->handle && !d->borrowed)
        d->vk.vkDestroyDevice(d->handle, NULL);
    daub_instance_destroy(&d->instance);
    const struct daub_host host = d->host;
    daub_free(&host, d);
    *dev = NULL;
}

// The environment or the params may name a device: then that one is what NULL opens, not the best.
static void mark_wanted(struct daub_candidate *list, uint32_t count, const char *text)
{
    uint32_t index = 0;
    if (!text || !*text || count == 0)
        return;
    const bool found = daub_choose(list, count, text, &index) == DAUB_OK;
    for (uint32_t i = 0; i < count; i++) {
        daub_device_info *info = &list[i].info;
        info->chosen = found && i == index;
        if (info->chosen)
            snprintf(info->reason, sizeof(info->reason), "chosen: '%.80s' was asked for", text);
        else if (info->usable && found)
            snprintf(info->reason, sizeof(info->reason), "usable, not chosen: '%.80s' was asked for", text);
        else if (info->usable)
            snprintf(info->reason, sizeof(info->reason),
                     "usable, not chosen: '%.80s' was asked for, which is no one device", text);
    }
}

daub_status daub_vk_device_list(const daub_device_params *params, daub_device_info *info, uint32_t capacity,
                                uint32_t *count)
{
    if (!params)
        params = &default_params;
    const struct daub_host host = daub_host_of(params);
    struct daub_debug debug;
    struct daub_caps_mask mask;
    struct daub_instance instance = { 0 };
    struct daub_candidate *list = NULL;
    uint32_t n = 0;
    TRY(daub_read_words(params, &debug, &mask));
    daub_status status = daub_instance_create(&instance, &host, &debug, &mask);
    if (status != DAUB_OK && instance.no_driver) { // no devices, which is no failure here
        *count = 0;
        return DAUB_OK;
    }
    TRY(status);
    status = daub_candidates(&instance, &host, &list, &n);
    if (status == DAUB_OK) {
        mark_wanted(list, n, wanted_device(params));
        for (uint32_t i = 0; i < n && i < capacity; i++)
            info[i] = list[i].info;
        *count = n;
    }
    daub_free(&host, list);
    daub_instance_destroy(&instance);
    return status;
}

void daub_vk_device_info(const daub_device *dev, daub_device_info *out)
{
    uint32_t heap;
    uint64_t available;
    *out = dev->info;
    (void)daub_local_heap_size(&dev->memory_types, &heap);
    out->memory_free = daub_heap_budget(&dev->instance, dev->physical, heap, &available) ? available : 0;
}

void daub_device_tune(daub_device *dev, bool prefer_texel, float rate12, float rate16)
{
    if (dev->caps.texel && !dev->mask.texel)
        dev->caps.prefer_texel = prefer_texel;
    if (dev->mask.rows == 0) {
        dev->caps.rate12 = rate12;
        dev->caps.rate16 = rate16;
    }
}

bool daub_device_tunable(const daub_device *dev)
{
    return dev->caps.cpu && dev->caps.lane && dev->caps.shuffle8 && !dev->debug.nocache &&
           ((dev->caps.texel && !dev->mask.texel) || dev->mask.rows == 0);
}

void daub_device_tuning_key(const daub_device *dev, char *key, size_t size)
{
    const struct daub_caps *caps = &dev->caps;
    uint64_t driver = daub_hash64(DAUB_HASH_START, caps->driver, strlen(caps->driver));
    driver = daub_hash64(driver, caps->driver_uuid, sizeof(caps->driver_uuid));
    driver = daub_hash64(driver, caps->name, strlen(caps->name));
    snprintf(key, size, "%016llx-%016llx-%d", (unsigned long long)driver, (unsigned long long)daub_kernels_hash(),
             caps->texel);
}

double daub_device_flop_in(const daub_device *dev, double us)
{
    return daub_costs_flop(dev->costs, us);
}

double daub_device_bytes_in(const daub_device *dev, double us)
{
    return daub_costs_bytes(dev->costs, us);
}

const struct daub_caps *daub_device_caps(const daub_device *dev)
{
    return &dev->caps;
}

const struct daub_host *daub_device_host(const daub_device *dev)
{
    return &dev->host;
}

const struct daub_debug *daub_device_debug(const daub_device *dev)
{
    return &dev->debug;
}

void daub_device_retain(daub_device *dev)
{
    atomic_fetch_add(&dev->children, 1);
}

void daub_device_release(daub_device *dev)
{
    atomic_fetch_sub(&dev->children, 1);
}

uint32_t daub_device_children(const daub_device *dev)
{
    return atomic_load(&dev->children);
}

uint32_t daub_device_exports(const daub_device *dev)
{
    return atomic_load(&dev->exports);
}

uint32_t daub_device_validation_errors(const daub_device *dev)
{
    return atomic_load(&dev->instance.validation_errors);
}

void daub_name_object(daub_device *dev, VkObjectType type, uint64_t handle, const char *name)
{
    if (!dev->instance.debug_utils)
        return;
    const VkDebugUtilsObjectNameInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT,
        .objectType = type,
        .objectHandle = handle,
        .pObjectName = name,
    };
    dev->instance.vkSetDebugUtilsObjectNameEXT(dev->handle, &info); // a name that cannot be set is no loss
}

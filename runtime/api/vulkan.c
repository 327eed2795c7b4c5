// vulkan.c - daub_vulkan.h's functions: they check, convert and call.
#include "runtime/api/params.h"
#include "runtime/op/tune.h"
#include "runtime/vk/borrow.h"

#define VK_NO_PROTOTYPES // the host's loader is not ours to link
#include "include/daub_vulkan.h"

static daub_status require(const char *call, const char *what, bool given)
{
    return given ? DAUB_OK : daub_fail(DAUB_ERROR_INVALID_ARG, "%s: %s is NULL", call, what);
}

// ---- wishes ----------------------------------------------------------------------------------------------------------

daub_status daub_vulkan_wishes_get(const daub_vulkan_wishes_params *params, daub_vulkan_wishes *out)
{
    daub_vulkan_wishes_params p;
    TRY(require(__func__, "out", out));
    TRY(daub_params_copy("daub_vulkan_wishes_params", params, &p, sizeof(p)));
    TRY(require(__func__, "get_instance_proc_addr", p.get_instance_proc_addr));
    TRY(require(__func__, "instance", p.instance));
    TRY(require(__func__, "physical_device", p.physical_device));
    return daub_vk_wishes(&p, out);
}

// A struct of the chain; *end is its last one.
static void *find(VkPhysicalDeviceFeatures2 *features, VkStructureType type, VkBaseOutStructure **end)
{
    void *found = NULL;
    for (VkBaseOutStructure *s = (VkBaseOutStructure *)(void *)features; s; s = s->pNext) {
        if (s->sType == type)
            found = s;
        *end = s;
    }
    return found;
}

static void wish_timeline(VkPhysicalDeviceFeatures2 *features, VkPhysicalDeviceTimelineSemaphoreFeatures *room)
{
    VkBaseOutStructure *end;
    VkPhysicalDeviceVulkan12Features *core = find(features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, &end);
    VkPhysicalDeviceTimelineSemaphoreFeatures *own = find(
        features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, &end);
    if (core) {
        core->timelineSemaphore = VK_TRUE;
    } else if (own) {
        own->timelineSemaphore = VK_TRUE;
    } else {
        *room = (VkPhysicalDeviceTimelineSemaphoreFeatures) {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES,
            .timelineSemaphore = VK_TRUE,
        };
        end->pNext = (VkBaseOutStructure *)(void *)room;
    }
}

static void wish_sync2(VkPhysicalDeviceFeatures2 *features, VkPhysicalDeviceSynchronization2Features *room)
{
    VkBaseOutStructure *end;
    VkPhysicalDeviceVulkan13Features *core = find(features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES, &end);
    VkPhysicalDeviceSynchronization2Features *own = find(
        features, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES, &end);
    if (core) {
        core->synchronization2 = VK_TRUE;
    } else if (own) {
        own->synchronization2 = VK_TRUE;
    } else {
        *room = (VkPhysicalDeviceSynchronization2Features) {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SYNCHRONIZATION_2_FEATURES,
            .synchronization2 = VK_TRUE,
        };
        end->pNext = (VkBaseOutStructure *)(void *)room;
    }
}

void daub_vulkan_wishes_chain(const daub_vulkan_wishes *wishes, VkPhysicalDeviceFeatures2 *features,
                              daub_vulkan_features *room)
{
    if (!wishes || !features || !room)
        return;
    if (wishes->timeline_semaphore)
        wish_timeline(features, &room->timeline_semaphore);
    if (wishes->synchronization2)
        wish_sync2(features, &room->synchronization2);
}

// ---- device ----------------------------------------------------------------------------------------------------------

static daub_status check_device(const char *call, const daub_vulkan_device_params *p)
{
    TRY(require(call, "get_instance_proc_addr", p->get_instance_proc_addr));
    TRY(require(call, "instance", p->instance));
    TRY(require(call, "physical_device", p->physical_device));
    TRY(require(call, "device", p->device));
    TRY(require(call, "queue", p->queue));
    if (p->n_extensions > 0)
        TRY(require(call, "extensions", p->extensions));
    if (!p->lock_queue != !p->unlock_queue)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: lock_queue and unlock_queue need both or neither", call);
    if (p->features && p->features->sType != VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: features has sType %d, which is no VkPhysicalDeviceFeatures2",
                         call, (int)p->features->sType);
    return DAUB_OK;
}

daub_status daub_vulkan_device_create(const daub_vulkan_device_params *params, daub_device **out)
{
    daub_vulkan_device_params p;
    daub_device_params base;
    TRY(require(__func__, "out", out));
    TRY(daub_params_copy("daub_vulkan_device_params", params, &p, sizeof(p)));
    TRY(daub_params_copy("daub_device_params", p.params, &base, sizeof(base)));
    TRY(check_device(__func__, &p));
    TRY(daub_device_params_check(&base));
    if (base.device)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: params.device is \"%.80s\", and the device is the host's",
                         __func__, base.device);
    TRY(daub_vk_device_borrow(&p, &base, out));
    daub_tune(*out, base.cache_dir);
    return DAUB_OK;
}

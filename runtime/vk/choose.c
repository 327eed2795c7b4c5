// choose.c - which devices there are, which can run us, and which of them is opened.
#include "runtime/vk/device_private.h"

#include "runtime/base/near.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_PUSH = DAUB_MAX_PUSH, MIN_STORAGE_BUFFERS = 8, LISTED = 8, MAX_FAMILIES = 64 };

static daub_device_kind kind_of(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return DAUB_DEVICE_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return DAUB_DEVICE_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return DAUB_DEVICE_VIRTUAL;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return DAUB_DEVICE_CPU;
    default:
        return DAUB_DEVICE_OTHER;
    }
}

static const char *kind_text(daub_device_kind kind)
{
    static const char *const texts[] = {
        [DAUB_DEVICE_OTHER] = "a device of unknown kind",
        [DAUB_DEVICE_INTEGRATED] = "an integrated GPU",
        [DAUB_DEVICE_DISCRETE] = "a discrete GPU",
        [DAUB_DEVICE_VIRTUAL] = "a virtual GPU",
        [DAUB_DEVICE_CPU] = "a CPU driver",
    };
    return texts[kind];
}

// Lower is better.
static int rank(daub_device_kind kind)
{
    static const int ranks[] = {
        [DAUB_DEVICE_DISCRETE] = 0, [DAUB_DEVICE_INTEGRATED] = 1, [DAUB_DEVICE_VIRTUAL] = 2,
        [DAUB_DEVICE_OTHER] = 3,    [DAUB_DEVICE_CPU] = 4,
    };
    return ranks[kind];
}

// A family for compute, one without graphics last: on GPUs whose compute-only family is a low-priority one, the general
// one is the fast one. UINT32_MAX: none.
static uint32_t find_queue_family(const struct daub_instance *instance, VkPhysicalDevice physical)
{
    VkQueueFamilyProperties families[MAX_FAMILIES]; // on the stack: a device is not called unusable for want of memory
    uint32_t n = MAX_FAMILIES;
    instance->vkGetPhysicalDeviceQueueFamilyProperties(physical, &n, families);
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT) || families[i].queueCount == 0)
            continue;
        const bool general = families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT;
        if (best == UINT32_MAX || (general && !(families[best].queueFlags & VK_QUEUE_GRAPHICS_BIT)))
            best = i;
    }
    return best;
}

void daub_judge(const struct daub_instance *instance, struct daub_candidate *c)
{
    VkPhysicalDeviceProperties p;
    instance->vkGetPhysicalDeviceProperties(c->physical, &p);
    daub_device_info *info = &c->info;
    snprintf(info->name, sizeof(info->name), "%s", p.deviceName);
    info->kind = kind_of(p.deviceType);
    info->api_version = p.apiVersion;

    VkPhysicalDeviceMemoryProperties memory;
    instance->vkGetPhysicalDeviceMemoryProperties(c->physical, &memory);
    uint32_t heap;
    info->memory = daub_local_heap_size(&memory, &heap);

    c->queue_family = find_queue_family(instance, c->physical);
    const uint32_t buffers = p.limits.maxPerStageDescriptorStorageBuffers;
    if (p.apiVersion < VK_API_VERSION_1_1) {
        snprintf(info->reason, sizeof(info->reason), "not usable: Vulkan %u.%u, wanted 1.1",
                 VK_API_VERSION_MAJOR(p.apiVersion), VK_API_VERSION_MINOR(p.apiVersion));
        snprintf(info->driver, sizeof(info->driver), "version %#x", p.driverVersion);
        return;
    }
    uint32_t driver_id;
    daub_driver_text(instance, c->physical, info->driver, sizeof(info->driver), &driver_id);
    if (!daub_heap_budget(instance, c->physical, heap, &info->memory_free))
        info->memory_free = 0;
    if (c->queue_family == UINT32_MAX)
        snprintf(info->reason, sizeof(info->reason), "not usable: no queue for compute");
    else if (p.limits.maxPushConstantsSize < MIN_PUSH)
        snprintf(info->reason, sizeof(info->reason), "not usable: %u bytes of push constants, wanted %d",
                 p.limits.maxPushConstantsSize, MIN_PUSH);
    else if (buffers < MIN_STORAGE_BUFFERS)
        snprintf(info->reason, sizeof(info->reason), "not usable: %u storage buffers a shader, wanted %d", buffers,
                 MIN_STORAGE_BUFFERS);
    else
        info->usable = true;
}

void daub_candidates_mark(struct daub_candidate *list, uint32_t count)
{
    struct daub_candidate *best = NULL;
    uint32_t n_usable = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!list[i].info.usable)
            continue;
        n_usable++;
        if (!best || rank(list[i].info.kind) < rank(best->info.kind))
            best = &list[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        daub_device_info *info = &list[i].info;
        if (!info->usable)
            continue;
        info->chosen = &list[i] == best;
        if (info->chosen && n_usable == 1)
            snprintf(info->reason, sizeof(info->reason), "chosen: %s, the only usable device", kind_text(info->kind));
        else if (info->chosen)
            snprintf(info->reason, sizeof(info->reason), "chosen: %s, the best kind here", kind_text(info->kind));
        else if (info->kind == best->info.kind)
            snprintf(info->reason, sizeof(info->reason), "usable, not chosen: %s as device %u, which comes first",
                     kind_text(info->kind), best->info.index);
        else
            snprintf(info->reason, sizeof(info->reason), "usable, not chosen: %s comes before %s",
                     kind_text(best->info.kind), kind_text(info->kind));
    }
}

daub_status daub_candidates(const struct daub_instance *instance, const struct daub_host *host,
                            struct daub_candidate **list, uint32_t *count)
{
    uint32_t n = 0;
    VK_RETURN(instance->vkEnumeratePhysicalDevices(instance->handle, &n, NULL));
    *list = NULL;
    *count = 0;
    if (n == 0)
        return DAUB_OK;
    VkPhysicalDevice *devices = daub_alloc_array(host, n, sizeof(*devices));
    struct daub_candidate *candidates = daub_alloc_array(host, n, sizeof(*candidates));
    daub_status status = DAUB_OK;
    if (!devices || !candidates) {
        status = daub_no_memory("the list of devices");
        goto fail;
    }
    const VkResult result = instance->vkEnumeratePhysicalDevices(instance->handle, &n, devices);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
        status = daub_from_vk(result, "vkEnumeratePhysicalDevices");
        goto fail;
    }
    for (uint32_t i = 0; i < n; i++) {
        candidates[i].physical = devices[i];
        candidates[i].info.index = i;
        daub_judge(instance, &candidates[i]);
    }
    daub_candidates_mark(candidates, n);
    daub_free(host, devices);
    *list = candidates;
    *count = n;
    return DAUB_OK;

fail:
    daub_free(host, devices);
    daub_free(host, candidates);
    return status;
}

static bool matches(const struct daub_candidate *c, const char *text)
{
    const size_t length = strlen(text);
    for (const char *at = c->info.name; *at; at++) {
        size_t i = 0;
        while (i < length && at[i] && tolower((unsigned char)at[i]) == tolower((unsigned char)text[i]))
            i++;
        if (i == length)
            return true;
    }
    return false;
}

// "0: llvmpipe; 1: AMD Radeon" of those that match (text NULL: all).
static void list_names(const struct daub_candidate *list, uint32_t count, const char *text, char *out, size_t size)
{
    size_t used = 0;
    uint32_t listed = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < count && listed < LISTED; i++) {
        if (text && !matches(&list[i], text))
            continue;
        const int n = snprintf(out + used, size - used, "%s%u %s", listed ? "; " : "", i, list[i].info.name);
        if (n < 0 || (size_t)n >= size - used)
            return;
        used += (size_t)n;
        listed++;
    }
}

// ", did you mean llvmpipe?": the word of a name that `text` is near to, as a part of a name is enough; "" where there is none.
static void near_device(const struct daub_candidate *list, uint32_t count, const char *text, char *out, size_t size)
{
    enum { MAX_WORDS = 64 };
    char copies[LISTED][sizeof(list->info.name)], near[128];
    const char *words[MAX_WORDS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < count && i < LISTED; i++) {
        snprintf(copies[i], sizeof(copies[i]), "%s", list[i].info.name);
        for (char *at = copies[i]; *at && n < MAX_WORDS;) {
            const size_t length = strcspn(at, " ,()");
            const bool ends = at[length] == '\0';
            at[length] = '\0';
            if (length > 2) // versions and the like are no names
                words[n++] = at;
            at += length + !ends;
        }
    }
    daub_near_names(text, words, n, near, sizeof(near));
    out[0] = '\0';
    if (near[0])
        snprintf(out, size, ", did you mean %s?", near);
}

static daub_status choose_one(const struct daub_candidate *c, uint32_t *index)
{
    if (!c->info.usable)
        return daub_fail(DAUB_ERROR_NO_DEVICE, "device %u (%s) is %s", c->info.index, c->info.name, c->info.reason);
    *index = c->info.index;
    return DAUB_OK;
}

static daub_status choose_default(const struct daub_candidate *list, uint32_t count, uint32_t *index)
{
    char why[1024];
    size_t used = 0;
    why[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        if (list[i].info.chosen) {
            *index = i;
            return DAUB_OK;
        }
        const int n = snprintf(why + used, sizeof(why) - used, "%s%s: %s", used ? "; " : "", list[i].info.name,
                               list[i].info.reason);
        if (n > 0 && (size_t)n < sizeof(why) - used)
            used += (size_t)n;
    }
    return daub_fail(DAUB_ERROR_NO_DEVICE, "no Vulkan device is usable (%s)", why);
}

daub_status daub_choose(const struct daub_candidate *list, uint32_t count, const char *text, uint32_t *index)
{
    if (count == 0)
        return daub_fail(DAUB_ERROR_NO_DEVICE,
                         "no Vulkan device on this system (for a CPU driver install mesa-vulkan-drivers)");
    if (!text || !*text)
        return choose_default(list, count, index);

    if (text[strspn(text, "0123456789")] == '\0') {
        const unsigned long number = strtoul(text, NULL, 10);
        if (number < count)
            return choose_one(&list[number], index);
    }
    char names[1024];
    uint32_t n_matches = 0, match = 0;
    for (uint32_t i = 0; i < count; i++)
        if (matches(&list[i], text)) {
            match = i;
            n_matches++;
        }
    if (n_matches == 0) {
        char near[160];
        near_device(list, count, text, near, sizeof(near));
        list_names(list, count, NULL, names, sizeof(names));
        return daub_fail(DAUB_ERROR_NO_DEVICE, "no device is numbered or named '%s'%s; there is: %s", text, near,
                         names);
    }
    if (n_matches > 1) {
        list_names(list, count, text, names, sizeof(names));
        return daub_fail(DAUB_ERROR_INVALID_ARG, "device '%s' is %u devices, give the number: %s", text, n_matches,
                         names);
    }
    return choose_one(&list[match], index);
}

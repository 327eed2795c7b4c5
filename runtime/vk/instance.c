// instance.c - instance, validation, and its messages to the device's log.
#include "runtime/vk/instance.h"
#include "runtime/vk/drivers.h"
#include "runtime/vk/result.h"

#include <stdlib.h>
#include <string.h>

static const char validation_layer[] = "VK_LAYER_KHRONOS_validation";

enum { MAX_EXTENSIONS = 8 };

// What the loader (layer NULL) or a layer offers. NULL on failure, also for an empty list.
static VkExtensionProperties *list_extensions(const struct daub_host *host, PFN_vkGetInstanceProcAddr get,
                                              const char *layer, uint32_t *count)
{
    const PFN_vkEnumerateInstanceExtensionProperties enumerate = (PFN_vkEnumerateInstanceExtensionProperties)get(
        NULL, "vkEnumerateInstanceExtensionProperties");
    *count = 0;
    uint32_t n = 0;
    if (!enumerate || enumerate(layer, &n, NULL) != VK_SUCCESS || n == 0)
        return NULL;
    VkExtensionProperties *list = daub_alloc_array(host, n, sizeof(*list));
    if (!list)
        return NULL;
    const VkResult result = enumerate(layer, &n, list);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE) {
        daub_free(host, list);
        return NULL;
    }
    *count = n;
    return list;
}

static bool has_extension(const struct daub_host *host, PFN_vkGetInstanceProcAddr get, const char *layer,
                          const char *name)
{
    uint32_t n;
    VkExtensionProperties *list = list_extensions(host, get, layer, &n);
    bool found = false;
    for (uint32_t i = 0; i < n && !found; i++)
        found = strcmp(list[i].extensionName, name) == 0;
    daub_free(host, list);
    return found;
}

static bool has_layer(const struct daub_host *host, PFN_vkGetInstanceProcAddr get, const char *name)
{
    const PFN_vkEnumerateInstanceLayerProperties enumerate = (PFN_vkEnumerateInstanceLayerProperties)get(
        NULL, "vkEnumerateInstanceLayerProperties");
    uint32_t n = 0;
    if (!enumerate || enumerate(&n, NULL) != VK_SUCCESS || n == 0)
        return false;
    VkLayerProperties *list = daub_alloc_array(host, n, sizeof(*list));
    if (!list)
        return false;
    if (enumerate(&n, list) < 0)
        n = 0;
    bool found = false;
    for (uint32_t i = 0; i < n && !found; i++)
        found = strcmp(list[i].layerName, name) == 0;
    daub_free(host, list);
    return found;
}

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT type,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    struct daub_instance *instance = user;
    // GENERAL messages are the loader's own, for instance about drivers that do not fit this machine.
    if (!(type & VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT)) {
        daub_log(instance->host, DAUB_LOG_DEBUG, "vulkan: %s", data->pMessage);
        return VK_FALSE;
    }
    atomic_fetch_add(&instance->validation_errors, 1);
    daub_log(instance->host,
             (severity & VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT) ? DAUB_LOG_ERROR : DAUB_LOG_WARNING,
             "validation: %s", data->pMessage);
    return VK_FALSE;
}

static daub_status load_functions(struct daub_instance *instance, PFN_vkGetInstanceProcAddr get)
{
#define LOAD(f) instance->f = (PFN_##f)get(instance->handle, #f);
    DAUB_INSTANCE_FUNCTIONS(LOAD)
#undef LOAD
    if (!instance->vkGetPhysicalDeviceProperties2 || !instance->vkCreateDevice || !instance->vkGetDeviceProcAddr)
        return daub_fail(DAUB_ERROR_NO_DEVICE, "the Vulkan loader has no Vulkan 1.1 functions");
    return DAUB_OK;
}

static daub_status lower_version(const struct daub_caps_mask *mask, uint32_t *version)
{
    if (mask->api && mask->api < VK_API_VERSION_1_1)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "caps: api=%u.%u is below the minimum, 1.1",
                         VK_API_VERSION_MAJOR(mask->api), VK_API_VERSION_MINOR(mask->api));
    *version = VK_API_VERSION_1_3;
    if (mask->api && mask->api < *version)
        *version = mask->api;
    return DAUB_OK;
}

// The version to ask for: ours is 1.3, or the mask's. A driver of a lower version keeps its own.
static daub_status pick_version(PFN_vkGetInstanceProcAddr get, const struct daub_caps_mask *mask, uint32_t *version)
{
    const PFN_vkEnumerateInstanceVersion enumerate = (PFN_vkEnumerateInstanceVersion)get(NULL,
                                                                                         "vkEnumerateInstanceVersion");
    uint32_t loader = VK_API_VERSION_1_0;
    if (enumerate) {
        const VkResult result = enumerate(&loader);
        if (result != VK_SUCCESS)
            return daub_from_vk(result, "vkEnumerateInstanceVersion");
    }
    if (loader < VK_API_VERSION_1_1)
        return daub_fail(DAUB_ERROR_NO_DEVICE, "the Vulkan loader is of version 1.0, wanted 1.1 or later");
    return lower_version(mask, version);
}

struct enabled {
    const char *extensions[MAX_EXTENSIONS];
    uint32_t n_extensions;
    VkInstanceCreateFlags flags;
};

static daub_status require_validation(const struct daub_host *host, PFN_vkGetInstanceProcAddr get)
{
    if (!has_layer(host, get, validation_layer))
        return daub_fail(DAUB_ERROR_UNSUPPORTED,
                         "DAUB_DEBUG=validate: the layer %s is not installed (package vulkan-validationlayers)",
                         validation_layer);
    if (!has_extension(host, get, validation_layer, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME))
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "DAUB_DEBUG=validate: the layer %s has no %s", validation_layer,
                         VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME);
    return DAUB_OK;
}

static daub_status pick_extensions(struct daub_instance *instance, PFN_vkGetInstanceProcAddr get,
                                   const struct daub_debug *debug, struct enabled *out)
{
    static const char portability[] = "VK_KHR_portability_enumeration", utils[] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    const struct daub_host *host = instance->host;
    if (has_extension(host, get, NULL, portability)) { // shows drivers such as MoltenVK
        out->extensions[out->n_extensions++] = portability;
        out->flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    }
    if (debug->validate) {
        TRY(require_validation(host, get));
        out->extensions[out->n_extensions++] = VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME;
    }
    if ((debug->validate || debug->names) && (has_extension(host, get, NULL, utils) ||
                                              (debug->validate && has_extension(host, get, validation_layer, utils)))) {
        out->extensions[out->n_extensions++] = utils;
        instance->debug_utils = true;
    }
    if (debug->validate && !instance->debug_utils)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "DAUB_DEBUG=validate: the Vulkan loader has no %s", utils);
    return DAUB_OK;
}

daub_status daub_instance_create(struct daub_instance *instance, const struct daub_host *host,
                                 const struct daub_debug *debug, const struct daub_caps_mask *mask)
{
    PFN_vkGetInstanceProcAddr get;
    instance->host = host;
    TRY(daub_volk_open(&get));
    TRY(pick_version(get, mask, &instance->api_version));

    struct enabled enabled = { 0 };
    TRY(pick_extensions(instance, get, debug, &enabled));

    const VkDebugUtilsMessengerCreateInfoEXT messenger_info = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = instance,
    };
    static const VkValidationFeatureEnableEXT synchronization[] = {
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT
    };
    const VkValidationFeaturesEXT features = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .pNext = &messenger_info,
        .enabledValidationFeatureCount = 1,
        .pEnabledValidationFeatures = synchronization,
    };
    const VkApplicationInfo app_info = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pEngineName = "daub",
        .engineVersion = DAUB_VERSION,
        .apiVersion = instance->api_version,
    };
    const char *const layers[] = { validation_layer };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = debug->validate ? &features : NULL,
        .flags = enabled.flags,
        .pApplicationInfo = &app_info,
        .enabledLayerCount = debug->validate ? 1 : 0,
        .ppEnabledLayerNames = layers,
        .enabledExtensionCount = enabled.n_extensions,
        .ppEnabledExtensionNames = enabled.extensions,
    };
    daub_status status;
    const PFN_vkCreateInstance create = (PFN_vkCreateInstance)get(NULL, "vkCreateInstance");
    const VkResult result = create(&info, NULL, &instance->handle);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
        instance->no_driver = true;
        return daub_fail(DAUB_ERROR_NO_DEVICE,
                         "no Vulkan driver is installed (for a CPU driver install mesa-vulkan-drivers)");
    }
    if (result != VK_SUCCESS)
        return daub_from_vk(result, "vkCreateInstance");
    TRY_OR_FAIL(load_functions(instance, get));
    if (debug->validate)
        VK_TRY(instance->vkCreateDebugUtilsMessengerEXT(instance->handle, &messenger_info, NULL, &instance->messenger));
    return DAUB_OK;

fail:
    daub_instance_destroy(instance);
    return status;
}

daub_status daub_loader_look(const struct daub_host *host, uint32_t *version, bool *validation)
{
    PFN_vkGetInstanceProcAddr get;
    TRY(daub_volk_open(&get));
    const PFN_vkEnumerateInstanceVersion enumerate = (PFN_vkEnumerateInstanceVersion)get(NULL,
                                                                                         "vkEnumerateInstanceVersion");
    *version = VK_API_VERSION_1_0;
    if (enumerate && enumerate(version) != VK_SUCCESS)
        *version = VK_API_VERSION_1_0;
    *validation = has_layer(host, get, validation_layer);
    return DAUB_OK;
}

daub_status daub_instance_borrow(struct daub_instance *instance, const struct daub_host *host,
                                 PFN_vkGetInstanceProcAddr get, VkInstance handle, uint32_t api_version,
                                 const struct daub_caps_mask *mask)
{
    instance->host = host;
    instance->borrowed = true;
    if (api_version < VK_API_VERSION_1_1)
        return daub_fail(DAUB_ERROR_NO_DEVICE, "the host's instance is of Vulkan %u.%u, wanted 1.1 or later",
                         VK_API_VERSION_MAJOR(api_version), VK_API_VERSION_MINOR(api_version));
    TRY(lower_version(mask, &instance->api_version));
    if (api_version < instance->api_version)
        instance->api_version = VK_MAKE_API_VERSION(0, VK_API_VERSION_MAJOR(api_version),
                                                    VK_API_VERSION_MINOR(api_version), 0);
    instance->handle = handle;
    return load_functions(instance, get);
}

void daub_instance_destroy(struct daub_instance *instance)
{
    if (instance->messenger)
        instance->vkDestroyDebugUtilsMessengerEXT(instance->handle, instance->messenger, NULL);
    if (instance->handle && !instance->borrowed && instance->vkDestroyInstance)
        instance->vkDestroyInstance(instance->handle, NULL);
    instance->messenger = VK_NULL_HANDLE;
    instance->handle = NULL;
}

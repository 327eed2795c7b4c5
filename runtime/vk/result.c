// result.c - VkResult to daub_status and sentence.
#include "runtime/vk/result.h"

#include <string.h>

const char *daub_vk_result_name(VkResult result)
{
#define CASE(name) \
    case name:     \
        return #name
    switch (result) {
        CASE(VK_SUCCESS);
        CASE(VK_NOT_READY);
        CASE(VK_TIMEOUT);
        CASE(VK_INCOMPLETE);
        CASE(VK_ERROR_OUT_OF_HOST_MEMORY);
        CASE(VK_ERROR_OUT_OF_DEVICE_MEMORY);
        CASE(VK_ERROR_INITIALIZATION_FAILED);
        CASE(VK_ERROR_DEVICE_LOST);
        CASE(VK_ERROR_MEMORY_MAP_FAILED);
        CASE(VK_ERROR_LAYER_NOT_PRESENT);
        CASE(VK_ERROR_EXTENSION_NOT_PRESENT);
        CASE(VK_ERROR_FEATURE_NOT_PRESENT);
        CASE(VK_ERROR_INCOMPATIBLE_DRIVER);
        CASE(VK_ERROR_TOO_MANY_OBJECTS);
        CASE(VK_ERROR_FORMAT_NOT_SUPPORTED);
        CASE(VK_ERROR_FRAGMENTED_POOL);
        CASE(VK_ERROR_UNKNOWN);
        CASE(VK_ERROR_OUT_OF_POOL_MEMORY);
        CASE(VK_ERROR_FRAGMENTATION);
    default:
        return "an unnamed VkResult";
    }
#undef CASE
}

daub_status daub_from_vk(VkResult result, const char *call)
{
    // "dev->vk.vkCreateBuffer(dev->handle, ..." -> "vkCreateBuffer"
    const char *name = call;
    size_t length = strcspn(call, "(");
    for (size_t i = 0; i + 2 < length; i++)
        if (call[i] == 'v' && call[i + 1] == 'k' && call[i + 2] >= 'A' && call[i + 2] <= 'Z') {
            name = call + i;
            length -= i;
            break;
        }
    daub_status status = DAUB_ERROR_UNSUPPORTED;
    switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        status = DAUB_ERROR_NO_HOST_MEMORY;
        break;
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTED_POOL:
    case VK_ERROR_MEMORY_MAP_FAILED:
        status = DAUB_ERROR_NO_GPU_MEMORY;
        break;
    case VK_ERROR_DEVICE_LOST:
        status = DAUB_ERROR_DEVICE_LOST;
        break;
    case VK_ERROR_INITIALIZATION_FAILED:
    case VK_ERROR_INCOMPATIBLE_DRIVER:
        status = DAUB_ERROR_NO_DEVICE;
        break;
    default:
        break;
    }
    return daub_fail(status, "%.*s failed: %s (%d)", (int)length, name, daub_vk_result_name(result), (int)result);
}

// result.h - VkResult to daub_status and sentence. For runtime/vk only.
#ifndef DAUB_VK_RESULT_H
#define DAUB_VK_RESULT_H
#include "runtime/base/status.h"

#include <volk.h>

// `call` is the call's text; its function name goes into the sentence: "vkCreateBuffer failed: VK_ERROR_...".
daub_status daub_from_vk(VkResult result, const char *call);
const char *daub_vk_result_name(VkResult result);

// Needs `daub_status status` and a label `fail` in the function.
#define VK_TRY(call)                               \
    do {                                           \
        const VkResult vk_try_ = (call);           \
        if (vk_try_ != VK_SUCCESS) {               \
            status = daub_from_vk(vk_try_, #call); \
            goto fail;                             \
        }                                          \
    } while (0)

// For functions that own nothing yet.
#define VK_RETURN(call)                          \
    do {                                         \
        const VkResult vk_try_ = (call);         \
        if (vk_try_ != VK_SUCCESS)               \
            return daub_from_vk(vk_try_, #call); \
    } while (0)

#endif

// harness_vulkan.c - Vulkan functions that fail on demand, count objects, and can leave the GPU's work out.
#include "harness_inject.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <volk.h>

static PFN_vkGetInstanceProcAddr loader;

// Objects by the name of the call that makes them.
#define OBJECTS(X)         \
    X(Instance)            \
    X(Device)              \
    X(Memory)              \
    X(CommandPool)         \
    X(Buffer)              \
    X(BufferView)          \
    X(Pipeline)            \
    X(DescriptorPool)      \
    X(DescriptorSetLayout) \
    X(PipelineLayout)      \
    X(PipelineCache)       \
    X(ShaderModule)        \
    X(QueryPool)           \
    X(Semaphore)           \
    X(Fence)
enum {
    OBJECT_FIRST = HELD_VULKAN - 1,
#define OBJECT(name) OBJECT_##name,
    OBJECTS(OBJECT)
#undef OBJECT
};

const char *inject_vulkan_name(int what)
{
    static const char *const names[] = {
#define NAME(name) "Vulkan objects: " #name,
        OBJECTS(NAME)
#undef NAME
    };
    const int i = what - HELD_VULKAN;
    return i >= 0 && i < (int)(sizeof(names) / sizeof(names[0])) ? names[i] : "unknown objects";
}

// ---- calls that can fail ---------------------------------------------------------------------------------------------

// Ours of a function is named after it. `real` is what the loader gives, asked for when ours is handed out.
#define FUNCTION(name, failure, parameters, arguments)          \
    static _Atomic(PFN_##name) real_##name;                     \
    static VKAPI_ATTR VkResult VKAPI_CALL our_##name parameters \
    {                                                           \
        if (inject_fails(INJECT_VULKAN, #name))                 \
            return failure;                                     \
        return atomic_load(&real_##name) arguments;             \
    }
#define MAKES(name, object, failure, parameters, arguments)          \
    static _Atomic(PFN_##name) real_##name;                          \
    static VKAPI_ATTR VkResult VKAPI_CALL our_##name parameters      \
    {                                                                \
        if (inject_fails(INJECT_VULKAN, #name))                      \
            return failure;                                          \
        const VkResult result = atomic_load(&real_##name) arguments; \
        inject_count(OBJECT_##object, result == VK_SUCCESS);         \
        return result;                                               \
    }
#define CREATE(object)                                             \
    MAKES(vkCreate##object, object, VK_ERROR_OUT_OF_DEVICE_MEMORY, \
          (VkDevice d, const Vk##object##CreateInfo *i, const VkAllocationCallbacks *a, Vk##object *o), (d, i, a, o))
#define DESTROYS(name, object, Handle)                                                                 \
    static _Atomic(PFN_##name) real_##name;                                                            \
    static VKAPI_ATTR void VKAPI_CALL our_##name(VkDevice d, Handle h, const VkAllocationCallbacks *a) \
    {                                                                                                  \
        inject_count(OBJECT_##object, h ? -1 : 0);                                                     \
        atomic_load (&real_##name)(d, h, a);                                                           \
    }
#define DESTROY(object) DESTROYS(vkDestroy##object, object, Vk##object)

#define OOM VK_ERROR_OUT_OF_HOST_MEMORY

FUNCTION(vkEnumerateInstanceExtensionProperties, OOM, (const char *l, uint32_t *n, VkExtensionProperties *p), (l, n, p))
FUNCTION(vkEnumerateInstanceLayerProperties, OOM, (uint32_t * n, VkLayerProperties *p), (n, p))
FUNCTION(vkEnumerateInstanceVersion, OOM, (uint32_t * v), (v))
FUNCTION(vkEnumeratePhysicalDevices, OOM, (VkInstance i, uint32_t *n, VkPhysicalDevice *p), (i, n, p))
FUNCTION(vkEnumerateDeviceExtensionProperties, OOM,
         (VkPhysicalDevice d, const char *l, uint32_t *n, VkExtensionProperties *p), (d, l, n, p))
FUNCTION(vkAllocateCommandBuffers, OOM, (VkDevice d, const VkCommandBufferAllocateInfo *i, VkCommandBuffer *o),
         (d, i, o))
FUNCTION(vkAllocateDescriptorSets, VK_ERROR_OUT_OF_POOL_MEMORY,
         (VkDevice d, const VkDescriptorSetAllocateInfo *i, VkDescriptorSet *o), (d, i, o))
FUNCTION(vkBeginCommandBuffer, OOM, (VkCommandBuffer c, const VkCommandBufferBeginInfo *i), (c, i))
FUNCTION(vkEndCommandBuffer, OOM, (VkCommandBuffer c), (c))
FUNCTION(vkBindBufferMemory, OOM, (VkDevice d, VkBuffer b, VkDeviceMemory m, VkDeviceSize at), (d, b, m, at))
FUNCTION(vkGetPipelineCacheData, OOM, (VkDevice d, VkPipelineCache c, size_t *n, void *p), (d, c, n, p))
FUNCTION(vkGetQueryPoolResults, OOM,
         (VkDevice d, VkQueryPool q, uint32_t f, uint32_t n, size_t s, void *p, VkDeviceSize t, VkQueryResultFlags g),
         (d, q, f, n, s, p, t, g))
FUNCTION(vkMapMemory, VK_ERROR_MEMORY_MAP_FAILED,
         (VkDevice d, VkDeviceMemory m, VkDeviceSize at, VkDeviceSize n, VkMemoryMapFlags f, void **p),
         (d, m, at, n, f, p))
FUNCTION(vkResetFences, VK_ERROR_OUT_OF_DEVICE_MEMORY, (VkDevice d, uint32_t n, const VkFence *f), (d, n, f))

MAKES(vkCreateInstance, Instance, OOM, (const VkInstanceCreateInfo *i, const VkAllocationCallbacks *a, VkInstance *o),
      (i, a, o))
static _Atomic(VkDevice) newest; // a test that loses a device has one at a time
static _Atomic(PFN_vkCreateDevice) real_vkCreateDevice;
static VKAPI_ATTR VkResult VKAPI_CALL our_vkCreateDevice(VkPhysicalDevice p, const VkDeviceCreateInfo *i,
                                                         const VkAllocationCallbacks *a, VkDevice *o)
{
    if (inject_fails(INJECT_VULKAN, "vkCreateDevice"))
        return VK_ERROR_INITIALIZATION_FAILED;
    const VkResult result = atomic_load(&real_vkCreateDevice)(p, i, a, o);
    inject_count(OBJECT_Device, result == VK_SUCCESS);
    atomic_store(&newest, result == VK_SUCCESS ? *o : VK_NULL_HANDLE);
    return result;
}

MAKES(vkAllocateMemory, Memory, VK_ERROR_OUT_OF_DEVICE_MEMORY,
      (VkDevice d, const VkMemoryAllocateInfo *i, const VkAllocationCallbacks *a, VkDeviceMemory *o), (d, i, a, o))
CREATE(CommandPool)
CREATE(Buffer)
CREATE(BufferView)
CREATE(DescriptorPool)
CREATE(DescriptorSetLayout)
CREATE(PipelineLayout)
CREATE(PipelineCache)
CREATE(ShaderModule)
CREATE(QueryPool)
CREATE(Semaphore)
CREATE(Fence)

DESTROYS(vkFreeMemory, Memory, VkDeviceMemory)
DESTROY(CommandPool)
DESTROY(Buffer)
DESTROY(BufferView)
DESTROY(DescriptorPool)
DESTROY(DescriptorSetLayout)
DESTROY(PipelineLayout)
DESTROY(PipelineCache)
DESTROY(ShaderModule)
DESTROY(QueryPool)
DESTROY(Semaphore)
DESTROY(Fence)

static _Atomic(PFN_vkDestroyInstance) real_vkDestroyInstance;
static VKAPI_ATTR void VKAPI_CALL our_vkDestroyInstance(VkInstance i, const VkAllocationCallbacks *a)
{
    inject_count(OBJECT_Instance, -1);
    atomic_load (&real_vkDestroyInstance)(i, a);
}

static _Atomic(PFN_vkDestroyDevice) real_vkDestroyDevice;
static VKAPI_ATTR void VKAPI_CALL our_vkDestroyDevice(VkDevice d, const VkAllocationCallbacks *a)
{
    inject_count(OBJECT_Device, -1);
    atomic_load (&real_vkDestroyDevice)(d, a);
}

// ---- the queue -------------------------------------------------------------------------------------------------------

static _Atomic(PFN_vkDeviceWaitIdle) real_vkDeviceWaitIdle;

// A lost device answers nothing any more, and nothing runs on it: the real one, which is not lost, ends its work first.
static VkResult queue_state(enum inject_kind kind, const char *name)
{
    if (inject_lost())
        return VK_ERROR_DEVICE_LOST;
    if (inject_fails(kind, name)) {
        atomic_load (&real_vkDeviceWaitIdle)(atomic_load(&newest));
        return VK_ERROR_DEVICE_LOST;
    }
    return inject_fails(INJECT_VULKAN, name) ? VK_ERROR_OUT_OF_HOST_MEMORY : VK_SUCCESS;
}

#define QUEUE(name, kind, parameters, arguments)                    \
    static _Atomic(PFN_##name) real_##name;                         \
    static VKAPI_ATTR VkResult VKAPI_CALL our_##name parameters     \
    {                                                               \
        const VkResult state = queue_state(kind, #name);            \
        return state ? state : atomic_load(&real_##name) arguments; \
    }
QUEUE(vkQueueSubmit, INJECT_SUBMIT, (VkQueue q, uint32_t n, const VkSubmitInfo *s, VkFence f), (q, n, s, f))
QUEUE(vkWaitForFences, INJECT_WAIT, (VkDevice d, uint32_t n, const VkFence *f, VkBool32 all, uint64_t ns),
      (d, n, f, all, ns))
QUEUE(vkWaitSemaphores, INJECT_WAIT, (VkDevice d, const VkSemaphoreWaitInfo *i, uint64_t ns), (d, i, ns))

static VKAPI_ATTR VkResult VKAPI_CALL our_vkDeviceWaitIdle(VkDevice d)
{
    // The real one too: objects are destroyed after this, and the real device is not lost.
    const VkResult result = atomic_load(&real_vkDeviceWaitIdle)(d);
    return inject_lost() ? VK_ERROR_DEVICE_LOST : inject_fails(INJECT_VULKAN, "vkDeviceWaitIdle") ? OOM : result;
}

static _Atomic(PFN_vkQueueWaitIdle) real_vkQueueWaitIdle;
static VKAPI_ATTR VkResult VKAPI_CALL our_vkQueueWaitIdle(VkQueue q)
{
    const VkResult result = atomic_load(&real_vkQueueWaitIdle)(q);
    return inject_lost() ? VK_ERROR_DEVICE_LOST : inject_fails(INJECT_VULKAN, "vkQueueWaitIdle") ? OOM : result;
}

// ---- without the GPU's work ------------------------------------------------------------------------------------------

static _Atomic(PFN_vkCreateComputePipelines) real_vkCreateComputePipelines;
static VKAPI_ATTR VkResult VKAPI_CALL our_vkCreateComputePipelines(VkDevice d, VkPipelineCache c, uint32_t n,
                                                                   const VkComputePipelineCreateInfo *i,
                                                                   const VkAllocationCallbacks *a, VkPipeline *o)
{
    static _Atomic uintptr_t next = 1;
    if (inject_fails(INJECT_VULKAN, "vkCreateComputePipelines")) {
        memset(o, 0, n * sizeof(*o)); // as the specification says
        return VK_ERROR_OUT_OF_DEVICE_MEMORY;
    }
    VkResult result = VK_SUCCESS;
    if (!inject_skips())
        result = atomic_load(&real_vkCreateComputePipelines)(d, c, n, i, a, o);
    for (uint32_t k = 0; k < n && inject_skips(); k++) {
        const uintptr_t made = atomic_fetch_add(&next, 1);
        memcpy(&o[k], &made, sizeof(made));
    }
    inject_count(OBJECT_Pipeline, result == VK_SUCCESS ? (int)n : 0);
    return result;
}

static _Atomic(PFN_vkDestroyPipeline) real_vkDestroyPipeline;
static VKAPI_ATTR void VKAPI_CALL our_vkDestroyPipeline(VkDevice d, VkPipeline p, const VkAllocationCallbacks *a)
{
    inject_count(OBJECT_Pipeline, p ? -1 : 0);
    if (!inject_skips())
        atomic_load (&real_vkDestroyPipeline)(d, p, a);
}

static _Atomic(PFN_vkCmdBindPipeline) real_vkCmdBindPipeline;
static VKAPI_ATTR void VKAPI_CALL our_vkCmdBindPipeline(VkCommandBuffer c, VkPipelineBindPoint b, VkPipeline p)
{
    if (!inject_skips())
        atomic_load (&real_vkCmdBindPipeline)(c, b, p);
}

static _Atomic(PFN_vkCmdDispatch) real_vkCmdDispatch;
static VKAPI_ATTR void VKAPI_CALL our_vkCmdDispatch(VkCommandBuffer c, uint32_t x, uint32_t y, uint32_t z)
{
    if (!inject_skips())
        atomic_load (&real_vkCmdDispatch)(c, x, y, z);
}

// ---- handing them out ------------------------------------------------------------------------------------------------

#define ALL(X)                                \
    X(vkEnumerateInstanceExtensionProperties) \
    X(vkEnumerateInstanceLayerProperties)     \
    X(vkEnumerateInstanceVersion)             \
    X(vkEnumeratePhysicalDevices)             \
    X(vkEnumerateDeviceExtensionProperties)   \
    X(vkAllocateCommandBuffers)               \
    X(vkAllocateDescriptorSets)               \
    X(vkBeginCommandBuffer)                   \
    X(vkEndCommandBuffer)                     \
    X(vkBindBufferMemory)                     \
    X(vkGetPipelineCacheData)                 \
    X(vkGetQueryPoolResults)                  \
    X(vkMapMemory)                            \
    X(vkResetFences)                          \
    X(vkCreateInstance)                       \
    X(vkCreateDevice)                         \
    X(vkAllocateMemory)                       \
    X(vkCreateCommandPool)                    \
    X(vkCreateBuffer)                         \
    X(vkCreateBufferView)                     \
    X(vkCreateDescriptorPool)                 \
    X(vkCreateDescriptorSetLayout)            \
    X(vkCreatePipelineLayout)                 \
    X(vkCreatePipelineCache)                  \
    X(vkCreateShaderModule)                   \
    X(vkCreateQueryPool)                      \
    X(vkCreateSemaphore)                      \
    X(vkCreateFence)                          \
    X(vkFreeMemory)                           \
    X(vkDestroyCommandPool)                   \
    X(vkDestroyBuffer)                        \
    X(vkDestroyBufferView)                    \
    X(vkDestroyDescriptorPool)                \
    X(vkDestroyDescriptorSetLayout)           \
    X(vkDestroyPipelineLayout)                \
    X(vkDestroyPipelineCache)                 \
    X(vkDestroyShaderModule)                  \
    X(vkDestroyQueryPool)                     \
    X(vkDestroySemaphore)                     \
    X(vkDestroyFence)                         \
    X(vkDestroyInstance)                      \
    X(vkDestroyDevice)                        \
    X(vkQueueSubmit)                          \
    X(vkWaitForFences)                        \
    X(vkWaitSemaphores)                       \
    X(vkDeviceWaitIdle)                       \
    X(vkQueueWaitIdle)                        \
    X(vkCreateComputePipelines)               \
    X(vkDestroyPipeline)                      \
    X(vkCmdBindPipeline)                      \
    X(vkCmdDispatch)

static PFN_vkVoidFunction ours(const char *name, PFN_vkVoidFunction found)
{
#define HAND_OUT(function)                                     \
    if (found && strcmp(name, #function) == 0) {               \
        atomic_store(&real_##function, (PFN_##function)found); \
        return (PFN_vkVoidFunction)our_##function;             \
    }
    ALL(HAND_OUT)
#undef HAND_OUT
    return found;
}

static _Atomic(PFN_vkGetDeviceProcAddr) real_vkGetDeviceProcAddr;
static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL our_vkGetDeviceProcAddr(VkDevice d, const char *name)
{
    return ours(name, atomic_load(&real_vkGetDeviceProcAddr)(d, name));
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL our_vkGetInstanceProcAddr(VkInstance i, const char *name)
{
    const PFN_vkVoidFunction found = loader(i, name);
    if (found && strcmp(name, "vkGetDeviceProcAddr") == 0) {
        atomic_store(&real_vkGetDeviceProcAddr, (PFN_vkGetDeviceProcAddr)found);
        return (PFN_vkVoidFunction)our_vkGetDeviceProcAddr;
    }
    return ours(name, found);
}

void *inject_vulkan_get(void *get)
{
    const PFN_vkGetInstanceProcAddr ours_get = our_vkGetInstanceProcAddr;
    void *out;
    memcpy(&loader, &get, sizeof(loader)); // ISO C knows no cast between the two
    memcpy(&out, &ours_get, sizeof(out));
    return out;
}

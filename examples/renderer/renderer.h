// renderer.h - what in_frame.c has of a game: a Vulkan device with what daub wishes for, and a scene that is drawn offscreen.
#ifndef EXAMPLES_RENDERER_H
#define EXAMPLES_RENDERER_H
#include <daub.h>
#include <daub_vulkan.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

// clang-format off
#define INSTANCE_FUNCTIONS(F) \
    F(vkEnumeratePhysicalDevices) F(vkGetPhysicalDeviceMemoryProperties) F(vkCreateDevice) \
    F(vkGetDeviceProcAddr) F(vkDestroyInstance)
#define DEVICE_FUNCTIONS(F) \
    F(vkGetDeviceQueue) F(vkCreateBuffer) F(vkGetBufferMemoryRequirements) F(vkAllocateMemory) \
    F(vkBindBufferMemory) F(vkCreateShaderModule) F(vkCreateDescriptorSetLayout) F(vkCreatePipelineLayout) \
    F(vkCreateComputePipelines) F(vkCreateDescriptorPool) F(vkAllocateDescriptorSets) \
    F(vkUpdateDescriptorSets) F(vkCreateCommandPool) F(vkAllocateCommandBuffers) F(vkBeginCommandBuffer) \
    F(vkCmdBindPipeline) F(vkCmdBindDescriptorSets) F(vkCmdPushConstants) F(vkCmdDispatch) \
    F(vkCmdPipelineBarrier) \
    F(vkEndCommandBuffer) F(vkCreateFence) F(vkResetFences) F(vkWaitForFences) F(vkQueueSubmit) \
    F(vkDeviceWaitIdle) F(vkDestroyFence) F(vkDestroyCommandPool) F(vkDestroyDescriptorPool) \
    F(vkDestroyPipeline) F(vkDestroyPipelineLayout) F(vkDestroyDescriptorSetLayout) F(vkDestroyShaderModule) \
    F(vkFreeMemory) F(vkDestroyBuffer) F(vkDestroyDevice)
// clang-format on

struct renderer {
    PFN_vkGetInstanceProcAddr get;
    VkInstance instance;
    VkPhysicalDevice gpu;
    VkPhysicalDeviceMemoryProperties memory_types;
    VkDevice device;
    uint32_t family;
    VkQueue queue;
    pthread_mutex_t lock; // of the queue, which daub submits to as well
    daub_vulkan_wishes wishes;
    VkPhysicalDeviceFeatures2 features;
    daub_vulkan_features room;
    VkBuffer pixels;
    VkDeviceMemory memory;
    VkShaderModule module;
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkPipeline pipeline;
    VkDescriptorPool sets;
    VkDescriptorSet set;
    VkCommandPool pool;
    VkCommandBuffer cb;
    VkFence drawn;
#define MEMBER(f) PFN_##f f;
    INSTANCE_FUNCTIONS(MEMBER) DEVICE_FUNCTIONS(MEMBER)
#undef MEMBER
};

#define VK(call)                                                                \
    do {                                                                        \
        const VkResult result_ = (call);                                        \
        if (result_ != VK_SUCCESS) {                                            \
            fprintf(stderr, "in_frame: %s failed (%d)\n", #call, (int)result_); \
            exit(1);                                                            \
        }                                                                       \
    } while (0)

#define DAUB(call)                                                \
    do {                                                          \
        if ((call) != DAUB_OK) {                                  \
            fprintf(stderr, "in_frame: %s\n", daub_last_error()); \
            exit(1);                                              \
        }                                                         \
    } while (0)

void renderer_open(struct renderer *r); // ends the program with 77 where there is no Vulkan
void renderer_close(struct renderer *r);
// Records and submits one frame, then so many dispatches more that draw its first rows again; r->drawn tells when it is there.
void renderer_draw(struct renderer *r, double seconds, uint32_t more);
// daub_vulkan_device_params.lock_queue and unlock_queue; `user` is the renderer.
void renderer_lock_queue(void *user);
void renderer_unlock_queue(void *user);

#endif

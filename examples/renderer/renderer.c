// renderer.c - see renderer.h.
#include "renderer.h"

#include <dlfcn.h>
#include <string.h>

static const uint32_t scene_code[] = {
#include "scene.inc"
};

enum { WIDTH = 192, HEIGHT = 108 };

static void open_device(struct renderer *r)
{
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "vkGetInstanceProcAddr") : NULL;
    if (!symbol) {
        fprintf(stderr, "in_frame: there is no libvulkan.so.1\n");
        exit(77);
    }
    memcpy(&r->get, &symbol, sizeof(symbol));
    const VkApplicationInfo app = { .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_3 };
    const VkInstanceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app };
    const PFN_vkCreateInstance create = (PFN_vkCreateInstance)r->get(NULL, "vkCreateInstance");
    VK(create(&info, NULL, &r->instance));
#define LOAD(f) r->f = (PFN_##f)r->get(r->instance, #f);
    INSTANCE_FUNCTIONS(LOAD)
#undef LOAD
    uint32_t n = 1;
    if (r->vkEnumeratePhysicalDevices(r->instance, &n, &r->gpu) < 0 || n == 0) {
        fprintf(stderr, "in_frame: there is no Vulkan device\n");
        exit(77);
    }
    r->vkGetPhysicalDeviceMemoryProperties(r->gpu, &r->memory_types);

    // What daub can make use of goes into our own device; nothing of it has to be there.
    r->wishes.struct_size = sizeof(r->wishes);
    DAUB(daub_vulkan_wishes_get(daub_vulkan_wishes_params(.get_instance_proc_addr = r->get, .instance = r->instance,
                                                          .physical_device = r->gpu, .api_version = VK_API_VERSION_1_3),
                                &r->wishes));
    r->features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    daub_vulkan_wishes_chain(&r->wishes, &r->features, &r->room);
    r->family = r->wishes.queue_family;
    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = r->family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo device = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &r->features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = r->wishes.n_extensions,
        .ppEnabledExtensionNames = r->wishes.extensions,
    };
    VK(r->vkCreateDevice(r->gpu, &device, NULL, &r->device));
#define LOAD(f) r->f = (PFN_##f)r->vkGetDeviceProcAddr(r->device, #f);
    DEVICE_FUNCTIONS(LOAD)
#undef LOAD
    r->vkGetDeviceQueue(r->device, r->family, 0, &r->queue);
}

static void make_target(struct renderer *r)
{
    const VkBufferCreateInfo buffer = { .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                        .size = WIDTH * HEIGHT * 4,
                                        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT };
    VK(r->vkCreateBuffer(r->device, &buffer, NULL, &r->pixels));
    VkMemoryRequirements need;
    r->vkGetBufferMemoryRequirements(r->device, r->pixels, &need);
    uint32_t type = 0;
    while (!(need.memoryTypeBits >> type & 1) ||
           !(r->memory_types.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT))
        type++;
    const VkMemoryAllocateInfo memory = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                          .allocationSize = need.size,
                                          .memoryTypeIndex = type };
    VK(r->vkAllocateMemory(r->device, &memory, NULL, &r->memory));
    VK(r->vkBindBufferMemory(r->device, r->pixels, r->memory, 0));
}

static void make_pipeline(struct renderer *r)
{
    const VkShaderModuleCreateInfo module = { .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                              .codeSize = sizeof(scene_code),
                                              .pCode = scene_code };
    VK(r->vkCreateShaderModule(r->device, &module, NULL, &r->module));
    const VkDescriptorSetLayoutBinding binding = { .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                                   .descriptorCount = 1,
                                                   .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT };
    const VkDescriptorSetLayoutCreateInfo set = { .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                                  .bindingCount = 1,
                                                  .pBindings = &binding };
    VK(r->vkCreateDescriptorSetLayout(r->device, &set, NULL, &r->set_layout));
    const VkPushConstantRange push = { .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = 12 };
    const VkPipelineLayoutCreateInfo layout = { .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                                .setLayoutCount = 1,
                                                .pSetLayouts = &r->set_layout,
                                                .pushConstantRangeCount = 1,
                                                .pPushConstantRanges = &push };
    VK(r->vkCreatePipelineLayout(r->device, &layout, NULL, &r->layout));
    const VkComputePipelineCreateInfo pipeline = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = { .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                   .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                   .module = r->module,
                   .pName = "main" },
        .layout = r->layout,
    };
    VK(r->vkCreateComputePipelines(r->device, VK_NULL_HANDLE, 1, &pipeline, NULL, &r->pipeline));
    const VkDescriptorPoolSize size = { .type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .descriptorCount = 1 };
    const VkDescriptorPoolCreateInfo sets = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = 1, .poolSizeCount = 1, .pPoolSizes = &size
    };
    VK(r->vkCreateDescriptorPool(r->device, &sets, NULL, &r->sets));
    const VkDescriptorSetAllocateInfo take = { .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                               .descriptorPool = r->sets,
                                               .descriptorSetCount = 1,
                                               .pSetLayouts = &r->set_layout };
    VK(r->vkAllocateDescriptorSets(r->device, &take, &r->set));
    const VkDescriptorBufferInfo target = { .buffer = r->pixels, .range = VK_WHOLE_SIZE };
    const VkWriteDescriptorSet write = { .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                         .dstSet = r->set,
                                         .descriptorCount = 1,
                                         .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                         .pBufferInfo = &target };
    r->vkUpdateDescriptorSets(r->device, 1, &write, 0, NULL);
}

void renderer_open(struct renderer *r)
{
    open_device(r);
    make_target(r);
    make_pipeline(r);
    const VkCommandPoolCreateInfo pool = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                           .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                           .queueFamilyIndex = r->family };
    VK(r->vkCreateCommandPool(r->device, &pool, NULL, &r->pool));
    const VkCommandBufferAllocateInfo cb = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                             .commandPool = r->pool,
                                             .commandBufferCount = 1 };
    VK(r->vkAllocateCommandBuffers(r->device, &cb, &r->cb));
    const VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
    VK(r->vkCreateFence(r->device, &fence, NULL, &r->drawn));
    pthread_mutex_init(&r->lock, NULL);
}

void renderer_close(struct renderer *r)
{
    r->vkDeviceWaitIdle(r->device);
    r->vkDestroyFence(r->device, r->drawn, NULL);
    r->vkDestroyCommandPool(r->device, r->pool, NULL);
    r->vkDestroyDescriptorPool(r->device, r->sets, NULL);
    r->vkDestroyPipeline(r->device, r->pipeline, NULL);
    r->vkDestroyPipelineLayout(r->device, r->layout, NULL);
    r->vkDestroyDescriptorSetLayout(r->device, r->set_layout, NULL);
    r->vkDestroyShaderModule(r->device, r->module, NULL);
    r->vkDestroyBuffer(r->device, r->pixels, NULL);
    r->vkFreeMemory(r->device, r->memory, NULL);
    r->vkDestroyDevice(r->device, NULL);
    r->vkDestroyInstance(r->instance, NULL);
    pthread_mutex_destroy(&r->lock);
}

void renderer_draw(struct renderer *r, double seconds, uint32_t more)
{
    const struct {
        float time;
        uint32_t width, height;
    } push = { (float)seconds, WIDTH, HEIGHT };
    const VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                             .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT };
    VK(r->vkResetFences(r->device, 1, &r->drawn));
    VK(r->vkBeginCommandBuffer(r->cb, &begin));
    r->vkCmdBindPipeline(r->cb, VK_PIPELINE_BIND_POINT_COMPUTE, r->pipeline);
    r->vkCmdBindDescriptorSets(r->cb, VK_PIPELINE_BIND_POINT_COMPUTE, r->layout, 0, 1, &r->set, 0, NULL);
    r->vkCmdPushConstants(r->cb, r->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(push), &push);
    const VkMemoryBarrier one_by_one = { .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                         .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                                         .dstAccessMask = VK_ACCESS_SHADER_WRITE_BIT };
    r->vkCmdDispatch(r->cb, (WIDTH + 7) / 8, (HEIGHT + 7) / 8, 1);
    for (uint32_t i = 0; i < more; i++) {
        r->vkCmdPipelineBarrier(r->cb, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1,
                                &one_by_one, 0, NULL, 0, NULL);
        r->vkCmdDispatch(r->cb, (WIDTH + 7) / 8, 2, 1);
    }
    VK(r->vkEndCommandBuffer(r->cb));
    const VkSubmitInfo submit = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                  .commandBufferCount = 1,
                                  .pCommandBuffers = &r->cb };
    pthread_mutex_lock(&r->lock);
    VK(r->vkQueueSubmit(r->queue, 1, &submit, r->drawn));
    pthread_mutex_unlock(&r->lock);
}

void renderer_lock_queue(void *user)
{
    pthread_mutex_lock(&((struct renderer *)user)->lock);
}

void renderer_unlock_queue(void *user)
{
    pthread_mutex_unlock(&((struct renderer *)user)->lock);
}

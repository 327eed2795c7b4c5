// test_vulkan_export.c - a result of daub's own device imported into another one, where the driver can; else the sentence.
#include "runtime/vk/device.h"
#include "tests/api/harness_vulkan.h"

enum { W = 64, H = 64 };

#define PROMPT .prompt = "a red apple", .n_steps = 2, .seed = 3

static daub_device *dev;
static daub_model *model;

static VkDeviceMemory import(struct host *host, const daub_vulkan_export_info *info, intptr_t fd, VkBuffer *buffer)
{
    const VkExternalMemoryBufferCreateInfo external = { .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
                                                        .handleTypes = info->memory_handle };
    const VkBufferCreateInfo buffer_info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = &external,
        .size = info->buffer_size,
        .usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
                 VK_BUFFER_USAGE_STORAGE_BUFFER_BIT,
    };
    REQUIRE(host->vkCreateBuffer(host->device, &buffer_info, NULL, buffer) == VK_SUCCESS);
    VkMemoryRequirements need;
    host->vkGetBufferMemoryRequirements(host->device, *buffer, &need);
    REQUIRE(need.size <= info->size && (need.memoryTypeBits & (1u << info->memory_type)));
    const VkMemoryDedicatedAllocateInfo own = { .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
                                                .buffer = *buffer };
    const VkImportMemoryFdInfoKHR imported = { .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
                                               .pNext = info->dedicated ? &own : NULL,
                                               .handleType = info->memory_handle,
                                               .fd = (int)fd };
    const VkMemoryAllocateInfo allocate = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                            .pNext = &imported,
                                            .allocationSize = info->size,
                                            .memoryTypeIndex = info->memory_type };
    VkDeviceMemory memory;
    REQUIRE(host->vkAllocateMemory(host->device, &allocate, NULL, &memory) == VK_SUCCESS);
    REQUIRE(host->vkBindBufferMemory(host->device, *buffer, memory, 0) == VK_SUCCESS);
    return memory;
}

// Acquires the buffer from outside and copies it to where the host can see it.
static void read_imported(struct host *host, VkBuffer buffer, VkSemaphore semaphore, uint8_t *pixels)
{
    struct host_image image = host_image(host, VK_FORMAT_R8G8B8A8_UNORM, W, H);
    const VkBufferMemoryBarrier acquire = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
        .dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT,
        .srcQueueFamilyIndex = VK_QUEUE_FAMILY_EXTERNAL,
        .dstQueueFamilyIndex = host->family,
        .buffer = buffer,
        .size = VK_WHOLE_SIZE,
    };
    const VkBufferImageCopy region = { .imageSubresource = { VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1 },
                                       .imageExtent = { W, H, 1 } };
    const daub_vulkan_semaphore wait = { .semaphore = semaphore };
    host_begin(host);
    host->vkCmdPipelineBarrier(host->cb, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, NULL,
                               1, &acquire, 0, NULL);
    host_image_layout(host, &image, VK_IMAGE_LAYOUT_UNDEFINED, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL);
    host->vkCmdCopyBufferToImage(host->cb, buffer, image.handle, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1, &region);
    host_submit(host, semaphore ? &wait : NULL, NULL);
    host_image_read(host, &image, VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, pixels);
    host_image_free(host, &image);
}

static VkSemaphore import_semaphore(struct host *host, daub_vulkan_export *exported)
{
    intptr_t fd = -1;
    REQUIRE_OK(daub_vulkan_export_take_semaphore(exported, &fd));
    const VkSemaphore semaphore = host_semaphore(host, false);
    const VkImportSemaphoreFdInfoKHR info = { .sType = VK_STRUCTURE_TYPE_IMPORT_SEMAPHORE_FD_INFO_KHR,
                                              .semaphore = semaphore,
                                              .handleType = VK_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD_BIT,
                                              .fd = (int)fd };
    REQUIRE(host->vkImportSemaphoreFdKHR(host->device, &info) == VK_SUCCESS);
    return semaphore;
}

static void import_result(bool with_semaphore)
{
    static const char *const extensions[] = { VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, NULL };
    static const char *const both[] = { VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
                                        VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME, NULL };
    struct host host;
    daub_vulkan_export *exported = NULL;
    daub_vulkan_export_info info = { .struct_size = sizeof(info) };
    daub_job *job = NULL;
    host_open(&host, HOST_WISHES, with_semaphore ? both : extensions);
    REQUIRE_OK(daub_vulkan_export_create(
        dev, daub_vulkan_export_params(.width = W, .height = H, .semaphore = with_semaphore), &exported));
    REQUIRE_OK(daub_vulkan_export_get_info(exported, &info));
    REQUIRE(info.buffer_size == 4 * W * H && info.size >= info.buffer_size);
    REQUIRE((info.semaphore_handle != 0) == with_semaphore);
    intptr_t fd = -1;
    REQUIRE_OK(daub_vulkan_export_take_memory(exported, &fd));
    REQUIRE(fd >= 0);
    VkBuffer buffer;
    const VkDeviceMemory memory = import(&host, &info, fd, &buffer);
    const VkSemaphore semaphore = with_semaphore ? import_semaphore(&host, exported) : VK_NULL_HANDLE;

    const daub_vulkan_io io = { .struct_size = sizeof(io), .result = { .exported = exported } };
    for (uint64_t seed = 1; seed < 3; seed++) { // a second result takes the first one's place
        daub_image image = { 0 };
        uint8_t pixels[4 * W * H];
        REQUIRE_OK(daub_generate(model, daub_generate_params(.prompt = "a star", .n_steps = 2, .seed = seed), &image));
        REQUIRE_OK(daub_job_submit(
            model, daub_generate_params(.prompt = "a star", .n_steps = 2, .seed = seed, .vulkan = &io), &job));
        REQUIRE_OK(daub_job_wait(job, UINT64_MAX, NULL));
        read_imported(&host, buffer, semaphore, pixels);
        for (uint32_t i = 0; i < W * H; i++)
            REQUIRE(memcmp(pixels + 4 * i, image.pixels + 3 * i, 3) == 0 && pixels[4 * i + 3] == 255);
        REQUIRE_STATUS(daub_vulkan_export_destroy(&exported), DAUB_ERROR_INVALID_ARG, "still has 1 job");
        daub_job_destroy(&job);
        daub_image_free(&image);
    }
    REQUIRE_STATUS(daub_job_submit(model, daub_generate_params(PROMPT, .width = 72, .vulkan = &io), &job),
                   DAUB_ERROR_INVALID_ARG, "is for 64x64 pixels, and the picture has 72x64");
    if (!with_semaphore)
        REQUIRE_STATUS(daub_vulkan_export_take_semaphore(exported, &fd), DAUB_ERROR_INVALID_ARG, "without a semaphore");
    REQUIRE_OK(daub_vulkan_export_destroy(&exported));
    REQUIRE(!exported);
    REQUIRE_OK(daub_vulkan_export_destroy(&exported));
    if (semaphore)
        host.vkDestroySemaphore(host.device, semaphore, NULL);
    host.vkDestroyBuffer(host.device, buffer, NULL);
    host.vkFreeMemory(host.device, memory, NULL);
    host_close(&host);
}

// A host's device that did not enable the extension says so.
static void a_host_that_cannot(void)
{
    struct host host;
    daub_vulkan_export *exported = NULL;
    host_open(&host, HOST_BARE, NULL);
    daub_device *bare = host_daub(&host);
    REQUIRE_STATUS(daub_vulkan_export_create(bare, daub_vulkan_export_params(.width = W, .height = H), &exported),
                   DAUB_ERROR_UNSUPPORTED, "has no VK_KHR_external_memory_fd enabled");
    REQUIRE_OK(daub_device_destroy(&bare));
    host_close(&host);
}

static void arguments(void)
{
    daub_vulkan_export *exported = NULL;
    intptr_t fd;
    daub_vulkan_export_info info = { .struct_size = sizeof(info) };
    REQUIRE_STATUS(daub_vulkan_export_create(NULL, NULL, &exported), DAUB_ERROR_INVALID_ARG, "dev is NULL");
    REQUIRE_STATUS(daub_vulkan_export_create(dev, NULL, NULL), DAUB_ERROR_INVALID_ARG, "out is NULL");
    REQUIRE_STATUS(daub_vulkan_export_create(dev, NULL, &exported), DAUB_ERROR_INVALID_ARG, "0x0 is outside 1..16384");
    REQUIRE_STATUS(daub_vulkan_export_create(dev, daub_vulkan_export_params(.width = 20000, .height = 1), &exported),
                   DAUB_ERROR_INVALID_ARG, "20000x1");
    REQUIRE_STATUS(
        daub_vulkan_export_create(
            dev, daub_vulkan_export_params(.width = 8, .height = 8, .format = VK_FORMAT_R8G8B8A8_SRGB), &exported),
        DAUB_ERROR_INVALID_ARG, "format is 43, which is none of");
    REQUIRE_STATUS(daub_vulkan_export_get_info(NULL, &info), DAUB_ERROR_INVALID_ARG, "exported is NULL");
    REQUIRE_STATUS(daub_vulkan_export_take_memory(NULL, &fd), DAUB_ERROR_INVALID_ARG, "exported is NULL");
    REQUIRE_STATUS(daub_vulkan_export_take_semaphore(NULL, &fd), DAUB_ERROR_INVALID_ARG, "exported is NULL");
    REQUIRE_OK(daub_vulkan_export_destroy(NULL));
    REQUIRE(!exported);
}

int main(void)
{
    daub_vulkan_export *exported = NULL;
    REQUIRE_OK(daub_device_create(daub_device_params(.debug = "validate,nocache"), &dev));
    REQUIRE_OK(daub_model_load(dev, NULL, NULL, &model));
    arguments();
    daub_status status = daub_vulkan_export_create(dev, daub_vulkan_export_params(.width = W, .height = H), &exported);
    printf("memory: %s\n", status == DAUB_OK ? "can be exported" : daub_last_error());
    if (status == DAUB_OK) {
        REQUIRE_OK(daub_model_destroy(&model));
        REQUIRE_STATUS(daub_device_destroy(&dev), DAUB_ERROR_INVALID_ARG, "still has 1 export");
        REQUIRE_OK(daub_vulkan_export_destroy(&exported));
        REQUIRE_OK(daub_model_load(dev, NULL, NULL, &model));
        import_result(false);
        status = daub_vulkan_export_create(dev, daub_vulkan_export_params(.width = W, .height = H, .semaphore = true),
                                           &exported);
        printf("semaphores: %s\n", status == DAUB_OK ? "can be exported" : daub_last_error());
        if (status == DAUB_OK) {
            REQUIRE_OK(daub_vulkan_export_destroy(&exported));
            import_result(true);
        }
    }
    REQUIRE(status == DAUB_OK || (status == DAUB_ERROR_UNSUPPORTED && strstr(daub_last_error(), "cannot export")));
    a_host_that_cannot();
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE(daub_device_validation_errors(dev) == 0);
    REQUIRE_OK(daub_device_destroy(&dev));
    return 0;
}

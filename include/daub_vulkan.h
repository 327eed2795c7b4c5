// daub_vulkan.h - daub inside a program that has its own Vulkan: on its device and queue, from and into its images and buffers.
//
//     daub_vulkan_wishes wishes = { .struct_size = sizeof(wishes) }; // before the host creates its device
//     daub_vulkan_wishes_get(daub_vulkan_wishes_params(.get_instance_proc_addr = vkGetInstanceProcAddr,
//         .instance = instance, .physical_device = gpu, .api_version = VK_API_VERSION_1_3), &wishes);
//     daub_vulkan_features room;
//     daub_vulkan_wishes_chain(&wishes, &features, &room);    // into what vkCreateDevice will get
//     ...
//     daub_vulkan_device_create(daub_vulkan_device_params(.get_instance_proc_addr = vkGetInstanceProcAddr,
//         .instance = instance, .api_version = VK_API_VERSION_1_3, .physical_device = gpu, .device = device,
//         .features = &features, .queue_family = family, .queue = queue), &dev);
//     daub_model_load(dev, "sd15.safetensors", NULL, &model);
//     const daub_vulkan_io io = { .struct_size = sizeof(io), .result = { .image = texture, .width = 512, .height = 512,
//         .final_layout = VK_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL } };
//     daub_job_submit(model, daub_generate_params(.prompt = "a red fox in snow", .vulkan = &io), &job);
//
// A host device needs nothing enabled: Vulkan 1.1, a queue with compute, no extension and no feature. What daub_vulkan_wishes_get names
// makes waiting cheaper, and changes no byte of a picture.
//
// The rules of daub.h hold here too. Beyond them:
//
// - Ownership: daub destroys nothing of the host's, enables nothing, and does not wait for the host's work, neither for the device nor
//   (but for one case, see lock_queue) for the queue. The instance, the device and the queue must outlive the daub_device; images, buffers and semaphores the daub_job.
// - Threads: daub submits from the threads that run its calls and jobs. A queue that the host uses too needs lock_queue and unlock_queue.
// - State: nothing of one daub_device is visible to another, whatever instances and devices they are on.
// - A VkFormat, VkImage and so on is the Vulkan headers' own; Vulkan-Headers 1.3.204 or later.
#ifndef DAUB_VULKAN_H
#define DAUB_VULKAN_H

#include "daub.h"

#include <vulkan/vulkan_core.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- before there is a device ------------------------------------------------------------------------------------

// Of which physical device the wishes are.
typedef struct daub_vulkan_wishes_params {
    uint32_t struct_size;
    uint32_t api_version; // of the instance: VkApplicationInfo.apiVersion; 0: 1.1
    PFN_vkGetInstanceProcAddr get_instance_proc_addr;
    VkInstance instance;
    VkPhysicalDevice physical_device;
} daub_vulkan_wishes_params;

#define daub_vulkan_wishes_params(...) \
    (&(daub_vulkan_wishes_params) { .struct_size = sizeof(daub_vulkan_wishes_params), __VA_ARGS__ })

// What daub would make use of on a physical device, and can do without.
typedef struct daub_vulkan_wishes {
    uint32_t struct_size;
    bool usable;             // meets the minimum
    char reason[256];        // why it is not usable; else ""
    uint32_t api_version;    // the highest that daub makes use of here, VK_MAKE_API_VERSION form
    uint32_t queue_family;   // where daub would work: compute, with graphics where there is such a family
    bool timeline_semaphore; // the feature of that name; waiting then takes no fences
    bool synchronization2;
    uint32_t n_extensions;
    const char *extensions[4]; // of the device; static strings
} daub_vulkan_wishes;

// Errors: INVALID_ARG (a NULL handle), NO_HOST_MEMORY. A device that is not usable is no error here.
DAUB_API daub_status daub_vulkan_wishes_get(const daub_vulkan_wishes_params *params, daub_vulkan_wishes *out);

// Room for what daub_vulkan_wishes_chain may have to add.
typedef struct daub_vulkan_features {
    VkPhysicalDeviceTimelineSemaphoreFeatures timeline_semaphore;
    VkPhysicalDeviceSynchronization2Features synchronization2;
} daub_vulkan_features;

// Asks for the wished features in the chain that begins with `features` and goes to vkCreateDevice: in the structs that are there
// (VkPhysicalDeviceVulkan12Features, VkPhysicalDeviceVulkan13Features or the features' own), and else in ones from `room`, which are put
// at its end and must live as long as the chain does. Takes nothing away. NULL arguments: does nothing.
DAUB_API void daub_vulkan_wishes_chain(const daub_vulkan_wishes *wishes, VkPhysicalDeviceFeatures2 *features,
                                       daub_vulkan_features *room);

// ---- the host's device -------------------------------------------------------------------------------------------

// The host's device, and what of it daub may use.
typedef struct daub_vulkan_device_params {
    uint32_t struct_size;
    uint32_t api_version; // the instance and the device were made for; 0: 1.1. daub uses no function of a later version
    PFN_vkGetInstanceProcAddr get_instance_proc_addr;
    VkInstance instance;
    VkPhysicalDevice physical_device;
    VkDevice device;
    // A queue of `device` with compute, and its family. Work is submitted to it and waited for with semaphores or fences of daub's own.
    VkQueue queue;
    uint32_t queue_family;

    // What the host enabled on the device: daub makes use of no other. NULL and 0: nothing.
    const VkPhysicalDeviceFeatures2 *features; // as given to vkCreateDevice, with its chain; read during the call only
    const char *const *extensions;
    uint32_t n_extensions;
    bool
        debug_utils; // VK_EXT_debug_utils is enabled on the instance: daub's objects get names if DAUB_DEBUG has "names"

    // Called around every vkQueueSubmit of daub's, on the thread that submits, and around vkQueueWaitIdle in one case: the driver refused to
    // wait for daub's own work (it is out of memory, say), and what that work uses is about to be freed. Both or neither; NULL: daub has the
    // queue to itself. They must not call daub, and no thread may call daub while it holds the lock itself.
    void (*lock_queue)(void *user);
    void (*unlock_queue)(void *user);
    void *queue_user;

    // Everything else, as for daub_device_create; `device` in it must be NULL, and "validate" is the host's to enable. NULL: defaults.
    const daub_device_params *params;
} daub_vulkan_device_params;

#define daub_vulkan_device_params(...) \
    (&(daub_vulkan_device_params) { .struct_size = sizeof(daub_vulkan_device_params), __VA_ARGS__ })

// A daub device on the host's. Everything of daub.h works on it. daub_device_destroy waits for daub's own work and leaves the host's
// objects as they are. Errors: INVALID_ARG (a NULL handle, a family without compute, one lock callback of two, an unknown word),
// NO_DEVICE (below the minimum; the sentence says what is missing), NO_HOST_MEMORY, NO_GPU_MEMORY.
DAUB_API daub_status daub_vulkan_device_create(const daub_vulkan_device_params *params, daub_device **out);

// ---- the host's pictures -----------------------------------------------------------------------------------------

// A semaphore to wait for or to signal; zeroed: none. Waiting for a binary semaphore unsignals it, once.
typedef struct daub_vulkan_semaphore {
    VkSemaphore semaphore;
    bool timeline;  // needs the feature enabled
    uint64_t value; // of a timeline semaphore
} daub_vulkan_semaphore;

typedef struct daub_vulkan_export daub_vulkan_export; // see the end of this header

// Where pixels lie: one of image, buffer and exported. Rows are top down.
//
// Formats: VK_FORMAT_R8G8B8A8_UNORM (0 means this one), VK_FORMAT_R8G8B8A8_SRGB, VK_FORMAT_R16G16B16A16_SFLOAT and
// VK_FORMAT_R32G32B32A32_SFLOAT. Every value is sRGB-encoded, 0..1, alpha 1: the bytes are those of daub_image, floats are what they were
// rounded from. So an SRGB image is sampled as linear light, the others as encoded values.
typedef struct daub_vulkan_picture {
    VkFormat format;

    // An image: 2D, one sample, of that format, with usage TRANSFER_DST (results) or TRANSFER_SRC (inputs), in optimal or linear tiling.
    // The picture is written to or read from the rectangle of its own size at x, y of one level and layer.
    VkImage image;
    uint32_t width, height; // texels of the level; 0: the picture's own size
    uint32_t x, y;
    uint32_t level, layer;
    VkImageLayout old_layout;   // at hand-over; for results UNDEFINED gives up what was there, around the rectangle too
    VkImageLayout final_layout; // left behind; not UNDEFINED nor PREINITIALIZED

    // A buffer with usage TRANSFER_DST (results) or TRANSFER_SRC (inputs). `format` may not be SRGB, which differs in nothing.
    VkBuffer buffer;
    VkDeviceSize buffer_size; // bytes of the VkBuffer
    VkDeviceSize offset;      // of the first pixel; a multiple of 4
    VkDeviceSize row_pitch;   // bytes from row to row, a multiple of 4; 0: width times the pixel's size

    daub_vulkan_export *exported; // on daub's own device; for results only

    // Ownership of an exclusive image or buffer: false, daub's queue family has it, or it is shared (CONCURRENT). True: the host has
    // released it from from_family to daub's family, and daub releases it to to_family, with the layouts above; the host acquires it.
    bool transfer;
    uint32_t from_family, to_family;
} daub_vulkan_picture;

// Text embeddings in a buffer with usage TRANSFER_SRC, [tokens, width of the text encoder], tight; zeroed: none.
typedef struct daub_vulkan_embeds {
    VkBuffer buffer;
    VkDeviceSize buffer_size;
    VkDeviceSize offset; // a multiple of 4
    uint32_t tokens;     // 1..4096
    VkFormat format;     // VK_FORMAT_R32_SFLOAT (0 means this one) or VK_FORMAT_R16_SFLOAT
} daub_vulkan_embeds;

// What one job reads from the host's memory and writes to it: daub_generate_params.vulkan. Copied when the job is submitted.
//
// The result goes from the decoder to the host's memory on the GPU; no byte of it passes through the host. daub_job_take_image then has
// nothing to give, and daub_generate leaves its image as it was. It is all written or not at all, by one submission: a job that fails or
// is cancelled leaves the result, its layout, result_wait and result_signal alone, so wait for a binary result_signal only once
// daub_job_wait has said DAUB_OK. Inputs are read by one submission too, when the job's turn comes; a job that ends before that has not
// touched their semaphores. Until then and until the result is there, the host must not use what it gave. Once submitted, either waits
// for its semaphore whatever becomes of the job: daub_job_cancel and daub_job_destroy do not end one before input_wait is signalled.
//
// With result_signal a job is done when that submission is on the queue; without, when it has been executed. daub_job_destroy waits
// for it in any case. Whatever shares the queue comes after result_wait too: a signal that the host has yet to submit must not be
// submitted to the same queue.
//
// The host may use the result after result_signal; or, in work submitted to the same queue after the job is done, without any barrier;
// or from the host's side, after the job is done (no result_signal), without any barrier for memory that is coherent.
typedef struct daub_vulkan_io {
    uint32_t struct_size;

    daub_vulkan_picture result;          // zeroed: none; the picture is then daub_job_take_image's
    daub_vulkan_semaphore result_wait;   // before anything is written
    daub_vulkan_semaphore result_signal; // after

    // Instead of prompts: as prompt_embeds_path, and never both. negative_embeds is required where guidance is on, in the same format.
    // Read when the job begins, through the host's memory.
    daub_vulkan_embeds prompt_embeds, negative_embeds;
    // Instead of daub_generate_params.init and .mask, and like them; the picture's width and height default to init's. Images are left in
    // final_layout, or by default (UNDEFINED) as they were. Floats are rounded to bytes. Read with the embeddings.
    daub_vulkan_picture init, mask;
    daub_vulkan_semaphore input_wait;   // before anything is read
    daub_vulkan_semaphore input_signal; // after
} daub_vulkan_io;

// Beside the rest, a job with a result in the host's memory holds it in daub's own until it is handed over: width * height * the pixel's
// size, and 4 bytes a pixel more with a mask; daub_estimate has them under staging.

// ---- export ------------------------------------------------------------------------------------------------------

// Where a host cannot share its device: a result in memory of daub's own device that another device, API or process can import. Needs
// VK_KHR_external_memory_fd (Windows: VK_KHR_external_memory_win32) in the driver, which daub's own devices enable where it exists; on
// a host's device the host enables it.
typedef struct daub_vulkan_export_params {
    uint32_t struct_size;
    VkFormat format;        // as of a buffer in daub_vulkan_picture
    uint32_t width, height; // pixels of the results, 1..16384
    bool semaphore; // a binary semaphore too, signalled by every result: to be waited for once before the next result
} daub_vulkan_export_params;

#define daub_vulkan_export_params(...) \
    (&(daub_vulkan_export_params) { .struct_size = sizeof(daub_vulkan_export_params), __VA_ARGS__ })

// What an importer must know.
typedef struct daub_vulkan_export_info {
    uint32_t struct_size;
    VkDeviceSize size; // of the memory object: what the importer's VkMemoryAllocateInfo must say
    // Of the VkBuffer in it, at offset 0, of usage TRANSFER_SRC, TRANSFER_DST and STORAGE_BUFFER and without flags.
    VkDeviceSize buffer_size;
    uint32_t memory_type;                                         // index, on the same physical device
    bool dedicated;                                               // the importer must use a dedicated allocation
    VkExternalMemoryHandleTypeFlagBits memory_handle;             // OPAQUE_FD or OPAQUE_WIN32
    VkExternalSemaphoreHandleTypeFlagBits semaphore_handle;       // the same, or 0 without a semaphore
    uint8_t device_uuid[VK_UUID_SIZE], driver_uuid[VK_UUID_SIZE]; // which the importer's must equal
} daub_vulkan_export_info;

// Errors: INVALID_ARG, UNSUPPORTED (the driver cannot export memory or semaphores; the sentence says which), NO_GPU_MEMORY.
DAUB_API daub_status daub_vulkan_export_create(daub_device *dev, const daub_vulkan_export_params *params,
                                               daub_vulkan_export **out);
// Errors: INVALID_ARG while jobs that write to it exist. What was imported elsewhere stays valid there.
DAUB_API daub_status daub_vulkan_export_destroy(daub_vulkan_export **exported);
DAUB_API daub_status daub_vulkan_export_get_info(const daub_vulkan_export *exported, daub_vulkan_export_info *out);
// A new handle to the memory, and to the semaphore: a file descriptor, or on Windows a HANDLE as an integer. Yours: importing it hands it
// over (close it if you do not; on Windows, close it always). Between devices the memory belongs to VK_QUEUE_FAMILY_EXTERNAL whenever
// daub is not writing to it. Errors: INVALID_ARG (no semaphore was asked for), what the driver says.
DAUB_API daub_status daub_vulkan_export_take_memory(daub_vulkan_export *exported, intptr_t *handle);
DAUB_API daub_status daub_vulkan_export_take_semaphore(daub_vulkan_export *exported, intptr_t *handle);

#ifdef __cplusplus
}
#endif
#endif

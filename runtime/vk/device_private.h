// device_private.h - the fields of a device, and what the files of runtime/vk need of one another.
#ifndef DAUB_VK_DEVICE_PRIVATE_H
#define DAUB_VK_DEVICE_PRIVATE_H
#include "runtime/base/thread.h"
#include "runtime/vk/buffer.h"
#include "runtime/vk/cmd.h"
#include "runtime/vk/instance.h"
#include "runtime/vk/result.h"

struct daub_heap;    // memory.c
struct daub_queue;   // queue.c
struct daub_staging; // transfer.c
struct daub_kernels; // kernel.c
struct daub_clocks;  // piece.c
struct daub_costs;   // costs.c

// What memory and semaphores are exported by (export.c), if the device has it enabled.
#if defined(_WIN32)
#define DAUB_EXTERNAL_MEMORY "VK_KHR_external_memory_win32"
#define DAUB_EXTERNAL_SEMAPHORE "VK_KHR_external_semaphore_win32"
#else
#define DAUB_EXTERNAL_MEMORY "VK_KHR_external_memory_fd"
#define DAUB_EXTERNAL_SEMAPHORE "VK_KHR_external_semaphore_fd"
#endif

struct daub_device {
    struct daub_host host;
    struct daub_debug debug;
    struct daub_caps_mask mask;
    struct daub_caps caps;
    daub_device_info info;
    struct daub_instance instance;
    VkPhysicalDevice physical;
    VkPhysicalDeviceMemoryProperties memory_types;
    uint32_t max_storage_bindings; // of one dispatch
    uint32_t max_texel_bindings;
    uint32_t timestamp_bits;
    uint32_t queue_family;
    VkDevice handle;
    bool borrowed;                                               // instance, device and queue are the host's (borrow.c)
    void (*lock_queue)(void *user), (*unlock_queue)(void *user); // of a queue that the host uses too; NULL: ours alone
    void *queue_user;
    bool can_export, can_export_semaphores; // DAUB_EXTERNAL_MEMORY and DAUB_EXTERNAL_SEMAPHORE are enabled
    struct VolkDeviceTable vk;
    struct daub_heap *heap;
    struct daub_queue *queue;
    struct daub_staging *staging;
    struct daub_kernels *kernels;
    struct daub_buffer *unused; // bound where a kernel touches nothing
    struct daub_clocks *clocks;
    struct daub_costs *costs;
    atomic_uint children, exports;
};

// choose.c ---------------------------------------------------------------------------------------------------------

struct daub_candidate {
    VkPhysicalDevice physical;
    uint32_t queue_family;
    daub_device_info info;
};
// Every device of the instance, with the default choice marked. *list (freed by the caller) is NULL when there is none.
daub_status daub_candidates(const struct daub_instance *instance, const struct daub_host *host,
                            struct daub_candidate **list, uint32_t *count);
// Fills in the rest of a candidate whose `physical` is set: what it is, and whether it is usable.
void daub_judge(const struct daub_instance *instance, struct daub_candidate *candidate);
// Marks what NULL opens, and says of each usable one why it is that one or not.
void daub_candidates_mark(struct daub_candidate *list, uint32_t count);
// `text` as daub_device_params.device; NULL: the marked one. Errors: NO_DEVICE, INVALID_ARG (more than one match).
daub_status daub_choose(const struct daub_candidate *list, uint32_t count, const char *text, uint32_t *index);

// caps.c -----------------------------------------------------------------------------------------------------------

bool daub_has_device_extension(const struct daub_instance *instance, VkPhysicalDevice physical, const char *name);
// "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)". driver_id 0: unknown.
void daub_driver_text(const struct daub_instance *instance, VkPhysicalDevice physical, char *text, size_t size,
                      uint32_t *driver_id);
uint64_t daub_local_heap_size(const VkPhysicalDeviceMemoryProperties *types, uint32_t *heap_index);
// Bytes the driver's budget leaves in a heap; false when it does not say.
bool daub_heap_budget(const struct daub_instance *instance, VkPhysicalDevice physical, uint32_t heap_index,
                      uint64_t *available);
// The same of a device that has the extension.
bool daub_heap_budget_now(const struct daub_instance *instance, VkPhysicalDevice physical, uint32_t heap_index,
                          uint64_t *available);
// Fills caps, memory_types, max_*_bindings and timestamp_bits of a device whose instance, physical, mask, info and
// queue_family are set.
void daub_caps_fill(daub_device *dev, uint64_t max_memory);

// memory.c ---------------------------------------------------------------------------------------------------------

struct daub_block;
struct daub_slice { // a range of a memory block
    struct daub_block *block;
    VkDeviceMemory memory;
    uint64_t offset;      // of the usable bytes in `memory`
    uint64_t begin, size; // as taken from the block, with what alignment skipped
    void *map;            // address of `offset`, or NULL
};
daub_status daub_heap_create(daub_device *dev);
void daub_heap_destroy(daub_device *dev);
daub_status daub_heap_take(daub_device *dev, enum daub_memory memory, const VkMemoryRequirements *need,
                           const char *name, struct daub_slice *out);
void daub_heap_give(daub_device *dev, struct daub_slice *slice); // a zeroed slice is fine
// Memory that is allocated elsewhere and counts as the heap's. Errors: NO_GPU_MEMORY.
daub_status daub_heap_count(daub_device *dev, uint64_t size, const char *name);
void daub_heap_discount(daub_device *dev, uint64_t size);

// buffer.c ---------------------------------------------------------------------------------------------------------

enum { DAUB_TEXEL_SIZE = 16 }; // bytes of both texel formats

struct daub_buffer {
    VkBuffer handle;
    struct daub_slice slice;
    uint64_t size;
    uint64_t room; // bytes of the VkBuffer: size or a little more
    char *name;
};
bool daub_range_valid(const struct daub_range *range); // inside its buffer
// The range that a texel view of `range` spans: on CPU drivers a little more where the buffer has room.
struct daub_range daub_texel_range(const daub_device *dev, struct daub_range range);

// queue.c ----------------------------------------------------------------------------------------------------------

daub_status daub_queue_create(daub_device *dev, VkQueue handle);
void daub_queue_destroy(daub_device *dev); // waits for all work
struct daub_semaphore {                    // of the host's; zeroed: none
    VkSemaphore handle;
    bool timeline;
    uint64_t value;
};
// Submits at once: whatever belongs to a job goes through daub_pace_submit. The transfers in the command buffers, and what their barriers
// hold back, wait for `wait`. Semaphores may be NULL.
daub_status daub_queue_submit(daub_device *dev, const VkCommandBuffer *cbs, uint32_t n,
                              const struct daub_semaphore *wait, const struct daub_semaphore *signal, uint64_t *ticket);
uint64_t daub_queue_last(daub_device *dev);     // ticket of the newest submission
daub_status daub_queue_drain(daub_device *dev); // waits for all submitted so far

// transfer.c -------------------------------------------------------------------------------------------------------

enum { DAUB_STAGING_SLOT = 16 << 20, DAUB_DRIVEN_STAGING_SLOT = 4 << 20 }; // bytes: one copy
daub_status daub_staging_make(daub_device *dev, uint64_t slot_size, struct daub_staging **out);
void daub_staging_free(daub_device *dev, struct daub_staging **staging); // waits for its transfers

// kernel.c ---------------------------------------------------------------------------------------------------------

struct daub_pipeline {
    VkPipeline handle;
    VkPipelineLayout layout; // push constants 0..DAUB_MAX_PUSH
    VkDescriptorSetLayout set_layout;
    uint32_t n_storage, n_texel;
};
daub_status daub_kernels_create(daub_device *dev, const char *cache_dir);
void daub_kernels_destroy(daub_device *dev);
// Lives as long as the device. Thread safe.
daub_status daub_kernels_get(daub_device *dev, const struct daub_dispatch *dispatch, struct daub_pipeline *out);

// profile.c --------------------------------------------------------------------------------------------------------

struct daub_profile;
daub_status daub_profile_create(daub_device *dev, struct daub_profile **out);
void daub_profile_destroy(daub_device *dev, struct daub_profile **profile);
daub_status daub_profile_before(daub_device *dev, struct daub_profile *profile, VkCommandBuffer cb);
void daub_profile_after(daub_device *dev, struct daub_profile *profile, VkCommandBuffer cb,
                        const struct daub_cmd_time *row); // seconds is filled in later
daub_status daub_profile_read(daub_device *dev, struct daub_profile *profile, struct daub_cmd_time *rows,
                              uint32_t capacity, uint32_t *count);

// device.c ---------------------------------------------------------------------------------------------------------

struct daub_host daub_host_of(const daub_device_params *params);
daub_status daub_read_words(const daub_device_params *params, struct daub_debug *debug, struct daub_caps_mask *mask);
// Queue, memory, staging and kernels of a device whose handle and caps are set.
daub_status daub_device_start(daub_device *dev, VkQueue queue, const char *cache_dir);
// Waits until nothing of ours runs.
void daub_device_idle(daub_device *dev);
// Debug name of a Vulkan object; does nothing unless DAUB_DEBUG=names or validate.
void daub_name_object(daub_device *dev, VkObjectType type, uint64_t handle, const char *name);
// Vulkan handles are pointers or 64-bit integers, depending on the platform and the kind.
#define DAUB_NAME(dev, type, object, name) daub_name_object(dev, type, (uint64_t)(object), name)

#endif

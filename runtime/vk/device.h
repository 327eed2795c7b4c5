// device.h - one GPU. Layers above see handles and plain structs; only runtime/vk names a Vulkan type.
#ifndef DAUB_VK_DEVICE_H
#define DAUB_VK_DEVICE_H
#include "runtime/base/debug.h"
#include "runtime/base/host.h"
#include "runtime/vk/caps.h"

// struct daub_device itself is the public opaque type: runtime/vk/device_private.h (for runtime/vk only) has its fields.
// Public functions daub_device_create, daub_device_list, daub_device_get_info live in runtime/api and call these.
daub_status daub_vk_device_create(const daub_device_params *params, daub_device **out);
// The same with more words of DAUB_CAPS; those of the params, or of the environment, overrule their values.
daub_status daub_vk_device_create_with(const daub_device_params *params, const char *words, daub_device **out);
void daub_vk_device_destroy(daub_device **dev);
daub_status daub_vk_device_list(const daub_device_params *params, daub_device_info *info, uint32_t capacity,
                                uint32_t *count);
void daub_vk_device_info(const daub_device *dev, daub_device_info *out);

// Replaces what the driver's table says (see caps.h); before the device's first graph. A mask that decides it stays.
void daub_device_tune(daub_device *dev, bool prefer_texel, float rate12, float rate16);
// Whether the masks and capabilities leave something to measure.
bool daub_device_tunable(const daub_device *dev);
// A text that is equal for devices that one measurement serves: driver and kernels.
void daub_device_tuning_key(const daub_device *dev, char *key, size_t size);
// Flops and bytes of a dispatch of any class that are predicted to take so many microseconds.
double daub_device_flop_in(const daub_device *dev, double us);
double daub_device_bytes_in(const daub_device *dev, double us);
const struct daub_caps *daub_device_caps(const daub_device *dev);
const struct daub_host *daub_device_host(const daub_device *dev);
const struct daub_debug *daub_device_debug(const daub_device *dev);

// Children (models, executors) keep the device from being destroyed by the public call.
void daub_device_retain(daub_device *dev);
void daub_device_release(daub_device *dev);
uint32_t daub_device_children(const daub_device *dev);
uint32_t daub_device_exports(const daub_device *dev); // daub_vulkan_export_create's

uint64_t daub_device_memory_used(const daub_device *dev);
uint64_t daub_device_memory_peak(const daub_device *dev);
void daub_device_memory_reset_peak(daub_device *dev);
// Bytes that allocations may have in all: caps.max_memory, or what the driver's budget leaves now where that is less.
uint64_t daub_device_memory_limit(const daub_device *dev);

// Number of validation messages of severity error or warning since the device was created (DAUB_DEBUG=validate); each was logged.
uint32_t daub_device_validation_errors(const daub_device *dev);

#endif

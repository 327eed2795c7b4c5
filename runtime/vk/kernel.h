// kernel.h - pipelines, made on first use from (kernel, specialisation), and the cache on disk that makes the second
// start fast: written atomically, keyed by driver and by the kernels' own hash.
#ifndef DAUB_VK_KERNEL_H
#define DAUB_VK_KERNEL_H
#include "runtime/vk/cmd.h"

// Makes the pipelines of n dispatches in parallel ahead of recording; harmless for those that exist already.
daub_status daub_kernels_prepare(daub_device *dev, const struct daub_dispatch *dispatches, uint32_t n);
// Writes the cache if it grew. Errors are logged, not returned: a cache that cannot be written costs time only.
void daub_kernels_save(daub_device *dev);
uint32_t daub_kernels_made(const daub_device *dev); // pipelines created since the device was

#endif

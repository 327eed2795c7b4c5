// buffer.h - device memory as ranges of few large blocks. Thread safe.
#ifndef DAUB_VK_BUFFER_H
#define DAUB_VK_BUFFER_H
#include "runtime/vk/device.h"

struct daub_buffer; // a VkBuffer on a range of a memory block

enum daub_memory {
    DAUB_MEMORY_DEVICE, // device-local; host-visible too on shared-memory devices (caps.uma)
    DAUB_MEMORY_HOST,   // host-visible, coherent, cached if possible: staging and read-back
};

// Zero-initialised only if `zero`. Storage, texel, transfer usage. `name` appears in errors, debug names and the memory dump.
// Errors: NO_GPU_MEMORY with what was wanted, used and allowed.
daub_status daub_buffer_create(daub_device *dev, enum daub_memory memory, uint64_t size, const char *name,
                               struct daub_buffer **out);
void daub_buffer_destroy(daub_device *dev, struct daub_buffer **buf);
uint64_t daub_buffer_size(const struct daub_buffer *buf);
// Bytes of device memory: its size, and up to 1 KiB for the driver's sake.
uint64_t daub_buffer_held(const struct daub_buffer *buf);
// Host address, or NULL when the memory is not host-visible.
void *daub_buffer_map(const struct daub_buffer *buf);

// A range of a buffer: what tensors are and what dispatches bind.
struct daub_range {
    struct daub_buffer *buf;
    uint64_t offset, size; // bytes
};

// Blocking transfers through a staging ring, or plain copies where memory is shared. For loading and read-back, not for steps.
// They are ordered after everything submitted before and before everything submitted later.
daub_status daub_upload(daub_device *dev, struct daub_range dst, const void *data);
daub_status daub_download(daub_device *dev, struct daub_range src, void *data);
daub_status daub_fill(daub_device *dev, struct daub_range dst, uint32_t word);
// n of them, which do not overlap, by one submission.
daub_status daub_fill_all(daub_device *dev, const struct daub_range *dst, uint32_t n, uint32_t word);

// Device memory that staging rings hold once a transfer of `largest` bytes was made; 0 where memory is shared. `driven`: by a driven job,
// whose ring is its own, beside the device's as it is.
uint64_t daub_staging_size(daub_device *dev, uint64_t largest, bool driven);
uint64_t daub_staging_held(daub_device *dev); // now, as daub_buffer_held counts

// Upload without a caller-side copy: `write` is called with a pointer to fill [offset, offset+size) of dst, piece by piece
// (one piece on shared-memory devices), pieces a multiple of `granule` bytes except the last. May be called from one thread at a time.
daub_status daub_upload_with(daub_device *dev, struct daub_range dst, uint64_t granule,
                             void (*write)(void *user, void *ptr, uint64_t offset, uint64_t size), void *user);

#endif

// caps.h - what the GPU can do, as one plain struct. Filled from the device, then masked by DAUB_CAPS, then never changed: every
// choice of kernel reads it and nothing else.
#ifndef DAUB_VK_CAPS_H
#define DAUB_VK_CAPS_H
#include "runtime/base/debug.h"

#include <stdbool.h>
#include <stdint.h>

struct daub_caps {
    char name[256];
    char driver[512];
    daub_device_kind kind;
    uint32_t api_version; // in use: the lower of device's, ours and the mask's
    uint32_t vendor_id, device_id;
    uint8_t driver_uuid[16], pipeline_cache_uuid[16];

    bool cpu;            // kind is CPU: no watchdog, barriers and shared memory are slow
    bool lane;           // prefer lane kernels (no shared memory, no barrier): CPU drivers; -lane clears it
    bool winograd;       // 3x3 convolutions may go by Winograd's algorithm: with lane kernels; -winograd clears it
    bool shared_kernels; // shared-memory kernels may be used; -shared clears it
    bool f16_storage, f16_arithmetic; // never needed: fp16 is packed in 32-bit words; enabled where a kernel row asks
    bool subgroup_arithmetic, subgroup_size_control;
    bool shuffle8; // subgroupShuffle works in compute and a subgroup is exactly 8 invocations
    uint32_t subgroup_size, subgroup_min, subgroup_max;
    bool texel; // uniform texel buffers with RGBA32_UINT and RGBA32_SFLOAT
    uint64_t max_texel_elements;
    // Of the driver's table (caps.c), or measured (runtime/op/tune.c): whether kernels read texel buffers faster than storage
    // buffers, and how fast GEMM tiles of 12 and of 16 rows are, in any unit; 0 is never used.
    bool prefer_texel;
    float rate12, rate16;
    bool timeline, sync2, memory_budget;
    bool uma; // device-local memory is host-visible: weights are written in place, no staging
    bool timestamps;
    double timestamp_ns;      // a tick
    uint64_t max_range;       // bytes one storage buffer binding may span
    uint64_t max_alloc;       // bytes one allocation may have
    uint64_t heap_size;       // device-local
    uint64_t max_memory;      // budget for all our allocations
    bool memory_given;        // by the host or a mask; the driver's budget only lowers it
    uint32_t max_shared;      // bytes of shared memory a workgroup
    uint32_t max_invocations; // a workgroup
    uint32_t max_groups[3];
    uint32_t buffer_align; // of storage and texel buffer offsets, bytes; a power of two, at least 16
};

#endif

// debug.h - DAUB_DEBUG and DAUB_CAPS, read once per device and never elsewhere. An unknown word is an error.
#ifndef DAUB_BASE_DEBUG_H
#define DAUB_BASE_DEBUG_H
#include "runtime/base/host.h"

#include <stdbool.h>

// The words of DAUB_DEBUG, comma separated.
struct daub_debug {
    bool validate; // validate: Khronos validation layer with synchronisation validation; its messages are errors
    bool names;    // names: objects carry debug names
    bool nofuse;   // nofuse: the graph runs as built, one kernel a node
    bool graph;    // graph: the graph's listing is logged
    bool plan;     // plan: the memory plan is logged
    bool nocache;  // nocache: neither pipeline cache nor tuning is read or written; nothing is measured
    // broken=gemm_*: dispatches of kernels of such names (daub_glob) lack their last workgroup, to see that a wrong kernel is noticed
    char broken[64];
};

// The words of DAUB_CAPS, comma separated; "-x" takes a capability away, "x=value" lowers a limit (K, M suffixes).
struct daub_caps_mask {
    bool no_f16;        // -f16: no 16-bit storage, no shaderFloat16
    bool no_subgroup;   // -subgroup: no subgroup operations
    bool no_texel;      // -texel: no texel buffers
    bool texel;         // +texel: read texel buffers, whatever is faster
    bool no_lane;       // -lane: no lane kernels: the shared-memory ones, made for GPUs, run on any device
    bool no_winograd;   // -winograd: every convolution is a direct one
    bool no_shared;     // -shared: no shared-memory kernels
    bool no_timeline;   // -timeline: no timeline semaphores
    bool no_timestamps; // -timestamps: the device's clock is not read
    bool no_sync2;      // -sync2: no synchronization2
    bool no_uma;        // -uma: always stage uploads, as on a discrete GPU
    uint64_t range;     // range=16M: maxStorageBufferRange; 0 = the device's
    uint64_t shared;    // shared=16K: maxComputeSharedMemorySize
    uint64_t alloc;     // alloc=1G: maxMemoryAllocationSize
    uint64_t memory;    // memory=2G: the heap's budget
    uint64_t
        align; // align=256: storage and texel buffer offsets are multiples of this power of two, at most 256; 0 = the device's
    uint64_t rows; // rows=12: GEMM tiles of 12 rows, or rows=16; 0 = the faster
    uint32_t api;  // api=1.1: 0x00401000-style version; 0 = the device's
};

// `text` may be NULL. Errors: INVALID_ARG naming the word and listing the known ones.
daub_status daub_debug_parse(const char *text, struct daub_debug *out);
daub_status daub_caps_mask_parse(const char *text, struct daub_caps_mask *out);

// Shell-style match: '*' any run, '?' any one byte; ',' separates alternatives.
bool daub_glob(const char *pattern, const char *text);

#endif

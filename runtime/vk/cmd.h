// cmd.h - recorded work. A daub_cmd is recorded once and submitted any number of times, each time running all of it in order.
//
// Hazards are tracked per buffer range while recording: a dispatch that reads what an earlier one wrote, or writes what
// an earlier one read or wrote, gets one memory barrier before it, and none otherwise, so independent dispatches overlap.
// A cmd begins and ends with a full barrier against other submissions, host writes and host reads. Between, it is cut into pieces,
// each a command buffer, which may be submitted apart: a pace (pace.h) does.
#ifndef DAUB_VK_CMD_H
#define DAUB_VK_CMD_H
#include "runtime/vk/buffer.h"
#include "runtime/vk/kernels/embed.h"

enum {
    DAUB_MAX_BINDINGS = 10,
    DAUB_MAX_SPECS = 12,
    DAUB_MAX_PUSH = 128, // bytes of push constants: what every Vulkan device grants
};

enum daub_access { DAUB_READ = 1, DAUB_WRITE = 2, DAUB_READ_WRITE = 3 };

// How a kernel sees the binding. Texel bindings are uniform texel buffers, read only: UINT4 for fp16 words (8 halves), FLOAT4
// for fp32 (4 floats).
enum daub_bind_kind { DAUB_BIND_STORAGE, DAUB_BIND_TEXEL_UINT4, DAUB_BIND_TEXEL_FLOAT4 };

struct daub_binding { // binding number = index
    struct daub_range
        range; // buf NULL: the kernel does not touch this binding with these parameters; any valid buffer is bound
    enum daub_access access;
    enum daub_bind_kind kind;
};

struct daub_spec {
    uint32_t id, value; // value: bits of a uint, int, bool or float constant
};

struct daub_dispatch {
    enum daub_kernel kernel;
    const char *name; // "down_blocks.0.resnets.0.conv1", for timings and debug labels; copied
    const char *op;   // class for cost tables: "conv3x3", "linear", "attention"; static storage
    uint32_t n_specs, n_bindings;
    struct daub_spec specs[DAUB_MAX_SPECS];
    struct daub_binding bind[DAUB_MAX_BINDINGS];
    const void *push; // push_size bytes, a multiple of 4; copied
    uint32_t push_size;
    uint32_t groups[3]; // a dimension of 0 records nothing
    double flop;        // for cost tables
};

// Bytes that a dispatch's bindings span, each range once for reading and once for writing, however often it is bound.
uint64_t daub_dispatch_bytes(const struct daub_dispatch *dispatch);

struct daub_cmd;
daub_status daub_cmd_create(daub_device *dev, const char *name, struct daub_cmd **out);
void daub_cmd_destroy(daub_device *dev, struct daub_cmd **cmd); // waits until it is not running
// Errors: what making the kernel's pipeline can fail with; UNSUPPORTED when a range exceeds caps.max_range (the caller must split),
// groups exceed caps.max_groups or an offset breaks caps.buffer_align. The first error sticks and is returned by daub_cmd_end too.
daub_status daub_cmd_dispatch(struct daub_cmd *cmd, const struct daub_dispatch *dispatch);
daub_status daub_cmd_copy(struct daub_cmd *cmd, struct daub_range dst,
                          struct daub_range src); // sizes equal, multiples of 4
daub_status daub_cmd_fill(struct daub_cmd *cmd, struct daub_range dst, uint32_t word);
daub_status daub_cmd_end(struct daub_cmd *cmd); // recording is over

// What is recorded from now on goes into pieces that are predicted to take so many microseconds at most, or hold one dispatch; 0: one.
void daub_cmd_limit(struct daub_cmd *cmd, double us);

uint32_t daub_cmd_piece_count(const struct daub_cmd *cmd);
uint32_t daub_cmd_dispatch_count(const struct daub_cmd *cmd);
uint32_t daub_cmd_barrier_count(const struct daub_cmd *cmd);

// Queues a cmd, at the thread's pace if it has one; returns a ticket to wait for. Tickets of a device are reached in order. Thread safe,
// save that a cmd of more than one piece goes through one thread at a time.
daub_status daub_submit(daub_device *dev, struct daub_cmd *cmd, uint64_t *ticket);
// The same; at a pace, `between` (may be NULL) is called now and then while pieces are still to be submitted, and what it fails with
// ends the submission there.
daub_status daub_submit_with(daub_device *dev, struct daub_cmd *cmd, daub_status (*between)(void *user), void *user,
                             uint64_t *ticket);
// Errors: DEVICE_LOST. timeout_ns UINT64_MAX: no limit; *done may be NULL.
daub_status daub_wait(daub_device *dev, uint64_t ticket, uint64_t timeout_ns, bool *done);
daub_status daub_submit_and_wait(daub_device *dev, struct daub_cmd *cmd);

// Timing of a cmd created with profiling on (call before the first dispatch): after a finished submission, one row a dispatch.
struct daub_cmd_time {
    const char *name, *op; // live as long as the cmd
    double begin, seconds; // begin: on the device's own clock, to be compared with other rows' only
    double flop;
    uint64_t bytes; // daub_dispatch_bytes
};
daub_status daub_cmd_profile(struct daub_cmd *cmd); // UNSUPPORTED without timestamps
daub_status daub_cmd_times(struct daub_cmd *cmd, struct daub_cmd_time *rows, uint32_t capacity, uint32_t *count);

#endif

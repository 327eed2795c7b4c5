// exec.h - from a finished net to recorded commands, and what op files may use while choosing and recording.
#ifndef DAUB_OP_EXEC_H
#define DAUB_OP_EXEC_H
#include "runtime/graph/net.h"
#include "runtime/vk/cmd.h"

// ---- for op files ----------------------------------------------------------------------------------------------------

struct daub_select {
    const struct daub_caps *caps;
    const struct daub_debug *debug;
};

// Takes the dispatches of daub_exec_walk instead of a cmd.
struct daub_walk {
    daub_status (*dispatch)(void *user, const struct daub_node *node, const struct daub_dispatch *dispatch);
    void *user;
};

struct daub_recording {
    daub_device *device;
    const struct daub_caps *caps;
    struct daub_exec *exec;
    struct daub_cmd *cmd;
    const struct daub_walk *walk; // NULL: into cmd
    const struct daub_node *node;
    double max_flop, max_bytes; // a dispatch estimated above these is split by rows
};

// The whole tensor as a binding: arena range of a value, packed range of a weight. NULL tensor: an unused binding.
struct daub_binding daub_bind(const struct daub_recording *rec, const struct daub_tensor *t, enum daub_access access,
                              bool texel);
// Rows (pixels) [row, row + n) of a tensor. The range starts at or before that row, aligned to caps.buffer_align; *first is how many
// words (16 bytes, or 32 for fp32 tensors; 4 for U32) of the tensor lie before the range, which kernels subtract from word
// indices counted from the tensor's start; of a part it may be negative, modulo 2^32, as those indices are.
struct daub_binding daub_bind_rows(const struct daub_recording *rec, const struct daub_tensor *t, uint32_t row,
                                   uint32_t n, enum daub_access access, bool texel, uint32_t *first);
// Whether a range of `size` bytes (plus alignment slack) can be bound; texel also obeys the texel count.
bool daub_range_fits(const struct daub_caps *caps, uint64_t size, bool texel);
// Completes name, op class and flop of the dispatch from the node and records it.
daub_status daub_dispatch_node(struct daub_recording *rec, struct daub_dispatch *dispatch);

// ---- for networks ----------------------------------------------------------------------------------------------------

struct daub_exec; // an arena and the recorded commands of a net, on a device

// Lends a repeated stage its weights in turns (runtime/io/weight_stream.c).
struct daub_lender {
    void *user;
    // Cuts the stage into segments, (*first)[0..*n) being the nodes that they begin with, and gets memory for their weights.
    daub_status (*open)(void *user, struct daub_net *net, enum daub_stage stage, const uint32_t **first, uint32_t *n);
    // Sets the data of what a segment's nodes read, and records into `cmd` what must run before them each time.
    daub_status (*bind)(void *user, uint32_t segment, struct daub_cmd *cmd);
    // A segment is about to be submitted: its weights are in their place when this returns. And it was, with this ticket.
    daub_status (*fill)(void *user, uint32_t segment);
    daub_status (*sent)(void *user, uint32_t segment, uint64_t ticket);
    void (*close)(void *user); // gives the memory back; nothing runs
};

struct daub_exec_params {
    // Sets data of each packed weight (its pack says how); called once with all of the net's, or once a stage if lazy.
    daub_status (*bind_weights)(void *user, struct daub_tensor *const *weights, uint32_t n);
    void *user;
    // Lends a buffer of `size` bytes or more for the activations, which others may use between runs (see
    // daub_exec_clear) and which outlives the executor. NULL: the executor makes one of its own.
    daub_status (*take_arena)(void *user, uint64_t size, struct daub_buffer **out);
    void *arena_user;
    bool profile; // timestamps round every dispatch
    bool nofuse;  // run the graph as built
    bool fine;    // see daub_exec_set_fine
    bool watch;   // look at every node's result, for daub_exec_bad_node
    bool lazy;    // bind and record each stage when it is first submitted: stages' weights can take turns
    // If lazy, the weights of DAUB_STAGE_STEP take turns among themselves too; NULL: not.
    const struct daub_lender *step_weights;
    const char *name;
};

// Fuses, selects, plans, allocates the arena, binds weights and records. Takes a net that daub_net_finish has not seen yet (so that
// fusion can run) and owns it from then on, also on failure.
// Errors: the net's own, NO_GPU_MEMORY (arena), what the binder says.
daub_status daub_exec_create(daub_device *dev, struct daub_net *net, const struct daub_exec_params *params,
                             struct daub_exec **out);
void daub_exec_destroy(struct daub_exec **exec); // waits until it is not running

// What daub_exec_create would allocate, without allocating: fuses, finishes, selects and plans `net`, which stays the caller's and
// can only be looked at (its weights' packs are set) and destroyed afterwards.
daub_status daub_exec_plan(daub_device *dev, struct daub_net *net, bool nofuse, uint64_t *arena_size);
// The same for capabilities that no device needs to have.
daub_status daub_exec_plan_for(const struct daub_select *select, struct daub_net *net, bool nofuse,
                               uint64_t *arena_size);
// Gives every dispatch that a planned net would record on such a device to `walk`, in order. Bindings are ranges of the arena (buf NULL)
// and whatever the weights' data say; nothing is allocated or made. Errors: what the ops and the walk say.
daub_status daub_exec_walk(const struct daub_caps *caps, struct daub_net *net, const struct daub_walk *walk);

enum { DAUB_ALL_STAGES = (1 << DAUB_STAGE_COUNT) - 1 };
// The packed weights that nodes of some stages (bits) of a planned net read, in the net's arena. NULL: no memory.
struct daub_tensor **daub_packed_weights(struct daub_net *net, uint32_t stages, uint32_t *count);

struct daub_net *daub_exec_net(const struct daub_exec *exec);
uint64_t daub_exec_arena_size(const struct daub_exec *exec);
struct daub_range daub_exec_range(const struct daub_exec *exec, const struct daub_tensor *t);

// Zeros the inputs, padding and all: what no node writes. Done at creation; again by whoever lent the arena to another
// meanwhile.
daub_status daub_exec_clear(struct daub_exec *exec);

// Waits, then drops all commands and with them what was bound: weights may go. Each stage binds and records again when
// submitted.
void daub_exec_forget(struct daub_exec *exec);

// For slices of a few milliseconds, of the device's own rate: dispatches are split by rows, and command buffers are short. The next
// submission of each stage records it again where that, or the rates as measured since, is another than before. No result
// depends on it.
void daub_exec_set_fine(struct daub_exec *exec, bool fine);

// Queues a stage at the thread's pace (runtime/vk/pace.h), slice after slice: `between` is called now and then meanwhile, as in
// daub_submit_with.
daub_status daub_exec_slices(struct daub_exec *exec, enum daub_stage stage, daub_status (*between)(void *user),
                             void *user, uint64_t *ticket);
// Queues a stage; a stage without nodes queues nothing and gives the last ticket. run waits. Where weights are lent, it queues while
// they come, and returns when the last segment is queued and the one before it is over.
daub_status daub_exec_submit(struct daub_exec *exec, enum daub_stage stage, uint64_t *ticket);
daub_status daub_exec_run(struct daub_exec *exec, enum daub_stage stage);

// Plain fp32 (NCHW, or [N,tokens,C] when nchw is false) in and out of inputs and kept tensors; U32 tensors take and give words.
// Blocking.
daub_status daub_exec_write(struct daub_exec *exec, const struct daub_tensor *t, bool nchw, const void *plain);
daub_status daub_exec_read(struct daub_exec *exec, const struct daub_tensor *t, bool nchw, void *plain);

// Of an executor made with `watch`, whose work was waited for: the first node in order of execution whose result held an infinity or a NaN
// since it was made, or NULL. TAIL is not looked at.
daub_status daub_exec_bad_node(struct daub_exec *exec, const struct daub_node **node);

uint32_t daub_exec_dispatch_count(const struct daub_exec *exec, enum daub_stage stage);
// Costs of the stage's last finished run, a row a dispatch (see daub_cmd_times).
daub_status daub_exec_times(struct daub_exec *exec, enum daub_stage stage, struct daub_cmd_time *rows,
                            uint32_t capacity, uint32_t *count);

#endif

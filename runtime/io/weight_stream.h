// weight_stream.h - the weights of a stage that repeats, in less device memory than they take.
//
// The stage's nodes, in order, are cut into segments whose weights fit a slot. What the budget leaves beside the slots stays on the
// device; the rest is packed again every time, from the mapped file or the cache of packed weights, while the segment before it
// runs in the other slot. The cut is the same each time, so commands are recorded once.
//
//   budget   | stays ............................... | slot 0 | slot 1 |
//   submits    segment 0 (0)   segment 1 (1)   segment 2 (0)  ...            (slot)
//   packs      1 into slot 1   2 into slot 0   ...
//
// What stays is what reads its weights for the fewest pixels: that leaves the most time to hide the packing of the others in.
// Where the host does not reach the device's memory, the two slots are staging memory of the host's, and each segment begins with a
// copy into one slot of the device.
#ifndef DAUB_IO_WEIGHT_STREAM_H
#define DAUB_IO_WEIGHT_STREAM_H
#include "runtime/io/weights.h"
#include "runtime/op/exec.h"

struct daub_stream_plan {
    uint64_t weights;         // bytes of the stage's packed weights
    uint64_t stays;           // of those that stay
    uint64_t slot;            // bytes of a slot; 0: all stay
    uint64_t device, staging; // bytes in all: what stays and the device's slots; the host's slots
    uint32_t n_slots;         // that packing alternates between: 2, or 1 where there is no room for 2
    uint32_t n_segments;      // at least 1
    const uint32_t *first;    // node of each segment
    const bool *tensor_stays; // by tensor index
};

// The plan of a planned net's stage for `budget` bytes in all, or for the fewest that will do where that is more; in the net's arena.
// `uma`: the host reaches the device's memory. Errors: NO_HOST_MEMORY.
daub_status daub_stream_plan(struct daub_net *net, enum daub_stage stage, uint64_t budget, bool uma,
                             struct daub_stream_plan *out);

struct daub_weight_stream;
daub_status daub_weight_stream_create(daub_device *dev, struct daub_weights *weights, struct daub_weight_stream **out);
void daub_weight_stream_destroy(struct daub_weight_stream **stream);
// For the executors that are made next.
void daub_weight_stream_set_budget(struct daub_weight_stream *stream, uint64_t budget);
// As daub_exec_params.step_weights: one executor at a time. What stays belongs to the weights, and goes with daub_weights_clear.
const struct daub_lender *daub_weight_stream_lender(const struct daub_weight_stream *stream);
// Bytes of the slots now, staging too, as daub_buffer_held counts. From any thread.
uint64_t daub_weight_stream_held(const struct daub_weight_stream *stream);

#endif

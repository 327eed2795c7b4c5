// finite.h - looking for infinities and NaN on the device.
#ifndef DAUB_OP_FINITE_H
#define DAUB_OP_FINITE_H
#include "runtime/op/exec.h"
#include "runtime/op/op.h"

extern const struct daub_op daub_op_finite; // in: x, flags, counter or NULL; no attrs

enum { DAUB_FINITE_SAMPLES = 65536 }; // words of a tensor that a daub_check_finite looks at, at the most, evenly spread

// Records a look at every `stride`-th word of a stored fp16 or fp32 tensor: flags[slot] falls to `value`, or where that is 0 to the counter's
// word 0, if one of them is not finite.
daub_status daub_finite_record(struct daub_recording *rec, const struct daub_tensor *x,
                               const struct daub_tensor *counter, struct daub_binding flags, uint32_t slot,
                               uint32_t value, uint32_t stride);

#endif

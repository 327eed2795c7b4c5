// weights.h - a component's packed weights on a device: packed once from the mapped file, straight into device memory where that is
// shared, shared by every executor (size) that wants the same packing.
#ifndef DAUB_IO_WEIGHTS_H
#define DAUB_IO_WEIGHTS_H
#include "runtime/io/checkpoint.h"
#include "runtime/vk/buffer.h"

struct daub_weights;

daub_status daub_weights_create(daub_device *dev, struct daub_checkpoint *ckpt, enum daub_component c,
                                struct daub_weights **out);
void daub_weights_destroy(struct daub_weights **weights);
// daub_exec_params.bind_weight with a struct daub_weights as user: sets weight->data, packing and uploading on first use.
// Errors: BAD_FILE (missing or misshapen, named), NO_GPU_MEMORY. Thread safe.
daub_status daub_weights_bind(void *weights, struct daub_tensor *weight);
uint64_t daub_weights_size(const struct daub_weights *weights); // bytes on the device

#endif

// weights.h - a component's packed weights on a device: packed once from the mapped file, straight into device memory where that is
// shared, shared by every executor (size) that wants the same packing.
#ifndef DAUB_IO_WEIGHTS_H
#define DAUB_IO_WEIGHTS_H
#include "runtime/io/checkpoint.h"
#include "runtime/vk/buffer.h"

struct daub_weights;
struct daub_weight_cache;

daub_status daub_weights_create(daub_device *dev, struct daub_checkpoint *ckpt, enum daub_component c,
                                struct daub_weights **out);
void daub_weights_destroy(struct daub_weights **weights);
// daub_exec_params.bind_weight with a struct daub_weights as user: sets weight->data, packing and uploading on first use.
// Errors: BAD_FILE (missing or misshapen, named), NO_GPU_MEMORY. Thread safe.
daub_status daub_weights_bind(void *weights, struct daub_tensor *weight);
// Weights come from this cache where it has them, before they are packed. Taken, and closed with the weights; NULL: none.
void daub_weights_set_cache(struct daub_weights *weights, struct daub_weight_cache *cache);
// Writes the cache if anything was packed since it was set or written: what is bound now. What fails is logged.
void daub_weights_keep(struct daub_weights *weights);
uint64_t daub_weights_size(const struct daub_weights *weights); // bytes on the device

#endif

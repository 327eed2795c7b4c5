// weights.h - a component's packed weights on a device: packed once from the mapped file, straight into device memory where that is
// shared, shared by every executor (size) that wants the same packing.
#ifndef DAUB_IO_WEIGHTS_H
#define DAUB_IO_WEIGHTS_H
#include "runtime/io/checkpoint.h"
#include "runtime/vk/buffer.h"

enum { DAUB_WEIGHT_ALIGN = 256 }; // of a weight in a buffer: the most that Vulkan lets an implementation ask for

struct daub_weights;
struct daub_weight_cache;

daub_status daub_weights_create(daub_device *dev, struct daub_checkpoint *ckpt, enum daub_component c,
                                struct daub_weights **out);
void daub_weights_destroy(struct daub_weights **weights);
// daub_exec_params.bind_weights with a struct daub_weights as user: sets the data of each weight of the list. What is
// not there yet gets buffers cut to its size, then is packed weight by weight, and the file's pages are let go.
// Errors: BAD_FILE (missing or misshapen, named), NO_GPU_MEMORY. Thread safe.
daub_status daub_weights_bind(void *weights, struct daub_tensor *const *list, uint32_t n);
// Packs a list to `out`, one after the other, each at the next multiple of DAUB_WEIGHT_ALIGN bytes. Nothing of it is remembered.
daub_status daub_weights_pack(struct daub_weights *weights, struct daub_tensor *const *list, uint32_t n, uint8_t *out);
// Weights come from this cache where it has them, before they are packed. Taken, and closed with the weights; NULL: none.
void daub_weights_set_cache(struct daub_weights *weights, struct daub_weight_cache *cache);
// Writes the cache if anything was packed since it was set or written: what is bound now. What fails is logged.
void daub_weights_keep(struct daub_weights *weights);
// Bytes on the device: now, after a daub_weights_bind of the list, and of the list alone.
uint64_t daub_weights_size(struct daub_weights *weights);
uint64_t daub_weights_held(struct daub_weights *weights); // now, as daub_buffer_held counts
uint64_t daub_weights_size_with(struct daub_weights *weights, struct daub_tensor *const *list, uint32_t n);
uint64_t daub_weights_size_of(struct daub_tensor *const *list, uint32_t n);
// Whether two tensors want the same weight in the same packing.
bool daub_weights_same(const struct daub_tensor *a, const struct daub_tensor *b);
// Gives all device memory back: no executor that was bound to these weights may be left. They can be bound again.
void daub_weights_clear(struct daub_weights *weights);

#endif

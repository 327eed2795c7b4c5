// piece.h - the command buffers that a cmd is cut into, what each is predicted to cost, and what it was measured to. For
// runtime/vk only.
#ifndef DAUB_VK_PIECE_H
#define DAUB_VK_PIECE_H
#include "runtime/vk/costs.h"
#include "runtime/vk/device_private.h"

struct daub_clock { // two timestamps
    VkQueryPool pool;
    uint32_t first;        // query, and value of the buffer
    VkBuffer buffer;       // where the device copies them
    const uint64_t *ticks; // and the host reads them
    uint32_t slot;         // for daub_clock_give
};

struct daub_clocks {
    daub_mutex mutex; // guards all here and what pieces were measured to
    struct daub_clock_pool *pools;
    uint32_t n_pools;
    uint32_t *free; // slots, as a stack
    uint32_t n_free;
};

struct daub_piece {
    VkCommandBuffer cb;
    const struct daub_cost *costs; // one a class, the cmd's; NULL: a transfer, of which only fixed_us is known
    uint32_t n_costs;
    double fixed_us;
    struct daub_clock clock; // zero: without timestamps
    // Guarded by the mutex of the device's clocks:
    uint32_t n_runs; // measured
    double measured_us;
    uint64_t ticket; // newest submission
};

daub_status daub_clocks_create(daub_device *dev);
void daub_clocks_destroy(daub_device *dev);
daub_status daub_clock_take(daub_device *dev, struct daub_clock *out);
void daub_clock_give(daub_device *dev, struct daub_clock *clock); // zero is fine

// Begins a command buffer of the pool, and ends it with what it costs.
daub_status daub_piece_begin(daub_device *dev, VkCommandPool pool, const char *name, struct daub_piece *out);
daub_status daub_piece_end(daub_device *dev, struct daub_piece *piece);
void daub_piece_free(daub_device *dev, struct daub_piece *piece); // the command buffer stays its pool's

// Microseconds it will take: as measured lately, or as predicted by its costs.
double daub_piece_us(daub_device *dev, const struct daub_piece *piece);
void daub_piece_submitted(daub_device *dev, struct daub_piece *piece, uint64_t ticket);
// Microseconds that the finished submission took by timestamps; negative when there are none, or it was submitted again.
double daub_piece_clock_us(daub_device *dev, struct daub_piece *piece, uint64_t ticket);
void daub_piece_measured(daub_device *dev, struct daub_piece *piece, double us);

#endif

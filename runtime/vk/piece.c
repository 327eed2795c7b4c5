// piece.c - recording of pieces, and what they take.
#include "runtime/vk/piece.h"

#include "runtime/vk/hazard.h"

// Taken when all before is done: a piece's time is its own.
static void write_clock(daub_device *dev, const struct daub_piece *piece, uint32_t which)
{
    dev->vk.vkCmdWriteTimestamp(piece->cb, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, piece->clock.pool,
                                piece->clock.first + which);
}

daub_status daub_piece_begin(daub_device *dev, VkCommandPool pool, const char *name, struct daub_piece *out)
{
    *out = (struct daub_piece) { 0 };
    const VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VK_RETURN(dev->vk.vkAllocateCommandBuffers(dev->handle, &info, &out->cb));
    DAUB_NAME(dev, VK_OBJECT_TYPE_COMMAND_BUFFER, out->cb, name);
    // Simultaneous use: steps are queued ahead, so one cmd is submitted again before its last run has ended.
    const VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT,
    };
    VK_RETURN(dev->vk.vkBeginCommandBuffer(out->cb, &begin));
    if (!dev->caps.timestamps)
        return DAUB_OK;
    TRY(daub_clock_take(dev, &out->clock));
    dev->vk.vkCmdResetQueryPool(out->cb, out->clock.pool, out->clock.first, 2);
    write_clock(dev, out, 0);
    return DAUB_OK;
}

daub_status daub_piece_end(daub_device *dev, struct daub_piece *piece)
{
    const struct daub_clock *clock = &piece->clock;
    if (clock->ticks) {
        write_clock(dev, piece, 1);
        dev->vk.vkCmdCopyQueryPoolResults(piece->cb, clock->pool, clock->first, 2, clock->buffer,
                                          clock->first * sizeof(*clock->ticks), sizeof(*clock->ticks),
                                          VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT);
        daub_barrier_end(dev, piece->cb);
    }
    VK_RETURN(dev->vk.vkEndCommandBuffer(piece->cb));
    return DAUB_OK;
}

void daub_piece_free(daub_device *dev, struct daub_piece *piece)
{
    daub_clock_give(dev, &piece->clock);
}

double daub_piece_us(daub_device *dev, const struct daub_piece *piece)
{
    if (!piece->costs)
        return piece->fixed_us;
    daub_mutex_lock(&dev->clocks->mutex);
    const double measured = piece->measured_us;
    daub_mutex_unlock(&dev->clocks->mutex);
    return measured > 0.0 ? measured : daub_costs_predict(dev->costs, piece->costs, piece->n_costs);
}

void daub_piece_submitted(daub_device *dev, struct daub_piece *piece, uint64_t ticket)
{
    daub_mutex_lock(&dev->clocks->mutex);
    if (ticket > piece->ticket)
        piece->ticket = ticket;
    daub_mutex_unlock(&dev->clocks->mutex);
}

double daub_piece_clock_us(daub_device *dev, struct daub_piece *piece, uint64_t ticket)
{
    if (!piece->clock.ticks)
        return -1.0;
    daub_mutex_lock(&dev->clocks->mutex);
    const bool newest = piece->ticket == ticket;
    daub_mutex_unlock(&dev->clocks->mutex);
    if (!newest) // its next run writes there
        return -1.0;
    const uint64_t mask = dev->timestamp_bits >= 64 ? UINT64_MAX : (UINT64_C(1) << dev->timestamp_bits) - 1;
    return (double)((piece->clock.ticks[1] - piece->clock.ticks[0]) & mask) * dev->caps.timestamp_ns * 1e-3;
}

void daub_piece_measured(daub_device *dev, struct daub_piece *piece, double us)
{
    if (!piece->costs || us <= 0.0)
        return;
    daub_mutex_lock(&dev->clocks->mutex);
    const bool compiled = piece->n_runs == 0 && dev->caps.cpu; // CPU drivers compile a kernel when it first runs
    if (!compiled)
        piece->measured_us += piece->measured_us > 0.0 ? 0.25 * (us - piece->measured_us) : us;
    piece->n_runs++;
    daub_mutex_unlock(&dev->clocks->mutex);
    daub_costs_learn(dev->costs, piece->costs, piece->n_costs, us, compiled);
}

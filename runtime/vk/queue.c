// queue.c - submission and waiting. A ticket is a value of one timeline semaphore or, where there is none, the number
// of a submission with a fence of its own; both count up from 1 and are reached in order.
#include "runtime/vk/device_private.h"

// Submissions in flight without timeline semaphores; the next one waits for the oldest.
enum { N_FENCES = 64 };

struct fence_slot {
    VkFence fence;
    uint64_t ticket;  // submission it belongs to
    uint32_t waiters; // threads inside vkWaitForFences: it cannot be reset until they have left
};

struct daub_queue {
    daub_mutex mutex;
    daub_cond left; // a waiter has left its fence
    VkQueue handle;
    VkSemaphore timeline;
    uint64_t submitted; // newest ticket
    uint64_t reached;   // highest ticket known to be finished
    bool lost;
    uint32_t n_fences;
    struct fence_slot fences[N_FENCES];
};

static daub_status fail_lost(void)
{
    return daub_fail(DAUB_ERROR_DEVICE_LOST,
                     "the GPU stopped answering (device lost); destroy all that was made from it");
}

// Called with the mutex held.
static daub_status from_result(struct daub_queue *queue, VkResult result, const char *call)
{
    if (result == VK_ERROR_DEVICE_LOST)
        queue->lost = true;
    return queue->lost ? fail_lost() : daub_from_vk(result, call);
}

daub_status daub_queue_create(daub_device *dev, VkQueue handle)
{
    daub_status status;
    struct daub_queue *queue = daub_alloc(&dev->host, sizeof(*queue));
    if (!queue)
        return daub_no_memory("the queue");
    status = daub_mutex_init(&queue->mutex);
    if (status != DAUB_OK) {
        daub_free(&dev->host, queue);
        return status;
    }
    status = daub_cond_init(&queue->left);
    if (status != DAUB_OK) {
        daub_mutex_destroy(&queue->mutex);
        daub_free(&dev->host, queue);
        return status;
    }
    queue->handle = handle;
    dev->queue = queue; // from here on daub_queue_destroy undoes it
    if (dev->caps.timeline) {
        const VkSemaphoreTypeCreateInfo type = {
            .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
            .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
        };
        const VkSemaphoreCreateInfo info = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type };
        VK_TRY(dev->vk.vkCreateSemaphore(dev->handle, &info, NULL, &queue->timeline));
    } else {
        const VkFenceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
        while (queue->n_fences < N_FENCES) {
            VK_TRY(dev->vk.vkCreateFence(dev->handle, &info, NULL, &queue->fences[queue->n_fences].fence));
            queue->n_fences++;
        }
    }
    return DAUB_OK;

fail:
    daub_queue_destroy(dev);
    return status;
}

void daub_queue_destroy(daub_device *dev)
{
    struct daub_queue *queue = dev->queue;
    if (!queue)
        return;
    daub_device_idle(dev);
    dev->vk.vkDestroySemaphore(dev->handle, queue->timeline, NULL);
    for (uint32_t i = 0; i < queue->n_fences; i++)
        dev->vk.vkDestroyFence(dev->handle, queue->fences[i].fence, NULL);
    daub_cond_destroy(&queue->left);
    daub_mutex_destroy(&queue->mutex);
    daub_free(&dev->host, queue);
    dev->queue = NULL;
}

static VkResult wait_timeline(daub_device *dev, uint64_t ticket, uint64_t timeout_ns)
{
    const VkSemaphoreWaitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
        .semaphoreCount = 1,
        .pSemaphores = &dev->queue->timeline,
        .pValues = &ticket,
    };
    return dev->vk.vkWaitSemaphores(dev->handle, &info, timeout_ns);
}

// Called with the mutex held, which is released while waiting.
static VkResult wait_fence(daub_device *dev, uint64_t ticket, uint64_t timeout_ns)
{
    struct daub_queue *queue = dev->queue;
    struct fence_slot *slot = &queue->fences[ticket % N_FENCES];
    if (slot->ticket != ticket) // taken over by a later one, which happens only after it was reached
        return VK_SUCCESS;
    slot->waiters++;
    daub_mutex_unlock(&queue->mutex);
    const VkResult result = dev->vk.vkWaitForFences(dev->handle, 1, &slot->fence, VK_TRUE, timeout_ns);
    daub_mutex_lock(&queue->mutex);
    if (--slot->waiters == 0)
        daub_cond_broadcast(&queue->left);
    return result;
}

// A driver that is short of memory may fail to wait and go on running. What follows a failed wait is freeing, so that nothing may run then:
// the plainest of all waits has nothing to fail for. Called with the mutex held.
static daub_status failed_wait(daub_device *dev, VkResult result)
{
    struct daub_queue *queue = dev->queue;
    const daub_status status = from_result(queue, result, queue->timeline ? "vkWaitSemaphores" : "vkWaitForFences");
    if (queue->lost)
        return status;
    if (dev->lock_queue)
        dev->lock_queue(dev->queue_user);
    (void)dev->vk.vkQueueWaitIdle(queue->handle);
    if (dev->unlock_queue)
        dev->unlock_queue(dev->queue_user);
    return status;
}

// Called with the mutex held; may release it meanwhile.
static daub_status wait_locked(daub_device *dev, uint64_t ticket, uint64_t timeout_ns, bool *done)
{
    struct daub_queue *queue = dev->queue;
    VkResult result = VK_SUCCESS;
    if (queue->lost)
        return fail_lost();
    if (ticket > queue->reached) {
        if (queue->timeline) {
            daub_mutex_unlock(&queue->mutex);
            result = wait_timeline(dev, ticket, timeout_ns);
            daub_mutex_lock(&queue->mutex);
        } else {
            result = wait_fence(dev, ticket, timeout_ns);
        }
        if (result != VK_SUCCESS && result != VK_TIMEOUT)
            return failed_wait(dev, result);
        if (result == VK_SUCCESS && ticket > queue->reached)
            queue->reached = ticket;
    }
    *done = result == VK_SUCCESS;
    return DAUB_OK;
}

// A fence for submission `ticket`, free of its earlier one. Called with the mutex held; others may submit meanwhile, so
// the caller takes its ticket again until that did not happen.
static daub_status claim_fence(daub_device *dev, uint64_t ticket, VkFence *fence)
{
    struct daub_queue *queue = dev->queue;
    struct fence_slot *slot = &queue->fences[ticket % N_FENCES];
    while (queue->submitted + 1 == ticket && slot->ticket > queue->reached) {
        bool done;
        TRY(wait_locked(dev, slot->ticket, UINT64_MAX, &done));
    }
    while (queue->submitted + 1 == ticket && slot->waiters > 0)
        daub_cond_wait(&queue->left, &queue->mutex);
    if (queue->submitted + 1 != ticket)
        return DAUB_OK;
    if (slot->ticket > 0) {
        const VkResult result = dev->vk.vkResetFences(dev->handle, 1, &slot->fence);
        if (result != VK_SUCCESS)
            return from_result(queue, result, "vkResetFences");
    }
    slot->ticket = ticket;
    *fence = slot->fence;
    return DAUB_OK;
}

struct semaphores { // of a submission: the host's, and our timeline
    VkSemaphore wait, signal[2];
    uint64_t wait_value, signal_values[2]; // 0 of binary ones, whose values are not looked at
    uint32_t n_wait, n_signal;
    bool timeline; // any of them
};

static void add_semaphores(struct semaphores *s, const struct daub_semaphore *wait, const struct daub_semaphore *signal)
{
    if (wait && wait->handle) {
        s->wait = wait->handle;
        s->wait_value = wait->value;
        s->timeline |= wait->timeline;
        s->n_wait = 1;
    }
    if (signal && signal->handle) {
        s->signal[s->n_signal] = signal->handle;
        s->signal_values[s->n_signal++] = signal->value;
        s->timeline |= signal->timeline;
    }
}

// The host's lock is held for the call alone.
static VkResult queue_submit(daub_device *dev, const VkSubmitInfo *info, VkFence fence)
{
    if (dev->lock_queue)
        dev->lock_queue(dev->queue_user);
    const VkResult result = dev->vk.vkQueueSubmit(dev->queue->handle, 1, info, fence);
    if (dev->unlock_queue)
        dev->unlock_queue(dev->queue_user);
    return result;
}

static daub_status submit_locked(daub_device *dev, const VkCommandBuffer *cbs, uint32_t n,
                                 const struct daub_semaphore *wait, const struct daub_semaphore *signal,
                                 uint64_t *ticket)
{
    struct daub_queue *queue = dev->queue;
    if (queue->lost)
        return fail_lost();
    VkFence fence = VK_NULL_HANDLE;
    uint64_t value = queue->submitted + 1;
    while (!queue->timeline && !fence) {
        value = queue->submitted + 1;
        TRY(claim_fence(dev, value, &fence));
    }
    struct semaphores s = { .timeline = queue->timeline };
    if (queue->timeline) {
        s.signal[0] = queue->timeline;
        s.signal_values[0] = value;
        s.n_signal = 1;
    }
    add_semaphores(&s, wait, signal);
    static const VkPipelineStageFlags wait_stage = VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkTimelineSemaphoreSubmitInfo timeline = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .waitSemaphoreValueCount = s.n_wait,
        .pWaitSemaphoreValues = &s.wait_value,
        .signalSemaphoreValueCount = s.n_signal,
        .pSignalSemaphoreValues = s.signal_values,
    };
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = s.timeline ? &timeline : NULL,
        .waitSemaphoreCount = s.n_wait,
        .pWaitSemaphores = &s.wait,
        .pWaitDstStageMask = &wait_stage,
        .commandBufferCount = n,
        .pCommandBuffers = cbs,
        .signalSemaphoreCount = s.n_signal,
        .pSignalSemaphores = s.signal,
    };
    const VkResult result = queue_submit(dev, &info, fence);
    if (result != VK_SUCCESS) {
        if (fence)
            queue->fences[value % N_FENCES].ticket = 0;
        return from_result(queue, result, "vkQueueSubmit");
    }
    queue->submitted = value;
    *ticket = value;
    return DAUB_OK;
}

daub_status daub_queue_submit(daub_device *dev, const VkCommandBuffer *cbs, uint32_t n,
                              const struct daub_semaphore *wait, const struct daub_semaphore *signal, uint64_t *ticket)
{
    daub_mutex_lock(&dev->queue->mutex);
    const daub_status status = submit_locked(dev, cbs, n, wait, signal, ticket);
    daub_mutex_unlock(&dev->queue->mutex);
    return status;
}

uint64_t daub_queue_last(daub_device *dev)
{
    daub_mutex_lock(&dev->queue->mutex);
    const uint64_t last = dev->queue->submitted;
    daub_mutex_unlock(&dev->queue->mutex);
    return last;
}

daub_status daub_queue_drain(daub_device *dev)
{
    return daub_wait(dev, daub_queue_last(dev), UINT64_MAX, NULL);
}

daub_status daub_wait(daub_device *dev, uint64_t ticket, uint64_t timeout_ns, bool *done)
{
    struct daub_queue *queue = dev->queue;
    bool reached = false;
    daub_mutex_lock(&queue->mutex);
    daub_status status = DAUB_OK;
    if (ticket > queue->submitted)
        status = daub_fail(DAUB_ERROR_INVALID_ARG, "ticket %llu was never submitted", (unsigned long long)ticket);
    else
        status = wait_locked(dev, ticket, timeout_ns, &reached);
    daub_mutex_unlock(&queue->mutex);
    if (status == DAUB_OK && done)
        *done = reached;
    return status;
}

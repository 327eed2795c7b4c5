// volk_impl.c - the distribution's volk, compiled in, and the only code that touches its global pointers.
// Hidden like everything of ours (-fvisibility=hidden), so that a host that links Vulkan keeps its own.
#include <volk.c>

#include "runtime/vk/instance.h"

#include <stdatomic.h>

// volk keeps what it loads in globals, so devices made on two threads at once would race on them: each use is one short
// critical section, and what comes out of it belongs to the caller.
static atomic_flag volk_lock = ATOMIC_FLAG_INIT;

static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&volk_lock, memory_order_acquire))
        continue; // held for milliseconds, once a device
}

static void unlock(void)
{
    atomic_flag_clear_explicit(&volk_lock, memory_order_release);
}

daub_status daub_volk_open(PFN_vkGetInstanceProcAddr *get)
{
    lock();
    const VkResult result = vkGetInstanceProcAddr ? VK_SUCCESS : volkInitialize();
    const PFN_vkGetInstanceProcAddr found = result == VK_SUCCESS ? vkGetInstanceProcAddr : NULL;
    unlock();
    if (!found)
        return daub_fail(DAUB_ERROR_NO_DEVICE,
                         "no Vulkan loader (libvulkan.so.1) on this system; install it: libvulkan1");
    *get = found;
    return DAUB_OK;
}

void daub_volk_load_device(PFN_vkGetDeviceProcAddr get, VkDevice device, struct VolkDeviceTable *table)
{
    lock();
    vkGetDeviceProcAddr = get; // which volk asks; a host's may be of another loader than ours
    volkLoadDeviceTable(table, device);
    unlock();
}

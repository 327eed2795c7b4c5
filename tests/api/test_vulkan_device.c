// test_vulkan_device.c - daub on the host's device: with all it wishes for and with nothing, beside the host on one queue, two at once.
#include "tests/api/harness_vulkan.h"

enum { W = 64, H = 64, SIZE = W * H * 3 };

static uint8_t own_picture[SIZE];

static void draw(daub_device *dev, uint8_t *pixels)
{
    daub_model *model = NULL;
    daub_image image = { 0 };
    REQUIRE_OK(daub_model_load(dev, NULL, NULL, &model));
    REQUIRE_OK(daub_generate(model, daub_generate_params(.prompt = "a red apple", .n_steps = 3, .seed = 7), &image));
    REQUIRE(image.width == W && image.height == H);
    memcpy(pixels, image.pixels, SIZE);
    daub_image_free(&image);
    REQUIRE_OK(daub_model_destroy(&model));
}

static void draw_on_own_device(void)
{
    daub_device *dev = NULL;
    REQUIRE_OK(daub_device_create(daub_device_params(.debug = "nocache"), &dev));
    draw(dev, own_picture);
    REQUIRE_OK(daub_device_destroy(&dev));
}

// The kernels are the same, and so is every byte.
static void a_hosts_device(enum host_kind kind)
{
    struct host host;
    uint8_t pixels[SIZE];
    daub_device_info info = { .struct_size = sizeof(info) };
    host_open(&host, kind, NULL);
    daub_device *dev = host_daub(&host);
    REQUIRE_OK(daub_device_get_info(dev, &info));
    REQUIRE(info.chosen && info.usable && strstr(info.reason, "host's own"));
    draw(dev, pixels);
    REQUIRE(memcmp(pixels, own_picture, SIZE) == 0);
    REQUIRE_OK(daub_device_destroy(&dev));
    REQUIRE(host.n_locks > 10);
    host_begin(&host); // its device and queue live on
    host_submit(&host, NULL, NULL);
    host_close(&host);
}

// A host may say nothing of what it enabled: then nothing is used.
static void a_silent_host(void)
{
    struct host host;
    uint8_t pixels[SIZE];
    host_open(&host, HOST_WISHES, NULL);
    daub_vulkan_device_params params = host_params(&host);
    params.features = NULL;
    params.api_version = 0;
    params.params = NULL;
    params.lock_queue = params.unlock_queue = NULL;
    daub_device *dev = NULL;
    REQUIRE_OK(daub_vulkan_device_create(&params, &dev));
    draw(dev, pixels);
    REQUIRE(memcmp(pixels, own_picture, SIZE) == 0);
    REQUIRE_OK(daub_device_destroy(&dev));
    host_close(&host);
}

// ---- a shared queue ----------------------------------------------------------------------------------------------

struct busy {
    struct host *host;
    pthread_mutex_t mutex;
    bool stop;
    uint32_t n;
};

static void *submit_frames(void *arg)
{
    struct busy *busy = arg;
    for (;;) {
        pthread_mutex_lock(&busy->mutex);
        const bool stop = busy->stop;
        pthread_mutex_unlock(&busy->mutex);
        if (stop)
            return NULL;
        host_begin(busy->host);
        host_submit(busy->host, NULL, NULL);
        busy->n++;
    }
}

static void a_shared_queue(void)
{
    struct host host;
    uint8_t pixels[SIZE];
    pthread_t thread;
    host_open(&host, HOST_WISHES, NULL);
    daub_device *dev = host_daub(&host);
    struct busy busy = { .host = &host };
    REQUIRE(pthread_mutex_init(&busy.mutex, NULL) == 0);
    REQUIRE(pthread_create(&thread, NULL, submit_frames, &busy) == 0);
    draw(dev, pixels);
    pthread_mutex_lock(&busy.mutex);
    busy.stop = true;
    pthread_mutex_unlock(&busy.mutex);
    pthread_join(thread, NULL);
    pthread_mutex_destroy(&busy.mutex);
    REQUIRE(memcmp(pixels, own_picture, SIZE) == 0);
    REQUIRE_OK(daub_device_destroy(&dev));
    REQUIRE(busy.n > 0 && host.n_locks > busy.n + 10);
    host_close(&host);
}

// ---- several at once ---------------------------------------------------------------------------------------------

static void *draw_on_host(void *arg)
{
    struct host host;
    host_open(&host, HOST_BARE, NULL);
    daub_device *dev = host_daub(&host);
    draw(dev, arg);
    REQUIRE_OK(daub_device_destroy(&dev));
    host_close(&host);
    return NULL;
}

static void two_hosts_and_an_own_device(void)
{
    pthread_t threads[2];
    static uint8_t pixels[2][SIZE];
    for (int i = 0; i < 2; i++)
        REQUIRE(pthread_create(&threads[i], NULL, draw_on_host, pixels[i]) == 0);
    draw_on_own_device();
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        REQUIRE(memcmp(pixels[i], own_picture, SIZE) == 0);
    }
}

// ---- order and arguments -----------------------------------------------------------------------------------------

static void order_of_destruction(void)
{
    struct host host;
    host_open(&host, HOST_BARE, NULL);
    daub_device *dev = host_daub(&host), *second = host_daub(&host); // two on one queue
    daub_model *model = NULL;
    REQUIRE_OK(daub_model_load(dev, NULL, NULL, &model));
    REQUIRE_STATUS(daub_device_destroy(&dev), DAUB_ERROR_INVALID_ARG, "still has 1 model");
    REQUIRE_OK(daub_device_destroy(&second));
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
    REQUIRE(!dev && !second);
    host_close(&host);
}

static void arguments(void)
{
    struct host host;
    daub_device *dev = NULL;
    daub_vulkan_wishes wishes = { .struct_size = sizeof(wishes) };
    host_open(&host, HOST_WISHES, NULL);
    const daub_vulkan_device_params good = host_params(&host);
    daub_vulkan_device_params p;
#define BAD(field, value, status, part)                                    \
    p = good;                                                              \
    p.field = (value);                                                     \
    REQUIRE_STATUS(daub_vulkan_device_create(&p, &dev), (status), (part)); \
    REQUIRE(!dev)
    BAD(struct_size, 0, DAUB_ERROR_INVALID_ARG, "daub_vulkan_device_params.struct_size is 0");
    BAD(get_instance_proc_addr, NULL, DAUB_ERROR_INVALID_ARG, "get_instance_proc_addr is NULL");
    BAD(instance, NULL, DAUB_ERROR_INVALID_ARG, "instance is NULL");
    BAD(physical_device, NULL, DAUB_ERROR_INVALID_ARG, "physical_device is NULL");
    BAD(device, NULL, DAUB_ERROR_INVALID_ARG, "device is NULL");
    BAD(queue, NULL, DAUB_ERROR_INVALID_ARG, "queue is NULL");
    BAD(queue_family, 77, DAUB_ERROR_INVALID_ARG, "queue_family 77: the device has");
    BAD(api_version, VK_API_VERSION_1_0, DAUB_ERROR_NO_DEVICE, "of Vulkan 1.0, wanted 1.1");
    BAD(lock_queue, NULL, DAUB_ERROR_INVALID_ARG, "lock_queue and unlock_queue");
    p = good;
    p.n_extensions = 1;
    p.extensions = NULL;
    REQUIRE_STATUS(daub_vulkan_device_create(&p, &dev), DAUB_ERROR_INVALID_ARG, "extensions is NULL");
    const VkPhysicalDeviceFeatures2 no_chain = { .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO };
    BAD(features, &no_chain, DAUB_ERROR_INVALID_ARG, "no VkPhysicalDeviceFeatures2");
    const daub_device_params bases[] = {
        { .struct_size = sizeof(bases[0]), .device = "0" },
        { .struct_size = sizeof(bases[0]), .debug = "validate" },
        { .struct_size = sizeof(bases[0]), .caps = "-nothing" },
        { .struct_size = 1 },
    };
    BAD(params, &bases[0], DAUB_ERROR_INVALID_ARG, "params.device is \"0\", and the device is the host's");
    BAD(params, &bases[1], DAUB_ERROR_INVALID_ARG, "validate is the host's to enable");
    BAD(params, &bases[2], DAUB_ERROR_INVALID_ARG, "-nothing");
    BAD(params, &bases[3], DAUB_ERROR_INVALID_ARG, "daub_device_params.struct_size");
#undef BAD
    REQUIRE_STATUS(daub_vulkan_device_create(&good, NULL), DAUB_ERROR_INVALID_ARG, "out is NULL");
    REQUIRE_STATUS(daub_vulkan_device_create(NULL, &dev), DAUB_ERROR_INVALID_ARG, "is NULL");
    REQUIRE_STATUS(daub_vulkan_wishes_get(NULL, &wishes), DAUB_ERROR_INVALID_ARG, "is NULL");
    REQUIRE_STATUS(daub_vulkan_wishes_get(daub_vulkan_wishes_params(.instance = host.instance), NULL),
                   DAUB_ERROR_INVALID_ARG, "out is NULL");
    REQUIRE_OK(daub_vulkan_wishes_get(
        daub_vulkan_wishes_params(.get_instance_proc_addr = host.get, .instance = host.instance,
                                  .physical_device = host.physical, .api_version = VK_API_VERSION_1_0),
        &wishes));
    REQUIRE(!wishes.usable && strstr(wishes.reason, "wanted 1.1"));
    host_close(&host);
}

// Wishes go into the structs that are there, or behind them.
static void wishes(void)
{
    const daub_vulkan_wishes all = { .timeline_semaphore = true, .synchronization2 = true };
    VkPhysicalDeviceVulkan13Features f13 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES };
    VkPhysicalDeviceVulkan12Features f12 = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                                             .pNext = &f13,
                                             .shaderFloat16 = VK_TRUE };
    VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &f12 };
    daub_vulkan_features room;
    daub_vulkan_wishes_chain(&all, &features, &room);
    REQUIRE(f12.timelineSemaphore && f12.shaderFloat16 && f13.synchronization2 && !f13.pNext && features.pNext == &f12);

    f12.pNext = NULL;
    f12.timelineSemaphore = VK_FALSE;
    daub_vulkan_wishes_chain(&all, &features, &room);
    REQUIRE(f12.timelineSemaphore && f12.pNext == &room.synchronization2 && room.synchronization2.synchronization2 &&
            !room.synchronization2.pNext);

    VkPhysicalDeviceTimelineSemaphoreFeatures own = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES
    };
    features.pNext = &own;
    const daub_vulkan_wishes one = { .timeline_semaphore = true };
    daub_vulkan_wishes_chain(&one, &features, &room);
    REQUIRE(own.timelineSemaphore && !own.pNext);
    features.pNext = NULL;
    const daub_vulkan_wishes none = { 0 };
    daub_vulkan_wishes_chain(&none, &features, &room);
    daub_vulkan_wishes_chain(NULL, &features, &room);
    REQUIRE(!features.pNext);
    daub_vulkan_wishes_chain(&all, &features, &room);
    REQUIRE(features.pNext == &room.timeline_semaphore && room.timeline_semaphore.pNext == &room.synchronization2);
}

int main(void)
{
    wishes();
    draw_on_own_device();
    a_hosts_device(HOST_WISHES);
    a_hosts_device(HOST_BARE);
    a_silent_host();
    a_shared_queue();
    two_hosts_and_an_own_device();
    order_of_destruction();
    arguments();
    return 0;
}

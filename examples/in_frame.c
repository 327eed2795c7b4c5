// in_frame.c - a program that draws thirty frames a second with Vulkan, offscreen, and lets daub draw pictures on the same device and
// queue between them: each frame, daub_job_advance may submit so much GPU time and no more.
//
//     example_in_frame [--seconds 10] [--hz 30] [--budget US] [--model PATH] [--size N] [--steps N] [--check]
//
// Draws for some seconds without daub, then with it, and prints what frames took in both, and slices. With daub, every other frame
// has work of our own of a slice's length instead: what the 99th percentile of these is over the fastest is the noise of the
// machine's scheduling, at the same time and under the same load. --check fails where the 99th percentile of slices is over the
// budget plus that noise; where too few were measured to say so it goes on, up to eight times as long.
#include <daub.h>
#include <daub_vulkan.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const uint32_t scene_code[] = {
#include "in_frame.inc"
};

enum { WIDTH = 192, HEIGHT = 108, MAX_FRAMES = 20000, ATTEMPTS = 8, MAX_MORE = 10000 };

// clang-format off
#define INSTANCE_FUNCTIONS(F) \
    F(vkEnumeratePhysicalDevices) F(vkGetPhysicalDeviceMemoryProperties) F(vkCreateDevice) \
    F(vkGetDeviceProcAddr) F(vkDestroyInstance)
#define DEVICE_FUNCTIONS(F) \
    F(vkGetDeviceQueue) F(vkCreateBuffer) F(vkGetBufferMemoryRequirements) F(vkAllocateMemory) \
    F(vkBindBufferMemory) F(vkCreateShaderModule) F(vkCreateDescriptorSetLayout) F(vkCreatePipelineLayout) \
    F(vkCreateComputePipelines) F(vkCreateDescriptorPool) F(vkAllocateDescriptorSets) \
    F(vkUpdateDescriptorSets) F(vkCreateCommandPool) F(vkAllocateCommandBuffers) F(vkBeginCommandBuffer) \
    F(vkCmdBindPipeline) F(vkCmdBindDescriptorSets) F(vkCmdPushConstants) F(vkCmdDispatch) \
    F(vkCmdPipelineBarrier) \
    F(vkEndCommandBuffer) F(vkCreateFence) F(vkResetFences) F(vkWaitForFences) F(vkQueueSubmit) \
    F(vkDeviceWaitIdle) F(vkDestroyFence) F(vkDestroyCommandPool) F(vkDestroyDescriptorPool) \
    F(vkDestroyPipeline) F(vkDestroyPipelineLayout) F(vkDestroyDescriptorSetLayout) F(vkDestroyShaderModule) \
    F(vkFreeMemory) F(vkDestroyBuffer) F(vkDestroyDevice)
// clang-format on

struct renderer {
    PFN_vkGetInstanceProcAddr get;
    VkInstance instance;
    VkPhysicalDevice gpu;
    VkPhysicalDeviceMemoryProperties memory_types;
    VkDevice device;
    uint32_t family;
    VkQueue queue;
    pthread_mutex_t lock; // of the queue, which daub submits to as well
    daub_vulkan_wishes wishes;
    VkPhysicalDeviceFeatures2 features;
    daub_vulkan_features room;
    VkBuffer pixels;
    VkDeviceMemory memory;
    VkShaderModule module;
    VkDescriptorSetLayout set_layout;
    VkPipelineLayout layout;
    VkPipeline pipeline;
    VkDescriptorPool sets;
    VkDescriptorSet set;
    VkCommandPool pool;
    VkCommandBuffer cb;
    VkFence drawn;
#define MEMBER(f) PFN_##f f;
    INSTANCE_FUNCTIONS(MEMBER) DEVICE_FUNCTIONS(MEMBER)
#undef MEMBER
};

struct options {
    double seconds, hz;
    uint64_t budget_us;
    const char *model;
    uint32_t size, steps;
    int check;
};

struct times { // microseconds
    double us[MAX_FRAMES];
    uint32_t n;
};

#define VK(call)                                                                \
    do {                                                                        \
        const VkResult result_ = (call);                                        \
        if (result_ != VK_SUCCESS) {                                            \
            fprintf(stderr, "in_frame: %s failed (%d)\n", #call, (int)result_); \
            exit(1);                                                            \
        }                                                                       \
    } while (0)

#define DAUB(call)                                                \
    do {                                                          \
        if ((call) != DAUB_OK) {                                  \
            fprintf(stderr, "in_frame: %s\n", daub_last_error()); \
            exit(1);                                              \
        }                                                         \
    } while (0)

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void sleep_until(double us)
{
    const double left = us - now_us();
    if (left > 0.0) {
        const struct timespec t = { .tv_sec = (time_t)(left * 1e-6),
                                    .tv_nsec = (long)((left - (double)(time_t)(left * 1e-6) * 1e6) * 1e3) };
        nanosleep(&t, NULL);
    }
}

// ---- the renderer ----------------------------------------------------------------------------------------------------

static void open_device(struct renderer *r)
{
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    void *symbol = library ? dlsym(library, "vkGetInstanceProcAddr") : NULL;
    if (!symbol) {
        fprintf(stderr, "in_frame: there is no libvulkan.so.1\n");
        exit(77);
    }
    memcpy(&r->get, &symbol, sizeof(symbol));
    const VkApplicationInfo app = { .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_3 };
    const VkInstanceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app };
    const PFN_vkCreateInstance create = (PFN_vkCreateInstance)r->get(NULL, "vkCreateInstance");
    VK(create(&info, NULL, &r->instance));
#define LOAD(f) r->f = (PFN_##f)r->get(r->instance, #f);
    INSTANCE_FUNCTIONS(LOAD)
#undef LOAD
    uint32_t n = 1;
    if (r->vkEnumeratePhysicalDevices(r->instance, &n, &r->gpu) < 0 || n == 0) {
        fprintf(stderr, "in_frame: there is no Vulkan device\n");
        exit(77);
    }
    r->vkGetPhysicalDeviceMemoryProperties(r->gpu, &r->memory_types);

    // What daub can make use of goes into our own device; nothing of it has to be there.
    r->wishes.struct_size = sizeof(r->wishes);
    DAUB(daub_vulkan_wishes_get(daub_vulkan_wishes_params(.get_instance_proc_addr = r->get, .instance = r->instance,
                                                          .physical_device = r->gpu, .api_version = VK_API_VERSION_1_3),
                                &r->wishes));
    r->features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2;
    daub_vulkan_wishes_chain(&r->wishes, &r->features, &r->room);
    r->family = r->wishes.queue_family;
    const float priority = 1.0f;
    const VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = r->family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    const VkDeviceCreateInfo device = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &r->features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = r->wishes.n_extensions,
        .ppEnabledExtensionNames = r->wishes.extensions,
    };
    VK(r->vkCreateDevice(r->gpu, &device, NULL, &r->device));
#define LOAD(f) r->f = (PFN_##f)r->vkGetDeviceProcAddr(r->device, #f);
    DEVICE_FUNCTIONS(LOAD)
#undef LOAD
    r->vkGetDeviceQueue(r->device, r->family, 0, &r->queue);
}

static void make_target(struct renderer *r)
{
    const VkBufferCreateInfo buffer = { .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                                        .size = WIDTH * HEIGHT * 4,
                                        .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT };
    VK(r->vkCreateBuffer(r->device, &buffer, NULL, &r->pixels));
    VkMemoryRequirements need;
    r->vkGetBufferMemoryRequirements(r->device, r->pixels, &need);
    uint32_t type = 0;
    while (!(need.memoryTypeBits >> type & 1) ||
           !(r->memory_types.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT))
        type++;
    const VkMemoryAllocateInfo memory = { .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                          .allocationSize = need.size,
                                          .memoryTypeIndex = type };
    VK(r->vkAllocateMemory(r->device, &memory, NULL, &r->memory));
    VK(r->vkBindBufferMemory(r->device, r->pixels, r->memory, 0));
}

static void make_pipeline(struct renderer *r)
{
    const VkShaderModuleCreateInfo module = { .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                              .codeSize = sizeof(scene_code),
                                              .pCode = scene_code };
    VK(r->vkCreateShaderModule(r->device, &module, NULL, &r->module));
    const VkDescriptorSetLayoutBinding binding = { .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                                   .descriptorCount = 1,
                                                   .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT };
    const VkDescriptorSetLayoutCreateInfo set = { .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                                  .bindingCount = 1,
                                                  .pBindings = &binding };
    VK(r->vkCreateDescriptorSetLayout(r->device, &set, NULL, &r->set_layout));
    const VkPushConstantRange push = { .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = 12 };
    const VkPipelineLayoutCreateInfo layout = { .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                                .setLayoutCount = 1,
                                                .pSetLayouts = &r->set_layout,
                                                .pushConstantRangeCount = 1,
                                                .pPushConstantRanges = &push };
    VK(r->vkCreatePipelineLayout(r->device, &layout, NULL, &r->layout));
    const VkComputePipelineCreateInfo pipeline = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = { .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                   .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                   .module = r->module,
                   .pName = "main" },
        .layout = r->layout,
    };
    VK(r->vkCreateComputePipelines(r->device, VK_NULL_HANDLE, 1, &pipeline, NULL, &r->pipeline));
    const VkDescriptorPoolSize size = { .type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .descriptorCount = 1 };
    const VkDescriptorPoolCreateInfo sets = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = 1, .poolSizeCount = 1, .pPoolSizes = &size
    };
    VK(r->vkCreateDescriptorPool(r->device, &sets, NULL, &r->sets));
    const VkDescriptorSetAllocateInfo take = { .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                               .descriptorPool = r->sets,
                                               .descriptorSetCount = 1,
                                               .pSetLayouts = &r->set_layout };
    VK(r->vkAllocateDescriptorSets(r->device, &take, &r->set));
    const VkDescriptorBufferInfo target = { .buffer = r->pixels, .range = VK_WHOLE_SIZE };
    const VkWriteDescriptorSet write = { .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                         .dstSet = r->set,
                                         .descriptorCount = 1,
                                         .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                         .pBufferInfo = &target };
    r->vkUpdateDescriptorSets(r->device, 1, &write, 0, NULL);
}

static void open_renderer(struct renderer *r)
{
    open_device(r);
    make_target(r);
    make_pipeline(r);
    const VkCommandPoolCreateInfo pool = { .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                           .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                           .queueFamilyIndex = r->family };
    VK(r->vkCreateCommandPool(r->device, &pool, NULL, &r->pool));
    const VkCommandBufferAllocateInfo cb = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                             .commandPool = r->pool,
                                             .commandBufferCount = 1 };
    VK(r->vkAllocateCommandBuffers(r->device, &cb, &r->cb));
    const VkFenceCreateInfo fence = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
    VK(r->vkCreateFence(r->device, &fence, NULL, &r->drawn));
    pthread_mutex_init(&r->lock, NULL);
}

static void close_renderer(struct renderer *r)
{
    r->vkDeviceWaitIdle(r->device);
    r->vkDestroyFence(r->device, r->drawn, NULL);
    r->vkDestroyCommandPool(r->device, r->pool, NULL);
    r->vkDestroyDescriptorPool(r->device, r->sets, NULL);
    r->vkDestroyPipeline(r->device, r->pipeline, NULL);
    r->vkDestroyPipelineLayout(r->device, r->layout, NULL);
    r->vkDestroyDescriptorSetLayout(r->device, r->set_layout, NULL);
    r->vkDestroyShaderModule(r->device, r->module, NULL);
    r->vkDestroyBuffer(r->device, r->pixels, NULL);
    r->vkFreeMemory(r->device, r->memory, NULL);
    r->vkDestroyDevice(r->device, NULL);
    r->vkDestroyInstance(r->instance, NULL);
    pthread_mutex_destroy(&r->lock);
}

// Records and submits one frame, then so many dispatches more that draw its first rows again; r->drawn tells when it is there.
static void draw(struct renderer *r, double seconds, uint32_t more)
{
    const struct {
        float time;
        uint32_t width, height;
    } push = { (float)seconds, WIDTH, HEIGHT };
    const VkCommandBufferBeginInfo begin = { .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                             .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT };
    VK(r->vkResetFences(r->device, 1, &r->drawn));
    VK(r->vkBeginCommandBuffer(r->cb, &begin));
    r->vkCmdBindPipeline(r->cb, VK_PIPELINE_BIND_POINT_COMPUTE, r->pipeline);
    r->vkCmdBindDescriptorSets(r->cb, VK_PIPELINE_BIND_POINT_COMPUTE, r->layout, 0, 1, &r->set, 0, NULL);
    r->vkCmdPushConstants(r->cb, r->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(push), &push);
    const VkMemoryBarrier one_by_one = { .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                                         .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                                         .dstAccessMask = VK_ACCESS_SHADER_WRITE_BIT };
    r->vkCmdDispatch(r->cb, (WIDTH + 7) / 8, (HEIGHT + 7) / 8, 1);
    for (uint32_t i = 0; i < more; i++) {
        r->vkCmdPipelineBarrier(r->cb, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1,
                                &one_by_one, 0, NULL, 0, NULL);
        r->vkCmdDispatch(r->cb, (WIDTH + 7) / 8, 2, 1);
    }
    VK(r->vkEndCommandBuffer(r->cb));
    const VkSubmitInfo submit = { .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                                  .commandBufferCount = 1,
                                  .pCommandBuffers = &r->cb };
    pthread_mutex_lock(&r->lock);
    VK(r->vkQueueSubmit(r->queue, 1, &submit, r->drawn));
    pthread_mutex_unlock(&r->lock);
}

static void lock_queue(void *user)
{
    pthread_mutex_lock(&((struct renderer *)user)->lock);
}

static void unlock_queue(void *user)
{
    pthread_mutex_unlock(&((struct renderer *)user)->lock);
}

// ---- pictures --------------------------------------------------------------------------------------------------------

struct artist {
    daub_model *model;
    daub_job *job;
    const struct options *options;
    uint32_t pictures;
    struct times slices;
    double submitted_us;
};

static void start_picture(struct artist *a)
{
    static const char *const prompts[] = { "a red apple", "a blue heart" };
    DAUB(daub_job_submit(a->model,
                         daub_generate_params(.prompt = prompts[a->pictures % 2], .width = a->options->size,
                                              .height = a->options->size, .n_steps = a->options->steps,
                                              .seed = a->pictures, .host_driven = true),
                         &a->job));
}

// The frame's share of the picture.
static void advance(struct artist *a, uint64_t budget_us)
{
    daub_advance done = { .struct_size = sizeof(done) };
    DAUB(daub_job_advance(a->job, budget_us, &done));
    if (done.finished_us > 0.0 && a->slices.n < MAX_FRAMES)
        a->slices.us[a->slices.n++] = done.finished_us;
    a->submitted_us += done.submitted_us;
    if (!done.done)
        return;
    daub_image image = { 0 };
    DAUB(daub_job_take_image(a->job, &image)); // a renderer would upload it, or have it in an image: see daub_vulkan_io
    daub_image_free(&image);
    daub_job_destroy(&a->job);
    a->pictures++;
    start_picture(a);
}

// ---- frames ----------------------------------------------------------------------------------------------------------

static void add_time(struct times *t, double us)
{
    if (t->n < MAX_FRAMES)
        t->us[t->n++] = us;
}

// Draws at the fixed cadence. artist NULL: frames alone. Else its share of work is done in every other frame, and the frames between
// have so many dispatches more of our own, which take as long, and go into busy.
static void run_frames(struct renderer *r, const struct options *o, struct artist *a, struct times *frames,
                       uint32_t more, struct times *busy)
{
    const double start = now_us(), period = 1e6 / o->hz;
    for (uint32_t i = 0; (double)i * period < o->seconds * 1e6; i++) {
        const int ours = a && i % 2 == 0;
        sleep_until(start + (double)i * period);
        const double begin = now_us();
        draw(r, (begin - start) * 1e-6, ours ? more : 0);
        if (a && !ours)
            advance(a, o->budget_us);
        VK(r->vkWaitForFences(r->device, 1, &r->drawn, VK_TRUE, UINT64_MAX));
        add_time(ours ? busy : frames, now_us() - begin);
    }
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(const struct times *t, double p) // of sorted times
{
    return t->n ? t->us[(uint32_t)(p * (t->n - 1) + 0.5)] : 0.0;
}

static void print_times(const char *name, struct times *t)
{
    qsort(t->us, t->n, sizeof(t->us[0]), by_value);
    printf("%s: %u, ms p50 %.2f p90 %.2f p99 %.2f most %.2f\n", name, t->n, percentile(t, 0.5) * 1e-3,
           percentile(t, 0.9) * 1e-3, percentile(t, 0.99) * 1e-3, percentile(t, 1.0) * 1e-3);
    uint32_t i = 0;
    for (double end = 1e3; i < t->n; end *= 1.41421356) { // two bars an octave
        uint32_t n = 0;
        for (; i < t->n && t->us[i] < end; i++)
            n++;
        if (n > 0)
            printf("  < %7.2f ms %6u %.*s\n", end * 1e-3, n, (int)(1 + 59 * n / t->n),
                   "############################################################");
    }
}

static int check(const struct options *o, const struct times *busy, const struct artist *a)
{
    const double noise = percentile(busy, 0.99) - percentile(busy, 0.0);
    const double slice = percentile(&a->slices, 0.99), limit = (double)o->budget_us + noise;
    printf("slices' 99th percentile %.2f ms, budget %.2f ms and noise %.2f ms: %s\n", slice * 1e-3,
           (double)o->budget_us * 1e-3, noise * 1e-3, slice <= limit ? "within" : "over");
    return slice <= limit && a->slices.n > 0;
}

// How many dispatches of our own take as long as a slice may.
static uint32_t dispatches_for(struct renderer *r, uint64_t budget_us)
{
    enum { TRIES = 9, MORE = 100 };
    struct times *t = calloc(1, sizeof(*t));
    if (!t)
        return 1;
    for (uint32_t i = 0; i < TRIES; i++) {
        const double begin = now_us();
        draw(r, 0.0, MORE);
        VK(r->vkWaitForFences(r->device, 1, &r->drawn, VK_TRUE, UINT64_MAX));
        add_time(t, now_us() - begin);
    }
    qsort(t->us, t->n, sizeof(t->us[0]), by_value);
    const double n = (double)budget_us * MORE / percentile(t, 0.5);
    free(t);
    return n < 1.0 ? 1 : n > MAX_MORE ? MAX_MORE : (uint32_t)n;
}

static int parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--check") == 0) {
            o->check = 1;
            continue;
        }
        if (i + 1 == argc)
            return 0;
        const char *value = argv[++i];
        if (strcmp(argv[i - 1], "--seconds") == 0)
            o->seconds = atof(value);
        else if (strcmp(argv[i - 1], "--hz") == 0)
            o->hz = atof(value);
        else if (strcmp(argv[i - 1], "--budget") == 0)
            o->budget_us = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--model") == 0)
            o->model = value;
        else if (strcmp(argv[i - 1], "--size") == 0)
            o->size = (uint32_t)strtoul(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--steps") == 0)
            o->steps = (uint32_t)strtoul(value, NULL, 10);
        else
            return 0;
    }
    return o->seconds > 0.0 && o->hz > 0.0;
}

int main(int argc, char **argv)
{
    static struct renderer r;
    static struct artist a;
    static struct times alone, busy, with;
    struct options o = { .seconds = 10.0, .hz = 30.0, .budget_us = 8000 };
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: in_frame [--seconds S] [--hz HZ] [--budget US] [--model PATH] [--size N] [--steps N] "
                        "[--check]\n");
        return 2;
    }
    open_renderer(&r);
    daub_device *dev = NULL;
    DAUB(daub_vulkan_device_create(
        daub_vulkan_device_params(.get_instance_proc_addr = r.get, .instance = r.instance,
                                  .api_version = VK_API_VERSION_1_3, .physical_device = r.gpu, .device = r.device,
                                  .features = &r.features, .extensions = r.wishes.extensions,
                                  .n_extensions = r.wishes.n_extensions, .queue_family = r.family, .queue = r.queue,
                                  .lock_queue = lock_queue, .unlock_queue = unlock_queue, .queue_user = &r),
        &dev));
    DAUB(daub_model_load(dev, o.model, NULL, &a.model));

    // The loading screen: a first picture of the size, as fast as can be, after which all is planned, made and measured.
    a.options = &o;
    start_picture(&a);
    while (a.pictures == 0) {
        advance(&a, UINT64_MAX);
        sleep_until(now_us() + 1000.0);
    }

    a.slices.n = a.pictures = 0;
    a.submitted_us = 0.0;
    run_frames(&r, &o, NULL, &alone, 0, NULL);
    const uint32_t more = dispatches_for(&r, o.budget_us);
    int good = 0;
    for (int attempt = 1; attempt <= (o.check ? ATTEMPTS : 1) && !good; attempt++) {
        run_frames(&r, &o, &a, &with, more, &busy);
        print_times("frames without daub", &alone);
        print_times("frames with work of our own", &busy);
        print_times("frames with daub", &with);
        print_times("slices", &a.slices);
        printf("%u pictures; %.1f %% of the time given to daub\n", a.pictures,
               a.submitted_us * 1e-4 / o.seconds / attempt);
        good = check(&o, &busy, &a);
    }
    daub_job_destroy(&a.job);

    DAUB(daub_model_destroy(&a.model));
    DAUB(daub_device_destroy(&dev));
    close_renderer(&r);
    return o.check && !good ? 1 : 0;
}

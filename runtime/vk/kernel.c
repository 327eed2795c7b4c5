// kernel.c - pipelines: made on first use, kept by (kernel, specialisation, kinds of bindings).
#include "runtime/vk/kernel.h"
#include "runtime/vk/device_private.h"
#include "runtime/vk/pipeline_cache.h"
#include "shaders/params/types.h"

#include <stdio.h>
#include <string.h>

// A pipeline's identity. Compared as bytes, so every key starts zeroed and has no padding.
struct key {
    uint32_t kernel, n_bindings, n_specs;
    uint8_t kinds[12]; // of bindings 0..n_bindings-1
    struct daub_spec specs[DAUB_MAX_SPECS];
};
_Static_assert(sizeof(((struct key *)0)->kinds) >= DAUB_MAX_BINDINGS, "a kind for each binding");

struct set_layout { // one for each run of binding kinds
    uint32_t n_bindings;
    uint8_t kinds[12];
    VkDescriptorSetLayout set;
    VkPipelineLayout pipeline;
};

enum entry_state { ENTRY_MAKING, ENTRY_READY, ENTRY_FAILED };

struct entry {
    struct entry *next; // in its bucket
    struct key key;
    enum entry_state state;
    VkPipeline handle;
    uint32_t layout; // index
};

enum { N_BUCKETS = 256, MAX_LAYOUTS = 128 };

struct daub_kernels {
    daub_mutex mutex;
    daub_cond made; // an entry has left ENTRY_MAKING
    struct entry *buckets[N_BUCKETS];
    struct set_layout layouts[MAX_LAYOUTS];
    uint32_t n_layouts;
    uint32_t n_made;
    struct daub_pipeline_cache cache;
};

daub_status daub_kernels_create(daub_device *dev, const char *cache_dir)
{
    struct daub_kernels *kernels = daub_alloc(&dev->host, sizeof(*kernels));
    if (!kernels)
        return daub_no_memory("the table of pipelines");
    daub_status status = daub_mutex_init(&kernels->mutex);
    if (status != DAUB_OK) {
        daub_free(&dev->host, kernels);
        return status;
    }
    status = daub_cond_init(&kernels->made);
    if (status != DAUB_OK) {
        daub_mutex_destroy(&kernels->mutex);
        daub_free(&dev->host, kernels);
        return status;
    }
    dev->kernels = kernels;
    status = daub_pipeline_cache_open(dev, cache_dir, &kernels->cache);
    if (status != DAUB_OK)
        daub_kernels_destroy(dev);
    return status;
}

void daub_kernels_destroy(daub_device *dev)
{
    struct daub_kernels *kernels = dev->kernels;
    if (!kernels)
        return;
    for (uint32_t i = 0; i < N_BUCKETS; i++)
        while (kernels->buckets[i]) {
            struct entry *entry = kernels->buckets[i];
            kernels->buckets[i] = entry->next;
            dev->vk.vkDestroyPipeline(dev->handle, entry->handle, NULL);
            daub_free(&dev->host, entry);
        }
    for (uint32_t i = 0; i < kernels->n_layouts; i++) {
        dev->vk.vkDestroyPipelineLayout(dev->handle, kernels->layouts[i].pipeline, NULL);
        dev->vk.vkDestroyDescriptorSetLayout(dev->handle, kernels->layouts[i].set, NULL);
    }
    daub_pipeline_cache_close(dev, &kernels->cache);
    daub_cond_destroy(&kernels->made);
    daub_mutex_destroy(&kernels->mutex);
    daub_free(&dev->host, kernels);
    dev->kernels = NULL;
}

static daub_status check(const daub_device *dev, const struct daub_dispatch *d)
{
    const char *name = d->name ? d->name : "a dispatch";
    if (d->kernel <= DAUB_KERNEL_NONE || d->kernel >= DAUB_KERNEL_COUNT)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: no kernel has number %d", name, (int)d->kernel);
    if (d->n_bindings > DAUB_MAX_BINDINGS || d->n_specs > DAUB_MAX_SPECS)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: %u bindings and %u constants, at most %d and %d", name,
                         d->n_bindings, d->n_specs, DAUB_MAX_BINDINGS, DAUB_MAX_SPECS);
    uint32_t n_texel = 0;
    for (uint32_t i = 0; i < d->n_bindings; i++)
        n_texel += d->bind[i].kind != DAUB_BIND_STORAGE;
    if (n_texel > 0 && !dev->caps.texel)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: kernel %s wants texel buffers, which the device has not", name,
                         daub_kernel_name(d->kernel));
    if (d->n_bindings - n_texel > dev->max_storage_bindings || n_texel > dev->max_texel_bindings)
        return daub_fail(DAUB_ERROR_UNSUPPORTED,
                         "%s: kernel %s has %u storage and %u texel buffers, the device allows %u and %u", name,
                         daub_kernel_name(d->kernel), d->n_bindings - n_texel, n_texel, dev->max_storage_bindings,
                         dev->max_texel_bindings);
    return DAUB_OK;
}

static struct key make_key(const struct daub_dispatch *d)
{
    struct key key;
    memset(&key, 0, sizeof(key));
    key.kernel = d->kernel;
    key.n_bindings = d->n_bindings;
    key.n_specs = d->n_specs;
    for (uint32_t i = 0; i < d->n_bindings; i++)
        key.kinds[i] = d->bind[i].kind != DAUB_BIND_STORAGE; // the two texel formats share a descriptor type
    memcpy(key.specs, d->specs, d->n_specs * sizeof(key.specs[0]));
    return key;
}

static uint32_t bucket_of(const struct key *key)
{
    return (uint32_t)(daub_hash64(DAUB_HASH_START, key, sizeof(*key)) % N_BUCKETS);
}

static struct entry *find_entry(const struct daub_kernels *kernels, const struct key *key)
{
    for (struct entry *e = kernels->buckets[bucket_of(key)]; e; e = e->next)
        if (memcmp(&e->key, key, sizeof(*key)) == 0)
            return e;
    return NULL;
}

// Called with the mutex held.
static daub_status get_layout(daub_device *dev, const struct key *key, uint32_t *index)
{
    struct daub_kernels *kernels = dev->kernels;
    for (uint32_t i = 0; i < kernels->n_layouts; i++)
        if (kernels->layouts[i].n_bindings == key->n_bindings &&
            memcmp(kernels->layouts[i].kinds, key->kinds, sizeof(key->kinds)) == 0) {
            *index = i;
            return DAUB_OK;
        }
    if (kernels->n_layouts == MAX_LAYOUTS)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "more than %d kinds of kernel interfaces", MAX_LAYOUTS);

    daub_status status;
    struct set_layout *layout = &kernels->layouts[kernels->n_layouts];
    *layout = (struct set_layout) { .n_bindings = key->n_bindings };
    memcpy(layout->kinds, key->kinds, sizeof(layout->kinds));
    VkDescriptorSetLayoutBinding bindings[DAUB_MAX_BINDINGS];
    for (uint32_t i = 0; i < key->n_bindings; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding) {
            .binding = i,
            .descriptorType = key->kinds[i] ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER
                                            : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    const VkDescriptorSetLayoutCreateInfo set_info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = key->n_bindings,
        .pBindings = bindings,
    };
    VK_TRY(dev->vk.vkCreateDescriptorSetLayout(dev->handle, &set_info, NULL, &layout->set));
    const VkPushConstantRange push = { .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = DAUB_MAX_PUSH };
    const VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &layout->set,
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &push,
    };
    VK_TRY(dev->vk.vkCreatePipelineLayout(dev->handle, &info, NULL, &layout->pipeline));
    *index = kernels->n_layouts++;
    return DAUB_OK;

fail:
    dev->vk.vkDestroyDescriptorSetLayout(dev->handle, layout->set, NULL);
    return status;
}

// A required subgroup size goes into the pipeline where the device can force one other than its own.
static uint32_t forced_subgroup(const daub_device *dev, const struct key *key)
{
    const struct daub_caps *caps = &dev->caps;
    for (uint32_t i = 0; i < key->n_specs; i++) {
        const uint32_t value = key->specs[i].value;
        if (key->specs[i].id == SPEC_SUBGROUP && caps->subgroup_size_control && value >= caps->subgroup_min &&
            value <= caps->subgroup_max && (value & (value - 1)) == 0)
            return value;
    }
    return 0;
}

static daub_status make_pipeline(daub_device *dev, const struct key *key, VkPipelineLayout layout, VkPipeline *out)
{
    daub_status status;
    size_t code_size;
    const uint32_t *code = daub_kernel_code((enum daub_kernel)key->kernel, &code_size);
    const char *name = daub_kernel_name((enum daub_kernel)key->kernel);
    const VkShaderModuleCreateInfo module_info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = code_size,
        .pCode = code,
    };
    VkShaderModule module = VK_NULL_HANDLE;
    VK_TRY(dev->vk.vkCreateShaderModule(dev->handle, &module_info, NULL, &module));

    VkSpecializationMapEntry entries[DAUB_MAX_SPECS];
    for (uint32_t i = 0; i < key->n_specs; i++)
        entries[i] = (VkSpecializationMapEntry) {
            .constantID = key->specs[i].id,
            .offset = (uint32_t)(i * sizeof(key->specs[0]) + offsetof(struct daub_spec, value)),
            .size = sizeof(key->specs[0].value),
        };
    const VkSpecializationInfo specs = {
        .mapEntryCount = key->n_specs,
        .pMapEntries = entries,
        .dataSize = key->n_specs * sizeof(key->specs[0]),
        .pData = key->specs,
    };
    const VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroup = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = forced_subgroup(dev, key),
    };
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
            .pNext = subgroup.requiredSubgroupSize ? &subgroup : NULL,
            .stage = VK_SHADER_STAGE_COMPUTE_BIT,
            .module = module,
            .pName = "main",
            .pSpecializationInfo = &specs,
        },
        .layout = layout,
    };
    const VkResult result = dev->vk.vkCreateComputePipelines(dev->handle, dev->kernels->cache.handle, 1, &info, NULL,
                                                             out);
    dev->vk.vkDestroyShaderModule(dev->handle, module, NULL);
    if (result != VK_SUCCESS) {
        status = daub_from_vk(result, "vkCreateComputePipelines");
        return daub_fail(status, "kernel %s: vkCreateComputePipelines failed: %s", name, daub_vk_result_name(result));
    }
    DAUB_NAME(dev, VK_OBJECT_TYPE_PIPELINE, *out, name);
    return DAUB_OK;

fail:
    return status;
}

// Called with the mutex held: the entry of a key that has none yet, in state ENTRY_MAKING.
static daub_status add_entry(daub_device *dev, const struct key *key, struct entry **out)
{
    struct daub_kernels *kernels = dev->kernels;
    uint32_t layout = 0;
    TRY(get_layout(dev, key, &layout));
    struct entry *entry = daub_alloc(&dev->host, sizeof(*entry));
    if (!entry)
        return daub_no_memory("a pipeline");
    entry->key = *key;
    entry->layout = layout;
    entry->next = kernels->buckets[bucket_of(key)];
    kernels->buckets[bucket_of(key)] = entry;
    *out = entry;
    return DAUB_OK;
}

// Called with the mutex held, which is released while compiling: others may make other pipelines meanwhile, and who
// wants this one waits. A failed entry stays and is tried again by the next who asks.
static daub_status get_entry(daub_device *dev, const struct key *key, struct entry **out)
{
    struct daub_kernels *kernels = dev->kernels;
    struct entry *entry = find_entry(kernels, key);
    if (!entry) {
        TRY(add_entry(dev, key, &entry));
    } else {
        while (entry->state == ENTRY_MAKING)
            daub_cond_wait(&kernels->made, &kernels->mutex);
        if (entry->state == ENTRY_READY) {
            *out = entry;
            return DAUB_OK;
        }
        entry->state = ENTRY_MAKING;
    }
    const VkPipelineLayout layout = kernels->layouts[entry->layout].pipeline;
    daub_mutex_unlock(&kernels->mutex);
    VkPipeline handle = VK_NULL_HANDLE;
    const daub_status status = make_pipeline(dev, key, layout, &handle);
    daub_mutex_lock(&kernels->mutex);
    entry->handle = handle;
    entry->state = status == DAUB_OK ? ENTRY_READY : ENTRY_FAILED;
    if (status == DAUB_OK)
        kernels->n_made++;
    daub_cond_broadcast(&kernels->made);
    *out = entry;
    return status;
}

daub_status daub_kernels_get(daub_device *dev, const struct daub_dispatch *dispatch, struct daub_pipeline *out)
{
    struct daub_kernels *kernels = dev->kernels;
    TRY(check(dev, dispatch));
    const struct key key = make_key(dispatch);
    struct entry *entry;
    daub_mutex_lock(&kernels->mutex);
    const daub_status status = get_entry(dev, &key, &entry);
    if (status == DAUB_OK) {
        const struct set_layout *layout = &kernels->layouts[entry->layout];
        uint32_t n_texel = 0;
        for (uint32_t i = 0; i < key.n_bindings; i++)
            n_texel += key.kinds[i];
        *out = (struct daub_pipeline) {
            .handle = entry->handle,
            .layout = layout->pipeline,
            .set_layout = layout->set,
            .n_storage = key.n_bindings - n_texel,
            .n_texel = n_texel,
        };
    }
    daub_mutex_unlock(&kernels->mutex);
    return status;
}

struct prepare_job {
    daub_device *dev;
    const struct daub_dispatch *dispatches;
    const uint32_t *wanted; // indices of the dispatches whose pipelines are missing
    atomic_bool failed;
};

static void prepare_one(void *arg, uint32_t index)
{
    struct prepare_job *job = arg;
    struct daub_pipeline pipeline;
    if (daub_kernels_get(job->dev, &job->dispatches[job->wanted[index]], &pipeline) != DAUB_OK)
        atomic_store(&job->failed, true);
}

daub_status daub_kernels_prepare(daub_device *dev, const struct daub_dispatch *dispatches, uint32_t n)
{
    if (n == 0)
        return DAUB_OK;
    struct key *keys = daub_alloc_array(&dev->host, n, sizeof(*keys));
    uint32_t *wanted = daub_alloc_array(&dev->host, n, sizeof(*wanted));
    daub_status status = DAUB_OK;
    if (!keys || !wanted) {
        status = daub_no_memory("a list of pipelines");
        goto fail;
    }
    // Only distinct ones, so that no thread waits for another's.
    uint32_t n_wanted = 0;
    for (uint32_t i = 0; i < n; i++) {
        TRY_OR_FAIL(check(dev, &dispatches[i]));
        const struct key key = make_key(&dispatches[i]);
        daub_mutex_lock(&dev->kernels->mutex);
        const struct entry *entry = find_entry(dev->kernels, &key);
        bool known = entry && entry->state == ENTRY_READY;
        daub_mutex_unlock(&dev->kernels->mutex);
        for (uint32_t j = 0; j < n_wanted && !known; j++)
            known = memcmp(&keys[j], &key, sizeof(key)) == 0;
        if (known)
            continue;
        keys[n_wanted] = key;
        wanted[n_wanted++] = i;
    }
    struct prepare_job job = { .dev = dev, .dispatches = dispatches, .wanted = wanted };
    atomic_init(&job.failed, false);
    daub_parallel_for(n_wanted, prepare_one, &job);
    // Sentences belong to threads: what failed on another one is tried once more here, and so told to the caller.
    for (uint32_t i = 0; i < n_wanted && atomic_load(&job.failed); i++) {
        struct daub_pipeline pipeline;
        TRY_OR_FAIL(daub_kernels_get(dev, &dispatches[wanted[i]], &pipeline));
    }
fail:
    daub_free(&dev->host, keys);
    daub_free(&dev->host, wanted);
    return status;
}

uint32_t daub_kernels_made(const daub_device *dev)
{
    daub_mutex_lock(&dev->kernels->mutex);
    const uint32_t n = dev->kernels->n_made;
    daub_mutex_unlock(&dev->kernels->mutex);
    return n;
}

void daub_kernels_save(daub_device *dev)
{
    struct daub_kernels *kernels = dev->kernels;
    daub_mutex_lock(&kernels->mutex);
    if (kernels->n_made > kernels->cache.n_saved) {
        kernels->cache.n_saved = kernels->n_made;
        daub_pipeline_cache_save(dev, &kernels->cache);
    }
    daub_mutex_unlock(&kernels->mutex);
}

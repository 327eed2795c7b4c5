// pipeline_cache.c - VkPipelineCache on disk.
#include "runtime/vk/pipeline_cache.h"
#include "runtime/base/file.h"
#include "runtime/base/limits.h"

#include <string.h>

uint64_t daub_kernels_hash(void)
{
    uint64_t hash = DAUB_HASH_START;
    for (uint32_t k = DAUB_KERNEL_NONE + 1; k < DAUB_KERNEL_COUNT; k++) {
        size_t size;
        const uint32_t *words = daub_kernel_code((enum daub_kernel)k, &size);
        for (size_t i = 0; i < size / sizeof(words[0]); i++) // by words: megabytes at every start
            hash = (hash ^ words[i]) * 0x100000001b3u;
    }
    return hash;
}

static struct daub_pipeline_header make_header(const daub_device *dev, const struct daub_pipeline_cache *cache)
{
    VkPhysicalDeviceProperties p;
    dev->instance.vkGetPhysicalDeviceProperties(dev->physical, &p);
    struct daub_pipeline_header header = {
        .vendor_id = dev->caps.vendor_id,
        .device_id = dev->caps.device_id,
        .driver_version = p.driverVersion,
        .api_version = p.apiVersion,
        .code_hash = cache->code_hash,
    };
    memcpy(header.driver_uuid, dev->caps.driver_uuid, sizeof(header.driver_uuid));
    memcpy(header.cache_uuid, dev->caps.pipeline_cache_uuid, sizeof(header.cache_uuid));
    return header;
}

// Names the file by device and driver, so that several of them do not overwrite one another's.
static char *make_path(const daub_device *dev, const char *dir)
{
    uint64_t id = daub_hash64(DAUB_HASH_START, dev->caps.driver_uuid, sizeof(dev->caps.driver_uuid));
    id = daub_hash64(id, dev->caps.pipeline_cache_uuid, sizeof(dev->caps.pipeline_cache_uuid));
    id = daub_hash64(id, &dev->caps.vendor_id, sizeof(dev->caps.vendor_id));
    id = daub_hash64(id, &dev->caps.device_id, sizeof(dev->caps.device_id));
    char *name = daub_asprintf(&dev->host, "pipelines-%016llx.bin", (unsigned long long)id);
    char *path = name ? daub_path_join(&dev->host, dir, name) : NULL;
    daub_free(&dev->host, name);
    return path;
}

// The driver's part of the file; NULL when there is none that fits.
static const void *load(const daub_device *dev, const struct daub_pipeline_cache *cache, char **file, size_t *size)
{
    size_t file_size;
    *size = 0;
    if (!daub_path_is_file(cache->path) ||
        daub_file_read(&dev->host, cache->path, DAUB_MAX_PIPELINES, file, &file_size) != DAUB_OK)
        return NULL;
    const struct daub_pipeline_header own = make_header(dev, cache);
    const void *data = daub_pipeline_file_data(&own, *file, file_size, size);
    if (!data)
        daub_log(&dev->host, DAUB_LOG_INFO, "%s is of another driver or build, or damaged; it will be replaced",
                 cache->path);
    return data;
}

daub_status daub_pipeline_cache_open(daub_device *dev, const char *cache_dir, struct daub_pipeline_cache *cache)
{
    char *own = NULL, *file = NULL;
    const void *data = NULL;
    size_t size = 0;
    if (!cache_dir)
        cache_dir = own = daub_cache_dir(&dev->host);
    if (cache_dir && cache_dir[0] && !dev->debug.nocache) {
        cache->path = make_path(dev, cache_dir);
        if (!cache->path) {
            daub_free(&dev->host, own);
            return daub_no_memory("the pipeline cache's path");
        }
        cache->code_hash = daub_kernels_hash();
        data = load(dev, cache, &file, &size);
        cache->loaded = size;
    }
    VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = size,
        .pInitialData = data,
    };
    VkResult result = dev->vk.vkCreatePipelineCache(dev->handle, &info, NULL, &cache->handle);
    if (result != VK_SUCCESS && size > 0) { // the driver does not like its own bytes: begin anew
        info.initialDataSize = 0;
        info.pInitialData = NULL;
        cache->loaded = 0;
        result = dev->vk.vkCreatePipelineCache(dev->handle, &info, NULL, &cache->handle);
    }
    daub_free(&dev->host, file);
    daub_free(&dev->host, own);
    return result == VK_SUCCESS ? DAUB_OK : daub_from_vk(result, "vkCreatePipelineCache");
}

void daub_pipeline_cache_close(daub_device *dev, struct daub_pipeline_cache *cache)
{
    dev->vk.vkDestroyPipelineCache(dev->handle, cache->handle, NULL);
    daub_free(&dev->host, cache->path);
    *cache = (struct daub_pipeline_cache) { 0 };
}

static daub_status save(daub_device *dev, struct daub_pipeline_cache *cache)
{
    size_t size = 0;
    VK_RETURN(dev->vk.vkGetPipelineCacheData(dev->handle, cache->handle, &size, NULL));
    if (size <= cache->loaded || size > DAUB_MAX_PIPELINES - sizeof(struct daub_pipeline_header))
        return DAUB_OK;
    char *file = daub_alloc(&dev->host, sizeof(struct daub_pipeline_header) + size);
    if (!file)
        return daub_no_memory("the pipeline cache");
    char *data = file + sizeof(struct daub_pipeline_header);
    daub_status status = DAUB_OK;
    const VkResult result = dev->vk.vkGetPipelineCacheData(dev->handle, cache->handle, &size, data);
    if (result != VK_SUCCESS)
        status = daub_from_vk(result, "vkGetPipelineCacheData");
    if (status == DAUB_OK) {
        struct daub_pipeline_header header = make_header(dev, cache);
        daub_pipeline_header_seal(&header, data, size);
        memcpy(file, &header, sizeof(header));
        status = daub_file_write(&dev->host, cache->path, file, sizeof(header) + size);
    }
    if (status == DAUB_OK)
        cache->loaded = size;
    daub_free(&dev->host, file);
    return status;
}

static daub_status make_folder(const daub_device *dev, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return DAUB_OK;
    char *dir = daub_strndup(&dev->host, path, (size_t)(slash - path));
    if (!dir)
        return daub_no_memory("a path");
    const daub_status status = dir[0] ? daub_make_dirs(dir) : DAUB_OK;
    daub_free(&dev->host, dir);
    return status;
}

void daub_pipeline_cache_save(daub_device *dev, struct daub_pipeline_cache *cache)
{
    if (!cache->path)
        return;
    daub_status status = make_folder(dev, cache->path);
    if (status == DAUB_OK)
        status = save(dev, cache);
    if (status != DAUB_OK)
        daub_log(&dev->host, DAUB_LOG_WARNING, "the pipeline cache was not written: %s", daub_last_error());
}

// pipeline_cache.h - the driver's compiled pipelines in a file of the user's cache folder. For runtime/vk only.
#ifndef DAUB_VK_PIPELINE_CACHE_H
#define DAUB_VK_PIPELINE_CACHE_H
#include "runtime/vk/device_private.h"
#include "runtime/vk/pipeline_file.h"

uint64_t daub_kernels_hash(void); // of the code of all kernels

struct daub_pipeline_cache {
    VkPipelineCache handle;
    char *path;         // NULL: no file
    uint64_t code_hash; // of all kernels
    size_t loaded;      // bytes the file had
    uint32_t n_saved;   // pipelines made when it was last written
};

// cache_dir NULL: the user's; "": none. A file of another driver or build, or a damaged one, is ignored.
daub_status daub_pipeline_cache_open(daub_device *dev, const char *cache_dir, struct daub_pipeline_cache *cache);
void daub_pipeline_cache_close(daub_device *dev, struct daub_pipeline_cache *cache);
void daub_pipeline_cache_save(daub_device *dev, struct daub_pipeline_cache *cache); // failures are logged

#endif

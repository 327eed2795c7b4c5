// pipeline_file.h - the file of a pipeline cache: a header of ours, then the driver's bytes. Drivers trust their bytes, so they get
// them back only if the header shows that this driver wrote them for these kernels and that nothing was cut or changed since.
#ifndef DAUB_VK_PIPELINE_FILE_H
#define DAUB_VK_PIPELINE_FILE_H
#include <stddef.h>
#include <stdint.h>

// FNV-1a, 64 bits (Fowler, Noll, Vo). Start with DAUB_HASH_START; chain by passing the last result.
#define DAUB_HASH_START 0xcbf29ce484222325u
uint64_t daub_hash64(uint64_t hash, const void *data, size_t size);

struct daub_pipeline_header { // no padding; byte order of the machine, which the magic's reader shares
    char magic[8];
    uint32_t vendor_id, device_id, driver_version, api_version;
    uint8_t driver_uuid[16], cache_uuid[16];
    uint64_t code_hash;  // of the kernels
    uint64_t size, hash; // of the bytes that follow
};

// Sets magic, size and hash for these bytes.
void daub_pipeline_header_seal(struct daub_pipeline_header *header, const void *data, size_t size);
// Where the driver's bytes begin in a file; NULL when the file was cut or changed, or made by what `own` does not describe (its magic,
// size and hash are not looked at).
const void *daub_pipeline_file_data(const struct daub_pipeline_header *own, const void *file, size_t file_size,
                                    size_t *size);

#endif

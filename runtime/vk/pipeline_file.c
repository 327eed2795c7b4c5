// pipeline_file.c - see pipeline_file.h.
#include "runtime/vk/pipeline_file.h"

#include <string.h>

static const char magic[8] = "daubpc1";

uint64_t daub_hash64(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

void daub_pipeline_header_seal(struct daub_pipeline_header *header, const void *data, size_t size)
{
    memcpy(header->magic, magic, sizeof(magic));
    header->size = size;
    header->hash = daub_hash64(DAUB_HASH_START, data, size);
}

const void *daub_pipeline_file_data(const struct daub_pipeline_header *own, const void *file, size_t file_size,
                                    size_t *size)
{
    struct daub_pipeline_header wanted = *own;
    if (file_size < sizeof(wanted))
        return NULL;
    const char *data = (const char *)file + sizeof(wanted);
    daub_pipeline_header_seal(&wanted, data, file_size - sizeof(wanted));
    if (memcmp(file, &wanted, sizeof(wanted)) != 0)
        return NULL;
    *size = file_size - sizeof(wanted);
    return data;
}

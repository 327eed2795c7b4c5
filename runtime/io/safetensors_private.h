// safetensors_private.h - what the files of the safetensors reader share.
#ifndef DAUB_IO_SAFETENSORS_PRIVATE_H
#define DAUB_IO_SAFETENSORS_PRIVATE_H
#include "runtime/io/safetensors.h"

struct daub_st_metadata {
    const char *key, *value;
};

// What a header says. Tensors stand in the header's order; everything lives in the arena but the two arrays.
struct daub_st_header {
    struct daub_st_tensor *tensors;
    uint32_t n_tensors, tensors_capacity;
    struct daub_st_metadata *metadata;
    uint32_t n_metadata, metadata_capacity;
};

// Parses `size` bytes of JSON. Dtypes are known names or OTHER; sizes, offsets and names are checked one by one, but
// not against each other or against the file. `path` is for sentences.
daub_status daub_st_header_parse(const struct daub_host *host, struct daub_arena *arena, const char *path,
                                 const char *text, size_t size, struct daub_st_header *out);

#endif

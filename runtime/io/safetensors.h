// safetensors.h - one .safetensors file, read where it lies and never copied whole. The header is read as hostile input: sizes, offsets,
// overlaps, dimension products, name lengths and counts are checked against limits.h before anything is believed.
#ifndef DAUB_IO_SAFETENSORS_H
#define DAUB_IO_SAFETENSORS_H
#include "runtime/base/host.h"
#include "runtime/base/limits.h"
#include "runtime/io/pack.h"

struct daub_safetensors;

struct daub_st_tensor {
    const char *name;
    enum daub_file_dtype dtype;
    uint32_t n_dims; // views take up to 4
    uint64_t dims[DAUB_ST_MAX_DIMS];
    uint64_t offset, size; // bytes in the data section
};

// Errors: IO; BAD_FILE naming the file and what is wrong (not a safetensors file, truncated: has n bytes, wants m, ...).
daub_status daub_safetensors_open(const struct daub_host *host, const char *path, struct daub_safetensors **out);
// The same from a blob, which the object takes, also on failure.
struct daub_blob;
daub_status daub_safetensors_open_blob(const struct daub_host *host, struct daub_blob *blob,
                                       struct daub_safetensors **out);
// The same from bytes that outlive the object; `name` is for sentences.
daub_status daub_safetensors_open_memory(const struct daub_host *host, const char *name, const void *data, size_t size,
                                         struct daub_safetensors **out);
void daub_safetensors_close(struct daub_safetensors **st);

const char *daub_safetensors_path(const struct daub_safetensors *st);
uint32_t daub_safetensors_count(const struct daub_safetensors *st);
const struct daub_st_tensor *daub_safetensors_at(const struct daub_safetensors *st, uint32_t i);
const struct daub_st_tensor *daub_safetensors_find(const struct daub_safetensors *st, const char *name); // NULL: none
// NULL: the bytes lie in no memory, only floats and views give them.
const void *daub_safetensors_data(const struct daub_safetensors *st, const struct daub_st_tensor *t);
// The tensor as a view, with or without data; false when it has more than 4 dimensions.
bool daub_safetensors_view(const struct daub_safetensors *st, const struct daub_st_tensor *t, struct daub_view *out);
const char *daub_safetensors_metadata(const struct daub_safetensors *st, const char *key); // NULL: none
// Values as fp32, from any float or integer dtype; `out` has room for all elements. Errors: BAD_FILE for an unknown
// dtype, IO.
daub_status daub_safetensors_floats(const struct daub_safetensors *st, const struct daub_st_tensor *t, float *out);
// Advice that the tensor's pages, or with NULL all of the file's, are not needed soon.
void daub_safetensors_release(const struct daub_safetensors *st, const struct daub_st_tensor *t);

// Takes into `sha` what tells this file from every other: its absolute path, size, time and header, and samples of its data.
struct daub_sha256;
void daub_safetensors_identity(const struct daub_safetensors *st, struct daub_sha256 *sha);
// Whether the file is still the one that was opened, and had not changed after `before_ns` (of its modification time).
bool daub_safetensors_settled(const struct daub_safetensors *st, uint64_t before_ns);

// Writes fp32 tensors; the file is replaced whole.
struct daub_st_write {
    const char *name;
    uint32_t n_dims;
    uint64_t dims[8];
    const float *data;
};
daub_status daub_safetensors_write(const struct daub_host *host, const char *path, const struct daub_st_write *tensors,
                                   uint32_t n);

#endif

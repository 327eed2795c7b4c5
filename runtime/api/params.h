// params.h - the struct_size rules of daub.h: a caller's struct of any version into a full copy of ours, and back.
#ifndef DAUB_API_PARAMS_H
#define DAUB_API_PARAMS_H
#include "runtime/base/status.h"

#include <stddef.h>

// Copies *params (its first member is struct_size) into `out` of `size` bytes, zero-padded; NULL params give all zeros.
// Errors: INVALID_ARG when struct_size is 0 or too small to be one, or when bytes beyond `size` are not zero (built against a
// newer daub.h). `name` is the struct's, for the sentence.
daub_status daub_params_copy(const char *name, const void *params, void *out, size_t size);

// Checks a full copy and resolves what it leaves open.
daub_status daub_device_params_check(daub_device_params *params);
// A struct of the caller's that is filled: checks its struct_size, which is at most what a struct can have. Errors: INVALID_ARG.
daub_status daub_params_room(const char *name, const void *out, uint32_t *room);
// Copies ours of `size` bytes into it, no more than its struct_size and the size; that stays as it is.
daub_status daub_params_give(const char *name, const void *ours, size_t size, void *out);

#endif

// fuzz_safetensors.c - a .safetensors file as hostile input: opened, every tensor read, nothing believed.
#include "runtime/io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct daub_safetensors *st = NULL;
    if (daub_safetensors_open_memory(NULL, "input", data, size, &st) != DAUB_OK)
        return 0;
    for (uint32_t i = 0; i < daub_safetensors_count(st); i++) {
        const struct daub_st_tensor *t = daub_safetensors_at(st, i);
        const uint8_t *bytes = daub_safetensors_data(st, t);
        volatile uint8_t sum = 0; // every byte that the header promises must be there
        for (uint64_t b = 0; b < t->size; b++)
            sum = (uint8_t)(sum + bytes[b]);
        struct daub_view view;
        (void)daub_safetensors_view(st, t, &view);
        if (daub_safetensors_find(st, t->name) != t)
            __builtin_trap();
    }
    (void)daub_safetensors_metadata(st, "format");
    daub_safetensors_close(&st);
    return 0;
}

// embed.c - the compiled kernels, by number. The only file that includes SPIR-V.
#include "runtime/vk/kernels/embed.h"

struct kernel_code {
    const char *name;
    const uint32_t *words;
    size_t size;
};

#include "kernels_table.inc"

const uint32_t *daub_kernel_code(enum daub_kernel kernel, size_t *size)
{
    *size = codes[kernel].size;
    return codes[kernel].words;
}

const char *daub_kernel_name(enum daub_kernel kernel)
{
    return codes[kernel].name;
}

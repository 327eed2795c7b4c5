// exec_bind.c - tensors, or rows of them, as bindings that a device takes.
#include "runtime/op/exec.h"

static enum daub_bind_kind bind_kind(const struct daub_tensor *t, bool texel)
{
    if (!texel)
        return DAUB_BIND_STORAGE;
    const bool f16 = t->kind == DAUB_TENSOR_WEIGHT ? t->pack.dtype == DAUB_F16 : t->dtype == DAUB_F16;
    return f16 ? DAUB_BIND_TEXEL_UINT4 : DAUB_BIND_TEXEL_FLOAT4;
}

struct daub_binding daub_bind(const struct daub_recording *rec, const struct daub_tensor *t, enum daub_access access,
                              bool texel)
{
    if (!t)
        return (struct daub_binding) { .access = access };
    return (struct daub_binding) {
        .range = daub_exec_range(rec->exec, t),
        .access = access,
        .kind = bind_kind(t, texel),
    };
}

struct daub_binding daub_bind_rows(const struct daub_recording *rec, const struct daub_tensor *t, uint32_t row,
                                   uint32_t n, enum daub_access access, bool texel, uint32_t *first)
{
    *first = 0;
    if (t && t->kind == DAUB_TENSOR_PART) { // its own start need not be aligned: count from there, below it modulo 2^32
        const uint32_t skip = t->part * daub_rows(t);
        const struct daub_binding whole = daub_bind_rows(rec, t->pair[0], skip + row, n, access, texel, first);
        *first -= skip * daub_words(t);
        return whole;
    }
    struct daub_binding binding = daub_bind(rec, t, access, texel);
    if (!t || n == 0)
        return binding;
    uint64_t row_size = daub_row_size(t), word_size = daub_word_size(t);
    if (t->kind == DAUB_TENSOR_WEIGHT) { // DAUB_PACK_ROWS
        word_size = t->pack.dtype == DAUB_F16 ? 16 : 32;
        row_size = (t->dims[1] + 7) / 8 * word_size;
    }
    uint64_t align = rec->caps->buffer_align;
    if (align < word_size)
        align = word_size;
    const uint64_t low = row * row_size / align * align, high = ((uint64_t)row + n) * row_size;
    *first = (uint32_t)(low / word_size);
    binding.range.offset += low;
    binding.range.size = high - low;
    return binding;
}

bool daub_range_fits(const struct daub_caps *caps, uint64_t size, bool texel)
{
    const uint64_t padded = size + caps->buffer_align;
    return padded <= caps->max_range && (!texel || padded / 16 <= caps->max_texel_elements);
}

// tensor.c - between plain fp32 arrays and a tensor's stored words, on the host.
#include "runtime/graph/tensor.h"

#include "runtime/base/half.h"

#include <string.h>

// Index of channel c inside a stored pixel.
static uint32_t channel_at(const struct daub_tensor *t, uint32_t c)
{
    const uint32_t head_c = t->shape.c / t->heads;
    return c / head_c * ((head_c + 7) / 8 * 8) + c % head_c;
}

void daub_tensor_pack(const struct daub_tensor *t, bool nchw, const float *plain, void *stored)
{
    if (t->dtype == DAUB_U32) {
        memcpy(stored, plain, (size_t)daub_tensor_size(t));
        return;
    }
    const size_t pixels = (size_t)t->shape.h * t->shape.w, pitch = (size_t)daub_words(t) * 8;
    memset(stored, 0, (size_t)daub_tensor_size(t));
    for (uint32_t n = 0; n < t->shape.n; n++) {
        for (uint32_t c = 0; c < t->shape.c; c++) {
            const uint32_t at = channel_at(t, c);
            const size_t step = nchw ? 1 : t->shape.c;
            const float *in = plain + (nchw ? ((size_t)n * t->shape.c + c) * pixels : n * pixels * t->shape.c + c);
            for (size_t p = 0; p < pixels; p++) {
                const size_t out = (n * pixels + p) * pitch + at;
                if (t->dtype == DAUB_F16)
                    ((uint16_t *)stored)[out] = daub_half_from_float(in[p * step]);
                else
                    ((float *)stored)[out] = in[p * step];
            }
        }
    }
}

void daub_tensor_unpack(const struct daub_tensor *t, bool nchw, const void *stored, float *plain)
{
    if (t->dtype == DAUB_U32) {
        memcpy(plain, stored, (size_t)daub_tensor_size(t));
        return;
    }
    const size_t pixels = (size_t)t->shape.h * t->shape.w, pitch = (size_t)daub_words(t) * 8;
    for (uint32_t n = 0; n < t->shape.n; n++) {
        for (uint32_t c = 0; c < t->shape.c; c++) {
            const uint32_t at = channel_at(t, c);
            const size_t step = nchw ? 1 : t->shape.c;
            float *out = plain + (nchw ? ((size_t)n * t->shape.c + c) * pixels : n * pixels * t->shape.c + c);
            for (size_t p = 0; p < pixels; p++) {
                const size_t in = (n * pixels + p) * pitch + at;
                out[p * step] = t->dtype == DAUB_F16 ? daub_half_to_float(((const uint16_t *)stored)[in])
                                                     : ((const float *)stored)[in];
            }
        }
    }
}

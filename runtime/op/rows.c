// rows.c - see rows.h.
#include "runtime/op/rows.h"

uint32_t daub_rows_fit(const struct daub_caps *caps, uint64_t row_size)
{
    // daub_bind_rows starts a range up to one alignment before the row; the largest word is 32 bytes.
    const uint64_t align = caps->buffer_align > 32 ? caps->buffer_align : 32;
    const uint64_t rows = caps->max_range > align ? (caps->max_range - align) / row_size : 0;
    return rows > INT32_MAX ? INT32_MAX : rows > 0 ? (uint32_t)rows : 1;
}

uint32_t daub_rows_fit_all(const struct daub_caps *caps, uint32_t n, const struct daub_tensor *const *tensors)
{
    uint32_t least = INT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t fit = daub_rows_fit(caps, daub_row_size(tensors[i]));
        least = fit < least ? fit : least;
    }
    return least;
}

uint32_t daub_rows_step(const struct daub_recording *rec, uint64_t row_size)
{
    const uint32_t fit = daub_rows_fit(rec->caps, row_size);
    const double most = rec->max_bytes / (2.0 * (double)row_size); // it is read and written
    return most >= fit ? fit : most >= 1.0 ? (uint32_t)most : 1;
}

void daub_light_groups(const struct daub_caps *caps, uint64_t n, uint32_t groups[3])
{
    uint64_t x = n;
    if (x > caps->max_groups[0])
        x = caps->max_groups[0] > 65535 ? 65535 : caps->max_groups[0];
    groups[0] = (uint32_t)x;
    groups[1] = x ? (uint32_t)((n + x - 1) / x) : 0;
    groups[2] = 1;
}

void daub_light_grid(const struct daub_caps *caps, uint64_t n, uint32_t groups[3])
{
    daub_light_groups(caps, (n + DAUB_LIGHT_LOCAL - 1) / DAUB_LIGHT_LOCAL, groups);
}

bool daub_use_lane(const struct daub_caps *caps)
{
    return caps->lane || !caps->shared_kernels;
}

struct daub_pack daub_vector_pack(uint32_t channels)
{
    return (struct daub_pack) {
        .kind = DAUB_PACK_VECTOR,
        .dtype = DAUB_F32,
        .kernel_h = 1,
        .kernel_w = 1,
        .out = { .c = { channels, 0 }, .heads = 1 },
    };
}

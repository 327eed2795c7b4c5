// rgba.c - the decoder's result as halves or floats of 0..1.
#include "runtime/op/rgba.h"

#include "runtime/op/rows.h"
#include "shaders/params/paste.h"
#include "shaders/params/rgba.h"

// Pixels [first, first + n) of `pixel_size` bytes, from an offset that may be bound on; *skip pixels of the range come before them.
static struct daub_range window(const struct daub_caps *caps, const struct daub_range *all, uint64_t pixel_size,
                                uint32_t first, uint32_t n, uint32_t *skip)
{
    const uint64_t align = caps->buffer_align > pixel_size ? caps->buffer_align : pixel_size;
    const uint64_t low = first * pixel_size / align * align, high = ((uint64_t)first + n) * pixel_size;
    *skip = first - (uint32_t)(low / pixel_size);
    return (struct daub_range) { .buf = all->buf, .offset = all->offset + low, .size = high - low };
}

daub_status daub_rgba_record(const struct daub_caps *caps, struct daub_cmd *cmd, const struct daub_rgba *rgba)
{
    const bool f16 = rgba->x->dtype == DAUB_F16, half = rgba->pixels == DAUB_PIXELS_RGBA16F;
    const uint64_t x_size = daub_row_size(rgba->x), y_size = daub_pixel_size(rgba->pixels);
    const uint32_t step = daub_rows_fit(caps, x_size > y_size ? x_size : y_size);
    for (uint32_t done = 0; done < rgba->n; done += step) {
        struct rgba_params params = { .n = rgba->n - done < step ? rgba->n - done : step };
        struct daub_dispatch dispatch = {
            .kernel = f16    ? half ? DAUB_KERNEL_rgba_f16_half : DAUB_KERNEL_rgba_f16_float
                      : half ? DAUB_KERNEL_rgba_f32_half
                             : DAUB_KERNEL_rgba_f32_float,
            .name = "pixels",
            .op = "rgba",
            .n_bindings = 2,
            .push = &params,
            .push_size = sizeof(params),
        };
        dispatch.bind[0] = (struct daub_binding) {
            .range = window(caps, &rgba->x_range, x_size, rgba->x_first + done, params.n, &params.x_first),
            .access = DAUB_READ,
        };
        dispatch.bind[1] = (struct daub_binding) {
            .range = window(caps, &rgba->y, y_size, rgba->y_first + done, params.n, &params.y_first),
            .access = DAUB_WRITE,
        };
        daub_light_grid(caps, params.n, dispatch.groups);
        TRY(daub_cmd_dispatch(cmd, &dispatch));
    }
    return DAUB_OK;
}

daub_status daub_paste_record(const struct daub_caps *caps, struct daub_cmd *cmd, const struct daub_picture *picture,
                              uint32_t n)
{
    static const enum daub_kernel kernels[] = {
        [DAUB_PIXELS_RGBA8] = DAUB_KERNEL_paste_byte,
        [DAUB_PIXELS_RGBA16F] = DAUB_KERNEL_paste_half,
        [DAUB_PIXELS_RGBA32F] = DAUB_KERNEL_paste_float,
    };
    const struct daub_range given = { .buf = picture->given, .size = daub_buffer_size(picture->given) };
    const struct daub_range y = { .buf = picture->buf, .size = daub_buffer_size(picture->buf) };
    const uint32_t y_size = daub_pixel_size(picture->pixels), step = daub_rows_fit(caps, y_size);
    for (uint32_t done = 0; done < n; done += step) {
        struct paste_params params = { .n = n - done < step ? n - done : step };
        struct daub_dispatch dispatch = {
            .kernel = kernels[picture->pixels],
            .name = "paste",
            .op = "rgba",
            .n_bindings = 2,
            .push = &params,
            .push_size = sizeof(params),
        };
        dispatch.bind[0] = (struct daub_binding) {
            .range = window(caps, &given, 4, done, params.n, &params.given_first),
            .access = DAUB_READ,
        };
        dispatch.bind[1] = (struct daub_binding) {
            .range = window(caps, &y, y_size, done, params.n, &params.y_first),
            .access = DAUB_READ_WRITE,
        };
        daub_light_grid(caps, params.n, dispatch.groups);
        TRY(daub_cmd_dispatch(cmd, &dispatch));
    }
    return DAUB_OK;
}

// picture.c - the decoder's pixels into a picture on the device, which is handed to the host's Vulkan later.
#include "runtime/pipeline/engine.h"

#include "runtime/op/rgba.h"

static daub_status record(const struct daub_engine *engine, struct daub_cmd *cmd, const struct daub_picture *picture,
                          const struct daub_range *bytes, const struct daub_rgba *floats)
{
    if (picture->pixels != DAUB_PIXELS_RGBA8)
        return daub_rgba_record(daub_device_caps(engine->dev), cmd, floats);
    const struct daub_range from = { .buf = bytes->buf,
                                     .offset = bytes->offset + 4ull * floats->x_first,
                                     .size = 4ull * floats->n };
    const struct daub_range to = { .buf = picture->buf, .offset = 4ull * floats->y_first, .size = 4ull * floats->n };
    return daub_cmd_copy(cmd, to, from);
}

daub_status daub_picture_put(const struct daub_engine *engine, const struct daub_decode_params *params,
                             const struct daub_exec *exec, const struct daub_tensor *rgb8,
                             const struct daub_tensor *image, uint32_t first, uint32_t n, uint32_t at)
{
    const struct daub_picture *picture = params->picture;
    if (!picture || !picture->buf)
        return DAUB_OK;
    const struct daub_range bytes = daub_exec_range(exec, rgb8);
    const struct daub_rgba floats = {
        .x = image,
        .x_range = daub_exec_range(exec, image),
        .x_first = first,
        .n = n,
        .y = { .buf = picture->buf, .size = daub_buffer_size(picture->buf) },
        .pixels = picture->pixels,
        .y_first = at,
    };
    struct daub_cmd *cmd = NULL;
    TRY(daub_cmd_create(engine->dev, "picture", &cmd));
    daub_status status = record(engine, cmd, picture, &bytes, &floats);
    if (status == DAUB_OK)
        status = daub_cmd_end(cmd);
    if (status == DAUB_OK)
        status = daub_submit_and_wait(engine->dev, cmd);
    daub_cmd_destroy(engine->dev, &cmd);
    return status;
}

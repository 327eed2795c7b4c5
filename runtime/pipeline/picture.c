// picture.c - the decoder's pixels into a picture on the device, which is handed to the host's Vulkan later.
#include "runtime/pipeline/pipeline.h"

#include "runtime/op/rgba.h"

#include <string.h>

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

// Ends, runs and destroys what `status` says was recorded.
static daub_status run_once(const struct daub_engine *engine, struct daub_cmd **cmd, daub_status status)
{
    if (status == DAUB_OK)
        status = daub_cmd_end(*cmd);
    if (status == DAUB_OK)
        status = daub_submit_and_wait(engine->dev, *cmd);
    daub_cmd_destroy(engine->dev, cmd);
    return status;
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
    return run_once(engine, &cmd, record(engine, cmd, picture, &bytes, &floats));
}

static void write_given(void *user, void *ptr, uint64_t offset, uint64_t size)
{
    const struct daub_request *r = user;
    uint8_t *out = ptr;
    for (uint64_t i = offset / 4; i < (offset + size) / 4; i++, out += 4) {
        memcpy(out, r->init + 3 * i, 3);
        out[3] = r->mask[i];
    }
}

daub_status daub_picture_paste(const struct daub_engine *engine, const struct daub_request *r)
{
    struct daub_buffer *given = r->picture.given;
    struct daub_cmd *cmd = NULL;
    if (!given)
        return DAUB_OK;
    const struct daub_range all = { .buf = given, .size = daub_buffer_size(given) };
    TRY(daub_upload_with(engine->dev, all, 4, write_given, (void *)(uintptr_t)r)); // write_given only reads it
    TRY(daub_cmd_create(engine->dev, "paste", &cmd));
    return run_once(engine, &cmd,
                    daub_paste_record(daub_device_caps(engine->dev), cmd, &r->picture, r->width * r->height));
}

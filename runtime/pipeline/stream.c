// stream.c - how much of the U-Net's step a picture in memory mode stream keeps on the device.
#include "runtime/pipeline/engine.h"

daub_status daub_stream_need(const struct daub_engine *engine, struct daub_net *net,
                             const struct daub_stream_room *room, struct daub_need *need)
{
    const bool uma = daub_device_caps(engine->dev)->uma;
    const uint64_t held = need->arena + daub_staging_size(engine->dev, need->transfer, room->driven);
    struct daub_stream_plan plan;
    need->stream = room->bytes > held ? room->bytes - held : 0;
    TRY(daub_stream_plan(net, DAUB_STAGE_STEP, need->stream, uma, &plan));
    if (room->thrifty && plan.weights / 2 < need->stream) {
        need->stream = plan.weights / 2;
        TRY(daub_stream_plan(net, DAUB_STAGE_STEP, need->stream, uma, &plan));
    }
    need->turn = plan.device > need->turn ? plan.device : need->turn;
    need->slots = plan.staging;
    return DAUB_OK;
}

// latents.c - latents that somebody has kept, as pixels: the last phase of a picture alone.
#include "runtime/pipeline/pipeline.h"

// At the pace that the thread has entered.
static daub_status decode(struct daub_engine *engine, const struct daub_request *r, const float *latents, uint8_t *rgb8)
{
    const uint32_t scale = daub_latent_scale(&engine->desc);
    const struct daub_decode_params params = {
        .batch = 1,
        .h = r->height / scale,
        .w = r->width / scale,
        .bands = r->bands,
        .latents = latents,
    };
    uint64_t arena = 0;
    daub_result result = { 0 };
    engine->fine = false;
    daub_engine_set_small(engine, r->small, r->streams ? &r->stream : NULL);
    if (!r->small && r->activations > 0)
        TRY(daub_engine_reserve(engine, r->activations));
    const daub_status status = daub_decode_repaired(engine, &params, rgb8, NULL, &arena, &result);
    daub_repair_end(engine);
    return status;
}

daub_status daub_decode_given(struct daub_engine *engine, const struct daub_request *request, const float *latents,
                              uint8_t *rgb8)
{
    struct daub_pace *own = NULL;
    TRY(daub_pace_create(engine->dev, false, &own));
    daub_pace_enter(own);
    const daub_status status = decode(engine, request, latents, rgb8);
    daub_pace_leave(own);
    daub_pace_destroy(&own);
    return status;
}

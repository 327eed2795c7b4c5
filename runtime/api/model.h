// model.h - the public daub_model: an engine, and the order in which its jobs run.
#ifndef DAUB_API_MODEL_H
#define DAUB_API_MODEL_H
#include "runtime/base/thread.h"
#include "runtime/pipeline/pipeline.h"

#include <stdatomic.h>

daub_status daub_model_create(daub_device *dev, const char *path, const daub_model_params *params, daub_model **out);
struct daub_engine *daub_model_engine(const daub_model *model);

// Children: while there are any, daub_model_destroy refuses.
void daub_model_retain(daub_model *model);
void daub_model_release(daub_model *model);

// The engine serves one user at a time, first come first served. A turn is a place in the queue; its owner keeps it in place from
// daub_model_queue to daub_model_leave, and every queued turn must leave.
struct daub_turn {
    struct daub_turn *next;
};
void daub_model_queue(daub_model *model, struct daub_turn *turn);
// Waits until the turn is first. False: *cancelled (may be NULL) became true before that.
bool daub_model_enter(daub_model *model, const struct daub_turn *turn, const atomic_bool *cancelled);
void daub_model_leave(daub_model *model, struct daub_turn *turn);
void daub_model_wake(daub_model *model); // makes those who wait look at *cancelled again

// n RGBA words as the decoder leaves them become RGB, in place: the packed end is never ahead of the reading one.
void daub_drop_alpha(uint8_t *pixels, size_t n);

#endif

// model.h - the public daub_model: an engine, and the order in which its jobs run.
#ifndef DAUB_API_MODEL_H
#define DAUB_API_MODEL_H
#include "runtime/base/thread.h"
#include "runtime/pipeline/pipeline.h"

daub_status daub_model_create(daub_device *dev, const char *path, const daub_model_params *params, daub_model **out);
struct daub_engine *daub_model_engine(const daub_model *model);

// The engine serves one user at a time, in the order of the tickets drawn. A ticket must be waited for and returned, in order.
uint64_t daub_model_ticket(daub_model *model); // counts as a child of the model until it is returned
void daub_model_enter(daub_model *model, uint64_t ticket);
void daub_model_leave(daub_model *model);

#endif

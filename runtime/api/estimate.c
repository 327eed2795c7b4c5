// estimate.c - daub_estimate.
#include "runtime/api/model.h"
#include "runtime/api/params.h"
#include "runtime/api/vulkan.h"

daub_status daub_estimate(daub_model *model, const daub_generate_params *params, daub_memory_estimate *out)
{
    if (!model || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_estimate: model or out is NULL");
    uint32_t room;
    TRY(daub_params_room("daub_memory_estimate", out, &room)); // before any work
    daub_generate_params p;
    TRY(daub_params_copy("daub_generate_params", params, &p, sizeof(p)));
    const struct daub_engine *engine = daub_model_engine(model);
    struct daub_request *request = NULL;
    daub_memory_estimate estimate;
    daub_model_retain(model);
    daub_status status = daub_request_for_estimate(engine, &p, &request);
    if (status == DAUB_OK)
        status = daub_request_estimate(engine, request, &estimate);
    daub_request_destroy(&request);
    daub_model_release(model);
    if (status == DAUB_OK)
        status = daub_params_give("daub_memory_estimate", &estimate, sizeof(estimate), out);
    return status;
}

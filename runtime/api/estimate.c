// estimate.c - daub_estimate.
#include "runtime/api/model.h"
#include "runtime/api/params.h"
#include "runtime/api/vulkan.h"

#include <string.h>

daub_status daub_estimate(daub_model *model, const daub_generate_params *params, daub_memory_estimate *out)
{
    if (!model || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_estimate: model or out is NULL");
    const uint32_t room = out->struct_size;
    if (room < 2 * sizeof(uint32_t))
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "daub_memory_estimate.struct_size is %u; set it to sizeof(daub_memory_estimate)", room);
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
    if (status == DAUB_OK) {
        memset(out, 0, room);
        memcpy(out, &estimate, room < sizeof(estimate) ? room : sizeof(estimate));
        out->struct_size = room;
    }
    return status;
}

// step.c - what on_step may ask of a daub_step.
#include "runtime/api/params.h"
#include "runtime/pipeline/pipeline.h"

daub_status daub_step_get_info(const daub_step *step, daub_step_info *out)
{
    if (!step || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_step_get_info: step or out is NULL");
    return daub_params_give("daub_step_info", &step->info, sizeof(step->info), out);
}

daub_status daub_step_read(daub_step *step, float *out)
{
    if (!step || !out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_step_read: step or out is NULL");
    return daub_between_read(step, out);
}

daub_status daub_step_write(daub_step *step, const float *latents)
{
    if (!step || !latents)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_step_write: step or latents is NULL");
    return daub_between_write(step, latents);
}

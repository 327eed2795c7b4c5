// queries.c - what there is to choose from, and what is refused: samplers, schedules, limits.
#include "runtime/api/model.h"
#include "runtime/api/params.h"
#include "runtime/base/limits.h"

uint32_t daub_sampler_count(void)
{
    return daub_n_samplers;
}

daub_status daub_sampler_get_info(uint32_t index, daub_sampler_info *out)
{
    if (!out || index >= daub_n_samplers)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_sampler_get_info: %s", out ? "no such index" : "out is NULL");
    const struct daub_sampler_desc *s = daub_samplers[index];
    const daub_sampler_info info = {
        .struct_size = sizeof(info),
        .name = s->name,
        .label = s->label,
        .aliases = s->aliases,
        .description = s->description,
        .order = s->order,
        .stochastic = s->stochastic,
    };
    return daub_params_give("daub_sampler_info", &info, sizeof(info), out);
}

uint32_t daub_schedule_count(void)
{
    return DAUB_SIGMAS_COUNT;
}

daub_status daub_schedule_get_info(uint32_t index, daub_schedule_info *out)
{
    if (!out || index >= DAUB_SIGMAS_COUNT)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_schedule_get_info: %s", out ? "no such index" : "out is NULL");
    const struct daub_sigma_spacing_desc *s = daub_sigma_spacing_desc((enum daub_sigma_spacing)index);
    const daub_schedule_info info = {
        .struct_size = sizeof(info), .name = s->name, .label = s->label, .description = s->description
    };
    return daub_params_give("daub_schedule_info", &info, sizeof(info), out);
}

daub_status daub_get_limits(daub_limits *out)
{
    if (!out)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_get_limits: out is NULL");
    const daub_limits limits = {
        .struct_size = sizeof(limits),
        .max_size = DAUB_MAX_SIZE,
        .max_steps = DAUB_MAX_STEPS,
        .max_guidance_scale = DAUB_MAX_GUIDANCE,
        .max_prompt_size = DAUB_MAX_PROMPT,
        .max_prompt_chunks = DAUB_MAX_PROMPT_CHUNKS,
        .max_embed_tokens = DAUB_MAX_EMBED_TOKENS,
        .max_header_size = DAUB_ST_MAX_HEADER,
        .max_tensors = DAUB_ST_MAX_TENSORS,
        .max_tensor_name = DAUB_ST_MAX_NAME,
        .max_json_size = DAUB_JSON_MAX_SIZE,
        .max_json_nesting = DAUB_JSON_MAX_NESTING,
        .max_parameters_size = DAUB_MAX_INFOTEXT,
        .max_batch_size = DAUB_MAX_BATCH,
        .max_batch_lines = DAUB_MAX_BATCH_LINES,
    };
    return daub_params_give("daub_limits", &limits, sizeof(limits), out);
}

// denoiser_inputs.c - what the host writes before a denoiser runs: text, times, the sampler's table, noise, or a state to go on from.
#include "runtime/pipeline/denoiser.h"
#include "runtime/pipeline/state.h"

#include "runtime/op/op.h"

#include <string.h>

static daub_status write_time(struct daub_engine *engine, const struct daub_program *program)
{
    const uint32_t width = engine->desc.unet.block_out_channels[0];
    float *features = daub_alloc_array(engine->host, (size_t)program->n_calls * width, sizeof(float));
    if (!features)
        return daub_no_memory("time features");
    for (uint32_t i = 0; i < program->n_calls; i++)
        daub_unet_time_features(&engine->desc.unet, program->calls[i].timestep, features + (size_t)i * width);
    const daub_status status = daub_exec_write(engine->denoiser->exec, engine->denoiser->time, false, features);
    daub_free(engine->host, features);
    return status;
}

// Steps that have ended before a call.
static uint32_t step_of(const struct daub_program *program, uint32_t call)
{
    while (call > 0 && program->calls[call - 1].step < 0)
        call--;
    return call > 0 ? (uint32_t)program->calls[call - 1].step + 1 : 0;
}

// The texts that a call reads: the negative one's, then each part's.
static const uint32_t *texts_of(const struct daub_denoise_params *params, uint32_t call)
{
    const struct daub_prompt_schedules *schedules = params->schedules;
    const uint32_t step = step_of(params->program, call);
    return schedules->of_step +
           (size_t)(step < schedules->n_steps ? step : schedules->n_steps - 1) * (1 + schedules->n_parts);
}

bool daub_denoise_text_changes(const struct daub_denoise_params *params, uint32_t call)
{
    return params->schedules && call > 0 &&
           memcmp(texts_of(params, call), texts_of(params, call - 1),
                  (1 + params->schedules->n_parts) * sizeof(uint32_t)) != 0;
}

static const float *text_of_row(const struct daub_denoise_params *params, uint32_t call, uint32_t which, size_t width)
{
    if (!params->schedules)
        return which == 0 ? params->negative : params->text;
    const uint32_t text = texts_of(params, call)[which];
    const uint32_t n = text < params->n_negative ? text : params->n_negative;
    return params->texts + ((size_t)n * params->negative_tokens + (size_t)(text - n) * params->tokens) * width;
}

// Rows 0..batch-1 are without the prompt when there is guidance, the rest with it, part after part: diffusers' order.
daub_status daub_denoiser_write_text(struct daub_engine *engine, const struct daub_denoise_params *params,
                                     uint32_t call)
{
    const size_t width = engine->desc.unet.cross_attention_dim;
    const struct daub_shape all = engine->denoiser->text->shape;
    const uint32_t first = params->negative ? 0 : 1, rows = (1 + daub_denoise_parts(params) - first) * params->batch;
    float *text = daub_alloc_array(engine->host, (size_t)all.n * all.w * width, sizeof(float));
    if (!text)
        return daub_no_memory("prompt embeddings");
    float *to = text;
    for (uint32_t i = 0; i < rows; i++) {
        const uint32_t which = first + i / params->batch;
        const size_t one = (which == 0 ? params->negative_tokens : params->tokens) * width;
        memcpy(to, text_of_row(params, call, which, width), one * sizeof(float));
        to += one;
    }
    const daub_status status = daub_exec_write(engine->denoiser->exec, engine->denoiser->text, false, text);
    daub_free(engine->host, text);
    return status;
}

static daub_status write_table(struct daub_engine *engine, const struct daub_denoise_params *params)
{
    uint32_t *table = daub_alloc_array(engine->host, engine->denoiser->shape.table_words, sizeof(uint32_t));
    if (!table)
        return daub_no_memory("the sampler's table");
    daub_sampler_table(params->program, table);
    const daub_status status = daub_exec_write(engine->denoiser->exec, engine->denoiser->table, false, table);
    daub_free(engine->host, table);
    return status;
}

// The sampler writes the latents' channels of the network's input; the others stay as they are written here.
static daub_status write_condition(struct daub_engine *engine, const struct daub_denoise_params *params)
{
    const struct daub_unet_config *cfg = &engine->desc.unet;
    const size_t pixels = (size_t)params->h * params->w, rows = engine->denoiser->x->shape.n;
    const size_t before = cfg->out_channels * pixels, all = cfg->in_channels * pixels;
    float *x = daub_alloc_array(engine->host, daub_mul_size(rows, all), sizeof(float));
    if (!x)
        return daub_no_memory("the network's input");
    for (size_t i = 0; i < rows; i++)
        memcpy(x + i * all + before, params->condition, (all - before) * sizeof(float));
    const daub_status status = daub_exec_write(engine->denoiser->exec, engine->denoiser->x, true, x);
    daub_free(engine->host, x);
    return status;
}

daub_status daub_denoiser_write_inputs(struct daub_engine *engine, const struct daub_denoise_params *params)
{
    const struct daub_denoiser *d = engine->denoiser;
    const uint32_t counter[4] = { params->resume ? params->first_call + 1 : 0 }; // entries that were executed
    TRY(write_time(engine, params->program));
    if (params->tokens)
        TRY(daub_denoiser_write_text(engine, params, params->first_call));
    if (params->condition)
        TRY(write_condition(engine, params));
    TRY(write_table(engine, params));
    TRY(daub_exec_write(d->exec, d->noise, true, params->noise));
    static const uint32_t all_finite[4] = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
    TRY(daub_exec_write(d->exec, d->flags, false, all_finite));
    if (params->resume)
        TRY(daub_state_write(engine, params, d->exec, d->x, d->vecs));
    return daub_exec_write(d->exec, d->counter, false, counter);
}

// repair.c - a network whose result held an infinity or a NaN in fp16 runs again: once with a look at every layer's result, which names the layer,
// and once in fp32.
#include "runtime/pipeline/state.h"

#include <stdio.h>

static void leave(struct daub_engine *engine, enum daub_component c)
{
    (void)daub_engine_trim(engine); // what is bound to those weights
    daub_weights_clear(engine->weights[c]);
}

static void name_layer(struct daub_exec *exec, enum daub_component c, daub_result *result)
{
    const struct daub_node *node = NULL;
    if (result->nonfinite_layer[0])
        return;
    const bool found = exec && daub_exec_bad_node(exec, &node) == DAUB_OK && node;
    snprintf(result->nonfinite_layer, sizeof(result->nonfinite_layer), "%s%s%.100s", daub_component_name(c),
             found ? " " : "", found ? node->name : "");
}

// The failure of a run in fp32, with the reason for that run.
static daub_status explain(daub_status status, const daub_result *result)
{
    if (status != DAUB_ERROR_NO_GPU_MEMORY && status != DAUB_ERROR_UNSUPPORTED)
        return status;
    char sentence[DAUB_SENTENCE_MAX];
    snprintf(sentence, sizeof(sentence), "%s", daub_last_error());
    return daub_fail(status, "%s leaves the range of fp16, and the picture cannot be repeated in fp32: %s",
                     result->nonfinite_layer, sentence);
}

static void warn(const struct daub_engine *engine, const daub_result *result)
{
    daub_log(engine->host, DAUB_LOG_WARNING, "%s leaves the range of fp16; the network runs again in fp32",
             result->nonfinite_layer);
}

daub_status daub_denoise_repaired(struct daub_engine *engine, const struct daub_denoise_params *params,
                                  daub_result *result)
{
    TRY(daub_denoise(engine, params));
    if (engine->nonfinite == 0 || engine->dtype == DAUB_F32)
        return DAUB_OK;
    struct daub_denoise_params first = *params;
    first.n_calls = engine->nonfinite;
    first.on_start = NULL;
    first.on_call = NULL;
    first.lockstep = false;
    first.keep = NULL;
    (void)daub_engine_trim(engine);
    engine->watch = true;
    const daub_status status = daub_denoise(engine, &first);
    engine->watch = false;
    if (status == DAUB_OK)
        name_layer(daub_denoiser_exec(engine), DAUB_UNET, result);
    leave(engine, DAUB_UNET);
    TRY(status);
    warn(engine, result);
    if (params->resume)
        return explain(daub_fail(DAUB_ERROR_UNSUPPORTED, "it goes on from a state in fp16; begin it anew"), result);
    if (params->keep) {
        daub_free(params->keep->host, params->keep->data); // of values that are no numbers
        params->keep->data = NULL;
    }
    engine->dtype = DAUB_F32;
    result->n_repeated_in_f32++;
    if (engine->streams)
        TRY(daub_denoiser_restream(engine, params));
    return explain(daub_denoise(engine, params), result);
}

daub_status daub_decode_repaired(struct daub_engine *engine, const struct daub_decode_params *params, uint8_t *rgb8,
                                 float *image, uint64_t *arena, daub_result *result)
{
    TRY(daub_decode(engine, params, rgb8, image, arena));
    if (engine->nonfinite == 0 || engine->dtype == DAUB_F32)
        return DAUB_OK;
    daub_status status = DAUB_OK;
    (void)daub_engine_trim(engine);
    if (!params->bands
             .on) { // each band has an executor of its own, gone by now: the network is named then, not the layer
        engine->watch = true;
        status = daub_decode(engine, params, rgb8, image, arena);
        engine->watch = false;
    }
    if (status == DAUB_OK)
        name_layer(daub_decoder_exec(engine), DAUB_VAE, result);
    leave(engine, DAUB_VAE);
    TRY(status);
    warn(engine, result);
    engine->dtype = DAUB_F32;
    result->n_repeated_in_f32++;
    return explain(daub_decode(engine, params, rgb8, image, arena), result);
}

void daub_repair_end(struct daub_engine *engine)
{
    if (engine->dtype == engine->precision)
        return;
    for (int c = 0; c < DAUB_COMPONENT_COUNT; c++)
        leave(engine, (enum daub_component)c);
    engine->dtype = engine->precision;
}

// config.c - the options of all samplers: defaults of their diffusers classes, and scheduler_config.json.
//
// A file is read for a sampler as diffusers' from_config reads it for a class: options that the class does not have are
// ignored, also when they are set.
#include "runtime/sample/config.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct daub_word beta_schedules[] = {
    { "linear", DAUB_BETA_LINEAR },
    { "scaled_linear", DAUB_BETA_SCALED_LINEAR },
    { "squaredcos_cap_v2", DAUB_BETA_SQUAREDCOS_CAP_V2 },
    { 0 },
};
static const struct daub_word predictions[] = {
    { "epsilon", DAUB_PREDICTION_EPSILON },
    { "v_prediction", DAUB_PREDICTION_V },
    { "sample", DAUB_PREDICTION_SAMPLE },
    { 0 },
};
static const struct daub_word timestep_spacings[] = {
    { "leading", DAUB_SPACING_LEADING },
    { "trailing", DAUB_SPACING_TRAILING },
    { "linspace", DAUB_SPACING_LINSPACE },
    { 0 },
};
static const struct daub_word final_sigmas[] = { { "zero", false }, { "sigma_min", true }, { 0 } };

void daub_sampler_config_defaults(const struct daub_sampler_desc *sampler, struct daub_sampler_config *out)
{
    *out = (struct daub_sampler_config) {
        .sampler = sampler,
        .num_train_timesteps = 1000,
        .beta_start = 0.0001,
        .beta_end = 0.02,
        .beta_schedule = DAUB_BETA_LINEAR,
        .prediction_type = DAUB_PREDICTION_EPSILON,
        .timestep_spacing = DAUB_SPACING_LINSPACE,
        .clip_sample_range = 1.0,
        .dynamic_thresholding_ratio = 0.995,
        .sample_max_value = 1.0,
        .solver_order = 2,
        .lower_order_final = true,
        .lambda_min_clipped = -INFINITY,
        .predict_x0 = true,
        .original_inference_steps = 50,
        .timestep_scaling = 10.0,
        .s_tmax = INFINITY,
        .s_noise = 1.0,
    };
    if (sampler->defaults)
        sampler->defaults(out);
}

daub_status daub_config_word(const struct daub_json *json, const char *key, const struct daub_word *words, int *out)
{
    const char *text = NULL;
    TRY(daub_json_text(json, key, &text));
    if (!text)
        return DAUB_OK;
    for (const struct daub_word *w = words; w->text; w++)
        if (strcmp(w->text, text) == 0) {
            *out = w->value;
            return DAUB_OK;
        }
    char all[256] = "";
    size_t used = 0;
    for (const struct daub_word *w = words; w->text && used < sizeof(all); w++)
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", w == words ? "" : ", ", w->text);
    return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: %s \"%s\" is not supported, only %s", json->name, key, text, all);
}

daub_status daub_config_flag(const struct daub_json *json, const char *key, const struct daub_word *words, bool *out)
{
    int value = *out;
    TRY(daub_config_word(json, key, words, &value));
    *out = value != 0;
    return DAUB_OK;
}

daub_status daub_config_refuse(const struct daub_json *json, const char *key)
{
    bool on = false;
    TRY(daub_json_bool(json, key, &on));
    return on ? daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: %s is not supported", json->name, key) : DAUB_OK;
}

static daub_status read_trained_betas(const struct daub_json *json, struct daub_arena *arena,
                                      struct daub_sampler_config *c)
{
    const cJSON *list = daub_json_find(json, "trained_betas");
    if (!list || cJSON_IsNull(list))
        return DAUB_OK;
    const uint32_t n = cJSON_IsArray(list) ? (uint32_t)cJSON_GetArraySize(list) : 0;
    if (n != c->num_train_timesteps)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: trained_betas is not a list of %u numbers", json->name,
                         c->num_train_timesteps);
    float *betas = daub_arena_alloc(arena, n * sizeof(*betas));
    if (!betas)
        return daub_no_memory("trained betas");
    uint32_t i = 0;
    for (const cJSON *item = list->child; item; item = item->next, i++) {
        if (!cJSON_IsNumber(item))
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s: trained_betas[%u] is not a number", json->name, i);
        betas[i] = (float)item->valuedouble;
    }
    c->trained_betas = betas;
    return DAUB_OK;
}

static daub_status read_schedule(const struct daub_json *json, struct daub_arena *arena, struct daub_sampler_config *c)
{
    int beta_schedule = (int)c->beta_schedule, prediction = (int)c->prediction_type, spacing = (int)c->timestep_spacing;
    TRY(daub_json_u32(json, "num_train_timesteps", 1, DAUB_MAX_TRAIN_STEPS, &c->num_train_timesteps));
    TRY(daub_json_f64(json, "beta_start", &c->beta_start));
    TRY(daub_json_f64(json, "beta_end", &c->beta_end));
    TRY(read_trained_betas(json, arena, c));
    if (!c->trained_betas)
        TRY(daub_config_word(json, "beta_schedule", beta_schedules, &beta_schedule));
    TRY(daub_config_word(json, "prediction_type", predictions, &prediction));
    TRY(daub_config_word(json, "timestep_spacing", timestep_spacings, &spacing));
    TRY(daub_json_u32(json, "steps_offset", 0, c->num_train_timesteps - 1, &c->steps_offset));
    c->beta_schedule = (enum daub_beta_schedule)beta_schedule;
    c->prediction_type = (enum daub_prediction)prediction;
    c->timestep_spacing = (enum daub_spacing)spacing;
    if (c->sampler->options & DAUB_TAKES_ZERO_SNR)
        TRY(daub_json_bool(json, "rescale_betas_zero_snr", &c->rescale_betas_zero_snr));
    return DAUB_OK;
}

static daub_status read_sigmas(const struct daub_json *json, struct daub_sampler_config *c)
{
    // Lu last: beside another layout the other one wins, as in the reference.
    static const struct daub_word keys[] = {
        { "use_karras_sigmas", DAUB_SIGMAS_KARRAS },
        { "use_exponential_sigmas", DAUB_SIGMAS_EXPONENTIAL },
        { "use_beta_sigmas", DAUB_SIGMAS_BETA },
        { "use_lu_lambdas", DAUB_SIGMAS_LU },
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        bool on = false;
        if (!(c->sampler->spacings & 1u << keys[i].value))
            continue;
        TRY(daub_json_bool(json, keys[i].text, &on));
        if (!on)
            continue;
        if (c->sigma_spacing == DAUB_SIGMAS_DEFAULT)
            c->sigma_spacing = (enum daub_sigma_spacing)keys[i].value;
        else if (keys[i].value != DAUB_SIGMAS_LU)
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s and the schedule %s exclude each other", json->name,
                             keys[i].text, daub_sigma_spacing_name(c->sigma_spacing));
    }
    TRY(daub_json_f64(json, "sigma_min", &c->sigma_min));
    TRY(daub_json_f64(json, "sigma_max", &c->sigma_max));
    if (c->sampler->options & DAUB_TAKES_FINAL_SIGMA)
        TRY(daub_config_flag(json, "final_sigmas_type", final_sigmas, &c->final_sigma_min));
    return DAUB_OK;
}

static daub_status read_x0_options(const struct daub_json *json, struct daub_sampler_config *c)
{
    if (c->sampler->options & DAUB_TAKES_CLIPPING) {
        TRY(daub_json_bool(json, "clip_sample", &c->clip_sample));
        TRY(daub_json_f64(json, "clip_sample_range", &c->clip_sample_range));
    }
    if (c->sampler->options & DAUB_TAKES_THRESHOLDING) {
        TRY(daub_json_bool(json, "thresholding", &c->thresholding));
        TRY(daub_json_f64(json, "dynamic_thresholding_ratio", &c->dynamic_thresholding_ratio));
        TRY(daub_json_f64(json, "sample_max_value", &c->sample_max_value));
    }
    return DAUB_OK;
}

// The sampler that a file's _class_name names.
static daub_status sampler_of(const struct daub_json *json, const struct daub_sampler_desc **out)
{
    const char *class_name = NULL;
    TRY(daub_json_text(json, "_class_name", &class_name));
    if (!class_name)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: there is no _class_name to tell the sampler by", json->name);
    if (daub_sampler_find(class_name, out, NULL) != DAUB_OK)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: the scheduler %s is not supported; choose another sampler",
                         json->name, class_name);
    return DAUB_OK;
}

daub_status daub_sampler_config_parse(const struct daub_json *json, const struct daub_sampler_desc *sampler,
                                      struct daub_arena *arena, struct daub_sampler_config *out)
{
    struct daub_sampler_config c;
    if (!sampler)
        TRY(sampler_of(json, &sampler));
    daub_sampler_config_defaults(sampler, &c);
    TRY(read_schedule(json, arena, &c));
    TRY(read_sigmas(json, &c));
    TRY(read_x0_options(json, &c));
    if (sampler->parse)
        TRY(sampler->parse(json, &c));
    *out = c;
    return DAUB_OK;
}

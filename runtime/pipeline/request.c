// request.c - from the caller's params to a request with every default resolved and every limit checked.
#include "runtime/pipeline/pipeline.h"

#include "runtime/base/blob.h"
#include "runtime/base/limits.h"
#include "runtime/base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static daub_status copy_text(struct daub_request *r, const char *what, const char *text, char **out)
{
    size_t bad = 0;
    const size_t size = strlen(text);
    if (size > DAUB_MAX_PROMPT)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the %s has %zu bytes, at most %d are read", what, size,
                         DAUB_MAX_PROMPT);
    if (!daub_utf8_valid(text, size, &bad))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the %s is not valid UTF-8: byte %zu is 0x%02x", what, bad,
                         (unsigned)(uint8_t)text[bad]);
    *out = daub_arena_strdup(r->arena, text);
    return *out ? DAUB_OK : daub_no_memory("a prompt");
}

static daub_status resolve_size(const struct daub_engine *engine, const char *what, uint32_t wanted, uint32_t fallback,
                                uint32_t *out)
{
    const uint32_t multiple = engine->desc.size_multiple;
    const uint32_t size = wanted ? wanted : fallback;
    if (size < multiple || size > DAUB_MAX_SIZE)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s %u is outside %u..%d", what, size, multiple, DAUB_MAX_SIZE);
    if (size % multiple != 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s %u is not a multiple of %u (%u and %u are)", what, size, multiple,
                         size / multiple * multiple, (size / multiple + 1) * multiple);
    *out = size;
    return DAUB_OK;
}

static daub_status resolve_text(const struct daub_engine *engine, const daub_generate_params *p, struct daub_request *r)
{
    const struct daub_model_desc *desc = &engine->desc;
    const bool given = p->prompt_embeds_path || p->prompt_embeds_source || p->prompt_embeds;
    const bool embeds = given || r->embed_tokens > 0;
    if (!desc->has_text) {
        if ((p->prompt && *p->prompt) || (p->negative_prompt && *p->negative_prompt) || embeds)
            return daub_fail(DAUB_ERROR_INVALID_ARG, "this model has no text encoder and takes no prompt");
        return DAUB_OK;
    }
    if (given && r->embed_tokens > 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "prompt embeddings from the host's memory or a file, and from a Vulkan "
                         "buffer: give one or the other");
    if (!p->prompt && !embeds)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "a prompt is required");
    if (embeds && ((p->prompt && *p->prompt) || (p->negative_prompt && *p->negative_prompt)))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "prompt embeddings stand for the prompts: give one or the other");
    TRY(copy_text(r, "prompt", p->prompt ? p->prompt : "", &r->prompt));
    TRY(copy_text(r, "negative prompt", p->negative_prompt ? p->negative_prompt : "", &r->negative));

    if (p->clip_skip > desc->text_layers)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "clip skip %u is above the text encoder's %u layers", p->clip_skip,
                         desc->text_layers);
    r->clip_skip = p->clip_skip ? p->clip_skip : 1;
    r->layers = desc->text_layers - (r->clip_skip - 1);
    r->negative_layers = r->layers;
    return DAUB_OK;
}

static daub_status check_range(const char *what, double value, double low, double high)
{
    if (!(value >= low && value <= high))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s %g is outside %g..%g", what, value, low, high);
    return DAUB_OK;
}

static daub_status resolve_sampler(const struct daub_engine *engine, const daub_generate_params *p,
                                   struct daub_request *r)
{
    const struct daub_model_desc *desc = &engine->desc;
    r->sampler = desc->sampler;
    const char *schedule = NULL;
    if (p->sampler) {
        const struct daub_sampler_desc *sampler;
        TRY(daub_sampler_find(p->sampler, &sampler, &schedule));
        TRY(daub_model_sampler_config(desc, sampler, r->arena, &r->sampler));
    }
    if (p->schedule)
        schedule = p->schedule;
    if (schedule)
        TRY(daub_sigma_spacing_find(schedule, &r->sampler.sigma_spacing));
    TRY(check_range("eta", p->eta, 0.0, 1.0));
    r->sampler.eta = p->eta;
    return DAUB_OK;
}

// The step that a call belongs to, counted from the noisy end: a picture that begins in the middle has the later ones.
static uint32_t step_of(const struct daub_request *r, uint32_t call)
{
    const struct daub_program *p = &r->program;
    while (call + 1 < p->n_calls && p->calls[call].step < 0)
        call++;
    return r->start.first + (p->calls[call].step < 0 ? p->n_steps : (uint32_t)p->calls[call].step);
}

// Step i of n is within start..end where int(start * n) <= i < int(end * n), as diffusers' guiders have it.
static daub_status guide_calls(struct daub_request *r)
{
    const uint32_t first = (uint32_t)(r->guidance_start * r->n_steps), end = (uint32_t)(r->guidance_end * r->n_steps);
    const uint32_t n = r->program.n_calls;
    r->guided_first = r->guided_end = 0;
    if (first == 0 && end >= r->n_steps)
        return DAUB_OK;
    while (r->guided_first < n && step_of(r, r->guided_first) < first)
        r->guided_first++;
    while (r->guided_end < n && step_of(r, r->guided_end) < end)
        r->guided_end++;
    if (r->guided_first >= r->guided_end)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "the guidance interval %g..%g holds none of the picture's steps, %u to %u of %u; guidance 1 "
                         "is none at all",
                         r->guidance_start, r->guidance_end, r->start.first + 1, r->n_steps, r->n_steps);
    if (r->guided_first == 0 && r->guided_end == n)
        r->guided_end = 0;
    return DAUB_OK;
}

static daub_status record(struct daub_request *r)
{
    snprintf(r->sampler_name, sizeof(r->sampler_name), "%s", r->sampler.sampler->name);
    snprintf(r->schedule_name, sizeof(r->schedule_name), "%s", daub_sigma_spacing_name(r->sampler.sigma_spacing));
    TRY(daub_program_record_from(&r->sampler, r->n_steps, &r->start, r->arena, &r->program));
    return guide_calls(r);
}

// One tensor of an embeddings file: [1, tokens, width] or [tokens, width].
static daub_status read_embed(const struct daub_safetensors *st, const char *name, uint32_t width,
                              struct daub_request *r, uint32_t *tokens, float **out)
{
    const struct daub_st_tensor *t = daub_safetensors_find(st, name);
    if (!t)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s has no tensor %s", daub_safetensors_path(st), name);
    const uint32_t skip = t->n_dims == 3 && t->dims[0] == 1 ? 1 : 0;
    if (t->n_dims - skip != 2 || t->dims[skip] == 0 || t->dims[skip] > DAUB_MAX_EMBED_TOKENS ||
        t->dims[skip + 1] != width)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s is not [1, 1..%d tokens, %u], the width this model takes",
                         daub_safetensors_path(st), name, DAUB_MAX_EMBED_TOKENS, width);
    *tokens = (uint32_t)t->dims[skip];
    *out = daub_arena_alloc(r->arena, (size_t)*tokens * width * sizeof(float));
    if (!*out)
        return daub_no_memory("prompt embeddings");
    TRY(daub_safetensors_floats(st, t, *out));
    for (size_t i = 0; i < (size_t)*tokens * width; i++)
        if (!isfinite((*out)[i]))
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s holds a value that is not finite", daub_safetensors_path(st),
                             name);
    return DAUB_OK;
}

static daub_status read_embeds(const struct daub_engine *engine, const daub_source *source, struct daub_request *r)
{
    struct daub_safetensors *st = NULL;
    struct daub_blob *blob = NULL;
    TRY(daub_blob_open_source(engine->host, "daub_generate_params.prompt_embeds_source", source, &blob));
    TRY(daub_safetensors_open_blob(engine->host, blob, &st));
    const uint32_t width = engine->desc.unet.cross_attention_dim;
    daub_status status = read_embed(st, "prompt_embeds", width, r, &r->embed_tokens, &r->embeds);
    if (status == DAUB_OK && r->guidance_scale > 1.0f) {
        status = read_embed(st, "negative_prompt_embeds", width, r, &r->negative_embed_tokens, &r->negative_embeds);
    }
    daub_safetensors_close(&st);
    return status;
}

// Room for embeddings that come later.
static daub_status expect_embeds(const struct daub_engine *engine, struct daub_request *r)
{
    const size_t width = engine->desc.unet.cross_attention_dim;
    r->embeds = daub_arena_alloc(r->arena, r->embed_tokens * width * sizeof(float));
    if (r->guidance_scale > 1.0f)
        r->negative_embeds = daub_arena_alloc(r->arena, r->negative_embed_tokens * width * sizeof(float));
    return r->embeds && (r->negative_embeds || r->guidance_scale <= 1.0f) ? DAUB_OK
                                                                          : daub_no_memory("prompt embeddings");
}

// A copy of n finite values of the caller's.
static daub_status copy_floats(struct daub_request *r, const char *what, const float *values, size_t n, float **out)
{
    *out = daub_arena_alloc(r->arena, daub_mul_size(n, sizeof(float)));
    if (!*out)
        return daub_no_memory(what);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return daub_fail(DAUB_ERROR_INVALID_ARG, "value %zu of %s is not finite", i, what);
    memcpy(*out, values, n * sizeof(float));
    return DAUB_OK;
}

static daub_status copy_embeds(const struct daub_engine *engine, const daub_generate_params *p, struct daub_request *r)
{
    const size_t width = engine->desc.unet.cross_attention_dim;
    TRY(check_range("n_embed_tokens", p->n_embed_tokens, 1, DAUB_MAX_EMBED_TOKENS));
    r->embed_tokens = p->n_embed_tokens;
    TRY(copy_floats(r, "prompt_embeds", p->prompt_embeds, p->n_embed_tokens * width, &r->embeds));
    if (!(r->guidance_scale > 1.0f))
        return DAUB_OK;
    if (!p->negative_prompt_embeds)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "guidance %g needs negative_prompt_embeds beside prompt_embeds",
                         (double)r->guidance_scale);
    TRY(check_range("n_negative_embed_tokens", p->n_negative_embed_tokens, 0, DAUB_MAX_EMBED_TOKENS));
    r->negative_embed_tokens = p->n_negative_embed_tokens ? p->n_negative_embed_tokens : p->n_embed_tokens;
    return copy_floats(r, "negative_prompt_embeds", p->negative_prompt_embeds, r->negative_embed_tokens * width,
                       &r->negative_embeds);
}

static daub_status resolve_embeds(const struct daub_engine *engine, const daub_generate_params *p,
                                  struct daub_request *r)
{
    const int n = (p->prompt_embeds_path != NULL) + (p->prompt_embeds_source != NULL) + (p->prompt_embeds != NULL);
    if (n > 1)
        return daub_fail(
            DAUB_ERROR_INVALID_ARG,
            "prompt embeddings come from one of prompt_embeds_path, prompt_embeds_source and prompt_embeds");
    if (p->prompt_embeds)
        return copy_embeds(engine, p, r);
    const daub_source file = { .path = p->prompt_embeds_path };
    return n == 0 ? DAUB_OK : read_embeds(engine, p->prompt_embeds_source ? p->prompt_embeds_source : &file, r);
}

// What a host sees and changes beside the picture itself.
static daub_status resolve_views(const struct daub_engine *engine, const daub_generate_params *p,
                                 struct daub_request *r)
{
    const struct daub_model_desc *desc = &engine->desc;
    const uint32_t scale = daub_latent_scale(desc);
    if (p->latents && r->resume)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "latents to begin with and a state to go on from: give one or the other");
    if (p->latents)
        TRY(copy_floats(r, "latents", p->latents,
                        (size_t)desc->unet.out_channels * (r->height / scale) * (r->width / scale), &r->latents));
    r->keep_floats = p->keep_floats;
    if (engine->host)
        r->host_log = *engine->host;
    if (p->log) {
        r->host_log.log = p->log;
        r->host_log.log_user = p->log_user;
        r->host_log.log_level = p->log_level == DAUB_LOG_NONE ? DAUB_LOG_WARNING : p->log_level;
    }
    if (!p->on_preview)
        return DAUB_OK;
    TRY(check_range("preview_every", p->preview_every, 0, DAUB_MAX_STEPS));
    if ((uint32_t)p->preview > DAUB_PREVIEW_VAE)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "preview %d is none of DAUB_PREVIEW_LINEAR (1) and DAUB_PREVIEW_VAE (2)", (int)p->preview);
    r->preview_every = p->preview_every ? p->preview_every : 1;
    r->preview = p->preview == DAUB_PREVIEW_VAE && desc->has_vae ? DAUB_PREVIEW_VAE : DAUB_PREVIEW_LINEAR;
    if (r->preview == DAUB_PREVIEW_LINEAR && !desc->preview.known)
        return daub_fail(DAUB_ERROR_UNSUPPORTED,
                         "%s: no linear map from latents to colours is known for this VAE; DAUB_PREVIEW_VAE decodes, "
                         "and latent_rgb in daub.json names one",
                         daub_checkpoint_path(engine->ckpt));
    return DAUB_OK;
}

static daub_status resolve_interval(const daub_generate_params *p, struct daub_request *r)
{
    r->guidance_start = p->guidance_start;
    r->guidance_end = p->guidance_end != 0.0 ? p->guidance_end : 1.0;
    TRY(check_range("the guidance interval's start", r->guidance_start, 0.0, 1.0));
    TRY(check_range("the guidance interval's end", r->guidance_end, 0.0, 1.0));
    const bool all = r->guidance_start <= 0.0 && r->guidance_end >= 1.0;
    if (r->guidance_start >= r->guidance_end)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the guidance interval %g..%g ends before it begins",
                         r->guidance_start, r->guidance_end);
    if (!all && !(r->guidance_scale > 1.0f))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "the guidance interval %g..%g is of guidance above 1, and it is %g",
                         r->guidance_start, r->guidance_end, (double)r->guidance_scale);
    return DAUB_OK;
}

static daub_status resolve(const struct daub_engine *engine, const daub_generate_params *p, struct daub_request *r)
{
    const struct daub_model_desc *desc = &engine->desc;
    TRY(resolve_text(engine, p, r));
    TRY(resolve_size(engine, "width", p->width, p->init ? p->init->width : desc->width, &r->width));
    TRY(resolve_size(engine, "height", p->height, p->init ? p->init->height : desc->height, &r->height));
    r->n_steps = p->n_steps ? p->n_steps : desc->n_steps;
    TRY(check_range("steps", r->n_steps, 1, DAUB_MAX_STEPS));
    r->guidance_scale = p->guidance_scale != 0.0f ? p->guidance_scale : desc->guidance_scale;
    TRY(check_range("guidance", (double)r->guidance_scale, 1.0, DAUB_MAX_GUIDANCE));
    if (!desc->has_text && r->guidance_scale > 1.0f)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "guidance %g needs a prompt, and this model takes none",
                         (double)r->guidance_scale);
    r->guidance_rescale = p->guidance_rescale;
    TRY(check_range("guidance rescale", (double)p->guidance_rescale, 0.0, 1.0));
    TRY(resolve_interval(p, r));
    if ((uint32_t)p->rng > DAUB_RNG_CUDA)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "rng %d is none of DAUB_RNG_TORCH_CPU (1) and DAUB_RNG_CUDA (2)",
                         (int)p->rng);
    r->rng = p->rng == DAUB_RNG_DEFAULT ? DAUB_RNG_TORCH_CPU : p->rng;
    r->seed = p->seed;
    r->batch = 1;
    if ((uint32_t)p->memory > DAUB_MEMORY_MODE_STREAM)
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "memory mode %d is none of DAUB_MEMORY_MODE_RESIDENT (1), DAUB_MEMORY_MODE_SMALL (2) and "
                         "DAUB_MEMORY_MODE_STREAM (3)",
                         (int)p->memory);
    r->streams = p->memory == DAUB_MEMORY_MODE_STREAM;
    r->small = r->streams || p->memory == DAUB_MEMORY_MODE_SMALL;
    r->driven = p->host_driven;
    if (p->vae_rows != 0 && p->vae_rows != DAUB_VAE_WHOLE)
        TRY(check_range("VAE rows", p->vae_rows, 1, DAUB_MAX_SIZE));
    r->whole = p->vae_rows == DAUB_VAE_WHOLE;
    if (p->vae_rows != 0 && p->vae_memory != 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "bands of the VAE are of vae_rows %u or of vae_memory %llu: give one",
                         p->vae_rows, (unsigned long long)p->vae_memory);
    if (!r->whole && (p->vae_rows != 0 || p->vae_memory != 0))
        r->bands = (struct daub_bands) { .on = true, .rows = p->vae_rows, .arena = p->vae_memory };
    TRY(daub_request_take_pictures(engine, p, r));
    TRY(resolve_sampler(engine, p, r));
    TRY(record(r));
    TRY(daub_request_take_prompts(engine, p, r));
    if (r->schedules.n_parts > 1 && (r->guided_first > 0 || r->guided_end > 0))
        return daub_fail(
            DAUB_ERROR_UNSUPPORTED,
            "a prompt of %u parts (AND) is put together by guidance, and has it at every step: no guidance "
            "interval (%g..%g)",
            r->schedules.n_parts, r->guidance_start, r->guidance_end);
    TRY(daub_request_take_state(engine, p, r));
    TRY(resolve_views(engine, p, r));
    return r->embed_tokens > 0 ? expect_embeds(engine, r) : resolve_embeds(engine, p, r);
}

static daub_status create(const struct daub_engine *engine, const daub_generate_params *params, bool text_only,
                          uint32_t embed_tokens, uint32_t negative_embed_tokens, struct daub_request **out)
{
    struct daub_request *r = daub_alloc(engine->host, sizeof(*r));
    if (!r)
        return daub_no_memory("a request");
    r->host = engine->host;
    r->text_only = text_only;
    r->embed_tokens = embed_tokens;
    r->negative_embed_tokens = negative_embed_tokens;
    r->arena = daub_arena_create(engine->host);
    const daub_status status = r->arena ? resolve(engine, params, r) : daub_no_memory("a request");
    if (status != DAUB_OK) {
        daub_request_destroy(&r);
        return status;
    }
    *out = r;
    return DAUB_OK;
}

daub_status daub_request_create(const struct daub_engine *engine, const daub_generate_params *params,
                                struct daub_request **out)
{
    return create(engine, params, false, 0, 0, out);
}

daub_status daub_request_create_for(const struct daub_engine *engine, const daub_generate_params *params,
                                    uint32_t embed_tokens, uint32_t negative_embed_tokens, struct daub_request **out)
{
    return create(engine, params, false, embed_tokens, negative_embed_tokens, out);
}

daub_status daub_request_create_text(const struct daub_engine *engine, const daub_generate_params *params,
                                     struct daub_request **out)
{
    return create(engine, params, true, 0, 0, out);
}

void daub_request_destroy(struct daub_request **request)
{
    if (!*request)
        return;
    daub_arena_destroy(&(*request)->arena);
    daub_free((*request)->host, *request);
    *request = NULL;
}

daub_status daub_request_set_sampler(struct daub_request *request, const struct daub_sampler_config *config)
{
    request->sampler = *config;
    return record(request);
}

// pipeline.c - one picture as a sequence of phases, with progress, cancelling and times.
#include "runtime/pipeline/pipeline.h"

#include "runtime/base/thread.h"

#include <stdio.h>
#include <string.h>

struct run {
    struct daub_engine *engine;
    const struct daub_request *request;
    const struct daub_run_hooks *hooks;
    daub_result *result;
    uint64_t start, denoise_start;
    uint32_t h, w, channels; // latent
    uint32_t tokens, negative_tokens;
    float *text, *negative; // embeddings in use; from the request or owned
    float *owned_text, *noise, *latents;
    float *encode_noise[2]; // for the init picture and for the masked one; NULL: not drawn
    float *condition;       // what the U-Net reads beside the latents, or NULL
    uint32_t steps_done;
    struct daub_between *between; // NULL: nobody looks
    daub_status between_status;
    char between_sentence[DAUB_SENTENCE_MAX];
};

static double since(uint64_t start)
{
    return (double)(daub_now_ns() - start) * 1e-9;
}

static daub_status report(struct run *run, daub_phase phase)
{
    if (!run->hooks->on_progress)
        return DAUB_OK;
    const uint32_t n = run->request->program.n_steps;
    daub_progress progress = {
        .struct_size = sizeof(progress),
        .phase = phase,
        .step = run->steps_done,
        .n_steps = n,
        .seconds = since(run->start),
        .seconds_left = -1.0,
    };
    // The first call compiles kernels on some drivers; it says nothing about the rest.
    const uint32_t first = run->request->first_call + 1, next = first - 1 + run->result->n_model_calls;
    const double done = daub_request_work(run->request, first, next);
    if (done > 0.0) {
        const double took = since(run->denoise_start) - run->result->first_step_seconds;
        progress.seconds_left = took / done * daub_request_work(run->request, next, run->request->program.n_calls);
    }
    if (!run->hooks->on_progress(run->hooks->user, &progress))
        return daub_fail(DAUB_ERROR_CANCELLED, "cancelled after %u of %u steps", run->steps_done, n);
    return DAUB_OK;
}

// ---- text ------------------------------------------------------------------------------------------------------------

static daub_status encode_prompts(struct run *run)
{
    struct daub_engine *engine = run->engine;
    const struct daub_request *r = run->request;
    const struct daub_prompts *p = &r->prompts;
    const size_t window = (size_t)engine->max_tokens * engine->desc.text.hidden_size;
    const uint32_t negative = r->schedules.of_step[0], prompt = r->schedules.of_step[1];
    run->owned_text = daub_alloc_array(engine->host, daub_mul_size(daub_windows_before(p, p->n_texts), window),
                                       sizeof(float));
    if (!run->owned_text)
        return daub_no_memory("prompt embeddings");
    run->negative = r->guided ? run->owned_text + daub_windows_before(p, negative) * window : NULL;
    run->text = run->owned_text + daub_windows_before(p, prompt) * window;
    return daub_encode_prompts(engine, run->request, run->result, run->owned_text);
}

static daub_status text_phase(struct run *run)
{
    const struct daub_request *r = run->request;
    if (!run->engine->desc.has_text)
        return DAUB_OK;
    TRY(report(run, DAUB_PHASE_TEXT));
    const uint64_t start = daub_now_ns(), made = run->engine->text_made_ns;
    run->tokens = daub_request_tokens(run->engine, r);
    run->negative_tokens = daub_request_negative_tokens(run->engine, r);
    if (r->embeds) {
        run->text = r->embeds;
        run->negative = r->guided ? r->negative_embeds : NULL;
    } else {
        TRY(encode_prompts(run));
    }
    if (run->hooks->text_states) {
        const size_t width = run->engine->desc.unet.cross_attention_dim, first = run->negative_tokens * width;
        if (run->negative)
            memcpy(run->hooks->text_states, run->negative, first * sizeof(float));
        memcpy(run->hooks->text_states + first, run->text, run->tokens * width * sizeof(float));
    }
    const double prepared = (double)(run->engine->text_made_ns - made) * 1e-9;
    run->result->prepare_seconds += prepared;
    run->result->text_seconds = since(start) - prepared;
    return DAUB_OK;
}

// ---- denoising -------------------------------------------------------------------------------------------------------

struct draws {
    struct daub_rng rng;
    uint32_t n; // made so far
};

static void draw(const struct run *run, struct draws *draws, float *out, size_t n)
{
    const float *given = run->hooks->noise ? run->hooks->noise(run->hooks->user, draws->n) : NULL;
    if (given)
        memcpy(out, given, n * sizeof(float));
    else
        daub_rng_randn(&draws->rng, out, n);
    draws->n++;
}

// As many values as a latent of one picture has.
static daub_status draw_for_encoding(struct run *run, struct draws *draws, int which)
{
    const size_t n = (size_t)run->channels * run->h * run->w;
    run->encode_noise[which] = daub_alloc_array(run->engine->host, n, sizeof(float));
    if (!run->encode_noise[which])
        return daub_no_memory("an encoder's noise");
    draw(run, draws, run->encode_noise[which], n);
    return DAUB_OK;
}

// In the reference's order, which also draws for encodings that are not used.
static daub_status draw_all(struct run *run, struct draws *draws)
{
    const struct daub_request *r = run->request;
    const size_t one = (size_t)r->batch * run->channels * run->h * run->w;
    const bool has_vae = run->engine->desc.has_vae;
    if (has_vae && daub_request_encodes_init(r))
        TRY(draw_for_encoding(run, draws, 0));
    for (uint32_t j = 0; j < r->program.n_noises; j++) {
        if (j == 0 && r->latents)
            memcpy(run->noise, r->latents, one * sizeof(float));
        else
            draw(run, draws, run->noise + j * one, one);
        if (j == 0 && has_vae && r->mask)
            TRY(draw_for_encoding(run, draws, 1));
    }
    return DAUB_OK;
}

static daub_status draw_noise(struct run *run)
{
    const struct daub_request *r = run->request;
    const size_t one = (size_t)r->batch * run->channels * run->h * run->w;
    run->noise = daub_alloc_array(run->engine->host, one * (r->program.n_noises + r->program.n_given), sizeof(float));
    if (!run->noise)
        return daub_no_memory("the sampler's noise");
    struct draws *draws = daub_alloc(run->engine->host, sizeof(*draws));
    if (!draws)
        return daub_no_memory("a random generator");
    daub_rng_seed(&draws->rng, r->rng == DAUB_RNG_CUDA ? DAUB_RNG_KIND_PHILOX : DAUB_RNG_KIND_TORCH_CPU, r->seed);
    const daub_status status = draw_all(run, draws);
    daub_free(run->engine->host, draws);
    return status;
}

// ---- the picture that is given ---------------------------------------------------------------------------------------

// The latent of the init picture, or of what its mask keeps, as fp32 [C, h, w].
static daub_status encode_given(struct run *run, bool without_masked, float *out)
{
    const struct daub_request *r = run->request;
    const size_t n = 3 * (size_t)r->width * r->height;
    if (!run->engine->desc.has_vae) {
        daub_given_image(r, without_masked, out);
        return DAUB_OK;
    }
    float *image = daub_alloc_array(run->engine->host, n, sizeof(float));
    if (!image)
        return daub_no_memory("the init picture");
    daub_given_image(r, without_masked, image);
    const struct daub_encode_params params = {
        .h = r->height,
        .w = r->width,
        .profile = r->profile,
        .image = image,
        .noise = run->encode_noise[without_masked ? 1 : 0],
    };
    const daub_status status = daub_encode(run->engine, &params, out);
    daub_free(run->engine->host, image);
    return status;
}

// One plane of the latent's size into all `n` that follow it.
static void spread(float *planes, size_t size, size_t n)
{
    for (size_t i = 1; i < n; i++)
        memcpy(planes + i * size, planes, size * sizeof(float));
}

// The program's given vectors, behind its noise; and what the U-Net reads beside the latents.
static daub_status given_phase(struct run *run)
{
    const struct daub_request *r = run->request;
    if (!r->init)
        return DAUB_OK;
    TRY(report(run, DAUB_PHASE_ENCODE));
    const uint64_t start = daub_now_ns();
    const uint32_t scale = daub_latent_scale(&run->engine->desc);
    const size_t pixels = (size_t)run->h * run->w, one = run->channels * pixels;
    float *given = run->noise + r->program.n_noises * r->batch * one;
    if (r->program.n_given > 0) {
        TRY(encode_given(run, false, given));
        spread(given, one, r->batch);
    }
    if (r->program.n_given > 1) {
        given += r->batch * one;
        daub_given_mask(r, scale, given);
        spread(given, pixels, (size_t)r->batch * run->channels);
    }
    if (r->conditioned) {
        run->condition = daub_alloc_array(run->engine->host, one + pixels, sizeof(float));
        if (!run->condition)
            return daub_no_memory("the network's input");
        daub_given_mask(r, scale, run->condition);
        TRY(encode_given(run, true, run->condition + pixels));
    }
    run->result->encode_seconds = since(start);
    return DAUB_OK;
}

// ---- steps -----------------------------------------------------------------------------------------------------------

// Keeps a failure for the end of the run, because who cancels says only that he does.
static bool go_on(struct run *run, daub_status status)
{
    run->between_status = status;
    if (status != DAUB_OK)
        snprintf(run->between_sentence, sizeof(run->between_sentence), "%s", daub_last_error());
    return status == DAUB_OK;
}

static bool before_first_call(void *user)
{
    struct run *run = user;
    return go_on(run, daub_between_start(run->between));
}

static bool after_call(void *user, uint32_t call)
{
    struct run *run = user;
    const struct daub_program_call *c = &run->request->program.calls[call];
    run->result->n_model_calls = call + 1 - run->request->first_call;
    if (call == run->request->first_call) {
        run->result->first_step_seconds = since(run->denoise_start);
        run->result->first_step_at_seconds = (double)(run->engine->first_step_ns - run->start) * 1e-9;
    }
    if (run->hooks->on_call && !run->hooks->on_call(run->hooks->user, call))
        return false;
    if (c->step >= 0) {
        run->steps_done = (uint32_t)c->step + 1;
        if (report(run, DAUB_PHASE_DENOISE) != DAUB_OK)
            return false;
    }
    return !run->between || go_on(run, daub_between_calls(run->between, call));
}

static struct daub_denoise_params denoise_params(const struct run *run)
{
    const struct daub_request *r = run->request;
    return (struct daub_denoise_params) {
        .program = &r->program,
        .batch = r->batch,
        .h = run->h,
        .w = run->w,
        .guidance_scale = daub_request_scale(r),
        .guidance_rescale = r->guidance_rescale,
        .text = run->text,
        .negative = run->negative,
        .tokens = run->tokens,
        // The negative prompt's texts lie before the prompt's also where there is no guidance to read them.
        .negative_tokens = run->owned_text ? r->prompts.n_negative_chunks * run->engine->max_tokens
                                           : run->negative_tokens,
        .schedules = run->owned_text ? &r->schedules : NULL,
        .texts = run->owned_text,
        .n_negative = r->prompts.n_negative,
        .noise = run->noise,
        .condition = run->condition,
        .profile = r->profile,
        .nofuse = r->nofuse,
        .keep = run->hooks->keep,
        .resume = r->resume,
        .resume_size = r->resume_size,
        .first_call = r->first_call,
        .guided_first = r->guided_first,
        .guided_end = r->guided_end,
    };
}

static daub_status denoise_phase(struct run *run)
{
    TRY(report(run, DAUB_PHASE_PREPARE));
    const size_t n = (size_t)run->request->batch * run->channels * run->h * run->w;
    run->latents = daub_alloc_array(run->engine->host, n, sizeof(float));
    if (!run->latents)
        return daub_no_memory("latents");

    struct daub_denoise_params params = denoise_params(run);
    params.on_call = after_call;
    params.user = run;
    const uint64_t prepare_start = daub_now_ns();
    TRY(daub_denoise_prepare(run->engine, &params));
    TRY(daub_between_create(run->engine, run->request, run->hooks, &run->between));
    params.on_start = run->between ? before_first_call : NULL;
    params.lockstep = run->hooks->on_call || run->between;
    run->result->prepare_seconds += since(prepare_start);
    run->denoise_start = daub_now_ns();
    const uint64_t bound = run->engine->weights_ns; // of an earlier picture, when its denoiser serves this one too
    run->result->weights_at_seconds = bound > run->start ? (double)(bound - run->start) * 1e-9 : since(run->start);
    TRY(report(run, DAUB_PHASE_DENOISE));
    const daub_status status = daub_denoise_repaired(run->engine, &params, run->result);
    if (run->between_status != DAUB_OK) {
        daub_set_last_error(run->between_sentence);
        return run->between_status;
    }
    TRY(status);
    TRY(daub_denoiser_read(run->engine, run->request->program.result, run->latents));
    daub_between_destroy(&run->between);
    if (run->hooks->latents)
        memcpy(run->hooks->latents, run->latents, n * sizeof(float));
    run->result->denoise_seconds = since(run->denoise_start);
    run->result->arena_size = run->engine->denoise_arena;
    daub_repair_end(run->engine);
    return DAUB_OK;
}

// ---- all -------------------------------------------------------------------------------------------------------------

static void fill_result(const struct daub_request *r, daub_result *out)
{
    *out = (daub_result) {
        .struct_size = sizeof(*out),
        .width = r->width,
        .height = r->height,
        .n_steps = r->n_steps,
        .clip_skip = r->clip_skip,
        .guidance_scale = r->guidance_scale,
        .guidance_rescale = r->guidance_rescale,
        .emphasis = r->emphasis,
        .padding = DAUB_PADDING_OFF,
        .guidance_start = r->guidance_start,
        .guidance_end = r->guidance_end,
        .seed = r->seed,
        .rng = r->rng,
        .strength = r->strength,
        .masked = r->mask != NULL,
        .vae_memory = r->bands.on ? r->bands.arena : 0,
    };
    snprintf(out->sampler, sizeof(out->sampler), "%s", r->sampler_name);
    snprintf(out->schedule, sizeof(out->schedule), "%s", r->schedule_name);
}

static daub_status all_phases(struct run *run, uint8_t *rgb8)
{
    TRY(text_phase(run));
    TRY(draw_noise(run));
    TRY(given_phase(run));
    TRY(denoise_phase(run));
    TRY(report(run, DAUB_PHASE_DECODE));
    const uint64_t start = daub_now_ns();
    const struct daub_decode_params params = {
        .batch = run->request->batch,
        .h = run->h,
        .w = run->w,
        .bands = run->request->bands,
        .profile = run->request->profile,
        .latents = run->latents,
        .picture = &run->request->picture,
    };
    uint64_t decoder = 0;
    TRY(daub_decode_repaired(run->engine, &params, rgb8, run->hooks->image, &decoder, run->result));
    daub_paste(run->request, rgb8, run->hooks->image);
    TRY(daub_picture_paste(run->engine, run->request));
    run->result->decode_seconds = since(start);
    if (decoder > run->result->arena_size)
        run->result->arena_size = decoder;
    run->result->memory_peak = daub_device_memory_peak(run->engine->dev);
    return report(run, DAUB_PHASE_DONE);
}

static void size_of_latent(struct run *run)
{
    const struct daub_model_desc *desc = &run->engine->desc;
    const uint32_t scale = daub_latent_scale(desc);
    run->h = run->request->height / scale;
    run->w = run->request->width / scale;
    run->channels = desc->unet.out_channels;
}

// All phases at the pace that the thread has entered.
static daub_status run_paced(struct run *run, uint8_t *rgb8)
{
    struct daub_engine *engine = run->engine;
    const struct daub_request *request = run->request;
    engine->fine = request->driven;
    daub_engine_set_small(engine, request->small, request->streams ? &request->stream : NULL);
    daub_device_memory_reset_peak(engine->dev);
    daub_status status = DAUB_OK;
    if (!request->small && request->activations > 0)
        status = daub_engine_reserve(engine, request->activations);
    if (status == DAUB_OK)
        status = all_phases(run, rgb8);
    if (status == DAUB_ERROR_CANCELLED)
        return daub_fail(status, "cancelled after %u of %u steps", run->steps_done, request->n_steps);
    return status;
}

daub_status daub_run(struct daub_engine *engine, const struct daub_request *request, const struct daub_run_hooks *hooks,
                     uint8_t *rgb8, daub_result *result)
{
    static const struct daub_run_hooks none = { 0 };
    struct run run = {
        .engine = engine,
        .request = request,
        .hooks = hooks ? hooks : &none,
        .result = result,
        .start = daub_now_ns(),
    };
    size_of_latent(&run);
    run.steps_done = request->first_step;
    fill_result(request, result);
    if (request->sampler.eta > 0.0 && !request->sampler.sampler->eta)
        daub_log(&request->host_log, DAUB_LOG_WARNING, "eta %g changes nothing: it is ddim's, and the sampler is %s",
                 request->sampler.eta, request->sampler.sampler->name);
    struct daub_pace *own = NULL;
    if (!daub_pace_entered()) { // so that what runs without a job runs as a job does
        TRY(daub_pace_create(engine->dev, false, &own));
        daub_pace_enter(own);
    }
    const daub_status status = run_paced(&run, rgb8);
    if (own)
        daub_pace_leave(own);
    daub_pace_destroy(&own);
    daub_between_destroy(&run.between);
    daub_repair_end(engine);
    daub_free(engine->host, run.owned_text);
    daub_free(engine->host, run.noise);
    daub_free(engine->host, run.latents);
    daub_free(engine->host, run.encode_noise[0]);
    daub_free(engine->host, run.encode_noise[1]);
    daub_free(engine->host, run.condition);
    return status;
}

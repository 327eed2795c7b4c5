// between.c - what a host may see and do between two model calls: previews of what becomes of the latents, and its hook.
//
// A preview shows x0 as the network has it, not the latents, which are mostly noise until late. The network's input z stands
// for alpha x0 + sigma noise with alpha^2 + sigma^2 = 1 in every sampler; with its output o, x0 is (z - sigma o) / alpha where it
// predicts the noise (Ho et al. 2020, arXiv:2006.11239, eq. 15), alpha z - sigma o where it predicts v (Salimans and Ho 2022,
// arXiv:2202.00512, appendix D), or o itself.
#include "runtime/pipeline/pipeline.h"

#include <math.h>
#include <string.h>

struct daub_between {
    struct daub_engine *engine;
    const struct daub_request *request;
    const struct daub_run_hooks *hooks;
    uint32_t h, w, channels;
    size_t n;      // values of the latents
    double *abar;  // cumulative products of the noise schedule, by time step
    float *before; // the latents that the next call begins with, where that call is shown
    float *x0;
    uint8_t *rgb8;                // [h, w, 3] or, decoded, [H, W, 4] and then 3
    struct daub_decoder *decoder; // NULL: linear
};

// ---- levels ----------------------------------------------------------------------------------------------------------

// alpha of what a call's network reads. Samplers whose state is x0 + level * noise scale it by just that.
static double alpha_of(const struct daub_between *b, const struct daub_program_call *call)
{
    if (call->c_in != 1.0f)
        return (double)call->c_in;
    const double last = b->request->sampler.num_train_timesteps - 1.0;
    return sqrt(b->abar[(size_t)fmin(fmax(round(call->timestep), 0.0), last)]);
}

static void fill_info(const struct daub_between *b, uint32_t call, daub_step_info *out)
{
    const struct daub_program *program = &b->request->program;
    const struct daub_program_call *next = call + 1 < program->n_calls ? &program->calls[call + 1] : NULL;
    const double alpha = next ? alpha_of(b, next) : 1.0;
    *out = (daub_step_info) {
        .struct_size = sizeof(*out),
        .step = (uint32_t)program->calls[call].step + 1,
        .n_steps = program->n_steps,
        .timestep = program->calls[call].timestep,
        .channels = b->channels,
        .height = b->h,
        .width = b->w,
        .noise_level = alpha > 0.0 ? sqrt(fmax(1.0 - alpha * alpha, 0.0)) / alpha : INFINITY,
        .scaled = !next || next->c_in == 1.0f,
    };
}

// ---- previews --------------------------------------------------------------------------------------------------------

static bool shows(const struct daub_between *b, uint32_t call)
{
    const struct daub_program *program = &b->request->program;
    if (b->request->preview_every == 0 || call >= program->n_calls || program->calls[call].step < 0)
        return false;
    const uint32_t step = (uint32_t)program->calls[call].step + 1;
    return step % b->request->preview_every == 0 || step == program->n_steps;
}

// Into b->x0, which holds the network's output: what that says about x0.
static void predict(struct daub_between *b, const struct daub_program_call *call)
{
    const double alpha = alpha_of(b, call), sigma = sqrt(fmax(1.0 - alpha * alpha, 0.0)), c_in = (double)call->c_in;
    const double least = 1e-3; // of alpha: a first step at zero signal says nothing, and must not overflow
    for (size_t i = 0; i < b->n; i++) {
        const double z = c_in * (double)b->before[i], o = (double)b->x0[i];
        switch (b->request->sampler.prediction_type) {
        case DAUB_PREDICTION_EPSILON:
            b->x0[i] = (float)((z - sigma * o) / fmax(alpha, least));
            break;
        case DAUB_PREDICTION_V:
            b->x0[i] = (float)(alpha * z - sigma * o);
            break;
        case DAUB_PREDICTION_SAMPLE:
            break;
        }
    }
}

void daub_linear_pixels(const struct daub_linear_preview *map, const float *latents, uint32_t channels, size_t n,
                        uint8_t *rgb8)
{
    for (size_t i = 0; i < n; i++)
        for (uint32_t colour = 0; colour < 3; colour++) {
            float v = map->rows[colour][channels];
            for (uint32_t c = 0; c < channels; c++)
                v += map->rows[colour][c] * latents[c * n + i];
            rgb8[3 * i + colour] = (uint8_t)(fminf(fmaxf(v * 127.5f + 127.5f, 0.0f), 255.0f) + 0.5f);
        }
}

static daub_status show(struct daub_between *b, uint32_t call)
{
    const struct daub_request *r = b->request;
    const struct daub_program_call *c = &r->program.calls[call];
    const bool last = call + 1 == r->program.n_calls;
    TRY(daub_denoiser_read(b->engine, last ? c->state : DAUB_VEC_OUTPUT, b->x0));
    if (!last)
        predict(b, c);
    daub_preview preview = {
        .struct_size = sizeof(preview),
        .step = (uint32_t)c->step + 1,
        .n_steps = r->program.n_steps,
        .width = b->w,
        .height = b->h,
        .pixels = b->rgb8,
    };
    if (b->decoder) {
        preview.width = r->width;
        preview.height = r->height;
        TRY(daub_side_decode(b->decoder, b->x0, b->rgb8));
        for (size_t i = 0; i < (size_t)r->width * r->height; i++) // in place: the packed end is never ahead
            memmove(b->rgb8 + 3 * i, b->rgb8 + 4 * i, 3);
    } else {
        daub_linear_pixels(&b->engine->desc.preview, b->x0, b->channels, (size_t)b->h * b->w, b->rgb8);
    }
    b->hooks->on_preview(b->hooks->user, &preview);
    return DAUB_OK;
}

// ---- the hook --------------------------------------------------------------------------------------------------------

daub_status daub_between_read(const struct daub_step *step, float *out)
{
    const struct daub_between *b = step->between;
    return daub_denoiser_read(b->engine, b->request->program.calls[step->call].state, out);
}

daub_status daub_between_write(const struct daub_step *step, const float *latents)
{
    const struct daub_between *b = step->between;
    for (size_t i = 0; i < b->n; i++)
        if (!isfinite(latents[i]))
            return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_step_write: value %zu of the latents is not finite", i);
    // What is there already is left alone: a device may round the network's fp16 input otherwise than the host.
    float *now = daub_alloc_array(b->engine->host, b->n, sizeof(*now));
    if (!now)
        return daub_no_memory("a latent");
    daub_status status = daub_between_read(step, now);
    if (status == DAUB_OK && memcmp(now, latents, b->n * sizeof(*now)) != 0)
        status = daub_denoiser_write_state(b->engine, &b->request->program, step->call, latents);
    daub_free(b->engine->host, now);
    return status;
}

daub_status daub_between_start(struct daub_between *b)
{
    const uint32_t first = b->request->first_call; // 0, but where a state is gone on from
    return shows(b, first) ? daub_denoiser_read(b->engine, b->request->program.calls[first].in, b->before) : DAUB_OK;
}

daub_status daub_between_calls(struct daub_between *b, uint32_t call)
{
    const struct daub_program_call *c = &b->request->program.calls[call];
    if (shows(b, call))
        TRY(show(b, call));
    if (c->step >= 0 && b->hooks->on_step) {
        struct daub_step step = { .between = b, .call = call };
        fill_info(b, call, &step.info);
        if (!b->hooks->on_step(b->hooks->user, &step))
            return daub_fail(DAUB_ERROR_CANCELLED, "cancelled after %u of %u steps", step.info.step,
                             b->request->program.n_steps);
    }
    return shows(b, call + 1) ? daub_denoiser_read(b->engine, c->state, b->before) : DAUB_OK;
}

// ---- life ------------------------------------------------------------------------------------------------------------

static daub_status make_room(struct daub_between *b)
{
    const struct daub_host *host = b->engine->host;
    const struct daub_request *r = b->request;
    b->abar = daub_alloc_array(host, r->sampler.num_train_timesteps, sizeof(*b->abar));
    if (!b->abar)
        return daub_no_memory("the noise schedule");
    TRY(daub_alphas_cumprod(&r->sampler, b->abar));
    if (r->preview_every == 0)
        return DAUB_OK;
    b->before = daub_alloc_array(host, b->n, sizeof(*b->before));
    b->x0 = daub_alloc_array(host, b->n, sizeof(*b->x0));
    b->rgb8 = r->preview == DAUB_PREVIEW_VAE ? daub_alloc_array(host, (size_t)r->width * r->height, 4)
                                             : daub_alloc_array(host, (size_t)b->h * b->w, 3);
    if (!b->before || !b->x0 || !b->rgb8)
        return daub_no_memory("previews");
    return r->preview == DAUB_PREVIEW_VAE ? daub_side_decoder_create(b->engine, r->batch, b->h, b->w, &b->decoder)
                                          : DAUB_OK;
}

daub_status daub_between_create(struct daub_engine *engine, const struct daub_request *request,
                                const struct daub_run_hooks *hooks, struct daub_between **out)
{
    if (!hooks->on_step && !(hooks->on_preview && request->preview_every > 0))
        return DAUB_OK;
    struct daub_between *b = daub_alloc(engine->host, sizeof(*b));
    if (!b)
        return daub_no_memory("what is done between steps");
    const uint32_t scale = daub_latent_scale(&engine->desc);
    b->engine = engine;
    b->request = request;
    b->hooks = hooks;
    b->h = request->height / scale;
    b->w = request->width / scale;
    b->channels = engine->desc.unet.out_channels;
    b->n = (size_t)request->batch * b->channels * b->h * b->w;
    const daub_status status = make_room(b);
    if (status != DAUB_OK) {
        daub_between_destroy(&b);
        return status;
    }
    *out = b;
    return DAUB_OK;
}

void daub_between_destroy(struct daub_between **between)
{
    struct daub_between *b = *between;
    if (!b)
        return;
    const struct daub_host *host = b->engine->host;
    daub_side_decoder_destroy(b->engine, &b->decoder);
    daub_free(host, b->rgb8);
    daub_free(host, b->x0);
    daub_free(host, b->before);
    daub_free(host, b->abar);
    daub_free(host, b);
    *between = NULL;
}

// memory.c - the device memory that one picture takes, known before anything is allocated.
#include "runtime/pipeline/pipeline.h"

#include <stdio.h>

enum { TEXT, ENCODE, DENOISE, DECODE, N_PHASES, PREVIEW = N_PHASES, N_NEEDS };

static const enum daub_component component_of[N_PHASES] = { DAUB_TEXT, DAUB_VAE, DAUB_UNET, DAUB_VAE };

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static daub_status decode_need(const struct daub_engine *engine, const struct daub_request *r,
                               const struct daub_bands *bands, struct daub_need *need)
{
    const uint32_t scale = daub_latent_scale(&engine->desc);
    const struct daub_decode_params params = {
        .batch = r->batch, .h = r->height / scale, .w = r->width / scale, .bands = *bands
    };
    return daub_decoder_estimate(engine, &params, need);
}

// Whether a picture of this request has the phase.
static bool has_phase(const struct daub_engine *engine, const struct daub_request *r, int phase)
{
    if (phase == TEXT)
        return engine->desc.has_text && !r->embeds;
    if (phase == ENCODE)
        return engine->desc.has_vae && (r->conditioned || daub_request_encodes_init(r));
    return true;
}

// `free`: bytes of device memory that this picture may take.
static daub_status needs_of(const struct daub_engine *engine, const struct daub_request *r, uint64_t free,
                            struct daub_need needs[N_NEEDS])
{
    static const float some = 0.0f; // only its presence shapes the graph
    const uint32_t scale = daub_latent_scale(&engine->desc), h = r->height / scale, w = r->width / scale;
    struct daub_denoise_params params = {
        .program = &r->program,
        .batch = r->batch,
        .h = h,
        .w = w,
        .guidance_scale = daub_request_scale(r),
        .schedules = r->schedules.of_step ? &r->schedules : NULL,
        .guidance_rescale = r->guidance_rescale,
        .guided_first = r->guided_first,
        .guided_end = r->guided_end,
        .profile = r->profile,
        .nofuse = r->nofuse,
    };
    if (engine->desc.has_text) {
        params.tokens = daub_request_tokens(engine, r);
        params.negative_tokens = daub_request_negative_tokens(engine, r);
        params.text = &some;
        params.negative = r->guided ? &some : NULL;
    }
    if (has_phase(engine, r, TEXT))
        TRY(daub_text_estimate(engine, daub_text_rows(daub_prompts_to_encode(r)), r->layers, &needs[TEXT]));
    if (has_phase(engine, r, ENCODE))
        TRY(daub_encoder_estimate(engine, r->height, r->width, &needs[ENCODE]));
    const struct daub_bands undivided = { .on = false };
    if (r->preview == DAUB_PREVIEW_VAE) // a decoder of its own beside the denoiser
        TRY(decode_need(engine, r, &undivided, &needs[PREVIEW]));
    const uint64_t beside = r->picture_size + needs[PREVIEW].turn + needs[PREVIEW].arena;
    const struct daub_stream_room room = { free > beside ? free - beside : 0,
                                           !daub_device_caps(engine->dev)->memory_given, r->driven };
    TRY(daub_denoiser_estimate(engine, &params, r->streams ? &room : NULL, &needs[DENOISE]));
    return decode_need(engine, r, &r->bands, &needs[DECODE]);
}

// Latents, noise, embeddings and pixels, as runtime/pipeline/pipeline.c and its callers hold them.
static uint64_t host_bytes(const struct daub_engine *engine, const struct daub_request *r)
{
    const uint32_t scale = daub_latent_scale(&engine->desc);
    const uint64_t latent = (uint64_t)r->batch * engine->desc.unet.out_channels * (r->height / scale) *
                            (r->width / scale);
    const struct daub_prompts *p = &r->prompts;
    const uint64_t chunks = (uint64_t)p->n_negative * p->n_negative_chunks +
                            (uint64_t)(p->n_texts - p->n_negative) * p->n_chunks;
    const uint64_t tokens = r->embeds ? (uint64_t)r->embed_tokens + r->negative_embed_tokens
                                      : chunks * engine->max_tokens;
    const uint64_t text = engine->desc.has_text ? tokens * engine->desc.text.hidden_size : 0;
    const uint64_t pixels = (uint64_t)r->width * r->height;
    const uint64_t given = r->init ? 3 * pixels + (r->mask ? pixels : 0) : 0;
    const uint64_t encoded = r->init ? 3 * pixels + 7 * latent
                                     : 0; // the picture in floats; draws, moments and condition
    const uint64_t shown = r->preview == DAUB_PREVIEW_VAE ? 4 * pixels : 0, kept = r->keep_floats ? 3 * pixels : 0;
    return sizeof(float) * (latent * (r->program.n_noises + r->program.n_given + 2ull) + text + encoded + kept) +
           given + shown + 4 * pixels;
}

static daub_memory_mode mode_of(const struct daub_request *r)
{
    return r->streams ? DAUB_MEMORY_MODE_STREAM : r->small ? DAUB_MEMORY_MODE_SMALL : DAUB_MEMORY_MODE_RESIDENT;
}

static void sum_up(const struct daub_engine *engine, const struct daub_request *r,
                   const struct daub_need needs[N_NEEDS], uint64_t limit, daub_memory_estimate *out)
{
    uint64_t widest = 0, transfer = 0, weights = 0;
    for (int p = 0; p < N_PHASES; p++) {
        widest = most(widest, needs[p].arena);
        transfer = most(transfer, needs[p].transfer);
    }
    // What an earlier picture packed stays; in small mode the first phase lets go of it.
    uint64_t packed[N_PHASES];
    for (int p = 0; p < N_PHASES; p++) {
        packed[p] = daub_weights_size(engine->weights[component_of[p]]);
        weights += p == ENCODE ? 0 : packed[p]; // the VAE's, counted once
    }
    const uint64_t staging = daub_staging_size(engine->dev, transfer, r->driven) + r->picture_size;
    daub_phase_memory phases[N_PHASES] = { { 0 } };
    uint64_t peak = 0;
    for (int p = 0; p < N_PHASES; p++) {
        if (!has_phase(engine, r, p))
            continue;
        if (needs[p].weights > packed[p]) // another picture may be packing meanwhile
            weights += needs[p].weights - packed[p];
        phases[p] = (daub_phase_memory) {
            .weights = r->small ? needs[p].turn : weights,
            .activations = needs[p].arena,
            .arena = r->small ? needs[p].arena : widest,
            .staging = staging + needs[p].slots,
        };
        if (p == DENOISE) {
            const uint64_t all = needs[PREVIEW].weights, missing = all > packed[DECODE] ? all - packed[DECODE] : 0;
            phases[p].weights += r->small ? needs[PREVIEW].turn : missing;
            phases[p].arena += needs[PREVIEW].arena;
        }
        phases[p].total = phases[p].weights + phases[p].arena + phases[p].staging;
        if (p == TEXT && daub_text_leaves(engine, r->profile))
            weights -= most(packed[TEXT], needs[TEXT].weights);
        peak = most(peak, phases[p].total);
    }
    *out = (daub_memory_estimate) {
        .struct_size = sizeof(*out),
        .mode = mode_of(r),
        .width = r->width,
        .height = r->height,
        .text = phases[TEXT],
        .encode = phases[ENCODE],
        .denoise = phases[DENOISE],
        .decode = phases[DECODE],
        .peak = peak,
        .host = host_bytes(engine, r) + needs[DECODE].host,
        .limit = limit,
        .bands = needs[DECODE].bands,
    };
}

// Device memory that is not part of the estimate: this model does not hold it, and it is not the staging ring.
static uint64_t used_by_others(const struct daub_engine *engine, const struct daub_request *r)
{
    uint64_t own = daub_staging_held(engine->dev) + atomic_load(&engine->arenas) +
                   daub_weight_stream_held(engine->stream) + (r->picture.buf ? r->picture_size : 0);
    for (int c = 0; c < DAUB_COMPONENT_COUNT; c++)
        own += daub_weights_held(engine->weights[c]);
    const uint64_t used = daub_device_memory_used(engine->dev);
    return used > own ? used - own : 0;
}

// The most that is held beside decoding's activations: resident engines keep room for those in every phase.
static uint64_t need_with_decoder(const daub_memory_estimate *e)
{
    return e->mode == DAUB_MEMORY_MODE_RESIDENT ? e->peak : e->decode.total;
}

static bool decode_fits(const struct daub_engine *engine, const daub_memory_estimate *e, uint64_t others)
{
    return others + need_with_decoder(e) + DAUB_MEMORY_RESERVE <= e->limit &&
           e->decode.activations <= daub_device_caps(engine->dev)->max_alloc;
}

// What bands may take is what the rest leaves of the limit; and the rest depends a little on the bands, because small maps may want
// their weights in another packing.
static daub_status cut_into_bands(const struct daub_engine *engine, const struct daub_request *r,
                                  struct daub_need needs[N_NEEDS], struct daub_bands *bands, daub_memory_estimate *out)
{
    const uint64_t others = used_by_others(engine, r), max_alloc = daub_device_caps(engine->dev)->max_alloc;
    const uint64_t packed = daub_weights_size(engine->weights[DAUB_VAE]), wanted = needs[DECODE].weights;
    const uint64_t missing = r->small          ? needs[DECODE].turn
                             : wanted > packed ? wanted - packed
                                               : 0; // of a whole decoder
    uint64_t rest = 0, now = need_with_decoder(out) - out->decode.arena;
    now -= missing < now ? missing : now;
    for (bool first = true; (first || now > rest) && !decode_fits(engine, out, others); first = false) {
        rest = now;
        // In coarse steps, so that the next picture gets the same bands, whose weights are packed.
        const uint64_t step = out->limit / 32 + 1;
        const uint64_t taken = others + rest + DAUB_MEMORY_RESERVE;
        const uint64_t left = out->limit > taken ? (out->limit - taken) / step * step : 0;
        *bands = (struct daub_bands) { .on = true, .arena = most(1, left < max_alloc ? left : max_alloc) };
        TRY(decode_need(engine, r, bands, &needs[DECODE]));
        sum_up(engine, r, needs, out->limit, out);
        now = need_with_decoder(out) - out->decode.arena;
    }
    return DAUB_OK;
}

// What a request is planned to be, within a limit.
struct plan {
    daub_memory_estimate e;
    struct daub_bands bands;
    uint64_t stream; // bytes for the weights of the U-Net's step
};

static daub_status plan_within(const struct daub_engine *engine, const struct daub_request *r, uint64_t limit,
                               struct plan *plan)
{
    const uint64_t others = used_by_others(engine, r);
    struct daub_need needs[N_NEEDS] = { { 0 } };
    plan->bands = r->bands;
    TRY(needs_of(engine, r, limit > others + DAUB_MEMORY_RESERVE ? limit - others - DAUB_MEMORY_RESERVE : 0, needs));
    plan->stream = needs[DENOISE].stream;
    sum_up(engine, r, needs, limit, &plan->e);
    if (r->whole || plan->bands.on || !engine->desc.has_vae)
        return DAUB_OK;
    return cut_into_bands(engine, r, needs, &plan->bands, &plan->e);
}

// By the device's limit, so that pictures are planned alike while other programs come and go; and if that is more than the
// driver has now, by what it has.
static daub_status make_plan(const struct daub_engine *engine, const struct daub_request *r, struct plan *plan)
{
    TRY(plan_within(engine, r, daub_device_caps(engine->dev)->max_memory, plan));
    const uint64_t now = daub_device_memory_limit(engine->dev);
    if (now < plan->e.limit && used_by_others(engine, r) + plan->e.peak + DAUB_MEMORY_RESERVE > now)
        return plan_within(engine, r, now, plan);
    return DAUB_OK;
}

// ---- refusing --------------------------------------------------------------------------------------------------------

static double megabytes(uint64_t bytes)
{
    return (double)bytes * 1e-6;
}

static uint64_t activations_of(const daub_memory_estimate *e)
{
    return most(most(e->text.activations, e->encode.activations), most(e->denoise.activations, e->decode.activations));
}

static bool fits(const struct daub_engine *engine, const struct daub_request *r, const daub_memory_estimate *e)
{
    return used_by_others(engine, r) + e->peak + DAUB_MEMORY_RESERVE <= e->limit &&
           activations_of(e) <= daub_device_caps(engine->dev)->max_alloc;
}

daub_status daub_request_estimate(const struct daub_engine *engine, const struct daub_request *r,
                                  daub_memory_estimate *out)
{
    struct plan plan;
    TRY(make_plan(engine, r, &plan));
    *out = plan.e;
    out->fits = fits(engine, r, &plan.e);
    return DAUB_OK;
}

// Whether the request would fit in another mode and size; planned for the least memory that will do.
static bool would_fit(const struct daub_engine *engine, const struct daub_request *request, daub_memory_mode mode,
                      uint32_t width, uint32_t height, daub_memory_estimate *e)
{
    struct daub_request r = *request;
    r.small = mode != DAUB_MEMORY_MODE_RESIDENT;
    r.streams = mode == DAUB_MEMORY_MODE_STREAM;
    r.width = width;
    r.height = height;
    struct plan plan;
    if (make_plan(engine, &r, &plan) != DAUB_OK)
        return false;
    *e = plan.e;
    return fits(engine, &r, e);
}

enum { SIZES = 16 }; // that are tried below the one that was wanted

// "; memory mode small needs 1733.7 MB", or what else helps.
static void write_advice(const struct daub_engine *engine, const struct daub_request *r, char *text, size_t size)
{
    daub_memory_estimate e;
    if (!r->small && would_fit(engine, r, DAUB_MEMORY_MODE_SMALL, r->width, r->height, &e)) {
        snprintf(text, size, "; memory mode small needs %.1f MB", megabytes(e.peak));
        return;
    }
    if (!r->streams && would_fit(engine, r, DAUB_MEMORY_MODE_STREAM, r->width, r->height, &e)) {
        snprintf(text, size, "; memory mode stream fits, in %.1f MB", megabytes(e.peak));
        return;
    }
    const uint32_t multiple = engine->desc.size_multiple;
    for (uint32_t i = SIZES - 1; i > 0; i--) {
        const uint32_t width = r->width * i / SIZES / multiple * multiple;
        const uint32_t height = r->height * i / SIZES / multiple * multiple;
        if (width == 0 || height == 0)
            break;
        if (!would_fit(engine, r, DAUB_MEMORY_MODE_STREAM, width, height, &e))
            continue;
        snprintf(text, size, "; memory mode stream fits %ux%u, in %.1f MB", width, height, megabytes(e.peak));
        return;
    }
    snprintf(text, size, "; no mode and no smaller size of this shape fits");
}

static const daub_phase_memory *widest_phase(const daub_memory_estimate *e)
{
    const daub_phase_memory *phase = &e->text;
    if (e->encode.total >= phase->total)
        phase = &e->encode;
    if (e->denoise.total >= phase->total)
        phase = &e->denoise;
    return e->decode.total >= phase->total ? &e->decode : phase;
}

static daub_status refuse(const struct daub_engine *engine, const struct daub_request *r, const daub_memory_estimate *e)
{
    char advice[128];
    write_advice(engine, r, advice, sizeof(advice));
    const uint64_t others = used_by_others(engine, r), max_alloc = daub_device_caps(engine->dev)->max_alloc;
    const daub_phase_memory *phase = widest_phase(e);
    if (others + e->peak + DAUB_MEMORY_RESERVE > e->limit)
        return daub_fail(
            DAUB_ERROR_NO_GPU_MEMORY,
            "%ux%u needs %.1f MB of device memory (activations %.1f, weights %.1f) beside %.1f MB in other use; the "
            "limit is %.1f MB%s%s",
            r->width, r->height, megabytes(e->peak), megabytes(phase->arena + phase->staging),
            megabytes(phase->weights), megabytes(others), megabytes(e->limit),
            e->bands > 0 ? ", and the VAE decodes in bands already" : "", advice);
    return daub_fail(DAUB_ERROR_NO_GPU_MEMORY,
                     "%ux%u needs %.1f MB of device memory for activations, and one allocation may have %.1f MB%s",
                     r->width, r->height, megabytes(activations_of(e)), megabytes(max_alloc), advice);
}

daub_status daub_request_check_memory(const struct daub_engine *engine, struct daub_request *request)
{
    struct plan plan;
    TRY(make_plan(engine, request, &plan));
    if (!fits(engine, request, &plan.e)) // what this model holds already is part of the need
        return refuse(engine, request, &plan.e);
    request->bands = plan.bands;
    request->stream = plan.stream;
    request->activations = activations_of(&plan.e);
    return DAUB_OK;
}

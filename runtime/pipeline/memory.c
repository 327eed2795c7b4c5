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

static daub_status needs_of(const struct daub_engine *engine, const struct daub_request *r,
                            struct daub_need needs[N_NEEDS])
{
    static const float some = 0.0f; // only its presence shapes the graph
    const uint32_t scale = daub_latent_scale(&engine->desc), h = r->height / scale, w = r->width / scale;
    struct daub_denoise_params params = {
        .program = &r->program,
        .batch = r->batch,
        .h = h,
        .w = w,
        .guidance_scale = r->guidance_scale,
        .guidance_rescale = r->guidance_rescale,
        .profile = r->profile,
        .nofuse = r->nofuse,
    };
    if (engine->desc.has_text) {
        params.tokens = r->embeds ? r->embed_tokens : engine->max_tokens;
        params.text = &some;
        params.negative = r->guidance_scale > 1.0f ? &some : NULL;
    }
    if (has_phase(engine, r, TEXT))
        TRY(daub_text_estimate(engine, params.negative ? 2 : 1, r->layers, &needs[TEXT]));
    if (has_phase(engine, r, ENCODE))
        TRY(daub_encoder_estimate(engine, r->height, r->width, &needs[ENCODE]));
    TRY(daub_denoiser_estimate(engine, &params, &needs[DENOISE]));
    const struct daub_bands undivided = { .on = false };
    if (r->preview == DAUB_PREVIEW_VAE) // a decoder of its own beside the denoiser
        TRY(decode_need(engine, r, &undivided, &needs[PREVIEW]));
    return decode_need(engine, r, &r->bands, &needs[DECODE]);
}

// Latents, noise, embeddings and pixels, as runtime/pipeline/pipeline.c and its callers hold them.
static uint64_t host_bytes(const struct daub_engine *engine, const struct daub_request *r)
{
    const uint32_t scale = daub_latent_scale(&engine->desc);
    const uint64_t latent = (uint64_t)r->batch * engine->desc.unet.out_channels * (r->height / scale) *
                            (r->width / scale);
    const uint64_t text = engine->desc.has_text ? 2ull * engine->max_tokens * engine->desc.text.hidden_size : 0;
    const uint64_t pixels = (uint64_t)r->width * r->height;
    const uint64_t given = r->init ? 3 * pixels + (r->mask ? pixels : 0) : 0;
    const uint64_t encoded = r->init ? 3 * pixels + 7 * latent
                                     : 0; // the picture in floats; draws, moments and condition
    const uint64_t shown = r->preview == DAUB_PREVIEW_VAE ? 4 * pixels : 0, kept = r->keep_floats ? 3 * pixels : 0;
    return sizeof(float) * (latent * (r->program.n_noises + r->program.n_given + 2ull) + text + encoded + kept) +
           given + shown + 4 * pixels;
}

static void sum_up(const struct daub_engine *engine, const struct daub_request *r,
                   const struct daub_need needs[N_NEEDS], daub_memory_estimate *out)
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
    const uint64_t staging = daub_staging_size(engine->dev, transfer) + r->picture_size;
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
            .staging = staging,
        };
        if (p == DENOISE) {
            const uint64_t all = needs[PREVIEW].weights, missing = all > packed[DECODE] ? all - packed[DECODE] : 0;
            phases[p].weights += r->small ? needs[PREVIEW].turn : missing;
            phases[p].arena += needs[PREVIEW].arena;
        }
        phases[p].total = phases[p].weights + phases[p].arena + staging;
        if (p == TEXT && daub_text_leaves(engine, r->profile))
            weights -= most(packed[TEXT], needs[TEXT].weights);
        peak = most(peak, phases[p].total);
    }
    *out = (daub_memory_estimate) {
        .struct_size = sizeof(*out),
        .mode = r->small ? DAUB_MEMORY_MODE_SMALL : DAUB_MEMORY_MODE_RESIDENT,
        .width = r->width,
        .height = r->height,
        .text = phases[TEXT],
        .encode = phases[ENCODE],
        .denoise = phases[DENOISE],
        .decode = phases[DECODE],
        .peak = peak,
        .host = host_bytes(engine, r) + needs[DECODE].host,
        .limit = daub_device_caps(engine->dev)->max_memory,
        .bands = needs[DECODE].bands,
    };
}

// Device memory that is not part of the estimate: this model does not hold it, and it is not the staging ring.
static uint64_t used_by_others(const struct daub_engine *engine, const struct daub_request *r)
{
    const uint64_t staging = daub_staging_size(engine->dev, 0); // held already
    const uint64_t own = daub_engine_packed(engine) + atomic_load(&engine->arenas) + staging +
                         (r->picture.buf ? r->picture_size : 0);
    const uint64_t used = daub_device_memory_used(engine->dev);
    return used > own ? used - own : 0;
}

// The most that is held beside decoding's activations: resident engines keep room for those in every phase.
static uint64_t need_with_decoder(const daub_memory_estimate *e)
{
    return e->mode == DAUB_MEMORY_MODE_SMALL ? e->decode.total : e->peak;
}

static bool decode_fits(const struct daub_engine *engine, const daub_memory_estimate *e, uint64_t others)
{
    return others + need_with_decoder(e) <= e->limit &&
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
        const uint64_t left = out->limit > others + rest ? (out->limit - others - rest) / step * step : 0;
        *bands = (struct daub_bands) { .on = true, .arena = left < max_alloc ? left : max_alloc };
        TRY(decode_need(engine, r, bands, &needs[DECODE]));
        sum_up(engine, r, needs, out);
        now = need_with_decoder(out) - out->decode.arena;
    }
    return DAUB_OK;
}

// The estimate, and the bands that it is made for.
static daub_status estimate(const struct daub_engine *engine, const struct daub_request *r, struct daub_bands *bands,
                            daub_memory_estimate *out)
{
    struct daub_need needs[N_NEEDS] = { { 0 } };
    *bands = r->bands;
    TRY(needs_of(engine, r, needs));
    sum_up(engine, r, needs, out);
    if (r->whole || bands->on || !engine->desc.has_vae)
        return DAUB_OK;
    return cut_into_bands(engine, r, needs, bands, out);
}

daub_status daub_request_estimate(const struct daub_engine *engine, const struct daub_request *r,
                                  daub_memory_estimate *out)
{
    struct daub_bands bands;
    return estimate(engine, r, &bands, out);
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

daub_status daub_request_check_memory(const struct daub_engine *engine, struct daub_request *request)
{
    daub_memory_estimate e;
    TRY(estimate(engine, request, &request->bands, &e));
    request->activations = most(most(e.text.activations, e.encode.activations),
                                most(e.denoise.activations, e.decode.activations));

    // What this model holds already is part of the need.
    const struct daub_caps *caps = daub_device_caps(engine->dev);
    const uint64_t others = used_by_others(engine, request);
    const daub_phase_memory *phase = widest_phase(&e);
    if (others + e.peak > caps->max_memory)
        return daub_fail(
            DAUB_ERROR_NO_GPU_MEMORY,
            "%ux%u needs %.2f GB of device memory (activations %.2f, weights %.2f) beside %.2f GB in other use; "
            "the limit is %.2f GB%s%s",
            request->width, request->height, (double)e.peak * 1e-9, (double)(phase->arena + phase->staging) * 1e-9,
            (double)phase->weights * 1e-9, (double)others * 1e-9, (double)caps->max_memory * 1e-9,
            e.bands > 0 ? ", and the VAE decodes in bands already" : "",
            request->small ? "" : "; memory mode small needs less");
    if (request->activations > caps->max_alloc)
        return daub_fail(DAUB_ERROR_NO_GPU_MEMORY,
                         "%ux%u needs %.2f GB of device memory for activations, and one allocation may have %.2f GB",
                         request->width, request->height, (double)request->activations * 1e-9,
                         (double)caps->max_alloc * 1e-9);
    return DAUB_OK;
}

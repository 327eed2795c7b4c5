// encoder.c - pictures to latents: the VAE's encoder, and what it said of the last pictures.
#include "runtime/pipeline/engine.h"

#include "runtime/base/sha256.h"
#include "runtime/op/op.h"

#include <math.h>
#include <string.h>

enum { N_KEPT = 2 }; // a picture, and the same with its masked pixels taken out

struct daub_encoder {
    struct daub_exec *exec;
    struct daub_tensor *image, *moments;
    uint32_t h, w; // of the picture
    bool profile;
};

struct daub_encoded { // moments by the picture they are of
    uint8_t key[DAUB_SHA256_SIZE];
    uint32_t h, w; // 0: none
    float *moments;
};

struct daub_encodings {
    struct daub_encoded of[N_KEPT];
    uint32_t next; // to be replaced
};

// Builds the graph; the tensors that are written and read are left in *e.
static daub_status build(const struct daub_engine *engine, enum daub_dtype dtype, struct daub_encoder *e,
                         struct daub_net **out)
{
    const struct daub_vae_config *cfg = &engine->desc.vae;
    TRY(daub_net_create(engine->host, "vae_encoder", dtype, out));
    e->image = daub_net_input(*out, "image", DAUB_STAGE_STEP, dtype,
                              (struct daub_shape) { 1, e->h, e->w, cfg->in_channels });
    e->moments = daub_vae_encode_build(*out, cfg, e->image);
    daub_net_output(*out, "moments", e->moments);
    return DAUB_OK;
}

static daub_status make(struct daub_engine *engine, const struct daub_encoder *wanted)
{
    struct daub_encoder *e = daub_alloc(engine->host, sizeof(*e));
    if (!e)
        return daub_no_memory("the encoder");
    *e = *wanted;
    struct daub_net *net = NULL;
    daub_status status = build(engine, engine->dtype, e, &net);
    if (status == DAUB_OK)
        status = daub_engine_exec(engine, DAUB_VAE, net, e->profile, false, &e->exec);
    if (status == DAUB_OK)
        engine->encoder = e;
    else
        daub_free(engine->host, e);
    return status;
}

daub_status daub_encoder_net(const struct daub_engine *engine, uint32_t h, uint32_t w, struct daub_net **out)
{
    struct daub_encoder e = { .h = h, .w = w };
    return build(engine, engine->precision, &e, out);
}

daub_status daub_encoder_estimate(const struct daub_engine *engine, uint32_t h, uint32_t w, struct daub_need *need)
{
    struct daub_net *net = NULL;
    TRY(daub_encoder_net(engine, h, w, &net));
    return daub_need_of(engine, DAUB_VAE, net, false, NULL, need);
}

static size_t n_moments(const struct daub_engine *engine, uint32_t h, uint32_t w)
{
    const uint32_t scale = daub_latent_scale(&engine->desc);
    return 2 * (size_t)engine->desc.vae.latent_channels * (h / scale) * (w / scale);
}

static daub_status encode(struct daub_engine *engine, const struct daub_encode_params *params, float *out)
{
    daub_engine_enter(engine, DAUB_VAE);
    const struct daub_encoder wanted = { .h = params->h, .w = params->w, .profile = params->profile };
    const struct daub_encoder *old = engine->encoder;
    if (old && (old->h != wanted.h || old->w != wanted.w || old->profile != wanted.profile))
        daub_encoder_destroy(engine);
    if (!engine->encoder) {
        daub_status status = make(engine, &wanted);
        if (status == DAUB_ERROR_NO_GPU_MEMORY && daub_engine_trim(engine))
            status = make(engine, &wanted);
        TRY(status);
    }
    const struct daub_encoder *e = engine->encoder;
    TRY(daub_engine_use(engine, e->exec));
    TRY(daub_exec_write(e->exec, e->image, true, params->image));
    TRY(daub_exec_run(e->exec, DAUB_STAGE_STEP));
    return daub_exec_read(e->exec, e->moments, true, out);
}

// ---- what was encoded before -----------------------------------------------------------------------------------------

static void key_of(const struct daub_engine *engine, const struct daub_encode_params *params, uint8_t *key)
{
    struct daub_sha256 hash;
    daub_sha256_init(&hash);
    daub_sha256_update(&hash, params->image,
                       (size_t)engine->desc.vae.in_channels * params->h * params->w * sizeof(float));
    daub_sha256_final(&hash, key);
}

static const float *kept(const struct daub_engine *engine, const struct daub_encode_params *params, const uint8_t *key)
{
    for (int i = 0; engine->encodings && i < N_KEPT; i++) {
        const struct daub_encoded *e = &engine->encodings->of[i];
        if (e->h == params->h && e->w == params->w && memcmp(e->key, key, DAUB_SHA256_SIZE) == 0)
            return e->moments;
    }
    return NULL;
}

// Keeping them saves work, and failing to costs only that.
static void keep(struct daub_engine *engine, const struct daub_encode_params *params, const uint8_t *key,
                 const float *moments)
{
    if (!engine->encodings)
        engine->encodings = daub_alloc(engine->host, sizeof(*engine->encodings));
    if (!engine->encodings)
        return;
    struct daub_encoded *e = &engine->encodings->of[engine->encodings->next];
    const size_t size = n_moments(engine, params->h, params->w) * sizeof(float);
    daub_free(engine->host, e->moments);
    *e = (struct daub_encoded) { .moments = daub_alloc(engine->host, size) };
    if (!e->moments)
        return;
    memcpy(e->moments, moments, size);
    memcpy(e->key, key, DAUB_SHA256_SIZE);
    e->h = params->h;
    e->w = params->w;
    engine->encodings->next = (engine->encodings->next + 1) % N_KEPT;
}

void daub_encodings_forget(struct daub_engine *engine)
{
    for (int i = 0; engine->encodings && i < N_KEPT; i++)
        daub_free(engine->host, engine->encodings->of[i].moments);
    daub_free(engine->host, engine->encodings);
    engine->encodings = NULL;
}

// ---- from moments to latents -----------------------------------------------------------------------------------------

// A draw from the normal distribution that the encoder describes, scaled as the U-Net takes it.
static void sample(const struct daub_vae_config *cfg, const float *moments, size_t n, const float *noise, float *out)
{
    const float scale = (float)cfg->scaling_factor, shift = (float)cfg->shift_factor;
    for (size_t i = 0; i < n; i++) {
        const float log_variance = fminf(fmaxf(moments[n + i], -30.0f), 20.0f); // the reference's limits
        out[i] = (moments[i] + expf(0.5f * log_variance) * noise[i] - shift) * scale;
    }
}

daub_status daub_encode(struct daub_engine *engine, const struct daub_encode_params *params, float *latents)
{
    const size_t n = n_moments(engine, params->h, params->w);
    uint8_t key[DAUB_SHA256_SIZE];
    key_of(engine, params, key);
    const float *before = params->profile ? NULL : kept(engine, params, key);
    if (before) {
        sample(&engine->desc.vae, before, n / 2, params->noise, latents);
        return DAUB_OK;
    }
    float *moments = daub_alloc_array(engine->host, n, sizeof(float));
    if (!moments)
        return daub_no_memory("an encoded picture");
    const daub_status status = encode(engine, params, moments);
    if (status == DAUB_OK) {
        sample(&engine->desc.vae, moments, n / 2, params->noise, latents);
        keep(engine, params, key, moments);
    }
    daub_free(engine->host, moments);
    return status;
}

struct daub_exec *daub_encoder_exec(const struct daub_engine *engine)
{
    return engine->encoder ? engine->encoder->exec : NULL;
}

void daub_encoder_destroy(struct daub_engine *engine)
{
    if (!engine->encoder)
        return;
    daub_exec_destroy(&engine->encoder->exec);
    daub_free(engine->host, engine->encoder);
    engine->encoder = NULL;
}

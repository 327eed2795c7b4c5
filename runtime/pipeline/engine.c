// engine.c - opening a model, and the device memory it takes.
#include "runtime/pipeline/engine.h"

#include "runtime/base/file.h"
#include "runtime/io/weight_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DAUB_DATA_DIR
#define DAUB_DATA_DIR "" // where cmake --install puts models/default; set by CMake
#endif
#ifndef DAUB_BUILD_DATA_DIR
#define DAUB_BUILD_DATA_DIR "" // the source tree's models/, for programs that run from the build folder
#endif

static bool is_model(const char *path)
{
    char file[1100];
    const int n = snprintf(file, sizeof(file), "%s/model_index.json", path);
    return n > 0 && (size_t)n < sizeof(file) && daub_path_is_file(file);
}

daub_status daub_default_model_path(const struct daub_host *host, char *out, size_t size)
{
    const char *env = getenv("DAUB_DEFAULT_MODEL");
    if (env && *env) {
        if (snprintf(out, size, "%s", env) >= (int)size)
            return daub_fail(DAUB_ERROR_INVALID_ARG, "DAUB_DEFAULT_MODEL is longer than %zu bytes", size - 1);
        return DAUB_OK;
    }
    char *self = daub_self_dir(host);
    const char *const places[][2] = {
        { self, "/../share/daub/models/default" },    // installed: bin/ or lib/ beside share/
        { self, "/../../share/daub/models/default" }, // lib/<multiarch>/
        { DAUB_DATA_DIR, "/models/default" },
        { DAUB_BUILD_DATA_DIR, "/default" },
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (!places[i][0] || !*places[i][0] || snprintf(out, size, "%s%s", places[i][0], places[i][1]) >= (int)size ||
            !is_model(out))
            continue;
        daub_free(host, self);
        return DAUB_OK;
    }
    const daub_status status = daub_fail(
        DAUB_ERROR_IO,
        "the default model is not found beside %s, in %s or in %s; give --model FILE or set "
        "DAUB_DEFAULT_MODEL",
        self ? self : "the program", DAUB_DATA_DIR, DAUB_BUILD_DATA_DIR);
    daub_free(host, self);
    return status;
}

daub_status daub_engine_describe(const struct daub_host *host, const char *path, const daub_model_params *params,
                                 struct daub_checkpoint **ckpt, struct daub_arena **arena, struct daub_model_desc *desc)
{
    char default_path[1024];
    if (!path) {
        TRY(daub_default_model_path(host, default_path, sizeof(default_path)));
        path = default_path;
    }
    TRY(daub_checkpoint_open(host, path, params ? params->config_from : NULL, ckpt));
    daub_status status = DAUB_OK;
    *arena = daub_arena_create(host);
    if (!*arena)
        status = daub_no_memory("a model's description");
    if (status == DAUB_OK)
        status = daub_model_describe(*ckpt, *arena, desc);
    if (status != DAUB_OK) {
        daub_arena_destroy(arena);
        daub_checkpoint_close(ckpt);
    }
    return status;
}

static daub_status make_weights(struct daub_engine *engine, enum daub_component c, const daub_model_params *params)
{
    TRY(daub_weights_create(engine->dev, engine->ckpt, c, &engine->weights[c]));
    if (!params || !params->weight_cache || !params->weight_cache[0] || !daub_checkpoint_has(engine->ckpt, c))
        return DAUB_OK;
    struct daub_weight_cache *cache = NULL;
    TRY(daub_weight_cache_open(engine->host, params->weight_cache, params->weight_cache_limit, engine->ckpt, c,
                               &cache));
    daub_weights_set_cache(engine->weights[c], cache);
    return DAUB_OK;
}

daub_status daub_engine_create(daub_device *dev, const char *path, const daub_model_params *params,
                               struct daub_engine **out)
{
    const struct daub_host *host = daub_device_host(dev);
    struct daub_engine *engine = daub_alloc(host, sizeof(*engine));
    if (!engine)
        return daub_no_memory("a model");
    engine->dev = dev;
    engine->host = host;
    engine->dtype = params && params->precision == DAUB_PRECISION_F32 ? DAUB_F32 : DAUB_F16;
    daub_device_retain(dev);

    daub_status status;
    TRY_OR_FAIL(daub_engine_describe(host, path, params, &engine->ckpt, &engine->arena, &engine->desc));
    if (engine->desc.has_text) {
        TRY_OR_FAIL(daub_tokenizer_create(host, daub_checkpoint_tokenizer_dir(engine->ckpt), &engine->tokenizer));
        const uint32_t length = daub_tokenizer_max_length(engine->tokenizer);
        engine->max_tokens = engine->desc.text.max_position_embeddings;
        if (length < engine->max_tokens)
            engine->max_tokens = length;
    }
    for (int c = 0; c < DAUB_COMPONENT_COUNT; c++)
        TRY_OR_FAIL(make_weights(engine, (enum daub_component)c, params));
    *out = engine;
    return DAUB_OK;

fail:
    daub_engine_destroy(&engine);
    return status;
}

bool daub_engine_trim(struct daub_engine *engine)
{
    const bool any = engine->text || engine->denoiser || engine->decoder;
    daub_text_destroy(engine);
    daub_denoiser_destroy(engine);
    daub_decoder_destroy(engine);
    return any;
}

void daub_engine_account(struct daub_engine *engine)
{
    const struct daub_exec *const execs[] = {
        daub_text_exec(engine),
        daub_denoiser_exec(engine),
        daub_decoder_exec(engine),
    };
    uint64_t arenas = 0, packed = 0;
    for (size_t i = 0; i < sizeof(execs) / sizeof(execs[0]); i++)
        arenas += execs[i] ? daub_exec_arena_size(execs[i]) : 0;
    for (int c = 0; c < DAUB_COMPONENT_COUNT; c++)
        packed += daub_weights_size(engine->weights[c]);
    atomic_store(&engine->arenas, arenas);
    atomic_store(&engine->packed, packed);
}

daub_status daub_need_add(const struct daub_engine *engine, struct daub_net *net, bool nofuse, struct daub_need *need)
{
    uint64_t arena = 0;
    const daub_status status = daub_exec_plan(engine->dev, net, nofuse, &arena);
    for (uint32_t i = 0; status == DAUB_OK && i < daub_net_n_weights(net); i++) {
        const struct daub_tensor *w = daub_net_weight_at(net, i);
        if (w->pack.kind != DAUB_PACK_NONE)
            need->weights += daub_pack_size(&w->pack, w->dims, w->n_dims);
    }
    if (status == DAUB_OK && arena > need->arena)
        need->arena = arena;
    daub_net_destroy(&net);
    return status;
}

void daub_engine_destroy(struct daub_engine **engine)
{
    struct daub_engine *e = *engine;
    if (!e)
        return;
    daub_engine_trim(e);
    for (int c = 0; c < DAUB_COMPONENT_COUNT; c++)
        daub_weights_destroy(&e->weights[c]);
    daub_tokenizer_destroy(&e->tokenizer);
    daub_arena_destroy(&e->arena);
    daub_checkpoint_close(&e->ckpt);
    daub_device_release(e->dev);
    daub_free(e->host, e);
    *engine = NULL;
}

uint32_t daub_latent_scale(const struct daub_model_desc *desc)
{
    return desc->has_vae ? 1u << (desc->vae.n_levels - 1) : 1;
}

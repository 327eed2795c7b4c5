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
        "the default model is not found beside %s, in %s%s%s; give --model FILE or set DAUB_DEFAULT_MODEL",
        self ? self : "the program", DAUB_DATA_DIR, *DAUB_BUILD_DATA_DIR ? " or in " : "", DAUB_BUILD_DATA_DIR);
    daub_free(host, self);
    return status;
}

daub_status daub_engine_describe(const struct daub_host *host, const char *path, const daub_model_params *params,
                                 struct daub_checkpoint **ckpt, struct daub_arena **arena, struct daub_model_desc *desc)
{
    char default_path[1024];
    static const daub_model_params none = { 0 };
    const daub_model_params *p = params ? params : &none;
    if (p->source && path)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "a model comes from a path (%s) or from a source, not from both",
                         path);
    if (p->files && !path && !p->source)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "a path within daub_model_params.files is required");
    if ((p->files || p->source || p->vae_source) && p->weight_cache && p->weight_cache[0])
        return daub_fail(DAUB_ERROR_INVALID_ARG,
                         "a weight cache (%s) is for models that are files of the machine, whose change shows in their "
                         "time; this one comes from the host's memory or callbacks",
                         p->weight_cache);
    if (!path && !p->source) {
        TRY(daub_default_model_path(host, default_path, sizeof(default_path)));
        path = default_path;
    }
    const struct daub_origin origin = {
        .path = path,
        .source = p->source,
        .files = p->files,
        .config_from = p->config_from,
        .vae = p->vae,
        .vae_source = p->vae_source,
    };
    TRY(daub_checkpoint_open_from(host, &origin, ckpt));
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
    engine->precision = engine->dtype;
    daub_device_retain(dev);

    daub_status status;
    TRY_OR_FAIL(daub_engine_describe(host, path, params, &engine->ckpt, &engine->arena, &engine->desc));
    if (engine->desc.has_text) {
        TRY_OR_FAIL(daub_tokenizer_create_from(host, daub_checkpoint_fs(engine->ckpt),
                                               daub_checkpoint_tokenizer_dir(engine->ckpt), &engine->tokenizer));
        const uint32_t length = daub_tokenizer_max_length(engine->tokenizer);
        engine->max_tokens = engine->desc.text.max_position_embeddings;
        if (length < engine->max_tokens)
            engine->max_tokens = length;
    }
    for (int c = 0; c < DAUB_COMPONENT_COUNT; c++)
        TRY_OR_FAIL(make_weights(engine, (enum daub_component)c, params));
    TRY_OR_FAIL(daub_weight_stream_create(dev, engine->weights[DAUB_UNET], &engine->stream));
    *out = engine;
    return DAUB_OK;

fail:
    daub_engine_destroy(&engine);
    return status;
}

// ---- device memory ---------------------------------------------------------------------------------------------------

uint64_t daub_engine_packed(const struct daub_engine *engine)
{
    uint64_t packed = 0;
    for (int c = 0; c < DAUB_COMPONENT_COUNT; c++)
        packed += daub_weights_size(engine->weights[c]);
    return packed;
}

static bool drop_executors(struct daub_engine *engine)
{
    const bool any = engine->text || engine->encoder || engine->denoiser || engine->decoder;
    daub_text_destroy(engine);
    daub_encoder_destroy(engine);
    daub_denoiser_destroy(engine);
    daub_decoder_destroy(engine);
    engine->tenant = NULL;
    return any;
}

bool daub_engine_trim(struct daub_engine *engine)
{
    const bool any = drop_executors(engine) || engine->activations;
    daub_buffer_destroy(engine->dev, &engine->activations);
    atomic_store(&engine->arenas, 0);
    return any;
}

static daub_status make_room(struct daub_engine *engine, uint64_t size)
{
    (void)daub_engine_trim(engine);
    const daub_status status = daub_buffer_create(engine->dev, DAUB_MEMORY_DEVICE, size, "activations",
                                                  &engine->activations);
    if (status == DAUB_OK)
        atomic_store(&engine->arenas, daub_buffer_held(engine->activations));
    return status;
}

daub_status daub_engine_reserve(struct daub_engine *engine, uint64_t size)
{
    const bool same = engine->activations && daub_buffer_size(engine->activations) == size;
    return same ? DAUB_OK : make_room(engine, size);
}

void daub_engine_set_small(struct daub_engine *engine, bool small, const uint64_t *stream)
{
    if (engine->small != small || engine->streams || stream)
        (void)daub_engine_trim(engine); // a small engine's executors are lazy, the other's are not
    engine->small = small;
    engine->streams = stream != NULL;
    daub_weight_stream_set_budget(engine->stream, stream ? *stream : 0);
    engine->entered = false;
}

void daub_engine_enter(struct daub_engine *engine, enum daub_component c)
{
    if (!engine->small || (engine->entered && engine->phase == c))
        return;
    (void)daub_engine_trim(engine);
    for (int i = 0; i < DAUB_COMPONENT_COUNT; i++)
        daub_weights_clear(engine->weights[i]);
    engine->entered = true;
    engine->phase = c;
}

static daub_status take_arena(void *user, uint64_t size, struct daub_buffer **out)
{
    struct daub_engine *engine = user;
    if (!engine->activations || daub_buffer_size(engine->activations) < size)
        TRY(make_room(engine, size));
    *out = engine->activations;
    return DAUB_OK;
}

daub_status daub_engine_exec(struct daub_engine *engine, enum daub_component c, struct daub_net *net, bool profile,
                             bool nofuse, struct daub_exec **out)
{
    const struct daub_exec_params params = {
        .bind_weights = daub_weights_bind,
        .user = engine->weights[c],
        .take_arena = take_arena,
        .arena_user = engine,
        .profile = profile,
        .nofuse = nofuse,
        .fine = engine->fine,
        .watch = engine->watch,
        .lazy = engine->small && c == DAUB_UNET,
        .step_weights = engine->streams && c == DAUB_UNET ? daub_weight_stream_lender(engine->stream) : NULL,
        .name = daub_component_name(c),
    };
    const daub_status status = daub_exec_create(engine->dev, net, &params, out);
    if (status == DAUB_OK && !params.lazy && engine->dtype == engine->precision)
        daub_weights_keep(engine->weights[c]);
    engine->tenant = status == DAUB_OK ? *out : NULL;
    return status;
}

daub_status daub_engine_use(struct daub_engine *engine, struct daub_exec *exec)
{
    daub_exec_set_fine(exec, engine->fine);
    if (engine->tenant != exec)
        TRY(daub_exec_clear(exec));
    engine->tenant = exec;
    return DAUB_OK;
}

uint64_t daub_largest_transfer(const struct daub_net *net)
{
    uint64_t largest = 0;
    for (uint32_t i = 0; i < daub_net_n_tensors(net); i++) {
        const struct daub_tensor *t = daub_net_tensor(net, i);
        uint64_t size = 0;
        if (t->kind == DAUB_TENSOR_WEIGHT && t->pack.kind != DAUB_PACK_NONE)
            size = daub_pack_size(&t->pack, t->dims, t->n_dims);
        else if (t->kind == DAUB_TENSOR_INPUT || t->keep)
            size = daub_tensor_size(t);
        largest = size > largest ? size : largest;
    }
    return largest;
}

// Of a net that is not planned yet, and lives on.
static daub_status need_of_net(const struct daub_engine *engine, enum daub_component c, struct daub_net *net,
                               bool nofuse, const struct daub_stream_room *room, struct daub_need *need)
{
    *need = (struct daub_need) { 0 };
    TRY(daub_exec_plan(engine->dev, net, nofuse, &need->arena));
    // PICTURE and TIME run once, each with weights that the repeated stages do not read.
    const uint32_t turns[] = { DAUB_ALL_STAGES, 1u << DAUB_STAGE_PICTURE, 1u << DAUB_STAGE_TIME,
                               1u << DAUB_STAGE_STEP | 1u << DAUB_STAGE_TAIL };
    for (int i = 0; i < (room ? 3 : 4); i++) {
        uint32_t n = 0;
        struct daub_tensor **weights = daub_packed_weights(net, turns[i], &n);
        if (!weights)
            return daub_no_memory("a list of weights");
        if (i == 0)
            need->weights = daub_weights_size_with(engine->weights[c], weights, n);
        else if (daub_weights_size_of(weights, n) > need->turn)
            need->turn = daub_weights_size_of(weights, n);
    }
    need->transfer = daub_largest_transfer(net);
    return room ? daub_stream_need(engine, net, room, need) : DAUB_OK;
}

daub_status daub_need_of(const struct daub_engine *engine, enum daub_component c, struct daub_net *net, bool nofuse,
                         const struct daub_stream_room *room, struct daub_need *need)
{
    const daub_status status = need_of_net(engine, c, net, nofuse, room, need);
    daub_net_destroy(&net);
    return status;
}

// Bytes of the weights that `other` wants packed otherwise than `net`, and the engine does not have so either.
static daub_status size_beside(const struct daub_engine *engine, enum daub_component c, struct daub_net *net,
                               struct daub_net *other, uint64_t *size)
{
    uint32_t n = 0, m = 0, beside = 0;
    struct daub_tensor **weights = daub_packed_weights(net, DAUB_ALL_STAGES, &n),
                       **others = daub_packed_weights(other, DAUB_ALL_STAGES, &m);
    if (!weights || !others)
        return daub_no_memory("a list of weights");
    for (uint32_t i = 0; i < m; i++) { // both lists are in the order of the graph: the same place is tried first
        bool shared = i < n && daub_weights_same(others[i], weights[i]);
        for (uint32_t j = 0; j < n && !shared; j++)
            shared = daub_weights_same(others[i], weights[j]);
        if (!shared)
            others[beside++] = others[i];
    }
    *size = daub_weights_size_with(engine->weights[c], others, beside) - daub_weights_size(engine->weights[c]);
    return DAUB_OK;
}

static void at_least(uint64_t *a, uint64_t b)
{
    *a = *a > b ? *a : b;
}

daub_status daub_need_of_two(const struct daub_engine *engine, enum daub_component c, struct daub_net *net,
                             struct daub_net *other, bool nofuse, const struct daub_stream_room *room,
                             struct daub_need *need)
{
    struct daub_need second = { 0 };
    uint64_t beside = 0;
    daub_status status = need_of_net(engine, c, net, nofuse, room, need);
    if (status == DAUB_OK && other)
        status = need_of_net(engine, c, other, nofuse, room, &second);
    if (status == DAUB_OK && other)
        status = size_beside(engine, c, net, other, &beside);
    if (status == DAUB_OK && other) {
        need->weights += beside;
        at_least(&need->arena, second.arena);
        at_least(&need->turn, second.turn);
        at_least(&need->transfer, second.transfer);
        at_least(&need->slots, second.slots);
    }
    daub_net_destroy(&net);
    daub_net_destroy(&other);
    return status;
}

void daub_engine_destroy(struct daub_engine **engine)
{
    struct daub_engine *e = *engine;
    if (!e)
        return;
    drop_executors(e);
    daub_buffer_destroy(e->dev, &e->activations);
    daub_free(e->host, e->embeds);
    daub_encodings_forget(e);
    daub_weight_stream_destroy(&e->stream);
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

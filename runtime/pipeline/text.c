// text.c - token ids to prompt embeddings.
#include "runtime/pipeline/engine.h"

#include "runtime/base/thread.h"

#include <string.h>

struct daub_text {
    struct daub_exec *exec;
    struct daub_tensor *ids, *out;
    uint32_t n, layers;
    bool profile;
};

struct daub_embeds { // ids [n, max_tokens] and what the encoder makes of them, in one allocation
    uint32_t n, layers;
    const uint32_t *ids;
    float *values;
};

// Builds the graph; the tensors that are written and read are left in *text.
static daub_status build(const struct daub_engine *engine, enum daub_dtype dtype, struct daub_text *text,
                         struct daub_net **out)
{
    TRY(daub_net_create(engine->host, "text_encoder", dtype, out));
    text->ids = daub_net_input(*out, "ids", DAUB_STAGE_PICTURE, DAUB_U32,
                               (struct daub_shape) { text->n, 1, 1, engine->max_tokens });
    struct daub_clip_outputs outputs = { 0 };
    daub_clip_text_build(*out, &engine->desc.text, text->ids, text->layers, &outputs);
    if (!daub_net_failed(*out))
        daub_net_output(*out, "last_hidden_state", outputs.last);
    text->out = outputs.last;
    return DAUB_OK;
}

static daub_status make(struct daub_engine *engine, const struct daub_text *wanted)
{
    struct daub_text *text = daub_alloc(engine->host, sizeof(*text));
    if (!text)
        return daub_no_memory("the text encoder");
    *text = *wanted;
    const uint64_t start = daub_now_ns();
    struct daub_net *net = NULL;
    daub_status status = build(engine, engine->dtype, text, &net);
    if (status == DAUB_OK)
        status = daub_engine_exec(engine, DAUB_TEXT, net, text->profile, false, &text->exec);
    engine->text_made_ns += daub_now_ns() - start;
    if (status == DAUB_OK)
        engine->text = text;
    else
        daub_free(engine->host, text);
    return status;
}

daub_status daub_text_net(const struct daub_engine *engine, uint32_t n, uint32_t layers, struct daub_net **out)
{
    struct daub_text text = { .n = n, .layers = layers };
    return build(engine, engine->precision, &text, out);
}

daub_status daub_text_estimate(const struct daub_engine *engine, uint32_t n, uint32_t layers, struct daub_need *need)
{
    struct daub_net *net = NULL;
    TRY(daub_text_net(engine, n, layers, &net));
    return daub_need_of(engine, DAUB_TEXT, net, false, NULL, need);
}

static size_t n_values(const struct daub_engine *engine, uint32_t n)
{
    return (size_t)n * engine->max_tokens * engine->desc.text.hidden_size;
}

// Keeping them saves work, and failing to costs only that.
static void keep(struct daub_engine *engine, const uint32_t *ids, uint32_t n, uint32_t layers, const float *values)
{
    const size_t ids_size = (size_t)n * engine->max_tokens * sizeof(*ids);
    const size_t size = n_values(engine, n) * sizeof(*values);
    daub_free(engine->host, engine->embeds);
    struct daub_embeds *e = engine->embeds = daub_alloc(engine->host, sizeof(*e) + size + ids_size);
    if (!e)
        return;
    e->n = n;
    e->layers = layers;
    e->values = memcpy(e + 1, values, size);
    e->ids = memcpy((char *)(e + 1) + size, ids, ids_size);
}

static bool kept(const struct daub_engine *engine, const uint32_t *ids, uint32_t n, uint32_t layers)
{
    const struct daub_embeds *e = engine->embeds;
    return e && e->n == n && e->layers == layers &&
           memcmp(e->ids, ids, (size_t)n * engine->max_tokens * sizeof(*ids)) == 0;
}

static daub_status encode_rows(struct daub_engine *engine, const uint32_t *ids, uint32_t n, uint32_t layers,
                               bool profile, float *out)
{
    daub_engine_enter(engine, DAUB_TEXT);
    const struct daub_text wanted = { .n = n, .layers = layers, .profile = profile };
    const struct daub_text *old = engine->text;
    if (old && (old->n != n || old->layers != layers || old->profile != profile))
        daub_text_destroy(engine);
    if (!engine->text) {
        daub_status status = make(engine, &wanted);
        if (status == DAUB_ERROR_NO_GPU_MEMORY && daub_engine_trim(engine))
            status = make(engine, &wanted);
        TRY(status);
    }
    const struct daub_text *text = engine->text;
    TRY(daub_engine_use(engine, text->exec));
    TRY(daub_exec_write(text->exec, text->ids, false, ids));
    TRY(daub_exec_run(text->exec, DAUB_STAGE_PICTURE));
    return daub_exec_read(text->exec, text->out, false, out);
}

// Two at a time, so that one executor serves prompts of every length; an odd one goes with the row before it once more.
static daub_status encode(struct daub_engine *engine, const uint32_t *ids, uint32_t n, uint32_t layers, bool profile,
                          float *out)
{
    const uint32_t rows = daub_text_rows(n);
    for (uint32_t i = 0; i < n; i += rows) {
        const uint32_t from = i + rows > n ? n - rows : i;
        TRY(encode_rows(engine, ids + (size_t)from * engine->max_tokens, rows, layers, profile,
                        out + n_values(engine, from)));
    }
    return DAUB_OK;
}

uint32_t daub_text_rows(uint32_t n)
{
    return n < 2 ? n : 2;
}

bool daub_text_leaves(const struct daub_engine *engine, bool profile)
{
    return !profile && daub_device_caps(engine->dev)->cpu;
}

daub_status daub_text_encode(struct daub_engine *engine, const uint32_t *ids, uint32_t n, uint32_t layers, bool profile,
                             float *out)
{
    if (!profile && kept(engine, ids, n, layers)) {
        memcpy(out, engine->embeds->values, n_values(engine, n) * sizeof(*out));
        return DAUB_OK;
    }
    TRY(encode(engine, ids, n, layers, profile, out));
    keep(engine, ids, n, layers, out);
    if (daub_text_leaves(engine, profile)) {
        daub_text_destroy(engine);
        daub_weights_clear(engine->weights[DAUB_TEXT]);
    }
    return DAUB_OK;
}

struct daub_exec *daub_text_exec(const struct daub_engine *engine)
{
    return engine->text ? engine->text->exec : NULL;
}

void daub_text_destroy(struct daub_engine *engine)
{
    if (!engine->text)
        return;
    daub_exec_destroy(&engine->text->exec);
    daub_free(engine->host, engine->text);
    engine->text = NULL;
}

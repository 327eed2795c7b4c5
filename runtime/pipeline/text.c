// text.c - token ids to prompt embeddings.
#include "runtime/pipeline/engine.h"

struct daub_text {
    struct daub_exec *exec;
    struct daub_tensor *ids, *out;
    uint32_t n, layers;
    bool profile;
};

// Builds the graph; the tensors that are written and read are left in *text.
static daub_status build(const struct daub_engine *engine, struct daub_text *text, struct daub_net **out)
{
    TRY(daub_net_create(engine->host, "text_encoder", engine->dtype, out));
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
    engine->text = text;
    const struct daub_exec_params params = {
        .bind_weight = daub_weights_bind,
        .user = engine->weights[DAUB_TEXT],
        .name = "text_encoder",
        .profile = text->profile,
    };
    struct daub_net *net = NULL;
    daub_status status = build(engine, text, &net);
    if (status == DAUB_OK)
        status = daub_exec_create(engine->dev, net, &params, &text->exec);
    if (status == DAUB_OK)
        daub_weights_keep(engine->weights[DAUB_TEXT]);
    if (status != DAUB_OK)
        daub_text_destroy(engine);
    daub_engine_account(engine);
    return status;
}

daub_status daub_text_net(const struct daub_engine *engine, uint32_t n, uint32_t layers, struct daub_net **out)
{
    struct daub_text text = { .n = n, .layers = layers };
    return build(engine, &text, out);
}

daub_status daub_text_estimate(const struct daub_engine *engine, uint32_t n, uint32_t layers, struct daub_need *need)
{
    struct daub_net *net = NULL;
    TRY(daub_text_net(engine, n, layers, &net));
    return daub_need_add(engine, net, false, need);
}

daub_status daub_text_encode(struct daub_engine *engine, const uint32_t *ids, uint32_t n, uint32_t layers, bool profile,
                             float *out)
{
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
    TRY(daub_exec_write(text->exec, text->ids, false, ids));
    TRY(daub_exec_run(text->exec, DAUB_STAGE_PICTURE));
    return daub_exec_read(text->exec, text->out, false, out);
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

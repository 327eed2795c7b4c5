// text.c - token ids to prompt embeddings.
#include "runtime/pipeline/engine.h"

struct daub_text {
    struct daub_exec *exec;
    struct daub_tensor *ids, *out;
    uint32_t n, layers;
};

static daub_status make(struct daub_engine *engine, uint32_t n, uint32_t layers)
{
    struct daub_net *net = NULL;
    TRY(daub_net_create(engine->host, "text_encoder", engine->dtype, &net));
    struct daub_tensor *ids = daub_net_input(net, "ids", DAUB_STAGE_PICTURE, DAUB_U32,
                                             (struct daub_shape) { n, 1, 1, engine->max_tokens });
    struct daub_clip_outputs outputs = { 0 };
    daub_clip_text_build(net, &engine->desc.text, ids, layers, &outputs);
    if (!daub_net_failed(net))
        daub_net_output(net, "last_hidden_state", outputs.last);

    const struct daub_exec_params params = {
        .bind_weight = daub_weights_bind,
        .user = engine->weights[DAUB_TEXT],
        .name = "text_encoder",
    };
    struct daub_text *text = daub_alloc(engine->host, sizeof(*text));
    if (!text) {
        daub_net_destroy(&net);
        return daub_no_memory("the text encoder");
    }
    *text = (struct daub_text) { .ids = ids, .out = outputs.last, .n = n, .layers = layers };
    engine->text = text;
    const daub_status status = daub_exec_create(engine->dev, net, &params, &text->exec);
    if (status != DAUB_OK)
        daub_text_destroy(engine);
    return status;
}

daub_status daub_text_encode(struct daub_engine *engine, const uint32_t *ids, uint32_t n, uint32_t layers, float *out)
{
    if (engine->text && (engine->text->n != n || engine->text->layers != layers))
        daub_text_destroy(engine);
    if (!engine->text)
        TRY(make(engine, n, layers));
    const struct daub_text *text = engine->text;
    TRY(daub_exec_write(text->exec, text->ids, false, ids));
    TRY(daub_exec_run(text->exec, DAUB_STAGE_PICTURE));
    return daub_exec_read(text->exec, text->out, false, out);
}

void daub_text_destroy(struct daub_engine *engine)
{
    if (!engine->text)
        return;
    daub_exec_destroy(&engine->text->exec);
    daub_free(engine->host, engine->text);
    engine->text = NULL;
}

// encode.c - prompts to embeddings, as a file or as floats.
#include "runtime/api/model.h"
#include "runtime/api/params.h"

struct encoding { // where they go: a path, or these
    const char *path;
    float **prompt, **negative; // negative may be NULL
    uint32_t *tokens;           // of both
};

// Waits for its turn at the model and encodes.
static daub_status encode(daub_model *model, const daub_generate_params *params, const struct encoding *to)
{
    daub_generate_params p;
    TRY(daub_params_copy("daub_generate_params", params, &p, sizeof(p)));
    struct daub_engine *engine = daub_model_engine(model);
    struct daub_request *request = NULL;
    TRY(daub_request_create_text(engine, &p, &request));
    request->guided = true; // both prompts are wanted
    struct daub_turn turn;
    daub_model_retain(model);
    daub_model_queue(model, &turn);
    (void)daub_model_enter(model, &turn, NULL);
    const daub_status status = to->path ? daub_write_embeds(engine, request, to->path)
                                        : daub_encode_embeds(engine, request, to->prompt, to->negative, to->tokens);
    daub_model_leave(model, &turn);
    daub_request_destroy(&request);
    daub_model_release(model);
    return status;
}

daub_status daub_encode_text(daub_model *model, const daub_generate_params *params, const char *path)
{
    if (!model || !path)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_encode_text: model or path is NULL");
    return encode(model, params, &(struct encoding) { .path = path });
}

daub_status daub_encode_text_floats(daub_model *model, const daub_generate_params *params, daub_floats *prompt,
                                    daub_floats *negative)
{
    if (!model || !prompt)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_encode_text_floats: model or prompt is NULL");
    const struct daub_engine *engine = daub_model_engine(model);
    float *values[2] = { NULL, NULL };
    uint32_t tokens[2] = { 0, 0 };
    const struct encoding to = { .prompt = &values[0], .negative = negative ? &values[1] : NULL, .tokens = tokens };
    TRY(encode(model, params, &to));
    const daub_floats shape = { .n_dims = 2,
                                .dims = { tokens[0], engine->desc.text.hidden_size },
                                .allocator = engine->host->allocator };
    *prompt = shape;
    prompt->values = values[0];
    if (negative) {
        *negative = shape;
        negative->dims[0] = tokens[1];
        negative->values = values[1];
    }
    return DAUB_OK;
}

// embeds.c - the embeddings of a request's two prompts alone, into a file or memory.
#include "runtime/pipeline/pipeline.h"

#include <string.h>

struct embeds {
    float *all; // owned
    const float *prompt, *negative;
    uint32_t tokens, negative_tokens, width;
};

// The request is guided: both prompts are wanted.
static daub_status encode_alone(struct daub_engine *engine, const struct daub_request *r, struct embeds *out)
{
    daub_result result = { .struct_size = sizeof(result) };
    const struct daub_prompts *p = &r->prompts;
    *out = (struct embeds) { 0 };
    if (!engine->desc.has_text)
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "this model has no text encoder");
    daub_engine_set_small(engine, r->small, r->streams ? &r->stream : NULL);
    out->tokens = daub_request_tokens(engine, r);
    out->negative_tokens = daub_request_negative_tokens(engine, r);
    out->width = engine->desc.text.hidden_size;
    const size_t window = (size_t)engine->max_tokens * out->width;
    out->all = daub_alloc_array(engine->host, daub_mul_size(daub_windows_before(p, p->n_texts), window), sizeof(float));
    if (!out->all)
        return daub_no_memory("prompt embeddings");
    out->negative = out->all + daub_windows_before(p, r->schedules.of_step[0]) * window;
    out->prompt = out->all + daub_windows_before(p, r->schedules.of_step[1]) * window;
    return daub_encode_prompts(engine, r, &result, out->all);
}

daub_status daub_write_embeds(struct daub_engine *engine, const struct daub_request *request, const char *path)
{
    struct embeds e;
    daub_status status = encode_alone(engine, request, &e);
    if (status == DAUB_OK) {
        const struct daub_st_write tensors[] = {
            { .name = "prompt_embeds", .n_dims = 3, .dims = { 1, e.tokens, e.width }, .data = e.prompt },
            { .name = "negative_prompt_embeds",
              .n_dims = 3,
              .dims = { 1, e.negative_tokens, e.width },
              .data = e.negative },
        };
        status = daub_safetensors_write(engine->host, path, tensors, 2);
    }
    daub_free(engine->host, e.all);
    return status;
}

static daub_status give_floats(const struct daub_host *host, const float *values, size_t n, float **out)
{
    float *copy = daub_alloc_array(host, n, sizeof(*copy));
    if (!copy)
        return daub_no_memory("prompt embeddings");
    memcpy(copy, values, n * sizeof(*copy));
    *out = copy;
    return DAUB_OK;
}

daub_status daub_encode_embeds(struct daub_engine *engine, const struct daub_request *request, float **prompt,
                               float **negative, uint32_t tokens[2])
{
    struct embeds e;
    daub_status status = encode_alone(engine, request, &e);
    *prompt = NULL;
    if (status == DAUB_OK)
        status = give_floats(engine->host, e.prompt, (size_t)e.tokens * e.width, prompt);
    if (status == DAUB_OK && negative)
        status = give_floats(engine->host, e.negative, (size_t)e.negative_tokens * e.width, negative);
    if (status != DAUB_OK)
        daub_free(engine->host, *prompt);
    tokens[0] = e.tokens;
    tokens[1] = e.negative_tokens;
    daub_free(engine->host, e.all);
    return status;
}

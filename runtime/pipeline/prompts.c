// prompts.c - both prompts of a request to tokens, and those through the text encoder.
#include "runtime/pipeline/pipeline.h"

#include "runtime/base/text.h"

#include <string.h>

// Token ids of a text, as the network takes them: *n of them used, *n_cut left out, from byte *cut_at on.
static daub_status tokens_of(const struct daub_engine *engine, const char *text, uint32_t *ids, uint32_t *n,
                             uint32_t *n_cut, size_t *cut_at)
{
    TRY(daub_tokenize_padded(engine->tokenizer, text, engine->max_tokens, ids, n, n_cut, cut_at));
    if (engine->desc.pad_with_zero)
        for (uint32_t i = *n + 2; i < engine->max_tokens; i++)
            ids[i] = 0;
    for (uint32_t i = 0; i < engine->max_tokens; i++)
        if (ids[i] >= engine->desc.text.vocab_size)
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s: the tokenizer gives token %u, and the text encoder has %u",
                             daub_checkpoint_path(engine->ckpt), ids[i], engine->desc.text.vocab_size);
    return DAUB_OK;
}

static daub_status prompt_tokens(const struct daub_engine *engine, const struct daub_request *r, daub_result *result,
                                 uint32_t *ids)
{
    size_t cut_at = 0;
    TRY(tokens_of(engine, r->prompt, ids, &result->n_tokens, &result->n_tokens_cut, &cut_at));
    const char *cut = result->n_tokens_cut ? r->prompt + cut_at : "";
    cut += strspn(cut, " \t\r\n");
    size_t n = strlen(cut);
    if (n >= sizeof(result->prompt_cut))
        n = daub_utf8_cut(cut, sizeof(result->prompt_cut) - 1);
    memcpy(result->prompt_cut, cut, n);
    result->prompt_cut[n] = '\0';
    return DAUB_OK;
}

static daub_status negative_tokens(const struct daub_engine *engine, const struct daub_request *r, uint32_t *ids)
{
    uint32_t n = 0, n_cut = 0;
    size_t cut_at = 0;
    TRY(tokens_of(engine, r->negative, ids, &n, &n_cut, &cut_at));
    if (n_cut > 0)
        daub_log(&r->host_log, DAUB_LOG_WARNING,
                 "the negative prompt is %u tokens too long for this model's window of %u; its end is left out", n_cut,
                 n);
    return DAUB_OK;
}

daub_status daub_encode_prompts(struct daub_engine *engine, const struct daub_request *r, daub_result *result,
                                float *out)
{
    const uint32_t length = engine->max_tokens;
    float *const prompt = out + (size_t)length * engine->desc.text.hidden_size;
    uint32_t *ids = daub_alloc_array(engine->host, 2 * (size_t)length, sizeof(uint32_t));
    if (!ids)
        return daub_no_memory("token ids");
    const bool guided = r->guidance_scale > 1.0f;
    daub_status status = prompt_tokens(engine, r, result, ids + length);
    if (status == DAUB_OK && guided)
        status = negative_tokens(engine, r, ids);
    if (status == DAUB_OK && guided && r->layers == r->negative_layers) {
        status = daub_text_encode(engine, ids, 2, r->layers, r->profile, out);
    } else {
        if (status == DAUB_OK && guided)
            status = daub_text_encode(engine, ids, 1, r->negative_layers, r->profile, out);
        if (status == DAUB_OK)
            status = daub_text_encode(engine, ids + length, 1, r->layers, r->profile, prompt);
    }
    daub_free(engine->host, ids);
    return status;
}

// fuzz_tokenizer.c - prompts of any bytes through the built-in vocabulary.
#include "models/clip_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct daub_tokenizer *tok;
    if (!tok && daub_tokenizer_create(NULL, NULL, &tok) != DAUB_OK)
        __builtin_trap();
    uint32_t *ids = NULL, *ends = NULL, n = 0;
    if (daub_tokenize_bytes(tok, (const char *)data, size, &ids, &ends, &n) != DAUB_OK)
        return 0;
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] >= daub_tokenizer_size(tok) || ends[i] > size || (i > 0 && ends[i] < ends[i - 1]))
            __builtin_trap();
    daub_free(NULL, ids);
    daub_free(NULL, ends);
    return 0;
}

// fuzz_prompt.c - prompts of any bytes through the built-in vocabulary and the default model's.
#include "fuzz.h"
#include "models/clip_tokenizer.h"

#include <stdlib.h>
#include <string.h>

static struct daub_tokenizer *builtin, *model;

static void check(const struct daub_tokenizer *tok, const char *text, size_t size)
{
    uint32_t *ids = NULL, *ends = NULL, n = 0;
    if (daub_tokenize_bytes(tok, text, size, &ids, &ends, &n) != DAUB_OK)
        return;
    for (uint32_t i = 0; i < n; i++) {
        FUZZ_CHECK(ids[i] < daub_tokenizer_size(tok));
        FUZZ_CHECK(ends[i] <= size && (i == 0 || ends[i] >= ends[i - 1]));
    }
    if (memchr(text, 0, size) == NULL) { // what the pipeline calls takes a C string and a window
        enum { WINDOW = 8 };
        uint32_t padded[WINDOW], used, cut;
        size_t cut_at;
        char *copy = strndup(text, size);
        if (!copy)
            abort();
        FUZZ_CHECK(daub_tokenize_padded(tok, copy, WINDOW, padded, &used, &cut, &cut_at) == DAUB_OK);
        FUZZ_CHECK(used + cut == n && used <= WINDOW - 2 && cut_at <= size);
        FUZZ_CHECK(padded[0] == daub_tokenizer_bos(tok) && padded[used + 1] == daub_tokenizer_eos(tok));
        FUZZ_CHECK(used == 0 || memcmp(padded + 1, ids, used * sizeof(*ids)) == 0);
        free(copy);
    }
    daub_free(NULL, ids);
    daub_free(NULL, ends);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!builtin)
        FUZZ_CHECK(daub_tokenizer_create(NULL, NULL, &builtin) == DAUB_OK &&
                   daub_tokenizer_create(NULL, DAUB_SOURCE_DIR "/models/default/tokenizer", &model) == DAUB_OK);
    const char *text = size ? (const char *)data : "";
    check(builtin, text, size);
    check(model, text, size);
    return 0;
}

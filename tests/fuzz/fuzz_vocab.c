// fuzz_vocab.c - a tokenizer's files: an input's parts are vocab.json, merges.txt, special_tokens_map.json, tokenizer_config.json and a
// prompt that is tokenized with what they make.
#include "fuzz.h"
#include "models/clip_tokenizer.h"

static const char *const files[] = { "vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer_config.json" };
enum { N_FILES = sizeof(files) / sizeof(files[0]), PROMPT = N_FILES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_part parts[N_FILES + 1];
    fuzz_split(data, size, parts, N_FILES + 1);
    for (uint32_t i = 0; i < N_FILES; i++)
        fuzz_put_part(files[i], &parts[i]);
    struct daub_tokenizer *tok = NULL;
    if (daub_tokenizer_create(NULL, fuzz_folder(), &tok) != DAUB_OK)
        return 0;
    FUZZ_CHECK(daub_tokenizer_bos(tok) < daub_tokenizer_size(tok) &&
               daub_tokenizer_eos(tok) < daub_tokenizer_size(tok));
    FUZZ_CHECK(daub_tokenizer_pad(tok) < daub_tokenizer_size(tok) && daub_tokenizer_max_length(tok) >= 2);
    const struct fuzz_part *prompt = &parts[PROMPT];
    uint32_t *ids = NULL, *ends = NULL, n = 0;
    if (daub_tokenize_bytes(tok, prompt->text, prompt->size, &ids, &ends, &n) == DAUB_OK) {
        for (uint32_t i = 0; i < n; i++) {
            FUZZ_CHECK(ids[i] < daub_tokenizer_size(tok));
            FUZZ_CHECK(ends[i] <= prompt->size && (i == 0 || ends[i] >= ends[i - 1]));
        }
        daub_free(NULL, ids);
        daub_free(NULL, ends);
    }
    daub_tokenizer_destroy(&tok);
    return 0;
}

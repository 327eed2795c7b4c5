// clip_tokenizer.h - CLIP's byte-level BPE, token for token as Hugging Face's CLIPTokenizer.
#ifndef DAUB_MODELS_CLIP_TOKENIZER_H
#define DAUB_MODELS_CLIP_TOKENIZER_H
#include "runtime/base/blob.h"

#include <stdbool.h>
#include <stdint.h>

struct daub_tokenizer;

// From a folder with vocab.json, merges.txt, special_tokens_map.json and tokenizer_config.json (the last two optional), or the built-in
// 49,408-entry vocabulary when dir is NULL. Thread safe once made.
daub_status daub_tokenizer_create(const struct daub_host *host, const char *dir, struct daub_tokenizer **out);
// The same from a folder of a host's file system; fs NULL: the machine's.
daub_status daub_tokenizer_create_from(const struct daub_host *host, const struct daub_fs *fs, const char *dir,
                                       struct daub_tokenizer **out);
void daub_tokenizer_destroy(struct daub_tokenizer **tok);

uint32_t daub_tokenizer_bos(const struct daub_tokenizer *tok);
uint32_t daub_tokenizer_eos(const struct daub_tokenizer *tok);
uint32_t daub_tokenizer_pad(const struct daub_tokenizer *tok);
uint32_t daub_tokenizer_max_length(const struct daub_tokenizer *tok); // model_max_length, 77 if the files do not say
uint32_t daub_tokenizer_size(const struct daub_tokenizer *tok);       // the highest id, plus one

// All tokens of a text, without begin and end. *ids is daub_free'd by the caller; ends[i] (may be NULL) is the byte offset in `text`
// behind token i, to say what was cut. Errors: INVALID_ARG for invalid UTF-8 (with the byte offset), NO_HOST_MEMORY.
daub_status daub_tokenize(const struct daub_tokenizer *tok, const char *text, uint32_t **ids, uint32_t **ends,
                          uint32_t *count);
// The same for text of a given size, which may hold zero bytes.
daub_status daub_tokenize_bytes(const struct daub_tokenizer *tok, const char *text, size_t size, uint32_t **ids,
                                uint32_t **ends, uint32_t *count);
// The network's input: begin, at most length - 2 tokens, end, padding. *n_tokens of the text are used, *n_cut left out, *cut_at the byte
// offset in text where the cut part begins (text's length when nothing is cut); each may be NULL.
daub_status daub_tokenize_padded(const struct daub_tokenizer *tok, const char *text, uint32_t length, uint32_t *ids,
                                 uint32_t *n_tokens, uint32_t *n_cut, size_t *cut_at);

#endif

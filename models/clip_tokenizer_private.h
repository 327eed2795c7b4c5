// clip_tokenizer_private.h - what the files of the tokenizer share.
#ifndef DAUB_MODELS_CLIP_TOKENIZER_PRIVATE_H
#define DAUB_MODELS_CLIP_TOKENIZER_PRIVATE_H
#include "models/clip_tokenizer.h"

// models/clip_merges.txt, not zero-terminated; made by models/clip_vocab.cmake.
extern const unsigned char daub_clip_merges[];
extern const size_t daub_clip_merges_size;

// A code point of normalized text, and the byte offset in the original text behind what it came from.
struct daub_clip_char {
    int32_t c;
    uint32_t end;
};

// NFC, white space as spaces, lower case; as the tokenizers library's NFC, Replace and Lowercase, but for runs of
// spaces. Offsets count from `base`. *out is daub_free'd by the caller. Errors: INVALID_ARG for invalid UTF-8.
daub_status daub_clip_normalize(const struct daub_host *host, const char *text, size_t size, size_t base,
                                struct daub_clip_char **out, size_t *count);
bool daub_clip_is_space(int32_t c); // Unicode's White_Space

// A token that is found as text before anything is split: begin, end, padding.
struct daub_clip_special {
    char *text;                        // as the files write it
    struct daub_clip_char *normalized; // its normalized form
    size_t size, normalized_size;      // bytes, characters
    uint32_t id;
    bool in_normalized; // looked for in the normalized text, so in any case; else in the text as typed
};

struct daub_clip_merge { // two neighbours become one; the lowest rank goes first
    uint32_t left, right, id, rank;
};

#define DAUB_CLIP_NO_MERGE UINT32_MAX

struct daub_tokenizer {
    const struct daub_host *host;
    uint32_t byte_ids[2][256];      // of a byte inside a word, and of a word's last byte
    struct daub_clip_merge *merges; // open addressing; rank DAUB_CLIP_NO_MERGE: free
    uint32_t merges_mask;
    struct daub_clip_special *specials;
    uint32_t n_specials;
    uint32_t bos, eos, pad, max_length, size;
};

// Fills merges, ids and specials from a folder, or from the built-in merges when dir is NULL.
daub_status daub_clip_vocab_load(struct daub_tokenizer *tok, const struct daub_fs *fs, const char *dir);
// NULL: the two do not merge.
const struct daub_clip_merge *daub_clip_merge_find(const struct daub_tokenizer *tok, uint32_t left, uint32_t right);

#endif

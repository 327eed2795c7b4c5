// prompt.h - prompts as stable-diffusion-webui reads them (modules/prompt_parser.py, modules/sd_hijack_clip.py at version 1.5): a text is
//
//   1. cut at AND into parts with weights              daub_prompt_parts
//   2. which editing and alternation make other texts of from step to step     daub_prompt_schedule
//   3. of which brackets weigh pieces                  daub_prompt_emphasis
//   4. whose tokens fill windows of the text encoder   daub_prompt_chunks
//
// All results are of the arena. Texts are valid UTF-8 without zeros; numbers have ASCII digits. Errors: INVALID_ARG with the thing and
// the limit, NO_HOST_MEMORY.
#ifndef DAUB_MODELS_PROMPT_H
#define DAUB_MODELS_PROMPT_H
#include "models/clip_tokenizer.h"

// "a cat AND a dog :1.2" -> "a cat" 1, " a dog" 1.2.
struct daub_prompt_part {
    const char *text;
    double weight;
};
daub_status daub_prompt_parts(struct daub_arena *arena, const char *text, struct daub_prompt_part **out, uint32_t *n);

// "a [cat:dog:0.5] in [red|blue]": the text of every step. Entry i holds up to and with step `last` (which may be 0 and below), the
// last one to the end.
struct daub_prompt_entry {
    int32_t last;
    uint32_t text; // index in daub_prompt_schedule.texts
};
struct daub_prompt_schedule {
    struct daub_prompt_entry *entries;
    const char **texts; // different ones
    uint32_t n_entries, n_texts;
};
daub_status daub_prompt_schedule(struct daub_arena *arena, const char *text, uint32_t steps,
                                 struct daub_prompt_schedule *out);
// The text that step 0, 1, ... is drawn with: webui counts from 0 here, and holds an entry while step <= last.
uint32_t daub_prompt_at(const struct daub_prompt_schedule *schedule, uint32_t step);

// "a (red:1.3) [cat]" -> "a " 1, "red" 1.3, " " 1, "cat" 1/1.1. A piece "BREAK" of weight -1 ends a chunk.
struct daub_prompt_piece {
    size_t begin, end; // in daub_prompt_pieces.text
    double weight;
};
struct daub_prompt_pieces {
    const char *text; // without brackets and escapes
    struct daub_prompt_piece *at;
    uint32_t n;
};
daub_status daub_prompt_emphasis(struct daub_arena *arena, const char *text, struct daub_prompt_pieces *out);
bool daub_prompt_is_break(const struct daub_prompt_pieces *pieces, uint32_t i);

// Windows of a text encoder: begin, window - 2 tokens, end; padding behind the last one.
struct daub_prompt_window {
    uint32_t length;    // of a window, 3 and up
    uint32_t pad;       // id behind the end
    uint32_t backtrack; // tokens that a full window's end may go back to a comma; webui's default is 20
    uint32_t max_chunks;
};
struct daub_prompt_chunks {
    uint32_t n;        // 1 and up
    uint32_t *ids;     // [n, length]
    double *weights;   // [n, length]
    uint32_t n_tokens; // of the text
    uint32_t count;    // as webui counts: with the padding of all windows but the last one
    bool weighted;     // some weight is not 1
};
daub_status daub_prompt_chunks(struct daub_arena *arena, const struct daub_tokenizer *tok, const char *text,
                               const struct daub_prompt_window *window, struct daub_prompt_chunks *out);

// One window of each text of a schedule, which webui encodes as one batch.
struct daub_prompt_weighed {
    const double *weights; // [length]
    float *z;              // [length, width]
    uint32_t times;        // entries of the schedule with this text: the batch holds it as often
};
// Every z times its rows' weights, then all times what makes the mean over the batch what it was (webui's emphasis "Original"). Errors:
// INVALID_ARG where the weights leave nothing to scale.
daub_status daub_prompt_weigh(const struct daub_prompt_weighed *texts, uint32_t n, uint32_t length, uint32_t width);

// What [+-]digits[.digits][e[+-]digits] says, of the n characters at s; false: it is none. Beyond 15 digits it may be off by a bit.
bool daub_prompt_number(const char *s, size_t n, bool exponent, double *out);
// Whether `word` stands at text[at] as a word of its own.
bool daub_prompt_word_at(const char *text, size_t size, size_t at, const char *word);

#endif

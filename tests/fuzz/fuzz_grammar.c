// fuzz_grammar.c - texts through stable-diffusion-webui's grammar: parts, the texts of the steps, emphasis, chunks.
#include "fuzz.h"
#include "models/prompt.h"
#include "runtime/base/limits.h"
#include "runtime/base/text.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOW = 8, STEPS = 7 };

static struct daub_tokenizer *tok;

static void check_chunks(struct daub_arena *arena, const char *text)
{
    const struct daub_prompt_window window = { .length = WINDOW, .pad = 0, .backtrack = 3, .max_chunks = 20 };
    struct daub_prompt_chunks chunks;
    if (daub_prompt_chunks(arena, tok, text, &window, &chunks) != DAUB_OK)
        return;
    FUZZ_CHECK(chunks.n >= 1 && chunks.n <= window.max_chunks && chunks.n_tokens <= chunks.count);
    FUZZ_CHECK(chunks.count <= chunks.n * (WINDOW - 2));
    bool weighted = false;
    for (uint32_t i = 0; i < chunks.n * WINDOW; i++) {
        FUZZ_CHECK(chunks.ids[i] < daub_tokenizer_size(tok));
        FUZZ_CHECK(i % WINDOW != 0 || chunks.ids[i] == daub_tokenizer_bos(tok));
        FUZZ_CHECK(chunks.weights[i] >= -DAUB_MAX_EMPHASIS && chunks.weights[i] <= DAUB_MAX_EMPHASIS);
        weighted |= chunks.weights[i] != 1.0;
    }
    FUZZ_CHECK(weighted == chunks.weighted);
}

static void check_emphasis(struct daub_arena *arena, const char *text)
{
    struct daub_prompt_pieces pieces;
    if (daub_prompt_emphasis(arena, text, &pieces) != DAUB_OK)
        return;
    FUZZ_CHECK(pieces.n >= 1 && pieces.at[0].begin == 0 && pieces.at[pieces.n - 1].end == strlen(pieces.text));
    for (uint32_t i = 1; i < pieces.n; i++)
        FUZZ_CHECK(pieces.at[i].begin == pieces.at[i - 1].end && pieces.at[i].weight != pieces.at[i - 1].weight);
    FUZZ_CHECK(strlen(pieces.text) <= strlen(text) && daub_utf8_valid(pieces.text, strlen(pieces.text), NULL));
    if (!strpbrk(text, "\\()[]:") && !strstr(text, "BREAK"))
        FUZZ_CHECK(pieces.n == 1 && pieces.at[0].weight == 1.0 && strcmp(pieces.text, text) == 0);
    check_chunks(arena, text);
}

static void check_schedule(struct daub_arena *arena, const char *text)
{
    struct daub_prompt_schedule schedule;
    if (daub_prompt_schedule(arena, text, STEPS, &schedule) != DAUB_OK)
        return;
    FUZZ_CHECK(schedule.n_entries >= 1 && schedule.entries[schedule.n_entries - 1].last == STEPS);
    for (uint32_t i = 0; i < schedule.n_entries; i++) {
        FUZZ_CHECK(i == 0 || schedule.entries[i].last > schedule.entries[i - 1].last);
        FUZZ_CHECK(schedule.entries[i].text < schedule.n_texts);
    }
    for (uint32_t i = 0; i < schedule.n_texts; i++) {
        FUZZ_CHECK(strlen(schedule.texts[i]) <= strlen(text));
        FUZZ_CHECK(daub_utf8_valid(schedule.texts[i], strlen(schedule.texts[i]), NULL));
        check_emphasis(arena, schedule.texts[i]);
    }
    for (uint32_t step = 0; step < STEPS; step++)
        FUZZ_CHECK(daub_prompt_at(&schedule, step) < schedule.n_texts);
    if (!strpbrk(text, "[\\|"))
        FUZZ_CHECK(schedule.n_texts == 1 && strcmp(schedule.texts[0], text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!tok)
        FUZZ_CHECK(daub_tokenizer_create(NULL, DAUB_SOURCE_DIR "/models/default/tokenizer", &tok) == DAUB_OK);
    if (!daub_utf8_valid((const char *)data, size, NULL) || (size > 0 && memchr(data, 0, size)))
        return 0;
    char *text = strndup(size ? (const char *)data : "", size);
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_prompt_part *parts = NULL;
    uint32_t n = 0;
    if (!text || !arena)
        abort();
    if (daub_prompt_parts(arena, text, &parts, &n) == DAUB_OK) {
        FUZZ_CHECK(n >= 1 && n <= DAUB_MAX_PROMPT_PARTS);
        for (uint32_t i = 0; i < n; i++)
            check_schedule(arena, parts[i].text);
    }
    check_schedule(arena, text);
    daub_arena_destroy(&arena);
    free(text);
    return 0;
}

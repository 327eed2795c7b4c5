// embed.c - table lookup, with tables that take several windows of a small range.
#include "runtime/check/trial.h"

struct embed_case {
    uint32_t n, tokens, vocabulary, positions, channels;
};

static daub_status check(struct daub_trial *trial, const void *user)
{
    const struct embed_case *t = user;
    uint32_t *words = daub_trial_alloc(trial, (size_t)t->n * t->tokens, sizeof(uint32_t));
    if (!words)
        return DAUB_ERROR_NO_HOST_MEMORY;
    for (uint32_t i = 0; i < t->n * t->tokens; i++)
        words[i] = (uint32_t)(((uint64_t)i * 2654435761u + 12345u) % t->vocabulary);
    words[0] = t->vocabulary - 1; // both ends
    words[t->n * t->tokens - 1] = 0;
    struct daub_tensor *ids = daub_trial_input_u32(trial, "ids", DAUB_STAGE_PICTURE,
                                                   (struct daub_shape) { t->n, 1, 1, t->tokens }, words);
    const uint32_t token_dims[] = { t->vocabulary, t->channels }, position_dims[] = { t->positions, t->channels };
    struct daub_tensor *tokens = daub_trial_weight(trial, "token_embedding.weight", 2, token_dims, 1.0f, 0.0f);
    struct daub_tensor *positions = daub_trial_weight(trial, "position_embedding.weight", 2, position_dims, 0.3f, 0.1f);
    struct daub_tensor *y = daub_embed(trial->net, ids, tokens, positions);
    TRY(daub_trial_execute(trial, y));

    double *want = daub_trial_want(trial);
    for (uint32_t n = 0; n < t->n; n++)
        for (uint32_t i = 0; i < t->tokens; i++)
            for (uint32_t c = 0; c < t->channels; c++)
                want[((size_t)n * t->channels + c) * t->tokens + i] =
                    (double)daub_trial_values(trial, tokens)[(size_t)words[n * t->tokens + i] * t->channels + c] +
                    (double)daub_trial_values(trial, positions)[(size_t)i * t->channels + c];
    return daub_trial_compare(trial, y, want, 1);
}

// clang-format off
static const struct embed_case cases[] = {
    { 1,  1,     1,  1,   8 },
    { 2, 77,  1000, 77, 768 },
    { 3,  5,    11, 16,  20 }, // padding
    { 1,  3,     7,  3,   3 },
    { 2, 77, 23000, 77, 192 }, // 18 MB in fp32: two windows under range=16M
};
// clang-format on

const struct daub_check daub_check_of_embed = {
    .op = "embed",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
};

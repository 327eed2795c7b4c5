// host.c - groups without a network: tokens, rng, sched (whose arithmetic runs in the shipped step kernel).
#include "golden.h"

#include "runtime/base/file.h"
#include "runtime/base/half.h"
#include "runtime/op/op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- tokens ----------------------------------------------------------------------------------------------------------

// The JSON list `want` holds exactly ids[0..n-1].
static bool same_ids(const cJSON *want, const uint32_t *ids, uint32_t n)
{
    if (!cJSON_IsArray(want) || (uint32_t)cJSON_GetArraySize(want) != n)
        return false;
    uint32_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, want)
    {
        if (item->valuedouble != (double)ids[i++])
            return false;
    }
    return true;
}

// The row's text as bytes: its JSON form may hold a zero byte.
static bool row_text(const cJSON *row, char *out, size_t capacity, size_t *size)
{
    const char *hex = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "utf8_hex"));
    *size = hex ? strlen(hex) / 2 : 0;
    if (!hex || *size >= capacity)
        return false;
    for (size_t i = 0; i < *size; i++) {
        unsigned byte = 0;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return false;
        out[i] = (char)byte;
    }
    out[*size] = '\0';
    return true;
}

static void check_row(struct golden *g, const struct daub_tokenizer *tok, const cJSON *row)
{
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(row, "text");
    uint32_t *ids = NULL, n = 0, padded[256];
    char bytes[8192];
    size_t size = 0;
    if (!cJSON_IsString(text) || !row_text(row, bytes, sizeof(bytes), &size)) {
        golden_fail(g, "a row has no text");
        return;
    }
    if (daub_tokenize_bytes(tok, bytes, size, &ids, NULL, &n) != DAUB_OK) {
        golden_failed_call(g, "tokenising");
        return;
    }
    if (!same_ids(cJSON_GetObjectItemCaseSensitive(row, "ids"), ids, n))
        golden_fail(g, "other tokens for \"%.60s\"", text->valuestring);
    const uint32_t length = daub_tokenizer_max_length(tok);
    const cJSON *ids77 = cJSON_GetObjectItemCaseSensitive(row, "ids77");
    if (strlen(bytes) != size) { // the padded form takes C strings
        daub_free(NULL, ids);
        return;
    }
    if (length > 256 || daub_tokenize_padded(tok, text->valuestring, length, padded, NULL, NULL, NULL) != DAUB_OK)
        golden_failed_call(g, "padding");
    else if (ids77 && !same_ids(ids77, padded, length))
        golden_fail(g, "other padded tokens for \"%.60s\"", text->valuestring);
    for (uint32_t i = 0; !ids77 && !g->failed && i < length; i++) {
        const uint32_t used = n < length - 2 ? n : length - 2;
        const uint32_t want = i == 0          ? daub_tokenizer_bos(tok)
                              : i <= used     ? ids[i - 1]
                              : i == used + 1 ? daub_tokenizer_eos(tok)
                                              : daub_tokenizer_pad(tok);
        golden_check(g, padded[i] == want, text->valuestring, "padded tokens differ");
    }
    daub_free(NULL, ids);
}

bool run_tokens(struct golden *g)
{
    char *text = NULL, path[1200], dir[1300] = "";
    size_t size = 0;
    if (daub_file_read(NULL, g->path, (size_t)1 << 28, &text, &size) != DAUB_OK)
        return golden_failed_call(g, "reading it");
    struct daub_tokenizer *tok = NULL;
    cJSON *rows = cJSON_ParseWithLength(text, size);
    if (g->checkpoint && golden_find_checkpoint(g, path, sizeof(path)))
        snprintf(dir, sizeof(dir), "%s/tokenizer", path);
    if (!g->failed && daub_tokenizer_create(NULL, dir[0] ? dir : NULL, &tok) != DAUB_OK)
        golden_failed_call(g, "the tokenizer");
    const cJSON *row;
    uint32_t n = 0;
    cJSON_ArrayForEach(row, rows)
    {
        if (g->failed)
            break;
        check_row(g, tok, row);
        n++;
    }
    g->n_compared = n > 0;
    daub_tokenizer_destroy(&tok);
    cJSON_Delete(rows);
    daub_free(NULL, text);
    return !g->failed;
}

// ---- rng -------------------------------------------------------------------------------------------------------------

static size_t count_of(const struct daub_st_tensor *t)
{
    size_t n = 1;
    for (uint32_t i = 0; i < t->n_dims; i++)
        n *= (size_t)t->dims[i];
    return n;
}

static bool raw_words(const struct golden *g, const struct daub_st_tensor *t, const uint32_t *words, size_t n)
{
    const uint8_t *data = daub_safetensors_data(g->st, t);
    for (size_t i = 0; i < n; i++) {
        int64_t want;
        memcpy(&want, data + 8 * i, 8);
        if (want != (int64_t)words[i])
            return false;
    }
    return true;
}

// Draws what `what` (the part after "seedS/") names, as doubles through floats; 64-bit values are compared inside.
static bool draw_cpu(struct golden *g, const struct daub_st_tensor *t, const char *what, uint64_t seed, float *out,
                     size_t n)
{
    struct daub_rng rng;
    daub_rng_seed(&rng, DAUB_RNG_KIND_TORCH_CPU, seed);
    unsigned k = 0;
    if (strcmp(what, "u32_n8") == 0) {
        uint32_t words[8];
        for (int i = 0; i < 8; i++)
            words[i] = daub_mt19937_u32(&rng.mt);
        g->n_compared++;
        golden_check(g, n == 8 && raw_words(g, t, words, 8), t->name, "other raw outputs");
        return false;
    }
    if (strncmp(what, "latent64_", 9) == 0) {
        float *all = malloc(16384 * sizeof(float));
        if (!all)
            return golden_fail(g, "no memory");
        daub_rng_randn(&rng, all, 16384);
        double sum = 0.0;
        for (int i = 0; i < 16384; i++)
            sum += (double)all[i];
        if (strcmp(what, "latent64_sum") == 0) {
            double want;
            memcpy(&want, daub_safetensors_data(g->st, t), sizeof(want));
            g->n_compared++;
            golden_check(g, fabs(sum - want) <= 1e-5 * 128.0, t->name,
                         "another sum"); // 16384 values within 1e-5, random signs
        } else {
            memcpy(out, strcmp(what, "latent64_head") == 0 ? all : all + 16384 - 64, 64 * sizeof(float));
        }
        free(all);
        return strcmp(what, "latent64_sum") != 0;
    }
    if (sscanf(what, "seq%u", &k) == 1) {
        static const size_t sizes[] = { 256, 256, 3, 4, 15, 16, 7, 252 };
        float scratch[256];
        for (unsigned i = 0; i <= k && k < 8; i++)
            daub_rng_randn(&rng, i == k ? out : scratch, sizes[i]);
        return true;
    }
    if (strncmp(what, "f64_", 4) == 0) {
        double values[64];
        daub_rng_randn_f64(&rng, values, n);
        const uint8_t *data = daub_safetensors_data(g->st, t);
        double worst = 0.0;
        for (size_t i = 0; i < n; i++) {
            double want;
            memcpy(&want, data + 8 * i, 8);
            worst = fmax(worst, fabs(values[i] - want));
        }
        g->n_compared++;
        golden_check(g, worst <= g->max_abs, t->name, "other doubles");
        return false;
    }
    if (strcmp(what, "f16_n40") == 0)
        daub_rng_randn_f16(&rng, out, n);
    else if (strncmp(what, "rand_", 5) == 0)
        daub_rng_rand(&rng, out, n);
    else
        daub_rng_randn(&rng, out, n);
    return true;
}

static bool draw_philox(struct golden *g, const struct daub_st_tensor *t, const char *what, uint64_t seed, float *out,
                        size_t n)
{
    unsigned call = 0;
    if (strcmp(what, "u32") == 0) {
        uint32_t words[64];
        for (uint32_t i = 0; i < 16; i++) {
            const uint32_t counter[4] = { 0, 0, i, 0 }, key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
            daub_philox4x32_10(counter, key, words + 4 * i);
        }
        g->n_compared++;
        golden_check(g, n == 64 && raw_words(g, t, words, 64), t->name, "other raw outputs");
        return false;
    }
    if (sscanf(what, "call%u", &call) != 1)
        return golden_fail(g, "%s is unknown", t->name);
    struct daub_rng rng;
    daub_rng_seed(&rng, DAUB_RNG_KIND_PHILOX, seed);
    for (unsigned i = 0; i <= call; i++)
        daub_rng_randn(&rng, out, n);
    return true;
}

bool run_rng(struct golden *g)
{
    const bool philox = strstr(g->id, "philox") != NULL;
    for (uint32_t i = 0; i < daub_safetensors_count(g->st) && !g->failed; i++) {
        const struct daub_st_tensor *t = daub_safetensors_at(g->st, i);
        const char *slash = strchr(t->name, '/');
        if (strncmp(t->name, "seed", 4) != 0 || !slash)
            return golden_fail(g, "%s is unknown", t->name);
        const uint64_t seed = strtoull(t->name + 4, NULL, 10);
        const size_t n = count_of(t);
        float *got = malloc((n + 1) * sizeof(float));
        if (!got)
            return golden_fail(g, "no memory");
        if (philox ? draw_philox(g, t, slash + 1, seed, got, n) : draw_cpu(g, t, slash + 1, seed, got, n))
            golden_compare(g, t->name, got, n);
        free(got);
    }
    return !g->failed;
}

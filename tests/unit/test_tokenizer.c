// test_tokenizer.c - CLIP's tokenizer against ids that Hugging Face's CLIPTokenizer gave (data/clip_tokens.json, and
// with DAUB_ORACLE set all of goldens/tokens), and its own promises: windows, offsets, special tokens, refusals.
#include "models/clip_tokenizer.h"
#include "runtime/base/file.h"
#include "test.h"

#include <cjson/cJSON.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW = 77, MAX_BYTES = 4096 };

static size_t from_hex(const char *hex, char *out)
{
    size_t n = 0;
    for (; hex[0] && hex[1]; hex += 2) {
        unsigned byte;
        REQUIRE(n < MAX_BYTES && sscanf(hex, "%2x", &byte) == 1);
        out[n++] = (char)byte;
    }
    return n;
}

static void check_ids(const struct daub_tokenizer *tok, const char *text, size_t size, const cJSON *want)
{
    uint32_t *ids, *ends, n;
    REQUIRE_OK(daub_tokenize_bytes(tok, text, size, &ids, &ends, &n));
    uint32_t i = 0;
    for (const cJSON *id = want->child; id; id = id->next, i++)
        if (i >= n || ids[i] != (uint32_t)id->valueint)
            TEST_FAIL("\"%.*s\": token %u is %d, wanted %d", (int)size, text, i, i < n ? (int)ids[i] : -1,
                      id->valueint);
    REQUIRE(i == n);
    for (i = 0; i < n; i++)
        REQUIRE(ends[i] <= size && ends[i] > 0 && (i == 0 || ends[i] >= ends[i - 1]));
    daub_free(NULL, ids);
    daub_free(NULL, ends);
}

// Every case of a golden file, which must have at least `least`. Plain cJSON: a text of the oracle holds a zero byte,
// which the library's own reader refuses.
static void check_file(const struct daub_tokenizer *tok, const char *path, uint32_t least)
{
    char *text;
    size_t size;
    REQUIRE_OK(daub_file_read(NULL, path, 1 << 20, &text, &size));
    cJSON *json = cJSON_ParseWithLength(text, size);
    REQUIRE(json);
    uint32_t cases = 0;
    for (const cJSON *c = json->child; c; c = c->next, cases++) {
        char bytes[MAX_BYTES];
        const size_t n = from_hex(cJSON_GetObjectItem(c, "utf8_hex")->valuestring, bytes);
        check_ids(tok, bytes, n, cJSON_GetObjectItem(c, "ids"));
    }
    REQUIRE(cases >= least);
    printf("%s: %u texts\n", path, cases);
    cJSON_Delete(json);
    daub_free(NULL, text);
}

static void check_oracle(const struct daub_tokenizer *builtin)
{
    const char *oracle = getenv("DAUB_ORACLE");
    if (!oracle)
        return;
    char golden[1024], dir[1024];
    snprintf(golden, sizeof(golden), "%s/goldens/tokens/clip_bpe.json", oracle);
    snprintf(dir, sizeof(dir), "%s/checkpoints/tiny-sd15/tokenizer", oracle);
    check_file(builtin, golden, 234);
    struct daub_tokenizer *tok;
    REQUIRE_OK(daub_tokenizer_create(NULL, dir, &tok));
    check_file(tok, golden, 234);
    REQUIRE(daub_tokenizer_pad(tok) == 49407 && daub_tokenizer_max_length(tok) == WINDOW);
    daub_tokenizer_destroy(&tok);
    snprintf(dir, sizeof(dir), "%s/checkpoints/tiny-sd21/tokenizer", oracle);
    REQUIRE_OK(daub_tokenizer_create(NULL, dir, &tok));
    REQUIRE(daub_tokenizer_pad(tok) == 0);
    daub_tokenizer_destroy(&tok);
}

static void check_window(const struct daub_tokenizer *tok)
{
    uint32_t ids[WINDOW], used, cut;
    size_t at;
    const char *text = "a photo of a cat";
    REQUIRE_OK(daub_tokenize_padded(tok, text, WINDOW, ids, &used, &cut, &at));
    const uint32_t want[] = { 49406, 320, 1125, 539, 320, 2368, 49407, 49407 };
    REQUIRE(memcmp(ids, want, sizeof(want)) == 0 && ids[WINDOW - 1] == 49407);
    REQUIRE(used == 5 && cut == 0 && at == strlen(text));

    REQUIRE_OK(daub_tokenize_padded(tok, text, 5, ids, &used, &cut, &at));
    REQUIRE(ids[0] == 49406 && ids[3] == 539 && ids[4] == 49407);
    REQUIRE(used == 3 && cut == 2);
    REQUIRE_TEXT(text + at, " a cat");

    REQUIRE_OK(daub_tokenize_padded(tok, text, 2, ids, NULL, &cut, &at));
    REQUIRE(ids[0] == 49406 && ids[1] == 49407 && cut == 5 && at == 0);
    REQUIRE_STATUS(daub_tokenize_padded(tok, text, 1, ids, NULL, NULL, NULL), DAUB_ERROR_INVALID_ARG, "no room");

    // Offsets count in the text as typed: composed, decomposed and wide characters, and the end token.
    text = "Cafe\xCC\x81 <|endoftext|>\xF0\x9F\x98\x80 x";
    uint32_t *all, *ends, n;
    REQUIRE_OK(daub_tokenize(tok, text, &all, &ends, &n));
    REQUIRE(n == 4 && all[0] == 15304 && all[1] == 49407 && all[2] == 7334);
    REQUIRE(ends[0] == 6 && ends[1] == 20 && ends[2] == 24 && ends[3] == 26);
    daub_free(NULL, all);
    daub_free(NULL, ends);
}

static void check_refusals(const struct daub_tokenizer *tok)
{
    uint32_t *ids, n;
    REQUIRE_STATUS(daub_tokenize(tok, "ab\xFFz", &ids, NULL, &n), DAUB_ERROR_INVALID_ARG, "byte 2");
    REQUIRE_STATUS(daub_tokenize(tok, "\xC3", &ids, NULL, &n), DAUB_ERROR_INVALID_ARG, "UTF-8");
    REQUIRE_STATUS(daub_tokenize(tok, "a\xED\xA0\x80", &ids, NULL, &n), DAUB_ERROR_INVALID_ARG,
                   "byte 1"); // a surrogate
    REQUIRE_STATUS(daub_tokenize(tok, "<|endoftext|>\xC0\x80", &ids, NULL, &n), DAUB_ERROR_INVALID_ARG, "byte 13");
}

// 10,000 words, and a single word of a megabyte: neither may take more than n log n.
static void check_long(const struct daub_tokenizer *tok)
{
    enum { WORDS = 10000, LETTERS = 1 << 20 };
    char *text = malloc(LETTERS + 1);
    REQUIRE(text);
    for (size_t i = 0; i < WORDS; i++)
        memcpy(text + 4 * i, "cat ", 4);
    text[4 * (size_t)WORDS] = 0;
    uint32_t ids[WINDOW], cut;
    size_t at;
    REQUIRE_OK(daub_tokenize_padded(tok, text, WINDOW, ids, NULL, &cut, &at));
    REQUIRE(ids[75] == 2368 && ids[76] == 49407 && cut == WORDS - 75 && at == 75 * 4 - 1);

    for (size_t i = 0; i < LETTERS; i++)
        text[i] = "etaoinshrdlu"[i * i % 12];
    text[LETTERS] = 0;
    uint32_t *all, n;
    REQUIRE_OK(daub_tokenize(tok, text, &all, NULL, &n));
    REQUIRE(n > LETTERS / 16 && n < LETTERS);
    daub_free(NULL, all);
    free(text);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    char *path = daub_path_join(NULL, dir, name);
    REQUIRE(path);
    if (text)
        REQUIRE_OK(daub_file_write(NULL, path, text, strlen(text)));
    else
        unlink(path);
    daub_free(NULL, path);
}

static void check_small(const char *dir, const char *text, uint32_t n_want, const uint32_t *want)
{
    struct daub_tokenizer *tok;
    REQUIRE_OK(daub_tokenizer_create(NULL, dir, &tok));
    uint32_t *ids, n;
    REQUIRE_OK(daub_tokenize(tok, text, &ids, NULL, &n));
    REQUIRE(n == n_want);
    REQUIRE(memcmp(ids, want, n * sizeof(*ids)) == 0);
    daub_free(NULL, ids);
    daub_tokenizer_destroy(&tok);
}

// A vocabulary of ten words in a folder, and what can be wrong with one.
static void check_folder(void)
{
    char dir[] = "/tmp/daub-tokenizer-XXXXXX";
    REQUIRE(mkdtemp(dir));
    const char *vocab =
        "{\"a\":1,\"b\":2,\"!\":0,\"a</w>\":3,\"b</w>\":4,\"!</w>\":5,\"ab</w>\":6,\"<|startoftext|>\":7,"
        "\"<|endoftext|>\":8,\"ab\":9}";
    struct daub_tokenizer *tok;
    REQUIRE_STATUS(daub_tokenizer_create(NULL, dir, &tok), DAUB_ERROR_IO, "vocab.json");
    write_text(dir, "vocab.json", vocab);
    REQUIRE_STATUS(daub_tokenizer_create(NULL, dir, &tok), DAUB_ERROR_IO, "merges.txt");
    write_text(dir, "merges.txt", "#version: 0.2\na b</w>\r\na b\n\n");

    // Merges by rank, not by place; unknown bytes give the end token; special tokens in the wrong case are text.
    check_small(dir, "AB", 1, (const uint32_t[]) { 6 });
    check_small(dir, "aab", 2, (const uint32_t[]) { 1, 6 });
    check_small(dir, "abab", 2, (const uint32_t[]) { 9, 6 });
    check_small(dir, "a!", 2, (const uint32_t[]) { 3, 5 });
    check_small(dir, "c<|startoftext|>", 2, (const uint32_t[]) { 8, 7 });
    check_small(dir, "<|END", 5, (const uint32_t[]) { 8, 8, 8, 8, 8 });

    // The padding token is a special token wherever it stands; the map rules over the config.
    write_text(dir, "tokenizer_config.json", "{\"pad_token\":\"<|endoftext|>\",\"model_max_length\":12}");
    write_text(dir, "special_tokens_map.json",
               "{\"pad_token\":\"!\",\"bos_token\":{\"content\":\"<|startoftext|>\",\"normalized\":true}}");
    check_small(dir, "a!!b", 4, (const uint32_t[]) { 3, 0, 0, 4 });
    check_small(dir, "<|STARTOFTEXT|>a", 2, (const uint32_t[]) { 7, 3 });
    REQUIRE_OK(daub_tokenizer_create(NULL, dir, &tok));
    REQUIRE(daub_tokenizer_pad(tok) == 0 && daub_tokenizer_bos(tok) == 7 && daub_tokenizer_eos(tok) == 8);
    REQUIRE(daub_tokenizer_max_length(tok) == 12 && daub_tokenizer_size(tok) == 10);
    daub_tokenizer_destroy(&tok);

    write_text(dir, "merges.txt", "a b\na c\n");
    REQUIRE_STATUS(daub_tokenizer_create(NULL, dir, &tok), DAUB_ERROR_BAD_FILE, "line 2");
    write_text(dir, "merges.txt", "a b b\n");
    REQUIRE_STATUS(daub_tokenizer_create(NULL, dir, &tok), DAUB_ERROR_BAD_FILE, "line 1");
    write_text(dir, "merges.txt", "a b\n");
    write_text(dir, "special_tokens_map.json", "{\"pad_token\":\"?\"}");
    REQUIRE_STATUS(daub_tokenizer_create(NULL, dir, &tok), DAUB_ERROR_BAD_FILE, "\"?\"");
    write_text(dir, "vocab.json", "{\"a\":1.5}");
    REQUIRE_STATUS(daub_tokenizer_create(NULL, dir, &tok), DAUB_ERROR_BAD_FILE, "\"a\"");
    write_text(dir, "vocab.json", "[]");
    REQUIRE_STATUS(daub_tokenizer_create(NULL, dir, &tok), DAUB_ERROR_BAD_FILE, "vocabulary");

    static const char *const files[] = { "vocab.json", "merges.txt", "tokenizer_config.json",
                                         "special_tokens_map.json" };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        write_text(dir, files[i], NULL);
    REQUIRE(rmdir(dir) == 0);
}

int main(void)
{
    struct daub_tokenizer *tok;
    REQUIRE_OK(daub_tokenizer_create(NULL, NULL, &tok));
    REQUIRE(daub_tokenizer_bos(tok) == 49406 && daub_tokenizer_eos(tok) == 49407 && daub_tokenizer_size(tok) == 49408);
    check_file(tok, DAUB_SOURCE_DIR "/tests/unit/data/clip_tokens.json", 200);
    check_oracle(tok);
    check_window(tok);
    check_refusals(tok);
    check_long(tok);
    daub_tokenizer_destroy(&tok);
    check_folder();
    return 0;
}

// clip_vocab.c - a tokenizer's tables from vocab.json, merges.txt and the two files about special tokens, or from the
// built-in merges.
#include "models/clip_tokenizer_private.h"
#include "runtime/base/file.h"
#include "runtime/base/json.h"
#include "runtime/base/limits.h"

#include <cjson/cJSON.h>
#include <string.h>

#define WORD_END "</w>"

enum {
    N_ROLES = 4,             // special tokens that have a name
    DEFAULT_MAX_LENGTH = 77, // of every published CLIP text model
};

// In the order in which Hugging Face adds them: of two with one text the first one's way of matching holds.
enum role { BOS, EOS, UNK, PAD };
static const char *const role_keys[N_ROLES] = { "bos_token", "eos_token", "unk_token", "pad_token" };
static const char *const role_defaults[N_ROLES] = { "<|startoftext|>", "<|endoftext|>", "<|endoftext|>",
                                                    "<|endoftext|>" };

struct word {
    const char *text; // not terminated; NULL: a free slot
    uint32_t size, id;
};

// Words to ids, by open addressing: needed while the merges are read.
struct words {
    struct word *slots;
    uint32_t mask;
};

struct special { // as the files describe it
    const char *text;
    bool in_normalized;
};

static uint64_t hash_bytes(const char *text, size_t size) // FNV-1a
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    return h ^ h >> 32;
}

static uint32_t hash_pair(uint32_t left, uint32_t right)
{
    const uint64_t h = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u; // 2^64 / golden ratio: Fibonacci hashing
    return (uint32_t)(h >> 32);
}

// A power of two with room for n at half load.
static uint32_t table_size(uint32_t n)
{
    uint32_t size = 1024;
    while (size < n * 2)
        size *= 2;
    return size;
}

static struct word *word_slot(const struct words *words, const char *text, size_t size)
{
    uint32_t i = (uint32_t)hash_bytes(text, size) & words->mask;
    while (words->slots[i].text && (words->slots[i].size != size || memcmp(words->slots[i].text, text, size) != 0))
        i = (i + 1) & words->mask;
    return &words->slots[i];
}

static bool word_id(const struct words *words, const char *text, size_t size, uint32_t *id)
{
    const struct word *w = word_slot(words, text, size);
    if (w->text)
        *id = w->id;
    return w->text != NULL;
}

static void word_add(const struct words *words, const char *text, size_t size, uint32_t id)
{
    *word_slot(words, text, size) = (struct word) { .text = text, .size = (uint32_t)size, .id = id };
}

static daub_status words_create(const struct daub_host *host, uint32_t n, struct words *out)
{
    const uint32_t size = table_size(n);
    out->slots = daub_alloc_array(host, size, sizeof(*out->slots));
    out->mask = size - 1;
    return out->slots ? DAUB_OK : daub_no_memory("a vocabulary");
}

// The printable character that stands for a byte in a vocabulary: the byte itself where Latin-1 prints it, else the
// next free one from U+0100 on. Returns its UTF-8 size, 1 or 2.
static size_t byte_symbol(uint32_t byte, char out[2])
{
    uint32_t c = byte;
    const bool own = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    if (!own) // 00..20 are 33, 7F..A0 are 34 more, then AD
        c = 0x100 + (byte <= 0x20 ? byte : byte <= 0xA0 ? byte - 0x7F + 33 : 67);
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = (char)(0xC0 | c >> 6);
    out[1] = (char)(0x80 | (c & 63));
    return 2;
}

// Bytes in the order of their symbols: CLIP numbers those that print first.
static uint32_t byte_of_index(uint32_t i)
{
    static const struct {
        uint8_t first, count;
    } runs[] = { { 0x21, 94 }, { 0xA1, 12 }, { 0xAE, 82 }, { 0x00, 33 }, { 0x7F, 34 }, { 0xAD, 1 } };
    size_t run = 0;
    while (i >= runs[run].count)
        i -= runs[run++].count;
    return runs[run].first + i;
}

// The next line of merges that has a rule: both halves and the line's number. false: there is none left, or the line
// is not two words (then *at stays before it).
static bool next_merge(const char *text, size_t size, size_t *at, uint32_t *line, const char **left, size_t *left_size,
                       const char **right, size_t *right_size)
{
    while (*at < size) {
        const char *begin = text + *at;
        const char *newline = memchr(begin, '\n', size - *at);
        size_t n = newline ? (size_t)(newline - begin) : size - *at;
        const size_t step = n + (newline != NULL);
        ++*line;
        if (n > 0 && begin[n - 1] == '\r')
            n--;
        if (n == 0 || (n >= 8 && memcmp(begin, "#version", 8) == 0)) {
            *at += step;
            continue;
        }
        const char *space = memchr(begin, ' ', n);
        if (!space || space == begin || space == begin + n - 1 ||
            memchr(space + 1, ' ', n - (size_t)(space + 1 - begin)) || space - begin > DAUB_MAX_TOKEN ||
            n - (size_t)(space + 1 - begin) > DAUB_MAX_TOKEN)
            return false;
        *at += step;
        *left = begin;
        *left_size = (size_t)(space - begin);
        *right = space + 1;
        *right_size = n - *left_size - 1;
        return true;
    }
    return false;
}

// Lines with something in them.
static uint32_t count_lines(const char *text, size_t size)
{
    uint32_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += text[i] != '\n' && (i == 0 || text[i - 1] == '\n');
    return n;
}

static void merge_add(struct daub_tokenizer *tok, const struct daub_clip_merge *merge)
{
    uint32_t i = hash_pair(merge->left, merge->right) & tok->merges_mask;
    while (tok->merges[i].rank != DAUB_CLIP_NO_MERGE &&
           (tok->merges[i].left != merge->left || tok->merges[i].right != merge->right))
        i = (i + 1) & tok->merges_mask;
    tok->merges[i] = *merge;
}

// The merge table. Every half and every whole must be a word.
static daub_status read_merges(struct daub_tokenizer *tok, const struct words *words, const char *name,
                               const char *text, size_t size)
{
    const uint32_t n_lines = count_lines(text, size), slots = table_size(n_lines);
    if (n_lines > DAUB_MAX_MERGE_RULES)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s has %u lines, at most %d are read", name, n_lines,
                         DAUB_MAX_MERGE_RULES);
    tok->merges = daub_alloc_array(tok->host, slots, sizeof(*tok->merges));
    if (!tok->merges)
        return daub_no_memory("a vocabulary");
    tok->merges_mask = slots - 1;
    for (uint32_t i = 0; i < slots; i++)
        tok->merges[i].rank = DAUB_CLIP_NO_MERGE;

    const char *left, *right;
    size_t at = 0, left_size, right_size;
    uint32_t line = 0, rank = 0;
    while (next_merge(text, size, &at, &line, &left, &left_size, &right, &right_size)) {
        char whole[2 * DAUB_MAX_TOKEN];
        memcpy(whole, left, left_size);
        memcpy(whole + left_size, right, right_size);
        struct daub_clip_merge merge = { .rank = rank++ };
        if (!word_id(words, left, left_size, &merge.left) || !word_id(words, right, right_size, &merge.right) ||
            !word_id(words, whole, left_size + right_size, &merge.id))
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s: line %u merges what the vocabulary does not have", name, line);
        merge_add(tok, &merge);
    }
    return at == size ? DAUB_OK
                      : daub_fail(DAUB_ERROR_BAD_FILE, "%s: line %u is not two words of up to %d bytes", name, line,
                                  DAUB_MAX_TOKEN);
}

static void read_byte_ids(struct daub_tokenizer *tok, const struct words *words, uint32_t unknown)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        char symbol[2 + sizeof(WORD_END)];
        const size_t n = byte_symbol(byte, symbol);
        memcpy(symbol + n, WORD_END, sizeof(WORD_END));
        tok->byte_ids[0][byte] = tok->byte_ids[1][byte] = unknown;
        word_id(words, symbol, n, &tok->byte_ids[0][byte]);
        word_id(words, symbol, n + strlen(WORD_END), &tok->byte_ids[1][byte]);
    }
}

// Adds a special token, unless it is there already.
static daub_status add_special(struct daub_tokenizer *tok, const struct words *words, const char *name,
                               const struct special *special, uint32_t *id)
{
    const size_t size = strlen(special->text);
    if (size == 0 || !word_id(words, special->text, size, id))
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: the special token \"%s\" is not in the vocabulary", name,
                         special->text);
    for (uint32_t i = 0; i < tok->n_specials; i++)
        if (tok->specials[i].id == *id)
            return DAUB_OK;
    struct daub_clip_special *s = &tok->specials[tok->n_specials++];
    s->id = *id;
    s->size = size;
    s->in_normalized = special->in_normalized;
    s->text = daub_strdup(tok->host, special->text);
    if (!s->text)
        return daub_no_memory("a vocabulary");
    return daub_clip_normalize(tok->host, s->text, size, 0, &s->normalized, &s->normalized_size);
}

static daub_status add_specials(struct daub_tokenizer *tok, const struct words *words, const char *name,
                                const struct special specials[N_ROLES])
{
    uint32_t ids[N_ROLES];
    tok->specials = daub_alloc_array(tok->host, N_ROLES, sizeof(*tok->specials));
    if (!tok->specials)
        return daub_no_memory("a vocabulary");
    for (uint32_t i = 0; i < N_ROLES; i++)
        TRY(add_special(tok, words, name, &specials[i], &ids[i]));
    tok->bos = ids[BOS];
    tok->eos = ids[EOS];
    tok->pad = ids[PAD];
    read_byte_ids(tok, words, ids[UNK]);
    return DAUB_OK;
}

// CLIP's own numbering: 256 bytes, the same as word ends, each merge's result, begin, end.
static daub_status load_builtin(struct daub_tokenizer *tok)
{
    const char *const merges = (const char *)daub_clip_merges;
    const size_t size = daub_clip_merges_size;
    struct words words;
    TRY(words_create(tok->host, count_lines(merges, size) + 1024, &words));

    daub_status status;
    // Texts of the words: a merge's line is longer than its result.
    char *texts = daub_alloc(tok->host, size + 512 * 8);
    if (!texts) {
        status = daub_no_memory("a vocabulary");
        goto fail;
    }
    char *put = texts;
    uint32_t id = 0;
    for (uint32_t end = 0; end < 2; end++) {
        for (uint32_t i = 0; i < 256; i++) {
            size_t n = byte_symbol(byte_of_index(i), put);
            if (end) {
                memcpy(put + n, WORD_END, strlen(WORD_END));
                n += strlen(WORD_END);
            }
            word_add(&words, put, n, id++);
            put += n;
        }
    }
    const char *left, *right;
    size_t at = 0, left_size, right_size;
    uint32_t line = 0;
    while (next_merge(merges, size, &at, &line, &left, &left_size, &right, &right_size)) {
        memcpy(put, left, left_size);
        memcpy(put + left_size, right, right_size);
        word_add(&words, put, left_size + right_size, id++);
        put += left_size + right_size;
    }
    word_add(&words, role_defaults[BOS], strlen(role_defaults[BOS]), id++);
    word_add(&words, role_defaults[EOS], strlen(role_defaults[EOS]), id++);
    tok->size = id;
    tok->max_length = DEFAULT_MAX_LENGTH;
    TRY_OR_FAIL(read_merges(tok, &words, "the built-in vocabulary", merges, size));
    // As the published files say it: begin and end in any case.
    struct special specials[N_ROLES];
    for (uint32_t i = 0; i < N_ROLES; i++)
        specials[i] = (struct special) { .text = role_defaults[i], .in_normalized = i != PAD };
    TRY_OR_FAIL(add_specials(tok, &words, "the built-in vocabulary", specials));

fail:
    daub_free(tok->host, texts);
    daub_free(tok->host, words.slots);
    return status;
}

// A special token is given as its text, or as an object with how it is matched.
static void read_roles(const struct daub_json *json, struct special specials[N_ROLES])
{
    for (uint32_t i = 0; json->root && i < N_ROLES; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(json->root, role_keys[i]);
        const cJSON *content = cJSON_GetObjectItemCaseSensitive(item, "content");
        if (cJSON_IsString(item))
            specials[i] = (struct special) { .text = item->valuestring, .in_normalized = false };
        else if (cJSON_IsString(content))
            specials[i] = (struct special) {
                .text = content->valuestring,
                .in_normalized = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "normalized")),
            };
    }
}

// Newer files describe each special token by id; that description rules. false: there is none.
static bool read_decoder(const struct daub_json *json, struct special specials[N_ROLES])
{
    const cJSON *decoder = cJSON_GetObjectItemCaseSensitive(json->root, "added_tokens_decoder");
    for (const cJSON *entry = decoder ? decoder->child : NULL; entry; entry = entry->next) {
        const cJSON *content = cJSON_GetObjectItemCaseSensitive(entry, "content");
        for (uint32_t i = 0; cJSON_IsString(content) && i < N_ROLES; i++)
            if (strcmp(content->valuestring, specials[i].text) == 0)
                specials[i].in_normalized = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(entry, "normalized"));
    }
    return decoder != NULL;
}

static daub_status read_vocab(struct daub_tokenizer *tok, const struct daub_json *json, struct words *words)
{
    uint32_t n = 0;
    for (const cJSON *item = json->root->child; item; item = item->next)
        n++;
    if (!cJSON_IsObject(json->root) || n == 0)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s is not a vocabulary: wanted an object of words and ids", json->name);
    if (n > DAUB_MAX_TOKEN_IDS)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s has %u words, at most %d are read", json->name, n,
                         DAUB_MAX_TOKEN_IDS);
    TRY(words_create(tok->host, n, words));
    for (const cJSON *item = json->root->child; item; item = item->next) {
        const double id = cJSON_IsNumber(item) ? item->valuedouble : -1.0;
        if (!(id >= 0.0 && id < DAUB_MAX_TOKEN_IDS) || id != (double)(uint32_t)id)
            return daub_fail(DAUB_ERROR_BAD_FILE, "%s: the id of \"%s\" is not a whole number of 0..%d", json->name,
                             item->string, DAUB_MAX_TOKEN_IDS - 1);
        word_add(words, item->string, strlen(item->string), (uint32_t)id);
        if (tok->size < (uint32_t)id + 1)
            tok->size = (uint32_t)id + 1;
    }
    return DAUB_OK;
}

// What one load from a folder holds on to until its end.
struct folder {
    struct daub_json vocab, config, map;
    char *merges;
    struct words words;
};

static daub_status load_json(const struct daub_host *host, const struct daub_fs *fs, const char *dir, const char *file,
                             bool optional, struct daub_json *out)
{
    char *path = daub_path_join(host, dir, file);
    if (!path)
        return daub_no_memory("a path");
    const bool absent = optional && !daub_fs_is_file(fs, path);
    const daub_status status = absent ? DAUB_OK : daub_json_load_from(host, fs, path, out);
    daub_free(host, path);
    return status;
}

static daub_status load_files(struct daub_tokenizer *tok, const struct daub_fs *fs, const char *dir, struct folder *f)
{
    TRY(load_json(tok->host, fs, dir, "vocab.json", false, &f->vocab));
    TRY(load_json(tok->host, fs, dir, "tokenizer_config.json", true, &f->config));
    TRY(load_json(tok->host, fs, dir, "special_tokens_map.json", true, &f->map));
    TRY(read_vocab(tok, &f->vocab, &f->words));

    char *path = daub_path_join(tok->host, dir, "merges.txt");
    if (!path)
        return daub_no_memory("a path");
    size_t size = 0;
    daub_status status = daub_fs_read(tok->host, fs, path, DAUB_MAX_MERGES, &f->merges, &size);
    if (status == DAUB_OK)
        status = read_merges(tok, &f->words, path, f->merges, size);
    daub_free(tok->host, path);
    TRY(status);

    struct special specials[N_ROLES];
    for (uint32_t i = 0; i < N_ROLES; i++)
        specials[i] = (struct special) { .text = role_defaults[i], .in_normalized = false };
    read_roles(&f->config, specials);
    // Where the two differ (SD 2's padding) Hugging Face takes the map, unless the newer description is there.
    if (!read_decoder(&f->config, specials))
        read_roles(&f->map, specials);
    TRY(add_specials(tok, &f->words, dir, specials));

    const cJSON *length = cJSON_GetObjectItemCaseSensitive(f->config.root, "model_max_length");
    tok->max_length = DEFAULT_MAX_LENGTH;
    if (cJSON_IsNumber(length) && length->valuedouble >= 2.0 && length->valuedouble <= DAUB_MAX_TEXT_WINDOW)
        tok->max_length = (uint32_t)length->valuedouble;
    return DAUB_OK;
}

const struct daub_clip_merge *daub_clip_merge_find(const struct daub_tokenizer *tok, uint32_t left, uint32_t right)
{
    uint32_t i = hash_pair(left, right) & tok->merges_mask;
    for (; tok->merges[i].rank != DAUB_CLIP_NO_MERGE; i = (i + 1) & tok->merges_mask)
        if (tok->merges[i].left == left && tok->merges[i].right == right)
            return &tok->merges[i];
    return NULL;
}

daub_status daub_clip_vocab_load(struct daub_tokenizer *tok, const struct daub_fs *fs, const char *dir)
{
    if (!dir)
        return load_builtin(tok);
    struct folder folder = { .merges = NULL };
    const daub_status status = load_files(tok, fs, dir, &folder);
    daub_free(tok->host, folder.words.slots);
    daub_free(tok->host, folder.merges);
    daub_json_free(&folder.map);
    daub_json_free(&folder.config);
    daub_json_free(&folder.vocab);
    return status;
}

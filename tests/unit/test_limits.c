// test_limits.c - the limits of runtime/base/limits.h on files and requests: what is at one is read, what is one above is refused with a
// sentence that names it. Those on networks are test_limits_config.c's.
#include "include/daub_tools.h"
#include "models/clip_tokenizer.h"
#include "runtime/base/file.h"
#include "runtime/io/checkpoint.h"
#include "runtime/io/weight_cache.h"
#include "runtime/pipeline/pipeline.h"
#include "test.h"

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/daub-limits-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    return path;
}

static void put(const char *name, const void *data, size_t size)
{
    FILE *file = fopen(path_of(name), "wb"); // not daub_file_write, which waits for the disk
    REQUIRE(file && (size == 0 || fwrite(data, 1, size, file) == size) && fclose(file) == 0);
}

// A text that grows: for files with many of something.
struct text {
    char *at;
    size_t n, capacity;
};

static void add(struct text *t, const char *fmt, ...) DAUB_PRINTF(2, 3);
static void add(struct text *t, const char *fmt, ...)
{
    if (t->capacity - t->n < 4096) {
        t->capacity = 2 * t->capacity + 8192;
        t->at = realloc(t->at, t->capacity);
        REQUIRE(t->at);
    }
    va_list args;
    va_start(args, fmt);
    t->n += (size_t)vsnprintf(t->at + t->n, t->capacity - t->n, fmt, args);
    va_end(args);
}

static void add_run(struct text *t, char c, size_t n)
{
    t->at = realloc(t->at, t->n + n + 8192);
    REQUIRE(t->at);
    t->capacity = t->n + n + 8192;
    memset(t->at + t->n, c, n);
    t->n += n;
}

static void clear(struct text *t)
{
    free(t->at);
    *t = (struct text) { 0 };
}

// ---- JSON ------------------------------------------------------------------------------------------------------------

// `sentence` NULL: it is read.
static void parse(struct text *t, const char *sentence)
{
    struct daub_json json = { 0 };
    if (sentence)
        REQUIRE_STATUS(daub_json_parse(NULL, "x.json", t->at, t->n, &json), DAUB_ERROR_BAD_FILE, sentence);
    else
        REQUIRE_OK(daub_json_parse(NULL, "x.json", t->at, t->n, &json));
    daub_json_free(&json);
    clear(t);
}

static void test_json(void)
{
    for (int above = 0; above <= 1; above++) {
        struct text t = { 0 };
        add(&t, "1");
        add_run(&t, ' ', DAUB_JSON_MAX_SIZE - 1 + (size_t)above);
        parse(&t, above ? "67108865 bytes are too many for a JSON file, at most 67108864 are read" : NULL);

        add(&t, "[0"); // the list is a value as well
        for (int i = 0; i < DAUB_JSON_MAX_VALUES - 2 + above; i++)
            add(&t, ",0");
        add(&t, "]");
        parse(&t, above ? "there are more than 2097152 values" : NULL);

        add(&t, "\"");
        add_run(&t, 'x', DAUB_JSON_MAX_STRING + (size_t)above);
        add(&t, "\"");
        parse(&t, above ? "a text is longer than 1048576 bytes" : NULL);

        add_run(&t, '[', DAUB_JSON_MAX_NESTING + (size_t)above);
        add_run(&t, ']', DAUB_JSON_MAX_NESTING + (size_t)above);
        parse(&t, above ? "the nesting is deeper than 64" : NULL);
    }
}

// ---- safetensors -----------------------------------------------------------------------------------------------------

// Puts the header's length before it and opens.
static void open_header(struct text *header, const char *sentence)
{
    uint8_t *file = malloc(8 + header->n);
    struct daub_safetensors *st = NULL;
    REQUIRE(file);
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)((uint64_t)header->n >> (8 * i));
    memcpy(file + 8, header->at, header->n);
    if (sentence)
        REQUIRE_STATUS(daub_safetensors_open_memory(NULL, "x", file, 8 + header->n, &st), DAUB_ERROR_BAD_FILE,
                       sentence);
    else
        REQUIRE_OK(daub_safetensors_open_memory(NULL, "x", file, 8 + header->n, &st));
    if (st)
        daub_safetensors_close(&st);
    free(file);
    clear(header);
}

#define EMPTY_TENSOR "{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}"

static void test_safetensors(void)
{
    for (int above = 0; above <= 1; above++) {
        struct text t = { 0 };
        add(&t, "{}");
        add_run(&t, ' ', DAUB_ST_MAX_HEADER - 2 + (size_t)above);
        open_header(&t, above ? "does not begin with the length of a header" : NULL);

        add(&t, "{\"0\":" EMPTY_TENSOR);
        for (int i = 1; i < DAUB_ST_MAX_TENSORS + above; i++)
            add(&t, ",\"%d\":" EMPTY_TENSOR, i);
        add(&t, "}");
        open_header(&t, above ? "more than 100000 tensors" : NULL);

        add(&t, "{\"__metadata__\":{\"0\":\"\"");
        for (int i = 1; i < DAUB_ST_MAX_TENSORS + above; i++)
            add(&t, ",\"%d\":\"\"", i);
        add(&t, "}}");
        open_header(&t, above ? "too many entries in __metadata__" : NULL);

        add(&t, "{\"");
        add_run(&t, 'n', DAUB_ST_MAX_NAME + (size_t)above);
        add(&t, "\":" EMPTY_TENSOR "}");
        open_header(&t, above ? "a name that is too long" : NULL);

        add(&t, "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0],\"shape\":[0");
        for (int i = 1; i < DAUB_ST_MAX_DIMS + above; i++)
            add(&t, ",1");
        add(&t, "]}}");
        open_header(&t, above ? "a list that is too long" : NULL);
    }
    // Products: 2^62 bytes are only not there, 2^63 cannot be said.
    struct text t = { 0 };
    add(&t, "{\"a\":{\"dtype\":\"U8\",\"shape\":[2147483648,2147483648],\"data_offsets\":[0,4611686018427387904]}}");
    open_header(&t, "is truncated");
    add(&t, "{\"a\":{\"dtype\":\"U8\",\"shape\":[2147483648,4294967296],\"data_offsets\":[0,4611686018427387904]}}");
    open_header(&t, "more elements than a file can hold");
}

static void test_shards(void)
{
    REQUIRE(mkdir(path_of("shards"), 0700) == 0);
    put("shards/config.json", "{\"_class_name\":\"UNet2DModel\"}", 29);
    for (int above = 0; above <= 1; above++) {
        struct text t = { 0 };
        struct daub_checkpoint *ckpt = NULL;
        add(&t, "{\"weight_map\":{");
        for (int i = 0; i < DAUB_MAX_SHARDS + above; i++) {
            char name[64];
            snprintf(name, sizeof(name), "shards/%d.st", i);
            put(name, "\2\0\0\0\0\0\0\0{}", 10);
            add(&t, "%s\"w%d\":\"%d.st\"", i ? "," : "", i, i);
        }
        add(&t, "}}");
        put("shards/diffusion_pytorch_model.safetensors.index.json", t.at, t.n);
        clear(&t);
        if (above)
            REQUIRE_STATUS(daub_checkpoint_open(NULL, path_of("shards"), NULL, &ckpt), DAUB_ERROR_BAD_FILE,
                           "names more than 1024 files");
        else
            REQUIRE_OK(daub_checkpoint_open(NULL, path_of("shards"), NULL, &ckpt));
        if (ckpt)
            daub_checkpoint_close(&ckpt);
    }
}

// ---- tokenizers ------------------------------------------------------------------------------------------------------

#define SPECIALS "\"<|startoftext|>\":1,\"<|endoftext|>\":2"

static daub_status load_tokenizer(const char *vocab, const char *merges, const char *config,
                                  struct daub_tokenizer **tok)
{
    put("vocab.json", vocab, strlen(vocab));
    put("merges.txt", merges, strlen(merges));
    put("tokenizer_config.json", config, strlen(config));
    return daub_tokenizer_create(NULL, root, tok);
}

static void test_vocabulary(void)
{
    for (int above = 0; above <= 1; above++) {
        struct text t = { 0 };
        struct daub_tokenizer *tok = NULL;
        add(&t, "{" SPECIALS ",\"a\":%d}", DAUB_MAX_TOKEN_IDS - 1 + above);
        daub_status status = load_tokenizer(t.at, "", "{}", &tok);
        if (above)
            REQUIRE_STATUS(status, DAUB_ERROR_BAD_FILE, "is not a whole number of 0..1048575");
        else
            REQUIRE(status == DAUB_OK && daub_tokenizer_size(tok) == DAUB_MAX_TOKEN_IDS);
        daub_tokenizer_destroy(&tok);
        clear(&t);

        add(&t, "{" SPECIALS);
        for (int i = 2; i < DAUB_MAX_TOKEN_IDS + above; i++)
            add(&t, ",\"%d\":3", i);
        add(&t, "}");
        status = load_tokenizer(t.at, "", "{}", &tok);
        REQUIRE(status == (above ? DAUB_ERROR_BAD_FILE : DAUB_OK));
        REQUIRE(!above || strstr(daub_last_error(), "has 1048577 words, at most 1048576 are read"));
        daub_tokenizer_destroy(&tok);
        clear(&t);

        add(&t, "{\"model_max_length\":%d}", DAUB_MAX_TEXT_WINDOW + above);
        REQUIRE_OK(load_tokenizer("{" SPECIALS "}", "", t.at, &tok));
        REQUIRE(daub_tokenizer_max_length(tok) == (above ? 77 : DAUB_MAX_TEXT_WINDOW)); // Python's "none"
        daub_tokenizer_destroy(&tok);
        clear(&t);
    }
}

static void test_merges(void)
{
    for (int above = 0; above <= 1; above++) {
        struct text t = { 0 }, vocab = { 0 };
        struct daub_tokenizer *tok = NULL;
        add_run(&t, '\n', DAUB_MAX_MERGES + (size_t)above);
        add(&t, "%s", "");
        daub_status status = load_tokenizer("{" SPECIALS "}", t.at, "{}", &tok);
        REQUIRE(status == (above ? DAUB_ERROR_BAD_FILE : DAUB_OK));
        REQUIRE(!above || strstr(daub_last_error(), "67108864"));
        daub_tokenizer_destroy(&tok);
        clear(&t);

        for (int i = 0; i < DAUB_MAX_MERGE_RULES + above; i++)
            add(&t, "a a\n");
        status = load_tokenizer("{" SPECIALS ",\"a\":3,\"aa\":4}", t.at, "{}", &tok);
        REQUIRE(status == (above ? DAUB_ERROR_BAD_FILE : DAUB_OK));
        REQUIRE(!above || strstr(daub_last_error(), "has 1048577 lines, at most 1048576 are read"));
        daub_tokenizer_destroy(&tok);
        clear(&t);

        add_run(&t, 'a', DAUB_MAX_TOKEN + (size_t)above);
        add(&t, "%s", "");
        add(&vocab, "{" SPECIALS ",\"b\":3,\"%s\":4,\"b%s\":5}", t.at, t.at);
        struct text rule = { 0 };
        add(&rule, "b %s\n", t.at);
        status = load_tokenizer(vocab.at, rule.at, "{}", &tok);
        REQUIRE(status == (above ? DAUB_ERROR_BAD_FILE : DAUB_OK));
        REQUIRE(!above || strstr(daub_last_error(), "line 1 is not two words of up to 1024 bytes"));
        daub_tokenizer_destroy(&tok);
        clear(&t);
        clear(&vocab);
        clear(&rule);
    }
}

// ---- requests --------------------------------------------------------------------------------------------------------

static struct daub_engine engine; // as much of a model as a request looks at: no device

static void request(const daub_generate_params *params, const char *sentence)
{
    struct daub_request *r = NULL;
    if (sentence)
        REQUIRE_STATUS(daub_request_create(&engine, params, &r), DAUB_ERROR_INVALID_ARG, sentence);
    else
        REQUIRE_OK(daub_request_create(&engine, params, &r));
    if (r)
        daub_request_destroy(&r);
}

static void test_requests(void)
{
    const struct daub_sampler_desc *sampler = NULL;
    REQUIRE_OK(daub_sampler_find("euler", &sampler, NULL));
    engine.desc = (struct daub_model_desc) { .has_text = true,
                                             .text_layers = 2,
                                             .width = 64,
                                             .height = 64,
                                             .size_multiple = 8,
                                             .n_steps = 2,
                                             .guidance_scale = 1.0f,
                                             .text = { .vocab_size = DAUB_MAX_TOKEN_IDS },
                                             .unet = { .cross_attention_dim = 4 } };
    engine.max_tokens = 77;
    REQUIRE_OK(daub_tokenizer_create(NULL, NULL, &engine.tokenizer));
    daub_sampler_config_defaults(sampler, &engine.desc.sampler);

    request(daub_generate_params(.prompt = "x", .width = DAUB_MAX_SIZE, .height = DAUB_MAX_SIZE), NULL);
    request(daub_generate_params(.prompt = "x", .width = DAUB_MAX_SIZE + 8), "width 16392 is outside 8..16384");
    request(daub_generate_params(.prompt = "x", .height = DAUB_MAX_SIZE + 8), "height 16392 is outside 8..16384");
    request(daub_generate_params(.prompt = "x", .vae_rows = DAUB_MAX_SIZE), NULL);
    request(daub_generate_params(.prompt = "x", .vae_rows = DAUB_MAX_SIZE + 1), "VAE rows 16385 is outside 1..16384");
    request(daub_generate_params(.prompt = "x", .n_steps = DAUB_MAX_STEPS), NULL);
    request(daub_generate_params(.prompt = "x", .n_steps = DAUB_MAX_STEPS + 1), "steps 1001 is outside 1..1000");
    request(daub_generate_params(.prompt = "x", .guidance_scale = DAUB_MAX_GUIDANCE), NULL);
    request(daub_generate_params(.prompt = "x", .guidance_scale = 1000.5f), "guidance 1000.5 is outside 1..1000");

    for (int above = 0; above <= 1; above++) {
        struct text t = { 0 };
        add_run(&t, 'a', DAUB_MAX_PROMPT + (size_t)above);
        add(&t, "%s", "");
        request(daub_generate_params(.prompt = t.at, .emphasis = DAUB_EMPHASIS_OFF),
                above ? "the prompt has 1048577 bytes, at most 1048576 are read" : NULL);
        request(daub_generate_params(.prompt = "", .negative_prompt = t.at, .emphasis = DAUB_EMPHASIS_OFF),
                above ? "the negative prompt has 1048577 bytes" : NULL);
        struct daub_tokenizer *tok = NULL;
        REQUIRE_OK(daub_tokenizer_create(NULL, NULL, &tok));
        uint32_t *ids = NULL, n = 0;
        const daub_status status = daub_tokenize(tok, t.at, &ids, NULL, &n);
        REQUIRE(status == (above ? DAUB_ERROR_INVALID_ARG : DAUB_OK));
        REQUIRE(!above || strstr(daub_last_error(), "the text has 1048577 bytes, at most 1048576 are read"));
        daub_free(NULL, ids);
        daub_tokenizer_destroy(&tok);
        clear(&t);
    }
}

static void test_embeds(void)
{
    static float values[(DAUB_MAX_EMBED_TOKENS + 1) * 4];
    for (int above = 0; above <= 1; above++) {
        const struct daub_st_write tensor = { .name = "prompt_embeds",
                                              .n_dims = 3,
                                              .dims = { 1, DAUB_MAX_EMBED_TOKENS + (uint32_t)above, 4 },
                                              .data = values };
        struct daub_request *r = NULL;
        REQUIRE_OK(daub_safetensors_write(NULL, path_of("embeds.st"), &tensor, 1));
        const daub_generate_params params = { .struct_size = sizeof(params),
                                              .prompt_embeds_path = path_of("embeds.st") };
        if (above)
            REQUIRE_STATUS(daub_request_create(&engine, &params, &r), DAUB_ERROR_BAD_FILE,
                           "is not [1, 1..4096 tokens, 4]");
        else
            REQUIRE_OK(daub_request_create(&engine, &params, &r));
        if (r)
            daub_request_destroy(&r);
    }
}

// ---- pictures --------------------------------------------------------------------------------------------------------

static void read_picture(const void *data, size_t size, const char *sentence)
{
    daub_image image = { 0 };
    const daub_source source = { .data = data, .size = size };
    if (sentence)
        REQUIRE_STATUS(daub_image_read_source(&source, &image), DAUB_ERROR_BAD_FILE, sentence);
    else
        REQUIRE_OK(daub_image_read_source(&source, &image));
    daub_image_free(&image);
}

static void test_pictures(void)
{
    for (int above = 0; above <= 1; above++) {
        struct text wide = { 0 }, high = { 0 };
        add(&wide, "P5 %d 1 255\n", DAUB_MAX_SIZE + above);
        add_run(&wide, 'x', DAUB_MAX_SIZE + 1);
        read_picture(wide.at, wide.n, above ? "16385x1" : NULL);
        add(&high, "P5 1 %d 255\n", DAUB_MAX_SIZE + above);
        add_run(&high, 'x', DAUB_MAX_SIZE + 1);
        read_picture(high.at, high.n, above ? "1x16385" : NULL);
        clear(&wide);
        clear(&high);
    }
    // Refused by its size alone: nothing of it is looked at.
    read_picture("P5 1 1 255\nx", (size_t)DAUB_MAX_PICTURE + 1, "1073741825 bytes; a picture may have 1073741824");
    // A BMP whose rows go down has a negative height, which is no limit passed.
    static const uint8_t down[] = { 'B', 'M', 62,  0,   0,   0, 0, 0,  0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0,
                                    0,   254, 255, 255, 255, 1, 0, 24, 0, 0, 0,  0, 0, 8, 0,  0, 0, 0, 0, 0, 0,
                                    0,   0,   0,   0,   0,   0, 0, 0,  0, 0, 0,  0, 1, 2, 3,  0, 4, 5, 6, 0 };
    read_picture(down, sizeof(down), NULL);
}

// ---- caches ----------------------------------------------------------------------------------------------------------

static void test_hashes(void)
{
    char model[300], out[11];
    uint64_t size = 0, mtime = 0;
    REQUIRE(mkdir(path_of("daub"), 0700) == 0 && setenv("XDG_CACHE_HOME", root, 1) == 0);
    static const char header[] = "{\"model.diffusion_model.x\":" EMPTY_TENSOR "}";
    uint8_t file[8 + sizeof(header) - 1] = { sizeof(header) - 1 };
    memcpy(file + 8, header, sizeof(header) - 1);
    put("model.safetensors", file, sizeof(file));
    snprintf(model, sizeof(model), "%s", path_of("model.safetensors"));
    REQUIRE(daub_path_stat(model, &size, &mtime));
    for (int above = 0; above <= 1; above++) {
        struct text t = { 0 }; // a hash that it does not have
        add(&t, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef %llu %llu %s\n",
            (unsigned long long)size, (unsigned long long)mtime, model);
        add_run(&t, 'x', DAUB_MAX_HASHES - t.n + (size_t)above);
        put("daub/model-hashes.txt", t.at, t.n);
        clear(&t);
        REQUIRE_OK(daub_tools_model_hash(model, out));
        REQUIRE((strcmp(out, "0123456789") == 0) == (above == 0));
    }
    // It has been replaced by one that is read.
    char *text = NULL;
    size_t n = 0;
    REQUIRE_OK(daub_file_read(NULL, path_of("daub/model-hashes.txt"), 1000, &text, &n));
    REQUIRE(strncmp(text, out, 10) == 0);
    daub_free(NULL, text);
}

static const void *bytes_of(void *user, uint32_t i)
{
    (void)i;
    return user;
}

static void test_cached_weights(void)
{
    enum { MOST = DAUB_MAX_CACHED_WEIGHTS + 1 };
    static const struct daub_pack pack = { .kind = DAUB_PACK_VECTOR };
    static char names[MOST][8];
    static struct daub_cached_weight weights[MOST];
    uint8_t data[16] = { 7 }, read[16];
    struct daub_checkpoint *ckpt = NULL;
    struct daub_weight_cache *cache = NULL;
    const struct timespec long_ago[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };
    REQUIRE(utimensat(AT_FDCWD, path_of("model.safetensors"), long_ago, 0) == 0);
    REQUIRE_OK(daub_checkpoint_open(NULL, path_of("model.safetensors"), NULL, &ckpt));
    for (int i = 0; i < MOST; i++) {
        snprintf(names[i], sizeof(names[i]), "%d", i);
        weights[i] = (struct daub_cached_weight) { .name = names[i], .pack = &pack, .size = sizeof(data) };
    }
    for (int above = 1; above >= 0; above--) { // too many first: nothing is written
        char dir[300];
        snprintf(dir, sizeof(dir), "%s", path_of("weights"));
        REQUIRE_OK(daub_weight_cache_open(NULL, dir, 0, ckpt, DAUB_UNET, &cache));
        daub_weight_cache_write(cache, weights, DAUB_MAX_CACHED_WEIGHTS + (uint32_t)above, bytes_of, data);
        daub_weight_cache_close(&cache);
        REQUIRE_OK(daub_weight_cache_open(NULL, dir, 0, ckpt, DAUB_UNET, &cache));
        REQUIRE(daub_weight_cache_read(cache, names[DAUB_MAX_CACHED_WEIGHTS - 1], &pack, read, sizeof(read)) ==
                (above == 0));
        daub_weight_cache_close(&cache);
    }
    daub_checkpoint_close(&ckpt);
}

int main(void)
{
    REQUIRE(mkdtemp(root));
    test_json();
    test_safetensors();
    test_shards();
    test_vocabulary();
    test_merges();
    test_requests();
    test_embeds();
    daub_tokenizer_destroy(&engine.tokenizer);
    test_pictures();
    test_hashes();
    test_cached_weights();
    char command[300];
    snprintf(command, sizeof(command), "rm -r '%s'", root);
    return system(command) == 0 ? 0 : 1;
}

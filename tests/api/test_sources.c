// test_sources.c - weights and embeddings by path, from memory, and by the host's callbacks: the same pictures.
#include "tests/api/harness_single.h"

#include <stdatomic.h>

enum { PIECE = 16 << 20 }; // what daub.h says of reads by callback

static daub_device *dev;

// ---- callbacks over the machine's files ------------------------------------------------------------------------------

struct host_files {
    const char *root;
    bool lend;        // map instead of read
    uint32_t fail_at; // the read that fails, counted from 1; 0: none
    atomic_uint n_reads, inside;
    size_t largest;
    struct lent {
        char path[256];
        uint8_t *bytes;
    } lent[32];
    uint32_t n_lent;
};

static FILE *open_in(const struct host_files *h, const char *path)
{
    char full[1024];
    const bool config = strncmp(path, "hints", 5) == 0;
    REQUIRE(config || strncmp(path, "pack", 4) == 0); // the load's path, config_from, and what is below them
    snprintf(full, sizeof(full), "%s%s", config ? TINY_FOLDER : h->root, path + (config ? 5 : 4));
    return fopen(full, "rb");
}

static bool stat_file(void *user, const char *path, uint64_t *size)
{
    FILE *file = open_in(user, path);
    if (!file)
        return false;
    const bool is = fseek(file, 0, SEEK_END) == 0 && ftell(file) > 0 && ftell(file) < INT32_MAX;
    *size = is ? (uint64_t)ftell(file) : 0;
    fclose(file);
    return is;
}

static bool read_from(struct host_files *h, FILE *file, uint64_t offset, void *dst, size_t size)
{
    REQUIRE(atomic_fetch_add(&h->inside, 1) == 0); // one call at a time
    const uint32_t n = atomic_fetch_add(&h->n_reads, 1) + 1;
    h->largest = size > h->largest ? size : h->largest;
    const bool ok = n != h->fail_at && fseek(file, (long)offset, SEEK_SET) == 0 && fread(dst, 1, size, file) == size;
    atomic_fetch_sub(&h->inside, 1);
    return ok;
}

static bool read_path(void *user, const char *path, uint64_t offset, void *dst, size_t size)
{
    struct host_files *h = user;
    REQUIRE(!h->lend);
    FILE *file = open_in(h, path);
    const bool ok = file && read_from(h, file, offset, dst, size);
    if (file)
        fclose(file);
    return ok;
}

static const void *map_path(void *user, const char *path)
{
    struct host_files *h = user;
    if (!h->lend)
        return NULL;
    char full[1024];
    size_t size;
    snprintf(full, sizeof(full), "%s%s", h->root, path + 4);
    for (uint32_t i = 0; i < h->n_lent; i++)
        if (strcmp(h->lent[i].path, path) == 0)
            return h->lent[i].bytes;
    struct lent *lent = &h->lent[h->n_lent++];
    REQUIRE(h->n_lent <= 32);
    snprintf(lent->path, sizeof(lent->path), "%s", path);
    return lent->bytes = read_file(full, &size);
}

static bool read_one(void *user, uint64_t offset, void *dst, size_t size)
{
    struct host_files *h = user;
    FILE *file = open_in(h, "pack");
    const bool ok = file && read_from(h, file, offset, dst, size);
    if (file)
        fclose(file);
    return ok;
}

// ---- pictures --------------------------------------------------------------------------------------------------------

static daub_image draw(daub_model *model)
{
    daub_image image = { 0 };
    REQUIRE_OK(daub_generate(
        model, daub_generate_params(.prompt = "a red apple", .n_steps = 2, .seed = 3, .width = 64, .height = 64),
        &image));
    return image;
}

static daub_image draw_from(const char *path, const daub_model_params *params)
{
    daub_model *model = NULL;
    REQUIRE_OK(daub_model_load(dev, path, params, &model));
    const daub_image image = draw(model);
    REQUIRE_OK(daub_model_destroy(&model));
    return image;
}

static void require_same(daub_image image, const daub_image *want)
{
    REQUIRE(same_image(&image, want));
    daub_image_free(&image);
}

static void a_folder(void)
{
    daub_image want = draw_from(DEFAULT_FOLDER, NULL);
    struct host_files h = { .root = DEFAULT_FOLDER };
    daub_files files = { .stat = stat_file, .read = read_path, .user = &h };
    require_same(draw_from("pack", daub_model_params(.files = &files)), &want);
    REQUIRE(h.n_reads > 100 && h.largest <= PIECE);
    files.map = map_path;
    require_same(draw_from("pack", daub_model_params(.files = &files)), &want); // which lends nothing
    h.lend = true;
    require_same(draw_from("pack", daub_model_params(.files = &files)), &want);
    for (uint32_t i = 0; i < h.n_lent; i++)
        free(h.lent[i].bytes);
    REQUIRE(h.n_lent >= 5);
    daub_image_free(&want);

    daub_model *model = NULL;
    daub_model_info info = { .struct_size = sizeof(info) };
    h.lend = false;
    REQUIRE_OK(daub_model_inspect("pack", daub_model_params(.files = &files), &info));
    REQUIRE(info.text && info.width == 64);
    REQUIRE_TEXT(info.path, "pack");
    h.root = "/no/such/folder";
    REQUIRE_STATUS(daub_model_load(dev, "pack", daub_model_params(.files = &files), &model), DAUB_ERROR_BAD_FILE,
                   "pack is neither a diffusers folder");
    REQUIRE_STATUS(daub_model_load(dev, NULL, daub_model_params(.files = &files), &model), DAUB_ERROR_INVALID_ARG,
                   "path");
    REQUIRE_STATUS(daub_model_load(dev, "pack", daub_model_params(.files = &files, .weight_cache = "x"), &model),
                   DAUB_ERROR_INVALID_ARG, "weight cache (x)");
    files.read = NULL;
    REQUIRE_STATUS(daub_model_load(dev, "pack", daub_model_params(.files = &files), &model), DAUB_ERROR_INVALID_ARG,
                   "daub_files.read");
}

static void a_single_file(const char *path)
{
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    struct host_files h = { .root = path };
    daub_files files = { .stat = stat_file, .read = read_path, .user = &h };
    const daub_source by_path = { .path = path };
    const daub_source by_memory = { .data = bytes, .size = size, .name = "a game's pack" };
    const daub_source by_callback = { .read = read_one, .size = size, .user = &h };

    daub_image want = draw_from(path, daub_model_params(.config_from = TINY_FOLDER));
    require_same(draw_from(NULL, daub_model_params(.source = &by_path, .config_from = TINY_FOLDER)), &want);
    require_same(draw_from(NULL, daub_model_params(.source = &by_memory, .config_from = TINY_FOLDER)), &want);
    require_same(draw_from(NULL, daub_model_params(.source = &by_callback, .config_from = TINY_FOLDER)), &want);
    require_same(draw_from("pack", daub_model_params(.files = &files, .config_from = "hints")), &want);
    REQUIRE(h.largest <= PIECE);
    daub_image_free(&want);

    daub_model *model = NULL;
    const daub_source none = { .size = 5 }, two = { .path = path, .data = bytes, .size = size };
    const daub_source empty = { .data = bytes };
    const daub_source cut = { .data = bytes, .size = size - 1, .name = "a game's pack" };
    REQUIRE_STATUS(daub_model_load(dev, NULL, daub_model_params(.source = &none), &model), DAUB_ERROR_INVALID_ARG,
                   "exactly one of");
    REQUIRE_STATUS(daub_model_load(dev, NULL, daub_model_params(.source = &two), &model), DAUB_ERROR_INVALID_ARG,
                   "exactly one of");
    REQUIRE_STATUS(daub_model_load(dev, NULL, daub_model_params(.source = &empty), &model), DAUB_ERROR_INVALID_ARG,
                   "0 bytes");
    REQUIRE_STATUS(daub_model_load(dev, NULL, daub_model_params(.source = &cut), &model), DAUB_ERROR_BAD_FILE,
                   "a game's pack is truncated");
    REQUIRE_STATUS(daub_model_load(dev, path, daub_model_params(.source = &by_path), &model), DAUB_ERROR_INVALID_ARG,
                   "not from both");
    free(bytes);
}

// Each of some reads fails once: a status that names the file, and the next load draws.
static void reads_fail(void)
{
    struct host_files h = { .root = DEFAULT_FOLDER };
    const daub_files files = { .stat = stat_file, .read = read_path, .user = &h };
    const uint32_t at[] = { 1, 2, 7, 30, 150 };
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        daub_model *model = NULL;
        daub_image image = { 0 };
        h.n_reads = 0;
        h.fail_at = at[i];
        daub_status status = daub_model_load(dev, "pack", daub_model_params(.files = &files), &model);
        if (status == DAUB_OK)
            status = daub_generate(model, daub_generate_params(.prompt = "x", .n_steps = 1), &image);
        if (status != DAUB_ERROR_IO || !strstr(daub_last_error(), "cannot read pack/"))
            TEST_FAIL("read %u: %s, \"%s\"", at[i], daub_status_text(status), daub_last_error());
        if (model) { // what failed is read again
            REQUIRE_OK(daub_generate(model, daub_generate_params(.prompt = "x", .n_steps = 1), &image));
            daub_image_free(&image);
        }
        REQUIRE_OK(daub_model_destroy(&model));
    }
}

static void embeddings(void)
{
    static const char path[] = DAUB_BIN_DIR "/test_sources_embeds.safetensors";
    daub_model *model = NULL;
    daub_floats prompt = { 0 }, negative = { 0 };
    REQUIRE_OK(daub_model_load(dev, NULL, NULL, &model));
    const daub_generate_params words = {
        .struct_size = sizeof(words), .prompt = "a red heart", .negative_prompt = "blue", .n_steps = 2
    };
    REQUIRE_OK(daub_encode_text(model, &words, path));
    REQUIRE_OK(daub_encode_text_floats(model, &words, &prompt, &negative));
    daub_model_info info = { .struct_size = sizeof(info) };
    REQUIRE_OK(daub_model_get_info(model, &info));
    REQUIRE(prompt.n_dims == 2 && prompt.dims[1] == info.text_width && negative.dims[0] == prompt.dims[0]);

    size_t size;
    uint8_t *bytes = read_file(path, &size);
    struct host_files h = { .root = path };
    const daub_source by_path = { .path = path }, by_memory = { .data = bytes, .size = size };
    const daub_source by_callback = { .read = read_one, .size = size, .user = &h };
    daub_image want = { 0 };
    REQUIRE_OK(daub_generate(model, &words, &want));
    const daub_generate_params all[] = {
        { .prompt_embeds_path = path },
        { .prompt_embeds_source = &by_path },
        { .prompt_embeds_source = &by_memory },
        { .prompt_embeds_source = &by_callback },
        { .prompt_embeds = prompt.values, .negative_prompt_embeds = negative.values, .n_embed_tokens = prompt.dims[0] },
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        daub_generate_params p = all[i];
        daub_image image = { 0 };
        p.struct_size = sizeof(p);
        p.n_steps = 2;
        REQUIRE_OK(daub_generate(model, &p, &image));
        require_same(image, &want);
    }

    daub_job *job = NULL;
    const float *values = prompt.values;
    REQUIRE_STATUS(daub_job_submit(model, daub_generate_params(.prompt_embeds = values, .n_embed_tokens = 1), &job),
                   DAUB_ERROR_INVALID_ARG, "negative_prompt_embeds");
    REQUIRE_STATUS(daub_job_submit(model, daub_generate_params(.prompt_embeds = values, .guidance_scale = 1), &job),
                   DAUB_ERROR_INVALID_ARG, "n_embed_tokens 0");
    REQUIRE_STATUS(
        daub_job_submit(model, daub_generate_params(.prompt_embeds = values, .prompt_embeds_path = path), &job),
        DAUB_ERROR_INVALID_ARG, "one of");
    REQUIRE_STATUS(daub_job_submit(model, daub_generate_params(.prompt = "x", .prompt_embeds_source = &by_path), &job),
                   DAUB_ERROR_INVALID_ARG, "one or the other");
    prompt.values[7] = NAN;
    REQUIRE_STATUS(
        daub_job_submit(model, daub_generate_params(.prompt_embeds = values, .n_embed_tokens = 1, .guidance_scale = 1),
                        &job),
        DAUB_ERROR_INVALID_ARG, "value 7 of prompt_embeds");
    daub_floats_free(&prompt);
    daub_floats_free(&negative);
    daub_image_free(&want);
    free(bytes);
    remove(path);
    REQUIRE_OK(daub_model_destroy(&model));
}

int main(void)
{
    static const char single[] = DAUB_BIN_DIR "/test_sources.safetensors";
    REQUIRE_OK(daub_device_create(NULL, &dev));
    a_folder();
    write_single(single);
    a_single_file(single);
    remove(single);
    reads_fail();
    embeddings();
    REQUIRE_OK(daub_device_destroy(&dev));
    return 0;
}

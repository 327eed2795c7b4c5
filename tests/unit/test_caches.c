// test_caches.c - the files that daub keeps between runs, as bytes: what is written is found, what was changed is not believed, and what
// is not ours is kept.
#include "runtime/io/hash_cache.h"
#include "runtime/op/tune.h"
#include "runtime/vk/pipeline_file.h"
#include "tests/test.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_hashes(void)
{
    static const char path[] = "/models/a b.safetensors";
    char hex[65] = "";
    char *text = daub_hash_cache_add(NULL, NULL, path, 12, 34, HASH);
    REQUIRE(text && daub_hash_cache_find(text, path, 12, 34, hex));
    REQUIRE_TEXT(hex, HASH);
    REQUIRE(!daub_hash_cache_find(text, path, 13, 34, hex) && !daub_hash_cache_find(text, path, 12, 35, hex));
    REQUIRE(!daub_hash_cache_find(text, "/models/a", 12, 34, hex));
    REQUIRE(!daub_hash_cache_find(text, "/models/a b.safetensors2", 12, 34, hex));
    char *more = daub_hash_cache_add(NULL, text, "/models/c", UINT64_MAX / 2, 0, HASH);
    REQUIRE(more && daub_hash_cache_find(more, path, 12, 34, hex));
    char found[64]; // the files of a hash, one after the other
    uint64_t size = 0, mtime = 0;
    const char *at = daub_hash_cache_next(more, "0123", found, sizeof(found), &size, &mtime);
    REQUIRE(at && strcmp(found, path) == 0 && size == 12 && mtime == 34);
    at = daub_hash_cache_next(at, "0123", found, sizeof(found), &size, &mtime);
    REQUIRE(at && strcmp(found, "/models/c") == 0 && size == UINT64_MAX / 2);
    REQUIRE(!daub_hash_cache_next(at, "0123", found, sizeof(found), &size, &mtime));
    REQUIRE(!daub_hash_cache_next(more, "9", found, sizeof(found), &size, &mtime));
    REQUIRE(!daub_hash_cache_next(more, "0123", found, 4, &size, &mtime));
    REQUIRE(daub_hash_cache_find(more, "/models/c", UINT64_MAX / 2, 0, hex));
    free(text);
    free(more);

    // Lines that nothing of ours has written: none of them ends up in a picture.
    static const char *const damaged[] = {
        "0123456789 12 34 /m\n",                 // too short
        "\033[31m6789abcdef" HASH " 12 34 /m\n", // would steer a terminal
        "G" HASH " 12 34 /m\n",
        HASH "0 12 34 /m\n",
        HASH " -12 34 /m\n",
        HASH "  12 34 /m\n",
        HASH "\n12 34 /m\n",                  // over two lines
        HASH " 18446744073709551628 34 /m\n", // 12, modulo 2^64
        HASH " 12 34",
    };
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        REQUIRE(!daub_hash_cache_find(damaged[i], "/m", 12, 34, hex));
        text = daub_hash_cache_add(NULL, damaged[i], "/m", 12, 34, HASH); // also behind a line that was cut
        REQUIRE(text && daub_hash_cache_find(text, "/m", 12, 34, hex));
        free(text);
    }
    // A path over two lines could say anything about another file.
    REQUIRE(!daub_hash_cache_add(NULL, "", "/m\n" HASH " 1 2 /other", 12, 34, HASH));

    char *many = NULL; // only the last ones are kept
    for (int i = 0; i < 2000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "/models/%d", i);
        text = daub_hash_cache_add(NULL, many, name, 1, 2, HASH);
        REQUIRE(text);
        free(many);
        many = text;
    }
    REQUIRE(strlen(many) < 66000 && strncmp(many, HASH, 64) == 0);
    REQUIRE(daub_hash_cache_find(many, "/models/1999", 1, 2, hex) &&
            !daub_hash_cache_find(many, "/models/0", 1, 2, hex));
    free(many);
}

static void test_tuning(void)
{
    const struct daub_tuning wanted = { .texel = true, .rate12 = 41.5f, .rate16 = 40.25f };
    struct daub_tuning found = { 0 };
    static const char others[] = "a-1 storage 1 2\nc-1 texel 3 4\n";
    // Not ended by a line's end; damaged; there twice, of which only the second is good.
    static const char *const texts[] = { "", others, "a-1 storage 1 2", "b-1 quick\na-1 storage 1 2\n",
                                         "b-1 quick\nb-1 storage 0 1\na-1 storage 1 2\nb-1 texel 1 2\n" };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char *text = daub_tuning_set(NULL, texts[i], "b-1", &wanted);
        REQUIRE(text && daub_tuning_find(text, "b-1", &found));
        REQUIRE(found.texel && found.rate12 == wanted.rate12 && found.rate16 == wanted.rate16);
        REQUIRE(!strstr(texts[i], "a-1") || (daub_tuning_find(text, "a-1", &found) && !found.texel));
        free(text);
        text = daub_tuning_set(NULL, texts[i], "b-1", NULL);
        REQUIRE(text && !daub_tuning_find(text, "b-1", &found));
        free(text);
    }
    static const char *const damaged[] = { "b-1",
                                           "b-1 ",
                                           "b-1 texel",
                                           "b-1 texel 1",
                                           "b-1 texel 1 ",
                                           "b-1 texel -1 2",
                                           "b-1 texel 0 2",
                                           "b-1 texel 1 2x",
                                           "b-1 texel nan 1",
                                           "b-1 texel 18446744073709551617 1",
                                           "b-1 texel 1\n2",
                                           "b-1 texture 1 2",
                                           "bb-1 texel 1 2",
                                           "b-12 texel 1 2" };
    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++)
        REQUIRE(!daub_tuning_find(damaged[i], "b-1", &found));
}

static void test_pipelines(void)
{
    static const uint8_t code[] = "the driver's own bytes";
    struct daub_pipeline_header own = { .vendor_id = 1, .device_id = 2, .driver_version = 3, .code_hash = 4 };
    uint8_t file[sizeof(own) + sizeof(code) + 1];
    size_t n = 0;
    daub_pipeline_header_seal(&own, code, sizeof(code));
    memcpy(file, &own, sizeof(own));
    memcpy(file + sizeof(own), code, sizeof(code));
    file[sizeof(file) - 1] = 0;
    const size_t size = sizeof(file) - 1;
    REQUIRE(daub_pipeline_file_data(&own, file, size, &n) == file + sizeof(own) && n == sizeof(code));
    REQUIRE(!daub_pipeline_file_data(&own, file, size + 1, &n)); // longer
    for (size_t i = 0; i < size; i++) {
        REQUIRE(!daub_pipeline_file_data(&own, file, i, &n)); // cut
        file[i] ^= 0x80;
        REQUIRE(!daub_pipeline_file_data(&own, file, size, &n));
        file[i] ^= 0x80;
    }
    struct daub_pipeline_header other = own;
    other.driver_version++;
    REQUIRE(!daub_pipeline_file_data(&other, file, size, &n));
}

int main(void)
{
    test_hashes();
    test_tuning();
    test_pipelines();
    return 0;
}

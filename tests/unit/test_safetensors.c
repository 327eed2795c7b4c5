// test_safetensors.c - what is written is read back; every dtype; every lie a header can tell is refused; and thousands
// of damaged files, drawn at random, are either refused or safe to read to the last byte.
#include "runtime/base/file.h"
#include "runtime/io/safetensors.h"
#include "test.h"

#include <unistd.h>

enum { MAX_FILE = 4096, MUTATIONS = 30000 };

struct file {
    uint8_t bytes[MAX_FILE];
    size_t size;
};

// Header text, then `data_size` bytes 0, 1, 2 ...
static void build(struct file *f, const char *header, size_t data_size)
{
    const size_t n = strlen(header);
    REQUIRE(8 + n + data_size <= MAX_FILE);
    for (int i = 0; i < 8; i++)
        f->bytes[i] = (uint8_t)(n >> (8 * i));
    memcpy(f->bytes + 8, header, n);
    for (size_t i = 0; i < data_size; i++)
        f->bytes[8 + n + i] = (uint8_t)i;
    f->size = 8 + n + data_size;
}

static daub_status open_file(const struct file *f, struct daub_safetensors **st)
{
    return daub_safetensors_open_memory(NULL, "test.safetensors", f->bytes, f->size, st);
}

static void check_refused(const char *header, size_t data_size, const char *sentence)
{
    struct file f;
    struct daub_safetensors *st = NULL;
    build(&f, header, data_size);
    REQUIRE_STATUS(open_file(&f, &st), DAUB_ERROR_BAD_FILE, sentence);
    REQUIRE(strstr(daub_last_error(), "test.safetensors"));
    REQUIRE(!st);
}

#define T(name, dtype, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"

static void test_lies(void)
{
    check_refused("{" T("a", "F32", "2", "0,8") "}", 7, "truncated");
    check_refused("{" T("a", "F32", "2", "0,12") "}", 12, "want 8");
    check_refused("{" T("a", "F32", "2", "8,0") "}", 8, "ends before it begins");
    check_refused("{" T("a", "F32", "1", "0,4") "," T("a", "F32", "1", "4,8") "}", 8, "a is there twice");
    check_refused("{" T("a", "F32", "1", "0,4") "," T("\\u0061", "F32", "1", "4,8") "}", 8, "a is there twice");
    check_refused("{" T("a", "F32", "2", "0,8") "," T("b", "F32", "2", "4,12") "}", 12, "overlap");
    check_refused("{" T("a", "F32", "4294967296,4294967296", "0,8") "}", 8, "more elements");
    check_refused("{" T("a", "F32", "3037000500,3037000500,0", "0,8") "}", 8, "more elements");
    check_refused("{" T("a", "F32", "18446744073709551617", "0,8") "}", 8, "too large");
    check_refused("{" T("a", "F32", "-1", "0,8") "}", 8, "no whole number");
    check_refused("{" T("a", "F32", "2.0", "0,8") "}", 8, "a list without an end");
    check_refused("{" T("a", "F32", "1,1,1,1,1,1,1,1,2", "0,8") "}", 8, "too long");
    check_refused("{" T("a", "F32", "2", "0,8,9") "}", 8, "too long");
    check_refused("{" T("a", "F32", "2", "0") "}", 8, "not two numbers");
    check_refused("{" T("", "F32", "2", "0,8") "}", 8, "empty name");
    check_refused("{" T("\\u0000", "F32", "2", "0,8") "}", 8, "an escape");
    check_refused("{" T("\\ud800x", "F32", "2", "0,8") "}", 8, "an escape");
    check_refused("{" T("a\\q", "F32", "2", "0,8") "}", 8, "an escape");
    check_refused("{" T("a\nb", "F32", "2", "0,8") "}", 8, "control character");
    check_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "a lacks its data_offsets");
    check_refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2]}}", 8, "the same field twice");
    check_refused("{\"a\":{\"dtype\":\"F32\",\"extra\":[2]}}", 8, "none of dtype");
    check_refused("{\"a\":[]}", 8, "no object");
    check_refused("{\"__metadata__\":{},\"__metadata__\":{}}", 8, "second __metadata__");
    check_refused("{\"__metadata__\":{\"a\":1}}", 8, "no string");
    check_refused("{\"a", 8, "without an end");
    check_refused("{\"a\\", 8, "without an end");
    check_refused("{" T("a", "F32", "2", "0,8"), 8, "closing brace");
    check_refused("{} x", 8, "something after");
    check_refused("[]", 8, "no object");
    check_refused("", 8, "no object");

    char long_name[1200];
    memset(long_name, 'n', sizeof(long_name));
    char header[1400];
    snprintf(header, sizeof(header), "{\"%.*s\":{}}", 1025, long_name);
    check_refused(header, 8, "too long");
}

static void check_bytes(const char *bytes, size_t size, const char *sentence)
{
    struct file f = { .size = size };
    memcpy(f.bytes, bytes, size);
    struct daub_safetensors *st = NULL;
    REQUIRE_STATUS(open_file(&f, &st), DAUB_ERROR_BAD_FILE, sentence);
}

static void test_other_files(void)
{
    check_bytes("PK\003\004 and the rest of it", 24, "PyTorch checkpoint");
    check_bytes("\200\002}q\000(X\005\000\000\000", 11, "pickle");
    check_bytes("GGUF\003\000\000\000\001\000\000\000", 12, "GGUF");
    check_bytes("<!DOCTYPE html><html>", 21, "HTML");
    check_bytes("version https://git-lfs.github.com/spec/v1", 42, "git-lfs");
    check_bytes("{\"a\": 1, \"b\": 2}", 16, "JSON");
    check_bytes("just some words in a file", 25, "does not begin with");
    check_bytes("short", 5, "only 5 bytes");
    check_bytes("\377\377\377\377\377\377\377\177{}", 10, "does not begin with");
    check_bytes("\000\020\000\000\000\000\000\000{\"a\"", 12, "truncated");
    check_bytes("\000\020\000\000\000\000\000\000....", 12, "no header");
}

// Every dtype that is read, at an odd offset: 1.5 or 3 in each.
static void test_dtypes(void)
{
    struct file f;
    build(&f,
          "{" T("u8", "U8", "1", "0,1") "," T("f32", "F32", "1", "1,5") "," T("f16", "F16", "1", "5,7") ","        //
          T("bf16", "BF16", "1", "7,9") "," T("f64", "F64", "", "9,17") "," T("i64", "I64", "1,1", "17,25") ","    //
          T("i32", "I32", "1", "25,29") "," T("odd", "F8_E4M3", "3", "29,32") "," T("new", "F4", "7", "32,33") "," //
          T("none", "F32", "0,5", "4,4") "," T("five", "U8", "1,1,1,1,1", "33,34") "}  ",
          34);
    uint8_t *data = f.bytes + f.size - 34;
    const float f32 = 1.5f;
    const double f64 = 1.5;
    const int64_t i64 = -3;
    const int32_t i32 = -3;
    data[0] = 3;
    memcpy(data + 1, &f32, 4);
    memcpy(data + 5, (const uint8_t[]) { 0x00, 0x3E }, 2);
    memcpy(data + 7, (const uint8_t[]) { 0xC0, 0x3F }, 2);
    memcpy(data + 9, &f64, 8);
    memcpy(data + 17, &i64, 8);
    memcpy(data + 25, &i32, 4);
    struct daub_safetensors *st;
    REQUIRE_OK(open_file(&f, &st));
    REQUIRE(daub_safetensors_count(st) == 11);
    static const struct {
        const char *name;
        float value;
    } cases[] = { { "u8", 3 },     { "f32", 1.5f }, { "f16", 1.5f }, { "bf16", 1.5f },
                  { "f64", 1.5f }, { "i64", -3 },   { "i32", -3 } };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct daub_st_tensor *t = daub_safetensors_find(st, cases[i].name);
        float got = 0;
        REQUIRE(t);
        REQUIRE_OK(daub_safetensors_floats(st, t, &got));
        REQUIRE_NEAR(got, cases[i].value, 0);
    }
    float unused[4];
    REQUIRE_STATUS(daub_safetensors_floats(st, daub_safetensors_find(st, "odd"), unused), DAUB_ERROR_BAD_FILE, "odd");
    REQUIRE(daub_safetensors_find(st, "new")->dtype == DAUB_FILE_OTHER);
    REQUIRE_OK(daub_safetensors_floats(st, daub_safetensors_find(st, "none"), unused));
    struct daub_view view;
    REQUIRE(!daub_safetensors_view(st, daub_safetensors_find(st, "five"), &view));
    REQUIRE(daub_safetensors_view(st, daub_safetensors_find(st, "i64"), &view));
    REQUIRE(view.n_dims == 2 && view.dims[1] == 1 && view.data == data + 17 && !view.transposed);
    REQUIRE(!daub_safetensors_find(st, "i6") && !daub_safetensors_find(st, "i644"));
    daub_safetensors_close(&st);
    daub_safetensors_close(&st);
}

static void test_round_trip(void)
{
    char path[] = "/tmp/daub-safetensors-XXXXXX";
    const int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    close(fd);
    const float a[6] = { 1, -2, 3.25f, 0, 5, 6e30f }, b[1] = { 7 };
    const struct daub_st_write tensors[] = {
        { .name = "first \"quoted\"\n", .n_dims = 2, .dims = { 2, 3 }, .data = a },
        { .name = "zwei \xC3\xA4", .n_dims = 0, .data = b },
    };
    REQUIRE_OK(daub_safetensors_write(NULL, path, tensors, 2));
    struct daub_safetensors *st;
    REQUIRE_OK(daub_safetensors_open(NULL, path, &st));
    REQUIRE_TEXT(daub_safetensors_metadata(st, "format"), "pt");
    REQUIRE(!daub_safetensors_metadata(st, "other"));
    REQUIRE_TEXT(daub_safetensors_path(st), path);
    const struct daub_st_tensor *t = daub_safetensors_find(st, tensors[0].name);
    REQUIRE(t && t->n_dims == 2 && t->dims[0] == 2 && t->dims[1] == 3 && t->dtype == DAUB_FILE_F32);
    float got[6];
    REQUIRE_OK(daub_safetensors_floats(st, t, got));
    REQUIRE(memcmp(got, a, sizeof(a)) == 0);
    daub_safetensors_release(st, t); // advice only: the data can still be read
    REQUIRE(memcmp(daub_safetensors_data(st, t), a, sizeof(a)) == 0);
    t = daub_safetensors_find(st, "zwei \\u00e4");
    REQUIRE(!t);
    t = daub_safetensors_find(st, tensors[1].name);
    REQUIRE(t && t->n_dims == 0 && t->size == 4);
    daub_safetensors_close(&st);
    REQUIRE(unlink(path) == 0);
    REQUIRE_STATUS(daub_safetensors_open(NULL, path, &st), DAUB_ERROR_IO, path);
}

static uint32_t random_u32(uint64_t *state) // Marsaglia's xorshift
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}

// Reads all that an accepted file claims to hold: a wrong range is a fault under a sanitizer.
static uint64_t touch_everything(const struct daub_safetensors *st)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < daub_safetensors_count(st); i++) {
        const struct daub_st_tensor *t = daub_safetensors_at(st, i);
        const uint8_t *data = daub_safetensors_data(st, t);
        REQUIRE(daub_safetensors_find(st, t->name) == t);
        for (uint64_t b = 0; b < t->size; b++)
            sum += data[b];
    }
    return sum;
}

static void test_mutations(void)
{
    struct file good;
    build(&good,
          "{\"__metadata__\":{\"format\":\"pt\",\"\\u00e4\":\"\\ud83d\\ude00\"}," T("a.weight", "F32", "2,3",
                                                                                    "0,24") "," //
          T("b", "F16", "4", "24,32") "," T("c\\n", "I64", "", "32,40") "," T("d", "X9", "7", "40,47") "}",
          47);
    const size_t seeds = getenv("DAUB_MUTATIONS") ? strtoul(getenv("DAUB_MUTATIONS"), NULL, 10) : MUTATIONS;
    uint64_t state = 88172645463325252u, accepted = 0, sum = 0;
    for (size_t i = 0; i < seeds; i++) {
        struct file f = good;
        const uint32_t n = 1 + random_u32(&state) % 4;
        for (uint32_t k = 0; k < n; k++) {
            const size_t at = random_u32(&state) % f.size, other = random_u32(&state) % f.size;
            static const char likely[] = "{}[]\",:\\u0123456789eE.-+ \n";
            switch (random_u32(&state) % 5) {
            case 0:
                f.bytes[at] = (uint8_t)random_u32(&state);
                break;
            case 1:
                f.bytes[at] = (uint8_t)likely[random_u32(&state) % (sizeof(likely) - 1)];
                break;
            case 2:
                f.bytes[at] = f.bytes[other];
                break;
            case 3:
                f.size = at + 1;
                break;
            default: // a stretch moves over another
                memmove(f.bytes + at, f.bytes + other, f.size - (at > other ? at : other));
            }
        }
        // A block of exactly the file's size, so that a sanitizer sees one byte too many.
        uint8_t *exact = malloc(f.size);
        REQUIRE(exact);
        memcpy(exact, f.bytes, f.size);
        struct daub_safetensors *st = NULL;
        const daub_status status = daub_safetensors_open_memory(NULL, "mutant", exact, f.size, &st);
        REQUIRE(status == DAUB_OK || status == DAUB_ERROR_BAD_FILE);
        if (status == DAUB_OK) {
            accepted++;
            sum += touch_everything(st);
        }
        daub_safetensors_close(&st);
        free(exact);
    }
    printf("%zu mutants, %llu accepted, sum %llu\n", seeds, (unsigned long long)accepted, (unsigned long long)sum);
    REQUIRE(accepted > 0 && accepted < seeds);
}

int main(void)
{
    test_lies();
    test_other_files();
    test_dtypes();
    test_round_trip();
    test_mutations();
    return 0;
}

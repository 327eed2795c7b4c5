// test_pack_read.c - weights packed while they are read are byte for byte those packed where they lie, in bounded pieces.
#include "runtime/base/blob.h"
#include "runtime/io/pack.h"

#include "tests/test.h"

static const uint8_t *source;
static size_t largest;
static uint32_t n_reads, fail_at;

static bool read_some(void *user, uint64_t offset, void *dst, size_t size)
{
    (void)user;
    largest = size > largest ? size : largest;
    memcpy(dst, source + offset, size);
    return ++n_reads != fail_at;
}

struct pack_case {
    struct daub_pack pack;
    enum daub_file_dtype dtype;
    uint32_t n_dims;
    uint64_t dims[4];
    bool transposed, pieces; // pieces: it is larger than one
};

static void check(const struct pack_case *c)
{
    uint64_t n = 1;
    uint32_t dims[4] = { 0 };
    for (uint32_t i = 0; i < c->n_dims; i++)
        n *= dims[i] = (uint32_t)c->dims[i];
    const size_t size = n * daub_file_dtype_size(c->dtype), before = 24;
    uint8_t *bytes = malloc(before + size);
    REQUIRE(bytes);
    for (size_t i = 0; i < before + size; i++) // small values, whatever the type
        bytes[i] = (uint8_t)(i * 2654435761u >> 13 & 0x3b);
    source = bytes;
    largest = n_reads = fail_at = 0;

    const size_t packed = daub_pack_size(&c->pack, dims, c->n_dims);
    uint8_t *want = malloc(packed), *got = malloc(packed);
    REQUIRE(want && got);
    memset(got, 0x5a, packed);
    const daub_source callback = { .read = read_some, .size = before + size };
    struct daub_blob *blob = NULL;
    REQUIRE_OK(daub_blob_open_source(NULL, "a test", &callback, &blob));
    struct daub_view view = {
        .data = bytes + before, .dtype = c->dtype, .n_dims = c->n_dims, .transposed = c->transposed
    };
    memcpy(view.dims, c->dims, sizeof(view.dims));
    daub_pack_weight(&c->pack, &view, want);
    view.data = NULL;
    view.blob = blob;
    view.at = before;
    REQUIRE_OK(daub_pack_read(NULL, &c->pack, &view, got));
    REQUIRE(memcmp(want, got, packed) == 0);
    REQUIRE(c->pieces ? n_reads > 1 && largest <= DAUB_PACK_PIECE : n_reads == 1);
    fail_at = n_reads;
    n_reads = 0;
    REQUIRE_STATUS(daub_pack_read(NULL, &c->pack, &view, got), DAUB_ERROR_IO, "cannot read memory");
    daub_blob_close(&blob);
    free(want);
    free(got);
    free(bytes);
}

#define MATRIX(n_in, n_out)                                                                                        \
    .kind = DAUB_PACK_PANEL, .dtype = DAUB_F16, .kernel_h = 1, .kernel_w = 1, .in = { .c = { n_in }, .heads = 1 }, \
    .out = { .c = { n_out }, .heads = 1 }

int main(void)
{
    static const struct pack_case cases[] = {
        { { MATRIX(70, 100) }, DAUB_FILE_F16, 2, { 100, 70 }, false, false },
        { { MATRIX(2048, 5000) }, DAUB_FILE_F32, 2, { 5000, 2048 }, false, true },
        { { MATRIX(1280, 5120), .geglu = true }, DAUB_FILE_F16, 2, { 10240, 1280 }, false, true },
        { { MATRIX(2048, 2560) }, DAUB_FILE_F32, 2, { 2560, 2048 }, true, false }, // whole: columns are its rows
        { { .kind = DAUB_PACK_PANEL,
            .dtype = DAUB_F32,
            .kernel_h = 3,
            .kernel_w = 3,
            .in = { .c = { 600 }, .heads = 1 },
            .out = { .c = { 1000 }, .heads = 1 } },
          DAUB_FILE_F32,
          4,
          { 1000, 600, 3, 3 },
          false,
          true },
        { { .kind = DAUB_PACK_PANEL,
            .dtype = DAUB_F16,
            .kernel_h = 3,
            .kernel_w = 3,
            .winograd = 16,
            .in = { .c = { 640, 320 }, .heads = 1 },
            .out = { .c = { 1280 }, .heads = 1 } },
          DAUB_FILE_BF16,
          4,
          { 1280, 960, 3, 3 },
          false,
          true },
        { { .kind = DAUB_PACK_PANEL,
            .dtype = DAUB_F16,
            .kernel_h = 1,
            .kernel_w = 1,
            .in = { .c = { 2048 }, .heads = 1 },
            .out = { .c = { 2560 }, .heads = 8 } },
          DAUB_FILE_F32,
          2,
          { 2560, 2048 },
          false,
          true },
        { { .kind = DAUB_PACK_ROWS, .dtype = DAUB_F16 }, DAUB_FILE_F32, 2, { 9000, 770 }, false, true },
        { { .kind = DAUB_PACK_VECTOR, .dtype = DAUB_F32, .out = { .c = { 77 }, .heads = 1 } },
          DAUB_FILE_F32,
          1,
          { 77 },
          false,
          false },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check(&cases[i]);
    return 0;
}

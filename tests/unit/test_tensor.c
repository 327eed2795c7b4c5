// link: base graph
// test_tensor.c - between plain arrays and stored words: every layout comes back, padding is zero.
#include "runtime/graph/tensor.h"
#include "tests/test.h"

static void round_trip(enum daub_dtype dtype, struct daub_shape shape, uint32_t heads, bool nchw)
{
    const struct daub_tensor t = { .shape = shape, .heads = heads, .dtype = dtype };
    const size_t n = (size_t)shape.n * shape.h * shape.w * shape.c;
    float *in = malloc(n * sizeof(float)), *out = malloc(n * sizeof(float));
    uint8_t *stored = malloc((size_t)daub_tensor_size(&t));
    REQUIRE(in && out && stored);
    for (size_t i = 0; i < n; i++)
        in[i] = (float)(i % 1000) - 500.0f; // exact in fp16
    memset(stored, 0xff, (size_t)daub_tensor_size(&t));
    daub_tensor_pack(&t, nchw, in, stored);
    daub_tensor_unpack(&t, nchw, stored, out);
    REQUIRE(memcmp(in, out, n * sizeof(float)) == 0);

    const uint32_t head_c = shape.c / heads, padded = (head_c + 7) / 8 * 8, element = dtype == DAUB_F16 ? 2 : 4;
    REQUIRE(daub_row_size(&t) == (uint64_t)heads * padded * element);
    for (size_t row = 0; row < daub_rows(&t); row++)
        for (uint32_t c = 0; c < heads * padded; c++)
            for (uint32_t b = 0; c % padded >= head_c && b < element; b++)
                REQUIRE(stored[row * daub_row_size(&t) + c * element + b] == 0);
    free(in);
    free(out);
    free(stored);
}

int main(void)
{
    for (int dtype = DAUB_F32; dtype <= DAUB_F16; dtype++) {
        for (int nchw = 0; nchw < 2; nchw++) {
            round_trip((enum daub_dtype)dtype, (struct daub_shape) { 2, 3, 5, 13 }, 1, nchw != 0);
            round_trip((enum daub_dtype)dtype, (struct daub_shape) { 1, 1, 7, 24 }, 8, nchw != 0);
            round_trip((enum daub_dtype)dtype, (struct daub_shape) { 3, 4, 1, 8 }, 1, nchw != 0);
            round_trip((enum daub_dtype)dtype, (struct daub_shape) { 1, 1, 1, 1 }, 1, nchw != 0);
        }
    }
    // channel 3 of pixel (1, 2) of picture 1 of an NCHW array stands where the layout says
    const struct daub_tensor t = { .shape = { 2, 2, 3, 4 }, .heads = 1, .dtype = DAUB_F32 };
    float plain[48] = { 0 }, stored[2 * 2 * 3 * 8];
    plain[((1 * 4 + 3) * 2 + 1) * 3 + 2] = 7.0f;
    daub_tensor_pack(&t, true, plain, stored);
    REQUIRE(stored[((1 * 2 + 1) * 3 + 2) * 8 + 3] == 7.0f);
    return 0;
}

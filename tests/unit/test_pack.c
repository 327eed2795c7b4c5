// test_pack.c - packed weights hold each element of the file where pack.h says, zeros elsewhere, from every file type.
#include "runtime/base/half.h"
#include "runtime/io/pack.h"
#include "tests/test.h"

// A file's element (o, i, ky, kx) is a value that fp16 and bf16 store exactly and that no other element within 97 shares.
static float element(size_t index)
{
    return (float)(index % 97) + 1.0f;
}

static size_t file_size(enum daub_file_dtype dtype)
{
    return dtype == DAUB_FILE_F64 || dtype == DAUB_FILE_I64   ? 8
           : dtype == DAUB_FILE_F32 || dtype == DAUB_FILE_I32 ? 4
           : dtype == DAUB_FILE_U8                            ? 1
                                                              : 2;
}

static void write_element(uint8_t *at, enum daub_file_dtype dtype, float value)
{
    const double f64 = (double)value;
    const int64_t i64 = (int64_t)value;
    const int32_t i32 = (int32_t)value;
    const uint16_t f16 = daub_half_from_float(value), bf16 = daub_bf16_from_float(value);
    const uint8_t u8 = (uint8_t)value;
    const void *from = dtype == DAUB_FILE_F64    ? (const void *)&f64
                       : dtype == DAUB_FILE_F32  ? (const void *)&value
                       : dtype == DAUB_FILE_F16  ? (const void *)&f16
                       : dtype == DAUB_FILE_BF16 ? (const void *)&bf16
                       : dtype == DAUB_FILE_I64  ? (const void *)&i64
                       : dtype == DAUB_FILE_I32  ? (const void *)&i32
                                                 : (const void *)&u8;
    memcpy(at, from, file_size(dtype));
}

// A view of dims [o][i...] whose data starts at an odd address, as in a mapped file.
static uint8_t *make_file(struct daub_view *view, enum daub_file_dtype dtype, const uint32_t *dims, uint32_t n_dims,
                          bool transposed)
{
    size_t n = 1;
    for (uint32_t i = 0; i < n_dims; i++)
        n *= dims[i];
    uint8_t *block = malloc(n * file_size(dtype) + 1);
    REQUIRE(block);
    *view = (struct daub_view) { .data = block + 1, .dtype = dtype, .n_dims = n_dims, .transposed = transposed };
    for (uint32_t i = 0; i < n_dims; i++)
        view->dims[i] = dims[i];
    for (size_t i = 0; i < n; i++) {
        const size_t at = transposed ? i % dims[1] * dims[0] + i / dims[1] : i;
        write_element(block + 1 + at * file_size(dtype), dtype, element(i));
    }
    return block;
}

// U = G g G^T of the kernel whose first element is `first`, by the definition.
static double transformed(size_t first, uint32_t row, uint32_t column)
{
    static const double g[4][3] = { { 1, 0, 0 }, { 0.5, 0.5, 0.5 }, { 0.5, -0.5, 0.5 }, { 0, 0, 1 } };
    double sum = 0.0;
    for (uint32_t y = 0; y < 3; y++)
        for (uint32_t x = 0; x < 3; x++)
            sum += g[row][y] * g[column][x] * (double)element(first + y * 3 + x);
    return sum;
}

// Of all that is packed here (FNV-1a): what a cache of packed weights holds of an older daub.
static uint64_t layout_sum = 0xcbf29ce484222325u;

static double stored(const void *packed, enum daub_dtype dtype, size_t i)
{
    return dtype == DAUB_F16 ? (double)daub_half_to_float(((const uint16_t *)packed)[i])
                             : (double)((const float *)packed)[i];
}

// Fills with rubbish first: padding must be written.
static void *pack(const struct daub_pack *layout, const struct daub_view *view, const uint32_t *dims, uint32_t n_dims,
                  size_t wanted_size)
{
    const uint64_t size = daub_pack_size(layout, dims, n_dims);
    REQUIRE(size == wanted_size && size % 16 == 0);
    uint8_t *out = malloc((size_t)size + 16);
    REQUIRE(out);
    memset(out, 0x5a, (size_t)size + 16);
    daub_pack_weight(layout, view, out);
    for (int i = 0; i < 16; i++)
        REQUIRE(out[size + (size_t)i] == 0x5a);
    for (size_t i = 0; i < (size_t)size; i++)
        layout_sum = (layout_sum ^ out[i]) * 0x100000001b3u;
    return out;
}

struct panel_case {
    struct daub_channels in, out; // out of one half with geglu
    uint32_t kernel_h, kernel_w;
    bool geglu, transposed;
};

// Physical index of logical channel i, by the definition: parts, runs, runs padded to 8.
static size_t physical(const struct daub_channels *c, uint32_t i)
{
    const uint32_t part = i >= c->c[0], within = i - (part ? c->c[0] : 0), run = c->c[part] / c->heads;
    const size_t before = part ? c->heads * (size_t)((c->c[0] / c->heads + 7) / 8 * 8) : 0;
    return before + within / run * (size_t)((run + 7) / 8 * 8) + within % run;
}

static size_t total(const struct daub_channels *c)
{
    return physical(c, c->c[0] + c->c[1] - 1) / 8 * 8 + 8;
}

static void check_panel(const struct panel_case *c, enum daub_dtype dtype, enum daub_file_dtype file)
{
    const uint32_t half_out = c->out.c[0], n_out = c->geglu ? 2 * half_out : half_out, n_in = c->in.c[0] + c->in.c[1];
    const uint32_t taps = c->kernel_h * c->kernel_w, n_dims = taps > 1 ? 4 : 2;
    const uint32_t dims[] = { n_out, n_in, c->kernel_h, c->kernel_w };
    const struct daub_pack layout = {
        .kind = DAUB_PACK_PANEL,
        .dtype = dtype,
        .kernel_h = c->kernel_h,
        .kernel_w = c->kernel_w,
        .in = c->in,
        .out = c->out,
        .geglu = c->geglu,
    };
    const size_t k = taps * total(&c->in), panels = (total(&c->out) + 63) / 64 * (c->geglu ? 2 : 1);
    struct daub_view view;
    uint8_t *block = make_file(&view, file, dims, n_dims, c->transposed);
    void *out = pack(&layout, &view, dims, n_dims, panels * k * 64 * (dtype == DAUB_F16 ? 2 : 4));

    double sum = 0.0, want_sum = 0.0;
    for (uint32_t o = 0; o < n_out; o++)
        for (uint32_t i = 0; i < n_in; i++)
            for (uint32_t tap = 0; tap < taps; tap++) {
                const size_t column = physical(&c->out, o % half_out);
                const size_t panel = c->geglu ? column / 64 * 2 + o / half_out : column / 64;
                const size_t row = tap * total(&c->in) + physical(&c->in, i);
                const double want = (double)element(((size_t)o * n_in + i) * taps + tap);
                REQUIRE_NEAR(stored(out, dtype, (panel * k + row) * 64 + column % 64), want, 0.0);
                want_sum += want;
            }
    for (size_t i = 0; i < panels * k * 64; i++)
        sum += stored(out, dtype, i);
    REQUIRE_NEAR(sum, want_sum, 0.0); // so all else is zero
    free(out);
    free(block);
}

static void test_panels(void)
{
    static const struct panel_case cases[] = {
        { { { 8, 0 }, 1 }, { { 64, 0 }, 1 }, 1, 1, false, false },
        { { { 13, 0 }, 1 }, { { 70, 0 }, 1 }, 1, 1, false, true },
        { { { 4, 0 }, 1 }, { { 320, 0 }, 1 }, 3, 3, false, false },
        { { { 200, 0 }, 1 }, { { 5, 0 }, 1 }, 3, 3, false, false },
        { { { 72, 0 }, 1 }, { { 9, 0 }, 1 }, 7, 7, false, false },
        { { { 16, 11 }, 1 }, { { 20, 0 }, 1 }, 3, 2, false, false },
        { { { 24, 0 }, 6 }, { { 40, 0 }, 8 }, 1, 1, false, false },  // heads of 4 in, of 5 out
        { { { 120, 0 }, 3 }, { { 30, 0 }, 10 }, 1, 1, false, true }, // of 40 in, of 3 out
        { { { 32, 0 }, 1 }, { { 50, 0 }, 1 }, 1, 1, true, false },
        { { { 10, 0 }, 1 }, { { 130, 0 }, 1 }, 1, 1, true, false },
        { { { 2333, 0 }, 1 },
          { { 70, 0 }, 1 },
          1,
          1,
          false,
          false }, // several pieces of work a panel, the last one odd
        { { { 260, 30 }, 1 }, { { 5, 0 }, 1 }, 3, 3, false, false },
        { { { 2100, 0 }, 105 },
          { { 66, 0 }, 1 },
          1,
          1,
          false,
          false }, // heads of 20: pieces end inside a head's padding
        { { { 300, 0 }, 1 }, { { 400, 0 }, 1 }, 1, 1, false, true },
        { { { 100, 0 }, 1 }, { { 150, 0 }, 1 }, 7, 7, false, false }, // large enough for several threads
    };
    static const enum daub_file_dtype files[] = { DAUB_FILE_F32, DAUB_FILE_F16, DAUB_FILE_BF16, DAUB_FILE_F64,
                                                  DAUB_FILE_I64, DAUB_FILE_I32, DAUB_FILE_U8 };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
            check_panel(&cases[i], DAUB_F32, files[f]);
            check_panel(&cases[i], DAUB_F16, files[f]);
        }
}

static void check_winograd(uint32_t positions, enum daub_dtype dtype, enum daub_file_dtype file)
{
    const struct daub_channels in = { { 72, 11 }, 1 }, out_channels = { { 70, 0 }, 1 };
    const uint32_t dims[] = { 70, 83, 3, 3 };
    const struct daub_pack layout = { .kind = DAUB_PACK_PANEL,
                                      .dtype = dtype,
                                      .kernel_h = 3,
                                      .kernel_w = 3,
                                      .in = in,
                                      .out = out_channels,
                                      .winograd = positions };
    const size_t k = positions * total(&in);
    struct daub_view view;
    uint8_t *block = make_file(&view, file, dims, 4, false);
    void *out = pack(&layout, &view, dims, 4, 2 * k * 64 * (dtype == DAUB_F16 ? 2 : 4));
    size_t zeros = 0;
    for (size_t i = 0; i < 2 * k * 64; i++)
        zeros += stored(out, dtype, i) == 0.0;
    REQUIRE(zeros >= 2 * k * 64 - 70ull * 83 * positions);
    for (uint32_t o = 0; o < 70; o++)
        for (uint32_t i = 0; i < 83; i++)
            for (uint32_t p = 0; p < positions; p++) {
                const uint32_t side = positions == 16 ? 4 : 3;
                const uint32_t row = p / side, column = p % side; // of 9: rows and columns 0, 1 and 3
                const double want = transformed(((size_t)o * 83 + i) * 9, positions == 9 && row == 2 ? 3 : row,
                                                positions == 9 && column == 2 ? 3 : column);
                const size_t at = (o / 64 * k + p * total(&in) + physical(&in, i)) * 64 + o % 64;
                REQUIRE_NEAR(stored(out, dtype, at), want, dtype == DAUB_F16 ? 0.0005 * fabs(want) : 0.0);
            }
    free(out);
    free(block);
}

static void test_winograd(void)
{
    for (uint32_t positions = 9; positions <= 16; positions += 7) {
        check_winograd(positions, DAUB_F32, DAUB_FILE_F16);
        check_winograd(positions, DAUB_F16, DAUB_FILE_F16);
        check_winograd(positions, DAUB_F16, DAUB_FILE_F32);
        check_winograd(positions, DAUB_F32, DAUB_FILE_BF16);
    }
}

// Value of tap (i, j) of phase (a, b): the 3x3 kernel's taps that fall on that pixel of the smaller picture.
static double phase_tap(size_t first, uint32_t a, uint32_t b, uint32_t i, uint32_t j)
{
    double sum = 0.0;
    for (uint32_t y = 0; y < 3; y++)
        for (uint32_t x = 0; x < 3; x++) // floor((a + y - 1) / 2) + 1 - a is the row of the pair
            if ((a + y + 1) / 2 - a == i && (b + x + 1) / 2 - b == j)
                sum += (double)element(first + y * 3 + x);
    return sum;
}

static void check_phases(enum daub_dtype dtype, enum daub_file_dtype file)
{
    const struct daub_channels in = { { 20, 11 }, 1 }, out_channels = { { 70, 0 }, 1 };
    const uint32_t dims[] = { 70, 31, 3, 3 };
    const struct daub_pack layout = { .kind = DAUB_PACK_PANEL,
                                      .dtype = dtype,
                                      .kernel_h = 3,
                                      .kernel_w = 3,
                                      .in = in,
                                      .out = out_channels,
                                      .phases = true };
    const size_t k = 16 * (size_t)total(&in);
    struct daub_view view;
    uint8_t *block = make_file(&view, file, dims, 4, false);
    void *out = pack(&layout, &view, dims, 4, 2 * k * 64 * (dtype == DAUB_F16 ? 2 : 4));
    for (uint32_t o = 0; o < 70; o++)
        for (uint32_t i = 0; i < 31; i++)
            for (uint32_t tap = 0; tap < 16; tap++) {
                const double want = phase_tap(((size_t)o * 31 + i) * 9, tap / 8, tap / 4 % 2, tap / 2 % 2, tap % 2);
                const size_t at = (o / 64 * k + tap * total(&in) + physical(&in, i)) * 64 + o % 64;
                REQUIRE_NEAR(stored(out, dtype, at), want, dtype == DAUB_F16 ? 0.0005 * fabs(want) : 1e-6 * fabs(want));
            }
    free(out);
    free(block);
}

static void test_phases(void)
{
    check_phases(DAUB_F32, DAUB_FILE_F32);
    check_phases(DAUB_F16, DAUB_FILE_F16);
    check_phases(DAUB_F16, DAUB_FILE_BF16);
}

static void test_vector(void)
{
    const uint32_t n = 30;
    struct daub_view view;
    uint8_t *block = make_file(&view, DAUB_FILE_BF16, &n, 1, false);
    struct daub_pack layout = { .kind = DAUB_PACK_VECTOR, .out = { { 30, 0 }, 10 } };
    float *out = pack(&layout, &view, &n, 1, 10 * 8 * sizeof(float)); // heads of 3
    for (uint32_t i = 0; i < 80; i++)
        REQUIRE_NEAR(out[i], i % 8 < 3 ? element(i / 8 * 3 + i % 8) : 0.0f, 0.0);
    free(out);

    layout.out = (struct daub_channels) { { 15, 0 }, 1 };
    layout.geglu = true; // a panel of values, a panel of gates
    out = pack(&layout, &view, &n, 1, 128 * sizeof(float));
    for (uint32_t i = 0; i < 128; i++)
        REQUIRE_NEAR(out[i], i % 64 < 15 ? element(i / 64 * 15 + i % 64) : 0.0f, 0.0);
    free(out);
    free(block);
}

static void test_rows(enum daub_dtype dtype, bool transposed)
{
    const uint32_t dims[] = { 600, 77 };
    struct daub_view view;
    uint8_t *block = make_file(&view, DAUB_FILE_F16, dims, 2, transposed);
    const struct daub_pack layout = { .kind = DAUB_PACK_ROWS, .dtype = dtype };
    void *out = pack(&layout, &view, dims, 2, 600 * 80 * (dtype == DAUB_F16 ? 2 : 4));
    for (size_t row = 0; row < 600; row++)
        for (size_t i = 0; i < 80; i++)
            REQUIRE_NEAR(stored(out, dtype, row * 80 + i), i < 77 ? element(row * 77 + i) : 0.0f, 0.0);
    free(out);
    free(block);
}

static void test_channels(void)
{
    const struct daub_channels pair = { { 16, 11 }, 1 }, heads = { { 20, 0 }, 4 };
    REQUIRE(daub_channels_physical(&pair) == 32);
    REQUIRE(daub_channels_physical(&heads) == 32);
    for (uint32_t i = 0; i < 32; i++) {
        REQUIRE(daub_channels_logical(&pair, i) == (i < 27 ? i : UINT32_MAX));
        REQUIRE(daub_channels_logical(&heads, i) == (i % 8 < 5 ? i / 8 * 5 + i % 8 : UINT32_MAX));
    }
    REQUIRE(daub_channels_logical(&pair, 32) == UINT32_MAX);
    REQUIRE(daub_channels_logical(&heads, 1000) == UINT32_MAX);
}

int main(void)
{
    test_channels();
    test_panels();
    test_winograd();
    test_phases();
    test_vector();
    test_rows(DAUB_F32, false);
    test_rows(DAUB_F32, true);
    test_rows(DAUB_F16, false);
    test_rows(DAUB_F16, true);
    // Another sum is another layout, unless the cases are others: then DAUB_PACK_VERSION rises with it.
    if (DAUB_PACK_VERSION != 1 || layout_sum != 0xa5d5cefcc3a60292u)
        printf("version %d, sum 0x%016llx\n", DAUB_PACK_VERSION, (unsigned long long)layout_sum);
    REQUIRE(DAUB_PACK_VERSION == 1 && layout_sum == 0xa5d5cefcc3a60292u);
    return 0;
}

// test_image.c - daub_image_read: formats, channels, limits, and damaged files, which give sentences and nothing else.
#include "daub.h"

#include "tests/test.h"

static daub_status read_memory(const void *data, size_t size, daub_image *out)
{
    const daub_source source = { .data = data, .size = size };
    return daub_image_read_source(&source, out);
}

// A callback that reads from memory, and may fail.
struct reader {
    const uint8_t *data;
    bool fails;
};
static bool read_some(void *user, uint64_t offset, void *dst, size_t size)
{
    const struct reader *r = user;
    memcpy(dst, r->data + offset, size);
    return !r->fails;
}

static void put(uint8_t **at, const void *bytes, size_t n)
{
    memcpy(*at, bytes, n);
    *at += n;
}

// A picture of 2x3 pixels, the i-th byte of its rows top down is 10 i.
static void check_ramp(const daub_image *image, uint32_t channels)
{
    REQUIRE(image->width == 2 && image->height == 3 && image->channels == channels);
    for (uint32_t i = 0; i < 6 * channels; i++)
        REQUIRE(image->pixels[i] == 10 * i);
}

static size_t make_pnm(uint8_t *out, char kind, uint32_t channels)
{
    const int head = sprintf((char *)out, "P%c\n2 3\n255\n", kind);
    for (uint32_t i = 0; i < 6 * channels; i++)
        out[(uint32_t)head + i] = (uint8_t)(10 * i);
    return (size_t)head + 6 * channels;
}

// Uncompressed, from the top, of 24 or 32 bits: TGA keeps blue first.
static size_t make_tga(uint8_t *out, uint32_t channels)
{
    const uint8_t head[18] = { 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, (uint8_t)(8 * channels), 0x20 };
    memcpy(out, head, 18);
    for (uint32_t i = 0; i < 6; i++)
        for (uint32_t c = 0; c < channels; c++)
            out[18 + i * channels + c] = (uint8_t)(10 * (i * channels + (c < 3 ? 2 - c : 3)));
    return 18 + 6 * channels;
}

static uint32_t crc(const uint8_t *data, size_t n)
{
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        c ^= data[i];
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
    }
    return ~c;
}

static void put_be32(uint8_t **at, uint32_t v)
{
    const uint8_t bytes[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
    put(at, bytes, 4);
}

static void put_chunk(uint8_t **at, const char *type, const uint8_t *data, uint32_t n)
{
    put_be32(at, n);
    uint8_t *const begin = *at;
    put(at, type, 4);
    put(at, data, n);
    put_be32(at, crc(begin, n + 4));
}

// Stored, not compressed; `w` and `h` as claimed, the data is that of 2x3.
static size_t make_png(uint8_t *out, uint8_t colour, uint32_t channels, uint32_t w, uint32_t h)
{
    uint8_t raw[128], z[160], ihdr[13], *at = out, *p = raw;
    for (uint32_t y = 0; y < 3; y++) {
        *p++ = 0; // no filter
        for (uint32_t i = 0; i < 2 * channels; i++)
            *p++ = (uint8_t)(10 * (y * 2 * channels + i));
    }
    const uint32_t n = (uint32_t)(p - raw);
    uint32_t a = 1, b = 0; // Adler-32
    for (uint32_t i = 0; i < n; i++) {
        a = (a + raw[i]) % 65521;
        b = (b + a) % 65521;
    }
    const uint8_t head[7] = { 0x78, 1, 1, (uint8_t)n, 0, (uint8_t)~n, 0xff };
    p = z;
    put(&p, head, 7);
    put(&p, raw, n);
    put_be32(&p, b << 16 | a);
    put(&at, "\x89PNG\r\n\x1a\n", 8);
    uint8_t *q = ihdr;
    put_be32(&q, w);
    put_be32(&q, h);
    const uint8_t rest[5] = { 8, colour, 0, 0, 0 };
    put(&q, rest, 5);
    put_chunk(&at, "IHDR", ihdr, 13);
    put_chunk(&at, "IDAT", z, (uint32_t)(p - z));
    put_chunk(&at, "IEND", z, 0);
    return (size_t)(at - out);
}

static void test_formats(void)
{
    static const struct {
        uint8_t colour;
        uint32_t channels;
    } pngs[] = { { 0, 1 }, { 4, 2 }, { 2, 3 }, { 6, 4 } };
    uint8_t data[512];
    daub_image image = { 0 };
    for (size_t i = 0; i < 4; i++) {
        REQUIRE_OK(read_memory(data, make_png(data, pngs[i].colour, pngs[i].channels, 2, 3), &image));
        check_ramp(&image, pngs[i].channels);
        daub_image_free(&image);
    }
    for (uint32_t channels = 3; channels <= 4; channels++) {
        REQUIRE_OK(read_memory(data, make_tga(data, channels), &image));
        check_ramp(&image, channels);
        daub_image_free(&image);
    }
    REQUIRE_OK(read_memory(data, make_pnm(data, '6', 3), &image));
    check_ramp(&image, 3);
    daub_image_free(&image);
    REQUIRE_OK(read_memory(data, make_pnm(data, '5', 1), &image));
    check_ramp(&image, 1);
    daub_image_free(&image);

    char path[] = "/tmp/daub-image-XXXXXX";
    const int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    FILE *file = fdopen(fd, "wb");
    REQUIRE(file);
    const size_t size = make_png(data, 2, 3, 2, 3);
    REQUIRE(fwrite(data, 1, size, file) == size && fclose(file) == 0);
    REQUIRE_OK(daub_image_read(path, &image));
    check_ramp(&image, 3);
    daub_image_free(&image);

    struct reader reader = { .data = data };
    const daub_source by_path = { .path = path };
    const daub_source by_callback = { .read = read_some, .size = size, .user = &reader, .name = "a game's pack" };
    REQUIRE_OK(daub_image_read_source(&by_path, &image));
    check_ramp(&image, 3);
    daub_image_free(&image);
    REQUIRE_OK(daub_image_read_source(&by_callback, &image));
    check_ramp(&image, 3);
    daub_image_free(&image);
    reader.fails = true;
    REQUIRE_STATUS(daub_image_read_source(&by_callback, &image), DAUB_ERROR_IO, "cannot read a game's pack");
    REQUIRE_STATUS(daub_image_read_source(NULL, &image), DAUB_ERROR_INVALID_ARG, "NULL");
    REQUIRE(remove(path) == 0);
    REQUIRE_STATUS(daub_image_read(path, &image), DAUB_ERROR_IO, path);
    REQUIRE_STATUS(daub_image_read(NULL, &image), DAUB_ERROR_INVALID_ARG, "NULL");
    REQUIRE_STATUS(read_memory(data, size, NULL), DAUB_ERROR_INVALID_ARG, "NULL");
    REQUIRE(!image.pixels);
}

static void test_limits(void)
{
    uint8_t data[512];
    daub_image image = { 0 };
    REQUIRE_STATUS(read_memory(data, make_png(data, 2, 3, 16385, 3), &image), DAUB_ERROR_BAD_FILE, "memory");
    REQUIRE_STATUS(read_memory(data, make_png(data, 2, 3, 0x7fffffff, 0x7fffffff), &image), DAUB_ERROR_BAD_FILE,
                   "memory");
    REQUIRE_STATUS(read_memory(data, make_png(data, 2, 3, 16384, 16384), &image), DAUB_ERROR_BAD_FILE,
                   "damaged"); // within the limits, and its data is not there
    REQUIRE_STATUS(read_memory("GIF89a\1\0\1\0\0\0\0", 13, &image), DAUB_ERROR_BAD_FILE,
                   "is no picture daub can read (PNG, JPEG, BMP, TGA, PGM, PPM)");
    REQUIRE_STATUS(read_memory("", 0, &image), DAUB_ERROR_INVALID_ARG, "0 bytes");
    REQUIRE(!image.pixels);
}

// A JPEG whose Huffman table claims 16 times 255 codes, which stb_image up to 2.27 writes behind its table's end.
static void test_jpeg_tables(void)
{
    static uint8_t data[8192];
    uint8_t *at = data;
    daub_image image = { 0 };
    static const uint8_t soi_dqt[] = { 0xff, 0xd8, 0xff, 0xc4, 0x10, 0x13, 0x00 };
    put(&at, soi_dqt, sizeof(soi_dqt));
    memset(at, 0xff, 16);
    at += 16 + 4080;
    static const uint8_t frame[] = { 0xff, 0xc0, 0,    11, 8, 0, 8, 0, 8, 1,  1, 0x11,
                                     0,    0xff, 0xda, 0,  8, 1, 1, 0, 0, 63, 0 };
    put(&at, frame, sizeof(frame));
    REQUIRE_STATUS(read_memory(data, (size_t)(at - data) + 64, &image), DAUB_ERROR_BAD_FILE, "");
    REQUIRE(!image.pixels);
}

// Whatever is changed or cut off: a picture within the limits, or a sentence.
static void test_damage(void)
{
    uint8_t good[3][512], data[512];
    const size_t sizes[3] = { make_png(good[0], 6, 4, 2, 3), make_tga(good[1], 3), make_pnm(good[2], '6', 3) };
    uint64_t state = 1;
    for (uint32_t i = 0; i < 30000; i++) {
        const uint32_t which = i % 3;
        state = state * 6364136223846793005u + 1442695040888963407u;
        const size_t size = i % 5 == 0 ? (size_t)(state >> 40) % sizes[which] : sizes[which];
        memcpy(data, good[which], sizes[which]);
        data[(state >> 33) % sizes[which]] ^= (uint8_t)(1u << (state >> 60 & 7));
        if (i % 2)
            data[(state >> 23) % 64 % sizes[which]] = (uint8_t)(state >> 50);
        daub_image image = { 0 };
        const daub_status status = read_memory(data, size, &image);
        REQUIRE(status == DAUB_OK ? image.pixels != NULL : !image.pixels && daub_last_error()[0]);
        const bool known = status == DAUB_OK || status == DAUB_ERROR_BAD_FILE || status == DAUB_ERROR_NO_HOST_MEMORY;
        REQUIRE(known || (size == 0 && status == DAUB_ERROR_INVALID_ARG));
        daub_image_free(&image);
    }
}

int main(void)
{
    test_formats();
    test_limits();
    test_jpeg_tables();
    test_damage();
    return 0;
}

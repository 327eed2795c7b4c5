// test_rgba.c - pixels as halves and floats: the values that rgb8 rounds, wherever a row begins and however bindings are cut.
#include "runtime/base/half.h"
#include "runtime/op/rgba.h"
#include "tests/op/vk.h"

enum { H = 37, W = 29, N = H * W, BEFORE = 13, FIRST = 5 }; // pixels; of y before the first, of x that are skipped

static void check(daub_device *dev, enum daub_dtype dtype, enum daub_pixels pixels)
{
    const struct daub_tensor x = { .shape = { 1, H, W, 3 }, .heads = 1, .dtype = dtype };
    const uint32_t size = daub_pixel_size(pixels);
    float *plain = malloc(3 * N * sizeof(float));
    uint8_t *stored = malloc(daub_tensor_size(&x)), *got = malloc((size_t)(BEFORE + N) * size);
    REQUIRE(plain && stored && got);
    for (uint32_t i = 0; i < 3 * N; i++)
        plain[i] = daub_half_to_float(daub_half_from_float(1.2f * sinf(0.37f * (float)i))); // a sixth is clipped
    daub_tensor_pack(&x, true, plain, stored);

    struct daub_buffer *from = NULL, *to = NULL;
    struct daub_cmd *cmd = NULL;
    REQUIRE_OK(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, daub_tensor_size(&x), "x", &from));
    REQUIRE_OK(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, (uint64_t)(BEFORE + N) * size, "y", &to));
    REQUIRE_OK(daub_upload(dev, vk_whole(from), stored));
    REQUIRE_OK(daub_fill(dev, vk_whole(to), 0xa5a5a5a5u));
    const struct daub_rgba rgba = { .x = &x,
                                    .x_range = vk_whole(from),
                                    .x_first = FIRST,
                                    .n = N - FIRST,
                                    .y = vk_whole(to),
                                    .pixels = pixels,
                                    .y_first = BEFORE };
    REQUIRE_OK(daub_cmd_create(dev, "rgba", &cmd));
    REQUIRE_OK(daub_rgba_record(daub_device_caps(dev), cmd, &rgba));
    REQUIRE_OK(daub_cmd_end(cmd));
    REQUIRE_OK(daub_submit_and_wait(dev, cmd));
    REQUIRE_OK(daub_download(dev, vk_whole(to), got));
    for (uint32_t i = 0; i < BEFORE * size; i++)
        REQUIRE(got[i] == 0xa5);
    for (uint32_t i = 0; i < N - FIRST; i++)
        for (uint32_t c = 0; c < 4; c++) {
            const float want = c == 3 ? 1.0f : fminf(fmaxf(plain[c * N + FIRST + i] * 0.5f + 0.5f, 0.0f), 1.0f);
            const uint8_t *at = got + (size_t)(BEFORE + i) * size + c * size / 4;
            float value;
            uint16_t bits;
            memcpy(&value, at, size / 4 < sizeof(value) ? 0 : sizeof(value));
            memcpy(&bits, at, sizeof(bits));
            if (pixels == DAUB_PIXELS_RGBA16F)
                value = daub_half_to_float(bits);
            REQUIRE_NEAR(value, want, pixels == DAUB_PIXELS_RGBA16F ? 0x1p-12 : 1e-7);
        }
    daub_cmd_destroy(dev, &cmd);
    daub_buffer_destroy(dev, &from);
    daub_buffer_destroy(dev, &to);
    free(plain);
    free(stored);
    free(got);
}

int main(void)
{
    static const char *const masks[] = { "", "range=16K,align=256", "api=1.1,-uma" };
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        daub_device *dev = vk_open(masks[i]);
        for (int pixels = DAUB_PIXELS_RGBA16F; pixels <= DAUB_PIXELS_RGBA32F; pixels++) {
            check(dev, DAUB_F16, (enum daub_pixels)pixels);
            check(dev, DAUB_F32, (enum daub_pixels)pixels);
        }
        vk_close(dev);
    }
    return 0;
}

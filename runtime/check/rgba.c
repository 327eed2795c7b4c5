// rgba.c - pixels as halves and floats, and a given picture pasted over them: the values that rgb8 rounds, wherever a row begins and
// however bindings are cut.
#include "runtime/op/rgba.h"

#include "runtime/base/half.h"
#include "runtime/check/trial.h"

#include <math.h>
#include <string.h>

enum { H = 37, W = 29, N = H * W, BEFORE = 13, FIRST = 5 }; // pixels; of y before the first, of x that are skipped

struct rgba_case {
    enum daub_pixels pixels;
    bool paste;
};

struct bench { // what one case needs on the device
    struct daub_trial *trial;
    const struct rgba_case *t;
    struct daub_buffer *from, *to;
    struct daub_cmd *cmd;
    uint8_t *stored, *got; // what goes in, and what comes out
};

static struct daub_range whole(struct daub_buffer *buf)
{
    return (struct daub_range) { .buf = buf, .size = daub_buffer_size(buf) };
}

static enum daub_kernel kernel_of(const struct bench *b)
{
    const bool half = b->t->pixels == DAUB_PIXELS_RGBA16F;
    if (b->t->paste)
        return half                                  ? DAUB_KERNEL_paste_half
               : b->t->pixels == DAUB_PIXELS_RGBA32F ? DAUB_KERNEL_paste_float
                                                     : DAUB_KERNEL_paste_byte;
    if (b->trial->dtype == DAUB_F16)
        return half ? DAUB_KERNEL_rgba_f16_half : DAUB_KERNEL_rgba_f16_float;
    return half ? DAUB_KERNEL_rgba_f32_half : DAUB_KERNEL_rgba_f32_float;
}

// Channel c of pixel i as a value; bytes as 0..255.
static float value_of(enum daub_pixels pixels, const uint8_t *at, uint32_t i, uint32_t c)
{
    const uint32_t size = daub_pixel_size(pixels) / 4;
    const uint8_t *const bytes = at + ((size_t)i * 4 + c) * size;
    float value;
    uint16_t bits;
    if (pixels == DAUB_PIXELS_RGBA8)
        return (float)bytes[0];
    if (pixels == DAUB_PIXELS_RGBA16F) {
        memcpy(&bits, bytes, sizeof(bits));
        return daub_half_to_float(bits);
    }
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static void set_value(enum daub_pixels pixels, uint8_t *at, uint32_t i, uint32_t c, float value)
{
    const uint32_t size = daub_pixel_size(pixels) / 4;
    uint8_t *const bytes = at + ((size_t)i * 4 + c) * size;
    const uint16_t bits = daub_half_from_float(value);
    if (pixels == DAUB_PIXELS_RGBA8)
        bytes[0] = (uint8_t)(value * 255.0f);
    else if (pixels == DAUB_PIXELS_RGBA16F)
        memcpy(bytes, &bits, sizeof(bits));
    else
        memcpy(bytes, &value, sizeof(value));
}

static daub_status run(struct bench *b)
{
    daub_device *dev = b->trial->dev;
    daub_trial_uses(b->trial, kernel_of(b));
    TRY(daub_cmd_end(b->cmd));
    TRY(daub_submit_and_wait(dev, b->cmd));
    b->got = daub_trial_alloc(b->trial, (size_t)daub_buffer_size(b->to), 1);
    return b->got ? daub_download(dev, whole(b->to), b->got) : DAUB_ERROR_NO_HOST_MEMORY;
}

static daub_status judge(struct bench *b, const float *got, const double *want, size_t n)
{
    const double limit = b->t->pixels == DAUB_PIXELS_RGBA8 ? 0.0 : b->t->pixels == DAUB_PIXELS_RGBA16F ? 0x1p-11 : 1e-6;
    return daub_trial_compare_values(b->trial, got, want, n, limit);
}

static daub_status convert(struct bench *b)
{
    daub_device *dev = b->trial->dev;
    const enum daub_pixels pixels = b->t->pixels;
    const struct daub_tensor x = { .shape = { 1, H, W, 3 }, .heads = 1, .dtype = b->trial->dtype };
    float *plain = daub_trial_alloc(b->trial, 3 * N, sizeof(float));
    float *got = daub_trial_alloc(b->trial, 4 * N, sizeof(float));
    double *want = daub_trial_alloc(b->trial, 4 * N, sizeof(double));
    b->stored = daub_trial_alloc(b->trial, (size_t)daub_tensor_size(&x), 1);
    if (!plain || !got || !want || !b->stored)
        return DAUB_ERROR_NO_HOST_MEMORY;
    for (uint32_t i = 0; i < 3 * N; i++)
        plain[i] = daub_half_to_float(daub_half_from_float(1.2f * sinf(0.37f * (float)i))); // a sixth is clipped
    daub_tensor_pack(&x, true, plain, b->stored);

    TRY(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, daub_tensor_size(&x), "x", &b->from));
    TRY(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, (uint64_t)(BEFORE + N) * daub_pixel_size(pixels), "y", &b->to));
    TRY(daub_upload(dev, whole(b->from), b->stored));
    TRY(daub_fill(dev, whole(b->to), 0xa5a5a5a5u));
    const struct daub_rgba rgba = { .x = &x,
                                    .x_range = whole(b->from),
                                    .x_first = FIRST,
                                    .n = N - FIRST,
                                    .y = whole(b->to),
                                    .pixels = pixels,
                                    .y_first = BEFORE };
    TRY(daub_rgba_record(daub_device_caps(dev), b->cmd, &rgba));
    TRY(run(b));
    for (uint32_t i = 0; i < BEFORE * daub_pixel_size(pixels); i++)
        if (b->got[i] != 0xa5)
            daub_trial_wrong(b->trial, "byte %u before the pixels is written", i);
    for (uint32_t i = 0; i < N - FIRST; i++)
        for (uint32_t c = 0; c < 4; c++) {
            const double v = c == 3 ? 1.0 : (double)plain[c * N + FIRST + i] * 0.5 + 0.5;
            want[4 * i + c] = fmin(fmax(v, 0.0), 1.0);
            got[4 * i + c] = value_of(pixels, b->got, BEFORE + i, c);
        }
    return judge(b, got, want, 4 * (N - FIRST));
}

static daub_status paste(struct bench *b)
{
    daub_device *dev = b->trial->dev;
    const enum daub_pixels pixels = b->t->pixels;
    uint8_t *given = daub_trial_alloc(b->trial, 4 * N, 1);
    float *got = daub_trial_alloc(b->trial, 4 * N, sizeof(float));
    double *want = daub_trial_alloc(b->trial, 4 * N, sizeof(double));
    b->stored = daub_trial_alloc(b->trial, (size_t)N * daub_pixel_size(pixels), 1);
    if (!given || !got || !want || !b->stored)
        return DAUB_ERROR_NO_HOST_MEMORY;
    for (uint32_t i = 0; i < 4 * N; i++) {
        const uint32_t mask = i % 3 == 0 ? 0 : i % 3 == 1 ? 255 : 7 * i % 256;
        given[i] = (uint8_t)(i % 4 == 3 ? mask : 31 * i % 256);
        set_value(pixels, b->stored, i / 4, i % 4, i % 4 == 3 ? 1.0f : 0.5f + 0.5f * sinf(0.21f * (float)i));
    }
    for (uint32_t i = 0; i < 4 * N; i++) {
        const uint32_t mask = given[i | 3];
        const float drawn = value_of(pixels, b->stored, i / 4, i % 4);
        if (i % 4 == 3)
            want[i] = pixels == DAUB_PIXELS_RGBA8 ? 255.0 : 1.0;
        else if (pixels == DAUB_PIXELS_RGBA8)
            want[i] = (given[i] * (255 - mask) + (uint32_t)drawn * mask + 127) / 255;
        else
            want[i] = (1.0 - mask / 255.0) * given[i] / 255.0 + mask / 255.0 * (double)drawn;
    }
    TRY(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, 4 * N, "given", &b->from));
    TRY(daub_buffer_create(dev, DAUB_MEMORY_DEVICE, (uint64_t)N * daub_pixel_size(pixels), "y", &b->to));
    TRY(daub_upload(dev, whole(b->from), given));
    TRY(daub_upload(dev, whole(b->to), b->stored));
    const struct daub_picture picture = { .buf = b->to, .pixels = pixels, .given = b->from };
    TRY(daub_paste_record(daub_device_caps(dev), b->cmd, &picture, N));
    TRY(run(b));
    for (uint32_t i = 0; i < 4 * N; i++)
        got[i] = value_of(pixels, b->got, i / 4, i % 4);
    return judge(b, got, want, 4 * N);
}

static daub_status check(struct daub_trial *trial, const void *user)
{
    struct bench b = { .trial = trial, .t = user };
    daub_status status = daub_cmd_create(trial->dev, "rgba", &b.cmd);
    if (status == DAUB_OK)
        status = b.t->paste ? paste(&b) : convert(&b);
    daub_cmd_destroy(trial->dev, &b.cmd);
    daub_buffer_destroy(trial->dev, &b.from);
    daub_buffer_destroy(trial->dev, &b.to);
    return status;
}

static const struct rgba_case cases[] = {
    { DAUB_PIXELS_RGBA16F, false }, { DAUB_PIXELS_RGBA32F, false }, { DAUB_PIXELS_RGBA8, true },
    { DAUB_PIXELS_RGBA16F, true },  { DAUB_PIXELS_RGBA32F, true },
};

const struct daub_check daub_check_of_rgba = {
    .op = "rgba",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
};

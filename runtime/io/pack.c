// pack.c - a checkpoint's weight into the order a kernel reads; the layouts are described in pack.h.
#include "runtime/io/pack_private.h"

#include "runtime/base/half.h"
#include "runtime/base/thread.h"

#include <assert.h>
#include <string.h>

enum {
    PANEL = 64, // columns
    BLOCK =
        64, // input channels staged at a time: with the taps of a 3x3 kernel, a panel's part of a block fits the L2 cache
    MAX_TAPS = 49, // kernels are at most 7x7
};

// ---- channels --------------------------------------------------------------------------------------------------------

static uint32_t padded_run(const struct daub_channels *channels, uint32_t part)
{
    return (channels->c[part] / channels->heads + 7) / 8 * 8;
}

uint32_t daub_channels_physical(const struct daub_channels *channels)
{
    uint32_t n = 0;
    for (uint32_t part = 0; part < 2; part++)
        if (channels->c[part] > 0)
            n += channels->heads * padded_run(channels, part);
    return n;
}

uint32_t daub_channels_logical(const struct daub_channels *channels, uint32_t i)
{
    uint32_t first = 0;
    for (uint32_t part = 0; part < 2 && channels->c[part] > 0; part++) {
        const uint32_t padded = padded_run(channels, part), run = channels->c[part] / channels->heads;
        if (i < channels->heads * padded)
            return i % padded < run ? first + i / padded * run + i % padded : UINT32_MAX;
        i -= channels->heads * padded;
        first += channels->c[part];
    }
    return UINT32_MAX;
}

static uint64_t n_panels(const struct daub_pack *pack)
{
    const uint64_t n = (daub_channels_physical(&pack->out) + PANEL - 1) / PANEL;
    return pack->geglu ? 2 * n : n;
}

// The row of the file that column `column` of panel `panel` holds, or UINT32_MAX.
static uint32_t row_of_column(const struct daub_pack *pack, uint32_t panel, uint32_t column)
{
    if (!pack->geglu)
        return daub_channels_logical(&pack->out, panel * PANEL + column);
    const uint32_t row = daub_channels_logical(&pack->out, panel / 2 * PANEL + column);
    return row == UINT32_MAX || panel % 2 == 0 ? row : row + pack->out.c[0]; // the gates are the file's second half
}

uint64_t daub_pack_size(const struct daub_pack *pack, const uint32_t *dims, uint32_t n_dims)
{
    const uint64_t element = pack->dtype == DAUB_F16 ? 2 : 4;
    switch (pack->kind) {
    case DAUB_PACK_VECTOR:
        return 4 * (pack->geglu ? n_panels(pack) * PANEL : daub_channels_physical(&pack->out));
    case DAUB_PACK_PANEL:
        return n_panels(pack) * (pack->winograd ? pack->winograd : pack->kernel_h * pack->kernel_w) * daub_channels_physical(&pack->in) * PANEL * element;
    case DAUB_PACK_ROWS:
        return dims[0] * (((n_dims > 1 ? dims[1] : 1) + 7ull) / 8 * 8) * element;
    case DAUB_PACK_NONE:
        break;
    }
    return 0;
}

// ---- reading ---------------------------------------------------------------------------------------------------------

static size_t element_size(enum daub_file_dtype dtype)
{
    switch (dtype) {
    case DAUB_FILE_F64:
    case DAUB_FILE_I64:
        return 8;
    case DAUB_FILE_F32:
    case DAUB_FILE_I32:
        return 4;
    case DAUB_FILE_F16:
    case DAUB_FILE_BF16:
        return 2;
    case DAUB_FILE_U8:
        return 1;
    case DAUB_FILE_OTHER:
        break;
    }
    return 0;
}

static float read_one(const uint8_t *at, enum daub_file_dtype dtype)
{
    union {
        double f64;
        float f32;
        int64_t i64;
        int32_t i32;
        uint16_t u16;
    } v;
    memcpy(&v, at, element_size(dtype));
    switch (dtype) {
    case DAUB_FILE_F64:
        return (float)v.f64;
    case DAUB_FILE_I64:
        return (float)v.i64;
    case DAUB_FILE_F32:
        return v.f32;
    case DAUB_FILE_I32:
        return (float)v.i32;
    case DAUB_FILE_F16:
        return daub_half_to_float(v.u16);
    case DAUB_FILE_BF16:
        return daub_bf16_to_float(v.u16);
    case DAUB_FILE_U8:
        return *at;
    case DAUB_FILE_OTHER:
        break;
    }
    return 0.0f;
}

// n elements of the file from index `first` on, `step` apart, as fp32 or fp16. `floats` has room for n.
static void read_run(const struct daub_view *view, uint64_t first, uint64_t step, uint32_t n, enum daub_dtype dtype,
                     float *floats, void *out)
{
    const size_t size = element_size(view->dtype);
    const uint8_t *at = view->data + first * size;
    const bool same = (view->dtype == DAUB_FILE_F16 && dtype == DAUB_F16) ||
                      (view->dtype == DAUB_FILE_F32 && dtype == DAUB_F32);
    if (same && step == 1) {
        memcpy(out, at, n * size);
        return;
    }
    float *to = dtype == DAUB_F32 ? out : floats;
    if (step == 1 && view->dtype == DAUB_FILE_F32) {
        memcpy(to, at, n * size);
    } else if (step == 1 && view->dtype == DAUB_FILE_F16) {
        uint16_t halves[BLOCK]; // aligned; and converting many at once is ten times faster
        for (uint32_t i = 0; i < n; i += BLOCK) {
            const uint32_t some = n - i < BLOCK ? n - i : BLOCK;
            memcpy(halves, at + i * size, some * size);
            daub_half_to_floats(to + i, halves, some);
        }
    } else {
        for (uint32_t i = 0; i < n; i++)
            to[i] = read_one(at + i * step * size, view->dtype);
    }
    if (dtype == DAUB_F16)
        daub_half_from_floats(out, floats, n);
}

void daub_pack_floats(const struct daub_view *view, uint64_t first, uint32_t n, float *out)
{
    read_run(view, first, 1, n, DAUB_F32, NULL, out);
}

// ---- panels ----------------------------------------------------------------------------------------------------------

struct panel_job {
    const struct daub_pack *pack;
    const struct daub_view *view;
    uint8_t *out;
    uint32_t n_in, n_out; // logical channels, as in the file
    uint32_t in_physical;
};

// One column's values for input channels i..i+n-1, all taps, into the panel at `out`.
static void pack_run(const struct panel_job *job, uint32_t row, uint32_t i, uint32_t n, uint32_t k, void *out,
                     uint32_t column)
{
    const struct daub_pack *pack = job->pack;
    const uint32_t taps = pack->kernel_h * pack->kernel_w;
    union {
        float f32[BLOCK * MAX_TAPS];
        uint16_t f16[BLOCK * MAX_TAPS];
    } values;
    float floats[BLOCK * MAX_TAPS];
    const bool transposed = job->view->transposed;
    const uint64_t first = transposed ? (uint64_t)i * job->n_out + row : ((uint64_t)row * job->n_in + i) * taps;
    read_run(job->view, first, transposed ? job->n_out : 1, n * taps, pack->dtype, floats, &values);

    for (uint32_t tap = 0; tap < taps; tap++) {
        const size_t at = ((size_t)tap * job->in_physical + k) * PANEL + column;
        if (pack->dtype == DAUB_F16) {
            uint16_t *to = (uint16_t *)out + at;
            for (uint32_t j = 0; j < n; j++)
                to[(size_t)j * PANEL] = values.f16[j * taps + tap];
        } else {
            float *to = (float *)out + at;
            for (uint32_t j = 0; j < n; j++)
                to[(size_t)j * PANEL] = values.f32[j * taps + tap];
        }
    }
}

static void pack_panel(void *arg, uint32_t panel)
{
    const struct panel_job *job = arg;
    const struct daub_pack *pack = job->pack;
    const uint32_t taps = pack->kernel_h * pack->kernel_w;
    const size_t size = (size_t)taps * job->in_physical * PANEL * (pack->dtype == DAUB_F16 ? 2 : 4);
    uint8_t *out = job->out + panel * size;
    memset(out, 0, size);

    for (uint32_t k = 0; k < job->in_physical;) {
        const uint32_t i = daub_channels_logical(&pack->in, k);
        if (i == UINT32_MAX) {
            k++;
            continue;
        }
        uint32_t n = 1; // channels that follow each other in both orders
        while (n < BLOCK && k + n < job->in_physical && daub_channels_logical(&pack->in, k + n) == i + n)
            n++;
        for (uint32_t column = 0; column < PANEL; column++) {
            const uint32_t row = row_of_column(pack, panel, column);
            if (row != UINT32_MAX)
                pack_run(job, row, i, n, k, out, column);
        }
        k += n;
    }
}

// ---- vectors and rows ------------------------------------------------------------------------------------------------

static void pack_vector(const struct daub_pack *pack, const struct daub_view *view, float *out)
{
    const size_t size = element_size(view->dtype);
    const uint32_t n = (uint32_t)(daub_pack_size(pack, NULL, 0) / sizeof(float));
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t from = row_of_column(pack, i / PANEL, i % PANEL);
        out[i] = from == UINT32_MAX ? 0.0f : read_one(view->data + from * size, view->dtype);
    }
}

struct rows_job {
    const struct daub_pack *pack;
    const struct daub_view *view;
    uint8_t *out;
};

enum { ROWS_A_JOB = 256 };

static void pack_rows(void *arg, uint32_t index)
{
    const struct rows_job *job = arg;
    const struct daub_view *view = job->view;
    const uint32_t n_rows = (uint32_t)view->dims[0], n = view->n_dims > 1 ? (uint32_t)view->dims[1] : 1;
    const size_t element = job->pack->dtype == DAUB_F16 ? 2 : 4, pitch = (n + 7) / 8 * 8 * element;
    const uint32_t end = n_rows - index * ROWS_A_JOB < ROWS_A_JOB ? n_rows : (index + 1) * ROWS_A_JOB;

    for (uint32_t row = index * ROWS_A_JOB; row < end; row++) {
        uint8_t *out = job->out + row * pitch;
        memset(out, 0, pitch);
        for (uint32_t i = 0; i < n; i += BLOCK) {
            float floats[BLOCK];
            const uint32_t run = n - i < BLOCK ? n - i : BLOCK;
            const uint64_t first = view->transposed ? (uint64_t)i * n_rows + row : (uint64_t)row * n + i;
            read_run(view, first, view->transposed ? n_rows : 1, run, job->pack->dtype, floats, out + i * element);
        }
    }
}

void daub_pack_weight(const struct daub_pack *pack, const struct daub_view *view, void *out)
{
    switch (pack->kind) {
    case DAUB_PACK_VECTOR:
        pack_vector(pack, view, out);
        break;
    case DAUB_PACK_PANEL: {
        assert(pack->kernel_h * pack->kernel_w <= MAX_TAPS);
        if (pack->winograd) {
            daub_pack_winograd(pack, view, (uint32_t)n_panels(pack), out);
            break;
        }
        struct panel_job job = { .pack = pack, .view = view, .out = out };
        job.n_out = (uint32_t)view->dims[0];
        job.n_in = (uint32_t)view->dims[1];
        job.in_physical = daub_channels_physical(&pack->in);
        daub_parallel_for((uint32_t)n_panels(pack), pack_panel, &job);
        break;
    }
    case DAUB_PACK_ROWS: {
        struct rows_job job = { .pack = pack, .view = view, .out = out };
        daub_parallel_for((uint32_t)((view->dims[0] + ROWS_A_JOB - 1) / ROWS_A_JOB), pack_rows, &job);
        break;
    }
    case DAUB_PACK_NONE:
        break;
    }
}

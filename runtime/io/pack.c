// pack.c - a checkpoint's weight into the order a kernel reads; the layouts are described in pack.h.
#include "runtime/io/pack_private.h"

#include "runtime/base/half.h"
#include "runtime/base/thread.h"

#include <assert.h>
#include <string.h>

enum {
    PANEL = 64,     // columns
    TILE = 256,     // elements of a row staged at a time: 64 rows of them, as fp16, are about an L1 cache
    PITCH = 264,    // of a staged row: 8.25 cache lines, so that a column of the tile falls into different sets
    MAX_TAPS = 49,  // kernels are at most 7x7
    ITEM = 1 << 17, // elements of a panel that are one piece of work
    ALONE = 1 << 19 // elements of a weight below which starting a thread costs more than it saves
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

// How many physical channels from i on stand side by side in both orders, and the logical one that i is: UINT32_MAX when
// they are padding.
static uint32_t run_at(const struct daub_channels *channels, uint32_t i, uint32_t *logical)
{
    uint32_t first = 0;
    for (uint32_t part = 0; part < 2 && channels->c[part] > 0; part++) {
        const uint32_t padded = padded_run(channels, part), run = channels->c[part] / channels->heads;
        const uint32_t n = channels->heads * padded, at = i % padded;
        if (i < n) {
            *logical = padded == run ? first + i : at < run ? first + i / padded * run + at : UINT32_MAX;
            return padded == run ? n - i : at < run ? run - at : padded - at;
        }
        i -= n;
        first += channels->c[part];
    }
    *logical = UINT32_MAX;
    return 1;
}

uint32_t daub_channels_logical(const struct daub_channels *channels, uint32_t i)
{
    uint32_t logical;
    (void)run_at(channels, i, &logical);
    return logical;
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

// Of the panel: a transform makes more of the kernel's.
static uint32_t n_taps(const struct daub_pack *pack)
{
    return pack->winograd ? pack->winograd : pack->phases ? 16 : pack->kernel_h * pack->kernel_w;
}

static uint64_t part_size(const struct daub_pack *pack, const uint32_t *dims, uint32_t n_dims)
{
    const uint64_t element = pack->dtype == DAUB_F16 ? 2 : 4;
    switch (pack->kind) {
    case DAUB_PACK_VECTOR:
        return 4 * (pack->geglu ? n_panels(pack) * PANEL : daub_channels_physical(&pack->out));
    case DAUB_PACK_PANEL:
        return n_panels(pack) * n_taps(pack) * daub_channels_physical(&pack->in) * PANEL * element;
    case DAUB_PACK_ROWS:
        return dims[0] * (((n_dims > 1 ? dims[1] : 1) + 7ull) / 8 * 8) * element;
    case DAUB_PACK_NONE:
        break;
    }
    return 0;
}

uint64_t daub_pack_size(const struct daub_pack *pack, const uint32_t *dims, uint32_t n_dims)
{
    return part_size(pack, dims, n_dims) * (pack->n_parts > 1 ? pack->n_parts : 1);
}

// ---- reading ---------------------------------------------------------------------------------------------------------

size_t daub_file_dtype_size(enum daub_file_dtype dtype)
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
    memcpy(&v, at, daub_file_dtype_size(dtype));
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
    const size_t size = daub_file_dtype_size(view->dtype);
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
        uint16_t halves[TILE]; // aligned; and converting many at once is ten times faster
        for (uint32_t i = 0; i < n; i += TILE) {
            const uint32_t some = n - i < TILE ? n - i : TILE;
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

// ---- panels ----------------------------------------------------------------------------------------------------------
//
// The file has a row an output, the panel a row an input: a transpose. It goes through a tile that fits the L1 cache, so
// that the file is read, and the panel written, in whole cache lines and once.

struct panel_job {
    const struct daub_pack *pack;
    const struct daub_view *view;
    uint8_t *out;
    uint32_t n_in, n_out;                  // logical channels, as in the file
    uint32_t in_physical, file_taps, taps; // taps: of the panel, which a transform makes more of
    uint32_t item_channels, items_a_panel;
};

// What is staged: PANEL rows, PITCH apart.
union tile {
    float f32[PANEL * PITCH];
    uint16_t f16[PANEL * PITCH];
};

// Rows of 64 values at `out`, `pitch` of them from one tap to the next; value l of the tile is input channel l / taps, tap l % taps.
static uint16_t *row_f16(uint16_t *out, uint32_t l, uint32_t taps, size_t pitch)
{
    return out + (l % taps * pitch + l / taps) * PANEL;
}

// Four rows of four halves in, four columns of four out, in 64-bit words: twice as fast as element by element.
static void transpose4(const uint16_t *from, uint16_t *const to[4])
{
    static const uint64_t low = 0x0000ffff0000ffffu, low2 = 0x00000000ffffffffu;
    uint64_t a, b, c, d;
    memcpy(&a, from, 8);
    memcpy(&b, from + PITCH, 8);
    memcpy(&c, from + 2 * PITCH, 8);
    memcpy(&d, from + 3 * PITCH, 8);
    const uint64_t ab0 = (a & low) | (b & low) << 16, ab1 = (a >> 16 & low) | (b & ~low);
    const uint64_t cd0 = (c & low) | (d & low) << 16, cd1 = (c >> 16 & low) | (d & ~low);
    a = (ab0 & low2) | cd0 << 32;
    b = (ab1 & low2) | cd1 << 32;
    c = ab0 >> 32 | (cd0 & ~low2);
    d = ab1 >> 32 | (cd1 & ~low2);
    memcpy(to[0], &a, 8);
    memcpy(to[1], &b, 8);
    memcpy(to[2], &c, 8);
    memcpy(to[3], &d, 8);
}

static void put_tile_f16(const union tile *tile, uint32_t n, uint32_t taps, size_t pitch, uint16_t *out)
{
    uint32_t l = 0;
    for (; l + 4 <= n; l += 4) {
        uint16_t *to[4];
        for (uint32_t j = 0; j < 4; j++)
            to[j] = row_f16(out, l + j, taps, pitch);
        for (uint32_t column = 0; column < PANEL; column += 4) {
            uint16_t *const at[4] = { to[0] + column, to[1] + column, to[2] + column, to[3] + column };
            transpose4(tile->f16 + column * PITCH + l, at);
        }
    }
    for (; l < n; l++)
        for (uint32_t column = 0; column < PANEL; column++)
            row_f16(out, l, taps, pitch)[column] = tile->f16[column * PITCH + l];
}

static void put_tile_f32(const union tile *tile, uint32_t n, uint32_t taps, size_t pitch, float *out)
{
    for (uint32_t l = 0; l < n; l++) {
        float *const to = out + (l % taps * pitch + l / taps) * PANEL;
        for (uint32_t column = 0; column < PANEL; column++)
            to[column] = tile->f32[column * PITCH + l];
    }
}

// Values of n input channels from the file's element `first` on, as they stand in the panel.
static void read_taps(const struct panel_job *job, uint64_t first, uint32_t n, float *floats, void *out)
{
    const struct daub_view *const view = job->view;
    const enum daub_dtype dtype = job->pack->dtype;
    if (!job->pack->winograd && !job->pack->phases) {
        read_run(view, first, view->transposed ? job->n_out : 1, n * job->taps, dtype, floats, out);
        return;
    }
    float kernels[TILE];
    read_run(view, first, 1, n * job->file_taps, DAUB_F32, NULL, kernels);
    float *const to = dtype == DAUB_F32 ? out : floats;
    if (job->pack->winograd)
        daub_winograd_transform(kernels, n, job->taps, to);
    else
        daub_phases_transform(kernels, n, to);
    if (dtype == DAUB_F16)
        daub_half_from_floats(out, floats, n * job->taps);
}

// Input channels i..i+n-1 of 64 rows of the file, all taps, to physical channel k of the panel at `out`.
static void pack_tile(const struct panel_job *job, const uint32_t rows[PANEL], uint32_t i, uint32_t n, uint32_t k,
                      uint8_t *out)
{
    const uint32_t length = n * job->taps;
    const bool f16 = job->pack->dtype == DAUB_F16;
    const size_t element = f16 ? 2 : 4;
    union tile tile;
    float floats[TILE];
    for (uint32_t column = 0; column < PANEL; column++) {
        const uint32_t row = rows[column];
        void *const to = (uint8_t *)&tile + column * PITCH * element;
        if (row == UINT32_MAX) {
            memset(to, 0, length * element);
            continue;
        }
        const uint64_t first = job->view->transposed ? (uint64_t)i * job->n_out + row
                                                     : ((uint64_t)row * job->n_in + i) * job->file_taps;
        read_taps(job, first, n, floats, to);
    }
    out += (size_t)k * PANEL * element;
    if (f16)
        put_tile_f16(&tile, length, job->taps, job->in_physical, (uint16_t *)(void *)out);
    else
        put_tile_f32(&tile, length, job->taps, job->in_physical, (float *)(void *)out);
}

// Physical channels `k` to `end` of a panel, all taps.
static void pack_item(void *arg, uint32_t index)
{
    const struct panel_job *job = arg;
    const uint32_t panel = index / job->items_a_panel, most = TILE / job->taps;
    const size_t row_size = PANEL * (job->pack->dtype == DAUB_F16 ? 2 : 4);
    uint8_t *const out = job->out + (size_t)panel * job->taps * job->in_physical * row_size;
    uint32_t rows[PANEL];
    for (uint32_t column = 0; column < PANEL; column++)
        rows[column] = row_of_column(job->pack, panel, column);

    uint32_t k = index % job->items_a_panel * job->item_channels, n;
    const uint32_t end = job->in_physical - k < job->item_channels ? job->in_physical : k + job->item_channels;
    for (; k < end; k += n) {
        uint32_t i;
        n = run_at(&job->pack->in, k, &i);
        n = n < end - k ? n : end - k;
        if (i == UINT32_MAX) {
            for (uint32_t tap = 0; tap < job->taps; tap++)
                memset(out + ((size_t)tap * job->in_physical + k) * row_size, 0, n * row_size);
            continue;
        }
        n = n < most ? n : most;
        pack_tile(job, rows, i, n, k, out);
    }
}

static void pack_panels(const struct daub_pack *pack, const struct daub_view *view, void *out)
{
    assert(pack->kernel_h * pack->kernel_w <= MAX_TAPS);
    struct panel_job job = { .pack = pack, .view = view, .out = out };
    job.n_out = (uint32_t)view->dims[0];
    job.n_in = (uint32_t)view->dims[1];
    job.in_physical = daub_channels_physical(&pack->in);
    job.file_taps = pack->kernel_h * pack->kernel_w;
    job.taps = n_taps(pack);
    const uint32_t tile_channels = TILE / job.taps, tiles = ITEM / PANEL / TILE;
    job.item_channels = tile_channels * tiles;
    job.items_a_panel = (job.in_physical + job.item_channels - 1) / job.item_channels;
    const uint32_t n = (uint32_t)n_panels(pack) * job.items_a_panel;
    if (n_panels(pack) * job.taps * job.in_physical * PANEL >= ALONE)
        daub_parallel_for(n, pack_item, &job);
    else
        for (uint32_t i = 0; i < n; i++)
            pack_item(&job, i);
}

// ---- vectors and rows ------------------------------------------------------------------------------------------------

static void pack_vector(const struct daub_pack *pack, const struct daub_view *view, float *out)
{
    const size_t size = daub_file_dtype_size(view->dtype);
    const uint32_t n = (uint32_t)(part_size(pack, NULL, 0) / sizeof(float));
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
        for (uint32_t i = 0; i < n; i += TILE) {
            float floats[TILE];
            const uint32_t run = n - i < TILE ? n - i : TILE;
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
    case DAUB_PACK_PANEL:
        pack_panels(pack, view, out);
        break;
    case DAUB_PACK_ROWS: {
        struct rows_job job = { .pack = pack, .view = view, .out = out };
        daub_parallel_for((uint32_t)((view->dims[0] + ROWS_A_JOB - 1) / ROWS_A_JOB), pack_rows, &job);
        break;
    }
    case DAUB_PACK_NONE:
        break;
    }
}

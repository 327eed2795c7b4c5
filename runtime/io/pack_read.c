// pack_read.c - packing what is in no memory yet: rows are read through a buffer, and each bufferful is packed as a weight of its own,
// which has so many rows and lies where those rows belong.
#include "runtime/base/blob.h"
#include "runtime/io/pack.h"

enum { PANEL_ROWS = 64 }; // of the file, that a panel's columns come from

static uint64_t row_size(const struct daub_view *view)
{
    uint64_t size = daub_file_dtype_size(view->dtype);
    for (uint32_t i = 1; i < view->n_dims; i++)
        size *= view->dims[i];
    return size;
}

// Whether rows of the file are packed in their order, so that some of them make some of the result.
static bool in_rows(const struct daub_pack *pack, const struct daub_view *view)
{
    if (view->transposed)
        return false;
    if (pack->kind == DAUB_PACK_ROWS)
        return true;
    const struct daub_channels *out = &pack->out;
    return pack->kind == DAUB_PACK_PANEL && out->c[1] == 0 && (out->heads == 1 || out->c[0] / out->heads % 8 == 0);
}

static daub_status read_whole(const struct daub_host *host, const struct daub_pack *pack, const struct daub_view *view,
                              void *out)
{
    const size_t size = (size_t)(row_size(view) * (view->n_dims ? view->dims[0] : 1));
    uint8_t *bytes = daub_alloc(host, size);
    if (!bytes)
        return daub_no_memory("a weight that is read");
    struct daub_view there = *view;
    there.data = bytes;
    const daub_status status = daub_blob_read(view->blob, view->at, bytes, size);
    if (status == DAUB_OK)
        daub_pack_weight(pack, &there, out);
    daub_free(host, bytes);
    return status;
}

// Rows [row, row + n) of the view, with GEGLU of each of its halves.
static daub_status read_rows(const struct daub_pack *pack, const struct daub_view *view, uint64_t row, uint64_t n,
                             uint8_t *bytes, uint8_t *out)
{
    const uint64_t size = row_size(view), halves = pack->geglu ? 2 : 1;
    for (uint64_t i = 0; i < halves; i++)
        TRY(daub_blob_read(view->blob, view->at + (view->dims[0] / halves * i + row) * size, bytes + n * size * i,
                           (size_t)(n * size)));
    struct daub_view some = *view;
    some.data = bytes;
    some.dims[0] = n * halves;
    struct daub_pack part = *pack;
    part.n_parts = 0;
    if (pack->kind == DAUB_PACK_PANEL)
        part.out = (struct daub_channels) { .c = { (uint32_t)n }, .heads = 1 };
    const uint32_t first[4] = { (uint32_t)row, (uint32_t)view->dims[1] }; // as many rows lie before these
    struct daub_pack before = part;
    before.out.c[0] = (uint32_t)row;
    daub_pack_weight(&part, &some, out + (row ? daub_pack_size(&before, first, view->n_dims) : 0));
    return DAUB_OK;
}

daub_status daub_pack_read(const struct daub_host *host, const struct daub_pack *pack, const struct daub_view *view,
                           void *out)
{
    const uint64_t size = row_size(view), halves = pack->geglu ? 2 : 1,
                   rows = view->n_dims ? view->dims[0] / halves : 1;
    const uint64_t fit = size ? DAUB_PACK_PIECE / (size * halves) / PANEL_ROWS * PANEL_ROWS : 0;
    const uint64_t most = fit > PANEL_ROWS ? fit : PANEL_ROWS;
    if (rows <= most || !in_rows(pack, view))
        return read_whole(host, pack, view, out);
    uint8_t *bytes = daub_alloc(host, (size_t)(most * halves * size));
    if (!bytes)
        return daub_no_memory("a weight that is read");
    daub_status status = DAUB_OK;
    for (uint64_t row = 0; row < rows && status == DAUB_OK; row += most)
        status = read_rows(pack, view, row, rows - row < most ? rows - row : most, bytes, out);
    daub_free(host, bytes);
    return status;
}

// map.c - host memory for an activation, and sums over it.
//
// Sums are taken about each channel's first value, so that a mean much larger than the deviation loses nothing: over a few pixels in
// fp32, which vectorises, and over those in double.
#include "runtime/pipeline/map.h"

#include "runtime/base/half.h"

#include <string.h>

enum { RUN = 32 }; // pixels summed in fp32

struct daub_map {
    const struct daub_host *host;
    struct daub_tensor layout;
    uint8_t *data;
    uint32_t channels; // physical
    double *sum, *square;
    uint64_t *count;                                // pixels of each picture
    float *pivot, *values, *part_sum, *part_square; // [N, channels], [RUN, channels], [channels] twice
};

daub_status daub_map_create(const struct daub_host *host, enum daub_dtype dtype, struct daub_shape shape,
                            struct daub_map **out)
{
    struct daub_map *map = daub_alloc(host, sizeof(*map));
    if (!map)
        return daub_no_memory("an activation");
    map->host = host;
    map->layout = (struct daub_tensor) { .shape = shape, .heads = 1, .dtype = dtype };
    map->channels = 8 * daub_words(&map->layout);
    const size_t all = (size_t)shape.n * map->channels;
    map->data = daub_alloc(host, (size_t)daub_tensor_size(&map->layout));
    map->sum = daub_alloc_array(host, 2 * all, sizeof(double));
    map->count = daub_alloc_array(host, shape.n, sizeof(uint64_t));
    map->pivot = daub_alloc_array(host, all + (RUN + 2) * (size_t)map->channels, sizeof(float));
    if (!map->data || !map->sum || !map->count || !map->pivot) {
        daub_map_destroy(&map);
        return daub_no_memory("an activation");
    }
    map->square = map->sum + all;
    map->values = map->pivot + all;
    map->part_sum = map->values + RUN * (size_t)map->channels;
    map->part_square = map->part_sum + map->channels;
    *out = map;
    return DAUB_OK;
}

void daub_map_destroy(struct daub_map **map)
{
    struct daub_map *m = *map;
    if (!m)
        return;
    daub_free(m->host, m->data);
    daub_free(m->host, m->sum);
    daub_free(m->host, m->count);
    daub_free(m->host, m->pivot);
    daub_free(m->host, m);
    *map = NULL;
}

size_t daub_map_row_size(const struct daub_map *map)
{
    return (size_t)daub_row_size(&map->layout) * map->layout.shape.w;
}

uint8_t *daub_map_row(const struct daub_map *map, uint32_t image, uint32_t row)
{
    return map->data + ((size_t)image * map->layout.shape.h + row) * daub_map_row_size(map);
}

void daub_map_begin(struct daub_map *map)
{
    const size_t all = (size_t)map->layout.shape.n * map->channels;
    memset(map->sum, 0, 2 * all * sizeof(double));
    memset(map->count, 0, map->layout.shape.n * sizeof(uint64_t));
}

static void add_run(struct daub_map *map, uint32_t image, const float *values, uint32_t n)
{
    const uint32_t channels = map->channels;
    const float *const pivot = map->pivot + (size_t)image * channels;
    float *const sum = map->part_sum, *const square = map->part_square;
    memset(sum, 0, channels * sizeof(float));
    memset(square, 0, channels * sizeof(float));
    for (uint32_t i = 0; i < n; i++, values += channels) {
        for (uint32_t c = 0; c < channels; c++) {
            const float d = values[c] - pivot[c];
            sum[c] += d;
            square[c] += d * d;
        }
    }
    for (uint32_t c = 0; c < channels; c++) {
        map->sum[(size_t)image * channels + c] += (double)sum[c];
        map->square[(size_t)image * channels + c] += (double)square[c];
    }
    map->count[image] += n;
}

void daub_map_add(struct daub_map *map, uint32_t image, uint32_t row, uint32_t n)
{
    const uint8_t *at = daub_map_row(map, image, row);
    const size_t channels = map->channels;
    for (size_t left = (size_t)n * map->layout.shape.w; left > 0;) {
        const uint32_t run = left < RUN ? (uint32_t)left : RUN;
        const float *values = map->values;
        if (map->layout.dtype == DAUB_F16)
            daub_half_to_floats(map->values, (const uint16_t *)(const void *)at, run * channels);
        else
            values = (const float *)(const void *)at;
        if (map->count[image] == 0)
            memcpy(map->pivot + image * channels, values, channels * sizeof(float));
        add_run(map, image, values, run);
        at += run * daub_row_size(&map->layout);
        left -= run;
    }
}

uint32_t daub_map_n_stats(const struct daub_map *map)
{
    return 2 * map->layout.shape.n * map->channels;
}

void daub_map_stats(const struct daub_map *map, uint32_t *out)
{
    const uint32_t all = map->layout.shape.n * map->channels;
    for (uint32_t i = 0; i < all; i++) {
        const double n = (double)map->count[i / map->channels], shift = map->sum[i] / n;
        const float mean = (float)((double)map->pivot[i] + shift);
        const double square = map->square[i] - map->sum[i] * shift;
        const float deviation = square > 0.0 ? (float)square : 0.0f;
        uint32_t *const word = out + i / 8 * 16 + i % 8; // 8 means, then 8 sums of squares
        memcpy(word, &mean, sizeof(mean));
        memcpy(word + 8, &deviation, sizeof(deviation));
    }
}

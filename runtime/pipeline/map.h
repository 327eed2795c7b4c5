// map.h - a whole activation on the host, in the device's own layout, and the statistics of its channels.
#ifndef DAUB_PIPELINE_MAP_H
#define DAUB_PIPELINE_MAP_H
#include "runtime/graph/tensor.h"

struct daub_map;

daub_status daub_map_create(const struct daub_host *host, enum daub_dtype dtype, struct daub_shape shape,
                            struct daub_map **out);
void daub_map_destroy(struct daub_map **map);

// The stored bytes of a picture's row; the rows after it follow.
uint8_t *daub_map_row(const struct daub_map *map, uint32_t image, uint32_t row);
size_t daub_map_row_size(const struct daub_map *map);

// Forgets the statistics: rows are about to be replaced.
void daub_map_begin(struct daub_map *map);
// Adds rows of a picture, which are there now, to the statistics. Each row once, the first one first.
void daub_map_add(struct daub_map *map, uint32_t image, uint32_t row, uint32_t n);
// Of all rows that were added, as daub_group_norm_given takes them: daub_map_n_stats words.
void daub_map_stats(const struct daub_map *map, uint32_t *out);
uint32_t daub_map_n_stats(const struct daub_map *map);

#endif

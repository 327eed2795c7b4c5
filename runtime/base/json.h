// json.h - typed getters over cJSON whose failures name the path: "unet/config.json: block_out_channels[2] is 'x',
// wanted a whole number of 1..65536".
#ifndef DAUB_BASE_JSON_H
#define DAUB_BASE_JSON_H
#include "runtime/base/blob.h"

#include <stdbool.h>

struct cJSON;

struct daub_json {
    struct cJSON *root;
    char *name; // what the sentences call it, usually the path
    const struct daub_host *host;
};

// Errors: BAD_FILE with line and column of the first mistake, or where one of the limits DAUB_JSON_MAX_* is passed (limits.h).
// cJSON's nodes are of malloc: its hooks for others are global to the process, which a library must not set.
daub_status daub_json_parse(const struct daub_host *host, const char *name, const char *text, size_t size,
                            struct daub_json *out);
daub_status daub_json_load(const struct daub_host *host, const char *path, struct daub_json *out);
// The same from a host's file system; NULL: the machine's.
daub_status daub_json_load_from(const struct daub_host *host, const struct daub_fs *fs, const char *path,
                                struct daub_json *out);
void daub_json_free(struct daub_json *json);

// Each leaves *out alone and returns OK when the key is absent or null, so that a default set before survives.
daub_status daub_json_u32(const struct daub_json *json, const char *key, uint32_t min, uint32_t max, uint32_t *out);
daub_status daub_json_f64(const struct daub_json *json, const char *key, double *out);
daub_status daub_json_f32(const struct daub_json *json, const char *key, float *out);
daub_status daub_json_bool(const struct daub_json *json, const char *key, bool *out);
// Borrowed: lives as long as the json.
daub_status daub_json_text(const struct daub_json *json, const char *key, const char **out);
// A number or a list of numbers: *count entries were there (a number counts as one entry; 0 when absent).
daub_status daub_json_u32_list(const struct daub_json *json, const char *key, uint32_t min, uint32_t max, uint32_t *out,
                               uint32_t capacity, uint32_t *count);
daub_status daub_json_f64_list(const struct daub_json *json, const char *key, double *out, uint32_t capacity,
                               uint32_t *count);
daub_status daub_json_text_list(const struct daub_json *json, const char *key, const char **out, uint32_t capacity,
                                uint32_t *count);
// The value of a key, of equal ones the last, as Python's parser has it; NULL when absent.
const struct cJSON *daub_json_find(const struct daub_json *json, const char *key);
bool daub_json_has(const struct daub_json *json, const char *key); // present and not null

#endif

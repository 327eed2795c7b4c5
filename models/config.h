// config.h - what the readers of config.json share: refusing what this version cannot do instead of ignoring it.
#ifndef DAUB_MODELS_CONFIG_H
#define DAUB_MODELS_CONFIG_H
#include "runtime/base/json.h"

// A key whose only supported value is `only`, written as in JSON without quotes ("silu", "false", "1"), or `also`. A
// key that is absent or null has that value too; `only` NULL: the key must be absent or null.
struct daub_config_rule {
    const char *key, *only, *also;
};
// Errors: UNSUPPORTED naming file, key and value.
daub_status daub_config_check(const struct daub_json *json, const struct daub_config_rule *rules, uint32_t n);

// Errors: UNSUPPORTED when _class_name is not one of the n names.
daub_status daub_config_class(const struct daub_json *json, const char *const *names, uint32_t n, const char **out);

// The key is there and null: for keys whose default is something else.
bool daub_config_is_null(const struct daub_json *json, const char *key);

// A number or a list of n_levels numbers (a number stands for all levels). Leaves `out` alone when the key is absent or
// null.
daub_status daub_config_levels(const struct daub_json *json, const char *key, uint32_t min, uint32_t max,
                               uint32_t n_levels, uint32_t *out);

#endif

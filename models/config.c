// config.c - what the readers of config.json share.
#include "models/config.h"

#include <cJSON.h>
#include <stdio.h>
#include <string.h>

enum { MAX_LEVELS = 16 };

static bool is_value(const cJSON *item, const char *value)
{
    if (!value)
        return false;
    if (cJSON_IsString(item))
        return strcmp(item->valuestring, value) == 0;
    if (cJSON_IsBool(item))
        return strcmp(cJSON_IsTrue(item) ? "true" : "false", value) == 0;
    char number[32];
    snprintf(number, sizeof(number), "%g", item->valuedouble);
    return cJSON_IsNumber(item) && strcmp(number, value) == 0;
}

static const char *text_of(const cJSON *item, char *buf, size_t size)
{
    if (cJSON_IsString(item))
        snprintf(buf, size, "'%s'", item->valuestring);
    else if (cJSON_IsBool(item))
        snprintf(buf, size, "%s", cJSON_IsTrue(item) ? "true" : "false");
    else if (cJSON_IsNumber(item))
        snprintf(buf, size, "%g", item->valuedouble);
    else
        snprintf(buf, size, "a list or an object");
    return buf;
}

daub_status daub_config_check(const struct daub_json *json, const struct daub_config_rule *rules, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const cJSON *item = daub_json_find(json, rules[i].key);
        if (!item || cJSON_IsNull(item) || is_value(item, rules[i].only) || is_value(item, rules[i].also))
            continue;
        char value[128];
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: %s %s is not supported (only %s%s%s)", json->name, rules[i].key,
                         text_of(item, value, sizeof(value)), rules[i].only ? rules[i].only : "null",
                         rules[i].also ? " or " : "", rules[i].also ? rules[i].also : "");
    }
    return DAUB_OK;
}

daub_status daub_config_class(const struct daub_json *json, const char *const *names, uint32_t n, const char **out)
{
    const char *name = NULL;
    TRY(daub_json_text(json, "_class_name", &name));
    for (uint32_t i = 0; name && i < n; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = names[i];
            return DAUB_OK;
        }
    }
    return daub_fail(DAUB_ERROR_UNSUPPORTED, "%s: unknown class '%s' (known here: %s%s%s)", json->name,
                     name ? name : "", names[0], n > 1 ? " and " : "", n > 1 ? names[1] : "");
}

bool daub_config_is_null(const struct daub_json *json, const char *key)
{
    return cJSON_IsNull(daub_json_find(json, key));
}

daub_status daub_config_levels(const struct daub_json *json, const char *key, uint32_t min, uint32_t max,
                               uint32_t n_levels, uint32_t *out)
{
    uint32_t values[MAX_LEVELS], count = 0;
    TRY(daub_json_u32_list(json, key, min, max, values, MAX_LEVELS, &count));
    if (count > 1 && count != n_levels)
        return daub_fail(DAUB_ERROR_BAD_FILE, "%s: %s has %u entries for %u levels", json->name, key, count, n_levels);
    for (uint32_t i = 0; count > 0 && i < n_levels; i++)
        out[i] = values[count > 1 ? i : 0];
    return DAUB_OK;
}

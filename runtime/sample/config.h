// config.h - reading a sampler's own options from scheduler_config.json: for the parse functions of samplers.
#ifndef DAUB_SAMPLE_CONFIG_H
#define DAUB_SAMPLE_CONFIG_H
#include "runtime/sample/sample.h"

struct daub_word { // a list of them ends with text NULL
    const char *text;
    int value;
};

// The value of the word at `key`; *out stays when the key is absent. Errors: BAD_FILE (no text), UNSUPPORTED (another
// word).
daub_status daub_config_word(const struct daub_json *json, const char *key, const struct daub_word *words, int *out);
// The same for two words.
daub_status daub_config_flag(const struct daub_json *json, const char *key, const struct daub_word *words, bool *out);
// Errors: UNSUPPORTED when `key` is there and true: a method that no sampler here has.
daub_status daub_config_refuse(const struct daub_json *json, const char *key);

#endif

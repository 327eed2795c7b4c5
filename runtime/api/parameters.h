// parameters.h - what a picture's text says, key by key. Adding one: a field of daub_parameters (include/daub_parameters.h), a row in
// parameters_table.c, and a line where daub_parameters_describe and daub_parameters_apply take it from and to the other structs.
#ifndef DAUB_API_PARAMETERS_H
#define DAUB_API_PARAMETERS_H
#include "include/daub_parameters.h"
#include "runtime/base/infotext.h"

#include <stdbool.h>

// A text that grows.
struct daub_writer {
    char *at;
    size_t n, capacity;
    bool failed; // no memory: what follows does nothing
};
void daub_put(struct daub_writer *w, const char *fmt, ...) DAUB_PRINTF(2, 3);
// ", Key: value", with the value in quotes where the grammar wants it.
void daub_put_quoted(struct daub_writer *w, const char *key, const char *value);

struct daub_parameter;
struct daub_taking { // what a reader is given
    daub_parameters *p;
    struct daub_arena *arena; // p's strings
    bool foreign;             // another program wrote the text
};

struct daub_parameter {
    const char *key; // A1111's where it has one
    size_t field;    // offset in daub_parameters
    double min, max; // of numbers
    // Writes the value; nothing where there is none to say. ", Key: " stands in front of what it writes.
    void (*put)(struct daub_writer *w, const struct daub_parameter *row, const daub_parameters *p);
    // Reads one; false: it cannot be understood.
    bool (*take)(const struct daub_taking *t, const struct daub_parameter *row, const char *value);
};

extern const struct daub_parameter daub_parameter_table[]; // in the order in which they are written
extern const uint32_t daub_n_parameters;

// What other programs mean by what they leave out, and by names of theirs. After all keys were taken.
void daub_foreign_defaults(const struct daub_taking *t, const struct daub_infotext *info);
// Whether a key that no row takes says nothing about the picture, or something that daub does anyway.
bool daub_key_is_harmless(const char *key, const char *value, bool foreign);
// The prompt without what A1111 takes out of it before it is encoded, <lora:name:1> and the like, whose texts are added to `left_out`.
void daub_strip_networks(char *prompt, struct daub_writer *left_out);

#endif

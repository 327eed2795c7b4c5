// infotext.h - the text that stable-diffusion-webui writes into pictures ("parameters"), taken apart as that program does it
// (modules/infotext_utils.py, parse_generation_parameters, before defaults are filled in):
//
//     a cat in the rain
//     Negative prompt: ugly
//     Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x768, Model: "x, y"
#ifndef DAUB_BASE_INFOTEXT_H
#define DAUB_BASE_INFOTEXT_H
#include "runtime/base/host.h"

struct daub_infotext_field {
    const char *key;   // "CFG scale"
    const char *value; // "7"; never empty unless the text quotes nothing
};

struct daub_infotext {
    const char *prompt, *negative; // never NULL
    // In the text's order, each key once with its last value. A value of the form 512x768 has become two fields, "Size-1" and "Size-2".
    struct daub_infotext_field *fields;
    uint32_t n_fields;
};

// Takes `size` bytes of UTF-8 apart; what *out points at is the arena's. Any text is a prompt: the last line is read as fields only
// where it holds three of them. Errors: BAD_FILE (more than DAUB_MAX_INFOTEXT bytes or DAUB_MAX_INFOTEXT_FIELDS fields, not UTF-8, a
// zero byte), NO_HOST_MEMORY.
daub_status daub_infotext_parse(struct daub_arena *arena, const char *text, size_t size, struct daub_infotext *out);
// The value of a key, spelled exactly so; NULL: there is none.
const char *daub_infotext_get(const struct daub_infotext *info, const char *key);

#endif

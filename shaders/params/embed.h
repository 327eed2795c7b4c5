// embed.h - push constants of embed.comp.
#ifndef DAUB_PARAMS_EMBED_H
#define DAUB_PARAMS_EMBED_H
#include "types.h"

struct embed_params {
    uint n;                   // words of y
    uint words;               // a row
    uint tokens;              // a text
    uint vocabulary;          // rows of the whole token table
    uint id_begin, id_end;    // rows of it that are bound
    uint token_first;         // words before that binding
};

#endif

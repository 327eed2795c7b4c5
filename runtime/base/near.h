// near.h - names as people type them: letters of either case, "-" and " " for "_"; and what an unknown one is near to.
#ifndef DAUB_BASE_NEAR_H
#define DAUB_BASE_NEAR_H
#include "include/daub.h"

char daub_name_fold(char c);
// Whether the first n characters of a and all of b are the same name.
bool daub_name_same(const char *a, size_t n, const char *b);
// Up to three names of `names` nearest to `text` (edit distance), as "a, b or c" in buf; "" if none is near.
void daub_near_names(const char *text, const char *const *names, uint32_t n, char *buf, size_t size);
// INVALID_ARG: `unknown WHAT "name"; did you mean ...?`, or where none is near, what there are.
daub_status daub_unknown_name(const char *what, const char *name, const char *const *names, uint32_t n);

#endif

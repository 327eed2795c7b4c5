// axis.h - an axis of daub grid: an option and the values it takes.
#ifndef DAUB_CLI_AXIS_H
#define DAUB_CLI_AXIS_H
#include "cli.h"

enum { AXIS_VALUES = 64 };

struct axis {
    const char *name; // of the option, or "prompt"; NULL: no such axis
    uint32_t n;       // values; 1 where there is no axis
    const char *values[AXIS_VALUES];
    bool opens; // a value wants a model of its own
    char *text; // where name and values are
};

// Reads "NAME=VALUES" of --x or --y (`option`), NULL too. Values: separated by commas, or by '|' where there is one; of prompts by '|'
// alone; of numbers also A..B, in steps of 1, and A..B/STEP. False after a sentence. axis_free in any case.
bool axis_read(const char *option, const char *text, struct axis *axis);
void axis_free(struct axis *axis);
// "steps: 20", at most `size` bytes; "" without an axis.
void axis_label(const struct axis *axis, uint32_t value, char *out, size_t size);

#endif

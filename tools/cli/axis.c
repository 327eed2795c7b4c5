// axis.c - see axis.h.
#include "axis.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER = 32 }; // bytes of a number as text

struct reader {
    const char *option;
    struct axis *axis;
    char *room; // for a number a value
};

static bool add(struct reader *r, const char *value)
{
    if (r->axis->n == AXIS_VALUES) {
        cli_fail("--%s %s has more than %d values", r->option, r->axis->name, (int)AXIS_VALUES);
        return false;
    }
    if (!*value) {
        cli_fail("--%s %s has an empty value", r->option, r->axis->name);
        return false;
    }
    r->axis->values[r->axis->n++] = value;
    return true;
}

// "A..B" or "A..B/STEP" as numbers. False where it is none of the two.
static bool range_of(const char *text, double *from, double *to, double *step)
{
    char *end;
    *from = strtod(text, &end);
    if (end > text && *end == '.' && end[-1] == '.') // "1..5": the first dot went into the number
        end--;
    if (end == text || end[0] != '.' || end[1] != '.')
        return false;
    const char *next = end + 2;
    *to = strtod(next, &end);
    if (end == next)
        return false;
    *step = 1.0;
    if (*end == '/') {
        next = end + 1;
        *step = strtod(next, &end);
        if (end == next)
            return false;
    }
    return *end == '\0' && fabs(*from) <= DBL_MAX && fabs(*to) <= DBL_MAX && fabs(*step) <= DBL_MAX;
}

static bool add_range(struct reader *r, const char *text)
{
    double from, to, step;
    if (!range_of(text, &from, &to, &step)) {
        cli_fail("--%s %s: %s is no range; write 1..15, or 1..15/2 for steps of 2", r->option, r->axis->name, text);
        return false;
    }
    if (step <= 0.0) {
        cli_fail("--%s %s: the step of %s is not above 0", r->option, r->axis->name, text);
        return false;
    }
    const double count = floor(fabs(to - from) / step + 1e-9) +
                         1.0; // 0..1/0.1 has eleven values whatever 0.1 is in binary
    if (count > AXIS_VALUES) {
        cli_fail("--%s %s: %s has %.0f values, the limit is %d", r->option, r->axis->name, text, count,
                 (int)AXIS_VALUES);
        return false;
    }
    for (int i = 0; i < (int)count; i++) {
        char *value = r->room + (size_t)r->axis->n * NUMBER;
        if (r->axis->n < AXIS_VALUES)
            snprintf(value, NUMBER, "%.15g", from + (to < from ? -i : i) * step);
        if (!add(r, value))
            return false;
    }
    return true;
}

static bool is_prose(const char *name)
{
    return strcmp(name, "prompt") == 0 || strcmp(name, "negative") == 0;
}

static bool read_values(struct reader *r, char *values, bool number)
{
    const char separator = is_prose(r->axis->name) || strchr(values, '|') ? '|' : ',';
    for (char *next; values; values = next) {
        next = strchr(values, separator);
        if (next)
            *next++ = '\0';
        if (number && strstr(values, "..") ? !add_range(r, values) : !add(r, values))
            return false;
    }
    return true;
}

bool axis_read(const char *option, const char *text, struct axis *axis)
{
    *axis = (struct axis) { .n = 1, .values = { "" } };
    if (!text)
        return true;
    const size_t size = strlen(text) + 1;
    const char *equals = strchr(text, '=');
    if (!equals || equals == text) {
        cli_fail("--%s wants NAME=VALUES, as in steps=5,10,20 or guidance=1..15/2, not '%s'", option, text);
        return false;
    }
    axis->text = malloc(size + AXIS_VALUES * NUMBER);
    if (!axis->text) {
        cli_fail("no memory for the values of --%s", option);
        return false;
    }
    memcpy(axis->text, text, size);
    char *values = axis->text + (equals - text);
    *values++ = '\0';
    const size_t dashes = strspn(axis->text, "-"); // --x --steps=1,2 is understood
    axis->name = axis->text + (dashes <= 2 ? dashes : 0);
    axis->n = 0;
    bool number = false;
    if (!cli_axis(axis->name, &number, &axis->opens))
        return false;
    struct reader reader = { option, axis, axis->text + size };
    return read_values(&reader, values, number);
}

void axis_free(struct axis *axis)
{
    free(axis->text);
    axis->text = NULL;
}

void axis_label(const struct axis *axis, uint32_t value, char *out, size_t size)
{
    *out = '\0';
    if (!axis->name)
        return;
    const char *text = axis->values[value], *slash = is_prose(axis->name) ? NULL : strrchr(text, '/');
    snprintf(out, size, "%s: %s", axis->name,
             slash && slash[1] ? slash + 1 : text); // of a path, what tells it from the next
}

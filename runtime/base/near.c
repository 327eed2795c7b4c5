// near.c - names as people type them, and which of those that there are they may have meant.
#include "runtime/base/near.h"

#include "runtime/base/status.h"

#include <stdio.h>
#include <string.h>

enum { MAX_NAME = 96 };

char daub_name_fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '-' || c == ' ' ? '_' : c;
}

bool daub_name_same(const char *a, size_t n, const char *b)
{
    for (size_t i = 0; i < n; i++)
        if (!a[i] || !b[i] || daub_name_fold(a[i]) != daub_name_fold(b[i]))
            return false;
    return b[n] == 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Insertions, deletions, exchanges and swaps of neighbours that make one name of the other, after folding. Both are
// shorter than MAX_NAME.
static size_t distance(const char *a, const char *b)
{
    const size_t na = strlen(a), nb = strlen(b);
    size_t rows[3][MAX_NAME];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= nb; j++)
        above[j] = before[j] = j;
    for (size_t i = 1; i <= na; i++) {
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            const bool equal = daub_name_fold(a[i - 1]) == daub_name_fold(b[j - 1]);
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + !equal);
            if (i > 1 && j > 1 && daub_name_fold(a[i - 1]) == daub_name_fold(b[j - 2]) &&
                daub_name_fold(a[i - 2]) == daub_name_fold(b[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[nb];
}

void daub_near_names(const char *text, const char *const *names, uint32_t n, char *buf, size_t size)
{
    enum { MOST = 3 };
    uint32_t best[MOST];
    size_t far[MOST];
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        // Near: a third of the longer name may differ, or one is the beginning of the other.
        const size_t na = strlen(text), nb = strlen(names[i]);
        const size_t longer = na > nb ? na : nb, shorter = least(na, nb);
        if (longer >= MAX_NAME)
            continue;
        const size_t edits = distance(text, names[i]);
        const bool begins = shorter >= 2 &&
                            daub_name_same(na < nb ? names[i] : text, shorter, na < nb ? text : names[i]);
        if (!begins && (edits > 1 + longer / 3 || edits >= longer))
            continue;
        const size_t d = begins ? least(2 * edits, 3) : 2 * edits; // a beginning counts as one edit, behind a real one
        uint32_t at = count < MOST ? count++ : MOST;
        for (; at > 0 && far[at - 1] > d; at--)
            if (at < MOST) {
                best[at] = best[at - 1];
                far[at] = far[at - 1];
            }
        if (at < MOST) {
            best[at] = i;
            far[at] = d;
        }
    }
    if (size > 0)
        buf[0] = 0;
    size_t used = 0;
    for (uint32_t i = 0; i < count && used < size; i++) {
        const char *joint = i == 0 ? "" : i + 1 < count ? ", " : " or ";
        used += (size_t)snprintf(buf + used, size - used, "%s%s", joint, names[best[i]]);
    }
}

daub_status daub_unknown_name(const char *what, const char *name, const char *const *names, uint32_t n)
{
    char near[256];
    daub_near_names(name, names, n, near, sizeof(near));
    if (near[0])
        return daub_fail(DAUB_ERROR_INVALID_ARG, "unknown %s \"%s\"; did you mean %s?", what, name, near);
    char all[256] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < n && used < sizeof(all); i++)
        used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", names[i]);
    return daub_fail(DAUB_ERROR_INVALID_ARG, "unknown %s \"%s\"; there are %s", what, name, all);
}

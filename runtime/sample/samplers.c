// samplers.c - the table of samplers, and how people's names for them and for schedules are understood.
#include "runtime/sample/sample.h"

#include <stdio.h>
#include <string.h>

extern const struct daub_sampler_desc daub_sampler_euler, daub_sampler_euler_a, daub_sampler_heun,
    daub_sampler_dpmpp_2m, daub_sampler_dpmpp_2m_sde, daub_sampler_ddim, daub_sampler_ddpm, daub_sampler_plms,
    daub_sampler_unipc, daub_sampler_lcm, daub_sampler_dpm2;

const struct daub_sampler_desc *const daub_samplers[] = {
    &daub_sampler_euler,        &daub_sampler_euler_a, &daub_sampler_heun, &daub_sampler_dpmpp_2m,
    &daub_sampler_dpmpp_2m_sde, &daub_sampler_ddim,    &daub_sampler_ddpm, &daub_sampler_plms,
    &daub_sampler_unipc,        &daub_sampler_lcm,     &daub_sampler_dpm2,
};
const uint32_t daub_n_samplers = sizeof(daub_samplers) / sizeof(daub_samplers[0]);

static const struct daub_sigma_spacing_desc spacings[DAUB_SIGMAS_COUNT] = {
    [DAUB_SIGMAS_DEFAULT] = { "default", "Automatic", "the sampler's own: noise levels of evenly spaced time steps" },
    [DAUB_SIGMAS_KARRAS] = { "karras", "Karras",
                             "more steps at low noise (Karras et al. 2022, arXiv:2206.00364, eq. 5)" },
    [DAUB_SIGMAS_EXPONENTIAL] = { "exponential", "Exponential", "noise levels in geometric progression" },
    [DAUB_SIGMAS_BETA] = { "beta", "Beta",
                           "more steps at both ends, by a beta distribution (Lee et al. 2024, arXiv:2407.12173)" },
    [DAUB_SIGMAS_LU] = { "lu", "LU", "even in log signal-to-noise (Lu et al. 2022, arXiv:2206.00927, section 3.4)" },
};
enum { MAX_NAME = 96, MAX_NAMES = 64 };

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '-' || c == ' ' ? '_' : c;
}

// Whether the first n characters of a and all of b are the same name.
static bool same(const char *a, size_t n, const char *b)
{
    for (size_t i = 0; i < n; i++)
        if (!a[i] || !b[i] || fold(a[i]) != fold(b[i]))
            return false;
    return b[n] == 0;
}

static bool listed(const char *name, size_t n, const char *aliases)
{
    for (const char *at = aliases; at && *at;) {
        const char *comma = strchr(at, ',');
        const size_t length = comma ? (size_t)(comma - at) : strlen(at);
        char alias[MAX_NAME];
        snprintf(alias, sizeof(alias), "%.*s", (int)length, at);
        if (same(name, n, alias))
            return true;
        at = comma ? comma + 1 : NULL;
    }
    return false;
}

static const struct daub_sampler_desc *lookup(const char *name, size_t n)
{
    for (uint32_t i = 0; i < daub_n_samplers; i++) {
        const struct daub_sampler_desc *s = daub_samplers[i];
        if (same(name, n, s->name) || same(name, n, s->label) || listed(name, n, s->aliases))
            return s;
    }
    return NULL;
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
            const bool equal = fold(a[i - 1]) == fold(b[j - 1]);
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + !equal);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]))
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
        size_t d = distance(text, names[i]);
        if (shorter >= 2 && same(na < nb ? names[i] : text, shorter, na < nb ? text : names[i]))
            d = least(d, 1);
        if (d > 1 + longer / 3 || d >= longer)
            continue;
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

static daub_status unknown(const char *what, const char *name, const char *const *names, uint32_t n)
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

daub_status daub_sampler_find(const char *name, const struct daub_sampler_desc **out, const char **schedule)
{
    const struct daub_sampler_desc *found = lookup(name, strlen(name));
    // "DPM++ 2M Karras" and, as InvokeAI has it, "dpmpp_2m_k"
    for (size_t n = strlen(name); !found && schedule && n-- > 1;) {
        if (fold(name[n]) != '_')
            continue;
        for (uint32_t i = 1; i < DAUB_SIGMAS_COUNT; i++) {
            const bool is = same(name + n + 1, strlen(name + n + 1), spacings[i].name);
            if (!is && !(i == DAUB_SIGMAS_KARRAS && same(name + n + 1, strlen(name + n + 1), "k")))
                continue;
            found = lookup(name, n);
            if (found)
                *schedule = spacings[i].name;
        }
        break; // the schedule is the last word
    }
    if (found) {
        *out = found;
        return DAUB_OK;
    }
    const char *names[MAX_NAMES];
    uint32_t n = 0;
    for (; n < daub_n_samplers && n < MAX_NAMES; n++)
        names[n] = daub_samplers[n]->name;
    return unknown("sampler", name, names, n);
}

daub_status daub_sigma_spacing_find(const char *name, enum daub_sigma_spacing *out)
{
    for (uint32_t i = 0; i < DAUB_SIGMAS_COUNT; i++)
        if (same(name, strlen(name), spacings[i].name)) {
            *out = (enum daub_sigma_spacing)i;
            return DAUB_OK;
        }
    const char *names[DAUB_SIGMAS_COUNT];
    for (uint32_t i = 0; i < DAUB_SIGMAS_COUNT; i++)
        names[i] = spacings[i].name;
    return unknown("schedule", name, names, DAUB_SIGMAS_COUNT);
}

const char *daub_sigma_spacing_name(enum daub_sigma_spacing spacing)
{
    return spacings[spacing].name;
}

const struct daub_sigma_spacing_desc *daub_sigma_spacing_desc(enum daub_sigma_spacing spacing)
{
    return &spacings[spacing];
}

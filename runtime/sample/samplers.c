// samplers.c - the table of samplers, and how people's names for them and for schedules are understood.
#include "runtime/sample/sample.h"

#include "runtime/base/near.h"

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
enum { MAX_ALIAS = 96, MAX_NAMES = 64 };

static bool listed(const char *name, size_t n, const char *aliases)
{
    for (const char *at = aliases; at && *at;) {
        const char *comma = strchr(at, ',');
        const size_t length = comma ? (size_t)(comma - at) : strlen(at);
        char alias[MAX_ALIAS];
        snprintf(alias, sizeof(alias), "%.*s", (int)length, at);
        if (daub_name_same(name, n, alias))
            return true;
        at = comma ? comma + 1 : NULL;
    }
    return false;
}

static const struct daub_sampler_desc *lookup(const char *name, size_t n)
{
    for (uint32_t i = 0; i < daub_n_samplers; i++) {
        const struct daub_sampler_desc *s = daub_samplers[i];
        if (daub_name_same(name, n, s->name) || daub_name_same(name, n, s->label) || listed(name, n, s->aliases))
            return s;
    }
    return NULL;
}

daub_status daub_sampler_find(const char *name, const struct daub_sampler_desc **out, const char **schedule)
{
    const struct daub_sampler_desc *found = lookup(name, strlen(name));
    // "DPM++ 2M Karras" and, as InvokeAI has it, "dpmpp_2m_k"
    for (size_t n = strlen(name); !found && schedule && n-- > 1;) {
        if (daub_name_fold(name[n]) != '_')
            continue;
        for (uint32_t i = 1; i < DAUB_SIGMAS_COUNT; i++) {
            const bool is = daub_name_same(name + n + 1, strlen(name + n + 1), spacings[i].name);
            if (!is && !(i == DAUB_SIGMAS_KARRAS && daub_name_same(name + n + 1, strlen(name + n + 1), "k")))
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
    return daub_unknown_name("sampler", name, names, n);
}

daub_status daub_sigma_spacing_find(const char *name, enum daub_sigma_spacing *out)
{
    for (uint32_t i = 0; i < DAUB_SIGMAS_COUNT; i++)
        if (daub_name_same(name, strlen(name), spacings[i].name)) {
            *out = (enum daub_sigma_spacing)i;
            return DAUB_OK;
        }
    const char *names[DAUB_SIGMAS_COUNT];
    for (uint32_t i = 0; i < DAUB_SIGMAS_COUNT; i++)
        names[i] = spacings[i].name;
    return daub_unknown_name("schedule", name, names, DAUB_SIGMAS_COUNT);
}

const char *daub_sigma_spacing_name(enum daub_sigma_spacing spacing)
{
    return spacings[spacing].name;
}

const struct daub_sigma_spacing_desc *daub_sigma_spacing_desc(enum daub_sigma_spacing spacing)
{
    return &spacings[spacing];
}

// parameters_foreign.c - what stable-diffusion-webui's texts mean where they say it otherwise than daub, or not at all.
#include "runtime/api/parameters.h"

#include "runtime/base/text.h"

#include <stdio.h>
#include <string.h>

// Its schedule "Automatic" is the sampler's own choice (modules/sd_samplers_kdiffusion.py).
static const char *const automatic[][2] = {
    { "dpmpp_2m", "karras" },
    { "dpmpp_2m_sde", "exponential" },
    { "dpm2", "karras" },
};

// Its version as it writes them, "v1.5.2"; without one its own reader changes nothing either (modules/infotext_versions.py).
static bool before_1_6(const struct daub_infotext *info)
{
    unsigned major = 0, minor = 0;
    const char *version = daub_infotext_get(info, "Version");
    return version && sscanf(version, "v%u.%u", &major, &minor) == 2 && (major < 1 || (major == 1 && minor < 6));
}

void daub_foreign_defaults(const struct daub_taking *t, const struct daub_infotext *info)
{
    if (t->p->rng == DAUB_RNG_DEFAULT)
        t->p->rng = DAUB_RNG_CUDA; // it names the others only
    const char *schedule = daub_infotext_get(info, "Schedule type");
    for (size_t i = 0; i < sizeof(automatic) / sizeof(automatic[0]); i++)
        if (schedule && strcmp(schedule, "Automatic") == 0 && t->p->sampler &&
            strcmp(t->p->sampler, automatic[i][0]) == 0)
            t->p->schedule = automatic[i][1];
    if (t->p->sampler && (strcmp(t->p->sampler, "ddim") == 0 || strcmp(t->p->sampler, "plms") == 0) && before_1_6(info))
        t->p->padding = DAUB_PADDING_LAST;
    if (daub_infotext_get(info, "Hires upscale"))
        t->p->strength = 0.0; // of the second pass, which is left out; there was no picture to begin with
}

bool daub_key_is_harmless(const char *key, const char *value, bool foreign)
{
    // NULL: whatever its value is
    static const char *const harmless[][2] = {
        { "User", NULL },
        { "Init image hash", NULL }, // beside Denoising strength
        { "ENSD", "0" },
        { "Eta", "1.0" },
        { "Eta", "1" },
        { "Hashes", NULL }, // beside Model hash
        { "Cache FP16 weight for LoRA", NULL },
        { "Created Date", NULL },
        { "Civitai resources", NULL },
        { "Civitai metadata", NULL },
    };
    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
        if (foreign && strcmp(key, harmless[i][0]) == 0 && (!harmless[i][1] || strcmp(value, harmless[i][1]) == 0))
            return true;
    return false;
}

// Length of <word:anything> at `at`, or 0: its re_extra_net is <(\w+):([^>]+)>.
static size_t network(const char *at, size_t n)
{
    size_t i = 1, word = 0;
    while (i < n) {
        size_t next = i;
        if (!daub_is_word(daub_utf8_next(at, n, &next)))
            break;
        word += next - i;
        i = next;
    }
    if (word == 0 || i + 1 >= n || at[i] != ':' || at[i + 1] == '>')
        return 0;
    const char *end = memchr(at + i, '>', n - i);
    return end ? (size_t)(end - at) + 1 : 0;
}

void daub_strip_networks(char *prompt, struct daub_writer *left_out)
{
    char *to = prompt;
    size_t n = strlen(prompt);
    bool closes = true; // some > is still to come, or the search for it would take quadratic time
    for (const char *at = prompt; n > 0;) {
        closes = *at != '<' || !closes ? closes : memchr(at, '>', n) != NULL;
        const size_t length = *at == '<' && closes ? network(at, n) : 0;
        if (length == 0) {
            *to++ = *at++;
            n--;
            continue;
        }
        daub_put(left_out, "%s%.*s", left_out->n ? ", " : "", (int)(length < 80 ? length : 80), at);
        at += length;
        n -= length;
    }
    *to = '\0';
}

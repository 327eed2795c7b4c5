// debug.c - the words of DAUB_DEBUG and DAUB_CAPS: two tables, so that an unknown word's sentence can list the known.
#include "runtime/base/debug.h"

#include "runtime/base/near.h"

#include <stdio.h>
#include <string.h>

enum word_kind { WORD_FLAG, WORD_SIZE, WORD_VERSION, WORD_NAME };

enum { NAME_SIZE = sizeof(((struct daub_debug *)0)->broken) };

struct word {
    const char *name; // with "-" in front or "=" behind, as it is written
    enum word_kind kind;
    size_t offset; // of the field
};

#define DEBUG_FIELD(member) offsetof(struct daub_debug, member)
#define CAPS_FIELD(member) offsetof(struct daub_caps_mask, member)

// clang-format off
static const struct word debug_words[] = {
    { "validate", WORD_FLAG,    DEBUG_FIELD(validate) },
    { "names",    WORD_FLAG,    DEBUG_FIELD(names) },
    { "nofuse",   WORD_FLAG,    DEBUG_FIELD(nofuse) },
    { "graph",    WORD_FLAG,    DEBUG_FIELD(graph) },
    { "plan",     WORD_FLAG,    DEBUG_FIELD(plan) },
    { "nocache",  WORD_FLAG,    DEBUG_FIELD(nocache) },
    { "broken=",  WORD_NAME,    DEBUG_FIELD(broken) },
};

static const struct word caps_words[] = {
    { "-f16",      WORD_FLAG,    CAPS_FIELD(no_f16) },
    { "-subgroup", WORD_FLAG,    CAPS_FIELD(no_subgroup) },
    { "-texel",    WORD_FLAG,    CAPS_FIELD(no_texel) },
    { "+texel",    WORD_FLAG,    CAPS_FIELD(texel) },
    { "-lane",     WORD_FLAG,    CAPS_FIELD(no_lane) },
    { "-winograd", WORD_FLAG,    CAPS_FIELD(no_winograd) },
    { "-shared",   WORD_FLAG,    CAPS_FIELD(no_shared) },
    { "-timeline", WORD_FLAG,    CAPS_FIELD(no_timeline) },
    { "-timestamps", WORD_FLAG,  CAPS_FIELD(no_timestamps) },
    { "-sync2",    WORD_FLAG,    CAPS_FIELD(no_sync2) },
    { "-uma",      WORD_FLAG,    CAPS_FIELD(no_uma) },
    { "range=",    WORD_SIZE,    CAPS_FIELD(range) },
    { "shared=",   WORD_SIZE,    CAPS_FIELD(shared) },
    { "alloc=",    WORD_SIZE,    CAPS_FIELD(alloc) },
    { "memory=",   WORD_SIZE,    CAPS_FIELD(memory) },
    { "align=",    WORD_SIZE,    CAPS_FIELD(align) },
    { "rows=",     WORD_SIZE,    CAPS_FIELD(rows) },
    { "api=",      WORD_VERSION, CAPS_FIELD(api) },
};
// clang-format on

enum { MAX_WORDS = sizeof(caps_words) / sizeof(caps_words[0]) }; // of the longer table

struct vocabulary {
    const char *variable;
    const struct word *words;
    size_t n_words;
};

static const struct vocabulary debug_vocabulary = {
    .variable = "DAUB_DEBUG",
    .words = debug_words,
    .n_words = sizeof(debug_words) / sizeof(debug_words[0]),
};
static const struct vocabulary caps_vocabulary = {
    .variable = "DAUB_CAPS",
    .words = caps_words,
    .n_words = sizeof(caps_words) / sizeof(caps_words[0]),
};

// A piece of the text parsed; not zero-terminated.
struct span {
    const char *at;
    size_t n;
};

// Digits up to a limit that leaves room for one more digit in 64 bits; false without any digit or beyond.
static bool take_number(struct span *text, uint64_t *value)
{
    uint64_t v = 0;
    size_t i = 0;
    for (; i < text->n && text->at[i] >= '0' && text->at[i] <= '9'; i++) {
        if (v > (UINT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (uint64_t)(text->at[i] - '0');
    }
    text->at += i;
    text->n -= i;
    *value = v;
    return i > 0;
}

// "16M": bytes, with K, M or G for powers of 1024. 0 is refused: in the struct it means "the device's".
static bool parse_size(struct span text, uint64_t *out)
{
    uint64_t value;
    if (!take_number(&text, &value) || value == 0 || text.n > 1)
        return false;
    unsigned shift = 0;
    if (text.n == 1) {
        static const char suffixes[] = "KMG";
        const char letter = (char)(text.at[0] & ~0x20); // upper case
        const char *const found = letter ? strchr(suffixes, letter) : NULL;
        if (!found)
            return false;
        shift = 10u * (unsigned)(found - suffixes + 1);
    }
    if (value > UINT64_MAX >> shift)
        return false;
    *out = value << shift;
    return true;
}

// "1.1" in the form of VK_MAKE_API_VERSION(0, 1, 1, 0): 7 bits of major at 22, 10 bits of minor at 12.
static bool parse_version(struct span text, uint32_t *out)
{
    uint64_t major;
    uint64_t minor;
    if (!take_number(&text, &major) || text.n == 0 || text.at[0] != '.')
        return false;
    text.at++;
    text.n--;
    if (!take_number(&text, &minor) || text.n > 0 || major < 1 || major > 127 || minor > 1023)
        return false;
    *out = (uint32_t)(major << 22 | minor << 12);
    return true;
}

static daub_status fail_unknown(const struct vocabulary *vocabulary, struct span word)
{
    char known[512] = "";
    const char *names[MAX_WORDS];
    size_t used = 0;
    for (size_t i = 0; i < vocabulary->n_words; i++) {
        const char *const name = names[i] = vocabulary->words[i].name;
        const size_t n = strlen(name);
        const size_t gap = i > 0 ? 2 : 0;
        if (used + gap + n >= sizeof(known))
            break;
        memcpy(known + used, ", ", gap);
        memcpy(known + used + gap, name, n + 1);
        used += gap + n;
    }
    char given[65], near[128], hint[160] = "";
    snprintf(given, sizeof(given), "%.*s", (int)(word.n < 64 ? word.n : 64), word.at);
    daub_near_names(given, names, (uint32_t)vocabulary->n_words, near, sizeof(near));
    if (near[0])
        snprintf(hint, sizeof(hint), "did you mean %s? ", near);
    return daub_fail(DAUB_ERROR_INVALID_ARG, "%s has the unknown word \"%s\"; %sknown are %s", vocabulary->variable,
                     given, hint, known);
}

static daub_status parse_word(const struct vocabulary *vocabulary, struct span text, void *out)
{
    const struct word *word = NULL;
    struct span value = { 0 };
    for (size_t i = 0; i < vocabulary->n_words && !word; i++) {
        const struct word *const candidate = &vocabulary->words[i];
        const size_t n = strlen(candidate->name);
        const bool same = text.n >= n && memcmp(text.at, candidate->name, n) == 0;
        if (!same || (candidate->kind == WORD_FLAG && text.n != n))
            continue;
        word = candidate;
        value = (struct span) { .at = text.at + n, .n = text.n - n };
    }
    if (!word)
        return fail_unknown(vocabulary, text);

    char *const field = (char *)out + word->offset;
    const char *wanted = "";
    bool good = true;
    switch (word->kind) {
    case WORD_FLAG:
        *(bool *)(void *)field = true;
        break;
    case WORD_SIZE:
        good = parse_size(value, (uint64_t *)(void *)field);
        wanted = "a number of bytes above 0, as 65536, 64K, 16M or 1G";
        break;
    case WORD_VERSION:
        good = parse_version(value, (uint32_t *)(void *)field);
        wanted = "a Vulkan version, as 1.1";
        break;
    case WORD_NAME:
        good = value.n > 0 && value.n < NAME_SIZE;
        wanted = "a kernel's name of up to 63 letters; * stands for any";
        if (good)
            memcpy(field, value.at, value.n);
        break;
    }
    if (good)
        return DAUB_OK;
    return daub_fail(DAUB_ERROR_INVALID_ARG, "%s: \"%.*s\" wants %s", vocabulary->variable,
                     (int)(text.n < 64 ? text.n : 64), text.at, wanted);
}

static daub_status parse_words(const struct vocabulary *vocabulary, const char *text, void *out)
{
    const char *at = text ? text : "";
    for (;;) {
        struct span word = { .at = at, .n = strcspn(at, ",") };
        const char *const end = at + word.n;
        while (word.n > 0 && word.at[0] == ' ') {
            word.at++;
            word.n--;
        }
        while (word.n > 0 && word.at[word.n - 1] == ' ')
            word.n--;
        if (word.n > 0)
            TRY(parse_word(vocabulary, word, out));
        if (*end == 0)
            return DAUB_OK;
        at = end + 1;
    }
}

daub_status daub_debug_parse(const char *text, struct daub_debug *out)
{
    struct daub_debug debug = { 0 };
    TRY(parse_words(&debug_vocabulary, text, &debug));
    *out = debug;
    return DAUB_OK;
}

daub_status daub_caps_mask_parse(const char *text, struct daub_caps_mask *out)
{
    struct daub_caps_mask mask = { 0 };
    TRY(parse_words(&caps_vocabulary, text, &mask));
    if (mask.rows != 0 && mask.rows != 12 && mask.rows != 16)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "DAUB_CAPS: \"rows=%llu\" wants 12 or 16",
                         (unsigned long long)mask.rows);
    if (mask.align > 256 || (mask.align & (mask.align - 1)) != 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "DAUB_CAPS: \"align=%llu\" wants a power of two up to 256",
                         (unsigned long long)mask.align);
    *out = mask;
    return DAUB_OK;
}

// One alternative, n bytes. Only the last star is ever retried: what an earlier one matched can stay, because a later
// star can take any longer run itself. So the time is at most n times the text's length.
static bool glob_one(const char *pattern, size_t n, const char *text)
{
    size_t p = 0;
    const char *t = text;
    size_t star = SIZE_MAX;
    const char *star_text = NULL;
    while (*t) {
        if (p < n && pattern[p] == '*') {
            star = p++;
            star_text = t;
        } else if (p < n && (pattern[p] == '?' || pattern[p] == *t)) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < n && pattern[p] == '*')
        p++;
    return p == n;
}

bool daub_glob(const char *pattern, const char *text)
{
    for (;;) {
        const size_t n = strcspn(pattern, ",");
        if (glob_one(pattern, n, text))
            return true;
        if (pattern[n] == 0)
            return false;
        pattern += n + 1;
    }
}

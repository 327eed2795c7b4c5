// fuzz_names.c - what people type: the words of DAUB_DEBUG and DAUB_CAPS, patterns, names of samplers and schedules. An input is
// two texts.
#include "fuzz.h"
#include "runtime/base/debug.h"
#include "runtime/base/near.h"
#include "runtime/sample/sample.h"

#include <stdlib.h>
#include <string.h>

static void check_words(const char *text)
{
    struct daub_debug debug;
    struct daub_caps_mask mask;
    (void)daub_debug_parse(text, &debug);
    if (daub_caps_mask_parse(text, &mask) == DAUB_OK)
        FUZZ_CHECK(mask.align <= 256 && (mask.rows == 0 || mask.rows == 12 || mask.rows == 16));
}

static void check_names(const char *name)
{
    const struct daub_sampler_desc *sampler = NULL;
    const char *schedule = NULL;
    enum daub_sigma_spacing spacing;
    if (daub_sampler_find(name, &sampler, &schedule) == DAUB_OK)
        FUZZ_CHECK(sampler && (!schedule || daub_sigma_spacing_find(schedule, &spacing) == DAUB_OK));
    else
        FUZZ_CHECK(strchr(daub_last_error(), '\n') == NULL);
    if (daub_sigma_spacing_find(name, &spacing) == DAUB_OK)
        FUZZ_CHECK(daub_sigma_spacing_name(spacing) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_part parts[2];
    fuzz_split(data, size, parts, 2);
    char *a = fuzz_text(&parts[0]), *b = fuzz_text(&parts[1]);
    check_words(a);
    check_names(a);
    if (!strpbrk(a, "*?,"))
        FUZZ_CHECK(daub_glob(a, a));
    FUZZ_CHECK(daub_glob("*", a));
    (void)daub_glob(a, b);
    const char *const names[] = { a, b, "dpmpp_2m" };
    char near[64];
    daub_near_names(b, names, 3, near, sizeof(near));
    FUZZ_CHECK(memchr(near, 0, sizeof(near)) != NULL);
    free(a);
    free(b);
    return 0;
}

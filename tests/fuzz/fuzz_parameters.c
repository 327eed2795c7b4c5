// fuzz_parameters.c - a picture's text to parameters and back: what is written reads back as the same, and is written as the same text.
#include "fuzz.h"
#include "include/daub_parameters.h"
#include "runtime/base/limits.h"

#include <stdlib.h>
#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static void check_ranges(const daub_parameters *p)
{
    FUZZ_CHECK(p->n_steps <= DAUB_MAX_STEPS && p->width <= DAUB_MAX_SIZE && p->height <= DAUB_MAX_SIZE);
    FUZZ_CHECK(p->guidance_scale >= 0.0f && p->guidance_scale <= DAUB_MAX_GUIDANCE && p->strength >= 0.0 &&
               p->strength <= 1.0 && p->eta >= 0.0 && p->eta <= 1.0);
    FUZZ_CHECK(p->prompt && p->negative_prompt && (!p->left_out || strchr(p->left_out, '\n') == NULL));
    daub_generate_params params = { .struct_size = sizeof(params) };
    (void)daub_parameters_apply(p, &params);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct fuzz_part part = { .text = (const char *)data, .size = size, .there = true };
    char *text = fuzz_text(&part), *written = NULL, *again = NULL;
    daub_parameters a = { .struct_size = sizeof(a) }, b = { .struct_size = sizeof(b) };
    if (daub_parameters_parse(text, &a) == DAUB_OK) {
        check_ranges(&a);
        if (a.software && strncmp(a.software, "daub ", 5) != 0)
            a.software = NULL; // what other programs leave out is filled in only for them
        if (daub_parameters_write(&a, &written) == DAUB_OK) {
            FUZZ_CHECK(daub_parameters_parse(written, &b) == DAUB_OK);
            check_ranges(&b);
            FUZZ_CHECK(a.seed == b.seed && a.width == b.width && a.height == b.height && a.n_steps == b.n_steps);
            FUZZ_CHECK(memcmp(&a.guidance_scale, &b.guidance_scale, 4) == 0 && memcmp(&a.eta, &b.eta, 8) == 0);
            FUZZ_CHECK(same_text(a.sampler, b.sampler) && same_text(a.schedule, b.schedule) && a.rng == b.rng);
            FUZZ_CHECK(same_text(a.model_hash, b.model_hash) && same_text(a.init_hash, b.init_hash));
            FUZZ_CHECK(daub_parameters_write(&b, &again) == DAUB_OK && strcmp(written, again) == 0);
        }
        daub_text_free(written);
        daub_text_free(again);
        daub_parameters_free(&a);
        daub_parameters_free(&b);
    }
    free(text);
    return 0;
}

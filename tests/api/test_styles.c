// test_styles.c - "Two styles": the table, and daub_style_apply, which sets what is at its default and leaves alone what is given.
#include "tests/test.h"

#include <stddef.h>

static daub_device *dev;
static daub_model *text, *pixels; // guidance 7.5 by default; no prompt and no guidance

static daub_style_info style_of(const char *name)
{
    daub_style_info s = { .struct_size = sizeof(s) };
    for (uint32_t i = 0; i < daub_style_count(); i++) {
        REQUIRE_OK(daub_style_get_info(i, &s));
        if (strcmp(s.name, name) == 0)
            return s;
    }
    TEST_FAIL("no style %s", name);
}

static void test_table(void)
{
    daub_style_info s = { .struct_size = sizeof(s) };
    REQUIRE(daub_style_count() == 2);
    REQUIRE_STATUS(daub_style_get_info(2, &s), DAUB_ERROR_INVALID_ARG, "there is no style 2");
    REQUIRE_STATUS(daub_style_get_info(0, NULL), DAUB_ERROR_INVALID_ARG, "NULL");
    for (uint32_t i = 0; i < 2; i++) {
        REQUIRE_OK(daub_style_get_info(i, &s));
        REQUIRE(s.struct_size == sizeof(s) && s.description[0]);
        REQUIRE_IN(s.guidance_factor, 1.01, 3.0); // both follow the prompt more than the model does by itself
        REQUIRE_IN(s.guidance_rescale, 0.0, 1.0);
        REQUIRE_IN(s.steps_factor, 1.0, 2.0);
        REQUIRE(s.guidance_start >= 0.0 && s.guidance_start < s.guidance_end && s.guidance_end <= 1.0);
    }
    REQUIRE(style_of("vivid").guidance_factor > style_of("strict").guidance_factor);
    REQUIRE(style_of("vivid").guidance_rescale > style_of("strict").guidance_rescale);
}

static void test_apply(const char *name)
{
    const daub_style_info s = style_of(name);
    daub_model_info info = { .struct_size = sizeof(info) };
    daub_generate_params p = *daub_generate_params(.prompt = "x", .seed = 9);
    REQUIRE_OK(daub_model_get_info(text, &info));
    REQUIRE_OK(daub_style_apply(text, name, &p));
    REQUIRE_NEAR(p.guidance_scale, 1.0 + s.guidance_factor * ((double)info.guidance_scale - 1.0), 1e-5);
    REQUIRE(p.guidance_rescale == s.guidance_rescale && p.n_steps == (uint32_t)lrint(s.steps_factor * info.n_steps));
    REQUIRE_NEAR(p.guidance_start, s.guidance_start, 0.0);
    REQUIRE_NEAR(p.guidance_end, s.guidance_end, 0.0);
    REQUIRE(p.sampler == s.sampler && p.schedule == s.schedule && p.seed == 9);

    const daub_generate_params given = *daub_generate_params(.guidance_scale = 3.0f, .guidance_rescale = 0.1f,
                                                             .guidance_start = 0.25, .guidance_end = 0.5, .n_steps = 3,
                                                             .sampler = "euler", .schedule = "karras");
    p = given;
    REQUIRE_OK(daub_style_apply(text, name, &p));
    REQUIRE(memcmp(&p, &given, sizeof(p)) == 0); // nothing was left to set
    p = *daub_generate_params(.sampler = "ddim");
    REQUIRE_OK(daub_style_apply(text, name, &p));
    REQUIRE(!p.schedule && strcmp(p.sampler, "ddim") == 0);
    p = *daub_generate_params(.guidance_start = 0.25); // an interval to the end
    REQUIRE_OK(daub_style_apply(text, name, &p));
    REQUIRE_NEAR(p.guidance_start, 0.25, 0.0);
    p = *daub_generate_params(.guidance_scale = 1.0f);
    REQUIRE_OK(daub_style_apply(text, name, &p));
    REQUIRE(p.guidance_scale == 1.0f && p.guidance_rescale == 0.0f && p.guidance_end == 0.0); // off, so no more of it
}

static void test_refused(void)
{
    daub_generate_params p = *daub_generate_params(.prompt = "x"), before = p;
    REQUIRE_OK(daub_style_apply(NULL, "strict", NULL)); // there is such a one
    REQUIRE_STATUS(daub_style_apply(NULL, "strickt", NULL), DAUB_ERROR_INVALID_ARG, "did you mean strict?");
    REQUIRE_STATUS(daub_style_apply(text, "xyzzyxyzzy", &p), DAUB_ERROR_INVALID_ARG, "there are strict, vivid");
    REQUIRE_STATUS(daub_style_apply(text, NULL, &p), DAUB_ERROR_INVALID_ARG, "NULL");
    REQUIRE_STATUS(daub_style_apply(text, "strict", NULL), DAUB_ERROR_INVALID_ARG, "NULL");
    REQUIRE_STATUS(daub_style_apply(pixels, "vivid", &p), DAUB_ERROR_INVALID_ARG, "takes none");
    p.struct_size = 0;
    REQUIRE_STATUS(daub_style_apply(text, "strict", &p), DAUB_ERROR_INVALID_ARG, "struct_size");
    p.struct_size = before.struct_size;
    REQUIRE(memcmp(&p, &before, sizeof(p)) == 0);
}

// A struct of an older header is written no further than it reaches.
static void test_older(void)
{
    daub_generate_params p = *daub_generate_params(.prompt = "x");
    p.struct_size = offsetof(daub_generate_params, guidance_rescale);
    REQUIRE_OK(daub_style_apply(text, "vivid", &p));
    REQUIRE(p.guidance_scale > 7.5f && p.guidance_rescale == 0.0f && !p.sampler);
}

int main(void)
{
    REQUIRE_OK(daub_device_create(NULL, &dev));
    REQUIRE_OK(daub_model_load(dev, DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15", NULL, &text));
    REQUIRE_OK(daub_model_load(dev, DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-ddpm", NULL, &pixels));
    test_table();
    test_apply("strict");
    test_apply("vivid");
    test_refused();
    test_older();
    REQUIRE_OK(daub_model_destroy(&text));
    REQUIRE_OK(daub_model_destroy(&pixels));
    REQUIRE_OK(daub_device_destroy(&dev));
    return 0;
}

// test_infotext.c - a picture's "parameters" text is taken apart as stable-diffusion-webui does it. daub-goldens runs the reference's own
// answers; these are the corners and the limits.
// link: base
#include "runtime/base/infotext.h"
#include "runtime/base/limits.h"
#include "tests/test.h"

static struct daub_infotext parse(struct daub_arena *arena, const char *text)
{
    struct daub_infotext info;
    REQUIRE_OK(daub_infotext_parse(arena, text, strlen(text), &info));
    return info;
}

static void ordinary(struct daub_arena *arena)
{
    const struct daub_infotext info = parse(arena,
                                            "a cat,\r\n  two lines \nNegative prompt: ugly\nmore\n"
                                            "Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 1, Size: 512x768, "
                                            "Model: \"x, y\", Version: v1.10.1");
    REQUIRE_TEXT(info.prompt, "a cat,\ntwo lines");
    REQUIRE_TEXT(info.negative, "ugly\nmore");
    REQUIRE(info.n_fields == 8);
    REQUIRE_TEXT(info.fields[0].key, "Steps");
    REQUIRE_TEXT(daub_infotext_get(&info, "Steps"), "20");
    REQUIRE_TEXT(daub_infotext_get(&info, "Sampler"), "Euler a");
    REQUIRE_TEXT(daub_infotext_get(&info, "CFG scale"), "7.5");
    REQUIRE_TEXT(daub_infotext_get(&info, "Size-1"), "512");
    REQUIRE_TEXT(daub_infotext_get(&info, "Size-2"), "768");
    REQUIRE_TEXT(daub_infotext_get(&info, "Model"), "x, y");
    REQUIRE(!daub_infotext_get(&info, "Size") && !daub_infotext_get(&info, "steps"));
}

static void prompts_alone(struct daub_arena *arena)
{
    static const struct {
        const char *text, *prompt, *negative;
    } cases[] = {
        { "", "", "" },
        { " \n\t", "", "" },
        { "only this", "only this", "" },
        { "a\nSteps: 20, Sampler: Euler", "a\nSteps: 20, Sampler: Euler", "" }, // two are not enough
        { "Negative prompt: x", "", "x" },
        { "a\n\nb", "a\n\nb", "" },
        { "\xe3\x80\x80\xe7\x8c\xab\xc2\x85", "\xe7\x8c\xab", "" }, // Unicode's white space is stripped
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct daub_infotext info = parse(arena, cases[i].text);
        REQUIRE_TEXT(info.prompt, cases[i].prompt);
        REQUIRE_TEXT(info.negative, cases[i].negative);
        REQUIRE(info.n_fields == 0);
    }
    REQUIRE_TEXT(parse(arena, "Steps: 1, Seed: 2, Size: 8x8").prompt, "");
}

static const char *value_of(struct daub_arena *arena, const char *value)
{
    char text[256];
    snprintf(text, sizeof(text), "Steps: 1, Seed: 2, Note: %s, Last: 3", value);
    const struct daub_infotext info = parse(arena, text);
    return daub_infotext_get(&info, "Note");
}

static void values(struct daub_arena *arena)
{
    REQUIRE_TEXT(value_of(arena, "\"a \\\"b\\\" \\\\ \\n\\t\\/\""), "a \"b\" \\ \n\t/");
    REQUIRE_TEXT(value_of(arena, "\"\\u00fc\\u732B\\ud83d\\ude00\""), "\xc3\xbc\xe7\x8c\xab\xf0\x9f\x98\x80");
    REQUIRE_TEXT(value_of(arena, "\"\""), "");
    REQUIRE_TEXT(value_of(arena, "\""), "\"");
    REQUIRE_TEXT(value_of(arena, "\"open, quote"), "\"open");
    REQUIRE_TEXT(value_of(arena, "\"a\" b"), "\"a\" b");
    REQUIRE_TEXT(value_of(arena, "\"\\x41\""), "\"\\x41\"");         // no JSON: as it stands
    REQUIRE_TEXT(value_of(arena, "\"\\u0000\""), "\"\\u0000\"");     // which a C text cannot hold
    REQUIRE_TEXT(value_of(arena, "\"\\ud83d z\""), "\"\\ud83d z\""); // half a character
    REQUIRE(!value_of(arena, "")); // the reference stumbles over it, and leaves it out
    REQUIRE_TEXT(value_of(arena, "8x"), "8x");
    const struct daub_infotext info = parse(arena, "Steps: 1, a-b/c d: 2, _: 3, -x y: 4, Steps: 5, Prompt: p, 2x: 6");
    REQUIRE_TEXT(info.prompt, "p");
    REQUIRE(info.n_fields == 4);
    REQUIRE_TEXT(daub_infotext_get(&info, "Steps"), "5"); // the last one counts
    REQUIRE_TEXT(daub_infotext_get(&info, "a-b/c d"), "2");
    REQUIRE_TEXT(daub_infotext_get(&info, "x y"), "4"); // keys begin with a letter and have two characters
    REQUIRE_TEXT(daub_infotext_get(&info, "2x"), "6");
}

static void limits(struct daub_arena *arena)
{
    struct daub_infotext info;
    char *text = malloc(DAUB_MAX_INFOTEXT + 1);
    REQUIRE(text);
    memset(text, 'a', DAUB_MAX_INFOTEXT + 1);
    REQUIRE_OK(daub_infotext_parse(arena, text, DAUB_MAX_INFOTEXT, &info));
    REQUIRE_STATUS(daub_infotext_parse(arena, text, DAUB_MAX_INFOTEXT + 1, &info), DAUB_ERROR_BAD_FILE, "4194304");
    text[3] = (char)0xff;
    REQUIRE_STATUS(daub_infotext_parse(arena, text, 8, &info), DAUB_ERROR_BAD_FILE, "byte 3 is 0xff");
    text[3] = 0;
    REQUIRE_STATUS(daub_infotext_parse(arena, text, 8, &info), DAUB_ERROR_BAD_FILE, "zero byte, at 3");
    for (int more = 0; more < 2; more++) {
        size_t n = 0;
        for (int i = 0; i < DAUB_MAX_INFOTEXT_FIELDS + more; i++)
            n += (size_t)sprintf(text + n, "k%d: v, ", i);
        if (more == 0)
            REQUIRE_OK(daub_infotext_parse(arena, text, n, &info));
        else
            REQUIRE_STATUS(daub_infotext_parse(arena, text, n, &info), DAUB_ERROR_BAD_FILE, "more than 1024 fields");
    }
    REQUIRE(info.n_fields == DAUB_MAX_INFOTEXT_FIELDS);
    free(text);
}

int main(void)
{
    struct daub_arena *arena = daub_arena_create(NULL);
    REQUIRE(arena);
    ordinary(arena);
    prompts_alone(arena);
    values(arena);
    limits(arena);
    daub_arena_destroy(&arena);
    return 0;
}

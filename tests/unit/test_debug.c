// test_debug.c - the words of DAUB_DEBUG and DAUB_CAPS, and the glob that picks tensors.
// link: base
#include "runtime/base/debug.h"
#include "tests/test.h"

static void debug_words(void)
{
    struct daub_debug debug;
    memset(&debug, 0xff, sizeof(debug));
    REQUIRE_OK(daub_debug_parse(NULL, &debug));
    REQUIRE(!debug.validate && !debug.names && !debug.nofuse && !debug.graph && !debug.plan && !debug.nocache);
    REQUIRE_OK(daub_debug_parse(" validate, names,,plan ,", &debug));
    REQUIRE(debug.validate && debug.names && debug.plan);
    REQUIRE(!debug.nofuse && !debug.graph && !debug.nocache);
    REQUIRE_OK(daub_debug_parse("names,nofuse,graph,nocache", &debug));
    REQUIRE(debug.names && debug.nofuse && debug.graph && debug.nocache && !debug.validate && !debug.broken[0]);
    REQUIRE_OK(daub_debug_parse("broken=gemm_lane*,plan", &debug));
    REQUIRE_TEXT(debug.broken, "gemm_lane*");
    REQUIRE(debug.plan);
}

static void debug_mistakes(void)
{
    struct daub_debug debug = { .graph = true };
    REQUIRE_STATUS(daub_debug_parse("names,valid", &debug), DAUB_ERROR_INVALID_ARG, "\"valid\"");
    REQUIRE(strstr(daub_last_error(), "DAUB_DEBUG"));
    REQUIRE(strstr(daub_last_error(), "validate, names, nofuse, graph, plan, nocache"));
    REQUIRE(debug.graph && !debug.names); // left alone
    REQUIRE_STATUS(daub_debug_parse("broken=", &debug), DAUB_ERROR_INVALID_ARG, "kernel's name");
    REQUIRE_STATUS(daub_debug_parse("validates", &debug), DAUB_ERROR_INVALID_ARG, "\"validates\"");
    REQUIRE_STATUS(daub_debug_parse("Names", &debug), DAUB_ERROR_INVALID_ARG, "\"Names\"");
}

static void caps_words(void)
{
    struct daub_caps_mask mask;
    memset(&mask, 0xff, sizeof(mask));
    REQUIRE_OK(daub_caps_mask_parse("", &mask));
    REQUIRE(!mask.no_f16 && !mask.no_uma && mask.range == 0 && mask.api == 0 && mask.memory == 0);
    REQUIRE_OK(daub_caps_mask_parse("-f16,-subgroup,range=16M,shared=16K,api=1.1", &mask));
    REQUIRE(mask.no_f16 && mask.no_subgroup && !mask.no_texel && !mask.no_shared);
    REQUIRE(mask.range == 16u << 20);
    REQUIRE(mask.shared == 16u << 10);
    REQUIRE(mask.api == 0x00401000);
    REQUIRE_OK(daub_caps_mask_parse("-texel,-lane,-shared,-timeline,-sync2,-uma", &mask));
    REQUIRE(mask.no_texel && mask.no_lane && mask.no_shared && mask.no_timeline && mask.no_sync2 && mask.no_uma &&
            !mask.no_f16);
    REQUIRE_OK(daub_caps_mask_parse("-timestamps", &mask));
    REQUIRE(mask.no_timestamps && !mask.no_timeline);
    REQUIRE_OK(daub_caps_mask_parse("alloc=1g,memory=12345,api=1.3", &mask));
    REQUIRE(mask.alloc == 1u << 30 && mask.memory == 12345 && mask.api == 0x00403000);
}

static void caps_mistakes(void)
{
    static const char *const bad[] = { "range=",
                                       "range=0",
                                       "range=M",
                                       "range=16X",
                                       "range=16MB",
                                       "range=-1",
                                       "range= 1",
                                       "shared=1.5K",
                                       "api=1",
                                       "api=1.",
                                       "api=.1",
                                       "api=0.1",
                                       "api=1.1.1",
                                       "api=1.1024",
                                       "api=128.0",
                                       "memory=1KM",
                                       "alloc=1\x80",
                                       "range=18446744073709551616",
                                       "range=99999999999999999999999",
                                       "rows=13",
                                       "rows=0",
                                       "align=48",
                                       "align=512",
                                       "range=18446744073709551615K" };
    struct daub_caps_mask mask = { .range = 77 };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        REQUIRE_STATUS(daub_caps_mask_parse(bad[i], &mask), DAUB_ERROR_INVALID_ARG, "wants");
    REQUIRE(mask.range == 77);
    REQUIRE_STATUS(daub_caps_mask_parse("-f16,f16", &mask), DAUB_ERROR_INVALID_ARG, "\"f16\"");
    REQUIRE(strstr(daub_last_error(), "-f16, -subgroup"));
    REQUIRE(strstr(daub_last_error(), "memory=, align=, rows=, api="));
    REQUIRE_STATUS(daub_caps_mask_parse("-f16x", &mask), DAUB_ERROR_INVALID_ARG, "\"-f16x\"");
}

static void globs(void)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        { "", "", true },          { "", "a", false },          { "*", "", true },
        { "*", "anything", true }, { "?", "", false },          { "?", "a", true },
        { "?", "ab", false },      { "a?c", "abc", true },      { "a*c", "ac", true },
        { "a*c", "abbbc", true },  { "a*c", "abbb", false },    { "*.out", "mid.out", true },
        { "*ab", "aab", true },    { "*a*b", "xaxxb", true },   { "*a*b", "xbxxa", false },
        { "**a**", "bab", true },  { "abc", "abcd", false },    { "abcd", "abc", false },
        { "a,b", "b", true },      { "a,b", "c", false },       { "a,b*", "bcd", true },
        { "a,b", "a,b", false },   { "x,", "", true },          { "unet.*,vae.*", "vae.mid", true },
        { "*-f?", "x-f1", true },  { "a*b*c", "abcbd", false },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (daub_glob(cases[i].pattern, cases[i].text) != cases[i].match)
            TEST_FAIL("glob \"%s\" on \"%s\"", cases[i].pattern, cases[i].text);
    }
    // Many stars on a long text: a matcher that tries all ways would not come back.
    char text[4097];
    memset(text, 'a', 4096);
    text[4096] = 0;
    REQUIRE(!daub_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

int main(void)
{
    debug_words();
    debug_mistakes();
    caps_words();
    caps_mistakes();
    globs();
    return 0;
}

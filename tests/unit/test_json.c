// test_json.c - what the getters give, and the sentence of each mistake.
// link: base
#include "runtime/base/json.h"
#include "tests/test.h"

static struct daub_json parse(const char *text)
{
    struct daub_json json;
    REQUIRE_OK(daub_json_parse(NULL, "unet/config.json", text, strlen(text), &json));
    return json;
}

static void getters(void)
{
    struct daub_json json = parse(
        " { \"n\": 7, \"big\": 4294967295, \"eps\": 1e-05, \"list\": [320, 640, 1280],\n"
        "\"on\": true, \"off\": false, \"none\": null, \"act\": \"sil\\u00fc\", \"empty\": [],\n"
        "\"types\": [\"A\", \"B\"], \"twice\": 1, \"twice\": 2, \"N\": 8 }\n\t ");
    uint32_t u = 99;
    REQUIRE_OK(daub_json_u32(&json, "n", 1, 7, &u));
    REQUIRE(u == 7);
    REQUIRE_OK(daub_json_u32(&json, "N", 0, 100, &u)); // keys are case-sensitive
    REQUIRE(u == 8);
    REQUIRE_OK(daub_json_u32(&json, "big", 0, UINT32_MAX, &u));
    REQUIRE(u == UINT32_MAX);
    REQUIRE_OK(daub_json_u32(&json, "twice", 0, 9, &u)); // the last one, as in Python
    REQUIRE(u == 2);

    double d = 0;
    float f = 0;
    REQUIRE_OK(daub_json_f64(&json, "eps", &d));
    REQUIRE(d == 1e-5);
    REQUIRE_OK(daub_json_f32(&json, "eps", &f));
    REQUIRE(f == 1e-5f);

    bool b = false;
    REQUIRE_OK(daub_json_bool(&json, "on", &b));
    REQUIRE(b);
    REQUIRE_OK(daub_json_bool(&json, "off", &b));
    REQUIRE(!b);

    const char *text = NULL;
    REQUIRE_OK(daub_json_text(&json, "act", &text));
    REQUIRE_TEXT(text, "sil\xc3\xbc");

    uint32_t list[3] = { 0 };
    uint32_t n = 0;
    REQUIRE_OK(daub_json_u32_list(&json, "list", 1, 1280, list, 3, &n));
    REQUIRE(n == 3 && list[0] == 320 && list[1] == 640 && list[2] == 1280);
    REQUIRE_OK(daub_json_u32_list(&json, "n", 1, 9, list, 3, &n));
    REQUIRE(n == 1 && list[0] == 7 && list[1] == 640);
    REQUIRE_OK(daub_json_u32_list(&json, "empty", 1, 9, list, 3, &n));
    REQUIRE(n == 0);
    const char *types[2];
    REQUIRE_OK(daub_json_text_list(&json, "types", types, 2, &n));
    REQUIRE(n == 2);
    REQUIRE_TEXT(types[1], "B");

    REQUIRE(daub_json_has(&json, "n") && daub_json_has(&json, "off") && daub_json_has(&json, "empty"));
    REQUIRE(!daub_json_has(&json, "none") && !daub_json_has(&json, "missing"));
    daub_json_free(&json);
    REQUIRE(!json.root && !json.name);
    daub_json_free(&json);
    daub_json_free(NULL);
}

static void absent_keys_keep_the_default(void)
{
    struct daub_json json = parse("{\"x\": null}");
    static const char *const keys[] = { "x", "y" };
    for (size_t i = 0; i < 2; i++) {
        uint32_t u = 5;
        double d = 6;
        float f = 7;
        bool b = true;
        const char *text = "eight";
        uint32_t list[1] = { 9 };
        uint32_t n = 10;
        REQUIRE_OK(daub_json_u32(&json, keys[i], 0, 1, &u));
        REQUIRE_OK(daub_json_f64(&json, keys[i], &d));
        REQUIRE_OK(daub_json_f32(&json, keys[i], &f));
        REQUIRE_OK(daub_json_bool(&json, keys[i], &b));
        REQUIRE_OK(daub_json_text(&json, keys[i], &text));
        REQUIRE(u == 5 && d == 6 && f == 7 && b);
        REQUIRE_TEXT(text, "eight");
        REQUIRE_OK(daub_json_u32_list(&json, keys[i], 0, 1, list, 1, &n));
        REQUIRE(n == 0 && list[0] == 9);
        n = 10;
        REQUIRE_OK(daub_json_text_list(&json, keys[i], &text, 1, &n));
        REQUIRE(n == 0);
    }
    daub_json_free(&json);

    // A top level that is no object has no keys.
    json = parse("[1, 2]");
    REQUIRE(!daub_json_has(&json, "0"));
    daub_json_free(&json);
}

static void wrong_types(void)
{
    struct daub_json json = parse(
        "{\"s\": \"x\", \"half\": 1.5, \"neg\": -1, \"large\": 4294967296, \"inf\": 1e999, \"wide\": 1e39,\n"
        "\"list\": [1, 2, \"x\"], \"deep\": [[1]], \"obj\": {}, \"t\": true, \"nulls\": [\"a\", null],\n"
        "\"long\": \"12345678901234567890123456789012345678901234567890\"}");
    uint32_t u = 3;
    double d = 4;
    float f = 5;
    bool b = false;
    const char *text = "six";
    uint32_t list[3] = { 7, 8, 9 };
    uint32_t n = 0;
    REQUIRE_STATUS(daub_json_u32(&json, "s", 1, 65536, &u), DAUB_ERROR_BAD_FILE,
                   "unet/config.json: s is 'x', wanted a whole number of 1..65536");
    REQUIRE_STATUS(daub_json_u32(&json, "half", 1, 8, &u), DAUB_ERROR_BAD_FILE, "half is 1.5, wanted");
    REQUIRE_STATUS(daub_json_u32(&json, "neg", 0, 8, &u), DAUB_ERROR_BAD_FILE, "neg is -1, wanted");
    REQUIRE_STATUS(daub_json_u32(&json, "large", 0, UINT32_MAX, &u), DAUB_ERROR_BAD_FILE, "large is 4294967296");
    REQUIRE_STATUS(daub_json_u32(&json, "inf", 0, UINT32_MAX, &u), DAUB_ERROR_BAD_FILE, "inf is inf");
    REQUIRE_STATUS(daub_json_u32(&json, "t", 0, 8, &u), DAUB_ERROR_BAD_FILE, "t is true");
    REQUIRE_STATUS(daub_json_f64(&json, "inf", &d), DAUB_ERROR_BAD_FILE, "inf is inf, wanted a number");
    REQUIRE_STATUS(daub_json_f64(&json, "s", &d), DAUB_ERROR_BAD_FILE, "wanted a number");
    REQUIRE_STATUS(daub_json_f32(&json, "wide", &f), DAUB_ERROR_BAD_FILE, "single precision");
    REQUIRE_STATUS(daub_json_f32(&json, "obj", &f), DAUB_ERROR_BAD_FILE, "obj is an object");
    REQUIRE_STATUS(daub_json_bool(&json, "neg", &b), DAUB_ERROR_BAD_FILE, "neg is -1, wanted true or false");
    REQUIRE_STATUS(daub_json_text(&json, "list", &text), DAUB_ERROR_BAD_FILE, "list is a list, wanted a text");
    REQUIRE_STATUS(daub_json_u32_list(&json, "list", 1, 65536, list, 3, &n), DAUB_ERROR_BAD_FILE,
                   "unet/config.json: list[2] is 'x', wanted a whole number of 1..65536");
    REQUIRE_STATUS(daub_json_u32_list(&json, "list", 1, 9, list, 2, &n), DAUB_ERROR_BAD_FILE,
                   "list has 3 entries, at most 2");
    REQUIRE_STATUS(daub_json_u32_list(&json, "deep", 1, 9, list, 3, &n), DAUB_ERROR_BAD_FILE, "deep[0] is a list");
    REQUIRE_STATUS(daub_json_u32_list(&json, "obj", 1, 9, list, 3, &n), DAUB_ERROR_BAD_FILE, "obj is an object");
    REQUIRE_STATUS(daub_json_u32_list(&json, "neg", 1, 9, list, 3, &n), DAUB_ERROR_BAD_FILE, "neg is -1");
    REQUIRE_STATUS(daub_json_text_list(&json, "nulls", &text, 2, &n), DAUB_ERROR_BAD_FILE, "nulls[1] is null");
    REQUIRE_STATUS(daub_json_text_list(&json, "s", &text, 1, &n), DAUB_ERROR_BAD_FILE, "a list of texts");
    REQUIRE_STATUS(daub_json_bool(&json, "long", &b), DAUB_ERROR_BAD_FILE,
                   "'1234567890123456789012345678901234567890...'");
    REQUIRE(u == 3 && d == 4 && f == 5 && !b && list[0] == 7 && list[1] == 8 && list[2] == 9 && n == 0);
    REQUIRE_TEXT(text, "six");
    daub_json_free(&json);
}

static void bad_texts(void)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        { "", "c.json: line 1, column 1: the file is empty" },
        { "  \n ", "not valid JSON" },
        { "{\n  \"a\": 1,\n  \"b\": tru\n}", "c.json: line 3, column 8: " },
        { "{\"a\": 1", "line 1, column 8: the text ends too early" },
        { "{\"a\": 1,}", "line 1, column 9" },
        { "[1 2]", "line 1, column 4" },
        { "{} x", "line 1, column 4: something follows" },
        { "{}\n{}", "line 2, column 1: something follows" },
        { "{\"a\": \"\xff\"}", "line 1, column 8: the bytes are not valid UTF-8" },
        { "{\"a\": \"x\\u0000y\"}", "line 1, column 9: a string holds a zero" },
        { "\"open", "not valid JSON" },
        { "\"\\u00e9e", "not valid JSON" }, // hexadecimal digits up to the end of what may be read
        { "\"open\\", "not valid JSON" },
        { "{\"a\": \"\\ud800\"}", "not valid JSON" },
    };
    struct daub_json json;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        // A copy of exactly the size: reading on behind the end shows under AddressSanitizer.
        const size_t n = strlen(cases[i].text);
        char *const copy = malloc(n > 0 ? n : 1);
        REQUIRE(copy);
        memcpy(copy, cases[i].text, n);
        REQUIRE_STATUS(daub_json_parse(NULL, "c.json", copy, n, &json), DAUB_ERROR_BAD_FILE, cases[i].part);
        REQUIRE(strncmp(daub_last_error(), "c.json: line ", 13) == 0);
        free(copy);
    }
    REQUIRE_STATUS(daub_json_parse(NULL, "c.json", "{}\0{}", 5, &json), DAUB_ERROR_BAD_FILE, "a zero byte");
    // Behind a backslash as well: what replaces Infinity once copied only what stands before the zero, and wrote behind the copy.
    static const char escaped[] = "{\"a\":\"\\\0\",\"b\":Infinity,\"c\":-Infinity}";
    REQUIRE_STATUS(daub_json_parse(NULL, "c.json", escaped, sizeof(escaped) - 1, &json), DAUB_ERROR_BAD_FILE,
                   "column 8: there is a zero byte");
    REQUIRE_STATUS(daub_json_parse(NULL, "c.json", "", ((size_t)64 << 20) + 1, &json), DAUB_ERROR_BAD_FILE,
                   "too many for a JSON file");
    REQUIRE_STATUS(daub_json_load(NULL, "/nonexistent/c.json", &json), DAUB_ERROR_IO, "/nonexistent/c.json");
}

// Every piece cut off the front of a text parses or fails, and never reads behind its end.
static void truncated_texts(void)
{
    static const char text[] =
        "{\"a\\\"\\u00e9\": [1, -2.5e3, true, null, \"x\\n\"], \"b\": {\"c\": \"\\ud83d\\ude00\"}}";
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        struct daub_json json;
        char *const copy = malloc(n > 0 ? n : 1);
        REQUIRE(copy);
        memcpy(copy, text, n);
        REQUIRE_STATUS(daub_json_parse(NULL, "t", copy, n, &json), DAUB_ERROR_BAD_FILE, "t: line 1, column ");
        free(copy);
    }
    struct daub_json json = parse(text);
    daub_json_free(&json);
}

static void nesting(void)
{
    char text[200];
    struct daub_json json;
    for (uint32_t depth = 63; depth <= 66; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        if (depth <= 64) {
            REQUIRE_OK(daub_json_parse(NULL, "n", text, 2 * (size_t)depth, &json));
            daub_json_free(&json);
        } else {
            REQUIRE_STATUS(daub_json_parse(NULL, "n", text, 2 * (size_t)depth, &json), DAUB_ERROR_BAD_FILE,
                           "line 1, column 65: the nesting is deeper than 64");
        }
    }
    // Brackets within strings do not nest, also behind an escaped quote.
    memset(text, '[', sizeof(text));
    memcpy(text, "\"\\\"", 3);
    text[sizeof(text) - 1] = '"';
    REQUIRE_OK(daub_json_parse(NULL, "n", text, sizeof(text), &json));
    daub_json_free(&json);
    // A million of them, unclosed, is refused before anything recurses.
    char *const deep = malloc(1000000);
    REQUIRE(deep);
    memset(deep, '{', 1000000);
    REQUIRE_STATUS(daub_json_parse(NULL, "n", deep, 1000000, &json), DAUB_ERROR_BAD_FILE, "deeper than 64");
    free(deep);
}

static void infinities_of_python(void)
{
    static const char text[] = "{\"lambda_min_clipped\": -Infinity, \"name\": \"Infinity\", \"n\": 3}";
    struct daub_json json = { 0 };
    const char *name = NULL;
    uint32_t n = 0;
    REQUIRE_OK(daub_json_parse(NULL, "config", text, sizeof(text) - 1, &json));
    REQUIRE(daub_json_has(&json, "lambda_min_clipped"));
    REQUIRE_OK(daub_json_text(&json, "name", &name));
    REQUIRE_TEXT(name, "Infinity"); // inside a string it is a word
    REQUIRE_OK(daub_json_u32(&json, "n", 0, 9, &n));
    REQUIRE(n == 3);
    daub_json_free(&json);
    REQUIRE_STATUS(daub_json_parse(NULL, "config", "{\"x\": NaN}", 10, &json), DAUB_ERROR_BAD_FILE, "column 7");
}

int main(void)
{
    getters();
    absent_keys_keep_the_default();
    wrong_types();
    bad_texts();
    truncated_texts();
    nesting();
    infinities_of_python();
    return 0;
}

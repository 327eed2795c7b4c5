// test_text.c - every Unicode scalar value is UTF-8 and every other sequence of up to four bytes is not.
// link: base
#include "runtime/base/text.h"
#include "tests/test.h"

// Table 3-6 of the Unicode Standard.
static size_t encode(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

static void every_scalar_value(void)
{
    for (uint32_t c = 0; c < 0x200000; c++) {
        const bool scalar = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
        char bytes[4];
        const size_t n = encode(c, bytes);
        REQUIRE(daub_utf8_valid(bytes, n, NULL) == scalar);
        for (size_t cut = 1; cut < n; cut++)
            REQUIRE(!daub_utf8_valid(bytes, cut, NULL));
        if (!scalar)
            continue;
        REQUIRE(daub_utf8_cut(bytes, n) == n);
        for (size_t cut = 1; cut < n; cut++)
            REQUIRE(daub_utf8_cut(bytes, cut) == 0);
    }
}

// All sequences of one and two bytes: valid are 128 characters, 128 * 128 pairs of them, and 1920 two-byte characters.
static void nothing_else(void)
{
    uint32_t n_valid = 0;
    for (uint32_t i = 0; i < 65536; i++) {
        const char bytes[2] = { (char)(i >> 8), (char)(i & 255) };
        n_valid += daub_utf8_valid(bytes, 2, NULL);
    }
    REQUIRE(n_valid == 128 * 128 + 1920);
    // All sequences of three: triples, a two-byte character before or behind an ASCII one, three-byte characters.
    n_valid = 0;
    for (uint32_t i = 0; i < 1u << 24; i++) {
        const char bytes[3] = { (char)(i >> 16), (char)(i >> 8 & 255), (char)(i & 255) };
        n_valid += daub_utf8_valid(bytes, 3, NULL);
    }
    REQUIRE(n_valid == 128 * 128 * 128 + 2 * 128 * 1920 + (0x10000 - 0x800 - 0x800));
}

static void offsets(void)
{
    static const struct {
        const char *text;
        size_t n, bad;
    } cases[] = {
        { "\xff", 1, 0 },
        { "abc\x80", 4, 3 },
        { "a\xc3\xa4\xc0\xaf", 5, 3 },            // an overlong slash
        { "\xe2\x82\xac\xe2\x82", 5, 3 },         // a euro sign and two thirds of one
        { "\xf0\x9f\x98\x80\xed\xa0\x80", 7, 4 }, // a surrogate
        { "\0\0\xf5", 3, 2 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bad = 99;
        REQUIRE(!daub_utf8_valid(cases[i].text, cases[i].n, &bad));
        REQUIRE(bad == cases[i].bad);
    }
    size_t untouched = 99;
    REQUIRE(daub_utf8_valid("", 0, &untouched) && untouched == 99);
    REQUIRE(daub_utf8_cut("", 0) == 0);
    REQUIRE(daub_utf8_cut("ab\xf0\x9f\x98\x80z", 5) == 2);
}

static void cleaning(void)
{
    char text[] = "a\nb\x1b[31m\x7f\tc \xc2\x9b\xc3\xa4\xc2\xa0\xf0\x9f\x98\x80";
    daub_text_clean(text);
    REQUIRE_TEXT(text, "a?b?[31m??c ?\xc3\xa4\xc2\xa0\xf0\x9f\x98\x80");
}

int main(void)
{
    every_scalar_value();
    nothing_else();
    offsets();
    cleaning();
    return 0;
}

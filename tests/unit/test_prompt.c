// test_prompt.c - "Emphasis in prompts as in A1111": the corners and the limits of the grammar. That it is the reference's grammar is what
// the golden prompts/webui_prompts is for.

#include "models/prompt.h"
#include "runtime/base/limits.h"
#include "tests/test.h"

static struct daub_tokenizer *tok;

// The n-th piece or part as "text weight".
static const char *piece(const struct daub_prompt_pieces *p, uint32_t i)
{
    static char text[256];
    REQUIRE(i < p->n);
    snprintf(text, sizeof(text), "%.*s %.6g", (int)(p->at[i].end - p->at[i].begin), p->text + p->at[i].begin,
             p->at[i].weight);
    return text;
}

static void emphasis(struct daub_arena *arena)
{
    struct daub_prompt_pieces p;
    REQUIRE_OK(daub_prompt_emphasis(arena, "a ((b:1.3) [c]) \\(d\\) BREAK e", &p));
    REQUIRE(p.n == 6 && daub_prompt_is_break(&p, 4));
    REQUIRE_TEXT(piece(&p, 1), "b 1.43");
    REQUIRE_TEXT(piece(&p, 2), "  1.1");
    REQUIRE_TEXT(piece(&p, 3), "c (d) 1"); // equal weights join
}

static void emphasis_corners(struct daub_arena *arena)
{
    struct daub_prompt_pieces p;
    REQUIRE_OK(daub_prompt_emphasis(arena, "", &p));
    REQUIRE(p.n == 1 && p.at[0].weight == 1.0);
    REQUIRE_OK(daub_prompt_emphasis(arena, "a BREAK b aBREAK BREAK\xe7\x8c\xab", &p));
    REQUIRE(p.n == 3 && daub_prompt_is_break(&p, 1));
    REQUIRE_TEXT(piece(&p, 2), "b aBREAK BREAK\xe7\x8c\xab 1");
    REQUIRE_OK(daub_prompt_emphasis(arena, "x:1.2.3)", &p)); // nothing is open: letters
    REQUIRE_TEXT(piece(&p, 0), "x:1.2.3) 1");
    REQUIRE_STATUS(daub_prompt_emphasis(arena, "(x:1.2.3)", &p), DAUB_ERROR_INVALID_ARG, "1.2.3 in the prompt");
    REQUIRE_STATUS(daub_prompt_emphasis(arena, "(x:.)", &p), DAUB_ERROR_INVALID_ARG, "no number");
    REQUIRE_OK(daub_prompt_emphasis(arena, "((a [[b", &p)); // what stays open weighs to the end
    REQUIRE(p.n == 2);
    REQUIRE_TEXT(piece(&p, 0), "a  1.21");
    REQUIRE_NEAR(p.at[1].weight, 1.21 / 1.21, 1e-12);
    REQUIRE_OK(daub_prompt_emphasis(arena, "[[b", &p));
    REQUIRE_TEXT(piece(&p, 0), "b 0.826446");
    REQUIRE_OK(daub_prompt_emphasis(arena, "(a:+1.5)(b:-2.)(c:.5)(d:1e1)", &p));
    REQUIRE(p.n == 4);
    REQUIRE_TEXT(piece(&p, 0), "a 1.5");
    REQUIRE_TEXT(piece(&p, 1), "b -2");
    REQUIRE_TEXT(piece(&p, 2), "c 0.5");
    REQUIRE_TEXT(piece(&p, 3), "d:1e1 1.1"); // a weight has no exponent
    REQUIRE_OK(daub_prompt_emphasis(arena, "(x:100000000000000000000000000000000001)", &p));
    REQUIRE_NEAR(p.at[0].weight / 1e35, 1.0, 1e-12);
}

static void nesting(struct daub_arena *arena)
{
    char text[2 * DAUB_MAX_PROMPT_NESTING + 8] = "";
    struct daub_prompt_pieces p;
    struct daub_prompt_schedule s;
    memset(text, '(', DAUB_MAX_PROMPT_NESTING);
    REQUIRE_OK(daub_prompt_emphasis(arena, text, &p));
    REQUIRE_OK(daub_prompt_schedule(arena, text, 4, &s));
    text[DAUB_MAX_PROMPT_NESTING] = '(';
    REQUIRE_STATUS(daub_prompt_emphasis(arena, text, &p), DAUB_ERROR_INVALID_ARG, "more than 256 brackets");
    REQUIRE_STATUS(daub_prompt_schedule(arena, text, 4, &s), DAUB_ERROR_INVALID_ARG, "more than 256 brackets");
}

static void parts(struct daub_arena *arena)
{
    struct daub_prompt_part *p;
    uint32_t n;
    REQUIRE_OK(daub_prompt_parts(arena, "a :2 AND \n b\nc:3 AND  :4", &p, &n));
    REQUIRE(n == 3 && p[0].weight == 2.0 && p[1].weight == 1.0 && p[2].weight == 4.0);
    REQUIRE_TEXT(p[0].text, "a");
    REQUIRE_TEXT(p[1].text, " \n b\nc:3 "); // a newline within: the reference's pattern does not match
    REQUIRE_TEXT(p[2].text, "  ");
    REQUIRE_OK(daub_prompt_parts(arena,
                                 "SAND\xc3\xa9 \xc3\xa9"
                                 "AND b ANDY AND: :-1.5",
                                 &p, &n)); // words of their own alone
    REQUIRE(n == 2 && p[1].weight == -1.5);
    REQUIRE_TEXT(p[0].text, "SAND\xc3\xa9 \xc3\xa9"
                            "AND b ANDY");
    REQUIRE_TEXT(p[1].text, ":");
    REQUIRE_OK(daub_prompt_parts(arena, "a: AND b:x AND c:1e1", &p, &n));
    REQUIRE(n == 3 && p[0].weight == 1.0 && p[1].weight == 1.0 && p[2].weight == 1.0);
    REQUIRE_TEXT(p[0].text, "a:");
    REQUIRE_OK(daub_prompt_parts(arena, "0 AND 1 AND 2 AND 3 AND 4 AND 5 AND 6 AND 7", &p, &n));
    REQUIRE(n == DAUB_MAX_PROMPT_PARTS);
    REQUIRE_STATUS(daub_prompt_parts(arena, "0 AND 1 AND 2 AND 3 AND 4 AND 5 AND 6 AND 7 AND 8", &p, &n),
                   DAUB_ERROR_INVALID_ARG, "more than 8 parts");
}

static void schedules(struct daub_arena *arena)
{
    struct daub_prompt_schedule s;
    REQUIRE_OK(daub_prompt_schedule(arena, "a [b:c:0.5] [d|e]", 4, &s));
    static const char *const want[] = { "a b d", "a b d", "a b e", "a c d" }; // of steps 0 to 3
    for (uint32_t step = 0; step < 4; step++)
        REQUIRE_TEXT(s.texts[daub_prompt_at(&s, step)], want[step]);
    REQUIRE(s.n_texts == 4 && s.n_entries == 4);
    REQUIRE_OK(daub_prompt_schedule(arena, "[a:b:2] | c", 4, &s)); // no grammar derives it
    REQUIRE(s.n_texts == 1);
    REQUIRE_TEXT(s.texts[0], "[a:b:2] | c");
    static const struct {
        const char *text, *at[4]; // of steps 0 to 3 of 4
    } cases[] = {
        { "[a [b:c:1]:d:2]", { "a b", "a b", "a c", "d" } }, // one within another
        { "[[a|b]:c:2]", { "a", "a", "b", "c" } },
        { "[a:1]", { "", "", "a", "a" } },
        { "[a:b:2e0]", { "a", "a", "a", "b" } },
        { "[a:b:2e]", { "[a:b:2e]", "[a:b:2e]", "[a:b:2e]", "[a:b:2e]" } },
        { "[a:b: 0.5]", { "a", "a", "a", "b" } },
        { "[a::2]", { "a", "a", "a", "" } },
        { "[a:b:c:1]", { "[a:b:c:1]", "[a:b:c:1]", "[a:b:c:1]", "[a:b:c:1]" } },
        { "(a:[b:c:1])", { "(a:b)", "(a:b)", "(a:c)", "(a:c)" } },
        { "a) b] [c:d:1]", { "a) b] c", "a) b] c", "a) b] d", "a) b] d" } },
        { "(a [b:c:1]", { "(a b", "(a b", "(a c", "(a c" } },
        { "(a] [b:c:1]", { "(a] b", "(a] b", "(a] c", "(a] c" } },
        { "[a|b", { "[a|b", "[a|b", "[a|b", "[a|b" } },
        { "(a|b) [c:d:1]", { "(a|b) [c:d:1]", "(a|b) [c:d:1]", "(a|b) [c:d:1]", "(a|b) [c:d:1]" } },
        { "\\[a:b:1\\]", { "\\[a:b:1\\]", "\\[a:b:1\\]", "\\[a:b:1\\]", "\\[a:b:1\\]" } },
        { "[a:b:1]\\", { "[a:b:1]\\", "[a:b:1]\\", "[a:b:1]\\", "[a:b:1]\\" } },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        REQUIRE_OK(daub_prompt_schedule(arena, cases[i].text, 4, &s));
        for (uint32_t step = 0; step < 4; step++)
            if (strcmp(s.texts[daub_prompt_at(&s, step)], cases[i].at[step]) != 0)
                TEST_FAIL("step %u of %s is \"%s\", wanted \"%s\"", step, cases[i].text,
                          s.texts[daub_prompt_at(&s, step)], cases[i].at[step]);
    }
    REQUIRE_STATUS(daub_prompt_schedule(arena, "[a:b:1e400]", 4, &s), DAUB_ERROR_INVALID_ARG, "too large a number");
    char text[4 * DAUB_MAX_PROMPT_TEXTS + 16] = "[";
    size_t n = 1;
    for (int i = 0; i < DAUB_MAX_PROMPT_TEXTS; i++)
        n += (size_t)sprintf(text + n, "%s%d", i ? "|" : "", i);
    strcpy(text + n, "]");
    REQUIRE_OK(daub_prompt_schedule(arena, text, 200, &s));
    strcpy(text + n, "|x]");
    REQUIRE_STATUS(daub_prompt_schedule(arena, text, 200, &s), DAUB_ERROR_INVALID_ARG, "more than 64 texts");
}

// Windows of 8 hold 6 tokens; CLIP's words below are one token each.
static void chunks(struct daub_arena *arena)
{
    struct daub_prompt_window w = { .length = 8, .pad = 0, .backtrack = 4, .max_chunks = 2 };
    struct daub_prompt_chunks c;
    REQUIRE_OK(daub_prompt_chunks(arena, tok, "cat cat cat, cat cat (cat:2)", &w, &c));
    REQUIRE(c.n == 2 && c.n_tokens == 7 && c.count == 6 + 3 && c.weighted);
    REQUIRE(c.ids[5] == daub_tokenizer_eos(tok) && c.ids[6] == 0 && c.weights[8 + 3] == 2.0 && c.weights[8 + 4] == 1.0);
    REQUIRE_OK(
        daub_prompt_chunks(arena, tok, "cat cat cat, dog (dog:2) (cat:3) dog", &w, &c)); // what moves keeps its weight
    REQUIRE(c.n == 2 && c.ids[5] == daub_tokenizer_eos(tok) && c.weights[5] == 1.0 &&
            c.ids[8] == daub_tokenizer_bos(tok));
    REQUIRE(c.ids[8 + 1] == c.ids[8 + 2] && c.ids[8 + 3] == c.ids[1] && c.ids[8 + 1] != c.ids[1] &&
            c.ids[8 + 4] == c.ids[8 + 1]);
    REQUIRE(c.weights[8 + 1] == 1.0 && c.weights[8 + 2] == 2.0 && c.weights[8 + 3] == 3.0 && c.weights[8 + 4] == 1.0);
    w.max_chunks = 1;
    REQUIRE_STATUS(daub_prompt_chunks(arena, tok, "cat cat cat, cat cat cat", &w, &c), DAUB_ERROR_INVALID_ARG,
                   "more than 1 chunks of 6 tokens");
    REQUIRE_OK(daub_prompt_chunks(arena, tok, "cat cat cat cat cat cat", &w, &c));
    w.max_chunks = 2;
    w.backtrack = 0; // the window is filled
    REQUIRE_OK(daub_prompt_chunks(arena, tok, "cat cat cat, cat cat (cat:2)", &w, &c));
    REQUIRE(c.n == 2 && c.count == 6 + 1 && c.weights[8 + 1] == 2.0);
    REQUIRE_OK(daub_prompt_chunks(arena, tok, "cat BREAK", &w, &c));
    REQUIRE(c.n == 1 && c.count == 6);
    REQUIRE_STATUS(daub_prompt_chunks(arena, tok, "a BREAK b BREAK c", &w, &c), DAUB_ERROR_INVALID_ARG,
                   "more than 2 chunks of 6 tokens");
    REQUIRE_STATUS(daub_prompt_chunks(arena, tok, "(cat:1001)", &w, &c), DAUB_ERROR_INVALID_ARG, "outside -1000..1000");
}

static void weighing(void)
{
    float z[4] = { 1.0f, 3.0f, 2.0f, 2.0f }, other[4] = { 2.0f, 2.0f, 2.0f, 2.0f };
    const double weights[] = { 1.0, 3.0 }, ones[] = { 1.0, 1.0 }, nothing[] = { 0.0, 0.0 };
    struct daub_prompt_weighed texts[] = { { weights, z, 1 }, { ones, other, 3 } };
    REQUIRE_OK(daub_prompt_weigh(texts, 1, 2, 2));
    REQUIRE_NEAR(z[0], 0.5, 1e-6); // 1 3 6 6 has twice the mean
    REQUIRE_NEAR(z[3], 3.0, 1e-6);
    // With 8 of z's own and three times 8 of the other: 32 become 2 + 18 + 24 = 44.
    REQUIRE_OK(daub_prompt_weigh(texts, 2, 2, 2));
    REQUIRE_NEAR(z[0], 0.5 * 32 / 44, 1e-6);
    REQUIRE_NEAR(z[3], 9.0 * 32 / 44, 1e-5);
    REQUIRE_NEAR(other[1], 2.0 * 32 / 44, 1e-6);
    texts[0].weights = nothing;
    REQUIRE_STATUS(daub_prompt_weigh(texts, 1, 2, 2), DAUB_ERROR_INVALID_ARG, "mean is 0");
}

// A megabyte of what could cost the square of its length.
static void long_texts(struct daub_arena *arena)
{
    static const char *const patterns[] = { "BREAK ", "[a", "[a:b", "((a))", "(a|b)", "a :1 ", "\\(", "          b" };
    char *text = malloc(DAUB_MAX_PROMPT + 1);
    REQUIRE(text);
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        const size_t n = strlen(patterns[i]);
        for (size_t at = 0; at < DAUB_MAX_PROMPT; at++)
            text[at] = patterns[i][at % n];
        text[DAUB_MAX_PROMPT] = '\0';
        struct daub_prompt_pieces pieces;
        struct daub_prompt_schedule schedule;
        struct daub_prompt_part *part;
        uint32_t n_parts;
        (void)daub_prompt_emphasis(arena, text, &pieces);
        (void)daub_prompt_schedule(arena, text, 1000, &schedule);
        (void)daub_prompt_parts(arena, text, &part, &n_parts);
    }
    free(text);
}

int main(void)
{
    struct daub_arena *arena = daub_arena_create(NULL);
    REQUIRE(arena);
    REQUIRE_OK(daub_tokenizer_create(NULL, NULL, &tok));
    emphasis(arena);
    emphasis_corners(arena);
    nesting(arena);
    parts(arena);
    schedules(arena);
    chunks(arena);
    weighing();
    long_texts(arena);
    daub_tokenizer_destroy(&tok);
    daub_arena_destroy(&arena);
    return 0;
}

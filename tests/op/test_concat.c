// test_concat.c - the stored concatenation, and that an aligned one is a pair.
#include "tests/op/harness.h"

struct concat_case {
    uint32_t n, h, w, a, b;
};

static void check(struct op_run *run, const void *user)
{
    const struct concat_case *t = user;
    struct daub_tensor *a = op_input(run, "a", DAUB_STAGE_STEP, (struct daub_shape) { t->n, t->h, t->w, t->a }, 1);
    struct daub_tensor *b = op_input(run, "b", DAUB_STAGE_STEP, (struct daub_shape) { t->n, t->h, t->w, t->b }, 1);
    struct daub_tensor *y = daub_concat(run->net, a, b);
    REQUIRE((y->kind == DAUB_TENSOR_PAIR) == (t->a % 8 == 0));
    if (y->kind == DAUB_TENSOR_PAIR) { // has no bytes of its own to read back
        REQUIRE(y->pair[0] == a && y->pair[1] == b && y->shape.c == t->a + t->b);
        y = daub_act(run->net, b, DAUB_ACT_NONE);
    }
    op_execute(run, y);

    double *want = op_plain(run, y);
    const bool pair = t->a % 8 == 0;
    const uint32_t pixels = t->h * t->w, from_a = pair ? 0 : t->a;
    for (uint32_t n = 0; n < t->n; n++)
        for (uint32_t c = 0; c < from_a + t->b; c++)
            for (uint32_t i = 0; i < pixels; i++)
                want[(size_t)(n * (from_a + t->b) + c) * pixels + i] =
                    c < from_a ? op_values(run, a)[(size_t)(n * t->a + c) * pixels + i]
                               : op_values(run, b)[(size_t)(n * t->b + c - from_a) * pixels + i];
    for (size_t i = 0; i < (size_t)t->n * (from_a + t->b) * pixels; i++)
        REQUIRE((double)op_result(run)[i] == want[i]); // a copy is exact
    op_compare(run, y, want, 1);
}

int main(int argc, char **argv)
{
    // clang-format off
    static const struct concat_case cases[] = {
        { 1,  1,   1,   1,  1 },
        { 2,  3,   5,   4,  4 },
        { 1,  2,   3,   3, 16 }, // each width mod 8
        { 2,  5,   1,  13, 20 },
        { 1,  7,   2,  34,  7 },
        { 1,  1,   9,   6, 40 },
        { 3,  3,   3,  15, 15 },
        { 1,  4,   4,  23,  1 },
        { 1,  4,   5,  16, 12 },
        { 2, 99, 101, 124, 92 }, // 17 MB in fp32
    };
    // clang-format on
    return op_main(argc, argv, "concat", cases, sizeof(cases) / sizeof(cases[0]), sizeof(cases[0]), check);
}

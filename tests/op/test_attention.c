// test_attention.c - attention against the reference of runtime/check/attention.c under every mask, and what the builder refuses.
#include "tests/op/harness.h"

// Shapes that do not belong together fail the net with a sentence that names them.
static void check_refusals(void)
{
    static const struct {
        struct daub_shape q, k, v;
        uint32_t heads_q, heads_k;
        const char *part;
    } cases[] = {
        { { 2, 1, 4, 16 }, { 2, 1, 5, 24 }, { 2, 1, 5, 24 }, 2, 2, "[2,1,4,16] to keys [2,1,5,24]" },
        { { 3, 1, 4, 16 }, { 2, 1, 5, 16 }, { 2, 1, 5, 16 }, 2, 2, "[3,1,4,16] to keys [2,1,5,16]" },
        { { 1, 1, 4, 16 }, { 1, 1, 5, 16 }, { 1, 1, 6, 16 }, 2, 2, "values [1,1,6,16]" },
        { { 1, 2, 4, 16 }, { 1, 1, 6, 16 }, { 1, 2, 4, 16 }, 2, 2, "values [1,2,4,16]" },
        { { 1, 1, 4, 16 }, { 1, 1, 5, 16 }, { 1, 1, 5, 16 }, 2, 4, "not 2, 4, 4" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct daub_net *net = NULL;
        REQUIRE_OK(daub_net_create(NULL, "test", DAUB_F16, &net));
        struct daub_tensor *q = daub_net_input(net, "q", DAUB_STAGE_STEP, DAUB_F16, cases[i].q);
        struct daub_tensor *k = daub_net_input(net, "k", DAUB_STAGE_STEP, DAUB_F16, cases[i].k);
        struct daub_tensor *v = daub_net_input(net, "v", DAUB_STAGE_STEP, DAUB_F16, cases[i].v);
        q->heads = cases[i].heads_q;
        k->heads = v->heads = cases[i].heads_k;
        REQUIRE(daub_attention(net, q, k, v, false)->kind == DAUB_TENSOR_POISON);
        REQUIRE_STATUS(daub_net_finish(net), DAUB_ERROR_UNSUPPORTED, cases[i].part);
        daub_net_destroy(&net);
    }
}

// Pictures of two lengths want all their keys, and keys of both lengths.
static void check_lengths(void)
{
    static const struct {
        struct daub_shape k;
        struct daub_key_counts keys;
        const char *part;
    } cases[] = {
        { { 1, 1, 13, 16 }, { 1, { 4, 5 } }, "3 pictures, the first 1 to 4 keys and the others to 5, of 13" },
        { { 3, 1, 14, 16 }, { 1, { 4, 5 } }, "of 42" },
        { { 1, 1, 12, 16 }, { 3, { 4, 5 } }, "the first 3" },
        { { 1, 1, 10, 16 }, { 1, { 0, 5 } }, "to 0 keys" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct daub_net *net = NULL;
        REQUIRE_OK(daub_net_create(NULL, "test", DAUB_F16, &net));
        struct daub_tensor *q = daub_net_input(net, "q", DAUB_STAGE_STEP, DAUB_F16,
                                               (struct daub_shape) { 3, 1, 4, 16 });
        struct daub_tensor *k = daub_net_input(net, "k", DAUB_STAGE_STEP, DAUB_F16, cases[i].k);
        REQUIRE(daub_attention_of_lengths(net, q, k, k, cases[i].keys)->kind == DAUB_TENSOR_POISON);
        REQUIRE_STATUS(daub_net_finish(net), DAUB_ERROR_UNSUPPORTED, cases[i].part);
        daub_net_destroy(&net);
    }
}

int main(int argc, char **argv)
{
    check_refusals();
    check_lengths();
    return op_main(argc, argv, "attention");
}

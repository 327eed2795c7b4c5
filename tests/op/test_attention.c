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

int main(int argc, char **argv)
{
    check_refusals();
    return op_main(argc, argv, "attention");
}

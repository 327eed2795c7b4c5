// test_fusions.c - which neighbours become one node, and above all which may not. Graphs only; what the fused kernels compute is
// tested by test_gemm.c, test_conv2d.c and test_group_norm.c.
#include "runtime/op/gemm.h"
#include "runtime/op/group_norm.h"
#include "tests/test.h"

static struct daub_net *net;

static void begin(void)
{
    REQUIRE_OK(daub_net_create(NULL, "test", DAUB_F16, &net));
}

// Fuses and returns the node that makes y; the graph must have n nodes then.
static const struct daub_node *end(struct daub_tensor *y, uint32_t n)
{
    daub_net_output(net, "y", y);
    daub_fuse(net, daub_fusions, daub_n_fusions);
    REQUIRE_OK(daub_net_finish(net));
    if (daub_net_n_nodes(net) != n)
        TEST_FAIL("%u nodes are left, wanted %u", daub_net_n_nodes(net), n);
    return y->producer;
}

static struct daub_tensor *input(const char *name, uint32_t c)
{
    return daub_net_input(net, name, DAUB_STAGE_STEP, DAUB_F16, (struct daub_shape) { 2, 6, 4, c });
}

static struct daub_tensor *conv(struct daub_tensor *x, const char *name, uint32_t out)
{
    daub_scope_push(net, "%s", name);
    struct daub_tensor *w = daub_net_weight(net, "weight", 4, (uint32_t[]) { out, x->shape.c, 3, 3 });
    struct daub_tensor *b = daub_net_weight(net, "bias", 1, &out);
    x = daub_conv2d(net, x, w, b, (struct daub_conv) { 1, 1, 1, 1, 1 });
    daub_scope_pop(net);
    return x;
}

static struct daub_tensor *linear(struct daub_tensor *x, const char *name, uint32_t out, uint32_t heads)
{
    daub_scope_push(net, "%s", name);
    struct daub_tensor *w = daub_net_weight(net, "weight", 2, (uint32_t[]) { out, x->shape.c });
    x = daub_linear(net, x, w, NULL, heads);
    daub_scope_pop(net);
    return x;
}

static struct daub_tensor *rows(uint32_t c)
{
    return daub_net_input(net, "rows", DAUB_STAGE_TIME, DAUB_F16, (struct daub_shape) { 9, 1, 1, c });
}

static void test_whole_chain(void)
{
    begin();
    struct daub_tensor *x = input("x", 16), *r = rows(24),
                       *skip = daub_net_input(net, "skip", DAUB_STAGE_STEP, DAUB_F16,
                                              (struct daub_shape) { 2, 12, 7, 24 });
    struct daub_tensor *y = conv(daub_upsample_nearest(net, x, 12, 7), "conv", 24);
    y = daub_add(net, daub_act(net, daub_add_channels(net, y, r), DAUB_ACT_SILU), skip);
    const struct daub_node *node = end(y, 1);
    const struct daub_gemm_attrs *attrs = node->attrs;
    REQUIRE(node->op == &daub_op_gemm && attrs->shift == 1 && attrs->act == DAUB_ACT_SILU && !attrs->geglu);
    REQUIRE(attrs->in_h == 12 && attrs->in_w == 7);
    REQUIRE(node->in[DAUB_GEMM_IN_X] == x && node->in[DAUB_GEMM_IN_ROWS] == r);
    REQUIRE(node->in[DAUB_GEMM_IN_RESIDUAL] == skip && node->in[DAUB_GEMM_IN_COUNTER] == daub_net_counter(net));
    REQUIRE_TEXT(node->name, "conv");
    daub_net_destroy(&net);
}

// A ResNet block: the sum has a GEMM on both sides; the second conv takes it, the shortcut stays.
static void test_resnet(void)
{
    begin();
    struct daub_tensor *x = input("x", 16), *gamma = daub_net_weight(net, "g", 1, (uint32_t[]) { 16 });
    struct daub_tensor *beta = daub_net_weight(net, "b", 1, (uint32_t[]) { 16 });
    struct daub_tensor *h = daub_act(net, daub_group_norm(net, x, gamma, beta, 4, 1e-5f), DAUB_ACT_SILU);
    struct daub_tensor *shortcut = conv(x, "shortcut", 24);
    const struct daub_node *node = end(daub_add(net, shortcut, conv(h, "conv2", 24)), 3);
    REQUIRE_TEXT(node->name, "conv2");
    REQUIRE(node->in[DAUB_GEMM_IN_RESIDUAL] == shortcut && node->in[DAUB_GEMM_IN_X] == h);
    REQUIRE(h->producer->op == &daub_op_group_norm);
    REQUIRE(((const struct daub_group_norm_attrs *)h->producer->attrs)->silu);
    daub_net_destroy(&net);
}

static void test_residual_in_either_slot(void)
{
    for (int slot = 0; slot < 2; slot++) {
        begin();
        struct daub_tensor *x = input("x", 16), *y = linear(x, "fc", 16, 1);
        const struct daub_node *node = end(slot ? daub_add(net, x, y) : daub_add(net, y, x), 1);
        REQUIRE(node->in[DAUB_GEMM_IN_RESIDUAL] == x && node->in[DAUB_GEMM_IN_X] == x);
        daub_net_destroy(&net);
    }
}

static void test_geglu(void)
{
    begin();
    struct daub_tensor *x = input("x", 16), *skip = input("skip", 20);
    const struct daub_node *node = end(daub_add(net, daub_geglu(net, linear(x, "proj", 40, 1)), skip), 1);
    REQUIRE(((const struct daub_gemm_attrs *)node->attrs)->geglu && node->in[DAUB_GEMM_IN_RESIDUAL] == skip);
    daub_net_destroy(&net);
}

// ---- what must stay apart --------------------------------------------------------------------------------------------

static void test_order(void)
{
    begin(); // the epilogue activates before it adds the residual
    struct daub_tensor *x = input("x", 16);
    const struct daub_node *node = end(daub_act(net, daub_add(net, linear(x, "fc", 16, 1), x), DAUB_ACT_GELU), 2);
    REQUIRE(node->op != &daub_op_gemm);
    daub_net_destroy(&net);

    begin(); // and adds rows before it activates
    x = input("x", 16);
    end(daub_add_channels(net, daub_act(net, linear(x, "fc", 16, 1), DAUB_ACT_SILU), rows(16)), 2);
    daub_net_destroy(&net);

    begin(); // one activation
    x = input("x", 16);
    end(daub_act(net, daub_act(net, linear(x, "fc", 16, 1), DAUB_ACT_SILU), DAUB_ACT_SILU), 2);
    daub_net_destroy(&net);

    begin(); // one residual
    x = input("x", 16);
    end(daub_add(net, daub_add(net, linear(x, "fc", 16, 1), x), input("z", 16)), 2);
    daub_net_destroy(&net);

    begin(); // one row
    x = input("x", 16);
    struct daub_tensor *r = rows(16);
    end(daub_add_channels(net, daub_add_channels(net, linear(x, "fc", 16, 1), r), r), 2);
    daub_net_destroy(&net);

    begin(); // GEGLU's halves take no row
    x = input("x", 16);
    end(daub_geglu(net, daub_add_channels(net, linear(x, "fc", 16, 1), rows(16))), 2);
    daub_net_destroy(&net);
}

static void test_shared_and_kept(void)
{
    begin(); // x + x has its one producer twice
    struct daub_tensor *x = input("x", 16), *y = linear(x, "fc", 16, 1);
    end(daub_add(net, y, y), 2);
    daub_net_destroy(&net);

    begin(); // read by another node too
    x = input("x", 16);
    y = linear(x, "fc", 16, 1);
    struct daub_tensor *z = daub_act(net, y, DAUB_ACT_SILU);
    end(daub_add(net, z, y), 3);
    daub_net_destroy(&net);

    begin(); // half of a pair
    x = input("x", 16);
    y = daub_upsample_nearest(net, x, 12, 8);
    z = daub_upsample_nearest(net, input("z", 8), 12, 8);
    end(conv(daub_net_pair(net, y, z), "conv", 8), 3);
    daub_net_destroy(&net);

    begin(); // dumped
    daub_net_dump(net, "fc");
    x = input("x", 16);
    y = daub_point(net, "fc", linear(x, "fc", 16, 1));
    end(daub_act(net, y, DAUB_ACT_SILU), 2);
    daub_net_destroy(&net);

    begin(); // another stage
    struct daub_tensor *text = daub_net_input(net, "text", DAUB_STAGE_PICTURE, DAUB_F16,
                                              (struct daub_shape) { 2, 6, 4, 8 });
    x = input("x", 16);
    end(daub_add(net, linear(text, "fc", 16, 1), x), 2);
    daub_net_destroy(&net);
}

static void test_types_and_norms(void)
{
    begin(); // an fp32 result takes no fp16 residual; the activation it takes
    struct daub_tensor *x = input("x", 16), *w = daub_net_weight(net, "w", 4, (uint32_t[]) { 4, 16, 1, 1 });
    struct daub_tensor *y = daub_conv2d_f32(net, x, w, NULL, (struct daub_conv) { 0 });
    struct daub_tensor *z = daub_net_input(net, "z", DAUB_STAGE_STEP, DAUB_F32, (struct daub_shape) { 2, 6, 4, 4 });
    const struct daub_node *node = end(daub_add(net, daub_act(net, y, DAUB_ACT_SILU), z), 2);
    REQUIRE(node->op != &daub_op_gemm);
    daub_net_destroy(&net);

    begin(); // a norm takes SiLU only
    x = input("x", 16);
    struct daub_tensor *gamma = daub_net_weight(net, "g", 1, (uint32_t[]) { 16 });
    end(daub_act(net, daub_group_norm(net, x, gamma, gamma, 4, 1e-5f), DAUB_ACT_GELU), 2);
    daub_net_destroy(&net);

    begin(); // upsampled twice: only the second can be folded in
    x = input("x", 16);
    y = daub_upsample_nearest(net, daub_upsample_nearest(net, x, 12, 8), 24, 16);
    end(conv(y, "conv", 8), 2);
    daub_net_destroy(&net);
}

int main(void)
{
    test_whole_chain();
    test_resnet();
    test_residual_in_either_slot();
    test_geglu();
    test_order();
    test_shared_and_kept();
    test_types_and_norms();
    return 0;
}

// link: base graph
// test_net.c - building a graph: scopes, sticky errors, stages, points, fusion's mechanics.
#include "runtime/graph/net.h"
#include "tests/test.h"

static const struct daub_op op_a = { .name = "a" }, op_b = { .name = "b" }, op_ab = { .name = "ab" };

static struct daub_tensor *emit(struct daub_net *net, const struct daub_op *op, struct daub_tensor *x)
{
    const struct daub_node_desc desc = { .op = op, .shape = x->shape, .dtype = x->dtype, .n_in = 1, .in = { x } };
    return daub_net_emit(net, &desc);
}

static struct daub_net *make(void)
{
    struct daub_net *net = NULL;
    REQUIRE_OK(daub_net_create(NULL, "unet", DAUB_F32, &net));
    return net;
}

static const struct daub_shape small = { 1, 2, 3, 8 };

static void scopes_name_nodes_and_weights(void)
{
    struct daub_net *net = make();
    struct daub_tensor *x = daub_net_input(net, "x", DAUB_STAGE_STEP, DAUB_F32, small);
    daub_scope_push(net, "down_blocks.%u", 1u);
    daub_scope_push(net, "resnets.0");
    const uint32_t dims[] = { 4, 8 };
    struct daub_tensor *w = daub_net_weight(net, "conv1.weight", 2, dims);
    REQUIRE_TEXT(w->name, "down_blocks.1.resnets.0.conv1.weight");
    REQUIRE(daub_net_weight(net, "conv1.weight", 2, dims) == w);
    REQUIRE_TEXT(emit(net, &op_a, x)->producer->name, "down_blocks.1.resnets.0.a");
    daub_scope_pop(net);
    REQUIRE_TEXT(daub_scope_path(net, ""), "down_blocks.1");
    daub_scope_pop(net);
    REQUIRE_TEXT(daub_scope_path(net, "conv_out"), "conv_out");
    daub_net_destroy(&net);
    REQUIRE(!net);
}

static void the_first_error_sticks_with_its_scope(void)
{
    struct daub_net *net = make();
    daub_scope_push(net, "mid_block");
    struct daub_tensor *bad = daub_net_fail(net, "weight is [%u], wanted [%u]", 3u, 4u);
    REQUIRE(bad->kind == DAUB_TENSOR_POISON && bad->shape.c == 0);
    REQUIRE(emit(net, &op_a, bad)->kind == DAUB_TENSOR_POISON);
    daub_net_fail(net, "a second one");
    daub_scope_pop(net);
    REQUIRE_STATUS(daub_net_finish(net), DAUB_ERROR_UNSUPPORTED, "unet.mid_block: weight is [3], wanted [4]");
    daub_net_destroy(&net);
}

static void nodes_run_at_the_latest_stage_of_their_inputs(void)
{
    struct daub_net *net = make();
    struct daub_tensor *x = daub_net_input(net, "x", DAUB_STAGE_STEP, DAUB_F32, small);
    struct daub_tensor *text = daub_net_input(net, "text", DAUB_STAGE_PICTURE, DAUB_F32, small);
    struct daub_tensor *time = daub_net_input(net, "time", DAUB_STAGE_TIME, DAUB_F32, small);
    struct daub_tensor *late = emit(net, &op_a, x), *k = emit(net, &op_a, text), *t = emit(net, &op_b, time);
    const struct daub_node_desc both = { .op = &op_b, .shape = small, .n_in = 2, .in = { k, late } };
    struct daub_tensor *mixed = daub_net_emit(net, &both);
    REQUIRE(k->stage == DAUB_STAGE_PICTURE && t->stage == DAUB_STAGE_TIME && mixed->stage == DAUB_STAGE_STEP);
    daub_net_output(net, "t", t);
    REQUIRE_OK(daub_net_finish(net));
    REQUIRE(daub_net_n_nodes(net) == 4);
    REQUIRE(daub_net_node(net, 0)->out == k && daub_net_node(net, 1)->out == t); // stage order, not building order
    REQUIRE(daub_net_node(net, 2)->out == late && daub_net_node(net, 3)->out == mixed);
    REQUIRE(late->n_uses == 1 && mixed->n_uses == 0);
    daub_net_destroy(&net);
}

static void pairs_are_checked(void)
{
    struct daub_net *net = make();
    struct daub_tensor *a = daub_net_input(net, "a", DAUB_STAGE_STEP, DAUB_F32, small);
    struct daub_tensor *b = daub_net_input(net, "b", DAUB_STAGE_STEP, DAUB_F32, (struct daub_shape) { 1, 2, 3, 5 });
    struct daub_tensor *pair = daub_net_pair(net, a, b);
    REQUIRE(pair->kind == DAUB_TENSOR_PAIR && pair->shape.c == 13);
    REQUIRE(daub_net_pair(net, b, a)->kind == DAUB_TENSOR_POISON); // 5 channels do not end on a word
    REQUIRE_STATUS(daub_net_finish(net), DAUB_ERROR_UNSUPPORTED, "multiple of 8");
    daub_net_destroy(&net);
}

static bool merge(struct daub_net *net, const struct daub_node *producer, struct daub_node *consumer)
{
    (void)net;
    consumer->op = &op_ab;
    consumer->in[0] = producer->in[0];
    return true;
}

static void fusion_merges_single_uses_only(void)
{
    static const struct daub_fusion rows[] = { { &op_a, &op_b, 0, merge } };
    struct daub_net *net = make();
    struct daub_tensor *x = daub_net_input(net, "x", DAUB_STAGE_STEP, DAUB_F32, small);
    struct daub_tensor *one = emit(net, &op_b, emit(net, &op_a, x)); // merges
    struct daub_tensor *shared = emit(net, &op_a, x);
    struct daub_tensor *two = emit(net, &op_b, shared), *three = emit(net, &op_b, shared); // do not: two readers
    struct daub_tensor *kept = emit(net, &op_a, x);
    daub_net_output(net, "kept", kept);
    struct daub_tensor *four = emit(net, &op_b, kept); // does not: read from outside
    daub_fuse(net, rows, 1);
    REQUIRE_OK(daub_net_finish(net));
    REQUIRE(one->producer->op == &op_ab && one->producer->in[0] == x);
    REQUIRE(two->producer->op == &op_b && three->producer->op == &op_b && four->producer->op == &op_b);
    REQUIRE(daub_net_n_nodes(net) == 6);
    daub_net_destroy(&net);
}

static void points_are_kept_by_pattern(void)
{
    struct daub_net *net = make();
    daub_net_dump(net, "mid*,x");
    struct daub_tensor *x = daub_net_input(net, "in", DAUB_STAGE_STEP, DAUB_F32, small);
    daub_scope_push(net, "mid_block");
    struct daub_tensor *y = daub_point(net, "", emit(net, &op_a, x));
    daub_scope_pop(net);
    struct daub_tensor *z = daub_point(net, "up", emit(net, &op_a, y));
    REQUIRE(daub_net_find_point(net, "mid_block") == y && y->keep);
    REQUIRE(!daub_net_find_point(net, "up") && !z->keep);
    char *text = daub_net_print(net);
    REQUIRE(text && strstr(text, "step    a mid_block.a:"));
    daub_free(NULL, text);
    daub_net_destroy(&net);
}

int main(void)
{
    scopes_name_nodes_and_weights();
    the_first_error_sticks_with_its_scope();
    nodes_run_at_the_latest_stage_of_their_inputs();
    pairs_are_checked();
    fusion_merges_single_uses_only();
    points_are_kept_by_pattern();
    return 0;
}

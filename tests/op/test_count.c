// test_count.c - what is counted is what is recorded: by hand for single layers, and against an executor's own dispatches.
#include "runtime/io/pack.h"
#include "runtime/op/count.h"
#include "runtime/op/op.h"
#include "tests/test.h"

enum { TOKENS = 77, IN = 64, OUT = 128, SIDE = 12 };

static uint64_t packed_size(const struct daub_tensor *weight)
{
    return daub_pack_size(&weight->pack, weight->dims, weight->n_dims);
}

static struct daub_net *linear_net(enum daub_dtype dtype)
{
    struct daub_net *net = NULL;
    REQUIRE_OK(daub_net_create(NULL, "net", dtype, &net));
    struct daub_tensor *x = daub_net_input(net, "x", DAUB_STAGE_STEP, dtype, (struct daub_shape) { 2, 1, TOKENS, IN });
    struct daub_tensor *w = daub_net_weight(net, "weight", 2, (uint32_t[]) { OUT, IN });
    struct daub_tensor *b = daub_net_weight(net, "bias", 1, (uint32_t[]) { OUT });
    daub_net_output(net, "y", daub_linear(net, x, w, b, 1));
    return net;
}

// A layer before the step and, in the step, a norm, a convolution over a pair and attention.
static struct daub_net *several_net(enum daub_dtype dtype)
{
    struct daub_net *net = linear_net(dtype);
    const struct daub_shape map = { 1, SIDE, SIDE, IN };
    struct daub_tensor *p = daub_net_input(net, "p", DAUB_STAGE_PICTURE, dtype,
                                           (struct daub_shape) { 1, 1, TOKENS, IN });
    struct daub_tensor *a = daub_net_input(net, "a", DAUB_STAGE_STEP, dtype, map);
    struct daub_tensor *b = daub_net_input(net, "b", DAUB_STAGE_STEP, dtype, map);
    struct daub_tensor *gamma = daub_net_weight(net, "gamma", 1, (uint32_t[]) { 2 * IN });
    struct daub_tensor *beta = daub_net_weight(net, "beta", 1, (uint32_t[]) { 2 * IN });
    struct daub_tensor *w = daub_net_weight(net, "conv", 4, (uint32_t[]) { IN, 2 * IN, 3, 3 });
    struct daub_tensor *k = daub_linear(net, p, daub_net_weight(net, "key", 2, (uint32_t[]) { IN, IN }), NULL, 2);
    struct daub_tensor *q = daub_linear(net, a, daub_net_weight(net, "query", 2, (uint32_t[]) { IN, IN }), NULL, 2);
    struct daub_tensor *norm = daub_group_norm(net, daub_net_pair(net, a, b), gamma, beta, 32, 1e-5f);
    const struct daub_conv conv = { .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1 };
    daub_net_output(net, "map", daub_conv2d(net, norm, w, NULL, conv));
    daub_net_output(net, "tokens", daub_attention(net, q, k, k, false));
    return net;
}

static uint32_t count_planned(daub_device *dev, struct daub_net *net, struct daub_count *rows)
{
    uint64_t arena = 0;
    uint32_t n = 0;
    REQUIRE_OK(daub_exec_plan(dev, net, false, &arena));
    REQUIRE_OK(daub_count_net(daub_device_caps(dev), net, packed_size, rows, DAUB_MAX_COUNTS, &n));
    for (uint32_t i = 0; i < daub_net_n_weights(net); i++)
        REQUIRE(!daub_net_weight_at(net, i)->data); // nothing is left behind
    return n;
}

static const struct daub_count *find(const struct daub_count *rows, uint32_t n, enum daub_stage stage, const char *op)
{
    for (uint32_t i = 0; i < n; i++)
        if (rows[i].stage == stage && strcmp(rows[i].op, op) == 0)
            return &rows[i];
    TEST_FAIL("nothing is counted for %s", op);
}

static void test_layers(daub_device *dev, enum daub_dtype dtype)
{
    const uint64_t size = dtype == DAUB_F16 ? 2 : 4;
    struct daub_count rows[DAUB_MAX_COUNTS];
    struct daub_net *net = linear_net(dtype);
    uint32_t n = count_planned(dev, net, rows);
    const uint64_t floor = size * (2 * TOKENS * (IN + OUT) + IN * OUT) + 4 * OUT; // the bias is fp32
    REQUIRE(n == 1 && rows[0].n_nodes == 1 && rows[0].n_dispatches == 1);
    REQUIRE(rows[0].floor == floor && rows[0].bytes == floor);
    REQUIRE(rows[0].flop == 2.0 * 2 * TOKENS * IN * OUT);
    REQUIRE_STATUS(daub_count_net(daub_device_caps(dev), net, packed_size, rows, 0, &n), DAUB_ERROR_UNSUPPORTED,
                   "classes of nodes");
    daub_net_destroy(&net);

    net = several_net(dtype);
    n = count_planned(dev, net, rows);
    const struct daub_count *norm = find(rows, n, DAUB_STAGE_STEP, "group_norm");
    REQUIRE(norm->n_nodes == 1 && norm->floor == size * SIDE * SIDE * 2 * IN * 2 + 2 * 4 * 2 * IN);
    REQUIRE(norm->bytes >= norm->floor);
    REQUIRE(find(rows, n, DAUB_STAGE_PICTURE, "linear")->n_nodes == 1);
    REQUIRE(find(rows, n, DAUB_STAGE_STEP, "linear")->n_nodes == 2);
    // Keys serve as values too: stored once, moved once at least.
    const struct daub_count *attention = find(rows, n, DAUB_STAGE_STEP, "attention");
    REQUIRE(attention->floor == size * (2 * SIDE * SIDE * IN + TOKENS * IN));
    daub_net_destroy(&net);
}

struct binder {
    daub_device *dev;
    struct daub_buffer *buffers[16];
    struct daub_range ranges[16];
    uint32_t n;
};

static daub_status bind(void *user, struct daub_tensor *const *weights, uint32_t n)
{
    struct binder *b = user;
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t size = packed_size(weights[i]);
        REQUIRE(b->n < 16);
        TRY(daub_buffer_create(b->dev, DAUB_MEMORY_DEVICE, size, weights[i]->name, &b->buffers[b->n]));
        b->ranges[b->n] = (struct daub_range) { b->buffers[b->n], 0, size };
        weights[i]->data = &b->ranges[b->n++];
    }
    return DAUB_OK;
}

static void test_recorded(daub_device *dev, enum daub_dtype dtype)
{
    struct daub_count planned[DAUB_MAX_COUNTS], bound[DAUB_MAX_COUNTS];
    struct daub_net *net = several_net(dtype);
    const uint32_t n_planned = count_planned(dev, net, planned);
    daub_net_destroy(&net);

    struct binder binder = { .dev = dev };
    const struct daub_exec_params params = { .bind_weights = bind, .user = &binder };
    struct daub_exec *exec = NULL;
    uint32_t n = 0, dispatches[DAUB_STAGE_COUNT] = { 0 };
    REQUIRE_OK(daub_exec_create(dev, several_net(dtype), &params, &exec));
    REQUIRE_OK(daub_count_net(daub_device_caps(dev), daub_exec_net(exec), NULL, bound, DAUB_MAX_COUNTS, &n));
    REQUIRE(n == n_planned);
    for (uint32_t i = 0; i < n; i++) {
        const struct daub_count *a = &planned[i], *b = &bound[i];
        REQUIRE(a->stage == b->stage && strcmp(a->op, b->op) == 0);
        REQUIRE(a->n_nodes == b->n_nodes && a->n_dispatches == b->n_dispatches);
        REQUIRE(a->bytes == b->bytes && a->floor == b->floor && a->flop == b->flop);
        dispatches[b->stage] += b->n_dispatches;
    }
    for (int s = 0; s < DAUB_STAGE_COUNT; s++)
        REQUIRE(dispatches[s] == daub_exec_dispatch_count(exec, (enum daub_stage)s));
    daub_exec_destroy(&exec);
    for (uint32_t i = 0; i < binder.n; i++)
        daub_buffer_destroy(dev, &binder.buffers[i]);
}

static void test_bytes(void)
{
    const struct daub_range a = { NULL, 0, 100 }, b = { NULL, 100, 10 }, none = { 0 };
    struct daub_dispatch d = { .n_bindings = 5,
                               .bind = { { a, DAUB_READ, DAUB_BIND_STORAGE },
                                         { b, DAUB_WRITE, DAUB_BIND_STORAGE },
                                         { b, DAUB_WRITE, DAUB_BIND_STORAGE }, // the same place under another type
                                         { a, DAUB_READ, DAUB_BIND_TEXEL_UINT4 },
                                         { none, DAUB_READ, DAUB_BIND_STORAGE } } };
    REQUIRE(daub_dispatch_bytes(&d) == 110);
    d.bind[3].access = DAUB_READ_WRITE;
    REQUIRE(daub_dispatch_bytes(&d) == 210);
}

int main(void)
{
    daub_device *dev = NULL;
    test_bytes();
    REQUIRE_OK(daub_device_create(NULL, &dev));
    for (int i = 0; i < 2; i++) {
        test_layers(dev, i ? DAUB_F16 : DAUB_F32);
        test_recorded(dev, i ? DAUB_F16 : DAUB_F32);
    }
    REQUIRE_OK(daub_device_destroy(&dev));
    return 0;
}

// link: base graph
// test_plan.c - the memory plan: on random graphs no two tensors that live together share a byte, and chains need no more than
// two neighbours at once.
#include "runtime/graph/net.h"
#include "tests/test.h"

static const struct daub_op op = { .name = "op" };

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static bool stored(const struct daub_tensor *t)
{
    return t->size > 0;
}

// Whether a tensor must still hold its value when node `position` of the repeated stages runs, told apart from the planner's own
// first and last: by who reads it.
static void check_no_overlap(const struct daub_net *net)
{
    const uint32_t n = daub_net_n_tensors(net);
    for (uint32_t i = 0; i < n; i++) {
        const struct daub_tensor *a = daub_net_tensor(net, i);
        for (uint32_t j = i + 1; j < n; j++) {
            const struct daub_tensor *b = daub_net_tensor(net, j);
            if (!stored(a) || !stored(b) || a->last < b->first || b->last < a->first)
                continue;
            REQUIRE(a->offset + a->size <= b->offset || b->offset + b->size <= a->offset);
        }
    }
    for (uint32_t i = 0; i < daub_net_n_nodes(net); i++) {
        const struct daub_node *node = daub_net_node(net, i);
        for (uint32_t k = 0; k < node->n_in; k++) {
            const struct daub_tensor *t = node->in[k];
            REQUIRE(t->first <= i && t->last >= i);
            if (t->stage < DAUB_STAGE_STEP && node->stage >= DAUB_STAGE_STEP)
                REQUIRE(t->first == 0 && t->last >= daub_net_n_nodes(net)); // the step repeats
            REQUIRE(t->size == 0 || node->out->offset + node->out->size <= t->offset ||
                    t->offset + t->size <= node->out->offset);
        }
    }
}

static void random_graphs(void)
{
    for (uint32_t seed = 1; seed <= 60; seed++) {
        uint32_t state = seed;
        struct daub_net *net = NULL;
        struct daub_tensor *pool[64];
        uint32_t n = 0;
        REQUIRE_OK(daub_net_create(NULL, "net", DAUB_F16, &net));
        for (uint32_t i = 0; i < 3; i++)
            pool[n++] = daub_net_input(net, "in", (enum daub_stage)i, DAUB_F16,
                                       (struct daub_shape) { 1, 1, 1 + next(&state) % 50, 8 });
        while (n < 64) {
            struct daub_tensor *a = pool[next(&state) % n], *b = pool[n - 1 - next(&state) % (n < 4 ? n : 4)];
            const struct daub_node_desc desc = {
                .op = &op,
                .shape = { 1, 1, 1 + next(&state) % 50, 8 + next(&state) % 100 },
                .dtype = next(&state) % 4 ? DAUB_F16 : DAUB_F32,
                .n_in = 2,
                .in = { a, b },
            };
            pool[n++] = daub_net_emit(net, &desc);
        }
        daub_net_output(net, "out", pool[n - 1]);
        REQUIRE_OK(daub_net_finish(net));
        uint64_t size = 0, again = 0;
        REQUIRE_OK(daub_plan(net, 256, &size));
        check_no_overlap(net);
        REQUIRE_OK(daub_plan(net, 256, &again));
        REQUIRE(size == again && size % 256 == 0);
        daub_net_destroy(&net);
    }
}

static void a_chain_takes_two_neighbours(void)
{
    struct daub_net *net = NULL;
    REQUIRE_OK(daub_net_create(NULL, "net", DAUB_F32, &net));
    struct daub_tensor *x = daub_net_input(net, "in", DAUB_STAGE_STEP, DAUB_F32, (struct daub_shape) { 1, 1, 8, 8 });
    for (int i = 0; i < 20; i++) {
        const struct daub_node_desc desc = { .op = &op, .shape = { 1, 16, 16, 8 }, .n_in = 1, .in = { x } };
        x = daub_net_emit(net, &desc);
    }
    REQUIRE_OK(daub_net_finish(net));
    uint64_t size = 0;
    REQUIRE_OK(daub_plan(net, 256, &size));
    REQUIRE(size == 8 * 32 + 2 * 256 * 32);
    daub_net_destroy(&net);
}

int main(void)
{
    random_graphs();
    a_chain_takes_two_neighbours();
    return 0;
}

// test_sampler_step.c - random programs against the interpreter of runtime/check/sampler_step.c under every mask, and what is refused.
#include "tests/op/harness.h"

enum { N_VECS = 5 };

// What daub_sampler_step refuses.
static void check_refusals(void)
{
    const struct daub_program_op ops[] = { { .kind = DAUB_OP_LINCOMB, .out = 1, .n_terms = 1, .weight = { 1.0f } } };
    const struct daub_program_call calls[] = { { .n_ops = 1, .in = 1, .c_in = 1.0f }, { .n_ops = 1, .in = 1 } };
    const struct daub_program program = {
        .ops = ops, .n_ops = 1, .calls = calls, .n_calls = 2, .n_steps = 2, .n_vecs = N_VECS, .n_noises = 1
    };
    for (uint32_t i = 0; i < 3; i++) {
        struct daub_net *net = NULL;
        REQUIRE_OK(daub_net_create(NULL, "test", DAUB_F32, &net));
        struct daub_shape shape = { 1, 2, 2, 4 };
        const struct daub_shape words = { 1, 1, 1, i == 2 ? 8 : daub_sampler_table_words(&program) };
        struct daub_sampler_step step = { .batch = i == 1 ? 3 : 1, .guidance_scale = 1.0f, .program = &program };
        step.output = daub_net_input(net, "output", DAUB_STAGE_STEP, DAUB_F32, shape);
        step.x = daub_net_input(net, "x", DAUB_STAGE_STEP, DAUB_F32, shape);
        shape.n = N_VECS;
        step.vecs = daub_net_input(net, "vecs", DAUB_STAGE_TAIL, DAUB_F32, shape);
        step.noise = daub_net_input(net, "noise", DAUB_STAGE_TAIL, DAUB_F32, shape);
        step.table = daub_net_input(net, "table", DAUB_STAGE_TAIL, DAUB_U32, words);
        if (i == 0)
            step.guidance_scale = 7.5f;
        const char *const part[] = { "guidance needs", "batch is neither", "too small for the program" };
        REQUIRE_STATUS(daub_sampler_step(net, &step), DAUB_ERROR_UNSUPPORTED, part[i]);
        daub_net_destroy(&net);
    }
}

int main(int argc, char **argv)
{
    check_refusals();
    return op_main(argc, argv, "sampler_step");
}

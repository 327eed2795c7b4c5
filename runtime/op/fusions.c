// fusions.c - the pairs of nodes that one kernel does together. Order of a GEMM's epilogue: bias, channel rows, activation or
// GEGLU, residual; a pattern applies only while nothing of a later stage is there.
#include "runtime/op/elementwise.h"
#include "runtime/op/geglu.h"
#include "runtime/op/gemm.h"
#include "runtime/op/group_norm.h"
#include "runtime/op/upsample.h"

// The GEMM takes the consumer's place and keeps its own name.
static struct daub_gemm_attrs *become_gemm(const struct daub_node *gemm, struct daub_node *consumer)
{
    consumer->op = gemm->op;
    consumer->name = gemm->name;
    consumer->n_in = gemm->n_in;
    for (uint32_t i = 0; i < DAUB_NODE_MAX_IN; i++)
        consumer->in[i] = gemm->in[i];
    consumer->attrs = gemm->attrs;
    return consumer->attrs;
}

// The epilogue is free from the activation on, and adds in the type that the result is stored in.
static bool open_before_act(const struct daub_node *gemm)
{
    const struct daub_gemm_attrs *attrs = gemm->attrs;
    return attrs->act == DAUB_ACT_NONE && !attrs->geglu && !gemm->in[DAUB_GEMM_IN_RESIDUAL];
}

static bool one_type(const struct daub_node *gemm)
{
    return gemm->out->dtype == gemm->in[DAUB_GEMM_IN_X]->dtype;
}

static bool upsample_gemm(struct daub_net *net, const struct daub_node *upsample, struct daub_node *gemm)
{
    (void)net;
    struct daub_gemm_attrs *attrs = gemm->attrs;
    if (attrs->shift != 0)
        return false;
    attrs->shift = 1;
    gemm->in[DAUB_GEMM_IN_X] = upsample->in[0];
    return true;
}

static bool gemm_add_channels(struct daub_net *net, const struct daub_node *gemm, struct daub_node *add)
{
    (void)net;
    struct daub_tensor *rows = add->in[1], *counter = add->in[2];
    if (!open_before_act(gemm) || !one_type(gemm) || gemm->in[DAUB_GEMM_IN_ROWS])
        return false;
    become_gemm(gemm, add);
    add->in[DAUB_GEMM_IN_ROWS] = rows;
    add->in[DAUB_GEMM_IN_COUNTER] = counter;
    return true;
}

static bool gemm_act(struct daub_net *net, const struct daub_node *gemm, struct daub_node *act)
{
    (void)net;
    const struct daub_act_attrs *wanted = act->attrs;
    if (!open_before_act(gemm))
        return false;
    become_gemm(gemm, act)->act = wanted->act;
    return true;
}

static bool gemm_geglu(struct daub_net *net, const struct daub_node *gemm, struct daub_node *geglu)
{
    (void)net;
    // Panels of value and gate alternate over plain columns only, and a channel row would need both halves.
    if (!open_before_act(gemm) || !one_type(gemm) || gemm->in[DAUB_GEMM_IN_ROWS] || gemm->out->heads != 1)
        return false;
    become_gemm(gemm, geglu)->geglu = true;
    return true;
}

static bool gemm_add(const struct daub_node *gemm, struct daub_node *add, struct daub_tensor *other)
{
    if (gemm->in[DAUB_GEMM_IN_RESIDUAL] || !one_type(gemm))
        return false;
    become_gemm(gemm, add);
    add->in[DAUB_GEMM_IN_RESIDUAL] = other;
    return true;
}

static bool gemm_add_first(struct daub_net *net, const struct daub_node *gemm, struct daub_node *add)
{
    (void)net;
    return gemm_add(gemm, add, add->in[1]);
}

static bool gemm_add_second(struct daub_net *net, const struct daub_node *gemm, struct daub_node *add)
{
    (void)net;
    return gemm_add(gemm, add, add->in[0]);
}

static bool group_norm_silu(struct daub_net *net, const struct daub_node *norm, struct daub_node *act)
{
    (void)net;
    struct daub_group_norm_attrs *attrs = norm->attrs;
    const struct daub_act_attrs *wanted = act->attrs;
    if (attrs->silu || wanted->act != DAUB_ACT_SILU)
        return false;
    attrs->silu = true;
    act->op = norm->op;
    act->name = norm->name;
    act->n_in = norm->n_in;
    for (uint32_t i = 0; i < DAUB_NODE_MAX_IN; i++)
        act->in[i] = norm->in[i];
    act->attrs = norm->attrs;
    return true;
}

// clang-format off
const struct daub_fusion daub_fusions[] = {
    { &daub_op_upsample,   &daub_op_gemm,         DAUB_GEMM_IN_X, upsample_gemm },
    { &daub_op_gemm,       &daub_op_add_channels, 0,              gemm_add_channels },
    { &daub_op_gemm,       &daub_op_act,          0,              gemm_act },
    { &daub_op_gemm,       &daub_op_geglu,        0,              gemm_geglu },
    { &daub_op_gemm,       &daub_op_add,          1,              gemm_add_second },
    { &daub_op_gemm,       &daub_op_add,          0,              gemm_add_first },
    { &daub_op_group_norm, &daub_op_act,          0,              group_norm_silu },
};
// clang-format on
const uint32_t daub_n_fusions = sizeof(daub_fusions) / sizeof(daub_fusions[0]);

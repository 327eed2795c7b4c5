// halo.c - the walk from a result back to the inputs that adds up what each op looks at.
#include "runtime/op/halo.h"

#include "runtime/op/elementwise.h"
#include "runtime/op/finite.h"
#include "runtime/op/gemm.h"
#include "runtime/op/group_norm.h"
#include "runtime/op/upsample.h"

static uint32_t of_gemm(const struct daub_node *node, uint32_t rows)
{
    const struct daub_gemm_attrs *attrs = node->attrs;
    const uint32_t above = attrs->pad_top, below = attrs->kernel_h - 1 - attrs->pad_top;
    return rows * attrs->stride + (above > below ? above : below);
}

// Rows of in[slot] beyond those that the node's result has beyond its own.
static uint32_t of_node(const struct daub_node *node, uint32_t slot, uint32_t rows)
{
    const struct daub_op *op = node->op;
    if (rows >= DAUB_HALO_ALL)
        return DAUB_HALO_ALL;
    if (op == &daub_op_gemm && slot == DAUB_GEMM_IN_X)
        return of_gemm(node, rows);
    if (op == &daub_op_upsample)
        return (rows + 1) / 2;
    if (op == &daub_op_group_norm)
        return node->n_in > 3 ? rows : DAUB_HALO_ALL;
    const bool pixelwise = op == &daub_op_gemm || op == &daub_op_act || op == &daub_op_add ||
                           op == &daub_op_add_channels || op == &daub_op_scale;
    return pixelwise ? rows : DAUB_HALO_ALL;
}

// Rows of `t` that node i and those after it read beyond those of `out`; 0 if none does.
static uint32_t halo_of(const struct daub_net *net, const struct daub_tensor *t, const struct daub_tensor *out)
{
    uint32_t most = 0;
    for (uint32_t i = 0; t != out && i < daub_net_n_nodes(net); i++) {
        const struct daub_node *node = daub_net_node(net, i);
        if (node->op == &daub_op_finite) // makes nothing of what it looks at
            continue;
        for (uint32_t slot = 0; slot < node->n_in; slot++) {
            const struct daub_tensor *in = node->in[slot];
            const bool reads = in && (in == t || in->pair[0] == t || in->pair[1] == t);
            // A row of channels, or statistics, is the same at every pixel.
            if (!reads || (slot > 0 && t->shape.h == 1 && node->out->shape.h > 1))
                continue;
            const uint32_t rows = of_node(node, slot, halo_of(net, node->out, out));
            most = rows > most ? rows : most;
        }
    }
    return most;
}

uint32_t daub_halo(const struct daub_net *net, const struct daub_tensor *out)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < daub_net_n_tensors(net); i++) {
        const struct daub_tensor *t = daub_net_tensor(net, i);
        const uint32_t rows = t->kind == DAUB_TENSOR_INPUT ? halo_of(net, t, out) : 0;
        most = rows > most ? rows : most;
    }
    return most;
}

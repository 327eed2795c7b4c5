// layer_norm.c - layer normalisation: a lane a row on CPU drivers, a workgroup a row elsewhere.
#include "runtime/op/layer_norm.h"

#include "runtime/op/rows.h"
#include "shaders/params/layer_norm.h"

enum { X, GAMMA, BETA }; // node inputs

static enum daub_kernel choose(const struct daub_caps *caps, enum daub_dtype dtype)
{
    if (daub_use_lane(caps))
        return dtype == DAUB_F16 ? DAUB_KERNEL_layer_norm_lane_f16 : DAUB_KERNEL_layer_norm_lane_f32;
    return dtype == DAUB_F16 ? DAUB_KERNEL_layer_norm_shared_f16 : DAUB_KERNEL_layer_norm_shared_f32;
}

static daub_status layer_norm_select(const struct daub_select *select, struct daub_net *net, struct daub_node *node)
{
    (void)select;
    (void)net;
    node->in[GAMMA]->pack = daub_vector_pack(node->in[X]->shape.c);
    node->in[BETA]->pack = daub_vector_pack(node->in[X]->shape.c);
    return DAUB_OK;
}

static daub_status layer_norm_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct daub_layer_norm_attrs *attrs = node->attrs;
    const struct daub_tensor *x = node->in[X];
    const uint32_t rows = daub_rows(x), step = daub_rows_step(rec, daub_row_size(x));
    for (uint32_t row = 0; row < rows; row += step) {
        struct layer_norm_params params = {
            .first = row,
            .n = rows - row < step ? rows - row : step,
            .words = daub_words(x),
            .channels = x->shape.c,
            .eps = attrs->eps,
        };
        struct daub_dispatch dispatch = {
            .kernel = choose(rec->caps, x->dtype),
            .n_bindings = 4,
            .push = &params,
            .push_size = sizeof(params),
            .flop = 8.0 * params.n * params.channels,
        };
        dispatch.bind[0] = daub_bind_rows(rec, x, row, params.n, DAUB_READ, false, &params.x_first);
        dispatch.bind[1] = daub_bind(rec, node->in[GAMMA], DAUB_READ, false);
        dispatch.bind[2] = daub_bind(rec, node->in[BETA], DAUB_READ, false);
        dispatch.bind[3] = daub_bind_rows(rec, node->out, row, params.n, DAUB_WRITE, false, &params.y_first);
        if (daub_use_lane(rec->caps))
            daub_light_grid(rec->caps, params.n, dispatch.groups);
        else
            daub_light_groups(rec->caps, params.n, dispatch.groups);
        TRY(daub_dispatch_node(rec, &dispatch));
    }
    return DAUB_OK;
}

static double layer_norm_flop(const struct daub_node *node)
{
    return 8.0 * daub_rows(node->out) * node->out->shape.c;
}

const struct daub_op daub_op_layer_norm = {
    .name = "layer_norm",
    .select = layer_norm_select,
    .record = layer_norm_record,
    .flop = layer_norm_flop,
};

struct daub_tensor *daub_layer_norm(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *gamma,
                                    struct daub_tensor *beta, float eps)
{
    if (gamma->dims[0] != x->shape.c || beta->dims[0] != x->shape.c)
        return daub_net_fail(net, "layer_norm: gamma has %u and beta %u values for %u channels", gamma->dims[0],
                             beta->dims[0], x->shape.c);
    if (x->heads != 1 || x->kind == DAUB_TENSOR_PAIR || x->dtype == DAUB_U32)
        return daub_net_fail(net, "layer_norm: takes stored fp16 or fp32 rows in one head, not %u heads", x->heads);
    const struct daub_layer_norm_attrs attrs = { .eps = eps };
    const struct daub_node_desc desc = {
        .op = &daub_op_layer_norm,
        .shape = x->shape,
        .dtype = x->dtype,
        .n_in = 3,
        .in = { x, gamma, beta },
        .attrs = &attrs,
        .attrs_size = sizeof(attrs),
    };
    return daub_net_emit(net, &desc);
}

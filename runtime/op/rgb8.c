// rgb8.c - the decoder's result as bytes.
#include "runtime/op/rgb8.h"

#include "runtime/op/rows.h"
#include "shaders/params/rgb8.h"

static daub_status rgb8_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct daub_tensor *x = node->in[0], *y = node->out;
    const uint32_t rows = daub_rows(x), step = daub_rows_step(rec, daub_row_size(x));
    for (uint32_t row = 0; row < rows; row += step) {
        struct rgb8_params params = { .first = row, .n = rows - row < step ? rows - row : step };
        struct daub_dispatch dispatch = {
            .kernel = x->dtype == DAUB_F16 ? DAUB_KERNEL_rgb8_f16 : DAUB_KERNEL_rgb8_f32,
            .n_bindings = 2,
            .push = &params,
            .push_size = sizeof(params),
            .flop = 12.0 * params.n,
        };
        dispatch.bind[0] = daub_bind_rows(rec, x, row, params.n, DAUB_READ, false, &params.x_first);
        dispatch.bind[1] = daub_bind_rows(rec, y, row, params.n, DAUB_WRITE, false, &params.y_first);
        daub_light_grid(rec->caps, params.n, dispatch.groups);
        TRY(daub_dispatch_node(rec, &dispatch));
    }
    return DAUB_OK;
}

const struct daub_op daub_op_rgb8 = { .name = "rgb8", .record = rgb8_record };

struct daub_tensor *daub_to_rgb8(struct daub_net *net, struct daub_tensor *x)
{
    if (x->shape.c != 3 || x->heads != 1 || x->kind == DAUB_TENSOR_PAIR || x->dtype == DAUB_U32)
        return daub_net_fail(net, "rgb8: takes 3 stored channels in one head, not %u in %u", x->shape.c, x->heads);
    struct daub_shape shape = x->shape;
    shape.c = 1;
    const struct daub_node_desc desc = {
        .op = &daub_op_rgb8,
        .shape = shape,
        .dtype = DAUB_U32,
        .n_in = 1,
        .in = { x },
    };
    return daub_net_emit(net, &desc);
}

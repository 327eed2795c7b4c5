// geglu.c - the gated feed-forward's activation, where fusion does not put it into the linear layer before it.
#include "runtime/op/geglu.h"

#include "runtime/op/rows.h"
#include "shaders/params/geglu.h"

static daub_status geglu_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct daub_tensor *x = node->in[0], *y = node->out;
    const uint32_t rows = daub_rows(y), step = daub_rows_step(rec, daub_row_size(x));
    for (uint32_t row = 0; row < rows; row += step) {
        const uint32_t n = rows - row < step ? rows - row : step;
        struct geglu_params params = {
            .first = row,
            .n = n * daub_words(y),
            .x_words = daub_words(x),
            .y_words = daub_words(y),
            .gate_word = y->shape.c / 8,
            .gate_shift = y->shape.c % 8,
        };
        struct daub_dispatch dispatch = {
            .kernel = x->dtype == DAUB_F16 ? DAUB_KERNEL_geglu_f16 : DAUB_KERNEL_geglu_f32,
            .n_bindings = 2,
            .push = &params,
            .push_size = sizeof(params),
            .flop = 20.0 * n * y->shape.c,
        };
        dispatch.bind[0] = daub_bind_rows(rec, x, row, n, DAUB_READ, false, &params.x_first);
        dispatch.bind[1] = daub_bind_rows(rec, y, row, n, DAUB_WRITE, false, &params.y_first);
        daub_light_grid(rec->caps, params.n, dispatch.groups);
        TRY(daub_dispatch_node(rec, &dispatch));
    }
    return DAUB_OK;
}

const struct daub_op daub_op_geglu = { .name = "geglu", .record = geglu_record };

struct daub_tensor *daub_geglu(struct daub_net *net, struct daub_tensor *x)
{
    if (x->shape.c % 2 != 0 || x->heads != 1 || x->kind == DAUB_TENSOR_PAIR || x->dtype == DAUB_U32)
        return daub_net_fail(net, "geglu: takes an even number of stored channels in one head, not %u in %u",
                             x->shape.c, x->heads);
    struct daub_shape shape = x->shape;
    shape.c /= 2;
    const struct daub_node_desc desc = {
        .op = &daub_op_geglu,
        .shape = shape,
        .dtype = x->dtype,
        .n_in = 1,
        .in = { x },
    };
    return daub_net_emit(net, &desc);
}

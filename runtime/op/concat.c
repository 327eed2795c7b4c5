// concat.c - two tensors side by side, stored, for widths that cannot be a pair.
#include "runtime/op/concat.h"

#include "runtime/op/rows.h"
#include "shaders/params/concat.h"

static daub_status concat_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct daub_tensor *a = node->in[0], *b = node->in[1], *y = node->out;
    const uint32_t rows = daub_rows(y), step = daub_rows_step(rec, daub_row_size(y));
    for (uint32_t row = 0; row < rows; row += step) {
        const uint32_t n = rows - row < step ? rows - row : step;
        struct concat_params params = {
            .first = row,
            .n = n * daub_words(y),
            .a_words = daub_words(a),
            .b_words = daub_words(b),
            .y_words = daub_words(y),
            .shift = (8 - a->shape.c % 8) % 8,
        };
        struct daub_dispatch dispatch = {
            .kernel = y->dtype == DAUB_F16 ? DAUB_KERNEL_concat_f16 : DAUB_KERNEL_concat_f32,
            .n_bindings = 3,
            .push = &params,
            .push_size = sizeof(params),
            .flop = 8.0 * params.n,
        };
        dispatch.bind[0] = daub_bind_rows(rec, a, row, n, DAUB_READ, false, &params.a_first);
        dispatch.bind[1] = daub_bind_rows(rec, b, row, n, DAUB_READ, false, &params.b_first);
        dispatch.bind[2] = daub_bind_rows(rec, y, row, n, DAUB_WRITE, false, &params.y_first);
        daub_light_grid(rec->caps, params.n, dispatch.groups);
        TRY(daub_dispatch_node(rec, &dispatch));
    }
    return DAUB_OK;
}

const struct daub_op daub_op_concat = { .name = "concat", .record = concat_record };

struct daub_tensor *daub_concat(struct daub_net *net, struct daub_tensor *a, struct daub_tensor *b)
{
    if (a->kind == DAUB_TENSOR_PAIR || b->kind == DAUB_TENSOR_PAIR || a->dtype == DAUB_U32 || a->dtype != b->dtype ||
        a->heads != 1 || b->heads != 1)
        return daub_net_fail(net, "concat: takes two stored fp16 or fp32 tensors of one type in one head");
    if (a->shape.n != b->shape.n || a->shape.h != b->shape.h || a->shape.w != b->shape.w)
        return daub_net_fail(net, "concat: [%u,%u,%u,%u] and [%u,%u,%u,%u] differ in more than channels", a->shape.n,
                             a->shape.h, a->shape.w, a->shape.c, b->shape.n, b->shape.h, b->shape.w, b->shape.c);
    if (a->shape.c % 8 == 0)
        return daub_net_pair(net, a, b);
    struct daub_shape shape = a->shape;
    shape.c += b->shape.c;
    const struct daub_node_desc desc = {
        .op = &daub_op_concat,
        .shape = shape,
        .dtype = a->dtype,
        .n_in = 2,
        .in = { a, b },
    };
    return daub_net_emit(net, &desc);
}

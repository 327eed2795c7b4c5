// finite.c - see finite.h. What leaves fp16's range becomes an infinity, and that a NaN in the next norm or softmax, so that a network's result
// shows it whichever layer it was.
#include "runtime/op/finite.h"

#include "runtime/op/rows.h"
#include "shaders/params/finite.h"

enum { X, FLAGS, COUNTER }; // node inputs

daub_status daub_finite_record(struct daub_recording *rec, const struct daub_tensor *x,
                               const struct daub_tensor *counter, struct daub_binding flags, uint32_t slot,
                               uint32_t value, uint32_t stride)
{
    const uint32_t rows = daub_rows(x), words = daub_words(x), step = daub_rows_fit(rec->caps, daub_row_size(x));
    for (uint32_t row = 0; row < rows; row += step) {
        const uint32_t n = rows - row < step ? rows - row : step;
        struct finite_params params = {
            .first = row * words,
            .n = (n * words + stride - 1) / stride,
            .stride = stride,
            .slot = slot,
            .value = value,
        };
        struct daub_dispatch dispatch = {
            .kernel = x->dtype == DAUB_F16 ? DAUB_KERNEL_finite_f16 : DAUB_KERNEL_finite_f32,
            .op = "finite",
            .n_bindings = 3,
            .push = &params,
            .push_size = sizeof(params),
            .flop = 8.0 * params.n,
        };
        dispatch.bind[0] = daub_bind_rows(rec, x, row, n, DAUB_READ, false, &params.x_first);
        dispatch.bind[1] = daub_bind(rec, counter, DAUB_READ, false);
        dispatch.bind[2] = flags;
        daub_light_grid(rec->caps, params.n, dispatch.groups);
        TRY(daub_dispatch_node(rec, &dispatch));
    }
    return DAUB_OK;
}

static daub_status finite_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct daub_tensor *x = node->in[X];
    const uint64_t words = (uint64_t)daub_rows(x) * daub_words(x);
    const uint32_t stride = (uint32_t)((words + DAUB_FINITE_SAMPLES - 1) / DAUB_FINITE_SAMPLES);
    return daub_finite_record(rec, x, node->in[COUNTER], daub_bind(rec, node->in[FLAGS], DAUB_READ_WRITE, false), 0,
                              node->in[COUNTER] ? 0 : 1, stride);
}

const struct daub_op daub_op_finite = { .name = "finite", .record = finite_record };

void daub_check_finite(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *flags,
                       struct daub_tensor *counter)
{
    if (x->kind == DAUB_TENSOR_PAIR || x->dtype == DAUB_U32) {
        daub_net_fail(net, "finite: takes a stored fp16 or fp32 tensor, neither a pair nor words");
        return;
    }
    const struct daub_node_desc desc = {
        .op = &daub_op_finite,
        .leaf = "finite",
        .shape = { 1, 1, 1, 4 },
        .dtype = DAUB_U32,
        .n_in = 3,
        .in = { x, flags, counter },
    };
    (void)daub_net_emit(net, &desc); // the result is in the flags
}

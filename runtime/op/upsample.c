// upsample.c - nearest upsampling, where fusion does not put it into the convolution after it.
#include "runtime/op/upsample.h"

#include "runtime/op/rows.h"
#include "shaders/params/upsample.h"

static daub_status upsample_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct daub_tensor *x = node->in[0], *y = node->out;
    const uint32_t x_h = x->shape.h, x_w = x->shape.w, y_h = y->shape.h, y_w = y->shape.w;
    const uint32_t lines = y->shape.n * y_h, fit = daub_rows_step(rec, daub_row_size(y));
    const uint32_t step = fit > y_w ? fit / y_w : 1;
    for (uint32_t line = 0; line < lines; line += step) {
        const uint32_t n = lines - line < step ? lines - line : step, last = line + n - 1;
        const uint32_t x_line = line / y_h * x_h + line % y_h / 2, x_last = last / y_h * x_h + last % y_h / 2;
        struct upsample_params params = {
            .first = line,
            .n = n * y_w * daub_words(y),
            .words = daub_words(y),
            .x_height = x_h,
            .x_width = x_w,
            .y_height = y_h,
            .y_width = y_w,
        };
        struct daub_dispatch dispatch = {
            .kernel = x->dtype == DAUB_F16 ? DAUB_KERNEL_upsample_f16 : DAUB_KERNEL_upsample_f32,
            .n_bindings = 2,
            .push = &params,
            .push_size = sizeof(params),
            .flop = 8.0 * params.n,
        };
        dispatch.bind[0] = daub_bind_rows(rec, x, x_line * x_w, (x_last - x_line + 1) * x_w, DAUB_READ, false,
                                          &params.x_first);
        dispatch.bind[1] = daub_bind_rows(rec, y, line * y_w, n * y_w, DAUB_WRITE, false, &params.y_first);
        daub_light_grid(rec->caps, params.n, dispatch.groups);
        TRY(daub_dispatch_node(rec, &dispatch));
    }
    return DAUB_OK;
}

const struct daub_op daub_op_upsample = { .name = "upsample", .record = upsample_record };

static bool twice(uint32_t in, uint32_t out)
{
    return out == 2 * in || (in > 0 && out == 2 * in - 1);
}

struct daub_tensor *daub_upsample_nearest(struct daub_net *net, struct daub_tensor *x, uint32_t out_h, uint32_t out_w)
{
    if (!twice(x->shape.h, out_h) || !twice(x->shape.w, out_w))
        return daub_net_fail(net, "upsample: %u x %u is not twice %u x %u, nor one less", out_h, out_w, x->shape.h,
                             x->shape.w);
    if (x->kind == DAUB_TENSOR_PAIR || x->dtype == DAUB_U32)
        return daub_net_fail(net, "upsample: takes stored fp16 or fp32 tensors, neither a pair nor words");
    const struct daub_node_desc desc = {
        .op = &daub_op_upsample,
        .shape = { x->shape.n, out_h, out_w, x->shape.c },
        .heads = x->heads,
        .dtype = x->dtype,
        .n_in = 1,
        .in = { x },
    };
    return daub_net_emit(net, &desc);
}

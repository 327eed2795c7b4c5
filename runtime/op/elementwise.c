// elementwise.c - activation, sum, one row of channels for every pixel, and scaling with conversion of the storage type. One kernel
// does all; the ops differ in its push constants only, so that they share a pipeline.
#include "runtime/op/elementwise.h"

#include "runtime/op/rows.h"
#include "shaders/params/elementwise.h"

#include <string.h>

enum { X, B, COUNTER }; // node inputs

// ---- recording -------------------------------------------------------------------------------------------------------

static enum daub_kernel choose(enum daub_dtype from, enum daub_dtype to)
{
    if (from == DAUB_F32)
        return to == DAUB_F32 ? DAUB_KERNEL_elementwise_f32 : DAUB_KERNEL_elementwise_f32_f16;
    return to == DAUB_F32 ? DAUB_KERNEL_elementwise_f16_f32 : DAUB_KERNEL_elementwise_f16;
}

static daub_status record(struct daub_recording *rec, struct elementwise_params params)
{
    const struct daub_node *node = rec->node;
    const struct daub_tensor *x = node->in[X], *y = node->out;
    const struct daub_tensor *b = params.second != ELEMENTWISE_ALONE ? node->in[B] : NULL;
    const bool same = params.second == ELEMENTWISE_SAME;
    const uint32_t words = daub_words(x), rows = daub_rows(x);
    params.words = words;
    params.head_words = words / x->heads;
    params.head_channels = x->shape.c / x->heads;
    params.pixels = x->shape.h * x->shape.w;

    const struct daub_tensor *const tensors[] = { x, y, same ? b : x };
    const uint32_t fit = daub_rows_fit_all(rec->caps, 3, tensors), most = daub_rows_step(rec, daub_row_size(y));
    const uint32_t step = fit < most ? fit : most;
    for (uint32_t row = 0; row < rows; row += step) {
        const uint32_t n = rows - row < step ? rows - row : step;
        struct daub_dispatch dispatch = {
            .kernel = choose(x->dtype, y->dtype),
            .n_bindings = 4,
            .push = &params,
            .push_size = sizeof(params),
            .flop = (double)n * words * 8.0,
        };
        dispatch.bind[0] = daub_bind_rows(rec, x, row, n, DAUB_READ, false, &params.x_first);
        dispatch.bind[1] = same ? daub_bind_rows(rec, b, row, n, DAUB_READ, false, &params.b_first)
                                : daub_bind(rec, b, DAUB_READ, false);
        dispatch.bind[2] = daub_bind(rec, node->n_in > COUNTER ? node->in[COUNTER] : NULL, DAUB_READ, false);
        dispatch.bind[3] = daub_bind_rows(rec, y, row, n, DAUB_WRITE, false, &params.y_first);
        params.first = row * words;
        params.n = n * words;
        daub_light_grid(rec->caps, params.n, dispatch.groups);
        TRY(daub_dispatch_node(rec, &dispatch));
    }
    return DAUB_OK;
}

static daub_status act_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct daub_act_attrs *attrs = node->attrs;
    return record(rec, (struct elementwise_params) { .act = (uint32_t)attrs->act, .mul = 1.0f });
}

static daub_status add_record(struct daub_recording *rec, const struct daub_node *node)
{
    (void)node;
    return record(rec, (struct elementwise_params) { .second = ELEMENTWISE_SAME, .mul = 1.0f });
}

static daub_status add_channels_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct daub_tensor *rows = node->in[B];
    const uint32_t second = node->in[COUNTER]    ? ELEMENTWISE_ROW_COUNTER
                            : rows->shape.n == 1 ? ELEMENTWISE_ROW_FIRST
                                                 : ELEMENTWISE_ROW_IMAGE;
    return record(rec, (struct elementwise_params) { .second = second, .n_rows = rows->shape.n, .mul = 1.0f });
}

static daub_status scale_record(struct daub_recording *rec, const struct daub_node *node)
{
    const struct daub_scale_attrs *attrs = node->attrs;
    return record(rec, (struct elementwise_params) { .mul = attrs->mul, .add = attrs->add });
}

// ---- building --------------------------------------------------------------------------------------------------------

const struct daub_op daub_op_act = { .name = "act", .record = act_record };
const struct daub_op daub_op_add = { .name = "add", .record = add_record };
const struct daub_op daub_op_add_channels = { .name = "add_channels", .record = add_channels_record };
const struct daub_op daub_op_scale = { .name = "scale", .record = scale_record };

static bool is_real(const struct daub_tensor *t)
{
    return t->kind != DAUB_TENSOR_PAIR && t->dtype != DAUB_U32;
}

static struct daub_tensor *emit(struct daub_net *net, const struct daub_op *op, enum daub_dtype dtype, uint32_t n_in,
                                struct daub_tensor *const *in, const void *attrs, size_t attrs_size)
{
    for (uint32_t i = 0; i < n_in; i++)
        if (in[i] && in[i]->kind != DAUB_TENSOR_POISON && i < COUNTER && !is_real(in[i]))
            return daub_net_fail(net, "%s: takes stored fp16 or fp32 tensors, neither a pair nor words", op->name);
    struct daub_node_desc desc = {
        .op = op,
        .shape = in[X]->shape,
        .heads = in[X]->heads,
        .dtype = dtype,
        .n_in = n_in,
        .attrs = attrs,
        .attrs_size = attrs_size,
    };
    memcpy(desc.in, in, n_in * sizeof(in[0]));
    if (n_in > COUNTER && in[COUNTER])
        desc.stage = DAUB_STAGE_STEP; // the counter means something only then
    return daub_net_emit(net, &desc);
}

struct daub_tensor *daub_act(struct daub_net *net, struct daub_tensor *x, enum daub_act act)
{
    const struct daub_act_attrs attrs = { .act = act };
    return emit(net, &daub_op_act, x->dtype, 1, &x, &attrs, sizeof(attrs));
}

struct daub_tensor *daub_add(struct daub_net *net, struct daub_tensor *a, struct daub_tensor *b)
{
    if (memcmp(&a->shape, &b->shape, sizeof(a->shape)) != 0 || a->heads != b->heads || a->dtype != b->dtype)
        return daub_net_fail(net, "add: [%u,%u,%u,%u] and [%u,%u,%u,%u] differ in shape, heads or type", a->shape.n,
                             a->shape.h, a->shape.w, a->shape.c, b->shape.n, b->shape.h, b->shape.w, b->shape.c);
    struct daub_tensor *in[] = { a, b };
    return emit(net, &daub_op_add, a->dtype, 2, in, NULL, 0);
}

struct daub_tensor *daub_add_channels(struct daub_net *net, struct daub_tensor *x, struct daub_tensor *rows)
{
    const bool by_counter = rows->stage == DAUB_STAGE_TIME;
    if (rows->shape.c != x->shape.c || rows->heads != x->heads || rows->dtype != x->dtype || rows->shape.h != 1 ||
        rows->shape.w != 1 || !(by_counter || rows->shape.n == 1 || rows->shape.n == x->shape.n))
        return daub_net_fail(net, "add_channels: rows [%u,%u,%u,%u] do not fit x [%u,%u,%u,%u]", rows->shape.n,
                             rows->shape.h, rows->shape.w, rows->shape.c, x->shape.n, x->shape.h, x->shape.w,
                             x->shape.c);
    struct daub_tensor *in[] = { x, rows, by_counter ? daub_net_counter(net) : NULL };
    return emit(net, &daub_op_add_channels, x->dtype, 3, in, NULL, 0);
}

struct daub_tensor *daub_scale(struct daub_net *net, struct daub_tensor *x, float mul, float add, enum daub_dtype dtype)
{
    if (dtype == DAUB_U32)
        return daub_net_fail(net, "scale: stores fp16 or fp32, not words");
    const struct daub_scale_attrs attrs = { .mul = mul, .add = add };
    return emit(net, &daub_op_scale, dtype, 1, &x, &attrs, sizeof(attrs));
}

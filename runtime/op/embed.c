// embed.c - rows of the token and position tables of a text model, by token id.
#include "runtime/op/embed.h"

#include "runtime/op/rows.h"
#include "shaders/params/embed.h"

enum { IDS, TOKEN_TABLE, POSITION_TABLE }; // node inputs

static daub_status embed_select(const struct daub_select *select, struct daub_net *net, struct daub_node *node)
{
    (void)select;
    const struct daub_pack rows = {
        .kind = DAUB_PACK_ROWS,
        .dtype = daub_net_dtype(net),
        .kernel_h = 1,
        .kernel_w = 1,
        .in = { .c = { node->out->shape.c, 0 }, .heads = 1 },
        .out = { .c = { node->out->shape.c, 0 }, .heads = 1 },
    };
    node->in[TOKEN_TABLE]->pack = rows;
    node->in[POSITION_TABLE]->pack = rows;
    return DAUB_OK;
}

static daub_status embed_record(struct daub_recording *rec, const struct daub_node *node)
{
    struct daub_tensor *const table = node->in[TOKEN_TABLE];
    const struct daub_tensor *y = node->out;
    const uint32_t vocabulary = table->dims[0], step = daub_rows_fit(rec->caps, daub_row_size(y));
    for (uint32_t id = 0; id < vocabulary; id += step) {
        const uint32_t n = vocabulary - id < step ? vocabulary - id : step;
        struct embed_params params = {
            .n = daub_rows(y) * daub_words(y),
            .words = daub_words(y),
            .tokens = y->shape.w,
            .vocabulary = vocabulary,
            .id_begin = id,
            .id_end = id + n,
        };
        struct daub_dispatch dispatch = {
            .kernel = y->dtype == DAUB_F16 ? DAUB_KERNEL_embed_f16 : DAUB_KERNEL_embed_f32,
            .n_bindings = 4,
            .push = &params,
            .push_size = sizeof(params),
            .flop = 8.0 * params.n,
        };
        dispatch.bind[0] = daub_bind(rec, node->in[IDS], DAUB_READ, false);
        dispatch.bind[1] = daub_bind_rows(rec, table, id, n, DAUB_READ, false, &params.token_first);
        dispatch.bind[2] = daub_bind(rec, node->in[POSITION_TABLE], DAUB_READ, false);
        dispatch.bind[3] = daub_bind(rec, y, DAUB_WRITE, false);
        daub_light_grid(rec->caps, params.n, dispatch.groups);
        TRY(daub_dispatch_node(rec, &dispatch));
    }
    return DAUB_OK;
}

const struct daub_op daub_op_embed = { .name = "embed", .select = embed_select, .record = embed_record };

struct daub_tensor *daub_embed(struct daub_net *net, struct daub_tensor *ids, struct daub_tensor *token_table,
                               struct daub_tensor *position_table)
{
    if (ids->dtype != DAUB_U32 || ids->shape.h != 1 || ids->shape.w != 1)
        return daub_net_fail(net, "embed: ids are words [N,1,1,tokens], not [%u,%u,%u,%u]", ids->shape.n, ids->shape.h,
                             ids->shape.w, ids->shape.c);
    if (token_table->n_dims != 2 || position_table->n_dims != 2 || token_table->dims[1] != position_table->dims[1])
        return daub_net_fail(net, "embed: tables of %u and %u channels do not add", token_table->dims[1],
                             position_table->dims[1]);
    if (position_table->dims[0] < ids->shape.c)
        return daub_net_fail(net, "embed: %u tokens, but positions for %u", ids->shape.c, position_table->dims[0]);
    const struct daub_node_desc desc = {
        .op = &daub_op_embed,
        .shape = { ids->shape.n, 1, ids->shape.c, token_table->dims[1] },
        .dtype = daub_net_dtype(net),
        .n_in = 3,
        .in = { ids, token_table, position_table },
    };
    return daub_net_emit(net, &desc);
}

// net.c - building a graph: scopes, tensors, nodes, and the sticky error.
#include "runtime/graph/net_private.h"

#include "runtime/base/debug.h"
#include "runtime/base/limits.h"

#include <stdio.h>
#include <string.h>

// ---- lists and errors ------------------------------------------------------------------------------------------------

static void keep_error(struct daub_net *net, daub_status status, const char *fmt, va_list args)
{
    if (net->status != DAUB_OK)
        return;
    net->status = status;
    char what[1024];
    vsnprintf(what, sizeof(what), fmt, args);
    snprintf(net->sentence, sizeof(net->sentence), "%s%s%s: %s", net->name, net->depth ? "." : "", net->scope, what);
}

static void no_memory(struct daub_net *net)
{
    if (net->status != DAUB_OK)
        return;
    net->status = DAUB_ERROR_NO_HOST_MEMORY;
    snprintf(net->sentence, sizeof(net->sentence), "no host memory for the graph of %s", net->name);
}

static bool list_add(struct daub_net *net, struct daub_list *list, void *item)
{
    if (list->n == list->capacity) {
        const uint32_t capacity = list->capacity ? 2 * list->capacity : 256;
        void *at = daub_realloc(net->host, list->at, list->capacity * sizeof(void *), capacity * sizeof(void *));
        if (!at) {
            no_memory(net);
            return false;
        }
        list->at = at;
        list->capacity = capacity;
    }
    list->at[list->n++] = item;
    return true;
}

// A copy that lives as long as the net; "" and the sticky error when memory is out.
static const char *keep_name(struct daub_net *net, const char *name)
{
    const char *copy = daub_arena_strdup(net->arena, name);
    if (!copy)
        no_memory(net);
    return copy ? copy : "";
}

// Neither empty nor with more pixels than kernels count. The limits also keep every product below 2^64.
static bool is_shape(const struct daub_shape *s)
{
    const uint64_t rows = (uint64_t)s->h * s->w;
    return s->n > 0 && rows > 0 && s->c > 0 && rows <= INT32_MAX && rows * s->n <= INT32_MAX && s->c <= 1u << 24;
}

static struct daub_tensor *tensor_new(struct daub_net *net, enum daub_tensor_kind kind, enum daub_dtype dtype,
                                      struct daub_shape shape, uint32_t heads)
{
    struct daub_tensor *t = daub_arena_alloc(net->arena, sizeof(*t));
    if (!t) {
        no_memory(net);
        return NULL;
    }
    t->kind = kind;
    t->dtype = dtype;
    t->shape = shape;
    t->heads = heads;
    t->index = net->tensors.n;
    return list_add(net, &net->tensors, t) ? t : NULL;
}

daub_status daub_net_create(const struct daub_host *host, const char *name, enum daub_dtype dtype,
                            struct daub_net **out)
{
    struct daub_net *net = daub_alloc(host, sizeof(*net));
    if (!net)
        return daub_no_memory("a graph");
    net->host = host;
    net->dtype = dtype;
    net->poison.kind = DAUB_TENSOR_POISON;
    net->poison.heads = 1;
    net->arena = daub_arena_create(host);
    if (net->arena)
        net->name = daub_arena_strdup(net->arena, name);
    if (!net->name) {
        daub_net_destroy(&net);
        return daub_no_memory("a graph");
    }
    *out = net;
    return DAUB_OK;
}

void daub_net_destroy(struct daub_net **net)
{
    struct daub_net *n = *net;
    if (!n)
        return;
    daub_free(n->host, n->nodes.at);
    daub_free(n->host, n->tensors.at);
    daub_free(n->host, n->weights.at);
    daub_free(n->host, n->points.at);
    daub_arena_destroy(&n->arena);
    daub_free(n->host, n);
    *net = NULL;
}

enum daub_dtype daub_net_dtype(const struct daub_net *net)
{
    return net->dtype;
}

struct daub_arena *daub_net_arena(struct daub_net *net)
{
    return net->arena;
}

struct daub_tensor *daub_net_fail(struct daub_net *net, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    keep_error(net, DAUB_ERROR_UNSUPPORTED, fmt, args);
    va_end(args);
    return &net->poison;
}

bool daub_net_failed(const struct daub_net *net)
{
    return net->status != DAUB_OK;
}

// ---- scopes ----------------------------------------------------------------------------------------------------------

void daub_scope_push(struct daub_net *net, const char *fmt, ...)
{
    size_t end = strlen(net->scope);
    if (net->depth == DAUB_SCOPE_DEPTH || end + 2 >= DAUB_SCOPE_MAX) {
        daub_net_fail(net, "scopes nest deeper than %d", DAUB_SCOPE_DEPTH);
        return; // the net has failed: its scope is not read again
    }
    net->scope_ends[net->depth++] = end;
    if (end > 0)
        net->scope[end++] = '.';
    va_list args;
    va_start(args, fmt);
    vsnprintf(net->scope + end, DAUB_SCOPE_MAX - end, fmt, args);
    va_end(args);
}

void daub_scope_pop(struct daub_net *net)
{
    if (net->depth > 0)
        net->scope[net->scope_ends[--net->depth]] = '\0';
}

const char *daub_scope_path(struct daub_net *net, const char *leaf)
{
    const bool has_leaf = leaf && *leaf;
    const char *path = daub_arena_printf(net->arena, "%s%s%s", net->scope, has_leaf && net->scope[0] ? "." : "",
                                         has_leaf ? leaf : "");
    if (!path)
        no_memory(net);
    return path ? path : "";
}

struct daub_tensor *daub_point(struct daub_net *net, const char *leaf, struct daub_tensor *t)
{
    if (t->kind == DAUB_TENSOR_POISON || !net->dump)
        return t;
    const char *path = daub_scope_path(net, leaf);
    if (!daub_glob(net->dump, path))
        return t;
    if (t->kind != DAUB_TENSOR_VALUE && t->kind != DAUB_TENSOR_INPUT && t->kind != DAUB_TENSOR_PART)
        return t;
    struct daub_point *point = daub_arena_alloc(net->arena, sizeof(*point));
    if (!point) {
        no_memory(net);
        return t;
    }
    *point = (struct daub_point) { .name = path, .t = t };
    t->keep = true;
    if (t->kind == DAUB_TENSOR_PART)
        t->pair[0]->keep = true;
    list_add(net, &net->points, point);
    return t;
}

void daub_net_dump(struct daub_net *net, const char *pattern)
{
    net->dump = pattern && *pattern ? keep_name(net, pattern) : NULL;
}

struct daub_tensor *daub_net_find_point(const struct daub_net *net, const char *name)
{
    for (uint32_t i = 0; i < net->points.n; i++) {
        const struct daub_point *point = net->points.at[i];
        if (strcmp(point->name, name) == 0)
            return point->t;
    }
    return NULL;
}

// ---- tensors ---------------------------------------------------------------------------------------------------------

struct daub_tensor *daub_net_input(struct daub_net *net, const char *name, enum daub_stage stage, enum daub_dtype dtype,
                                   struct daub_shape shape)
{
    if (!is_shape(&shape))
        return daub_net_fail(net, "input %s of [%u,%u,%u,%u] is empty or too large", name, shape.n, shape.h, shape.w,
                             shape.c);
    struct daub_tensor *t = tensor_new(net, DAUB_TENSOR_INPUT, dtype, shape, 1);
    if (!t)
        return &net->poison;
    t->stage = stage;
    t->keep = true;
    if (t->kind == DAUB_TENSOR_PART)
        t->pair[0]->keep = true;
    t->name = keep_name(net, name);
    return t;
}

struct daub_tensor *daub_net_weight(struct daub_net *net, const char *leaf, uint32_t n_dims, const uint32_t *dims)
{
    if (daub_net_failed(net))
        return &net->poison;
    const char *name = daub_scope_path(net, leaf);
    for (uint32_t i = 0; i < net->weights.n; i++) {
        struct daub_tensor *w = net->weights.at[i];
        if (strcmp(w->name, name) == 0)
            return w;
    }
    if (net->weights.n == DAUB_MAX_WEIGHTS)
        return daub_net_fail(net, "the network has more than %d weights", DAUB_MAX_WEIGHTS);
    struct daub_tensor *w = tensor_new(net, DAUB_TENSOR_WEIGHT, DAUB_F32,
                                       (struct daub_shape) { 1, 1, n_dims > 1 ? dims[0] : 1, dims[n_dims - 1] }, 1);
    if (!w || !list_add(net, &net->weights, w))
        return &net->poison;
    w->name = name;
    w->n_dims = n_dims;
    memcpy(w->dims, dims, n_dims * sizeof(*dims));
    return w;
}

void daub_net_output(struct daub_net *net, const char *name, struct daub_tensor *t)
{
    if (t->kind == DAUB_TENSOR_POISON)
        return;
    t->keep = true;
    t->name = keep_name(net, name);
}

struct daub_tensor *daub_net_counter(struct daub_net *net)
{
    if (!net->counter)
        net->counter = daub_net_input(net, "counter", DAUB_STAGE_PICTURE, DAUB_U32, (struct daub_shape) { 1, 1, 1, 4 });
    return net->counter;
}

struct daub_tensor *daub_net_part(struct daub_net *net, struct daub_tensor *whole, uint32_t part, uint32_t n_parts)
{
    if (whole->kind == DAUB_TENSOR_POISON)
        return &net->poison;
    if (whole->kind == DAUB_TENSOR_PAIR || n_parts == 0 || part >= n_parts || whole->shape.n % n_parts != 0)
        return daub_net_fail(net, "%u pictures have no part %u of %u", whole->shape.n, part, n_parts);
    struct daub_shape shape = whole->shape;
    shape.n /= n_parts;
    struct daub_tensor *t = tensor_new(net, DAUB_TENSOR_PART, whole->dtype, shape, whole->heads);
    if (!t)
        return &net->poison;
    t->pair[0] = whole;
    t->part = part;
    t->stage = whole->stage;
    t->name = whole->name;
    return t;
}

struct daub_tensor *daub_net_pair(struct daub_net *net, struct daub_tensor *a, struct daub_tensor *b)
{
    if (a->kind == DAUB_TENSOR_POISON || b->kind == DAUB_TENSOR_POISON)
        return &net->poison;
    if (a->shape.n != b->shape.n || a->shape.h != b->shape.h || a->shape.w != b->shape.w)
        return daub_net_fail(net, "cannot put [%u,%u,%u,%u] and [%u,%u,%u,%u] side by side", a->shape.n, a->shape.h,
                             a->shape.w, a->shape.c, b->shape.n, b->shape.h, b->shape.w, b->shape.c);
    if (a->kind == DAUB_TENSOR_PAIR || b->kind == DAUB_TENSOR_PAIR || a->kind == DAUB_TENSOR_PART ||
        b->kind == DAUB_TENSOR_PART || a->dtype != b->dtype || a->heads != 1 || b->heads != 1 || a->shape.c % 8 != 0)
        return daub_net_fail(net,
                             "a pair takes two plain tensors of one type, the first with a multiple of 8 channels");

    struct daub_shape shape = a->shape;
    shape.c += b->shape.c;
    struct daub_tensor *t = tensor_new(net, DAUB_TENSOR_PAIR, a->dtype, shape, 1);
    if (!t)
        return &net->poison;
    t->pair[0] = a;
    t->pair[1] = b;
    t->stage = a->stage > b->stage ? a->stage : b->stage;
    return t;
}

// ---- nodes -----------------------------------------------------------------------------------------------------------

struct daub_tensor *daub_net_emit(struct daub_net *net, const struct daub_node_desc *desc)
{
    enum daub_stage stage = desc->stage;
    for (uint32_t i = 0; i < desc->n_in; i++) {
        const struct daub_tensor *in = desc->in[i];
        if (!in)
            continue;
        if (in->kind == DAUB_TENSOR_POISON)
            return &net->poison;
        if (in->kind != DAUB_TENSOR_WEIGHT && in->stage > stage)
            stage = in->stage;
    }
    if (net->finished)
        return daub_net_fail(net, "%s: a finished graph takes no more nodes", desc->op->name);
    if (!is_shape(&desc->shape))
        return daub_net_fail(net, "%s: a result of [%u,%u,%u,%u] is empty or too large", desc->op->name, desc->shape.n,
                             desc->shape.h, desc->shape.w, desc->shape.c);

    struct daub_node *node = daub_arena_alloc(net->arena, sizeof(*node));
    struct daub_tensor *out = tensor_new(net, DAUB_TENSOR_VALUE, desc->dtype, desc->shape,
                                         desc->heads ? desc->heads : 1);
    void *attrs = desc->attrs_size ? daub_arena_alloc(net->arena, desc->attrs_size) : NULL;
    if (!node || !out || (desc->attrs_size && !attrs)) {
        no_memory(net);
        return &net->poison;
    }
    if (attrs)
        memcpy(attrs, desc->attrs, desc->attrs_size);
    node->op = desc->op;
    node->name = daub_scope_path(net, desc->leaf ? desc->leaf : desc->op->name);
    node->stage = stage;
    node->n_in = desc->n_in;
    memcpy(node->in, desc->in, sizeof(node->in));
    node->out = out;
    node->attrs = attrs;
    out->stage = stage;
    out->name = node->name;
    out->producer = node;
    return list_add(net, &net->nodes, node) ? out : &net->poison;
}

struct daub_tensor *daub_node_scratch(struct daub_net *net, struct daub_node *node, enum daub_dtype dtype,
                                      struct daub_shape shape)
{
    if (node->n_scratch == DAUB_NODE_MAX_SCRATCH)
        return daub_net_fail(net, "%s: more than %d scratch tensors", node->name, DAUB_NODE_MAX_SCRATCH);
    struct daub_tensor *t = tensor_new(net, DAUB_TENSOR_VALUE, dtype, shape, 1);
    if (!t)
        return &net->poison;
    t->producer = node;
    t->stage = node->stage;
    t->name = node->name;
    node->scratch[node->n_scratch++] = t;
    return t;
}

static void count_use(struct daub_tensor *t)
{
    if (!t)
        return;
    t->n_uses++;
    if (t->kind == DAUB_TENSOR_PAIR) {
        count_use(t->pair[0]);
        count_use(t->pair[1]);
    } else if (t->kind == DAUB_TENSOR_PART) {
        count_use(t->pair[0]);
    }
}

void daub_net_count_uses(struct daub_net *net)
{
    for (uint32_t i = 0; i < net->tensors.n; i++)
        ((struct daub_tensor *)net->tensors.at[i])->n_uses = 0;
    for (uint32_t i = 0; i < net->nodes.n; i++) {
        const struct daub_node *node = net->nodes.at[i];
        for (uint32_t j = 0; !node->dead && j < node->n_in; j++)
            count_use(node->in[j]);
    }
}

daub_status daub_net_finish(struct daub_net *net)
{
    if (net->status != DAUB_OK)
        return daub_fail(net->status, "%s", net->sentence);
    if (net->finished)
        return DAUB_OK;

    void **sorted = daub_alloc_array(net->host, net->nodes.n ? net->nodes.n : 1, sizeof(void *));
    if (!sorted)
        return daub_no_memory("a graph's order");
    uint32_t n = 0;
    for (uint32_t stage = 0; stage < DAUB_STAGE_COUNT; stage++) {
        for (uint32_t i = 0; i < net->nodes.n; i++) {
            struct daub_node *node = net->nodes.at[i];
            if (node->dead || node->stage != stage)
                continue;
            node->position = n;
            sorted[n++] = node;
        }
    }
    memcpy(net->nodes.at, sorted, n * sizeof(void *));
    net->nodes.n = n;
    daub_free(net->host, sorted);
    daub_net_count_uses(net);
    net->finished = true;
    return DAUB_OK;
}

uint32_t daub_net_n_nodes(const struct daub_net *net)
{
    return net->nodes.n;
}

struct daub_node *daub_net_node(const struct daub_net *net, uint32_t i)
{
    return net->nodes.at[i];
}

uint32_t daub_net_n_tensors(const struct daub_net *net)
{
    return net->tensors.n;
}

struct daub_tensor *daub_net_tensor(const struct daub_net *net, uint32_t i)
{
    return net->tensors.at[i];
}

uint32_t daub_net_n_weights(const struct daub_net *net)
{
    return net->weights.n;
}

struct daub_tensor *daub_net_weight_at(const struct daub_net *net, uint32_t i)
{
    return net->weights.at[i];
}

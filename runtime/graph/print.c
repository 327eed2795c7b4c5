// print.c - a graph as text, one line a node, stable enough to diff in review.
#include "runtime/graph/net_private.h"

#include <stdio.h>
#include <string.h>

struct text {
    const struct daub_host *host;
    char *at;
    size_t n, capacity;
    bool failed;
};

static void DAUB_PRINTF(2, 3) add(struct text *text, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    const int made = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    size_t n = made < 0 ? 0 : (size_t)made;
    if (n >= sizeof(line))
        n = sizeof(line) - 1;
    if (text->n + n + 1 > text->capacity) {
        const size_t capacity = 2 * text->capacity + n + 4096;
        char *at = daub_realloc(text->host, text->at, text->capacity, capacity);
        if (!at) {
            text->failed = true;
            return;
        }
        text->at = at;
        text->capacity = capacity;
    }
    memcpy(text->at + text->n, line, n + 1);
    text->n += n;
}

static const char *const stage_names[DAUB_STAGE_COUNT] = { "picture", "time", "step", "tail" };
static const char *const dtype_names[] = { "f32", "f16", "u32" };

static void add_tensor(struct text *text, const struct daub_tensor *t)
{
    if (!t) {
        add(text, " -");
        return;
    }
    if (t->kind == DAUB_TENSOR_WEIGHT) {
        add(text, " %s[", t->name);
        for (uint32_t i = 0; i < t->n_dims; i++)
            add(text, "%s%u", i ? "," : "", t->dims[i]);
        add(text, "]");
    } else if (t->kind == DAUB_TENSOR_PART) {
        add(text, "part %u of ", t->part);
        add_tensor(text, t->pair[0]);
    } else if (t->kind == DAUB_TENSOR_PAIR) {
        add(text, " (");
        add_tensor(text, t->pair[0]);
        add_tensor(text, t->pair[1]);
        add(text, ")");
    } else {
        add(text, " %%%u[%u,%u,%u,%u]%s", t->index, t->shape.n, t->shape.h, t->shape.w, t->shape.c,
            dtype_names[t->dtype]);
        if (t->size)
            add(text, "@%llu", (unsigned long long)t->offset);
    }
}

char *daub_net_print(const struct daub_net *net)
{
    struct text text = { .host = net->host };
    add(&text, "net %s: %u nodes, %u weights\n", net->name, net->nodes.n, net->weights.n);
    for (uint32_t i = 0; i < net->nodes.n; i++) {
        const struct daub_node *node = net->nodes.at[i];
        if (node->dead)
            continue;
        add(&text, "%-7s %s %s:", stage_names[node->stage], node->op->name, node->name);
        for (uint32_t j = 0; j < node->n_in; j++)
            add_tensor(&text, node->in[j]);
        add(&text, " ->");
        add_tensor(&text, node->out);
        for (uint32_t j = 0; j < node->n_scratch; j++) {
            add(&text, " +");
            add_tensor(&text, node->scratch[j]);
        }
        add(&text, "\n");
    }
    if (!text.failed)
        return text.at;
    daub_free(net->host, text.at);
    return NULL;
}

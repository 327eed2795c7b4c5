// net.h - a static graph: nodes in execution order, made by builders that read like the diffusers modules.
//
// Errors are sticky: the first failure is kept with the scope's path in its sentence, every builder then returns the
// poison tensor, and daub_net_finish returns the status; so model code has no error plumbing.
#ifndef DAUB_GRAPH_NET_H
#define DAUB_GRAPH_NET_H
#include "runtime/graph/tensor.h"

enum { DAUB_NODE_MAX_IN = 8, DAUB_NODE_MAX_SCRATCH = 3 };

struct daub_net;
struct daub_node;
struct daub_select;    // runtime/op/exec.h: what an op may look at to choose its kernel
struct daub_recording; // runtime/op/exec.h: what an op records into

struct daub_op { // one static descriptor an op; nodes point at it
    const char *name;
    // Chooses the kernel for this node (into attrs), sets `pack` of its weights and adds scratch tensors. May be NULL.
    daub_status (*select)(const struct daub_select *select, struct daub_net *net, struct daub_node *node);
    daub_status (*record)(struct daub_recording *rec, const struct daub_node *node);
    // Multiplications times two, for cost tables and for splitting; NULL: a flop an output element.
    double (*flop)(const struct daub_node *node);
};

struct daub_node {
    const struct daub_op *op;
    const char *name; // scope path, "down_blocks.0.resnets.0.conv1"
    enum daub_stage stage;
    uint32_t n_in, n_scratch;
    struct daub_tensor *in[DAUB_NODE_MAX_IN]; // NULL: that optional input is absent
    struct daub_tensor *out;
    struct daub_tensor *scratch[DAUB_NODE_MAX_SCRATCH]; // live during the node only
    void *attrs;                                        // the op's own struct, in the net's arena
    uint32_t position;
    bool dead; // fused away
};

// `name` prefixes sentences ("unet"). `dtype` is what activations are stored as. Never NULL on OK.
daub_status daub_net_create(const struct daub_host *host, const char *name, enum daub_dtype dtype,
                            struct daub_net **out);
void daub_net_destroy(struct daub_net **net);

enum daub_dtype daub_net_dtype(const struct daub_net *net);
struct daub_arena *daub_net_arena(struct daub_net *net);

// ---- scopes --------------------------------------------------------------------------------------------------------

// Push "down_blocks.0"; names of weights and nodes are the pushed parts joined by dots. The format makes the part.
void daub_scope_push(struct daub_net *net, const char *fmt, ...) DAUB_PRINTF(2, 3);
void daub_scope_pop(struct daub_net *net);
// The current path, with `leaf` (may be NULL or "") appended; lives as long as the net.
const char *daub_scope_path(struct daub_net *net, const char *leaf);
// Names `t` by the current path and `leaf`, as the output of the diffusers module of that name. If the net's dump pattern
// matches, the tensor is kept. Returns t.
struct daub_tensor *daub_point(struct daub_net *net, const char *leaf, struct daub_tensor *t);
// Pattern (daub_glob) of points to keep; set before building. The string is copied.
void daub_net_dump(struct daub_net *net, const char *pattern);
// A point by name, for reading it back; NULL if there is none or it was fused away.
struct daub_tensor *daub_net_find_point(const struct daub_net *net, const char *name);

// ---- tensors -------------------------------------------------------------------------------------------------------

struct daub_tensor *daub_net_input(struct daub_net *net, const char *name, enum daub_stage stage, enum daub_dtype dtype,
                                   struct daub_shape shape);
// A weight scope.leaf with the wanted dims; asking twice for a name gives the same tensor.
struct daub_tensor *daub_net_weight(struct daub_net *net, const char *leaf, uint32_t n_dims, const uint32_t *dims);
// Marks a result: kept, and named.
void daub_net_output(struct daub_net *net, const char *name, struct daub_tensor *t);
// The step counter: U32 [1,1,1,4], word 0 holds 1 + the index of the current model call, the row that daub_add_channels takes
// of a tensor made in the TIME stage. Made on first use.
struct daub_tensor *daub_net_counter(struct daub_net *net);
// [a | b] in the channel dimension, without a copy. a->shape.c must be a multiple of 8 (daub_concat in op.h handles the rest).
struct daub_tensor *daub_net_pair(struct daub_net *net, struct daub_tensor *a, struct daub_tensor *b);

// Pictures part * n .. (part + 1) * n - 1 of a tensor of n * n_parts pictures, without a copy: where one node makes several tensors.
struct daub_tensor *daub_net_part(struct daub_net *net, struct daub_tensor *whole, uint32_t part, uint32_t n_parts);

// ---- nodes: for op files -------------------------------------------------------------------------------------------

struct daub_node_desc {
    const struct daub_op *op;
    const char *leaf; // appended to the scope path for the node's name; NULL: the op's name
    struct daub_shape shape;
    uint32_t heads;        // 0 = 1
    enum daub_dtype dtype; // of the output
    enum daub_stage stage; // at least this; the inputs' stages raise it
    uint32_t n_in;
    struct daub_tensor *in[DAUB_NODE_MAX_IN];
    const void *attrs; // copied, attrs_size bytes
    size_t attrs_size;
};
// Appends a node; returns its output (poison if an input is poison or memory is out).
struct daub_tensor *daub_net_emit(struct daub_net *net, const struct daub_node_desc *desc);
// Keeps the first sentence, prefixed with the scope path; returns the poison tensor.
struct daub_tensor *daub_net_fail(struct daub_net *net, const char *fmt, ...) DAUB_PRINTF(2, 3);
bool daub_net_failed(const struct daub_net *net);
// For select(): a tensor that lives during this node.
struct daub_tensor *daub_node_scratch(struct daub_net *net, struct daub_node *node, enum daub_dtype dtype,
                                      struct daub_shape shape);

// The sticky status, if any; otherwise renumbers nodes in stage order and counts uses.
daub_status daub_net_finish(struct daub_net *net);

uint32_t daub_net_n_nodes(const struct daub_net *net);
struct daub_node *daub_net_node(const struct daub_net *net, uint32_t i); // in execution order after finish
uint32_t daub_net_n_tensors(const struct daub_net *net);
struct daub_tensor *daub_net_tensor(const struct daub_net *net, uint32_t i); // inputs, values, weights, pairs
uint32_t daub_net_n_weights(const struct daub_net *net);
struct daub_tensor *daub_net_weight_at(const struct daub_net *net, uint32_t i);

// ---- fusion --------------------------------------------------------------------------------------------------------

// A row: when a `consumer` node's input `slot` is made by a `producer` node, used by nothing else, not kept, and in the same
// stage, apply() may rewrite *consumer (op, inputs, attrs) to do both and return true; the producer then disappears.
struct daub_fusion {
    const struct daub_op *producer, *consumer;
    uint32_t slot;
    bool (*apply)(struct daub_net *net, const struct daub_node *producer, struct daub_node *consumer);
};
// Applies the rows, first to last, over the nodes in order, until nothing changes. Call before daub_net_finish.
void daub_fuse(struct daub_net *net, const struct daub_fusion *rows, uint32_t n);

// ---- plan ----------------------------------------------------------------------------------------------------------

// Gives every input, value and scratch of a finished net its place in one arena: offsets multiples of `align`, lifetimes that
// overlap never share bytes. What crosses from an earlier stage into STEP or TAIL lives until the end, because those repeat.
daub_status daub_plan(struct daub_net *net, uint32_t align, uint64_t *arena_size);

// ---- text ----------------------------------------------------------------------------------------------------------

// One line a node: name, op, shapes, stage; after daub_plan also offsets. Stable enough to diff. daub_free with the net's host.
char *daub_net_print(const struct daub_net *net);

#endif

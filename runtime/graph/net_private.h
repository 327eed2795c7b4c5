// net_private.h - a net's fields, for the files of runtime/graph only.
#ifndef DAUB_GRAPH_NET_PRIVATE_H
#define DAUB_GRAPH_NET_PRIVATE_H
#include "runtime/graph/net.h"

struct daub_list { // of pointers, growing
    void **at;
    uint32_t n, capacity;
};

struct daub_point { // a tensor may be several modules' output
    const char *name;
    struct daub_tensor *t;
};

enum { DAUB_SCOPE_MAX = 512, DAUB_SCOPE_DEPTH = 32 };

struct daub_net {
    const struct daub_host *host;
    struct daub_arena *arena; // nodes, tensors, attrs and names
    const char *name;
    enum daub_dtype dtype;

    struct daub_list nodes, tensors, weights, points;
    struct daub_tensor *counter;
    struct daub_tensor poison;

    char scope[DAUB_SCOPE_MAX];
    size_t scope_ends[DAUB_SCOPE_DEPTH];
    uint32_t depth;
    const char *dump;

    daub_status status; // the first failure
    char sentence[DAUB_SENTENCE_MAX];
    bool finished;
};

// Recounts n_uses of every tensor from the living nodes; a pair counts as a use of both its parts.
void daub_net_count_uses(struct daub_net *net);

#endif

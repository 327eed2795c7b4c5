// halo.h - how far a graph looks: the rows of its inputs that a row of a result depends on.
#ifndef DAUB_OP_HALO_H
#define DAUB_OP_HALO_H
#include "runtime/graph/net.h"

enum { DAUB_HALO_ALL = 1 << 30 }; // a result that depends on all rows

// Rows above and below a run of rows of `out`, counted in the inputs, that those rows depend on besides the rows they stand for. Of a
// net as built: fusion and daub_net_finish have not seen it. DAUB_HALO_ALL where an op on the way looks at the whole map, as a
// group norm with its own statistics does.
uint32_t daub_halo(const struct daub_net *net, const struct daub_tensor *out);

#endif

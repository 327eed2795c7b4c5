// exec_segments.h - a stage whose weights are lent in turns: its nodes run in segments, and before each is submitted, whoever lends the
// weights says that they are in their place.
#ifndef DAUB_OP_EXEC_SEGMENTS_H
#define DAUB_OP_EXEC_SEGMENTS_H
#include "runtime/op/exec.h"

struct daub_segments { // zeroed: the stage's weights all stay
    const struct daub_lender *lender;
    enum daub_stage stage;
    const uint32_t *first; // node of each segment; NULL: not open
    uint32_t n, n_bound;
    uint32_t *first_cmd; // of each segment, among the stage's
};

// Before the stage is recorded. Errors: what the lender says.
daub_status daub_segments_open(struct daub_segments *s, const struct daub_host *host, struct daub_net *net);
// Its commands are gone, and none runs.
void daub_segments_close(struct daub_segments *s, const struct daub_host *host);
// Whether a segment that is not bound yet begins at this node of the stage.
bool daub_segments_begin(const struct daub_segments *s, enum daub_stage stage, uint32_t node);
// Binds that segment, which is recorded into `cmd`, the stage's `index`-th, and those after it.
daub_status daub_segments_bind(struct daub_segments *s, struct daub_cmd *cmd, uint32_t index);
// Around the submission of the `index`-th of the stage's `n_cmds` commands.
daub_status daub_segments_before(const struct daub_segments *s, enum daub_stage stage, uint32_t index);
daub_status daub_segments_after(const struct daub_segments *s, enum daub_stage stage, uint32_t index, uint32_t n_cmds,
                                uint64_t ticket);

#endif

// tune.h - measures, once a driver, what no table can know of every machine.
#ifndef DAUB_OP_TUNE_H
#define DAUB_OP_TUNE_H
#include "runtime/vk/device.h"

struct daub_tuning {
    bool texel;
    float rate12, rate16; // GFLOP a second of GEMM tiles of 12 and of 16 rows
};
// What a tuning file's text says of a driver. false: nothing, or what cannot be believed.
bool daub_tuning_find(const char *text, const char *key, struct daub_tuning *out);
// The text without that driver's lines, and with a new line at its end unless `tuning` is NULL. daub_free'd by the caller; NULL: no
// memory.
char *daub_tuning_set(const struct daub_host *host, const char *old, const char *key, const struct daub_tuning *tuning);

// On CPU drivers: whether texel or storage buffers are read faster and how fast GEMM tiles of 12 and 16 rows are, from tuning.txt in
// `cache_dir` (NULL: the user's; "": none), else from up to three runs of a small GEMM (a second or two, nearly all of it the
// driver's compiler), which are then written there. DAUB_CAPS=-texel, +texel, rows= override, DAUB_DEBUG=nocache leaves the driver's table.
// Results do not depend on it: all these kernels add in the same order. Where the file cannot be
// written nothing is measured; a failure is logged and leaves the table.
void daub_tune(daub_device *dev, const char *cache_dir);

#endif

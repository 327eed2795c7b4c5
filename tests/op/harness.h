// harness.h - runs the cases of runtime/check under masks. A wrong result ends the program with op, case, mask and first value.
#ifndef DAUB_TESTS_OP_HARNESS_H
#define DAUB_TESTS_OP_HARNESS_H
#include "runtime/check/check.h"
#include "tests/test.h"

// Runs every case of an op in both dtypes under every mask. Options: -v (prints margins), --filter-caps TEXT, --case N. Masks: "", "-texel",
// "-lane", "-f16,-subgroup", "range=16M,shared=16K,align=256", "-f16,-subgroup,-texel,range=16M,shared=16K,api=1.1" and that with -lane; of conv2d also "-winograd".
int op_main(int argc, char **argv, const char *op);
// The same under masks of the test's own.
void op_run_masks(const char *op, const char *const *masks, size_t n);

#endif

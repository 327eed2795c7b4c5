// check.h - every op against its scalar reference, on any device and under any mask: for daub selftest and for tests/op.
#ifndef DAUB_CHECK_CHECK_H
#define DAUB_CHECK_CHECK_H
#include "runtime/op/exec.h"
#include "runtime/op/op.h"

struct daub_trial;

struct daub_check { // an op's reference and its cases
    const char *op; // as in daub_op.name, or the file's where there is no node
    const void *cases;
    size_t case_size;
    uint32_t n_cases;
    daub_status (*run)(struct daub_trial *trial, const void *one_case);
    // Bits of the cases that a run which is not thorough takes (0: all): different ways of computing more than different sizes, because
    // each way is a kernel that some drivers take half a second to compile.
    uint32_t usual;
    // Bits of the cases which, run with each kind of kernel (variant.h), meet all of the op's kernels; 0: it has one kind.
    uint32_t brief;
};

extern const struct daub_check *const daub_checks[];
extern const uint32_t daub_n_checks;
const struct daub_check *daub_check_find(const char *op); // NULL: none

enum { DAUB_KERNEL_SET = (DAUB_KERNEL_COUNT + 31) / 32 };

struct daub_verdict {
    bool skipped;        // it was more work than max_work
    double error, limit; // the worst value's, of the largest wanted one
    double nmse, nmse_limit;
    uint32_t kernels[DAUB_KERNEL_SET]; // a bit each: those that ran
    char wrong[512];                   // "": right
};

// A case's reference in one dtype, kept from run to run: it is the same under every mask, and takes longest. In memory of no device's host,
// because it outlives devices.
struct daub_known {
    double *want; // NULL: not yet
    size_t n;
    double n_made; // values of the inputs: a case may be smaller on some devices
};

void daub_known_free(struct daub_known *known);

struct daub_trial_params {
    const struct daub_check *check;
    uint32_t index; // of the case
    enum daub_dtype dtype;
    double max_work;          // multiplications and values; 0: any
    struct daub_known *known; // of this case and dtype; NULL: work the reference out
};

// Runs one case. Errors: what the device says, NO_HOST_MEMORY. A result that is wrong is no error: see the verdict.
daub_status daub_trial_run(daub_device *dev, const struct daub_trial_params *params, struct daub_verdict *out);

#endif

// harness.h - what every op test shares: one device a caps mask, both dtypes, random data, a double reference, guard bytes.
//
//     static void check(struct op_run *run, const void *user)
//     {
//         const struct my_case *c = user;
//         struct daub_tensor *x = op_input(run, "x", DAUB_STAGE_STEP, (struct daub_shape) { c->n, c->h, c->w, c->c }, 1);
//         struct daub_tensor *w = op_weight(run, "weight", 2, (uint32_t[]) { c->out, c->c }, 0.1f, 0.0f);
//         struct daub_tensor *y = daub_linear(run->net, x, w, NULL, 1);
//         op_execute(run, y);                         // runs with and without fusion
//         double *want = op_plain(run, y);            // zeroed, as many values as y has, NCHW
//         ... fill from op_values(run, x), op_values(run, w): the very values the device sees, after rounding to fp16 in an f16 run
//         op_compare(run, y, want, c->c);             // last: reduction length
//     }
//     int main(int argc, char **argv) { return op_main(argc, argv, "linear", cases, n, sizeof(cases[0]), check); }
#ifndef DAUB_TESTS_OP_HARNESS_H
#define DAUB_TESTS_OP_HARNESS_H
#include "runtime/op/exec.h"
#include "runtime/op/op.h"
#include "tests/test.h"

struct op_run {
    daub_device *dev;
    enum daub_dtype dtype;
    const char *caps; // mask this run is under
    struct daub_net *net;
    struct op_state *state;
};

// Random values of deviation `scale` about `mean`, the same in every run of a name, rounded to what the dtype stores.
struct daub_tensor *op_input(struct op_run *run, const char *name, enum daub_stage stage, struct daub_shape shape,
                             uint32_t heads);
struct daub_tensor *op_input_scaled(struct op_run *run, const char *name, enum daub_stage stage,
                                    struct daub_shape shape, uint32_t heads, float scale, float mean);
struct daub_tensor *op_input_f32(struct op_run *run, const char *name, enum daub_stage stage, struct daub_shape shape);
// U32 input with given words (copied).
struct daub_tensor *op_input_u32(struct op_run *run, const char *name, enum daub_stage stage, struct daub_shape shape,
                                 const uint32_t *words);
struct daub_tensor *op_weight(struct op_run *run, const char *name, uint32_t n_dims, const uint32_t *dims, float scale,
                              float mean);
// NCHW (weights: as in the file) values of an input or weight.
const float *op_values(struct op_run *run, const struct daub_tensor *t);
double *op_plain(struct op_run *run, const struct daub_tensor *t);

// Builds the executor from run->net (NULL afterwards), runs stages PICTURE..STEP and then TAIL `n_tail` times (op_execute: 0), reads `y`.
void op_execute(struct op_run *run, struct daub_tensor *y);
void op_execute_tail(struct op_run *run, struct daub_tensor *y, uint32_t n_tail);
// Result of op_execute as NCHW floats; U32 tensors as words.
const float *op_result(struct op_run *run);
const uint32_t *op_result_u32(struct op_run *run);

// fp32 runs: NMSE < 1e-10 and each value within 1e-5 * sqrt(reduction) of the largest; fp16: NMSE < 1e-6 and 4e-3 (4 half ulps). Also
// checks that padding channels are zero. Prints the margin with -v; ends the program on a miss with op, case, mask and first value.
void op_compare(struct op_run *run, const struct daub_tensor *y, const double *want, uint32_t reduction);

// Runs check for every case, dtype and mask. Options: -v, --filter-caps TEXT, --case N, --bench (times each case once more and prints
// GFLOP/s). Masks: "", "-texel", "-lane", "-f16,-subgroup", "range=16M,shared=16K,align=256", "api=1.1", "-winograd", all together.
int op_main(int argc, char **argv, const char *op, const void *cases, size_t n_cases, size_t case_size,
            void (*check)(struct op_run *run, const void *user));

#endif

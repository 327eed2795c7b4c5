// trial.h - one case of an op on a device, against a scalar reference in doubles: what the files of this layer share.
//
//     static daub_status check(struct daub_trial *trial, const void *user)
//     {
//         const struct my_case *c = user;
//         struct daub_tensor *x = daub_trial_input(trial, "x", DAUB_STAGE_STEP, (struct daub_shape) { c->n, c->h, c->w, c->c }, 1);
//         struct daub_tensor *w = daub_trial_weight(trial, "weight", 2, (uint32_t[]) { c->out, c->c }, 0.1f, 0.0f);
//         struct daub_tensor *y = daub_linear(trial->net, x, w, NULL, 1);
//         TRY(daub_trial_execute(trial, y));
//         double *want = daub_trial_want(trial); // zeroed, as many values as y has, NCHW
//         ... fill from daub_trial_values(trial, x) and (trial, w): the very values the device sees, rounded to fp16 in an fp16 trial
//         return daub_trial_compare(trial, y, want, c->c); // last: reduction length
//     }
//
// Making inputs cannot fail for the caller: the first failure is kept, as in a net, and returned by daub_trial_execute.
#ifndef DAUB_CHECK_TRIAL_H
#define DAUB_CHECK_TRIAL_H
#include "runtime/check/check.h"

struct trial_state;

struct daub_trial {
    daub_device *dev;
    enum daub_dtype dtype;
    struct daub_net *net; // NULL once executed
    struct trial_state *state;
};

// Random values of deviation `scale` about `mean`, the same in every trial of a name, rounded to what the dtype stores.
struct daub_tensor *daub_trial_input(struct daub_trial *trial, const char *name, enum daub_stage stage,
                                     struct daub_shape shape, uint32_t heads);
struct daub_tensor *daub_trial_input_scaled(struct daub_trial *trial, const char *name, enum daub_stage stage,
                                            struct daub_shape shape, uint32_t heads, float scale, float mean);
struct daub_tensor *daub_trial_input_f32(struct daub_trial *trial, const char *name, enum daub_stage stage,
                                         struct daub_shape shape);
// U32 input with given words (copied).
struct daub_tensor *daub_trial_input_u32(struct daub_trial *trial, const char *name, enum daub_stage stage,
                                         struct daub_shape shape, const uint32_t *words);
struct daub_tensor *daub_trial_weight(struct daub_trial *trial, const char *name, uint32_t n_dims, const uint32_t *dims,
                                      float scale, float mean);

// Makes one value (NCHW) of an input something else.
void daub_trial_set(struct daub_trial *trial, const struct daub_tensor *t, size_t i, float value);

// Builds the executor from trial->net (NULL afterwards), runs stages PICTURE..STEP and then TAIL `n_tail` times (daub_trial_execute: 0),
// reads `y` and checks that its padding channels are zero. Errors: what the device says; CANCELLED: more work than this run wants.
daub_status daub_trial_execute(struct daub_trial *trial, struct daub_tensor *y);
daub_status daub_trial_execute_tail(struct daub_trial *trial, struct daub_tensor *y, uint32_t n_tail);

// The rest is for after daub_trial_execute.
// NCHW (weights: as in the file) values of an input or weight.
const float *daub_trial_values(struct daub_trial *trial, const struct daub_tensor *t);
double *daub_trial_want(struct daub_trial *trial);
// Whether an earlier run has left its reference in daub_trial_want: nothing is to be worked out.
bool daub_trial_knows(struct daub_trial *trial);
// What the device made, as NCHW floats; of U32 tensors the words.
const float *daub_trial_result(struct daub_trial *trial);
const uint32_t *daub_trial_result_u32(struct daub_trial *trial);

// Judge the result; each trial calls one of them. Of fp32 trials NMSE < 1e-10 and each value within 1e-5 * sqrt(reduction) of the largest
// wanted; of fp16 ones NMSE < 1e-6 and 4e-3 (4 half ulps).
daub_status daub_trial_compare(struct daub_trial *trial, const struct daub_tensor *y, const double *want,
                               uint32_t reduction);
// Every value is the wanted one.
daub_status daub_trial_compare_exact(struct daub_trial *trial, const struct daub_tensor *y, const double *want);
daub_status daub_trial_compare_words(struct daub_trial *trial, const uint32_t *got, const uint32_t *want, size_t n);
// n values from wherever, each within `limit` of the wanted one.
daub_status daub_trial_compare_values(struct daub_trial *trial, const float *got, const double *want, size_t n,
                                      double limit);
// Says that the trial has failed, and why; the first sentence is kept.
void daub_trial_wrong(struct daub_trial *trial, const char *fmt, ...) DAUB_PRINTF(2, 3);

// Zeroed memory that lives as long as the trial; NULL: none, and daub_last_error says so.
void *daub_trial_alloc(struct daub_trial *trial, size_t count, size_t size);
// Notes a kernel that runs outside of the net.
void daub_trial_uses(struct daub_trial *trial, enum daub_kernel kernel);
// Asks whether a trial that touches so many values is wanted. Errors: CANCELLED.
daub_status daub_trial_admit(struct daub_trial *trial, double values);

#endif

// schedule.h - time steps, noise levels and what is done with a prediction: the words that samplers share, not for callers.
#ifndef DAUB_SAMPLE_SCHEDULE_H
#define DAUB_SAMPLE_SCHEDULE_H
#include "runtime/sample/sample.h"

// ---- time steps ----------------------------------------------------------------------------------------------------

// Which points of the training schedule n steps visit; Lin et al. 2023, arXiv:2305.08891, table 2, in two readings.
enum daub_points {
    DAUB_POINTS_N,          // n points, both ends included, whole numbers
    DAUB_POINTS_N_FRACTION, // the same, but linspace keeps its fractions
    DAUB_POINTS_INTERVALS,  // the upper ends of n intervals: n + 1 points without the lowest
};

// Falling time steps into *out, allocated in s->arena. *n is s->n_steps, or fewer where lambda_min_clipped cuts the noisy end
// off a trailing layout. Errors: INVALID_ARG (a time step outside the schedule), NO_HOST_MEMORY.
daub_status daub_timesteps(const struct daub_sampling *s, enum daub_points points, double **out, uint32_t *n);

// ---- noise levels --------------------------------------------------------------------------------------------------

// sigma is the noise-to-signal ratio sqrt((1 - abar) / abar).
struct daub_ladder {
    uint32_t n;        // steps
    double *timesteps; // [n]
    double *sigmas;    // [n_sigmas], falling; the last is where the last step lands
    uint32_t n_sigmas; // n + 1, or n + 2 with log_linear interpolation, whose last entry no step reaches
};

struct daub_ladder_rule { // in what the reference's classes differ
    enum daub_points points;
    bool ends_from_all; // Karras and the like run from end to end of the training schedule; false: of the spaced levels
    bool whole_timesteps; // Karras and Lu round the time step, the others cut it off; false: fractions stay
    bool cut_for_cosine;  // with whole_timesteps: for squaredcos_cap_v2 Karras and Lu cut off, too
    bool
        ends_at_last; // final_sigmas_type "sigma_min" repeats the last level of such a layout; false: the schedule's least
};

// Reports the sigmas, too. Errors: INVALID_ARG (too many steps for the schedule), NO_HOST_MEMORY.
daub_status daub_ladder(struct daub_sampling *s, const struct daub_ladder_rule *rule, struct daub_ladder *out);

// x with x = I^-1(p), the quantile function of the beta distribution with both shapes a; p of 0..1.
double daub_beta_quantile(double p, double a);

// ---- predictions ---------------------------------------------------------------------------------------------------

// As weights of the state x = alpha * x0 + sigma * noise and of the network's output.
struct daub_weights {
    double x, out;
};

struct daub_weights daub_x0_weights(enum daub_prediction prediction, double alpha, double sigma);
struct daub_weights daub_eps_weights(enum daub_prediction prediction, double alpha, double sigma);

// vec[x0] = the x0 predicted by the last model call from the state `x`, thresholded or clipped as the config says.
// Thresholding wins where both are on.
daub_status daub_predict_x0(struct daub_sampling *s, daub_vec x0, daub_vec x, double alpha, double sigma);

// `value` where it is above 0, else 0: variances that rounding made negative.
double daub_positive(double value);

#endif

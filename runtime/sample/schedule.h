// schedule.h - time steps, noise levels and what is done with a prediction: the words that samplers share, not for
// callers.
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

// Falling time steps into *out, allocated in s->arena. *n is s->n_steps, or fewer where lambda_min_clipped cuts the
// noisy end off a trailing layout. Errors: INVALID_ARG (a time step outside the schedule), NO_HOST_MEMORY.
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
    // Karras and the like run from end to end of the training schedule; false: of the spaced levels.
    bool ends_from_all;
    // Karras and Lu round the time step to a whole one, the others cut it off; false: fractions stay.
    bool whole_timesteps;
    // With whole_timesteps: for squaredcos_cap_v2 Karras and Lu cut off, too.
    bool cut_for_cosine;
    // final_sigmas_type "sigma_min" repeats the last level of such a layout; false: it is the schedule's least.
    bool ends_at_last;
};

// Reports the sigmas, too. Errors: INVALID_ARG (too many steps for the schedule), NO_HOST_MEMORY.
daub_status daub_ladder(struct daub_sampling *s, const struct daub_ladder_rule *rule, struct daub_ladder *out);

// The quantile function of the beta distribution with both shapes a; p of 0..1.
double daub_beta_quantile(double p, double a);

// A noise level as the solvers in lambda have it; the ratio sigma / alpha may be 0, and lambda infinite then.
struct daub_level {
    double alpha, sigma; // of the state alpha * x0 + sigma * noise, alpha^2 + sigma^2 = 1
    double lambda;       // log(alpha / sigma)
};
struct daub_level daub_level_of(double ratio);

// The time steps, with fractions, at which the training schedule has these n noise levels: log(sigma) is read linearly
// between whole steps. Errors: NO_HOST_MEMORY.
daub_status daub_timestep_of_sigma(const struct daub_sampling *s, uint32_t n, const double *sigmas, double *out);

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

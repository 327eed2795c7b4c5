// sample.h - how a sampler is written, and what becomes of it.
//
// A sampler is a loop as in its paper over a few words: start, model_call, LINCOMB, clamp, threshold, noise, step_end.
// It runs once, at plan time, on the host, against a recorder. What it recorded, a daub_program, is a table of
// coefficients that the device executes: between two model calls everything is element-wise over the latent, so one
// dispatch runs all of it. No sampler ever sees a tensor's values, and no control flow depends on them.
//
// States are kept in each method's own parametrisation as diffusers keeps them (Euler and Heun: x0 + sigma * noise;
// the others: alpha_t * x0 + sigma_t * noise with alpha_t^2 + sigma_t^2 = 1), so that every intermediate latent can be
// compared with the reference.
#ifndef DAUB_SAMPLE_SAMPLE_H
#define DAUB_SAMPLE_SAMPLE_H
#include "runtime/base/host.h"
#include "runtime/base/json.h"
#include "runtime/base/limits.h"

#include <stdbool.h>
#include <stdint.h>

// ---- configuration: names and meanings of diffusers' scheduler_config.json ---------------------------------------

enum daub_beta_schedule { DAUB_BETA_LINEAR, DAUB_BETA_SCALED_LINEAR, DAUB_BETA_SQUAREDCOS_CAP_V2 };
enum daub_prediction { DAUB_PREDICTION_EPSILON, DAUB_PREDICTION_V, DAUB_PREDICTION_SAMPLE };
enum daub_spacing { DAUB_SPACING_LEADING, DAUB_SPACING_TRAILING, DAUB_SPACING_LINSPACE };
enum daub_sigma_spacing { // how the noise levels are laid out between the ends; names as of --schedule
    DAUB_SIGMAS_DEFAULT,  // at the time steps
    DAUB_SIGMAS_KARRAS,
    DAUB_SIGMAS_EXPONENTIAL,
    DAUB_SIGMAS_BETA,
    DAUB_SIGMAS_LU, // DPM++ only: use_lu_lambdas
};
enum { DAUB_SIGMAS_COUNT = DAUB_SIGMAS_LU + 1 };
enum daub_variance {
    DAUB_VARIANCE_FIXED_SMALL,
    DAUB_VARIANCE_FIXED_SMALL_LOG,
    DAUB_VARIANCE_FIXED_LARGE,
    DAUB_VARIANCE_FIXED_LARGE_LOG
};
enum daub_algorithm {
    DAUB_ALGORITHM_DPMSOLVERPP,
    DAUB_ALGORITHM_DPMSOLVER,
    DAUB_ALGORITHM_SDE_DPMSOLVERPP,
    DAUB_ALGORITHM_SDE_DPMSOLVER
};
enum daub_solver_type { DAUB_SOLVER_MIDPOINT, DAUB_SOLVER_HEUN, DAUB_SOLVER_BH1, DAUB_SOLVER_BH2 };

struct daub_sampler_desc;

struct daub_sampler_config {
    const struct daub_sampler_desc *sampler;

    // the noise schedule
    uint32_t num_train_timesteps; // 1000
    double beta_start, beta_end;
    enum daub_beta_schedule beta_schedule;
    const float *trained_betas; // NULL, or num_train_timesteps values owned by the arena given to the parser
    bool rescale_betas_zero_snr;
    enum daub_prediction prediction_type;

    // the time steps
    enum daub_spacing timestep_spacing;
    uint32_t steps_offset;
    enum daub_sigma_spacing sigma_spacing;
    bool interpolation_log_linear; // EulerDiscrete's interpolation_type
    bool timestep_continuous;    // EulerDiscrete's timestep_type; with v prediction the network is told log(sigma) / 4
    bool final_sigma_min;        // final_sigmas_type: "sigma_min" instead of "zero"
    double sigma_min, sigma_max; // 0: from the schedule

    // what is done to the predicted x0
    bool clip_sample;
    double clip_sample_range;
    bool thresholding;
    double dynamic_thresholding_ratio, sample_max_value;

    // single methods
    bool set_alpha_to_one;            // ddim, plms
    bool skip_prk_steps;              // plms
    enum daub_variance variance_type; // ddpm
    uint32_t solver_order;            // dpmpp_2m, unipc
    enum daub_solver_type solver_type;
    enum daub_algorithm algorithm_type;
    bool lower_order_final, euler_at_final;
    double lambda_min_clipped; // -INFINITY
    bool predict_x0;           // unipc
    uint32_t disable_corrector[DAUB_MAX_DISABLED], n_disable_corrector;
    uint32_t original_inference_steps;       // lcm
    double timestep_scaling;                 // lcm
    double eta;                              // ddim, at the call
    double s_churn, s_tmin, s_tmax, s_noise; // euler, heun, at the call
};

// The defaults of a sampler's diffusers class, its betas included.
void daub_sampler_config_defaults(const struct daub_sampler_desc *sampler, struct daub_sampler_config *out);

// From a scheduler_config.json: the class's defaults, then every key that is there. `sampler` NULL takes _class_name;
// otherwise the file's noise schedule and common options are read for that other sampler, as diffusers' from_config
// does. Keys that are unknown are ignored; a known key with a value we cannot do is UNSUPPORTED and named.
daub_status daub_sampler_config_parse(const struct daub_json *json, const struct daub_sampler_desc *sampler,
                                      struct daub_arena *arena, struct daub_sampler_config *out);

// ---- noise schedule ------------------------------------------------------------------------------------------------

// Cumulative products of (1 - beta), num_train_timesteps of them into `out`, rounded to float as the reference stores
// them: which whole time step a Karras or beta layout falls on can hang on the last bit. Zero-terminal-SNR rescaling
// (Lin et al. 2023, algorithm 1) is applied when the config says so; the last entry is then 0, which some samplers lift
// to 2^-24.
daub_status daub_alphas_cumprod(const struct daub_sampler_config *config, double *out);

// ---- programs -----------------------------------------------------------------------------------------------------

// A vector of the latent's size. 0 is the model's (guided) output; the others are numbered as a sampler makes them.
// From DAUB_VEC_NOISE on it is the j-th unit normal draw of the run, j = vec - DAUB_VEC_NOISE; draw 0 is the start
// noise. From DAUB_VEC_INIT on it is what the run was given: the latent of a picture, and a mask, 1 where it is painted anew and 0
// where it is kept.
typedef uint32_t daub_vec;
enum { DAUB_VEC_OUTPUT = 0, DAUB_VEC_NOISE = 0x10000, DAUB_VEC_INIT = 0x20000, DAUB_VEC_MASK };

enum { DAUB_MAX_TERMS = 8, DAUB_MAX_VECS = 16 };
struct daub_term {
    double weight; // a term of weight 0 is not read
    daub_vec vec;
};

enum daub_op_kind { DAUB_OP_LINCOMB, DAUB_OP_CLAMP, DAUB_OP_THRESHOLD, DAUB_OP_BLEND };

struct daub_program_op {
    enum daub_op_kind kind;
    daub_vec out;
    uint32_t n_terms; // LINCOMB: out = sum weight * vec. Terms may name `out` itself (its old value).
                      // BLEND: out = mask * out + (1 - mask) * sum weight * vec.
    daub_vec vec[DAUB_MAX_TERMS];
    float weight[DAUB_MAX_TERMS];
    float a, b; // CLAMP: out = min(max(out, a), b). THRESHOLD: ratio a, largest value b, over each picture of the batch
};

// One model call and the element-wise work that follows it. The model reads c_in * vec[in] at time step t.
struct daub_program_call {
    double timestep; // what the network is told; may have a fraction
    daub_vec in;
    float c_in;
    uint32_t first_op, n_ops; // run after the model, in order
    int32_t step;             // index of the step that these ops finish, or -1 (Heun's first of two calls)
    daub_vec state; // what the reference's scheduler.step returns for this call, also when step is -1: the latent
                    // that the next call reads. Only later ops may overwrite it.
};

struct daub_program {
    uint32_t n_vecs;   // vectors 0..n_vecs-1 are storage
    uint32_t n_noises; // draws, start noise included
    uint32_t n_given;  // vectors from DAUB_VEC_INIT on that ops read: 0, 1 or 2. They are stored behind the draws.
    uint32_t n_steps, n_calls, n_ops;
    uint32_t n_prologue; // ops 0..n_prologue-1 run before the first call
    const struct daub_program_op *ops;
    const struct daub_program_call *calls;
    const uint32_t *noise_step; // [n_noises] the call that uses draw j; 0 for the start noise
    daub_vec result;            // the final latent

    // for display and comparison with the reference
    double init_noise_sigma;
    const double *timesteps; // [n_calls] as the reference's `timesteps`: one a call
    const double *sigmas;    // [n_sigmas] as the reference's `sigmas`, or NULL where its class has none
    uint32_t n_sigmas;
};

// Runs config->sampler for n_steps and returns its program, allocated in `arena`.
// Errors: INVALID_ARG (n_steps 0 or above num_train_timesteps, options that contradict each other), UNSUPPORTED
// (options that the method does not have), NO_HOST_MEMORY.
daub_status daub_program_record(const struct daub_sampler_config *config, uint32_t n_steps, struct daub_arena *arena,
                                struct daub_program *out);

// Where a run begins and what it keeps. All zero: from noise alone, through all steps.
struct daub_program_start {
    uint32_t first; // steps left out at the noisy end, 0..n_steps - 1
    bool init; // begins with DAUB_VEC_INIT and as much noise as the first step's level has; false: from noise alone
    // After every model call the state outside the mask is DAUB_VEC_INIT with the start noise at the level of the next call,
    // after the last one DAUB_VEC_INIT itself: Lugmayr et al. 2022, arXiv:2201.09865, eq. 8, with one noise throughout.
    bool mask;
};

// As daub_program_record, from such a start. Errors also: UNSUPPORTED (a method that cannot begin in the middle).
daub_status daub_program_record_from(const struct daub_sampler_config *config, uint32_t n_steps,
                                     const struct daub_program_start *start, struct daub_arena *arena,
                                     struct daub_program *out);

// A stable text listing, one line an op: for tests and `--explain`. NULL: no memory. Freed with daub_free.
char *daub_program_print(const struct daub_host *host, const struct daub_program *program);

// ---- writing a sampler --------------------------------------------------------------------------------------------

struct daub_sampling { // what a sampler's run() is given
    const struct daub_sampler_config *config;
    uint32_t n_steps;
    uint32_t first;               // the step to begin with; multistep methods have no past there
    const double *alphas_cumprod; // [config->num_train_timesteps]
    daub_vec x;                   // the state; holds nothing until daub_start
    struct daub_arena *arena;     // for the sampler's own tables
    struct daub_recorder *recorder;
};

daub_vec daub_vec_new(struct daub_sampling *s);
// x = init_noise_sigma * the start noise, or what daub_program_start says instead. Once, before the first model call.
daub_status daub_start(struct daub_sampling *s, double init_noise_sigma);
// The next unit normal draw. Draws are counted where the reference calls its generator, used or not.
daub_vec daub_noise(struct daub_sampling *s);
// The state that the next model call reads is alpha * x0 + sigma * noise. Before every model call.
void daub_at_level(struct daub_sampling *s, double alpha, double sigma);
// model(c_in * vec[in], t) into vec 0 (DAUB_VEC_OUTPUT)
daub_status daub_model_call(struct daub_sampling *s, daub_vec in, double c_in, double timestep);
// out = sum weight * vec. Errors: INVALID_ARG when a weight is not finite, which only a contradiction in the config
// makes.
daub_status daub_lincomb(struct daub_sampling *s, daub_vec out, uint32_t n, const struct daub_term *terms);
#define LINCOMB(s, out, ...)                                                                          \
    daub_lincomb((s), (out), sizeof((struct daub_term[]) { __VA_ARGS__ }) / sizeof(struct daub_term), \
                 (struct daub_term[]) { __VA_ARGS__ })
daub_status daub_clamp(struct daub_sampling *s, daub_vec v, double low, double high);
// Dynamic thresholding (Saharia et al. 2022, arXiv:2205.11487, section 2.3): s = the `ratio` quantile of |v| over each
// picture, linearly interpolated, held to 1..max; v = clamp(v, -s, s) / s.
daub_status daub_threshold(struct daub_sampling *s, daub_vec v, double ratio, double max);
// Every model call is closed by one of these two, with the latent the reference shows after it.
daub_status daub_step_end(struct daub_sampling *s, daub_vec state);    // one of n_steps is done
daub_status daub_substep_end(struct daub_sampling *s, daub_vec state); // a stage of a step is done, the step is not
void daub_report_sigmas(struct daub_sampling *s, const double *sigmas, uint32_t n); // lent until the program is made

enum {
    DAUB_TAKES_ZERO_SNR = 1,     // rescale_betas_zero_snr
    DAUB_TAKES_CLIPPING = 2,     // clip_sample
    DAUB_TAKES_THRESHOLDING = 4, // thresholding
    DAUB_TAKES_FINAL_SIGMA = 8,  // final_sigmas_type
};

struct daub_sampler_desc {
    const char *name;        // "dpmpp_2m"
    const char *label;       // "DPM++ 2M", A1111's
    const char *aliases;     // comma separated: other systems' spellings, the diffusers class first
    const char *description; // one line with the paper
    uint32_t order;          // claimed, on the probability-flow ODE; 1 for stochastic ones
    bool stochastic;
    bool eta;          // reads daub_sampler_config.eta
    uint32_t options;  // DAUB_TAKES_ bits: what its diffusers class has; a file's other such keys are ignored
    uint32_t spacings; // bit (1 << daub_sigma_spacing) for each layout it takes beside the default
    void (*defaults)(struct daub_sampler_config *config); // its diffusers class's, over the common ones; NULL: none
    // Reads the class's own options of scheduler_config.json into config, which holds all others already; NULL: none
    daub_status (*parse)(const struct daub_json *json, struct daub_sampler_config *config);
    daub_status (*run)(struct daub_sampling *s);
};

extern const struct daub_sampler_desc *const daub_samplers[];
extern const uint32_t daub_n_samplers;

// By name, label, alias, in any case, ' ' '-' and '_' alike. A trailing schedule in A1111's old style ("DPM++ 2M
// Karras") sets *schedule when it is not NULL. Errors: INVALID_ARG with the near names.
daub_status daub_sampler_find(const char *name, const struct daub_sampler_desc **out, const char **schedule);
// "default", "karras", "exponential", "beta", "lu", in any case. Errors: INVALID_ARG with the near names.
daub_status daub_sigma_spacing_find(const char *name, enum daub_sigma_spacing *out);
struct daub_sigma_spacing_desc {
    const char *name, *label, *description;
};
const struct daub_sigma_spacing_desc *daub_sigma_spacing_desc(enum daub_sigma_spacing spacing);
const char *daub_sigma_spacing_name(enum daub_sigma_spacing spacing); // "karras"

#endif

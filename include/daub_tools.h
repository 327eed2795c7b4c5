// daub_tools.h - what the daub command needs beyond daub.h: measuring and looking inside. Public but UNSTABLE: it may
// change in any release, and nothing here is needed to make pictures.
#ifndef DAUB_TOOLS_H
#define DAUB_TOOLS_H
#include "daub.h"

#ifdef __cplusplus
extern "C" {
#endif

// Cost of one class of nodes (conv3x3, linear, attention, ...) in one run of a phase; after a phase's classes comes their sum.
typedef struct daub_tools_op_cost {
    char phase[16];        // "text", "prompt" (its keys and values), "time", "denoise", "sampler", "decode"
    char op[32];           // the class, or "total"
    uint32_t n_runs;       // of the phase in this picture: a model call each for "denoise", one more for "sampler"
    uint32_t n_nodes;      // layers after fusion: the least dispatches there can be
    uint32_t n_dispatches; // a run
    double seconds;        // from timestamps round every dispatch; 0 on a device without
    double span_seconds;   // of "total": from the first dispatch's begin to the last one's end
    double gflop;
    double gbytes;       // bound for reading and for writing, each range once a dispatch
    double floor_gbytes; // by the shapes: each layer's inputs, weights and output once
} daub_tools_op_cost;

// How busy the machine was from the end of the first step to the end of the last. All 0 with fewer than two steps.
typedef struct daub_tools_load {
    uint32_t n_steps, n_cores; // steps between the two; processors this process may use
    double wall_seconds;
    double cpu_seconds;  // of all threads of the process, a CPU driver's among them
    double host_seconds; // of the thread that submits and waits
} daub_tools_load;

// Draws one picture (params' size, steps, prompt) as daub_generate does: `load` and `result` are of that. If `capacity` is not 0, one
// model call and one decoding follow with a timestamp round every dispatch, and up to `capacity` rows are filled, *count in all.
// Always in memory mode resident: a phase that was released could not be timed afterwards. Decoding in bands is not timed by class.
DAUB_API daub_status daub_tools_bench(daub_model *model, const daub_generate_params *params, daub_tools_op_cost *rows,
                                      uint32_t capacity, uint32_t *count, daub_tools_load *load, daub_result *result);

// ---- kernels -------------------------------------------------------------------------------------------------------

// One op with one kind of kernel in one precision, checked against its scalar reference in doubles.
typedef struct daub_tools_check {
    char op[32]; // "gemm", "conv2d", "attention", ...
    char words
        [32]; // of DAUB_CAPS that were added to the caller's to get at these kernels; "": what the device takes of itself
    daub_precision precision;
    uint32_t n_cases, n_failed;
    // Of the case that came nearest to its tolerance, or left it furthest: the worst value's error, and what it may be, both as a share of
    // the largest value wanted. A tolerance of 0: results must be equal. NAN: something else was wrong, as the sentence says.
    double error, tolerance;
    double seconds;      // all cases, references and compiling of kernels included
    char kernels[1024];  // that ran, with spaces between
    char sentence[1024]; // the first failure's; "": all is well
} daub_tools_check;

// What is checked.
typedef struct daub_tools_selftest_params {
    uint32_t struct_size;
    const char *ops;          // names, with * for any letters and commas between; NULL: all
    daub_precision precision; // DAUB_PRECISION_DEFAULT: both
    bool
        thorough; // every case with every kernel, also those that outgrow a binding of 16 MiB: minutes on a CPU driver, else seconds
    bool list; // name what would be checked (op, words, precision, n_cases), and check nothing
    void (*on_check)(void *user, const daub_tools_check *check); // after each, in a fixed order
    void *user;
} daub_tools_selftest_params;

// Opens the device (as daub_device_create does, once for each kind of kernel that it can run) and checks every op on it. A lost device
// fails the check it was lost in; the next has a new one. *n_failed (may be NULL): checks with a failure in them.
// Errors: those of daub_device_create; INVALID_ARG (no op of such a name, no callback).
DAUB_API daub_status daub_tools_selftest(const daub_device_params *device, const daub_tools_selftest_params *params,
                                         uint32_t *n_failed);

// How fast one kernel runs one shape.
typedef struct daub_tools_rate {
    char op
        [16]; // "linear", "geglu", "conv3x3", "up+conv3x3" (after upsampling), "attention", "stream" (elementwise), "copy"
    char shape[64]; // "8192x320x320": rows, columns, products each; "64x64 320 -> 320"; "4096x77 8 heads of 40"
    char words[32]; // as daub_tools_check.words
    char kernel[64];
    char tile
        [24]; // of linear layers and convolutions: rows by columns of a workgroup; w: by Winograd's algorithm, p: in phases
    daub_precision precision;
    uint32_t n_runs;      // timed ones; 0: left out, since it would have taken too long, or failed
    double gflop, gbytes; // a run: products times two, whatever the algorithm saves; bytes read and written
    double seconds;       // of the fastest run, by the device's clock where it has one
    char sentence[256];   // why it failed; "": it did not
} daub_tools_rate;

// What is timed.
typedef struct daub_tools_rates_params {
    uint32_t struct_size;
    daub_precision precision; // DAUB_PRECISION_DEFAULT: f16
    const char *ops;          // only those of daub_tools_rate.op; * is any text, commas separate names. NULL: all
    double
        seconds; // about how long all of it may take; 0: 30. A shape that does not fit is left out, but for the smallest of each op.
    void (*on_rate)(void *user, const daub_tools_rate *rate);
    void *user;
} daub_tools_rates_params;

// Times copying, and every kind of kernel that the device can run for linear layers, convolutions and attention, on shapes of SD 1.5's
// layers at 512x512 with guidance (two pictures), filled with random values.
// Errors: those of daub_device_create; INVALID_ARG (no callback, seconds below 0, no op of such a name), DEVICE_LOST.
DAUB_API daub_status daub_tools_kernel_rates(const daub_device_params *device, const daub_tools_rates_params *params);

// ---- looking inside ------------------------------------------------------------------------------------------------

// Capabilities in use after DAUB_CAPS, one "name value" a line. The caller frees it with daub_tools_free.
DAUB_API daub_status daub_tools_caps_text(daub_device *dev, char **out);
// The words DAUB_DEBUG and DAUB_CAPS know, one line each.
DAUB_API const char *daub_tools_debug_words(void);
// Up to three names nearest to `text`, as "a, b or c" in out; "" where none is near.
DAUB_API void daub_tools_near_names(const char *text, const char *const *names, uint32_t n, char *out, size_t capacity);
// Describes a model file without a GPU: family, configs, tensor counts, evidence. The caller frees it.
DAUB_API daub_status daub_tools_inspect_text(const char *path, const daub_model_params *params, char **out);
DAUB_API void daub_tools_free(char *text);

// What daub doctor finds, a line each.
typedef enum daub_tools_health {
    DAUB_TOOLS_GOOD = 0,
    DAUB_TOOLS_NOTE = 1,  // worth knowing; pictures are drawn all the same
    DAUB_TOOLS_WRONG = 2, // keeps daub from drawing, or from drawing as it could
} daub_tools_health;

// One thing that was looked at.
typedef struct daub_tools_finding {
    char area[16]; // "loader", "driver", "device", "layers", "memory", "cache", "model", "space", "environment"
    daub_tools_health health;
    char text[768];
    char mend[256]; // a command line that mends it; "" where none is known, or nothing is wrong
} daub_tools_finding;

// Looks at all that a picture needs of the machine, without drawing one: the Vulkan loader, drivers' files, devices, layers, memory, caches,
// the default model, temporary space, the environment. Works without a loader. Fills up to `capacity` rows, *count in all.
// weight_cache: a folder that is used as one, or NULL. Errors: INVALID_ARG.
DAUB_API daub_status daub_tools_doctor(const daub_device_params *params, const char *weight_cache,
                                       daub_tools_finding *rows, uint32_t capacity, uint32_t *count);

// First 10 hex digits of the SHA-256 of the model's file (single file, or the U-Net's of a folder), as A1111's "Model hash";
// cached by path, size and time in the user's cache folder. `out` has room for 11.
DAUB_API daub_status daub_tools_model_hash(const char *path, char out[11]);
// Of a folder's text encoder and VAE: the first 10 digits of the SHA-256 of the SHA-256 of each one's file, in hex and that order; "" for a
// single file, whose hash is of all parts. The same errors.
DAUB_API daub_status daub_tools_parts_hash(const char *path, char out[11]);
// The same of a folder of configs (daub_model_params.config_from): of all its files that say what a model is, one after the other. Errors:
// IO (there is none).
DAUB_API daub_status daub_tools_config_hash(const char *path, char out[11]);
// The same of a VAE's file, as A1111's "VAE hash": see daub_model_params.vae.
DAUB_API daub_status daub_tools_vae_hash(const char *path, char out[11]);
// First 10 hex digits of the SHA-256 of any file. Errors: IO.
DAUB_API daub_status daub_tools_file_hash(const char *path, char out[11]);
// The path of the default model. Errors: IO when it is not found.
DAUB_API daub_status daub_tools_default_model(char *out, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif

// golden.h - what the parts of daub-goldens share.
#ifndef DAUB_GOLDENS_GOLDEN_H
#define DAUB_GOLDENS_GOLDEN_H
#include "runtime/io/safetensors.h"
#include "runtime/pipeline/pipeline.h"

#include <cjson/cJSON.h>

enum { MAX_DIRS = 16 };

struct session {                // of one call of the program
    const char *dirs[MAX_DIRS]; // where checkpoints are looked for
    uint32_t n_dirs;
    char index_dir[1024];
    enum daub_dtype dtype;
    uint32_t vae_rows;
    daub_device *dev;
    struct daub_engine *engine; // of the last checkpoint used
    char engine_name[1200];
    uint64_t largest_arena;
};

struct golden { // one entry of an index, and how it went
    struct session *session;
    const cJSON *json, *params;
    const char *group, *id, *checkpoint;
    char path[1200];
    struct daub_safetensors *st; // NULL for JSON goldens
    double tolerance;            // relative L2; what tensors are compared with
    bool exact;
    double max_abs; // > 0: absolute instead

    double worst; // largest relative (or absolute) error so far
    char worst_at[160];
    uint32_t n_compared;
    bool failed;
    char why[1024]; // first reason
};

// Every one returns true when it could run; false after golden_fail said why not.
bool run_tokens(struct golden *g);
bool run_rng(struct golden *g);
bool run_sched(struct golden *g);
bool run_text(struct golden *g);
bool run_unet(struct golden *g); // also group ddpm's forwards
bool run_vae(struct golden *g);
bool run_fullsize(struct golden *g);
bool run_sample(struct golden *g); // ddpm sampling
bool run_e2e(struct golden *g);
bool run_prompts(struct golden *g); // stable-diffusion-webui's grammar

bool golden_fail(struct golden *g, const char *fmt, ...) DAUB_PRINTF(2, 3); // keeps the first reason; returns false
bool golden_failed_call(struct golden *g, const char *what);                // the same with daub_last_error()

// A tensor of the golden's file as floats, malloc'd; dims and count as stored. NULL after golden_fail.
float *golden_tensor(struct golden *g, const char *name, struct daub_st_tensor *info);
bool golden_has(const struct golden *g, const char *name);
// Compares a whole tensor; every expected one must be compared exactly once, main.c checks that.
void golden_compare(struct golden *g, const char *name, const float *got, size_t n);
void golden_compare_values(struct golden *g, const char *name, const float *got, const float *want, size_t n);
void golden_check(struct golden *g, bool ok, const char *name, const char *what); // an exact check
double rel_l2(const float *got, const float *want, size_t n);

// The golden's checkpoint as an engine; NULL after golden_fail.
struct daub_engine *golden_engine(struct golden *g);
bool golden_find_checkpoint(struct golden *g, char *out, size_t size);

double param_number(const struct golden *g, const char *key, double fallback);
const char *param_text(const struct golden *g, const char *key); // NULL: absent or null
// A scheduler_config object and its class as a sampler's configuration.
bool parse_sampler(struct golden *g, const char *class_name, const cJSON *config, struct daub_arena *arena,
                   struct daub_sampler_config *out);

#endif

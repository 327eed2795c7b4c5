// trial.c - see trial.h.
#include "runtime/check/trial.h"

#include "runtime/base/half.h"
#include "runtime/io/pack.h"
#include "runtime/op/count.h"
#include "runtime/vk/kernel.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_VALUES = 64 };

struct value {
    const struct daub_tensor *t;
    float *plain;    // NCHW, rounded as stored
    uint32_t *words; // U32 inputs
    size_t n;
    struct daub_buffer *packed;
    struct daub_range range;
};

struct trial_state {
    const struct daub_trial_params *params;
    struct daub_verdict *verdict;
    struct daub_arena *arena;
    daub_status failed;               // the first failure of an input
    double n_made;                    // values so far
    bool recorded_late;               // recording made a pipeline
    uint32_t made_before, complaints; // pipelines and messages of the validation layer before this trial
    struct value values[MAX_VALUES];
    uint32_t n_values;
    float *result;
    double *want;
    bool knows; // `want` is an earlier run's
    struct daub_exec *exec;
    bool judged;
};

void *daub_trial_alloc(struct daub_trial *trial, size_t count, size_t size)
{
    void *p = daub_arena_alloc(trial->state->arena, daub_mul_size(count, size));
    if (!p)
        (void)daub_no_memory("a test of an op");
    return p;
}

void daub_trial_wrong(struct daub_trial *trial, const char *fmt, ...)
{
    struct daub_verdict *v = trial->state->verdict;
    if (v->wrong[0])
        return;
    const struct daub_trial_params *p = trial->state->params;
    const int n = snprintf(v->wrong, sizeof(v->wrong), "%s case %u %s: ", p->check->op, p->index,
                           p->dtype == DAUB_F16 ? "f16" : "f32");
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->wrong + n, sizeof(v->wrong) - (size_t)n, fmt, args);
    va_end(args);
}

void daub_trial_uses(struct daub_trial *trial, enum daub_kernel kernel)
{
    trial->state->verdict->kernels[kernel / 32] |= 1u << kernel % 32;
}

daub_status daub_trial_admit(struct daub_trial *trial, double values)
{
    const double most = trial->state->params->max_work;
    if (most <= 0.0 || values <= most)
        return DAUB_OK;
    trial->state->verdict->skipped = true;
    return daub_fail(DAUB_ERROR_CANCELLED, "%s case %u is larger than what was asked for",
                     trial->state->params->check->op, trial->state->params->index);
}

// ---- data ------------------------------------------------------------------------------------------------------------

// Unit normal enough: the sum of four uniforms from a counter hash of name and index.
static float sample(uint64_t seed, size_t i)
{
    uint64_t z = seed + (uint64_t)(i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    double sum = 0.0;
    for (int k = 0; k < 4; k++)
        sum += (double)((z >> (16 * k)) & 0xffff) / 65536.0 - 0.5;
    return (float)(sum * 1.7320508);
}

static uint64_t hash_name(const char *name)
{
    uint64_t h = 14695981039346656037u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 1099511628211u;
    return h;
}

static void *keep_failure(struct daub_trial *trial, daub_status status)
{
    if (trial->state->failed == DAUB_OK)
        trial->state->failed = status;
    return NULL;
}

// NULL: a failure is kept.
static struct value *add_value(struct daub_trial *trial, const struct daub_tensor *t, size_t n)
{
    struct trial_state *state = trial->state;
    if (state->failed != DAUB_OK || t->kind == DAUB_TENSOR_POISON) // daub_exec_create has the net's own
        return NULL;
    if (state->n_values == MAX_VALUES)
        return keep_failure(trial, daub_fail(DAUB_ERROR_UNSUPPORTED, "a test has at most %d inputs", MAX_VALUES));
    state->n_made += (double)n;
    const daub_status status = daub_trial_admit(trial, state->n_made);
    if (status != DAUB_OK)
        return keep_failure(trial, status);
    struct value *v = &state->values[state->n_values++];
    *v = (struct value) { .t = t, .n = n };
    return v;
}

static void fill(struct daub_trial *trial, struct value *v, const char *name, float scale, float mean, bool round_half)
{
    if (!v)
        return;
    v->plain = daub_trial_alloc(trial, v->n, sizeof(float));
    if (!v->plain) {
        keep_failure(trial, DAUB_ERROR_NO_HOST_MEMORY);
        return;
    }
    const uint64_t seed = hash_name(name) + trial->state->params->index;
    for (size_t i = 0; i < v->n; i++) {
        const float x = mean + scale * sample(seed, i);
        v->plain[i] = round_half ? daub_half_to_float(daub_half_from_float(x)) : x;
    }
}

static size_t count(const struct daub_tensor *t)
{
    return (size_t)t->shape.n * t->shape.h * t->shape.w * t->shape.c;
}

static struct daub_tensor *input(struct daub_trial *trial, const char *name, enum daub_stage stage,
                                 enum daub_dtype dtype, struct daub_shape shape, uint32_t heads, float scale,
                                 float mean)
{
    struct daub_tensor *t = daub_net_input(trial->net, name, stage, dtype, shape);
    if (t->kind == DAUB_TENSOR_POISON)
        return t;
    t->heads = heads;
    fill(trial, add_value(trial, t, count(t)), name, scale, mean, dtype == DAUB_F16);
    return t;
}

struct daub_tensor *daub_trial_input(struct daub_trial *trial, const char *name, enum daub_stage stage,
                                     struct daub_shape shape, uint32_t heads)
{
    return input(trial, name, stage, trial->dtype, shape, heads, 1.0f, 0.0f);
}

struct daub_tensor *daub_trial_input_scaled(struct daub_trial *trial, const char *name, enum daub_stage stage,
                                            struct daub_shape shape, uint32_t heads, float scale, float mean)
{
    return input(trial, name, stage, trial->dtype, shape, heads, scale, mean);
}

struct daub_tensor *daub_trial_input_f32(struct daub_trial *trial, const char *name, enum daub_stage stage,
                                         struct daub_shape shape)
{
    return input(trial, name, stage, DAUB_F32, shape, 1, 1.0f, 0.0f);
}

struct daub_tensor *daub_trial_input_u32(struct daub_trial *trial, const char *name, enum daub_stage stage,
                                         struct daub_shape shape, const uint32_t *words)
{
    struct daub_tensor *t = daub_net_input(trial->net, name, stage, DAUB_U32, shape);
    struct value *v = add_value(trial, t, count(t));
    if (!v)
        return t;
    v->words = daub_trial_alloc(trial, v->n, sizeof(uint32_t));
    if (v->words)
        memcpy(v->words, words, v->n * sizeof(uint32_t));
    else
        keep_failure(trial, DAUB_ERROR_NO_HOST_MEMORY);
    return t;
}

struct daub_tensor *daub_trial_weight(struct daub_trial *trial, const char *name, uint32_t n_dims, const uint32_t *dims,
                                      float scale, float mean)
{
    struct daub_tensor *t = daub_net_weight(trial->net, name, n_dims, dims);
    size_t n = 1;
    for (uint32_t i = 0; i < n_dims; i++)
        n *= dims[i];
    // vectors stay fp32 on the device, matrices are rounded with the net's dtype
    fill(trial, add_value(trial, t, n), name, scale, mean, trial->dtype == DAUB_F16 && n_dims > 1);
    return t;
}

static struct value *find(struct daub_trial *trial, const struct daub_tensor *t)
{
    for (uint32_t i = 0; i < trial->state->n_values; i++)
        if (trial->state->values[i].t == t)
            return &trial->state->values[i];
    return NULL;
}

void daub_trial_set(struct daub_trial *trial, const struct daub_tensor *t, size_t i, float value)
{
    struct value *v = find(trial, t);
    if (v && v->plain && i < v->n)
        v->plain[i] = value;
}

const float *daub_trial_values(struct daub_trial *trial, const struct daub_tensor *t)
{
    const struct value *v = find(trial, t);
    return v ? v->plain : NULL;
}

double *daub_trial_want(struct daub_trial *trial)
{
    return trial->state->want;
}

bool daub_trial_knows(struct daub_trial *trial)
{
    return trial->state->knows;
}

const float *daub_trial_result(struct daub_trial *trial)
{
    return trial->state->result;
}

const uint32_t *daub_trial_result_u32(struct daub_trial *trial)
{
    return (const uint32_t *)(const void *)trial->state->result;
}

void daub_known_free(struct daub_known *known)
{
    daub_free(NULL, known->want);
    *known = (struct daub_known) { 0 };
}

static void recall(struct daub_trial *trial, size_t n)
{
    const struct daub_known *known = trial->state->params->known;
    trial->state->knows = known && known->want && known->n == n && known->n_made == trial->state->n_made;
    if (trial->state->knows)
        memcpy(trial->state->want, known->want, n * sizeof(double));
}

// Without memory for it the next run works it out again.
static void keep(struct daub_trial *trial, const double *want, size_t n)
{
    struct daub_known *known = trial->state->params->known;
    if (!known || trial->state->knows || want != trial->state->want)
        return;
    daub_known_free(known);
    known->want = daub_alloc_array(NULL, n, sizeof(double));
    if (!known->want)
        return;
    memcpy(known->want, want, n * sizeof(double));
    known->n = n;
    known->n_made = trial->state->n_made;
}

// ---- running ---------------------------------------------------------------------------------------------------------

static daub_status bind_weight(struct daub_trial *trial, struct daub_tensor *weight)
{
    struct value *v = find(trial, weight);
    trial->state->made_before = daub_kernels_made(trial->dev);
    const uint64_t size = daub_pack_size(&weight->pack, weight->dims, weight->n_dims);
    const uint32_t n_parts = weight->pack.n_parts > 1 ? weight->pack.n_parts : 1;
    uint8_t *packed = daub_trial_alloc(trial, (size_t)size, 1);
    if (!packed)
        return DAUB_ERROR_NO_HOST_MEMORY;
    for (uint32_t i = 0; i < n_parts; i++) {
        const struct daub_tensor *part = i == 0 ? weight : weight->more[i - 1];
        const struct daub_view view = {
            .data = (const uint8_t *)daub_trial_values(trial, part),
            .dtype = DAUB_FILE_F32,
            .n_dims = part->n_dims,
            .dims = { part->dims[0], part->dims[1], part->dims[2], part->dims[3] },
        };
        daub_pack_weight(&weight->pack, &view, packed + size / n_parts * i);
    }
    TRY(daub_buffer_create(trial->dev, DAUB_MEMORY_DEVICE, size, weight->name, &v->packed));
    v->range = (struct daub_range) { v->packed, 0, size };
    weight->data = &v->range;
    return daub_upload(trial->dev, v->range, packed);
}

static daub_status bind_weights(void *user, struct daub_tensor *const *weights, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        TRY(bind_weight(user, weights[i]));
    return DAUB_OK;
}

// Every padding channel of a stored result must be zero, or later sums over it are wrong.
static daub_status check_padding(struct daub_trial *trial, const struct daub_tensor *y)
{
    if (y->dtype == DAUB_U32)
        return DAUB_OK;
    const struct daub_range range = daub_exec_range(trial->state->exec, y);
    uint8_t *stored = daub_trial_alloc(trial, (size_t)range.size, 1);
    if (!stored)
        return DAUB_ERROR_NO_HOST_MEMORY;
    TRY(daub_download(trial->dev, range, stored));
    const uint32_t head_c = y->shape.c / y->heads, padded = (head_c + 7) / 8 * 8;
    const size_t element = y->dtype == DAUB_F16 ? 2 : 4;
    for (size_t row = 0; row < daub_rows(y); row++)
        for (uint32_t i = 0; i < y->heads * padded; i++) {
            static const uint8_t zero[4] = { 0 };
            const uint8_t *at = stored + row * daub_row_size(y) + i * element;
            if (i % padded >= head_c && memcmp(at, zero, element) != 0 && !(at[element - 1] == 0x80 && at[0] == 0)) {
                daub_trial_wrong(trial, "padding channel %u of pixel %zu is not zero", i, row);
                return DAUB_OK;
            }
        }
    return DAUB_OK;
}

static daub_status note_kernel(void *user, const struct daub_node *node, const struct daub_dispatch *dispatch)
{
    (void)node;
    daub_trial_uses(user, dispatch->kernel);
    return DAUB_OK;
}

static daub_status build(struct daub_trial *trial)
{
    struct trial_state *state = trial->state;
    const struct daub_exec_params params = { .bind_weights = bind_weights,
                                             .user = trial,
                                             .name = state->params->check->op };
    struct daub_net *net = trial->net;
    trial->net = NULL; // the executor owns it from now on
    state->made_before = UINT32_MAX;
    TRY(daub_exec_create(trial->dev, net, &params, &state->exec));
    // Pipelines are made before the weights are bound; recording found none that was missing.
    if (state->made_before != UINT32_MAX && state->made_before != daub_kernels_made(trial->dev))
        daub_trial_wrong(trial, "recording made a pipeline that was not prepared");
    const struct daub_walk walk = { note_kernel, trial };
    return daub_exec_walk(daub_device_caps(trial->dev), daub_exec_net(state->exec), &walk);
}

static daub_status run(struct daub_trial *trial, uint32_t n_tail)
{
    struct daub_exec *exec = trial->state->exec;
    for (uint32_t i = 0; i < trial->state->n_values; i++) {
        const struct value *v = &trial->state->values[i];
        if (v->t->kind == DAUB_TENSOR_INPUT)
            TRY(daub_exec_write(exec, v->t, true, v->words ? (const void *)v->words : v->plain));
    }
    for (uint32_t stage = 0; stage <= DAUB_STAGE_STEP; stage++)
        TRY(daub_exec_run(exec, (enum daub_stage)stage));
    for (uint32_t i = 0; i < n_tail; i++)
        TRY(daub_exec_run(exec, DAUB_STAGE_TAIL));
    return DAUB_OK;
}

daub_status daub_trial_execute_tail(struct daub_trial *trial, struct daub_tensor *y, uint32_t n_tail)
{
    struct trial_state *state = trial->state;
    TRY(state->failed);
    TRY(daub_trial_admit(trial, state->n_made + (double)count(y)));
    daub_net_output(trial->net, "y", y);
    TRY(daub_trial_admit(trial, daub_count_flop(trial->net) / 2.0));
    TRY(build(trial));
    TRY(run(trial, n_tail));

    state->result = daub_trial_alloc(trial, count(y), sizeof(float));
    state->want = daub_trial_alloc(trial, count(y), sizeof(double));
    if (!state->result || !state->want)
        return DAUB_ERROR_NO_HOST_MEMORY;
    recall(trial, count(y));
    TRY(daub_exec_read(state->exec, y, true, state->result));
    TRY(check_padding(trial, y));
    if (daub_device_validation_errors(trial->dev) > state->complaints)
        daub_trial_wrong(trial, "the validation layer has complained");
    return DAUB_OK;
}

daub_status daub_trial_execute(struct daub_trial *trial, struct daub_tensor *y)
{
    return daub_trial_execute_tail(trial, y, 0);
}

// ---- judging ---------------------------------------------------------------------------------------------------------

static void judge(struct daub_trial *trial, const float *got, const double *want, size_t n)
{
    struct daub_verdict *v = trial->state->verdict;
    double largest = 0.0, error2 = 0.0, norm2 = 0.0, worst = 0.0;
    size_t worst_at = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(want[i]));
    for (size_t i = 0; i < n; i++) {
        const double error = fabs((double)got[i] - want[i]);
        error2 += error * error;
        norm2 += want[i] * want[i];
        if (!(error <= worst)) {
            worst = error;
            worst_at = i;
        }
    }
    v->nmse = norm2 > 0.0 ? error2 / norm2 : error2;
    v->error = !(v->nmse >= 0.0) ? v->nmse : worst / (largest > 0.0 ? largest : 1.0);
    trial->state->judged = true;
    if (!(v->nmse <= v->nmse_limit) || !(v->error <= v->limit))
        daub_trial_wrong(trial,
                         "NMSE %.3g (limit %.1g), worst error %.3g of the largest value (limit %.3g) at %zu: "
                         "%.9g, wanted %.9g",
                         v->nmse, v->nmse_limit, v->error, v->limit, worst_at, (double)got[worst_at], want[worst_at]);
}

daub_status daub_trial_compare(struct daub_trial *trial, const struct daub_tensor *y, const double *want,
                               uint32_t reduction)
{
    struct daub_verdict *v = trial->state->verdict;
    const bool half = y->dtype == DAUB_F16 || trial->dtype == DAUB_F16;
    v->nmse_limit = half ? 1e-6 : 1e-10;
    v->limit = half ? 4e-3 : 1e-5 * sqrt((double)reduction + 1.0);
    judge(trial, trial->state->result, want, count(y));
    keep(trial, want, count(y));
    return DAUB_OK;
}

daub_status daub_trial_compare_exact(struct daub_trial *trial, const struct daub_tensor *y, const double *want)
{
    trial->state->verdict->nmse_limit = trial->state->verdict->limit = 0.0;
    judge(trial, trial->state->result, want, count(y));
    return DAUB_OK;
}

daub_status daub_trial_compare_values(struct daub_trial *trial, const float *got, const double *want, size_t n,
                                      double limit)
{
    trial->state->verdict->nmse_limit = trial->state->verdict->limit = limit;
    judge(trial, got, want, n);
    return DAUB_OK;
}

daub_status daub_trial_compare_words(struct daub_trial *trial, const uint32_t *got, const uint32_t *want, size_t n)
{
    trial->state->judged = true;
    for (size_t i = 0; i < n; i++)
        if (got[i] != want[i]) {
            trial->state->verdict->error = INFINITY;
            daub_trial_wrong(trial, "word %zu of %zu is %08x, wanted %08x", i, n, got[i], want[i]);
            break;
        }
    return DAUB_OK;
}

daub_status daub_trial_run(daub_device *dev, const struct daub_trial_params *params, struct daub_verdict *out)
{
    *out = (struct daub_verdict) { 0 };
    struct trial_state *state = daub_alloc(daub_device_host(dev), sizeof(*state));
    if (!state)
        return daub_no_memory("a test of an op");
    state->params = params;
    state->verdict = out;
    state->complaints = daub_device_validation_errors(dev);
    struct daub_trial trial = { .dev = dev, .dtype = params->dtype, .state = state };
    state->arena = daub_arena_create(daub_device_host(dev));
    daub_status status = state->arena ? daub_net_create(daub_device_host(dev), "test", params->dtype, &trial.net)
                                      : daub_no_memory("a test of an op");
    if (status == DAUB_OK)
        status = params->check->run(&trial,
                                    (const char *)params->check->cases + params->index * params->check->case_size);
    if (status == DAUB_OK && !state->judged) // a case that compared nothing cannot fail
        daub_trial_wrong(&trial, "nothing was compared");
    daub_exec_destroy(&state->exec);
    daub_net_destroy(&trial.net);
    for (uint32_t i = 0; i < state->n_values; i++)
        daub_buffer_destroy(dev, &state->values[i].packed);
    daub_arena_destroy(&state->arena);
    daub_free(daub_device_host(dev), state);
    return out->skipped ? DAUB_OK : status;
}

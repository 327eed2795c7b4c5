// sampler_step.c - random programs on the device against an interpreter of struct daub_program on the host, in double.
#include "runtime/check/trial.h"

#include "runtime/graph/net_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct step_case {
    uint32_t batch, h, w, c;
    uint32_t c_in;  // channels of the network's input; those from c on must survive
    float guidance; // 0: the output has one picture each
    float rescale;
    uint32_t n_calls, n_ops; // ops a call
    uint32_t n_thresholds;   // in every second call; the others have one less
    bool read_x;             // compare the network's input, not the vectors
    bool beyond;             // once more than the program has entries
    bool given;              // ops read a given latent and blend with it by a mask
};

enum { N_VECS = 5, MAX_OPS = 1024, MAX_CALLS = 128 };

// ---- a random program ------------------------------------------------------------------------------------------------

struct random_program {
    struct daub_program program;
    struct daub_program_op ops[MAX_OPS];
    struct daub_program_call calls[MAX_CALLS];
    uint64_t state;
};

static uint32_t below(struct random_program *r, uint32_t n)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->state >> 33) % n;
}

static float uniform(struct random_program *r, float low, float high)
{
    return low + (high - low) * (float)below(r, 1u << 20) / (float)(1u << 20);
}

static daub_vec vec(struct random_program *r, uint32_t call)
{
    if (below(r, 4) == 0)
        return DAUB_VEC_NOISE + (below(r, 2) ? call : 0);
    return below(r, N_VECS);
}

static void random_op(struct random_program *r, uint32_t call)
{
    struct daub_program_op *op = &r->ops[r->program.n_ops++]; // MAX_OPS are enough for every case
    op->out = below(r, N_VECS);
    if (below(r, 5) == 0) {
        op->kind = DAUB_OP_CLAMP;
        op->a = uniform(r, -1.0f, 0.3f); // 0, which is padding, is not always inside
        op->b = uniform(r, 0.4f, 1.5f);
        return;
    }
    op->n_terms = 1 + below(r, DAUB_MAX_TERMS);
    if (r->program.n_given > 0 && below(r, 3) == 0)
        op->kind = DAUB_OP_BLEND;
    for (uint32_t i = 0; i < op->n_terms; i++) {
        op->vec[i] = r->program.n_given > 0 && below(r, 5) == 0 ? DAUB_VEC_INIT : vec(r, call);
        op->weight[i] = below(r, 6) == 0 ? 0.0f : uniform(r, -0.6f, 0.6f);
    }
}

static void make_program(const struct step_case *t, struct random_program *r)
{
    struct daub_program *p = &r->program;
    r->state = 0x9E3779B97F4A7C15u + t->n_calls + 131 * t->h;
    p->n_given = t->given ? 2 : 0;
    for (uint32_t i = 0; i < t->n_ops; i++)
        random_op(r, 0);
    p->n_prologue = p->n_ops;
    for (uint32_t call = 0; call < t->n_calls; call++) {
        struct daub_program_call *c = &r->calls[call];
        c->first_op = p->n_ops;
        const uint32_t n_thresholds = call % 2 || t->n_thresholds == 0 ? t->n_thresholds : t->n_thresholds - 1;
        for (uint32_t k = 0; k <= n_thresholds; k++) {
            for (uint32_t i = 0; i < t->n_ops; i++)
                random_op(r, call + 1);
            if (k < n_thresholds) {
                struct daub_program_op *op = &r->ops[p->n_ops++];
                *op = (struct daub_program_op) { .kind = DAUB_OP_THRESHOLD, .out = below(r, N_VECS) };
                op->a = uniform(r, 0.7f, 1.0f);
                op->b = k ? 1.3f : 100.0f;
                r->ops[p->n_ops] = (struct daub_program_op) { .kind = DAUB_OP_LINCOMB };
            }
        }
        c->n_ops = p->n_ops - c->first_op;
        c->in = below(r, N_VECS);
        c->c_in = uniform(r, 0.2f, 1.2f);
    }
    p->n_vecs = N_VECS;
    p->n_noises = t->n_calls + 1;
    p->n_calls = p->n_steps = t->n_calls;
    p->ops = r->ops;
    p->calls = r->calls;
}

// ---- the interpreter -------------------------------------------------------------------------------------------------

struct host {
    struct daub_trial *trial;
    const struct step_case *t;
    size_t n, picture; // values of a vector, of a picture
    double *vecs;      // [N_VECS][n]
    const float *noise, *output;
    const struct daub_program *program;
    double *x; // [copies][batch][c_in][pixels]
};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double deviation(const double *v, size_t n)
{
    double mean = 0.0, square = 0.0;
    for (size_t i = 0; i < n; i++)
        mean += v[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        square += (v[i] - mean) * (v[i] - mean);
    return sqrt(square / (double)(n - 1)); // as torch.std
}

static daub_status host_guide(struct host *h)
{
    const struct step_case *t = h->t;
    if (t->guidance == 0.0f) {
        for (size_t i = 0; i < h->n; i++)
            h->vecs[i] = h->output[i];
        return DAUB_OK;
    }
    double *with = daub_trial_alloc(h->trial, h->n, sizeof(double));
    if (!with)
        return DAUB_ERROR_NO_HOST_MEMORY;
    for (size_t i = 0; i < h->n; i++) {
        const double u = h->output[i], c = h->output[h->n + i];
        with[i] = c;
        h->vecs[i] = u + (double)t->guidance * (c - u);
    }
    for (uint32_t b = 0; b < t->batch && t->rescale != 0.0f; b++) {
        double *guided = h->vecs + b * h->picture;
        const double ratio = deviation(with + b * h->picture, h->picture) / deviation(guided, h->picture);
        for (size_t i = 0; i < h->picture; i++)
            guided[i] = (double)t->rescale * guided[i] * ratio + (1.0 - (double)t->rescale) * guided[i];
    }
    return DAUB_OK;
}

static daub_status host_threshold(struct host *h, const struct daub_program_op *op)
{
    double *sorted = daub_trial_alloc(h->trial, h->picture, sizeof(double));
    if (!sorted)
        return DAUB_ERROR_NO_HOST_MEMORY;
    for (uint32_t b = 0; b < h->t->batch; b++) {
        double *v = h->vecs + op->out * h->n + b * h->picture;
        for (size_t i = 0; i < h->picture; i++)
            sorted[i] = fabs(v[i]);
        qsort(sorted, h->picture, sizeof(double), by_value);
        const float rank = op->a * (float)(h->picture - 1); // fp32, as torch.quantile
        const size_t low = (size_t)rank, high = low + 1 < h->picture ? low + 1 : low;
        const double q = sorted[low] + (sorted[high] - sorted[low]) * ((double)rank - (double)low);
        const double s = fmin(fmax(q, 1.0), (double)op->b);
        for (size_t i = 0; i < h->picture; i++)
            v[i] = fmin(fmax(v[i], -s), s) / s;
    }
    return DAUB_OK;
}

static double host_value(const struct host *h, daub_vec from, size_t i)
{
    if (from < DAUB_VEC_NOISE)
        return h->vecs[from * h->n + i];
    const uint32_t row = from < DAUB_VEC_INIT ? from - DAUB_VEC_NOISE : h->program->n_noises + (from - DAUB_VEC_INIT);
    return (double)h->noise[row * h->n + i];
}

static daub_status host_op(struct host *h, const struct daub_program_op *op)
{
    if (op->kind == DAUB_OP_THRESHOLD)
        return host_threshold(h, op);
    double *out = h->vecs + op->out * h->n;
    for (size_t i = 0; i < h->n; i++) {
        double v = 0.0;
        for (uint32_t k = 0; k < op->n_terms; k++)
            v += (double)op->weight[k] * host_value(h, op->vec[k], i);
        if (op->kind == DAUB_OP_BLEND) {
            const double mask = host_value(h, DAUB_VEC_MASK, i);
            v = (1.0 - mask) * v + mask * out[i];
        }
        out[i] = op->kind == DAUB_OP_CLAMP ? fmin(fmax(out[i], (double)op->a), (double)op->b) : v;
    }
    return DAUB_OK;
}

static void host_input(struct host *h, const struct daub_program_call *call)
{
    const struct step_case *t = h->t;
    const size_t pixels = (size_t)t->h * t->w;
    for (uint32_t n = 0; n < (t->guidance != 0.0f ? 2 : 1) * t->batch; n++)
        for (size_t i = 0; i < h->picture; i++)
            h->x[n * t->c_in * pixels + i] = (double)call->c_in *
                                             h->vecs[call->in * h->n + n % t->batch * h->picture + i];
}

static daub_status host_run(struct host *h, const struct daub_program *p)
{
    for (uint32_t i = 0; i < p->n_prologue; i++)
        TRY(host_op(h, &p->ops[i]));
    host_input(h, &p->calls[0]);
    for (uint32_t call = 0; call < p->n_calls; call++) {
        TRY(host_guide(h));
        for (uint32_t i = 0; i < p->calls[call].n_ops; i++)
            TRY(host_op(h, &p->ops[p->calls[call].first_op + i]));
        if (call + 1 < p->n_calls)
            host_input(h, &p->calls[call + 1]);
    }
    return DAUB_OK;
}

static double *widen(struct daub_trial *trial, const float *v, size_t n)
{
    double *out = daub_trial_alloc(trial, n, sizeof(double));
    for (size_t i = 0; out && i < n; i++)
        out[i] = (double)v[i];
    return out;
}

// ---- the test --------------------------------------------------------------------------------------------------------

static daub_status check(struct daub_trial *trial, const void *user)
{
    const struct step_case *t = user;
    struct random_program *r = daub_trial_alloc(trial, 1, sizeof(*r));
    if (!r)
        return DAUB_ERROR_NO_HOST_MEMORY;
    make_program(t, r);

    const uint32_t rows = (t->guidance != 0.0f ? 2 : 1) * t->batch, n_words = daub_sampler_table_words(&r->program);
    uint32_t *words = daub_trial_alloc(trial, n_words, sizeof(uint32_t));
    if (!words)
        return DAUB_ERROR_NO_HOST_MEMORY;
    daub_sampler_table(&r->program, words);
    const struct daub_shape one = { t->batch, t->h, t->w, t->c };
    struct daub_shape many = one;
    many.n = rows;
    struct daub_tensor *output = daub_trial_input_f32(trial, "output", DAUB_STAGE_STEP, many);
    many.c = t->c_in;
    struct daub_tensor *x = daub_trial_input(trial, "x", DAUB_STAGE_STEP, many, 1);
    many = one;
    many.n = N_VECS * t->batch;
    struct daub_tensor *vecs = daub_trial_input_f32(trial, "vecs", DAUB_STAGE_TAIL, many);
    many.n = (r->program.n_noises + r->program.n_given) * t->batch;
    struct daub_tensor *noise = daub_trial_input_f32(trial, "noise", DAUB_STAGE_TAIL, many);
    struct daub_tensor *table = daub_trial_input_u32(trial, "table", DAUB_STAGE_TAIL,
                                                     (struct daub_shape) { 1, 1, 1, n_words }, words);
    const struct daub_sampler_step step = {
        .output = output,
        .x = x,
        .vecs = vecs,
        .noise = noise,
        .table = table,
        .batch = t->batch,
        .guidance_scale = t->guidance != 0.0f ? t->guidance : 1.0f,
        .guidance_rescale = t->rescale,
        .program = &r->program,
    };
    TRY(daub_sampler_step(trial->net, &step));
    struct daub_tensor *y = t->read_x ? x : vecs;
    TRY(daub_trial_execute_tail(trial, y, 1 + t->n_calls + t->beyond));

    const size_t picture = (size_t)t->h * t->w * t->c;
    struct host host = {
        .trial = trial,
        .t = t,
        .n = picture * t->batch,
        .picture = picture,
        .vecs = widen(trial, daub_trial_values(trial, vecs), N_VECS * picture * t->batch),
        .noise = daub_trial_values(trial, noise),
        .program = &r->program,
        .output = daub_trial_values(trial, output),
        .x = widen(trial, daub_trial_values(trial, x), (size_t)rows * t->c_in * t->h * t->w),
    };
    if (!host.vecs || !host.x)
        return DAUB_ERROR_NO_HOST_MEMORY;
    TRY(host_run(&host, &r->program));
    double *want = daub_trial_want(trial);
    const size_t n = t->read_x ? (size_t)rows * t->c_in * t->h * t->w : N_VECS * host.n;
    memcpy(want, t->read_x ? host.x : host.vecs, n * sizeof(double));
    return daub_trial_compare(trial, y, want, 8);
}

// clang-format off
static const struct step_case cases[] = {
  // B   h   w   c c_in  g     phi  calls ops thresholds x     beyond given
    { 1,  1,  1,  1,  1, 0.0f, 0.0f,  1, 1, 0, false, false, false },
    { 1,  1,  1,  1,  1, 0.0f, 0.0f,  2, 2, 1, false, false, false }, // the quantile of one value
    { 1,  8,  8,  4,  4, 0.0f, 0.0f,  6, 3, 0, false, true, false },
    { 1,  8,  8,  4,  4, 0.0f, 0.0f,  6, 3, 0, true,  true, false },
    { 2,  5,  7,  4,  4, 7.5f, 0.0f,  5, 4, 0, false, false, false },
    { 2,  5,  7,  4,  9, 7.5f, 0.0f,  5, 4, 0, true,  false, false }, // an inpainting network's input
    { 3,  9,  5,  3,  3, 3.0f, 0.7f,  4, 3, 0, false, false, false },
    { 2, 11, 13, 12, 20, 2.0f, 0.3f,  4, 2, 0, true,  false, false },
    { 2, 16, 16,  3,  3, 0.0f, 0.0f,  4, 2, 1, false, false, false },
    { 3,  7,  9,  4,  4, 5.0f, 0.5f,  5, 2, 2, false, false, false },
    { 2,  7,  9, 13, 16, 0.0f, 0.0f,  4, 2, 1, true,  false, false },
    { 2, 64, 64,  4,  4, 7.5f, 0.7f, 70, 1, 0, false, false, false }, // 18 MB of noise
    { 2,  5,  7,  4,  9, 7.5f, 0.0f,  5, 3, 0, false, false, true  },
    { 1,  9, 11,  3,  3, 0.0f, 0.0f,  5, 3, 1, true,  false, true  },
    { 2, 64, 64,  4,  4, 7.5f, 0.0f, 70, 1, 0, false, false, true  }, // gathered into slots
};
// clang-format on

const struct daub_check daub_check_of_sampler_step = {
    .op = "sampler_step",
    .cases = cases,
    .case_size = sizeof(cases[0]),
    .n_cases = sizeof(cases) / sizeof(cases[0]),
    .run = check,
    .brief = 1u << 6 | 1u << 9,
};

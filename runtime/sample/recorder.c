// recorder.c - samplers run against this; it writes down what they ask for. Also the listing of what it wrote down.
#include "runtime/sample/sample.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct daub_recorder {
    const struct daub_sampler_config *config;
    struct daub_arena *arena;
    struct daub_program program; // its tables are the four below
    struct daub_program_op *ops;
    struct daub_program_call *calls;
    double *timesteps;
    uint32_t *noise_step;
    uint32_t op_capacity, call_capacity, noise_capacity;
    struct daub_program_start start;
    double alpha, sigma; // of the state that the next call reads
    bool leveled;        // those are known
    bool open;           // the last call waits for its step_end
    bool out_of_room;    // daub_noise and daub_vec_new cannot fail; the next op does it for them
};

// Room for one more entry of a table with n of them. Old tables stay in the arena: doubling wastes at most their sum.
static bool grow(struct daub_arena *arena, void **table, uint32_t n, uint32_t *capacity, size_t size)
{
    if (n < *capacity)
        return true;
    const uint32_t bigger = *capacity ? 2 * *capacity : 64;
    void *fresh = daub_arena_alloc(arena, bigger * size);
    if (!fresh)
        return false;
    if (n > 0)
        memcpy(fresh, *table, n * size);
    *table = fresh;
    *capacity = bigger;
    return true;
}

// Appends to the last call, or to what comes before the first.
static daub_status append_op(struct daub_recorder *r, struct daub_program_op **out)
{
    struct daub_program *p = &r->program;
    if (r->out_of_room || !grow(r->arena, (void **)&r->ops, p->n_ops, &r->op_capacity, sizeof(*r->ops)))
        return daub_no_memory("a sampler's program");
    *out = &r->ops[p->n_ops++];
    if (p->n_calls == 0)
        p->n_prologue++;
    else
        r->calls[p->n_calls - 1].n_ops++;
    return DAUB_OK;
}

static daub_status add_op(struct daub_sampling *s, struct daub_program_op **out)
{
    assert(s->recorder->program.n_calls == 0 || s->recorder->open); // ops belong to a call, or come before the first
    return append_op(s->recorder, out);
}

// vec[state] outside the mask = alpha * the given latent + sigma * the start noise.
static daub_status keep_outside(struct daub_recorder *r, daub_vec state, double alpha, double sigma)
{
    struct daub_program_op *op;
    TRY(append_op(r, &op));
    *op = (struct daub_program_op) {
        .kind = DAUB_OP_BLEND,
        .out = state,
        .n_terms = sigma > 0.0 ? 2 : 1,
        .vec = { DAUB_VEC_INIT, DAUB_VEC_NOISE },
        .weight = { (float)alpha, (float)sigma },
    };
    return DAUB_OK;
}

daub_vec daub_vec_new(struct daub_sampling *s)
{
    struct daub_program *p = &s->recorder->program;
    assert(p->n_vecs < DAUB_MAX_VECS);
    return p->n_vecs++;
}

daub_vec daub_noise(struct daub_sampling *s)
{
    struct daub_recorder *r = s->recorder;
    struct daub_program *p = &r->program;
    if (!grow(r->arena, (void **)&r->noise_step, p->n_noises, &r->noise_capacity, sizeof(*r->noise_step))) {
        r->out_of_room = true;
        return DAUB_VEC_NOISE;
    }
    r->noise_step[p->n_noises] = p->n_calls > 0 ? p->n_calls - 1 : 0;
    return DAUB_VEC_NOISE + p->n_noises++;
}

daub_status daub_start(struct daub_sampling *s, double init_noise_sigma)
{
    assert(s->recorder->program.n_calls == 0 && s->recorder->program.n_noises == 0);
    s->recorder->program.init_noise_sigma = init_noise_sigma;
    const daub_vec noise = daub_noise(s);
    if (s->recorder->start.init) // waits for the first call's level
        return DAUB_OK;
    return LINCOMB(s, s->x, { init_noise_sigma, noise });
}

void daub_at_level(struct daub_sampling *s, double alpha, double sigma)
{
    s->recorder->alpha = alpha;
    s->recorder->sigma = sigma;
    s->recorder->leveled = true;
}

// What a given picture does to the state, before a call reads it.
static daub_status place_init(struct daub_sampling *s, daub_vec in)
{
    struct daub_recorder *r = s->recorder;
    struct daub_program *p = &r->program;
    if (p->n_calls == 0 && r->start.init) {
        assert(r->leveled && in == s->x);
        TRY(LINCOMB(s, s->x, { r->alpha, DAUB_VEC_INIT }, { r->sigma, DAUB_VEC_NOISE }));
    }
    if (p->n_calls > 0 && r->start.mask) {
        assert(r->leveled && in == r->calls[p->n_calls - 1].state);
        TRY(keep_outside(r, in, r->alpha, r->sigma));
    }
    r->leveled = false;
    return DAUB_OK;
}

daub_status daub_model_call(struct daub_sampling *s, daub_vec in, double c_in, double timestep)
{
    struct daub_recorder *r = s->recorder;
    struct daub_program *p = &r->program;
    assert(!r->open && in < p->n_vecs);
    TRY(place_init(s, in));
    uint32_t timestep_capacity = r->call_capacity; // the two tables grow together
    if (!grow(r->arena, (void **)&r->timesteps, p->n_calls, &timestep_capacity, sizeof(*r->timesteps)) ||
        !grow(r->arena, (void **)&r->calls, p->n_calls, &r->call_capacity, sizeof(*r->calls)))
        return daub_no_memory("a sampler's program");
    r->timesteps[p->n_calls] = timestep;
    r->calls[p->n_calls++] = (struct daub_program_call) {
        .timestep = timestep,
        .in = in,
        .c_in = (float)c_in,
        .first_op = p->n_ops,
        .step = -1,
    };
    r->open = true;
    return DAUB_OK;
}

daub_status daub_lincomb(struct daub_sampling *s, daub_vec out, uint32_t n, const struct daub_term *terms)
{
    struct daub_program_op *op;
    TRY(add_op(s, &op));
    assert(n <= DAUB_MAX_TERMS && out != DAUB_VEC_OUTPUT && out < s->recorder->program.n_vecs);
    *op = (struct daub_program_op) { .kind = DAUB_OP_LINCOMB, .out = out };
    for (uint32_t i = 0; i < n; i++) {
        const float weight = (float)terms[i].weight;
        if (!isfinite(weight))
            return daub_fail(
                DAUB_ERROR_INVALID_ARG,
                "%s cannot take model call %u of this run: the noise schedule, prediction type and options "
                "together ask for a division by zero",
                s->config->sampler->label, s->recorder->program.n_calls);
        if (weight == 0.0f)
            continue;
        op->vec[op->n_terms] = terms[i].vec;
        op->weight[op->n_terms++] = weight;
    }
    return DAUB_OK;
}

daub_status daub_clamp(struct daub_sampling *s, daub_vec v, double low, double high)
{
    struct daub_program_op *op;
    TRY(add_op(s, &op));
    *op = (struct daub_program_op) { .kind = DAUB_OP_CLAMP, .out = v, .a = (float)low, .b = (float)high };
    return DAUB_OK;
}

daub_status daub_threshold(struct daub_sampling *s, daub_vec v, double ratio, double max)
{
    struct daub_program_op *op;
    TRY(add_op(s, &op));
    *op = (struct daub_program_op) { .kind = DAUB_OP_THRESHOLD, .out = v, .a = (float)ratio, .b = (float)max };
    return DAUB_OK;
}

daub_status daub_substep_end(struct daub_sampling *s, daub_vec state)
{
    struct daub_recorder *r = s->recorder;
    assert(r->open && state < r->program.n_vecs);
    r->calls[r->program.n_calls - 1].state = state;
    r->program.result = state;
    r->open = false;
    return DAUB_OK;
}

daub_status daub_step_end(struct daub_sampling *s, daub_vec state)
{
    struct daub_program *p = &s->recorder->program;
    s->recorder->calls[p->n_calls - 1].step = (int32_t)p->n_steps++;
    return daub_substep_end(s, state);
}

void daub_report_sigmas(struct daub_sampling *s, const double *sigmas, uint32_t n)
{
    s->recorder->program.sigmas = sigmas;
    s->recorder->program.n_sigmas = n;
}

static daub_status check(const struct daub_sampler_config *c, uint32_t n_steps)
{
    const uint32_t n_train = c->num_train_timesteps;
    if (n_train < 1 || n_train > DAUB_MAX_TRAIN_STEPS)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "num_train_timesteps is %u, wanted 1..%d", n_train,
                         DAUB_MAX_TRAIN_STEPS);
    if (n_steps < 1 || n_steps > n_train)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%u steps are not possible: the noise schedule has 1..%u", n_steps,
                         n_train);
    if (c->sigma_spacing != DAUB_SIGMAS_DEFAULT && !(c->sampler->spacings & 1u << c->sigma_spacing))
        return daub_fail(DAUB_ERROR_UNSUPPORTED, "the sampler %s has no schedule %s", c->sampler->name,
                         daub_sigma_spacing_name(c->sigma_spacing));
    if (!(c->eta >= 0.0 && c->eta <= 1.0))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "eta is %g, wanted 0..1", c->eta);
    if (c->thresholding && !(c->dynamic_thresholding_ratio >= 0.0 && c->dynamic_thresholding_ratio <= 1.0))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "dynamic_thresholding_ratio is %g, wanted 0..1",
                         c->dynamic_thresholding_ratio);
    if (c->thresholding && !(c->sample_max_value >= 1.0))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "sample_max_value is %g, wanted 1 or more", c->sample_max_value);
    if (c->clip_sample && !(c->clip_sample_range > 0.0))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "clip_sample_range is %g, wanted above 0", c->clip_sample_range);
    if (c->sigma_min > 0.0 && c->sigma_max > 0.0 && c->sigma_min >= c->sigma_max)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "sigma_min %g is not below sigma_max %g", c->sigma_min, c->sigma_max);
    return DAUB_OK;
}

daub_status daub_program_record(const struct daub_sampler_config *config, uint32_t n_steps, struct daub_arena *arena,
                                struct daub_program *out)
{
    static const struct daub_program_start noise = { 0 };
    return daub_program_record_from(config, n_steps, &noise, arena, out);
}

daub_status daub_program_record_from(const struct daub_sampler_config *config, uint32_t n_steps,
                                     const struct daub_program_start *start, struct daub_arena *arena,
                                     struct daub_program *out)
{
    TRY(check(config, n_steps));
    if (start->first >= n_steps)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "a run of %u steps cannot begin with step %u", n_steps, start->first);
    struct daub_sampler_config own = *config;
    if (!(config->sampler->options & DAUB_TAKES_ZERO_SNR))
        own.rescale_betas_zero_snr = false; // a model's schedule is lent to any sampler; some classes do not rescale
    double *alphas_cumprod = daub_arena_alloc(arena, config->num_train_timesteps * sizeof(*alphas_cumprod));
    if (!alphas_cumprod)
        return daub_no_memory("a noise schedule");
    TRY(daub_alphas_cumprod(&own, alphas_cumprod));

    struct daub_recorder r = { .config = &own, .arena = arena, .start = *start };
    struct daub_sampling s = {
        .config = &own,
        .n_steps = n_steps,
        .first = start->first,
        .alphas_cumprod = alphas_cumprod,
        .arena = arena,
        .recorder = &r,
    };
    r.program.n_vecs = DAUB_VEC_OUTPUT + 1;
    s.x = daub_vec_new(&s);
    TRY(config->sampler->run(&s));
    assert(!r.open);
    if (r.program.n_calls == 0) // lambda_min_clipped can cut more steps off than n_steps tells
        return daub_fail(DAUB_ERROR_INVALID_ARG, "%s has no step left after %u of %u", config->sampler->label,
                         start->first, n_steps);
    if (start->mask)
        TRY(keep_outside(&r, r.program.result, 1.0, 0.0));
    r.program.n_given = start->mask ? 2 : start->init ? 1 : 0;
    if (r.out_of_room) // of a last draw that no op uses
        return daub_no_memory("a sampler's program");

    r.program.ops = r.ops;
    r.program.calls = r.calls;
    r.program.timesteps = r.timesteps;
    r.program.noise_step = r.noise_step;
    *out = r.program;
    return DAUB_OK;
}

// ---- listing -------------------------------------------------------------------------------------------------------

struct listing {
    const struct daub_host *host;
    char *text;
    size_t used, size;
    bool failed;
};

static void put(struct listing *l, const char *fmt, ...) DAUB_PRINTF(2, 3);
static void put(struct listing *l, const char *fmt, ...)
{
    char line[128];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < sizeof(line)); // pieces are short; only their number is not
    if (l->used + (size_t)n >= l->size) {
        const size_t bigger = 2 * l->size + sizeof(line);
        char *fresh = daub_realloc(l->host, l->text, l->size, bigger);
        if (!fresh) {
            l->failed = true;
            return;
        }
        l->text = fresh;
        l->size = bigger;
    }
    memcpy(l->text + l->used, line, (size_t)n + 1);
    l->used += (size_t)n;
}

static void put_vec(struct listing *l, daub_vec vec)
{
    if (vec >= DAUB_VEC_INIT)
        put(l, vec == DAUB_VEC_INIT ? "init" : "mask");
    else if (vec >= DAUB_VEC_NOISE)
        put(l, "n%u", vec - DAUB_VEC_NOISE);
    else if (vec == DAUB_VEC_OUTPUT)
        put(l, "out");
    else
        put(l, "v%u", vec);
}

static void put_op(struct listing *l, const struct daub_program_op *op)
{
    put(l, "  ");
    put_vec(l, op->out);
    switch (op->kind) {
    case DAUB_OP_BLEND:
        put(l, " outside the mask");
        // fall through
    case DAUB_OP_LINCOMB:
        for (uint32_t i = 0; i < op->n_terms; i++) {
            put(l, "%s%.6g ", i ? " + " : " = ", (double)op->weight[i]);
            put_vec(l, op->vec[i]);
        }
        put(l, "%s\n", op->n_terms ? "" : " = 0");
        break;
    case DAUB_OP_CLAMP:
        put(l, " clamp %.6g %.6g\n", (double)op->a, (double)op->b);
        break;
    case DAUB_OP_THRESHOLD:
        put(l, " threshold ratio %.6g max %.6g\n", (double)op->a, (double)op->b);
        break;
    }
}

char *daub_program_print(const struct daub_host *host, const struct daub_program *program)
{
    struct listing l = { .host = host };
    put(&l, "%u steps, %u calls, %u ops, %u vecs, %u noises\n", program->n_steps, program->n_calls, program->n_ops,
        program->n_vecs, program->n_noises);
    for (uint32_t i = 0; i < program->n_prologue; i++)
        put_op(&l, &program->ops[i]);
    for (uint32_t i = 0; i < program->n_calls; i++) {
        const struct daub_program_call *c = &program->calls[i];
        put(&l, "call %u: model(%.6g ", i, (double)c->c_in);
        put_vec(&l, c->in);
        put(&l, ", t %.6g)\n", c->timestep);
        for (uint32_t j = 0; j < c->n_ops; j++)
            put_op(&l, &program->ops[c->first_op + j]);
        if (c->step >= 0)
            put(&l, "  step %d ", c->step);
        else
            put(&l, "  substep ");
        put_vec(&l, c->state);
        put(&l, "\n");
    }
    put(&l, "result ");
    put_vec(&l, program->result);
    put(&l, "\n");
    if (l.failed) {
        daub_free(host, l.text);
        return NULL;
    }
    return l.text;
}

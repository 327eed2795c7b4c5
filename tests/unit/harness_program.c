// harness_program.c - a plain interpreter of sampler programs, and what tests need around it.
#include "harness_program.h"
#include "tests/test.h"

static float *vec_at(const struct program_run *run, float *vecs, daub_vec vec)
{
    REQUIRE(vec < run->program->n_vecs);
    return vecs + vec * run->n;
}

static const float *input_at(const struct program_run *run, float *vecs, daub_vec vec)
{
    const struct daub_program *p = run->program;
    if (vec < DAUB_VEC_NOISE)
        return vec_at(run, vecs, vec);
    if (vec >= DAUB_VEC_INIT) {
        REQUIRE(vec - DAUB_VEC_INIT < p->n_given);
        return run->noise + (p->n_noises + (vec - DAUB_VEC_INIT)) * run->n;
    }
    REQUIRE(vec - DAUB_VEC_NOISE < p->n_noises);
    return run->noise + (vec - DAUB_VEC_NOISE) * run->n;
}

static void lincomb(const struct program_run *run, float *vecs, const struct daub_program_op *op)
{
    REQUIRE(op->out != DAUB_VEC_OUTPUT && op->n_terms <= DAUB_MAX_TERMS);
    float *out = vec_at(run, vecs, op->out);
    for (size_t i = 0; i < run->n; i++) {
        float sum = 0.0f;
        for (uint32_t k = 0; k < op->n_terms; k++)
            sum += op->weight[k] * input_at(run, vecs, op->vec[k])[i];
        if (op->kind == DAUB_OP_BLEND) {
            const float mask = input_at(run, vecs, DAUB_VEC_MASK)[i];
            sum = (1.0f - mask) * sum + mask * out[i];
        }
        out[i] = sum;
    }
}

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void threshold(const struct daub_program_op *op, float *v, size_t n)
{
    float *sizes = malloc(n * sizeof(*sizes));
    REQUIRE(sizes);
    for (size_t i = 0; i < n; i++)
        sizes[i] = fabsf(v[i]);
    qsort(sizes, n, sizeof(*sizes), by_size);
    const float rank = op->a * (float)(n - 1);
    const size_t low = (size_t)rank, high = low + 1 < n ? low + 1 : low;
    const float quantile = sizes[low] + (rank - (float)low) * (sizes[high] - sizes[low]);
    const float s = fminf(fmaxf(quantile, 1.0f), op->b);
    for (size_t i = 0; i < n; i++)
        v[i] = fminf(fmaxf(v[i], -s), s) / s;
    free(sizes);
}

static void run_ops(const struct program_run *run, float *vecs, uint32_t first, uint32_t n_ops)
{
    REQUIRE(first + n_ops <= run->program->n_ops);
    for (uint32_t i = first; i < first + n_ops; i++) {
        const struct daub_program_op *op = &run->program->ops[i];
        float *v = vec_at(run, vecs, op->out);
        switch (op->kind) {
        case DAUB_OP_LINCOMB:
        case DAUB_OP_BLEND:
            lincomb(run, vecs, op);
            break;
        case DAUB_OP_CLAMP:
            for (size_t j = 0; j < run->n; j++)
                v[j] = fminf(fmaxf(v[j], op->a), op->b);
            break;
        case DAUB_OP_THRESHOLD:
            threshold(op, v, run->n);
            break;
        }
    }
}

void program_interpret(const struct program_run *run, float *result)
{
    const struct daub_program *p = run->program;
    float *vecs = malloc((p->n_vecs + 1) * run->n * sizeof(*vecs));
    REQUIRE(vecs && p->n_calls > 0);
    float *scaled = vecs + p->n_vecs * run->n;
    for (size_t i = 0; i < (p->n_vecs + 1) * run->n; i++)
        vecs[i] = NAN;
    run_ops(run, vecs, 0, p->n_prologue);
    if (run->state)
        run->state(run->user, UINT32_MAX, vec_at(run, vecs, p->calls[0].in), run->n);
    for (uint32_t i = 0; i < p->n_calls; i++) {
        const struct daub_program_call *c = &p->calls[i];
        const float *in = vec_at(run, vecs, c->in);
        for (size_t j = 0; j < run->n; j++)
            scaled[j] = c->c_in * in[j];
        run->model(run->user, i, c->timestep, scaled, vecs, run->n);
        run_ops(run, vecs, c->first_op, c->n_ops);
        if (run->state)
            run->state(run->user, i, vec_at(run, vecs, c->state), run->n);
    }
    memcpy(result, vec_at(run, vecs, p->result), run->n * sizeof(*result));
    free(vecs);
}

void toy_model(const struct toy *toy, double timestep, const float *in, float *out, size_t n)
{
    static const float a[] = {
        [DAUB_PREDICTION_EPSILON] = 0.9f, [DAUB_PREDICTION_V] = 0.2f, [DAUB_PREDICTION_SAMPLE] = 0.5f
    };
    static const float b[] = {
        [DAUB_PREDICTION_EPSILON] = 0.3f, [DAUB_PREDICTION_V] = 0.5f, [DAUB_PREDICTION_SAMPLE] = 0.3f
    };
    for (size_t i = 0; i < n; i++) {
        const float channel = (float)(i / toy->pixels);
        const float wave = sinf(2.0f * in[i] + (float)(0.005 * timestep) + 0.7f * channel);
        out[i] = a[toy->prediction] * in[i] + b[toy->prediction] * wave;
    }
}

double relative_l2(const float *got, const float *want, size_t n)
{
    double error = 0.0, size = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double difference = (double)got[i] - (double)want[i];
        error += difference * difference;
        size += (double)want[i] * (double)want[i];
    }
    return isfinite(error) ? sqrt(error / size) : INFINITY;
}

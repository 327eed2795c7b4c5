// harness.c - see harness.h.
#include "tests/op/harness.h"

#include "runtime/base/half.h"
#include "runtime/base/thread.h"
#include "runtime/io/pack.h"
#include "runtime/vk/kernel.h"

enum { MAX_VALUES = 64 };

struct value {
    const struct daub_tensor *t;
    float *plain;    // NCHW, rounded as stored
    uint32_t *words; // U32 inputs
    size_t n;
    struct daub_buffer *packed;
    struct daub_range range;
};

struct op_state {
    const char *op;
    void (*check)(struct op_run *run, const void *user);
    const void *one_case;
    size_t case_index;
    bool verbose, bench;
    uint32_t made_before; // pipelines made when the last weight was bound
    struct value values[MAX_VALUES];
    uint32_t n_values;
    float *result;
    size_t n_result;
    double *want;
    struct daub_exec *exec;
    bool compared;
};

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

static struct value *add_value(struct op_run *run, const struct daub_tensor *t, size_t n)
{
    REQUIRE(run->state->n_values < MAX_VALUES);
    REQUIRE_OK(daub_net_failed(run->net) ? daub_net_finish(run->net) : DAUB_OK);
    struct value *v = &run->state->values[run->state->n_values++];
    *v = (struct value) { .t = t, .n = n };
    return v;
}

static void fill(struct op_run *run, struct value *v, const char *name, float scale, float mean, bool round_half)
{
    v->plain = malloc(v->n * sizeof(float));
    REQUIRE(v->plain);
    const uint64_t seed = hash_name(name) + run->state->case_index;
    for (size_t i = 0; i < v->n; i++) {
        const float x = mean + scale * sample(seed, i);
        v->plain[i] = round_half ? daub_half_to_float(daub_half_from_float(x)) : x;
    }
}

static size_t count(const struct daub_tensor *t)
{
    return (size_t)t->shape.n * t->shape.h * t->shape.w * t->shape.c;
}

static struct daub_tensor *input(struct op_run *run, const char *name, enum daub_stage stage, enum daub_dtype dtype,
                                 struct daub_shape shape, uint32_t heads, float scale, float mean)
{
    struct daub_tensor *t = daub_net_input(run->net, name, stage, dtype, shape);
    t->heads = heads;
    fill(run, add_value(run, t, count(t)), name, scale, mean, dtype == DAUB_F16);
    return t;
}

struct daub_tensor *op_input(struct op_run *run, const char *name, enum daub_stage stage, struct daub_shape shape,
                             uint32_t heads)
{
    return input(run, name, stage, run->dtype, shape, heads, 1.0f, 0.0f);
}

struct daub_tensor *op_input_scaled(struct op_run *run, const char *name, enum daub_stage stage,
                                    struct daub_shape shape, uint32_t heads, float scale, float mean)
{
    return input(run, name, stage, run->dtype, shape, heads, scale, mean);
}

struct daub_tensor *op_input_f32(struct op_run *run, const char *name, enum daub_stage stage, struct daub_shape shape)
{
    return input(run, name, stage, DAUB_F32, shape, 1, 1.0f, 0.0f);
}

struct daub_tensor *op_input_u32(struct op_run *run, const char *name, enum daub_stage stage, struct daub_shape shape,
                                 const uint32_t *words)
{
    struct daub_tensor *t = daub_net_input(run->net, name, stage, DAUB_U32, shape);
    struct value *v = add_value(run, t, count(t));
    v->words = malloc(v->n * sizeof(uint32_t));
    REQUIRE(v->words);
    memcpy(v->words, words, v->n * sizeof(uint32_t));
    return t;
}

struct daub_tensor *op_weight(struct op_run *run, const char *name, uint32_t n_dims, const uint32_t *dims, float scale,
                              float mean)
{
    struct daub_tensor *t = daub_net_weight(run->net, name, n_dims, dims);
    size_t n = 1;
    for (uint32_t i = 0; i < n_dims; i++)
        n *= dims[i];
    // vectors stay fp32 on the device, matrices are rounded with the net's dtype
    fill(run, add_value(run, t, n), name, scale, mean, run->dtype == DAUB_F16 && n_dims > 1);
    return t;
}

static struct value *find(struct op_run *run, const struct daub_tensor *t)
{
    for (uint32_t i = 0; i < run->state->n_values; i++)
        if (run->state->values[i].t == t)
            return &run->state->values[i];
    TEST_FAIL("no values for that tensor");
}

const float *op_values(struct op_run *run, const struct daub_tensor *t)
{
    return find(run, t)->plain;
}

double *op_plain(struct op_run *run, const struct daub_tensor *t)
{
    free(run->state->want);
    run->state->want = calloc(count(t), sizeof(double));
    REQUIRE(run->state->want);
    return run->state->want;
}

// ---- running ---------------------------------------------------------------------------------------------------------

static void bind_weight(struct op_run *run, struct daub_tensor *weight)
{
    struct value *v = find(run, weight);
    run->state->made_before = daub_kernels_made(run->dev);
    const uint64_t size = daub_pack_size(&weight->pack, weight->dims, weight->n_dims);
    const uint32_t n_parts = weight->pack.n_parts > 1 ? weight->pack.n_parts : 1;
    uint8_t *packed = malloc((size_t)size);
    REQUIRE(packed);
    for (uint32_t i = 0; i < n_parts; i++) {
        const struct daub_tensor *part = i == 0 ? weight : weight->more[i - 1];
        const struct daub_view view = {
            .data = (const uint8_t *)find(run, part)->plain,
            .dtype = DAUB_FILE_F32,
            .n_dims = part->n_dims,
            .dims = { part->dims[0], part->dims[1], part->dims[2], part->dims[3] },
        };
        daub_pack_weight(&weight->pack, &view, packed + size / n_parts * i);
    }
    REQUIRE_OK(daub_buffer_create(run->dev, DAUB_MEMORY_DEVICE, size, weight->name, &v->packed));
    v->range = (struct daub_range) { v->packed, 0, size };
    REQUIRE_OK(daub_upload(run->dev, v->range, packed));
    free(packed);
    weight->data = &v->range;
}

static daub_status bind_weights(void *user, struct daub_tensor *const *weights, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        bind_weight(user, weights[i]);
    return DAUB_OK;
}

// Every padding channel of a stored result must be zero, or later sums over it are wrong.
static void check_padding(struct op_run *run, struct daub_exec *exec, const struct daub_tensor *y)
{
    if (y->dtype == DAUB_U32)
        return;
    const struct daub_range range = daub_exec_range(exec, y);
    uint8_t *stored = malloc((size_t)range.size);
    REQUIRE(stored);
    REQUIRE_OK(daub_download(run->dev, range, stored));
    const uint32_t head_c = y->shape.c / y->heads, padded = (head_c + 7) / 8 * 8;
    const size_t element = y->dtype == DAUB_F16 ? 2 : 4;
    for (size_t row = 0; row < daub_rows(y); row++)
        for (uint32_t i = 0; i < y->heads * padded; i++) {
            static const uint8_t zero[4] = { 0 };
            const uint8_t *at = stored + row * daub_row_size(y) + i * element;
            if (i % padded >= head_c && memcmp(at, zero, element) != 0 && !(at[element - 1] == 0x80 && at[0] == 0))
                TEST_FAIL("%s case %zu caps \"%s\": padding channel %u of pixel %zu is not zero", run->state->op,
                          run->state->case_index, run->caps, i, row);
        }
    free(stored);
}

void op_execute_tail(struct op_run *run, struct daub_tensor *y, uint32_t n_tail)
{
    struct op_state *state = run->state;
    REQUIRE(!state->exec);
    daub_net_output(run->net, "y", y);
    const struct daub_exec_params params = { .bind_weights = bind_weights, .user = run, .name = state->op };
    struct daub_exec *exec = NULL;
    state->made_before = UINT32_MAX;
    REQUIRE_OK(daub_exec_create(run->dev, run->net, &params, &exec));
    // Pipelines are made before the weights are bound; recording found none that was missing.
    REQUIRE(state->made_before == UINT32_MAX || state->made_before == daub_kernels_made(run->dev));
    for (uint32_t i = 0; i < state->n_values; i++) {
        const struct value *v = &state->values[i];
        if (v->t->kind == DAUB_TENSOR_INPUT)
            REQUIRE_OK(daub_exec_write(exec, v->t, true, v->words ? (const void *)v->words : v->plain));
    }
    for (uint32_t stage = 0; stage <= DAUB_STAGE_STEP; stage++)
        REQUIRE_OK(daub_exec_run(exec, (enum daub_stage)stage));
    for (uint32_t i = 0; i < n_tail; i++)
        REQUIRE_OK(daub_exec_run(exec, DAUB_STAGE_TAIL));

    free(state->result);
    state->n_result = count(y);
    state->result = malloc(state->n_result * sizeof(float));
    REQUIRE(state->result);
    REQUIRE_OK(daub_exec_read(exec, y, true, state->result));
    check_padding(run, exec, y);

    if (state->bench) {
        double best = 1e30;
        for (int i = 0; i < 5; i++) {
            const uint64_t start = daub_now_ns();
            for (uint32_t stage = 0; stage <= DAUB_STAGE_STEP; stage++)
                REQUIRE_OK(daub_exec_run(exec, (enum daub_stage)stage));
            const double seconds = (double)(daub_now_ns() - start) * 1e-9;
            best = seconds < best ? seconds : best;
        }
        double flop = 0.0;
        for (uint32_t i = 0; i < daub_net_n_nodes(run->net); i++) {
            const struct daub_node *node = daub_net_node(run->net, i);
            flop += node->op->flop ? node->op->flop(node) : 0.0;
        }
        printf("%-12s case %2zu %s %-12s %9.3f ms %8.2f GFLOP/s\n", state->op, state->case_index,
               run->dtype == DAUB_F16 ? "f16" : "f32", run->caps, best * 1e3, flop / best * 1e-9);
    }
    REQUIRE(daub_device_validation_errors(run->dev) == 0);

    run->net = NULL;    // the executor owns it
    state->exec = exec; // both go when the run ends, because the test still looks at tensors
}

void op_execute(struct op_run *run, struct daub_tensor *y)
{
    op_execute_tail(run, y, 0);
}

const float *op_result(struct op_run *run)
{
    return run->state->result;
}

const uint32_t *op_result_u32(struct op_run *run)
{
    return (const uint32_t *)(const void *)run->state->result;
}

void op_compare(struct op_run *run, const struct daub_tensor *y, const double *want, uint32_t reduction)
{
    const struct op_state *state = run->state;
    const bool half = y->dtype == DAUB_F16 || run->dtype == DAUB_F16;
    double largest = 0.0, error2 = 0.0, norm2 = 0.0, worst = 0.0;
    size_t worst_at = 0;
    const size_t n = count(y);
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(want[i]));
    for (size_t i = 0; i < n; i++) {
        const double error = fabs((double)state->result[i] - want[i]);
        error2 += error * error;
        norm2 += want[i] * want[i];
        if (!(error <= worst)) {
            worst = error;
            worst_at = i;
        }
    }
    const double nmse = norm2 > 0.0 ? error2 / norm2 : error2;
    const double nmse_limit = half ? 1e-6 : 1e-10;
    const double worst_limit = (half ? 4e-3 : 1e-5 * sqrt((double)reduction + 1.0)) * (largest > 0.0 ? largest : 1.0);
    run->state->compared = true;
    if (!(nmse <= nmse_limit) || !(worst <= worst_limit))
        TEST_FAIL("%s case %zu %s caps \"%s\": NMSE %.3g (limit %.1g), worst error %.3g (limit %.3g) at %zu: %.9g, "
                  "wanted %.9g",
                  state->op, state->case_index, run->dtype == DAUB_F16 ? "f16" : "f32", run->caps, nmse, nmse_limit,
                  worst, worst_limit, worst_at, (double)state->result[worst_at], want[worst_at]);
    if (state->verbose)
        printf("%-12s case %2zu %s %-32s NMSE %.2e of %.0e, worst %.2e of %.2e\n", state->op, state->case_index,
               run->dtype == DAUB_F16 ? "f16" : "f32", run->caps, nmse, nmse_limit, worst, worst_limit);
}

// ---- main ------------------------------------------------------------------------------------------------------------

static void run_case(struct op_state *state, daub_device *dev, const char *caps, enum daub_dtype dtype)
{
    struct op_run run = { .dev = dev, .dtype = dtype, .caps = caps, .state = state };
    REQUIRE_OK(daub_net_create(NULL, "test", dtype, &run.net));
    state->compared = false;
    state->check(&run, state->one_case);
    REQUIRE(state->compared); // a test that compared nothing cannot fail
    daub_exec_destroy(&state->exec);
    daub_net_destroy(&run.net);
    for (uint32_t i = 0; i < state->n_values; i++) {
        daub_buffer_destroy(dev, &state->values[i].packed);
        free(state->values[i].plain);
        free(state->values[i].words);
    }
    state->n_values = 0;
    free(state->want);
    free(state->result);
    state->want = NULL;
    state->result = NULL;
}

static void log_message(void *user, daub_log_level level, const char *message)
{
    (void)user;
    fprintf(stderr, "[%d] %s\n", (int)level, message);
}

int op_main(int argc, char **argv, const char *op, const void *cases, size_t n_cases, size_t case_size,
            void (*check)(struct op_run *run, const void *user))
{
    static const char *const masks[] = {
        "",
        "+texel,rows=12",
        "-texel,rows=16",
        "-winograd",
        "-lane",
        "-f16,-subgroup",
        "range=16M,shared=16K,align=256",
        "api=1.1",
        "-f16,-subgroup,-texel,range=16M,shared=16K,api=1.1",
        "-lane,-f16,-subgroup,-texel,range=16M,shared=16K,api=1.1",
    };
    struct op_state state = { .op = op, .check = check };
    const char *only_caps = NULL;
    long only_case = -1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            state.verbose = true;
        else if (strcmp(argv[i], "--bench") == 0)
            state.bench = true;
        else if (strcmp(argv[i], "--filter-caps") == 0 && i + 1 < argc)
            only_caps = argv[++i];
        else if (strcmp(argv[i], "--case") == 0 && i + 1 < argc)
            only_case = atol(argv[++i]);
        else
            TEST_FAIL("unknown option %s", argv[i]);
    }
    uint32_t n_run = 0;
    for (size_t m = 0; m < sizeof(masks) / sizeof(masks[0]); m++) {
        if (only_caps && strcmp(only_caps, masks[m]) != 0)
            continue;
        daub_device *dev = NULL;
        const daub_device_params params = { .struct_size = sizeof(params), .caps = masks[m], .log = log_message };
        REQUIRE_OK(daub_vk_device_create(&params, &dev));
        for (size_t i = 0; i < n_cases; i++) {
            if (only_case >= 0 && (size_t)only_case != i)
                continue;
            state.case_index = i;
            state.one_case = (const char *)cases + i * case_size;
            run_case(&state, dev, masks[m], DAUB_F32);
            run_case(&state, dev, masks[m], DAUB_F16);
            n_run += 2;
        }
        REQUIRE(daub_device_validation_errors(dev) == 0);
        daub_vk_device_destroy(&dev);
    }
    REQUIRE(n_run > 0);
    printf("%s: %u runs passed\n", op, n_run);
    return 0;
}

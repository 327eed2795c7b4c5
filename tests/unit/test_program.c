// test_program.c - what the recorder makes of a sampler: a stable listing, invariants, refusals, failing memory.
// link: base sample
#include "harness_program.h"
#include "tests/test.h"

// ---- listing -------------------------------------------------------------------------------------------------------

static void test_listing(void)
{
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_sampler_config c = stable_diffusion("euler_a");
    struct daub_program p;
    REQUIRE(arena);
    REQUIRE_OK(daub_program_record(&c, 2, arena, &p));
    char *text = daub_program_print(NULL, &p);
    REQUIRE_TEXT(text, "2 steps, 2 calls, 3 ops, 2 vecs, 3 noises\n"
                       "  v1 = 14.6146 n0\n"
                       "call 0: model(0.0682649 v1, t 999)\n"
                       "  v1 = 1 v1 + -14.6146 out + 0.0291675 n1\n"
                       "  step 0 v1\n"
                       "call 1: model(0.999575 v1, t 0)\n"
                       "  v1 = 1 v1 + -0.0291675 out\n"
                       "  step 1 v1\n"
                       "result v1\n");
    daub_free(NULL, text);

    c = stable_diffusion("ddim");
    c.thresholding = true;
    c.sample_max_value = 1.5;
    REQUIRE_OK(daub_program_record(&c, 1, arena, &p));
    text = daub_program_print(NULL, &p);
    REQUIRE_TEXT(text, "1 steps, 1 calls, 4 ops, 3 vecs, 1 noises\n"
                       "  v1 = 1 n0\n"
                       "call 0: model(1 v1, t 0)\n"
                       "  v2 = 1.00043 v1 + -0.0291675 out\n"
                       "  v2 threshold ratio 0.995 max 1.5\n"
                       "  v1 = 1 v2\n"
                       "  step 0 v1\n"
                       "result v1\n");
    daub_free(NULL, text);
    daub_arena_destroy(&arena);
}

// ---- a program by hand: what the words of sample.h record -----------------------------------------------------------

static daub_status by_hand(struct daub_sampling *s)
{
    const daub_vec y = daub_vec_new(s);
    TRY(daub_start(s, 2.0));
    TRY(daub_model_call(s, s->x, 0.5, 9.5));
    TRY(LINCOMB(s, y, { 1.0, s->x }, { 0.0, DAUB_VEC_OUTPUT }, { -1.0, daub_noise(s) }));
    TRY(daub_substep_end(s, y));
    TRY(daub_model_call(s, y, 1.0, 3.0));
    TRY(daub_clamp(s, y, -1.0, 1.0));
    (void)daub_noise(s); // drawn where the reference draws, and unused
    TRY(LINCOMB(s, s->x, { 0.0, y }));
    return daub_step_end(s, s->x);
}

static void test_by_hand(void)
{
    static const struct daub_sampler_desc sampler = { .name = "hand", .label = "Hand", .aliases = "", .run = by_hand };
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_sampler_config c;
    struct daub_program p;
    REQUIRE(arena);
    daub_sampler_config_defaults(&sampler, &c);
    REQUIRE_OK(daub_program_record(&c, 1, arena, &p));
    REQUIRE(p.n_vecs == 3 && p.n_noises == 3 && p.n_steps == 1 && p.n_calls == 2 && p.n_ops == 4 && p.n_prologue == 1);
    REQUIRE(p.init_noise_sigma == 2.0 && !p.sigmas && p.n_sigmas == 0);
    REQUIRE(p.noise_step[0] == 0 && p.noise_step[1] == 0 && p.noise_step[2] == 1);
    REQUIRE(p.timesteps[0] == 9.5 && p.timesteps[1] == 3.0);
    REQUIRE(p.calls[0].first_op == 1 && p.calls[0].n_ops == 1 && p.calls[0].step == -1 && p.calls[0].c_in == 0.5f);
    REQUIRE(p.calls[1].first_op == 2 && p.calls[1].n_ops == 2 && p.calls[1].step == 0);
    REQUIRE(p.calls[1].in == p.calls[0].state && p.result == p.calls[1].state);
    REQUIRE(p.ops[1].n_terms == 2); // the term of weight 0 is gone
    REQUIRE(p.ops[1].vec[1] == DAUB_VEC_NOISE + 1 && p.ops[1].weight[1] == -1.0f);
    REQUIRE(p.ops[2].kind == DAUB_OP_CLAMP && p.ops[2].a == -1.0f && p.ops[2].b == 1.0f);
    REQUIRE(p.ops[3].n_terms == 0); // out = 0
    daub_arena_destroy(&arena);
}

// ---- invariants ----------------------------------------------------------------------------------------------------

static void check_op(const struct daub_program *p, const struct daub_program_op *op, uint32_t n_noises)
{
    REQUIRE(op->out != DAUB_VEC_OUTPUT && op->out < p->n_vecs && op->n_terms <= DAUB_MAX_TERMS);
    REQUIRE(isfinite(op->a) && isfinite(op->b));
    for (uint32_t i = 0; i < op->n_terms; i++) {
        REQUIRE(isfinite(op->weight[i]) && op->weight[i] != 0.0f);
        REQUIRE(op->vec[i] < p->n_vecs || (op->vec[i] >= DAUB_VEC_NOISE && op->vec[i] - DAUB_VEC_NOISE < n_noises));
    }
}

static void model(void *user, uint32_t call, double timestep, const float *in, float *out, size_t n)
{
    (void)call;
    (void)timestep;
    (void)user;
    for (size_t i = 0; i < n; i++) {
        REQUIRE(!isnan(in[i])); // no vector is read before it is written
        out[i] = 0.5f * tanhf(in[i]);
    }
}

static void check_program(const struct daub_program *p, uint32_t n_steps, uint32_t n_train)
{
    REQUIRE(p->n_steps == n_steps && p->n_calls >= n_steps && p->n_vecs <= DAUB_MAX_VECS && p->n_noises >= 1);
    uint32_t next_op = p->n_prologue;
    int32_t next_step = 0;
    for (uint32_t i = 0; i < p->n_prologue; i++)
        check_op(p, &p->ops[i], 1);
    for (uint32_t i = 0; i < p->n_calls; i++) {
        const struct daub_program_call *c = &p->calls[i];
        REQUIRE(c->first_op == next_op);
        next_op += c->n_ops;
        REQUIRE(c->in < p->n_vecs && c->in != DAUB_VEC_OUTPUT && c->state < p->n_vecs);
        REQUIRE(isfinite(c->c_in) && c->c_in > 0.0f);
        REQUIRE(c->timestep >= -2.0 && c->timestep < n_train && c->timestep == p->timesteps[i]);
        REQUIRE(i == 0 || c->in == p->calls[i - 1].state);
        REQUIRE(c->step == -1 || c->step == next_step++);
        for (uint32_t j = 0; j < c->n_ops; j++)
            check_op(p, &p->ops[c->first_op + j], p->n_noises);
    }
    REQUIRE(next_op == p->n_ops && next_step == (int32_t)n_steps);
    REQUIRE(p->result == p->calls[p->n_calls - 1].state && p->calls[p->n_calls - 1].step == next_step - 1);
    for (uint32_t i = 1; i < p->n_noises; i++)
        REQUIRE(p->noise_step[i] >= p->noise_step[i - 1] && p->noise_step[i] < p->n_calls);

    float *noise = calloc((size_t)p->n_noises * 2, sizeof(*noise)), result[2];
    REQUIRE(noise);
    for (uint32_t i = 0; i < 2 * p->n_noises; i++)
        noise[i] = i % 2 ? 0.5f : -1.0f;
    program_interpret(&(struct program_run) { .program = p, .n = 2, .noise = noise, .model = model }, result);
    REQUIRE(!isnan(result[0]) && !isnan(result[1]));
    free(noise);
}

static uint32_t draw(uint64_t *state, uint32_t n) // of 0..n-1; Knuth's MMIX generator
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % n;
}

static bool chance(uint64_t *state, uint32_t one_in)
{
    return draw(state, one_in) == 0;
}

static struct daub_sampler_config random_config(uint64_t *r)
{
    struct daub_sampler_config c = stable_diffusion(daub_samplers[draw(r, daub_n_samplers)]->name);
    c.num_train_timesteps = chance(r, 4) ? 1 + draw(r, 300) : 1000;
    c.beta_schedule = (enum daub_beta_schedule)draw(r, 3);
    c.rescale_betas_zero_snr = chance(r, 4);
    c.prediction_type = (enum daub_prediction)draw(r, 3);
    c.timestep_spacing = (enum daub_spacing)draw(r, 3);
    c.steps_offset = draw(r, 2);
    c.sigma_spacing = chance(r, 2) ? DAUB_SIGMAS_DEFAULT : (enum daub_sigma_spacing)draw(r, 5);
    c.interpolation_log_linear = chance(r, 4);
    c.timestep_continuous = chance(r, 8);
    c.final_sigma_min = chance(r, 2);
    c.clip_sample = chance(r, 2);
    c.thresholding = chance(r, 3);
    c.set_alpha_to_one = chance(r, 2);
    c.skip_prk_steps = chance(r, 2);
    c.variance_type = (enum daub_variance)draw(r, 4);
    c.solver_order = draw(r, 5);
    c.solver_type = (enum daub_solver_type)draw(r, 4);
    c.algorithm_type = (enum daub_algorithm)draw(r, 4);
    c.lower_order_final = chance(r, 2);
    c.euler_at_final = chance(r, 2);
    c.lambda_min_clipped = chance(r, 4) ? -5.1 : -INFINITY;
    c.predict_x0 = !chance(r, 3);
    c.original_inference_steps = chance(r, 2) ? 50 : 1 + draw(r, 100);
    c.eta = chance(r, 2) ? 0.0 : draw(r, 11) / 10.0;
    c.s_churn = chance(r, 2) ? 0.0 : draw(r, 40);
    return c;
}

// Whatever the options: a sound program, or a sentence.
static void test_random(void)
{
    uint64_t r = 1;
    uint32_t n_made = 0, n_refused = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        const struct daub_sampler_config c = random_config(&r);
        const uint32_t n_steps = chance(&r, 8) ? draw(&r, 1100) : 1 + draw(&r, 40);
        struct daub_arena *arena = daub_arena_create(NULL);
        struct daub_program p;
        REQUIRE(arena);
        const daub_status status = daub_program_record(&c, n_steps, arena, &p);
        if (status == DAUB_OK) {
            const bool cut = isfinite(c.lambda_min_clipped) && c.timestep_spacing == DAUB_SPACING_TRAILING;
            REQUIRE(p.n_steps == n_steps || (cut && p.n_steps < n_steps));
            check_program(&p, p.n_steps, c.num_train_timesteps);
            n_made++;
        } else {
            REQUIRE(status == DAUB_ERROR_INVALID_ARG || status == DAUB_ERROR_UNSUPPORTED);
            REQUIRE(daub_last_error()[0]);
            n_refused++;
        }
        daub_arena_destroy(&arena);
    }
    printf("%u random configs recorded, %u refused\n", n_made, n_refused);
    REQUIRE(n_made > 800 && n_refused > 200);
}

// Every sampler with its defaults, for every number of steps that a person would take.
static void test_all_steps(void)
{
    for (uint32_t i = 0; i < daub_n_samplers; i++) {
        struct daub_sampler_config c = stable_diffusion(daub_samplers[i]->name);
        c.skip_prk_steps = true;
        for (uint32_t n = 1; n <= 50; n++) {
            struct daub_arena *arena = daub_arena_create(NULL);
            struct daub_program p;
            REQUIRE(arena);
            REQUIRE_OK(daub_program_record(&c, n, arena, &p));
            check_program(&p, n, 1000);
            REQUIRE(daub_samplers[i]->stochastic || p.n_noises == 1);
            daub_arena_destroy(&arena);
        }
    }
}

// ---- refusals ------------------------------------------------------------------------------------------------------

static void test_refusals(void)
{
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_program p = { .n_ops = 77 };
    REQUIRE(arena);
    struct daub_sampler_config c = stable_diffusion("euler");
    REQUIRE_STATUS(daub_program_record(&c, 0, arena, &p), DAUB_ERROR_INVALID_ARG, "0 steps");
    REQUIRE_STATUS(daub_program_record(&c, 1001, arena, &p), DAUB_ERROR_INVALID_ARG, "1001 steps");
    c.sigma_spacing = DAUB_SIGMAS_LU;
    REQUIRE_STATUS(daub_program_record(&c, 5, arena, &p), DAUB_ERROR_UNSUPPORTED, "euler has no schedule lu");
    c.num_train_timesteps = 0;
    REQUIRE_STATUS(daub_program_record(&c, 5, arena, &p), DAUB_ERROR_INVALID_ARG, "num_train_timesteps");
    c = stable_diffusion("ddim");
    c.eta = 1.5;
    REQUIRE_STATUS(daub_program_record(&c, 5, arena, &p), DAUB_ERROR_INVALID_ARG, "eta is 1.5");
    c.eta = NAN;
    REQUIRE_STATUS(daub_program_record(&c, 5, arena, &p), DAUB_ERROR_INVALID_ARG, "eta");
    c = stable_diffusion("ddim");
    c.rescale_betas_zero_snr = true; // pure noise says nothing about x0 to a network that predicts noise
    c.timestep_spacing = DAUB_SPACING_TRAILING;
    REQUIRE_STATUS(daub_program_record(&c, 5, arena, &p), DAUB_ERROR_INVALID_ARG, "division by zero");
    c.thresholding = true;
    c.dynamic_thresholding_ratio = 1.5;
    REQUIRE_STATUS(daub_program_record(&c, 5, arena, &p), DAUB_ERROR_INVALID_ARG, "dynamic_thresholding_ratio");
    c = stable_diffusion("dpmpp_2m");
    c.algorithm_type = DAUB_ALGORITHM_DPMSOLVER;
    REQUIRE_STATUS(daub_program_record(&c, 5, arena, &p), DAUB_ERROR_INVALID_ARG, "sigma_min");
    c.final_sigma_min = true;
    c.algorithm_type = DAUB_ALGORITHM_SDE_DPMSOLVER;
    c.solver_order = 3;
    REQUIRE_STATUS(daub_program_record(&c, 20, arena, &p), DAUB_ERROR_UNSUPPORTED, "order 3");
    c.solver_order = 4;
    REQUIRE_STATUS(daub_program_record(&c, 20, arena, &p), DAUB_ERROR_UNSUPPORTED, "solver_order is 4");
    c = stable_diffusion("plms");
    REQUIRE_STATUS(daub_program_record(&c, 3, arena, &p), DAUB_ERROR_INVALID_ARG, "4 or more");
    c.prediction_type = DAUB_PREDICTION_SAMPLE;
    REQUIRE_STATUS(daub_program_record(&c, 10, arena, &p), DAUB_ERROR_UNSUPPORTED, "sample");
    c = stable_diffusion("plms");
    c.skip_prk_steps = true;
    c.timestep_spacing = DAUB_SPACING_TRAILING;
    c.rescale_betas_zero_snr = true; // which its class does not have: ignored
    struct daub_program q;
    REQUIRE_OK(daub_program_record(&c, 10, arena, &q));
    check_program(&q, 10, 1000);
    c = stable_diffusion("lcm");
    REQUIRE_STATUS(daub_program_record(&c, 51, arena, &p), DAUB_ERROR_INVALID_ARG, "51 steps are too many for LCM");
    REQUIRE(p.n_ops == 77); // untouched
    daub_arena_destroy(&arena);
}

// ---- failing memory ------------------------------------------------------------------------------------------------

struct failing {
    uint32_t left; // allocations that still succeed
};

static void *failing_alloc(void *user, size_t size)
{
    struct failing *f = user;
    if (f->left == 0)
        return NULL;
    f->left--;
    return malloc(size);
}

static void failing_free(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

static void test_no_memory(void)
{
    static const char *const names[] = { "dpmpp_2m_sde", "heun", "ddpm", "lcm", "plms" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint32_t n_failed = 0;
        for (uint32_t n = 0;; n++) {
            struct failing f = { n };
            const struct daub_host host = { .allocator = { failing_alloc, failing_free, &f } };
            struct daub_arena *arena = daub_arena_create(&host);
            if (!arena)
                continue;
            struct daub_sampler_config c = stable_diffusion(names[i]);
            struct daub_program p;
            c.original_inference_steps = 1000; // long enough that tables grow
            const daub_status status = daub_program_record(&c, 700, arena, &p);
            char *text = status == DAUB_OK ? daub_program_print(&host, &p) : NULL;
            const bool done = text != NULL;
            daub_free(&host, text);
            daub_arena_destroy(&arena);
            if (done)
                break;
            REQUIRE(status == DAUB_OK || status == DAUB_ERROR_NO_HOST_MEMORY);
            n_failed++;
        }
        REQUIRE(n_failed > 3);
    }
}

int main(void)
{
    test_by_hand();
    test_random();
    test_all_steps();
    test_refusals();
    test_no_memory();
    test_listing();
    return 0;
}

// test_program_given.c - programs that begin with a picture, in the middle of their steps, or keep what a mask leaves out.
// link: base sample
#include "harness_program.h"
#include "tests/test.h"

static struct daub_sampler_config config_of(const char *sampler_name)
{
    struct daub_sampler_config c = stable_diffusion(sampler_name);
    c.skip_prk_steps = true;
    c.clip_sample = false;
    return c;
}

// The noise-to-signal ratio at a time step, linear between whole ones.
static double ratio_at(const double *alphas_cumprod, double t)
{
    const uint32_t low = (uint32_t)t, high = low + 1 < 1000 ? low + 1 : low;
    const double a = sqrt(1.0 / alphas_cumprod[low] - 1.0), b = sqrt(1.0 / alphas_cumprod[high] - 1.0);
    return a + (b - a) * (t - low);
}

enum { N = 3 }; // values of a state

struct watch {
    const double *alphas_cumprod;
    bool kept; // all is kept: every call reads what is given at its level, not only the first
    uint32_t calls;
};

// Value 0 is given as 1 without noise, value 1 as 0 with noise 1: so a call that reads them reads its level's alpha and sigma.
static void model(void *user, uint32_t call, double timestep, const float *in, float *out, size_t n)
{
    struct watch *w = user;
    const double alpha = (double)in[0], sigma = (double)in[1];
    if (call == 0 || w->kept) {
        REQUIRE_NEAR(alpha * alpha + sigma * sigma, 1.0, 1e-5);
        REQUIRE_NEAR(sigma / alpha / ratio_at(w->alphas_cumprod, timestep), 1.0, 0.02);
    }
    w->calls++;
    for (size_t i = 0; i < n; i++)
        out[i] = 0.5f * tanhf(in[i]) + 0.1f * (float)i;
}

static void run(const struct daub_program *p, float mask, struct watch *w, float result[N])
{
    static const float init[N] = { 1.0f, 0.0f, -0.7f }, noise[N] = { 0.0f, 1.0f, 0.4f };
    float *rows = calloc(((size_t)p->n_noises + 2) * N, sizeof(*rows));
    REQUIRE(rows);
    memcpy(rows, noise, sizeof(noise)); // the other draws are zero
    memcpy(rows + p->n_noises * N, init, sizeof(init));
    rows[(p->n_noises + 1) * N + 0] = mask;
    rows[(p->n_noises + 1) * N + 1] = mask;
    rows[(p->n_noises + 1) * N + 2] = 1.0f; // always painted
    w->calls = 0;
    program_interpret(&(struct program_run) { .program = p, .n = N, .noise = rows, .model = model, .user = w }, result);
    REQUIRE(w->calls == p->n_calls);
    free(rows);
}

static void check(const struct daub_sampler_config *c, uint32_t n_steps, uint32_t first, const double *alphas_cumprod)
{
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_program plain, masked, whole;
    struct watch w = { .alphas_cumprod = alphas_cumprod };
    float want[N], got[N];
    REQUIRE(arena);
    const struct daub_program_start init = { .first = first, .init = true };
    const struct daub_program_start mask = { .first = first, .init = true, .mask = true };
    REQUIRE_OK(daub_program_record(c, n_steps, arena, &whole));
    REQUIRE_OK(daub_program_record_from(c, n_steps, &init, arena, &plain));
    REQUIRE_OK(daub_program_record_from(c, n_steps, &mask, arena, &masked));
    REQUIRE(whole.n_given == 0 && plain.n_given == 1 && masked.n_given == 2);
    REQUIRE(plain.n_steps == n_steps - first && masked.n_steps == plain.n_steps && plain.n_calls == masked.n_calls);
    REQUIRE(masked.n_ops == plain.n_ops + plain.n_calls && plain.n_noises <= whole.n_noises);

    run(&plain, 1.0f, &w, want);
    run(&masked, 1.0f, &w, got);
    REQUIRE(memcmp(got, want, sizeof(got)) == 0); // a mask of all changes nothing
    w.kept = true;
    run(&masked, 0.0f, &w, got);
    REQUIRE(got[0] == 1.0f && got[1] == 0.0f &&
            got[2] == want[2]); // what is kept is what was given, the rest as before
    daub_arena_destroy(&arena);
}

static void test_every_sampler(void)
{
    static const uint32_t steps[] = { 1, 2, 7, 20 };
    static double alphas_cumprod[1000];
    struct daub_sampler_config c = config_of("euler");
    REQUIRE_OK(daub_alphas_cumprod(&c, alphas_cumprod));
    for (uint32_t i = 0; i < daub_n_samplers; i++) {
        c = config_of(daub_samplers[i]->name);
        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++)
            for (uint32_t first = 0; first < steps[k]; first++)
                check(&c, steps[k], first, alphas_cumprod);
    }
}

// Strength 1 with a mask: noise alone at the beginning, and the picture after each call.
static void test_from_noise(void)
{
    struct daub_arena *arena = daub_arena_create(NULL);
    const struct daub_sampler_config c = config_of("euler");
    struct daub_program p;
    REQUIRE(arena);
    REQUIRE_OK(daub_program_record_from(&c, 2, &(struct daub_program_start) { .mask = true }, arena, &p));
    char *text = daub_program_print(NULL, &p);
    REQUIRE_TEXT(text, "2 steps, 2 calls, 5 ops, 2 vecs, 1 noises\n"
                       "  v1 = 14.6146 n0\n"
                       "call 0: model(0.0682649 v1, t 999)\n"
                       "  v1 = 1 v1 + -14.5855 out\n"
                       "  v1 outside the mask = 1 init + 0.0291675 n0\n"
                       "  step 0 v1\n"
                       "call 1: model(0.999575 v1, t 0)\n"
                       "  v1 = 1 v1 + -0.0291675 out\n"
                       "  v1 outside the mask = 1 init\n"
                       "  step 1 v1\n"
                       "result v1\n");
    daub_free(NULL, text);
    daub_arena_destroy(&arena);
}

static void test_refusals(void)
{
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_sampler_config c = config_of("plms");
    struct daub_program p = { .n_ops = 77 };
    REQUIRE(arena);
    const struct daub_program_start late = { .first = 5, .init = true };
    REQUIRE_STATUS(daub_program_record_from(&c, 5, &late, arena, &p), DAUB_ERROR_INVALID_ARG,
                   "cannot begin with step 5");
    c.skip_prk_steps = false;
    REQUIRE_STATUS(daub_program_record_from(&c, 20, &late, arena, &p), DAUB_ERROR_UNSUPPORTED, "strength 1");
    c = config_of("dpmpp_2m");
    c.timestep_spacing = DAUB_SPACING_TRAILING;
    c.lambda_min_clipped = 0.0; // cuts the noisier half of the steps off
    const struct daub_program_start last = { .first = 19, .init = true };
    REQUIRE_STATUS(daub_program_record_from(&c, 20, &last, arena, &p), DAUB_ERROR_INVALID_ARG, "no step left");
    REQUIRE(p.n_ops == 77);
    daub_arena_destroy(&arena);
}

int main(void)
{
    test_every_sampler();
    test_from_noise();
    test_refusals();
    return 0;
}

// test_samplers.c - names, configs, and the known answers of sched_goldens/answers.json: every class, option and
// prediction. link: base sample
#include "harness_program.h"
#include "runtime/base/file.h"
#include "runtime/base/near.h"
#include "runtime/base/rng.h"
#include "tests/test.h"

#include <cjson/cJSON.h>

enum { STATE = 60, MAX_STATES = 64, MAX_DRAWS = 64 };

// ---- names ---------------------------------------------------------------------------------------------------------

static void find(const char *name, const char *want, const char *want_schedule)
{
    const struct daub_sampler_desc *sampler = NULL;
    const char *schedule = NULL;
    REQUIRE_OK(daub_sampler_find(name, &sampler, &schedule));
    REQUIRE_TEXT(sampler->name, want);
    if (want_schedule)
        REQUIRE_TEXT(schedule, want_schedule);
    else
        REQUIRE(!schedule);
}

static void test_names(void)
{
    for (uint32_t i = 0; i < daub_n_samplers; i++) {
        const struct daub_sampler_desc *s = daub_samplers[i];
        find(s->name, s->name, NULL);
        find(s->label, s->name, NULL);
        char aliases[512];
        snprintf(aliases, sizeof(aliases), "%s", s->aliases);
        for (char *alias = strtok(aliases, ","); alias; alias = strtok(NULL, ","))
            find(alias, s->name, NULL);
        REQUIRE(s->run && s->description && s->order >= 1);
    }
    find("EULER A", "euler_a", NULL);
    find("euler-ancestral", "euler_a", NULL);
    find("DPM++ 2M Karras", "dpmpp_2m", "karras");
    find("DPM++ 2M SDE Exponential", "dpmpp_2m_sde", "exponential");
    find("dpmpp_2m_k", "dpmpp_2m", "karras");
    find("dpm++ 2m", "dpmpp_2m", NULL);
    find("uni_pc", "unipc", NULL);

    const struct daub_sampler_desc *s = NULL;
    const char *schedule = NULL;
    REQUIRE_STATUS(daub_sampler_find("eular", &s, &schedule), DAUB_ERROR_INVALID_ARG, "did you mean euler");
    REQUIRE_STATUS(daub_sampler_find("dpmp_2m", &s, &schedule), DAUB_ERROR_INVALID_ARG, "dpmpp_2m");
    REQUIRE_STATUS(daub_sampler_find("xyzzyxyzzy", &s, &schedule), DAUB_ERROR_INVALID_ARG, "there are euler, ");
    REQUIRE_STATUS(daub_sampler_find("", &s, &schedule), DAUB_ERROR_INVALID_ARG, "unknown sampler");
    REQUIRE_STATUS(daub_sampler_find(" karras", &s, &schedule), DAUB_ERROR_INVALID_ARG, "unknown sampler");
    REQUIRE_STATUS(daub_sampler_find("DPM++ 2M Karras", &s, NULL), DAUB_ERROR_INVALID_ARG, "unknown sampler");
    REQUIRE(!s && !schedule);

    enum daub_sigma_spacing spacing;
    REQUIRE_OK(daub_sigma_spacing_find("Karras", &spacing));
    REQUIRE(spacing == DAUB_SIGMAS_KARRAS);
    REQUIRE_STATUS(daub_sigma_spacing_find("karas", &spacing), DAUB_ERROR_INVALID_ARG, "did you mean karras?");
    for (int i = DAUB_SIGMAS_DEFAULT; i <= DAUB_SIGMAS_LU; i++) {
        REQUIRE_OK(daub_sigma_spacing_find(daub_sigma_spacing_name((enum daub_sigma_spacing)i), &spacing));
        REQUIRE((int)spacing == i);
    }
}

static void test_near_names(void)
{
    static const char *const words[] = { "--steps", "--step-size", "--seed", "--sampler", "--size" };
    char buf[64], tiny[8];
    daub_near_names("--stpes", words, 5, buf, sizeof(buf));
    REQUIRE(strncmp(buf, "--steps", 7) == 0);
    daub_near_names("--stpes", words, 5, tiny, sizeof(tiny));
    REQUIRE_TEXT(tiny, "--steps");
    daub_near_names("nothing at all like it", words, 5, buf, sizeof(buf));
    REQUIRE_TEXT(buf, "");
    daub_near_names("", words, 5, buf, sizeof(buf));
    REQUIRE_TEXT(buf, "");
    char endless[4096];
    memset(endless, 'e', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = 0;
    daub_near_names(endless, words, 5, buf, sizeof(buf));
    REQUIRE_TEXT(buf, "");
}

// ---- configs -------------------------------------------------------------------------------------------------------

static daub_status parse(const char *text, const char *sampler_name, struct daub_arena *arena,
                         struct daub_sampler_config *out)
{
    const struct daub_sampler_desc *sampler = NULL;
    struct daub_json json;
    if (sampler_name)
        REQUIRE_OK(daub_sampler_find(sampler_name, &sampler, NULL));
    REQUIRE_OK(daub_json_parse(NULL, "scheduler_config.json", text, strlen(text), &json));
    const daub_status status = daub_sampler_config_parse(&json, sampler, arena, out);
    daub_json_free(&json);
    return status;
}

static void test_configs(void)
{
    struct daub_arena *arena = daub_arena_create(NULL);
    struct daub_sampler_config c;
    REQUIRE(arena);
    const char *sd15 =
        "{\"_class_name\":\"PNDMScheduler\",\"beta_start\":0.00085,\"beta_end\":0.012,\"beta_schedule\":"
        "\"scaled_linear\",\"skip_prk_steps\":true,\"set_alpha_to_one\":false,\"steps_offset\":1,"
        "\"trained_betas\":null,\"clip_sample\":true,\"rescale_betas_zero_snr\":true,\"unheard_of\":[1]}";
    REQUIRE_OK(parse(sd15, NULL, arena, &c));
    REQUIRE_TEXT(c.sampler->name, "plms");
    REQUIRE(c.skip_prk_steps && !c.set_alpha_to_one && c.steps_offset == 1 && !c.trained_betas);
    REQUIRE(c.beta_schedule == DAUB_BETA_SCALED_LINEAR && c.timestep_spacing == DAUB_SPACING_LEADING);
    REQUIRE(!c.clip_sample && !c.rescale_betas_zero_snr); // its class has neither

    // The same file for others: their own defaults for what it does not say, its values for what they have.
    REQUIRE_OK(parse(sd15, "dpmpp_2m", arena, &c));
    REQUIRE(c.timestep_spacing == DAUB_SPACING_LINSPACE && c.steps_offset == 1 && !c.clip_sample);
    REQUIRE(c.rescale_betas_zero_snr && c.solver_order == 2 && c.algorithm_type == DAUB_ALGORITHM_DPMSOLVERPP);
    REQUIRE_OK(parse(sd15, "ddim", arena, &c));
    REQUIRE(c.clip_sample && !c.set_alpha_to_one && c.rescale_betas_zero_snr);

    // A class's sampler follows its file; one asked for by name stays what it is.
    const char *sde = "{\"_class_name\":\"DPMSolverMultistepScheduler\",\"algorithm_type\":\"sde-dpmsolver++\","
                      "\"use_karras_sigmas\":true,\"lambda_min_clipped\":\"-inf\",\"solver_type\":\"bh2\"}";
    REQUIRE_OK(parse(sde, NULL, arena, &c));
    REQUIRE(c.algorithm_type == DAUB_ALGORITHM_SDE_DPMSOLVERPP && c.sigma_spacing == DAUB_SIGMAS_KARRAS);
    REQUIRE_TEXT(c.sampler->name, "dpmpp_2m_sde");
    REQUIRE(isinf(c.lambda_min_clipped) && c.solver_type == DAUB_SOLVER_MIDPOINT);
    REQUIRE_OK(parse("{\"algorithm_type\":\"dpmsolver++\"}", "dpmpp_2m_sde", arena, &c));
    REQUIRE(c.algorithm_type == DAUB_ALGORITHM_SDE_DPMSOLVERPP);
    REQUIRE_OK(parse("{\"use_karras_sigmas\":true}", "lcm", arena, &c));
    REQUIRE(c.sigma_spacing == DAUB_SIGMAS_DEFAULT);
    REQUIRE_OK(parse("{\"disable_corrector\":[0,2],\"solver_type\":\"midpoint\"}", "unipc", arena, &c));
    REQUIRE(c.n_disable_corrector == 2 && c.disable_corrector[1] == 2 && c.solver_type == DAUB_SOLVER_BH2);
    REQUIRE_OK(parse("{\"num_train_timesteps\":2,\"trained_betas\":[0.1,0.2]}", "ddpm", arena, &c));
    REQUIRE(c.trained_betas && c.trained_betas[1] == 0.2f);

    REQUIRE_STATUS(parse("{}", NULL, arena, &c), DAUB_ERROR_BAD_FILE, "_class_name");
    REQUIRE_STATUS(parse("{\"_class_name\":\"FlowMatchEulerDiscreteScheduler\"}", NULL, arena, &c),
                   DAUB_ERROR_UNSUPPORTED, "FlowMatchEulerDiscreteScheduler");
    static const struct {
        const char *sampler, *text, *part;
        daub_status status;
    } bad[] = {
        { "euler", "{\"beta_schedule\":\"sigmoid\"}", "scaled_linear", DAUB_ERROR_UNSUPPORTED },
        { "euler", "{\"prediction_type\":\"flow_prediction\"}", "v_prediction", DAUB_ERROR_UNSUPPORTED },
        { "euler", "{\"timestep_spacing\":\"even\"}", "leading, trailing, linspace", DAUB_ERROR_UNSUPPORTED },
        { "euler", "{\"beta_start\":\"small\"}", "beta_start", DAUB_ERROR_BAD_FILE },
        { "euler", "{\"use_karras_sigmas\":true,\"use_beta_sigmas\":true}", "exclude", DAUB_ERROR_BAD_FILE },
        { "ddpm", "{\"num_train_timesteps\":0}", "num_train_timesteps", DAUB_ERROR_BAD_FILE },
        { "ddpm", "{\"num_train_timesteps\":1000000}", "1..4096", DAUB_ERROR_BAD_FILE },
        { "ddpm", "{\"trained_betas\":[0.1]}", "list of 1000", DAUB_ERROR_BAD_FILE },
        { "ddpm", "{\"num_train_timesteps\":1,\"trained_betas\":[\"a\"]}", "trained_betas[0]", DAUB_ERROR_BAD_FILE },
        { "ddpm", "{\"variance_type\":\"learned_range\"}", "learned_range", DAUB_ERROR_UNSUPPORTED },
        { "dpmpp_2m", "{\"variance_type\":\"learned\"}", "learned", DAUB_ERROR_UNSUPPORTED },
        { "dpmpp_2m", "{\"solver_order\":4}", "solver_order", DAUB_ERROR_BAD_FILE },
        { "dpmpp_2m", "{\"use_flow_sigmas\":true}", "use_flow_sigmas", DAUB_ERROR_UNSUPPORTED },
        { "unipc", "{\"solver_p\":{}}", "solver_p", DAUB_ERROR_UNSUPPORTED },
        { "lcm", "{\"original_inference_steps\":2000}", "original_inference_steps", DAUB_ERROR_BAD_FILE },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        REQUIRE_STATUS(parse(bad[i].text, bad[i].sampler, arena, &c), bad[i].status, bad[i].part);
    daub_arena_destroy(&arena);
}

// ---- known answers -------------------------------------------------------------------------------------------------

struct run {
    const char *name;
    struct toy toy;
    const cJSON *want;
};

static void model(void *user, uint32_t call, double timestep, const float *in, float *out, size_t n)
{
    (void)call;
    toy_model(&((struct run *)user)->toy, timestep, in, out, n);
}

static void state(void *user, uint32_t call, const float *x, size_t n)
{
    const struct run *run = user;
    const cJSON *want = cJSON_GetArrayItem(run->want, call == UINT32_MAX ? 0 : (int)call + 1);
    double product = 0.0, square = 0.0;
    for (size_t i = 0; i < n; i++) {
        product += (double)x[i] * cos((double)i + 1.0);
        square += (double)x[i] * (double)x[i];
    }
    const double want_product = cJSON_GetArrayItem(want, 0)->valuedouble;
    const double want_length = cJSON_GetArrayItem(want, 1)->valuedouble;
    const double limit = 3e-5 * want_length;
    if (!(fabs(product - want_product) <= limit && fabs(sqrt(square) - want_length) <= limit))
        TEST_FAIL("%s, after call %d: product %.7g and length %.7g, wanted %.7g and %.7g", run->name, (int)call,
                  product, sqrt(square), want_product, want_length);
}

static double number(const cJSON *object, const char *key, double otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return item ? item->valuedouble : otherwise;
}

static void known_answer(const cJSON *item)
{
    char *name = cJSON_GetObjectItemCaseSensitive(item, "case")->valuestring;
    const char *class_name = cJSON_GetObjectItemCaseSensitive(item, "class")->valuestring;
    const cJSON *args = cJSON_GetObjectItemCaseSensitive(item, "step_args");
    const cJSON *timesteps = cJSON_GetObjectItemCaseSensitive(item, "timesteps");
    const uint64_t seed = (uint64_t)number(item, "seed", 0.0);
    const struct daub_json json = { .root = cJSON_GetObjectItemCaseSensitive(item, "config"), .name = name };
    const struct daub_sampler_desc *sampler;
    struct daub_sampler_config c;
    struct daub_program program;
    struct daub_arena *arena = daub_arena_create(NULL);
    REQUIRE(arena);
    REQUIRE_OK(daub_sampler_find(class_name, &sampler, NULL));
    REQUIRE_OK(daub_sampler_config_parse(&json, sampler, arena, &c));
    c.eta = number(args, "eta", c.eta);
    c.s_churn = number(args, "s_churn", c.s_churn);
    c.s_tmin = number(args, "s_tmin", c.s_tmin);
    c.s_tmax = number(args, "s_tmax", c.s_tmax);
    c.s_noise = number(args, "s_noise", c.s_noise);
    REQUIRE_OK(daub_program_record(&c, (uint32_t)number(item, "steps", 0.0), arena, &program));

    if ((int)program.n_calls != cJSON_GetArraySize(timesteps))
        TEST_FAIL("%s: %u calls, wanted %d", name, program.n_calls, cJSON_GetArraySize(timesteps));
    for (uint32_t i = 0; i < program.n_calls; i++)
        REQUIRE_NEAR(program.timesteps[i], cJSON_GetArrayItem(timesteps, (int)i)->valuedouble, 1e-3);

    static float noise[MAX_DRAWS * STATE];
    float result[STATE];
    struct daub_rng rng;
    REQUIRE(program.n_noises <= MAX_DRAWS);
    for (uint32_t i = 0; i < program.n_noises; i++) {
        if (i < 2)
            daub_rng_seed(&rng, DAUB_RNG_KIND_TORCH_CPU, seed + i);
        daub_rng_randn(&rng, noise + i * STATE, STATE);
    }
    struct run run = { name, { c.prediction_type, 15 }, cJSON_GetObjectItemCaseSensitive(item, "x") };
    program_interpret(
        &(struct program_run) {
            .program = &program, .n = STATE, .noise = noise, .model = model, .user = &run, .state = state },
        result);
    daub_arena_destroy(&arena);
}

int main(void)
{
    test_names();
    test_near_names();
    test_configs();

    struct daub_json answers;
    REQUIRE_OK(daub_json_load(NULL, DAUB_SOURCE_DIR "/tests/unit/sched_goldens/answers.json", &answers));
    const cJSON *item;
    cJSON_ArrayForEach(item, answers.root)
    {
        known_answer(item);
    }
    printf("%d trajectories\n", cJSON_GetArraySize(answers.root));
    REQUIRE(cJSON_GetArraySize(answers.root) > 100);
    daub_json_free(&answers);
    return 0;
}

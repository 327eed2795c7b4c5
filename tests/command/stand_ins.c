// stand_ins.c - what harness.h promises of the library: each function notes what it is asked, and answers with values of its own.
#include "tests/command/asked.h"

#include <signal.h>

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wmissing-prototypes" // the linker calls them
#endif

struct answers answers;

// ---- devices and models ----------------------------------------------------------------------------------------------

static int something; // what opaque pointers lead to
static daub_generate_params drawn;
static char vae[64]; // of the model that is loaded

daub_status __wrap_daub_device_create(const daub_device_params *params, daub_device **out)
{
    ask_device("open", params);
    if (params->log_level >= DAUB_LOG_INFO)
        params->log(params->log_user, DAUB_LOG_INFO, "something is done");
    *out = (daub_device *)(void *)&something;
    return DAUB_OK;
}

daub_status __wrap_daub_device_destroy(daub_device **dev)
{
    *dev = NULL;
    return DAUB_OK;
}

daub_status __wrap_daub_device_list(const daub_device_params *params, daub_device_info *info, uint32_t capacity,
                                    uint32_t *count)
{
    ask_device("list", params);
    *count = 2;
    if (capacity >= 2) {
        info[0] = (daub_device_info) { .struct_size = sizeof(*info),
                                       .name = "Painter",
                                       .driver = "brush 1.0",
                                       .kind = DAUB_DEVICE_DISCRETE,
                                       .api_version = 1u << 22 | 3u << 12,
                                       .memory = 8100000000,
                                       .usable = true,
                                       .chosen = true,
                                       .reason = "it paints" };
        info[1] = (daub_device_info) { .struct_size = sizeof(*info),
                                       .index = 1,
                                       .name = "Pencil",
                                       .driver = "lead 2B",
                                       .kind = DAUB_DEVICE_CPU,
                                       .api_version = 1u << 22,
                                       .memory = 1200000000,
                                       .reason = "it is \"slow\"" };
    }
    return DAUB_OK;
}

daub_status __wrap_daub_tools_caps_text(daub_device *dev, char **out)
{
    (void)dev;
    return daub_tools_inspect_text(NULL, NULL, out);
}

daub_status __wrap_daub_model_load(daub_device *dev, const char *path, const daub_model_params *params,
                                   daub_model **out)
{
    (void)dev;
    ask_model("load", path, params);
    snprintf(vae, sizeof(vae), "%s", params->vae ? params->vae : "");
    *out = (daub_model *)(void *)&something;
    return DAUB_OK;
}

daub_status __wrap_daub_model_destroy(daub_model **model)
{
    *model = NULL;
    return DAUB_OK;
}

static const daub_model_info paint = { .struct_size = sizeof(paint),
                                       .family = "sd9",
                                       .text = true,
                                       .width = 24,
                                       .height = 16,
                                       .size_multiple = 8,
                                       .latent_channels = 4,
                                       .latent_scale = 8,
                                       .text_width = 7,
                                       .n_steps = 21,
                                       .guidance_scale = 6.5f,
                                       .sampler = "heun",
                                       .schedule = "beta",
                                       .max_tokens = 75,
                                       .n_parameters = 123,
                                       .path = "folder/paint",
                                       .evidence = "it \"says\" so" };

daub_status __wrap_daub_model_get_info(const daub_model *model, daub_model_info *out)
{
    (void)model;
    *out = paint;
    out->linear_preview = !answers.no_preview_map;
    memcpy(out->vae, vae, sizeof(vae));
    return DAUB_OK;
}

daub_status __wrap_daub_model_inspect(const char *path, const daub_model_params *params, daub_model_info *out)
{
    ask_model("inspect", path, params);
    *out = paint;
    snprintf(out->vae, sizeof(out->vae), "%s", params->vae ? params->vae : "");
    return DAUB_OK;
}

daub_status __wrap_daub_tools_inspect_text(const char *path, const daub_model_params *params, char **out)
{
    if (params)
        ask_model("inspect", path, params);
    *out = calloc(1, 16);
    REQUIRE(*out);
    memcpy(*out, "as text\n", 8);
    return DAUB_OK;
}

daub_status __real_daub_style_apply(const daub_model *model, const char *style, daub_generate_params *params);
daub_status __wrap_daub_style_apply(const daub_model *model, const char *style, daub_generate_params *params)
{
    if (!model)
        return __real_daub_style_apply(NULL, style, params); // looks for the name
    ask("style '%s'\n", style);
    if (params->guidance_scale == 0.0f)
        params->guidance_scale = 12.5f;
    if (params->guidance_rescale == 0.0f)
        params->guidance_rescale = 0.625f;
    return DAUB_OK;
}

daub_status __wrap_daub_tools_model_hash(const char *path, char out[11])
{
    (void)path;
    memcpy(out, "0123456789", 11);
    return DAUB_OK;
}

daub_status __wrap_daub_tools_parts_hash(const char *path, char out[11])
{
    (void)path;
    out[0] = '\0'; // as of a single file
    return DAUB_OK;
}

daub_status __wrap_daub_tools_vae_hash(const char *path, char out[11])
{
    (void)path;
    memcpy(out, "abcdef9876", 11);
    return DAUB_OK;
}

daub_status __wrap_daub_parameters_find_model(const daub_parameters *p, char *path, size_t capacity, bool *found)
{
    *found = answers.found;
    snprintf(path, capacity, "found/%s", p->model ? p->model : "");
    return DAUB_OK;
}

daub_status __wrap_daub_parameters_find_vae(const daub_parameters *p, char *path, size_t capacity, bool *found)
{
    *found = answers.found;
    snprintf(path, capacity, "found/%s", p->vae ? p->vae : "");
    return DAUB_OK;
}

// ---- pictures --------------------------------------------------------------------------------------------------------

static uint32_t width_of(const daub_generate_params *p)
{
    return p->width ? p->width : p->init ? p->init->width : paint.width;
}

static uint32_t height_of(const daub_generate_params *p)
{
    return p->height ? p->height : p->init ? p->init->height : paint.height;
}

daub_status __wrap_daub_estimate(daub_model *model, const daub_generate_params *params, daub_memory_estimate *out)
{
    (void)model;
    ask_params("estimate", params);
    *out = (daub_memory_estimate) { .struct_size = sizeof(*out),
                                    .mode = params->memory,
                                    .width = width_of(params),
                                    .height = height_of(params),
                                    .text = { 1000000, 2000000, 3000000, 4000000, 5000000 },
                                    .denoise = { 11000000, 12000000, 13000000, 14000000, 15000000 },
                                    .decode = { 21000000, 22000000, 23000000, 24000000, 25000000 },
                                    .peak = 31000000,
                                    .host = 32000000,
                                    .limit = answers.unfit ? 30000000 : 33000000,
                                    .bands = 34,
                                    .fits = !answers.unfit };
    if (params->init)
        out->encode = (daub_phase_memory) { 41000000, 42000000, 43000000, 44000000, 45000000 };
    return DAUB_OK;
}

daub_status __wrap_daub_job_submit(daub_model *model, const daub_generate_params *params, daub_job **out)
{
    (void)model;
    ask_params("draw", params);
    drawn = *params;
    *out = (daub_job *)(void *)&something;
    return DAUB_OK;
}

static uint32_t steps_of(const daub_generate_params *p)
{
    return p->n_steps ? p->n_steps : 2;
}

// One latent of 4 x 1 x 1, which is sigma long where the sampler keeps it so.
static const double noise_level = 3.0;
static uint32_t at_step;

daub_status __wrap_daub_step_get_info(const daub_step *step, daub_step_info *out)
{
    (void)step;
    *out = (daub_step_info) { .struct_size = sizeof(*out),
                              .step = at_step,
                              .n_steps = steps_of(&drawn),
                              .timestep = 999,
                              .channels = 4,
                              .height = 1,
                              .width = 1,
                              .noise_level = noise_level,
                              .scaled = drawn.sampler && strcmp(drawn.sampler, "ddim") == 0 };
    return DAUB_OK;
}

daub_status __wrap_daub_step_read(daub_step *step, float *out)
{
    (void)step;
    for (int i = 0; i < 4; i++)
        out[i] = (float)at_step;
    return DAUB_OK;
}

// A grey, 10 times the latent's first value.
daub_status __wrap_daub_decode_latents(daub_model *model, const daub_generate_params *params, const float *latents,
                                       daub_image *out)
{
    (void)model;
    const uint32_t scale = params->preview == DAUB_PREVIEW_LINEAR ? paint.latent_scale : 1;
    *out = (daub_image) { .width = width_of(params) / scale, .height = height_of(params) / scale, .channels = 3 };
    const size_t n = (size_t)out->width * out->height * 3;
    out->pixels = malloc(n);
    REQUIRE(out->pixels);
    memset(out->pixels, (int)lrint(10.0 * (double)latents[0]), n);
    return DAUB_OK;
}

static bool between_steps(uint32_t step, uint32_t n)
{
    static const uint8_t pixels[3] = { 1, 2, 3 };
    const daub_preview preview = {
        .struct_size = sizeof(preview), .step = step, .n_steps = n, .width = 1, .height = 1, .pixels = pixels
    };
    at_step = step;
    if (drawn.on_preview && (step == n || step % (drawn.preview_every ? drawn.preview_every : 1) == 0))
        drawn.on_preview(drawn.user, &preview);
    return !drawn.on_step || drawn.on_step(drawn.user, (daub_step *)(void *)&something);
}

static daub_status work(void)
{
    static const daub_phase phases[] = { DAUB_PHASE_PREPARE, DAUB_PHASE_TEXT, DAUB_PHASE_DENOISE, DAUB_PHASE_DECODE,
                                         DAUB_PHASE_DONE };
    const uint32_t n = steps_of(&drawn);
    for (int i = 0; i < 5; i++)
        for (uint32_t step = 0; step <= (phases[i] == DAUB_PHASE_DENOISE ? n : 0); step++) {
            const daub_progress p = { .struct_size = sizeof(p),
                                      .phase = phases[i],
                                      .n_steps = n,
                                      .step = phases[i] > DAUB_PHASE_DENOISE ? n : step,
                                      .seconds = 1.25 };
            if (answers.interrupts && step == 1)
                raise(SIGINT);
            if ((drawn.on_progress && !drawn.on_progress(drawn.user, &p)) ||
                (phases[i] == DAUB_PHASE_DENOISE && step > 0 && !between_steps(step, n)))
                return DAUB_ERROR_CANCELLED;
        }
    return answers.drawn;
}

daub_status __wrap_daub_job_wait(daub_job *job, uint64_t timeout_ns, bool *done)
{
    (void)job;
    (void)timeout_ns;
    *done = true;
    return work();
}

daub_status __wrap_daub_job_get_result(const daub_job *job, daub_result *out)
{
    (void)job;
    const daub_generate_params *p = &drawn;
    *out = (daub_result) { .struct_size = sizeof(*out),
                           .width = width_of(p),
                           .height = height_of(p),
                           .n_steps = steps_of(p),
                           .clip_skip = p->clip_skip ? p->clip_skip : 1,
                           .guidance_scale = p->guidance_scale != 0.0f ? p->guidance_scale : 6.5f,
                           .guidance_rescale = p->guidance_rescale,
                           .guidance_start = p->guidance_start,
                           .guidance_end = p->guidance_end > 0.0 ? p->guidance_end : 1.0,
                           .seed = p->seed,
                           .rng = p->rng ? p->rng : DAUB_RNG_TORCH_CPU,
                           .emphasis = p->emphasis ? p->emphasis : DAUB_EMPHASIS_WEBUI,
                           .n_tokens = 51,
                           .n_tokens_cut = answers.n_cut,
                           .n_chunks = 52,
                           .n_negative_chunks = 53,
                           .prompt_cut = "the rest",
                           .strength = p->strength,
                           .masked = p->mask != NULL,
                           .vae_memory = answers.vae_memory,
                           .n_model_calls = 53,
                           .prepare_seconds = 0.125,
                           .text_seconds = 0.25,
                           .encode_seconds = 0.375,
                           .denoise_seconds = 0.5,
                           .decode_seconds = 0.625,
                           .first_step_seconds = 0.1,
                           .arena_size = 54000000,
                           .memory_peak = 55000000,
                           .weights_at_seconds = 1000,
                           .first_step_at_seconds = 2000 };
    snprintf(out->sampler, sizeof(out->sampler), "%s", p->sampler ? p->sampler : "heun");
    snprintf(out->schedule, sizeof(out->schedule), "%s", p->schedule ? p->schedule : "beta");
    return DAUB_OK;
}

daub_status __wrap_daub_job_take_image(daub_job *job, daub_image *out)
{
    (void)job;
    const size_t n = (size_t)width_of(&drawn) * height_of(&drawn) * 3;
    *out = (daub_image) { .width = width_of(&drawn), .height = height_of(&drawn), .channels = 3, .pixels = malloc(n) };
    REQUIRE(out->pixels);
    memset(out->pixels, (int)(drawn.seed & 127), n);
    return DAUB_OK;
}

void __wrap_daub_job_cancel(daub_job *job)
{
    (void)job;
}

void __wrap_daub_job_destroy(daub_job **job)
{
    *job = NULL;
}

daub_status __wrap_daub_encode_text(daub_model *model, const daub_generate_params *params, const char *path)
{
    (void)model;
    ask("to '%s' ", path);
    ask_params("encode", params);
    return DAUB_OK;
}

// ---- tools -----------------------------------------------------------------------------------------------------------

daub_status __wrap_daub_tools_bench(daub_model *model, const daub_generate_params *params, daub_tools_op_cost *rows,
                                    uint32_t capacity, uint32_t *count, daub_tools_load *load, daub_result *result)
{
    (void)model;
    (void)rows;
    ask("bench rows=%u ", capacity > 0);
    ask_params("", params);
    drawn = *params;
    *count = 0;
    *load = (daub_tools_load) { 0 };
    return __wrap_daub_job_get_result(NULL, result);
}

daub_status __wrap_daub_tools_kernel_rates(const daub_device_params *device, const daub_tools_rates_params *params)
{
    ask_device("rates", device);
    ask("rates precision=%d ops='%s' seconds=%g\n", (int)params->precision, params->ops ? params->ops : "",
        params->seconds);
    return DAUB_OK;
}

daub_status __wrap_daub_tools_selftest(const daub_device_params *device, const daub_tools_selftest_params *params,
                                       uint32_t *n_failed)
{
    ask_device("selftest", device);
    ask("selftest precision=%d ops='%s' thorough=%d list=%d\n", (int)params->precision, params->ops ? params->ops : "",
        params->thorough, params->list);
    daub_tools_check check = { .op = "blend",
                               .precision = DAUB_PRECISION_F16,
                               .n_cases = 3,
                               .error = 0.25,
                               .tolerance = 0.5,
                               .seconds = 1.5,
                               .kernels = "blend_a blend_b" };
    params->on_check(params->user, &check);
    check = (daub_tools_check) { .op = "smear",
                                 .words = "-lane",
                                 .precision = DAUB_PRECISION_F32,
                                 .n_cases = 1,
                                 .n_failed = answers.n_failed,
                                 .error = answers.n_failed ? (double)NAN : 0.125,
                                 .tolerance = 0.25,
                                 .seconds = 0.5,
                                 .kernels = "smear_c" };
    snprintf(check.sentence, sizeof(check.sentence), "%s", answers.n_failed ? "it \"smears\"" : "");
    params->on_check(params->user, &check);
    *n_failed = answers.n_failed > 0;
    return DAUB_OK;
}

daub_status __wrap_daub_tools_doctor(const daub_device_params *params, const char *weight_cache,
                                     daub_tools_finding *rows, uint32_t capacity, uint32_t *count)
{
    ask_device("doctor", params);
    ask("doctor cache='%s'\n", weight_cache ? weight_cache : "");
    REQUIRE(capacity >= 3);
    rows[0] = (daub_tools_finding) { "loader", DAUB_TOOLS_GOOD, "Vulkan 1.3", "" };
    rows[1] = (daub_tools_finding) { "cache", answers.ill, "a \"folder\"", "mkdir it" };
    rows[2] = (daub_tools_finding) { "layers", DAUB_TOOLS_NOTE, "none", "get some" };
    *count = 3;
    return DAUB_OK;
}

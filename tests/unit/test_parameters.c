// test_parameters.c - what pictures say of themselves: every key there and back, and other programs' texts.

#include "runtime/api/parameters.h"
#include "runtime/base/limits.h"
#include "tests/test.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static daub_parameters parsed(const char *text)
{
    daub_parameters p = { .struct_size = sizeof(p) };
    REQUIRE_OK(daub_parameters_parse(text, &p));
    return p;
}

static bool same(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static const daub_parameters full = {
    .struct_size = sizeof(full),
    .prompt = "a cat, \"big\": 1",
    .negative_prompt = "ugly",
    .sampler = "dpmpp_2m_sde",
    .schedule = "karras",
    .width = 512,
    .height = 768,
    .n_steps = 30,
    .clip_skip = 2,
    .guidance_scale = 7.1f,
    .guidance_rescale = 0.1f,
    .seed = UINT64_MAX,
    .has_seed = true,
    .rng = DAUB_RNG_CUDA,
    .emphasis = DAUB_EMPHASIS_OFF,
    .padding = DAUB_PADDING_EMPTY,
    .guidance_start = 0.1,
    .guidance_end = 2.0 / 3.0,
    .eta = 0.1,
    .strength = 1.0 / 3.0,
    .precision = DAUB_PRECISION_F32,
    .vae_rows = 12,
    .model = "v1-5, pruned",
    .model_hash = "6ce0161689",
    .parts_hash = "0badcafe01",
    .config = "configs, mine",
    .config_hash = "1234567890",
    .vae_memory = 1ull << 40,
    .vae = "vae-ft, mse.safetensors",
    .vae_hash = "735e4c3a44",
    .style = "vivid",
    .init = "pictures/in.png",
    .init_hash = "0123456789",
    .mask = "mask: 1.png",
    .mask_hash = "abcdef0123",
    .prompt_embeds = "\"e\".safetensors",
    .prompt_embeds_hash = "9876543210",
    .jpeg_quality = 40,
    .software = "daub 9.8.7",
};

// A field that is not written, or not read, is another value after there and back.
static void check_same(const daub_parameters *a, const daub_parameters *b)
{
    REQUIRE(same(a->prompt, b->prompt) && same(a->negative_prompt, b->negative_prompt));
    REQUIRE(same(a->sampler, b->sampler) && same(a->schedule, b->schedule));
    REQUIRE(a->width == b->width && a->height == b->height && a->n_steps == b->n_steps && a->clip_skip == b->clip_skip);
    REQUIRE(memcmp(&a->guidance_scale, &b->guidance_scale, sizeof(float)) == 0);
    REQUIRE(memcmp(&a->guidance_rescale, &b->guidance_rescale, sizeof(float)) == 0);
    REQUIRE(a->seed == b->seed && a->emphasis == b->emphasis && a->has_seed == b->has_seed && a->rng == b->rng);
    REQUIRE(memcmp(&a->eta, &b->eta, sizeof(double)) == 0 && memcmp(&a->strength, &b->strength, sizeof(double)) == 0);
    REQUIRE(memcmp(&a->guidance_start, &b->guidance_start, sizeof(double)) == 0 &&
            memcmp(&a->guidance_end, &b->guidance_end, sizeof(double)) == 0);
    REQUIRE(a->padding == b->padding && a->vae_memory == b->vae_memory && same(a->parts_hash, b->parts_hash));
    REQUIRE(same(a->config, b->config) && same(a->config_hash, b->config_hash));
    REQUIRE(same(a->vae, b->vae) && same(a->vae_hash, b->vae_hash) && same(a->style, b->style));
    REQUIRE(a->precision == b->precision && a->vae_rows == b->vae_rows && a->jpeg_quality == b->jpeg_quality);
    REQUIRE(same(a->model, b->model) && same(a->model_hash, b->model_hash) && same(a->software, b->software));
    REQUIRE(same(a->init, b->init) && same(a->init_hash, b->init_hash) && same(a->mask, b->mask));
    REQUIRE(same(a->mask_hash, b->mask_hash) && same(a->prompt_embeds, b->prompt_embeds));
    REQUIRE(same(a->prompt_embeds_hash, b->prompt_embeds_hash) && same(a->left_out, b->left_out));
}

static void round_trip(const daub_parameters *p)
{
    char *text = NULL;
    REQUIRE_OK(daub_parameters_write(p, &text));
    daub_parameters back = parsed(text);
    check_same(p, &back);
    daub_parameters_free(&back);
    REQUIRE(!back.owned && !back.prompt && back.struct_size == sizeof(back));
    daub_text_free(text);
}

// Every sampler with every schedule, by the names that other programs have for them.
static void test_names(void)
{
    for (uint32_t i = 0; i < daub_sampler_count(); i++)
        for (uint32_t k = 0; k < daub_schedule_count(); k++) {
            daub_sampler_info sampler = { .struct_size = sizeof(sampler) };
            daub_schedule_info schedule = { .struct_size = sizeof(schedule) };
            REQUIRE_OK(daub_sampler_get_info(i, &sampler));
            REQUIRE_OK(daub_schedule_get_info(k, &schedule));
            daub_parameters p = full;
            p.sampler = sampler.name;
            p.schedule = schedule.name;
            round_trip(&p);
        }
}

static void test_round_trip(void)
{
    round_trip(&full);
    daub_parameters p = full;
    p.prompt = "one\ntwo";
    p.negative_prompt = "a\nNegative prompt: b\nSteps: 1, Seed: 2, Size: 8x8";
    p.vae_rows = DAUB_VAE_WHOLE;
    p.precision = DAUB_PRECISION_DEFAULT;
    p.rng = DAUB_RNG_TORCH_CPU;
    p.model = "512x512"; // looks like a size
    p.seed = 0;
    round_trip(&p);
    p.prompt = "Negative prompt: x";
    p.negative_prompt = "";
    round_trip(&p);
    for (uint32_t i = 0; i < daub_n_parameters; i++) { // each key of the table is in the text
        char *text = NULL, key[64];
        p = full;
        if (strcmp(daub_parameter_table[i].key, "Pad conds v0") == 0) // one of two
            p.padding = DAUB_PADDING_LAST;
        REQUIRE_OK(daub_parameters_write(&p, &text));
        snprintf(key, sizeof(key), "%s: ", daub_parameter_table[i].key);
        REQUIRE(strstr(text, key));
        REQUIRE(strstr(text, ", CFG scale: 7.1, ") && strstr(text, ", Eta DDIM: 0.1, ")); // no digits that say nothing
        daub_text_free(text);
    }
    char *text = NULL;
    REQUIRE_OK(daub_parameters_write(&full, &text));
    REQUIRE_OK(daub_parameters_append(&text, "X Values", "a, \"b\"")); // a key of nobody's
    p = parsed(text);
    REQUIRE(same(p.left_out, "X Values a, \"b\"") && same(p.vae, full.vae));
    daub_parameters_free(&p);
    daub_text_free(text);
    text = NULL;
    REQUIRE_STATUS(daub_parameters_append(&text, "a", "b"), DAUB_ERROR_INVALID_ARG, "NULL");
    REQUIRE_STATUS(daub_parameters_write(daub_parameters(.prompt = "x", .n_steps = 1), &text), DAUB_ERROR_INVALID_ARG,
                   "three things");
    REQUIRE_STATUS(
        daub_parameters_write(
            daub_parameters(.prompt = "\xff", .n_steps = 1, .width = 8, .height = 8, .has_seed = true), &text),
        DAUB_ERROR_INVALID_ARG, "does not read back");
    REQUIRE(!text);
}

// Folders are nobody's business; what a name cannot hold is replaced.
static void test_paths(void)
{
    daub_parameters p = full;
    char *text = NULL;
    p.init = "/home/somebody/in.png";
    p.model = "/models/odd, \xff.safetensors";
    REQUIRE_OK(daub_parameters_write(&p, &text));
    REQUIRE(strstr(text, ", Init: in.png, ") && strstr(text, ", Model: \"odd, ?\", ") && !strstr(text, "somebody"));
    daub_text_free(text);
    p.model = "models/folder/";
    REQUIRE_OK(daub_parameters_write(&p, &text));
    REQUIRE(strstr(text, ", Model: folder, "));
    daub_text_free(text);
}

// A host's locale may write 7,1.
static void test_locale(void)
{
    static const char *const names[] = { "de_DE.UTF-8", "fr_FR.UTF-8", "de_DE" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (setlocale(LC_NUMERIC, names[i]))
            round_trip(&full);
    (void)setlocale(LC_NUMERIC, "C");
}

#define TAIL "\nSteps: 20, CFG scale: 7, Seed: 5, Size: 512x512, "
static const struct {
    const char *text, *prompt, *sampler, *schedule;
    daub_rng_source rng;
    double strength;
    const char *left_out;
} foreign[] = {
    { "a" TAIL "Sampler: Euler a", "a", "euler_a", NULL, DAUB_RNG_CUDA, 0, NULL },
    { "a" TAIL "Sampler: DPM++ 2M Karras, RNG: CPU", "a", "dpmpp_2m", "karras", DAUB_RNG_TORCH_CPU, 0, NULL },
    { "a" TAIL "Sampler: DPM++ 2M, Schedule type: Automatic", "a", "dpmpp_2m", "karras", DAUB_RNG_CUDA, 0, NULL },
    { "a" TAIL "Sampler: DPM++ 2M SDE, Schedule type: Automatic", "a", "dpmpp_2m_sde", "exponential", DAUB_RNG_CUDA, 0,
      NULL },
    { "a" TAIL "Sampler: DPM++ 2M, Schedule type: Automatic, Version: daub 0.1.0", "a", "dpmpp_2m", "default",
      DAUB_RNG_DEFAULT, 0, NULL },
    { "a" TAIL "Sampler: Euler, Schedule type: Uniform", "a", "euler", "default", DAUB_RNG_CUDA, 0, NULL },
    { "a" TAIL "Sampler: Euler, Schedule type: SGM Uniform", "a", "euler", NULL, DAUB_RNG_CUDA, 0,
      "Schedule type SGM Uniform" },
    { "a" TAIL "Sampler: Restart, ENSD: 31337, Eta: 1.0", "a", NULL, NULL, DAUB_RNG_CUDA, 0,
      "Sampler Restart, ENSD 31337" },
    { "a" TAIL "Sampler: Euler, Denoising strength: 0.7", "a", "euler", NULL, DAUB_RNG_CUDA, 0.7, NULL },
    { "a" TAIL "Sampler: Euler, Denoising strength: 0.7, Hires upscale: 2", "a", "euler", NULL, DAUB_RNG_CUDA, 0,
      "Hires upscale 2" },
    { "a <lora:x:0.8> b<hypernet:y:1> <c> <d:>" TAIL "Sampler: Euler, Lora hashes: \"x: 12\"", "a  b <c> <d:>", "euler",
      NULL, DAUB_RNG_CUDA, 0, "<lora:x:0.8>, <hypernet:y:1>, Lora hashes x: 12" },
    { "a <lora:x:0.8>" TAIL "Sampler: Euler, Version: daub 0.1.0, New thing: 1", "a <lora:x:0.8>", "euler", NULL,
      DAUB_RNG_DEFAULT, 0, "New thing 1" },
    { "a" TAIL "Sampler: Euler, Clip skip: 0, RNG: TPU, VAE: None, User: x", "a", "euler", NULL, DAUB_RNG_CUDA, 0,
      "Clip skip 0, RNG TPU" },
};

// Padding of prompts by A1111's two keys; its DDIM and PLMS before version 1.6 knew the second only.
static void test_padding(void)
{
    static const struct {
        const char *fields;
        daub_prompt_padding padding;
    } cases[] = {
        { "Sampler: DDIM", DAUB_PADDING_DEFAULT },
        { "Sampler: Euler, Pad conds: True, Version: v1.5.2", DAUB_PADDING_EMPTY },
        { "Sampler: Euler, Pad conds: False", DAUB_PADDING_DEFAULT },
        { "Sampler: Euler, Pad conds v0: True, Version: v1.10.1", DAUB_PADDING_LAST },
        { "Sampler: DDIM, Version: v1.5.2", DAUB_PADDING_LAST },
        { "Sampler: PLMS, Version: v0.9", DAUB_PADDING_LAST },
        { "Sampler: DDIM, Version: v1.6.0", DAUB_PADDING_DEFAULT },
        { "Sampler: Euler, Version: v1.5.2", DAUB_PADDING_DEFAULT },
        { "Sampler: DDIM, Version: daub 0.1.0", DAUB_PADDING_DEFAULT },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[128];
        snprintf(text, sizeof(text), "x\nSteps: 2, Seed: 1, Size: 8x8, %s", cases[i].fields);
        daub_parameters p = parsed(text);
        daub_generate_params params = { .struct_size = sizeof(params) };
        REQUIRE_OK(daub_parameters_apply(&p, &params));
        REQUIRE(p.padding == cases[i].padding && params.padding == cases[i].padding && !p.left_out);
        params.padding = DAUB_PADDING_OFF; // said otherwise
        REQUIRE_OK(daub_parameters_apply(&p, &params));
        REQUIRE(params.padding == DAUB_PADDING_OFF);
        daub_parameters_free(&p);
    }
}

static void test_foreign(void)
{
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        daub_parameters p = parsed(foreign[i].text);
        const bool ok = same(p.prompt, foreign[i].prompt) && same(p.sampler, foreign[i].sampler) &&
                        same(p.schedule, foreign[i].schedule) && p.rng == foreign[i].rng &&
                        memcmp(&p.strength, &foreign[i].strength, sizeof(double)) == 0 &&
                        same(p.left_out, foreign[i].left_out) && p.n_steps == 20 && p.seed == 5 && p.width == 512;
        if (!ok)
            fprintf(stderr, "%s\n  prompt %s, sampler %s, schedule %s, rng %d, strength %g, left out %s\n",
                    foreign[i].text, p.prompt, p.sampler ? p.sampler : "-", p.schedule ? p.schedule : "-", (int)p.rng,
                    p.strength, p.left_out ? p.left_out : "-");
        REQUIRE(ok);
        daub_parameters_free(&p);
    }
}

static void test_apply(void)
{
    daub_parameters p = parsed("a" TAIL "Sampler: Euler, Denoising strength: 0.5, Init: in.png, Version: daub 0.1.0");
    daub_generate_params params = { .struct_size = sizeof(params), .n_steps = 3 };
    uint8_t pixel[3] = { 0 };
    const daub_image init = { .width = 1, .height = 1, .channels = 3, .pixels = pixel };
    REQUIRE_STATUS(daub_parameters_apply(&p, &params), DAUB_ERROR_INVALID_ARG, "another one, in.png");
    REQUIRE(params.n_steps == 3 && !params.sampler); // untouched
    params.init = &init;
    REQUIRE_OK(daub_parameters_apply(&p, &params));
    REQUIRE(params.n_steps == 3 && params.seed == 5 && params.width == 0 && same(params.prompt, "a") &&
            same(params.sampler, "euler") && params.strength > 0.49 && params.strength < 0.51);
    daub_parameters_free(&p);
    p = parsed("\nSteps: 20, Seed: 1, Size: 64x72, Prompt embeds: e.st, Version: daub 0.1.0");
    params = (daub_generate_params) { .struct_size = sizeof(params), .height = 80 };
    REQUIRE_STATUS(daub_parameters_apply(&p, &params), DAUB_ERROR_INVALID_ARG, "e.st");
    params.prompt_embeds_path = "e.st";
    REQUIRE_OK(daub_parameters_apply(&p, &params));
    REQUIRE(!params.prompt && params.width == 64 && params.height == 80);
    daub_parameters_free(&p);
    p = parsed("a" TAIL "Sampler: DPM++ 2M, Schedule type: Karras, CFG interval: \"0.2:0.8\", Version: daub 0.1.0");
    static const struct {
        const char *sampler, *schedule, *wanted; // another sampler brings its own
        float guidance;
        double end;
    } over[] = {
        { NULL, NULL, "karras", 0.0f, 0.8 },
        { "dpmpp_2m", NULL, "karras", 3.0f, 0.8 },
        { "DPM++ 2M", NULL, "karras", 3.0f, 0.8 },
        { NULL, "beta", "beta", 1.0f, 0.0 }, // without guidance there is no interval
        { "ddim", NULL, NULL, 0.0f, 0.8 },
        { "dpmpp_2m exponential", NULL, NULL, 0.0f, 0.8 },
    };
    for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); i++) {
        params = (daub_generate_params) { .struct_size = sizeof(params),
                                          .sampler = over[i].sampler,
                                          .schedule = over[i].schedule,
                                          .guidance_scale = over[i].guidance };
        REQUIRE_OK(daub_parameters_apply(&p, &params));
        REQUIRE(params.schedule == over[i].wanted || (over[i].wanted && same(params.schedule, over[i].wanted)));
        REQUIRE(same(params.sampler, over[i].sampler ? over[i].sampler : "dpmpp_2m") &&
                fabs(params.guidance_end - over[i].end) < 1e-9);
    }
    daub_parameters_free(&p);
    daub_parameters_free(NULL);
}

// Numbers at the ends of their ranges are taken, those beyond are said to be left out.
static void test_ranges(void)
{
    daub_parameters p = parsed(
        "a\nSteps: 1000, Seed: 0, Size: 1x16384, CFG scale: 1, Clip skip: 64, VAE: Automatic, VAE rows: 16384");
    REQUIRE(p.n_steps == 1000 && p.width == 1 && p.height == 16384 && p.has_seed && p.seed == 0 && p.clip_skip == 64);
    REQUIRE(p.guidance_scale == 1.0f && p.vae_rows == 16384 && !p.vae && !p.left_out);
    daub_parameters_free(&p);
    p = parsed("a\nSteps: 1001, Seed: 18446744073709551616, Size: 0x16385, CFG scale: 0.5, Clip skip: 65, VAE rows: 0, "
               "CFG interval: \"0.5:0.5\"");
    REQUIRE(p.n_steps == 0 && p.width == 0 && !p.has_seed && p.clip_skip == 0 && p.vae_rows == 0 &&
            p.guidance_scale == 0.0f);
    REQUIRE_TEXT(
        p.left_out,
        "Steps 1001, CFG scale 0.5, Seed 18446744073709551616, Size 0x16385, Clip skip 65, CFG interval 0.5:0.5, "
        "VAE rows 0");
    daub_parameters_free(&p);
    p = parsed("a\nSteps: 1, Seed: 1, Size: 8x16385, Denoising strength: 1.5, Precision: f64, Emphasis: Big, JPEG "
               "quality: 101");
    REQUIRE(p.width == 0 && p.strength == 0.0 && p.jpeg_quality == 0);
    REQUIRE_TEXT(p.left_out, "Size 8x16385, Denoising strength 1.5, Emphasis Big, Precision f64, JPEG quality 101");
    daub_parameters_free(&p);
}

int main(void)
{
    test_round_trip();
    test_paths();
    test_locale();
    test_names();
    test_foreign();
    test_padding();
    test_apply();
    test_ranges();
    return 0;
}

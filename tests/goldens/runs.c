// runs.c - whole runs: text to image, and unconditional sampling, through the pipeline that daub_generate uses.
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
    struct golden *g;
    struct daub_engine *engine;
    struct daub_request *request;
    float *latents; // [n_calls][batch, C, h, w]
    size_t n_latent;
    float *noise; // one draw at a time
};

static const float *given_noise(void *user, uint32_t draw)
{
    struct run *run = user;
    char name[32];
    snprintf(name, sizeof(name), "noise.%u", draw);
    free(run->noise);
    run->noise = golden_tensor(run->g, name, NULL); // fails when we draw more often than the reference
    return run->noise;
}

static bool keep_latent(void *user, uint32_t call)
{
    struct run *run = user;
    const daub_vec state = run->request->program.calls[call].state;
    if (daub_denoiser_read(run->engine, state, run->latents + call * run->n_latent) != DAUB_OK)
        golden_failed_call(run->g, "reading a latent");
    return !run->g->failed;
}

// fp32 NCHW of -1..1 as the reference's [B,H,W,3] of 0..1.
static float *to_image(const float *x, uint32_t batch, uint32_t h, uint32_t w)
{
    const size_t pixels = (size_t)h * w;
    float *out = malloc(batch * pixels * 3 * sizeof(float));
    for (size_t i = 0; out && i < batch * pixels * 3; i++) {
        const size_t b = i / (3 * pixels), p = i / 3 % pixels, c = i % 3;
        const float v = x[(b * 3 + c) * pixels + p] / 2.0f + 0.5f;
        out[i] = v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v;
    }
    return out;
}

// Bytes may differ by 1 from the reference's in fp32; in fp16 they are held to the relative limit. They must always be the rounding
// of our own float picture.
static void compare_bytes(struct golden *g, const uint8_t *rgba, const float *image, size_t n_pixels)
{
    float *want = golden_tensor(g, "image_u8", NULL), *got = malloc(n_pixels * 3 * sizeof(float));
    bool near = true, rounded = true;
    for (size_t i = 0; want && got && i < n_pixels * 3; i++) {
        got[i] = (float)rgba[i / 3 * 4 + i % 3];
        near = near && fabsf(got[i] - want[i]) <= 1.0f;
        rounded = rounded && fabsf(got[i] - image[i] * 255.0f) <= 0.502f;
    }
    golden_check(g, rounded, "image_u8", "bytes are not the rounded picture");
    g->n_compared++;
    if (g->session->dtype == DAUB_F32)
        golden_check(g, near, "image_u8", "bytes differ by more than 1");
    else if (want && got && !(rel_l2(got, want, n_pixels * 3) <= g->tolerance))
        golden_fail(g, "image_u8 is off by %.3e", rel_l2(got, want, n_pixels * 3));
    free(want);
    free(got);
}

static void compare_latents(struct run *run)
{
    struct daub_st_tensor info;
    float *want = golden_tensor(run->g, "latents_steps", &info);
    if (!want)
        return;
    const uint32_t n_calls = run->request->program.n_calls;
    if (info.dims[0] != n_calls) {
        golden_fail(run->g, "%u model calls, the reference has %u", n_calls, (unsigned)info.dims[0]);
    } else {
        const uint32_t before = run->g->n_compared;
        for (uint32_t i = 0; i < n_calls; i++) {
            char name[48];
            snprintf(name, sizeof(name), "latents_steps[%u]", i);
            golden_compare_values(run->g, name, run->latents + i * run->n_latent, want + i * run->n_latent,
                                  run->n_latent);
        }
        run->g->n_compared = before + 1;
    }
    free(want);
}

static void compare_text(struct run *run, const float *states)
{
    struct golden *g = run->g;
    const uint32_t tokens = run->engine->max_tokens;
    struct daub_st_tensor info;
    if (golden_has(g, "text_states"))
        golden_compare(g, "text_states", states, 2 * (size_t)tokens * run->engine->desc.text.hidden_size);
    if (!golden_has(g, "input_ids"))
        return;
    float *want = golden_tensor(g, "input_ids", &info);
    uint32_t *ids = malloc(2 * (size_t)tokens * sizeof(uint32_t));
    const char *negative = param_text(g, "negative_prompt"), *prompt = param_text(g, "prompt");
    bool same = want && ids && info.dims[0] == 2 && info.dims[1] == tokens &&
                daub_tokenize_padded(run->engine->tokenizer, negative ? negative : "", tokens, ids, NULL, NULL, NULL) ==
                    DAUB_OK &&
                daub_tokenize_padded(run->engine->tokenizer, prompt, tokens, ids + tokens, NULL, NULL, NULL) == DAUB_OK;
    for (size_t i = 0; same && i < 2 * (size_t)tokens; i++)
        same = (float)ids[i] == want[i];
    golden_check(g, same, "input_ids", "other tokens");
    g->n_compared++;
    free(want);
    free(ids);
}

static void run_request(struct run *run)
{
    struct golden *g = run->g;
    struct daub_request *r = run->request;
    const uint32_t scale = daub_latent_scale(&run->engine->desc);
    const size_t pixels = (size_t)r->batch * r->width * r->height;
    run->n_latent = (size_t)r->batch * run->engine->desc.unet.out_channels * (r->width / scale) * (r->height / scale);
    run->latents = malloc(run->n_latent * r->program.n_calls * sizeof(float));
    uint8_t *rgba = malloc(pixels * 4);
    float *image = malloc(pixels * 3 * sizeof(float));
    const size_t tokens = r->prompts.n_chunks + r->prompts.n_negative_chunks;
    float *states = run->engine->desc.has_text
                        ? malloc(tokens * run->engine->max_tokens * run->engine->desc.text.hidden_size * sizeof(float))
                        : NULL;
    const struct daub_run_hooks hooks = {
        .on_call = keep_latent,
        .noise = given_noise,
        .image = image,
        .text_states = states,
        .user = run,
    };
    daub_result result;
    if (!run->latents || !rgba || !image) {
        golden_fail(g, "no memory");
    } else if (daub_run(run->engine, r, &hooks, rgba, &result) != DAUB_OK) {
        golden_failed_call(g, "the run");
    } else {
        if (result.arena_size > g->session->largest_arena)
            g->session->largest_arena = result.arena_size;
        float *nhwc = to_image(image, r->batch, r->height, r->width);
        if (states)
            compare_text(run, states);
        if (golden_has(g, "latents_steps"))
            compare_latents(run);
        if (nhwc) {
            golden_compare(g, "image", nhwc, pixels * 3);
            compare_bytes(g, rgba, nhwc, pixels);
        }
        free(nhwc);
    }
    free(run->latents);
    free(run->noise);
    free(rgba);
    free(image);
    free(states);
}

// The reference's own scheduler configuration in place of the model's.
static bool use_scheduler(struct golden *g, struct daub_request *r)
{
    struct daub_sampler_config config;
    if (!parse_sampler(g, param_text(g, "scheduler"), cJSON_GetObjectItemCaseSensitive(g->params, "scheduler_config"),
                       r->arena, &config))
        return false;
    config.eta = param_number(g, "eta", 0.0);
    if (daub_request_set_sampler(r, &config) != DAUB_OK)
        return golden_failed_call(g, "the sampler");
    return true;
}

// A picture of the golden, fp32 [1, C, H, W] of 0..1, as bytes; no pixels after golden_fail.
static daub_image given_picture(struct golden *g, const char *name)
{
    struct daub_st_tensor info;
    daub_image image = { 0 };
    float *values = golden_tensor(g, name, &info);
    if (values && info.n_dims == 4 && info.dims[0] == 1 && info.dims[1] <= 4)
        image = (daub_image) { .width = (uint32_t)info.dims[3],
                               .height = (uint32_t)info.dims[2],
                               .channels = (uint32_t)info.dims[1] };
    const size_t pixels = (size_t)image.width * image.height;
    image.pixels = pixels > 0 ? malloc(pixels * image.channels) : NULL;
    for (size_t i = 0; image.pixels && i < pixels * image.channels; i++)
        image.pixels[i] = (uint8_t)lrintf(values[i % image.channels * pixels + i / image.channels] * 255.0f);
    if (!image.pixels)
        golden_fail(g, "%s is no picture", name);
    free(values);
    return image;
}

bool run_e2e(struct golden *g)
{
    const char *pipeline = param_text(g, "pipeline");
    const bool img2img = pipeline && strcmp(pipeline, "img2img") == 0,
               paints = pipeline && strcmp(pipeline, "inpaint") == 0;
    if (!pipeline || (strcmp(pipeline, "txt2img") != 0 && !img2img && !paints))
        return golden_fail(g, "pipeline %s is not supported yet", pipeline ? pipeline : "(none)");
    struct run run = { .g = g, .engine = golden_engine(g) };
    if (!run.engine)
        return false;
    daub_image init = img2img || paints ? given_picture(g, "init_image") : (daub_image) { 0 };
    daub_image mask = paints ? given_picture(g, "mask") : (daub_image) { 0 };
    const char *emphasis = param_text(g, "emphasis");
    const char *padding = param_text(g, "padding");
    const bool webui = emphasis && strcmp(emphasis, "webui") == 0;
    const daub_generate_params params = {
        .struct_size = sizeof(params),
        .init = init.pixels ? &init : NULL,
        .mask = mask.pixels ? &mask : NULL,
        .strength = init.pixels ? param_number(g, "strength", 0.0) : 0.0,
        .prompt = param_text(g, "prompt"),
        .vae_rows = g->session->vae_rows,
        .negative_prompt = param_text(g, "negative_prompt"),
        .emphasis = webui ? DAUB_EMPHASIS_WEBUI : DAUB_EMPHASIS_OFF, // diffusers has none
        .padding = !padding                        ? DAUB_PADDING_DEFAULT
                   : strcmp(padding, "empty") == 0 ? DAUB_PADDING_EMPTY
                                                   : DAUB_PADDING_LAST,
        .width = (uint32_t)param_number(g, "width", 0),
        .height = (uint32_t)param_number(g, "height", 0),
        .n_steps = (uint32_t)param_number(g, "num_inference_steps", 0),
        .guidance_scale = (float)param_number(g, "guidance_scale", 7.5),
        .guidance_rescale = (float)param_number(g, "guidance_rescale", 0.0),
        .guidance_start = param_number(g, "guidance_start", 0.0),
        .guidance_end = param_number(g, "guidance_end", 0.0),
        .seed = (uint64_t)param_number(g, "seed", 0),
    };
    const daub_status status = g->failed ? DAUB_ERROR_BAD_FILE : daub_request_create(run.engine, &params, &run.request);
    daub_image_free(&init);
    daub_image_free(&mask);
    if (status != DAUB_OK)
        return golden_failed_call(g, "the request");
    run.request->paste = false; // the reference shows what the VAE decodes
    run.request->batch = (uint32_t)param_number(g, "num_images_per_prompt", 1);
    // diffusers' clip_skip counts skipped layers, and applies to the prompt alone
    const double skip = param_number(g, "clip_skip", 0);
    if (skip >= 0 && skip < run.request->layers)
        run.request->layers -= (uint32_t)skip;
    else
        golden_fail(g, "clip_skip %g leaves no layer", skip);
    if (!g->failed && use_scheduler(g, run.request))
        run_request(&run);
    daub_request_destroy(&run.request);
    return !g->failed;
}

bool run_sample(struct golden *g)
{
    struct run run = { .g = g, .engine = golden_engine(g) };
    if (!run.engine)
        return false;
    const daub_generate_params params = {
        .struct_size = sizeof(params),
        .n_steps = (uint32_t)param_number(g, "steps", 0),
        .seed = (uint64_t)param_number(g, "seed", 0),
    };
    if (daub_request_create(run.engine, &params, &run.request) != DAUB_OK)
        return golden_failed_call(g, "the request");
    run.request->batch = (uint32_t)param_number(g, "batch", 1);
    if (use_scheduler(g, run.request))
        run_request(&run);
    daub_request_destroy(&run.request);
    return !g->failed;
}

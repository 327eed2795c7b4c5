// nets.c - single forwards: text encoder, U-Net, VAE, and the same on the true-size checkpoint.
#include "golden.h"

#include "runtime/op/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_exec(struct golden *g, struct daub_engine *engine, enum daub_component c, struct daub_net *net,
                      bool nofuse, struct daub_exec **exec)
{
    const struct daub_exec_params params = {
        .bind_weights = daub_weights_bind,
        .user = engine->weights[c],
        .nofuse = nofuse,
        .name = daub_component_name(c),
    };
    if (daub_exec_create(engine->dev, net, &params, exec) != DAUB_OK)
        return golden_failed_call(g, "the executor");
    if (daub_exec_arena_size(*exec) > g->session->largest_arena)
        g->session->largest_arena = daub_exec_arena_size(*exec);
    return true;
}

static size_t count_of(const struct daub_tensor *t)
{
    return (size_t)t->shape.n * t->shape.h * t->shape.w * t->shape.c;
}

// Reads a tensor the way the golden stores it: four dimensions are NCHW, fewer have the channels last.
static float *read_like(struct golden *g, struct daub_exec *exec, const struct daub_tensor *t, uint32_t n_dims)
{
    float *values = malloc(count_of(t) * sizeof(float));
    if (!values || daub_exec_read(exec, t, n_dims == 4, values) != DAUB_OK) {
        golden_failed_call(g, "reading a result");
        free(values);
        return NULL;
    }
    return values;
}

static void compare_tensor(struct golden *g, struct daub_exec *exec, const char *name, const struct daub_tensor *t)
{
    const struct daub_st_tensor *want = daub_safetensors_find(g->st, name);
    float *got = want ? read_like(g, exec, t, want->n_dims) : NULL;
    if (got)
        golden_compare(g, name, got, count_of(t));
    else
        golden_fail(g, "the file has no tensor %s", name);
    free(got);
}

// ---- text ------------------------------------------------------------------------------------------------------------

// The row of `hidden` that transformers pools: at the first end token, or, for the old convention id 2, at the first highest id.
static void pool(const struct daub_clip_config *cfg, const uint32_t *ids, uint32_t n, uint32_t tokens,
                 const float *hidden, float *out)
{
    for (uint32_t b = 0; b < n; b++) {
        const uint32_t *row = ids + (size_t)b * tokens;
        uint32_t at = 0;
        for (uint32_t i = 1; i < tokens; i++)
            if (cfg->eos_token_id == 2 ? row[i] > row[at] : row[at] != cfg->eos_token_id && row[i] == cfg->eos_token_id)
                at = i;
        memcpy(out + (size_t)b * cfg->hidden_size, hidden + ((size_t)b * tokens + at) * cfg->hidden_size,
               cfg->hidden_size * sizeof(float));
    }
}

static void compare_text(struct golden *g, struct daub_exec *exec, const struct daub_clip_config *cfg,
                         const struct daub_clip_outputs *outputs, const uint32_t *ids, uint32_t n, uint32_t tokens,
                         uint32_t stop_at)
{
    char name[64];
    if (stop_at < cfg->num_hidden_layers) {
        if (golden_has(g, "penultimate_final_norm"))
            compare_tensor(g, exec, "penultimate_final_norm", outputs->last);
        return;
    }
    for (uint32_t i = 0; i <= stop_at; i++) {
        snprintf(name, sizeof(name), "hidden.%u", i);
        if (golden_has(g, name))
            compare_tensor(g, exec, name, outputs->hidden[i]);
    }
    if (golden_has(g, "hidden_penultimate"))
        compare_tensor(g, exec, "hidden_penultimate", outputs->hidden[stop_at - 1]);
    compare_tensor(g, exec, "last_hidden_state", outputs->last);
    float *last = read_like(g, exec, outputs->last, 3), *pooled = malloc((size_t)n * cfg->hidden_size * sizeof(float));
    if (last && pooled && golden_has(g, "pooled")) {
        pool(cfg, ids, n, tokens, last, pooled);
        golden_compare(g, "pooled", pooled, (size_t)n * cfg->hidden_size);
    }
    free(last);
    free(pooled);
}

static void run_layers(struct golden *g, struct daub_engine *engine, const uint32_t *ids, uint32_t n, uint32_t tokens,
                       uint32_t stop_at)
{
    const struct daub_clip_config *cfg = &engine->desc.text;
    struct daub_net *net = NULL;
    struct daub_exec *exec = NULL;
    struct daub_clip_outputs outputs = { 0 };
    if (daub_net_create(NULL, "text_encoder", engine->dtype, &net) != DAUB_OK) {
        golden_failed_call(g, "the graph");
        return;
    }
    struct daub_tensor *in = daub_net_input(net, "ids", DAUB_STAGE_PICTURE, DAUB_U32,
                                            (struct daub_shape) { n, 1, 1, tokens });
    daub_clip_text_build(net, cfg, in, stop_at, &outputs);
    for (uint32_t i = 0; i <= stop_at && !daub_net_failed(net); i++)
        daub_net_output(net, "hidden", outputs.hidden[i]);
    if (!daub_net_failed(net))
        daub_net_output(net, "last", outputs.last);
    if (make_exec(g, engine, DAUB_TEXT, net, false, &exec)) {
        if (daub_exec_write(exec, in, false, ids) != DAUB_OK || daub_exec_run(exec, DAUB_STAGE_PICTURE) != DAUB_OK)
            golden_failed_call(g, "running");
        else
            compare_text(g, exec, cfg, &outputs, ids, n, tokens, stop_at);
    }
    daub_exec_destroy(&exec);
}

bool run_text(struct golden *g)
{
    const char *component = param_text(g, "component");
    if (component && strcmp(component, "text_encoder") != 0 && strcmp(component, "text") != 0)
        return golden_fail(g, "component %s is not supported yet", component);
    struct daub_engine *engine = golden_engine(g);
    struct daub_st_tensor info;
    float *values = engine ? golden_tensor(g, "input_ids", &info) : NULL;
    if (!values)
        return false;
    const uint32_t n = (uint32_t)info.dims[0], tokens = (uint32_t)info.dims[1];
    uint32_t *ids = malloc((size_t)n * tokens * sizeof(uint32_t));
    for (size_t i = 0; ids && i < (size_t)n * tokens; i++)
        ids[i] = (uint32_t)values[i];
    if (ids) {
        run_layers(g, engine, ids, n, tokens, engine->desc.text.num_hidden_layers);
        if (golden_has(g, "penultimate_final_norm") && !g->failed)
            run_layers(g, engine, ids, n, tokens, engine->desc.text.num_hidden_layers - 1);
    }
    free(ids);
    free(values);
    return !g->failed;
}

// ---- U-Net -----------------------------------------------------------------------------------------------------------

struct forward { // a U-Net's inputs
    float *sample, *text;
    struct daub_st_tensor sample_info, text_info;
    double timestep;
};

static void compare_points(struct golden *g, struct daub_exec *exec)
{
    for (uint32_t i = 0; i < daub_safetensors_count(g->st); i++) {
        const struct daub_st_tensor *t = daub_safetensors_at(g->st, i);
        if (strncmp(t->name, "block.", 6) != 0)
            continue;
        const struct daub_tensor *point = daub_net_find_point(daub_exec_net(exec), t->name + 6);
        if (!point)
            golden_fail(g, "the graph has no point %s", t->name + 6);
        else
            compare_tensor(g, exec, t->name, point);
    }
}

// One forward; `points`: unfused, with every block compared. The output goes to *out (malloc'd).
static void forward_once(struct golden *g, struct daub_engine *engine, const struct forward *f, bool points,
                         float **out, size_t *n_out)
{
    const struct daub_unet_config *cfg = &engine->desc.unet;
    struct daub_net *net = NULL;
    if (daub_net_create(NULL, "unet", engine->dtype, &net) != DAUB_OK) {
        golden_failed_call(g, "the graph");
        return;
    }
    if (points)
        daub_net_dump(net, "*");
    const uint64_t *d = f->sample_info.dims;
    struct daub_tensor *counter = daub_net_counter(net);
    struct daub_tensor *x = daub_net_input(
        net, "sample", DAUB_STAGE_STEP, engine->dtype,
        (struct daub_shape) { (uint32_t)d[0], (uint32_t)d[2], (uint32_t)d[3], (uint32_t)d[1] });
    struct daub_tensor *time = daub_net_input(net, "time", DAUB_STAGE_TIME, engine->dtype,
                                              (struct daub_shape) { 1, 1, 1, cfg->block_out_channels[0] });
    struct daub_tensor *text = f->text ? daub_net_input(net, "text", DAUB_STAGE_PICTURE, engine->dtype,
                                                        (struct daub_shape) { (uint32_t)f->text_info.dims[0], 1,
                                                                              (uint32_t)f->text_info.dims[1],
                                                                              (uint32_t)f->text_info.dims[2] })
                                       : NULL;
    struct daub_tensor *y = daub_unet_build(net, cfg, x, time, text, NULL);
    if (!daub_net_failed(net))
        daub_net_output(net, "output", y);

    struct daub_exec *exec = NULL;
    float *features = malloc(cfg->block_out_channels[0] * sizeof(float));
    static const uint32_t one[4] = { 1 };
    if (features && make_exec(g, engine, DAUB_UNET, net, points, &exec)) {
        daub_unet_time_features(cfg, f->timestep, features);
        bool ok = daub_exec_write(exec, counter, false, one) == DAUB_OK &&
                  daub_exec_write(exec, x, true, f->sample) == DAUB_OK &&
                  daub_exec_write(exec, time, false, features) == DAUB_OK &&
                  (!text || daub_exec_write(exec, text, false, f->text) == DAUB_OK);
        for (uint32_t stage = 0; ok && stage <= DAUB_STAGE_STEP; stage++)
            ok = daub_exec_run(exec, (enum daub_stage)stage) == DAUB_OK;
        *n_out = count_of(y);
        *out = ok ? read_like(g, exec, y, 4) : NULL;
        if (!ok)
            golden_failed_call(g, "running");
        else if (points)
            compare_points(g, exec);
    }
    free(features);
    daub_exec_destroy(&exec);
}

static bool has_points(const struct golden *g)
{
    for (uint32_t i = 0; i < daub_safetensors_count(g->st); i++)
        if (strncmp(daub_safetensors_at(g->st, i)->name, "block.", 6) == 0)
            return true;
    return false;
}

bool run_unet(struct golden *g)
{
    struct daub_engine *engine = golden_engine(g);
    struct forward f = { 0 };
    if (!engine)
        return false;
    if (golden_has(g, "text_embeds"))
        return golden_fail(g, "added conditions (SDXL) are not supported yet");
    f.sample = golden_tensor(g, "sample", &f.sample_info);
    float *t = golden_tensor(g, "timestep", NULL);
    if (golden_has(g, "encoder_hidden_states"))
        f.text = golden_tensor(g, "encoder_hidden_states", &f.text_info);
    if (f.sample && t) {
        float *fused = NULL, *unfused = NULL;
        size_t n = 0;
        f.timestep = (double)t[0];
        forward_once(g, engine, &f, false, &fused, &n);
        if (fused)
            golden_compare(g, "output", fused, n);
        if (fused && has_points(g)) {
            forward_once(g, engine, &f, true, &unfused, &n);
            if (unfused && !(rel_l2(fused, unfused, n) <= g->tolerance))
                golden_fail(g, "the fused graph's output differs from the unfused one's");
        }
        free(fused);
        free(unfused);
    }
    free(f.sample);
    free(f.text);
    free(t);
    return !g->failed;
}

// ---- VAE -------------------------------------------------------------------------------------------------------------

// Splits moments [N,2C,h,w] into mean and clamped log variance.
static void compare_moments(struct golden *g, const float *moments, const struct daub_tensor *t)
{
    const size_t half = count_of(t) / 2, one = half / t->shape.n;
    float *mean = malloc(half * sizeof(float)), *logvar = malloc(half * sizeof(float));
    for (uint32_t b = 0; mean && logvar && b < t->shape.n; b++) {
        for (size_t i = 0; i < one; i++) {
            const float v = moments[2 * b * one + one + i];
            mean[b * one + i] = moments[2 * b * one + i];
            logvar[b * one + i] = v < -30.0f ? -30.0f : v > 20.0f ? 20.0f : v;
        }
    }
    if (mean && logvar) {
        golden_compare(g, "mean", mean, half);
        golden_compare(g, "logvar", logvar, half);
    }
    free(mean);
    free(logvar);
}

static void run_half(struct golden *g, struct daub_engine *engine, bool decode, bool points)
{
    struct daub_st_tensor info;
    float *values = golden_tensor(g, decode ? "latents" : "image", &info), *out = NULL;
    struct daub_net *net = NULL;
    struct daub_exec *exec = NULL;
    if (!values || daub_net_create(NULL, "vae", engine->dtype, &net) != DAUB_OK) {
        golden_failed_call(g, "the graph");
        free(values);
        return;
    }
    if (points)
        daub_net_dump(net, "*");
    struct daub_tensor *in = daub_net_input(net, "in", DAUB_STAGE_STEP, engine->dtype,
                                            (struct daub_shape) { (uint32_t)info.dims[0], (uint32_t)info.dims[2],
                                                                  (uint32_t)info.dims[3], (uint32_t)info.dims[1] });
    struct daub_tensor *y = decode ? daub_vae_decode_build(net, &engine->desc.vae, in)
                                   : daub_vae_encode_build(net, &engine->desc.vae, in);
    if (!daub_net_failed(net))
        daub_net_output(net, "out", y);
    if (make_exec(g, engine, DAUB_VAE, net, points, &exec)) {
        if (daub_exec_write(exec, in, true, values) != DAUB_OK || daub_exec_run(exec, DAUB_STAGE_STEP) != DAUB_OK)
            golden_failed_call(g, "running");
        else
            out = read_like(g, exec, y, 4);
        for (uint32_t i = 0; points && out && i < daub_safetensors_count(g->st); i++) {
            const struct daub_st_tensor *t = daub_safetensors_at(g->st, i);
            const bool encoder = strncmp(t->name, "block.encoder", 13) == 0 || strncmp(t->name, "block.quant", 11) == 0;
            if (strncmp(t->name, "block.", 6) != 0 || encoder == decode)
                continue;
            const struct daub_tensor *point = daub_net_find_point(daub_exec_net(exec), t->name + 6);
            if (point)
                compare_tensor(g, exec, t->name, point);
            else
                golden_fail(g, "the graph has no point %s", t->name + 6);
        }
        const uint32_t before = g->n_compared;
        if (out && decode)
            golden_compare(g, "decoded", out, count_of(y));
        else if (out)
            compare_moments(g, out, y);
        if (points)
            g->n_compared = before; // counted by the fused run
    }
    free(out);
    free(values);
    daub_exec_destroy(&exec);
}

// The decoder again, as pictures are decoded in bands.
static void decode_in_bands(struct golden *g, struct daub_engine *engine)
{
    const struct daub_vae_config *cfg = &engine->desc.vae;
    struct daub_st_tensor info;
    float *latents = golden_tensor(g, "latents", &info);
    const uint32_t batch = latents ? (uint32_t)info.dims[0] : 0, h = latents ? (uint32_t)info.dims[2] : 0,
                   w = latents ? (uint32_t)info.dims[3] : 0, scale = daub_latent_scale(&engine->desc);
    const size_t n = (size_t)batch * cfg->latent_channels * h * w;
    for (size_t i = 0; i < n; i++) // as they leave a sampler
        latents[i] = (float)(((double)latents[i] - cfg->shift_factor) * cfg->scaling_factor);
    const size_t values = (size_t)batch * cfg->out_channels * h * scale * w * scale;
    float *image = malloc(values * sizeof(float));
    const struct daub_decode_params params = {
        .batch = batch, .h = h, .w = w, .bands = { .on = true, .rows = g->session->vae_rows }, .latents = latents
    };
    uint64_t arena;
    if (!image || daub_decode(engine, &params, NULL, image, &arena) != DAUB_OK)
        golden_failed_call(g, "decoding in bands");
    else
        golden_compare(g, "decoded", image, values);
    free(image);
    free(latents);
}

bool run_vae(struct golden *g)
{
    struct daub_engine *engine = golden_engine(g);
    if (!engine)
        return false;
    for (int points = 0; points <= (has_points(g) ? 1 : 0); points++) {
        run_half(g, engine, true, points != 0);
        run_half(g, engine, false, points != 0);
    }
    const uint32_t before = g->n_compared;
    if (g->session->vae_rows > 0)
        decode_in_bands(g, engine);
    g->n_compared = before;
    return !g->failed;
}

bool run_fullsize(struct golden *g)
{
    const char *component = param_text(g, "component");
    if (component && strcmp(component, "text") == 0)
        return run_text(g);
    if (component && strcmp(component, "unet") == 0)
        return run_unet(g);
    if (component && strcmp(component, "vae") == 0)
        return run_vae(g);
    return golden_fail(g, "component %s is not supported yet", component ? component : "(none)");
}

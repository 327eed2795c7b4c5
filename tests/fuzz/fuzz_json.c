// fuzz_json.c - config.json and scheduler_config.json: parsed, read through every reader of a config; the networks that they describe
// built, the scheduler recorded.
#include "fuzz.h"
#include "models/clip_text.h"
#include "models/unet.h"
#include "models/vae.h"
#include "runtime/sample/sample.h"

static struct daub_tensor *input(struct daub_net *net, const char *name, enum daub_dtype dtype, uint32_t size,
                                 uint32_t channels)
{
    return daub_net_input(net, name, DAUB_STAGE_STEP, dtype, (struct daub_shape) { 1, size, size, channels });
}

static void build_vae(const struct daub_vae_config *cfg)
{
    struct daub_net *net = NULL;
    FUZZ_CHECK(daub_net_create(NULL, "vae", DAUB_F16, &net) == DAUB_OK);
    daub_vae_decode_build(net, cfg, input(net, "latents", DAUB_F32, 1, cfg->latent_channels));
    daub_vae_encode_build(net, cfg, input(net, "image", DAUB_F32, 1u << (cfg->n_levels - 1), cfg->in_channels));
    (void)daub_net_finish(net);
    daub_net_destroy(&net);
}

static void build_text(const struct daub_clip_config *cfg)
{
    struct daub_net *net = NULL;
    struct daub_clip_outputs outputs;
    FUZZ_CHECK(daub_net_create(NULL, "text_encoder", DAUB_F16, &net) == DAUB_OK);
    struct daub_tensor *ids = daub_net_input(net, "ids", DAUB_STAGE_PICTURE, DAUB_U32,
                                             (struct daub_shape) { 1, 1, 1, cfg->max_position_embeddings });
    daub_clip_text_build(net, cfg, ids, cfg->num_hidden_layers, &outputs);
    (void)daub_net_finish(net);
    daub_net_destroy(&net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct daub_json json = { 0 };
    const daub_status status = daub_json_parse(NULL, "input", (const char *)data, size, &json);
    FUZZ_CHECK(status == DAUB_OK || status == DAUB_ERROR_BAD_FILE); // and not for want of memory
    if (status != DAUB_OK)
        return 0;
    struct daub_unet_config unet;
    struct daub_vae_config vae;
    struct daub_clip_config text;
    struct daub_sampler_config sampler;
    struct daub_program program;
    struct daub_arena *arena = daub_arena_create(NULL);
    (void)daub_unet_config_parse(&json, &unet);
    if (daub_vae_config_parse(&json, &vae) == DAUB_OK)
        build_vae(&vae);
    // Every key has a default: without one of its own, any JSON would be built.
    if (daub_json_has(&json, "num_hidden_layers") && daub_clip_config_parse(&json, &text) == DAUB_OK)
        build_text(&text);
    if (arena && daub_sampler_config_parse(&json, NULL, arena, &sampler) == DAUB_OK)
        (void)daub_program_record(&sampler, 7, arena, &program);
    // What a user's other sampler makes of the same file.
    for (uint32_t i = 0; arena && i < daub_n_samplers; i++)
        if (daub_sampler_config_parse(&json, daub_samplers[i], arena, &sampler) == DAUB_OK &&
            i == size % daub_n_samplers)
            (void)daub_program_record(&sampler, 5, arena, &program);
    daub_arena_destroy(&arena);
    daub_json_free(&json);
    return 0;
}

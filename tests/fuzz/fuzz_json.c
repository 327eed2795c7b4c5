// fuzz_json.c - config.json, scheduler_config.json: parsed and read through every typed getter and parser.
#include "models/clip_text.h"
#include "models/unet.h"
#include "models/vae.h"
#include "runtime/sample/sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct daub_json json = { 0 };
    if (daub_json_parse(NULL, "input", (const char *)data, size, &json) != DAUB_OK)
        return 0;
    struct daub_unet_config unet;
    struct daub_vae_config vae;
    struct daub_clip_config text;
    struct daub_sampler_config sampler;
    struct daub_program program;
    struct daub_arena *arena = daub_arena_create(NULL);
    (void)daub_unet_config_parse(&json, &unet);
    (void)daub_vae_config_parse(&json, &vae);
    (void)daub_clip_config_parse(&json, &text);
    if (arena && daub_sampler_config_parse(&json, NULL, arena, &sampler) == DAUB_OK)
        (void)daub_program_record(&sampler, 7, arena, &program);
    daub_arena_destroy(&arena);
    daub_json_free(&json);
    return 0;
}

// fuzz_embeds.c - a file of prompt embeddings as a request takes it, for a model of width 4.
#include "fuzz.h"
#include "runtime/pipeline/pipeline.h"

#include <math.h>

enum { WIDTH = 4 };

static struct daub_engine engine;

// As much of a model as a request looks at: no device.
static void prepare(void)
{
    const struct daub_sampler_desc *sampler = NULL;
    if (engine.desc.has_text)
        return;
    FUZZ_CHECK(daub_sampler_find("euler", &sampler, NULL) == DAUB_OK);
    engine.desc = (struct daub_model_desc) { .has_text = true,
                                             .text_layers = 2,
                                             .width = 64,
                                             .height = 64,
                                             .size_multiple = 8,
                                             .n_steps = 2,
                                             .guidance_scale = 2.0f,
                                             .unet = { .cross_attention_dim = WIDTH } };
    daub_sampler_config_defaults(sampler, &engine.desc.sampler);
    engine.desc.sampler.num_train_timesteps = 10;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    prepare();
    fuzz_put("embeds.safetensors", data, size);
    struct daub_request *request = NULL;
    const daub_status status = daub_request_create(
        &engine, daub_generate_params(.prompt_embeds_path = fuzz_path("embeds.safetensors")), &request);
    if (status != DAUB_OK)
        return 0;
    FUZZ_CHECK(request->embeds && request->negative_embeds && request->embed_tokens > 0);
    for (size_t i = 0; i < (size_t)request->embed_tokens * WIDTH; i++)
        FUZZ_CHECK(isfinite(request->embeds[i]) && isfinite(request->negative_embeds[i]));
    daub_request_destroy(&request);
    return 0;
}

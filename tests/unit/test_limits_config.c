// test_limits_config.c - the limits of runtime/base/limits.h on networks and noise schedules: what is at one is read, what is one above is
// refused with a sentence that names it.
#include "models/clip_text.h"
#include "models/unet.h"
#include "models/vae.h"
#include "runtime/sample/sample.h"
#include "test.h"

enum reader { UNET, VAE, CLIP, SAMPLER };

static daub_status read_config(enum reader reader, const char *text)
{
    struct daub_json json = { 0 };
    struct daub_unet_config unet;
    struct daub_vae_config vae;
    struct daub_clip_config clip;
    struct daub_sampler_config sampler;
    REQUIRE_OK(daub_json_parse(NULL, "config.json", text, strlen(text), &json));
    struct daub_arena *arena = daub_arena_create(NULL);
    REQUIRE(arena);
    const daub_status status = reader == UNET   ? daub_unet_config_parse(&json, &unet)
                               : reader == VAE  ? daub_vae_config_parse(&json, &vae)
                               : reader == CLIP ? daub_clip_config_parse(&json, &clip)
                                                : daub_sampler_config_parse(&json, NULL, arena, &sampler);
    daub_arena_destroy(&arena);
    daub_json_free(&json);
    return status;
}

static void test_numbers(void)
{
    static const struct {
        enum reader reader;
        const char *key;
        int max;
        const char *rest; // so that nothing else is wrong with it
    } keys[] = {
        { UNET, "block_out_channels", DAUB_MAX_CHANNELS,
          "\"down_block_types\":[\"DownBlock2D\"],\"up_block_types\":[\"UpBlock2D\"]" },
        { UNET, "layers_per_block", DAUB_UNET_MAX_LAYERS, NULL },
        { UNET, "transformer_layers_per_block", DAUB_UNET_MAX_DEPTH, NULL },
        { UNET, "cross_attention_dim", DAUB_MAX_CHANNELS, NULL },
        { UNET, "time_embedding_dim", DAUB_MAX_CHANNELS, NULL },
        { UNET, "in_channels", DAUB_MAX_IO_CHANNELS, NULL },
        { UNET, "out_channels", DAUB_MAX_IO_CHANNELS, NULL },
        { UNET, "sample_size", DAUB_MAX_SAMPLE_SIZE, NULL },
        { VAE, "block_out_channels", DAUB_MAX_CHANNELS, NULL },
        { VAE, "in_channels", DAUB_MAX_IO_CHANNELS, NULL },
        { VAE, "out_channels", DAUB_MAX_IO_CHANNELS, NULL },
        { VAE, "latent_channels", DAUB_MAX_IO_CHANNELS, NULL },
        { VAE, "layers_per_block", DAUB_VAE_MAX_LAYERS, NULL },
        { VAE, "norm_num_groups", DAUB_MAX_CHANNELS, NULL },
        { VAE, "sample_size", DAUB_MAX_SIZE, NULL },
        { CLIP, "vocab_size", DAUB_MAX_TOKEN_IDS, NULL },
        { CLIP, "hidden_size", DAUB_MAX_CHANNELS, NULL },
        { CLIP, "intermediate_size", DAUB_CLIP_MAX_INNER, NULL },
        { CLIP, "num_hidden_layers", DAUB_CLIP_MAX_LAYERS, NULL },
        { CLIP, "num_attention_heads", DAUB_CLIP_MAX_HEADS, NULL },
        { CLIP, "max_position_embeddings", DAUB_MAX_TEXT_WINDOW, NULL },
        { CLIP, "eos_token_id", DAUB_MAX_TOKEN_IDS, NULL },
        { SAMPLER, "num_train_timesteps", DAUB_MAX_TRAIN_STEPS, NULL },
    };
    static const char *const classes[] = { "UNet2DConditionModel", "AutoencoderKL", "CLIPTextModel",
                                           "EulerDiscreteScheduler" };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        for (int over = -1; over <= 1; over++) {
            char text[512], wanted[64];
            // What is below may be refused for something else (heads that do not divide), but never for its size.
            snprintf(text, sizeof(text), "{\"_class_name\":\"%s\",\"%s\":%d%s%s}", classes[keys[i].reader], keys[i].key,
                     keys[i].max + over, keys[i].rest ? "," : "", keys[i].rest ? keys[i].rest : "");
            snprintf(wanted, sizeof(wanted), "..%d", keys[i].max);
            if (over > 0)
                REQUIRE_STATUS(read_config(keys[i].reader, text), DAUB_ERROR_BAD_FILE, wanted);
            else if (read_config(keys[i].reader, text) != DAUB_OK)
                REQUIRE(!strstr(daub_last_error(), wanted));
        }
}

// A list of `n` times `word`.
static const char *list_of(const char *word, int n)
{
    static char lists[3][512];
    static int next;
    char *list = lists[next++ % 3];
    size_t used = (size_t)snprintf(list, sizeof(lists[0]), "[");
    for (int i = 0; i < n; i++)
        used += (size_t)snprintf(list + used, sizeof(lists[0]) - used, "%s%s", i ? "," : "", word);
    snprintf(list + used, sizeof(lists[0]) - used, "]");
    return list;
}

static void test_levels(void)
{
    char text[2048];
    for (int above = 0; above <= 1; above++) {
        const int n = DAUB_UNET_MAX_LEVELS + above;
        snprintf(text, sizeof(text),
                 "{\"_class_name\":\"UNet2DConditionModel\",\"block_out_channels\":%s,\"down_block_types\":%s,\"up_"
                 "block_types\":%s}",
                 list_of("32", n), list_of("\"DownBlock2D\"", n), list_of("\"UpBlock2D\"", n));
        daub_status status = read_config(UNET, text);
        REQUIRE(status == (above ? DAUB_ERROR_BAD_FILE : DAUB_OK));
        REQUIRE(!above || strstr(daub_last_error(), "block_out_channels has 9 entries, at most 8 are supported"));
        snprintf(text, sizeof(text), "{\"_class_name\":\"AutoencoderKL\",\"block_out_channels\":%s}",
                 list_of("32", DAUB_VAE_MAX_LEVELS + above));
        status = read_config(VAE, text);
        REQUIRE(status == (above ? DAUB_ERROR_BAD_FILE : DAUB_OK));
        REQUIRE(!above || strstr(daub_last_error(), "at most 8 are supported"));
        snprintf(text, sizeof(text), "{\"_class_name\":\"UniPCMultistepScheduler\",\"disable_corrector\":%s}",
                 list_of("0", DAUB_MAX_DISABLED + above));
        status = read_config(SAMPLER, text);
        REQUIRE(status == (above ? DAUB_ERROR_BAD_FILE : DAUB_OK));
        REQUIRE(!above || strstr(daub_last_error(), "at most 64 are supported"));
    }
}

static void test_network(void)
{
    for (int above = 0; above <= 1; above++) {
        struct daub_net *net = NULL;
        REQUIRE_OK(daub_net_create(NULL, "net", DAUB_F16, &net));
        for (int i = 0; i < DAUB_MAX_WEIGHTS + above; i++) {
            char name[16];
            snprintf(name, sizeof(name), "%d", i);
            (void)daub_net_weight(net, name, 1, (uint32_t[]) { 8 });
        }
        REQUIRE(daub_net_failed(net) == (above == 1));
        if (above)
            REQUIRE_STATUS(daub_net_finish(net), DAUB_ERROR_UNSUPPORTED, "the network has more than 8192 weights");
        daub_net_destroy(&net);
    }
}

int main(void)
{
    test_numbers();
    test_levels();
    test_network();
    return 0;
}

// test_clip_build.c - the CLIP text encoder as a graph. No device.
#include "models/clip_text.h"
#include "tests/model/harness_build.h"

#define SD "tests/golden/checkpoints/tiny-sd15/text_encoder/"
#define OWN "models/default/text_encoder/"

static struct daub_clip_config parse(const char *path)
{
    struct daub_json json = build_json(path);
    struct daub_clip_config cfg;
    REQUIRE_OK(daub_clip_config_parse(&json, &cfg));
    daub_json_free(&json);
    return cfg;
}

static struct daub_net *build(const struct daub_clip_config *cfg, uint32_t n, uint32_t tokens, uint32_t stop_at,
                              struct daub_clip_outputs *out)
{
    struct daub_net *net = build_net();
    struct daub_tensor *ids = daub_net_input(net, "ids", DAUB_STAGE_PICTURE, DAUB_U32,
                                             (struct daub_shape) { n, 1, 1, tokens });
    *out = (struct daub_clip_outputs) { 0 };
    daub_clip_text_build(net, cfg, ids, stop_at, out);
    build_finish(net);
    return net;
}

static void test_whole(const char *config, const char *weights)
{
    const struct daub_clip_config cfg = parse(config);
    struct daub_clip_outputs out;
    struct daub_net *net = build(&cfg, 2, cfg.max_position_embeddings, cfg.num_hidden_layers, &out);
    build_check_weights(net, weights, NULL);
    for (uint32_t i = 0; i <= cfg.num_hidden_layers; i++)
        build_require_shape(out.hidden[i], 2, 1, cfg.max_position_embeddings, cfg.hidden_size);
    build_require_shape(out.last, 2, 1, cfg.max_position_embeddings, cfg.hidden_size);
    for (uint32_t i = 0; i < daub_net_n_nodes(net); i++) // the text does not change from step to step
        REQUIRE(daub_net_node(net, i)->stage == DAUB_STAGE_PICTURE);
    daub_net_destroy(&net);

    // Clip skip 2 leaves out the last layer and keeps the final norm.
    net = build(&cfg, 1, 5, cfg.num_hidden_layers - 1, &out);
    REQUIRE(!out.hidden[cfg.num_hidden_layers] && out.hidden[cfg.num_hidden_layers - 1]);
    REQUIRE(build_count_ops(net, "attention") == cfg.num_hidden_layers - 1);
    REQUIRE(daub_net_find_point(net, "text_model.final_layer_norm") == out.last);
    daub_net_destroy(&net);
}

static void test_refusals(void)
{
    static const struct {
        const char *text, *part;
        daub_status status;
    } cases[] = {
        { "{\"architectures\":[\"T5EncoderModel\"]}", "unknown class 'T5EncoderModel'", DAUB_ERROR_UNSUPPORTED },
        { "{\"hidden_act\":\"relu\"}", "hidden_act 'relu'", DAUB_ERROR_UNSUPPORTED },
        { "{\"num_hidden_layers\":1000}", "num_hidden_layers", DAUB_ERROR_BAD_FILE },
        { "{\"hidden_size\":0}", "hidden_size", DAUB_ERROR_BAD_FILE },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct daub_json json = build_json_text(cases[i].text);
        struct daub_clip_config cfg;
        REQUIRE_STATUS(daub_clip_config_parse(&json, &cfg), cases[i].status, cases[i].part);
        daub_json_free(&json);
    }
}

int main(void)
{
    test_whole(SD "config.json", SD "model.safetensors");
    test_whole(OWN "config.json", OWN "model.safetensors");
    test_refusals();
    return 0;
}

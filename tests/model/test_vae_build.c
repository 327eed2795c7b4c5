// test_vae_build.c - both halves of AutoencoderKL as graphs. No device.
#include "models/vae.h"
#include "tests/model/harness_build.h"

#define SD "tests/golden/checkpoints/tiny-sd15/vae/"
#define OWN "models/default/vae/"
#define WEIGHTS "diffusion_pytorch_model.safetensors"
#define GOLDEN "tests/golden/goldens/vae/tiny-sd15_blocks.safetensors"

static struct daub_vae_config parse(const char *path)
{
    struct daub_json json = build_json(path);
    struct daub_vae_config cfg;
    REQUIRE_OK(daub_vae_config_parse(&json, &cfg));
    daub_json_free(&json);
    return cfg;
}

static struct daub_net *decoder(const struct daub_vae_config *cfg, uint32_t n, uint32_t h, uint32_t w)
{
    const uint32_t scale = 1u << (cfg->n_levels - 1);
    struct daub_net *net = build_net();
    struct daub_tensor *z = build_input(net, "latents", DAUB_STAGE_STEP, n, h, w, cfg->latent_channels);
    struct daub_tensor *y = daub_vae_decode_build(net, cfg, z);
    build_finish(net);
    build_require_shape(y, n, h * scale, w * scale, cfg->out_channels);
    REQUIRE(y->dtype == DAUB_F32);
    return net;
}

static struct daub_net *encoder(const struct daub_vae_config *cfg, uint32_t n, uint32_t h, uint32_t w)
{
    const uint32_t scale = 1u << (cfg->n_levels - 1);
    struct daub_net *net = build_net();
    struct daub_tensor *image = build_input(net, "image", DAUB_STAGE_STEP, n, h, w, cfg->in_channels);
    struct daub_tensor *y = daub_vae_encode_build(net, cfg, image);
    build_finish(net);
    build_require_shape(y, n, h / scale, w / scale, 2 * cfg->latent_channels);
    REQUIRE(y->dtype == DAUB_F32);
    return net;
}

static void test_halves(const char *config, const char *weights)
{
    const struct daub_vae_config cfg = parse(config);
    struct daub_net *net = decoder(&cfg, 1, 5, 3);
    build_check_weights(net, weights, "decoder.");
    build_check_weights(net, weights, "post_quant_conv.");
    daub_net_destroy(&net);

    net = encoder(&cfg, 2, 40, 24);
    build_check_weights(net, weights, "encoder.");
    build_check_weights(net, weights, "quant_conv.");
    daub_net_destroy(&net);
}

static void test_points(void)
{
    static const char *const decoding[] = { "post_quant_conv", "decoder." }, *const encoding[] = { "quant_conv",
                                                                                                   "encoder." };
    const struct daub_vae_config cfg = parse(SD "config.json");
    struct daub_net *net = decoder(&cfg, 1, 4, 3);
    build_check_points(net, GOLDEN, decoding, 2, 10);
    daub_net_destroy(&net);
    net = encoder(&cfg, 1, 32, 24);
    build_check_points(net, GOLDEN, encoding, 2, 10);
    daub_net_destroy(&net);
}

static void test_options(void)
{
    struct daub_json json = build_json_text(
        "{\"_class_name\":\"AutoencoderKL\",\"block_out_channels\":[8,16],\"latent_channels\":6,\"norm_num_groups\":4,"
        "\"down_block_types\":[\"DownEncoderBlock2D\",\"DownEncoderBlock2D\"],\"use_quant_conv\":false,"
        "\"use_post_quant_conv\":false,\"mid_block_add_attention\":false,\"scaling_factor\":0.5,\"shift_factor\":"
        "null}");
    struct daub_vae_config cfg;
    REQUIRE_OK(daub_vae_config_parse(&json, &cfg));
    daub_json_free(&json);
    REQUIRE(cfg.scaling_factor == 0.5 && cfg.shift_factor == 0.0);

    struct daub_net *net = decoder(&cfg, 1, 3, 3);
    REQUIRE(!daub_net_find_point(net, "post_quant_conv") && build_count_ops(net, "attention") == 0);
    daub_net_destroy(&net);
    net = encoder(&cfg, 1, 6, 6);
    REQUIRE(!daub_net_find_point(net, "quant_conv") && daub_net_find_point(net, "encoder.conv_out"));
    daub_net_destroy(&net);

    static const struct {
        const char *text, *part;
        daub_status status;
    } cases[] = {
        { "{\"_class_name\":\"AutoencoderTiny\"}", "unknown class 'AutoencoderTiny'", DAUB_ERROR_UNSUPPORTED },
        { "{\"_class_name\":\"AutoencoderKL\",\"up_block_types\":[\"AttnUpDecoderBlock2D\"]}", "AttnUpDecoderBlock2D",
          DAUB_ERROR_UNSUPPORTED },
        { "{\"_class_name\":\"AutoencoderKL\",\"latents_mean\":[0.1]}", "latents_mean", DAUB_ERROR_UNSUPPORTED },
        { "{\"_class_name\":\"AutoencoderKL\",\"scaling_factor\":0}", "scaling_factor", DAUB_ERROR_BAD_FILE },
        { "{\"_class_name\":\"AutoencoderKL\",\"latent_channels\":0}", "latent_channels", DAUB_ERROR_BAD_FILE },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json = build_json_text(cases[i].text);
        REQUIRE_STATUS(daub_vae_config_parse(&json, &cfg), cases[i].status, cases[i].part);
        daub_json_free(&json);
    }
}

int main(void)
{
    test_halves(SD "config.json", SD WEIGHTS);
    test_halves(OWN "config.json", OWN WEIGHTS);
    test_points();
    test_options();
    return 0;
}

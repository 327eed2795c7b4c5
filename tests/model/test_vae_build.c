// test_vae_build.c - both halves of AutoencoderKL as graphs. No device.
#include "models/vae.h"
#include "runtime/op/halo.h"
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

static struct daub_tensor *segment(struct daub_net *net, const struct daub_vae_config *cfg,
                                   const struct daub_vae_segment *s, uint32_t rows, uint32_t w)
{
    const uint32_t words = 16 * ((s->in + 7) / 8);
    struct daub_vae_band band = { .x = build_input(net, "x", DAUB_STAGE_STEP, 2, rows, w, s->in), .pixels = 99 };
    band.stats = daub_net_input(net, "statistics", DAUB_STAGE_STEP, DAUB_U32, (struct daub_shape) { 2, 1, 1, words });
    if (s->residual > 0)
        band.residual = build_input(net, "residual", DAUB_STAGE_STEP, 2, rows, w, s->residual);
    return daub_vae_segment_build(net, cfg, s, &band);
}

// Head and segments together are the decoder: the same weights, each map as wide as the next one reads it.
static void test_segments(const char *config, uint32_t n_blocks)
{
    const struct daub_vae_config cfg = parse(config);
    struct daub_net *whole = decoder(&cfg, 1, 4, 3), *head = build_net();
    struct daub_tensor *z = build_input(head, "latents", DAUB_STAGE_STEP, 1, 4, 3, cfg.latent_channels);
    struct daub_tensor *x = daub_vae_head_build(head, &cfg, z, n_blocks);
    build_require_shape(x, 1, 4u << n_blocks, 3u << n_blocks, x->shape.c);
    uint32_t channels = x->shape.c, scale = 1u << n_blocks, n_weights = daub_net_n_weights(head);
    const uint32_t n = daub_vae_n_segments(&cfg, n_blocks);
    for (uint32_t i = 0; i < n; i++) {
        const struct daub_vae_segment s = daub_vae_segment_at(&cfg, n_blocks, i);
        struct daub_net *net = build_net();
        struct daub_tensor *y = segment(net, &cfg, &s, 5, 3);
        REQUIRE(s.in == channels && s.scale == scale && s.last == (i + 1 == n));
        // A convolution reaches one row further; two of them of which the second is behind an upsampling, two.
        REQUIRE(daub_halo(net, y) == (s.doubles ? 2u : 1u));
        scale *= s.doubles ? 2 : 1;
        channels = s.out;
        build_finish(net);
        build_require_shape(y, 2, s.doubles ? 10 : 5, s.doubles ? 6 : 3, s.out);
        n_weights += daub_net_n_weights(net);
        for (uint32_t j = 0; j < daub_net_n_weights(net); j++) {
            const char *const name = daub_net_weight_at(net, j)->name;
            bool found = false;
            for (uint32_t k = 0; k < daub_net_n_weights(whole); k++)
                found = found || strcmp(daub_net_weight_at(whole, k)->name, name) == 0;
            REQUIRE(found);
        }
        daub_net_destroy(&net);
    }
    REQUIRE(n_weights == daub_net_n_weights(whole) && scale == 1u << (cfg.n_levels - 1));
    REQUIRE(daub_halo(head, x) == DAUB_HALO_ALL); // attention, and norms of its own
    daub_net_destroy(&whole);
    daub_net_destroy(&head);
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
    for (uint32_t n_blocks = 0; n_blocks < 4; n_blocks++) {
        test_segments(SD "config.json", n_blocks);
        test_segments(OWN "config.json", n_blocks);
    }
    test_points();
    test_options();
    return 0;
}

// test_unet_build.c - the U-Nets as graphs: names, shapes, points and stages, and what a config may not ask for. No
// device.
#include "models/unet.h"
#include "tests/model/harness_build.h"

#define SD "tests/golden/checkpoints/tiny-sd15/unet/"
#define DDPM "tests/golden/checkpoints/tiny-ddpm/unet/"
#define WEIGHTS "diffusion_pytorch_model.safetensors"

static const char *const all_points[] = { "" };

static struct daub_unet_config parse(const char *path)
{
    struct daub_json json = build_json(path);
    struct daub_unet_config cfg;
    REQUIRE_OK(daub_unet_config_parse(&json, &cfg));
    daub_json_free(&json);
    return cfg;
}

static struct daub_unet_config parse_text(const char *text)
{
    struct daub_json json = build_json_text(text);
    struct daub_unet_config cfg;
    REQUIRE_OK(daub_unet_config_parse(&json, &cfg));
    daub_json_free(&json);
    return cfg;
}

static struct daub_net *build(const struct daub_unet_config *cfg, uint32_t n, uint32_t h, uint32_t w, uint32_t calls)
{
    struct daub_net *net = build_net();
    struct daub_tensor *x = build_input(net, "sample", DAUB_STAGE_STEP, n, h, w, cfg->in_channels);
    struct daub_tensor *time = build_input(net, "time", DAUB_STAGE_TIME, calls, 1, 1, cfg->block_out_channels[0]);
    struct daub_tensor *text = NULL;
    if (cfg->conditional)
        text = build_input(net, "text", DAUB_STAGE_PICTURE, n, 1, 77, cfg->cross_attention_dim);
    struct daub_tensor *y = daub_unet_build(net, cfg, x, time, text, NULL);
    build_finish(net);
    build_require_shape(y, n, h, w, cfg->out_channels);
    REQUIRE(y->dtype == DAUB_F32);
    return net;
}

static void test_conditional(void)
{
    const struct daub_unet_config cfg = parse(SD "config.json");
    REQUIRE(cfg.conditional && cfg.n_levels == 4 && cfg.num_heads[0] == 8 && !cfg.use_linear_projection);
    REQUIRE(cfg.time_embed_dim == 4 * cfg.block_out_channels[0] && cfg.norm_num_groups == 8);
    REQUIRE(cfg.down_attention[2] && !cfg.down_attention[3] && !cfg.up_attention[0] && cfg.up_attention[3]);

    struct daub_net *net = build(&cfg, 1, 12, 8, 1);
    build_check_weights(net, SD WEIGHTS, NULL);
    build_check_points(net, "tests/golden/goldens/unet/tiny-sd15_blocks.safetensors", all_points, 1, 70);
    REQUIRE(build_count_ops(net, "concat") == 0); // skips cost no copy

    // Time projections run once a schedule, cross-attention's keys and values once a picture.
    const struct daub_tensor *rows = daub_net_find_point(net, "mid_block.resnets.0.time_emb_proj");
    const struct daub_tensor *key = daub_net_find_point(net, "mid_block.attentions.0.transformer_blocks.0.attn2.to_k");
    const struct daub_tensor *query = daub_net_find_point(net,
                                                          "mid_block.attentions.0.transformer_blocks.0.attn2.to_q");
    REQUIRE(rows && rows->stage == DAUB_STAGE_TIME);
    REQUIRE(key && key->stage == DAUB_STAGE_PICTURE && key->heads == 8);
    REQUIRE(query && query->stage == DAUB_STAGE_STEP && query->heads == 8);
    daub_net_destroy(&net);
}

static void test_unconditional(void)
{
    const struct daub_unet_config cfg = parse(DDPM "config.json");
    REQUIRE(!cfg.conditional && cfg.num_heads[1] == 1 && cfg.downsample_padding == 0 && !cfg.flip_sin_to_cos);
    struct daub_net *net = build(&cfg, 1, 32, 32, 1);
    build_check_weights(net, DDPM WEIGHTS, NULL);
    build_check_points(net, "tests/golden/goldens/ddpm/tiny-ddpm_case00.safetensors", all_points, 1, 20);
    daub_net_destroy(&net);
}

// The way down rounds up and the way up meets each skip's own size, so any size works.
static void test_sizes(void)
{
    static const uint32_t sizes[][2] = { { 1, 1 }, { 5, 9 }, { 9, 11 }, { 13, 8 }, { 2, 31 } };
    const struct daub_unet_config cfg = parse(SD "config.json");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct daub_net *net = build(&cfg, 3, sizes[i][0], sizes[i][1], 7);
        const struct daub_tensor *low = daub_net_find_point(net, "mid_block.resnets.1");
        build_require_shape(low, 3, (sizes[i][0] + 7) / 8, (sizes[i][1] + 7) / 8, cfg.block_out_channels[3]);
        daub_net_destroy(&net);
    }
}

// Levels, layers, depths and heads that differ from level to level; no mid block; odd widths; extra input channels.
static void test_shapes(void)
{
    const struct daub_unet_config cfg = parse_text(
        "{\"_class_name\":\"UNet2DConditionModel\",\"in_channels\":9,\"out_channels\":5,\"norm_num_groups\":4,"
        "\"block_out_channels\":[12,20,36],\"layers_per_block\":[1,3,2],\"cross_attention_dim\":10,"
        "\"down_block_types\":[\"DownBlock2D\",\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\"],"
        "\"up_block_types\":[\"CrossAttnUpBlock2D\",\"UpBlock2D\",\"CrossAttnUpBlock2D\"],\"mid_block_type\":null,"
        "\"transformer_layers_per_block\":[1,2,3],\"attention_head_dim\":[2,5,6],\"num_attention_heads\":[3,4,9],"
        "\"use_linear_projection\":true,\"time_embedding_dim\":44}");
    REQUIRE(!cfg.mid_block && cfg.num_heads[2] == 9 && cfg.layers_per_block[1] == 3 && cfg.time_embed_dim == 44);
    struct daub_net *net = build(&cfg, 2, 7, 10, 3);
    REQUIRE(daub_net_find_point(net, "down_blocks.1.resnets.2"));
    REQUIRE(!daub_net_find_point(net, "mid_block.resnets.0"));
    REQUIRE(daub_net_find_point(net, "up_blocks.0.attentions.2.transformer_blocks.2.ff"));
    REQUIRE(!daub_net_find_point(net, "up_blocks.1.attentions.0"));
    REQUIRE(daub_net_find_point(net, "up_blocks.1.resnets.3"));
    REQUIRE(build_count_ops(net, "concat") > 0); // 12 and 20 channels are no whole words
    build_require_shape(daub_net_find_point(net, "time_embedding"), 3, 1, 1, 44);
    daub_net_destroy(&net);

    // A list of one number counts for every level, and an absent attention_head_dim of UNet2DModel is 8 channels a
    // head.
    const struct daub_unet_config plain = parse_text(
        "{\"_class_name\":\"UNet2DModel\",\"block_out_channels\":[32,64],\"layers_per_block\":1,\"norm_num_groups\":8,"
        "\"down_block_types\":[\"DownBlock2D\",\"AttnDownBlock2D\"],\"attn_norm_num_groups\":16,"
        "\"up_block_types\":[\"AttnUpBlock2D\",\"UpBlock2D\"],\"sample_size\":[24,16]}");
    REQUIRE(plain.num_heads[1] == 8 && plain.attn_norm_num_groups == 16 && plain.sample_size == 24);
    net = build(&plain, 1, 6, 4, 1);
    daub_net_destroy(&net);
}

static void test_refusals(void)
{
#define SMALL                                                                                                        \
    "\"_class_name\":\"UNet2DConditionModel\",\"block_out_channels\":[32,64],\"down_block_types\":[\"DownBlock2D\"," \
    "\"CrossAttnDownBlock2D\"],\"up_block_types\":[\"CrossAttnUpBlock2D\",\"UpBlock2D\"]"
    static const struct {
        const char *text, *part;
        daub_status status;
    } cases[] = {
        { "{\"_class_name\":\"UNet3DConditionModel\"}", "unknown class 'UNet3DConditionModel'",
          DAUB_ERROR_UNSUPPORTED },
        { "{}", "unknown class", DAUB_ERROR_UNSUPPORTED },
        { "{" SMALL ",\"act_fn\":\"gelu\"}", "act_fn 'gelu'", DAUB_ERROR_UNSUPPORTED },
        { "{" SMALL ",\"act_fn\":\"silu\",\"act_fn\":\"gelu\"}", "act_fn 'gelu'",
          DAUB_ERROR_UNSUPPORTED }, // the last one counts
        { "{" SMALL ",\"class_embed_type\":\"timestep\"}", "class_embed_type 'timestep'", DAUB_ERROR_UNSUPPORTED },
        { "{" SMALL ",\"addition_embed_type\":\"text_time\"}", "addition_embed_type", DAUB_ERROR_UNSUPPORTED },
        { "{" SMALL ",\"encoder_hid_dim_type\":\"text_proj\"}", "encoder_hid_dim_type", DAUB_ERROR_UNSUPPORTED },
        { "{" SMALL ",\"resnet_time_scale_shift\":\"scale_shift\"}", "scale_shift", DAUB_ERROR_UNSUPPORTED },
        { "{" SMALL ",\"only_cross_attention\":[true,false]}", "only_cross_attention", DAUB_ERROR_UNSUPPORTED },
        { "{" SMALL ",\"mid_block_scale_factor\":1.5}", "mid_block_scale_factor 1.5", DAUB_ERROR_UNSUPPORTED },
        { "{" SMALL ",\"time_cond_proj_dim\":256}", "time_cond_proj_dim 256", DAUB_ERROR_UNSUPPORTED },
        { "{" SMALL ",\"cross_attention_dim\":[8,16]}", "cross_attention_dim differs", DAUB_ERROR_UNSUPPORTED },
        { "{" SMALL ",\"mid_block_type\":\"UNetMidBlock2DSimpleCrossAttn\"}", "UNetMidBlock2DSimpleCrossAttn",
          DAUB_ERROR_UNSUPPORTED },
        { "{" SMALL ",\"norm_num_groups\":3}", "groups", DAUB_ERROR_UNSUPPORTED },
        { "{" SMALL ",\"attention_head_dim\":7}", "64 channels of level 1 do not split into 7 heads",
          DAUB_ERROR_UNSUPPORTED },
        { "{" SMALL ",\"layers_per_block\":[1,2,3]}", "layers_per_block has 3 entries", DAUB_ERROR_BAD_FILE },
        { "{" SMALL ",\"layers_per_block\":0}", "layers_per_block", DAUB_ERROR_BAD_FILE },
        { "{" SMALL ",\"in_channels\":\"four\"}", "in_channels", DAUB_ERROR_BAD_FILE },
        { "{\"_class_name\":\"UNet2DConditionModel\",\"block_out_channels\":[32,64],\"down_block_types\":"
          "[\"DownBlock2D\",\"KDownBlock2D\"]}",
          "down_block_types[1] is of the unknown type 'KDownBlock2D'", DAUB_ERROR_UNSUPPORTED },
        { "{\"_class_name\":\"UNet2DModel\",\"block_out_channels\":[32,64],\"down_block_types\":"
          "[\"DownBlock2D\",\"CrossAttnDownBlock2D\"]}",
          "CrossAttnDownBlock2D", DAUB_ERROR_UNSUPPORTED },
        { "{\"_class_name\":\"UNet2DModel\",\"block_out_channels\":[32,64]}", "down_block_types has 0 entries",
          DAUB_ERROR_BAD_FILE },
        { "{\"_class_name\":\"UNet2DModel\",\"time_embedding_type\":\"fourier\"}", "fourier", DAUB_ERROR_UNSUPPORTED },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct daub_json json = build_json_text(cases[i].text);
        struct daub_unet_config cfg;
        REQUIRE_STATUS(daub_unet_config_parse(&json, &cfg), cases[i].status, cases[i].part);
        daub_json_free(&json);
    }
#undef SMALL
}

// t = 0: all sines 0, all cosines 1; else the first pair turns at one radian a step. freq_shift 1 brings the last to
// 1e-4.
static void test_time_features(void)
{
    struct daub_unet_config cfg = { .block_out_channels = { 8 }, .flip_sin_to_cos = true };
    float f[9];
    daub_unet_time_features(&cfg, 0.0, f);
    for (int i = 0; i < 8; i++)
        REQUIRE(f[i] == (i < 4 ? 1.0f : 0.0f));
    daub_unet_time_features(&cfg, 12.5, f);
    for (int i = 0; i < 4; i++) {
        REQUIRE_NEAR(f[i], cos(12.5 * pow(10000.0, -i / 4.0)), 2e-6);
        REQUIRE_NEAR(f[4 + i], sin(12.5 * pow(10000.0, -i / 4.0)), 2e-6);
    }
    cfg.flip_sin_to_cos = false;
    cfg.freq_shift = 1.0;
    daub_unet_time_features(&cfg, 700.0, f);
    REQUIRE_NEAR(f[0], sin(700.0), 1e-6);
    REQUIRE_NEAR(f[3], sin(700.0 * 1e-4), 1e-6);
    REQUIRE_NEAR(f[7], cos(700.0 * 1e-4), 1e-6);
    cfg.block_out_channels[0] = 9; // an odd width ends with a zero
    f[8] = 5.0f;
    daub_unet_time_features(&cfg, 3.0, f);
    REQUIRE(f[8] == 0.0f);
}

int main(void)
{
    test_conditional();
    test_unconditional();
    test_sizes();
    test_shapes();
    test_refusals();
    test_time_features();
    return 0;
}

// test_families.c - recognising and configuring checkpoints: folders, single files, defaults, refusals. No device.
#include "models/family.h"
#include "models/ldm_config.h"
#include "runtime/base/file.h"
#include "tests/test.h"

#include <unistd.h>

#define TINY "tests/golden/checkpoints/tiny-sd15"

// ---- single files: configs from shapes ------------------------------------------------------------------------------

enum { MAX_TENSORS = 512 };

struct single { // the tensors that configs are read from; values are never looked at
    struct daub_st_write tensors[MAX_TENSORS];
    char names[MAX_TENSORS][160];
    uint32_t n;
};

static float zeros[1280 * 1280 * 4];

static void DAUB_PRINTF(5, 6) add(struct single *s, uint32_t n_dims, uint64_t a, uint64_t b, const char *fmt, ...)
{
    REQUIRE(s->n < MAX_TENSORS && a * b <= sizeof(zeros) / sizeof(zeros[0]));
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->names[s->n], sizeof(s->names[0]), fmt, args);
    va_end(args);
    s->tensors[s->n] = (struct daub_st_write) {
        .name = s->names[s->n], .n_dims = n_dims, .dims = { a, b, 1, 1 }, .data = zeros
    };
    s->n++;
}

#define UNET "model.diffusion_model."
#define VAE "first_stage_model."

// Input blocks of four levels of two layers: conv_in, 1 2 (3 op) 4 5 (6 op) 7 8 (9 op) 10 11; output blocks three a
// level.
static void add_unet(struct single *s, const uint64_t *widths, uint64_t context, bool linear, uint64_t in)
{
    add(s, 4, widths[0], in, UNET "input_blocks.0.0.weight");
    add(s, 4, 4, widths[0], UNET "out.2.weight");
    add(s, 2, 4 * widths[0], widths[0], UNET "time_embed.0.weight");
    add(s, 2, widths[3], context, UNET "middle_block.1.transformer_blocks.0.attn2.to_k.weight");
    add(s, linear ? 2 : 4, widths[3], widths[3], UNET "middle_block.1.proj_in.weight");
    for (uint32_t level = 0; level < 4; level++) {
        for (uint32_t j = 0; j < 2; j++) {
            const uint32_t block = 1 + 3 * level + j;
            add(s, 4, widths[level], 1, UNET "input_blocks.%u.0.out_layers.3.weight", block);
            if (level < 3)
                add(s, 1, widths[level], 1, UNET "input_blocks.%u.1.transformer_blocks.0.norm1.weight", block);
        }
        if (level < 3)
            add(s, 4, widths[level], 1, UNET "input_blocks.%u.0.op.weight", 3 + 3 * level);
    }
    for (uint32_t block = 3; block < 12; block++)
        add(s, 1, widths[0], 1, UNET "output_blocks.%u.1.transformer_blocks.0.norm1.weight", block);
}

static void add_vae(struct single *s, uint64_t width)
{
    static const uint64_t multiples[] = { 1, 2, 4, 4 };
    add(s, 4, 4 * width, 4, VAE "decoder.conv_in.weight");
    add(s, 4, 3, width, VAE "decoder.conv_out.weight");
    add(s, 4, 4, 4, VAE "post_quant_conv.weight");
    add(s, 4, 8, 8, VAE "quant_conv.weight");
    add(s, 1, 4 * width, 1, VAE "decoder.mid.attn_1.norm.weight");
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t j = 0; j < 3; j++)
            add(s, 4, multiples[i] * width, 1, VAE "decoder.up.%u.block.%u.conv1.weight", i, j);
}

static void add_text(struct single *s, bool open_clip, uint64_t width, uint32_t layers)
{
    const char *base = open_clip ? "cond_stage_model.model." : "cond_stage_model.transformer.text_model.";
    add(s, 2, 1000, width, "%s%s", base, open_clip ? "token_embedding.weight" : "embeddings.token_embedding.weight");
    add(s, 2, 77, width, "%s%s", base, open_clip ? "positional_embedding" : "embeddings.position_embedding.weight");
    add(s, 2, 4 * width, width, "%s%s", base,
        open_clip ? "transformer.resblocks.0.mlp.c_fc.weight" : "encoder.layers.0.mlp.fc1.weight");
    for (uint32_t i = 0; i < layers; i++)
        add(s, 1, width, 1,
            open_clip ? "%stransformer.resblocks.%u.ln_1.weight" : "%sencoder.layers.%u.layer_norm1.weight", base, i);
}

static struct daub_safetensors *write_single(const struct single *s, const char *path)
{
    struct daub_safetensors *st = NULL;
    REQUIRE_OK(daub_safetensors_write(NULL, path, s->tensors, s->n));
    REQUIRE_OK(daub_safetensors_open(NULL, path, &st));
    return st;
}

static void test_shapes(const char *dir)
{
    static const uint64_t real[] = { 320, 640, 1280, 1280 }, tiny[] = { 32, 32, 48, 48 };
    static struct single s;
    char path[512];
    snprintf(path, sizeof(path), "%s/a.safetensors", dir);
    struct daub_unet_config unet;
    struct daub_vae_config vae;
    struct daub_clip_config text;

    s.n = 0;
    add_unet(&s, real, 768, false, 9);
    add_vae(&s, 128);
    add_text(&s, false, 768, 12);
    struct daub_safetensors *st = write_single(&s, path);
    REQUIRE_OK(daub_ldm_unet_config(st, (struct daub_ldm_heads) { .count = 8 }, &unet));
    REQUIRE(unet.n_levels == 4 && unet.block_out_channels[0] == 320 && unet.block_out_channels[3] == 1280);
    REQUIRE(unet.in_channels == 9 && unet.out_channels == 4 && unet.cross_attention_dim == 768);
    REQUIRE(unet.layers_per_block[3] == 2 && unet.num_heads[2] == 8 && !unet.use_linear_projection);
    REQUIRE(unet.down_attention[2] && !unet.down_attention[3] && !unet.up_attention[0] && unet.up_attention[1]);
    REQUIRE(unet.time_embed_dim == 1280 && unet.mid_block && unet.mid_attention && unet.norm_num_groups == 32);
    REQUIRE_OK(daub_ldm_vae_config(st, "first_stage_model.", &vae));
    REQUIRE(vae.n_levels == 4 && vae.block_out_channels[3] == 512 && vae.layers_per_block == 2);
    REQUIRE(vae.latent_channels == 4 && vae.use_quant_conv && vae.mid_block_add_attention);
    REQUIRE_OK(daub_ldm_text_config(st, false, &text));
    REQUIRE(text.hidden_size == 768 && text.num_hidden_layers == 12 && text.num_attention_heads == 12);
    REQUIRE(text.quick_gelu && text.intermediate_size == 3072 && text.max_position_embeddings == 77);
    REQUIRE_STATUS(daub_ldm_text_config(st, true, &text), DAUB_ERROR_BAD_FILE, "cond_stage_model.model");
    daub_safetensors_close(&st);

    s.n = 0;
    add_unet(&s, real, 1024, true, 4);
    add_text(&s, true, 1024, 24);
    st = write_single(&s, path);
    REQUIRE_OK(daub_ldm_unet_config(st, (struct daub_ldm_heads) { .width = 64 }, &unet));
    REQUIRE(unet.num_heads[0] == 5 && unet.num_heads[3] == 20 && unet.use_linear_projection);
    REQUIRE_OK(daub_ldm_text_config(st, true, &text));
    REQUIRE(text.num_hidden_layers == 23 && text.num_attention_heads == 16 && !text.quick_gelu);
    REQUIRE_STATUS(daub_ldm_vae_config(st, "first_stage_model.", &vae), DAUB_ERROR_BAD_FILE,
                   "decoder.conv_in.weight is missing");
    daub_safetensors_close(&st);

    s.n = 0;
    add_text(&s, true, 1024, 23); // converted from diffusers: the layer that is never run is not stored
    st = write_single(&s, path);
    REQUIRE_OK(daub_ldm_text_config(st, true, &text));
    REQUIRE(text.num_hidden_layers == 23);
    daub_safetensors_close(&st);

    s.n = 0;
    add_unet(&s, tiny, 24, false, 4);
    add_vae(&s, 16);
    add_text(&s, false, 24, 4);
    st = write_single(&s, path);
    REQUIRE_STATUS(daub_ldm_unet_config(st, (struct daub_ldm_heads) { .count = 8 }, &unet), DAUB_ERROR_UNSUPPORTED,
                   "--config-from");
    REQUIRE_STATUS(daub_ldm_vae_config(st, "first_stage_model.", &vae), DAUB_ERROR_UNSUPPORTED, "--config-from");
    REQUIRE_STATUS(daub_ldm_text_config(st, false, &text), DAUB_ERROR_UNSUPPORTED, "--config-from");
    daub_safetensors_close(&st);
}

// ---- whole checkpoints ----------------------------------------------------------------------------------------------

static const char *source_path(const char *path)
{
    static char full[1024];
    snprintf(full, sizeof(full), "%s/%s", DAUB_SOURCE_DIR, path);
    return full;
}

struct described {
    struct daub_checkpoint *ckpt;
    struct daub_arena *arena;
    struct daub_model_desc desc;
};

static daub_status describe(const char *path, struct described *out)
{
    *out = (struct described) { .arena = daub_arena_create(NULL) };
    REQUIRE(out->arena);
    const daub_status status = daub_checkpoint_open(NULL, path, NULL, &out->ckpt);
    return status == DAUB_OK ? daub_model_describe(out->ckpt, out->arena, &out->desc) : status;
}

static void forget(struct described *d)
{
    daub_arena_destroy(&d->arena);
    daub_checkpoint_close(&d->ckpt);
}

static void require_evidence(const struct described *d, const char *part)
{
    if (!strstr(d->desc.evidence, part))
        TEST_FAIL("the evidence \"%s\" does not say \"%s\"", d->desc.evidence, part);
}

static void test_folders(void)
{
    struct described d;
    REQUIRE_OK(describe(source_path(TINY), &d));
    REQUIRE_TEXT(d.desc.family->name, "sd1");
    REQUIRE(d.desc.has_text && d.desc.has_vae && d.desc.text_layers == 4 && !d.desc.pad_with_zero);
    REQUIRE(d.desc.width == 64 && d.desc.height == 64 && d.desc.size_multiple == 8 && d.desc.n_steps == 20);
    REQUIRE_NEAR(d.desc.guidance_scale, 7.5, 0.0);
    REQUIRE_TEXT(d.desc.sampler.sampler->name, "plms");
    REQUIRE(d.desc.scheduler_json && d.desc.sampler.prediction_type == DAUB_PREDICTION_EPSILON);
    require_evidence(&d, "StableDiffusionPipeline");

    // Another sampler keeps the file's noise schedule.
    const struct daub_sampler_desc *euler = NULL;
    struct daub_sampler_config config;
    REQUIRE_OK(daub_sampler_find("euler", &euler, NULL));
    REQUIRE_OK(daub_model_sampler_config(&d.desc, euler, d.arena, &config));
    REQUIRE(config.sampler == euler && config.beta_schedule == DAUB_BETA_SCALED_LINEAR && config.steps_offset == 1);
    d.desc.scheduler_json = NULL; // and so without a file
    REQUIRE_OK(daub_model_sampler_config(&d.desc, euler, d.arena, &config));
    REQUIRE(config.sampler == euler && config.beta_schedule == DAUB_BETA_SCALED_LINEAR && config.steps_offset == 1);
    REQUIRE_NEAR(config.beta_end, 0.012, 0.0);
    forget(&d);

    REQUIRE_OK(describe(source_path("tests/golden/checkpoints/tiny-ddpm"), &d));
    REQUIRE_TEXT(d.desc.family->name, "ddpm");
    REQUIRE(!d.desc.has_text && !d.desc.has_vae && d.desc.width == 32 && d.desc.size_multiple == 8);
    REQUIRE_TEXT(d.desc.sampler.sampler->name, "ddpm");
    REQUIRE(d.desc.guidance_scale == 1.0f && d.desc.n_steps == 50);
    forget(&d);

    // daub.json of the default model
    REQUIRE_OK(describe(source_path("models/default"), &d));
    REQUIRE_TEXT(d.desc.family->name, "sd1");
    REQUIRE_TEXT(d.desc.sampler.sampler->name, "ddim");
    REQUIRE(d.desc.n_steps == 25 && d.desc.guidance_scale == 4.0f && d.desc.width == 64);
    REQUIRE(d.desc.sampler.prediction_type == DAUB_PREDICTION_V && d.desc.unet.in_channels == 16);
    forget(&d);
}

static void test_component(void)
{
    struct described d;
    REQUIRE_STATUS(describe(source_path(TINY "/unet"), &d), DAUB_ERROR_BAD_FILE, "a single component");
    forget(&d);
}

static void put(const char *dir, const char *name, const char *text)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    REQUIRE_OK(daub_file_write(NULL, path, text, strlen(text)));
}

static void borrow(const char *dir, const char *part, const char *from)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", dir, part);
    unlink(path);
    REQUIRE(symlink(source_path(from), path) == 0);
}

// A folder of borrowed parts with files of our own in front of them.
static void test_own_folders(const char *dir)
{
    static const char pipeline[] = "{\"_class_name\":\"StableDiffusionPipeline\"}";
    struct described d;
    borrow(dir, "unet", TINY "/unet");
    borrow(dir, "vae", TINY "/vae");
    borrow(dir, "text_encoder", TINY "/text_encoder");

    put(dir, "model_index.json", pipeline);
    put(dir, "daub.json",
        "{\"steps\":7,\"width\":128,\"height\":72,\"sampler\":\"DPM++ 2M Karras\",\"guidance_scale\":3}");
    REQUIRE_OK(describe(dir, &d));
    REQUIRE(!d.desc.scheduler_json && d.desc.n_steps == 7 && d.desc.width == 128 && d.desc.height == 72);
    REQUIRE_TEXT(d.desc.sampler.sampler->name, "dpmpp_2m");
    REQUIRE(d.desc.sampler.sigma_spacing == DAUB_SIGMAS_KARRAS && d.desc.guidance_scale == 3.0f);
    REQUIRE(d.desc.sampler.beta_schedule == DAUB_BETA_SCALED_LINEAR);
    forget(&d);

    static const struct {
        const char *name, *text, *part;
        daub_status status;
    } cases[] = {
        { "daub.json", "{\"width\":100}", "width 100 is not a multiple of 8", DAUB_ERROR_BAD_FILE },
        { "daub.json", "{\"steps\":0}", "steps", DAUB_ERROR_BAD_FILE },
        { "daub.json", "{\"guidance_scale\":0.5}", "guidance_scale", DAUB_ERROR_BAD_FILE },
        { "daub.json", "{\"sampler\":\"eulr\"}", "euler", DAUB_ERROR_INVALID_ARG },
        { "model_index.json", "{\"_class_name\":\"FluxPipeline\"}", "unknown class 'FluxPipeline'",
          DAUB_ERROR_UNSUPPORTED },
        { "model_index.json", "{\"_class_name\":\"StableDiffusionXLPipeline\"}", "looks like SDXL",
          DAUB_ERROR_UNSUPPORTED },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(dir, "model_index.json", pipeline);
        put(dir, "daub.json", "{}");
        put(dir, cases[i].name, cases[i].text);
        REQUIRE_STATUS(describe(dir, &d), cases[i].status, cases[i].part);
        forget(&d);
    }

    // Parts that do not belong together: the default model's text encoder is wider than this U-Net's cross-attention.
    put(dir, "model_index.json", pipeline);
    put(dir, "daub.json", "{}");
    borrow(dir, "text_encoder", "models/default/text_encoder");
    REQUIRE_STATUS(describe(dir, &d), DAUB_ERROR_BAD_FILE, "the text encoder is 128 wide and the U-Net takes 24");
    forget(&d);
}

static void test_singles(const char *dir)
{
    static const uint64_t real[] = { 320, 640, 1280, 1280 };
    static struct single s;
    struct described d;
    char path[512];
    snprintf(path, sizeof(path), "%s/b.safetensors", dir);

    s.n = 0;
    add(&s, 1, 4, 1, "lora_unet_up_blocks_0.lora_up.weight");
    REQUIRE_OK(daub_safetensors_write(NULL, path, s.tensors, s.n));
    REQUIRE_STATUS(describe(path, &d), DAUB_ERROR_BAD_FILE, "");
    forget(&d);

    s.n = 0;
    add_unet(&s, real, 2048, true, 4);
    add(&s, 2, 1280, 2816 / 4, UNET "label_emb.0.0.weight");
    REQUIRE_OK(daub_safetensors_write(NULL, path, s.tensors, s.n));
    REQUIRE_STATUS(describe(path, &d), DAUB_ERROR_UNSUPPORTED, "looks like SDXL");
    forget(&d);

    // All configs can be told, but most tensors are missing: each kind is reported by name.
    s.n = 0;
    add_unet(&s, real, 768, false, 4);
    add_vae(&s, 128);
    add_text(&s, false, 768, 12);
    REQUIRE_OK(daub_safetensors_write(NULL, path, s.tensors, s.n));
    REQUIRE_STATUS(describe(path, &d), DAUB_ERROR_BAD_FILE, "missing");
    forget(&d);
}

int main(void)
{
    char dir[] = "/tmp/daub_families_XXXXXX";
    REQUIRE(mkdtemp(dir));
    test_shapes(dir);
    test_folders();
    test_component();
    test_own_folders(dir);
    test_singles(dir);

    static const char *const made[] = { "a.safetensors", "b.safetensors",   "unet", "vae", "text_encoder",
                                        "daub.json",     "model_index.json" };
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", dir, made[i]);
        unlink(path);
    }
    rmdir(dir);
    return 0;
}

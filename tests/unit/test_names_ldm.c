// test_names_ldm.c - diffusers' names to the original ones: a table of names that the published Stable Diffusion files
// have, and, with DAUB_ORACLE set, every tensor of the tiny checkpoints bit by bit against their single files.
#include "runtime/base/half.h"
#include "runtime/io/names_ldm.h"
#include "test.h"

static const struct daub_ldm_layout sd1 = {
    .unet_levels = 4, .unet_layers_per_block = 2, .vae_levels = 4, .vae_layers_per_block = 2
};
static const struct daub_ldm_layout sd2 = { .unet_levels = 4,
                                            .unet_layers_per_block = 2,
                                            .vae_levels = 4,
                                            .vae_layers_per_block = 2,
                                            .open_clip = true,
                                            .text_hidden = 1024 };

struct name_case {
    enum daub_component c;
    const char *diffusers;
    const char *ldm; // behind the component's prefix; NULL: there is no such variant
    uint32_t variant, first_row, n_rows;
    bool transposed;
};

#define NAME(component, from, to) .c = DAUB_##component, .diffusers = from, .ldm = to

// clang-format off
static const struct name_case sd1_cases[] = {
    { NAME(UNET, "conv_in.weight", "input_blocks.0.0.weight") },
    { NAME(UNET, "time_embedding.linear_2.bias", "time_embed.2.bias") },
    { NAME(UNET, "down_blocks.0.resnets.0.norm1.weight", "input_blocks.1.0.in_layers.0.weight") },
    { NAME(UNET, "down_blocks.0.downsamplers.0.conv.bias", "input_blocks.3.0.op.bias") },
    { NAME(UNET, "down_blocks.2.attentions.1.proj_in.weight", "input_blocks.8.1.proj_in.weight") },
    { NAME(UNET, "down_blocks.3.resnets.1.time_emb_proj.bias", "input_blocks.11.0.emb_layers.1.bias") },
    { NAME(UNET, "down_blocks.1.resnets.0.conv_shortcut.weight", "input_blocks.4.0.skip_connection.weight") },
    { NAME(UNET, "mid_block.resnets.1.conv2.weight", "middle_block.2.out_layers.3.weight") },
    { NAME(UNET, "mid_block.attentions.0.norm.bias", "middle_block.1.norm.bias") },
    { NAME(UNET, "up_blocks.0.resnets.2.norm2.bias", "output_blocks.2.0.out_layers.0.bias") },
    { NAME(UNET, "up_blocks.0.upsamplers.0.conv.weight", "output_blocks.2.2.conv.weight") },
    { NAME(UNET, "up_blocks.0.upsamplers.0.conv.weight", "output_blocks.2.1.conv.weight"), .variant = 1 },
    { NAME(UNET, "up_blocks.0.upsamplers.0.conv.weight", NULL), .variant = 2 },
    { NAME(UNET, "up_blocks.3.attentions.2.transformer_blocks.0.attn2.to_out.0.bias",
           "output_blocks.11.1.transformer_blocks.0.attn2.to_out.0.bias") },
    { NAME(UNET, "conv_norm_out.bias", "out.0.bias") },
    { NAME(UNET, "conv_out.weight", "out.2.weight") },
    { NAME(UNET, "conv_out.weight", NULL), .variant = 1 },
    { NAME(UNET, "down_blocks.0.nothing.0.weight", NULL) },
    { NAME(UNET, "down_blocks.x.resnets.0.norm1.weight", NULL) },
    { NAME(VAE, "quant_conv.weight", "quant_conv.weight") },
    { NAME(VAE, "encoder.conv_in.bias", "encoder.conv_in.bias") },
    { NAME(VAE, "encoder.down_blocks.1.resnets.0.conv_shortcut.bias", "encoder.down.1.block.0.nin_shortcut.bias") },
    { NAME(VAE, "encoder.down_blocks.2.downsamplers.0.conv.weight", "encoder.down.2.downsample.conv.weight") },
    { NAME(VAE, "decoder.up_blocks.0.resnets.2.norm1.weight", "decoder.up.3.block.2.norm1.weight") },
    { NAME(VAE, "decoder.up_blocks.2.upsamplers.0.conv.bias", "decoder.up.1.upsample.conv.bias") },
    { NAME(VAE, "decoder.up_blocks.4.upsamplers.0.conv.bias", NULL) },
    { NAME(VAE, "decoder.mid_block.attentions.0.to_out.0.weight", "decoder.mid.attn_1.proj_out.weight") },
    { NAME(VAE, "encoder.mid_block.attentions.0.group_norm.bias", "encoder.mid.attn_1.norm.bias") },
    { NAME(VAE, "encoder.mid_block.resnets.1.conv1.weight", "encoder.mid.block_2.conv1.weight") },
    { NAME(VAE, "decoder.conv_norm_out.weight", "decoder.norm_out.weight") },
    { NAME(TEXT, "text_model.encoder.layers.11.mlp.fc1.weight",
           "transformer.text_model.encoder.layers.11.mlp.fc1.weight") },
};
static const struct name_case sd2_cases[] = {
    { NAME(TEXT, "text_model.embeddings.token_embedding.weight", "model.token_embedding.weight") },
    { NAME(TEXT, "text_model.embeddings.position_embedding.weight", "model.positional_embedding") },
    { NAME(TEXT, "embeddings.position_embedding.weight", "model.positional_embedding") },
    { NAME(TEXT, "text_model.encoder.layers.7.self_attn.q_proj.weight",
           "model.transformer.resblocks.7.attn.in_proj_weight"), .first_row = 0, .n_rows = 1024 },
    { NAME(TEXT, "text_model.encoder.layers.7.self_attn.v_proj.bias",
           "model.transformer.resblocks.7.attn.in_proj_bias"), .first_row = 2048, .n_rows = 1024 },
    { NAME(TEXT, "text_model.encoder.layers.0.self_attn.out_proj.bias",
           "model.transformer.resblocks.0.attn.out_proj.bias") },
    { NAME(TEXT, "text_model.encoder.layers.22.mlp.fc2.weight", "model.transformer.resblocks.22.mlp.c_proj.weight") },
    { NAME(TEXT, "text_model.final_layer_norm.weight", "model.ln_final.weight") },
    { NAME(TEXT, "text_projection.weight", "model.text_projection"), .transposed = true },
    { NAME(TEXT, "text_model.encoder.layers.7.nothing.weight", NULL) },
};
// clang-format on

static void check_table(const struct daub_ldm_layout *layout, const struct name_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct daub_ldm_name got;
        const bool there = daub_ldm_name(cases[i].c, layout, cases[i].diffusers, cases[i].variant, &got);
        if (there != (cases[i].ldm != NULL))
            TEST_FAIL("%s: %s a name", cases[i].diffusers, there ? "has" : "lacks");
        if (!there)
            continue;
        char want[DAUB_LDM_NAME_MAX];
        snprintf(want, sizeof(want), "%s%s", daub_ldm_prefix(cases[i].c), cases[i].ldm);
        REQUIRE_TEXT(got.name, want);
        REQUIRE(got.first_row == cases[i].first_row && got.n_rows == cases[i].n_rows);
        REQUIRE(got.transposed == cases[i].transposed);
    }
}

// Element i of a view, in the order of its dimensions.
static float element(const struct daub_view *v, uint64_t i)
{
    if (v->transposed)
        i = i % v->dims[1] * v->dims[0] + i / v->dims[1];
    float f;
    uint16_t h;
    if (v->dtype == DAUB_FILE_F32) {
        memcpy(&f, v->data + 4 * i, 4);
        return f;
    }
    REQUIRE(v->dtype == DAUB_FILE_F16);
    memcpy(&h, v->data + 2 * i, 2);
    return daub_half_to_float(h);
}

static void compare_tensor(struct daub_checkpoint *folder, struct daub_checkpoint *single, enum daub_component c,
                           const char *name)
{
    struct daub_view a, b;
    REQUIRE(daub_checkpoint_find(folder, c, name, &a));
    if (!daub_checkpoint_find(single, c, name, &b))
        TEST_FAIL("%s is not in the single file", name);
    uint64_t elements = 1;
    REQUIRE(a.n_dims == b.n_dims);
    for (uint32_t d = 0; d < a.n_dims; d++) {
        REQUIRE(a.dims[d] == b.dims[d]);
        elements *= a.dims[d];
    }
    for (uint64_t i = 0; i < elements; i++)
        if (element(&a, i) != element(&b, i))
            TEST_FAIL("%s differs at element %llu", name, (unsigned long long)i);
}

static void compare_checkpoints(const char *oracle, const char *name, struct daub_ldm_layout layout)
{
    static const char *const files[DAUB_COMPONENT_COUNT] = {
        [DAUB_UNET] = "diffusion_pytorch_model", [DAUB_VAE] = "diffusion_pytorch_model", [DAUB_TEXT] = "model"
    };
    char path[1024];
    struct daub_checkpoint *folder, *single;
    snprintf(path, sizeof(path), "%s/checkpoints/%s", oracle, name);
    REQUIRE_OK(daub_checkpoint_open(NULL, path, NULL, &folder));
    snprintf(path, sizeof(path), "%s/checkpoints/single/%s.fp16.safetensors", oracle, name);
    REQUIRE_OK(daub_checkpoint_open(NULL, path, NULL, &single));
    // The tiny models have the real ones' depth, but for the text model's width.
    REQUIRE_OK(daub_json_u32(daub_checkpoint_config(folder, DAUB_TEXT), "hidden_size", 1, 4096, &layout.text_hidden));
    daub_checkpoint_set_layout(single, &layout);
    for (int i = 0; i < DAUB_COMPONENT_COUNT; i++) {
        const enum daub_component c = (enum daub_component)i;
        struct daub_safetensors *st;
        snprintf(path, sizeof(path), "%s/checkpoints/%s/%s/%s.safetensors", oracle, name, daub_component_name(c),
                 files[c]);
        REQUIRE_OK(daub_safetensors_open(NULL, path, &st));
        const uint32_t n = daub_safetensors_count(st);
        struct daub_wanted *wanted = calloc(n, sizeof(*wanted));
        uint32_t(*dims)[4] = calloc(n, sizeof(*dims));
        REQUIRE(wanted && dims && n > 10);
        for (uint32_t t = 0; t < n; t++) {
            const struct daub_st_tensor *tensor = daub_safetensors_at(st, t);
            compare_tensor(folder, single, c, tensor->name);
            for (uint32_t d = 0; d < tensor->n_dims; d++)
                dims[t][d] = (uint32_t)tensor->dims[d];
            wanted[t] = (struct daub_wanted) { .name = tensor->name, .n_dims = tensor->n_dims, .dims = dims[t] };
        }
        // Nothing is left over on either side but what is excused.
        REQUIRE_OK(daub_checkpoint_check(folder, c, wanted, n));
        REQUIRE_OK(daub_checkpoint_check(single, c, wanted, n));
        printf("%s %s: %u tensors equal\n", name, daub_component_name(c), n);
        free(dims);
        free(wanted);
        daub_safetensors_close(&st);
    }
    daub_checkpoint_close(&folder);
    daub_checkpoint_close(&single);
}

int main(void)
{
    check_table(&sd1, sd1_cases, sizeof(sd1_cases) / sizeof(sd1_cases[0]));
    check_table(&sd2, sd2_cases, sizeof(sd2_cases) / sizeof(sd2_cases[0]));
    const char *oracle = getenv("DAUB_ORACLE");
    if (oracle) {
        compare_checkpoints(oracle, "tiny-sd15", sd1);
        compare_checkpoints(oracle, "tiny-sd21", sd2);
    }
    return 0;
}

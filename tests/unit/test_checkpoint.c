// test_checkpoint.c - folders, shards, variants, bare components and single files, made small in a temporary folder;
// what is wrong with each is said in one sentence.
#include "runtime/base/file.h"
#include "runtime/base/status.h"
#include "runtime/io/checkpoint.h"
#include "test.h"

#include <unistd.h>

static char root[] = "/tmp/daub-checkpoint-XXXXXX";

static const char *in_root(const char *name)
{
    static char path[8][1024];
    static unsigned turn;
    char *out = path[turn++ % 8];
    snprintf(out, sizeof(path[0]), "%s/%s", root, name);
    return out;
}

// Writes a text file below the root, and the folders above it.
static void put_text(const char *name, const char *text)
{
    char dir[1024];
    snprintf(dir, sizeof(dir), "%s", in_root(name));
    *strrchr(dir, '/') = 0;
    REQUIRE_OK(daub_make_dirs(dir));
    REQUIRE_OK(daub_file_write(NULL, in_root(name), text, strlen(text)));
}

struct tensor {
    const char *name;
    uint32_t n_dims;
    uint64_t dims[4];
    float first; // the others count up from it
};

// Writes a safetensors file of tensors up to one without a name.
static void put_tensors(const char *name, const struct tensor *tensors)
{
    static float data[64][64];
    struct daub_st_write out[64];
    uint32_t n = 0;
    for (; tensors[n].name; n++) {
        uint64_t elements = 1;
        out[n] = (struct daub_st_write) { .name = tensors[n].name, .n_dims = tensors[n].n_dims, .data = data[n] };
        for (uint32_t d = 0; d < tensors[n].n_dims; d++)
            elements *= out[n].dims[d] = tensors[n].dims[d];
        REQUIRE(elements <= 64);
        for (uint64_t i = 0; i < elements; i++)
            data[n][i] = tensors[n].first + (float)i;
    }
    put_text(name, ""); // the folders
    REQUIRE_OK(daub_safetensors_write(NULL, in_root(name), out, n));
}

static void remove_all(const char *name)
{
    char command[1200];
    snprintf(command, sizeof(command), "rm -r '%s'", in_root(name));
    REQUIRE(system(command) == 0);
}

static struct daub_checkpoint *open_ok(const char *name, const char *config_from)
{
    struct daub_checkpoint *ckpt;
    REQUIRE_OK(daub_checkpoint_open(NULL, in_root(name), config_from ? in_root(config_from) : NULL, &ckpt));
    return ckpt;
}

static void open_fails(const char *name, daub_status status, const char *sentence)
{
    struct daub_checkpoint *ckpt = NULL;
    REQUIRE_STATUS(daub_checkpoint_open(NULL, in_root(name), NULL, &ckpt), status, sentence);
    REQUIRE(!ckpt);
}

static float first_value(struct daub_checkpoint *ckpt, enum daub_component c, const char *name)
{
    struct daub_view view;
    if (!daub_checkpoint_find(ckpt, c, name, &view))
        TEST_FAIL("%s is not found", name);
    float value;
    memcpy(&value, view.data, sizeof(value));
    return value;
}

#define END               \
    {                     \
        NULL, 0, { 0 }, 0 \
    }

static void test_folder(void)
{
    put_text("m/model_index.json",
             "{\"unet\":[\"diffusers\",\"UNet2DConditionModel\"],\"vae\":[\"diffusers\",\"AutoencoderKL\"],"
             "\"safety_checker\":[null,null],\"text_encoder\":[null,null]}");
    put_text("m/unet/config.json", "{\"sample_size\":8}");
    open_fails("m", DAUB_ERROR_BAD_FILE, "holds no diffusion_pytorch_model.safetensors");
    put_text("m/unet/diffusion_pytorch_model.bin", "PK");
    open_fails("m", DAUB_ERROR_BAD_FILE, "a PyTorch pickle");
    put_tensors("m/unet/diffusion_pytorch_model.fp16.safetensors",
                (const struct tensor[]) { { "w", 1, { 2 }, 1 }, END });
    open_fails("m", DAUB_ERROR_BAD_FILE, "model_index.json names it");
    put_text("m/vae/config.json", "{}");
    put_tensors("m/vae/diffusion_pytorch_model.safetensors",
                (const struct tensor[]) { { "decoder.mid_block.attentions.0.query.weight", 2, { 2, 2 }, 5 },
                                          { "decoder.mid_block.attentions.0.proj_attn.bias", 1, { 2 }, 6 },
                                          END });

    struct daub_checkpoint *ckpt = open_ok("m", NULL);
    REQUIRE(!daub_checkpoint_is_single(ckpt) && !daub_checkpoint_single(ckpt));
    REQUIRE(daub_checkpoint_has(ckpt, DAUB_UNET) && daub_checkpoint_has(ckpt, DAUB_VAE));
    REQUIRE(!daub_checkpoint_has(ckpt, DAUB_TEXT) && !daub_checkpoint_config(ckpt, DAUB_TEXT));
    REQUIRE(daub_checkpoint_index(ckpt) && !daub_checkpoint_scheduler(ckpt) && !daub_checkpoint_defaults(ckpt));
    REQUIRE(!daub_checkpoint_tokenizer_dir(ckpt));
    REQUIRE_TEXT(daub_checkpoint_hash_path(ckpt, DAUB_UNET),
                 in_root("m/unet/diffusion_pytorch_model.fp16.safetensors"));
    uint32_t size = 0;
    REQUIRE_OK(daub_json_u32(daub_checkpoint_config(ckpt, DAUB_UNET), "sample_size", 1, 99, &size));
    REQUIRE(size == 8);
    REQUIRE(first_value(ckpt, DAUB_UNET, "w") == 1);
    // Names of older files.
    REQUIRE(first_value(ckpt, DAUB_VAE, "decoder.mid_block.attentions.0.to_q.weight") == 5);
    REQUIRE(first_value(ckpt, DAUB_VAE, "decoder.mid_block.attentions.0.to_out.0.bias") == 6);
    struct daub_view view;
    REQUIRE(!daub_checkpoint_find(ckpt, DAUB_VAE, "decoder.mid_block.attentions.0.to_k.weight", &view));
    REQUIRE(!daub_checkpoint_find(ckpt, DAUB_TEXT, "w", &view));
    REQUIRE(daub_checkpoint_parameters(ckpt, DAUB_UNET) == 2 && daub_checkpoint_parameters(ckpt, DAUB_VAE) == 6);
    daub_checkpoint_release(ckpt, DAUB_UNET, "w");
    REQUIRE(first_value(ckpt, DAUB_UNET, "w") == 1);
    daub_checkpoint_close(&ckpt);
    daub_checkpoint_close(&ckpt);

    // The full-precision file is preferred; the rest of a folder is found.
    put_tensors("m/unet/diffusion_pytorch_model.safetensors", (const struct tensor[]) { { "w", 1, { 2 }, 3 }, END });
    put_text("m/scheduler/scheduler_config.json", "{}");
    put_text("m/tokenizer/merges.txt", "");
    put_text("m/daub.json", "{\"steps\":3}");
    ckpt = open_ok("m", NULL);
    REQUIRE(first_value(ckpt, DAUB_UNET, "w") == 3);
    REQUIRE(daub_checkpoint_scheduler(ckpt) && daub_checkpoint_defaults(ckpt));
    REQUIRE_TEXT(daub_checkpoint_tokenizer_dir(ckpt), in_root("m/tokenizer"));
    daub_checkpoint_close(&ckpt);

    put_text("m/vae/config.json", "{\"a\":");
    open_fails("m", DAUB_ERROR_BAD_FILE, "vae/config.json");
    remove_all("m");
}

static void test_shards(void)
{
    const char *index = "s/unet/diffusion_pytorch_model.safetensors.index.json";
    put_text("s/unet/config.json", "{}");
    put_text(index, "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\",\"c\":\"one.safetensors\"}}");
    put_tensors("s/unet/one.safetensors", (const struct tensor[]) { { "a", 1, { 1 }, 1 }, { "c", 1, { 1 }, 3 }, END });
    open_fails("s", DAUB_ERROR_IO, "two.safetensors");
    put_tensors("s/unet/two.safetensors", (const struct tensor[]) { { "b", 1, { 1 }, 2 }, END });
    struct daub_checkpoint *ckpt = open_ok("s", NULL);
    REQUIRE(first_value(ckpt, DAUB_UNET, "a") == 1 && first_value(ckpt, DAUB_UNET, "b") == 2);
    REQUIRE(first_value(ckpt, DAUB_UNET, "c") == 3 && daub_checkpoint_parameters(ckpt, DAUB_UNET) == 3);
    REQUIRE_TEXT(daub_checkpoint_hash_path(ckpt, DAUB_UNET), in_root("s/unet/one.safetensors"));
    daub_checkpoint_close(&ckpt);

    put_text(index, "{\"weight_map\":{\"a\":\"../../etc/passwd\"}}");
    open_fails("s", DAUB_ERROR_BAD_FILE, "a is not in a file of this folder");
    put_text(index, "{\"weight_map\":[]}");
    open_fails("s", DAUB_ERROR_BAD_FILE, "no weight_map");
    remove_all("s");
}

static void test_bare(void)
{
    put_text("b/config.json", "{\"_class_name\":\"UNet2DModel\"}");
    put_text("b/scheduler_config.json", "{}");
    put_text("b/model_index.json", "{\"unet\":[\"diffusers\",\"UNet2DModel\"]}");
    put_tensors("b/diffusion_pytorch_model.safetensors", (const struct tensor[]) { { "w", 1, { 2 }, 1 }, END });
    struct daub_checkpoint *ckpt = open_ok("b", NULL);
    REQUIRE(daub_checkpoint_has(ckpt, DAUB_UNET) && !daub_checkpoint_has(ckpt, DAUB_VAE));
    REQUIRE(daub_checkpoint_config(ckpt, DAUB_UNET) && daub_checkpoint_scheduler(ckpt));
    daub_checkpoint_close(&ckpt);
    put_text("b/config.json", "{\"architectures\":[\"CLIPTextModel\"]}");
    open_fails("b", DAUB_ERROR_BAD_FILE, "no model.safetensors");
    put_text("b/config.json", "{\"_class_name\":\"Transformer2D\"}");
    open_fails("b", DAUB_ERROR_BAD_FILE, "describes none of");
    remove_all("b");
}

static void test_not_models(void)
{
    open_fails("nothing", DAUB_ERROR_IO, "nothing");
    REQUIRE_OK(daub_make_dirs(in_root("empty")));
    open_fails("empty", DAUB_ERROR_BAD_FILE, "neither a diffusers folder nor a .safetensors file");
    remove_all("empty");
    put_text("x.ckpt", "PK\003\004 a pickle in a zip");
    open_fails("x.ckpt", DAUB_ERROR_BAD_FILE, "looks like a PyTorch checkpoint");
    put_text("x.ckpt", "GGUF and so on, long enough");
    open_fails("x.ckpt", DAUB_ERROR_BAD_FILE, "looks like a GGUF file");
    remove_all("x.ckpt");
    put_tensors("x.safetensors", (const struct tensor[]) { { "lora_unet_mid.lora_down.weight", 1, { 1 }, 0 }, END });
    open_fails("x.safetensors", DAUB_ERROR_BAD_FILE, "looks like a LoRA");
    put_tensors("x.safetensors",
                (const struct tensor[]) { { "down_blocks.0.resnets.0.norm1.weight", 1, { 1 }, 0 }, END });
    open_fails("x.safetensors", DAUB_ERROR_BAD_FILE, "one component of a diffusers folder");
    remove_all("x.safetensors");
}

// What the network wants of the single file below.
// clang-format off
static const struct daub_wanted wanted_text[] = {
    { "text_model.embeddings.position_embedding.weight",          2, (const uint32_t[]) { 3, 2 } },
    { "text_model.encoder.layers.0.self_attn.q_proj.weight",      2, (const uint32_t[]) { 2, 2 } },
    { "text_model.encoder.layers.0.self_attn.k_proj.weight",      2, (const uint32_t[]) { 2, 2 } },
    { "text_model.encoder.layers.0.self_attn.v_proj.weight",      2, (const uint32_t[]) { 2, 2 } },
};
static const struct daub_wanted wanted_vae[] = {
    { "decoder.mid_block.attentions.0.to_q.weight", 2, (const uint32_t[]) { 2, 2 } },
};
static const struct tensor single_file[] = {
    { "model.diffusion_model.out.2.weight",                          1, { 4 },          1 },
    { "first_stage_model.decoder.mid.attn_1.q.weight",               4, { 2, 2, 1, 1 }, 9 },
    { "first_stage_model.loss.logvar",                               1, { 1 },          0 },
    { "cond_stage_model.model.positional_embedding",                 2, { 3, 2 },       20 },
    { "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight", 2, { 6, 2 }, 30 },
    { "cond_stage_model.model.transformer.resblocks.1.attn.in_proj_weight", 2, { 6, 2 }, 50 }, // never run
    { "cond_stage_model.model.text_projection",                      2, { 2, 3 },       70 },
    { "cond_stage_model.model.logit_scale",                          0, { 0 },          0 },
    { "betas",                                                       1, { 3 },          0 },
    { "model_ema.decay",                                             0, { 0 },          0 },
    END,
};
// clang-format on

static void test_single(void)
{
    put_tensors("m.safetensors", single_file);
    put_text("c/unet/config.json", "{}");
    put_text("c/scheduler/scheduler_config.json", "{}");
    struct daub_checkpoint *ckpt = open_ok("m.safetensors", NULL);
    REQUIRE(daub_checkpoint_is_single(ckpt) && daub_checkpoint_single(ckpt) &&
            !daub_checkpoint_config(ckpt, DAUB_UNET));
    for (int c = 0; c < DAUB_COMPONENT_COUNT; c++)
        REQUIRE(daub_checkpoint_has(ckpt, (enum daub_component)c));
    REQUIRE_TEXT(daub_checkpoint_hash_path(ckpt, DAUB_UNET), in_root("m.safetensors"));
    const struct daub_ldm_layout layout = { .unet_levels = 4,
                                            .unet_layers_per_block = 2,
                                            .vae_levels = 4,
                                            .vae_layers_per_block = 2,
                                            .open_clip = true,
                                            .text_hidden = 2 };
    daub_checkpoint_set_layout(ckpt, &layout);

    // Rows of the fused tensor: two of two columns each.
    REQUIRE(first_value(ckpt, DAUB_TEXT, wanted_text[1].name) == 30);
    REQUIRE(first_value(ckpt, DAUB_TEXT, wanted_text[2].name) == 34);
    REQUIRE(first_value(ckpt, DAUB_TEXT, wanted_text[3].name) == 38);
    struct daub_view view;
    REQUIRE(daub_checkpoint_find(ckpt, DAUB_TEXT, "text_projection.weight", &view));
    REQUIRE(view.transposed && view.dims[0] == 3 && view.dims[1] == 2);
    REQUIRE(daub_checkpoint_find(ckpt, DAUB_VAE, wanted_vae[0].name, &view) && view.n_dims == 2);
    REQUIRE_OK(daub_checkpoint_check(ckpt, DAUB_TEXT, wanted_text, 4));
    REQUIRE_OK(daub_checkpoint_check(ckpt, DAUB_VAE, wanted_vae, 1));
    REQUIRE_STATUS(daub_checkpoint_check(ckpt, DAUB_UNET, NULL, 0), DAUB_ERROR_BAD_FILE,
                   "unet: 1 tensor is not used: model.diffusion_model.out.2.weight [4]");
    REQUIRE(daub_checkpoint_parameters(ckpt, DAUB_VAE) == 5);
    daub_checkpoint_close(&ckpt);

    // A width that the fused tensor does not have: three times 4 rows are more than 6.
    ckpt = open_ok("m.safetensors", "c");
    REQUIRE(daub_checkpoint_config(ckpt, DAUB_UNET) && daub_checkpoint_scheduler(ckpt));
    struct daub_ldm_layout wide = layout;
    wide.text_hidden = 4;
    daub_checkpoint_set_layout(ckpt, &wide);
    REQUIRE(!daub_checkpoint_find(ckpt, DAUB_TEXT, wanted_text[3].name, &view));
    daub_checkpoint_close(&ckpt);
    REQUIRE_STATUS(daub_checkpoint_open(NULL, in_root("m.safetensors"), in_root("none"), &ckpt), DAUB_ERROR_IO, "none");
    REQUIRE_OK(daub_make_dirs(in_root("e")));
    REQUIRE_STATUS(daub_checkpoint_open(NULL, in_root("m.safetensors"), in_root("e"), &ckpt), DAUB_ERROR_BAD_FILE,
                   "unet/config.json");
    remove_all("e");
    remove_all("c");
    remove_all("m.safetensors");
}

// All that is wrong, of all kinds, at once; long lists end in a number.
static void test_check(void)
{
    put_text("k/unet/config.json", "{}");
    struct tensor have[41];
    char names[40][64];
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof(names[i]), "down_blocks.0.resnets.%d.a_rather_long_name.weight", i);
        have[i] = (struct tensor) { names[i], 2, { 2, 3 }, 0 };
    }
    have[40] = (struct tensor)END;
    put_tensors("k/unet/diffusion_pytorch_model.safetensors", have);
    struct daub_checkpoint *ckpt = open_ok("k", NULL);

    const uint32_t right[] = { 2, 3 }, wrong[] = { 3, 2 }, ones[] = { 2, 3, 1, 1 };
    struct daub_wanted wanted[41];
    for (int i = 0; i < 40; i++)
        wanted[i] = (struct daub_wanted) { names[i], 2, right };
    wanted[0] = (struct daub_wanted) { names[0], 4, ones }; // a matrix may stand for a 1x1 convolution
    REQUIRE_OK(daub_checkpoint_check(ckpt, DAUB_UNET, wanted, 40));
    daub_checkpoint_close(&ckpt);

    ckpt = open_ok("k", NULL);
    wanted[1] = (struct daub_wanted) { names[1], 2, wrong };
    wanted[2] = (struct daub_wanted) { "conv_in.weight", 2, right };
    REQUIRE_STATUS(daub_checkpoint_check(ckpt, DAUB_UNET, wanted, 4), DAUB_ERROR_BAD_FILE,
                   "1 tensor is missing: conv_in.weight [2,3]; 1 tensor has the wrong shape: "
                   "down_blocks.0.resnets.1.a_rather_long_name.weight is [2,3], wanted [3,2]; 37 tensors are not used: "
                   "down_blocks.0.resnets.2.a_rather_long_name.weight [2,3], ");
    const char *more = strstr(daub_last_error(), " and ");
    unsigned n;
    REQUIRE(more && sscanf(more, " and %u more", &n) == 1 && n >= 25 && n < 37);
    REQUIRE(strlen(daub_last_error()) < DAUB_SENTENCE_MAX - 200);
    daub_checkpoint_close(&ckpt);

    // As long as it gets: 40 missing, nothing else told at their cost.
    ckpt = open_ok("k", NULL);
    for (int i = 0; i < 40; i++)
        names[i][0] = 'X';
    REQUIRE_STATUS(daub_checkpoint_check(ckpt, DAUB_UNET, wanted + 3, 37), DAUB_ERROR_BAD_FILE,
                   "37 tensors are missing");
    REQUIRE(strstr(daub_last_error(), "40 tensors are not used"));
    daub_checkpoint_close(&ckpt);
    remove_all("k");
}

int main(void)
{
    REQUIRE(mkdtemp(root));
    test_folder();
    test_shards();
    test_bare();
    test_not_models();
    test_single();
    test_check();
    REQUIRE(rmdir(root) == 0);
    return 0;
}

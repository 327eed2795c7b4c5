// test_figures.c - what a picture costs by its shapes, and how long the kernels are, held against tests/figures/figures.txt:
// dispatches and bytes of every phase, arenas, packed weights, SPIR-V instructions. No device and no timer: the graphs are
// built and planned for made-up capabilities, so that the figures are the same on every machine.
//
//   test_figures            compares; any difference fails
//   test_figures --update   writes the file; a commit that lets a figure rise names old, new and why (tools/check_figures.py)
#include "runtime/io/pack.h"
#include "runtime/op/count.h"
#include "runtime/pipeline/pipeline.h"
#include "runtime/vk/kernels/embed.h"
#include "tests/test.h"

#define FIGURES DAUB_SOURCE_DIR "/tests/figures/figures.txt"

enum {
    MAX_FIGURES = 1024,
    N_STEPS = 20,
    // Of a guided step of SD 1.5, whatever was recorded last. GPUs take three dispatches a group norm, which are too few workgroups in one.
    MAX_STEP_DISPATCHES = 400,
    MAX_GPU_STEP_DISPATCHES = 460,
};

struct figure {
    char key[96];
    unsigned long long value;
};

struct figures {
    char compiler[160]; // what made the kernels
    struct figure at[MAX_FIGURES];
    uint32_t n;
};

static void DAUB_PRINTF(3, 4) add(struct figures *figures, uint64_t value, const char *fmt, ...)
{
    REQUIRE(figures->n < MAX_FIGURES);
    struct figure *figure = &figures->at[figures->n++];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(figure->key, sizeof(figure->key), fmt, args);
    va_end(args);
    REQUIRE(n > 0 && n < (int)sizeof(figure->key));
    figure->value = value;
}

// ---- kernels ---------------------------------------------------------------------------------------------------------

// Instructions of the functions: SPIR-V 1.6, section 2.3; without OpLine and OpNoLine.
static uint64_t count_instructions(const uint32_t *words, size_t n)
{
    enum { HEADER = 5, OP_LINE = 8, OP_FUNCTION = 54, OP_NO_LINE = 317 };
    uint64_t count = 0;
    REQUIRE(n > HEADER && words[0] == 0x07230203);
    for (size_t at = HEADER; at < n; at += words[at] >> 16) {
        const uint32_t op = words[at] & 0xffff;
        REQUIRE(words[at] >> 16 > 0);
        if (op != OP_LINE && op != OP_NO_LINE && (count > 0 || op == OP_FUNCTION))
            count++;
    }
    return count;
}

static void add_kernels(struct figures *figures)
{
    for (int i = DAUB_KERNEL_NONE + 1; i < DAUB_KERNEL_COUNT; i++) {
        size_t size = 0;
        const uint32_t *words = daub_kernel_code((enum daub_kernel)i, &size);
        add(figures, count_instructions(words, size / 4), "kernel %s instructions",
            daub_kernel_name((enum daub_kernel)i));
    }
}

// ---- networks --------------------------------------------------------------------------------------------------------

// A CPU driver like lavapipe 22.3 and a discrete GPU of middling limits. Only what the kernels' choice reads.
static const struct {
    const char *name;
    struct daub_caps caps;
} devices[] = {
    { "lane",
      { .kind = DAUB_DEVICE_CPU,
        .api_version = 0x00401000,
        .cpu = true,
        .lane = true,
        .winograd = true,
        .shuffle8 = true,
        .rate12 = 41.0f,
        .rate16 = 41.0f,
        .shared_kernels = true,
        .subgroup_size = 8,
        .subgroup_min = 8,
        .subgroup_max = 8,
        .texel = true,
        .prefer_texel = true,
        .max_texel_elements = 128u << 20,
        .uma = true,
        .max_range = 128u << 20,
        .max_alloc = 2ull << 30,
        .heap_size = 16ull << 30,
        .max_memory = 16ull << 30,
        .max_shared = 32u << 10,
        .max_invocations = 1024,
        .max_groups = { 65535, 65535, 65535 },
        .buffer_align = 16 } },
    { "shared",
      { .kind = DAUB_DEVICE_DISCRETE,
        .api_version = 0x00401000,
        .shared_kernels = true,
        .subgroup_size = 32,
        .subgroup_min = 32,
        .subgroup_max = 32,
        .texel = true,
        .max_texel_elements = 128u << 20,
        .max_range = 0xffffffff,
        .max_alloc = 4ull << 30,
        .heap_size = 16ull << 30,
        .max_memory = 16ull << 30,
        .max_shared = 48u << 10,
        .max_invocations = 1024,
        .max_groups = { 65535, 65535, 65535 },
        .buffer_align = 64 } },
};

enum { N_DEVICES = sizeof(devices) / sizeof(devices[0]) };

static uint64_t packed_size(const struct daub_tensor *weight)
{
    return daub_pack_size(&weight->pack, weight->dims, weight->n_dims);
}

static void add_net(struct figures *figures, const char *model, uint32_t device, const char *what,
                    const char *const *phases, struct daub_net *net)
{
    static const struct daub_debug debug = { 0 };
    const struct daub_caps *caps = &devices[device].caps;
    const char *name = devices[device].name;
    const struct daub_select select = { caps, &debug };
    struct daub_count rows[DAUB_MAX_COUNTS];
    uint32_t n = 0, dispatches[DAUB_STAGE_COUNT] = { 0 };
    uint64_t arena = 0, weights = 0, bytes[DAUB_STAGE_COUNT] = { 0 };
    REQUIRE_OK(daub_exec_plan_for(&select, net, false, &arena));
    REQUIRE_OK(daub_count_net(caps, net, packed_size, rows, DAUB_MAX_COUNTS, &n));
    for (uint32_t i = 0; i < n; i++) {
        dispatches[rows[i].stage] += rows[i].n_dispatches;
        bytes[rows[i].stage] += rows[i].bytes;
        REQUIRE(rows[i].n_dispatches >= rows[i].n_nodes && rows[i].floor > 0);
    }
    for (uint32_t i = 0; i < daub_net_n_weights(net); i++)
        if (daub_net_weight_at(net, i)->pack.kind != DAUB_PACK_NONE)
            weights += packed_size(daub_net_weight_at(net, i));
    for (uint32_t s = 0; s < DAUB_STAGE_COUNT; s++) {
        if (dispatches[s] == 0)
            continue;
        add(figures, dispatches[s], "net %s %s %s dispatches", model, name, phases[s]);
        add(figures, bytes[s], "net %s %s %s bytes", model, name, phases[s]);
    }
    add(figures, arena, "net %s %s %s arena", model, name, what);
    add(figures, weights, "net %s %s %s weights", model, name, what);
    daub_net_destroy(&net);
}

// One picture of a described model, guided if it takes text, whose phases are called as daub bench calls them.
static void add_model(struct figures *figures, const char *model, const struct daub_model_desc *desc, uint32_t size)
{
    static const char *const text[] = { "text", "", "", "" };
    static const char *const denoise[] = { "prompt", "time", "denoise", "sampler" };
    static const char *const decode[] = { "", "", "decode", "" };
    static const float some = 0.0f; // only its presence shapes the graph
    const struct daub_engine engine = {
        .desc = *desc, .dtype = DAUB_F16, .precision = DAUB_F16, .max_tokens = desc->text.max_position_embeddings
    };
    const daub_generate_params wanted = {
        .prompt = "a red apple", .width = size, .height = size, .n_steps = N_STEPS, .sampler = "euler"
    };
    struct daub_request *request = NULL;
    struct daub_engine reader = engine; // of the prompt, with the built-in vocabulary: its tokens do not matter
    reader.desc.text.vocab_size = 49408;
    REQUIRE_OK(daub_tokenizer_create(NULL, NULL, &reader.tokenizer));
    REQUIRE_OK(daub_request_create(&reader, &wanted, &request));
    REQUIRE(request->guidance_scale > 1.0f);
    const uint32_t latent = size / daub_latent_scale(desc);
    const struct daub_denoise_params params = {
        .program = &request->program,
        .batch = 1,
        .h = latent,
        .w = latent,
        .guidance_scale = request->guidance_scale,
        .text = &some,
        .negative = &some,
        .tokens = engine.max_tokens,
    };
    for (uint32_t i = 0; i < N_DEVICES; i++) {
        struct daub_net *net = NULL;
        REQUIRE_OK(daub_text_net(&engine, 2, request->layers, &net));
        add_net(figures, model, i, "text-encoder", text, net);
        REQUIRE_OK(daub_denoiser_net(&engine, &params, &net));
        add_net(figures, model, i, "unet", denoise, net);
        REQUIRE_OK(daub_decoder_net(&engine, 1, latent, latent, &net));
        add_net(figures, model, i, "vae", decode, net);
    }
    daub_request_destroy(&request);
    daub_tokenizer_destroy(&reader.tokenizer);
}

static void add_checkpoint(struct figures *figures, const char *model, const char *path, uint32_t size)
{
    struct daub_checkpoint *ckpt = NULL;
    struct daub_arena *arena = NULL;
    static struct daub_model_desc desc;
    REQUIRE_OK(daub_engine_describe(NULL, path, NULL, &ckpt, &arena, &desc));
    add_model(figures, model, &desc, size);
    daub_arena_destroy(&arena);
    daub_checkpoint_close(&ckpt);
}

static struct daub_json parse(const char *name, const char *text)
{
    struct daub_json json;
    REQUIRE_OK(daub_json_parse(NULL, name, text, strlen(text), &json));
    return json;
}

// Stable Diffusion 1.5 from its published configs; there are no weights to read.
static void add_sd15(struct figures *figures)
{
    static struct daub_model_desc desc; // zeroed
    struct daub_json unet = parse(
        "unet",
        "{\"_class_name\":\"UNet2DConditionModel\",\"attention_head_dim\":8,\"block_out_channels\":[320,640,1280,1280],"
        "\"cross_attention_dim\":768,\"layers_per_block\":2,\"in_channels\":4,\"out_channels\":4,\"sample_size\":64,"
        "\"down_block_types\":[\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\",\"CrossAttnDownBlock2D\","
        "\"DownBlock2D\"],\"up_block_types\":[\"UpBlock2D\",\"CrossAttnUpBlock2D\",\"CrossAttnUpBlock2D\","
        "\"CrossAttnUpBlock2D\"],\"norm_num_groups\":32}");
    struct daub_json vae = parse(
        "vae", "{\"_class_name\":\"AutoencoderKL\",\"block_out_channels\":[128,256,512,512],\"layers_per_block\":2,"
               "\"in_channels\":3,\"out_channels\":3,\"latent_channels\":4,\"norm_num_groups\":32,\"sample_size\":512,"
               "\"down_block_types\":[\"DownEncoderBlock2D\",\"DownEncoderBlock2D\",\"DownEncoderBlock2D\","
               "\"DownEncoderBlock2D\"],\"up_block_types\":[\"UpDecoderBlock2D\",\"UpDecoderBlock2D\","
               "\"UpDecoderBlock2D\",\"UpDecoderBlock2D\"]}");
    struct daub_json text = parse("text", "{\"vocab_size\":49408,\"hidden_size\":768,\"intermediate_size\":3072,"
                                          "\"num_hidden_layers\":12,\"num_attention_heads\":12,"
                                          "\"max_position_embeddings\":77,\"hidden_act\":\"quick_gelu\"}");
    REQUIRE_OK(daub_unet_config_parse(&unet, &desc.unet));
    REQUIRE_OK(daub_vae_config_parse(&vae, &desc.vae));
    REQUIRE_OK(daub_clip_config_parse(&text, &desc.text));
    const struct daub_sampler_desc *sampler = NULL;
    const char *schedule = NULL;
    REQUIRE_OK(daub_sampler_find("euler", &sampler, &schedule));
    daub_sampler_config_defaults(sampler, &desc.sampler);
    desc.has_text = desc.has_vae = true;
    desc.text_layers = desc.text.num_hidden_layers;
    desc.width = desc.height = 512;
    desc.size_multiple = 8;
    desc.n_steps = N_STEPS;
    desc.guidance_scale = 7.5f;
    add_model(figures, "sd15-256", &desc, 256);
    add_model(figures, "sd15-512", &desc, 512);
    daub_json_free(&unet);
    daub_json_free(&vae);
    daub_json_free(&text);
}

// ---- the file --------------------------------------------------------------------------------------------------------

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct figure *)a)->key, ((const struct figure *)b)->key);
}

static void write_file(const struct figures *figures)
{
    FILE *file = fopen(FIGURES, "w");
    REQUIRE(file);
    fprintf(file, "# What pictures and kernels cost, counted; test_figures compares, test_figures --update writes.\n"
                  "# A commit that lets a figure rise names old, new and why.\n");
    fprintf(file, "compiler %s\n", figures->compiler);
    for (uint32_t i = 0; i < figures->n; i++)
        fprintf(file, "%s %llu\n", figures->at[i].key, figures->at[i].value);
    REQUIRE(fclose(file) == 0);
    printf("%s: %u figures\n", FIGURES, figures->n);
}

static void read_file(struct figures *figures)
{
    FILE *file = fopen(FIGURES, "r");
    char line[256];
    if (!file)
        TEST_FAIL("%s is missing", FIGURES);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0')
            continue;
        if (strncmp(line, "compiler ", 9) == 0) {
            snprintf(figures->compiler, sizeof(figures->compiler), "%.159s", line + 9);
            continue;
        }
        char *space = strrchr(line, ' '), *end = NULL;
        REQUIRE(space && figures->n < MAX_FIGURES);
        *space = '\0';
        const unsigned long long value = strtoull(space + 1, &end, 10);
        if (*end || end == space + 1)
            TEST_FAIL("%s: %s has no number", FIGURES, line);
        add(figures, value, "%s", line);
    }
    fclose(file);
    qsort(figures->at, figures->n, sizeof(figures->at[0]), by_key);
}

static bool is_kernel(const struct figure *figure)
{
    return strncmp(figure->key, "kernel ", 7) == 0;
}

// Prints every difference; returns how many there are. Kernels are compared only if the same compiler made them.
static uint32_t compare(const struct figures *old, const struct figures *now)
{
    const bool same_compiler = strcmp(old->compiler, now->compiler) == 0;
    uint32_t i = 0, j = 0, n = 0, compared = 0;
    if (!same_compiler)
        printf("the kernels' instructions are not compared: they were recorded from %s, this build's compiler is %s\n",
               old->compiler, now->compiler);
    while (i < old->n || j < now->n) {
        const struct figure *a = i < old->n ? &old->at[i] : NULL, *b = j < now->n ? &now->at[j] : NULL;
        const int order = !a ? 1 : !b ? -1 : strcmp(a->key, b->key);
        i += order <= 0;
        j += order >= 0;
        if (is_kernel(order <= 0 ? a : b) && !same_compiler)
            continue;
        compared++;
        if (order == 0 && a->value == b->value)
            continue;
        n++;
        if (order < 0)
            printf("gone  %s: was %llu\n", a->key, a->value);
        else if (order > 0)
            printf("new   %s: %llu\n", b->key, b->value);
        else
            printf("%s %s: %llu, now %llu (%+.2f %%)\n", b->value > a->value ? "ROSE " : "fell ", a->key, a->value,
                   b->value, 100.0 * ((double)b->value / (double)a->value - 1.0));
    }
    printf("%u figures compared, %u differ\n", compared, n);
    return n;
}

static unsigned long long value_of(const struct figures *figures, const char *model, const char *device,
                                   const char *phase)
{
    struct figure key;
    snprintf(key.key, sizeof(key.key), "net %s %s %s dispatches", model, device, phase);
    const struct figure *found = bsearch(&key, figures->at, figures->n, sizeof(key), by_key);
    if (!found)
        TEST_FAIL("there is no figure %s", key.key);
    return found->value;
}

static void check_step(const struct figures *figures)
{
    static const char *const models[] = { "sd15-256", "sd15-512" };
    for (uint32_t i = 0; i < N_DEVICES * 2; i++) {
        const char *model = models[i / N_DEVICES], *device = devices[i % N_DEVICES].name;
        const unsigned long long n = value_of(figures, model, device, "denoise") +
                                     value_of(figures, model, device, "sampler");
        const unsigned limit = devices[i % N_DEVICES].caps.lane ? MAX_STEP_DISPATCHES : MAX_GPU_STEP_DISPATCHES;
        if (n > limit)
            TEST_FAIL("a guided step of %s by %s kernels is %llu dispatches, the limit is %u", model, device, n, limit);
    }
}

int main(int argc, char **argv)
{
    static struct figures now, old;
    snprintf(now.compiler, sizeof(now.compiler), "%s", DAUB_SHADER_COMPILER);
    add_kernels(&now);
    add_checkpoint(&now, "default-64", DAUB_SOURCE_DIR "/models/default", 64);
    add_checkpoint(&now, "tiny-sd15-64", DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15", 64);
    add_sd15(&now);
    qsort(now.at, now.n, sizeof(now.at[0]), by_key);
    if (argc > 1 && strcmp(argv[1], "--update") == 0) {
        write_file(&now);
        return 0;
    }
    read_file(&old);
    if (compare(&old, &now) > 0)
        TEST_FAIL("tests/figures/figures.txt is out of date: run %s --update and commit it with what changed it; for a "
                  "figure that rose, the commit's message names old, new and why",
                  argv[0]);
    check_step(&now);
    return 0;
}

// test_emphasis.c - "Emphasis in prompts": long, weighted, edited and joined prompts through the whole pipeline. The same bytes in every
// memory mode and of a driven job, from a state on, and from embeddings; what is equal in the grammar is equal in the picture; off is
// literal. That the numbers are webui's is what the goldens prompts/ and e2e/tiny-sd15_t2i_edited are for.
#include "daub.h"

#include "tests/test.h"

static const char tiny[] = DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15";
static const char edited[] = "a [cat:(dog:1.3):0.5] BREAK in [red|blue] AND snow :0.6";

static daub_device *dev;
static daub_model *model;

static daub_generate_params params_of(const char *prompt)
{
    return (daub_generate_params) { .struct_size = sizeof(daub_generate_params),
                                    .prompt = prompt,
                                    .negative_prompt = "[(bad)|ugly]",
                                    .sampler = "euler",
                                    .n_steps = 5,
                                    .width = 64,
                                    .height = 64,
                                    .seed = 3 };
}

static daub_image draw(const daub_generate_params *params, daub_result *result)
{
    daub_image image = { 0 };
    REQUIRE_OK(daub_generate_with_result(model, params, &image, result));
    return image;
}

static bool same(const daub_image *a, const daub_image *b)
{
    return memcmp(a->pixels, b->pixels, (size_t)a->width * a->height * 3) == 0;
}

static bool equal(const char *a, const char *b)
{
    const daub_generate_params p = params_of(a), q = params_of(b);
    daub_image x = draw(&p, NULL), y = draw(&q, NULL);
    const bool are = same(&x, &y);
    daub_image_free(&x);
    daub_image_free(&y);
    return are;
}

static void grammar(void)
{
    REQUIRE(equal("a cat", "(a cat:1.0)"));
    REQUIRE(equal("a (cat)", "a (cat:1.1)"));
    REQUIRE(!equal("a (cat)", "a cat"));
    REQUIRE(equal("a [cat:dog:99]", "a cat"));
    REQUIRE(!equal("a [cat:dog:0.5]", "a cat"));
    REQUIRE(equal("a [cat:dog:-1]", "a dog"));
    REQUIRE(equal("a [cat|cat]", "a cat"));
    REQUIRE(!equal("a cat AND a dog", "a cat"));
    REQUIRE(!equal("a cat :0.5", "a cat"));
}

static void in_modes(void)
{
    daub_generate_params p = params_of(edited);
    daub_result result = { .struct_size = sizeof(result) };
    daub_image want = draw(&p, &result);
    REQUIRE(result.n_chunks == 2 && result.n_tokens_cut == 0 && result.emphasis == DAUB_EMPHASIS_WEBUI);
    static const daub_memory_mode modes[] = { DAUB_MEMORY_MODE_SMALL, DAUB_MEMORY_MODE_SMALL, DAUB_MEMORY_MODE_STREAM,
                                              DAUB_MEMORY_MODE_RESIDENT };
    for (int i = 0; i < 4; i++) {
        p.memory = modes[i];
        daub_memory_estimate e = { .struct_size = sizeof(e) };
        REQUIRE_OK(daub_estimate(model, &p, &e));
        daub_image got = draw(&p, &result);
        REQUIRE(same(&got, &want));
        REQUIRE(i == 0 ||
                result.memory_peak <= e.peak + (64 << 10)); // the first begins with what a resident model held
        daub_image_free(&got);
    }
    p.memory = DAUB_MEMORY_MODE_DEFAULT;
    p.host_driven = true;
    daub_job *job = NULL;
    daub_image got = { 0 };
    REQUIRE_OK(daub_job_submit(model, &p, &job));
    for (daub_advance a = { .struct_size = sizeof(a) }; !a.done;)
        REQUIRE_OK(daub_job_advance(job, 20000, &a));
    REQUIRE_OK(daub_job_take_image(job, &got));
    daub_job_destroy(&job);
    REQUIRE(same(&got, &want));
    daub_image_free(&got);
    daub_image_free(&want);
}

static bool stop_at_3(void *user, const daub_progress *progress)
{
    (void)user;
    return progress->step < 3 || progress->phase != DAUB_PHASE_DENOISE;
}

// A state goes on with the texts of its step.
static void from_state(void)
{
    daub_generate_params p = params_of(edited);
    daub_image want = draw(&p, NULL);
    daub_job *job = NULL;
    daub_state state = { 0 };
    p.keep_state_every = 1;
    p.on_progress = stop_at_3;
    REQUIRE_OK(daub_job_submit(model, &p, &job));
    REQUIRE_STATUS(daub_job_wait(job, UINT64_MAX, NULL), DAUB_ERROR_CANCELLED, "cancelled");
    REQUIRE_OK(daub_job_take_state(job, &state));
    daub_job_destroy(&job);
    p.keep_state_every = 0;
    p.on_progress = NULL;
    p.resume_state = state.data;
    p.resume_size = state.size;
    daub_image got = draw(&p, NULL);
    REQUIRE(same(&got, &want));
    p.prompt = "a cat";
    REQUIRE_STATUS(daub_generate(model, &p, &got), DAUB_ERROR_INVALID_ARG, "state");
    daub_state_free(&state);
    daub_image_free(&got);
    daub_image_free(&want);
}

// Embeddings of a prompt of several chunks stand for it.
static void from_embeddings(void)
{
    static const char prompt[] = "(a:1.2) cat BREAK in snow BREAK at night";
    daub_generate_params p = params_of(prompt);
    p.negative_prompt = "bad";
    daub_image want = draw(&p, NULL);
    daub_floats positive = { 0 }, negative = { 0 };
    REQUIRE_OK(daub_encode_text_floats(model, &p, &positive, &negative));
    REQUIRE(positive.dims[0] == 3 * 77 && negative.dims[0] == 77);
    p.prompt = p.negative_prompt = NULL;
    p.prompt_embeds = positive.values;
    p.negative_prompt_embeds = negative.values;
    p.n_embed_tokens = positive.dims[0];
    p.n_negative_embed_tokens = negative.dims[0];
    daub_image got = draw(&p, NULL);
    REQUIRE(same(&got, &want));
    p.n_negative_embed_tokens = 4097;
    REQUIRE_STATUS(daub_generate(model, &p, &got), DAUB_ERROR_INVALID_ARG, "n_negative_embed_tokens 4097");
    daub_image_free(&got);
    daub_image_free(&want);
    daub_floats_free(&positive);
    daub_floats_free(&negative);
    p = params_of(edited);
    REQUIRE_STATUS(daub_encode_text_floats(model, &p, &positive, NULL), DAUB_ERROR_INVALID_ARG, "no single embedding");
}

// Prompts of other numbers of chunks: each has its own, unless it is padded; in every memory mode, and in calls without guidance too.
static void lengths(void)
{
    static const char long_prompt[] = "a cat BREAK in snow BREAK at night";
    daub_generate_params p = params_of(long_prompt), q = params_of("a cat");
    daub_result result = { .struct_size = sizeof(result) };
    p.negative_prompt = "bad";
    daub_image own = draw(&p, &result), padded[2];
    REQUIRE(result.n_chunks == 3 && result.n_negative_chunks == 1 && result.padding == DAUB_PADDING_OFF);
    for (int i = 0; i < 2; i++) {
        p.padding = i ? DAUB_PADDING_LAST : DAUB_PADDING_EMPTY;
        padded[i] = draw(&p, &result);
        REQUIRE(result.n_negative_chunks == 3 && result.padding == p.padding && !same(&padded[i], &own));
    }
    REQUIRE(!same(&padded[0], &padded[1]));
    p.padding = DAUB_PADDING_EMPTY;
    p.guidance_scale = q.guidance_scale = 1.0f;
    q.prompt = long_prompt;
    daub_image a = draw(&p, &result), b = draw(&q, NULL);
    REQUIRE(same(&a, &b)); // the longer one stays as it is
    daub_image_free(&a);
    daub_image_free(&b);
    q = params_of("a cat");
    q.negative_prompt = "a dog";
    q.padding = DAUB_PADDING_LAST;
    a = draw(&q, &result);
    REQUIRE(result.padding == DAUB_PADDING_OFF); // of equal numbers nothing changes
    q.padding = (daub_prompt_padding)4;
    REQUIRE_STATUS(daub_generate(model, &q, &b), DAUB_ERROR_INVALID_ARG, "padding 4");
    daub_image_free(&a);
    p = params_of(long_prompt);
    p.guidance_start = 0.25;
    p.guidance_end = 0.75;
    a = draw(&p, NULL);
    for (int i = 0; i < 2; i++) {
        p.memory = i ? DAUB_MEMORY_MODE_STREAM : DAUB_MEMORY_MODE_SMALL;
        daub_memory_estimate e = { .struct_size = sizeof(e) };
        REQUIRE_OK(daub_estimate(model, &p, &e));
        b = draw(&p, &result);
        REQUIRE(same(&a, &b) && (i == 0 || result.memory_peak <= e.peak + (64 << 10)));
        daub_image_free(&b);
    }
    daub_image_free(&a);
    daub_image_free(&own);
    daub_image_free(&padded[0]);
    daub_image_free(&padded[1]);
}

static void without_guidance(void)
{
    daub_generate_params p = params_of("a cat"), q = p;
    p.guidance_scale = q.guidance_scale = 1.0f;
    q.negative_prompt = "dogs";
    daub_image a = draw(&p, NULL), b = draw(&q, NULL);
    REQUIRE(same(&a, &b)); // nothing reads the negative prompt
    daub_image_free(&b);
    q.prompt = p.prompt = "a cat AND a dog";
    b = draw(&q, NULL);
    daub_image_free(&a);
    a = draw(&p, NULL);
    REQUIRE(!same(&a, &b)); // but parts are told from it
    daub_image_free(&a);
    daub_image_free(&b);
}

static void literally(void)
{
    char text[1024] = "a (cat:1.3)";
    daub_generate_params p = params_of(text);
    daub_result result = { .struct_size = sizeof(result) };
    p.negative_prompt = NULL;
    p.emphasis = DAUB_EMPHASIS_OFF;
    daub_image off = draw(&p, &result);
    REQUIRE(result.emphasis == DAUB_EMPHASIS_OFF && result.n_chunks == 1);
    p.prompt = "a \\(cat:1.3\\)"; // the same letters
    p.emphasis = DAUB_EMPHASIS_WEBUI;
    daub_image letters = draw(&p, NULL);
    REQUIRE(same(&off, &letters));
    for (int i = 0; i < 100; i++)
        strcat(text, " word");
    p.prompt = text;
    daub_image_free(&letters);
    letters = draw(&p, &result);
    REQUIRE(result.n_chunks == 2 && result.n_tokens == 102 && result.n_tokens_cut == 0);
    p.emphasis = DAUB_EMPHASIS_OFF;
    daub_image_free(&off);
    off = draw(&p, &result);
    REQUIRE(result.n_chunks == 1 && result.n_tokens == 75 && result.n_tokens_cut > 25);
    REQUIRE(!same(&off, &letters));
    daub_image_free(&off);
    daub_image_free(&letters);
}

static void refusals(void)
{
    daub_image image = { 0 };
    daub_generate_params p = params_of("(a:1.2.3)");
    REQUIRE_STATUS(daub_generate(model, &p, &image), DAUB_ERROR_INVALID_ARG, "no number");
    p = params_of("a");
    p.negative_prompt = "(b:.)";
    REQUIRE_STATUS(daub_generate(model, &p, &image), DAUB_ERROR_INVALID_ARG, "negative prompt: ");
    p.negative_prompt = NULL;
    p.emphasis = (daub_emphasis)3;
    REQUIRE_STATUS(daub_generate(model, &p, &image), DAUB_ERROR_INVALID_ARG, "emphasis 3");
    static char breaks[48 * 8 + 1];
    for (int i = 0; i < 48; i++)
        strcat(breaks, "a BREAK ");
    p = params_of(breaks);
    daub_memory_estimate e = { .struct_size = sizeof(e) };
    REQUIRE_OK(daub_estimate(model, &p, &e)); // 48 chunks
    static char more[sizeof(breaks) + 1];
    snprintf(more, sizeof(more), "%sb", breaks);
    p.prompt = more;
    REQUIRE_STATUS(daub_estimate(model, &p, &e), DAUB_ERROR_INVALID_ARG, "more than 48 chunks of 75 tokens");
}

int main(void)
{
    REQUIRE_OK(daub_device_create(NULL, &dev));
    REQUIRE_OK(daub_model_load(dev, tiny, NULL, &model));
    grammar();
    in_modes();
    from_state();
    from_embeddings();
    lengths();
    without_guidance();
    literally();
    refusals();
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
    return 0;
}

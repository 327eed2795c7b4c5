// test_guided_calls.c - "a per-step guidance interval is an option of its own": which calls of which sampler have guidance, and what is refused.
#include "runtime/pipeline/pipeline.h"

#include "tests/test.h"

static struct daub_engine engine; // described, without a device

static void calls(const daub_generate_params *params, uint32_t first, uint32_t end)
{
    struct daub_request *r = NULL;
    REQUIRE_OK(daub_request_create(&engine, params, &r));
    if (r->guided_first != first || r->guided_end != end)
        TEST_FAIL("%s, %u steps, %g..%g: calls %u to %u of %u have guidance, wanted %u to %u", r->sampler_name,
                  r->n_steps, r->guidance_start, r->guidance_end, r->guided_first, r->guided_end, r->program.n_calls,
                  first, end);
    daub_request_destroy(&r);
}

#define CALLS(first, end, ...) calls(daub_generate_params(.prompt = "x", __VA_ARGS__), first, end)
#define REFUSED(part, ...)                                                                                     \
    do {                                                                                                       \
        struct daub_request *none_ = NULL;                                                                     \
        REQUIRE_STATUS(daub_request_create(&engine, daub_generate_params(.prompt = "x", __VA_ARGS__), &none_), \
                       DAUB_ERROR_INVALID_ARG, part);                                                          \
    } while (0)

// As int(start * n) <= i < int(end * n) has it, which diffusers computes in double.
static void test_steps(void)
{
    CALLS(0, 0, .sampler = "euler", .n_steps = 10);
    CALLS(0, 0, .sampler = "euler", .n_steps = 10, .guidance_end = 1.0);
    CALLS(2, 8, .sampler = "euler", .n_steps = 10, .guidance_start = 0.2, .guidance_end = 0.8);
    CALLS(0, 7, .sampler = "euler", .n_steps = 10, .guidance_end = 0.7);
    CALLS(3, 10, .sampler = "euler", .n_steps = 10, .guidance_start = 0.39);
    CALLS(0, 3, .sampler = "dpmpp_2m", .n_steps = 7, .guidance_end = 0.5);
    CALLS(0, 0, .sampler = "euler", .n_steps = 4, .guidance_start = 0.2); // less than a step left out
}

// A step of two calls has guidance in both or in none.
static void test_calls(void)
{
    CALLS(4, 12, .sampler = "heun", .n_steps = 10, .guidance_start = 0.2, .guidance_end = 0.6);
    CALLS(0, 10, .sampler = "dpm2", .n_steps = 10, .guidance_end = 0.5);
    CALLS(10, 19, .sampler = "heun", .n_steps = 10, .guidance_start = 0.5); // the last step has one
}

// What an init picture leaves out counts: a noise level has guidance or not, whatever the picture began with.
static void test_init(void)
{
    static uint8_t pixels[64 * 64 * 3];
    const daub_image init = { .width = 64, .height = 64, .channels = 3, .pixels = pixels };
    CALLS(0, 3, .sampler = "euler", .n_steps = 10, .guidance_end = 0.8, .init = &init, .strength = 0.5);
    CALLS(1, 3, .sampler = "euler", .n_steps = 10, .guidance_start = 0.6, .guidance_end = 0.8, .init = &init,
          .strength = 0.5);
    CALLS(0, 0, .sampler = "euler", .n_steps = 10, .guidance_start = 0.3, .init = &init, .strength = 0.5);
    REFUSED("holds none of the picture's steps, 6 to 10 of 10", .sampler = "euler", .n_steps = 10, .guidance_end = 0.3,
            .init = &init, .strength = 0.5);
}

static void test_refused(void)
{
    REFUSED("start 1.5 is outside 0..1", .guidance_start = 1.5);
    REFUSED("start -0.1 is outside 0..1", .guidance_start = -0.1);
    REFUSED("end 2 is outside 0..1", .guidance_end = 2.0);
    REFUSED("is outside 0..1", .guidance_end = NAN);
    REFUSED("0.5..0.5 ends before it begins", .guidance_start = 0.5, .guidance_end = 0.5);
    REFUSED("0.6..0.4 ends before it begins", .guidance_start = 0.6, .guidance_end = 0.4);
    REFUSED("1..1 ends before it begins", .guidance_start = 1.0);
    REFUSED("0.21..0.29 holds none", .n_steps = 10, .guidance_start = 0.21, .guidance_end = 0.29);
    struct daub_request *none = NULL;
    REQUIRE_STATUS(daub_request_create(&engine, daub_generate_params(.prompt = "a AND b", .guidance_end = 0.5), &none),
                   DAUB_ERROR_UNSUPPORTED, "of 2 parts (AND)");
    REFUSED("is of guidance above 1, and it is 1", .guidance_scale = 1.0f, .guidance_end = 0.5);
}

// What a call costs, for the time that is left: of guidance only those calls that have it, and one row more a part of AND.
static void check_work(const daub_generate_params *params, uint32_t first, uint32_t end, double want)
{
    struct daub_request *r = NULL;
    REQUIRE_OK(daub_request_create(&engine, params, &r));
    REQUIRE(daub_request_work(r, first, end) >= want && daub_request_work(r, first, end) <= want);
    daub_request_destroy(&r);
}

static void test_work(void)
{
#define WORK(first, end, want, ...)                                                                                  \
    check_work(                                                                                                      \
        daub_generate_params(.prompt = "a", .sampler = "euler", .n_steps = 10, .guidance_scale = 5.0f, __VA_ARGS__), \
        first, end, want)
    WORK(0, 10, 20.0, .seed = 1);
    WORK(0, 10, 14.0, .guidance_start = 0.2, .guidance_end = 0.6);
    WORK(0, 2, 2.0, .guidance_start = 0.2, .guidance_end = 0.6);
    WORK(1, 4, 5.0, .guidance_start = 0.2, .guidance_end = 0.6);
    WORK(6, 10, 4.0, .guidance_start = 0.2, .guidance_end = 0.6);
    WORK(3, 3, 0.0, .guidance_start = 0.2, .guidance_end = 0.6);
#undef WORK
    check_work(daub_generate_params(.prompt = "a", .sampler = "euler", .n_steps = 10, .guidance_scale = 1.0f), 0, 10,
               10.0);
    check_work(daub_generate_params(.prompt = "a AND b", .sampler = "euler", .n_steps = 10, .guidance_scale = 5.0f), 0,
               10, 30.0);
    check_work(daub_generate_params(.prompt = "a", .sampler = "heun", .n_steps = 3, .guidance_scale = 5.0f), 0, 5,
               10.0);
}

int main(void)
{
    REQUIRE_OK(daub_engine_describe(NULL, DAUB_SOURCE_DIR "/tests/golden/checkpoints/tiny-sd15", NULL, &engine.ckpt,
                                    &engine.arena, &engine.desc));
    engine.max_tokens = engine.desc.text.max_position_embeddings;
    REQUIRE_OK(daub_tokenizer_create_from(NULL, NULL, NULL, &engine.tokenizer));
    test_steps();
    test_calls();
    test_init();
    test_work();
    test_refused();
    daub_tokenizer_destroy(&engine.tokenizer);
    daub_arena_destroy(&engine.arena);
    daub_checkpoint_close(&engine.ckpt);
    return 0;
}

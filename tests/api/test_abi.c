// test_abi.c - structs of an older and of a newer header: what a call reads is padded with zeros or refused, and what it fills is
// never written beyond what the caller has.
#include "tests/api/harness_single.h"

#include <stddef.h>

static daub_device *dev;
static daub_model *model;

// ---- structs that are read -------------------------------------------------------------------------------------------

typedef daub_status reader(const void *params);

static daub_status read_device(const void *params)
{
    uint32_t n = 0;
    return daub_device_list(params, NULL, 0, &n);
}

static daub_status read_model(const void *params)
{
    daub_model_info info = { .struct_size = sizeof(info) };
    return daub_model_inspect(NULL, params, &info);
}

static daub_status read_generate(const void *params)
{
    daub_memory_estimate e = { .struct_size = sizeof(e) };
    return daub_estimate(model, params, &e);
}

static const struct read_case {
    const char *name;
    size_t size, first; // of the struct, and of one that ends with its first field
    reader *call;
} reads[] = {
    { "daub_device_params", sizeof(daub_device_params), offsetof(daub_device_params, max_memory), read_device },
    { "daub_model_params", sizeof(daub_model_params), offsetof(daub_model_params, config_from), read_model },
    { "daub_generate_params", sizeof(daub_generate_params), offsetof(daub_generate_params, negative_prompt),
      read_generate },
};

// On the heap and of just that size, so that a sanitizer sees who reads on.
static daub_status call_with(const struct read_case *c, size_t size, size_t set_at)
{
    uint8_t *params = calloc(1, size);
    REQUIRE(params);
    const uint32_t given = (uint32_t)size;
    memcpy(params, &given, sizeof(given));
    if (set_at)
        params[set_at] = 1;
    const daub_status status = c->call(params);
    free(params);
    return status;
}

static void what_is_read(void)
{
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        const struct read_case *c = &reads[i];
        REQUIRE_OK(call_with(c, c->size, 0));
        REQUIRE_OK(call_with(c, c->first, 0));     // older: the smallest there ever was
        REQUIRE_OK(call_with(c, c->size - 8, 0));  // older by a field
        REQUIRE_OK(call_with(c, c->size + 64, 0)); // newer, and of what is new nothing is set
        REQUIRE_STATUS(call_with(c, c->size + 64, c->size), DAUB_ERROR_INVALID_ARG, "newer daub.h");
        REQUIRE_STATUS(call_with(c, c->size + 64, c->size + 63), DAUB_ERROR_INVALID_ARG, c->name);
        uint8_t *unset = calloc(1, c->size);
        REQUIRE(unset);
        REQUIRE_STATUS(c->call(unset), DAUB_ERROR_INVALID_ARG, "struct_size is 0");
        memset(unset, 0, c->size);
        unset[2] = 1; // 65536 and more is not read: nobody has such a struct
        unset[0] = 1;
        REQUIRE_STATUS(c->call(unset), DAUB_ERROR_INVALID_ARG, "struct_size is 65537");
        free(unset);
    }
    // What an older struct has is taken, not passed over.
    struct old_params {
        uint32_t struct_size;
        const char *prompt;
    } old = { .struct_size = sizeof(old), .prompt = "a\xff" };
    daub_job *job = NULL;
    REQUIRE_STATUS(daub_job_submit(model, (const daub_generate_params *)(const void *)&old, &job),
                   DAUB_ERROR_INVALID_ARG, "UTF-8");
}

// ---- structs that are filled -----------------------------------------------------------------------------------------

static daub_job *job;

static daub_status fill_device_info(void *out)
{
    return daub_device_get_info(dev, out);
}
static daub_status fill_device_list(void *out)
{
    uint32_t n = 0;
    return daub_device_list(NULL, out, 1, &n);
}
static daub_status fill_model_info(void *out)
{
    return daub_model_get_info(model, out);
}
static daub_status fill_inspect(void *out)
{
    return daub_model_inspect(NULL, NULL, out);
}
static daub_status fill_sampler_info(void *out)
{
    return daub_sampler_get_info(0, out);
}
static daub_status fill_schedule_info(void *out)
{
    return daub_schedule_get_info(1, out);
}
static daub_status fill_style_info(void *out)
{
    return daub_style_get_info(1, out);
}
static daub_status fill_limits(void *out)
{
    return daub_get_limits(out);
}
static daub_status fill_progress(void *out)
{
    return daub_job_get_progress(job, out);
}
static daub_status fill_result(void *out)
{
    return daub_job_get_result(job, out);
}
static daub_status fill_estimate(void *out)
{
    return daub_estimate(model, NULL, out);
}

static const struct fill_case {
    const char *name;
    size_t size;
    daub_status (*call)(void *out);
} fills[] = {
    { "daub_device_info", sizeof(daub_device_info), fill_device_info },
    { "daub_device_info", sizeof(daub_device_info), fill_device_list },
    { "daub_model_info", sizeof(daub_model_info), fill_model_info },
    { "daub_model_info", sizeof(daub_model_info), fill_inspect },
    { "daub_sampler_info", sizeof(daub_sampler_info), fill_sampler_info },
    { "daub_schedule_info", sizeof(daub_schedule_info), fill_schedule_info },
    { "daub_style_info", sizeof(daub_style_info), fill_style_info },
    { "daub_limits", sizeof(daub_limits), fill_limits },
    { "daub_progress", sizeof(daub_progress), fill_progress },
    { "daub_result", sizeof(daub_result), fill_result },
    { "daub_memory_estimate", sizeof(daub_memory_estimate), fill_estimate },
};

// A struct of `size` bytes and the same as the call leaves it, in a block of exactly that size.
static uint8_t *filled(const struct fill_case *c, size_t size)
{
    uint8_t *out = malloc(size);
    REQUIRE(out);
    memset(out, 0xa5, size);
    const uint32_t given = (uint32_t)size;
    memcpy(out, &given, sizeof(given));
    REQUIRE_OK(c->call(out));
    uint32_t left;
    memcpy(&left, out, sizeof(left));
    REQUIRE(left == given); // the caller's size stays
    return out;
}

static void what_is_filled(void)
{
    for (size_t i = 0; i < sizeof(fills) / sizeof(fills[0]); i++) {
        const struct fill_case *c = &fills[i];
        uint8_t *own = filled(c, c->size), *older = filled(c, c->size / 2), *newer = filled(c, c->size + 40);
        REQUIRE(memcmp(own + 4, older + 4, c->size / 2 - 4) == 0 && memcmp(own + 4, newer + 4, c->size - 4) == 0);
        for (size_t at = c->size; at < c->size + 40; at++)
            REQUIRE(newer[at] == 0xa5);
        free(newer);
        free(older);
        free(own);
        static const uint32_t bad[] = { 0, 4, 7, 65537, 0xa5a5a5a5 }; // the last: never set
        for (size_t b = 0; b < sizeof(bad) / sizeof(bad[0]); b++) {
            uint8_t *out = calloc(1, c->size);
            REQUIRE(out);
            memcpy(out, &bad[b], sizeof(bad[b]));
            REQUIRE_STATUS(c->call(out), DAUB_ERROR_INVALID_ARG, c->name);
            free(out);
        }
    }
}

static bool step_infos(void *user, daub_step *step)
{
    (void)user;
    struct {
        uint32_t struct_size, step, guard;
    } small = { .struct_size = 8, .guard = 77 };
    daub_step_info unset = { .struct_size = 0 };
    REQUIRE_OK(daub_step_get_info(step, (daub_step_info *)(void *)&small));
    REQUIRE(small.step > 0 && small.guard == 77);
    REQUIRE_STATUS(daub_step_get_info(step, &unset), DAUB_ERROR_INVALID_ARG, "daub_step_info");
    return true;
}

// Every device's entry lies where the caller's header puts it.
static void lists(void)
{
    uint32_t n = 0, again = 0;
    REQUIRE_OK(daub_device_list(NULL, NULL, 0, &n));
    struct newer {
        daub_device_info info;
        uint64_t more[4];
    } *all = calloc(n, sizeof(*all));
    REQUIRE(all && n > 0);
    all[0].info.struct_size = sizeof(*all);
    REQUIRE_OK(daub_device_list(NULL, &all[0].info, n, &again));
    REQUIRE(again == n);
    for (uint32_t i = 0; i < n; i++)
        REQUIRE(all[i].info.struct_size == sizeof(*all) && all[i].info.index == i && all[i].info.name[0]);
    free(all);
}

static void limits_are_those_enforced(void)
{
    daub_limits l = { .struct_size = sizeof(l) };
    daub_job *none = NULL;
    char text[64];
    REQUIRE_OK(daub_get_limits(&l));
    snprintf(text, sizeof(text), "1..%u", l.max_steps);
    REQUIRE_STATUS(daub_job_submit(model, daub_generate_params(.prompt = "x", .n_steps = l.max_steps + 1), &none),
                   DAUB_ERROR_INVALID_ARG, text);
    snprintf(text, sizeof(text), "..%u", l.max_size);
    REQUIRE_STATUS(daub_job_submit(model, daub_generate_params(.prompt = "x", .width = l.max_size + 8), &none),
                   DAUB_ERROR_INVALID_ARG, text);
    snprintf(text, sizeof(text), "..%g", (double)l.max_guidance_scale);
    REQUIRE_STATUS(
        daub_job_submit(model, daub_generate_params(.prompt = "x", .guidance_scale = l.max_guidance_scale + 1), &none),
        DAUB_ERROR_INVALID_ARG, text);
    const float value = 0.0f;
    snprintf(text, sizeof(text), "..%u", l.max_embed_tokens);
    REQUIRE_STATUS(
        daub_job_submit(model, daub_generate_params(.prompt_embeds = &value, .n_embed_tokens = l.max_embed_tokens + 1),
                        &none),
        DAUB_ERROR_INVALID_ARG, text);
    char *prompt = malloc(l.max_prompt_size + 2);
    REQUIRE(prompt);
    memset(prompt, 'a', l.max_prompt_size + 1);
    prompt[l.max_prompt_size + 1] = '\0';
    daub_image image = { 0 };
    snprintf(text, sizeof(text), "at most %llu", (unsigned long long)l.max_prompt_size);
    REQUIRE_STATUS(daub_generate(model, daub_generate_params(.prompt = prompt, .n_steps = 1), &image),
                   DAUB_ERROR_INVALID_ARG, text);
    free(prompt);
    REQUIRE(l.max_header_size > 0 && l.max_tensors > 0 && l.max_tensor_name > 0 && l.max_json_size > 0 &&
            l.max_json_nesting > 0);
}

int main(void)
{
    REQUIRE_OK(daub_device_create(NULL, &dev));
    REQUIRE_OK(daub_model_load(dev, NULL, NULL, &model));
    REQUIRE_OK(daub_job_submit(model, daub_generate_params(.prompt = "x", .n_steps = 1, .on_step = step_infos), &job));
    REQUIRE_OK(daub_job_wait(job, UINT64_MAX, NULL));
    what_is_read();
    what_is_filled();
    lists();
    limits_are_those_enforced();
    daub_job_destroy(&job);
    REQUIRE_OK(daub_model_destroy(&model));
    REQUIRE_OK(daub_device_destroy(&dev));
    return 0;
}

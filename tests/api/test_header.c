// test_header.c - the public headers stand alone in C, and what they promise without a device holds.
#include "daub.h"
#include "daub_parameters.h"
#include "daub_tools.h"

#include "tests/test.h"

// A params struct as an older header had it: only its first fields.
struct old_params {
    uint32_t struct_size;
    const char *device;
};

static void struct_sizes(void)
{
    uint32_t n = 0;
    const struct old_params old = { .struct_size = sizeof(old), .device = "no such device anywhere" };
    (void)daub_device_list((const daub_device_params *)(const void *)&old, NULL, 0,
                           &n); // taken, or no loader; never misread

    struct {
        daub_device_params p;
        uint64_t newer;
    } big = { .p = { .struct_size = sizeof(big), .debug = "" } };
    daub_device *dev = NULL;
    big.newer = 1;
    REQUIRE_STATUS(daub_device_create(&big.p, &dev), DAUB_ERROR_INVALID_ARG, "newer daub.h");
    REQUIRE(!dev);
    const daub_device_params unset = { .struct_size = 0 };
    REQUIRE_STATUS(daub_device_create(&unset, &dev), DAUB_ERROR_INVALID_ARG, "struct_size");
    const daub_device_params bad_word = { .struct_size = sizeof(bad_word), .debug = "valdate" };
    REQUIRE_STATUS(daub_device_create(&bad_word, &dev), DAUB_ERROR_INVALID_ARG, "valdate");
}

static void nothing_is_harmless(void)
{
    daub_device *dev = NULL;
    daub_model *model = NULL;
    daub_job *job = NULL;
    REQUIRE_OK(daub_device_destroy(NULL));
    REQUIRE_OK(daub_device_destroy(&dev));
    REQUIRE_OK(daub_model_destroy(NULL));
    REQUIRE_OK(daub_model_destroy(&model));
    daub_job_destroy(NULL);
    daub_job_destroy(&job);
    daub_job_cancel(NULL);
    daub_image_free(NULL);
    daub_image image = { 0 };
    daub_image_free(&image);
    REQUIRE_STATUS(daub_device_create(NULL, NULL), DAUB_ERROR_INVALID_ARG, "out");
    REQUIRE_STATUS(daub_job_submit(NULL, NULL, &job), DAUB_ERROR_INVALID_ARG, "NULL");
    REQUIRE_STATUS(daub_job_wait(NULL, 0, NULL), DAUB_ERROR_INVALID_ARG, "NULL");
}

// A pointer that is missing is told before any other is followed: what the others lead to here is no device, model or job.
#define MISSES(call)                                                                          \
    do {                                                                                      \
        const daub_status status_ = (call);                                                   \
        if (status_ != DAUB_ERROR_INVALID_ARG || !strstr(daub_last_error(), "NULL"))          \
            TEST_FAIL("%s: %s, \"%s\"", #call, daub_status_text(status_), daub_last_error()); \
    } while (0)

static void missing_arguments(void)
{
    static uint64_t anything[512];
    void *const some = anything;
    float values[4] = { 0 };
    const daub_source source = { .data = "x", .size = 1 };
    MISSES(daub_device_list(NULL, NULL, 0, NULL));
    MISSES(daub_device_list(NULL, NULL, 1, some));
    MISSES(daub_device_get_info(NULL, some));
    MISSES(daub_device_get_info(some, NULL));
    MISSES(daub_model_load(NULL, "x", NULL, some));
    MISSES(daub_model_load(some, "x", NULL, NULL));
    MISSES(daub_model_get_info(NULL, some));
    MISSES(daub_model_get_info(some, NULL));
    MISSES(daub_model_inspect("x", NULL, NULL));
    MISSES(daub_sampler_get_info(0, NULL));
    MISSES(daub_schedule_get_info(0, NULL));
    MISSES(daub_style_get_info(0, NULL));
    MISSES(daub_style_apply(NULL, NULL, some));
    MISSES(daub_style_apply(some, "strict", NULL));
    MISSES(daub_get_limits(NULL));
    MISSES(daub_image_read(NULL, some));
    MISSES(daub_image_read("x", NULL));
    MISSES(daub_image_read_source(NULL, some));
    MISSES(daub_image_read_source(&source, NULL));
    MISSES(daub_alpha_bar(DAUB_NOISE_LINEAR, 1, NULL));
    MISSES(daub_add_noise(DAUB_NOISE_LINEAR, 1, 1, NULL, values, 4));
    MISSES(daub_add_noise(DAUB_NOISE_LINEAR, 1, 1, values, NULL, 4));
    MISSES(daub_estimate(NULL, NULL, some));
    MISSES(daub_estimate(some, NULL, NULL));
    MISSES(daub_encode_text(NULL, NULL, "x"));
    MISSES(daub_encode_text(some, NULL, NULL));
    MISSES(daub_encode_text_floats(NULL, NULL, some, some));
    MISSES(daub_encode_text_floats(some, NULL, NULL, some));
    MISSES(daub_decode_latents(NULL, NULL, values, some));
    MISSES(daub_decode_latents(some, NULL, NULL, some));
    MISSES(daub_decode_latents(some, NULL, values, NULL));
    for (size_t i = 0; i < sizeof(anything) / sizeof(anything[0]); i++)
        REQUIRE(anything[i] == 0);
}

static void missing_arguments_of_jobs(void)
{
    static uint64_t anything[512];
    void *const some = anything;
    float values[4] = { 0 };
    MISSES(daub_job_submit(NULL, NULL, some));
    MISSES(daub_job_submit(some, NULL, NULL));
    MISSES(daub_job_wait(NULL, 0, some));
    MISSES(daub_job_advance(NULL, 0, NULL));
    MISSES(daub_job_get_progress(NULL, some));
    MISSES(daub_job_get_progress(some, NULL));
    MISSES(daub_job_take_image(NULL, some));
    MISSES(daub_job_take_image(some, NULL));
    MISSES(daub_job_take_latents(NULL, some));
    MISSES(daub_job_take_latents(some, NULL));
    MISSES(daub_job_take_floats(NULL, some));
    MISSES(daub_job_take_floats(some, NULL));
    MISSES(daub_job_get_result(NULL, some));
    MISSES(daub_job_get_result(some, NULL));
    MISSES(daub_job_take_state(NULL, some));
    MISSES(daub_job_take_state(some, NULL));
    MISSES(daub_generate(NULL, NULL, some));
    MISSES(daub_generate(some, NULL, NULL));
    MISSES(daub_generate_with_result(some, NULL, NULL, some));
    MISSES(daub_step_get_info(NULL, some));
    MISSES(daub_step_get_info(some, NULL));
    MISSES(daub_step_read(NULL, values));
    MISSES(daub_step_read(some, NULL));
    MISSES(daub_step_write(NULL, values));
    MISSES(daub_step_write(some, NULL));
    for (size_t i = 0; i < sizeof(anything) / sizeof(anything[0]); i++)
        REQUIRE(anything[i] == 0);
}

static void missing_arguments_of_texts_and_tools(void)
{
    static uint64_t anything[512];
    void *const some = anything;
    const daub_source source = { .data = "x", .size = 1 };
    char path[16];
    MISSES(daub_picture_text(NULL, some));
    MISSES(daub_picture_text(&source, NULL));
    MISSES(daub_parameters_read(NULL, some));
    MISSES(daub_parameters_read(&source, NULL));
    MISSES(daub_parameters_parse(NULL, some));
    MISSES(daub_parameters_parse("x", NULL));
    MISSES(daub_parameters_apply(NULL, some));
    MISSES(daub_parameters_apply(some, NULL));
    MISSES(daub_parameters_describe(NULL, some, NULL, some));
    MISSES(daub_parameters_describe(some, NULL, NULL, some));
    MISSES(daub_parameters_describe(some, some, NULL, NULL));
    MISSES(daub_parameters_write(NULL, some));
    MISSES(daub_parameters_write(some, NULL));
    MISSES(daub_parameters_find_model(NULL, path, sizeof(path), some));
    MISSES(daub_parameters_find_model(some, NULL, 0, some));
    MISSES(daub_parameters_find_model(some, path, sizeof(path), NULL));
    MISSES(daub_parameters_find_vae(NULL, path, sizeof(path), some));
    MISSES(daub_parameters_find_vae(some, NULL, 0, some));
    MISSES(daub_parameters_find_vae(some, path, sizeof(path), NULL));
    MISSES(daub_tools_vae_hash(NULL, path));
    MISSES(daub_tools_vae_hash("x", NULL));
    MISSES(daub_tools_doctor(NULL, NULL, some, 1, NULL));
    MISSES(daub_tools_doctor(NULL, NULL, NULL, 1, some));
    daub_parameters_free(NULL);
    daub_floats_free(NULL);
    daub_state_free(NULL);
    daub_text_free(NULL);
    daub_tools_free(NULL);
    for (size_t i = 0; i < sizeof(anything) / sizeof(anything[0]); i++)
        REQUIRE(anything[i] == 0);
}

static void forward_process(void)
{
    float x0[20], xt[20];
    double abar = 0.0, before = 1.0;
    for (int i = 0; i < 20; i++)
        x0[i] = 0.1f * (float)i;
    REQUIRE_OK(daub_add_noise(DAUB_NOISE_COSINE, -1, 3, x0, xt, 20));
    REQUIRE(memcmp(x0, xt, sizeof(x0)) == 0);
    for (int s = 0; s < 3; s++) {
        before = 1.0;
        for (uint32_t t = 0; t < 1000; t++) {
            REQUIRE_OK(daub_alpha_bar((daub_noise_schedule)s, t, &abar));
            REQUIRE(abar > 0.0 && abar < before);
            before = abar;
        }
        // q(x_t | x_0) with the same noise for any t: the noise can be solved for and must agree
        float a[20], b[20];
        double at = 0.0, bt = 0.0;
        REQUIRE_OK(daub_add_noise((daub_noise_schedule)s, 100, 9, x0, a, 20));
        REQUIRE_OK(daub_add_noise((daub_noise_schedule)s, 900, 9, x0, b, 20));
        REQUIRE_OK(daub_alpha_bar((daub_noise_schedule)s, 100, &at));
        REQUIRE_OK(daub_alpha_bar((daub_noise_schedule)s, 900, &bt));
        for (int i = 0; i < 20; i++)
            REQUIRE_NEAR(((double)a[i] - sqrt(at) * (double)x0[i]) / sqrt(1.0 - at),
                         ((double)b[i] - sqrt(bt) * (double)x0[i]) / sqrt(1.0 - bt), 1e-4);
    }
    REQUIRE_STATUS(daub_add_noise(DAUB_NOISE_LINEAR, 1000, 1, x0, xt, 20), DAUB_ERROR_INVALID_ARG, "1000");
    REQUIRE_STATUS(daub_alpha_bar(DAUB_NOISE_LINEAR, 1000, &abar), DAUB_ERROR_INVALID_ARG, "1000");
}

static void names(void)
{
    daub_sampler_info info = { .struct_size = sizeof(info) };
    daub_schedule_info schedule = { .struct_size = sizeof(schedule) };
    bool seen = false;
    REQUIRE(daub_sampler_count() >= 9);
    for (uint32_t i = 0; i < daub_sampler_count(); i++) {
        REQUIRE_OK(daub_sampler_get_info(i, &info));
        REQUIRE(info.name && *info.name && info.label && info.aliases && info.description && info.order >= 1);
        seen |= strcmp(info.name, "dpmpp_2m") == 0;
    }
    REQUIRE(seen);
    REQUIRE_STATUS(daub_sampler_get_info(daub_sampler_count(), &info), DAUB_ERROR_INVALID_ARG, "index");
    REQUIRE_OK(daub_schedule_get_info(1, &schedule));
    REQUIRE_TEXT(schedule.name, "karras");
    REQUIRE_TEXT(schedule.label, "Karras");
    REQUIRE_STATUS(daub_schedule_get_info(daub_schedule_count(), &schedule), DAUB_ERROR_INVALID_ARG, "index");
    REQUIRE(daub_version() == DAUB_VERSION);
    REQUIRE_TEXT(daub_status_text(DAUB_ERROR_IO), "DAUB_ERROR_IO");
    REQUIRE_TEXT(daub_status_text((daub_status)-99), "unknown status");
}

int main(void)
{
    struct_sizes();
    nothing_is_harmless();
    missing_arguments();
    missing_arguments_of_jobs();
    missing_arguments_of_texts_and_tools();
    forward_process();
    names();
    return 0;
}

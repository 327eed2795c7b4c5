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
    forward_process();
    names();
    return 0;
}

// harness.c - see harness.h.
#include "tests/op/harness.h"

enum { MAX_CASES = 64 };

struct wish {
    bool verbose;
    const char *caps; // NULL: all masks
    long only;        // case; -1: all
};

static void log_message(void *user, daub_log_level level, const char *message)
{
    (void)user;
    fprintf(stderr, "[%d] %s\n", (int)level, message);
}

static struct daub_known known[MAX_CASES][2]; // of the op, by case and dtype

static void run_case(daub_device *dev, const struct daub_trial_params *params, const char *caps, bool verbose)
{
    struct daub_verdict v;
    REQUIRE_OK(daub_trial_run(dev, params, &v));
    if (v.wrong[0])
        TEST_FAIL("%s, caps \"%s\"", v.wrong, caps);
    if (verbose)
        printf("%-12s case %2u %s %-32s NMSE %.2e of %.0e, worst %.2e of %.2e\n", params->check->op, params->index,
               params->dtype == DAUB_F16 ? "f16" : "f32", caps, v.nmse, v.nmse_limit, v.error, v.limit);
}

static uint32_t run_mask(const struct daub_check *check, const char *mask, const struct wish *wish)
{
    uint32_t n = 0;
    daub_device *dev = NULL;
    const daub_device_params params = { .struct_size = sizeof(params), .caps = mask, .log = log_message };
    REQUIRE_OK(daub_vk_device_create(&params, &dev));
    for (uint32_t i = 0; i < check->n_cases; i++)
        for (int dtype = DAUB_F32; dtype <= DAUB_F16; dtype++)
            if (wish->only < 0 || wish->only == (long)i) {
                const struct daub_trial_params one = {
                    .check = check,
                    .index = i,
                    .dtype = (enum daub_dtype)dtype,
                    .known = &known[i][dtype == DAUB_F16],
                };
                run_case(dev, &one, mask, wish->verbose);
                n++;
            }
    REQUIRE(daub_device_validation_errors(dev) == 0);
    daub_vk_device_destroy(&dev);
    return n;
}

static uint32_t run_masks(const char *op, const char *const *masks, size_t n, const struct wish *wish)
{
    const struct daub_check *check = daub_check_find(op);
    REQUIRE(check && check->n_cases <= MAX_CASES);
    uint32_t n_run = 0;
    for (size_t i = 0; i < n; i++)
        if (!wish->caps || strcmp(wish->caps, masks[i]) == 0)
            n_run += run_mask(check, masks[i], wish);
    for (uint32_t i = 0; i < check->n_cases; i++)
        for (int k = 0; k < 2; k++)
            daub_known_free(&known[i][k]);
    return n_run;
}

void op_run_masks(const char *op, const char *const *masks, size_t n)
{
    REQUIRE(run_masks(op, masks, n, &(struct wish) { .only = -1 }) > 0);
}

int op_main(int argc, char **argv, const char *op)
{
    static const char *const masks[] = {
        "",
        "+texel,rows=12",
        "-texel,rows=16",
        "-lane",
        "-f16,-subgroup",
        "range=16M,shared=16K,align=256",
        "-f16,-subgroup,-texel,range=16M,shared=16K,api=1.1",
        "-lane,-f16,-subgroup,-texel,range=16M,shared=16K,api=1.1",
    };
    struct wish wish = { .only = -1 };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0)
            wish.verbose = true;
        else if (strcmp(argv[i], "--filter-caps") == 0 && i + 1 < argc)
            wish.caps = argv[++i];
        else if (strcmp(argv[i], "--case") == 0 && i + 1 < argc)
            wish.only = atol(argv[++i]);
        else
            TEST_FAIL("unknown option %s", argv[i]);
    }
    uint32_t n_run = run_masks(op, masks, sizeof(masks) / sizeof(masks[0]), &wish);
    if (strcmp(op, "conv2d") == 0)
        n_run += run_masks(op, (const char *const[]) { "-winograd" }, 1, &wish);
    REQUIRE(n_run > 0);
    printf("%s: %u runs passed\n", op, n_run);
    return 0;
}

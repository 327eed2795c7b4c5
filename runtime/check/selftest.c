// selftest.c - see selftest.h.
#include "runtime/check/selftest.h"

#include "runtime/base/thread.h"
#include "runtime/check/check.h"
#include "runtime/check/variant.h"
#include "runtime/vk/kernels/embed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// Multiplications or values of a case that a run which is not thorough takes on: 50 ms of the reference.
static const double MAX_WORK = 5e7;

struct session {
    const daub_device_params *device;
    const daub_tools_selftest_params *params;
    const struct daub_variant *variant;
    daub_device *dev;
    uint32_t n_failed, n_checks;
};

static void add_kernels(const uint32_t *set, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (uint32_t k = 1; k < DAUB_KERNEL_COUNT && at < size; k++)
        if (set[k / 32] >> k % 32 & 1) {
            const int n = snprintf(out + at, size - at, "%s%s", at ? " " : "", daub_kernel_name((enum daub_kernel)k));
            at += n > 0 ? (size_t)n : 0;
        }
}

static void fail_case(daub_tools_check *row, const char *sentence)
{
    row->n_failed++;
    if (!row->sentence[0])
        snprintf(row->sentence, sizeof(row->sentence), "%s", sentence);
}

// How near a value came to its tolerance; above 1 it has left it.
static double nearness(double error, double tolerance)
{
    return tolerance > 0.0 ? error / tolerance : error > 0.0 ? INFINITY : error;
}

static void add_verdict(daub_tools_check *row, uint32_t *kernels, const struct daub_verdict *v)
{
    for (uint32_t i = 0; i < DAUB_KERNEL_SET; i++)
        kernels[i] |= v->kernels[i];
    if (row->n_cases == 0 || !(nearness(v->error, v->limit) <= nearness(row->error, row->tolerance))) {
        row->error = v->error;
        row->tolerance = v->limit;
    }
    if (v->wrong[0])
        fail_case(row, v->wrong);
}

// In variants other than the device's own a few cases of each op will do,
static bool wanted_case(const struct session *s, const struct daub_check *check, uint32_t i)
{
    const uint32_t some = s->variant->words[0] ? check->brief : check->usual;
    return s->params->thorough || some == 0 || (some >> i & 1);
}

// and the precision that they will be used with.
static bool wanted_dtype(const struct session *s, enum daub_dtype dtype)
{
    const daub_precision precision = dtype == DAUB_F16 ? DAUB_PRECISION_F16 : DAUB_PRECISION_F32;
    if (s->params->precision != DAUB_PRECISION_DEFAULT)
        return s->params->precision == precision;
    return s->params->thorough || dtype == DAUB_F16 || !s->variant->words[0] || s->variant->both;
}

static daub_status run_cases(struct session *s, const struct daub_check *check, enum daub_dtype dtype,
                             daub_tools_check *row)
{
    uint32_t kernels[DAUB_KERNEL_SET] = { 0 };
    for (uint32_t i = 0; i < check->n_cases; i++) {
        const struct daub_trial_params params = {
            .check = check, .index = i, .dtype = dtype, .max_work = s->params->thorough ? 0.0 : MAX_WORK
        };
        struct daub_verdict verdict = { 0 };
        if (!wanted_case(s, check, i))
            continue;
        const daub_status status = s->params->list ? DAUB_OK : daub_trial_run(s->dev, &params, &verdict);
        if (verdict.skipped)
            continue;
        if (status != DAUB_OK)
            fail_case(row, daub_last_error());
        else
            add_verdict(row, kernels, &verdict);
        row->n_cases++;
        if (status == DAUB_ERROR_DEVICE_LOST) { // what is left of this check with it
            add_kernels(kernels, row->kernels, sizeof(row->kernels));
            daub_vk_device_destroy(&s->dev);
            return daub_variant_open(s->variant, s->device, &s->dev);
        }
    }
    add_kernels(kernels, row->kernels, sizeof(row->kernels));
    return DAUB_OK;
}

static daub_status run_check(struct session *s, const struct daub_check *check, enum daub_dtype dtype)
{
    daub_tools_check row = { .precision = dtype == DAUB_F16 ? DAUB_PRECISION_F16 : DAUB_PRECISION_F32 };
    snprintf(row.op, sizeof(row.op), "%s", check->op);
    snprintf(row.words, sizeof(row.words), "%s", s->variant->words);
    const uint64_t start = daub_now_ns();
    const daub_status status = run_cases(s, check, dtype, &row);
    row.seconds = (double)(daub_now_ns() - start) * 1e-9;
    s->n_failed += row.n_failed > 0;
    s->n_checks++;
    s->params->on_check(s->params->user, &row);
    return status;
}

static bool takes_part(const struct session *s, const struct daub_check *check)
{
    if (s->params->ops && !daub_glob(s->params->ops, check->op))
        return false;
    return !s->variant->words[0] || (check->brief != 0 && daub_glob(s->variant->ops, check->op));
}

static daub_status run_variant(struct session *s)
{
    for (uint32_t i = 0; i < daub_n_checks; i++)
        for (int dtype = DAUB_F32; dtype <= DAUB_F16; dtype++) {
            if (takes_part(s, daub_checks[i]) && wanted_dtype(s, (enum daub_dtype)dtype))
                TRY(run_check(s, daub_checks[i], (enum daub_dtype)dtype));
        }
    return DAUB_OK;
}

daub_status daub_selftest(const daub_device_params *device, const daub_tools_selftest_params *params,
                          uint32_t *n_failed)
{
    struct session s = { .device = device, .params = params };
    struct daub_variants variants = { 0 };
    for (;;) {
        TRY(daub_variants_next(&variants, device, params->thorough, &s.variant, &s.dev));
        if (!s.variant)
            break;
        const daub_status status = run_variant(&s);
        daub_vk_device_destroy(&s.dev);
        TRY(status);
    }
    if (s.n_checks == 0)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "no op is called \"%s\"; daub selftest --list names them",
                         params->ops ? params->ops : "");
    *n_failed = s.n_failed;
    return DAUB_OK;
}

// kernels.c - daub_tools.h: whether the device's kernels are right, and how fast they are.
#include "include/daub_tools.h"

#include "runtime/api/params.h"
#include "runtime/check/rates.h"
#include "runtime/check/selftest.h"

daub_status daub_tools_selftest(const daub_device_params *device, const daub_tools_selftest_params *params,
                                uint32_t *n_failed)
{
    daub_device_params d;
    daub_tools_selftest_params p;
    uint32_t n = 0;
    TRY(daub_params_copy("daub_device_params", device, &d, sizeof(d)));
    TRY(daub_device_params_check(&d));
    TRY(daub_params_copy("daub_tools_selftest_params", params, &p, sizeof(p)));
    if (!p.on_check)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_tools_selftest_params.on_check is NULL");
    TRY(daub_selftest(&d, &p, &n));
    if (n_failed)
        *n_failed = n;
    return DAUB_OK;
}

daub_status daub_tools_kernel_rates(const daub_device_params *device, const daub_tools_rates_params *params)
{
    daub_device_params d;
    daub_tools_rates_params p;
    TRY(daub_params_copy("daub_device_params", device, &d, sizeof(d)));
    TRY(daub_device_params_check(&d));
    TRY(daub_params_copy("daub_tools_rates_params", params, &p, sizeof(p)));
    if (!p.on_rate)
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_tools_rates_params.on_rate is NULL");
    if (!(p.seconds >= 0.0))
        return daub_fail(DAUB_ERROR_INVALID_ARG, "daub_tools_rates_params.seconds is %g, below 0", p.seconds);
    return daub_kernel_rates(&d, &p);
}
